"""Judge the last sync of a data source, and say what its error may be about."""

import re
from datetime import UTC
from typing import Final

from roles.account import Reply
from roles.errors import unknown_status
from roles.findings import Finding, note, ok, problem, unread

_FINISHED: Final = ("SUCCEEDED", "SYNCING", "SYNCING_INDEXING")
_UNFINISHED: Final = ("INCOMPLETE", "STOPPING", "ABORTED")

_ARN: Final = re.compile(r"\barn:[^\s,;\"'<>()\[\]]+")
"""Matches an ARN. Names in it, such as `qbusiness-s3-docs`, do not indicate the cause."""
_TOPICS: Final = (
    (r"\blogs?\b.?(?:group|stream)|\blogs:|cloudwatch", "the application's role, which writes logs"),
    (r"kms|decrypt", "the key"),
    (r"secret", "the secret"),
    (r"network interface|subnet|security group|\bvpc\b|\beni\b", "the VPC"),
    (r"\bs3\b|bucket", "the bucket"),
    (r"assume|trust", "the trust policy"),
    (r"access ?denied|not authori[sz]ed|unauthori[sz]ed|permission|\brole\b", "the role"),
)
"""Patterns for errors of data sources and syncs, and what they are about; the most specific first."""


def _topic(error: str) -> str:
    """Return the role or resource that an error may be about; empty for other errors."""
    said = _ARN.sub("", error)
    return next((about for pattern, about in _TOPICS if re.search(pattern, said, re.IGNORECASE)), "")


def hint(error: str) -> list[str]:
    """Return the detail that says what an error may be about, if that is known."""
    return [f"the error may be about {about}"] if (about := _topic(error)) else []


def judge(text: str, sync: Reply | None) -> Finding:
    """Return the finding about a data source's last sync; `text` says how the data source is."""
    if sync is None:
        return ok(f"{text}, but has not synced yet")
    outcome, metrics, started = sync["status"], sync.get("metrics", {}), sync.get("startTime")
    at = f", at {started.astimezone(UTC):%Y-%m-%d %H:%M} UTC," if started else ""
    error = sync.get("error", {}).get("errorMessage") or sync.get("dataSourceErrorCode") or ""
    said = f"{text}; its last sync{at} has the status {outcome}{': ' * bool(error)}{error}"
    if outcome not in (*_FINISHED, *_UNFINISHED, "FAILED"):
        return unread(unknown_status("qbusiness:ListDataSourceSyncJobs", outcome))
    if outcome == "FAILED" or (outcome in _UNFINISHED and _topic(error)):
        return problem(said, "", *hint(error))
    numbers = [str(metrics.get(each, "")) for each in ("documentsFailed", "documentsScanned")]
    failed, scanned = (int(each) if each.isdecimal() else None for each in numbers)
    if outcome in _UNFINISHED:
        return note(f"{said}: the index may lack documents")
    if outcome == "SUCCEEDED" and (failed or scanned == 0):
        return note(f"{said}; documents scanned: {scanned}, failed: {failed}")
    return ok(said)
