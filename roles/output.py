"""Write the result of a verb to standard output, and its notes to standard error."""

import errno
import json
import sys

from components.errors import escape
from roles.notes import Notes, silence


class OutputError(Exception):
    """Raised if standard output cannot be written; the message explains why."""


class Output(Notes):
    """The output of a verb: the lines of its result or one JSON document, and notes."""

    def __init__(self, verb: str) -> None:
        """Store the verb."""
        super().__init__(verb)
        self._has_document = False

    def check_open(self) -> None:
        """Raise OutputError early if standard output is closed."""
        if sys.stdout is None:
            raise OutputError("standard output is closed: redirect it to a file or to /dev/null")

    def line(self, text: str = "") -> None:
        """Write a line of the result."""
        self._print(escape(text))

    def json(self, document: object) -> None:
        """Write a document in ASCII; a second document, after an interruption, is discarded."""
        if not self._has_document:
            self._has_document = True
            self._print(json.dumps(document, indent=2))

    @property
    def can_ask(self) -> bool:
        """Whether a person can see a question and answer it."""
        return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))

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
        try:
            print(text, flush=True)
        except OSError as error:
            silence(sys.stdout)
            if error.errno == errno.EPIPE:
                text = "standard output was closed before the whole result was printed"
            else:
                text = f"standard output cannot be written: {error.strerror}"
            raise OutputError(text) from None
