"""Ask whether the data sources under the role are as the settings say, and did synchronize."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from roles.account import DataSource
from roles.check.answers import Answer, ok, problem, skipped
from roles.check.subject import Subject
from roles.connector import find_uses

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
"""What an error of a sync that fits is about, the most specific first."""


def data_sources(subject: Subject) -> Iterator[Answer]:
    """Ask about each data source of the index that runs under the role."""
    if subject.index is None:
        yield skipped("there is no index")
    elif not subject.data_sources:
        yield ok("none runs under the role yet")
    for source, found in subject.data_sources:
        for answer in _about(subject, source, found):
            yield answer._replace(subject=source.id)


def _about(subject: Subject, source: DataSource, found: Mapping[str, Any]) -> Iterator[Answer]:
    """Compare one data source with the settings, and look at its last sync."""
    if different := [*_differences(subject, found)]:
        yield problem(
            f"{source.name} uses what the settings do not name",
            f"set the same in the stack's configuration and the data source, then {subject.up_command}",
            *different,
        )
    yield _status(subject, source, found)


def _differences(subject: Subject, found: Mapping[str, Any]) -> Iterator[str]:
    uses = find_uses(found)
    connector = subject.stack.connector
    if uses.type.upper() not in connector.types.split():
        yield f"its type is {uses.type}, and the connector {connector.name} is of type {connector.types}"
    secret_arn = subject.policies.resource("secretsmanager:GetSecretValue")
    if uses.secret_id != secret_arn and not _names(uses.secret_id, secret_arn):
        yield f"its secret is {uses.secret_id or 'none'}, and secretId {secret_arn or 'not set'}"
    vpc = found.get("vpcConfiguration") or {}
    arns = subject.policies.resources("ec2:CreateNetworkInterface")
    settings = {arn.rpartition("/")[2] for arn in arns}
    actual = {*vpc.get("subnetIds", ()), *vpc.get("securityGroupIds", ())}
    if actual != settings:
        yield (
            f"its VPC has {', '.join(sorted(actual)) or 'nothing'}, and vpcConfiguration "
            f"{', '.join(sorted(settings)) or 'is not set'}"
        )
    bucket = subject.stack.get("bucket_name")
    if uses.buckets and bucket not in uses.buckets:
        yield f"its bucket is {', '.join(uses.buckets)}, and bucketName {bucket or 'not set'}"


def _names(secret_id: str | None, arn: str | None) -> bool:
    """Return whether a data source names the secret without its ARN."""
    if not secret_id or not arn:
        return False
    resource = arn.split(":", 6)[6]
    return secret_id in (resource, resource.rpartition("-")[0])


def _status(subject: Subject, source: DataSource, found: Mapping[str, Any]) -> Answer:
    """Tell the state of a data source and of its last sync."""
    state, error = str(found.get("status", "")), found.get("error", {}).get("errorMessage", "")
    if state == "FAILED":
        return _failure(f"{source.name} is FAILED", error, "update or create the data source again")
    sync = subject.account.last_sync(source)
    if sync is None:
        return ok(f"{source.name} is {state}, and has not synchronized yet")
    error = sync.get("error", {}).get("errorMessage", "")
    code = sync.get("dataSourceErrorCode")
    said = ", ".join(filter(None, (error, f"code {code}" if code else "")))
    text = f"{source.name} is {state}, its last sync of {sync['startTime']:%Y-%m-%d %H:%M} "
    if sync["status"] == "FAILED" or (sync["status"] == "INCOMPLETE" and _hint(said)):
        start = (
            f"aws qbusiness start-data-source-sync-job --application-id {source.application_id} "
            f"--index-id {source.index_id} --data-source-id {source.id}"
        )
        return _failure(f"{text}{sync['status']}", said, f"when it is fixed, {start}")
    return ok(f"{text}{sync['status']}{f': {said}' if said else ''}")


def _failure(text: str, said: str, fix: str) -> Answer:
    hint = _hint(said)
    return problem(f"{text}: {said}" if said else text, fix, *([hint] if hint else []))


def _hint(said: str) -> str:
    """Explain an error if it is about the role, or what the role reaches."""
    return next(
        (text for pattern, text in _ABOUT_THE_ROLE if re.search(pattern, said, re.IGNORECASE)), ""
    )
