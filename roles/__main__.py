"""Start `qbusiness-roles`, from a clone or from the installed package; `--help` lists the commands.

Importing the SDKs takes a second, so this module first prepares for interruptions. It also reports
missing packages.
"""

import json
import shlex
import signal
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

_FAILED = 2
_INTERRUPTED = 130


def start(install: str) -> int:
    """Run the command so that no interruption prints a traceback, and return the exit code.

    `install` is the command that installs missing packages.
    """
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # a background job in a script ignores the signal
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # an import could swallow an exception
    try:
        cli = import_module("roles.cli")
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        return _fail(f"{package} is not installed: run `{install}`")
    except OSError as error:
        return _fail(str(error))  # such as a full disk without room for temporary files
    signal.signal(signal.SIGINT, handler)
    try:
        return cli.main(None)
    except KeyboardInterrupt:
        return _INTERRUPTED  # for example, while the command reported an error


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


def _fail(text: str) -> int:
    """Report why the command did not load, and return the exit code."""
    print(f"qbusiness-roles: {text}", file=sys.stderr)
    if "--json" in sys.argv:
        print(json.dumps({"error": text}, indent=2))
    return _FAILED


if __name__ == "__main__":
    sys.exit(start("make roles"))
