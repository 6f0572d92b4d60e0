"""Format an audit's result as Markdown, for a GitHub job summary or issue.

Text from AWS is in a code span or escaped for HTML, so that it cannot be markup, a link, or a mention.
"""

import html
import re
from collections.abc import Iterator, Sequence
from typing import Final

from components.commands import escape
from roles.account import DataSource
from roles.audit.report import Report
from roles.audit.severity import LABELS, kind_of
from roles.audit.survey import DataSourceResult, RoleResult
from roles.difference import Verdict

LIMIT: Final = 60_000
"""The size in bytes beyond which `render` omits sections.

GitHub accepts 65,536 characters in an issue or a comment.
"""
_HEAD: Final = ("data source", "connector", "role", "entry", "used by", "last used", "result")
_ENTRY: Final = "entry"
"""The column that appears only if a stack was specified."""


def render(found: Report) -> str:
    """Return the result as Markdown; sections beyond LIMIT bytes are counted instead of shown."""
    users = found.users()
    roles = [role for role in found.roles if role.has_details]
    sections = [
        *(("data sources", part) for results in found.by_index() for part in _table(found, results)),
        *(("roles", _details(found, role, users[role.account, role.arn])) for role in roles),
        *(("accepted findings", part) for part in _accepted(found)),
        *(("unused roles", part) for part in _unused(found)),
    ]
    text = _head(found)
    size = len(text.encode())
    for number, (_, part) in enumerate(sections):
        size += len(part.encode())
        if size > LIMIT:
            cut = [kind for kind, _ in sections[number:]]
            counts = ", ".join(f"{cut.count(kind)} {kind}" for kind in dict.fromkeys(cut))
            return f"{text}\n**Omitted: {counts}.** `audit` without `--markdown` prints everything.\n"
        text += part
    return text


def _head(found: Report) -> str:
    lines = [
        f"**{found.summary}**",
        f"Read on {found.date:%Y-%m-%d %H:%M} UTC by {_code(found.caller)}.",
        *(f"- accepted finding not found: {_code(each.label)}" for each in found.unmatched),
        *(f"- skipped: {_code(text)}" for text in found.skipped),
        *(f"- no search for unused roles: {_code(text)}" for text in found.unlisted),
        *(f"- not allowed on at least some resources: {_code(action)}" for action in found.denied),
    ]
    return "\n\n".join(lines) + "\n"


def _table(found: Report, results: Sequence[DataSourceResult]) -> Iterator[str]:
    """Yield the rows of an index's table; the first also contains the title and header."""
    application, index, region = found.title(results[0])
    head = [name for name in _HEAD if found.stack or name != _ENTRY]
    title = f"Application {_code(application)}, index {_code(index)}{region}"
    before = f"\n{title}\n\n{_row(head)}{_row(['---'] * len(head))}"
    for result, (*names, used_by, last_used) in found.cells(results):
        text = " ".join((html.escape(result.text), *map(_code, result.remarks)))
        yield before + _row(
            [_code(result.data_source.label), *map(_code, names), used_by, last_used, text]
        )
        before = ""


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


def _accepted(found: Report) -> Iterator[str]:
    """Yield the accepted findings, one line each; the first also contains a heading."""
    before = "\nAccepted:\n\n"
    for role in found.roles:
        for verdict, acceptance in role.accepted:
            label = f"{LABELS[kind_of(verdict)]}: {_statement(verdict)}"
            until = f"until {acceptance.until}: {_code(acceptance.reason)}"
            yield f"{before}- {_code(role.arn)}: {label}, {until}\n"
            before = ""


def _unused(found: Report) -> Iterator[str]:
    """Yield the roles that no data source uses, one line each; the first also contains a heading."""
    before = "\nNot used by a data source (docs/audit.md lists what else can use a role):\n\n"
    for role in found.unused:
        entry = f", entry {_code(role.entry)} of stack {_code(found.stack)}" if role.entry else ""
        yield f"{before}- {_code(role.arn)}: {role.text}{entry}\n"
        before = ""


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
