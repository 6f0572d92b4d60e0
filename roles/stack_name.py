"""Check the name of a stack as it is given in a command."""

import re
from argparse import ArgumentTypeError
from typing import Final

_PATTERN: Final = re.compile(r"(?:[A-Za-z0-9_-]+/(?:[A-Za-z0-9_.-]+/)?)?[A-Za-z0-9_.-]{1,100}")
"""https://www.pulumi.com/docs/iac/concepts/stacks/"""


def stack_name(text: str) -> str:
    """Return a stack's name, for argparse, which shows what is wrong with another text."""
    if not _PATTERN.fullmatch(text) or text.startswith("-"):
        raise ArgumentTypeError(
            f"{text!r} is not the name of a stack: expected STACK, ORGANIZATION/STACK or "
            "ORGANIZATION/PROJECT/STACK, each of letters, digits, hyphens, underscores and periods; "
            "`pulumi stack ls` lists yours"
        )
    return text
