"""Tests docs/operate: the documented commands retire a data source and hand back roles."""

from pages.examples import APPLICATION_ID, INDEX_ID
from sandbox.account import ZONE_AND_CIDR_BY_SUBNET_ID
from tests.helpers.page import blocks, prose, run_script, run_section
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import PROJECT_NAME, REQUIRED, golden

INDEX = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}


def test_roles_are_handed_back_and_data_source_is_retired(new_stack: NewStack, aws: Aws):
    top = {key: value for key, value in REQUIRED.items() if key != "secretId"}
    sources = {name: {"secretId": REQUIRED["secretId"]} for name in ("wiki", "docs", "blog")}
    stack = new_stack({**top, "protect": True, "exclusivePolicies": True, "dataSources": sources})
    stack.up()

    def in_aws() -> dict[str, object]:
        return {role: (aws.trust_policy(role), aws.role_policies(role)) for role in aws.roles()}

    names = stack.outputs()["roleNames"]
    restored = {"PolicyName": "restored", "PolicyDocument": golden("minimal-role-policy")}
    for entry in ("wiki", "docs"):
        aws.iam.put_role_policy(RoleName=names[entry], **restored)
    before = in_aws()
    assert len(before) == 3
    release, _ = blocks("sh", prose("One role of several"))
    run_script(stack, release, PROJECT=PROJECT_NAME, NAME="docs", STACK=stack.name)
    run_section(stack, "One role of several", PROJECT=PROJECT_NAME, NAME="wiki", STACK=stack.name)
    assert {*stack.outputs()["roleNames"]} == {"blog"}
    assert in_aws() == before
    state, settings = stack.state_file.read_text(), stack.config_file.read_text()
    run_section(stack, "Hand the roles back", STACK=stack.name)
    assert not stack.state_file.exists()
    assert in_aws() == before

    stack.state_file.write_text(state)
    stack.config_file.write_text(settings)
    source = {"displayName": "Docs", "configuration": {"type": "AEM"}}
    arn = stack.outputs()["roleArns"]["blog"]
    created = aws.client("qbusiness").create_data_source(**INDEX, **source, roleArn=arn)["dataSourceId"]
    ids = {"APPLICATION_ID": APPLICATION_ID, "INDEX_ID": INDEX_ID, "DATA_SOURCE": created}
    listed = run_section(stack, "Delete the data source", check=True, **ids).stdout
    assert listed.splitlines()[0].split() == [created, "ACTIVE", "Docs"]
    assert created not in listed.partition("\n")[2]
    ec2 = aws.client("ec2")
    tag = {"Key": "AMAZON_Q", "Value": f"qbusiness_123456789012_{APPLICATION_ID}_x"}
    tagged = [{"ResourceType": "network-interface", "Tags": [tag]}]
    added = ec2.create_network_interface(
        SubnetId=min(ZONE_AND_CIDR_BY_SUBNET_ID), TagSpecifications=tagged
    )
    interface = added["NetworkInterface"]["NetworkInterfaceId"]
    listed = run_section(stack, "Delete the network interfaces", INTERFACE=interface).stdout
    assert f"{interface}\tavailable\t" in listed
    assert f"\t{tag['Value']}\n" in listed
    assert interface not in str(ec2.describe_network_interfaces())
    run_section(stack, "Delete the role", STACK=stack.name)
    assert {*aws.roles()} == {names["wiki"], names["docs"]}
    assert not stack.config_file.exists()
