"""Report invalid settings, by the names and with the commands of the place where they were given."""

import json
import re
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple, cast

import pulumi

from .formats import REQUIRED

Path = tuple[str | int, ...]
"""A setting, or a member of one, as it was given: `("vpcConfiguration", "subnetIds", 2)`."""
REMOVE: Final = ""
"""In place of a value for a setting that has to go."""
_SHOWN: Final = 120
"""Characters of a value that a message repeats."""
_EXACT: Final = 2**53
"""Up to here, a float holds every integer."""


class Naming(NamedTuple):
    """How settings are called where they are given, and which command changes one there."""

    spell: Callable[[str], str] = str
    """Return what `role_name`, or a member of a setting, is called: `roleName`."""
    fix: Callable[[Path, str | None], str | None] | None = None
    """Return the command that sets a path to a value, or to REMOVE; no command shows the value None."""
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

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Write every problem into the message."""
        self.problems = tuple(problems)
        """What is wrong, in the order of the settings."""
        count = f"{len(problems)} error{'s' * (len(problems) > 1)}"
        lines = [f"invalid configuration: {count}; nothing was created or changed"]
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
    try:
        text = json.dumps(_with_integers(value), default=lambda _: "...")
    except (TypeError, ValueError, RecursionError):
        text = "..."
    return escape(text[:_SHOWN]) + "..." * (len(text) > _SHOWN)


def _with_integers(value: object) -> object:
    """Return a value with 111122223333.0 as 111122223333: a package gets every number as a float."""
    if isinstance(value, float) and abs(value) <= _EXACT and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        members = cast("dict[object, object]", value)
        return {key: _with_integers(member) for key, member in members.items()}
    if isinstance(value, list):
        return [_with_integers(item) for item in cast("list[object]", value)]
    return value
