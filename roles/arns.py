"""Split ARNs into their parts."""

from argparse import ArgumentTypeError
from typing import Final, NamedTuple

from components.formats import APPLICATION, ParsedText

_PARTS: Final = 6
"""`arn`, partition, service, Region, account, and the resource, which may contain more colons."""


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
        """Return the parts of an ARN; for other text, all parts are empty."""
        parts = text.split(":", _PARTS - 1)
        if parts[0] != "arn" or len(parts) < _PARTS:
            parts = [""] * _PARTS
        return cls(text, *parts[1:])

    @property
    def name(self) -> str:
        """The last part of the resource, such as a role's name without its path."""
        return self.resource.rpartition("/")[2]


def application(text: str) -> ParsedText:
    """Parse an application's ID or ARN; for use as an argparse `type`."""
    if found := APPLICATION.parse(text):
        return found
    raise ArgumentTypeError(f"{text!r} is not {APPLICATION.name}: expected {APPLICATION.expected}")
