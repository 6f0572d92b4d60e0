"""Combine the answers yes, no, and cannot tell.

This is Kleene's three-valued logic: if the known answers suffice, unknown answers do not matter.
"""

from collections.abc import Iterable
from enum import Enum
from typing import NoReturn


class Truth(Enum):
    """An answer about a policy; CANNOT_TELL if it depends on unknown values or undocumented behavior."""

    YES = "yes"
    NO = "no"
    CANNOT_TELL = "cannot tell"

    @classmethod
    def of(cls, value: bool) -> "Truth":  # noqa: FBT001 the value to convert
        """Return YES for True, and NO for False."""
        return cls.YES if value else cls.NO

    @property
    def opposite(self) -> "Truth":
        """The answer to the opposite question; CANNOT_TELL stays the same."""
        opposites = {Truth.YES: Truth.NO, Truth.NO: Truth.YES}
        return opposites.get(self, self)

    def __bool__(self) -> NoReturn:
        """Raise TypeError, because CANNOT_TELL is neither True nor False."""
        raise TypeError("compare with Truth.YES or Truth.NO")


def every(answers: Iterable[Truth]) -> Truth:
    """Return no if any answer is no, yes if all are yes, and otherwise cannot tell."""
    return _first(answers, Truth.NO, Truth.YES)


def some(answers: Iterable[Truth]) -> Truth:
    """Return yes if any answer is yes, no if all are no, and otherwise cannot tell."""
    return _first(answers, Truth.YES, Truth.NO)


def _first(answers: Iterable[Truth], decisive: Truth, otherwise: Truth) -> Truth:
    """Return `decisive` as soon as an answer is `decisive`, without computing later answers."""
    for answer in answers:
        if answer is decisive:
            return decisive
        if answer is Truth.CANNOT_TELL:
            otherwise = answer
    return otherwise
