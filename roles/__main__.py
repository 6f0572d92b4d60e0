"""Start `qbusiness-roles`, from a clone or from the installed package; `--help` lists the commands."""

import shlex
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

_FAILED: Final = 2
_INTERRUPTED: Final = 130


def start(install: str) -> int:
    """Run the command and return the exit code; if the user interrupts it, print no traceback.

    `install` is the command that installs missing packages.
    """
    try:
        exit_code: int = import_module("roles.cli").main(None)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        exit_code, text = _FAILED, f"{package} is not installed: run `{install}`"
    except KeyboardInterrupt:
        exit_code, text = _INTERRUPTED, "interrupted"
    else:
        return exit_code
    print(f"qbusiness-roles: {text}", file=sys.stderr)
    return exit_code


def start_installed() -> int:
    """Run the command from the installed package and return the exit code."""
    # In the installed package, the directories that the commands import are side by side, as in a
    # clone; only components/ is elsewhere, under the name that Pulumi programs import.
    tools = Path(__file__).parents[1]
    sys.path.insert(0, str(tools))
    components = sys.modules["components"] = ModuleType("components")
    components.__path__ = [str(tools.parent / "qbusiness_connector")]
    # Specify this interpreter; in another environment, pip or uv would search an index for the package.
    pip = (sys.executable, "-m", "pip", "install")
    uv = ("uv", "pip", "install", "--python", sys.executable)
    install = shlex.join([*(pip if find_spec("pip") else uv), "qbusiness-connector[roles]"])
    return start(install)


if __name__ == "__main__":
    sys.exit(start("make roles"))
