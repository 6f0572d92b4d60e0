"""Create the IAM role of an Amazon Q Business data source connector, from stack configuration."""

import pulumi

from components.connector_role import ConnectorRole

connector = ConnectorRole.from_config("aem-connector", refuse_unknown_keys=True)

pulumi.export("roleArn", connector.role_arn)
pulumi.export("roleName", connector.role_name)
