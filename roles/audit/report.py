"""Put the audits of one or several accounts together in one report, the most severe first."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from components.formats import SUPPORTED_REGIONS
from roles.arns import Arn
from roles.audit.accepted import Acceptance
from roles.audit.severity import INVALID
from roles.audit.survey import DataSourceResult, Outcome, RoleResult, Survey, severity
from roles.audit.unused import UnusedRole

UNAVAILABLE: Final = (
    f"Amazon Q Business is not available there; it is available in {', '.join(SUPPORTED_REGIONS)}"
)


class Report(NamedTuple):
    """The results for all accounts."""

    surveys: tuple[Survey, ...]
    regions: tuple[str, ...]
    caller: str
    """The ARN of the caller."""
    date: datetime
    unmatched: tuple[Acceptance, ...] = ()
    """The accepted findings of these accounts that were not found."""
    stack: str = ""
    """The stack whose entries are shown; empty if no stack is specified."""
    unavailable: tuple[str, ...] = ()
    """The chosen Regions in which Amazon Q Business is not available."""

    @property
    def data_sources(self) -> list[DataSourceResult]:
        """The data sources of all accounts, in order of severity."""
        return sorted((each for found in self.surveys for each in found.data_sources), key=severity)

    @property
    def roles(self) -> list[RoleResult]:
        """The roles of all data sources, in order of severity."""
        return sorted((each for found in self.surveys for each in found.roles), key=severity)

    @property
    def unused(self) -> list[UnusedRole]:
        """The roles that no data source uses."""
        return [role for found in self.surveys for role in found.unused]

    @property
    def skipped(self) -> list[str]:
        """The accounts, Regions, and applications that could not be read, each with the reason."""
        return [
            *(f"{region}: {UNAVAILABLE}" for region in self.unavailable),
            *(f"account {found.account}: {found.failure}" for found in self.surveys if found.failure),
            *(self._named(found, text) for found in self.surveys for text in found.skipped),
        ]

    @property
    def denied(self) -> list[str]:
        """The actions that were not allowed, except in the search for unused roles."""
        return [self._named(found, action) for found in self.surveys for action in found.denied]

    @property
    def unlisted(self) -> list[str]:
        """The reasons why the search for unused roles failed."""
        return [self._named(found, found.unlisted) for found in self.surveys if found.unlisted]

    @property
    def total(self) -> str:
        """The number of data sources and the number of roles, as text."""
        data_sources, roles = len(self.data_sources), len(self.roles)
        return (
            f"{data_sources} data source{'s' * (data_sources != 1)} with "
            f"{roles} role{'s' * (roles != 1)}"
        )

    @property
    def place(self) -> str:
        """The Regions and the account, or the number of accounts."""
        first, *others = self.surveys
        accounts = f"{len(self.surveys)} accounts" if others else f"account {first.account}"
        return f"{', '.join(self.regions)}, {accounts}"

    @property
    def summary(self) -> str:
        """The `total`, the `place`, and the number of data sources in each state that occurs."""
        counts = [f"{count} {state}" for state, count in self.counts().items() if count]
        failed = sum(bool(found.failure) for found in self.surveys)
        counts += [f"{failed} account{'s' * (failed != 1)} not compared"] if failed else []
        return f"{self.total} in {self.place}{': ' * bool(counts)}{', '.join(counts)}"

    def users(self) -> dict[tuple[str, str], list[DataSourceResult]]:
        """Return the data sources, grouped by their account and the ARN of their role."""
        found: dict[tuple[str, str], list[DataSourceResult]] = {}
        for result in self.data_sources:
            found.setdefault((result.account, result.role_arn), []).append(result)
        return found

    def _cells(self) -> Iterator[tuple[DataSourceResult, list[str]]]:
        users, roles = self.users(), {(role.account, role.arn): role for role in self.roles}
        for result in self.data_sources:
            key = (result.account, result.role_arn)
            role = roles.get(key)
            connector = result.connector or f"({result.data_source.type})"
            entry = [role.entry if role else ""] if self.stack else []
            used_by = str(len(users[key])) if role else ""
            last_used = role.last_used if role else ""
            yield result, [connector, Arn.of(result.role_arn).name, *entry, used_by, last_used]

    def by_index(self) -> list[list[tuple[DataSourceResult, list[str]]]]:
        """Return the data sources with their cells in the table, grouped by index.

        The cells are the connector, the role's name, its entry if a stack is specified, the number of
        data sources that use the role, and the day of its last use. The group with the most severe
        result is first.
        """
        groups: dict[tuple[str, ...], list[tuple[DataSourceResult, list[str]]]] = {}
        for result, cells in self._cells():
            place = result.data_source
            key = (result.account, result.region, place.application_id, place.index_id)
            groups.setdefault(key, []).append((result, cells))
        return [*groups.values()]

    def title(self, result: DataSourceResult) -> tuple[str, str, str]:
        """Return the labels of a data source's application and index, and text with its place.

        The place has the Region and the account, each only if there are several.
        """
        source = result.data_source
        places = [
            *([result.region] if len(self.regions) > 1 else []),
            *([f"account {result.account}"] if len(self.surveys) > 1 else []),
        ]
        place = f" in {', '.join(places)}" if places else ""
        return source.application_label, source.index_label, place

    def counts(self) -> dict[Outcome, int]:
        """Return the number of data sources in each state."""
        states = [result.state for result in self.data_sources]
        return {state: states.count(state) for state in Outcome}

    def _named(self, found: Survey, text: str) -> str:
        """Return text with its account, if there are several."""
        return f"account {found.account}: {text}" if len(self.surveys) > 1 else text


def find_unmatched(acceptances: Sequence[Acceptance], surveys: Sequence[Survey]) -> Iterator[Acceptance]:
    """Find the acceptances for these accounts that match no finding."""
    accounts = {found.account for found in surveys if not found.failure}
    verdicts = [
        (role.arn, each)
        for found in surveys
        for role in found.roles
        for verdict in (*role.differences, *(verdict for verdict, _ in role.accepted))
        # An acceptance of excess access does not cover a dangerous statement, but a remark names it.
        for each in (verdict, verdict._replace(danger=""))
    ]
    faulty = [each for found in surveys for each in found.data_sources if each.fault]
    for acceptance in acceptances:
        if acceptance.finding == INVALID:
            is_found = any(acceptance.covers(each.data_source.id) for each in faulty)
        else:
            is_found = acceptance.account not in accounts
            is_found = is_found or any(acceptance.matches(*each) for each in verdicts)
        if not is_found:
            yield acceptance
