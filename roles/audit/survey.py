"""Compare the roles of accounts' data sources with the roles that the program would create.

A role is compared with the policies that the program would write for all data sources that use the role
in the given Regions. Access that none of these data sources needs is in excess; access that only some of
them need is shared.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import partial
from itertools import count
from typing import Final, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from components.formats import SERVICE
from guardrails.iam.decisions import Decision, Kind
from guardrails.iam.documents import Statement
from guardrails.iam.evaluation import applies
from guardrails.iam.truth import Truth
from roles.account import Account, DataSource, Role
from roles.audit.accepted import Acceptance
from roles.audit.severity import LABELS, kind_of, rank
from roles.audit.unused import UnusedRole, day, find_unused
from roles.check.questions import (
    blocks,
    denied,
    disputed,
    resources,
    role,
    unread_policies,
    verdicts,
)
from roles.concurrency import read_each
from roles.declared import Stack
from roles.detection import enrichment_roles
from roles.difference import TRUST_POLICY, Access, Verdict, compare, role_statements
from roles.errors import InputError, OddAnswerError, concerns_every_call, explain, reason
from roles.findings import Finding, State, attempt_or
from roles.ingestion import day_of
from roles.output import Notes
from roles.sources import read_source
from roles.view import View, view_of_data_source

_READING: Final = ("secretsmanager:GetSecretValue", "kms:Decrypt", "s3:GetObject", "s3:ListBucket")
_T = TypeVar("_T")


class Outcome(StrEnum):
    """The possible results of comparing a role with its data sources' needs, the most severe first."""

    DANGEROUS = "dangerous"
    """The role trusts too many principals, or can gain administrator access or assume all roles."""
    INVALID = "invalid"
    """The data source cannot work as it is, or the program rejects its settings."""
    LACKING = "lacking access"
    """Access is missing, so a sync may fail."""
    DIFFERENT = "different"
    SKIPPED = "not compared"
    """Something could not be read."""
    UNKNOWN = "unknown connector"
    ACCEPTED = "accepted"
    """Every difference is accepted."""
    EQUIVALENT = "equivalent"
    NO_ROLE = "without a role"
    """The data source has no role, and the program does not know its connector, such as a custom one."""

    @property
    def rank(self) -> int:
        """The position in the order of severity."""
        return [*Outcome].index(self)


class DataSourceResult(NamedTuple):
    """The result of comparing a data source's role with the role that the program would create."""

    account: str
    """The data source's account, which its role's ARN need not name."""
    data_source: DataSource
    connector: str
    """The connector's name; empty if the connector is unknown."""
    role_arn: str
    """Empty if the data source has no role or could not be read."""
    state: Outcome
    text: str
    """The result in a few words, such as `1 missing, 2 accepted`."""
    remarks: tuple[str, ...] = ()
    failed: bool = False
    """Whether the role lacks access and the last sync failed."""
    fault: str = ""
    """In a few words, why the data source cannot work as it is; empty if it can."""
    acceptance: Acceptance | None = None
    """The acceptance of the fault."""

    @property
    def region(self) -> str:
        """The data source's Region."""
        return self.data_source.region


class RoleResult(NamedTuple):
    """The result of comparing a role with its data sources' needs."""

    account: str
    """The account of the data sources that use the role."""
    arn: str
    state: Outcome
    text: str
    last_used: str = ""
    """The day of the last use; `none` if IAM reports no use; empty if the role was not compared."""
    differences: tuple[Verdict, ...] = ()
    """The statements that differ, except accepted ones; the most severe first."""
    accepted: tuple[tuple[Verdict, Acceptance], ...] = ()
    """The statements whose difference is accepted, each with its acceptance."""
    remarks: tuple[str, ...] = ()
    entry: str = ""
    """The component of the specified stack that declares the role; empty if there is none."""
    failed: bool = False
    """As in DataSourceResult, of any of its data sources."""

    @property
    def has_details(self) -> bool:
        """Whether the role has differences or remarks."""
        return bool(self.differences or self.remarks)


class Survey(NamedTuple):
    """The results for an account, in order of severity."""

    account: str
    data_sources: tuple[DataSourceResult, ...] = ()
    roles: tuple[RoleResult, ...] = ()
    skipped: tuple[str, ...] = ()
    """The Regions and applications whose data sources could not be listed, each with the reason."""
    denied: tuple[str, ...] = ()
    """The actions that were not allowed, except in the search for unused roles."""
    unused: tuple[UnusedRole, ...] = ()
    """The unused roles that only Amazon Q Business can assume, and only for audited applications."""
    unlisted: str = ""
    """The reason why the search for unused roles failed; empty if it worked or had nothing to search."""
    failure: str = ""
    """The reason why the account could not be read; empty if it could."""


_Reading = tuple[DataSourceResult, View | None]
"""A data source's result before the comparison, and the view of its role, if its requests are known."""


class _Audit:
    """The audit of one account, in progress; each step runs for all accounts in parallel."""

    def __init__(self, account_id: str, accounts: Sequence[Account], *, alone: bool) -> None:
        """Set the account, with one item for each Region, and whether it is the only one."""
        self.id, self.accounts, self._alone = account_id, accounts, alone
        self.failure = ""
        self.skipped: list[str] = []
        self.applications: list[tuple[Account, str]] = []
        self.listed: list[tuple[Account, DataSource]] = []
        self.readings: list[_Reading | None] = []
        self._done = count(1)

    def attempt(self, step: Callable[[], _T]) -> _T | None:
        """Return the result of a step; None if it failed, or if an earlier step did.

        If the account is the only one, there would be nothing to report, so raise the error.
        """
        if self.failure:
            return None
        try:
            return step()
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            if self._alone:
                raise
            self.failure = explain(error)
            return None

    def list(self) -> None:
        """List the data sources in all Regions."""
        alone = len(self.accounts) == 1
        for account in self.accounts:
            for source in _data_sources(account, self.applications, self.skipped, alone=alone):
                self.listed.append((account, source))

    def read(self, account: Account, source: DataSource, notes: Notes) -> _Reading | None:
        """Read a data source; after the last one, close the connections if there are other accounts."""
        reading = self.attempt(lambda: _read(self.id, account, source, notes))
        if next(self._done) == len(self.listed) and not self._alone:
            for each in self.accounts:
                each.close()
        return reading


def survey(
    accounts: Mapping[str, Sequence[Account]],
    notes: Notes,
    stack: Stack | None = None,
    acceptances: Sequence[Acceptance] = (),
    failed: Sequence[Survey] = (),
) -> list[Survey]:
    """Read the data sources of accounts and compare their roles; also return the results in `failed`.

    `accounts` has a list for each account's ID, with one item for each Region. If `stack` is given, the
    results contain its entries that declare the roles. They list accepted findings separately, and
    include errors about single resources. Other errors, such as errors that concern every call, end the
    audit of their account; the error of an account that is the only one is raised.
    """
    today, alone = datetime.now(UTC).date(), len(accounts) + len(failed) == 1
    audits = [_Audit(each, regions, alone=alone) for each, regions in accounts.items()]
    read_each(lambda audit: audit.attempt(audit.list), audits, notes, "applications")
    listed = [(audit, *pair) for audit in audits if not audit.failure for pair in audit.listed]
    read = read_each(lambda each: each[0].read(*each[1:], notes), listed, notes, "data sources")
    for (audit, *_), reading in zip(listed, read, strict=True):
        audit.readings.append(reading)
    entries = {each.role_arn: each.name for each in stack.roles} if stack else {}

    def finish(audit: _Audit) -> Survey:
        result = audit.attempt(lambda: _finish(audit, entries, acceptances, today))
        return result or Survey(audit.id, failure=audit.failure)

    return [*read_each(finish, audits, notes, "comparisons"), *failed]


def _finish(
    audit: _Audit,
    entries: Mapping[str, str],
    acceptances: Sequence[Acceptance],
    today: date,
) -> Survey:
    """Compare the roles of an account's data sources, and find the roles that none of them uses.

    `entries` has the components of the specified stack, by the ARN of the role.
    """
    users: dict[str, list[_Reading]] = {}
    for result, view in filter(None, audit.readings):
        accepted = _accept_fault(result, acceptances, today)
        users.setdefault(result.role_arn, []).append((accepted, view))
    sources = [source for _, view in filter(None, audit.readings) if view for source, _ in view.users]
    hooks = {arn for source in filter(None, sources) for arn in enrichment_roles(source.details)}
    by_region = {account.region: account for account in audit.accounts}
    results: dict[DataSource, DataSourceResult] = {}
    roles: list[RoleResult] = []
    compare_role = partial(_compare, by_region, hooks, acceptances, today)
    for found, compared in read_each(compare_role, [*users.values()], audit.accounts[0].notes, "roles"):
        results |= {result.data_source: result for result in compared}
        roles += [found._replace(entry=entries.get(found.arn, ""))] if found.arn else []
    # The search for unused roles comes after this line, because the audit is complete without it.
    denied = tuple(sorted({action for account in audit.accounts for action in account.denied}))
    still_there = [each for each, reading in zip(audit.listed, audit.readings, strict=True) if reading]
    unused, unlisted = _find_unused(audit.id, audit.applications, still_there)
    return Survey(
        audit.id,
        tuple(
            sorted(
                (results[each[0].data_source] for each in audit.readings if each),
                key=severity,
            )
        ),
        tuple(sorted(roles, key=severity)),
        tuple(audit.skipped),
        denied,
        tuple(each._replace(entry=entries.get(each.arn, "")) for each in unused),
        unlisted,
    )


def severity(result: DataSourceResult | RoleResult) -> tuple[int, bool]:
    """Sort by state, and put failed syncs first."""
    return result.state.rank, not result.failed


def _find_unused(
    account_id: str,
    applications: Sequence[tuple[Account, str]],
    listed: Sequence[tuple[Account, DataSource]],
) -> tuple[list[UnusedRole], str]:
    """Return the unused roles, and the reason if the search failed.

    The search is only for roles of applications whose data sources could all be read.
    """
    used: set[str] = set()
    incomplete: set[tuple[Account, str]] = set()
    for account, source in listed:
        try:
            found = account.data_source(source)  # `Account` keeps the answer
        except (ClientError, OddAnswerError):
            incomplete.add((account, source.application_id))
        else:
            used |= {found.get("roleArn", ""), *enrichment_roles(found)}
    complete = {
        f"arn:{account.partition}:qbusiness:{account.region}:{account_id}:application/{app}": account
        for account, app in applications
        if (account, app) not in incomplete
    }
    if not complete:
        return [], "no application was read completely" if listed or applications else ""
    account, *_ = complete.values()  # IAM is global, so the Region does not matter
    try:
        return [*find_unused(account, complete, used)], ""
    except (ClientError, OddAnswerError) as error:
        return [], reason(error)


def _data_sources(
    account: Account, listed: list[tuple[Account, str]], skipped: list[str], *, alone: bool
) -> Iterator[DataSource]:
    """Yield the data sources of all applications in a Region.

    Add to `listed` the applications whose data sources could all be listed. If the Region or an
    application cannot be listed, add it to `skipped` with the reason. If the Region is the only one,
    there would be nothing to report without its applications, so raise the error. Also raise errors
    that concern every call.
    """
    try:
        applications = account.applications()
    except InputError:
        return  # there are no applications
    except (ClientError, OddAnswerError) as error:
        if alone:
            raise
        skipped.append(f"{account.region}: {_explain(error)}")
        return
    for identifier, name in applications.items():
        try:
            for data_source in account.data_sources(identifier):
                yield data_source._replace(application_name=name)
            listed.append((account, identifier))
        except (ClientError, OddAnswerError) as error:
            skipped.append(f"application {f'{name} {identifier}'.strip()}: {_explain(error)}")


def _explain(error: ClientError | OddAnswerError) -> str:
    """Explain why a resource could not be read; raise an error that concerns every call."""
    if concerns_every_call(error):
        raise error
    return reason(error)


def _read(account_id: str, account: Account, data_source: DataSource, notes: Notes) -> _Reading | None:
    """Return a data source's result before the comparison, and the view of its role.

    There is no view if its requests are unknown. If the data source was deleted after it was listed,
    print a note and return None.
    """
    source = read_source(account, data_source)
    result = DataSourceResult(account_id, data_source, "", source.role_arn, Outcome.EQUIVALENT, "")
    if isinstance(source.uses, Finding):
        if source.uses.state is State.NOTE:
            notes(source.uses.text)
            return None
        remarks = (source.uses.text,)
        return result._replace(state=Outcome.SKIPPED, text=Outcome.SKIPPED, remarks=remarks), None
    if source.fault:
        state = Outcome.UNKNOWN if source.role_arn else Outcome.NO_ROLE
        return result._replace(state=state, text=state), None
    view = view_of_data_source(account, [source], source, {}, closely=False)
    found = [*resources(view), *(each._replace(question="role") for each in role(view))]
    wrong = dict.fromkeys(each.question for each in found if each.state is State.PROBLEM)
    fault = f"{Outcome.INVALID}: {', '.join(wrong)}" if wrong else ""
    state = Outcome.INVALID if wrong else Outcome.SKIPPED if found else Outcome.EQUIVALENT
    remarks = tuple(each.text for each in found)
    connector = view.users[0][1].connector.name
    result = result._replace(connector=connector, state=state, remarks=remarks, fault=fault)
    return result._replace(text=fault or state), view


def _compare(
    accounts: Mapping[str, Account],
    hooks: Collection[str],
    acceptances: Sequence[Acceptance],
    today: date,
    readings: Sequence[_Reading],
) -> tuple[RoleResult, list[DataSourceResult]]:
    """Compare a role with its data sources' needs; return its result and the data sources' results.

    `accounts` has the account in each Region, and `hooks` the roles that enrich documents.
    """
    role_arn = readings[0][0].role_arn
    views = [view for _, view in readings if view]
    has = next((view.role for view in views if isinstance(view.role, Role)), None)
    if has is None:
        worst = min((result for result, _ in readings), key=severity)
        result = RoleResult(worst.account, role_arn, worst.state, worst.text)
        return result, [each for each, _ in readings]
    asked = [finding for view in views for finding in _unclear(view)]
    remarks = [*dict.fromkeys(finding.text for finding in asked)]
    others = [result.data_source.id for result, view in readings if not view]
    if others:
        text = "data sources that use the role but could not be compared, and might need access that"
        remarks.append(f"{text} counts as in excess: {', '.join(others)}")
    if role_arn in hooks:
        remarks.append("also used by document enrichment; its access was not judged")
    found = [*_differences(has, views, is_judged=role_arn not in hooks)]
    differences, accepted, more = _accept(role_arn, sorted(found, key=rank), acceptances, today)
    remarks += more
    complete = all(each.state is State.NOTE for each in asked)
    known = [view is None or result.acceptance or _is_known(view) for result, view in readings]
    complete = complete and all(known)
    results: list[DataSourceResult] = []
    for result, view in readings:
        own = [each for each in differences if _concerns(each, result)]
        number = sum(_concerns(each, result) for each, _ in accepted)
        is_read = complete and result.state is not Outcome.SKIPPED
        judged = _judge_data_source(result, own, number, complete=is_read) if view else result
        is_lacking = judged.state is Outcome.LACKING
        results.append(_with_last_sync(accounts[result.region], judged) if is_lacking else judged)
    complete = complete and all(result.state is not Outcome.SKIPPED for result, _ in readings)
    state, text = _judge(differences, len(accepted), complete=complete)
    invalid = [result for result, view in readings if view and result.state is Outcome.INVALID]
    if invalid and not (differences or accepted):
        state, text = invalid[0].state, invalid[0].text
    failed = any(each.failed for each in results)
    return (
        RoleResult(
            readings[0][0].account,
            role_arn,
            state,
            text,
            day(has.last_used),
            tuple(differences),
            tuple(accepted),
            tuple(remarks),
            failed=failed,
        ),
        results,
    )


def _is_known(view: View) -> bool:
    return all(needs.is_complete for _, needs in view.users)


def _unclear(view: View) -> Iterator[Finding]:
    """Yield what is unknown about a role's requests, and what AWS's pages disagree on."""
    yield from unread_policies(view)
    yield from (each for each in denied(view) if each.state is not State.PROBLEM)
    yield from (each._replace(state=State.NOTE) for each in disputed(view))


def _differences(has: Role, views: Sequence[View], *, is_judged: bool) -> Iterator[Verdict]:
    """Yield what a role's policies deny its data sources, and what else they allow.

    Unless `is_judged`, only dangers count: the needs of others who use the role are unknown.
    """
    is_known = is_judged and all(view.required for view in views)
    for verdict in verdicts(has, [each for view in views for each in _allowed(view)]):
        actions = {action for access in verdict.access for action in access.actions}
        # An unknown secret, key, or bucket may need this access.
        may_be_needed = actions <= {*_READING} and not all(map(_is_known, views))
        if verdict.verdict == "excess" and (verdict.danger or (is_known and not may_be_needed)):
            yield verdict
    lacking: dict[Verdict, list[DataSource]] = {}
    for view in views:
        for verdict in _missing(view):
            lacking.setdefault(verdict, []).extend(_sources(view))
    for verdict, sources in lacking.items():
        yield verdict._replace(data_sources=tuple(sources))
    if is_known:
        yield from _shared(has, views)


def _sources(view: View) -> list[DataSource]:
    return [source.data_source for source, _ in view.users if source]


def _allowed(view: View) -> Iterator[Statement]:
    yield from view.required or ()
    yield from view.optional


def _missing(view: View) -> Iterator[Verdict]:
    """Yield the requests that a policy denies or does not allow, by statement.

    A request that no policy of the role allows is under the statement that the program would write.
    """
    found: dict[tuple[str, str, str], list[Decision]] = {}
    for decision, cause in blocks(view):
        if cause.truth is Truth.NO:
            names = [(each.policy, each.name, "denies") for each in cause.statements]
            if cause.policy.kind in (Kind.ROLE, Kind.TRUST) and not names:
                needed = [
                    each for each in view.required or () if applies(each, decision.request) is Truth.YES
                ]
                names = [(each.policy, each.name, "missing") for each in needed]
            for name in names[:1] or [(cause.policy.name, "no statement", "missing")]:
                found.setdefault(name, []).append(decision)
    for (policy, statement, verdict), decisions in found.items():
        actions = tuple(dict.fromkeys(each.request.action for each in decisions))
        targets = tuple(dict.fromkeys(str(each.request.resource) for each in decisions))
        targets = (f"Service:{SERVICE}",) if policy == TRUST_POLICY else targets
        kind = "denies" if verdict == "denies" else "missing"
        yield Verdict(policy, statement, kind, (Access(actions, targets, condition=False),))


def _shared(has: Role, views: Sequence[View]) -> Iterator[Verdict]:
    """Yield the role's statements that only some of its data sources need."""
    own = role_statements(has)
    for needed in dict.fromkeys(each for view in views for each in view.required or ()):
        users = [view for view in views if needed in (view.required or ())]
        allowing = [each for each in own if compare([needed], [each]).program[0].verdict == "covered"]
        if len(users) < len(views) and allowing:
            access = Access(needed.actions.values, needed.targets.values, condition=False)
            sources = tuple(each for view in users for each in _sources(view))
            yield Verdict(allowing[0].policy, allowing[0].name, "shared", (access,), sources)


def _accept(
    role_arn: str, found: Sequence[Verdict], acceptances: Sequence[Acceptance], today: date
) -> tuple[list[Verdict], list[tuple[Verdict, Acceptance]], list[str]]:
    """Return the differences that are not accepted, those that are, and remarks about acceptances."""
    differences: list[Verdict] = []
    accepted: list[tuple[Verdict, Acceptance]] = []
    remarks: list[str] = []
    for verdict in found:
        acceptance = _acceptance(role_arn, verdict, acceptances)
        if acceptance and not acceptance.is_over(today):
            accepted.append((verdict, acceptance))
            continue
        differences.append(verdict)
        statement = f"{verdict.policy}, {verdict.statement}"
        if acceptance:
            remarks.append(f"{statement}: accepted only until {acceptance.until}: {acceptance.reason}")
        excess = _acceptance(role_arn, verdict._replace(danger=""), acceptances)
        if excess and excess != acceptance:
            text = f"accepted only as excess access, until {excess.until}"
            remarks.append(f"{statement}: {text}: {excess.reason}")
    return differences, accepted, remarks


def _accept_fault(
    result: DataSourceResult, acceptances: Sequence[Acceptance], today: date
) -> DataSourceResult:
    """Return the result, accepted if an acceptance covers its fault, or with a remark after its end."""
    covering = [each for each in acceptances if each.covers(result.data_source.id)]
    if not (result.fault and covering):
        return result
    latest = max(covering, key=lambda each: each.until)
    if latest.is_over(today):
        remark = f"accepted only until {latest.until}: {latest.reason}"
        return result._replace(remarks=(*result.remarks, remark))
    text = f"{result.text}, {Outcome.ACCEPTED}"
    return result._replace(state=Outcome.ACCEPTED, text=text, acceptance=latest)


def _acceptance(role_arn: str, verdict: Verdict, acceptances: Sequence[Acceptance]) -> Acceptance | None:
    """Return the acceptance that covers a finding for the longest time; None if there is none."""
    matching = (each for each in acceptances if each.matches(role_arn, verdict))
    return max(matching, key=lambda each: each.until, default=None)


def _concerns(difference: Verdict, result: DataSourceResult) -> bool:
    """Return whether a role's difference concerns a data source.

    Missing access concerns only the data sources that lack it. Other differences concern all.
    """
    return difference.verdict != "missing" or result.data_source in difference.data_sources


def _with_last_sync(account: Account, result: DataSourceResult) -> DataSourceResult:
    """Add the last sync to the result of a data source whose role lacks access."""
    sync = attempt_or(None, lambda: account.last_sync(result.data_source))
    if sync is None:
        return result
    error, status = sync.get("error", {}).get("errorMessage"), sync["status"]
    text = f"the last sync{day_of(sync)} has the status {status}{f': {error}' if error else ''}"
    return result._replace(remarks=(*result.remarks, text), failed=status == "FAILED")


def _judge_data_source(
    result: DataSourceResult, differences: Sequence[Verdict], accepted: int, *, complete: bool
) -> DataSourceResult:
    """Return a data source's result with the state that follows from its role's differences."""
    state, text = _judge(differences, accepted, complete=complete)
    if result.fault:
        is_unread = bool(result.acceptance) and state is Outcome.SKIPPED
        text = f"{result.text}, {text}" if differences or accepted or is_unread else result.text
        state = min(state, result.state, key=lambda each: each.rank)
    return result._replace(state=state, text=text)


def _judge(differences: Sequence[Verdict], accepted: int, *, complete: bool) -> tuple[Outcome, str]:
    """Return the state that follows from differences, and text with the number of each kind.

    `accepted` is the number of accepted differences. `complete` is False if something was not read.
    """
    kinds = [kind_of(difference) for difference in differences]
    counts = [f"{kinds.count(each)} {label}" for each, label in LABELS.items() if each in kinds]
    text = ", ".join([*counts, *([f"{accepted} accepted"] if accepted else [])])
    if "dangerous" in kinds:
        return Outcome.DANGEROUS, text
    # Missing access may be in a policy that could not be read.
    if "denies" in kinds or ("missing" in kinds and complete):
        return Outcome.LACKING, text
    if {*kinds} - {"missing"}:
        return Outcome.DIFFERENT, text
    if not complete:
        return Outcome.SKIPPED, f"{text}{', ' * bool(text)}not completely compared"
    return (Outcome.ACCEPTED, text) if accepted else (Outcome.EQUIVALENT, Outcome.EQUIVALENT)
