"""Tests the CloudFormation template in `examples/audit-role`."""

import json
from functools import partial
from typing import Any, Final, cast

import pytest
import yaml

from pages.examples import ACCOUNT, OTHER_ACCOUNT
from roles.actions import ACTIONS, OF_ACCOUNTS
from sandbox.environment import PROJECT
from tests.helpers.page import blocks, read_actions
from tests.helpers.world import World
from tests.roles.audit.help import add_granted, complete_world

pytestmark = pytest.mark.slow

NAME: Final = "qbusiness-audit"
TEMPLATE: Final = yaml.safe_load((PROJECT / "examples" / "audit-role" / "template.yaml").read_text())


def evaluate(value: Any, auditor: str, external_id: str) -> Any:
    """Evaluate the functions in a part of the template, as CloudFormation does."""
    inner = partial(evaluate, auditor=auditor, external_id=external_id)
    match value:
        case {"Ref": name}:
            return {"Auditor": auditor, "ExternalId": external_id}[name]
        case {"Fn::Select": [number, {"Fn::Split": [separator, text]}]}:
            return inner(text).split(separator)[number]
        case {"Fn::If": ["HasExternalId", yes, no]}:
            return inner(yes if external_id else no)
        case dict():
            return {key: inner(each) for key, each in cast("dict[str, Any]", value).items()}
        case list():
            return [*map(inner, cast("list[Any]", value))]
        case _:
            return value


def create(world: World, auditor: str, external_id: str) -> dict[str, Any]:
    """Create the role and return it."""
    is_set = {"Fn::Not": [{"Fn::Equals": [{"Ref": "ExternalId"}, ""]}]}
    assert TEMPLATE["Conditions"] == {"HasExternalId": is_set}
    properties = evaluate(TEMPLATE["Resources"]["Role"]["Properties"], auditor, external_id)
    assert properties["RoleName"] == NAME
    (policy,) = properties["Policies"]
    trust = json.dumps(properties["AssumeRolePolicyDocument"])
    world.role(NAME, trust=trust, Path=properties["Path"])
    world.put_policy(json.dumps(policy["PolicyDocument"]), policy["PolicyName"], NAME)
    return world.iam.get_role(RoleName=NAME)["Role"]


def allowed(world: World) -> set[str]:
    """Return the actions that the role allows."""
    found = world.iam.get_role_policy(RoleName=NAME, PolicyName="audit")["PolicyDocument"]
    (statement,) = found["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", "*")
    return {*statement["Action"]}


def test_policies_match_the_page(world: World):
    text = (PROJECT / "docs" / "read-permissions.md").read_text()
    _, _, trust, caller = map(json.loads, blocks("json", text))
    role = create(world, f"arn:aws:iam::{ACCOUNT}:role/auditor", "EXTERNAL_ID")
    assert role["AssumeRolePolicyDocument"] == trust
    assert allowed(world) == read_actions("Audit") - {"sts:GetCallerIdentity"}
    assume, listing = caller["Statement"]
    assert assume["Resource"].replace("*", ACCOUNT) == role["Arn"]
    assert {assume["Action"], listing["Action"]} == {*OF_ACCOUNTS}


@pytest.mark.parametrize("external_id", ["", "audit-4711"])
def test_role_allows_all_calls_of_an_audit_and_nothing_else(world: World, external_id: str):
    complete_world(world)
    add_granted(world)
    other = world.administrator(OTHER_ACCOUNT)
    create(world, other.client("sts").get_caller_identity()["Arn"], external_id)
    key = other.iam.create_access_key(UserName="administrator")["AccessKey"]
    world.patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    world.patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    options = ("--account", ACCOUNT, "--assume-role", f"security/{NAME}")
    options += ("--external-id", external_id) if external_id else ()
    assert world.audit(*options).code == 0
    signed = {*world.server.signed}
    assert {action for account, action in signed if account == ACCOUNT} == allowed(world)
    own = {action for account, action in signed if account == OTHER_ACCOUNT}
    assert own == {*ACTIONS["audit"]} - allowed(world) | {"sts:AssumeRole"}
