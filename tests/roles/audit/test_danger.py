"""`roles audit` recognizes dangerous statements: access for others, and administrator access."""

import json
from typing import Any, Final

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT
from roles.arns import Arn
from roles.audit.danger import find_danger
from roles.difference import TRUST_POLICY, statements
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
ROLES: Final = f"arn:aws:iam::{ACCOUNT}:role/*"
FOR_ALL: Final = "trusts a service in other accounts"
FOR_USERS: Final = "trusts every user of an identity provider"


def trust(principal: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}


@pytest.mark.parametrize(
    ("statement", "danger"),
    [
        (trust(AMAZON_Q), FOR_ALL),
        (trust(AMAZON_Q, Condition=OF_ACCOUNT), ""),
        (trust(AMAZON_Q, Condition=OF_APPLICATION), ""),
        (trust(AMAZON_Q, Condition=OF_ANY), f"{FOR_ALL} under a condition"),
        (trust(AMAZON_Q, Condition=OF_OTHERS), f"{FOR_ALL} under a condition"),
        (trust("*"), "trusts everybody"),
        (trust({"AWS": "*"}, Condition=OF_ACCOUNT), "trusts everybody under a condition"),
        ({**trust({}), "NotPrincipal": {"AWS": ACCOUNT}}, "trusts everybody"),
        (trust({"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}), "trusts another account"),
        (trust({"AWS": [ACCOUNT, OTHER_ACCOUNT]}), "trusts another account"),
        (trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/admin"}), ""),
        (trust({"AWS": "AIDAEXAMPLE"}), ""),  # the ID of a deleted user
        (trust(PROVIDER), FOR_USERS),
        (trust(PROVIDER, Condition={"StringEquals": {"example.com:sub": "ci"}}), ""),
        (
            trust(PROVIDER, Condition={"StringEquals": {"example.com:aud": "sts.amazonaws.com"}}),
            f"{FOR_USERS} under a condition",
        ),
        (
            trust(PROVIDER, Condition={"StringLike": {"example.com:sub": ["ci", "*"]}}),
            f"{FOR_USERS} under a condition",
        ),
        (
            trust(
                COGNITO, Condition={"StringEquals": {f"{COGNITO['Federated']}:amr": "unauthenticated"}}
            ),
            f"{FOR_USERS} under a condition",
        ),
        (trust(SAML), FOR_USERS),
        (
            trust(SAML, Condition={"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}),
            "",
        ),
    ],
)
def test_a_trust_policy_is_dangerous_if_it_admits_others(statement: dict[str, Any], danger: str):
    if "NotPrincipal" in statement:
        del statement["Principal"]
    (read,) = statements(TRUST_POLICY, json.dumps({"Statement": statement}))
    assert find_danger(read, ROLE) == danger


@pytest.mark.parametrize(
    ("statement", "danger"),
    [
        (allow("*", "*"), "administrator access"),
        (allow(["s3:*", "iam:*"], "*"), "administrator access"),
        (allow("*", "*", Condition=THROUGH_SECRETS_MANAGER), "administrator access under a condition"),
        ({"Effect": "Allow", "NotAction": "organizations:*", "Resource": "*"}, "administrator access"),
        ({"Effect": "Allow", "NotAction": "iam:DeleteRole", "Resource": "*"}, "administrator access"),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b"}, "administrator access"),
        (allow("*", "arn:aws:*"), "administrator access"),
        (allow("iam:*", ROLES), "administrator access"),
        (allow(["iam:PutRolePolicy", "iam:AttachRolePolicy"], "*"), "administrator access"),
        (allow("iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:*"), "administrator access"),
        (allow("sts:AssumeRole", "*"), "permission to assume every role"),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "permission to assume every role"),
        ({"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"}, ""),
        (allow("iam:PutRolePolicy", ROLES.replace("*", "service-role/*")), ""),
        (allow("iam:Get*", "*"), ""),
        (allow("*", "arn:aws:s3:::b/*"), ""),
        (allow("s3:*", "*"), ""),
    ],
)
def test_a_policy_is_dangerous_if_it_gives_administrator_access(statement: dict[str, Any], danger: str):
    (read,) = statements("console", json.dumps({"Statement": statement}))
    assert find_danger(read, ROLE) == danger
