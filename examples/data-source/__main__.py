"""Create a data source for AEM Cloud, under the role of another stack."""

import pulumi
import pulumi_aws_native as aws_native

config = pulumi.Config()
# Without the role's stack, get_output would create a data source without a role.
role_arn = pulumi.StackReference(config.require("roleStack")).require_output("roleArn")
# The role can read only this secret and use only this VPC: use the values of the role's stack.
secret_arn = config.require("secretArn")
vpc: dict[str, list[str]] = config.get_object("vpcConfiguration", {})

data_source = aws_native.qbusiness.DataSource(
    "aem",
    display_name=config.require("displayName"),
    application_id=config.require("applicationId"),
    index_id=config.require("indexId"),
    role_arn=role_arn,
    # JSON schema: https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/aem-cloud-api.html
    configuration={**config.require_object("aem"), "type": "AEM", "secretArn": secret_arn},
    vpc_configuration={
        "subnet_ids": vpc["subnetIds"],
        "security_group_ids": vpc["securityGroupIds"],
    }
    if vpc
    else None,
)
pulumi.export("dataSourceArn", data_source.data_source_arn)
