"""Start a command: `python -m roles --help`."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Final

_FAILED: Final = 2
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    # The SDKs take half a second to import: not before an interruption ends in one line.
    return import_module("roles.command_line").main(arguments)


def _start() -> int:
    """Return the exit code of a process, in which nothing ends with a traceback."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, _end)
    try:
        import_module("roles.command_line")
    except ModuleNotFoundError as error:
        install = "venv/bin/python -m pip install -r roles/requirements.txt"
        _report(f"{error.name} is not installed: run `{install}`")
        return _FAILED
    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return main()
    except KeyboardInterrupt:
        # While something else was being reported.
        os._exit(_INTERRUPTED)


def _end(*_: object) -> None:
    """End after an interruption: nothing has begun, and an import may lose an exception."""
    _report("interrupted")
    os._exit(_INTERRUPTED)


def _report(text: str) -> None:
    """Report a failure before anything is imported that could do it."""
    if "--json" in sys.argv:
        with suppress(OSError):
            os.write(1, f'{{\n  "error": "{text}"\n}}\n'.encode())
    with suppress(OSError):
        os.write(2, f"roles: {text}\n".encode())


if __name__ == "__main__":
    sys.exit(_start())
