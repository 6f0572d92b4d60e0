"""Define the flat record of a finding, and read which findings are accepted."""

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast

from components.problems import quote
from guardrails.iam.documents import Statement
from roles.account import DataSource
from roles.errors import InputError
from roles.project import read_mapping

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
_FILE: Final = "an object with entries such as `ID: {reason: TEXT, until: 2027-03-31}`"
_LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")
"""Makes an ID of letters: spreadsheets and YAML would take some IDs with digits for numbers."""


class Record(NamedTuple):
    """A finding about a role or data sources, something that was not read, or an unused role."""

    kind: Kind
    account: str
    role: str = ""
    """The ARN; empty without a role, or if the record is about an account."""
    sources: tuple[DataSource, ...] = ()
    text: str = ""
    details: tuple[str, ...] = ()
    policy: str = ""
    """The name or ARN of the policy; empty if no policy is the cause."""
    syncs: tuple[str, ...] = ()
    """The last syncs of the data sources that lack access; failed ones contain ` FAILED`."""
    id: str = ""
    """It stays the same while the finding does; empty for a record that cannot be accepted."""
    until: str = ""
    """The last day on which the finding is accepted; empty if it is not."""
    reason: str = ""

    @property
    def result(self) -> str:
        """The result for a data source that has no more severe record."""
        return ACCEPTED if self.until else OUTCOMES[self.kind]

    @property
    def severity(self) -> tuple[bool, int, bool]:
        """Sorts by kind, and puts failed syncs first and accepted findings last."""
        position = [*OUTCOMES].index(self.kind)
        return bool(self.until), position, not any(" FAILED" in each for each in self.syncs)

    def identified(self, *parts: str) -> "Record":
        """Return the record with an ID, which these parts determine with the kind, role, and policy."""
        text = "\0".join((self.account, self.role, self.kind, self.policy, *parts))
        return self._replace(id=sha256(text.encode()).hexdigest()[:10].translate(_LETTERS))


def meaning(statement: Statement) -> str:
    """Return a statement's meaning as text, which does not depend on its Sid or the order of values."""
    sides = [
        [side.negated, sorted({each.lower() if side.ignore_case else each for each in side.values})]
        for side in (statement.actions, statement.resources, statement.principals)
    ]
    conditions = {
        (each.operator, each.key.lower(), *sorted({*each.values})) for each in statement.conditions
    }
    return json.dumps([statement.allows, sides, sorted(conditions)])


# Accepted findings.


def read_acceptances(path: Path) -> dict[str, dict[str, str]]:
    """Return the acceptances in a file by ID, with a `reason` and the last day, `until`.

    If the file has errors, raise an InputError that lists them.
    """
    path.stat()  # raises OSError without a file
    given = read_mapping(path, _FILE)
    if wrong := [f"  {quote(key)}" for key, value in given.items() if not _is_valid(key, value)]:
        raise InputError(f"these entries in {path} are not of the form {_FILE}:", *wrong)
    return {
        key: {"reason": value["reason"], "until": str(value["until"])} for key, value in given.items()
    }


def _is_valid(key: object, value: Any) -> bool:
    entries = cast("dict[str, Any]", value if isinstance(value, dict) else {})
    has_both = {*entries} == {"reason", "until"} and isinstance(key, str)
    return has_both and bool(str(entries["reason"] or "").strip()) and type(entries["until"]) is date


def without_effect(
    acceptances: Mapping[str, Mapping[str, str]], found: Collection[str], today: str
) -> Iterator[str]:
    """Yield a note about each acceptance that has ended, or whose ID no finding has."""
    for name, its in acceptances.items():
        if its["until"] < today:
            yield f"the acceptance of {name} ended on {its['until']}: {its['reason']}"
        elif name not in found:
            yield (
                f"the acceptance of {name} matches no finding in these accounts and Regions: "
                f"{its['reason']}"
            )
