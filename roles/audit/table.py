"""Format an audit's result as text: a table, and the statements that differ from the program's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from roles.account import DataSource
from roles.audit.report import Report
from roles.audit.severity import LABELS, kind_of
from roles.audit.survey import Outcome
from roles.difference import Verdict
from roles.output import Line, Part, Row, Table

_HEAD: Final = ("DATA SOURCE", "CONNECTOR", "ROLE", "ENTRY", "USED BY", "LAST USED", "RESULT")
_ENTRY: Final = "ENTRY"
"""The column that appears only if a stack was specified."""
_COLORS: Final[Mapping[Outcome, str]] = {
    Outcome.DANGEROUS: "red",
    Outcome.INVALID: "red",
    Outcome.LACKING: "red",
    Outcome.DIFFERENT: "red",
    Outcome.SKIPPED: "yellow",
    Outcome.UNKNOWN: "yellow",
    Outcome.ACCEPTED: "",
    Outcome.EQUIVALENT: "green",
    Outcome.NO_ROLE: "",
}


def parts(found: Report) -> Iterator[Part]:
    """Yield the table, remarks, statements that differ, accepted findings, unused roles, and summary."""
    users = found.users()
    if found.data_sources:
        yield _table(found)
    if any(result.remarks for result in found.data_sources):
        yield ""
    for result in found.data_sources:
        for remark in result.remarks:
            yield Line(f"{result.data_source.label}: {remark}", 2)
    for role in found.roles:
        if not role.has_details:
            continue
        used_by = [user.data_source for user in users[role.account, role.arn]]
        yield ""
        yield f"{role.arn}: {role.text}"
        if role.entry:
            yield f"  entry {role.entry} of stack {found.stack}"
        yield from (f"  used by {data_source.label}" for data_source in used_by)
        yield from (Line(f"  {remark}", 4) for remark in role.remarks)
        for verdict in role.differences:
            yield from _difference(verdict, used_by)
    yield from _accepted(found)
    yield from _unused(found)
    yield ""
    yield Line(found.summary, 2)


def _table(found: Report) -> Table:
    """Return the table of the data sources, grouped by index."""
    groups: list[tuple[str, list[Row]]] = []
    for of_index in found.by_index():
        application, index, place = found.title(of_index[0][0])
        title = f"application {application}, index {index}{place}"
        rows = [
            Row([result.data_source.name, *cells, result.text], _COLORS[result.state])
            for result, cells in of_index
        ]
        groups.append((title, rows))
    return Table([name for name in _HEAD if found.stack or name != _ENTRY], groups)


def _accepted(found: Report) -> Iterator[Part]:
    accepted = [
        *(
            (f"{it.role}: {LABELS[kind_of(verdict)]}: {verdict.policy}, {verdict.statement}", it)
            for role in found.roles
            for verdict, it in role.accepted
        ),
        *(
            (f"data source {each.data_source.label}: {each.fault}", each.acceptance)
            for each in found.data_sources
            if each.acceptance
        ),
    ]
    if accepted:
        yield from ("", "accepted:")
    for finding, acceptance in accepted:
        yield f"  {finding}"
        yield Line(f"      until {acceptance.until}: {acceptance.reason}", 6)


def _unused(found: Report) -> Iterator[Part]:
    if found.unused:
        yield from ("", "not used by a data source (docs/audit.md lists what else can use a role):")
    for role in found.unused:
        entry = f", entry {role.entry} of stack {found.stack}" if role.entry else ""
        yield f"  {role.arn}: {role.text}{entry}"


def _difference(verdict: Verdict, used_by: Sequence[DataSource]) -> Iterator[Part]:
    danger = f": {verdict.danger}" if verdict.danger else ""
    yield f"  {LABELS[kind_of(verdict)]}: {verdict.policy}, {verdict.statement}{danger}"
    for access in verdict.access:
        yield Line(f"      {', '.join(access.actions)}", 6)
        yield from (f"        {verdict.preposition} {target}" for target in access.targets)
        yield from (f"        {condition}" for condition in access.conditions)
    if verdict.data_sources and len(verdict.data_sources) < len(used_by):
        yield Line(f"      for {', '.join(each.label for each in verdict.data_sources)}", 10)
