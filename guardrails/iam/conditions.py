"""Evaluate the conditions of IAM policies, and compare one with another.

The rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
and https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from itertools import product
from typing import Any, Final, NamedTuple

from .patterns import (
    VARIABLE,
    Text,
    covers,
    is_pattern,
    matches,
    may_be_arn,
    overlap,
    split_arn,
    split_text,
)
from .truth import Truth, every, some


class Condition(NamedTuple):
    """One condition key with the values that it may have.

    IAM compares operators exactly and keys regardless of case.
    """

    operator: str
    key: str
    values: tuple[str, ...]

    def is_on(self, key: str) -> bool:
        """Return whether it is a condition on the key."""
        return self.key.lower() == key.lower()

    @property
    def requires_key(self) -> bool:
        """Return whether no request without the key meets it."""
        return _met_by_absence(self) is Truth.NO


class Context(NamedTuple):
    """The condition keys of a request."""

    values: Mapping[str, tuple[Text, ...]]
    """Values by key, in lower case; a key that the request does not carry has none."""
    complete: tuple[str, ...] = ()
    """Prefixes in lower case, such as `aws:principaltag/`, of keys that are absent if not listed."""

    def get(self, key: str) -> tuple[Text, ...] | None:
        """Return the values of a key, which are none if it is absent; None if that is not known."""
        key = key.lower()
        absent: tuple[Text, ...] | None = () if self.complete and key.startswith(self.complete) else None
        return self.values.get(key, absent)


class _Operator(NamedTuple):
    """An operator by its parts: `ForAnyValue:StringNotEqualsIfExists`."""

    quantifier: str
    """`ForAllValues`, `ForAnyValue`, or empty."""
    base: str
    """The comparison, never negated."""
    negated: bool
    if_exists: bool


_NEGATED: Final = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}
_MULTIVALUED: Final = re.compile(
    r"aws:(?:tagkeys|calledvia|\w+orgpaths|principalservicenameslist)"
    r"|kms:(?:encryptioncontextkeys|resourcealiases|grantoperations)",
    re.IGNORECASE,
)
"""Keys that hold several values."""
_SINGLE_VALUED: Final = re.compile(
    r"aws:(?:source(?:account|arn)|resourceaccount|securetransport|principal(?:account|arn|orgid)"
    r"|(?:request|resource|principal)tag/.+)"
    r"|ec2:createaction|iam:passedtoservice|kms:(?:viaservice|calleraccount|encryptioncontext:.+)",
    re.IGNORECASE,
)
"""Keys that certainly hold one value, of those in policies of a connector."""
_NUMERIC_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


@cache
def _parse(text: str) -> _Operator | None:
    """Return the parts of an operator; None for one that IAM does not have."""
    quantifier, _, rest = text.rpartition(":")
    name = rest.removesuffix("IfExists")
    base = _NEGATED.get(name, name)
    known = base in _COMPARISONS or (base == "Null" and rest == text)
    if not known or quantifier not in ("", "ForAllValues", "ForAnyValue") or text.startswith(":"):
        return None
    return _Operator(quantifier, base, name in _NEGATED, name != rest)


# Evaluate.


def meets(condition: Condition, context: Context, *, variables: bool = True) -> Truth:
    """Return whether a request meets a condition; `variables` are read since version 2012-10-17."""
    parsed, values = _parse(condition.operator), context.get(condition.key)
    if parsed is None or values is None or not condition.values:
        return Truth.CANNOT_TELL
    if parsed.base == "Null":
        return some(_is_absent(value, values) for value in condition.values)
    if not values:
        return _met_by_absence(condition)
    patterns = resolve(condition.values, context) if variables else literal(condition.values)
    answers = [_meets_value(parsed, patterns, value) for value in values]
    if parsed.quantifier == "ForAllValues":
        return every(answers)
    if parsed.quantifier == "ForAnyValue":
        return some(answers)
    # IAM does not say how it compares several values without a quantifier.
    single = len(answers) == 1 and not _MULTIVALUED.fullmatch(condition.key)
    return answers[0] if single else Truth.CANNOT_TELL


def _is_absent(wanted: str, values: Sequence[Text]) -> Truth:
    if wanted.lower() not in ("true", "false"):
        return Truth.CANNOT_TELL
    return Truth.of((wanted.lower() == "true") == (not values))


def _met_by_absence(condition: Condition) -> Truth:
    """Return whether a request without the key meets a condition."""
    parsed = _parse(condition.operator)
    if parsed is None:
        return Truth.CANNOT_TELL
    if parsed.base == "Null":
        return some(_is_absent(value, ()) for value in condition.values)
    if parsed.quantifier == "ForAnyValue":
        # IAM does not say which of the two counts more.
        return Truth.CANNOT_TELL if parsed.if_exists else Truth.NO
    return Truth.of(parsed.if_exists or parsed.negated or parsed.quantifier == "ForAllValues")


def _meets_value(parsed: _Operator, patterns: Sequence[str | None], value: Text) -> Truth:
    answer = some(_compare(parsed, pattern, value) for pattern in patterns)
    return answer.opposite if parsed.negated else answer


def _compare(parsed: _Operator, pattern: str | None, value: Text) -> Truth:
    if pattern is None:
        return Truth.CANNOT_TELL
    if parsed.base.startswith("Arn") and not (may_be_arn(pattern) and may_be_arn(value.pattern)):
        # It does not match. IAM does not say whether it meets the negated operator.
        return Truth.CANNOT_TELL if parsed.negated else Truth.NO
    return _COMPARISONS[parsed.base](pattern, value)


def resolve(patterns: Iterable[str], context: Context) -> list[str | None]:
    """Replace the variables in patterns by their values; None for a pattern that depends on others.

    A pattern with a variable that has no value, and no default, matches nothing, and is left out:
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


def _replaced(pattern: str, values: Mapping[str, Sequence[str] | None]) -> str:
    return VARIABLE.sub(lambda found: "".join(values[found[1]] or ()), pattern)


def _variable(text: str, context: Context) -> list[str] | None:
    """Return the value of a variable, none if it has none, or None if that is not known."""
    name, _, default = text.partition(",")
    values = context.get(name.strip())
    if values is None:
        return None
    if not values:
        return re.findall(r"'(.*)'", default)
    value, *others = values
    # A wildcard in a value stands for itself, which a pattern cannot say.
    return None if others or value.example or is_pattern(value.known) else [value.known]


def literal(patterns: Iterable[str]) -> list[str | None]:
    """Return patterns of a version without variables; None for one that has the form of a variable."""
    return [None if VARIABLE.search(pattern) else pattern for pattern in patterns]


def _compare_text(pattern: str, value: Text, *, ignore_case: bool = False) -> Truth:
    """Compare exactly: a wildcard is a character like the others."""
    if value.example:
        wanted, known = (text.casefold() if ignore_case else text for text in (pattern, value.known))
        return Truth.CANNOT_TELL if wanted.startswith(known) else Truth.NO
    if ignore_case:
        return Truth.of(pattern.casefold() == value.known.casefold())
    return Truth.of(pattern == value.known)


def _compare_arn(pattern: str, value: Text) -> Truth:
    """Compare part by part: no wildcard goes beyond a colon of the first five."""
    wanted, given = split_arn(pattern), split_text(value)
    if wanted is None or given is None:
        return Truth.CANNOT_TELL
    return every(map(matches, wanted, given))


def _compare_parsed(
    parse: Callable[[str], Any], comparison: Callable[[Any, Any], bool], pattern: str, value: Text
) -> Truth:
    """Compare as numbers, dates, or bytes; what has another form cannot be compared."""
    try:
        given, wanted = parse(value.known), parse(pattern)
    except (ValueError, OverflowError, binascii.Error):
        return Truth.CANNOT_TELL
    return Truth.CANNOT_TELL if value.example else Truth.of(comparison(given, wanted))


def _date(text: str) -> datetime:
    """Read a date, or the seconds since 1970; raises ValueError for what may be a year or a day."""
    if re.fullmatch(r"\d{4}|\d{8}", text, re.ASCII):
        raise ValueError(text)
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return datetime.fromtimestamp(float(text), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _number(text: str) -> float:
    if not re.fullmatch(r"[+-]?\d+(?:\.\d+)?", text, re.ASCII):
        raise ValueError(text)
    return float(text)


def _compare_address(pattern: str, value: Text) -> Truth:
    try:
        network = ipaddress.ip_network(pattern, strict=False)
        address = ipaddress.ip_address(value.known)
    except ValueError:
        return Truth.CANNOT_TELL
    return Truth.CANNOT_TELL if value.example else Truth.of(address in network)


_COMPARISONS: Final[Mapping[str, Callable[[str, Text], Truth]]] = {
    "StringEquals": _compare_text,
    "StringEqualsIgnoreCase": partial(_compare_text, ignore_case=True),
    "StringLike": matches,
    "ArnEquals": _compare_arn,
    "ArnLike": _compare_arn,
    **{
        f"Numeric{name}": partial(_compare_parsed, _number, comparison)
        for name, comparison in _NUMERIC_COMPARISONS.items()
    },
    **{
        f"Date{name}": partial(_compare_parsed, _date, comparison)
        for name, comparison in _NUMERIC_COMPARISONS.items()
    },
    "Bool": partial(_compare_parsed, _boolean, operator.eq),
    "BinaryEquals": partial(_compare_parsed, partial(base64.b64decode, validate=True), operator.eq),
    "IpAddress": _compare_address,
}


# Compare.

Covers = Callable[[str, str], bool]
"""Takes a pattern and another one, and returns whether the first certainly covers the other."""


@cache
def never_met(condition: Condition) -> bool:
    """Return whether no request can meet a condition: it compares ARNs, and no value is one."""
    parsed = _parse(condition.operator)
    return (
        parsed is not None
        and parsed.base.startswith("Arn")
        and not parsed.negated
        and condition.requires_key
        and not any(map(may_be_arn, condition.values))
    )


@cache
def certain_values(condition: Condition, key: str) -> tuple[str, ...]:
    """Return the values that a condition requires a key to have; none if it accepts others, or no key.

    A value may be a pattern, if the operator takes patterns.
    """
    if not condition.is_on(key):
        return ()
    parsed = _parse(condition.operator)
    if not condition.requires_key or parsed is None or parsed.negated:
        return ()
    if parsed.base == "StringEqualsIgnoreCase":
        return condition.values if all(map(_has_no_case, condition.values)) else ()
    if parsed.base.startswith("Arn"):
        return tuple(filter(may_be_arn, condition.values))
    return condition.values if _is_text(parsed.base) else ()


def _has_no_case(text: str) -> bool:
    return text.swapcase() == text


def implied(strict: Sequence[Condition], lax: Sequence[Condition], covers_text: Covers = covers) -> bool:
    """Return whether every request that meets the strict conditions certainly meets the others."""
    return any(map(never_met, strict)) or all(
        any(_implies(have, wanted, covers_text) for have in strict) for wanted in lax
    )


def _implies(have: Condition, wanted: Condition, covers_text: Covers) -> bool:
    if not have.is_on(wanted.key):
        return _implies_tag_keys(have, wanted)
    ours, theirs = _parse(have.operator), _parse(wanted.operator)
    if ours is None or theirs is None or not have.values or not wanted.values:
        return False
    if _met_by_absence(have) is not Truth.NO and _met_by_absence(wanted) is not Truth.YES:
        return False
    if theirs.base == "Null":
        return _absence(wanted) != {True} or (ours.base == "Null" and _absence(have) == {True})
    if ours.base == "Null":
        return _absence(have) == {True}
    return _quantified_alike(ours, theirs, have.key) and _values_imply(
        ours, have.values, theirs, wanted.values, covers_text
    )


def _values_imply(
    ours: _Operator,
    have: Sequence[str],
    theirs: _Operator,
    wanted: Sequence[str],
    covers_text: Covers,
) -> bool:
    """Return whether every text that meets one operator with its values meets the other."""
    if not theirs.negated:
        return not ours.negated and all(
            any(_within(ours.base, value, theirs.base, other, covers_text) for other in wanted)
            for value in have
        )
    if ours.negated:
        return all(
            any(_excludes(ours.base, value, theirs.base, other, covers_text) for value in have)
            for other in wanted
        )
    return (
        _is_text(ours.base)
        and theirs.base.startswith("String")
        and not any(overlap(*pair, ignore_case=True) for pair in product(have, wanted))
    )


def _absence(condition: Condition) -> set[bool | None]:
    """Return whether the values of a Null condition ask for absence; None for another value."""
    return {{"true": True, "false": False}.get(value.lower()) for value in condition.values}


def _implies_tag_keys(have: Condition, wanted: Condition) -> bool:
    """Return whether a condition requires a tag, and the other one that there are tags."""
    return (
        have.key.lower().startswith("aws:requesttag/")
        and have.requires_key
        and wanted.is_on("aws:TagKeys")
        and wanted.operator == "Null"
        and all(value.lower() == "false" for value in wanted.values)
    )


def _quantified_alike(ours: _Operator, theirs: _Operator, key: str) -> bool:
    """Return whether it follows for a key of several values if it follows for each value."""
    return ours.quantifier == theirs.quantifier or bool(_SINGLE_VALUED.fullmatch(key))


def _is_text(base: str) -> bool:
    return base.startswith(("String", "Arn"))


def _within(ours: str, value: str, theirs: str, other: str, covers_text: Covers) -> bool:
    """Return whether a text that meets one operator with a value meets the other with the other's."""
    if not (_is_text(ours) and _is_text(theirs)):
        return ours == theirs and value == other
    if ours.startswith("Arn") and not may_be_arn(value):
        return True  # no text meets it
    exact = ours.startswith("StringEquals")
    wild = "${" in value or (is_pattern(value) and not exact)
    any_case = ours == "StringEqualsIgnoreCase" and not _has_no_case(value)
    if theirs == "StringEqualsIgnoreCase":
        found = not wild and "${" not in other and value.casefold() == other.casefold()
    elif any_case:
        found = False
    elif theirs == "StringEquals":
        certain = not wild and not is_pattern(other)
        found = (exact and value == other) or (certain and covers_text(other, value))
    elif theirs.startswith("Arn"):
        found = _within_arn(ours, value, other)
    else:
        found = covers_text(other, value)
    return found


def _within_arn(ours: str, value: str, other: str) -> bool:
    """Return whether an ARN, or every ARN that a pattern matches, certainly matches another pattern."""
    if ours == "StringLike" and is_pattern(value):
        return False  # an asterisk may stand for several parts of an ARN
    have, wanted = split_arn(value), split_arn(other)
    if have is None or wanted is None or "${" in value + other:
        return have is not None and wanted is not None and value == other
    return all(covers(pattern, part) for pattern, part in zip(wanted, have, strict=True))


def _excludes(ours: str, value: str, theirs: str, other: str, covers_text: Covers) -> bool:
    """Return whether what the other pattern excludes is certainly excluded by this one."""
    if theirs.startswith("Arn") and not (ours.startswith("Arn") and may_be_arn(other)):
        # IAM does not say how it compares what is not an ARN.
        return ours.startswith("Arn") and value == other
    return _within(theirs, other, ours, value, covers_text)
