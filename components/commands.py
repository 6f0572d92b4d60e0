"""Write paths, values, and the commands that fix a problem, as messages show them."""

import json
import re
from typing import Final

import pulumi

PropertyPath = tuple[str | int, ...]
"""A setting, or a member of one, as it was given: `("vpcConfiguration", "subnetIds", 2)`."""
REMOVE: Final = ""
"""In place of the value that a command sets: the command removes the setting, which then is not set."""
EDIT: Final = None
"""In place of the value that a command sets: no command can set it, and the user edits the file."""
_SHOWN: Final = 120
"""Characters of a value that a message repeats."""
_PLAIN_ARGUMENT: Final = r"(?!-)[A-Za-z0-9_./:@%+,-]+"
"""Text that POSIX shells leave unchanged. It excludes = and ~, which zsh and others expand."""
_LIKE_A_SECRET: Final = "(?i)pass|pwd|secret|token"
"""Matches the keys whose values Pulumi takes for secrets (`looksLikeSecret` in its commands)."""
_BOOLEAN: Final = "--type bool"
_PLACEHOLDERS_OF_DIGITS: Final = ("ACCOUNT_ID", "TAG_VALUE")
"""The placeholders that a user may replace by digits."""


def property_path(path: PropertyPath) -> str:
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


def write_command(path: PropertyPath, value: str | None, *, secret: bool) -> str:
    """Return the command that sets a path in a stack's configuration, removes it, or edits the file."""
    key = property_path(path)
    name = _stack_name()
    if value is None or escape(key) != key or "\\" in key:
        return f"edit Pulumi.{quote_argument(name.rpartition('/')[2])}.yaml"
    stack, argument = quote_argument(name), quote_argument(key)
    in_object = key != path[0]
    at = f"--stack {stack}{' --path' * in_object}"
    remove = f"pulumi config rm {at} -- {argument}"
    if value == REMOVE:
        return remove
    kind = "--secret" if secret else _type_in_object(key, value) if in_object else "--plaintext"
    command = f"pulumi config set {at} {kind} -- {argument} {quote_argument(value)}"
    # Without the removal, an entry that is a string stays one.
    return f"{remove} && {command}" if kind == _BOOLEAN else command


def _type_in_object(key: str, value: str) -> str:
    """Return the option with which Pulumi stores a value in an object as it is; it allows only one."""
    if value in ("true", "false"):
        return _BOOLEAN
    # With --plaintext, digits become a number. With --type, Pulumi rejects an ARN if the key looks like
    # that of a secret.
    may_be_number = value.isdigit() or value in _PLACEHOLDERS_OF_DIGITS
    return "--plaintext" if re.search(_LIKE_A_SECRET, key) and not may_be_number else "--type string"


def _stack_name() -> str:
    """Return the stack's name for a command, with its organization in Pulumi Cloud.

    There, a bare name belongs to the default organization of the user who runs the command
    (`ParseStackReference` in pkg/backend/httpstate). In other backends, the organization is always
    called organization.
    """
    organization, name = pulumi.get_organization(), pulumi.get_stack()
    if organization in (None, "", "organization") or "/" in name:
        return name
    return f"{organization}/{name}"
