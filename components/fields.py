"""Represent values together with the places where they are set."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, cast

import pulumi
from pulumi.output import Unknown

from .commands import (
    PropertyPath,
    Scalar,
    camel_case,
    can_paste,
    edit_instruction,
    quote,
    remove_command,
    set_command,
    show_path,
)

HIDDEN: Final = "[secret]"
"""Shown in place of a secret value, or of a value derived from one."""
REJECTED: Final = object()
"""Stands in for a value that was rejected where it was read.

The value counts as set, and its setting causes no second problem.
"""


class Field(NamedTuple):
    """A value, and its place in a program's arguments or a stack's configuration."""

    value: object
    """None and "" mean not set."""
    path: PropertyPath
    """In snake case for a Python program, or in camel case for stack configuration and packages."""
    shown: PropertyPath
    """The path in messages, without the names of a secret's entries, because they are secret, too."""
    secret: bool = False
    in_stack: bool = False
    """Whether a stack's configuration has the value; only then do messages say how to fix a problem."""
    setting: str = ""
    """The setting's name in ConnectorRoleArgs; empty for any other value."""

    @classmethod
    def of_config(cls, key: str, setting: str = "", blank: object = None) -> "Field":
        """Read a key, with its namespace, from the stack's configuration.

        `blank` is the key's default in `Pulumi.yaml`, which means not set. If it is a string, the value
        is text. Otherwise, the value is parsed as JSON, and text that isn't JSON is kept.
        """
        namespace, _, name = key.partition(":")
        text = pulumi.Config(namespace).get(name)
        path = (show_key(key),)
        value = text if isinstance(blank, str) else without_blank(parse_json(text), blank)
        return cls(
            value, path, path, pulumi.runtime.is_config_secret(key), in_stack=True, setting=setting
        )

    @property
    def name(self) -> str:
        """The path, as messages show it, in Pulumi's notation."""
        return show_path(self.shown)

    @property
    def is_set(self) -> bool:
        """Whether there is a value."""
        return self.value is not None and self.value != ""

    @property
    def is_known(self) -> bool:
        """Whether the value is known, and was not rejected where it was read."""
        return self.value is not REJECTED and not is_unknown(self.value)

    def entry(self, key: str | int, value: object = None) -> "Field":
        """Return the field of an entry in this value; if this value is secret, hide the entry's key."""
        path = (*self.path, key)
        return Field(
            value, path, self.shown if self.secret else path, self.secret, self.in_stack, self.setting
        )

    def part(self, key: str | int, value: object = None) -> "Field":
        """Return the field of an entry whose key is shown even if this value is secret."""
        path = (*self.path, key)
        return Field(value, path, path, self.secret, self.in_stack, self.setting)

    def spell(self, name: str) -> str:
        """Return a name in snake case or camel case, whichever this field's path uses."""
        return name if self.path[-1] == self.setting else camel_case(name)

    def show(self, value: object) -> str:
        """Return this value, or one derived from it, as text; HIDDEN if this value is secret."""
        return HIDDEN if self.secret else str(value)

    def quote(self, value: object) -> str:
        """Return a value as JSON (see `commands.quote`), or HIDDEN if this field is secret."""
        return HIDDEN if self.secret else quote(value)

    def set(self, value: Scalar) -> str:
        """Return the command that sets this value or, if no command can, the result of `edit`."""
        return set_command(self.path, value, secret=self.secret) if self._has_command else self.edit()

    def remove(self) -> str:
        """Return the command that removes this value or, if no command can, the result of `edit`."""
        return remove_command(self.path) if self._has_command else self.edit()

    def edit(self) -> str:
        """Return the instruction to edit the stack's file; empty outside a stack's configuration."""
        return edit_instruction() if self.in_stack else ""

    @property
    def _has_command(self) -> bool:
        """Whether a command can change this value; always false outside a stack's configuration.

        Also false for an entry in a secret, because a command would replace the whole secret.
        """
        is_in_secret = self.secret and len(self.path) > 1
        return self.in_stack and not is_in_secret and can_paste(self.path)


def show_key(key: str) -> str:
    """Return a key as messages and commands show it: without the project's own namespace."""
    return key.removeprefix(f"{pulumi.get_project()}:")


def parse_json(text: str | None) -> object:
    """Parse a configuration value, which the engine passes as JSON unless it is a string.

    Return None, or text that is not JSON, unchanged.
    """
    # Python cannot parse numbers with too many digits or values with too many levels.
    with suppress(ValueError, RecursionError):
        return json.loads(text) if text else text
    return text


def without_blank(value: object, blank: object) -> object:
    """Return the value, or None if it equals `blank` and has the same type, unlike 0 and False."""
    return None if value == blank and type(value) is type(blank) else value


def as_mapping(value: object) -> Mapping[str, object]:
    """Return the value if it is a mapping; otherwise, an empty mapping."""
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def is_unknown(value: object) -> bool:
    """Return whether a value is an Output, or the unknown content of an Output during a preview."""
    return isinstance(value, (pulumi.Output, Unknown))


def has_outputs(value: object) -> bool:
    """Return whether a value is, or contains, an Output or an unknown value."""
    if isinstance(value, Mapping):
        return any(map(has_outputs, cast("Mapping[object, object]", value).values()))
    if isinstance(value, (list, tuple)):
        return any(map(has_outputs, cast("Sequence[object]", value)))
    return is_unknown(value)
