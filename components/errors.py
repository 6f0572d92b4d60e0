"""Report invalid settings, by the names and with the commands of the place where they were given."""

import json
import re
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

import pulumi

from .formats import REQUIRED

Path = tuple[str | int, ...]
"""A setting, or a member of one, as it was given: `("vpcConfiguration", "subnetIds", 2)`."""
NOT_SET: Final = ""
"""A setting that is blank is not set; the command that sets it to this removes it."""
_SHOWN: Final = 120
"""Characters of a value that a message repeats."""
_PLAIN_ARGUMENT: Final = re.compile(r"(?!-)[A-Za-z0-9_./:@%+,-]+")
"""Text that no shell changes. `=ls` and `~user` are not: zsh and other shells expand them."""


class Naming(NamedTuple):
    """How settings are called where they are given, and which command changes one there."""

    name: Callable[[str], str] = str
    """Return the name of `role_name`, or of a member of a setting: `roleName`."""
    command: Callable[[Path, str | None], str] | None = None
    """Return the command that sets a path to a value; None is a value that cannot be shown."""
    required: Collection[str] = REQUIRED


class Problem(NamedTuple):
    """One thing that is wrong with one setting."""

    path: Path
    message: str
    """What was given, and why it is refused."""
    expected: str
    fix: str | None = None
    """What to do about it; None where `expected` says it all."""

    @property
    def name(self) -> str:
        """The setting, as a message shows it."""
        return escape(property_path(self.path))


class SettingsError(pulumi.RunError):
    """Raised when settings are invalid; Pulumi shows the message without a traceback."""

    def __init__(self, problems: Sequence[Problem], component_name: str | None = None) -> None:
        """Write every problem into the message."""
        self.problems = tuple(problems)
        """What is wrong, in the order of the settings."""
        owner, outcome = "", "nothing was created or changed"
        if component_name:  # of a program that may have created others
            owner, outcome = f" of {quote(component_name)}", "its role was not created or changed"
        count = f"{len(problems)} error{'s' * (len(problems) > 1)}"
        lines = [f"invalid configuration{owner}: {count}; {outcome}"]
        for problem in problems:
            lines += ["", f"  {problem.name}: {problem.message}", f"    expected: {problem.expected}"]
            lines += [f"    fix: {problem.fix}"] if problem.fix else []
        super().__init__("\n".join(lines))


def property_path(path: Path) -> str:
    """Return a path as Pulumi writes it: `vpcConfiguration.subnetIds[2]`, `tags["cost.center"]`."""
    text = str(path[0])
    for part in path[1:]:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier() and part.isascii():
            text += f".{part}"
        else:
            text += '["' + part.replace('"', '\\"') + '"]'
    return text


def escape(text: str) -> str:
    """Escape all but printable ASCII, so that no text can look like another part of a message."""
    return re.sub(r"[^ -~]", lambda match: match[0].encode("unicode_escape").decode(), text)


def quote(value: object) -> str:
    """Quote a value for a message: printable ASCII, shortened."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a package gets every number as a float
    try:
        text = json.dumps(value, default=lambda other: f"a Python {type(other).__name__}")
    except (TypeError, ValueError, RecursionError):
        text = "..."
    return escape(text[:_SHOWN]) + "..." * (len(text) > _SHOWN)


def quote_argument(text: str) -> str:
    """Quote an argument of a command that a message shows, for every shell."""
    if _PLAIN_ARGUMENT.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
