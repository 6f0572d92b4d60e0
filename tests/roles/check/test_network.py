"""After the fixes for a subnet or security group, the next `roles check` finds nothing wrong."""

import json
from typing import Any, Final

import pytest

from pages.examples import (
    ACCOUNT,
    APPLICATION_ID,
    OTHER_ACCOUNT,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import SECOND_SUBNET_ID, VPC, World
from tests.roles.check.breaks import SHARED_SUBNET, set_entry

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

ASKED: Final = ("subnets", "security groups", "data source")
BOTH: Final = {**VPC, "subnetIds": [SUBNET_ID, SECOND_SUBNET_ID]}
OUTSIDE: Final = ("check", "--application", APPLICATION_ID, "--data-source-id", DATA_SOURCE_ID)


def update(vpc: dict[str, Any]) -> str:
    """Return the end of the first of the two commands that change the data source's VPC."""
    return f" | .vpcConfiguration = {json.dumps(vpc)}' > data-source.json\n"


def edit(vpc: dict[str, Any]) -> str:
    return f"in Pulumi.dev.yaml, set vpcConfiguration to {json.dumps(vpc)}, then pulumi up --stack dev\n"


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


def test_data_source_answer_refers_to_fix_for_missing_subnet(world: World):
    world.add_data_source(vpcConfiguration={**VPC, "subnetIds": [SECOND_SUBNET_ID]})
    world.ec2.delete_subnet(SubnetId=SECOND_SUBNET_ID)
    answer = world.check(only=ASKED).answer(f"data source {DATA_SOURCE_ID}")
    assert 'to change this: see "subnets" and "security groups"\n' in answer


@pytest.mark.parametrize(("theirs", "label"), [(VPC, "to change this"), (BOTH, "fix")])
def test_fix_for_differing_subnets_edits_the_settings(world: World, theirs: dict[str, Any], label: str):
    world.set(vpcConfiguration=BOTH if theirs == VPC else VPC)
    world.add_data_source(vpcConfiguration=theirs)
    answer = world.check(only=ASKED).answer(f"data source {DATA_SOURCE_ID}")
    assert f"{label}: {edit(theirs)}" in answer
    world.set(vpcConfiguration=theirs)
    assert world.check(only=ASKED).code == 0


def test_fix_replaces_deleted_subnet_before_setting_vpc(world: World):
    world.set(vpcConfiguration=None, allowNetworkInterfaceDeletion=None)
    world.add_data_source(vpcConfiguration=BOTH)
    world.ec2.delete_subnet(SubnetId=SECOND_SUBNET_ID)
    new = {**VPC, "subnetIds": [SUBNET_ID, "SUBNET_ID"]}
    answer = world.check(only=ASKED).answer(f"data source {DATA_SOURCE_ID}")
    assert update(new) in answer
    assert f"3. {edit(new)}" in answer


def test_fix_replaces_id_of_shared_subnet_with_arn(world: World):
    world.subnet(OwnerId=OTHER_ACCOUNT, SubnetArn=SHARED_SUBNET)
    world.set(vpcConfiguration=VPC)
    world.add_data_source(vpcConfiguration={**VPC, "subnetIds": [SECOND_SUBNET_ID, SUBNET_ID]})
    shared = {**VPC, "subnetIds": [SECOND_SUBNET_ID, SHARED_SUBNET]}
    assert edit(shared) in world.check(only=ASKED).answer(f"data source {DATA_SOURCE_ID}")


def test_role_without_stack_needs_arn_of_shared_subnet(world: World):
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    world.subnet(OwnerId=OTHER_ACCOUNT, SubnetArn=SHARED_SUBNET)
    world.add_data_source()
    own = f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{SUBNET_ID}"
    said = world.run(*OUTSIDE, "--json").json
    answers = {each["question"]: each for each in said["answers"]}
    assert answers["subnets"]["state"] == "ok"
    assert SHARED_SUBNET in json.dumps(said["rolePolicy"])
    assert own not in json.dumps(said["rolePolicy"])
    assert answers["role policy"]["state"] == "problem"  # the role has the other ARN


def test_unreadable_subnets_do_not_hide_last_sync(world: World):
    world.add_data_source(vpcConfiguration=VPC)
    world.add_sync("FAILED")
    world.reject("ec2:DescribeSubnets")
    answer = world.check(only=["data source"]).out
    assert f"to change this: {edit(VPC)}" in answer
    assert "has the status FAILED" in answer


def test_fix_replaces_the_one_subnet_in_another_vpc(world: World):
    vpc = world.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    odd = world.ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24", AvailabilityZone="us-east-1b")
    identifier = odd["Subnet"]["SubnetId"]
    world.set(vpcConfiguration={**VPC, "subnetIds": [SUBNET_ID, identifier, SECOND_SUBNET_ID]})
    assert f"fix: {set_entry('subnetIds[1]', 'SUBNET_ID')}\n" in world.ask("subnets")


def test_group_of_another_vpc_may_be_associated_with_subnets_vpc(world: World):
    vpc = world.ec2.describe_subnets(SubnetIds=[SUBNET_ID])["Subnets"][0]["VpcId"]
    other = world.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    options = {"GroupName": "other", "Description": "other", "VpcId": other}
    group = world.ec2.create_security_group(**options)["GroupId"]
    world.set(vpcConfiguration={**BOTH, "securityGroupIds": [SECURITY_GROUP_ID, group]})
    said = world.check(only=["security groups"])
    assert said.code == 3
    assert said.answer("security groups") == (
        f"cannot tell security groups: {group} is in {other}, but the subnets are in {vpc}\n"
        "         to find out: `aws ec2 describe-security-group-vpc-associations --region us-east-1 "
        "--filters "
        f"'Name=group-id,Values={group}'` shows {vpc} for a group that the subnets can use; replace the "
        "other groups\n"
    )


def test_fix_removes_unused_vpc_and_dependent_setting(world: World):
    del world.add_data_source()["vpcConfiguration"]
    answer = world.ask("data source")
    assert (
        "to change this: 1. pulumi config rm --stack dev -- allowNetworkInterfaceDeletion && pulumi up"
        in answer
    )
    assert f"2. {edit({})}" in answer
