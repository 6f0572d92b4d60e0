"""Write notes, warnings and progress to standard error, which leaves standard output to the result."""

import sys
from typing import Final

_WIDTH: Final = 30
"""Characters of the bar."""
_STEP: Final = 100
"""Items between two lines of progress where there is no terminal."""


class Notes:
    """The notes of one verb, each line of which begins with the verb."""

    def __init__(self, verb: str) -> None:
        """Take the verb."""
        self.verb = verb
        self._bar = False

    def __call__(self, text: str) -> None:
        """Write a note."""
        self._end_bar()
        print(f"{self.verb}: {text}", file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Write a warning."""
        self(f"warning: {text}")

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how many of a known number are done: a bar on a terminal, else a line now and then."""
        text = f"{what}: {done} of {total}"
        if not sys.stderr.isatty():
            if done % _STEP == 0:
                self(text)
            return
        filled = "#" * (_WIDTH * done // total)
        print(f"\r{self.verb}: [{filled:{_WIDTH}}] {text}", end="", file=sys.stderr, flush=True)
        self._bar = True
        if done == total:
            self._end_bar()

    def _end_bar(self) -> None:
        if self._bar:
            print(file=sys.stderr, flush=True)
            self._bar = False
