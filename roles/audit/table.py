"""Format the result of an audit as text: a table, and the statements that differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from roles.account import DataSource
from roles.audit.survey import LABELS, Finding, State, Survey
from roles.difference import TRUST_POLICY
from roles.output import Line, Part, Row, Table

_HEAD: Final = ("DATA SOURCE", "CONNECTOR", "ROLE", "MEMBER", "USED BY", "RESULT")
_MEMBER: Final = "MEMBER"
"""The column that only a table with a stack has."""
_COLORS: Final[Mapping[State, str]] = {
    State.EQUIVALENT: "green",
    State.DIFFERENT: "red",
    State.INVALID: "red",
    State.UNKNOWN: "yellow",
    State.NO_ROLE: "",
    State.SKIPPED: "yellow",
}


def parts(found: Survey) -> Iterator[Part]:
    """Return a table, the statements that differ, and a summary."""
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
        used_by = [user.data_source for user in users[role.arn]]
        yield ""
        yield f"{role.arn}: {role.text}"
        if role.member:
            yield f"  member {role.member} of stack {found.stack}"
        yield from (f"  used by {data_source.label}" for data_source in used_by)
        yield from (Line(f"  {remark}", 4) for remark in role.remarks)
        for finding in role.findings:
            yield from _finding(finding, used_by)
    yield ""
    yield Line(found.summary, 2)


def _table(found: Survey) -> Table:
    """Return the table of the data sources, grouped by index."""
    groups: list[tuple[str, list[Row]]] = []
    for results in found.by_index():
        place = results[0].data_source
        title = f"application {place.application_label}, index {place.index_label}"
        rows = [
            Row([result.data_source.name, *cells, result.text], _COLORS[result.state])
            for result, cells in found.cells(results)
        ]
        groups.append((title, rows))
    return Table([name for name in _HEAD if found.stack or name != _MEMBER], groups)


def _finding(finding: Finding, used_by: Sequence[DataSource]) -> Iterator[Part]:
    yield f"  {LABELS[finding.kind]}: {finding.policy}, {finding.statement}"
    preposition = "by" if finding.policy == TRUST_POLICY else "on"
    for access in finding.access:
        condition = ", under another condition" if access.condition else ""
        yield Line(f"      {', '.join(access.actions)}{condition}", 6)
        yield from (f"        {preposition} {target}" for target in access.targets)
    if finding.data_sources and len(finding.data_sources) < len(used_by):
        yield Line(f"      for {', '.join(each.label for each in finding.data_sources)}", 10)
