"""roles/danger: audit and check recognize statements that grant dangerous access."""

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
from tests.helpers.world import THROUGH_SECRETS_MANAGER, allow

AMAZON_Q: Final = {"Service": "qbusiness.amazonaws.com"}
PROVIDER: Final = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/example.com"}
COGNITO: Final = {"Federated": "cognito-identity.amazonaws.com"}
SAML: Final = {"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"}
OF_ACCOUNT: Final = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
OF_APPLICATION: Final = {"ArnLike": {"aws:SourceArn": APPLICATION_ARN}}
OF_OTHERS: Final = {"ArnLike": {"aws:SourceArn": APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)}}
OF_ANY: Final = {"StringLike": {"aws:SourceAccount": "*"}}
ROLE: Final = Arn.of(f"arn:aws:iam::{ACCOUNT}:role/x")
TO_AMAZON_Q: Final = {"StringEquals": {"iam:PassedToService": AMAZON_Q["Service"]}}
ADMINISTRATOR: Final = "administrator access"
ASSUMES: Final = "permission to assume every role in the account"
READS: Final = "permission to read every secret in the account"
ROLES: Final = f"arn:aws:iam::{ACCOUNT}:role/*"
IF: Final = " under a condition"
FOR_ALL: Final = "trusts a service in other accounts"
FOR_USERS: Final = "trusts every user of an identity provider"


def danger_of(statement: dict[str, Any], name: str = "console", role: Arn = ROLE) -> str:
    (read,) = statements(name, json.dumps({"Statement": statement}))
    return find_danger(read, role)


def trust(principal: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}


@pytest.mark.parametrize(
    ("statement", "danger"),
    [
        (trust(AMAZON_Q), FOR_ALL),
        (trust(AMAZON_Q, Condition=OF_ACCOUNT), ""),
        (trust(AMAZON_Q, Condition=OF_APPLICATION), ""),
        (trust(AMAZON_Q, Condition=OF_ANY), FOR_ALL + IF),
        (trust(AMAZON_Q, Condition=OF_OTHERS), FOR_ALL + IF),
        (trust({"Service": "lambda.amazonaws.com"}), ""),
        (trust({"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}), ""),
        (trust({"Service": ["ec2.amazonaws.com", "s3.amazonaws.com"]}), FOR_ALL),
        (trust({"Service": ["lambda.amazonaws.com", AMAZON_Q["Service"]]}), FOR_ALL),
        (trust("*"), "trusts everybody"),
        (trust({"AWS": "*"}, Condition=OF_ACCOUNT), "trusts everybody under a condition"),
        ({**trust({}), "NotPrincipal": {"AWS": ACCOUNT}}, "trusts everybody"),
        (trust({"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}), "trusts another account"),
        (trust({"AWS": [ACCOUNT, OTHER_ACCOUNT]}), "trusts another account"),
        (trust({"AWS": [OTHER_ACCOUNT, ACCOUNT]}), "trusts another account"),
        (trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/admin"}), ""),
        (trust({"AWS": "AIDAEXAMPLE"}), ""),  # the ID of a deleted user
        (trust(PROVIDER), FOR_USERS),
        (trust(PROVIDER, Condition={"StringEquals": {"example.com:sub": "ci"}}), ""),
        (
            trust(PROVIDER, Condition={"StringEquals": {"example.com:aud": "sts.amazonaws.com"}}),
            FOR_USERS + IF,
        ),
        (trust(PROVIDER, Condition={"StringLike": {"example.com:sub": ["ci", "*"]}}), FOR_USERS + IF),
        (
            trust(
                COGNITO, Condition={"StringEquals": {f"{COGNITO['Federated']}:amr": "unauthenticated"}}
            ),
            FOR_USERS + IF,
        ),
        (trust(PROVIDER, Condition={"StringEquals": {"Example.com:SUB": "ci"}}), ""),
        (
            trust({"Federated": [SAML["Federated"], PROVIDER["Federated"]]}, Condition=OF_ACCOUNT),
            FOR_USERS + IF,
        ),
        (
            trust(AMAZON_Q, Condition={"StringEquals": {"aws:SourceAccount": [ACCOUNT, OTHER_ACCOUNT]}}),
            FOR_ALL + IF,
        ),
        (trust(SAML), FOR_USERS),
        (
            trust(SAML, Condition={"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}),
            "",
        ),
    ],
)
def test_only_dangerous_trust_statements_are_reported(statement: dict[str, Any], danger: str):
    if "NotPrincipal" in statement:
        del statement["Principal"]
    assert danger_of(statement, TRUST_POLICY) == danger


GITHUB: Final = "token.actions.githubusercontent.com"


@pytest.mark.parametrize(
    ("subject", "anybody"),
    [
        ("repo:*", True),
        ("repo:*/*", True),
        ("repo:*:ref:refs/heads/main", True),
        ("repo:*/infrastructure:*", True),
        ("repo:octo-*", True),
        ("rep*", True),
        ("*:environment:prod", True),
        (["repo:octo-org/web:*", "repo:*"], True),
        ("repo:octo-org/*", False),
        ("repo:octo-org/web:*", False),
        ("repo:octo-org/web:ref:refs/heads/main", False),
        # Organizations can choose other claims for the subject.
        ("repository_owner:octo-org:*", False),
    ],
)
def test_github_role_for_any_owner_is_dangerous(subject: str | list[str], anybody: bool):
    principal = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"}

    def danger(name: str) -> str:
        condition = {"StringLike": {name: subject}, "StringEquals": {f"{GITHUB}:aud": "sts"}}
        return danger_of(trust(principal, Condition=condition), TRUST_POLICY)

    assert danger(f"{GITHUB}:sub") == (FOR_USERS + IF) * anybody
    # All repositories of this provider belong to one enterprise.
    assert danger(f"{GITHUB}/octo-corp:sub") == ""


@pytest.mark.parametrize(
    ("statement", "danger"),
    [
        (allow("*", "*"), ADMINISTRATOR),
        (allow(["s3:*", "iam:*"], "*"), ADMINISTRATOR),
        (allow("*", "*", Condition=THROUGH_SECRETS_MANAGER), ADMINISTRATOR + IF),
        ({"Effect": "Allow", "NotAction": "organizations:*", "Resource": "*"}, ADMINISTRATOR),
        ({"Effect": "Allow", "NotAction": "iam:DeleteRole", "Resource": "*"}, ADMINISTRATOR),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b"}, ADMINISTRATOR),
        (allow("*", "arn:aws:*"), ADMINISTRATOR),
        (allow("iam:*", ROLES), ADMINISTRATOR),
        (allow(["iam:PutRolePolicy", "iam:AttachRolePolicy"], "*"), ADMINISTRATOR),
        (allow("iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:*"), ADMINISTRATOR),
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
        (allow("iam:PutRolePolicy", ROLES.replace("*", "service-role/*")), ""),
        (allow("iam:Get*", "*"), ""),
        (allow("*", "arn:aws:s3:::b/*"), ""),
        (allow("s3:*", "*"), ""),
    ],
)
def test_only_dangerous_statements_are_reported(statement: dict[str, Any], danger: str):
    assert danger_of(statement) == danger


@pytest.mark.parametrize("action", ["iam:AttachRolePolicy", "iam:PutRolePolicy"])
@pytest.mark.parametrize(
    ("resource", "danger"),
    [
        (ROLE.text, ADMINISTRATOR),
        (ROLE.text.replace("/x", "/?"), ADMINISTRATOR),
        (ROLES, ADMINISTRATOR),
        (ROLE.text.replace("/x", "/y"), ""),
        (ROLE.text.replace("/x", "/y*"), ""),
    ],
)
def test_role_changing_its_own_policies_is_dangerous(action: str, resource: str, danger: str):
    assert danger_of(allow(action, resource)) == danger


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("iam:AddUserToGroup", "group"),
        ("iam:AttachGroupPolicy", "group"),
        ("iam:AttachUserPolicy", "user"),
        ("iam:CreateAccessKey", "user"),
        ("iam:CreateLoginProfile", "user"),
        ("iam:CreatePolicyVersion", "policy"),
        ("iam:PutGroupPolicy", "group"),
        ("iam:PutUserPolicy", "user"),
        ("iam:SetDefaultPolicyVersion", "policy"),
        ("iam:UpdateAssumeRolePolicy", "role"),
        ("iam:UpdateLoginProfile", "user"),
    ],
)
def test_escalation_on_resource_pattern_is_dangerous(action: str, kind: str):
    arn = f"arn:aws:iam::{ACCOUNT}:{kind}"
    for resource in ("*", f"{arn}/*", f"{arn}/?*", f"{arn}/team-*", "arn:aws:iam::*:*"):
        assert danger_of(allow(action, resource)) == ADMINISTRATOR, resource
    other = "policy" if kind == "user" else "user"
    for resource in (
        f"{arn}/one",
        f"{arn}/${{aws:username}}",
        f"arn:aws:iam::{ACCOUNT}:{other}/*",
        "arn:aws:s3:::*",
    ):
        assert danger_of(allow(action, resource)) == "", resource
    assert danger_of(allow(action.replace("iam:", "iam:Get"), "*")) == ""
    excluded = allow(action, "")
    del excluded["Resource"]
    assert danger_of({**excluded, "NotResource": f"{arn}/one"}) == ADMINISTRATOR
    assert danger_of({**excluded, "NotResource": f"{arn}/*"}) == ""


@pytest.mark.parametrize("partition", ["aws-us-gov", "aws-cn"])
def test_danger_is_the_same_in_another_partition(partition: str):
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
