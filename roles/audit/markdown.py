"""Format an audit's result as Markdown, for a GitHub job summary or issue.

Text from AWS is in a code span or escaped for HTML, so that it cannot be markup, a link, or a mention.
"""

import html
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from components.problems import escape
from roles.account import DataSource
from roles.audit.report import Report
from roles.audit.severity import LABELS, kind_of
from roles.audit.survey import DataSourceResult, Outcome, RoleResult
from roles.difference import Verdict

LIMIT: Final = 60_000
"""The maximum size in bytes, except for the line that counts the omissions.

GitHub accepts 65,536 characters in an issue or a comment.
"""
_HEAD: Final = ("data source", "connector", "role", "entry", "used by", "last used", "result")
_ENTRY: Final = "entry"
"""The column that appears only if a stack was specified."""


class _Section(NamedTuple):
    """A part of the result that is either shown or only counted."""

    kind: str
    state: Outcome
    """The severity; if not everything fits, the most severe sections are shown."""
    text: str
    title: str = ""
    """The text before the first section with this title."""


def render(found: Report) -> str:
    """Return the result as Markdown; sections that exceed LIMIT bytes are counted instead of shown."""
    users = found.users()
    sections = [
        *_notes(found),
        *(row for of_index in found.by_index() for row in _table(found, of_index)),
        *(
            _Section("roles", role.state, _details(found, role, users[role.account, role.arn]))
            for role in found.roles
            if role.has_details
        ),
        *_accepted(found),
        *_unused(found),
    ]
    text = f"**{found.summary}**\n\nRead on {found.date:%Y-%m-%d %H:%M} UTC by {_code(found.caller)}.\n"
    size, titles, shown = len(text.encode()), {""}, set[int]()
    for number, section in sorted(enumerate(sections), key=lambda each: each[1].state.rank):
        title = "" if section.title in titles else section.title
        more = len(f"{title}{section.text}".encode())
        if size + more <= LIMIT:
            size += more
            titles.add(section.title)
            shown.add(number)
    titles.clear()
    for section in (sections[number] for number in sorted(shown)):
        text += section.text if section.title in titles else f"{section.title}{section.text}"
        titles.add(section.title)
    cut = [section.kind for number, section in enumerate(sections) if number not in shown]
    if cut:
        counts = ", ".join(f"{cut.count(kind)} {kind}" for kind in dict.fromkeys(cut))
        text += f"\n**Omitted: {counts}.** `audit` without `--markdown` prints everything.\n"
    return text


def _notes(found: Report) -> Iterator[_Section]:
    """Yield a line for everything that is missing in the result."""
    lines = [
        *(f"accepted finding not found: {_code(each.label)}" for each in found.unmatched),
        *(f"skipped: {_code(text)}" for text in found.skipped),
        *(f"no search for unused roles: {_code(text)}" for text in found.unlisted),
        *(f"not allowed on at least some resources: {_code(action)}" for action in found.denied),
    ]
    return (_Section("notes", Outcome.SKIPPED, f"\n- {line}\n") for line in lines)


def _table(found: Report, of_index: Sequence[tuple[DataSourceResult, list[str]]]) -> Iterator[_Section]:
    """Yield the rows of an index's table."""
    application, index, place = found.title(of_index[0][0])
    head = [name for name in _HEAD if found.stack or name != _ENTRY]
    title = f"\nApplication {_code(application)}, index {_code(index)}{place}\n\n"
    title = f"{title}{_row(head)}{_row(['---'] * len(head))}"
    for result, (*names, used_by, last_used) in of_index:
        text = " ".join((html.escape(result.text), *map(_code, result.remarks)))
        cells = [_code(result.data_source.label), *map(_code, names), used_by, last_used, text]
        yield _Section("data sources", result.state, _row(cells), title)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def _details(found: Report, role: RoleResult, used_by: Sequence[DataSourceResult]) -> str:
    """Return a role's data sources, remarks, and statements that differ, in an expandable block."""
    title = html.escape(f"{escape(role.arn)}: {role.text}")
    lines = [f"\n<details><summary><code>{title}</code></summary>\n"]
    if role.entry:
        lines.append(f"- entry {_code(role.entry)} of stack {_code(found.stack)}")
    sources = [user.data_source for user in used_by]
    lines += [f"- used by {_code(source.label)}" for source in sources]
    lines += [f"- {_code(remark)}" for remark in role.remarks]
    for verdict in role.differences:
        lines += _difference(verdict, sources)
    return "\n".join((*lines, "\n</details>\n"))


def _accepted(found: Report) -> Iterator[_Section]:
    """Yield the accepted findings, one line each."""
    accepted = [
        *(
            (f"{_code(role.arn)}: {LABELS[kind_of(verdict)]}: {_statement(verdict)}", acceptance)
            for role in found.roles
            for verdict, acceptance in role.accepted
        ),
        *(
            (f"data source {_code(each.data_source.label)}: {each.fault}", each.acceptance)
            for each in found.data_sources
            if each.acceptance
        ),
    ]
    for finding, acceptance in accepted:
        line = f"- {finding}, until {acceptance.until}: {_code(acceptance.reason)}\n"
        yield _Section("accepted findings", Outcome.ACCEPTED, line, "\nAccepted:\n\n")


def _unused(found: Report) -> Iterator[_Section]:
    """Yield the roles that no data source uses, one line each."""
    title = "\nNot used by a data source (docs/audit.md lists what else can use a role):\n\n"
    for role in found.unused:
        entry = f", entry {_code(role.entry)} of stack {_code(found.stack)}" if role.entry else ""
        line = f"- {_code(role.arn)}: {role.text}{entry}\n"
        yield _Section("unused roles", Outcome.ACCEPTED, line, title)


def _difference(verdict: Verdict, used_by: Sequence[DataSource]) -> Iterator[str]:
    some = bool(verdict.data_sources) and len(verdict.data_sources) < len(used_by)
    only = f", for {', '.join(_code(each.label) for each in verdict.data_sources)}" if some else ""
    danger = f": {verdict.danger}" if verdict.danger else ""
    yield f"- {LABELS[kind_of(verdict)]}: {_statement(verdict)}{danger}{only}"
    for access in verdict.access:
        actions = ", ".join(map(_code, access.actions))
        targets = ", ".join(map(_code, access.targets))
        conditions = "".join(f", {_code(condition)}" for condition in access.conditions)
        yield f"  - {actions} {verdict.preposition} {targets}{conditions}"


def _statement(verdict: Verdict) -> str:
    return f"{_code(verdict.policy)}, {_code(verdict.statement)}"


def _code(text: str) -> str:
    """Return text as a code span, in which nothing is markup; empty for blank text."""
    if not text.strip():
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{space}{escape(text)}{space}{fence}"
