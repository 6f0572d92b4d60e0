"""After the fixes for a subnet or security group, the next `roles check` finds nothing wrong."""

import json
from typing import Any, Final

import pytest

from pages.examples import SECURITY_GROUP_ID, SUBNET_ID
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import SECOND_SUBNET_ID, VPC, World

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

ASKED: Final = ("subnets", "security groups", "data source")
BOTH: Final = {**VPC, "subnetIds": [SUBNET_ID, SECOND_SUBNET_ID]}


def set_entry(entry: str, value: str) -> str:
    path = f"'vpcConfiguration.{entry}'"
    return (
        f"pulumi config set --stack dev --path --type string -- {path} {value} && pulumi up --stack dev"
    )


def update(vpc: dict[str, Any]) -> str:
    """Return the end of the first of the two commands that change the data source's VPC."""
    return f" | .vpcConfiguration = {json.dumps(vpc)}' > data-source.json\n"


def test_fix_for_missing_subnet_changes_stack_and_data_source(world: World):
    data_source = world.add_data_source()
    world.ec2.delete_subnet(SubnetId=SECOND_SUBNET_ID)
    new = {**VPC, "subnetIds": [SUBNET_ID, "SUBNET_ID"]}
    answer = world.ask("subnets")
    assert f"fix: 1. {set_entry('subnetIds[1]', 'SUBNET_ID')}\n" in answer
    assert update(new) in answer

    replaced = {**VPC, "subnetIds": [SUBNET_ID, SUBNET_ID]}
    world.set(vpcConfiguration=replaced)
    half = world.check(only=ASKED)  # the data source still names the subnet
    assert update(VPC) in half.answer(f"data source {DATA_SOURCE_ID}")
    data_source["vpcConfiguration"] = VPC
    assert world.check(only=ASKED).code == 0


def test_fix_for_missing_group_changes_stack_and_data_source(world: World):
    data_source = world.add_data_source()
    world.ec2.delete_security_group(GroupId=SECURITY_GROUP_ID)
    answer = world.ask("security groups")
    assert f"fix: 1. {set_entry('securityGroupIds[0]', 'SECURITY_GROUP_ID')}\n" in answer
    assert update({**BOTH, "securityGroupIds": ["SECURITY_GROUP_ID"]}) in answer
    vpc = world.ec2.describe_subnets(SubnetIds=[SUBNET_ID])["Subnets"][0]["VpcId"]
    group = world.ec2.create_security_group(GroupName="new", Description="new", VpcId=vpc)["GroupId"]
    new = {**BOTH, "securityGroupIds": [group]}
    world.set(vpcConfiguration=new)
    data_source["vpcConfiguration"] = new
    assert world.check(only=ASKED).code == 0
