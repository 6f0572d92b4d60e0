"""Run commands, and find processes by environment variable."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.helpers.support import TIMEOUT


def run(
    directory: Path, command: Sequence[str], environment: Mapping[str, str], *, check: bool
) -> subprocess.CompletedProcess[str]:
    """Run a command and return its exit code and output, including standard error.

    Print the output too, so that pytest shows it with a failed test. With `check`, fail if the exit code
    is not 0. If the test is interrupted, interrupt the command, and kill it if it does not end in time.
    """
    with subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C reaches only the tests, not the command
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            # Let Pulumi finish its calls, so that it does not create anything after the test.
            os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=TIMEOUT)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    done = subprocess.CompletedProcess(command, process.returncode, output)
    show(f"$ {shlex.join(command)}\n{done.stdout}(exit code {done.returncode})")
    assert not (check and done.returncode), f"failed, see the output: {shlex.join(command)}"
    return done


def show(text: str) -> None:
    """Print text without buffering, to keep it in order with other processes' output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def eventually(happens: Callable[[], object], condition: str) -> None:
    """Wait until a condition is true; fail after the timeout."""
    deadline = time.monotonic() + TIMEOUT
    while not happens():
        assert time.monotonic() < deadline, f"not in {TIMEOUT:.0f} seconds: {condition}"
        time.sleep(0.02)


def commands_with(variable: str) -> list[str]:
    """Return the commands of all processes whose environment contains `variable` (`NAME=value`)."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended or belongs to another user
            if variable.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found
