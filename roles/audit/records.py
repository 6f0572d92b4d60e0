"""Define the records of an audit's results, and read the user's acceptances of findings."""

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
"""The kinds of records."""
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
"""The result for a data source, by the kind of its most severe record; the most severe kind is first."""
ACCEPTED: Final = "accepted"
RESULTS: Final = (*tuple(dict.fromkeys(OUTCOMES.values()))[:6], ACCEPTED, "equivalent", "without a role")
"""The results for data sources, the most severe first."""
_FILE: Final = "an object with entries such as `ID: {reason: TEXT, until: 2027-03-31}`"
_LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")
"""A table that replaces the digits in IDs, because spreadsheets and YAML parse some IDs as numbers."""


class Record(NamedTuple):
    """A finding, a note, an unused role, a failed read, or a data source without findings."""

    kind: Kind
    account: str
    role: str = ""
    """The role's ARN; empty if there is no role, or if the record is about an account."""
    sources: tuple[DataSource, ...] = ()
    text: str = ""
    details: tuple[str, ...] = ()
    policy: str = ""
    """The name or ARN of the policy that causes the finding; empty if no policy does."""
    syncs: tuple[str, ...] = ()
    """The last syncs of the data sources that lack access; if a sync failed, its text has ` FAILED`."""
    id: str = ""
    """An ID that is stable until the finding changes; empty if the record cannot be accepted."""
    until: str = ""
    """The last day on which the finding is accepted; empty if the finding is not accepted."""
    reason: str = ""

    @property
    def result(self) -> str:
        """The result for a data source whose most severe record is this one."""
        return ACCEPTED if self.until else OUTCOMES[self.kind]

    @property
    def severity(self) -> tuple[bool, int, bool]:
        """The sort key: accepted records are last; in each kind, records with failed syncs are first."""
        position = [*OUTCOMES].index(self.kind)
        return bool(self.until), position, not any(" FAILED" in each for each in self.syncs)

    def identified(self, *parts: str) -> "Record":
        """Return the record with an ID derived from its account, role, kind, policy, and `parts`."""
        text = "\0".join((self.account, self.role, self.kind, self.policy, *parts))
        return self._replace(id=sha256(text.encode()).hexdigest()[:10].translate(_LETTERS))


def meaning(statement: Statement) -> str:
    """Return a normalized form of a statement, independent of its Sid and the order of its values."""
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
    """Return the acceptances in a file, by the finding's ID; `until` is an acceptance's last day.

    If the file has errors, raise an InputError that lists them.
    """
    path.stat()  # this raises OSError if there is no file
    given = read_mapping(path, _FILE)
    if wrong := [f"  {quote(key)}" for key, value in given.items() if not _is_valid(key, value)]:
        raise InputError(f"these entries in {path} are invalid; expected {_FILE}:", *wrong)
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
    """Yield a note about each acceptance that has ended or that matches no finding."""
    for name, its in acceptances.items():
        if its["until"] < today:
            yield f"the acceptance of {name} ended on {its['until']}: {its['reason']}"
        elif name not in found:
            yield (
                f"the acceptance of {name} matches no finding in these accounts and Regions: "
                f"{its['reason']}"
            )
