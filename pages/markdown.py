"""Format tables and lists in Markdown, and compact JSON for code blocks."""

import json
from collections.abc import Iterable, Sequence
from typing import Final, cast

_WIDTH: Final = 116
"""The approximate maximum length of a line of JSON, unless a single entry is longer."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with one line per row."""
    header, *lines = (f"| {' | '.join(cells)} |\n" for cells in (columns, *rows))
    return "".join([header, f"|{'---|' * len(columns)}\n", *lines])


def bullets(items: Iterable[str]) -> str:
    """Return a list with one line per item."""
    return "".join(f"- {item}\n" for item in items)


def compact_json(value: object, indent: str = "") -> str:
    """Return JSON in few lines: neighboring entries share a line, and no line has only a bracket."""
    line = json.dumps(value)
    if not isinstance(value, dict | list) or (indent and len(indent) + len(line) <= _WIDTH):
        return line
    if isinstance(value, dict):
        named = cast("dict[str, object]", value)
        deeper = f"{indent} "
        entries = [f"{json.dumps(key)}: {compact_json(each, deeper)}" for key, each in named.items()]
        return f"{{{_joined(entries, deeper)}}}"
    deeper = f"{indent} "
    entries = [compact_json(each, deeper) for each in cast("list[object]", value)]
    return f"[{_joined(entries, deeper)}]"


def _joined(entries: Sequence[str], indent: str) -> str:
    """Join entries, with neighbors on the same line if they fit."""
    lines: list[str] = []
    for entry in entries:
        joined = f"{lines[-1]}, {entry}" if lines else entry
        if lines and "\n" not in joined and len(indent) + len(joined) <= _WIDTH:
            lines[-1] = joined
        else:
            lines.append(entry)
    return f",\n{indent}".join(lines)
