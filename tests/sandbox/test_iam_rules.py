"""Test that the sandbox's IAM rejects invalid calls as AWS does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.helpers.stacks import Aws
from tests.helpers.support import golden

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
def iam(aws: Aws) -> Iterator[Any]:
    yield aws.iam
    for role in aws.roles():
        for name in aws.role_policies(role):
            aws.iam.delete_role_policy(RoleName=role, PolicyName=name)
        aws.iam.delete_role(RoleName=role)


def create(iam: Any, name: str = "role", trust: str = VALID_TRUST, **options: object) -> None:
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **options)


def rejected(code: str) -> Any:
    return pytest.raises(ClientError, match=rf"\({code}\)")


@pytest.mark.parametrize(
    "options",
    [
        {"name": "r" * 65},
        {"name": "a b"},
        {"name": "rôle"},
        {"Path": "no-slash"},
        {"Path": "/" + "p" * 512 + "/"},
        {"Description": "d" * 1001},
        {"Description": "\u20ac"},
        {"MaxSessionDuration": 3599},
        {"MaxSessionDuration": 43201},
        {"PermissionsBoundary": "arn:aws:iam::123456789012:role/not-a-policy"},
        {"Tags": [{"Key": "aws:x", "Value": "v"}]},
        {"Tags": [{"Key": "k!", "Value": "v"}]},
        {"Tags": [{"Key": "", "Value": "v"}]},
        {"Tags": [{"Key": "k" * 129, "Value": "v"}]},
        {"Tags": [{"Key": "k", "Value": "v!"}]},
        {"Tags": [{"Key": "k", "Value": "v" * 257}]},
        {"Tags": [{"Key": f"k{n}", "Value": "v"} for n in range(51)]},
    ],
    ids="-".join,
)
def test_role_with_invalid_parameter_is_rejected(iam: Any, options: dict[str, Any]):
    with rejected("ValidationError"):
        create(iam, **options)


def test_values_at_the_limits_are_accepted(iam: Any):
    tags = [{"Key": f"k{n}" + "k" * 124, "Value": "v" * 256} for n in range(50)]
    create(iam, "r" * 64, Path="/" + "p" * 510 + "/", Description="d" * 1000, Tags=tags)


def test_tag_keys_differing_only_in_case_are_rejected(iam: Any):
    with rejected("InvalidInput"):
        create(iam, Tags=[{"Key": "Team", "Value": "a"}, {"Key": "team", "Value": "b"}])


def test_a_role_name_is_unique_regardless_of_case(iam: Any):
    create(iam, "qbusiness-role")
    for name in ("qbusiness-role", "QBusiness-Role"):
        with rejected("EntityAlreadyExists"):
            create(iam, name)


def test_deleted_role_is_shown_as_id_that_iam_rejects(iam: Any):
    create(iam, "deleted")
    deleted = iam.get_role(RoleName="deleted")["Role"]
    create(iam, trust=changed(TRUST, Principal={"AWS": deleted["Arn"]}))
    iam.delete_role(RoleName="deleted")
    trust = iam.get_role(RoleName="role")["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"AWS": deleted["RoleId"]}
    with rejected("MalformedPolicyDocument"):
        iam.update_assume_role_policy(RoleName="role", PolicyDocument=json.dumps(trust))


@pytest.mark.parametrize(
    "document",
    [
        "no JSON",
        "[]",
        "{}",
        changed(TRUST, Principal=None),
        changed(TRUST, Action=None),
        changed(TRUST, Effect=None),
        changed(TRUST, Effect="allow"),
        changed(TRUST, Resource="*"),
        changed(TRUST, Sid="with space"),
        changed(TRUST, Principal={"Service": "qbusiness"}),
        changed(TRUST, Condition={"StringEqual": {"aws:SourceAccount": "1"}}),
        changed(TRUST, Condition={"StringEquals": {"SourceAccount": "1"}}),
        json.dumps({**TRUST, "Version": "2012-10-18"}),
        json.dumps({**TRUST, "Statement": []}),
        json.dumps({**TRUST, "Comment": "x"}),
    ],
)
def test_malformed_trust_policy_is_rejected(iam: Any, document: str):
    with rejected("MalformedPolicyDocument"):
        create(iam, trust=document)
    create(iam)
    with rejected("MalformedPolicyDocument"):
        iam.update_assume_role_policy(RoleName="role", PolicyDocument=document)


@pytest.mark.parametrize(
    "document",
    [
        "no JSON",
        changed(POLICY, Resource=None),
        changed(POLICY, Action=None),
        changed(POLICY, Action="GetObject"),
        changed(POLICY, Resource="bucket"),
        changed(POLICY, Resource=[["*"]]),
        changed(POLICY, Principal="*"),
        changed(POLICY, NotAction="s3:PutObject"),
        json.dumps({**POLICY, "Statement": [{**POLICY["Statement"][0], "Sid": "Same"}] * 2}),
    ],
)
def test_a_malformed_role_policy_is_rejected(iam: Any, document: str):
    create(iam)
    with rejected("MalformedPolicyDocument"):
        iam.put_role_policy(RoleName="role", PolicyName="policy", PolicyDocument=document)


def test_inline_policies_share_quota_ignoring_whitespace(iam: Any):
    create(iam)
    empty = len(json.dumps(POLICY, separators=(",", ":")).replace('"*"', '""'))

    def of_size(size: int) -> str:
        return changed(POLICY, Resource="arn:aws:s3:::" + "b" * (size - empty - 13))

    def put(name: str, document: str) -> None:
        iam.put_role_policy(RoleName="role", PolicyName=name, PolicyDocument=document)

    put("first", of_size(10_000))
    put("second", of_size(240).replace(" ", "      "))
    with rejected("LimitExceeded"):
        put("second", of_size(241))
    put("first", of_size(9_999))
    put("second", of_size(241))


def test_a_trust_policy_over_the_quota_is_rejected(iam: Any):
    with rejected("LimitExceeded"):
        create(iam, trust=VALID_TRUST + " " * (2_049 - len(VALID_TRUST)))
    create(iam, trust=VALID_TRUST + " " * (2_048 - len(VALID_TRUST)))


def test_role_with_inline_policy_cannot_be_deleted(iam: Any):
    create(iam)
    iam.put_role_policy(RoleName="role", PolicyName="policy", PolicyDocument=json.dumps(POLICY))
    with rejected("DeleteConflict"):
        iam.delete_role(RoleName="role")


def test_role_with_attached_policy_cannot_be_deleted(iam: Any):
    create(iam)
    arn = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(POLICY))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="role", PolicyArn=arn)
    with rejected("DeleteConflict"):
        iam.delete_role(RoleName="role")
    iam.detach_role_policy(RoleName="role", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)


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
    iam.delete_policy(PolicyArn=missing)


def test_expected_trust_and_role_policies_are_accepted(iam: Any):
    create(iam, trust=golden("trust-policy"))
    for name in ("default-role-policy", "minimal-role-policy"):
        iam.put_role_policy(RoleName="role", PolicyName=name, PolicyDocument=golden(name))
