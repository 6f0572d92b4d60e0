"""docs/: a pasted block stops at the first failure.

A block must be one command for the shell, because Pulumi's CLI would read further lines as input.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from typing import Final

from sandbox.environment import PROJECT
from tests.helpers.page import blocks

PAGES: Final = (
    PROJECT / "README.md",
    PROJECT / "sandbox" / "README.md",
    PROJECT / "template" / "README.md",
    *sorted((PROJECT / "docs").glob("*.md")),
)
VARIABLE: Final = r"\$(?!aws:)\{?(\w+)"
"""A shell variable; `$aws:` is part of a URN, in single quotes."""
SET: Final = r"^export .*|\b\w+=(?=\$\()"
"""Where a block sets variables: `export NAME=VALUE`, and `NAME=$(command)`."""


def all_blocks() -> Iterator[tuple[str, str, str]]:
    """Yield each shell block's place, text, and the text before it, whose exports remain in effect."""
    for page in PAGES:
        before = ""
        for number, text in enumerate(blocks("sh", page.read_text()), start=1):
            yield f"{page.parent.name} {page.stem} {number}", text, before
            before += text


def is_complete(script: str) -> bool:
    """Return whether bash would run a script, instead of waiting for more lines."""
    return not subprocess.run(["bash", "-nc", script], check=False, capture_output=True).returncode


def test_each_block_is_one_and_list():
    for place, text, _ in all_blocks():
        script = text.replace("\\\n", " ")
        tokens = shlex.shlex(script, posix=True, punctuation_chars=True)
        tokens.whitespace_split = True
        tokens.commenters = ""
        operators = {token for token in tokens if set(token) <= set("&|;<>")}
        assert operators <= {"&&", ">"}, place
        assert is_complete(script), place
        lines = script.splitlines()
        for end in range(1, len(lines)):
            assert not is_complete("\n".join(lines[:end])), (place, lines[end - 1])


def test_block_ends_if_variable_is_not_set():
    for place, text, before in all_blocks():
        given = {
            name
            for found in re.findall(SET, before + text, re.MULTILINE)
            for name in re.findall(r"(\w+)=", found)
        }
        for found in re.finditer(VARIABLE, text):
            checked = re.search(rf"\$\{{{found[1]}:\?", text[: found.end() + 2])
            assert found[1] in given or checked, (place, found[1])
