"""Generate template/constraints.txt: the tested versions of the packages that a new project installs."""

import re
from typing import Final

from pages import PROJECT

_HEADER: Final = "# The tested versions. docs/own-project.md describes how to upgrade them.\n"
_PINS: Final = re.compile(r"^(([\w.-]+)==.*\n)((?: +# .*\n)+)", re.MULTILINE)
"""Matches a pin, with its package and the comment that lists what requires the package."""


def constraints() -> str:
    """Return the file's text: pins for all that the package, commands, and guardrails require."""
    pins = _PINS.findall((PROJECT / "requirements-dev.txt").read_text(encoding="utf-8"))
    needed = {"-r requirements.txt", "-r roles/requirements.txt", "-r guardrails/requirements.txt"}
    while found := {name for _, name, users in pins if _names(users) & needed} - needed:
        needed |= found
    return _HEADER + "".join(pin for pin, name, _ in pins if name in needed)


def _names(users: str) -> set[str]:
    lines = (line.removeprefix("    # via").strip(" #") for line in users.splitlines())
    # uv writes `-r sandbox/../requirements.txt` for a file that another one includes.
    return {re.sub(r"[\w-]+/\.\./", "", line) for line in lines}
