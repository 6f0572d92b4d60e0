"""Describe the place where a value is set, and collect the problems with values for one message.

Messages hide secret values, and escape line breaks and terminal control characters.
"""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from typing import Final, NamedTuple

import pulumi

HIDDEN: Final = "[secret]"  # the text that replaces a secret value, or a value derived from one
_MAXIMUM_SHOWN: Final = 120  # the maximum length of a value in a message


def camel_case(name: str) -> str:
    """Convert a name from snake case to camel case, such as `role_name` to `roleName`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def escape(text: str) -> str:
    """Escape all characters except printable ASCII."""
    return re.sub(r"[^ -~]", lambda match: match[0].encode("unicode_escape").decode(), text)


def quote(value: object) -> str:
    """Return a value as JSON in printable ASCII; shorten a long value."""
    # Packages receive every number as a float.
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    try:
        text = json.dumps(value, default=lambda other: f"a Python object of type {type(other).__name__}")
    except (TypeError, ValueError, RecursionError):
        text = "..."
    return escape(text if len(text) <= _MAXIMUM_SHOWN else text[:_MAXIMUM_SHOWN] + "...")


def show_path(path: tuple[str | int, ...]) -> str:
    """Return a path as Pulumi writes it: `vpcConfiguration.subnetIds[2]`, `tags["cost.center"]`."""
    text = str(path[0])
    for part in path[1:]:
        is_name = isinstance(part, str) and part.isidentifier() and part.isascii()
        text += f".{part}" if is_name else f"[{json.dumps(part)}]"
    return escape(text)


def stack_name() -> str:
    """Return the stack's name for a command, with its organization if the backend is Pulumi Cloud.

    In Pulumi Cloud, a name without an organization refers to the user's default organization
    (`ParseStackReference` in pkg/backend/httpstate). Other backends always use the name "organization".
    """
    organization, name = pulumi.get_organization(), pulumi.get_stack()
    return name if organization in (None, "", "organization") else f"{organization}/{name}"


class Source(Enum):
    """A value's source, which determines the spelling of the settings' names."""

    PYTHON = "a program's arguments"
    PACKAGE = "a package's inputs"
    STACK = "a stack's configuration"

    def spell(self, name: str) -> str:
        """Return a setting's name: in snake case for Python, and in camel case for other sources."""
        return name if self is Source.PYTHON else camel_case(name)


class Place(NamedTuple):
    """The place where a value is set."""

    path: tuple[str | int, ...]  # such as ("dataSources", "wiki", "vpcConfiguration", "subnetIds", 2)
    source: Source
    setting: str = ""  # the setting's name in ConnectorRoleArgs; empty for any other value
    is_secret: bool = False
    is_hidden_entry: bool = False  # whether the place is an entry of the secret value at `path`

    @property
    def name(self) -> str:
        """The path as shown in messages."""
        return show_path(self.path)

    def part(self, key: str | int) -> "Place":
        """Return the place of an entry whose key is not secret."""
        return self._replace(path=(*self.path, key))

    def entry(self, key: str | int) -> "Place":
        """Return the place of an entry; leave out its key if the value at this place is secret."""
        return self._replace(is_hidden_entry=True) if self.is_secret else self.part(key)

    def show(self, value: object) -> str:
        """Return this place's value, or a part of it, as JSON; HIDDEN if the value is secret."""
        return self.hide(quote(value))

    def hide(self, text: str) -> str:
        """Return text that is derived from this place's value, or HIDDEN if the value is secret."""
        return HIDDEN if self.is_secret else text

    def fix(self, verb: str = "", value: str = "") -> str:
        """Return the command that sets or removes (`rm`) a stack's top-level value; "" outside a stack.

        For an entry, or without a verb, return an instruction to edit the stack's file.
        """
        if self.source is not Source.STACK:
            return ""
        if not verb or self.is_hidden_entry or len(self.path) > 1:
            return f"edit {self.name} in Pulumi.{pulumi.get_stack()}.yaml"
        option = ("--secret " if self.is_secret else "--plaintext ") if value else ""
        return f"pulumi config {verb} --stack {stack_name()} {option}-- {self.name} {value}".rstrip()


class Problem(NamedTuple):
    """A problem with a value."""

    place: Place
    given: str  # the reason for the rejection, usually with the value
    expected: str
    fix: str  # a command or an instruction to edit a file; empty outside a stack's configuration


class SettingsError(pulumi.RunError):
    """Raised when settings are invalid; Pulumi shows the message without a traceback."""

    def __init__(self, problems: Collection[Problem], component: str | None = None) -> None:
        """List all problems with a component or, if its name is not given, with a stack."""
        self.problems = tuple(problems)
        owner = f" for {quote(component)}" if component else ""
        which = "its role was not" if component else "no role was"  # other roles may have been created
        lines = [
            (
                f"invalid configuration{owner}: {len(problems)} error{'s' * (len(problems) > 1)}; "
                f"{which} created or changed"
            )
        ]
        for place, given, expected, fix in problems:
            lines += ["", f"  {place.name}: {given}", f"    expected: {expected}"]
            lines += [f"    fix: {fix}"] if fix else []
        super().__init__("\n".join(lines))


@dataclass
class Problems:
    """The problems that were found, and warnings and notes about valid values."""

    found: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, place: Place, given: str, expected: str, fix: str = "") -> None:
        """Add a problem; by default, the fix is to edit the value."""
        self.extend([Problem(place, given, expected, fix or place.fix())])

    def add_type(self, place: Place, given: object, kind: str, expected: str, fix: str = "") -> None:
        """Add a problem with a value whose type is not `kind`, such as "a list"."""
        self.add(place, f"expected {kind}, got {place.show(given)}", expected, fix)

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add the problems that are new; several roles can have a problem with the same default."""
        self.found += [each for each in problems if each not in self.found]

    def check_keys(self, keys: Iterable[object], known: Collection[str], at: Place) -> None:
        """Reject the unknown keys of the object at a place, and suggest similar keys."""
        for key in [key for key in keys if key not in known]:
            name = key if isinstance(key, str) else quote(key)
            near = [] if at.is_secret else similar(name, known)
            given = "has an entry that is not a setting" if at.is_secret else "is not a setting"
            expected = " or ".join(near) or f"one of {', '.join(known)}"
            self.add(at.entry(name), given + suggest(near), expected)


def similar(given: str, names: Collection[str]) -> list[str]:
    """Return the names that extend or abbreviate the given name, or else the most similar name."""
    # The comparison ignores case and namespaces.
    begin = given.rpartition(":")[2].lower()
    compared = {each.rpartition(":")[2].lower(): each for each in names}
    near = [each for each in compared if begin and (each.startswith(begin) or begin.startswith(each))]
    return [compared[each] for each in near or get_close_matches(begin, compared, 1)]


def suggest(near: Collection[str]) -> str:
    """Return a suggestion of similar names for the end of a message; empty if there are none."""
    return f"; did you mean {' or '.join(near)}?" if near else ""
