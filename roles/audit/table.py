"""Format the result of an audit as text: a table, and the statements that differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from roles.account import DataSource
from roles.audit.survey import LABELS, DataSourceResult, Finding, State, Survey
from roles.difference import TRUST_POLICY
from roles.output import Line, Part, Row, Table

_HEAD: Final = ("DATA SOURCE", "CONNECTOR", "ROLE", "MEMBER", "USED BY", "RESULT")
_MEMBER: Final = 3
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
        yield _table(found, users)
    if any(result.remarks for result in found.data_sources):
        yield ""
    for result in found.data_sources:
        for remark in result.remarks:
            yield Line(f"{_named(result.data_source)}: {remark}", 2)
    for role in found.roles:
        if not role.has_details:
            continue
        used_by = [user.data_source for user in users[role.arn]]
        yield ""
        yield f"{role.arn}: {role.text}"
        if role.member:
            yield f"  member {role.member} of stack {found.stack}"
        yield from (f"  used by {_named(data_source)}" for data_source in used_by)
        yield from (Line(f"  {remark}", 4) for remark in role.remarks)
        for finding in role.findings:
            yield from _finding(finding, used_by)
    yield ""
    counts = [f"{count} {state}" for state, count in found.counts().items() if count]
    place = f"in {found.region}, account {found.account}"
    yield Line(f"{found.total} {place}{': ' * bool(counts)}{', '.join(counts)}", 2)


def _table(found: Survey, users: Mapping[str, Sequence[DataSourceResult]]) -> Table:
    """Return the table of the data sources, grouped by index."""
    columns = [column for column in range(len(_HEAD)) if found.stack or column != _MEMBER]
    members = found.members()

    def row(result: DataSourceResult) -> Row:
        role = result.role_arn.rpartition("/")[2]
        connector = result.connector or f"({result.data_source.type})"
        used_by = str(len(users[result.role_arn])) if role else ""
        member = members.get(result.role_arn, "")
        cells = (result.data_source.name, connector, role, member, used_by, result.text)
        return Row([cells[each] for each in columns], _COLORS[result.state])

    groups: list[tuple[str, list[Row]]] = []
    for results in found.by_index():
        place = results[0].data_source
        application = f"{place.application_name} {place.application_id}".strip()
        title = f"application {application}, index {f'{place.index_name} {place.index_id}'.strip()}"
        groups.append((title, [*map(row, results)]))
    return Table([_HEAD[each] for each in columns], groups)


def _named(data_source: DataSource) -> str:
    return f"{data_source.name} {data_source.id}".strip()


def _finding(finding: Finding, used_by: Sequence[DataSource]) -> Iterator[Part]:
    yield f"  {LABELS[finding.kind]}: {finding.policy}, {finding.statement}"
    preposition = "by" if finding.policy == TRUST_POLICY else "on"
    for access in finding.access:
        condition = ", under another condition" if access.condition else ""
        yield Line(f"      {', '.join(access.actions)}{condition}", 6)
        yield from (f"        {preposition} {target}" for target in access.targets)
    if finding.data_sources and len(finding.data_sources) < len(used_by):
        yield Line(f"      for {', '.join(map(_named, finding.data_sources))}", 10)
