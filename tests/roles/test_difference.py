"""roles/difference: policies are compared by the access that they allow."""

import json
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN
from roles.difference import TRUST_POLICY, compare, statements
from tests.helpers.support import golden
from tests.helpers.world import FOREIGN_KEY_ARN, OWN, WIDE, allow, deny

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:aem-a1B2c3"
GET = allow(["secretsmanager:GetSecretValue"], [SECRET])
LIKE = {"StringLike": {"kms:ViaService": ["secretsmanager.*.amazonaws.com"]}}
THROUGH = LIKE["StringLike"]
DECRYPT = allow(["kms:Decrypt"], [FOREIGN_KEY_ARN], Condition=LIKE)


def get_if(operator: str, **values: Any) -> dict[str, Any]:
    """Return GET under a condition; `_` in a key's name stands for `:`."""
    return {**GET, "Condition": {operator: {key.replace("_", ":"): it for key, it in values.items()}}}


def decrypt_if(**operators: Any) -> dict[str, Any]:
    """Return DECRYPT under other conditions; `_` in an operator's name stands for `:`."""
    return {**DECRYPT, "Condition": {key.replace("_", ":"): it for key, it in operators.items()}}


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
        (GET, [{**GET, "Action": "secretsmanager:*"}], "covered excess"),
        (GET, [allow("*", "*")], "covered excess"),
        (GET, [GET, deny_get(Resource="*")], "missing equivalent denies"),
        (GET, [GET, deny_get(Condition=LIKE)], "covered equivalent denies"),
        (GET, [GET, deny_get(Action="s3:*")], "covered equivalent denies"),
        (GET, [but("iam:*")], "covered excess"),
        (GET, [but("secretsmanager:*")], "missing excess"),
        (GET, [GET, but("qbusiness:*", "Deny")], "missing equivalent denies"),
        (GET, [{**GET, "Condition": LIKE}], "missing subset"),
        # Patterns that overlap, although neither covers the other.
        (
            allow("a:One", "arn:*/x"),
            [allow("a:*", "*"), deny("A:o*", "arn:y/?")],
            "missing excess denies",
        ),
        (
            allow("a:One", "arn:x/*"),
            [allow("a:*", "*"), deny("a:One", "arn:y/*")],
            "covered excess denies",
        ),
        # An ARN condition whose values are not ARNs is never met.
        (
            get_if("StringEquals", aws_SourceAccount=ACCOUNT),
            [get_if("ArnLike", aws_SourceAccount=ACCOUNT)],
            "missing subset",
        ),
        # StringLike already requires the key; on their own, these conditions allow more.
        (DECRYPT, [decrypt_if(**LIKE, Null={"kms:ViaService": "false"})], "covered equivalent"),
        (DECRYPT, [decrypt_if(Null={"kms:ViaService": False})], "covered excess"),
        (DECRYPT, [decrypt_if()], "covered excess"),
        (DECRYPT, [decrypt_if(StringLikeIfExists=THROUGH)], "covered excess"),
        (DECRYPT, [decrypt_if(StringNotLike=THROUGH)], "missing excess"),
        (DECRYPT, [decrypt_if(**LIKE, Bool={"aws:SecureTransport": True})], "missing subset"),
        # Case matters in no part of a key.
        (
            get_if("StringEquals", **{"aws:ResourceTag/Team": "web"}),
            [get_if("StringEquals", **{"AWS:resourceTag/TEAM": "web"})],
            "covered equivalent",
        ),
        # IAM accepts operators only in their documented case.
        (DECRYPT, [decrypt_if(stringlike=THROUGH)], "missing excess"),
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
        ({"AWS": "*"}, "excess"),
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
SECURE: Final = {"Bool": {"aws:SecureTransport": "true"}}
NOT_THROUGH: Final = "under StringNotLike {0}, not StringLike {0}".format(
    "kms:ViaService secretsmanager.*.amazonaws.com"
)
LIKE_SERVICE: Final = "StringLike kms:ViaService secretsmanager.*.amazonaws.com"
EQUALS_ONE: Final = f"ArnEquals aws:SourceArn {APPLICATION_ARN}"
LIKE_BOTH: Final = f"ArnLike aws:SourceArn {OTHER_ARN}, {APPLICATION_ARN}"
ADMITS_OTHER: Final = (
    f"under ArnLike aws:SourceArn {OTHER_ARN}, not ArnEquals aws:SourceArn {APPLICATION_ARN}"
)


@pytest.mark.parametrize(
    ("program", "role", "missing", "excess"),
    [
        (OF_ACCOUNT, {}, [], ["no condition on aws:SourceAccount"]),
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
        (LIKE, {"StringNotLike": THROUGH}, [NOT_THROUGH], [NOT_THROUGH]),
        (
            LIKE,
            {"StringLike": {"kms:ViaService": "*"}},
            [],
            [f"under StringLike kms:ViaService *, not {LIKE_SERVICE}"],
        ),
    ],
)
def test_differing_conditions_are_described(
    program: dict[str, Any], role: dict[str, Any], missing: list[str], excess: list[str]
):
    found = compare(trust(program), trust(role))
    for verdicts, expected in ((found.program, missing), (found.role, excess)):
        said = [
            condition
            for verdict in verdicts
            for access in verdict.access
            for condition in access.conditions
        ]
        assert said == expected


def test_closest_statement_explains_differing_condition():
    found = compare(trust(OF_ACCOUNT | OF_APPLICATION), trust(SECURE | OF_OTHER, OF_ACCOUNT | OF_OTHER))
    (access,) = found.program[0].access
    assert access.conditions == (f"under ArnLike aws:SourceArn {OTHER_ARN}, not {EQUALS_ONE}",)
