"""Determine how the update after an import changes a role's access and policies."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from components.connector_role import POLICY_NAME
from guardrails.iam.documents import Statement
from roles.account import Account, Reply, Role
from roles.arns import Arn
from roles.difference import TRUST_POLICY, Verdict, compare, role_statements, statements
from roles.policies import Policies


class Change(NamedTuple):
    """The difference between a role before and after the update, or between it and its replacement."""

    lost: tuple[Verdict, ...]
    """The role's statements whose access might no longer be allowed, with this access."""
    gained: tuple[Verdict, ...]
    """The program's statements whose access might be new, with this access, and removed denials."""
    text: bool
    """Whether a policy of an existing role is written or replaced, even if the access stays the same."""
    inline: str | None = None
    """The name of the inline policy that the update replaces with the role policy."""
    attached: str | None = None
    """The ARN of the attached policy that the role policy replaces; the user detaches it."""
    properties: Reply | None = None
    """The replaced attached policy's properties in IAM, such as its description and tags."""

    @property
    def is_only_text(self) -> bool:
        """Whether a policy is written or replaced, but the access stays the same."""
        return self.text and not self.lost and not self.gained

    def spares(self, policy: str) -> bool:
        """Return whether replacing a policy takes no access from the role and removes no denial."""
        return not any(verdict.policy == policy for verdict in (*self.lost, *self.gained))


def is_within(boundary: Sequence[Statement], policies: Policies) -> bool:
    """Return whether a boundary certainly allows all that the program's role policy allows."""
    program = statements(POLICY_NAME, policies.role_policy)
    return not any(verdict.access for verdict in compare(program, boundary).program)


def find_replaceable(account: Account, role: Role) -> list[str]:
    """Return the role policy's name, and the names or ARNs of the policies that it may replace."""
    names = [POLICY_NAME, _only_inline(role), _only_attached(role, account)]
    return [name for name in names if name]


def find_change(account: Account, role: Role, policies: Policies, *, replace: bool) -> Change:
    """Compare a role before and after the update, which writes the program's policies.

    The role policy replaces each of the policies from `_only_inline` and `_only_attached` if this takes
    no access from the role and removes no denial, or if `replace` is true and the role does not need the
    policy for secrets that no setting contains.
    """

    def may_replace(policy: str, replaced: Change) -> bool:
        is_needed = any(policies.allow_other_secrets(role, [policy]))
        return replaced.spares(policy) or (replace and not is_needed)

    change = _compare(role, policies)
    if inline := _only_inline(role):
        replaced = _compare(role, policies, inline)
        if may_replace(inline, replaced):
            change = replaced
    if attached := _only_attached(role, account):
        replaced = _compare(role, policies, change.inline, attached)
        if may_replace(attached, replaced):
            change = replaced._replace(properties=account.policy(attached))
    return change


def find_change_to_new(role: Role, policies: Policies) -> Change:
    """Compare a role with a new one that replaces it for a data source.

    The new role has the role policy and the separate policies that the user adds. The trust policies are
    not compared.
    """
    written = [each for each in policies.needed if each.policy != TRUST_POLICY]
    before = [each for each in role_statements(role) if each.policy != TRUST_POLICY]
    return Change(*_differences(written, [], before, before), text=False)


def _only_inline(role: Role) -> str | None:
    """Return the name of the only inline policy unless it is the role policy; otherwise, None."""
    names = [*role.inline_policies]
    return names[0] if len(names) == 1 and POLICY_NAME not in names else None


def _only_attached(role: Role, account: Account) -> str | None:
    """Return the only attached policy's ARN; None if the role has none or several.

    The result is also None if the policy was not read, is AWS managed, or is also used elsewhere.
    """
    if len(role.attached or ()) != 1 or len(role.attached_policies) != 1:
        return None
    (arn,) = role.attached_policies
    if Arn.of(arn).account != Arn.of(role.arn).account:
        return None
    policy = account.policy(arn)
    alone = policy.get("AttachmentCount") == 1 and not policy.get("PermissionsBoundaryUsageCount")
    return arn if alone else None


def _compare(
    role: Role, policies: Policies, inline: str | None = None, attached: str | None = None
) -> Change:
    """Compare a role before and after an update that replaces `inline` and `attached`, if given.

    If a comparison is inconclusive, access counts as both lost and gained.
    """
    written = policies.written
    before = role_statements(role)
    changed = {TRUST_POLICY, POLICY_NAME, inline, attached}
    removed = [each for each in before if each.policy in changed]
    kept = [each for each in before if each.allows and each.policy not in changed]
    lost, gained = _differences(written, kept, before, removed)
    return Change(
        lost,
        gained,
        text=attached is not None
        or not _same_text(role.trust_policy, json.loads(policies.trust_policy))
        or not _same_text(role.inline_policies.get(POLICY_NAME), json.loads(policies.role_policy)),
        inline=inline,
        attached=attached,
    )


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


def _same_text(one: object, other: object) -> bool:
    """Return whether two documents are the same, regardless of list order; `x` equals `[x]`."""
    return _in_order(one) == _in_order(other)


def _in_order(value: object) -> Any:
    if isinstance(value, dict):
        return {name: _in_order(its) for name, its in cast("dict[str, object]", value).items()}
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    found = [_in_order(each) if isinstance(each, dict) else each for each in values]
    return sorted(json.dumps(each, sort_keys=True) for each in found)
