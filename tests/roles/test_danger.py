"""Tests `roles/danger.py`, which finds statements that grant dangerous access."""

import json
import re
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT
from roles.arns import Arn
from roles.danger import ESCALATIONS, find_danger
from roles.difference import TRUST_POLICY, statements
from sandbox.environment import PROJECT
from tests.helpers.page import prose
from tests.helpers.world import ROOT, THROUGH_SECRETS_MANAGER, allow

AMAZON_Q: Final = {"Service": "qbusiness.amazonaws.com"}
PROVIDER: Final = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/example.com"}
SAML: Final = {"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"}
OF_ACCOUNT: Final = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
OF_APPLICATION: Final = {"ArnLike": {"aws:SourceArn": APPLICATION_ARN}}
OF_OTHERS: Final = {"ArnLike": {"aws:SourceArn": APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)}}
ROLE: Final = Arn.of(f"arn:aws:iam::{ACCOUNT}:role/x")
ORGANIZATION: Final = "o-a1b2c3d4e5"
ANY_VALUE: Final = "ForAnyValue:StringLike"
TO_AMAZON_Q: Final = {"StringEquals": {"iam:PassedToService": AMAZON_Q["Service"]}}
ADMINISTRATOR: Final = "administrator access"
ASSUMES: Final = "permission to assume every role in the account"
READS: Final = "permission to read every secret in a Region"
ROLES: Final = f"arn:aws:iam::{ACCOUNT}:role/*"
IF: Final = " under a condition"
FOR_ALL: Final = "trusts a service in other accounts"
FOR_USERS: Final = "trusts every user of an identity provider"


def danger_of(statement: dict[str, Any], name: str = "console", role: Arn = ROLE) -> str:
    (read,) = statements(name, json.dumps({"Statement": statement}))
    return find_danger(read, role)


def trust(principal: Any, **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {**statement, "Condition": condition} if condition else statement


@pytest.mark.parametrize(
    ("statement", "danger"),
    [
        (trust(AMAZON_Q), FOR_ALL),
        (trust(AMAZON_Q, **OF_ACCOUNT), ""),
        (trust(AMAZON_Q, **OF_APPLICATION), ""),
        (trust(AMAZON_Q, StringLike={"aws:SourceAccount": "*"}), FOR_ALL + IF),
        (trust(AMAZON_Q, StringLike={"aws:SourceAccount": [ACCOUNT, "4444*"]}), FOR_ALL + IF),
        (trust(AMAZON_Q, StringEqualsIfExists={"aws:SourceAccount": ACCOUNT}), FOR_ALL + IF),
        (trust(AMAZON_Q, StringEquals={"aws:SourceAccount": [ACCOUNT, OTHER_ACCOUNT]}), FOR_ALL + IF),
        (trust(AMAZON_Q, **OF_OTHERS), FOR_ALL + IF),
        (trust(AMAZON_Q, ArnLike={"aws:SourceArn": "arn:aws:qbusiness:*:*:*"}), FOR_ALL + IF),
        (trust(AMAZON_Q, ArnLike={"aws:SourceArn": "arn:aws:s3:::documents"}), FOR_ALL + IF),
        (trust(AMAZON_Q, StringEquals={"aws:SourceOrgID": ORGANIZATION}), ""),
        (trust(AMAZON_Q, StringLike={"aws:SourceOrgID": [ORGANIZATION, "o-*"]}), FOR_ALL + IF),
        (
            trust(AMAZON_Q, StringEquals={"aws:SourceOrgID": [ORGANIZATION, "o-z1y2x3w4v5"]}),
            FOR_ALL + IF,
        ),
        (trust(AMAZON_Q, StringLike={"aws:SourceOrgID": f"{ORGANIZATION[:-1]}?"}), FOR_ALL + IF),
        (trust(AMAZON_Q, StringNotEquals={"aws:SourceOrgID": ORGANIZATION}), FOR_ALL + IF),
        (trust(AMAZON_Q, **{ANY_VALUE: {"aws:SourceOrgPaths": f"{ORGANIZATION}/r-ab12/*"}}), ""),
        (trust(AMAZON_Q, **{ANY_VALUE: {"aws:SourceOrgPaths": "o-*/r-ab12/*"}}), FOR_ALL + IF),
        (
            trust(AMAZON_Q, **{"ForAllValues:StringLike": {"aws:SourceOrgPaths": f"{ORGANIZATION}/*"}}),
            FOR_ALL + IF,  # a request without the key meets the condition
        ),
        (trust({"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}), ""),
        (trust({"Service": ["ec2.amazonaws.com", "s3.amazonaws.com"]}), FOR_ALL),
        (trust("*"), "trusts everybody"),
        ({"Effect": "Allow", "NotPrincipal": ROOT, "Action": "sts:AssumeRole"}, "trusts everybody"),
        (trust({"AWS": "*"}, **OF_ACCOUNT), "trusts everybody under a condition"),
        (trust({"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}), "trusts another account"),
        (trust({"AWS": [ACCOUNT, OTHER_ACCOUNT]}), "trusts another account"),
        (trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/admin"}), ""),
        (trust({"AWS": "AIDAEXAMPLE"}), ""),  # the ID of a deleted user
        (trust(PROVIDER), FOR_USERS),
        (trust(PROVIDER, StringEquals={"example.com:sub": "ci"}), ""),
        (trust(PROVIDER, StringEquals={"Example.com:SUB": "ci"}), ""),
        (trust(PROVIDER, StringEquals={"example.com:aud": "sts.amazonaws.com"}), FOR_USERS + IF),
        (trust(PROVIDER, StringLike={"example.com:sub": ["ci", "*"]}), FOR_USERS + IF),
        (trust(SAML), FOR_USERS),
        (trust(SAML, StringEquals={"SAML:aud": "https://signin.aws.amazon.com/saml"}), ""),
        (trust({"Federated": [*SAML.values(), *PROVIDER.values()]}, **OF_ACCOUNT), FOR_USERS + IF),
    ],
)
def test_only_dangerous_trust_statements_are_reported(statement: dict[str, Any], danger: str):
    assert danger_of(statement, TRUST_POLICY) == danger


GITHUB: Final = "token.actions.githubusercontent.com"


@pytest.mark.parametrize(
    ("key", "subject", "anybody"),
    [
        (f"{GITHUB}:sub", "repo:*", True),
        (f"{GITHUB}:sub", "repo:*/infrastructure:*", True),
        (f"{GITHUB}:sub", "repo:octo-*", True),
        (f"{GITHUB}:sub", "rep*", True),
        (f"{GITHUB}:sub", "*:environment:prod", True),
        (f"{GITHUB}:sub", ["repo:octo-org/web:*", "repo:*"], True),
        (f"{GITHUB}:sub", "repo:octo-org/*", False),
        (f"{GITHUB}:sub", "repo:octo-org/web:ref:refs/heads/main", False),
        # GitHub organizations can choose other claims for the subject.
        (f"{GITHUB}:sub", "repository_owner:octo-org:*", False),
        # All repositories of this provider belong to one enterprise.
        (f"{GITHUB}/octo-corp:sub", "repo:*", False),
        ("gitlab.com:sub", "project_path:octo-*", True),
        ("gitlab.com:sub", "project_path:octo-group/*", False),
        ("app.terraform.io:sub", "organization:octo-*", True),
        ("app.terraform.io:sub", "organization:octo-org:*", False),
    ],
)
def test_trust_in_repositories_of_any_owner_is_dangerous(
    key: str, subject: str | list[str], anybody: bool
):
    statement = trust(PROVIDER, StringLike={key: subject}, StringEquals={f"{GITHUB}:aud": "sts"})
    assert danger_of(statement, TRUST_POLICY) == (FOR_USERS + IF) * anybody


@pytest.mark.parametrize(
    ("statement", "danger"),
    [
        (allow("*", "*"), ADMINISTRATOR),
        (allow("*", "*", Condition=THROUGH_SECRETS_MANAGER), ADMINISTRATOR + IF),
        ({"Effect": "Allow", "NotAction": "organizations:*", "Resource": "*"}, ADMINISTRATOR),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b"}, ADMINISTRATOR),
        (allow("*", "arn:aws:*"), ADMINISTRATOR),
        (allow("iam:*", ROLES), ADMINISTRATOR),
        # A role that can change its own policies can become an administrator.
        (allow("iam:AttachRolePolicy", ROLE.text), ADMINISTRATOR),
        (allow("iam:PutRolePolicy", ROLE.text.replace("/x", "/?")), ADMINISTRATOR),
        (allow("iam:AttachRolePolicy", ROLE.text.replace("/x", "/y")), ""),
        (allow("iam:PutRolePolicy", ROLE.text.replace("/x", "/y*")), ""),
        (allow("sts:AssumeRole", "*"), ASSUMES),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, ASSUMES),
        ({"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"}, READS),
        ({"Effect": "Allow", "NotAction": ["iam:*", "s*:*"], "Resource": "*"}, ""),
        (allow("secretsmanager:*", f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:*"), READS),
        (allow("secretsmanager:Get*", f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:a*"), ""),
        (allow("secretsmanager:*", "*", Condition={"StringEquals": {"aws:ResourceTag/team": "a"}}), ""),
        (allow("sts:AssumeRole", ROLES.replace("*", "?*")), ASSUMES),
        (allow("sts:AssumeRole", ROLE.text), ""),
        (allow("sts:AssumeRole", ROLES.replace("*", "reader-*")), ""),
        (allow("sts:AssumeRole", ROLES.replace("*", "?")), ""),
        (allow("iam:PassRole", "*", Condition=TO_AMAZON_Q), ""),
        (allow("*", "arn:aws:s3:::b/*"), ""),
        (allow("s3:*", "*"), ""),
    ],
)
def test_only_dangerous_statements_are_reported(statement: dict[str, Any], danger: str):
    assert danger_of(statement) == danger


@pytest.mark.parametrize(
    ("kind", "actions"),
    [
        ("group", "AddUserToGroup AttachGroupPolicy PutGroupPolicy"),
        ("user", "AttachUserPolicy CreateAccessKey CreateLoginProfile PutUserPolicy UpdateLoginProfile"),
        ("policy", "CreatePolicyVersion SetDefaultPolicyVersion"),
        ("role", "UpdateAssumeRolePolicy"),
    ],
)
def test_escalation_action_on_resource_pattern_is_dangerous(kind: str, actions: str):
    arn = f"arn:aws:iam::{ACCOUNT}:{kind}"
    other = f"arn:aws:iam::{ACCOUNT}:{'policy' if kind == 'user' else 'user'}/*"
    for action in (f"iam:{name}" for name in actions.split()):
        for resource in ("*", f"{arn}/*", f"{arn}/?*", f"{arn}/team-*", "arn:aws:iam::*:*"):
            assert danger_of(allow(action, resource)) == ADMINISTRATOR, resource
        for resource in (f"{arn}/one", f"{arn}/${{aws:username}}", other, "arn:aws:s3:::*"):
            assert danger_of(allow(action, resource)) == "", resource
        assert danger_of(allow(action.replace("iam:", "iam:Get"), "*")) == ""
        excluded = {"Effect": "Allow", "Action": action}
        assert danger_of({**excluded, "NotResource": f"{arn}/one"}) == ADMINISTRATOR
        assert danger_of({**excluded, "NotResource": f"{arn}/*"}) == ""


@pytest.mark.parametrize("partition", ["aws-us-gov", "aws-cn"])
def test_same_statements_are_dangerous_in_another_partition(partition: str):
    role = Arn.of(ROLE.text.replace("aws", partition))
    for action, resource, danger in (
        ("sts:AssumeRole", ROLES, ASSUMES),
        ("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/*", ADMINISTRATOR),
        ("iam:PutRolePolicy", ROLE.text, ADMINISTRATOR),
    ):
        for at, expected in ((resource, ""), (resource.replace("aws", partition), danger)):
            assert danger_of(allow(action, at), role=role) == expected


def test_audit_page_lists_the_dangerous_iam_actions():
    page = prose("Dangerous access", PROJECT / "docs" / "audit.md")
    assert sorted(re.findall("`(iam:[A-Za-z]+)`", page)) == sorted(ESCALATIONS)
