"""The IAM role of the Amazon Q Business data source connector for AEM Cloud, from stack config."""

import pulumi

from components.connector_role import ConnectorRole

connector = ConnectorRole.from_config("aem-connector", refuse_unknown_keys=True)

pulumi.export("roleArn", connector.role_arn)
pulumi.export("roleName", connector.role_name)
