"""Format an audit's records, the most severe first, as text, Markdown, CSV, or JSON."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from roles.account import DataSource, Role
from roles.arns import Arn
from roles.audit.records import ACCEPTED, OUTCOMES, RESULTS, Record
from roles.audit.survey import Reading, Survey
from roles.output import Line, Part, Table

_HEAD: Final = ("DATA SOURCE", "CONNECTOR", "ROLE", "USED BY", "LAST USED", "RESULT")
_FORMULA: Final = re.compile('((?:^|;)[ "]*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])')
"""The text before a character, perhaps a full-width one, with which a spreadsheet's formula begins.

In some locales, semicolons separate a spreadsheet's cells, even between a CSV cell's quotation marks.
https://owasp.org/www-community/attacks/CSV_Injection"""


Head = Mapping[str, str]
"""The date, the caller's ARN, the program's version, and the audited Regions and accounts."""
Results = Sequence[Mapping[str, str]]
"""The data sources' entries in the JSON document, the most severe first."""


def results_of(surveys: Iterable[Survey], records: Iterable[Record]) -> Results:
    """Return the data sources' results, derived from the records."""
    of_source = defaultdict[DataSource, list[Record]](list)
    for record in records:
        for each in record.sources:
            of_source[each].append(record)
    readings = [each for its in surveys for each in its.readings]
    readings.sort(key=lambda each: of_source[each.source.data_source][0].severity)
    entries = (_result(of_source[each.source.data_source], each) for each in readings)
    return sorted(entries, key=lambda each: RESULTS.index(each["state"]))


def document(head: Head, results: Results, records: Iterable[Record]) -> dict[str, object]:
    """Return the JSON document."""
    return {
        **head,
        "states": Counter(each["state"] for each in results),
        "dataSources": results,
        "findings": [*map(_entries, records)],
    }


def rows(head: Head, records: Iterable[Record]) -> Iterator[list[str]]:
    """Yield a header, and then a row for each record."""
    yield [*head, *_entries(Record("note", ""))]
    for record in records:
        yield [*map(_format_cell, (*head.values(), *_entries(record).values()))]


def parts(head: Head, results: Results, records: Iterable[Record]) -> Iterator[Part]:
    """Yield the records, grouped by role, and the table of data sources."""
    yield Line("audit of {date} by {caller}, qbusiness-roles {version}".format(**head), 2)
    states = Counter(each["state"] for each in results)  # in order of severity, like the results
    counts = ", ".join(f"{number} {each}" for each, number in states.items())
    yield Line(f"data sources in {head['place']}: {counts or 'none'}", 2)
    groups = defaultdict[tuple[str, str], list[Record]](list)
    for each in records:
        if each.text:
            groups[each.account, _subject(each)].append(each)
    for (account, subject), its in groups.items():
        users = [each for each in results if its[0].role and each["role"] == its[0].role]
        yield from ("", f"{subject}:" if its[0].role else f"account {account}, {subject}:")
        yield from (f"  used by {each['displayName']} {each['dataSourceId']}" for each in users)
        for each in its:
            yield from _lines(each, is_some=len(each.sources) < len(users))
    if results:
        yield from ("", _table(results))


def _table(results: Results) -> Table:
    """Return the table of the data sources, grouped by index."""
    groups = defaultdict[str, list[Sequence[str]]](list)
    users = Counter(each["role"] for each in results)
    for each in results:
        used_by = str(users[each["role"]]) if each["role"] else ""
        cells = (each["displayName"], each["connector"], Arn.of(each["role"]).name, used_by)
        title = "account {account}, {region}, application {application}, index {index}"
        groups[title.format(**each)].append((*cells, each["lastUsed"], each["result"]))
    return Table(_HEAD, [*groups.items()])


def _result(records: Sequence[Record], reading: Reading) -> dict[str, str]:
    """Return a data source's entry in the JSON document."""
    source, view = reading.source.data_source, reading.view
    state = min((each.result for each in records), key=RESULTS.index)
    used = view.role.last_used if view and isinstance(view.role, Role) else None
    kinds = Counter(ACCEPTED if each.until else each.kind for each in records if each.id)
    counts = [f"{kinds[kind]} {kind}" for kind in (*OUTCOMES, ACCEPTED) if kinds[kind]]
    counts += ["not completely compared"] if any(each.kind == "not compared" for each in records) else []
    return {
        **source.document(),
        "account": reading.survey.id,
        "region": source.region,
        "application": source.application_label,
        "index": source.index_label,
        "connector": view.users[0][1].connector.name if view else f"({source.type})",
        "role": reading.source.role_arn,
        "lastUsed": f"{used:%Y-%m-%d}" if used else "none" * bool(view and isinstance(view.role, Role)),
        "state": state,
        "result": ", ".join(counts) or state,
    }


def _entries(record: Record) -> dict[str, str | Sequence[str]]:
    """Return a record's fields for CSV and JSON."""
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
    return record.role or (f"data source {labels}" if labels else "which was not read completely")


def _lines(record: Record, *, is_some: bool) -> Iterator[Line]:
    """Yield a record's lines; `is_some` means that the record omits some of the role's data sources."""
    accepted = f", accepted until {record.until}: {record.reason}" if record.until else ""
    yield Line(f"  {record.id}{' ' * bool(record.id)}{record.kind}: {record.text}{accepted}", 4)
    labels = [f"for {', '.join(each.label for each in record.sources)}"] if is_some else []
    yield from (Line(f"      {each}", 8) for each in (*record.details, *record.syncs, *labels))


def _format_cell(value: str | Iterable[str]) -> str:
    """Return a printable cell with an apostrophe wherever a spreadsheet would begin a formula."""
    text = value if isinstance(value, str) else "; ".join(value)
    printable = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
    return _FORMULA.sub(r"\1'", printable)
