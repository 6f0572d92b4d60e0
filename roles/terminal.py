"""Fit tables, texts, and progress to a terminal, with rich.

Only output to a terminal imports this module. All text is escaped before, and none of it is markup.
Colors repeat the text; rich leaves them out where the terminal has none, or NO_COLOR is set.
"""

import shutil
from collections.abc import Iterable, Sequence
from typing import Final, TextIO

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_BAR: Final = 30
"""Columns of the bar, if the terminal has room for them."""


def table(head: Sequence[str], rows: Iterable[tuple[Sequence[str], str]]) -> str:
    """Return a table as wide as the terminal; each row has its cells, and the color of the last one."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in head:
        shown.add_column(title, overflow="fold")
    for (*cells, last), color in rows:
        shown.add_row(*map(Text, cells), Text.assemble((last, color)))
    return _rendered(shown, _console())


def wrapped(text: str, hang: int, color: str) -> str:
    """Return a text whose lines after the first begin at a column, and the part before it in a color.

    A word without room in one line, such as an ARN, is not divided, so that it can be copied.
    """
    console = _console()
    rest, width = Text(text[hang:]), console.width - hang
    if Measurement.get(console, console.options, rest).minimum <= width:
        rest = Text(f"\n{' ' * hang}").join(rest.wrap(console, width))
    return _rendered(Text.assemble((text[:hang], color), rest), console)


def bar(label: str, done: int, total: int, stream: TextIO) -> str:
    """Return a line that shows the progress."""
    shown = Table.grid(padding=(0, 1, 0, 0))
    for _ in range(3):
        shown.add_column(no_wrap=True, overflow="crop")
    filled = ProgressBar(total, done, _BAR, complete_style="green", finished_style="green")
    shown.add_row(Text(label), filled, Text(f"{done} of {total}"))
    return _rendered(shown, _console(stream))


def _console(stream: TextIO | None = None) -> Console:
    # rich would accept COLUMNS=0, and print nothing.
    width = shutil.get_terminal_size().columns
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def _rendered(shown: RenderableType, console: Console) -> str:
    """Return the lines without spaces at their ends."""
    with console.capture() as captured:
        console.print(shown, soft_wrap=isinstance(shown, Text))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
