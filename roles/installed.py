"""Start a command from the installed package: `qbusiness-roles --help`."""

import shlex
import sys
from importlib import import_module
from pathlib import Path


def main() -> int:
    """Run a command and return the exit code."""
    # The package contains the directories of a clone that the commands import, side by side.
    sys.path.insert(0, str(Path(__file__).parents[1]))
    # With another Python, pip would search an index for a package of this name.
    install = shlex.join([sys.executable, "-m", "pip", "install", "qbusiness-connector[roles]"])
    return import_module("roles.__main__").start("qbusiness-roles", install)
