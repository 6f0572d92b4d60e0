"""Order findings by severity and recognize dangerous statements."""

from collections.abc import Mapping
from typing import Final

from guardrails.iam.containment import certain_values
from guardrails.iam.documents import Statement
from guardrails.iam.patterns import covers
from roles.arns import Arn
from roles.difference import TRUST_POLICY, Verdict

LABELS: Final[Mapping[str, str]] = {
    "dangerous": "dangerous",
    "missing": "missing",
    "excess": "in excess",
    "denies": "denying",
    "shared": "shared",
}
"""The kinds of findings in order of severity, and their names in the result."""
_POWERS: Final[Mapping[str, tuple[str, str]]] = {
    "iam:PutRolePolicy": ("role", "administrator access"),
    "iam:AttachRolePolicy": ("role", "administrator access"),
    "iam:CreatePolicyVersion": ("policy", "administrator access"),
    "sts:AssumeRole": ("role", "permission to assume every role"),
}
"""For each action: a resource type, and the access that the action gives on all such resources."""


def kind_of(verdict: Verdict) -> str:
    """Return the kind of a finding: `dangerous`, or its verdict."""
    return "dangerous" if verdict.danger else verdict.verdict


def rank(verdict: Verdict) -> int:
    """Return a finding's position in the order of severity."""
    return [*LABELS].index(kind_of(verdict))


def find_danger(statement: Statement, role: Arn) -> str:
    """Return why a role's excess statement is dangerous; empty if it is not."""
    trust = statement.policy == TRUST_POLICY
    found = _open_to(statement, role.account) if trust else _power(statement, role)
    return f"{found} under a condition" if found and statement.conditions else found


def _power(statement: Statement, role: Arn) -> str:
    for action, (kind, power) in _POWERS.items():
        every = f"arn:{role.partition}:iam::{role.account}:{kind}/*"
        if statement.actions.covers(action) and statement.resources.covers(every):
            return power
    return ""


def _open_to(statement: Statement, account: str) -> str:
    if statement.principals.negated or "*" in statement.principals.values:
        return "trusts everybody"
    principals = [value.partition(":")[::2] for value in statement.principals.values]
    accounts = {Arn.of(name).account or name for kind, name in principals if kind == "AWS"}
    if any(each.isdigit() and each != account for each in accounts):
        return "trusts another account"
    kinds = {kind for kind, _ in principals}
    if "Federated" in kinds and not _requires_subject(statement):
        return "trusts every user of an identity provider"
    if "Service" in kinds and not _requires_account(statement, account):
        return "trusts a service in other accounts"
    return ""


def _requires_subject(statement: Statement) -> bool:
    """Return whether conditions limit which users of an identity provider can use a role."""
    # A SAML provider lists each user's roles. With a web identity, only the subject identifies a user.
    providers = [value for value in statement.principals.values if value.startswith("Federated:")]
    if all(":saml-provider/" in provider for provider in providers):
        return bool(statement.conditions)
    return any(
        condition.key.lower().endswith(":sub")
        and certain_values(condition, condition.key)
        and not any(covers(value, "*") for value in condition.values)
        for condition in statement.conditions
    )


def _requires_account(statement: Statement, account: str) -> bool:
    """Return whether a service can use a role only for resources in this account."""
    for condition in statement.conditions:
        accounts = {
            *certain_values(condition, "aws:SourceAccount"),
            *(Arn.of(arn).account for arn in certain_values(condition, "aws:SourceArn")),
        }
        if accounts == {account}:
            return True
    return False
