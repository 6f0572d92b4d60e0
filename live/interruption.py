"""Record signals, so that the run ends only where nothing is lost."""

import os
import signal
import sys
from contextlib import suppress
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
_NOTE: Final = "interrupted; first removing the resources of the run"
_GOES_ON: Final = "still removing the resources of the run; wait until it ends"


class InterruptedRunError(Exception):
    """Raised after a signal, where the run can end."""

    def __init__(self, number: int) -> None:
        """Store the number of the signal."""
        super().__init__(signal.Signals(number).name)
        self.number = number


class Interruption:
    """Records whether the run received a signal that ends it."""

    def __init__(self) -> None:
        """Start without a signal."""
        self._number = 0
        self._ignored = False

    def listen(self) -> None:
        """Handle the signals of keys such as Ctrl-C, of `kill`, and of a closed terminal."""
        for number in _SIGNALS:
            signal.signal(number, self.receive)

    @property
    def received(self) -> bool:
        """Whether the run must end."""
        return bool(self._number) and not self._ignored

    def check(self) -> None:
        """Raise InterruptedRunError if the run must end."""
        if self.received:
            raise InterruptedRunError(self._number)

    def ignore(self) -> None:
        """Ignore all signals from now on, so that the removal finishes."""
        self._ignored = True

    def stop(self) -> None:
        """Ignore signals in the operating system, so that none changes the exit code."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def receive(self, number: int, _frame: object = None) -> None:
        """Handle a signal."""
        # An exception here could lose track of a process that is just being started.
        note = _GOES_ON if self._ignored or self._number else _NOTE
        if not self._ignored:
            self._number = self._number or number
        # The interrupted code may be using Python's buffer, and standard error may be closed.
        with suppress(AttributeError, OSError):
            os.write(sys.stderr.fileno(), f"\nlive: {note}\n".encode())
