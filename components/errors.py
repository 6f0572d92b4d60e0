"""Represent problems in settings, and write them into one message."""

import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import pulumi

Path = tuple[str | int, ...]
"""A setting, or a member of one, as it was given: `("vpcConfiguration", "subnetIds", 2)`."""
_SHOWN: Final = 120
"""Characters of a value that a message repeats."""
_PLAIN_ARGUMENT: Final = r"(?!-)[A-Za-z0-9_./:@%+,-]+"
"""Text that POSIX shells leave unchanged. It excludes = and ~, which zsh and others expand."""


class Problem(NamedTuple):
    """One problem with one setting."""

    path: Path
    message: str
    """The value that was given, and the reason for its rejection."""
    expected: str
    fix: str | None = None
    """The command or action that fixes it; None if `expected` is enough."""
    setting: str | None = None
    """The setting by its name in ConnectorRoleArgs; None if the path does not begin with a setting."""

    @property
    def name(self) -> str:
        """The setting, as a message shows it."""
        return escape(property_path(self.path))


class SettingsError(pulumi.RunError):
    """Raised when settings are invalid; Pulumi shows the message without a traceback."""

    def __init__(self, problems: Sequence[Problem], component_name: str | None = None) -> None:
        """Write every problem into the message.

        `component_name` is the component whose arguments are invalid. The message names it, since other
        components of the program may have been created.
        """
        self.problems = tuple(problems)
        """The problems, in the order of the settings."""
        owner, outcome = "", "nothing was created or changed"
        if component_name:
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
    """Escape everything except printable ASCII, so that no text imitates other parts of a message."""
    return re.sub(r"[^ -~]", lambda match: match[0].encode("unicode_escape").decode(), text)


def quote(value: object) -> str:
    """Quote a value for a message, in printable ASCII, and shorten it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a package receives every number as a float
    try:
        text = json.dumps(value, default=lambda other: f"a Python {type(other).__name__}")
    except (TypeError, ValueError, RecursionError):
        text = "..."
    return escape(text[:_SHOWN]) + "..." * (len(text) > _SHOWN)


def quote_argument(text: str) -> str:
    """Quote an argument of a command in a message, for POSIX shells."""
    if re.fullmatch(_PLAIN_ARGUMENT, text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
