"""Plan the import of roles: each data source becomes an entry in `dataSources` or is left out."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from botocore.exceptions import ClientError

from components.connector_role import POLICY_NAME
from components.formats import MAXIMUM_COMPONENT_NAME_LENGTH, MAXIMUM_INLINE_SIZE
from components.problems import SettingsError
from guardrails.iam.documents import Statement, policy_size
from roles.account import Account, DataSource, Role
from roles.adopt.requirements import Requirements, is_reserved, read_requirements
from roles.adopt.selection import Users, concerns_every_call
from roles.applications import other_applications, other_principals
from roles.concurrency import read_each
from roles.danger import with_dangers
from roles.detection import connectors_of
from roles.difference import TRUST_POLICY, Difference, Verdict, compare, role_statements
from roles.errors import InputError, OddAnswerError
from roles.findings import Finding, note, skipped, unread
from roles.output import Notes, Output
from roles.policies import Policies

_HOUR: Final = 3600


class Change(NamedTuple):
    """The difference between a role before and after the update, or between it and its replacement."""

    lost: tuple[Verdict, ...]
    """The role's statements whose access might no longer be allowed, with this access."""
    gained: tuple[Verdict, ...]
    """The program's statements whose access might be new, with this access, and removed denials."""


class Entry(NamedTuple):
    """A data source, with the role to import for it, or with a new role."""

    data_source: DataSource
    requirements: Requirements
    difference: Difference
    policies: Policies
    change: Change
    warnings: tuple[str, ...]
    replaced: Role | None = None
    """The role that a new one replaces for this data source, because the old role serves others, too."""
    because: str = ""
    """The ways in which the replaced role serves others, as text; empty if no role is replaced."""

    @property
    def role(self) -> Role:
        """The role to import or, for a new role, a copy of the replaced role without its name."""
        return self.requirements.role


def plan(account: Account, source: DataSource, notes: Notes) -> Entry:
    """Plan the import of a data source's role; raise InputError or SettingsError if it is impossible."""
    requirements, findings = read_requirements(account, source)
    for each in findings:
        notes.warn(f"{source.label}: {each.text}")
    role = requirements.role
    if requirements.settings().get("tags", {}).keys() == {"secure"}:
        raise InputError(
            'the role\'s only tag is "secure", so Pulumi would read the tags as an encrypted secret: '
            "add another tag to the role"
        )
    every = (*role.inline_policies, *role.attached_policies)
    requirements, warnings = requirements.with_values_of_role(every)
    policies = requirements.policies()
    difference = policies.compare(role)
    dangers = with_dangers(difference.role, role_statements(role), role)
    difference = difference._replace(role=tuple(dangers))
    kept = [name for name in every if name != POLICY_NAME]
    warnings = (
        *warnings,
        *_warnings(role),
        *_warnings_of_size(role, policies.role_policy),
        *_warnings_of_secrets(requirements, policies, kept, "`pulumi up`"),
        *requirements.render().warnings,
    )
    return Entry(source, requirements, difference, policies, _find_change(role, policies), warnings)


class Remarks(Notes):
    """Notes that keep warnings about one data source until the caller shows them."""

    def __init__(self, verb: str) -> None:
        """Store the command's name."""
        super().__init__(verb)
        self.texts: list[str] = []

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.texts.append(text)


def plan_all(
    account: Account, sources: Sequence[DataSource], output: Output
) -> tuple[list[Entry], dict[DataSource, Finding]]:
    """Plan the import of each data source's role, or find why the data source is left out.

    Raises errors that bad credentials or throttling caused, because they concern every call.
    """

    def read(source: DataSource) -> tuple[Entry | Finding, Remarks]:
        remarks = Remarks(output.verb)
        try:
            if connectors_of(source.type):
                return plan(account, source, remarks), remarks
            found = note(f"this program has no connector of type {source.type}")
        except InputError as error:
            # A heading and reasons, or one reason.
            found = skipped("; ".join(line.strip() for line in error.lines[1:] or error.lines))
        except SettingsError as error:
            found = skipped("; ".join(f"{each.place.name}: {each.given}" for each in error.problems))
        except (ClientError, OddAnswerError) as error:
            if concerns_every_call(error):
                raise
            found = unread(error)
        return found, remarks

    entries: list[Entry] = []
    left_out: dict[DataSource, Finding] = {}
    for source, (found, remarks) in zip(sources, read_each(read, sources, output, "roles"), strict=True):
        for text in remarks.texts:
            output.warn(text)
        if isinstance(found, Entry):
            entries.append(found)
        else:
            left_out[source] = found
    return entries, left_out


def plan_new_role(entry: Entry, because: str) -> Entry:
    """Return the entry with a new role, because the current role has other uses, too.

    The new role gets the current role's properties that settings can contain, and no policy except the
    role policy.
    """
    role = entry.role
    requirements = entry.requirements._replace(role=role._replace(name=""))
    policies = requirements.policies()
    return entry._replace(
        requirements=requirements,
        difference=Difference((), ()),
        policies=policies,
        change=_find_change_to_new(role, policies),
        warnings=(
            *_warnings_of_secrets(requirements, policies, (), "`assign`"),
            *_warnings_of_unread(role),
            *requirements.render().warnings,
        ),
        replaced=role,
        because=because,
    )


def serves_others(account: Account, entry: Entry, users: Users) -> str:
    """Return the role's uses besides the data source's own connector, as text; empty if there are none.

    Another application that exists counts even if its data sources have other roles now, because they
    may get this role back.

    An import would end these uses. A trust policy that allows everybody (`*`) does not count, because it
    is meant for nobody in particular, so an import repairs it.
    """
    reasons: list[str] = []
    here, own = entry.data_source.region, users.by_role.get(entry.role.arn, ())
    if any(each.id != entry.data_source.id for each in own):
        labels = (f"{each.label}{f' in {each.region}' if each.region != here else ''}" for each in own)
        reasons.append(f"is used by {', '.join(labels)}")
    if entry.role.arn in users.hooks:
        reasons.append("is used to enrich documents")
    if applications := other_applications(account, entry.role, entry.requirements.application_arn):
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
            "identify an owner, it must first release the role: docs/adopt.md"
        )


def _warnings_of_secrets(
    requirements: Requirements, policies: Policies, kept: Collection[str], before: str
) -> Iterator[str]:
    """Yield a warning about secrets that the role policy does not cover; secretId is a single secret."""
    if not policies.lacks_others(requirements.role, kept):
        return
    arns = " and ".join(each.arn for each in requirements.other_secrets)
    yield (
        f"secretId is a single secret, but the data source also uses {arns}: before {before}, add to "
        f"another policy of the role: {json.dumps(policies.others)[1:-1]}"
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
            f"there is no room for the role policy: a role's inline policies can have "
            f"{MAXIMUM_INLINE_SIZE:,} characters in total, but these would have {excess:,} more "
            f"({listed}), so `pulumi up` would fail with LimitExceeded. First make room, as "
            "docs/adopt.md describes"
        )


def names(
    entries: Sequence[Entry], given: Sequence[tuple[str, str]], existing: Collection[str]
) -> list[str]:
    """Return a unique name for each entry, the chosen one or one from the display name.

    Raises InputError for `--name` options that cannot be used.
    """
    chosen = dict(given)
    identifiers = [each.data_source.id for each in entries]
    if unknown := set(chosen) - set(identifiers):
        raise InputError(f"--name: {min(unknown)} is not one of the adopted data sources")
    taken = Counter([*existing, *chosen.values()])
    if doubles := [name for name in chosen.values() if taken[name] > 1]:
        raise InputError(f"--name: {doubles[0]} is already the name of an entry: choose another name")
    found: list[str] = []
    for identifier, each in zip(identifiers, entries, strict=True):
        display = each.data_source.name or each.data_source.type
        found.append(chosen.get(identifier) or _make_unique(_make_valid(display), taken))
        taken[found[-1]] += 1
    return found


def _make_valid(text: str) -> str:
    """Return a valid entry name that resembles a display name."""
    name = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
    if not name or not name[0].isalpha():
        name = f"source-{name}".rstrip("-")
    return "secure-source" if name == "secure" else name[:MAXIMUM_COMPONENT_NAME_LENGTH].rstrip("-")


def _make_unique(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number if it is taken."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        suffix = f"-{number}"
        candidate = f"{name[: MAXIMUM_COMPONENT_NAME_LENGTH - len(suffix)].rstrip('-')}{suffix}"
    return candidate


def _find_change(role: Role, policies: Policies) -> Change:
    """Compare a role before and after the update, which writes the trust policy and the role policy.

    If a comparison is inconclusive, access counts as both lost and gained.
    """
    before = role_statements(role)
    removed = [each for each in before if each.policy in (TRUST_POLICY, POLICY_NAME)]
    kept = [each for each in before if each.allows and each not in removed]
    return _differences(policies.written, kept, before, removed)


def _find_change_to_new(role: Role, policies: Policies) -> Change:
    """Compare a role with a new one that replaces it for a data source.

    The new role has the role policy and another one that the user adds. The trust policies are
    not compared.
    """
    written = [each for each in policies.needed if each.policy != TRUST_POLICY]
    before = [each for each in role_statements(role) if each.policy != TRUST_POLICY]
    return _differences(written, [], before, before)


def _differences(
    written: Sequence[Statement],
    kept: Sequence[Statement],
    before: Sequence[Statement],
    removed: Sequence[Statement],
) -> Change:
    """Return the access that is lost, and the access that is gained, if `written` replaces `removed`.

    `before` has all earlier statements, and `kept` the Allow statements that remain. Removed denials
    count as gained.
    """
    allowed = [each for each in before if each.allows]
    of_removed = compare([*written, *kept], removed).role
    of_written = compare(written, allowed).program
    lost = tuple(each for each in of_removed if each.verdict == "excess")
    both = (*of_written, *of_removed)
    return Change(lost, tuple(each for each in both if each.verdict in ("missing", "denies")))
