"""Read the last sync of a data source, and interpret its error and its counts of documents."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from roles.account import Account, DataSource
from roles.arns import Arn
from roles.errors import unknown_status
from roles.findings import Finding, note, ok, problem, unread

_FINISHED: Final = ("SUCCEEDED", "SYNCING", "SYNCING_INDEXING")
_UNFINISHED: Final = ("INCOMPLETE", "STOPPING", "ABORTED")

_ARN: Final = re.compile(r"\barn:[^\s,;\"'<>()\[\]]+")
"""Matches an ARN. Names in an ARN, such as `qbusiness-s3-docs`, do not indicate the cause."""
_TOPICS: Final = (
    (r"\blogs?\b.?(?:group|stream)|\blogs:|cloudwatch", "the application's role, which writes logs"),
    (r"kms|decrypt", "the key"),
    (r"secret", "the secret"),
    (r"network interface|subnet|security group|\bvpc\b|\beni\b", "the VPC"),
    (r"\bs3\b|bucket", "the bucket"),
    (r"assume|trust", "the trust policy"),
    (r"access ?denied|not authori[sz]ed|unauthori[sz]ed|permission|\brole\b", "the role"),
)
"""Patterns for errors of data sources and syncs, with their likely causes, the most specific first."""
INGESTION: Final = ("qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument")
"""The actions for which AWS's pages specify different resources.

The service authorization reference lists both the application and the index. On the pages of some
connectors, such as Amazon S3, the policies allow the actions only on the index:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_qbusiness.html and
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/s3-v2-iam-role.html"""
_PUT: Final = ("documentsAdded", "documentsModified")
_DENIED: Final = re.compile(
    r"(?!.*/index/).*qbusiness:Batch(?:Put|Delete)Document", re.IGNORECASE | re.DOTALL
)
"""Matches an error that denies either action, but not on the index.

The error of a throttled call does not contain `qbusiness:`.
"""


class Sync(NamedTuple):
    """A sync job of a data source."""

    status: str
    started: datetime | None
    """The start time; None if AWS does not return one."""
    error: str
    metrics: Mapping[str, Any]

    @property
    def text(self) -> str:
        """A description that contains the start time, the status, and the error."""
        at = f", at {self.started.astimezone(UTC):%Y-%m-%d %H:%M} UTC," if self.started else ""
        return f"last sync{at} has the status {self.status}{': ' * bool(self.error)}{self.error}"

    @property
    def day(self) -> str:
        """A phrase with the start date, such as ` of 2026-11-01`; empty if the start time is unknown."""
        return f" of {self.started.astimezone(UTC):%Y-%m-%d}" if self.started else ""

    def number(self, metric: str) -> int | None:
        """Return a metric, which AWS returns as a string; None if the metric is unknown."""
        found = str(self.metrics.get(metric, ""))
        return int(found) if found.isdecimal() else None


def last_sync(account: Account, source: DataSource) -> Sync | None:
    """Return the sync job that started last; None if there is none.

    A job without a start time counts as the oldest.
    """
    jobs = account.items("qbusiness:ListDataSourceSyncJobs", *source.ids.values())
    oldest = datetime.min.replace(tzinfo=UTC)
    job = max(jobs, key=lambda job: job.get("startTime", oldest), default=None)
    if job is None:
        return None
    error = job.get("error", {}).get("errorMessage") or job.get("dataSourceErrorCode") or ""
    return Sync(job["status"], job.get("startTime"), error, job.get("metrics", {}))


def _topic(error: str) -> str:
    """Return the likely topic of an error; empty if the topic is unknown."""
    said = _ARN.sub("", error)
    return next((about for pattern, about in _TOPICS if re.search(pattern, said, re.IGNORECASE)), "")


def hint(error: str) -> list[str]:
    """Return a detail about the likely cause of an error; empty if the cause is unknown."""
    return [f"the error may be about {about}"] if (about := _topic(error)) else []


def judge(text: str, sync: Sync | None) -> Finding:
    """Return the finding about a data source's last sync; `text` contains the data source's status."""
    if sync is None:
        return ok(f"{text}, but has not synced yet")
    outcome, said = sync.status, f"{text}; its {sync.text}"
    if outcome not in (*_FINISHED, *_UNFINISHED, "FAILED"):
        return unread(unknown_status("qbusiness:ListDataSourceSyncJobs", outcome))
    if outcome == "FAILED" or (outcome in _UNFINISHED and _topic(sync.error)):
        return problem(said, "", *hint(sync.error))
    failed, scanned = map(sync.number, ("documentsFailed", "documentsScanned"))
    if outcome in _UNFINISHED:
        return note(f"{said}: the index may lack documents")
    if outcome == "SUCCEEDED" and (failed or scanned == 0):
        return note(f"{said}; documents scanned: {scanned}, failed: {failed}")
    return ok(said)


class Evidence(NamedTuple):
    """The evidence about ingestion from the last sync of a data source."""

    text: str = ""
    """A description of the evidence; empty if there is none."""
    is_denied: bool = False
    """Whether the sync failed with an error that denies ingestion."""


def is_application(arn: str) -> bool:
    """Return whether an ARN identifies an application, not a resource in an application."""
    return Arn.of(arn).resource.count("/") == 1


def read_evidence(account: Account, sources: Iterable[DataSource]) -> Evidence:
    """Return evidence, preferably of a denial, from the last sync of one of the data sources.

    Raises the errors of ListDataSourceSyncJobs.
    """
    found = [each for source in sources if (each := _of_sync(account, source)).text]
    return max(found, key=lambda each: each.is_denied, default=Evidence("no sync provides evidence"))


def _of_sync(account: Account, source: DataSource) -> Evidence:
    sync = last_sync(account, source)
    if sync is None:
        return Evidence()
    if sync.status == "FAILED" and _DENIED.match(sync.error):
        return Evidence(f"the sync{sync.day} of {source.label} failed: {sync.error}", is_denied=True)
    put = sum(sync.number(each) or 0 for each in _PUT)
    text = (
        f"the sync{sync.day} of {source.label} ingested {put} documents under the policies at the time"
    )
    return Evidence(text if put else "")
