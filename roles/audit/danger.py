"""Order findings by danger: access for others, missing access, access in excess."""

from collections.abc import Mapping
from typing import Final

from guardrails.iam.containment import certain_values
from guardrails.iam.documents import Statement
from roles.arns import Arn
from roles.difference import TRUST_POLICY, Verdict

LABELS: Final[Mapping[str, str]] = {
    "dangerous": "dangerous",
    "missing": "missing",
    "excess": "in excess",
    "denies": "denying",
    "shared": "shared",
}
"""The kinds of findings in the order of danger, and their names in the result."""


def kind_of(verdict: Verdict) -> str:
    """Return the kind of a finding: `dangerous`, or its verdict."""
    return "dangerous" if verdict.danger else verdict.verdict


def rank(verdict: Verdict) -> int:
    """Return the position of a finding in the order of danger."""
    return [*LABELS].index(kind_of(verdict))


def find_danger(statement: Statement, account: str) -> str:
    """Return why a statement in excess is dangerous, for a role of an account; empty if it is not."""
    found = _open_to(statement, account) if statement.policy == TRUST_POLICY else _power(statement)
    return f"{found} under a condition" if found and statement.conditions else found


def _power(statement: Statement) -> str:
    # Who may do everything in IAM can get every other permission.
    everything = statement.actions.covers("iam:*") and statement.resources.covers("*")
    return "administrator access" if everything else ""


def _open_to(statement: Statement, account: str) -> str:
    if statement.principals.negated or "*" in statement.principals.values:
        return "trusts everybody"
    principals = [value.partition(":")[::2] for value in statement.principals.values]
    accounts = {Arn.of(name).account or name for kind, name in principals if kind == "AWS"}
    if any(each.isdigit() and each != account for each in accounts):
        return "trusts another account"
    kinds = {kind for kind, _ in principals}
    if "Federated" in kinds and not statement.conditions:
        return "trusts every user of an identity provider"
    if "Service" in kinds and not _requires_account(statement, account):
        return "trusts a service for every account"
    return ""


def _requires_account(statement: Statement, account: str) -> bool:
    """Return whether a service can use a role only for resources of an account."""
    for condition in statement.conditions:
        accounts = {
            *certain_values(condition, "aws:SourceAccount"),
            *(Arn.of(arn).account for arn in certain_values(condition, "aws:SourceArn")),
        }
        if accounts == {account}:
            return True
    return False
