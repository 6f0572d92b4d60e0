"""sandbox/iam_rules: calls that AWS rejects are rejected."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.iam_rules import IamError, Role, validate_request
from tests.helpers.stacks import Aws

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
VALID_TRUST = json.dumps(TRUST)


def changed(document: dict[str, Any], **elements: object) -> str:
    """Return the document with elements of its statement changed; None removes an element."""
    statement = {**document["Statement"][0], **elements}
    kept = {name: value for name, value in statement.items() if value is not None}
    return json.dumps({**document, "Statement": [kept]})


@pytest.fixture
def iam(aws: Aws) -> Any:
    return aws.iam


def create(iam: Any, name: str = "role", trust: str = VALID_TRUST, **options: object) -> None:
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **options)


def rejected(code: str) -> Any:
    return pytest.raises(ClientError, match=rf"\({code}\)")


def test_tag_keys_differing_only_in_case_are_rejected(iam: Any):
    with rejected("InvalidInput"):
        create(iam, Tags=[{"Key": "Team", "Value": "a"}, {"Key": "team", "Value": "b"}])


def test_a_role_name_is_unique_regardless_of_case(iam: Any):
    create(iam, "qbusiness-role")
    for name in ("qbusiness-role", "QBusiness-Role"):
        with rejected("EntityAlreadyExists"):
            create(iam, name)


def test_nonexistent_permissions_boundary_is_rejected(iam: Any):
    missing = "arn:aws:iam::123456789012:policy/boundary"
    message = r"\(NoSuchEntity\).*: Scope ARN: {} does not exist or is not attachable\.".format
    mistyped = "arn:aws:iam::aws:policy/ReadOnlyAcess"
    with pytest.raises(ClientError, match=message(mistyped)):
        create(iam, PermissionsBoundary=mistyped)
    with pytest.raises(ClientError, match=message(missing)):
        create(iam, PermissionsBoundary=missing)
    create(iam)
    with pytest.raises(ClientError, match=message(missing)):
        iam.put_role_permissions_boundary(RoleName="role", PermissionsBoundary=missing)
    iam.create_policy(PolicyName="boundary", PolicyDocument=json.dumps(POLICY))
    iam.put_role_permissions_boundary(RoleName="role", PermissionsBoundary=missing)
    iam.put_role_permissions_boundary(
        RoleName="role", PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )


# The rules, without the server.


def code(action: str, **parameters: Any) -> str:
    """Return the code of the error with which the rules reject a call; empty if they accept the call."""
    roles, managed = parameters.pop("roles", {}), parameters.pop("managed", ())
    try:
        validate_request(action, parameters, roles, managed)
    except IamError as error:
        return error.code
    return ""


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
            [
                "arn:aws:iam::aws:policy/ReadOnlyAccess",
                "arn:aws-cn:iam::123456789012:policy/a/b",
                f"arn:aws:iam::123456789012:policy/{'b' * 2015}",
            ],
            [
                f"arn:aws:iam::123456789012:policy/{'b' * 2016}",
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
    for values, expected in ((accepted, ""), (rejected, "ValidationError")):
        found = {value: code("UpdateRole", managed=accepted, **{name: value}) for value in values}
        assert found == dict.fromkeys(values, expected)


def tags(keys: Iterable[str], value: str = "v") -> dict[str, str]:
    """Return the parameters of tags with the same value."""
    return {
        f"Tags.member.{number}.{part}": text
        for number, key in enumerate(keys, 1)
        for part, text in (("Key", key), ("Value", value))
    }


def test_a_tag_has_only_characters_that_iam_allows():
    for key, value, expected in (
        ("Kosten stelle", "Größe 5_.:/=+-@\u2003", ""),
        ("k", "", ""),
        ("not-aws:x", "aws:x", ""),
        *(("k", value, "ValidationError") for value in ("v!", "v*", "v\x07", "v\u20ac")),
        *((key, "v", "ValidationError") for key in ("aws:x", "AWS:x")),
    ):
        given = tags([key], value)
        assert code("TagRole", RoleName="role", **given) == expected, (key, value)
        of_role = {"RoleName": "role", "AssumeRolePolicyDocument": VALID_TRUST, **given}
        assert code("CreateRole", **of_role) == expected, (key, value)


def test_a_role_has_at_most_50_tags_and_a_replaced_tag_counts_once():
    keys = [f"k{number}" for number in range(51)]
    of_role = {"RoleName": "role", "AssumeRolePolicyDocument": VALID_TRUST}
    assert code("CreateRole", **of_role, **tags(keys[:50])) == ""
    assert code("CreateRole", **of_role, **tags(keys)) == "ValidationError"
    for present, given, expected in (
        (keys[:50], keys[:50], ""),
        (keys[:49], keys[49:50], ""),
        (keys[:49], keys[48:51], "ValidationError"),
        (keys[:50], keys[50:], "ValidationError"),
    ):
        roles = {"role": Role("role", {}, tuple(present)), "other": Role("other", {}, tuple(keys[:50]))}
        assert code("TagRole", roles=roles, RoleName="role", **tags(given)) == expected


def with_condition(operator: str, key: str = "aws:x", value: object = "x") -> dict[str, object]:
    return {"Condition": {operator: {key: value}}}


OPERATORS = [
    *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
    *(
        "StringLike",
        "StringNotLike",
        "ArnEquals",
        "ArnNotEquals",
        "ArnLike",
        "ArnNotLike",
        "Bool",
        "Null",
    ),
    *("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals"),
    *("NumericGreaterThan", "NumericGreaterThanEquals", "DateEquals", "DateNotEquals", "DateLessThan"),
    *("DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals", "IpAddress", "NotIpAddress"),
    *("BinaryEquals", "ForAllValues:StringEquals", "ForAnyValue:StringLike", "StringEqualsIfExists"),
]
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
ACCEPTED: list[dict[str, object]] = [
    *({"Effect": "Deny"}, {"Sid": ""}, {"Sid": "Abc123"}, {"Condition": {}}),
    *map(with_condition, OPERATORS),
    *(with_condition("StringEquals", key) for key in ("aws:TagKeys", "a-b.c:D/E=+@ _f")),
    with_condition("StringEquals", value="\xe4"),
]
"""Changes that a statement of a trust policy and one of a role policy both may have."""
REJECTED: list[dict[str, object]] = [
    *({"Effect": None}, {"Effect": "allow"}, {"Action": None}, {"Action": "GetObject"}, {"Action": [1]}),
    *({"Action": ["s3:GetObject", "s3:Get Object"]}, {"NotAction": "s3:PutObject"}, {"Comment": "x"}),
    *({"Sid": "with space"}, {"Sid": "a-b"}, {"Sid": "\xe4"}, {"Condition": {"StringEquals": []}}),
    *map(with_condition, ("StringEqual", "stringequals", "ForAll:Bool", "BoolNot", "NullIfExist")),
    *(with_condition("StringEquals", key) for key in ("SourceAccount", "aws:", ":x", "aws:x*")),
]
"""Changes that neither statement may have."""


@pytest.mark.parametrize(
    ("document", "changes", "expected"),
    [
        (
            TRUST,
            [
                *ACCEPTED,
                *({"Principal": "*"}, {"Principal": {"Service": "*"}}, {"Principal": {"AWS": "*"}}),
                {"Principal": {"Service": ["qbusiness.amazonaws.com", "ec2.amazonaws.com.cn"]}},
                {"Principal": None, "NotPrincipal": {"AWS": "123456789012"}},
                {"Action": None, "NotAction": "sts:TagSession"},
            ],
            "",
        ),
        (
            TRUST,
            [
                *REJECTED,
                *({"Principal": None}, {"Resource": "*"}, {"NotResource": "*"}, {"Principal": "x"}),
                *({"Principal": {"Service": []}}, {"Principal": {"Service": "qbusiness"}}),
                {"Principal": {"Service": ["qbusiness.amazonaws.com", "qbusiness"]}},
                {"NotPrincipal": {"AWS": "123456789012"}},
            ],
            "MalformedPolicyDocument",
        ),
        (
            POLICY,
            [
                *ACCEPTED,
                *({"Action": "*"}, {"Action": ["s3:Get*", "s3:Get?bject"]}),
                *({"Resource": None, "NotResource": "*"}, {"Action": None, "NotAction": "s3:Get*"}),
                {"Resource": ["arn:aws:s3:::b/*", "arn:aws-cn:s3:::b", "arn:*:s3:::b ~", "*"]},
            ],
            "",
        ),
        (
            POLICY,
            [
                *REJECTED,
                *({"Resource": None}, {"Resource": "bucket"}, {"Resource": [["*"]]}, {"Principal": "*"}),
                *(
                    {"Resource": ["*", "bucket"]},
                    {"Resource": "arn:aws:s3:::\xe4"},
                    {"NotResource": "*"},
                ),
                *({"NotPrincipal": "*"}, {"Resource": None, "NotResource": "bucket"}),
                {"Action": None, "NotAction": "GetObject"},
            ],
            "MalformedPolicyDocument",
        ),
    ],
    ids=["valid trust", "malformed trust", "valid policy", "malformed policy"],
)
def test_statement_must_follow_grammar(
    document: dict[str, Any], changes: list[dict[str, object]], expected: str
):
    for change in changes:
        assert code_of(changed(document, **change), document is TRUST) == [expected] * 2, change


def code_of(text: str, is_trust: bool) -> list[str]:
    """Return the codes for a new and for a changed document."""
    given = {"RoleName": "role", "PolicyDocument": text}
    if is_trust:
        new = code("CreateRole", RoleName="role", AssumeRolePolicyDocument=text)
        return [new, code("UpdateAssumeRolePolicy", **given)]
    roles = {"role": Role("role", {"policy": json.dumps(POLICY)})}
    return [code("PutRolePolicy", roles=of, PolicyName="policy", **given) for of in ({}, roles)]


@pytest.mark.parametrize("document", [TRUST, POLICY], ids=["trust", "policy"])
def test_document_follows_grammar(document: dict[str, Any]):
    statement = document["Statement"][0]
    named = [{**statement, "Sid": sid} for sid in ("A", "a", "A")]
    malformed = "MalformedPolicyDocument"
    for given, expected in (
        *(({**document, "Version": version}, "") for version in ("2012-10-17", "2008-10-17")),
        *(({**document, "Statement": each}, "") for each in (statement, named[:2], [statement] * 2)),
        ({**document, "Id": "x"}, ""),
        ({"Statement": [statement]}, ""),
        *(({**document, "Version": version}, malformed) for version in ("2012-10-18", "")),
        *(({**document, "Statement": each}, malformed) for each in ([], None, named)),
        ({**document, "Comment": "x"}, malformed),
        *((other, malformed) for other in ({}, [], "text")),
    ):
        assert code_of(json.dumps(given), document is TRUST) == [expected] * 2, given
    text = changed(document, **with_condition("StringEquals", value="AEM"))
    for value, expected in (
        ("\xfc\t\r\n", ""),
        ("\u20ac", "ValidationError"),
        ("\x00", "ValidationError"),
    ):
        # JSON allows white space only between its tokens.
        given = text.replace("AEM", value.strip()).replace("{", "{" + value[1:])
        assert code_of(given, document is TRUST) == [expected] * 2, value
    assert code_of("no JSON", document is TRUST) == [malformed] * 2


def test_quotas_count_characters_and_only_inline_policies_without_white_space():
    def sized(document: dict[str, Any], size: int) -> str:
        """Return a document with a size, white space included, that has non-ASCII characters."""
        empty = changed(document, **with_condition("StringLike", value=""))
        value = "\xfc" * (size - len(empty))
        return empty.replace('"aws:x": ""', f'"aws:x": "{value}"')

    for size, expected in ((2_048, ""), (2_049, "LimitExceeded")):
        assert code_of(sized(TRUST, size), is_trust=True) == [expected] * 2
        assert code_of(VALID_TRUST + " " * (size - len(VALID_TRUST)), is_trust=True) == [expected] * 2
    spaces = sized(POLICY, 500).count(" ")
    for size, expected in ((10_240, ""), (10_241, "LimitExceeded")):
        full = sized(POLICY, size + spaces)
        assert code_of(full, is_trust=False) == [expected] * 2
        given = {"RoleName": "role", "PolicyDocument": sized(POLICY, 240 + spaces)}
        inline = {"old": sized(POLICY, size - 240 + spaces).replace(" ", "\t\r\n "), "new": full}
        roles = {"role": Role("role", inline), "other": Role("other", {"full": full})}
        assert code("PutRolePolicy", roles=roles, PolicyName="new", **given) == expected
