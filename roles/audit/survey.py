"""Compare the roles of accounts' data sources with the roles that the program would create.

A role is compared with the policies that the program would write for all data sources that use the role
in the selected Regions. Access that none of these data sources needs is in excess; access that only some
of them need is shared. For each data source, requests are evaluated as in `check`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, Final, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from guardrails.iam.decisions import Cause, Decision
from guardrails.iam.decisions import Kind as PolicyKind
from guardrails.iam.documents import Statement
from roles.account import Account, DataSource, Reply, Role
from roles.applications import trusts_only
from roles.arns import Arn
from roles.audit.records import Kind, Record, meaning
from roles.check.questions import disputed, explained, resources, role, unread_policies, verdicts
from roles.concurrency import read_each
from roles.detection import enrichment_roles
from roles.difference import Access, compare, role_statements
from roles.errors import InputError, explain
from roles.findings import Finding, State, attempt, attempt_or
from roles.output import Notes
from roles.rendering import application_statements
from roles.sources import Source, read_source
from roles.syncs import last_sync
from roles.view import View, find_role, view_of_data_source

_READING: Final = ("secretsmanager:GetSecretValue", "kms:Decrypt", "s3:GetObject", "s3:ListBucket")
"""The actions that a data source may need for an unknown secret, key, or bucket."""
_T = TypeVar("_T")


class Survey:
    """The audit of one account; each step runs for all accounts in parallel."""

    def __init__(self, account_id: str, regions: Sequence[Account], failure: str = "") -> None:
        """Set the account's ID, with an `Account` for each Region or the reason that there is none."""
        self.id, self.regions, self.failure = account_id, regions, failure
        self.listed: list[tuple[Account, DataSource]] = []
        self.readings: list[Reading] = []
        self.records: list[Record] = []
        self.hooks: set[str] = set()
        """The roles that data sources use for document enrichment."""
        self._applications: set[tuple[Account, str]] = set()
        self._done = count(1)

    def attempt(self, step: Callable[[], _T]) -> _T | None:
        """Return the result of a step; None if this step or an earlier one failed."""
        try:
            return None if self.failure else step()
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            self.failure = explain(error)
            return None

    def list(self) -> None:
        """List the data sources in all Regions."""
        for account in self.regions:
            try:
                applications = self._read(account.region, account.applications, {})
            except InputError:
                continue  # there are no applications
            for identifier, name in applications.items():
                place = f"application {f'{name} {identifier}'.strip()} in {account.region}"
                its = self._read(place, lambda: [*account.data_sources(identifier)], None)  # noqa: B023
                self._applications |= set() if its is None else {(account, identifier)}
                self.listed += [(account, each._replace(application_name=name)) for each in its or ()]

    def _read(
        self, place: str, read: Callable[[], _T], otherwise: _T, kind: Kind = "not compared"
    ) -> _T:
        """Return the result of `read` or, if it fails, add a record and return `otherwise`."""
        found = attempt(read)
        if not isinstance(found, Finding):
            return found
        self.records.append(Record(kind, self.id, text=f"{place}: {found.text}"))
        return otherwise

    def read(self, account: Account, listed: DataSource) -> "Reading | None":
        """Read a data source; after the last one, close the connections."""
        source = read_source(account, listed)
        read = partial(view_of_data_source, account, [source], source, {}, closely=False)
        reading = Reading(self, account, source, None if source.fault else read())
        if next(self._done) == len(self.listed):
            for each in self.regions:
                each.close()
        if isinstance(source.uses, Finding) and source.uses.state is State.NOTE:
            account.notes(source.uses.text)  # the data source was deleted after it was listed
            return None
        return reading

    def find_unused(self) -> None:
        """Find roles that no data source uses and that trust only completely read applications."""
        used = {*self.hooks, *(each.source.role_arn for each in self.readings)}
        complete = self._applications - {
            (each.account, each.source.data_source.application_id)
            for each in self.readings
            if not each.source.details
        }
        arns = [
            f"arn:{its.partition}:qbusiness:{its.region}:{self.id}:application/{application}"
            for its, application in complete
        ]
        for account, _ in [*complete][:1]:  # IAM is global, so the Region does not matter
            for each in self._read("unused roles", partial(account.items, "iam:ListRoles"), [], "note"):
                if each["Arn"] not in used and trusts_only(arns, each["AssumeRolePolicyDocument"]):
                    # ListRoles omits the last use.
                    use = _use(attempt(partial(account.get, "iam:GetRole", each["RoleName"])), each)
                    self.records.append(
                        Record("unused", self.id, each["Arn"], text=f"no data source uses it; {use}")
                    )


def _use(role: Reply | Finding, listed: Reply) -> str:
    """Return a short description of a role's last use."""
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html
    created = f"created on {listed['CreateDate']:%Y-%m-%d}"
    not_used = f"{created}; IAM has recorded no use in its 400-day tracking period"
    if isinstance(role, Finding):
        return "last use unknown"
    last_used = role.get("RoleLastUsed", {}).get("LastUsedDate")
    return f"last used on {last_used:%Y-%m-%d}" if last_used else not_used


class Reading(NamedTuple):
    """A data source, with the view that evaluates its role's requests."""

    survey: Survey
    account: Account
    source: Source
    view: View | None
    """None if the data source's requests are unknown."""

    def record(self, kind: Kind, text: str = "", **more: Any) -> Record:
        """Return a record about the data source and its role."""
        return Record(
            kind, self.survey.id, self.source.role_arn, (self.source.data_source,), text, **more
        )


def survey(accounts: Mapping[str, Sequence[Account] | str], notes: Notes) -> list[Survey]:
    """Read the data sources of accounts and compare their roles.

    `accounts` maps an account ID to an `Account` for each Region, or to the reason that the account
    cannot be read. An error about a single resource becomes a record. Any other error, such as one that
    affects every call, ends the audit of the account and is the account's only result.
    """
    found = [
        Survey(name, (), its) if isinstance(its, str) else Survey(name, its)
        for name, its in accounts.items()
    ]

    def run(name: str, steps: Iterable[tuple[Survey, Callable[[], _T]]]) -> list[_T | None]:
        return read_each(lambda step: step[0].attempt(step[1]), [*steps], notes, name)

    run("applications", ((each, each.list) for each in found))
    groups = defaultdict[tuple[Survey, str], list[Reading]](list)
    for each in filter(
        None, run("data sources", ((of, partial(of.read, *each)) for of in found for each in of.listed))
    ):
        each.survey.readings.append(each)
        each.survey.hooks |= {*enrichment_roles(each.source.details)}
        groups[each.survey, each.source.role_arn].append(each)
    compared = run("roles", ((of, partial(_compare, its)) for (of, _), its in groups.items()))
    for (of, _), records in zip(groups, compared, strict=True):
        of.records += records or ()
    run("accounts", ((each, each.find_unused) for each in found))
    for each in found:
        if each.failure:
            each.readings, each.records = [], [Record("not compared", each.id, text=each.failure)]
    return found


def _compare(group: Sequence[Reading]) -> list[Record]:
    """Compare the role that data sources share; return each finding once, with all its data sources."""
    found: dict[str, Record] = {}
    for each in _records(group):
        key = each.id or each.text or each.kind
        same = found.get(key, each)
        found[key] = same._replace(
            sources=tuple(dict.fromkeys((*same.sources, *each.sources))),
            details=tuple(dict.fromkeys((*same.details, *each.details))),
            syncs=tuple(dict.fromkeys((*same.syncs, *each.syncs))),
        )
    concerned = {each for record in found.values() for each in record.sources}
    fine = (each.record("equivalent") for each in group if each.source.data_source not in concerned)
    return [*found.values(), *fine]


def _records(group: Sequence[Reading]) -> Iterator[Record]:
    """Yield the records about a role and its data sources."""
    for each in group:
        yield from _of_data_source(each)
    first, views = group[0], [each.view for each in group if each.view]
    arn, hooks = first.source.role_arn, first.survey.hooks
    has = views[0].role if views else find_role(first.account, arn)
    judged = (each.source.data_source for each in group if each.view or not views)
    about = Record("note", first.survey.id, arn, (*judged,))
    others = ", ".join(each.source.data_source.id for each in group if not each.view and views)
    if isinstance(has, Finding) and not views:
        yield about._replace(kind="not compared", text=has.text)
    if isinstance(has, Role):
        yield from _of_role(about, has, views, is_judged=arn not in hooks)
        text = "data sources that could not be compared might need access that counts as in excess"
        yield from [about._replace(text=f"{text}: {others}")] if others else ()
    if arn in hooks:
        yield about._replace(text="also used by document enrichment, whose access was not evaluated")


# Questions about each data source.


def _of_data_source(reading: Reading) -> Iterator[Record]:
    view, uses, source = reading.view, reading.source.uses, reading.source.data_source
    if not view:
        kind = "unknown connector" if reading.source.role_arn else "without a role"
        unread = uses.text if isinstance(uses, Finding) else ""
        yield reading.record("not compared" if unread else kind, unread)
        return
    for each in (*resources(view), *role(view)):
        found = reading.record("invalid" if each.state is State.PROBLEM else "not compared", each.text)
        yield found.with_id(source.region, source.id, each.text) if found.kind == "invalid" else found
    for each in unread_policies(view):
        # The policy of a resource in another account can be read only with that account's credentials.
        yield reading.record("note" if each.state is State.CANNOT_TELL else "not compared", each.text)
    for each in disputed(view):
        yield reading.record("note", each.text, details=each.details)
    for blocked, finding in explained(view):
        if finding.state is State.PROBLEM:
            yield _denied(reading, blocked[0][1], [decision for decision, _ in blocked], finding.text)
        else:
            yield reading.record("not compared", finding.text, details=finding.details)


def _denied(reading: Reading, cause: Cause, decisions: Sequence[Decision], text: str) -> Record:
    """Return a record about requests that statements deny or that no policy allows."""
    policy, statements, source = cause.policy, cause.statements, reading.source.data_source
    by_resource = defaultdict[str, list[str]](list)
    for each in decisions:
        by_resource[str(each.request.resource)].append(each.request.action)
    lines = [f"{', '.join(its)} on {resource}" for resource, its in by_resource.items()]
    sync = attempt_or(None, lambda: last_sync(reading.account, source))
    found = reading.record(
        "denying" if statements else "missing",
        text,
        details=(*lines,) if len(decisions) > 1 else (),
        # If none of the role's policies allows a request, no policy is the cause.
        policy=f"{policy.name} {policy.resource}".strip()
        if statements or policy.resource or policy.kind is PolicyKind.TRUST
        else "",
        syncs=(f"{source.label}: its {sync.text}",) if sync else (),
    )
    pairs = sorted(f"{each.request.action} {each.request.resource}" for each in decisions)
    return found.with_id(*(sorted(map(meaning, statements)) or [source.id, *pairs]))


# Questions about the role.


def _of_role(about: Record, has: Role, views: Sequence[View], *, is_judged: bool) -> Iterator[Record]:
    """Yield records about access that a role's policies allow beyond its data sources' needs.

    Unless `is_judged` is true, only dangerous access counts: the needs of other users are unknown.
    """
    own = attempt_or([], lambda: role_statements(has))
    is_known = is_judged and bool(views) and all(view.required for view in views)
    are_complete = all(needs.is_complete for view in views for _, needs in view.users)
    needed = [each for view in views for each in (*(view.required or ()), *view.optional)]
    of_application = verdicts(has, [*needed, *application_statements(Arn.of(has.arn))])
    for statement, verdict, other in zip(own, verdicts(has, needed), of_application, strict=True):
        actions = {action for access in verdict.access for action in access.actions}
        may_be_needed = not is_known or (actions <= {*_READING} and not are_complete)
        if verdict.verdict == "excess" and other.verdict != "excess":
            text = "also allows access that only the application's role needs (not evaluated)"
            yield about._replace(text=text)
        elif verdict.verdict == "excess" and (verdict.danger or not may_be_needed):
            kind: Kind = "dangerous" if verdict.danger else "in excess"
            text = f"{verdict.policy}, {verdict.statement}{': ' * bool(verdict.danger)}{verdict.danger}"
            yield _of_statement(about, kind, statement, text, verdict.access)
    for needed in dict.fromkeys(each for view in views for each in view.required or ()):
        users = [view for view in views if needed in (view.required or ())]
        allowing = [each for each in own if compare([needed], [each]).program[0].verdict == "covered"]
        if is_known and len(users) < len(views) and allowing:
            sources = [each.data_source for view in users for each, _ in view.users if each]
            access = Access(needed.actions.values, needed.targets.values, condition=False)
            text = f"{allowing[0].policy}, {allowing[0].name}"
            some = about._replace(sources=tuple(sources))
            yield _of_statement(some, "shared", allowing[0], text, [access])


def _of_statement(
    about: Record, kind: Kind, statement: Statement, text: str, access: Iterable[Access]
) -> Record:
    by = "by" if statement.principals.values else "on"
    lines: list[str] = []
    for each in access:
        lines += [f"{', '.join(each.actions)} {by} {', '.join(each.targets)}", *each.conditions]
    found = about._replace(kind=kind, text=text, details=tuple(lines), policy=statement.policy)
    # If other data sources share the access later, the ID of a `shared` finding changes.
    return found.with_id(
        meaning(statement), *(sorted(each.id for each in about.sources) if kind == "shared" else ())
    )
