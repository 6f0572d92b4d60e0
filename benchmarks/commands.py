"""Measure the commands that a user repeats, in a warm sandbox."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.measuring import Command, Run, measure, ratio
from benchmarks.table import seconds
from sandbox.environment import PROJECT, Sandbox
from tests.helpers.stacks import Stack

_UP: Final = "pulumi up --stack {0} --yes --skip-preview && pulumi stack output --stack {0}"
_PREVIEW: Final = "pulumi preview --stack {0} --diff"
_SANDBOX: Final = [str(PROJECT / "venv" / "bin" / "python"), "-m", "sandbox", "run", "--"]


def section() -> str:
    """Measure `make up` and `make preview`, and return the section."""
    with tempfile.TemporaryDirectory() as directory:
        empty = Stack(Path(directory), Sandbox().prepare(), program="")
        empty.configure({})
        commands = {
            "make up": Command(["make", "up"], PROJECT, os.environ),
            "up, empty": _sandboxed(empty, _UP),
            "make preview": Command(["make", "preview"], PROJECT, os.environ),
            "preview, empty": _sandboxed(empty, _PREVIEW),
            "sandbox": _sandboxed(empty, "true"),
        }
        try:
            runs = measure(commands)
        finally:
            empty.run("stack", "rm", "--stack", empty.name, "--yes", "--force")
    rows = [
        ("`make up`, without a change", "make up", "up, empty"),
        ("`make preview`", "make preview", "preview, empty"),
    ]
    lines = [
        f"| {title} | {_seconds(runs[name])} | {ratio(runs[name], runs[base], 'wall'):.2f} |"
        for title, name, base in rows
    ]
    return (
        "## Wait times\n\n"
        "In a sandbox that contains the stack:\n\n"
        "| | wall, s | ratio to the same command of an empty program |\n|---|---|---|\n"
        f"{chr(10).join(lines)}\n"
        f"| part of each, outside of the engine | {_seconds(runs['sandbox'])} | |\n"
    )


def _seconds(runs: Sequence[Run]) -> str:
    return seconds([run.wall for run in runs])


def _sandboxed(stack: Stack, command: str) -> Command:
    """Return a command for a stack, run as the Makefile runs it."""
    inside = f"cd {stack.directory} && {command.format(stack.name)}"
    return Command([*_SANDBOX, "sh", "-c", inside], PROJECT, os.environ)
