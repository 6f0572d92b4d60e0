"""Run the commands on the pages in docs/."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sandbox.environment import AWS_CLI, PROJECT
from tests.helpers.stacks import Stack

ADOPT: Final = PROJECT / "docs" / "adopt.md"
PAGES: Final = (
    ADOPT,
    *(PROJECT / "docs" / f"{page}.md" for page in ("operate", "troubleshooting")),
)
"""The pages for operators of an existing stack or role."""
INSTANT: Final = PROJECT / "tests" / "helpers" / "instant"
"""A directory with a `sleep` that does not pause, because the sandbox shows every change immediately."""


def prose(section: str, *pages: Path) -> str:
    """Return the text between a heading and the next heading, by default from one of PAGES."""
    text = "".join(page.read_text() for page in pages or PAGES)
    text = re.split(rf"^#+ {re.escape(section)}$", text, flags=re.MULTILINE)[1]
    return re.split(r"^#+ ", text, maxsplit=1, flags=re.MULTILINE)[0]


def commands(section: str, *pages: Path) -> str:
    return "\n".join(blocks("sh", prose(section, *pages)))


def blocks(language: str, text: str) -> list[str]:
    """Return the code blocks in a language, without the indentation from lists."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def with_values(script: str, values: Mapping[str, str]) -> str:
    """Return a script whose `export` commands set these values in place of the page's values."""
    for name, value in values.items():
        script = re.sub(rf"^(export .*\b{name}=)\S+", rf"\g<1>{value}", script, flags=re.MULTILINE)
    return script


def read_actions(command: str) -> set[str]:
    """Return the actions that the first policy in docs/read-permissions.md allows for a command."""
    policy, *_ = blocks("json", (PROJECT / "docs" / "read-permissions.md").read_text())
    granted = [each["Action"] for each in json.loads(policy)["Statement"] if command in each["Sid"]]
    return {
        action for actions in granted for action in ([actions] if isinstance(actions, str) else actions)
    }


def page_path(stack: Stack) -> str:
    """Return a PATH that contains the programs that the pages use."""
    # Use the running Python, because a version manager's shim is slow to start.
    return f"{INSTANT}:{AWS_CLI}:{Path(sys.executable).parent}:{stack.environment['PATH']}"


def run_section(
    stack: Stack, section: str, *pages: Path, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a section's commands in one shell; stop at the first failure, and answer yes to prompts.

    The shell's environment contains PULUMI_RUN_PROGRAM=true, which the pages also set, and the given
    variables. These variables replace the values that the commands export.
    tests/docs/test_pages.py checks that the commands can be pasted into an interactive shell.
    """
    script = commands(section, *pages)
    assert script, f"the page has no commands under '{section}'"
    return run_script(stack, script, check=check, **variables)


def run_script(
    stack: Stack, script: str, *, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a script from a page in the same way as `run_section`."""
    script = with_values(script, variables)
    # PULUMI_OPTION_YES and --preview-only conflict. Scripts with --preview-only pass --yes if necessary.
    confirmed = {} if "--preview-only" in script else {"PULUMI_OPTION_YES": "true"}
    session = {"PATH": page_path(stack), "PULUMI_RUN_PROGRAM": "true", **confirmed, **variables}
    return stack.execute("sh", "-euc", script, check=check, **session)
