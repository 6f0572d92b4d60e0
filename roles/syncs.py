"""Read the last sync of a data source."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from roles.account import Account, DataSource


class Sync(NamedTuple):
    """A sync job of a data source."""

    status: str
    started: datetime | None
    """A job may lack its start time."""
    error: str
    metrics: Mapping[str, Any]

    @property
    def text(self) -> str:
        """When it started, its status, and its error."""
        at = f", at {self.started.astimezone(UTC):%Y-%m-%d %H:%M} UTC," if self.started else ""
        return f"last sync{at} has the status {self.status}{': ' * bool(self.error)}{self.error}"

    @property
    def day(self) -> str:
        """The day, such as ` of 2026-11-01`; empty if it has no start time."""
        return f" of {self.started.astimezone(UTC):%Y-%m-%d}" if self.started else ""

    def number(self, metric: str) -> int | None:
        """Return a metric, which AWS gives as text; None if it is unknown."""
        found = str(self.metrics.get(metric, ""))
        return int(found) if found.isdecimal() else None


def last_sync(account: Account, source: DataSource) -> Sync | None:
    """Return the sync job that started last; None if there is none.

    A job without a start time counts as the oldest.
    """
    jobs = account.syncs(source)
    oldest = datetime.min.replace(tzinfo=UTC)
    job = max(jobs, key=lambda job: job.get("startTime", oldest), default=None)
    if job is None:
        return None
    error = job.get("error", {}).get("errorMessage") or job.get("dataSourceErrorCode") or ""
    return Sync(job["status"], job.get("startTime"), error, job.get("metrics", {}))
