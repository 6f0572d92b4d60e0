"""Format an audit's records as text, Markdown, CSV, and JSON, the most severe first."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from roles.account import DataSource, Role
from roles.arns import Arn
from roles.audit.records import ACCEPTED, OUTCOMES, RESULTS, Record
from roles.audit.survey import Reading
from roles.audit.unused import day
from roles.output import Line, Part, Row, Table, plain

_HEAD: Final = ("DATA SOURCE", "CONNECTOR", "ROLE", "USED BY", "LAST USED", "RESULT")
_COLORS: Final = ("red",) * 4 + ("yellow",) * 2 + ("", "green", "")
"""The colors of RESULTS."""
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The characters with which a formula begins, also of full width.
https://owasp.org/www-community/attacks/CSV_Injection"""


class Result(NamedTuple):
    """The result for a data source."""

    reading: Reading
    records: Sequence[Record]
    """Those about the data source; at least one."""

    @property
    def state(self) -> str:
        """The most severe result of its records."""
        return min((each.result for each in self.records), key=RESULTS.index)

    @property
    def severity(self) -> tuple[int, bool]:
        """Sorts by the state, and puts failed syncs first."""
        return RESULTS.index(self.state), min(each.severity[1] for each in self.records)

    @property
    def text(self) -> str:
        """The number of findings of each kind, or the state."""
        kinds = Counter(ACCEPTED if each.until else each.kind for each in self.records if each.id)
        counts = [f"{kinds[kind]} {kind}" for kind in (*OUTCOMES, ACCEPTED) if kinds[kind]]
        is_unread = any(each.kind == "not compared" for each in self.records)
        return ", ".join([*counts, *(["not completely compared"] * is_unread)]) or self.state

    @property
    def key(self) -> tuple[str, str]:
        """The account, and the ARN of the role."""
        return self.reading.survey.id, self.reading.role_arn

    def document(self) -> dict[str, str]:
        """Return the data source's entry in the JSON document."""
        source, view = self.reading.data_source, self.reading.view
        return {
            **source.document(),
            "account": self.reading.survey.id,
            "region": source.region,
            "application": source.application_label,
            "index": source.index_label,
            "connector": view.users[0][1].connector.name if view else f"({source.type})",
            "role": self.reading.role_arn,
            "lastUsed": day(view.role.last_used) if view and isinstance(view.role, Role) else "",
            "state": self.state,
            "result": self.text,
        }


class Report(NamedTuple):
    """The results for all accounts."""

    head: Mapping[str, str]
    """The date, the ARN of the caller, the version of the program, and the place."""
    results: Sequence[Result]
    records: Sequence[Record]
    """Also those about no data source; the most severe first."""

    def parts(self) -> Iterator[Part]:
        """Yield the findings by role, what is accepted, the unused roles, and the table."""
        yield Line("audit of {date} by {caller}, qbusiness-roles {version}".format(**self.head), 2)
        yield Line(self._summary(), 2)
        groups = defaultdict[tuple[str, str], list[Record]](list)
        for each in self.records:
            if not each.until and (each.id or each.kind in ("not compared", "note")):
                groups[each.account, _subject(each)].append(each)
        for (account, subject), records in groups.items():
            key = account, records[0].role
            users = [each.reading.data_source for each in self.results if each.key == key and key[1]]
            yield from ("", f"{subject}:" if users else f"account {account}, {subject}:")
            yield from (f"  used by {each.label}" for each in users)
            for each in records:
                yield from _lines(each, users)
        if accepted := [each for each in self.records if each.until]:
            yield from ("", "accepted:")
        for each in accepted:
            yield Line(f"  {each.id} {each.kind}: {_subject(each)}: {each.text}", 4)
            yield Line(f"      until {each.until}: {each.reason}", 6)
        if unused := [each for each in self.records if each.kind == "unused"]:
            yield from ("", "not used by a data source (docs/audit.md lists what else can use a role):")
        yield from (f"  {each.role}: {each.text}" for each in unused)
        yield from self._table()

    def _summary(self) -> str:
        """Return the number of data sources and roles, the place, and the number of each state."""
        sources, roles = len(self.results), len({each.key for each in self.results if each.key[1]})
        states = ", ".join(f"{number} {each}" for each, number in self._states().items() if number)
        total = f"{sources} data source{'s' * (sources != 1)} with {roles} role{'s' * (roles != 1)}"
        return f"{total} in {self.head['place']}{': ' * bool(states)}{states}"

    def _states(self) -> dict[str, int]:
        found = Counter(each.state for each in self.results)
        return {each: found[each] for each in RESULTS}

    def _table(self) -> Iterator[Part]:
        """Yield the table of the data sources, grouped by index; the most severe are first."""
        groups = defaultdict[str, list[Row]](list)
        users = Counter(each.key for each in self.results)
        for each in self.results:
            its = each.document()
            used_by = str(users[each.key]) if its["role"] else ""
            cells = (its["displayName"], its["connector"], Arn.of(its["role"]).name, used_by)
            title = "account {account}, {region}, application {application}, index {index}"
            color = _COLORS[RESULTS.index(each.state)]
            groups[title.format(**its)].append(Row((*cells, its["lastUsed"], its["result"]), color))
        if groups:
            yield from ("", Table(_HEAD, [*groups.items()]))

    def markdown(self) -> Iterator[str]:
        """Yield the text's lines in a code block, which they cannot end."""
        yield "~~~text"
        for part in self.parts():
            yield from (line.replace("~~~", "---") for line in plain(part))
        yield "~~~"

    def rows(self) -> Iterator[list[str]]:
        """Yield a header, and a row for each record."""
        yield [*self.head, *self._entries(Record("note", ""))]
        for each in self.records:
            yield [*map(_cell, (*self.head.values(), *self._entries(each).values()))]

    def document(self) -> dict[str, object]:
        """Return the JSON document."""
        return {
            **self.head,
            "states": self._states(),
            "dataSources": [each.document() for each in self.results],
            "findings": [*map(self._entries, self.records)],
        }

    def _entries(self, record: Record) -> dict[str, str | Sequence[str]]:
        """Return a record for CSV and JSON."""
        return {
            "id": record.id,
            "kind": record.kind,
            "account": record.account,
            "regions": [*dict.fromkeys(each.region for each in record.sources)],
            "applications": [*dict.fromkeys(each.application_label for each in record.sources)],
            "dataSources": [each.id for each in record.sources],
            "names": [each.name for each in record.sources],
            "types": [*dict.fromkeys(each.type for each in record.sources)],
            "role": record.role,
            "policy": record.policy,
            "text": record.text,
            "details": record.details,
            "lastSyncs": record.syncs,
            "until": record.until,
            "reason": record.reason,
        }


def _subject(record: Record) -> str:
    labels = ", ".join(each.label for each in record.sources)
    return record.role or (f"data source {labels}" if labels else "which could not be read completely")


def _lines(record: Record, users: Sequence[DataSource]) -> Iterator[Part]:
    yield Line(f"  {record.id}{' ' * bool(record.id)}{record.kind}: {record.text}", 4)
    yield from (Line(f"      {each}", 8) for each in (*record.details, *record.syncs))
    if len(record.sources) < len(users):
        yield Line(f"      for {', '.join(each.label for each in record.sources)}", 10)


def _cell(value: str | Iterable[str]) -> str:
    """Return a cell, which is printable, and which no spreadsheet takes for a formula."""
    text = value if isinstance(value, str) else "; ".join(value)
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
