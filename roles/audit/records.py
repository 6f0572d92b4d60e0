"""Define the flat record of a finding, which feeds the text, the CSV, and the JSON document."""

import json
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from guardrails.iam.documents import Statement
from guardrails.iam.patterns import Patterns
from roles.account import DataSource
from roles.policies import digest

Kind = Literal[
    "dangerous",
    "invalid",
    "missing",
    "denying",
    "in excess",
    "shared",
    "not compared",
    "note",
    "unknown connector",
    "equivalent",
    "without a role",
    "unused",
]
"""The kind of a record, the most severe first."""
OUTCOMES: Final[Mapping[Kind, str]] = {
    "dangerous": "dangerous",
    "invalid": "invalid",
    "missing": "lacking access",
    "denying": "lacking access",
    "in excess": "different",
    "shared": "different",
    "not compared": "not compared",
    "unknown connector": "unknown connector",
    "note": "equivalent",
    "equivalent": "equivalent",
    "without a role": "without a role",
    "unused": "",
}
"""The result for a data source that has a record of a kind, unless it has a more severe one."""
ACCEPTED: Final = "accepted"
RESULTS: Final = (*tuple(dict.fromkeys(OUTCOMES.values()))[:6], ACCEPTED, "equivalent", "without a role")
"""The results for data sources, the most severe first."""
_LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")
"""Makes an ID of letters: spreadsheets and YAML would take some IDs with digits for numbers."""


class Record(NamedTuple):
    """A finding about a role or data sources, something that was not read, or an unused role."""

    kind: Kind
    account: str
    role: str = ""
    """The ARN; empty if the data source has no role, or if it is about neither."""
    sources: tuple[DataSource, ...] = ()
    text: str = ""
    details: tuple[str, ...] = ()
    policy: str = ""
    """The name or ARN of the policy; empty if no policy is the cause."""
    syncs: tuple[str, ...] = ()
    """The last syncs of the data sources that lack access; failed ones contain ` FAILED`."""
    id: str = ""
    """It stays the same while the finding does; empty for what cannot be accepted."""
    until: str = ""
    """The last day on which the finding is accepted; empty if it is not."""
    reason: str = ""

    @property
    def result(self) -> str:
        """The result for a data source that has no more severe record."""
        return ACCEPTED if self.until else OUTCOMES[self.kind]

    @property
    def severity(self) -> tuple[int, bool]:
        """Sorts by kind, and puts failed syncs first."""
        return [*OUTCOMES].index(self.kind), not any(" FAILED" in each for each in self.syncs)

    def identified(self, *parts: str) -> "Record":
        """Return the record with an ID, which these parts determine with the kind, role, and policy."""
        found = digest(self.account, self.role, self.kind, self.policy, *parts)
        return self._replace(id=found[:10].translate(_LETTERS))


def meaning(statement: Statement) -> str:
    """Return what a statement says, whatever its Sid, its position, and the order of its values."""

    def plain(side: Patterns) -> list[object]:
        values = map(str.lower, side.values) if side.ignore_case else side.values
        return [side.negated, _sorted(values)]

    conditions = (
        json.dumps([each.operator, each.key.lower(), _sorted(each.values)])
        for each in statement.conditions
    )
    sides = map(plain, (statement.actions, statement.resources, statement.principals))
    return json.dumps([statement.allows, *sides, _sorted(conditions)])


def _sorted(values: Iterable[str]) -> list[str]:
    return sorted({*values})
