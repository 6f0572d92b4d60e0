"""Name the resources of a run, so that they can be found and removed after any failure."""

import re
import secrets
from argparse import ArgumentTypeError
from typing import Final, NamedTuple

PREFIX: Final = "qbusiness-live-"
_PATTERN: Final = re.compile(rf"{PREFIX}[0-9a-f]{{8}}")


class Names(NamedTuple):
    """The names of one run, which nothing else in the account uses."""

    run: str

    @classmethod
    def random(cls) -> "Names":
        """Return new names."""
        return cls(PREFIX + secrets.token_hex(4))

    @classmethod
    def of(cls, run: str) -> "Names":
        """Return the names of an earlier run; raises an error for argparse."""
        if not _PATTERN.fullmatch(run):
            raise ArgumentTypeError(
                f"{run!r} is not the name of a run: expected {PREFIX} and 8 hexadecimal digits"
            )
        return cls(run)

    @property
    def role(self) -> str:
        """The role that the program creates."""
        return self.run

    @property
    def renamed(self) -> str:
        """The role that replaces the first one."""
        return f"{self.run}-renamed"

    @property
    def imported(self) -> str:
        """The role that is created manually and imported."""
        return f"{self.run}-imported"

    @property
    def s3(self) -> str:
        """The role of the connector for Amazon S3."""
        return f"{self.run}-s3"

    @property
    def boundary(self) -> str:
        """The managed policy for the permissions boundary."""
        return f"{self.run}-boundary"

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles."""
        return self.role, self.renamed, self.imported, self.s3
