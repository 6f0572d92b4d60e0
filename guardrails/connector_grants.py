"""Compare what a statement allows with what the role of a connector may do.

`connector_policy.json` is the role policy that this project's component writes, with every setting in
use and placeholders for their values; a test compares it with the component. The pack does not import
the component: it runs as a process of its own, with its own packages, and may be copied elsewhere.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from policy_documents import Condition, Statement, read_document

_ID: Final = r"[a-zA-Z0-9][a-zA-Z0-9-]{35}"
_HEX: Final = r"(?:[0-9a-f]{8}|[0-9a-f]{17})"
_PLACEHOLDERS: Final = {
    "partition": r"aws(?:-[a-z]+)*",
    "region": r"[a-z]{2,5}(?:-[a-z]+)+-[0-9]{1,2}",
    "account": r"[0-9]{12}",
    "secret_account": r"[0-9]{12}",
    "key_account": r"[0-9]{12}",
    "subnet_account": r"[0-9]{12}",
    "application_id": _ID,
    "index_id": _ID,
    "secret_id": r"[A-Za-z0-9/_+=.@-]{1,512}-[A-Za-z0-9]{6}",
    "key_id": r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})",
    "subnet_id": rf"subnet-{_HEX}",
    "security_group_id": rf"sg-{_HEX}",
}
"""What may replace each placeholder: never a wildcard or a policy variable."""
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")

_APPLICATION: Final = re.compile(
    "arn:(?P<partition>{partition}):qbusiness:(?P<region>{region}):(?P<account>{account})"
    ":application/(?P<application_id>{application_id})".format_map(_PLACEHOLDERS)
)
# A condition of the connector is also met by these operators: they demand as much, or more.
_AS_STRICT: Final = {
    "StringEquals": ("StringEquals", "StringLike", "ForAnyValue:StringEquals", "ForAnyValue:StringLike"),
    "StringLike": ("StringEquals", "StringLike", "ForAnyValue:StringEquals", "ForAnyValue:StringLike"),
    "ForAllValues:StringEquals": ("ForAllValues:StringEquals", "ForAllValues:StringLike"),
}


class Application(NamedTuple):
    """An application, by the parts of its ARN."""

    partition: str
    region: str
    account: str
    application_id: str


class Excess(NamedTuple):
    """A permission of a statement that the role of a connector does not have."""

    action: str
    resource: str | None = None
    """None: no connector needs the action on any resource."""
    condition: str | None = None
    """The condition, as JSON, without which no connector needs it."""


class _Pattern(NamedTuple):
    """A text of `connector_policy.json`, which covers an IAM pattern that matches nothing else."""

    text: str
    expression: re.Pattern[str]

    def covers(self, text: str, application: Application | None) -> bool:
        """Return whether an IAM pattern is covered; its placeholders are those of the application."""
        match = self.expression.fullmatch(text)
        if match is None or application is None:
            return match is not None
        found = match.groupdict()
        return all(found.get(name, value) == value for name, value in application._asdict().items())


class _Grant(NamedTuple):
    """What one statement of the connector allows."""

    actions: tuple[_Pattern, ...]
    resources: tuple[_Pattern, ...]
    conditions: tuple[tuple[Condition, tuple[_Pattern, ...]], ...]


def application_of(arn: str) -> Application | None:
    """Return the application that an ARN names; None if it names none, or several by a wildcard."""
    match = _APPLICATION.fullmatch(arn)
    return Application(**match.groupdict()) if match else None


@cache
def excess_of(statement: Statement, application: Application | None) -> tuple[Excess, ...]:
    """Return what a statement allows beyond the application's connector, or any connector for None."""
    return tuple(_excess_of(statement, application)) if statement.allows else ()


def _excess_of(statement: Statement, application: Application | None) -> Iterator[Excess]:
    for action in statement.actions:
        shown = _shown(action, statement.not_actions)
        allowing = _allowing(action.lower())
        if not allowing:
            yield Excess(shown)
            continue
        for resource in statement.resources:
            grants = [grant for grant in allowing if _covers(grant.resources, resource, application)]
            if not any(_meets(statement.conditions, grant, application) for grant in grants):
                conditions = " or ".join(
                    dict.fromkeys(_conditions(grant, application) for grant in grants)
                )
                yield Excess(shown, _shown(resource, statement.not_resources), conditions or None)


@cache
def _allowing(action: str) -> tuple[_Grant, ...]:
    return tuple(grant for grant in _GRANTS if _covers(grant.actions, action, None))


def _shown(pattern: str, negated: tuple[str, ...]) -> str:
    return f"everything except {', '.join(negated)}" if negated else pattern


def _covers(patterns: tuple[_Pattern, ...], text: str, application: Application | None) -> bool:
    return any(pattern.covers(text, application) for pattern in patterns)


def _meets(conditions: tuple[Condition, ...], grant: _Grant, application: Application | None) -> bool:
    """Return whether every request that meets the conditions meets those of the grant."""
    return all(
        any(
            condition.is_on(demanded.key)
            and condition.operator in _AS_STRICT[demanded.operator]
            and condition.values
            and all(_covers(patterns, value, application) for value in condition.values)
            for condition in conditions
        )
        for demanded, patterns in grant.conditions
    )


def _conditions(grant: _Grant, application: Application | None) -> str:
    """Return the conditions of a grant as JSON, placeholders without a value in capitals."""
    values = application._asdict() if application else {}
    conditions: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for condition, patterns in grant.conditions:
        conditions[condition.operator][condition.key] = [
            _PLACEHOLDER.sub(lambda match: values.get(match[1], match[1].upper()), pattern.text)
            for pattern in patterns
        ]
    return json.dumps(conditions)


def _pattern(text: str) -> _Pattern:
    literals_and_names = _PLACEHOLDER.split(text)
    expressions = [
        f"(?P<{part}>{_PLACEHOLDERS[part]})"
        if index % 2
        else re.escape(part).replace(r"\*", ".*").replace(r"\?", "[^*]")
        for index, part in enumerate(literals_and_names)
    ]
    return _Pattern(text, re.compile("".join(expressions), re.DOTALL))


_GRANTS: Final = tuple(
    _Grant(
        tuple(_pattern(action.lower()) for action in statement.actions),
        tuple(map(_pattern, statement.resources)),
        tuple((condition, tuple(map(_pattern, condition.values))) for condition in statement.conditions),
    )
    for statement in read_document(
        (Path(__file__).parent / "connector_policy.json").read_text(encoding="utf-8")
    ).statements
)
