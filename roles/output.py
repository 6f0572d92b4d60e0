"""Write a command's result to standard output, and its notes to standard error.

The output escapes unprintable characters and, except in CSV, non-ASCII characters, so that no name from
AWS can start a new line or control the terminal. On a terminal, text is wrapped between words.
"""

import csv
import errno
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from io import StringIO, TextIOWrapper
from threading import RLock
from typing import Final, NamedTuple, TextIO

from components.problems import escape

_STEP: Final = 100
"""The number of items between two progress notes."""
_NARROWEST: Final = 20
"""The minimum width, in columns, of a terminal for which text is wrapped."""


class OutputError(Exception):
    """Raised if the program cannot write to standard output; the message explains why."""


class Line(NamedTuple):
    """A line, other than a command, that is wrapped between words on a terminal."""

    text: str
    hang: int
    """The indentation of the lines after the first line, in columns."""


class Table(NamedTuple):
    """A table whose rows are in groups."""

    head: Sequence[str]
    groups: Sequence[tuple[str, Sequence[Sequence[str]]]]
    """Each group has a title, which may be empty."""


Part = str | Line | Table
"""A part of the result; a string is a line that is not wrapped, such as a command."""


class Notes:
    """Writes a command's notes, which begin with the command's name.

    The command continues even if standard error is closed. Any thread can write notes.
    """

    def __init__(self, verb: str) -> None:
        """Store the command's name."""
        self.verb = verb
        self._lock = RLock()

    def __call__(self, text: str, *more: str) -> None:
        """Write a note and any additional lines below it."""
        with self._lock:
            for line in (f"{self.verb}: {text}", *more):
                self._write(f"{escape(line)}\n")

    def warn(self, text: str) -> None:
        """Write a warning."""
        self(f"warning: {text}")

    def progress(self, items: str, done: int, total: int) -> None:
        """Show the progress after every 100 items."""
        if done % _STEP == 0:
            self(f"{items}: {done} of {total}")

    def _write(self, text: str) -> None:
        """Write text that is already escaped."""
        if sys.stderr is None:
            return
        try:
            print(text, end="", file=sys.stderr, flush=True)
        except OSError:
            silence(sys.stderr)


class Output(Notes):
    """Writes a command's output: its notes, and its result as lines, CSV, or one JSON document."""

    def check_open(self) -> None:
        """Raise OutputError if standard output is closed."""
        if sys.stdout is None:
            raise OutputError("standard output is closed: redirect it to a file or to /dev/null")

    def show(self, *parts: Part) -> None:
        """Write parts of the result; wrap text on a terminal that is wide enough."""
        self.check_open()
        columns = shutil.get_terminal_size().columns
        width = columns if _is_terminal(sys.stdout) and columns >= _NARROWEST else 0
        for part in parts:
            for line in _lines(part, width):
                self._print(line)

    def csv(self, rows: Iterable[Sequence[str]]) -> None:
        """Write rows as CSV according to RFC 4180, in UTF-8."""
        self.check_open()
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="")
        text = StringIO(newline="")
        csv.writer(text).writerows(rows)
        self._print(text.getvalue(), end="")

    def json(self, document: object) -> None:
        """Write a JSON document in ASCII."""
        self._print(json.dumps(document, indent=2))

    @property
    def can_ask(self) -> bool:
        """Whether the program can ask a question on a terminal and read the answer."""
        return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)

    def ask(self, question: str) -> str:
        """Show a question, and return the answer; empty if it cannot be decoded.

        Raises EOFError at the end of input.
        """
        self._write(escape(question))
        try:
            return input()
        except UnicodeDecodeError:
            return ""

    def _print(self, text: str, end: str = "\n") -> None:
        self.check_open()
        try:
            print(text, end=end, flush=True)
        except OSError as error:
            silence(sys.stdout)
            if error.errno == errno.EPIPE:
                text = "standard output was closed before the whole result was printed"
            else:
                text = f"standard output cannot be written: {error.strerror}"
            raise OutputError(text) from None


def _lines(part: Part, width: int) -> Iterator[str]:
    """Yield the lines of a part: for a table, its head, and each group's title and rows.

    A `Line` is wrapped at `width` columns unless `width` is 0, but never within a word, such as an ARN.
    """
    match part:
        case str(text):
            yield escape(text)
        case Line(text, hang):
            wrapper = textwrap.TextWrapper(
                width, subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False
            )
            yield wrapper.fill(escape(text)) if width else escape(text)
        case Table(head, groups):
            escaped = [(title, [[*map(escape, row)] for row in rows]) for title, rows in groups]
            cells = [head, *(row for _, rows in escaped for row in rows)]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            yield _padded(head, widths)
            for title, rows in escaped:
                yield from [escape(title)] if title else ()
                yield from (_padded(row, widths) for row in rows)


def _padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(map(str.ljust, cells, widths)).rstrip()


def _is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is an open terminal."""
    return stream is not None and stream.isatty()


def silence(stream: TextIO) -> None:
    """Discard a stream's buffer, which Python would flush when it exits, and all later output."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
