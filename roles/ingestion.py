"""Judge whether a role can ingest documents, on which AWS's pages disagree.

The service authorization reference says that BatchPutDocument and BatchDeleteDocument need the
application and the index. The pages of some connectors, such as Amazon S3's, grant the index alone:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_qbusiness.html and
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/s3-v2-iam-role.html
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from roles.account import Account, DataSource
from roles.arns import Arn
from roles.difference import Verdict
from roles.syncs import last_sync

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


def _of_sync(account: Account, source: DataSource) -> Evidence:
    sync = last_sync(account, source)
    if sync is None:
        return Evidence()
    if sync.status == "FAILED" and _DENIED.match(sync.error):
        return Evidence(f"the sync{sync.day} of {source.label} failed: {sync.error}", is_denied=True)
    put = sum(sync.number(each) or 0 for each in _PUT)
    text = f"the sync{sync.day} of {source.label} put {put} documents with the policies of that day"
    return Evidence(text if put else "")
