"""Write the result of a verb to standard output, and its notes to standard error."""

import errno
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from components.errors import escape
from roles.notes import Notes, is_terminal, silence

_NARROWEST: Final = 20
"""The columns of a terminal that every cell of a table fits in."""
_TITLE_HANG: Final = 2
"""The indentation of the lines of a long title."""


class OutputError(Exception):
    """Raised if standard output cannot be written; the message explains why."""


class Line(NamedTuple):
    """A line that a terminal wraps between words, unlike a command."""

    text: str
    hang: int
    """The column at which the lines after the first begin."""
    color: str = ""
    """The color of the text before that column."""


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


class Output(Notes):
    """The output of a verb: the lines of its result or one JSON document, and notes."""

    def __init__(self, verb: str, *, draws: bool = True) -> None:
        """Store the verb, and whether to draw a bar on a terminal."""
        super().__init__(verb, draws=draws)
        self._has_document = False

    def check_open(self) -> None:
        """Raise OutputError early if standard output is closed."""
        if sys.stdout is None:
            raise OutputError("standard output is closed: redirect it to a file or to /dev/null")

    def show(self, *parts: Part) -> None:
        """Write parts of the result, fitted to a terminal; without a wide one, a row is one line."""
        self.check_open()
        fits = is_terminal(sys.stdout) and shutil.get_terminal_size().columns >= _NARROWEST
        lines = _fitted if fits else _plain
        for part in parts:
            for line in lines(part):
                self._print(line)

    def json(self, document: object) -> None:
        """Write a document in ASCII; a second document, after an interruption, is discarded."""
        if not self._has_document:
            self._has_document = True
            self._print(json.dumps(document, indent=2))

    @property
    def can_ask(self) -> bool:
        """Whether a person can see a question and answer it."""
        return is_terminal(sys.stdin) and is_terminal(sys.stderr)

    def ask(self, question: str, *choices: str) -> str:
        """Return the answer to a question below its choices; raises EOFError at the end of input."""
        for choice in choices:
            self._write(f"{escape(choice)}\n")
        self._write(escape(question))
        self._in_line = True
        try:
            answer = input()
        except UnicodeDecodeError:
            answer = ""
        self._in_line = False
        return answer

    def _print(self, text: str) -> None:
        self.check_open()
        self.end_line()
        try:
            print(text, flush=True)
        except OSError as error:
            silence(sys.stdout)
            if error.errno == errno.EPIPE:
                text = "standard output was closed before the whole result was printed"
            else:
                text = f"standard output cannot be written: {error.strerror}"
            raise OutputError(text) from None


def _plain(part: Part) -> Iterator[str]:
    """Return the lines of a part: one for each row of a table."""
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
    """Return the lines of a part, as wide as the terminal."""
    if isinstance(part, str):
        yield escape(part)
        return
    from roles import terminal  # noqa: PLC0415 only a terminal needs rich

    match part:
        case Line(text, hang, color):
            yield terminal.wrapped(escape(text), hang, color)
        case Table(head, groups):
            for title, group in groups:
                yield from [terminal.wrapped(escape(title), _TITLE_HANG, "")] if title else ()
                rows = [([*map(escape, row.cells)], row.color) for row in group]
                yield terminal.table(head, rows)
