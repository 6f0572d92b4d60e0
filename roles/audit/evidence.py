"""Ask what else AWS says before a difference between a role and the program's policies counts.

AWS's pages disagree with each other, a KMS grant can replace a missing Allow, and a sync shows whether
the access that a role lacks was needed.
"""

import re
from collections.abc import Sequence
from datetime import UTC
from typing import Final, NamedTuple

from botocore.exceptions import ClientError

from guardrails.iam.truth import Truth, every
from roles import ingestion
from roles.account import Account, DataSource, Role
from roles.difference import Verdict, role_statements
from roles.errors import concerns_every_call
from roles.grants import may_decrypt

_NAMES_OF_CONSOLE: Final = re.compile(
    r"arn:[\w-]+:iam::\d+:role/(?:service-role/)?QBusiness-DataSource-\*"
)
"""Matches the roles that the pages for Amazon S3 let a role pass:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/s3-v2-iam-role.html"""


class Judgment(NamedTuple):
    """What else AWS says about a difference."""

    counts: Truth
    """NO if the difference is only a remark; CANNOT_TELL if AWS does not say."""
    remark: str = ""


_COUNTS: Final = Judgment(Truth.YES)


def judge(account: Account, role: Role, verdict: Verdict, sources: Sequence[DataSource]) -> Judgment:
    """Return whether a difference counts, given the data sources that it concerns."""
    actions = {action for access in verdict.access for action in access.actions}
    targets = {target for access in verdict.access for target in access.targets}
    name = f"{verdict.policy}, {verdict.statement}"
    passes = verdict.verdict == "excess" and actions == {"iam:PassRole"}
    if passes and all(map(_NAMES_OF_CONSOLE.fullmatch, targets)):
        return Judgment(Truth.NO, f"{name}: passes roles that the console names, as AWS's page does")
    if verdict.verdict != "missing" or any(access.condition for access in verdict.access):
        return _COUNTS
    if actions == {"kms:Decrypt"}:
        return _by_grants(account, role, name, sorted(targets))
    if actions <= {*ingestion.ACTIONS} and all(map(ingestion.is_application, targets)):
        denials = (each for each in role_statements(role) if not each.allows)
        if any(each.actions.covers(action) for each in denials for action in actions):
            return _COUNTS
        return _by_sync(account, name, sources)
    return _COUNTS


def _by_grants(account: Account, role: Role, name: str, keys: Sequence[str]) -> Judgment:
    try:
        granted = every(may_decrypt(account, key, role.arn) for key in keys)
    except ClientError as error:
        if concerns_every_call(error):
            raise
        granted = Truth.CANNOT_TELL
    if granted is Truth.YES:
        return Judgment(Truth.NO, f"{name}: a KMS grant lets the role decrypt with {', '.join(keys)}")
    if granted is Truth.CANNOT_TELL:
        return Judgment(Truth.CANNOT_TELL, f"{name}: a KMS grant may let the role decrypt")
    return _COUNTS


def _by_sync(account: Account, name: str, sources: Sequence[DataSource]) -> Judgment:
    try:
        found = ingestion.read_evidence(account, sources)
    except ClientError as error:
        if concerns_every_call(error):
            raise
        found = ingestion.Evidence("the last sync could not be read")
    if found.is_denied:
        return Judgment(Truth.YES, f"{name}: {found.text}")
    return Judgment(Truth.NO, f"{name}: {ingestion.DISPUTED}: {found.text}")


class LastSync(NamedTuple):
    """The last sync of a data source whose role lacks access."""

    text: str
    failed: bool


def last_sync(account: Account, source: DataSource) -> LastSync | None:
    """Return the last sync of a data source; None if there is none, or it cannot be read."""
    try:
        sync = account.last_sync(source)
    except ClientError as error:
        if concerns_every_call(error):
            raise
        return None
    if sync is None:
        return None
    started = sync.get("startTime")
    day = f" of {started.astimezone(UTC):%Y-%m-%d}" if started else ""
    error = sync.get("error", {}).get("errorMessage")
    text = f"the last sync{day} has the status {sync['status']}{f': {error}' if error else ''}"
    return LastSync(text, sync["status"] == "FAILED")
