"""Tests `roles/difference.py`, which compares policies by the access that they allow."""

import json
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN
from roles.difference import TRUST_POLICY, compare, statements
from tests.helpers.support import golden
from tests.helpers.world import OWN, WIDE, allow, deny

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:aem-a1B2c3"
GET = allow(["secretsmanager:GetSecretValue"], [SECRET])
LIKE = {"StringLike": {"kms:ViaService": ["secretsmanager.*.amazonaws.com"]}}
ALL = allow("*", "*")
SECURE: Final = {"Bool": {"aws:SecureTransport": "true"}}


def deny_get(**elements: Any) -> dict[str, Any]:
    return {**GET, "Effect": "Deny", **elements}


def but(action: str, effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "NotAction": action, "Resource": "*"}


@pytest.mark.parametrize(
    ("program", "role", "expected"),
    [
        (GET, [{**GET, "Action": "SecretsManager:getsecretvalue"}], "covered equivalent"),
        (GET, [{**GET, "Resource": SECRET[:-1] + "?"}], "covered excess"),
        (GET, [{**GET, "Resource": SECRET[:-1] + "4"}], "missing excess"),
        (GET, [ALL], "covered excess"),
        (GET, [GET, deny_get(Resource="*")], "missing equivalent denies"),
        (GET, [GET, deny_get(Condition=LIKE)], "covered equivalent denies"),
        (GET, [GET, deny_get(Action="s3:*")], "covered equivalent denies"),
        (GET, [but("iam:*")], "covered excess"),
        (GET, [but("secretsmanager:*")], "missing excess"),
        (GET, [GET, but("qbusiness:*", "Deny")], "missing equivalent denies"),
        (GET, [{**GET, "Condition": LIKE}], "missing subset"),
        # Patterns can overlap even if neither covers the other.
        (allow("a:One", "arn:*/x"), [ALL, deny("A:o*", "arn:y/?")], "missing excess denies"),
        (allow("a:One", "arn:x/*"), [ALL, deny("a:One", "arn:y/*")], "covered excess denies"),
        ({**GET, "Condition": LIKE}, [GET], "covered excess"),
        (allow("a:One", "arn:x/*"), [allow("a:One", "arn:x/?")], "missing subset"),
        (
            allow(["a:One", "a:Two"], ["arn:x", "arn:y"]),
            [allow("a:One", "*"), allow("a:T*", "arn:x"), allow("a:Two", "arn:y")],
            "covered excess excess subset",
        ),
    ],
)
def test_statements_are_compared_by_allowed_access(
    program: dict[str, Any], role: list[dict[str, Any]], expected: str
):
    found = compare(
        list(statements(OWN, {"Statement": program})), list(statements("console", {"Statement": role}))
    )
    assert " ".join(statement.verdict for statement in (*found.program, *found.role)) == expected


@pytest.mark.parametrize(
    ("principal", "verdict"),
    [
        ({"Service": ["qbusiness.amazonaws.com"]}, "equivalent"),
        ({"Service": ["qbusiness.amazonaws.com", "ec2.amazonaws.com"]}, "excess"),
        ("*", "excess"),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root", "Service": "qbusiness.amazonaws.com"}, "excess"),
    ],
)
def test_principals_of_trust_policy_are_compared(principal: Any, verdict: str):
    document = json.loads(golden("trust-policy"))
    program = list(statements(TRUST_POLICY, document))
    document["Statement"][0]["Principal"] = principal
    found = compare(program, list(statements(TRUST_POLICY, document)))
    assert [statement.verdict for statement in (*found.program, *found.role)] == ["covered", verdict]


def test_role_policy_is_not_compared_with_trust_policy():
    everything = list(statements("console", json.loads(WIDE)))
    found = compare(list(statements(TRUST_POLICY, json.loads(golden("trust-policy")))), everything)
    assert found.program[0].verdict == "missing"


def trust(*conditions: dict[str, Any]) -> list[Any]:
    """Return trust policy statements for Amazon Q Business, one for each condition."""
    common = {"Effect": "Allow", "Principal": {"Service": "qbusiness.amazonaws.com"}}
    written = [{**common, "Action": "sts:AssumeRole", "Condition": each} for each in conditions]
    return list(statements(TRUST_POLICY, {"Statement": written}))


OF_ACCOUNT: Final = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
OTHER_ARN: Final = f"{APPLICATION_ARN[:-1]}9"
OF_APPLICATION: Final = {"ArnEquals": {"aws:SourceArn": APPLICATION_ARN}}
OF_OTHER: Final = {"ArnLike": {"aws:SourceArn": OTHER_ARN}}
OF_BOTH: Final = {"ArnLike": {"aws:SourceArn": [OTHER_ARN, APPLICATION_ARN]}}
EQUALS_ONE: Final = f"ArnEquals aws:SourceArn {APPLICATION_ARN}"
LIKE_BOTH: Final = f"ArnLike aws:SourceArn {OTHER_ARN}, {APPLICATION_ARN}"
ADMITS_OTHER: Final = f"under ArnLike aws:SourceArn {OTHER_ARN}, not {EQUALS_ONE}"


@pytest.mark.parametrize(
    ("program", "role", "missing", "excess"),
    [
        (
            OF_ACCOUNT | OF_APPLICATION,
            {},
            [],
            ["no condition on aws:SourceAccount", "no condition on aws:SourceArn"],
        ),
        (OF_ACCOUNT | OF_APPLICATION, OF_ACCOUNT, [], ["no condition on aws:SourceArn"]),
        (OF_APPLICATION, OF_OTHER, [ADMITS_OTHER], [ADMITS_OTHER]),
        (OF_APPLICATION, OF_BOTH, [], [f"under {LIKE_BOTH}, not {EQUALS_ONE}"]),
        (OF_BOTH, OF_APPLICATION, [f"under {EQUALS_ONE}, not {LIKE_BOTH}"], []),
        (
            OF_ACCOUNT,
            OF_ACCOUNT | SECURE,
            ["only under the condition Bool aws:SecureTransport true"],
            [],
        ),
    ],
)
def test_differing_conditions_are_described(
    program: dict[str, Any], role: dict[str, Any], missing: list[str], excess: list[str]
):
    found = compare(trust(program), trust(role))
    for (verdict,), expected in ((found.program, missing), (found.role, excess)):
        assert [text for access in verdict.access for text in access.conditions] == expected


def test_closest_statement_explains_differing_condition():
    found = compare(trust(OF_ACCOUNT | OF_APPLICATION), trust(SECURE | OF_OTHER, OF_ACCOUNT | OF_OTHER))
    (access,) = found.program[0].access
    assert access.conditions == (ADMITS_OTHER,)
