"""`roles check` determines whether a key policy lets the role decrypt."""

import json
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, KEY_ID, OTHER_ACCOUNT, REGION
from tests.helpers.support import golden
from tests.helpers.world import (
    KEY_ARN,
    ROLE_ARN,
    ROLE_NAME,
    ROOT,
    SECRET_ARN,
    World,
    allow_key,
    deny,
    policy,
)
from tests.roles.check.help import ADMIN, OF_ORGANIZATION, OPTIONAL

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


KEY_POLICY: Final = ["key policy"]
GRANTED: Final = "ok       key policy: grants kms:Decrypt to the role or delegates to IAM policies"
THROUGH: Final = {"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}}
NOT_S3: Final = {"StringNotEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}
OUTSIDE: Final = {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}


@pytest.mark.parametrize(
    "statements",
    [
        [allow_key({"AWS": ROLE_ARN}, Action="kms:Decrypt")],
        [allow_key({"AWS": ACCOUNT})],
        [allow_key("*", Condition=THROUGH)],
        [allow_key("*", Condition={"StringEquals": {"kms:CallerAccount": ACCOUNT}})],
        [allow_key(ROOT, Condition=NOT_S3)],
        [allow_key(ROOT), allow_key("*", Effect="Deny", Action="kms:ScheduleKeyDeletion")],
    ],
    ids=json.dumps,
)
def test_key_policies_allowing_decryption_are_ok(world: World, statements: list[dict[str, Any]]):
    world.key_policy(*statements)
    assert world.ask("key policy") == f"{GRANTED}\n"


def test_duplicate_json_key_makes_policy_unreadable(world: World):
    document = policy(deny("*", "*"))[:-1] + "," + policy(allow_key(ROOT))[1:]
    world.kms.put_key_policy(KeyId=KEY_ID, PolicyName="default", Policy=document)
    assert world.ask("key policy").startswith(
        "skipped  key policy: the response to kms:GetKeyPolicy has a policy that cannot be read: "
        "it has an object with a duplicate key"
    )


DENYING: Final[list[dict[str, Any]]] = [
    {"StringNotLike": {"aws:PrincipalArn": ADMIN}},
    {"StringNotEquals": {"aws:PrincipalArn": ADMIN}},
    {"ArnNotEquals": {"aws:PrincipalArn": ADMIN}},
    {"ArnNotLikeIfExists": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/admin*"}},
    NOT_S3,
    {"StringNotEqualsIfExists": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}},
    {"StringNotEquals": {"kms:CallerAccount": OTHER_ACCOUNT}},
    {"StringNotEquals": {"aws:PrincipalAccount": OTHER_ACCOUNT}},
    {"StringEquals": {"aws:RequestedRegion": REGION}},
    {"StringLike": {"aws:userid": "AROA*:*"}},
    {"StringNotEquals": {"aws:PrincipalTag/team": "security"}},
    {"Null": {"aws:MultiFactorAuthAge": "true"}},
    {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
    {"Bool": {"aws:ViaAWSService": "true"}},
    {"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
    {"ForAllValues:StringNotLike": {"aws:PrincipalOrgPaths": "o-1/*"}},
    {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}},
]
"""Conditions that the connector's request meets; moto's account is not in an organization."""


SPARING: Final[list[dict[str, Any]]] = [
    {"StringNotLike": {"aws:PrincipalArn": [ADMIN, ROLE_ARN]}},
    {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}},
    {"StringNotEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}},
    {"StringNotEquals": {"kms:CallerAccount": ACCOUNT}},
    {"StringNotEquals": {"aws:RequestedRegion": [REGION, "eu-west-1"]}},
    {"Bool": {"aws:SecureTransport": "false"}},
    {"Bool": {"aws:PrincipalIsAWSService": "true"}},
    {"StringEquals": {"kms:EncryptionContext:SecretARN": f"{SECRET_ARN}-other"}},
    {"Bool": {"kms:GrantIsForAWSResource": "false"}},
    {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    # One unmet condition determines the answer, regardless of unknown values.
    {**OUTSIDE, "Bool": {"aws:SecureTransport": "false"}},
]


UNKNOWN: Final[list[tuple[dict[str, Any], str]]] = [
    (OUTSIDE, "aws:SourceIp"),
    ({"StringLike": {"aws:userid": "*:me"}}, "aws:userid"),
]


def denied_under(world: World, condition: dict[str, Any]) -> None:
    """Let the account use the key, except under a condition."""
    denial = allow_key("*", Effect="Deny", Action="kms:Decrypt", Sid="Lock", Condition=condition)
    world.key_policy(allow_key(ROOT), denial)


@pytest.mark.parametrize("condition", DENYING, ids=json.dumps)
def test_denial_under_met_condition_is_problem(world: World, condition: dict[str, Any]):
    denied_under(world, condition)
    said = world.check(only=KEY_POLICY)
    assert said.code == 1
    assert said.answer("key policy").startswith(
        "problem  key policy: the key policy denies kms:Decrypt to the role, in the statement Lock\n"
    )


@pytest.mark.parametrize("condition", SPARING, ids=json.dumps)
def test_denial_under_unmet_condition_lets_role_decrypt(world: World, condition: dict[str, Any]):
    denied_under(world, condition)
    said = world.check(only=KEY_POLICY)
    assert said.code == 0
    assert said.answer("key policy") == f"{GRANTED}\n"


@pytest.mark.parametrize(("condition", "key"), UNKNOWN, ids=json.dumps)
def test_key_policy_with_unknown_context_value_is_undecided(
    world: World, condition: dict[str, Any], key: str
):
    denied_under(world, condition)
    said = world.check(only=KEY_POLICY)
    assert said.code == 3
    assert said.answer("key policy") == (
        "cannot tell key policy: cannot determine whether the key policy lets the role perform "
        "kms:Decrypt\n"
        f"           depends on {key} in the statement Lock\n"
        f"         to find out: repeat the check with --context '{key}=VALUE', or start a sync and look "
        "for Decrypt in CloudTrail\n"
    )
    assert said.out.endswith("\n0 ok, 0 problems, 0 skipped, 1 cannot tell\n")
    said = world.check("--json", only=KEY_POLICY)
    assert said.json["cannot tell"] == 1
    (answer,) = said.json["answers"]
    assert (answer["state"], answer["details"]) == (
        "cannot tell",
        [f"depends on {key} in the statement Lock"],
    )


@pytest.mark.parametrize(
    ("condition", "depends_on", "how"),
    [
        (
            {"stringNotLike": {"aws:PrincipalArn": ADMIN}},
            "stringNotLike on aws:PrincipalArn",
            "review the policy, or start",
        ),
        (
            {"StringNotEquals": {"aws:PrincipalTag/vpc": "${aws:SourceIp}"}},
            "aws:SourceIp",
            "repeat the check with --context 'aws:SourceIp=VALUE', or start",
        ),
    ],
)
def test_advice_names_only_context_keys_that_can_be_passed(
    world: World, condition: dict[str, Any], depends_on: str, how: str
):
    world.iam.tag_role(RoleName=ROLE_NAME, Tags=[{"Key": "vpc", "Value": "192.0.2.1"}])
    denied_under(world, condition)
    answer = world.ask("key policy")
    assert f"\n           depends on {depends_on} in the statement Lock\n" in answer
    assert f"\n         to find out: {how} a sync" in answer


def test_tag_key_in_context_option_may_contain_spaces(world: World):
    denied_under(world, {"StringEquals": {"aws:ResourceTag/Cost Center": "frozen"}})
    assert "--context 'aws:ResourceTag/Cost Center=VALUE'" in world.ask("key policy")
    assert world.check("--context", "aws:ResourceTag/Cost Center=42", only=KEY_POLICY).code == 0


@pytest.mark.parametrize(
    ("condition", "stated", "code"),
    [
        ({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}, "aws:SourceVpce=vpce-1", 1),
        ({"StringNotEquals": {"aws:PrincipalArn": ADMIN}}, f"aws:PrincipalArn={ADMIN}", 1),
        ({"Bool": {"aws:ViaAWSService": "true"}}, "aws:ViaAWSService=", 1),
        ({"StringNotEquals": {"aws:PrincipalTag/team": "web"}}, "aws:PrincipalTag/team=web", 1),
        # The rest of this key's value is unknown.
        ({"StringLike": {"aws:userid": "*:me"}}, "aws:userid=AROAEXAMPLE:you", 0),
    ],
    ids=json.dumps,
)
def test_context_option_does_not_override_known_value(
    world: World, condition: dict[str, Any], stated: str, code: int
):
    denied_under(world, condition)
    said = world.check("--context", stated, only=KEY_POLICY)
    assert said.code == code
    assert said.answer("key policy").startswith("problem " if code else "ok ")


@pytest.mark.parametrize(
    ("key", "value"), [("aws:CurrentTime", "2199-01-01T00:00:00Z"), ("aws:EpochTime", "7226582400")]
)
def test_time_dependent_answer_mentions_the_time(world: World, key: str, value: str):
    denied_under(world, {"DateGreaterThan": {key: value}})
    said = world.check(only=KEY_POLICY)
    assert said.code == 0
    at_this_time = f" at this time (depends on {key})\n"
    assert said.answer("key policy") == f"{GRANTED}{at_this_time}"
    assert world.check("--context", f"{key}=2200-01-01T00:00:00Z", only=KEY_POLICY).code == 1
    denied_under(world, {"DateGreaterThan": {key: "1577836800"}})
    denied = "problem  key policy: the key policy denies kms:Decrypt to the role, in the statement Lock"
    assert world.ask("key policy").startswith(f"{denied}{at_this_time}")


def test_time_from_context_option_takes_precedence_over_current_time(world: World):
    later = {"aws:CurrentTime": "2199-01-01T00:00:00Z"}
    denied_under(world, {"DateGreaterThan": {**later, "aws:TokenIssueTime": "2020-01-01T00:00:00Z"}})
    assert world.check(only=KEY_POLICY).code == 0
    said = world.check("--context", "aws:CurrentTime=2200-01-01T00:00:00Z", only=KEY_POLICY)
    assert said.code == 1


def test_organization_is_read_if_key_policy_needs_it(world: World):
    world.key_policy(allow_key(ROOT, Condition=OF_ORGANIZATION))
    organization = {"Id": "o-a1b2c3d4e5"}
    world.server.answers["organizations:DescribeOrganization"] = {"Organization": organization}
    assert world.check(only=KEY_POLICY).code == 0
    organization["Id"] = "o-another123"
    assert world.ask("key policy").startswith("problem ")
    world.reject(OPTIONAL[0], status=400, code="AccessDeniedException")
    said = world.check(only=KEY_POLICY)
    assert said.code == 3
    assert "depends on aws:PrincipalOrgID in the statement Statement\n" in said.answer("key policy")


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE_NAME}/session"},
        {"AWS": "AROAEXAMPLEOFAROLETHATIS"},
        {"Service": "qbusiness.amazonaws.com"},
    ],
)
def test_key_policy_naming_other_principal_is_not_ok(world: World, principal: dict[str, str]):
    world.key_policy(allow_key(principal))
    assert not world.ask("key policy").startswith("ok ")


@pytest.mark.parametrize(
    ("spared", "state"),
    [
        ([ROLE_ARN, f"arn:aws:iam::{ACCOUNT}:root"], "cannot tell "),
        ([ROLE_ARN], "cannot tell "),
        ([ADMIN], "problem "),
    ],
)
def test_denial_with_not_principal_is_not_ok(world: World, spared: list[str], state: str):
    document = policy(allow_key(ROOT), deny("kms:*", "*", NotPrincipal={"AWS": spared}))
    world.server.answers["kms:GetKeyPolicy"] = {"Policy": document}  # moto rejects it
    assert world.ask("key policy").startswith(state)


def test_cross_account_key_policy_is_undecided(world: World):
    arn = KEY_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    world.set(kmsKeyId=arn)
    world.describe_key(arn)
    world.put_policy(golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT).replace(KEY_ARN, arn))
    world.describe_secret(KmsKeyId=arn)
    said = world.check(verbose=False)
    assert said.answer("key policy").startswith(
        f"cannot tell key policy: the key policy in account {OTHER_ACCOUNT} must grant kms:Decrypt to "
        f"{ROLE_ARN}, but these credentials cannot read the policy\n         to find out: "
    )
    assert said.code == 3
