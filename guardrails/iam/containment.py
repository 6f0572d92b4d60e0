"""Compare the conditions in IAM policies; True is certain, but False can also mean unknown."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from itertools import product
from typing import Final

from .conditions import Condition, is_met_by_absence
from .operators import Operator, parse_operator
from .patterns import covers, is_pattern, may_be_arn, overlap, split_arn
from .truth import Truth

_SINGLE_VALUED: Final = re.compile(
    r"aws:(?:source(?:account|arn)|resourceaccount|securetransport|principal(?:account|arn|orgid)"
    r"|(?:request|resource|principal)tag/.+)"
    r"|ec2:createaction|iam:passedtoservice|kms:(?:viaservice|calleraccount|encryptioncontext:.+)",
    re.IGNORECASE,
)
"""Common condition keys that cannot have several values."""
Covers = Callable[[str, str], bool]
"""A function that returns whether the first pattern certainly covers the second.

Text without wildcards never covers a pattern with a wildcard or a variable."""


@cache
def is_never_met(condition: Condition) -> bool:
    """Return whether a condition can never be met, because its values must be ARNs, but none is."""
    parsed = parse_operator(condition.operator)
    return (
        parsed is not None
        and parsed.base.startswith("Arn")
        and not parsed.negated
        and condition.requires_key
        and bool(condition.values)
        and not any(map(may_be_arn, condition.values))
    )


def certain_values(conditions: Iterable[Condition], key: str) -> list[tuple[str, ...]]:
    """For each condition on a key, return the values to which it certainly restricts the key.

    A request must meet all the conditions. The result is empty if the key may be absent, and omits
    conditions that do not certainly restrict the key. With some operators, values can be patterns.
    """
    of_key = [condition for condition in conditions if condition.is_on(key)]
    if not any(condition.requires_key for condition in of_key):
        return []
    return [values for condition in of_key if (values := _certain_values(condition))]


@cache
def _certain_values(condition: Condition) -> tuple[str, ...]:
    """Return the values to which a condition certainly restricts its key if the key is present."""
    parsed = parse_operator(condition.operator)
    if parsed is None or parsed.negated:
        return ()
    if parsed.base == "StringEqualsIgnoreCase":
        return condition.values if all(map(_has_no_case, condition.values)) else ()
    if parsed.base.startswith("Arn"):
        return tuple(filter(may_be_arn, condition.values))
    return condition.values if _is_text(parsed.base) else ()


def _has_no_case(text: str) -> bool:
    return text.swapcase() == text


def is_implied(
    strict: Sequence[Condition], lax: Sequence[Condition], covers_text: Covers = covers
) -> bool:
    """Return whether requests that meet the strict conditions certainly meet the lax conditions."""
    present = {condition.key.lower() for condition in strict if condition.requires_key}
    return any(map(is_never_met, strict)) or all(
        wanted in strict or any(_implies(have, wanted, covers_text, present) for have in strict)
        for wanted in lax
    )


def _implies(have: Condition, wanted: Condition, covers_text: Covers, present: Collection[str]) -> bool:
    """Return whether `have` certainly implies `wanted` if the request has the keys in `present`."""
    if not have.is_on(wanted.key):
        return _implies_tag_keys(have, wanted)
    ours, theirs = parse_operator(have.operator), parse_operator(wanted.operator)
    if ours is None or theirs is None or not have.values or not wanted.values:
        return False
    if wanted.key.lower() not in present and is_met_by_absence(wanted) is not Truth.YES:
        return False
    if theirs.base == "Null":
        # The check above covers requests without the key. Requests with the key meet only Null: false.
        return False in _absence(wanted) or (ours.base == "Null" and _absence(have) == {True})
    if ours.base == "Null":
        return _absence(have) == {True}  # no request with the key meets `have`
    return _quantified_alike(ours, theirs, have.key) and _values_imply(
        ours, have.values, theirs, wanted.values, covers_text
    )


def _values_imply(
    ours: Operator,
    have: Sequence[str],
    theirs: Operator,
    wanted: Sequence[str],
    covers_text: Covers,
) -> bool:
    """Return whether every string that meets `ours` with `have` also meets `theirs` with `wanted`."""
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
    """Return a Null condition's values: True for absence, False for presence, None for other text."""
    return {{"true": True, "false": False}.get(value.lower()) for value in condition.values}


def _implies_tag_keys(have: Condition, wanted: Condition) -> bool:
    """Return whether `have` requires a specific request tag and `wanted` requires any request tag."""
    return (
        have.key.lower().startswith("aws:requesttag/")
        and have.requires_key
        and wanted.is_on("aws:TagKeys")
        and wanted.operator == "Null"
        and _absence(wanted) == {False}
    )


def _quantified_alike(ours: Operator, theirs: Operator, key: str) -> bool:
    """Return whether an implication for each of a key's values also holds for all values together."""
    alike = ours.quantifier == theirs.quantifier
    # IAM does not document how an operator without a quantifier compares several values.
    certain = bool(ours.quantifier) or ours.negated == theirs.negated
    return (alike and certain) or bool(_SINGLE_VALUED.fullmatch(key))


def _is_text(base: str) -> bool:
    return base.startswith(("String", "Arn"))


def _within(ours: str, value: str, theirs: str, other: str, covers_text: Covers) -> bool:
    """Return whether every string that meets `ours` with `value` also meets `theirs` with `other`."""
    if not (_is_text(ours) and _is_text(theirs)):
        return ours == theirs and value == other
    if ours.startswith("Arn") and not may_be_arn(value):
        return True  # no string meets `ours`
    exact = ours.startswith("StringEquals")
    wild = "${" in value or (is_pattern(value) and not exact)
    any_case = ours == "StringEqualsIgnoreCase" and not _has_no_case(value)
    if theirs == "StringEqualsIgnoreCase":
        found = not wild and value.lower() == other.lower()
    elif any_case:
        found = False
    elif theirs == "StringEquals":
        found = (exact and value == other) or (not is_pattern(other) and covers_text(other, value))
    elif theirs.startswith("Arn"):
        found = _within_arn(ours, value, other)
    else:
        found = covers_text(other, value)
    return found


def _within_arn(ours: str, value: str, other: str) -> bool:
    """Return whether the pattern `other` certainly matches every ARN that `value` matches."""
    if ours == "StringLike" and is_pattern(value):
        return False  # an asterisk may match several parts of an ARN
    have, wanted = split_arn(value), split_arn(other)
    if have is None or wanted is None:
        return False
    if "${" in value:
        return value == other
    return all(covers(pattern, part) for pattern, part in zip(wanted, have, strict=True))


def _excludes(ours: str, value: str, theirs: str, other: str, covers_text: Covers) -> bool:
    """Return whether one negated condition certainly excludes every string that a second one excludes.

    The first condition negates the operator `ours` and has the value `value`; the second condition
    negates `theirs` and has the value `other`.
    """
    if theirs.startswith("Arn") and not (ours.startswith("Arn") and may_be_arn(other)):
        # IAM does not document how ARN operators compare strings that are not ARNs.
        return ours.startswith("Arn") and value == other
    return _within(theirs, other, ours, value, covers_text)
