"""Read accepted findings, each with an end date, from a YAML file."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import yaml

from components.commands import quote
from components.stack_config import camel_case
from roles.arns import Arn
from roles.audit.danger import LABELS, kind_of
from roles.difference import Verdict
from roles.errors import InputError

_EXPECTED: Final = {
    "role": "the ARN of a role",
    "policy": "the name or ARN of a policy, or `trust policy`",
    "statement": "a statement's Sid or number",
    "reason": "why the finding is accepted",
    "until": "the last day, such as 2027-03-31",
    "finding": f"one of {', '.join(LABELS)}",
    "dataSources": "the IDs of the data sources that lack access, only with `finding: missing`",
}
"""The members of an acceptance in the file, and their expected values.

`finding` is optional. `dataSources` is required for `finding: missing`, and only allowed then.
"""


class Acceptance(NamedTuple):
    """An accepted finding."""

    role: str
    """The role's ARN."""
    policy: str
    statement: str
    """The Sid, or the number of a statement without one."""
    reason: str
    until: str
    """The last day, such as `2027-03-31`, in UTC."""
    finding: str = ""
    """The kind of finding; empty for any kind except missing access."""
    data_sources: Sequence[str] = ()
    """The IDs of the data sources that lack access; only for missing access."""

    @property
    def account(self) -> str:
        """The role's account."""
        return Arn.of(self.role).account

    @property
    def label(self) -> str:
        """The finding in a few words."""
        return f"{self.role}: {self.policy}, {self.statement}"

    def matches(self, role_arn: str, verdict: Verdict) -> bool:
        """Return whether this acceptance covers a finding, and every data source that lacks access."""
        kind = kind_of(verdict)
        lacking = {each.id for each in verdict.data_sources} if kind == "missing" else set[str]()
        return (
            (self.role, self.policy) == (role_arn, verdict.policy)
            and verdict.statement in (self.statement, f"statement {self.statement}")
            and self.finding in ("", kind)
            and lacking <= {*self.data_sources}
        )

    def is_over(self, today: date) -> bool:
        """Return whether the last day has passed."""
        return date.fromisoformat(self.until) < today

    def document(self) -> dict[str, object]:
        """Return the members, as in the file."""
        return {
            camel_case(name): value
            for name, value in self._asdict().items()
            if value or name != "data_sources"
        }


def acceptance_for(role_arn: str, verdict: Verdict) -> Acceptance:
    """Return the acceptance for a finding, without a reason or date."""
    statement = verdict.statement.removeprefix("statement ")
    kind = kind_of(verdict)
    lacking = [each.id for each in verdict.data_sources] if kind == "missing" else ()
    return Acceptance(role_arn, verdict.policy, statement, "", "", kind, lacking)


def read_acceptances(path: Path) -> list[Acceptance]:
    """Read the acceptances in a file; raise an InputError that lists all errors."""
    try:
        # Load all values as strings, so that an invalid date is reported with its entry.
        given = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8: save it as UTF-8") from None
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML ({said}): fix it") from None
    entries = given or []
    if not isinstance(entries, list):
        raise InputError(f"{path} is not a list: expected entries with {', '.join(_EXPECTED)}")
    problems = [
        f"  entry {number}{problem}"
        for number, entry in enumerate(cast("list[Any]", entries), start=1)
        for problem in _problems(entry)
    ]
    if problems:
        count = f"{len(problems)} error{'s' * (len(problems) > 1)}"
        raise InputError(f"{path} has {count}", *problems)
    fields = {camel_case(name): name for name in Acceptance._fields}
    return [
        Acceptance(**{fields[name]: value for name, value in entry.items()})
        for entry in cast("list[dict[str, Any]]", entries)
    ]


def _problems(entry: Any) -> Iterator[str]:
    """Return the problems with an entry, each with the expected value."""
    if not isinstance(entry, dict):
        yield f": {quote(entry)}; expected: a mapping with {', '.join(_EXPECTED)}"
        return
    members = cast("dict[str, Any]", entry)
    for name in members:
        if name not in _EXPECTED:
            yield f", {quote(name)}: is unknown; expected: {', '.join(_EXPECTED)}"
    lacking = members.get("finding") == "missing"
    optional = {"finding"} if lacking else {"finding", "dataSources"}
    for name, expected in _EXPECTED.items():
        if name not in members:
            if name not in optional:
                yield f", {name}: is missing; expected: {expected}"
        elif not _is_valid(name, members[name]) or (name == "dataSources" and not lacking):
            yield f", {name}: {quote(members[name])}; expected: {expected}"


def _is_valid(name: str, value: Any) -> bool:
    is_list = isinstance(value, list)
    texts = cast("list[Any]", value) if is_list else [value]
    is_filled = all(isinstance(each, str) and each.strip() for each in texts)
    if is_list != (name == "dataSources") or not texts or not is_filled:
        return False
    match name:
        case "role":
            arn = Arn.of(value)
            return arn.service == "iam" and arn.resource.startswith("role/")
        case "finding":
            return value in LABELS
        case "until":
            try:
                return str(date.fromisoformat(value)) == value
            except ValueError:
                return False
        case _:
            return True
