"""Note that the run shall end, so that it ends where nothing is lost."""

import os
import signal
import sys
from contextlib import suppress
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
_NOTE: Final = "interrupted; what the run has created is removed first"
_GOES_ON: Final = "still removing what the run has created; wait for its end"


class InterruptedRunError(Exception):
    """Raised where a run can end after a signal."""

    def __init__(self, number: int) -> None:
        """Take the number of the signal."""
        super().__init__(signal.Signals(number).name)
        self.number = number


class Interruption:
    """Knows whether a signal has come that ends a process."""

    def __init__(self) -> None:
        """Begin without a signal."""
        self._number = 0
        self._ignored = False

    def listen(self) -> None:
        """Receive the signals: of Ctrl-C and its like, a request to end, and the end of the terminal."""
        for number in _SIGNALS:
            signal.signal(number, self.receive)

    @property
    def received(self) -> bool:
        """Whether the run shall end."""
        return bool(self._number) and not self._ignored

    def check(self) -> None:
        """Raise InterruptedRunError if the run shall end."""
        if self.received:
            raise InterruptedRunError(self._number)

    def ignore(self) -> None:
        """Let what follows come to its end, whatever signal comes."""
        self._ignored = True

    def stop(self) -> None:
        """Let the process end with its exit code: Python restores what a signal does by default."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def receive(self, number: int, _frame: object = None) -> None:
        """Receive a signal."""
        # An exception from here could hide a process that was just being started.
        note = _GOES_ON if self._ignored or self._number else _NOTE
        if not self._ignored:
            self._number = self._number or number
        # Python's own buffer may be in use just now; and there may be no standard error.
        with suppress(AttributeError, OSError):
            os.write(sys.stderr.fileno(), f"\nlive: {note}\n".encode())
