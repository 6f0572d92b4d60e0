"""Compare the roles of accounts' data sources with the roles that the program would create.

A role is compared with the policies that the program would write for all data sources that use the role
in the given Regions. Access that none of these data sources needs is in excess; access that only some of
them need is shared.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache, partial
from itertools import count
from typing import NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from components.formats import KEY, SECRET
from components.problems import SettingsError
from components.settings import SETTINGS
from guardrails.iam.documents import Statement
from guardrails.iam.truth import Truth
from roles.account import Account, DataSource, Role
from roles.arns import Arn
from roles.audit.accepted import Acceptance
from roles.audit.evidence import Judgment, judge, last_sync, simplify, subject_of
from roles.audit.severity import LABELS, kind_of, rank
from roles.audit.unused import UnusedRole, day, find_unused
from roles.check.case import Case, collect
from roles.check.subject import Subject
from roles.concurrency import read_each
from roles.danger import with_dangers
from roles.detection import connectors_of, enrichment_roles, find_connector, find_uses
from roles.difference import Access, Verdict, compare, role_statements
from roles.errors import InputError, OddAnswerError, concerns_every_call, explain, reason
from roles.findings import Finding, State, unread
from roles.needed_resources import find, invalid, read_requirements
from roles.output import Notes
from roles.policy_settings import POLICY_SETTINGS, Requirements, bucket_accounts
from roles.stack import DeployedRoles

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


class _Needs(NamedTuple):
    """The requirements of a data source, and the statements that the program writes for it."""

    requirements: Requirements
    program: tuple[Statement, ...]
    optional: tuple[Statement, ...]
    """Statements that the role may need: for `allowNetworkInterfaceDeletion`, and for unknown resources.

    They count as neither missing nor in excess.
    """


_Reading = tuple[DataSourceResult, _Needs | None]
"""A data source's result before the comparison, and its needs; None if its role cannot be compared."""


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
    stack: DeployedRoles | None = None,
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
    entries = {arn: component for component, arn in stack.arns.items()} if stack else {}

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
    for result, needs in filter(None, audit.readings):
        accepted = _accept_fault(result, acceptances, today)
        users.setdefault(result.role_arn, []).append((accepted, needs))
    by_region = {account.region: account for account in audit.accounts}
    results: dict[DataSource, DataSourceResult] = {}
    roles: list[RoleResult] = []
    compare_role = partial(_compare, by_region, acceptances, today)
    for role, compared in read_each(compare_role, [*users.values()], audit.accounts[0].notes, "roles"):
        results |= {result.data_source: result for result in compared}
        roles += [role._replace(entry=entries.get(role.arn, ""))] if role.arn else []
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
        tuple(role._replace(entry=entries.get(role.arn, "")) for role in unused),
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
    """Return a data source's result before the comparison, and its needs.

    The needs are None if the data source's role cannot be compared. If the data source was deleted after
    it was listed, print a note and return None.
    """
    findings: list[Finding] = []
    result = DataSourceResult(account_id, data_source, "", "", Outcome.EQUIVALENT, "")
    needs, unknown = None, ()
    try:
        found = find(lambda: account.data_source(data_source), data_source.id, findings)
        if any(each.state is State.PROBLEM for each in findings):
            notes(data_source.deleted)
            return None
        if found is not None:
            uses = find_uses(found)
            result = result._replace(role_arn=found.get("roleArn", ""))
            if not connectors_of(uses.type):
                state = Outcome.UNKNOWN if result.role_arn else Outcome.NO_ROLE
                return result._replace(state=state, text=state), None
            result = result._replace(connector=find_connector(uses).name)
            requirements, read = read_requirements(account, data_source)
            findings += read
            needs = _needs(requirements, findings) if requirements else None
            unknown = requirements.unknown if requirements and needs else ()
    except InputError as error:
        findings.append(invalid(" ".join(error.lines)))
    except OddAnswerError as error:
        findings.append(unread(error))
    remarks = [_remark(finding) for finding in findings]
    if unknown:
        remarks.append(f"access to its {' and '.join(unknown)} counts as neither missing nor in excess")
    wrong = dict.fromkeys(finding.text for finding in findings if finding.state is State.PROBLEM)
    if wrong:
        # A problem such as a missing resource is more specific than INVALID.
        shown = [text for text in wrong if text != Outcome.INVALID or len(wrong) == 1]
        fault = ", ".join(shown)
        result = result._replace(state=Outcome.INVALID, text=fault, fault=fault)
    elif any(finding.state is State.SKIPPED for finding in findings):
        result = result._replace(state=Outcome.SKIPPED, text=Outcome.SKIPPED)
    return result._replace(remarks=tuple(remarks)), needs


def _remark(finding: Finding) -> str:
    return finding.details[0] if finding.state is State.PROBLEM else finding.text


def _needs(requirements: Requirements, findings: list[Finding]) -> _Needs | None:
    """Return the needs, and append to `findings` the settings that the program rejects.

    The needs are None if a rejected setting affects the policies.
    """
    try:
        return _render(requirements)
    except SettingsError as error:
        findings += [
            invalid(f"{problem.place.name}: {problem.given}; expected {problem.expected}")
            for problem in error.problems
        ]
        rejected = {problem.place.setting for problem in error.problems}
    # Rejected settings that do not affect the policies, such as tags, are left out.
    in_arn = ("role_name", "role_path") if requirements.connector.bucket_is_source else ()
    blank = {
        name: None
        for name in requirements.settings()
        if name in rejected and SETTINGS[name].of_role and name not in in_arn
    }
    try:
        return _render(requirements, **blank)
    except SettingsError:
        return None


def _render(requirements: Requirements, **options: object) -> _Needs:
    """Return the needs; statements that are needed in only some of the possible cases are optional.

    Statements for an unknown bucket are optional, too. `options` are as in `Requirements.render`. Raises
    SettingsError if no case is valid.
    """
    application = Arn.of(requirements.application_arn)
    place = f"{requirements.region}:{application.account}"
    # This ARN stands for an unknown secret that the role does not read; its statements are left out.
    no_secret = f"arn:{application.partition}:secretsmanager:{place}:secret:unknown-000000"
    variants = [
        {},
        *({each.name: value} for each in POLICY_SETTINGS for value in each.others(requirements)),
    ]
    written: list[list[Statement]] = []
    rejected: list[SettingsError] = []
    for case in _cases(requirements, no_secret):
        for more in variants:
            try:
                policies = case.policies(**options, **more)
            except SettingsError as error:
                rejected.append(error)
            else:
                written.append(policies.needed)
    if not written:
        raise rejected[0]
    every = dict.fromkeys(statement for statements in written for statement in statements)
    known = [statement for statement in every if no_secret not in statement.targets.values]
    program = [
        statement
        for statement in known
        if all(statement in statements for statements in written)
        and not _is_for_unknown_bucket(statement, requirements)
    ]
    optional = [statement for statement in known if statement not in program]
    return _Needs(requirements, tuple(program), tuple(optional))


def _cases(requirements: Requirements, no_secret: str) -> Iterator[Requirements]:
    """Yield the possible requirements.

    An unknown secret or key may be absent, or be any matching one that the role's policies name.
    """
    statements = role_statements(requirements.role)
    named = dict.fromkeys(arn for each in statements for arn in each.targets.values)
    secrets, keys = [requirements.secret_arn], [requirements.key_arn]
    if "secret" in requirements.unknown:
        own = requirements.named_secret
        secrets = [no_secret, *(arn for arn in named if _is_secret(arn, own))]
    if "key" in requirements.unknown:
        keys = [None, *(arn for arn in named if KEY.parse(arn))]
    for secret_arn in secrets:
        for key_arn in keys:
            yield requirements._replace(secret_arn=secret_arn, key_arn=key_arn)


def _is_secret(arn: str, named: str) -> bool:
    """Return whether an ARN identifies a secret and, unless `named` is empty, the secret `named`.

    `named` is a name or an ARN; it may lack the random suffix, or have another one.
    """
    if not SECRET.parse(arn):
        return False
    name, own = (text.rpartition(":secret:")[2] for text in (arn, named))
    return not own or own in (name, name[:-7]) or name[:-7] == own[:-7]


def _is_for_unknown_bucket(statement: Statement, requirements: Requirements) -> bool:
    """Return whether a statement is for a bucket that is unknown or may be in another account.

    If the bucket's account is unknown and a policy of the role names an account, the program's statement
    does not count as missing, but the role's own statement can still be in excess.
    """
    bucket = requirements.bucket
    buckets = {target.partition(":s3:::")[2].partition("/")[0] for target in statement.targets.values}
    if bucket not in buckets:
        return False
    named = not requirements.bucket_account_is_known and bucket_accounts(requirements.role, bucket)
    return "bucket" in requirements.unknown or bool(named)


def _compare(
    accounts: Mapping[str, Account],
    acceptances: Sequence[Acceptance],
    today: date,
    readings: Sequence[tuple[DataSourceResult, _Needs | None]],
) -> tuple[RoleResult, list[DataSourceResult]]:
    """Compare a role with its data sources' needs; return its result and the data sources' results.

    `accounts` has the account in each Region.
    """
    role_arn = readings[0][0].role_arn
    compared = [(result, needs) for result, needs in readings if needs]
    others = [result for result, needs in readings if not needs]
    if not compared:
        worst = min(others, key=severity)
        return RoleResult(worst.account, role_arn, worst.state, worst.text), others
    role = compared[0][1].requirements.role
    remarks: list[str] = []
    if others:
        names = ", ".join(other.data_source.id for other in others)
        remarks.append(
            "data sources that use the role but could not be compared, and might need access that "
            "counts as in excess: "
            f"{names}"
        )
    if role.denied:
        remarks.append(f"{role.denied} is not allowed, so the comparison may omit attached policies")
    judged = [*_second_look(accounts, compared, role)]
    remarks += [judgment.remark for _, judgment in judged if judgment.remark]
    is_clear = all(judgment.counts is not Truth.CANNOT_TELL for _, judgment in judged)
    counting = [verdict for verdict, judgment in judged if judgment.counts is not Truth.NO]
    differences, accepted, more = _accept(role_arn, counting, acceptances, today)
    remarks += more
    results: list[DataSourceResult] = []
    for result, _ in compared:
        own = [each for each in differences if _concerns(each, result)]
        number = sum(_concerns(each, result) for each, _ in accepted)
        complete = role.complete and is_clear and result.state is not Outcome.SKIPPED
        found = _judge_data_source(result, own, number, complete=complete)
        is_lacking = found.state is Outcome.LACKING
        results.append(_with_last_sync(accounts[result.region], found) if is_lacking else found)
    complete = is_clear and role.complete
    complete = complete and all(result.state is not Outcome.SKIPPED for result, _ in compared)
    state, text = _judge(differences, len(accepted), complete=complete)
    invalid = [result for result, _ in compared if result.state is Outcome.INVALID]
    if invalid and not (differences or accepted):
        state, text = invalid[0].state, invalid[0].text
    last_used = day(role.last_used)
    return (
        RoleResult(
            readings[0][0].account,
            role_arn,
            state,
            text,
            last_used,
            tuple(differences),
            tuple(accepted),
            tuple(remarks),
            failed=any(each.failed for each in results),
        ),
        [*others, *results],
    )


def _second_look(
    accounts: Mapping[str, Account],
    compared: Sequence[tuple[DataSourceResult, _Needs]],
    role: Role,
) -> Iterator[tuple[Verdict, Judgment]]:
    """Yield the differences, the most severe first, each with AWS's other answers about it."""
    found = sorted(_differences(compared, role), key=rank)
    subjects = [
        subject_of(accounts[result.region], result.data_source, needs.requirements)
        for result, needs in (compared if found else ())
    ]

    @cache
    def read_case(subject: Subject) -> Case:
        return collect(subject, [subject], {})

    for verdict in found:
        pairs = zip(compared, subjects, strict=True)
        concerned = [subject for (result, _), subject in pairs if _concerns(verdict, result)]
        yield verdict, judge(role, verdict, concerned, read_case)


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
    sync = last_sync(account, result.data_source)
    if sync is None:
        return result
    return result._replace(remarks=(*result.remarks, sync.text), failed=sync.failed)


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


def _differences(compared: Sequence[tuple[DataSourceResult, _Needs]], role: Role) -> Iterator[Verdict]:
    """Yield the differences between a role's statements and those written for its data sources."""
    actual = [*map(simplify, role_statements(role))]
    possible = dict.fromkeys(
        statement for _, needs in compared for statement in (*needs.program, *needs.optional)
    )
    verdicts = dict(zip(possible, compare([*possible], actual).program, strict=True))
    covered = {statement for statement, verdict in verdicts.items() if verdict.verdict == "covered"}
    # An optional statement counts if the role has its access, which is then not in excess.
    program: dict[Statement, list[DataSource]] = {}
    for result, needs in compared:
        for statement in (*needs.program, *(each for each in needs.optional if each in covered)):
            program.setdefault(statement, []).append(result.data_source)
    found = with_dangers(compare([*program], actual).role, actual, role.arn)
    yield from (verdict for verdict in found if verdict.verdict in ("excess", "denies"))
    for statement, data_sources in program.items():
        if statement not in covered:
            yield verdicts[statement]._replace(data_sources=tuple(data_sources))
        elif len(data_sources) < len(compared):
            access = Access(statement.actions.values, statement.targets.values, condition=False)
            yield Verdict(statement.policy, statement.name, "shared", (access,), tuple(data_sources))


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
    if "missing" in kinds and complete:
        return Outcome.LACKING, text
    if {*kinds} - {"missing"}:
        return Outcome.DIFFERENT, text
    if not complete:
        return Outcome.SKIPPED, f"{text}{', ' * bool(text)}not completely compared"
    return (Outcome.ACCEPTED, text) if accepted else (Outcome.EQUIVALENT, Outcome.EQUIVALENT)
