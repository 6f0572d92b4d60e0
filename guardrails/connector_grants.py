"""Find the permissions that a role's statements allow but no connector needs.

`connector_policy.json` contains every permission that this project's component can grant to a role, with
placeholders for values such as IDs, and the formats of these values. `python -m pages` generates this
file from the component. The policy pack runs in a separate process with its own packages and may be
copied elsewhere, so it does not import the component.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from iam.conditions import Condition
from iam.containment import is_implied
from iam.documents import Statement, read_document
from iam.patterns import Patterns

_FILE: Final = json.loads((Path(__file__).parent / "connector_policy.json").read_text(encoding="utf-8"))
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_SAME_KEYS: Final = {"s3:resourceaccount": "aws:ResourceAccount"}
"""For each of these condition keys, the key in the grants that always has the same value.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html"""


class Application(NamedTuple):
    """The parts of an application's ARN."""

    partition: str
    region: str
    account: str
    application_id: str


class Known(NamedTuple):
    """The placeholder values that are known for one role."""

    application: Application | None = None
    role: str | None = None
    """The role's path and name, such as `service-role/NAME`; None while either is unknown."""

    def values(self) -> Mapping[str, str | None]:
        """Return the values by placeholder name; an unknown value is None or has no entry."""
        of_application = self.application._asdict() if self.application else {}
        return {**of_application, "role": self.role}


class Excess(NamedTuple):
    """A permission that connectors never need, or need only on other resources or under a condition."""

    action: str
    resource: str | None = None
    """None if no connector needs the action on any resource."""
    expected_resources: str = ""
    """The resources on which connectors need the action; empty if `resource` is None or one of them."""
    expected_condition: str = ""
    """The conditions (as JSON) under which connectors need the action on `resource`; empty if none."""


class _Pattern(NamedTuple):
    """Text that may contain placeholders and asterisks, as in `connector_policy.json`."""

    text: str
    expression: re.Pattern[str]

    def covers(self, text: str, known: Known) -> bool:
        """Return whether this pattern, with the known values filled in, covers an IAM pattern.

        A placeholder for an unknown role covers nothing. A placeholder for any other unknown value
        covers all text in its format.
        """
        match = self.expression.fullmatch(text)
        if match is None:
            return False
        found = match.groupdict()
        return all(found.get(name, value) == value for name, value in known.values().items())

    def show(self, known: Known) -> str:
        """Return the text with known values filled in and the other placeholders in capital letters."""
        values = known.values()
        return _PLACEHOLDER.sub(lambda match: values.get(match[1]) or match[1].upper(), self.text)


class _Grant(NamedTuple):
    """The permissions in one statement of `connector_policy.json`."""

    actions: tuple[_Pattern, ...]
    resources: tuple[_Pattern, ...]
    conditions: tuple[Condition, ...]


def application_of(arn: str) -> Application | None:
    """Return the application that an ARN identifies; None for other text, such as a pattern."""
    match = _APPLICATION.expression.fullmatch(arn)
    return Application(**match.groupdict()) if match else None


@cache
def find_excess(statement: Statement, known: Known) -> tuple[Excess, ...]:
    """Return the permissions that a role's statement allows but no connector needs."""
    return tuple(_find_excess(statement, known)) if statement.allows else ()


def _find_excess(statement: Statement, known: Known) -> Iterator[Excess]:
    for action in statement.actions.listed():
        shown = _show(action, statement.actions)
        of_action = _grants_of(action.lower())
        if not of_action:
            yield Excess(shown)
            continue
        for resource in statement.resources.listed():
            grants = [grant for grant in of_action if _covers(grant.resources, resource, known)]
            if any(_meets(statement.conditions, grant, known) for grant in grants):
                continue
            shown_resource = _show(resource, statement.resources)
            if grants:
                conditions = dict.fromkeys(_show_conditions(grant, known) for grant in grants)
                yield Excess(shown, shown_resource, expected_condition=" or ".join(conditions))
            else:
                patterns = dict.fromkeys(pattern for grant in of_action for pattern in grant.resources)
                expected = " or ".join(pattern.show(known) for pattern in patterns)
                yield Excess(shown, shown_resource, expected_resources=expected)


@cache
def _grants_of(action: str) -> tuple[_Grant, ...]:
    return tuple(grant for grant in _GRANTS if _covers(grant.actions, action, Known()))


def _show(pattern: str, side: Patterns) -> str:
    return f"everything except {', '.join(side.values)}" if side.negated else pattern


def _show_conditions(grant: _Grant, known: Known) -> str:
    conditions: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for condition in grant.conditions:
        values = [_pattern(value).show(known) for value in condition.values]
        conditions[condition.operator][condition.key] = values
    return json.dumps(conditions)


def _covers(patterns: tuple[_Pattern, ...], text: str, known: Known) -> bool:
    return any(pattern.covers(text, known) for pattern in patterns)


def _meets(conditions: tuple[Condition, ...], grant: _Grant, known: Known) -> bool:
    """Return whether every request that meets the conditions certainly meets the grant's conditions."""
    alike = [each._replace(key=_SAME_KEYS.get(each.key.lower(), each.key)) for each in conditions]
    return is_implied(
        alike, grant.conditions, lambda wanted, value: _pattern(wanted).covers(value, known)
    )


@cache
def _pattern(text: str) -> _Pattern:
    literals_and_names = _PLACEHOLDER.split(text)
    expressions = [
        f"(?P<{part}>{_FILE['placeholders'][part]})"
        if index % 2
        else re.escape(part).replace(r"\*", ".*")
        for index, part in enumerate(literals_and_names)
    ]
    return _Pattern(text, re.compile("".join(expressions), re.DOTALL))


_APPLICATION: Final = _pattern(
    "arn:{partition}:qbusiness:{region}:{account}:application/{application_id}"
)
_GRANTS: Final = tuple(
    _Grant(
        tuple(_pattern(action.lower()) for action in statement.actions.values),
        tuple(map(_pattern, statement.resources.values)),
        statement.conditions,
    )
    for statement in read_document(_FILE["policy"]).statements
)
