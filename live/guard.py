"""Run a command no longer than the parent process: `guard.py PATIENCE COMMAND...`.

Standard input is a pipe from the parent. The pipe ends when the parent closes it or is killed. The guard
then interrupts the command, and kills it after PATIENCE seconds. The guard ends last: no process that
the command started still runs.
"""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_GLANCE: Final = 0.1
"""Seconds between two checks of the pipe."""
_KILLED: Final = 128
"""The exit code of a killed command, minus the number of the signal, as in a shell."""


def main() -> int:
    """Run the command and return its exit code."""
    patience, *command = sys.argv[1:]
    # The end of a login session signals all processes, but this one must end last. Unlike SIG_IGN, a
    # handler is not inherited by the command.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _go_on)
    # Signals from the terminal do not reach another session.
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None and not _is_closed():
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GLANCE)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(float(patience))
        _kill_session(process.pid)
    return process.returncode if process.returncode >= 0 else _KILLED - process.returncode


def _go_on(*_: object) -> None:
    pass


def _is_closed() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _kill_session(session: int) -> None:
    """Kill a command and all its descendants: Pulumi's plugins have separate process groups."""
    killed: set[int] = set()
    # The next round finds a process that was just being started.
    while found := {process for process in _processes() if _session(process) == session} - killed:
        # The command first: it must not report that its descendants were killed.
        for process in sorted(found, key=lambda process: process != session):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        killed |= found


def _processes() -> list[int]:
    """Return the IDs of all processes."""
    names = [path.name for path in Path("/proc").glob("[0-9]*")]  # Linux, possibly without `ps`
    if not names:
        listed = subprocess.run(["ps", "-A", "-o", "pid="], check=True, capture_output=True, text=True)
        names = listed.stdout.split()
    return [int(name) for name in names]


def _session(process: int) -> int:
    try:
        return os.getsid(process)
    except OSError:  # ended
        return 0


if __name__ == "__main__":
    sys.exit(main())
