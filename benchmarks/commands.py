"""Measure the commands that a user runs again and again, in a warm sandbox."""

import os
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.measuring import Command, measure
from benchmarks.table import table
from sandbox.environment import PROJECT, Sandbox
from tests.stacks import Stack

_UP: Final = "pulumi up --stack {0} --yes --skip-preview && pulumi stack output --stack {0}"
_PREVIEW: Final = "pulumi preview --stack {0} --diff"
_EMPTY: Final = "the same of an empty program"
_SANDBOX: Final = [str(PROJECT / "venv" / "bin" / "python"), "-m", "sandbox", "run", "--"]


def section() -> str:
    """Measure `make up` and `make preview`, and return the section."""
    sandbox = Sandbox()
    with tempfile.TemporaryDirectory() as directory:
        empty = Stack(Path(directory), sandbox.prepare(), program="")
        empty.configure({})
        try:
            tables = [
                table(
                    measure({f"`make {target}`": _make(target), _EMPTY: _sandboxed(empty, command)}),
                    _EMPTY,
                )
                for target, command in (("up", _UP), ("preview", _PREVIEW))
            ]
            around = measure({"`python -m sandbox run -- true`": _sandboxed(empty, "true")})
        finally:
            empty.run("stack", "rm", "--stack", empty.name, "--yes", "--force")
    ((_, runs),) = around.items()
    return (
        "## In a warm sandbox\n\n"
        "`make up` without a change, and `make preview`:\n\n"
        f"{chr(10).join(tables)}\n"
        f"Of each command, the sandbox takes {1000 * min(run.wall for run in runs):.0f} ms.\n"
    )


def _make(target: str) -> Command:
    return Command(["make", target], PROJECT, os.environ)


def _sandboxed(stack: Stack, command: str) -> Command:
    """Return a command for a stack, run as the Makefile runs it."""
    inside = f"cd {stack.directory} && {command.format(stack.name)}"
    return Command([*_SANDBOX, "sh", "-c", inside], PROJECT, os.environ)
