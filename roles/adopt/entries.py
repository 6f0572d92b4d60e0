"""Plan the import of roles: each data source becomes an entry in `dataSources` or is left out."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from components.connector_role import POLICY_NAME
from components.formats import MAXIMUM_COMPONENT_NAME_LENGTH, MAXIMUM_INLINE_SIZE
from components.problems import SettingsError
from guardrails.iam.documents import policy_size
from roles.account import Account, DataSource, Role
from roles.adopt.requirements import Requirements, is_reserved, read_requirements
from roles.adopt.selection import Users
from roles.applications import other_applications, other_principals
from roles.concurrency import read_each
from roles.danger import with_dangers
from roles.detection import connectors_of
from roles.difference import TRUST_POLICY, Difference, Verdict, compare, role_statements
from roles.errors import THROTTLED, InputError
from roles.findings import Finding, attempt, note, skipped
from roles.output import Notes

_HOUR: Final = 3600


class Entry(NamedTuple):
    """A data source, and the role to import or create for it."""

    data_source: DataSource
    requirements: Requirements
    difference: Difference
    lost: list[Verdict]
    """The role's statements whose access the update or the new role might no longer allow."""
    gained: list[Verdict]
    """The program's statements whose access might be new, and Deny statements that are removed."""
    warnings: tuple[str, ...]
    replaced: Role | None = None
    """The data source's current role, if a new role replaces it because of the role's other uses."""
    because: str = ""
    """The other uses of the replaced role, as text; empty if no role is replaced."""

    @property
    def role(self) -> Role:
        """The role to import or, for a new role, a copy of the replaced role without its name."""
        return self.requirements.role

    @property
    def current(self) -> Role:
        """The role that the data source has before the import."""
        return self.replaced or self.role


def plan(account: Account, source: DataSource) -> Entry:
    """Plan the import of a data source's role; raise InputError or SettingsError if it is impossible."""
    requirements = read_requirements(account, source)
    role = requirements.role
    if requirements.settings().get("tags", {}).keys() == {"secure"}:
        raise InputError(
            'the role\'s only tag is "secure", so Pulumi would read the tags as an encrypted secret: '
            "add another tag to the role"
        )
    every = (*role.inline_policies, *role.attached_policies)
    requirements, of_values = requirements.with_values_of_role(every)
    policies = requirements.policies()
    difference = policies.compare(role)
    dangers = with_dangers(difference.role, role_statements(role), role)
    warnings = (
        *(each.text for each in requirements.needs.faults),
        *of_values,
        *_warnings(role),
        *_warnings_of_size(role, policies.role_policy),
        *_warnings_of_secrets(requirements, {*every} - {POLICY_NAME}, "`pulumi up`"),
        *requirements.render().warnings,
    )
    difference = difference._replace(role=tuple(dangers))
    return Entry(source, requirements, difference, *_find_change(requirements, role), warnings)


def plan_all(
    account: Account, sources: Sequence[DataSource], notes: Notes
) -> Iterator[tuple[DataSource, Entry | Finding]]:
    """Yield each data source with its entry, or with a finding that explains why it is left out.

    Raises errors about credentials and throttling, because they affect every call.
    """

    def read(source: DataSource) -> Entry | Finding:
        try:
            if connectors_of(source.type):
                return attempt(lambda: plan(account, source), raises=THROTTLED)
            return note(f"this program has no connector of type {source.type}")
        except InputError as error:
            return skipped(str(error))
        except SettingsError as error:
            return skipped("; ".join(f"{each.place.name}: {each.given}" for each in error.problems))

    return zip(sources, read_each(read, sources, notes, "roles"), strict=True)


def plan_new_role(entry: Entry, because: str) -> Entry:
    """Return the entry with a new role, because the current role has other uses, too.

    The new role gets the current role's properties that settings can contain, and no policy except the
    role policy.
    """
    role = entry.role
    requirements = entry.requirements._replace(role=role._replace(name=""))
    warnings = (
        *(each.text for each in requirements.needs.faults),
        *_warnings_of_secrets(requirements, (), "`assign`"),
        *_warnings_of_unread(role),
        *requirements.render().warnings,
    )
    return Entry(
        entry.data_source,
        requirements,
        Difference((), ()),
        *_find_change(requirements, role),
        warnings,
        role,
        because,
    )


def serves_others(account: Account, entry: Entry, users: Users) -> str:
    """Return the role's other uses, as text; empty if only the data source's connector uses the role.

    An import would end these uses. Another existing application in the trust policy counts as a use even
    if its data sources have other roles now, because they may get this role back. The principal `*` does
    not count, because it does not identify a particular user. An import removes this principal.
    """
    reasons: list[str] = []
    used = users.get(entry.role.arn, {})
    if used.keys() - {entry.data_source.id}:
        reasons.append(f"is used by {', '.join(used.values())}")
    if applications := other_applications(account, entry.role, entry.requirements.needs.application_arn):
        reasons.append(f"accepts requests for {', '.join(applications)}")
    if names := [name for name in other_principals(entry.role) if name != "*"]:
        reasons.append(f"can be assumed by {', '.join(names)}")
    return " and ".join(reasons)


def _warnings_of_unread(role: Role) -> Iterator[str]:
    if role.denied:
        yield (
            f"{role.denied} is not allowed, so the comparison may omit attached policies, show too "
            "little excess access, and show too much missing access"
        )


def _warnings(role: Role) -> Iterator[str]:
    """Yield warnings about unread policies, and about properties that no setting can contain."""
    yield from _warnings_of_unread(role)
    if role.max_session_duration != _HOUR:
        yield (
            "no setting preserves the role's maximum session duration of "
            f"{role.max_session_duration} seconds: it becomes one hour if the first `pulumi up` "
            "does not refresh, or if the role is replaced. The duration does not limit AWS services' "
            "sessions"
        )
    if own := [key for key in role.tags if is_reserved(key)]:
        yield (
            f"the role has tags that only AWS can set ({', '.join(own)}) and keeps them. If they "
            "identify an owner, that owner must first release the role: docs/adopt.md"
        )


def _warnings_of_secrets(
    requirements: Requirements, kept: Collection[str], before: str
) -> Iterator[str]:
    """Yield a warning about secrets that the role policy omits, because secretId specifies only one."""
    policies = requirements.policies()
    if policies.lacks_others(requirements.role, kept):
        arns = " and ".join(each.arn for each in policies.other_secrets)
        yield (
            f"secretId specifies only one secret, but the data source also uses {arns}: before "
            f"{before}, add to another policy of the role: {json.dumps(policies.others)[1:-1]}"
        )


def _warnings_of_size(role: Role, role_policy: str) -> Iterator[str]:
    """Yield a warning if the role policy does not fit alongside the other inline policies."""
    documents = {**role.inline_policies, POLICY_NAME: json.loads(role_policy)}
    sizes = {
        name: policy_size(json.dumps(document, ensure_ascii=False))
        for name, document in documents.items()
    }
    if (excess := sum(sizes.values()) - MAXIMUM_INLINE_SIZE) > 0:
        listed = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        yield (
            f"there is no room for the role policy: a role's inline policies can have at most "
            f"{MAXIMUM_INLINE_SIZE:,} characters in total, but these would have {excess:,} more "
            f"({listed}), so `pulumi up` would fail with LimitExceeded. First make room, as "
            "docs/adopt.md describes"
        )


def names(
    entries: Sequence[Entry], given: Sequence[tuple[str, str]], existing: Collection[str]
) -> list[str]:
    """Return a unique name for each entry: the chosen name, or one derived from the display name.

    Raises InputError for `--name` options that cannot be used.
    """
    chosen = dict(given)
    identifiers = [each.data_source.id for each in entries]
    if unknown := set(chosen) - set(identifiers):
        raise InputError(f"--name: {min(unknown)} is not one of the adopted data sources")
    taken = Counter([*existing, *chosen.values()])
    if doubles := [name for name in chosen.values() if taken[name] > 1]:
        raise InputError(f"--name: {doubles[0]} would be the name of two entries: choose another name")
    found: list[str] = []
    for identifier, each in zip(identifiers, entries, strict=True):
        display = each.data_source.name or each.data_source.type
        found.append(chosen.get(identifier) or _make_unique(_make_valid(display), taken))
        taken[found[-1]] += 1
    return found


def _make_valid(text: str) -> str:
    """Return an entry name that resembles a display name; the entry name can be too long."""
    name = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
    if not name or not name[0].isalpha():
        name = f"source-{name}"
    return "secure-source" if name == "secure" else name


def _make_unique(name: str, taken: Collection[str]) -> str:
    """Return the name, shortened to a valid length, with a number if the name is taken."""
    suffixes = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    found = (f"{name[: MAXIMUM_COMPONENT_NAME_LENGTH - len(it)].rstrip('-')}{it}" for it in suffixes)
    return next(each for each in found if each not in taken)


def _find_change(requirements: Requirements, role: Role) -> tuple[list[Verdict], list[Verdict]]:
    """Return the access that might be lost, and the access that might be gained.

    For an imported role, the update writes the trust policy and the role policy. A new role, which has
    no name yet, gets only the role policy and the separate policies that the user adds; trust policies
    are not compared. If a comparison is inconclusive, access counts as both lost and gained.
    """
    policies, is_new = requirements.policies(), not requirements.role.name
    written = [
        each
        for each in (policies.needed if is_new else policies.written)
        if not (is_new and each.policy == TRUST_POLICY)
    ]
    before = [each for each in role_statements(role) if not (is_new and each.policy == TRUST_POLICY)]
    removed = [each for each in before if is_new or each.policy in (TRUST_POLICY, POLICY_NAME)]
    kept = [each for each in before if each.allows and each not in removed]
    of_removed = compare([*written, *kept], removed).role
    of_written = compare(written, [each for each in before if each.allows]).program
    lost = [each for each in of_removed if each.verdict == "excess"]
    both = (*of_written, *of_removed)
    return lost, [each for each in both if each.verdict in ("missing", "denies")]
