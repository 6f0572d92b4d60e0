"""Create IAM roles for Amazon Q Business data source connectors from stack configuration."""

import pulumi

from components.configuration import has_data_sources
from components.connector_role import ConnectorRole

NAME = "aem-connector"
"""The component's name in a stack with one role."""

if has_data_sources(pulumi.Config()):
    roles = ConnectorRole.all_from_config(reject_unknown_keys=True)
    pulumi.export("roleArns", {name: role.role_arn for name, role in roles.items()})
    pulumi.export("roleNames", {name: role.role_name for name, role in roles.items()})
else:
    roles = {NAME: ConnectorRole.from_config(NAME, reject_unknown_keys=True)}

# A stack with one role has these outputs. A stack that changes to `dataSources` keeps them only if an
# entry is named NAME.
if NAME in roles:
    pulumi.export("roleArn", roles[NAME].role_arn)
    pulumi.export("roleName", roles[NAME].role_name)
