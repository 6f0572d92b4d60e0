"""Order findings by severity."""

from collections.abc import Mapping
from typing import Final

from roles.difference import Verdict

LABELS: Final[Mapping[str, str]] = {
    "dangerous": "dangerous",
    "missing": "missing",
    "excess": "in excess",
    "denies": "denying",
    "shared": "shared",
}
"""The kinds of findings in order of severity, and their names in the result."""


INVALID: Final = "invalid"
"""The kind of finding about a data source that cannot work, not about a statement."""


def kind_of(verdict: Verdict) -> str:
    """Return the kind of a finding: `dangerous`, or its verdict."""
    return "dangerous" if verdict.danger else verdict.verdict


def rank(verdict: Verdict) -> int:
    """Return a finding's position in the order of severity."""
    return [*LABELS].index(kind_of(verdict))
