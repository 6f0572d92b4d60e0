"""Read accepted findings, each with an end date, from a YAML file."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import yaml

from components.problems import quote
from roles.arns import Arn
from roles.audit.severity import INVALID, LABELS, kind_of
from roles.difference import Verdict
from roles.errors import InputError

_EXPECTED: Final = {
    "role": "the ARN of a role",
    "policy": "the name or ARN of a policy, or `trust policy`",
    "statement": "the number of a statement without a Sid; for others, use sid",
    "sid": "the statement's Sid, letters and digits",
    "reason": "why the finding is accepted",
    "until": "the last day, such as 2027-03-31",
    "finding": f"one of {', '.join((*LABELS, INVALID))}",
    "dataSources": "the IDs of the data sources, only with `finding: missing` or `finding: invalid`",
}
"""The keys of an entry in the file, and their expected values.

An entry has either `statement` or `sid`. `finding` is optional. `dataSources` is required for
`finding: missing` and `finding: invalid`, and allowed only then. An entry for `finding: invalid` has no
key of `_OF_STATEMENT`.
"""
_OF_STATEMENT: Final = {"role", "policy", "statement", "sid"}
_FORMS: Final = {"statement": "[1-9][0-9]{0,3}", "sid": "[A-Za-z0-9]+"}
_NUMBER_PREFIX: Final = "statement "


class Acceptance(NamedTuple):
    """An accepted finding."""

    role: str
    """The role's ARN. It and the next two are empty for an invalid data source."""
    policy: str
    statement: str
    """The Sid, or for a statement without one, its number, such as `statement 1`."""
    reason: str
    until: str
    """The last day of the acceptance, such as `2027-03-31`, in UTC."""
    finding: str = ""
    """The kind of finding; empty for any kind except missing access and invalid data sources."""
    data_sources: Sequence[str] = ()
    """The IDs of the data sources; only for missing access and invalid data sources."""

    @property
    def account(self) -> str:
        """The role's account."""
        return Arn.of(self.role).account

    @property
    def label(self) -> str:
        """A line with the role's ARN, the policy, and the statement; or with the data sources."""
        if self.finding == INVALID:
            return f"{INVALID}: {', '.join(self.data_sources)}"
        return f"{self.role}: {self.policy}, {self.statement}"

    def matches(self, role_arn: str, verdict: Verdict) -> bool:
        """Return whether this acceptance covers a finding and all data sources that lack access."""
        kind = kind_of(verdict)
        lacking = {each.id for each in verdict.data_sources} if kind == "missing" else set[str]()
        return (
            (self.role, self.policy, self.statement) == (role_arn, verdict.policy, verdict.statement)
            and self.finding in ("", kind)
            and lacking <= {*self.data_sources}
        )

    def covers(self, data_source_id: str) -> bool:
        """Return whether this acceptance covers an invalid data source."""
        return self.finding == INVALID and data_source_id in self.data_sources

    def is_over(self, today: date) -> bool:
        """Return whether the last day has passed."""
        return date.fromisoformat(self.until) < today

    def document(self) -> dict[str, object]:
        """Return this acceptance as an entry of the file; an unset `finding` is an empty string."""
        number = self.statement.removeprefix(_NUMBER_PREFIX)
        named = {"statement": int(number)} if number != self.statement else {"sid": self.statement}
        of_statement = {"role": self.role, "policy": self.policy, **named}
        return {
            **(of_statement if self.role else {}),
            "reason": self.reason,
            "until": self.until,
            "finding": self.finding,
            **({"dataSources": self.data_sources} if self.data_sources else {}),
        }


def acceptance_for(role_arn: str, verdict: Verdict) -> Acceptance:
    """Return a new acceptance that covers a finding, with an empty reason and an empty date."""
    kind = kind_of(verdict)
    lacking = [each.id for each in verdict.data_sources] if kind == "missing" else ()
    return Acceptance(role_arn, verdict.policy, verdict.statement, "", "", kind, lacking)


def acceptance_of_invalid(data_source_id: str) -> Acceptance:
    """Return a new acceptance of an invalid data source, with an empty reason and an empty date."""
    return Acceptance("", "", "", "", "", INVALID, [data_source_id])


def read_acceptances(path: Path) -> list[Acceptance]:
    """Return the acceptances in a file; if it has errors, raise an InputError that lists all of them."""
    try:
        # Load all values as strings, so that an invalid date is reported with its line.
        loader = yaml.BaseLoader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        given = (loader.construct_document(root) if root else None) or []
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8: save it as UTF-8") from None
    except RecursionError:
        raise InputError(f"{path} is not valid YAML (it is nested too deeply): fix it") from None
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML ({said}): fix it") from None
    if not isinstance(given, list):
        raise InputError(f"{path} is not a list: expected entries with {', '.join(_EXPECTED)}")
    entries = cast("list[dict[str, Any]]", given)
    nodes = cast("list[yaml.Node]", root.value if root and entries else [])
    problems = [
        f"  line {line}{problem}"
        for node, entry in zip(nodes, entries, strict=True)
        for line, problem in _problems(node, entry)
    ]
    if problems:
        count = f"{len(problems)} error{'s' * (len(problems) > 1)}"
        raise InputError(f"{path} has {count}", *problems)
    return [_acceptance(entry) for entry in entries]


def _acceptance(entry: dict[str, Any]) -> Acceptance:
    is_invalid = entry.get("finding") == INVALID
    number = "" if is_invalid else f"{_NUMBER_PREFIX}{entry.get('statement')}"
    return Acceptance(
        entry.get("role", ""),
        entry.get("policy", ""),
        entry.get("sid", number),
        entry["reason"],
        entry["until"],
        entry.get("finding", ""),
        entry.get("dataSources", ()),
    )


def _problems(node: yaml.Node, entry: Any) -> Iterator[tuple[int, str]]:
    """Yield the line of each problem with an entry, and a message that includes the expected value."""
    start = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        yield start, f": {quote(entry)}; expected: a mapping with {', '.join(_EXPECTED)}"
        return
    lines: dict[str, int] = {}
    for key, _ in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
        name, line = cast("str", key.value), key.start_mark.line + 1
        if name in lines:
            yield line, f", {quote(name)}: is also on line {lines[name]}; expected: once in an entry"
        elif name not in _EXPECTED:
            yield line, f", {quote(name)}: is unknown; expected: {', '.join(_EXPECTED)}"
        lines[name] = line
    if "statement" in lines and "sid" in lines:
        yield max(lines["statement"], lines["sid"]), ": expected either statement or sid, not both"
    required, rejected = _keys(entry.get("finding"), "sid" if "sid" in lines else "statement")
    for name, expected in _EXPECTED.items():
        if name not in lines:
            if name in required:
                yield start, f", {name}: is missing; expected: {expected}"
        elif not _is_valid(name, entry[name]) or name in rejected:
            hint = _hint(entry[name]) if name == "statement" else ""
            hint = (
                f"; leave it out with `finding: {INVALID}`" if name in _OF_STATEMENT & rejected else hint
            )
            yield lines[name], f", {name}: {quote(entry[name])}; expected: {expected}{hint}"


def _keys(finding: Any, statement: str) -> tuple[set[str], set[str]]:
    """Return the required keys of an entry with this kind of finding, and the rejected ones.

    `statement` is the key that names the statement.
    """
    if finding == INVALID:
        return {"dataSources", "reason", "until"}, _OF_STATEMENT
    required = {"role", "policy", statement, "reason", "until"}
    return (required | {"dataSources"}, set()) if finding == "missing" else (required, {"dataSources"})


def _hint(statement: Any) -> str:
    """Return the end of a message that says what to write in place of a `statement` that is a name."""
    if not isinstance(statement, str):
        return ""
    number = statement.removeprefix(_NUMBER_PREFIX)
    if number != statement and _is_valid("statement", number):
        return f"; write `statement: {number}`"
    is_sid = _is_valid("sid", statement) and not statement.isdecimal()
    return f"; write `sid: {statement}`" if is_sid else ""


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
        case "statement" | "sid":
            return re.fullmatch(_FORMS[name], value) is not None
        case "finding":
            return value in (*LABELS, INVALID)
        case "until":
            return _is_date(value)
        case _:
            return True


def _is_date(text: str) -> bool:
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False
