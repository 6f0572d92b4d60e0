"""Format paths, values, and the commands that fix problems, for messages."""

import json
import re
from typing import Final

import pulumi

PropertyPath = tuple[str | int, ...]
"""The path of a setting, or of an entry in it, such as `("vpcConfiguration", "subnetIds", 2)`."""
Scalar = str | bool
"""A value that a command can set."""
_MAXIMUM_SHOWN: Final = 120
"""The number of characters to which `quote` shortens a longer value."""
_PLAIN_ARGUMENT: Final = r"(?!-)[A-Za-z0-9_./:@%+,-]+"
"""Matches text that POSIX shells and zsh leave unchanged and that does not begin with a hyphen."""
_LIKE_A_SECRET: Final = "(?i)pass|pwd|secret|token"
"""Matches keys whose values may look like secrets to Pulumi (`looksLikeSecret` in its commands)."""
_PLACEHOLDERS_OF_DIGITS: Final = ("ACCOUNT_ID", "TAG_VALUE")
"""Placeholders that a user is likely to replace with digits only."""


def camel_case(name: str) -> str:
    """Convert a name from snake case to camel case, such as `role_name` to `roleName`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def show_path(path: PropertyPath) -> str:
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
    """Escape everything except printable ASCII, so that no text adds a line or controls a terminal."""
    return re.sub(r"[^ -~]", lambda match: match[0].encode("unicode_escape").decode(), text)


def quote(value: object) -> str:
    """Return a value as JSON in printable ASCII, for a message; shorten a long value."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # packages receive every number as a float
    try:
        text = json.dumps(value, default=lambda other: f"a Python object of type {type(other).__name__}")
    except (TypeError, ValueError, RecursionError):
        text = "..."
    if len(text) <= _MAXIMUM_SHOWN:
        return escape(text)
    return escape(text[: _MAXIMUM_SHOWN - 4]) + ('..."' if text.startswith('"') else "...")


def quote_argument(text: str) -> str:
    """Quote an argument for POSIX shells, if necessary."""
    if re.fullmatch(_PLAIN_ARGUMENT, text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def switch_credentials(wanted: str) -> str:
    """Return the instruction to use credentials for an account or a partition."""
    return (
        "`unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN; export AWS_PROFILE=PROFILE`, "
        f"with a profile for {wanted}, or change aws:profile if the stack sets it; `aws sts "
        "get-caller-identity` shows the account and the partition of the shell's credentials"
    )


def can_paste(path: PropertyPath) -> bool:
    """Return whether a user can paste a command with this path.

    `show_path` does not escape backslashes, so Pulumi could read a key with a backslash as another key.
    """
    key = show_path(path)
    return escape(key) == key and "\\" not in key


def set_command(path: PropertyPath, value: Scalar, *, secret: bool) -> str:
    """Return the command that sets a path in a stack's configuration."""
    is_text = isinstance(value, str)
    if secret:
        option = "--secret"
    elif is_text:
        option = "--plaintext" if len(path) == 1 else _choose_string_option(show_path(path), value)
    else:
        option = "--type bool"
    text = quote_argument(value if is_text else str(value).lower())
    command = f"{_config_command('set', path, option)} {text}"
    # Pulumi would store the boolean as a string in place of a string.
    replaces_text = option == "--type bool" and len(path) > 1
    return f"{remove_command(path)} && {command}" if replaces_text else command


def remove_command(path: PropertyPath) -> str:
    """Return the command that removes a path from a stack's configuration."""
    return _config_command("rm", path)


def get_command(path: PropertyPath) -> str:
    """Return the command that prints a path in a stack's configuration, even if the value is secret."""
    return _config_command("get", path)


def edit_instruction() -> str:
    """Return the instruction to edit the stack's configuration file."""
    return f"edit Pulumi.{quote_argument(_stack_name().rpartition('/')[2])}.yaml"


def _config_command(verb: str, path: PropertyPath, *options: str) -> str:
    stack = ("--stack", quote_argument(_stack_name()), *(["--path"] if len(path) > 1 else []))
    return " ".join(("pulumi config", verb, *stack, *options, "--", quote_argument(show_path(path))))


def _choose_string_option(key: str, text: str) -> str:
    """Return an option with which Pulumi stores text in an object or a list as a string."""
    if text.isdigit() or text in (*_PLACEHOLDERS_OF_DIGITS, "true", "false"):
        return "--type string"  # with --plaintext, Pulumi would store a number or a boolean
    # If the key looks like the key of a secret, Pulumi rejects --type with text such as an ARN.
    return "--plaintext" if re.search(_LIKE_A_SECRET, key) else "--type string"


def _stack_name() -> str:
    """Return the stack's name for a command, with its organization if the backend is Pulumi Cloud.

    In Pulumi Cloud, a name without an organization refers to the default organization of the user who
    runs the command (`ParseStackReference` in pkg/backend/httpstate). In other backends, the
    organization's name is always "organization".
    """
    organization, name = pulumi.get_organization(), pulumi.get_stack()
    if organization in (None, "", "organization") or "/" in name:
        return name
    return f"{organization}/{name}"
