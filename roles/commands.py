"""Return the commands and instructions that change a stack's configuration, for `check` and `adopt`."""

import re
from typing import Final

from components.problems import Place, escape, show_path, stack_name

_PLAIN_ARGUMENT: Final = r"(?!-)[A-Za-z0-9_./:@%+,-]+"
"""Matches text that POSIX shells and zsh leave unchanged and that does not begin with a hyphen."""
_LIKE_A_SECRET: Final = "(?i)pass|pwd|secret|token"
"""Matches keys whose values may look like secrets to Pulumi (`looksLikeSecret` in its commands)."""
_PLACEHOLDERS_OF_DIGITS: Final = ("ACCOUNT_ID", "TAG_VALUE")
"""Placeholders that a user is likely to replace with digits only."""


def quote_argument(text: str) -> str:
    """Quote an argument for POSIX shells, if necessary."""
    if re.fullmatch(_PLAIN_ARGUMENT, text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def change_command(place: Place, value: str | None) -> str:
    """Return the command that sets a value in a stack's configuration, or removes it if it is None.

    If no command can change the value, return the instruction to edit the stack's file.
    """
    path, key = place.path, show_path(place.path)
    is_nested = len(path) > 1
    # A command would replace the whole secret. `show_path` does not escape backslashes, so Pulumi could
    # read a key with a backslash as another key.
    if (place.is_secret and is_nested) or escape(key) != key or "\\" in key:
        file = f"Pulumi.{quote_argument(stack_name().rpartition('/')[2])}.yaml"
        return f"edit {file}"
    options = ["--stack", quote_argument(stack_name()), *(["--path"] if is_nested else [])]
    if value is None:
        return " ".join(("pulumi config rm", *options, "--", quote_argument(key)))
    kind = _choose_string_option(key, value) if is_nested else "--plaintext"
    options.append("--secret" if place.is_secret else kind)
    return " ".join(("pulumi config set", *options, "--", quote_argument(key), quote_argument(value)))


def _choose_string_option(key: str, text: str) -> str:
    """Return an option with which Pulumi stores text in an object or a list as a string."""
    if text.isdigit() or text in (*_PLACEHOLDERS_OF_DIGITS, "true", "false"):
        return "--type string"  # with --plaintext, Pulumi would store a number or a boolean
    # If the key looks like the key of a secret, Pulumi rejects --type with text such as an ARN.
    return "--plaintext" if re.search(_LIKE_A_SECRET, key) else "--type string"
