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


def find_role(name: str, arns: Mapping[str, object]) -> str:
    """Return a role's ARN; reject a placeholder, which an update with --continue-on-error can leave."""
    arn = str(arns.get(name))
    if not arn.startswith("arn:"):
        raise pulumi.RunError(
            f"{role_stack} has no role {name}: add it to the stack's dataSources, and deploy the stack"
        )
    return arn


arns: dict[str, pulumi.Output[str]] = {}
for name, settings in data_sources.items():
    vpc: dict[str, list[str]] | None = settings.get("vpcConfiguration")
    data_source = aws_native.qbusiness.DataSource(
        name,
        display_name=settings["displayName"],
        application_id=config.require("applicationId"),
        index_id=config.require("indexId"),
        role_arn=role_arns.apply(partial(find_role, name)),
        configuration=settings["configuration"],
        vpc_configuration={
            "subnet_ids": vpc["subnetIds"],
            "security_group_ids": vpc["securityGroupIds"],
        }
        if vpc
        else None,
    )
    arns[name] = data_source.data_source_arn
pulumi.export("dataSourceArns", arns)
