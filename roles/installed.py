"""Start a command from the installed package: `qbusiness-roles --help`."""

import shlex
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path


def main() -> int:
    """Run a command and return the exit code."""
    # The package contains the directories of a clone that the commands import, side by side.
    sys.path.insert(0, str(Path(__file__).parents[1]))
    # With another Python, both would search an index for a package of this name.
    pip = (sys.executable, "-m", "pip", "install")
    uv = ("uv", "pip", "install", "--python", sys.executable)
    install = shlex.join([*(pip if find_spec("pip") else uv), "qbusiness-connector[roles]"])
    return import_module("roles.__main__").start("qbusiness-roles", install)
