"""Ask whether a role's data sources match its settings and have synced, and whether others need it."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Final

from botocore.exceptions import ClientError

from components import formats
from components.connectors import Need
from components.stack_config import camel_case
from roles.account import DataSource, Reply
from roles.arns import Arn
from roles.aws_commands import aws_command
from roles.check.case import Case
from roles.check.differences import Difference, differences, is_named, shared_secrets
from roles.check.network import PLACEHOLDERS, replace_in_vpc, update_vpc, values_in_settings
from roles.check.subject import NO_ROLE, Subject, ignore, needed
from roles.detection import Uses, find_uses
from roles.errors import OddAnswerError, is_denied, is_gone, unknown_status
from roles.findings import Finding, not_allowed, note, ok, problem, skipped, unread

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
_NOTHING, _LITTLE, _CONNECTOR_TOO, _EVERYTHING = range(4)
"""How well a data source fits an entry.

_LITTLE means that the data source has the same secret or bucket or, if the entry has neither, matches
all settings. _CONNECTOR_TOO means that it has the same secret or bucket, and a type of the entry's
connector. _EVERYTHING means that it matches all settings, which include a secret or bucket. In another
index, a data source fits no entry.
"""
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


def data_sources(case: Case) -> Iterator[Finding]:
    """Ask about each of the application's data sources that uses the role or cannot be read.

    For a role outside any stack, the settings come from one data source, and one note lists the role's
    other data sources.
    """
    subject = case.subject
    sources, own = subject.data_sources, subject.settings.data_source_id
    if not sources:
        needed(subject.settings.role_arn, NO_ROLE)
        yield ok("no data source in the application uses the role yet")
    others: list[str] = []
    for source, found in sources:
        if own and source.id != own and not isinstance(found, OddAnswerError):
            others.append(source.label)
            continue
        try:
            if isinstance(found, OddAnswerError):
                raise found
            answers = [_status(subject, source, found)] if own else [*_about(case, source, found)]
        except OddAnswerError as error:
            answers = [unread(error)]
        for answer in answers:
            yield answer._replace(subject=source.id)
    if others:
        yield note(f"the role's other data sources were not checked: {', '.join(others)}")


def _about(case: Case, source: DataSource, found: Reply) -> Iterator[Finding]:
    """Ask whether a data source matches the settings, and whether its last sync worked."""
    subject = case.subject
    uses = find_uses(found)
    different = [
        each
        for each in differences(subject.uses, uses, subject.account_id)
        if each.setting != "secret_id" or not _names_recreated(subject, uses)  # "secret" reports it
    ]
    in_other_index = source.index_id != subject.index_id
    fitting = _find_entry(case, source, found) if different or in_other_index else None
    if fitting and fitting is not subject and not fitting.data_sources:
        yield problem(
            f"{source.name} uses this role, but fits the settings of {fitting.name}",
            _give_role(fitting, source),
            *(each.text for each in different),
        )
        yield _status(subject, source, found)
        return
    if in_other_index:
        ours = subject.index_id
        yield problem(
            f"{source.name} is in index {source.index_id}, but the role is for index {ours}",
            f"{subject.edit('index_id', source.index_id)}; or, if other data sources in index {ours} "
            "use the role, give this data source its own role",
        )
    if different:
        yield problem(
            f"{source.name} does not match the settings: change the settings or the data source",
            tuple(fix for each in different for fix in _fixes(subject, source, uses, each)),
            *(each.text for each in different),
        )
    yield _status(subject, source, found)


def _fixes(subject: Subject, source: DataSource, uses: Uses, difference: Difference) -> Iterator[str]:
    """Yield the steps that change a setting, or advice to change the data source.

    The advice is for a missing required value, an unsupported value, or several buckets. For a VPC, see
    `_fix_vpc`.
    """
    name, values = difference.setting, difference.values
    connector = subject.settings.connector
    value = next(iter(values), None)
    has = values or (name == "vpc_configuration" and uses.network)
    if connector.need(name) is (Need.NOT_SUPPORTED if has else Need.REQUIRED):
        reason = f"{'does not support' if has else 'requires'} {camel_case(name)}"
        yield f"change the data source, because the {connector.name} connector {reason}"
    elif name == "vpc_configuration":
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
    own, values = subject.uses, values_in_settings(subject.account, subject.account_id, uses.vpc)
    gone = [identifier for identifier, value in values.items() if value in PLACEHOLDERS]
    if own.network and gone:
        is_fixed = own.network.isdisjoint(gone)
        yield update_vpc(source, own.vpc) if is_fixed else 'see "subnets" and "security groups"'
        return
    if gone:
        new = {identifier: values[identifier] for identifier in gone}
        yield update_vpc(source, replace_in_vpc(uses.vpc, new))
    if not uses.network and subject.settings.get("allow_network_interface_deletion"):
        yield subject.set_command("allow_network_interface_deletion", None)  # requires a VPC
    yield subject.edit("vpc_configuration", json.dumps(replace_in_vpc(uses.vpc, values)))


def _names_recreated(subject: Subject, uses: Uses) -> bool:
    """Return whether a data source already uses the recreated secret."""
    new = subject.recreated_secret if subject.secret_arn else None
    return new is not None and any(is_named(new, each, subject.account_id) for each in uses.secret_ids)


def other_data_sources(case: Case) -> Iterator[Finding]:
    """Ask about each data source that may belong to this entry but has another role or none.

    After a role is replaced, its data source has the old role until the data source is updated.
    However, two data sources that share a secret or a bucket may also have different roles.
    """
    subject = case.subject
    needed(subject.settings.stack, skipped("this question needs --stack"))
    found_any = False
    for source, found in subject.every_data_source:
        try:
            answer = _about_other(case, source, found)
        except OddAnswerError as error:
            answer = unread(error)
        if answer:
            found_any = True
            yield answer._replace(subject=source.id)
    if not found_any:
        yield ok(
            "no data source in the index that clearly belongs to this entry has another role or none"
        )


def _about_other(case: Case, source: DataSource, found: Reply | OddAnswerError) -> Finding | None:
    """Return the answer about one data source.

    Returns None if there is nothing to report, for example because the data source has this entry's
    role or does not fit this entry. Raises OddAnswerError if the data source could not be read.
    """
    if isinstance(found, OddAnswerError):
        raise found
    subject, role_arn = case.subject, str(found.get("roleArn") or "")
    likeness, common = _likeness(subject, source, found)
    if likeness == _NOTHING or role_arn == subject.settings.role_arn:
        return None
    owner = next((entry for entry in case.entries if entry.settings.role_arn == role_arn), None)
    if role_arn and owner is None:
        return _about_outside(case, source, found, role_arn)
    fits_owner = owner and not any(differences(owner.uses, find_uses(found), owner.account_id))
    if found["status"] not in _ACTIVE or fits_owner:
        return None
    is_clear = _find_entry(case, source, found) is subject and not subject.data_sources
    text = f"{source.name} {common}, but {f'uses the role of {owner.name}' if owner else 'has no role'}"
    if is_clear:
        return problem(text, _give_role(subject, source))
    return None if owner else note(text)


def _about_outside(case: Case, source: DataSource, found: Reply, role_arn: str) -> Finding:
    """Return the answer about a data source whose role is outside the stack."""
    subject = case.subject
    likeness, common = _likeness(subject, source, found)
    others = (_likeness(entry, source, found)[0] for entry in case.entries if entry is not subject)
    of_others = max(others, default=_NOTHING)
    try:
        exists = ignore(is_gone, lambda: subject.account.role_arn(Arn.of(role_arn).name)) == role_arn
    except ClientError as error:
        if is_denied(error):
            return not_allowed("iam:GetRole")
        raise
    if exists:  # perhaps in another stack
        return note(f"{source.name} {common}, but uses another role, {role_arn}")
    text = f"{source.name} {common}, but uses {role_arn}, a role that does not exist"
    # No sync works with this role, so this is a problem even if another entry fits equally well.
    if likeness < max(_CONNECTOR_TOO, of_others):
        return note(text)
    return problem(text, _replacement(subject, source, role_arn))


def _replacement(subject: Subject, source: DataSource, lost: str) -> str:
    """Return the command that gives a data source this entry's role.

    If the lost role's name is not one that this entry's role can have, return advice instead.
    """
    automatic = f"{subject.name}{formats.ROLE_NAME_SUFFIX}"
    if not Arn.of(lost).name.startswith((subject.settings.get("role_name") or automatic, automatic)):
        return "deploy the role with its own stack, or give the data source another role"
    own = subject.find_role()
    return _update_role(subject, source, own and own.arn)


def _give_role(entry: Subject, source: DataSource) -> str:
    """Return the fix for a data source that fits an entry, but does not have the entry's role."""
    update = _update_role(entry, source, entry.settings.role_arn)
    return f"{update}; or, if the settings are wrong, correct them"


def _update_role(entry: Subject, source: DataSource, role_arn: str | None) -> str:
    """Return the command that gives a data source an entry's role; a missing role is deployed first."""
    # `pulumi up` recreates a deleted role, perhaps with another name.
    options = {**source.options, "role_arn": role_arn or "ROLE_ARN"}
    update = aws_command("qbusiness update-data-source", **options)
    return update if role_arn else f"{entry.up_command}, then {update}"


def _find_entry(case: Case, source: DataSource, found: Reply) -> Subject | None:
    """Return the entry to which a data source clearly belongs; None if there is none.

    It fits the data source better than every other entry, with a likeness of at least _CONNECTOR_TOO.
    """
    likenesses = [_likeness(entry, source, found)[0] for entry in case.entries]
    best = max(likenesses, default=_NOTHING)
    fitting = [entry for entry, own in zip(case.entries, likenesses, strict=True) if own == best]
    return fitting[0] if best >= _CONNECTOR_TOO and len(fitting) == 1 else None


def _likeness(entry: Subject, source: DataSource, found: Reply) -> tuple[int, str]:
    """Return how well a data source fits an entry's settings, and a description of the match."""
    if source.index_id != entry.index_id:
        return _NOTHING, ""
    ours, uses = entry.uses, find_uses(found)
    # `differences` does not report that a data source lacks the settings' bucket, so compare this here.
    different = any(differences(ours, uses, entry.account_id))
    matches = bool(ours.buckets) == bool(uses.buckets) and not different
    if not (ours.secret_ids or ours.buckets):
        # Without a secret or bucket, many data sources can match. An entry that already has a data
        # source claims no other.
        likeness = _LITTLE if matches and not entry.data_sources else _NOTHING
        return likeness, "matches the settings"
    if matches:
        return _EVERYTHING, "matches the settings"
    if shared_secrets(ours, uses, entry.account_id):
        shared = "secret"
    elif {*ours.buckets}.intersection(uses.buckets):
        shared = "bucket"
    else:
        return _NOTHING, ""
    same_connector = entry.settings.connector in uses.connectors
    return (_CONNECTOR_TOO if same_connector else _LITTLE), f"has the settings' {shared}"


def _status(subject: Subject, source: DataSource, found: Reply) -> Finding:
    """Report the status of a data source and of its last sync."""
    status, error = found["status"], found.get("error", {})
    if status not in _ACTIVE:
        if status not in _FIXES_BY_STATUS:
            raise unknown_status("qbusiness:GetDataSource", status)
        return _failure(f"{source.name} is {status}", error, "", _FIXES_BY_STATUS[status])
    sync = subject.account.last_sync(source)
    if sync is None:
        return ok(f"{source.name} is {status}, but has not synced yet")
    return _sync_status(source, status, sync)


def _sync_status(source: DataSource, status: str, sync: Reply) -> Finding:
    outcome, error = sync["status"], sync.get("error", {})
    started = sync["startTime"].astimezone(UTC)
    text = (
        f"{source.name} is {status}; its last sync, at {started:%Y-%m-%d %H:%M} UTC, has the status "
        f"{outcome}"
    )
    code = f"code {sync['dataSourceErrorCode']}" if sync.get("dataSourceErrorCode") else ""
    if outcome not in _NOTES_BY_SYNC_STATUS:
        raise unknown_status("qbusiness:ListDataSourceSyncJobs", outcome)
    more = _NOTES_BY_SYNC_STATUS[outcome]
    if outcome == "FAILED" or (more and _hint(error, code)):
        start = aws_command("qbusiness start-data-source-sync-job", **source.options)
        return _failure(text, error, code, f"fix the cause, then {start}")
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


def _failure(text: str, error: Mapping[str, str], code: str, fix: str) -> Finding:
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
