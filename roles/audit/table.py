"""Format the result of an audit as text: a table, and the statements that differ."""

import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from components.errors import escape
from roles.account import DataSource
from roles.audit.survey import LABELS, DataSourceResult, Finding, Survey
from roles.difference import TRUST_POLICY

_HEAD: Final = ("DATA SOURCE", "CONNECTOR", "ROLE", "MEMBER", "USED BY", "RESULT")
_MEMBER: Final = 3
"""The column that only a table with a stack has."""
_GAP: Final = "  "
_NARROWEST: Final = 8
"""Characters of a column, however narrow the terminal is."""


def lines(found: Survey) -> Iterator[str]:
    """Return a table as wide as the terminal, the statements that differ, and a summary.

    Output that is not a terminal gets each row in one line.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    users = found.users()
    if found.data_sources:
        yield from _table(found, users, width)
    if any(result.remarks for result in found.data_sources):
        yield ""
    for result in found.data_sources:
        for remark in result.remarks:
            yield f"{_named(result.data_source)}: {remark}"
    for role in found.roles:
        if not role.has_details:
            continue
        used_by = [user.data_source for user in users[role.arn]]
        yield ""
        yield f"{role.arn}: {role.text}"
        if role.member:
            yield f"  member {role.member} of stack {found.stack}"
        yield from (f"  used by {_named(data_source)}" for data_source in used_by)
        yield from (f"  {remark}" for remark in role.remarks)
        for finding in role.findings:
            yield from _finding(finding, used_by)
    yield ""
    counts = [f"{count} {state}" for state, count in found.counts().items() if count]
    place = f"in {found.region}, account {found.account}"
    yield f"{found.total} {place}{': ' * bool(counts)}{', '.join(counts)}"


def _table(found: Survey, users: Mapping[str, Sequence[DataSourceResult]], width: int) -> Iterator[str]:
    """Return the rows of each index below a line that names it."""
    columns = [column for column in range(len(_HEAD)) if found.stack or column != _MEMBER]
    members = found.members()
    rows: dict[DataSource | None, tuple[str, ...]] = {None: tuple(_HEAD[each] for each in columns)}
    for result in found.data_sources:
        role = result.role_arn.rpartition("/")[2]
        connector = result.connector or f"({result.data_source.type})"
        used_by = str(len(users[result.role_arn])) if role else ""
        member = members.get(result.role_arn, "")
        cells = (result.data_source.name, connector, role, member, used_by, result.text)
        rows[result.data_source] = tuple(escape(cells[each]) for each in columns)
    widths = [max(map(len, column)) for column in zip(*rows.values(), strict=True)]
    gaps = len(_GAP) * (len(widths) - 1)
    while sum(widths) + gaps > width and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    width = max(width, sum(widths) + gaps)
    yield from _row(rows[None], widths)
    for results in found.by_index():
        place = results[0].data_source
        application = f"{place.application_name} {place.application_id}".strip()
        title = f"application {application}, index {f'{place.index_name} {place.index_id}'.strip()}"
        yield from textwrap.wrap(escape(title), width, subsequent_indent=_GAP)
        for result in results:
            yield from _row(rows[result.data_source], widths)


def _row(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Return the lines of a row; text that does not fit in a column is wrapped."""
    columns = [textwrap.wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for parts in zip_longest(*columns, fillvalue=""):
        padded = (f"{part:{width}}" for part, width in zip(parts, widths, strict=True))
        yield _GAP.join(padded).rstrip()


def _named(data_source: DataSource) -> str:
    return f"{data_source.name} {data_source.id}".strip()


def _finding(finding: Finding, used_by: Sequence[DataSource]) -> Iterator[str]:
    yield f"  {LABELS[finding.kind]}: {finding.policy}, {finding.statement}"
    preposition = "by" if finding.policy == TRUST_POLICY else "on"
    for access in finding.access:
        condition = ", under another condition" if access.condition else ""
        yield f"      {', '.join(access.actions)}{condition}"
        yield from (f"        {preposition} {target}" for target in access.targets)
    if finding.data_sources and len(finding.data_sources) < len(used_by):
        yield f"      for {', '.join(map(_named, finding.data_sources))}"
