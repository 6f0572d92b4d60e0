"""Write notes, warnings, and progress to standard error: standard output is for the result."""

import os
import sys
from contextlib import suppress
from threading import RLock
from typing import Final, TextIO

from components.errors import escape

_STEP: Final = 100
"""Items between two lines of progress, if there is no bar."""


class Notes:
    """The notes of a verb; each begins with the verb.

    All characters except printable ASCII are escaped, so that no name from AWS can imitate a line or
    control the terminal. A closed standard error does not stop the command. Threads can write notes too.
    """

    def __init__(self, verb: str, *, draws: bool = True) -> None:
        """Store the verb, and whether to draw a bar on a terminal."""
        self.verb = verb
        self._draws = draws
        self._in_line = False
        self._lock = RLock()

    def __call__(self, text: str, *more: str) -> None:
        """Write a note, and more lines below it."""
        with self._lock:
            self.end_line()
            for line in (f"{self.verb}: {text}", *more):
                self._write(f"{escape(line)}\n")

    def warn(self, text: str) -> None:
        """Write a warning."""
        self(f"warning: {text}")

    def progress(self, items: str, done: int, total: int) -> None:
        """Show the progress: as a bar on a terminal, otherwise as a line after every hundred items."""
        if not self._draws or not is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
            if done % _STEP == 0:
                self(f"{items}: {done} of {total}")
            return
        from roles import terminal  # noqa: PLC0415 only a terminal needs rich

        bar = terminal.bar(escape(f"{self.verb}: {items}"), done, total, sys.stderr)
        with self._lock:
            self._write(f"\r{bar}")
            self._in_line = True
            if done == total:
                self.end_line()

    def end_line(self) -> None:
        """End the line of a bar or a question, if there is one."""
        with self._lock:
            if self._in_line:
                self._write("\n")
                self._in_line = False

    def _write(self, text: str) -> None:
        """Write escaped text."""
        if sys.stderr is None:
            return
        try:
            print(text, end="", file=sys.stderr, flush=True)
        except OSError:
            silence(sys.stderr)


class Remarks(Notes):
    """The warnings about one data source, which are shown with it."""

    def __init__(self, verb: str) -> None:
        """Store the verb."""
        super().__init__(verb)
        self.texts: list[str] = []

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.texts.append(text)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is open, and a terminal."""
    return stream is not None and stream.isatty()


def silence(stream: TextIO) -> None:
    """Discard the buffer of a stream and all later output: Python flushes the buffer when it exits."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
