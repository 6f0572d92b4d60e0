"""Start a command: `python -m roles --help`."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Final

_FAILED = 2
_INTERRUPTED = 130
_IN_A_CLONE: Final = "python -m roles"
_INSTALL: Final = "make roles"


def main(arguments: Sequence[str] | None = None, program: str = _IN_A_CLONE) -> int:
    """Run a command and return the exit code."""
    # The SDKs take half a second to import. `start` first handles interruptions.
    return import_module("roles.command_line").main(arguments, program)


def start(program: str = _IN_A_CLONE, install: str = _INSTALL) -> int:
    """Run the command so that no interruption prints a traceback, and return the exit code.

    `program` is the start of the command, and `install` the command that installs missing packages.
    """
    # In the background of a script, for example, the signal is ignored.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, _end)
    try:
        import_module("roles.command_line")
    except ModuleNotFoundError as error:
        return _fail(_missing(error.name, install))
    except OSError as error:
        return _fail(str(error))  # such as a full disk, on which no temporary file fits
    if find_spec("rich") is None:  # imported later, and only for a terminal
        return _fail(_missing("rich", install))
    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return main(program=program)
    except KeyboardInterrupt:
        return _INTERRUPTED  # during the report of another error
    finally:
        if interruptible:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end(*_: object) -> None:
    """End the process: nothing has begun yet, and an import can lose an exception."""
    _write("interrupted", '"interrupted"')
    os._exit(_INTERRUPTED)


def _missing(package: str | None, install: str) -> str:
    return f"{package} is not installed: run `{install}`"


def _fail(text: str) -> int:
    """Report why the command could not be loaded, and return the exit code."""
    _write(text, import_module("json").dumps(text))
    return _FAILED


def _write(text: str, in_json: str) -> None:
    with suppress(OSError):
        os.write(2, f"roles: {text}\n".encode())
    if "--json" in sys.argv:
        with suppress(OSError):
            os.write(1, f'{{\n  "error": {in_json}\n}}\n'.encode())


if __name__ == "__main__":
    sys.exit(start())
