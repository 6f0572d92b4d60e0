"""Ask whether the data sources under the role match the settings, and have synchronized."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from botocore.exceptions import ClientError

from roles.account import DataSource
from roles.arns import Arn
from roles.aws_cli import aws_command
from roles.check.answers import Answer, not_allowed, note, ok, problem, skipped, unread
from roles.check.subject import Subject, ignore_not_found
from roles.detection import Uses, find_uses
from roles.errors import OddAnswerError, is_denied
from roles.reply import Reply

_ABOUT_THE_ROLE: Final = (
    (r"kms|decrypt", "this is about the key: see KMS key and key policy"),
    (r"secret", "this is about the secret: see secret and role policy"),
    (
        r"network interface|subnet|security group|\bvpc\b|\beni\b",
        "this is about the VPC: see subnets, security groups and role policy",
    ),
    (r"\bs3\b|bucket", "this is about the bucket: see bucket and role policy"),
    (r"assume|trust", "this is about the trust policy: see trust policy"),
    (
        r"access ?denied|not authori[sz]ed|unauthori[sz]ed|permission|\brole\b",
        "this is about the role: see role policy and requests allowed",
    ),
)
"""Patterns for the errors of syncs, and their explanations; the most specific first."""
_NO_APPLICATION: Final = "there is no application"
_SUFFIX: Final = len("-XXXXXX")
"""The characters that Secrets Manager adds to the name of a secret in its ARN."""
_ACTIVE: Final = ("ACTIVE", "UPDATING")
_WAIT: Final = "wait until it is ACTIVE"
_NOT_ACTIVE: Final[Mapping[str, str]] = {
    "PENDING_CREATION": _WAIT,
    "CREATING": _WAIT,
    "FAILED": "update or create the data source again",
    "DELETING": "create the data source again, unless it is no longer needed",
}
"""The other members of DataSourceStatus, and how to fix them.
https://docs.aws.amazon.com/amazonq/latest/api-reference/API_GetDataSource.html"""
_SYNCS: Final[Mapping[str, bool]] = {
    "SUCCEEDED": False,
    "SYNCING": False,
    "SYNCING_INDEXING": False,
    "INCOMPLETE": False,
    "FAILED": True,
    "STOPPING": True,
    "ABORTED": True,
}
"""The members of DataSourceSyncJobStatus, and whether each is a failure.
https://docs.aws.amazon.com/amazonq/latest/api-reference/API_DataSourceSyncJob.html"""


def data_sources(subject: Subject) -> Iterator[Answer]:
    """Ask about each data source of the application that runs under the role."""
    if subject.application is None:
        yield skipped(_NO_APPLICATION)
    elif subject.stack.role_arn is None:
        yield skipped("there is no role")
    elif not subject.data_sources:
        yield ok("none of the application runs under the role yet")
    for source, found in subject.data_sources:
        try:
            if isinstance(found, OddAnswerError):
                raise found
            answers = [*_about(subject, source, found)]
        except OddAnswerError as error:
            answers = [unread(error, subject.stack.secrecy.message)]
        for answer in answers:
            yield answer._replace(subject=source.id)


def _about(subject: Subject, source: DataSource, found: Reply) -> Iterator[Answer]:
    """Ask whether a data source matches the settings, and about its last sync."""
    if source.index_id != subject.index_id:
        theirs, ours = (subject.show(each, "index_id") for each in (source.index_id, subject.index_id))
        argument = subject.argument(source.index_id, "INDEX_ID", "index_id")
        yield problem(
            f"{source.name} is in index {theirs}, and the role is for index {ours}",
            f"{subject.set_command('index_id', argument)}; or, if other data sources of index {ours} "
            "run under the role, give this one a role of its own",
        )
    if different := [*_differences(subject, found)]:
        yield problem(
            f"{source.name} does not match the settings",
            f"set the same in the stack's configuration and the data source, then {subject.up_command}",
            *different,
        )
    yield _status(subject, source, found)


def _differences(subject: Subject, found: Reply) -> Iterator[str]:
    uses, show = find_uses(found), subject.show
    connector = subject.stack.connector
    if uses.type.upper() not in connector.types.split():
        yield f"its type is {uses.type}, and the connector {connector.name} is of type {connector.types}"
    secret_arn = subject.secret_arn
    if not _names(uses.secret_id, secret_arn):
        theirs, ours = (show(name or "", "secret_id") for name in (uses.secret_id, secret_arn))
        yield f"its secret is {theirs or 'none'}, but secretId is {ours or 'not set'}"
    vpc = found.get("vpcConfiguration", {})
    actual = {*vpc.get("subnetIds", ()), *vpc.get("securityGroupIds", ())}
    if actual != subject.network:
        theirs, ours = (
            ", ".join(show(name, "vpc_configuration") for name in sorted(names))
            for names in (actual, subject.network)
        )
        yield f"its VPC has {theirs or 'nothing'}, but vpcConfiguration has {ours or 'nothing'}"
    bucket, owner = subject.stack.get("bucket_name"), subject.bucket_owner
    if uses.buckets and uses.buckets != [bucket]:
        theirs = ", ".join(show(name, "bucket_name") for name in uses.buckets)
        ours = show(bucket or "", "bucket_name") or "not set"
        several = len(uses.buckets) > 1
        yield f"its {'buckets are' if several else 'bucket is'} {theirs}, but bucketName is {ours}"
    elif uses.buckets and uses.bucket_account not in (None, owner):
        theirs, ours = (show(account, "bucket_account_id") for account in (uses.bucket_account, owner))
        yield f"its bucket belongs to account {theirs}, but the role reads one of account {ours}"


def other_data_sources(subject: Subject) -> Iterator[Answer]:
    """Ask about each data source that matches the settings, but runs under a role outside of the stack.

    After a role is replaced, a data source names the old role until the data source is updated. But two
    data sources may also share a secret or a bucket, and each run under its own role.
    """
    if subject.application is None:
        yield skipped(_NO_APPLICATION)
        return
    found_any = False
    for source, found in subject.every_data_source:
        try:
            answer = _about_other(subject, source, found)
        except OddAnswerError as error:
            answer = unread(error, subject.stack.secrecy.message)
        if answer:
            found_any = True
            yield answer._replace(subject=source.id)
    if not found_any:
        yield ok("none has the stack's secret or bucket")


def _about_other(subject: Subject, source: DataSource, found: Reply | OddAnswerError) -> Answer | None:
    """Ask about a data source unless it runs under a role of the stack, or has nothing of this one."""
    if isinstance(found, OddAnswerError):
        raise found
    if found.get("roleArn") in (None, *(entry.stack.role_arn for entry in subject.entries)):
        return None
    matches, shared = _matches(subject, found), _shared(subject, find_uses(found))
    # Without a secret and a bucket, any data source of the connector matches.
    if not shared and (subject.data_sources or not matches):
        return None
    others = [entry for entry in subject.entries if entry is not subject and _matches(entry, found)]
    role_arn = found.arn("roleArn").text
    try:
        exists = ignore_not_found(lambda: subject.account.role_arn(Arn.of(role_arn).name)) == role_arn
    except ClientError as error:
        if is_denied(error):
            return not_allowed("iam:GetRole")
        raise
    has = "matches the settings" if matches else f"has the stack's {shared}"
    shown = subject.show(role_arn)
    runs = f"another role, {shown}" if exists else f"{shown}, a role that does not exist"
    text = f"{source.name} {has}, and runs under {runs}"
    is_anothers = others and not matches
    if is_anothers or (exists and (others or subject.data_sources or not matches)):
        return note(text)
    own = subject.argument(subject.stack.role_arn or "ROLE_ARN", "ROLE_ARN")
    if others:
        own = "ROLE_ARN"
    update = aws_command("qbusiness update-data-source", **_options(subject, source), role_arn=own)
    return problem(
        text,
        update if subject.role else f"{subject.up_command}, then {update}",
    )


def _matches(subject: Subject, found: Reply) -> bool:
    """Return whether a data source has exactly what the settings name."""
    has_bucket = bool(subject.stack.get("bucket_name")) == bool(find_uses(found).buckets)
    return has_bucket and not any(_differences(subject, found))


def _shared(subject: Subject, uses: Uses) -> str:
    """Return whether a data source uses the "secret" or "bucket" of the stack; empty if neither."""
    if subject.secret_arn and _names(uses.secret_id, subject.secret_arn):
        return "secret"
    return "bucket" if subject.stack.get("bucket_name") in uses.buckets else ""


def _names(secret_id: str | None, arn: str | None) -> bool:
    """Return whether a secret ID is an ARN or the name in it, with or without the random suffix."""
    if not secret_id or not arn:
        return secret_id == arn
    name = arn.rpartition(":secret:")[2]
    return secret_id in (own[:length] for own in (arn, name) for length in (None, -_SUFFIX))


def _status(subject: Subject, source: DataSource, found: Reply) -> Answer:
    """Report the state of a data source and of its last sync."""
    status, error = found.choice("status"), found.get("error", {})
    if status not in _ACTIVE:
        if status not in _NOT_ACTIVE:
            raise found.odd(f"has the status {status}, which this version of check does not know")
        return _failure(f"{source.name} is {status}", subject, error, "", _NOT_ACTIVE[status])
    sync = subject.account.last_sync(source)
    if sync is None:
        return ok(f"{source.name} is {status}, and has not synchronized yet")
    outcome, error = sync.choice("status"), sync.get("error", {})
    text = f"{source.name} is {status}, its last sync of {sync['startTime']:%Y-%m-%d %H:%M} {outcome}"
    code = f"code {sync['dataSourceErrorCode']}" if sync.get("dataSourceErrorCode") else ""
    if outcome not in _SYNCS:
        raise sync.odd(f"has the status {outcome}, which this version of check does not know")
    if _SYNCS[outcome] or (outcome == "INCOMPLETE" and _hint(error, code)):
        start = aws_command("qbusiness start-data-source-sync-job", **_options(subject, source))
        return _failure(text, subject, error, code, f"when it is fixed, {start}")
    return ok(_with(text, subject, error, code))


def _failure(text: str, subject: Subject, error: Mapping[str, str], code: str, fix: str) -> Answer:
    hint = _hint(error, code)
    return problem(_with(text, subject, error, code), fix, *([hint] if hint else []))


def _with(text: str, subject: Subject, error: Mapping[str, str], code: str) -> str:
    """Add the error of Amazon Q Business to a text."""
    said = ", ".join(filter(None, (subject.stack.secrecy.error(error), code)))
    return f"{text}: {said}" if said else text


def _options(subject: Subject, source: DataSource) -> dict[str, str]:
    """Return the options of an AWS CLI command that identify a data source."""
    return {
        "application_id": subject.argument(source.application_id, "APPLICATION_ID", "application_id"),
        "index_id": subject.argument(source.index_id, "INDEX_ID", "index_id"),
        "data_source_id": source.id,
    }


def _hint(error: Mapping[str, str], code: str) -> str:
    """Explain an error that is about the role or a resource that it reads; empty for others."""
    said = f"{error.get('errorMessage', '')}, {code}"
    return next(
        (text for pattern, text in _ABOUT_THE_ROLE if re.search(pattern, said, re.IGNORECASE)), ""
    )
