"""Split ARNs into their parts, and parse application IDs and ARNs."""

from argparse import ArgumentTypeError
from typing import Final, NamedTuple

from components.formats import APPLICATION, Text

_PARTS: Final = 6
"""The number of parts: `arn`, partition, service, Region, account, and resource.

The resource may contain more colons.
"""


class Arn(NamedTuple):
    """An ARN and its parts, some of which are empty for some services."""

    text: str
    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def of(cls, text: str) -> "Arn":
        """Return an ARN with its parts, all of which are empty if the text is not an ARN."""
        parts = text.split(":", _PARTS - 1)
        if parts[0] != "arn" or len(parts) < _PARTS:
            parts = [""] * _PARTS
        return cls(text, *parts[1:])

    @property
    def name(self) -> str:
        """The part of the resource after its last slash, such as a role's name without its path."""
        return self.resource.rpartition("/")[2]


def application(text: str) -> Text:
    """Parse an application's ID or ARN for argparse; raise ArgumentTypeError for other text."""
    if found := APPLICATION.parse(text):
        return found
    raise ArgumentTypeError(f"{text!r} is not {APPLICATION.name}: expected {APPLICATION.expected}")
