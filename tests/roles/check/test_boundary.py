"""`roles check` determines which requests a permissions boundary allows."""

import json
from typing import Any

import pytest

from pages.examples import ACCOUNT, REGION
from tests.helpers.boundary import boundary
from tests.helpers.world import (
    INDEX_ARN,
    KEY_ARN,
    ROLE_ARN,
    ROLE_NAME,
    SECRET_ARN,
    WIDE,
    World,
    allow,
    deny,
    policy,
)
from tests.roles.check.help import ADMIN

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

BOUNDARY = "permissions boundary"
AEM_ROLES = f"arn:aws:iam::{ACCOUNT}:role/aem-*"
EVERYTHING = allow("*", "*")
READ = f"secretsmanager:GetSecretValue on {SECRET_ARN}"


def bounded(world: World, *statements: dict[str, Any]) -> None:
    """Give the role a boundary that allows everything, plus other statements."""
    world.bound(policy(EVERYTHING, *statements))


def deny_under(condition: dict[str, Any], action: str = "*", resource: str = "*") -> dict[str, Any]:
    return deny(action, resource, Sid="Lock", Condition=condition)


def test_boundary_missing_from_settings_is_problem(world: World):
    arn = world.bound(WIDE, is_set=False)
    problem = f"problem  permissions boundary: the role has {arn}, but the settings have no "
    assert world.ask(BOUNDARY).startswith(problem)
    world.set(permissionsBoundaryArn=arn)
    assert (
        world.ask(BOUNDARY) == f"ok       permissions boundary: {arn} allows every connector request\n"
    )


def test_boundary_of_ci_roles_allows_every_request(world: World):
    arn = world.bound(json.dumps(boundary(secrets=[SECRET_ARN], keys=[KEY_ARN])))
    assert (
        world.ask(BOUNDARY) == f"ok       permissions boundary: {arn} allows every connector request\n"
    )


@pytest.mark.parametrize("exists", [True, False])
def test_boundary_of_settings_that_would_cut_off_the_role_is_problem_before_it_is_set(
    world: World, exists: bool
):
    arn = world.bound(json.dumps(boundary(secrets=["another"], keys=[KEY_ARN])))
    world.iam.delete_role_permissions_boundary(RoleName=ROLE_NAME)
    if not exists:
        world.iam.delete_role_policy(RoleName=ROLE_NAME, PolicyName="qbusiness-aem-connector")
        world.iam.delete_role(RoleName=ROLE_NAME)
    answer = world.ask(BOUNDARY)
    text = f"{arn} does not allow all connector requests\n"
    if exists:
        text = f"the role has no permissions boundary, but the settings have {arn}; {text}"
    assert answer.startswith(f"problem  permissions boundary: {text}")
    assert f"  {READ}\n" in answer
    assert 'in this policy, add to "Statement": ' in answer
    assert answer.count("pulumi up") == 1


def test_requests_blocked_by_boundary_are_listed(world: World):
    arn = world.bound(policy({"Effect": "Allow", "NotAction": ["kms:*", "ec2:*"], "Resource": "*"}))
    answer = world.ask(BOUNDARY)
    assert f"{arn} does not allow all connector requests\n" in answer
    assert f"  kms:Decrypt on {KEY_ARN}\n" in answer
    assert "  ec2:DescribeNetworkInterfaces on *\n" in answer
    assert "secretsmanager:GetSecretValue" not in answer


@pytest.mark.parametrize(
    "condition",
    [
        {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}},
        {"StringEquals": {"aws:RequestedRegion": REGION}},
        {"StringNotLike": {"aws:PrincipalArn": ADMIN}},
        {"ArnNotLike": {"aws:PrincipalArn": ADMIN}},
        {"Null": {"aws:PrincipalTag/team": "true"}},
        {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
        {"StringEquals": {"aws:ResourceTag/temporary": ""}},
    ],
    ids=json.dumps,
)
def test_denial_under_met_condition_is_problem(world: World, condition: dict[str, Any]):
    world.secrets.tag_resource(SecretId=SECRET_ARN, Tags=[{"Key": "temporary", "Value": ""}])
    bounded(world, deny_under(condition))
    answer = world.ask(BOUNDARY)
    assert answer.startswith("problem  ")
    assert f"  {READ}: denied by the statement Lock\n" in answer


@pytest.mark.parametrize(
    "statements",
    [
        [EVERYTHING, deny_under({"StringNotEquals": {"aws:RequestedRegion": [REGION, "us-west-2"]}})],
        [EVERYTHING, deny_under({"StringNotLike": {"aws:PrincipalArn": AEM_ROLES}})],
        [EVERYTHING, deny_under({"Bool": {"aws:SecureTransport": "false"}})],
        [allow("*", "*", Condition={"StringEquals": {"aws:RequestedRegion": REGION}})],
        [allow("*", "*", Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}})],
    ],
    ids=json.dumps,
)
def test_boundary_with_harmless_conditions_is_ok(world: World, statements: list[dict[str, Any]]):
    world.bound(policy(*statements))
    said = world.check(only=[BOUNDARY])
    assert said.code == 0
    assert said.answer(BOUNDARY).startswith("ok ")


def test_boundary_with_unknown_context_value_is_undecided(world: World):
    bounded(world, deny_under({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}, "secretsmanager:*"))
    said = world.check(only=[BOUNDARY])
    assert said.code == 3
    answer = said.answer(BOUNDARY)
    assert f"\n           {READ} depends on aws:SourceVpc in the statement Lock\n" in answer
    how = "'aws:SourceVpc=VALUE', or start a sync"
    assert f"find out: repeat the check with --context {how}" in answer
    assert world.check("--context", "aws:SourceVpc=vpc-1", only=[BOUNDARY]).code == 0


def test_secret_tags_are_unneeded_without_tag_condition(world: World):
    bounded(world)
    world.reject("secretsmanager:DescribeSecret", status=400, code="AccessDeniedException")
    assert world.ask(BOUNDARY).startswith("ok ")


@pytest.mark.parametrize("gone", [True, False])
def test_tags_of_unreadable_secret_are_unknown(world: World, gone: bool):
    bounded(world, deny_under({"StringNotEquals": {"aws:ResourceTag/team": "web"}}, "secretsmanager:*"))
    if gone:
        world.delete_secret(SECRET_ARN)
    else:
        world.reject("secretsmanager:DescribeSecret", status=400, code="AccessDeniedException")
    answer = world.ask(BOUNDARY)
    assert answer.startswith("cannot tell ")
    assert "depends on aws:ResourceTag/team in the statement Lock\n" in answer


def test_denial_of_some_network_interfaces_is_not_ok(world: World):
    interfaces = f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/eni-0a*"
    bounded(world, deny_under({}, "ec2:*", interfaces))
    assert "in the statement Lock" in world.ask(BOUNDARY)


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ({"StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}}, "ok "),
        ({"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}, "problem "),
        ({"StringEquals": {"aws:RequestedRegion": REGION}}, "cannot tell "),
    ],
    ids=json.dumps,
)
def test_boundary_must_let_role_for_s3_bucket_pass_itself(
    world: World, condition: dict[str, Any], state: str
):
    world.use_bucket()
    others = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    world.bound(policy(others, allow("iam:PassRole", ROLE_ARN, Condition=condition)))
    answer = world.ask(BOUNDARY)
    assert answer.startswith(state)
    assert (f"iam:PassRole on {ROLE_ARN}" in answer) == (state != "ok ")


def test_boundary_that_only_lacks_disputed_ingestion_cannot_be_judged(world: World):
    ingest = ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"]
    others = {**EVERYTHING, "NotAction": ingest}
    del others["Action"]
    world.bound(policy(others, allow(ingest, INDEX_ARN)))
    said = world.check(only=[BOUNDARY, "requests allowed"])
    assert said.code == 3
    assert 'to find out: see "requests allowed"\n' in said.answer(BOUNDARY)
