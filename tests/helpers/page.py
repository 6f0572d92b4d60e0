"""Run the commands of the pages in docs/."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from sandbox.environment import AWS_CLI, PROJECT
from tests.helpers.stacks import Stack

PAGE: Final = PROJECT / "docs" / "operations.md"


def prose(section: str, page: Path = PAGE) -> str:
    """Return the text of the section with a heading."""
    text = re.split(rf"^#+ {re.escape(section)}$", page.read_text(), flags=re.MULTILINE)[1]
    return re.split(r"^#+ ", text, maxsplit=1, flags=re.MULTILINE)[0]


def commands(section: str, page: Path = PAGE) -> str:
    """Return the shell commands of a section."""
    return "\n".join(blocks("sh", prose(section, page)))


def blocks(language: str, text: str) -> list[str]:
    """Return the blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def page_path(stack: Stack) -> str:
    """Return a PATH that contains the programs on the pages."""
    # Use this Python: the shim of a version manager is slow to start.
    return f"{AWS_CLI}:{Path(sys.executable).parent}:{stack.environment['PATH']}"


def run_section(
    stack: Stack, section: str, *, page: Path = PAGE, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the commands of a section, in a session that begins as PAGE does; stop at the first failure.

    tests/docs/test_pasting.py pastes them into interactive shells.
    """
    script = commands(section, page)
    assert script, f"the page has no commands under '{section}'"
    session = {"PATH": page_path(stack), "PULUMI_RUN_PROGRAM": "true", **variables}
    return stack.execute("sh", "-euc", script, check=check, **session)
