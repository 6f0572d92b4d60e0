"""Determine how the update after an import changes a role's access and policies."""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from components.connector_role import POLICY_NAME
from guardrails.iam.documents import Statement
from roles.account import Role
from roles.changes import same_document
from roles.difference import TRUST_POLICY, Verdict, compare, role_statements, statements
from roles.policies import Policies


class Change(NamedTuple):
    """The difference between a role before and after the update, or between it and its replacement."""

    lost: tuple[Verdict, ...]
    """The role's statements whose access might no longer be allowed, with this access."""
    gained: tuple[Verdict, ...]
    """The program's statements whose access might be new, with this access, and removed denials."""
    text: bool
    """Whether a policy of an existing role is written, even if the access stays the same."""

    @property
    def is_only_text(self) -> bool:
        """Whether a policy is written, but the access stays the same."""
        return self.text and not self.lost and not self.gained


def access_lines(verdict: Verdict) -> Iterator[str]:
    """Yield the lines that show the access of a verdict."""
    introduction = "no longer denied: " * (verdict.verdict == "denies")
    for access in verdict.access:
        yield f"      {introduction}{', '.join(access.actions)}"
        yield from (f"        {verdict.preposition} {target}" for target in access.targets)
        yield from (f"        {condition}" for condition in access.conditions)


def is_within(boundary: Sequence[Statement], policies: Policies) -> bool:
    """Return whether a boundary certainly allows all that the program's role policy allows."""
    program = statements(POLICY_NAME, policies.role_policy)
    return not any(verdict.access for verdict in compare(program, boundary).program)


def find_change(role: Role, policies: Policies) -> Change:
    """Compare a role before and after the update, which writes the trust policy and the role policy.

    If a comparison is inconclusive, access counts as both lost and gained.
    """
    before = role_statements(role)
    removed = [each for each in before if each.policy in (TRUST_POLICY, POLICY_NAME)]
    kept = [each for each in before if each.allows and each not in removed]
    lost, gained = _differences(policies.written, kept, before, removed)
    is_same = same_document(role.trust_policy, json.loads(policies.trust_policy)) and same_document(
        role.inline_policies.get(POLICY_NAME), json.loads(policies.role_policy)
    )
    return Change(lost, gained, text=not is_same)


def find_change_to_new(role: Role, policies: Policies) -> Change:
    """Compare a role with a new one that replaces it for a data source.

    The new role has the role policy and the separate policies that the user adds. The trust policies are
    not compared.
    """
    written = [each for each in policies.needed if each.policy != TRUST_POLICY]
    before = [each for each in role_statements(role) if each.policy != TRUST_POLICY]
    return Change(*_differences(written, [], before, before), text=False)


def _differences(
    written: Sequence[Statement],
    kept: Sequence[Statement],
    before: Sequence[Statement],
    removed: Sequence[Statement],
) -> tuple[tuple[Verdict, ...], tuple[Verdict, ...]]:
    """Return the access that is lost, and the access that is gained, if `written` replaces `removed`.

    `before` has all earlier statements, and `kept` the Allow statements that remain. Removed denials
    count as gained.
    """
    allowed = [each for each in before if each.allows]
    of_removed = compare([*written, *kept], removed).role
    of_written = compare(written, allowed).program
    lost = tuple(each for each in of_removed if each.verdict == "excess")
    both = (*of_written, *of_removed)
    return lost, tuple(each for each in both if each.verdict in ("missing", "denies"))
