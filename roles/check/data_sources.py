"""Ask whether the data sources under the role match the settings, and have synchronized."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from botocore.exceptions import ClientError

from roles.account import DataSource
from roles.arns import Arn
from roles.aws_cli import aws_command
from roles.check.answers import Answer, not_allowed, ok, problem, skipped, unread
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
    """Ask about each data source of the index that runs under the role."""
    if subject.index is None:
        yield skipped("there is no index")
    elif subject.stack.role_arn is None:
        yield skipped("there is no role")
    elif not subject.data_sources:
        yield ok("none of the index runs under the role yet")
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
    secret_arn = subject.policies.resource("secretsmanager:GetSecretValue")
    if uses.secret_id != secret_arn and not _names(uses.secret_id, secret_arn):
        theirs, ours = (show(name or "", "secret_id") for name in (uses.secret_id, secret_arn))
        yield f"its secret is {theirs or 'none'}, but secretId is {ours or 'not set'}"
    vpc = found.get("vpcConfiguration", {})
    arns = subject.policies.resources("ec2:CreateNetworkInterface")
    settings = {Arn.of(arn).name for arn in arns}
    actual = {*vpc.get("subnetIds", ()), *vpc.get("securityGroupIds", ())}
    if actual != settings:
        theirs, ours = (
            ", ".join(show(name, "vpc_configuration") for name in sorted(names))
            for names in (actual, settings)
        )
        yield f"its VPC has {theirs or 'nothing'}, but vpcConfiguration has {ours or 'nothing'}"
    bucket = subject.stack.get("bucket_name")
    if uses.buckets and bucket not in uses.buckets:
        theirs = ", ".join(show(name, "bucket_name") for name in uses.buckets)
        ours = show(bucket or "", "bucket_name") or "not set"
        yield f"its bucket is {theirs}, but bucketName is {ours}"


def other_data_sources(subject: Subject) -> Iterator[Answer]:
    """Ask about each data source that uses the stack's secret or bucket, but another role.

    After a role is replaced, a data source names the old role until the data source is updated.
    """
    if subject.index is None:
        yield skipped("there is no index")
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
    """Ask about a data source if it uses the stack's secret or bucket, but another role."""
    if isinstance(found, OddAnswerError):
        raise found
    if found.get("roleArn") in (None, subject.stack.role_arn):
        return None
    shared = _shared(subject, find_uses(found))
    return _left_behind(subject, source, found.arn("roleArn").text, shared) if shared else None


def _left_behind(subject: Subject, source: DataSource, role_arn: str, shared: str) -> Answer:
    """Ask whether the other role of a data source exists."""
    name = Arn.of(role_arn).name
    try:
        actual = ignore_not_found(lambda: subject.account.role_arn(name))
    except ClientError as error:
        if is_denied(error):
            return not_allowed("iam:GetRole")
        raise
    shown = subject.show(role_arn)
    if actual == role_arn:
        return ok(f"{source.name} has the stack's {shared}, and runs under another role, {shown}")
    own = subject.argument(subject.stack.role_arn or "ROLE_ARN", "ROLE_ARN")
    update = aws_command("qbusiness update-data-source", **_options(subject, source), role_arn=own)
    return problem(
        f"{source.name} has the stack's {shared}, and runs under {shown}, a role that does not exist",
        update if subject.role else f"{subject.up_command}, then {update}",
    )


def _shared(subject: Subject, uses: Uses) -> str:
    """Return whether a data source uses the "secret" or "bucket" of the stack; empty if neither."""
    secret_arn = subject.policies.resource("secretsmanager:GetSecretValue")
    if secret_arn and (uses.secret_id == secret_arn or _names(uses.secret_id, secret_arn)):
        return "secret"
    return "bucket" if subject.stack.get("bucket_name") in uses.buckets else ""


def _names(secret_id: str | None, arn: str | None) -> bool:
    """Return whether a secret ID is the name in an ARN, with or without the random suffix."""
    if not secret_id or not arn:
        return False
    name = Arn.of(arn).resource.removeprefix("secret:")
    return secret_id in (name, name.rpartition("-")[0])


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
