"""Write a command's result to standard output, and its notes to standard error.

All characters except printable ASCII are escaped, or in CSV all that are not printable, so that no name
from AWS can start a new line or control the terminal. On a terminal, rich fits tables and text to the
width. Nothing is interpreted as markup. Colors add no information, and rich omits them if the terminal
does not support colors or NO_COLOR is set.
"""

import csv
import errno
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from io import StringIO, TextIOWrapper
from threading import RLock
from typing import Final, NamedTuple, TextIO

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from components.problems import escape

_STEP: Final = 100
"""The number of items between two lines of progress, without a terminal."""
_NARROWEST: Final = 20
"""The width in columns of the narrowest terminal to which tables and text are fitted."""
_TITLE_HANG: Final = 2
"""The indentation of a long title's later lines."""


class OutputError(Exception):
    """Raised if the program cannot write to standard output; the message explains why."""


class Line(NamedTuple):
    """A line that is wrapped between words on a terminal, unlike a command."""

    text: str
    hang: int
    """The column at which the lines after the first begin."""
    color: str = ""
    """The color of the text before the column `hang`."""


class Row(NamedTuple):
    """A row of a table."""

    cells: Sequence[str]
    color: str = ""
    """The color of the last cell."""


class Table(NamedTuple):
    """The rows of a table, in groups."""

    head: Sequence[str]
    groups: Sequence[tuple[str, Sequence[Row]]]
    """Each group has a title, which may be empty."""


Part = str | Line | Table
"""A part of the result; a string is a line that is not wrapped, such as a command."""


class Notes:
    """A command's notes, each of which begins with the command's name.

    The command continues even if standard error is closed. Any thread can write notes.
    """

    def __init__(self, verb: str, *, draws: bool = True) -> None:
        """Store the command's name, and whether to show progress in one line on a terminal."""
        self.verb = verb
        self._draws = draws
        self._in_line = False
        self._lock = RLock()

    def __call__(self, text: str, *more: str) -> None:
        """Write a note and more lines below it."""
        with self._lock:
            self.end_line()
            for line in (f"{self.verb}: {text}", *more):
                self._write(f"{escape(line)}\n")

    def warn(self, text: str) -> None:
        """Write a warning."""
        self(f"warning: {text}")

    def progress(self, items: str, done: int, total: int) -> None:
        """Show progress: on a terminal in one line, otherwise as a line after every 100 items."""
        if not self._draws or not _is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
            if done % _STEP == 0:
                self(f"{items}: {done} of {total}")
            return
        with self._lock:
            self._write(f"\r{escape(f'{self.verb}: {items}')}: {done} of {total}")
            self._in_line = True
            if done == total:
                self.end_line()

    def end_line(self) -> None:
        """End the line of the progress or a question, if there is one."""
        with self._lock:
            if self._in_line:
                self._write("\n")
                self._in_line = False

    def _write(self, text: str) -> None:
        """Write text that is already escaped."""
        if sys.stderr is None:
            return
        try:
            print(text, end="", file=sys.stderr, flush=True)
        except OSError:
            silence(sys.stderr)


class Remarks(Notes):
    """Notes that keep warnings, for example about one data source, until the caller shows them."""

    def __init__(self, verb: str) -> None:
        """Store the command's name."""
        super().__init__(verb)
        self.texts: list[str] = []

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.texts.append(text)


class Output(Notes):
    """A command's output: its notes, and its result as lines or as one JSON document."""

    def __init__(self, verb: str, *, draws: bool = True) -> None:
        """Store the command's name, and whether to show progress in one line on a terminal."""
        super().__init__(verb, draws=draws)
        self._has_document = False

    def check_open(self) -> None:
        """Raise OutputError if standard output is closed."""
        if sys.stdout is None:
            raise OutputError("standard output is closed: redirect it to a file or to /dev/null")

    def show(self, *parts: Part) -> None:
        """Write parts of the result; fit them to a terminal if it is wide enough."""
        self.check_open()
        fits = _is_terminal(sys.stdout) and shutil.get_terminal_size().columns >= _NARROWEST
        lines = _fitted if fits else _plain
        for part in parts:
            for line in lines(part):
                self._print(line)

    def csv(self, rows: Iterable[Sequence[str]]) -> None:
        """Write rows as RFC 4180 describes, in UTF-8."""
        self.check_open()
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="")
        text = StringIO(newline="")
        csv.writer(text).writerows(rows)
        self._print(text.getvalue(), end="")

    def json(self, document: object) -> None:
        """Write a JSON document in ASCII; discard a second one, which an interruption can cause."""
        if not self._has_document:
            self._has_document = True
            self._print(json.dumps(document, indent=2))

    @property
    def can_ask(self) -> bool:
        """Whether a person can see a question and answer it."""
        return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)

    def ask(self, question: str) -> str:
        """Show a question, and return the answer; empty if it cannot be decoded.

        Raises EOFError at the end of input.
        """
        self._write(escape(question))
        self._in_line = True
        try:
            answer = input()
        except UnicodeDecodeError:
            answer = ""
        self._in_line = False
        return answer

    def _print(self, text: str, end: str = "\n") -> None:
        self.check_open()
        self.end_line()
        try:
            print(text, end=end, flush=True)
        except OSError as error:
            silence(sys.stdout)
            if error.errno == errno.EPIPE:
                text = "standard output was closed before the whole result was printed"
            else:
                text = f"standard output cannot be written: {error.strerror}"
            raise OutputError(text) from None


def _plain(part: Part) -> Iterator[str]:
    """Yield the lines of a part; a table has one for its head, each group's title, and each row."""
    match part:
        case str(text) | Line(text):
            yield escape(text)
        case Table(head, groups):
            escaped = [(title, [[*map(escape, row.cells)] for row in rows]) for title, rows in groups]
            cells = [head, *(row for _, rows in escaped for row in rows)]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            yield _padded(head, widths)
            for title, rows in escaped:
                yield from [escape(title)] if title else ()
                yield from (_padded(row, widths) for row in rows)


def _padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(map(str.ljust, cells, widths)).rstrip()


def _fitted(part: Part) -> Iterator[str]:
    """Yield the lines of a part; only a `Line` or `Table` is fitted to the terminal's width."""
    match part:
        case str(text):
            yield escape(text)
        case Line(text, hang, color):
            yield _wrapped(escape(text), hang, color)
        case Table(head, groups):
            for title, rows in groups:
                yield from [_wrapped(escape(title), _TITLE_HANG, "")] if title else ()
                yield _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Row]) -> str:
    shown = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in head:
        shown.add_column(title, overflow="fold")
    for row in rows:
        *cells, last = map(escape, row.cells)
        shown.add_row(*map(Text, cells), Text.assemble((last, row.color)))
    return _rendered(shown, _console())


def _wrapped(text: str, hang: int, color: str) -> str:
    """Return text with a hanging indent, and with its first `hang` characters in color.

    If a word, such as an ARN, does not fit in a line, the text is not wrapped, so that the word
    can be copied.
    """
    console = _console()
    rest, width = Text(text[hang:]), console.width - hang
    if Measurement.get(console, console.options, rest).minimum <= width:
        rest = Text(f"\n{' ' * hang}").join(rest.wrap(console, width))
    return _rendered(Text.assemble((text[:hang], color), rest), console)


def _console() -> Console:
    # rich would accept COLUMNS=0 and print nothing.
    width = shutil.get_terminal_size().columns
    return Console(width=width, highlight=False, markup=False, emoji=False)


def _rendered(shown: RenderableType, console: Console) -> str:
    """Return the output of rich without trailing spaces."""
    with console.capture() as captured:
        console.print(shown, soft_wrap=isinstance(shown, Text))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is an open terminal."""
    return stream is not None and stream.isatty()


def silence(stream: TextIO) -> None:
    """Discard a stream's buffer, which Python would flush when it exits, and all later output."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
