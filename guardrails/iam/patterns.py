"""Compare patterns, which can contain IAM's wildcards and policy variables, with strings and each other.

The rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import re
from functools import cache
from typing import Final, NamedTuple

from .truth import Truth

VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
ARN_PARTS: Final = 6
"""The number of parts in an ARN. Only the last part, the resource, can contain colons."""


class Text(NamedTuple):
    """A value in a request; its end may be unknown."""

    known: str
    example: str = ""
    """An example of the unknown end; empty if the whole text is known."""

    @property
    def pattern(self) -> str:
        """A pattern that matches every string that the value may be."""
        return f"{self.known}*" if self.example else self.known

    def __str__(self) -> str:
        """Return the text with the example."""
        return self.known + self.example


class Patterns(NamedTuple):
    """A statement's actions, resources, or principals."""

    values: tuple[str, ...] = ()
    negated: bool = False
    """Whether the element, like NotAction, matches all strings except these values."""
    ignore_case: bool = False
    """True for actions."""

    def listed(self) -> tuple[str, ...]:
        """Return the patterns, or `*` if they are negated."""
        return ("*",) if self.negated else self.values

    def covers(self, pattern: str) -> bool:
        """Return whether the element certainly includes every string that the pattern matches."""
        if self.negated:
            return not any(overlap(value, pattern, self.ignore_case) for value in self.values)
        # Look for an identical string first, because this case is the most common and the cheapest.
        return pattern in self.values or any(
            covers(value, pattern, self.ignore_case) for value in self.values
        )

    def meets(self, pattern: str) -> bool:
        """Return whether the element may include a string that the pattern matches."""
        if self.negated:
            return not any(covers(value, pattern, self.ignore_case) for value in self.values)
        return any(overlap(value, pattern, self.ignore_case) for value in self.values)


def is_pattern(text: str) -> bool:
    """Return whether a string contains a wildcard or a policy variable."""
    return "*" in text or "?" in text or "${" in text


def covers(pattern: str, other: str, ignore_case: bool = False) -> bool:  # noqa: FBT001, FBT002 a detail
    """Return whether the pattern certainly matches every string that the other pattern matches.

    A variable's value is unknown, so it may be any string.
    """
    if pattern == other:
        return True
    if not is_pattern(pattern):  # the strings differ, perhaps only in case
        return ignore_case and pattern.lower() == other.lower()
    if "${" in pattern:
        return False
    # Only an asterisk covers an asterisk.
    expression = _expression(pattern, ignore_case, "[^*]")
    return bool(expression.fullmatch(VARIABLE.sub("*", other)))


@cache
def _expression(pattern: str, ignore_case: bool, one: str) -> re.Pattern[str]:  # noqa: FBT001 a key of the cache
    """Convert a pattern to a regular expression; `one` replaces each question mark."""
    first, *others = (re.escape(part).replace(r"\?", one) for part in pattern.split("*"))
    # The first match for each part is the best. Without the atomic groups, Python would try all
    # combinations of the parts' matches.
    middle = [f"(?>.*?{part})" for part in others[:-1]]
    expression = "".join([first, *middle, *(f".*{part}" for part in others[-1:])])
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else re.NOFLAG))


@cache
def overlap(one: str, other: str, ignore_case: bool = False) -> bool:  # noqa: FBT001, FBT002 a detail
    """Return whether some string may match both patterns; a variable may have any value."""
    first, second = (
        VARIABLE.sub("*", pattern.lower() if ignore_case else pattern) for pattern in (one, other)
    )
    # rows[i][j] is True if first[i:] and second[j:] can match the same string.
    rows = [[False] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in range(len(first), -1, -1):
        for j in range(len(second), -1, -1):
            ours, theirs = first[i : i + 1], second[j : j + 1]
            if "*" in (ours, theirs):
                rows[i][j] = (ours == "*" and (rows[i + 1][j] or (theirs != "" and rows[i][j + 1]))) or (
                    theirs == "*" and (rows[i][j + 1] or (ours != "" and rows[i + 1][j]))
                )
            elif ours and theirs:
                rows[i][j] = (ours == theirs or "?" in (ours, theirs)) and rows[i + 1][j + 1]
            else:
                rows[i][j] = not ours and not theirs
    return rows[0][0]


def matches(pattern: str, text: Text, ignore_case: bool = False) -> Truth:  # noqa: FBT001, FBT002 a detail
    """Return whether a pattern without variables matches a string whose end may be unknown."""
    if not text.example:
        return Truth.of(bool(_expression(pattern, ignore_case, ".").fullmatch(text.known)))
    if not overlap(pattern, text.pattern, ignore_case):
        return Truth.NO
    return Truth.YES if covers(pattern, text.pattern, ignore_case) else Truth.CANNOT_TELL


def split_arn(text: str) -> list[str] | None:
    """Return the six parts of an ARN, or of a six-part pattern for ARNs; None for other text."""
    parts = text.split(":", ARN_PARTS - 1)
    return parts if len(parts) == ARN_PARTS and overlap(parts[0], "arn") else None


def split_text(text: Text) -> list[Text] | None:
    """Return the six parts of an ARN, the last of which may be partly unknown; None for other text."""
    parts = split_arn(text.known)
    return [*map(Text, parts[:-1]), Text(parts[-1], text.example)] if parts else None


def may_be_arn(pattern: str) -> bool:
    """Return whether a pattern may match an ARN."""
    return overlap(pattern, "arn:*:*:*:*:*")
