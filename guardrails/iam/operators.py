"""Parse IAM's condition operators and use them to compare values.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import base64
import ipaddress
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any, Final, NamedTuple

from .patterns import Text, matches, may_be_arn, split_arn, split_text
from .truth import Truth, every


class Operator(NamedTuple):
    """The parts of an operator such as `ForAnyValue:StringNotEqualsIfExists`."""

    quantifier: str
    """`ForAllValues`, `ForAnyValue`, or empty."""
    base: str
    """The name of the comparison without negation, such as `StringEquals`."""
    negated: bool
    if_exists: bool

    def compare(self, pattern: str, value: Text) -> Truth:
        """Return whether a value matches a pattern; the caller applies negation and handles Null."""
        if self.base.startswith("Arn") and not (may_be_arn(pattern) and may_be_arn(value.pattern)):
            # The value does not match, but IAM does not document whether the negated operator is met.
            return Truth.CANNOT_TELL if self.negated else Truth.NO
        return _COMPARISONS[self.base](pattern, value)


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
_DATE: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
"""The formats in https://www.w3.org/TR/NOTE-datetime that include a day; the time zone is optional."""
_NUMERIC_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


@cache
def parse_operator(text: str) -> Operator | None:
    """Return the parts of an operator; None if IAM has no such operator."""
    quantifier, _, rest = text.rpartition(":")
    name = rest.removesuffix("IfExists")
    base = _NEGATED.get(name, name)
    known = base in _COMPARISONS or text == "Null"
    if not known or quantifier not in ("", "ForAllValues", "ForAnyValue") or text.startswith(":"):
        return None
    return Operator(quantifier, base, name in _NEGATED, name != rest)


def _compare_text(pattern: str, value: Text, *, ignore_case: bool = False) -> Truth:
    """Compare text in which wildcards are ordinary characters."""
    wanted, known = (text.lower() if ignore_case else text for text in (pattern, value.known))
    if value.example:
        return Truth.CANNOT_TELL if wanted.startswith(known) else Truth.NO
    return Truth.of(wanted == known)


def _compare_arn(pattern: str, value: Text) -> Truth:
    """Compare ARNs part by part, because no wildcard matches any of the first five colons."""
    wanted, given = split_arn(pattern), split_text(value)
    if wanted is None or given is None:
        return Truth.CANNOT_TELL
    return every(map(matches, wanted, given))


def _compare_parsed(
    parse: Callable[[str], Any], comparison: Callable[[Any, Any], bool], pattern: str, value: Text
) -> Truth:
    """Compare parsed values; return CANNOT_TELL if parsing fails or the value's end is unknown."""
    try:
        given, wanted = parse(value.known), parse(pattern)
    except (ValueError, OverflowError, OSError):
        return Truth.CANNOT_TELL
    return Truth.CANNOT_TELL if value.example else Truth.of(comparison(given, wanted))


def _date(text: str) -> datetime:
    """Parse a date, or seconds since 1970 (a number with at least nine digits).

    Raise ValueError for other text, and OverflowError, OSError, or ValueError for numbers out of range.
    """
    if re.fullmatch(r"\d{9,}(?:\.\d+)?", text, re.ASCII):
        return datetime.fromtimestamp(float(text), UTC)
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _number(text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?\d+(?:\.\d+)?", text, re.ASCII):
        raise ValueError(text)
    return Decimal(text)


def _compare_address(pattern: str, value: Text) -> Truth:
    try:
        network = ipaddress.ip_network(pattern, strict=False)
        if "/" in pattern and not pattern.rpartition("/")[2].isdecimal():
            return Truth.CANNOT_TELL  # the network has a mask instead of a prefix length
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
        f"{kind}{name}": partial(_compare_parsed, parse, comparison)
        for kind, parse in (("Numeric", _number), ("Date", _date))
        for name, comparison in _NUMERIC_COMPARISONS.items()
    },
    "Bool": partial(_compare_parsed, _boolean, operator.eq),
    "BinaryEquals": partial(_compare_parsed, partial(base64.b64decode, validate=True), operator.eq),
    "IpAddress": _compare_address,
}
