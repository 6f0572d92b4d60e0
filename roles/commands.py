"""Quote the arguments of commands that answers and reports contain."""

import re
from typing import Final

_PLAIN_ARGUMENT: Final = r"(?!-)[A-Za-z0-9_./:@%+,-]+"
"""Matches text that POSIX shells and zsh leave unchanged and that does not begin with a hyphen."""


def quote_argument(text: str) -> str:
    """Quote an argument for POSIX shells, if necessary."""
    if re.fullmatch(_PLAIN_ARGUMENT, text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
