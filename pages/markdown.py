"""Format tables and lists in Markdown."""

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, one line per row."""
    header, *lines = (f"| {' | '.join(cells)} |\n" for cells in (columns, *rows))
    return "".join([header, f"|{'---|' * len(columns)}\n", *lines])


def bullets(items: Iterable[str]) -> str:
    """Return a list, one line per item."""
    return "".join(f"- {item}\n" for item in items)
