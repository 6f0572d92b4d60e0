"""Create a data source for AEM Cloud, under the role of another stack."""

import pulumi
import pulumi_aws_native as aws_native

config = pulumi.Config()
# Not get_output: a stack without the role has to be an error, and not a data source without one.
role_arn = pulumi.StackReference(config.require("roleStack")).require_output("roleArn")
# The role may read this secret and use this VPC, and no other: the same values as in the role's stack.
secret_arn = config.require("secretArn")
vpc: dict[str, list[str]] = config.get_object("vpcConfiguration", {})

data_source = aws_native.qbusiness.DataSource(
    "aem",
    display_name=config.require("displayName"),
    application_id=config.require("applicationId"),
    index_id=config.require("indexId"),
    role_arn=role_arn,
    # https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/aem-cloud-api.html has its JSON schema.
    configuration={**config.require_object("aem"), "type": "AEM", "secretArn": secret_arn},
    vpc_configuration={
        "subnet_ids": vpc["subnetIds"],
        "security_group_ids": vpc["securityGroupIds"],
    }
    if vpc
    else None,
)
pulumi.export("dataSourceArn", data_source.data_source_arn)
