"""Format tables, lists, and documents in Markdown."""

import json
from collections.abc import Iterable, Sequence
from typing import Final, cast

_WIDTH: Final = 116
"""The longest line of a document, unless one value alone is longer."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, one line per row."""
    header, *lines = (f"| {' | '.join(cells)} |\n" for cells in (columns, *rows))
    return "".join([header, f"|{'---|' * len(columns)}\n", *lines])


def bullets(items: Iterable[str]) -> str:
    """Return a list, one line per item."""
    return "".join(f"- {item}\n" for item in items)


def compact_json(value: object, indent: str = "") -> str:
    """Return JSON in as few lines as its width allows."""
    line = json.dumps(value)
    if not isinstance(value, dict | list) or (indent and len(indent) + len(line) <= _WIDTH):
        return line
    deeper = f"{indent}  "
    if isinstance(value, dict):
        named = cast("dict[str, object]", value)
        members = [f"{json.dumps(key)}: {compact_json(each, deeper)}" for key, each in named.items()]
    else:
        members = [compact_json(each, deeper) for each in cast("list[object]", value)]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return f"{begin}\n{deeper}{f',{chr(10)}{deeper}'.join(_packed(members, deeper))}\n{indent}{end}"


def _packed(members: Sequence[str], indent: str) -> list[str]:
    """Join neighbors as long as they fit on one line."""
    lines: list[str] = []
    for member in members:
        joined = f"{lines[-1]}, {member}" if lines else member
        if lines and "\n" not in joined and len(indent) + len(joined) <= _WIDTH:
            lines[-1] = joined
        else:
            lines.append(member)
    return lines
