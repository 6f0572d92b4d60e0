"""Run a command for as long as the process that wants it: `guard.py PATIENCE COMMAND...`.

Standard input is a pipe, and that process holds its other end. The pipe ends if the process closes it,
and also if the process is killed. The command is then interrupted, and killed after PATIENCE seconds.
The guard ends last: nothing that the command has started still runs.
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
"""Seconds between two looks at the pipe."""
_KILLED: Final = 128
"""The exit code of a command that a signal has killed, less the signal's number, as in a shell."""


def main() -> int:
    """Return the command's exit code."""
    patience, *command = sys.argv[1:]
    # Whoever ends all processes of a login also reaches this one, which has to end last. Its command
    # does not inherit a function, as it would SIG_IGN.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _go_on)
    # No signal of a terminal reaches another session.
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
    """Kill a command and all that it has started: Pulumi's plugins have process groups of their own."""
    killed: set[int] = set()
    # One that was just starting another is found in the next round.
    while found := {process for process in _processes() if _session(process) == session} - killed:
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        killed |= found


def _processes() -> list[int]:
    """Return the IDs of all processes."""
    names = [path.name for path in Path("/proc").glob("[0-9]*")]  # on Linux, which may lack `ps`
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
