"""Create an application's data sources, each with its role from another stack."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pulumi
import pulumi_aws_native as aws_native

config = pulumi.Config()
role_stack = config.require("roleStack")
# Unlike get_output, require_output fails if the role stack does not have the output.
role_arns = pulumi.StackReference(role_stack).require_output("roleArns")
# A role can use only the secret, bucket, and VPC in its settings, so use the same values here.
data_sources: dict[str, dict[str, Any]] = config.require_object("dataSources")


def get_role_arn(data_source_name: str, role_arn_by_name: Mapping[str, object]) -> str:
    """Return a role's ARN; reject a placeholder, which an update with --continue-on-error can leave."""
    role_arn = str(role_arn_by_name.get(data_source_name))
    if not role_arn.startswith("arn:"):
        raise pulumi.RunError(
            f"{role_stack} has no role {data_source_name}: add it to the stack's dataSources, and "
            "deploy the stack"
        )
    return role_arn


data_source_arns: dict[str, pulumi.Output[str]] = {}
for data_source_name, settings in data_sources.items():
    vpc: dict[str, list[str]] | None = settings.get("vpcConfiguration")
    vpc_configuration: aws_native.qbusiness.DataSourceVpcConfigurationArgsDict | None = None
    if vpc:
        vpc_configuration = {
            "subnet_ids": vpc["subnetIds"],
            "security_group_ids": vpc["securityGroupIds"],
        }
    data_source = aws_native.qbusiness.DataSource(
        data_source_name,
        display_name=settings["displayName"],
        application_id=config.require("applicationId"),
        index_id=config.require("indexId"),
        role_arn=role_arns.apply(partial(get_role_arn, data_source_name)),
        configuration=settings["configuration"],
        vpc_configuration=vpc_configuration,
    )
    data_source_arns[data_source_name] = data_source.data_source_arn
pulumi.export("dataSourceArns", data_source_arns)
