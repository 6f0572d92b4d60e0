"""Evaluate the conditions of IAM policies.

The rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
and https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from .operators import Operator, parse_operator
from .patterns import VARIABLE, Text, is_pattern
from .truth import Truth, every, some

_MULTIVALUED: Final = re.compile(
    r"aws:(?:tagkeys|calledvia|\w+orgpaths|principalservicenameslist)"
    r"|kms:(?:encryptioncontextkeys|resourcealiases|grantoperations)",
    re.IGNORECASE,
)
"""Condition keys that can have several values."""


class Condition(NamedTuple):
    """A condition key, its operator, and its values.

    Keys are not case-sensitive, but operators are.
    """

    operator: str
    key: str
    values: tuple[str, ...]

    def is_on(self, key: str) -> bool:
        """Return whether the condition is on this key."""
        return self.key.lower() == key.lower()

    @property
    def requires_key(self) -> bool:
        """Whether only requests that contain the key can meet the condition."""
        return is_met_by_absence(self) is Truth.NO


class Context(NamedTuple):
    """The condition keys of a request."""

    values: Mapping[str, tuple[Text, ...]]
    """Values by lowercase key; empty for a key that is not in the request."""
    complete: tuple[str, ...] = ()
    """Lowercase prefixes, such as `aws:principaltag/`, of keys that are absent if not in `values`."""

    def get(self, key: str) -> tuple[Text, ...] | None:
        """Return a key's values; empty if the key is absent, None if its values are unknown."""
        key = key.lower()
        absent: tuple[Text, ...] | None = () if key.startswith(self.complete) else None
        return self.values.get(key, absent)


def meets(condition: Condition, context: Context, *, variables: bool = True) -> Truth:
    """Return whether a request meets a condition.

    `variables` is True if the document's Version supports policy variables (`${…}`).
    """
    parsed, values = parse_operator(condition.operator), context.get(condition.key)
    if parsed is None or values is None or not condition.values:
        return Truth.CANNOT_TELL
    if parsed.base == "Null":
        return some(_is_absent(value, values) for value in condition.values)
    if not values:
        return is_met_by_absence(condition)
    patterns = resolve(condition.values, context) if variables else literal(condition.values)
    answers = [_meets_value(parsed, patterns, value) for value in values]
    if parsed.quantifier == "ForAllValues":
        answer = every(answers)
        # IAM may treat an empty value as absent.
        return answer if Text("") not in values else some([answer, Truth.CANNOT_TELL])
    if parsed.quantifier == "ForAnyValue":
        return some(answers)
    # IAM does not document how an operator without a quantifier compares several values.
    single = len(answers) == 1 and not _MULTIVALUED.fullmatch(condition.key)
    return answers[0] if single else Truth.CANNOT_TELL


def _is_absent(wanted: str, values: Sequence[Text]) -> Truth:
    if wanted.lower() not in ("true", "false"):
        return Truth.CANNOT_TELL
    return Truth.of((wanted.lower() == "true") == (not values))


def is_met_by_absence(condition: Condition) -> Truth:
    """Return whether a request without the condition's key meets the condition."""
    parsed = parse_operator(condition.operator)
    if parsed is None:
        return Truth.CANNOT_TELL
    if parsed.base == "Null":
        return some(_is_absent(value, ()) for value in condition.values)
    if parsed.quantifier == "ForAnyValue":
        # IAM does not document whether ForAnyValue or IfExists takes precedence.
        return Truth.CANNOT_TELL if parsed.if_exists else Truth.NO
    return Truth.of(parsed.if_exists or parsed.negated or parsed.quantifier == "ForAllValues")


def _meets_value(parsed: Operator, patterns: Sequence[str | None], value: Text) -> Truth:
    answer = some(
        Truth.CANNOT_TELL if pattern is None else parsed.compare(pattern, value) for pattern in patterns
    )
    return answer.opposite if parsed.negated else answer


def resolve(patterns: Iterable[str], context: Context) -> list[str | None]:
    """Replace the variables in patterns with their values; None stands for a pattern that stays unknown.

    A pattern stays unknown if a variable's value is unknown, is one of several, or is itself a pattern.
    A pattern with a variable that has neither a value nor a default matches nothing and is omitted:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    resolved: list[str | None] = []
    for pattern in patterns:
        values = {name: _variable(name, context) for name in VARIABLE.findall(pattern)}
        if None in values.values():
            resolved.append(None)
        elif all(values.values()):
            resolved.append(_replaced(pattern, values))
    return resolved


def find_variables(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the condition keys that patterns use as variables."""
    names = (name.partition(",")[0].strip() for each in patterns for name in VARIABLE.findall(each))
    return tuple(dict.fromkeys(name for name in names if ":" in name))


def _replaced(pattern: str, values: Mapping[str, Sequence[str] | None]) -> str:
    return VARIABLE.sub(lambda found: "".join(values[found[1]] or ()), pattern)


def _variable(text: str, context: Context) -> list[str] | None:
    """Return a variable's value or default as a list; the list is empty if there is neither.

    Return None if the value is unknown or one of several, or if the value or the default is itself a
    pattern. `text` is the text in `${…}`.
    """
    name, _, default = text.partition(",")
    values = context.get(name.strip())
    if values is None:
        return None
    if not values:
        found = re.findall(r"'(.*)'", default)
        return None if any(map(is_pattern, found)) else found
    value, *others = values
    # A resolved pattern cannot express a literal wildcard.
    return None if others or value.example or is_pattern(value.known) else [value.known]


def literal(patterns: Iterable[str]) -> list[str | None]:
    """Return patterns for a Version without policy variables; None stands for a pattern with `${…}`."""
    return [None if VARIABLE.search(pattern) else pattern for pattern in patterns]
