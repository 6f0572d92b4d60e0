"""Ask whether a role's data sources match its settings and have synced, and whether others need it.

For a role outside any stack, the settings come from its data source.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from functools import partial
from typing import Final

from components import formats
from components.connectors import Need
from components.problems import SettingsError, camel_case
from guardrails.iam.truth import Truth
from roles.account import Account, DataSource, Reply
from roles.arns import Arn
from roles.aws_commands import aws_command
from roles.check.answers import ABOUT_DIFFERENCE, NO_ROLE, about_each, ignore, needed
from roles.check.case import Case, collect, is_disputed, stay_allowed
from roles.check.matching import entries_for, matches
from roles.check.network import missing_in_vpc, replace_in_vpc, update_vpc
from roles.check.requests import connector_requests
from roles.check.subject import Source, Subject, shared_subnets
from roles.commands import quote_argument
from roles.detection import Uses, connectors_of, find_uses
from roles.errors import InputError, is_denied, is_gone, unknown_status
from roles.findings import Finding, State, cannot_tell, note, ok, problem, skipped, unread
from roles.needed_resources import read_requirements
from roles.policy_settings import Difference, Requirements, differences
from roles.project import COMPONENT, launcher
from roles.stack import RoleSettings

_ARN: Final = re.compile(r"\barn:[^\s,;\"'<>()\[\]]+")
"""Matches an ARN in an error message.

Names in the ARN, such as `qbusiness-s3-docs`, do not indicate the cause.
"""
_USER_GUIDE: Final = "https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug"
_APPLICATION_ROLE: Final = f"{_USER_GUIDE}/create-application-iam-role.html"
_HINTS: Final = (
    (
        r"\blogs?\b.?(?:group|stream)|\blogs:|cloudwatch",
        f"the error may be about the application's role, which writes logs: see {_APPLICATION_ROLE}",
    ),
    (r"kms|decrypt", 'the error may be about the key: see "KMS key" and "key policy"'),
    (r"secret", 'the error may be about the secret: see "secret" and "role policy"'),
    (
        r"network interface|subnet|security group|\bvpc\b|\beni\b",
        'the error may be about the VPC: see "subnets", "security groups", and "role policy"',
    ),
    (r"\bs3\b|bucket", 'the error may be about the bucket: see "bucket" and "role policy"'),
    (r"assume|trust", 'the error may be about the trust policy: see "trust policy"'),
    (
        r"access ?denied|not authori[sz]ed|unauthori[sz]ed|permission|\brole\b",
        'the error may be about the role: see "role policy" and "requests allowed"',
    ),
)
"""Patterns for data source and sync errors, and their explanations; the most specific first."""
_ACTIVE: Final = ("ACTIVE", "UPDATING")
_WAIT: Final = "wait until the data source is ACTIVE"
_FIXES_BY_STATUS: Final[Mapping[str, str]] = {
    "PENDING_CREATION": _WAIT,
    "CREATING": _WAIT,
    "FAILED": "update the data source, or create it again",
    "DELETING": "create the data source again, unless it is no longer needed",
}
"""The values of DataSourceStatus that are not in `_ACTIVE`, and the fix for each.
https://docs.aws.amazon.com/amazonq/latest/api-reference/API_GetDataSource.html"""
_UNFINISHED: Final = (
    "it did not finish: somebody may have stopped it, or AWS may be maintaining the index (see "
    f"{_USER_GUIDE}/maintenance.html)"
)
_INCOMPLETE: Final = (
    f"some documents may not be in the index (see {_USER_GUIDE}/troubleshooting-data-sources.html)"
)
_NOTES_BY_SYNC_STATUS: Final[Mapping[str, str]] = {
    "SUCCEEDED": "",
    "SYNCING": "",
    "SYNCING_INDEXING": "",
    "FAILED": "",
    "INCOMPLETE": _INCOMPLETE,
    "STOPPING": _UNFINISHED,
    "ABORTED": _UNFINISHED,
}
"""The values of DataSourceSyncJobStatus, with a note if a sync did not finish or is incomplete.
https://docs.aws.amazon.com/amazonq/latest/api-reference/API_DataSourceSyncJob.html"""


# The settings of a role outside any stack.


def read_settings(
    account: Account, application_id: str, data_source_id: str
) -> tuple[RoleSettings | None, list[Finding]]:
    """Return the settings that the data source implies, and the findings from reading them.

    The settings are None if any finding is more than a note, for example if the secret does not
    exist. Raises InputError if the data source does not exist or its connector is unknown.
    """
    listed = {source.id: source for source in account.data_sources(application_id)}
    source = listed.get(data_source_id)
    if source is None:
        has = ", ".join(listed) or "none"
        raise InputError(
            f"there is no data source {data_source_id} in this application; its data sources: {has}"
        )
    kind = find_uses(account.data_source(source)).type
    if not connectors_of(kind):
        raise InputError(
            f"data source {data_source_id} has the type {kind}, for which this program has no connector"
        )
    requirements, found = read_requirements(account, source)
    # Notes have no details. Other findings have a few words as text, and the full line as a detail.
    findings = [
        each._replace(text=each.details[0], details=()) if each.details else each for each in found
    ]
    if requirements is None or any(each.state is not State.NOTE for each in findings):
        return None, findings
    requirements = requirements._replace(vpc_configuration=_with_arns(account, requirements))
    is_known = requirements.bucket_account_is_known or _owns_bucket(account, requirements)
    settings = RoleSettings(
        "",
        COMPONENT,
        requirements.settings(),
        requirements.role.arn,
        data_source_id,
        bucket_account_is_known=is_known,
    )
    return settings, findings


def _with_arns(account: Account, requirements: Requirements) -> dict[str, list[str]]:
    """Return the VPC configuration, with ARNs in place of the IDs of subnets that other accounts own.

    The data source contains only IDs. `adopt` and `audit` do not call EC2, and assume that the
    application's account owns the subnets.
    """
    vpc, owner = requirements.vpc_configuration, Arn.of(requirements.application_arn).account
    return replace_in_vpc(vpc, shared_subnets(account, owner, vpc.get("subnetIds", ())))


def _owns_bucket(account: Account, requirements: Requirements) -> bool:
    """Return whether GetBucketLocation confirms that the application's account owns the bucket."""
    owner = Arn.of(requirements.application_arn).account
    found = ignore(is_denied, lambda: account.bucket_region(str(requirements.bucket), owner))
    return found is not None


# The data sources that use the role.


def data_sources(case: Case) -> Iterator[Finding]:
    """Ask about each of the application's data sources that uses the role or cannot be read.

    For a role outside any stack, the settings come from one data source, and one note lists the role's
    other data sources.
    """
    sources, own = case.subject.data_sources, case.subject.settings.data_source_id
    needed(case.subject.settings.role_arn, NO_ROLE)
    asked = [each for each in sources if own in (None, each.data_source.id) or not each.details]
    questions = ((each.data_source.id, partial(_about, case, each)) for each in asked)
    yield from about_each(questions, ok("no data source in the application uses the role yet"))
    if others := [each.data_source.label for each in sources if each not in asked]:
        yield note(f"the role's other data sources were not checked: {', '.join(others)}")


def _about(case: Case, source: Source) -> Iterator[Finding]:
    """Ask whether a data source matches the settings, and whether its last sync worked."""
    subject, (data_source, details, uses) = case.subject, source
    if isinstance(uses, Finding) and not (details and subject.settings.data_source_id):
        yield uses
        return
    if isinstance(uses, Uses) and not subject.settings.data_source_id:
        yield from _compare(case, source, uses)
    yield _status(subject, data_source, details)


def _compare(case: Case, source: Source, uses: Uses) -> Iterator[Finding]:
    """Report a data source that does not match the settings.

    It is a problem only if the policies, now or after the next `pulumi up`, do not allow a request that
    the data source makes and that the settings do not imply, or if the data source lacks a resource that
    its connector requires.
    """
    subject, data_source = case.subject, source.data_source
    different = differences(subject.uses, uses, subject.account_id)
    texts = [each.text for each in different]
    if data_source.index_id != subject.index_id:
        texts.append(f"it is in index {data_source.index_id}, but the role is for {subject.index_id}")
    if not texts:
        return
    needs = subject.needs_of(data_source.index_id, uses)
    implied = connector_requests(subject, [subject.needs_of_settings])
    made = [each for each in connector_requests(subject, [needs]) if each not in implied]
    changes = {each: _change_source(subject, uses, each) for each in different}
    lacks_required = any(change and not each.values for each, change in changes.items())
    answer = problem if lacks_required else ABOUT_DIFFERENCE[stay_allowed(case, made)]
    fitting = next(iter(entries_for(case.entries, source)), subject)
    if fitting is not subject and not fitting.data_sources:
        text = (
            f"{data_source.name} uses this role, but fits the settings of {fitting.settings.component}"
        )
        yield answer(text, _give_role(fitting, data_source), *texts)
    else:
        text = f"{data_source.name} does not match the settings"
        if len(subject.users) <= 1:
            steps = (*_steps(subject, data_source, uses, changes),)
        else:
            steps = _steps_of_shared(subject, data_source, changes) if answer is problem else ()
        yield answer(text, steps, *texts)


def _change_source(subject: Subject, uses: Uses, difference: Difference) -> str:
    """Return the step that changes a data source which no role suits; empty if it can stay as it is."""
    name, connector = difference.setting, subject.connector_of(uses)
    has = difference.values or (name == "vpc_configuration" and uses.network)
    if connector.needs.get(name, Need.OPTIONAL) is not (Need.NOT_SUPPORTED if has else Need.REQUIRED):
        return ""
    verb = "does not support" if has else "requires"
    return f"change the data source, because the {connector.name} connector {verb} {camel_case(name)}"


def _steps(
    subject: Subject, source: DataSource, uses: Uses, changes: Mapping[Difference, str]
) -> Iterator[str]:
    """Yield the steps after which the settings and the only data source with the role match.

    `changes` has the differences, each with the step from `_change_source`.
    """
    for difference, change in changes.items():
        yield from [change] if change else _change_setting(subject, source, uses, difference)
    if source.index_id != subject.index_id:
        yield subject.edit("index_id", source.index_id)


def _steps_of_shared(
    subject: Subject, source: DataSource, changes: Mapping[Difference, str]
) -> tuple[str, ...]:
    """Return the steps that give a data source its access without changing the settings.

    Other data sources that use the role could lose the access that the settings give them.
    """
    if needed_changes := tuple(filter(None, changes.values())):
        return needed_changes
    if {each.setting for each in changes} == {"secret_id"} and source.index_id == subject.index_id:
        return ('see "other policies"',)
    reason = "because other data sources use this role"
    return (f"give {source.name} an entry and a role of its own, {reason}",)


def _change_setting(
    subject: Subject, source: DataSource, uses: Uses, difference: Difference
) -> Iterator[str]:
    """Yield the steps that change a setting; for several buckets, advice to change the data source."""
    name, values = difference.setting, difference.values
    value = next(iter(values), None)
    if name == "vpc_configuration":
        yield from _fix_vpc(subject, source, uses)
    elif name == "connector":
        yield subject.set_command(name, "CONNECTOR")
    elif name == "bucket_name" and len(values) > 1:
        yield "use one bucket in the data source, because its role can read only one bucket"
    elif name == "secret_id" and value and not formats.SECRET.parse(value):
        yield subject.set_command(name, formats.SECRET.placeholder)  # it lacks the suffix
    else:
        yield subject.set_command(name, value)


def _fix_vpc(subject: Subject, source: DataSource, uses: Uses) -> Iterator[str]:
    """Yield the steps that make the VPC configuration of the settings and the data source the same.

    The settings follow the data source, unless it names a subnet or security group that does not exist.
    If the settings also name it, the only step is to see the questions that report it.
    """
    own = subject.uses
    gone = missing_in_vpc(subject.account, uses.vpc)
    if own.network and gone:
        is_fixed = own.network.isdisjoint(gone)
        see = ('see "subnets" and "security groups"',)
        yield from update_vpc(source, own.vpc) if is_fixed else see
        return
    if gone:
        yield from update_vpc(source, replace_in_vpc(uses.vpc, gone))
    if not uses.network and subject.settings.get("allow_network_interface_deletion"):
        yield subject.set_command("allow_network_interface_deletion", None)  # requires a VPC
    shared = shared_subnets(subject.account, subject.account_id, uses.vpc.get("subnetIds", ()))
    yield subject.edit("vpc_configuration", json.dumps(replace_in_vpc(uses.vpc, gone | shared)))


def other_data_sources(case: Case) -> list[Finding]:
    """Ask about each data source that fits this entry's settings but has another role or none.

    After a role is replaced, its data source has the old role until the data source is updated.
    However, two data sources that share a secret or a bucket may also have different roles.
    """
    needed(case.subject.settings.stack, skipped("this question needs --stack"))
    every = case.subject.every_data_source
    return about_each(
        ((each.data_source.id, partial(_about_other, case, each)) for each in every),
        ok("no data source in the index that clearly belongs to this entry has another role or none"),
    )


def _about_other(case: Case, source: Source) -> Iterator[Finding]:
    """Ask about one data source; there may be no answer, for example if it has this entry's role."""
    subject, (data_source, details, uses) = case.subject, source
    if isinstance(uses, Finding):
        if uses.state is not State.NOTE:  # "data source" has the note
            yield uses
        return
    role_arn, fitting = str(details.get("roleArn") or ""), entries_for(case.entries, source)
    if role_arn == subject.settings.role_arn or subject not in fitting:
        return
    verb = "matches" if matches(subject, source) else "fits"
    text = f"{data_source.name} {verb} the settings, but"
    owner = next((entry for entry in case.entries if entry.settings.role_arn == role_arn), None)
    if owner and role_arn:
        if owner not in fitting:  # the owner's "data source" has the fix
            yield note(f"{text} uses the role of {owner.settings.component}")
    elif role_arn:
        yield from _about_outside(case, source, role_arn, text)
    elif details["status"] in _ACTIVE:
        is_clear = fitting == [subject] and not subject.data_sources
        is_clear = is_clear and bool(subject.uses.secret_ids or subject.uses.buckets)
        fix = _give_role(subject, data_source)
        yield problem(f"{text} has no role", fix) if is_clear else note(f"{text} has no role")


def _about_outside(case: Case, source: Source, role_arn: str, text: str) -> Iterator[Finding]:
    """Yield the answer about a data source whose role is outside the stack.

    Its sync needs this role to allow its requests.
    """
    subject, data_source = case.subject, source.data_source
    role = ignore(is_gone, lambda: subject.account.role(Arn.of(role_arn).name))
    if role is None or role.arn != role_arn:
        text = f"{text} uses {role_arn}, a role that does not exist"
        yield problem(text, _replacement(subject, data_source, role_arn))
        return
    if not matches(subject, source):  # it belongs to another stack
        return
    application = subject.policies.application_arn
    check = f"check --application {application} --data-source-id {data_source.id}"
    explain = (f"{launcher()} {check}",)
    text = f"{text} uses another role, {role_arn}"
    settings, findings = read_settings(subject.account, subject.application_id, data_source.id)
    if settings is None:
        found = next(each for each in findings if each.state is not State.NOTE)
        answer = problem if found.state is State.PROBLEM else cannot_tell
        yield answer(f"{text}, and {found.text}", explain)
        return
    try:
        other = Subject(settings, subject.account)
    except SettingsError as error:
        names = ", ".join(each.place.name for each in error.problems)
        yield cannot_tell(f"{text}, but this program rejects its configuration ({names})", explain)
        return
    theirs = collect(other, (), case.facts.stated)
    decisions = [theirs.trust, *theirs.decisions]
    states = [Truth.CANNOT_TELL if is_disputed(theirs, each) else each.allowed for each in decisions]
    if Truth.NO in states:
        number = states.count(Truth.NO)
        text = f"{text}, whose policies do not allow {number} of its {len(states)} requests"
        yield problem(text, explain)
    elif Truth.CANNOT_TELL in states:
        yield cannot_tell(f"{text}, and it is unknown whether its policies allow all requests", explain)
    else:
        unused = "; no data source uses this entry's role: docs/assign.md says how to assign it"
        unused = "" if subject.data_sources else unused
        yield note(f"{text}, whose policies allow its requests{unused}")


def _replacement(subject: Subject, source: DataSource, lost: str) -> str | tuple[str, ...]:
    """Return the steps that give a data source this entry's role.

    If the lost role's name is not one that this entry's role can have, return advice instead.
    """
    automatic = f"{subject.settings.component}{formats.ROLE_NAME_SUFFIX}"
    if not Arn.of(lost).name.startswith((subject.settings.get("role_name") or automatic, automatic)):
        return "deploy the role with its own stack, or give the data source another role"
    return _assign(subject, source)


def _give_role(entry: Subject, source: DataSource) -> tuple[str, ...]:
    """Return the fix for a data source that fits an entry, but does not have the entry's role."""
    return (*_assign(entry, source), "or, if the settings are wrong, correct them")


def _assign(entry: Subject, source: DataSource) -> tuple[str, ...]:
    """Return the commands that give a data source an entry's role; a missing role is deployed first."""
    deploy = () if entry.find_role() else (entry.up_command,)
    pair = quote_argument(f"{entry.settings.component}={source.id}")
    stack = quote_argument(entry.settings.stack)
    return (*deploy, f"{launcher()} assign --stack {stack} {pair}")


def _status(subject: Subject, source: DataSource, found: Reply) -> Finding:
    """Report the status of a data source and of its last sync."""
    status, error = found["status"], found.get("error", {})
    if status not in _ACTIVE:
        if status not in _FIXES_BY_STATUS:
            return unread(unknown_status("qbusiness:GetDataSource", status))
        return _failure(f"{source.name} is {status}", error, "", _FIXES_BY_STATUS[status])
    sync = subject.account.last_sync(source)
    if sync is None:
        return ok(f"{source.name} is {status}, but has not synced yet")
    return _sync_status(source, status, sync)


def _sync_status(source: DataSource, status: str, sync: Reply) -> Finding:
    outcome, error = sync["status"], sync.get("error", {})
    started = sync.get("startTime")
    at = f", at {started.astimezone(UTC):%Y-%m-%d %H:%M} UTC," if started else ""
    text = f"{source.name} is {status}; its last sync{at} has the status {outcome}"
    code = f"code {sync['dataSourceErrorCode']}" if sync.get("dataSourceErrorCode") else ""
    if outcome not in _NOTES_BY_SYNC_STATUS:
        return unread(unknown_status("qbusiness:ListDataSourceSyncJobs", outcome))
    more = _NOTES_BY_SYNC_STATUS[outcome]
    if outcome == "FAILED" or (more and _hint(error, code)):
        start = aws_command("qbusiness start-data-source-sync-job", **source.options)
        return _failure(text, error, code, ("remove the cause", start))
    scanned, failed = (_number(sync, name) for name in ("documentsScanned", "documentsFailed"))
    if outcome == "SUCCEEDED" and failed:
        return note(f"{text}, but {failed} documents failed; documents scanned: {scanned}")
    if outcome == "SUCCEEDED" and scanned == 0:
        return note(f"{text}, but it scanned no documents")
    said = _with(text, error, code)
    return note(f"{said}; {more}") if more else ok(said)


def _number(sync: Reply, metric: str) -> int | None:
    """Return a metric of a sync, which is text in the API; None if it is missing or not a number."""
    text = str(sync.get("metrics", {}).get(metric, ""))
    return int(text) if text.isdecimal() else None


def _failure(text: str, error: Mapping[str, str], code: str, fix: str | tuple[str, ...]) -> Finding:
    hint = _hint(error, code)
    return problem(_with(text, error, code), fix, *([hint] if hint else []))


def _with(text: str, error: Mapping[str, str], code: str) -> str:
    """Return a message with Amazon Q Business's error, if there is one."""
    said = ", ".join(filter(None, (error.get("errorMessage"), code)))
    return f"{text}: {said}" if said else text


def _hint(error: Mapping[str, str], code: str) -> str:
    """Return a hint about an error that may concern a role or its resources; empty for other errors."""
    said = _ARN.sub("", f"{error.get('errorMessage', '')}, {code}")
    return next((text for pattern, text in _HINTS if re.search(pattern, said, re.IGNORECASE)), "")
