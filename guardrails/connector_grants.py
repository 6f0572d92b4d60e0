"""Find the permissions that a role's statements allow but no connector needs.

`connector_policy.json` contains every permission that this project's component can grant to a role, with
placeholders for values such as IDs, and the formats of these values. `python -m pages` generates this
file from the component. The policy pack runs in a separate process with its own packages and may be
copied elsewhere, so it does not import the component.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from iam.conditions import Condition
from iam.containment import is_implied
from iam.documents import Statement, read_document
from iam.patterns import Patterns

_FILE: Final = Path(__file__).with_name("connector_policy.json")
_FILE_CONTENT: Final = json.loads(_FILE.read_text(encoding="utf-8"))
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_GRANT_KEY_BY_SYNONYM: Final = {"s3:resourceaccount": "aws:ResourceAccount"}
"""For each of these condition keys, the key in the grants that always has the same value.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html"""


class Application(NamedTuple):
    """The parts of an application's ARN."""

    partition: str
    region: str
    account: str
    application_id: str


class KnownArnParts(NamedTuple):
    """The parts of ARNs that are known for one role; each is the value of a placeholder."""

    application: Application | None = None
    role_path_and_name: str | None = None
    """For example `service-role/NAME`; None while the path or the name is unknown."""

    def by_placeholder(self) -> Mapping[str, str | None]:
        """Return the parts by placeholder name; an unknown part is None or has no entry."""
        application_parts = self.application._asdict() if self.application else {}
        return {**application_parts, "role": self.role_path_and_name}


class ExcessPermission(NamedTuple):
    """A permission that connectors never need, or need only on other resources or under a condition."""

    action: str
    resource: str | None = None
    """None if no connector needs the action on any resource."""
    expected_resources: str = ""
    """The resources on which connectors need the action; empty if `resource` is None or one of them."""
    expected_condition: str = ""
    """The conditions (as JSON) under which connectors need the action on `resource`; empty if none."""


class _PatternTemplate(NamedTuple):
    """An IAM pattern that may contain placeholders, as in `connector_policy.json`."""

    template: str
    expression: re.Pattern[str]
    """The template with a group for each placeholder; it matches other IAM patterns."""

    def covers(self, pattern: str, known_parts: KnownArnParts) -> bool:
        """Return whether this template, with the known parts filled in, covers an IAM pattern.

        A placeholder for an unknown role covers nothing. A placeholder for any other unknown part
        covers all text in its format.
        """
        match = self.expression.fullmatch(pattern)
        if match is None:
            return False
        matched_parts = match.groupdict()
        return all(
            matched_parts[placeholder] == known_part
            for placeholder, known_part in known_parts.by_placeholder().items()
            if placeholder in matched_parts
        )

    def fill_in(self, known_parts: KnownArnParts) -> str:
        """Return the template with the known parts filled in and the other placeholders in capitals."""
        part_by_placeholder = known_parts.by_placeholder()
        return _PLACEHOLDER.sub(
            lambda match: part_by_placeholder.get(match[1]) or match[1].upper(), self.template
        )


class _Grant(NamedTuple):
    """The permissions in one statement of `connector_policy.json`."""

    actions: Sequence[_PatternTemplate]
    resources: Sequence[_PatternTemplate]
    conditions: tuple[Condition, ...]


def match_application_arn(arn: str) -> Application | None:
    """Return the application that an ARN identifies; None for other text, such as a pattern."""
    match = _APPLICATION_ARN.expression.fullmatch(arn)
    return Application(**match.groupdict()) if match else None


@cache
def find_excess(statement: Statement, known_parts: KnownArnParts) -> tuple[ExcessPermission, ...]:
    """Return the permissions that a role's statement allows but no connector needs."""
    return tuple(_compare_with_grants(statement, known_parts)) if statement.allows else ()


def _compare_with_grants(statement: Statement, known_parts: KnownArnParts) -> Iterator[ExcessPermission]:
    for action in statement.actions.listed():
        formatted_action = _format_pattern(action, statement.actions)
        action_grants = _select_grants(action.lower())
        if not action_grants:
            yield ExcessPermission(formatted_action)
            continue
        for resource in statement.resources.listed():
            resource_grants = [
                grant for grant in action_grants if _is_covered(resource, grant.resources, known_parts)
            ]
            if any(
                _implies_grant(statement.conditions, grant, known_parts) for grant in resource_grants
            ):
                continue
            formatted_resource = _format_pattern(resource, statement.resources)
            permission = ExcessPermission(formatted_action, formatted_resource)
            if resource_grants:
                conditions = (_format_conditions(grant, known_parts) for grant in resource_grants)
                yield permission._replace(expected_condition=_join_alternatives(conditions))
            else:
                resources = (
                    template.fill_in(known_parts)
                    for grant in action_grants
                    for template in grant.resources
                )
                yield permission._replace(expected_resources=_join_alternatives(resources))


@cache
def _select_grants(action: str) -> Sequence[_Grant]:
    """Return the grants that allow an action, which is lowercase and may contain wildcards."""
    return tuple(grant for grant in _GRANTS if _is_covered(action, grant.actions, KnownArnParts()))


def _join_alternatives(alternatives: Iterable[str]) -> str:
    """Join texts with "or", without repetitions."""
    return " or ".join(dict.fromkeys(alternatives))


def _format_pattern(pattern: str, patterns: Patterns) -> str:
    """Return one of the listed patterns of a statement; a negated list has only the pattern `*`."""
    return f"everything except {', '.join(patterns.values)}" if patterns.negated else pattern


def _format_conditions(grant: _Grant, known_parts: KnownArnParts) -> str:
    condition_element: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for condition in grant.conditions:
        condition_element[condition.operator][condition.key] = [
            _compile_template(template).fill_in(known_parts) for template in condition.values
        ]
    return json.dumps(condition_element)


def _is_covered(pattern: str, templates: Iterable[_PatternTemplate], known_parts: KnownArnParts) -> bool:
    return any(template.covers(pattern, known_parts) for template in templates)


def _implies_grant(conditions: Iterable[Condition], grant: _Grant, known_parts: KnownArnParts) -> bool:
    """Return whether every request that meets the conditions certainly meets the grant's conditions."""
    comparable_conditions = [
        condition._replace(key=_GRANT_KEY_BY_SYNONYM.get(condition.key.lower(), condition.key))
        for condition in conditions
    ]
    return is_implied(
        comparable_conditions,
        grant.conditions,
        lambda template, pattern: _compile_template(template).covers(pattern, known_parts),
    )


@cache
def _compile_template(template: str) -> _PatternTemplate:
    expression = ""
    for index, part in enumerate(_PLACEHOLDER.split(template)):
        # The parts are, in turn, literal text and a placeholder's name.
        if index % 2:
            expression += f"(?P<{part}>{_FILE_CONTENT['placeholders'][part]})"
        else:
            expression += re.escape(part).replace(r"\*", ".*")
    return _PatternTemplate(template, re.compile(expression, re.DOTALL))


_APPLICATION_ARN: Final = _compile_template(
    "arn:{partition}:qbusiness:{region}:{account}:application/{application_id}"
)
_GRANTS: Final = tuple(
    _Grant(
        tuple(_compile_template(action.lower()) for action in statement.actions.values),
        tuple(map(_compile_template, statement.resources.values)),
        statement.conditions,
    )
    for statement in read_document(_FILE_CONTENT["policy"]).statements
)
