"""Create the IAM role of each Amazon Q Business data source in the stack's configuration."""

import pulumi

from qbusiness_connector import ConnectorRole

roles = ConnectorRole.all_from_config(reject_unknown_keys=True)
pulumi.export("roleArns", {name: role.role_arn for name, role in roles.items()})
pulumi.export("roleNames", {name: role.role_name for name, role in roles.items()})
