"""Create the roles of three connectors of an application: AEM Cloud, Confluence Cloud, Amazon S3."""

import pulumi

from qbusiness_connector import ConnectorRole, ConnectorRoleArgs

config = pulumi.Config()
application: ConnectorRoleArgs = {
    "application_id": config.require("applicationId"),
    "index_id": config.require("indexId"),
}
# All environments have the same connectors. Each environment has its own secrets and buckets.
connectors: dict[str, ConnectorRoleArgs] = {
    "aem": {
        **application,
        "connector": "aem-cloud",
        "secret_id": config.require("aemSecretId"),
    },
    "confluence": {
        **application,
        "connector": "confluence-cloud",
        "secret_id": config.require("confluenceSecretId"),
    },
    "documents": {
        **application,
        "connector": "s3-v2",
        "bucket_name": config.require("documentsBucketName"),
    },
}
for name, args in connectors.items():
    role = ConnectorRole(name, args)
    pulumi.export(f"{name}RoleArn", role.role_arn)
