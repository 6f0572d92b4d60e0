"""Start `qbusiness-roles`, from a clone or from the installed package; `--help` lists the commands.

Importing the SDKs takes a second, so this module first prepares for interruptions. It also reports
missing packages.
"""

import os
import shlex
import signal
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

_FAILED: Final = 2
_INTERRUPTED: Final = 130


def start(install: str) -> int:
    """Run the command so that no interruption prints a traceback, and return the exit code.

    `install` is the command that installs missing packages.
    """
    # A background job in a script, for example, ignores the signal.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, _end)
    try:
        cli = import_module("roles.cli")
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        return _fail(f"{package} is not installed: run `{install}`")
    except OSError as error:
        return _fail(str(error))  # such as a full disk without room for temporary files
    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return cli.main(None)
    except KeyboardInterrupt:
        return _INTERRUPTED  # for example, while the command reported an error
    finally:
        if interruptible:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def start_installed() -> int:
    """Run the command from the installed package and return the exit code."""
    # The package contains, side by side, the directories of a clone that the commands import. Only
    # components/ is elsewhere, under the name that Pulumi programs import.
    tools = Path(__file__).parents[1]
    sys.path.insert(0, str(tools))
    components = sys.modules["components"] = ModuleType("components")
    components.__path__ = [str(tools.parent / "qbusiness_connector")]
    # With a different Python, pip or uv would look for the installed package on an index.
    pip = (sys.executable, "-m", "pip", "install")
    uv = ("uv", "pip", "install", "--python", sys.executable)
    install = shlex.join([*(pip if find_spec("pip") else uv), "qbusiness-connector[roles]"])
    return start(install)


def _end(*_: object) -> None:
    """Report the interruption and end the process; no work has begun yet.

    This function raises no exception, because an import could swallow it.
    """
    _write("interrupted", '"interrupted"')
    os._exit(_INTERRUPTED)


def _fail(text: str) -> int:
    """Report why the command did not load, and return the exit code."""
    _write(text, import_module("json").dumps(text))
    return _FAILED


def _write(text: str, in_json: str) -> None:
    with suppress(OSError):
        os.write(2, f"qbusiness-roles: {text}\n".encode())
    if "--json" in sys.argv:
        with suppress(OSError):
            os.write(1, f'{{\n  "error": {in_json}\n}}\n'.encode())


if __name__ == "__main__":
    sys.exit(start("make roles"))
