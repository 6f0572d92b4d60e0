"""Tests `sandbox/iam_rules.py`, which rejects the calls that AWS rejects."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sandbox.iam_rules import ExistingRole, IamError, validate_request

TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "qbusiness.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
POLICY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}
MALFORMED = "MalformedPolicyDocument"
INVALID = "ValidationError"
ROLE = {"RoleName": "role", "AssumeRolePolicyDocument": json.dumps(TRUST)}
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


def code(
    action: str,
    parameters: Mapping[str, str],
    roles: Sequence[ExistingRole] = (),
    managed: Sequence[str] = (),
) -> str:
    """Return the error code with which the rules reject a call; empty if they accept the call."""
    try:
        validate_request(action, parameters, {role.name: role for role in roles}, managed)
    except IamError as error:
        return error.code
    return ""


def codes(text: str, *, is_trust: bool) -> set[str]:
    """Return the error codes for creating and for changing a document."""
    given = {"RoleName": "role", "PolicyName": "policy", "PolicyDocument": text}
    if is_trust:
        new = code("CreateRole", {**ROLE, "AssumeRolePolicyDocument": text})
        return {new, code("UpdateAssumeRolePolicy", given)}
    existing = ExistingRole("role", {"policy": json.dumps(POLICY)})
    return {code("PutRolePolicy", given, of) for of in ((), (existing,))}


def changed(document: dict[str, Any], **elements: object) -> str:
    """Return the document with elements of its statement changed; None removes an element."""
    statement = {**document["Statement"][0], **elements}
    kept = {name: value for name, value in statement.items() if value is not None}
    return json.dumps({**document, "Statement": [kept]})


def tags(*keys: str, value: str = "v") -> dict[str, str]:
    """Return the parameters for tags with these keys and this value."""
    return {
        f"Tags.member.{number}.{part}": text
        for number, key in enumerate(keys, 1)
        for part, text in (("Key", key), ("Value", value))
    }


KEYS = [f"k{number}" for number in range(51)]
TAGGED = ExistingRole("role", {}, tuple(KEYS[:49]))
FULL = ExistingRole("other", {}, tuple(KEYS[:50]))


@pytest.mark.parametrize(
    ("action", "roles", "parameters", "expected"),
    [
        ("CreateRole", [ExistingRole("other", {})], ROLE, ""),
        *(
            ("CreateRole", [ExistingRole(name, {})], ROLE, "EntityAlreadyExists")
            for name in ("role", "Role")
        ),
        ("CreateRole", [], {**ROLE, "PermissionsBoundary": BOUNDARY}, "NoSuchEntity"),
        ("PutRolePermissionsBoundary", [], {"PermissionsBoundary": BOUNDARY}, "NoSuchEntity"),
        *(
            ("CreateRole", [], {**ROLE, **tags(key, value=value)}, "")
            for key, value in (
                ("Kosten stelle", "Größe 5_.:/=+-@\u2003"),
                ("k", ""),
                ("n-aws:x", "aws:x"),
            )
        ),
        *(
            ("CreateRole", [], {**ROLE, **tags(key, value=value)}, INVALID)
            for key, value in (
                ("k", "v!"),
                ("k", "v\x07"),
                ("k", "v\u20ac"),
                ("aws:x", ""),
                ("AWS:x", ""),
            )
        ),
        ("CreateRole", [], {**ROLE, **tags(*KEYS[:50])}, ""),
        ("CreateRole", [], {**ROLE, **tags(*KEYS)}, INVALID),
        # A replaced tag counts once.
        ("TagRole", [TAGGED, FULL], {"RoleName": "role", **tags(*KEYS[:50])}, ""),
        ("TagRole", [TAGGED, FULL], {"RoleName": "role", **tags(*KEYS[48:51])}, INVALID),
        ("TagRole", [TAGGED, FULL], {"RoleName": "role", **tags("aws:x")}, INVALID),
    ],
)
def test_rules_accept_and_reject_calls_as_iam_does(
    action: str, roles: list[ExistingRole], parameters: dict[str, str], expected: str
):
    assert code(action, parameters, roles) == expected


@pytest.mark.parametrize(
    ("name", "accepted", "rejected"),
    [
        ("RoleName", ["r", "r" * 64, "a_b+=,.@-1"], ["", "r" * 65, "a b", "a/b", "rôle"]),
        ("PolicyName", ["p", "p" * 128, "a_b+=,.@-1"], ["", "p" * 129, "a b", "a/b", "pôlicy"]),
        (
            "Path",
            ["/", "/a/b/", f"/{'p' * 510}/"],
            ["", "no-slash", "/a", "a/", "/a b/", "/ä/", f"/{'p' * 511}/"],
        ),
        (
            "Description",
            ["", "d" * 1000, "ü" * 1000, "Tab\t, CR\r, LF\n, ~\xa1\xff"],
            ["d" * 1001, "\u20ac", "\x00", "\x7f", "\xa0", "\u0100"],
        ),
        (
            "PermissionsBoundary",
            ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws-cn:iam::123456789012:policy/a/b"],
            [
                "arn:aws:iam::123456789012:role/not-a-policy",
                "arn:aws:iam::12345678901:policy/boundary",
                "arn:aws:iam::123456789012:policy/",
                "arn:aws:iam::123456789012:policy/gr\xf6\xdfe",
            ],
        ),
        (
            "MaxSessionDuration",
            ["3600", "3999", "4000", "9999", "10000", "39999", "42999", "43199", "43200"],
            ["", "0", "3599", "43201", "43300", "44000", "50000", "100000"],
        ),
    ],
)
def test_parameter_is_valid_up_to_its_limits(name: str, accepted: list[str], rejected: list[str]):
    for values, expected in ((accepted, ""), (rejected, INVALID)):
        found = {value: code("UpdateRole", {name: value}, managed=accepted) for value in values}
        assert found == dict.fromkeys(values, expected)


def with_condition(operator: str, key: str = "aws:x", value: object = "x") -> dict[str, object]:
    return {"Condition": {operator: {key: value}}}


OPERATORS = (
    *("StringEquals", "StringNotEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnNotLike", "Bool"),
    *("Null", "NumericLessThanEquals", "DateGreaterThan", "DateNotEquals", "IpAddress", "BinaryEquals"),
    *("ForAllValues:StringEquals", "ForAnyValue:StringLike", "StringEqualsIfExists"),
)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
ACCEPTED: list[dict[str, object]] = [
    *({"Effect": "Deny"}, {"Sid": ""}, {"Sid": "Abc123"}, {"Condition": {}}),
    *map(with_condition, OPERATORS),
    *(with_condition("StringEquals", key) for key in ("aws:TagKeys", "a-b.c:D/E=+@ _f")),
    with_condition("StringEquals", value="\xe4"),
]
"""Changes that are valid in statements of trust policies and of role policies."""
REJECTED: list[dict[str, object]] = [
    *({"Effect": None}, {"Effect": "allow"}, {"Action": None}, {"Action": "GetObject"}, {"Action": [1]}),
    *({"Action": ["s3:GetObject", "s3:Get Object"]}, {"NotAction": "s3:PutObject"}, {"Comment": "x"}),
    *({"Sid": "with space"}, {"Sid": "a-b"}, {"Sid": "\xe4"}, {"Condition": {"StringEquals": []}}),
    *map(with_condition, ("StringEqual", "stringequals", "ForAll:Bool", "BoolNot", "NullIfExist")),
    *(with_condition("StringEquals", key) for key in ("SourceAccount", "aws:", ":x", "aws:x*")),
]
"""Changes that are invalid in statements of both kinds of policies."""


@pytest.mark.parametrize(
    ("document", "accepted", "rejected"),
    [
        (
            TRUST,
            [
                *({"Principal": "*"}, {"Principal": {"Service": "*"}}, {"Principal": {"AWS": "*"}}),
                {"Principal": {"Service": ["qbusiness.amazonaws.com", "ec2.amazonaws.com.cn"]}},
                {"Principal": None, "NotPrincipal": {"AWS": "123456789012"}},
                {"Action": None, "NotAction": "sts:TagSession"},
            ],
            [
                *({"Principal": None}, {"Resource": "*"}, {"NotResource": "*"}, {"Principal": "x"}),
                *({"Principal": {"Service": []}}, {"Principal": {"Service": "qbusiness"}}),
                {"Principal": {"Service": ["qbusiness.amazonaws.com", "qbusiness"]}},
                {"NotPrincipal": {"AWS": "123456789012"}},
            ],
        ),
        (
            POLICY,
            [
                *({"Action": "*"}, {"Action": ["s3:Get*", "s3:Get?bject"]}),
                *({"Resource": None, "NotResource": "*"}, {"Action": None, "NotAction": "s3:Get*"}),
                {"Resource": ["arn:aws:s3:::b/*", "arn:aws-cn:s3:::b", "arn:*:s3:::b ~", "*"]},
            ],
            [
                *({"Resource": None}, {"Resource": "bucket"}, {"Resource": [["*"]]}, {"Principal": "*"}),
                *(
                    {"Resource": ["*", "bucket"]},
                    {"Resource": "arn:aws:s3:::\xe4"},
                    {"NotResource": "*"},
                ),
                *({"NotPrincipal": "*"}, {"Resource": None, "NotResource": "bucket"}),
                {"Action": None, "NotAction": "GetObject"},
            ],
        ),
    ],
    ids=["trust", "policy"],
)
def test_statement_must_follow_grammar(
    document: dict[str, Any], accepted: list[dict[str, object]], rejected: list[dict[str, object]]
):
    changes = [(each, "") for each in (*ACCEPTED, *accepted)]
    changes += [(each, MALFORMED) for each in (*REJECTED, *rejected)]
    for change, expected in changes:
        found = codes(changed(document, **change), is_trust=document is TRUST)
        assert found == {expected}, change


@pytest.mark.parametrize("document", [TRUST, POLICY], ids=["trust", "policy"])
def test_document_must_follow_grammar(document: dict[str, Any]):
    statement = document["Statement"][0]
    named = [{**statement, "Sid": sid} for sid in ("A", "a", "A")]
    text = changed(document, **with_condition("StringEquals", value="AEM"))
    for given, expected in (
        *(({**document, "Statement": each}, "") for each in (statement, named[:2], [statement] * 2)),
        ({**document, "Version": "2008-10-17", "Id": "x"}, ""),
        ({"Statement": [statement]}, ""),
        *(({**document, "Version": version}, MALFORMED) for version in ("2012-10-18", "")),
        *(({**document, "Statement": each}, MALFORMED) for each in ([], None, named)),
        ({**document, "Comment": "x"}, MALFORMED),
        *((other, MALFORMED) for other in ({}, [], "text", "no JSON")),
        (text.replace("AEM", "\xfc").replace("{", "{\t\r\n"), ""),
        *((text.replace("AEM", character), INVALID) for character in "\u20ac\x00"),
    ):
        written = given if isinstance(given, str) else json.dumps(given)
        assert codes(written, is_trust=document is TRUST) == {expected}, given


def test_quotas_count_characters_and_ignore_whitespace_only_in_inline_policies():
    def sized(document: dict[str, Any], size: int) -> str:
        """Return a document of this size, including whitespace; many of its characters are not ASCII."""
        empty = changed(document, **with_condition("StringLike", value=""))
        value = "\xfc" * (size - len(empty))
        return empty.replace('"aws:x": ""', f'"aws:x": "{value}"')

    trust = json.dumps(TRUST)
    for size, expected in ((2_048, ""), (2_049, "LimitExceeded")):
        assert codes(sized(TRUST, size), is_trust=True) == {expected}
        assert codes(trust + " " * (size - len(trust)), is_trust=True) == {expected}
    spaces = sized(POLICY, 500).count(" ")
    for size, expected in ((10_240, ""), (10_241, "LimitExceeded")):
        full = sized(POLICY, size + spaces)
        assert codes(full, is_trust=False) == {expected}
        given = {"RoleName": "role", "PolicyName": "new", "PolicyDocument": sized(POLICY, 240 + spaces)}
        inline = {"old": sized(POLICY, size - 240 + spaces).replace(" ", "\t\r\n "), "new": full}
        roles = (ExistingRole("role", inline), ExistingRole("other", {"full": full}))
        assert code("PutRolePolicy", given, roles) == expected


@pytest.mark.parametrize(
    ("action", "parameters", "status"),
    [
        ("CreateRole", {**ROLE, "AssumeRolePolicyDocument": "x"}, 400),
        ("CreateRole", {**ROLE, "Path": "x"}, 400),
        ("PutRolePermissionsBoundary", {"PermissionsBoundary": BOUNDARY}, 404),
    ],
)
def test_rejection_has_the_http_status_of_its_code(
    action: str, parameters: Mapping[str, str], status: int
):
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html#API_CreateRole_Errors
    with pytest.raises(IamError) as rejection:
        validate_request(action, parameters, {}, ())
    assert rejection.value.status == status
