"""Judge whether a role can ingest documents, on which AWS's pages disagree.

The service authorization reference says that BatchPutDocument and BatchDeleteDocument need the
application and the index. The pages of some connectors, such as Amazon S3's, grant the index alone:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_qbusiness.html and
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/s3-v2-iam-role.html
"""

import re
from collections.abc import Iterable
from datetime import UTC
from typing import Final, NamedTuple

from roles.account import Account, DataSource, Reply
from roles.arns import Arn
from roles.difference import Verdict

ACTIONS: Final = ("qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument")
DISPUTED: Final = (
    "AWS's pages disagree on whether ingestion needs access to the application, in addition to the index"
)
_PUT: Final = ("documentsAdded", "documentsModified")
_DENIED: Final = re.compile(
    r"(?!.*/index/).*qbusiness:Batch(?:Put|Delete)Document", re.IGNORECASE | re.DOTALL
)
"""Matches an error that denies either action, but not on the index.

The error of a throttled call does not contain `qbusiness:`.
"""


class Evidence(NamedTuple):
    """What the last sync of a data source says about ingestion."""

    text: str = ""
    """Empty if it says nothing."""
    is_denied: bool = False
    """Whether the sync failed with an error that denies ingestion."""


def is_disputed(verdict: Verdict) -> bool:
    """Return whether a role lacks ingestion into the application alone."""
    accesses = verdict.access
    actions = {action for access in accesses for action in access.actions}
    targets = [target for access in accesses for target in access.targets]
    is_missing = verdict.verdict == "missing" and not any(access.condition for access in accesses)
    return is_missing and actions <= {*ACTIONS} and all(map(is_application, targets))


def is_application(arn: str) -> bool:
    """Return whether an ARN identifies an application, and nothing in it."""
    return Arn.of(arn).resource.count("/") == 1


def read_evidence(account: Account, sources: Iterable[DataSource]) -> Evidence:
    """Return the evidence from the last sync of each data source; a denial outweighs the others.

    Raises the errors of ListDataSourceSyncJobs.
    """
    found = [each for source in sources if (each := _of_sync(account, source)).text]
    return max(found, key=lambda each: each.is_denied, default=Evidence("no sync has settled it"))


def day_of(sync: Reply) -> str:
    """Return the day of a sync job, such as ` of 2026-11-01`; empty if it has no start time."""
    started = sync.get("startTime")
    return f" of {started.astimezone(UTC):%Y-%m-%d}" if started else ""


def _of_sync(account: Account, source: DataSource) -> Evidence:
    sync = account.last_sync(source) or {"status": ""}
    day = day_of(sync)
    message = str(sync.get("error", {}).get("errorMessage", ""))
    if sync["status"] == "FAILED" and _DENIED.match(message):
        return Evidence(f"the sync{day} of {source.label} failed: {message}", is_denied=True)
    numbers = [str(sync.get("metrics", {}).get(name, "")) for name in _PUT]
    put = sum(int(number) for number in numbers if number.isdecimal())
    if not put:
        return Evidence()
    text = f"the sync{day} of {source.label} put {put} documents with the policies of that day"
    return Evidence(text)
