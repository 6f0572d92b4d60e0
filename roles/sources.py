"""Read the data sources of an application."""

from collections.abc import Collection
from functools import partial
from typing import NamedTuple

from roles.account import Account, DataSource, Reply
from roles.concurrency import read_each
from roles.detection import Uses, connectors_of, find_uses
from roles.findings import Finding, attempt, note


class Source(NamedTuple):
    """A data source of an application, as read from AWS."""

    data_source: DataSource
    details: Reply
    """The response from GetDataSource; empty if the data source could not be read."""
    uses: Uses | Finding
    """The connector and resources, or a finding if they could not be read."""

    @property
    def role_arn(self) -> str:
        """The ARN of the data source's role; empty if there is no role or it is unknown."""
        return str(self.details.get("roleArn") or "")

    @property
    def fault(self) -> str:
        """The reason why the data source's requests are unknown; empty if they are known."""
        if isinstance(self.uses, Finding) or connectors_of(self.uses.type):
            return self.uses.text if isinstance(self.uses, Finding) else ""
        of_type = f"has the type {self.uses.type}, for which this program has no connector"
        return f"data source {self.data_source.label} {of_type}"


def read_sources(account: Account, application_id: str) -> list[Source]:
    """Read the application's data sources."""
    read, listed = partial(read_source, account), [*account.data_sources(application_id)]
    return read_each(read, listed, account.notes, "data sources")


def read_source(account: Account, listed: DataSource, *, raises: Collection[str] = ()) -> Source:
    """Read a data source; `uses` is a note if the data source was deleted after it was listed.

    Raises errors about the credentials, and those with the codes in `raises`.
    """
    details = attempt(lambda: account.data_source(listed), note(listed.deleted), raises=raises)
    if isinstance(details, Finding):
        return Source(listed, {}, details)
    return Source(listed, details, attempt(lambda: find_uses(details)))
