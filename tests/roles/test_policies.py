"""Tests `roles/policies.py`, `aws_commands.py`, and `arns.py`."""

import argparse
from typing import Any

import pytest

from pages.examples import ACCOUNT
from roles.arns import Arn
from roles.aws_commands import aws_command
from roles.difference import simplify, statements
from roles.errors import OddAnswerError
from roles.policies import Policies, Secret
from roles.project import stack_name
from tests.helpers.support import golden
from tests.helpers.world import KEY_ARN, SECRET_ARN, allow, deny, own_policy, policy

SECRETS = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:"


def test_only_missing_statements_are_added_for_other_secrets():
    role_policy = own_policy(SECRET_ARN)
    secrets = (Secret(f"{SECRETS}b-a1B2c3", None), Secret(SECRET_ARN, KEY_ARN))
    found = Policies(golden("trust-policy"), role_policy, secrets).others
    assert [each["Action"] for each in found] == [["secretsmanager:GetSecretValue"], ["kms:Decrypt"]]


def test_option_values_in_commands_are_quoted():
    for value, shown in {"a b": " 'a b'", "-x": "=-x", "": " ''"}.items():
        assert aws_command("iam get-role", role_name=value) == f"aws iam get-role --role-name{shown}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("arn:aws-cn:iam::1:role/a/b", ("aws-cn", "iam", "", "1", "role/a/b", "b")),
        ("arn:aws:s:r:1:a:b:c", ("aws", "s", "r", "1", "a:b:c", "a:b:c")),
        ("arn:aws:s:r:1", ("", "", "", "", "", "")),
        ("urn:aws:s:r:1:x", ("", "", "", "", "", "")),
    ],
)
def test_arn_is_split_into_its_parts(text: str, parts: tuple[str, ...]):
    found = Arn.of(text)
    assert (found.text, (*found[1:], found.name)) == (text, parts)


def test_only_a_valid_stack_name_is_accepted():
    long = "x" * 100
    for name in ("dev", "a.b_c-D", long, f"acme/{long}", "acme/web.site/dev", "1", ".dev"):
        assert stack_name(name) == name
    wrong = ("", f"{long}x", f"a/{long}x", "-dev", "a.b/dev", "a/b/c/d", "a//b", "dev!", "\xe9", "dev\n")
    for name in wrong:
        with pytest.raises(argparse.ArgumentTypeError, match="is not a valid stack name: expected "):
            stack_name(name)


SECURE: Any = {"Bool": {"aws:SecureTransport": "true"}}
INSECURE: Any = {"Bool": {"aws:SecureTransport": "false"}}
OF_ACCOUNT: Any = {"StringEquals": {"s3:ResourceAccount": ACCOUNT}}


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        (allow("s3:*", "*", Condition=SECURE), []),
        (allow("s3:*", "*", Condition=INSECURE), ["aws:SecureTransport"]),
        (deny("s3:*", "*", Condition=SECURE), ["aws:SecureTransport"]),
        (allow("s3:*", "*", Condition=SECURE | OF_ACCOUNT), ["aws:ResourceAccount"]),
    ],
)
def test_only_conditions_that_every_request_satisfies_are_left_out(
    statement: dict[str, Any], kept: list[str]
):
    (found,) = statements("p", policy(statement))
    assert [each.key for each in simplify(found).conditions] == kept


@pytest.mark.parametrize(
    ("name", "call"),
    [("trust policy", "GetRole"), ("p", "GetRolePolicy"), ("arn:p", "GetPolicyVersion")],
)
def test_error_about_unreadable_policy_names_the_call_that_returned_it(name: str, call: str):
    with pytest.raises(
        OddAnswerError, match=f"^the response to iam:{call} has a policy that cannot be "
    ):
        statements(name, {"Statement": [{"Effect": "Perhaps"}]})
