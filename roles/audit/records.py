"""Define the records of an audit's results, and read the user's acceptances of findings."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast

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
_FILE_FORM: Final = (
    "an object with entries such as `ID: {kind: in excess, role: ARN, reason: TEXT, until: 2027-03-31}`"
)
_ID: Final = re.compile("[a-p]{32}")
_LETTER_BY_DIGIT: Final = str.maketrans("0123456789", "ghijklmnop")
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

    def with_id(self, *parts: str) -> "Record":
        """Return the record with an ID derived from its account, role, kind, policy, and `parts`.

        The ID has 128 bits, so nobody can find a harmless statement that has the ID of a dangerous one.
        """
        identity = "\0".join((self.account, self.role, self.kind, self.policy, *parts))
        digest = sha256(identity.encode()).hexdigest()[:32]
        return self._replace(id=digest.translate(_LETTER_BY_DIGIT))


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


class Acceptance(NamedTuple):
    """A finding that the user accepts, as in the file for `--accept`."""

    kind: str
    role: str
    """The ARN of the finding's role; empty if the data source has no role."""
    reason: str
    until: str
    """The last day on which the finding is accepted, such as `2027-03-31`, in UTC."""

    def is_for(self, record: Record) -> bool:
        """Return whether the acceptance has the record's kind and role."""
        return (self.kind, self.role) == (record.kind, record.role)


def read_acceptances(path: Path) -> dict[str, Acceptance]:
    """Return the acceptances in a file, by the finding's ID.

    If the file has errors, raise an InputError that lists them.
    """
    path.stat()  # this raises OSError if there is no file
    entries = read_mapping(path, _FILE_FORM)
    if invalid_ids := [f"  {quote(key)}" for key, entry in entries.items() if not _is_valid(key, entry)]:
        raise InputError(
            f"these entries in {path} are invalid; expected {_FILE_FORM}, with the ID of 32 letters, "
            "the kind, and the role that `audit` prints:",
            *invalid_ids,
        )
    return {
        finding_id: Acceptance(**{name: str(field) for name, field in entry.items()})
        for finding_id, entry in entries.items()
    }


def _is_valid(finding_id: object, entry: object) -> bool:
    fields = cast("dict[object, object]", entry if isinstance(entry, dict) else {})
    return (
        {*fields} == {*Acceptance._fields}
        and isinstance(finding_id, str)
        and _ID.fullmatch(finding_id) is not None
        and isinstance(fields["kind"], str)
        and fields["kind"] in OUTCOMES
        and isinstance(fields["role"], str)
        and bool(str(fields["reason"] or "").strip())
        and type(fields["until"]) is date
    )


def apply_acceptance(record: Record, acceptances: Mapping[str, Acceptance], today: str) -> Record:
    """Return the record as accepted if its acceptance has not ended; otherwise, unchanged."""
    acceptance = acceptances.get(record.id)
    if acceptance is None or acceptance.until < today or not acceptance.is_for(record):
        return record
    return record._replace(until=acceptance.until, reason=acceptance.reason)


def explain_ineffective_acceptances(
    acceptances: Mapping[str, Acceptance], records: Iterable[Record], today: str
) -> Iterator[str]:
    """Yield a note about each acceptance that has ended or does not fit any finding."""
    record_by_id = {record.id: record for record in records}
    for finding_id, acceptance in acceptances.items():
        record, subject = record_by_id.get(finding_id), f"the acceptance of {finding_id}"
        if acceptance.until < today:
            yield f"{subject} ended on {acceptance.until}: {acceptance.reason}"
        elif record is None:
            yield (f"{subject} matches no finding in these accounts and Regions: {acceptance.reason}")
        elif not acceptance.is_for(record):
            yield (
                f"{subject} is for the kind {quote(acceptance.kind)} and the role "
                f"{quote(acceptance.role)}, but the finding has the kind {quote(record.kind)} and the "
                f"role {quote(record.role)}"
            )
