"""Read IAM policy documents.

Values that are not known yet in a preview are skipped if the rest can be checked without them.
The grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, cast

UNKNOWN: Final = object()
"""Replaces a value that is not known yet."""

_DOCUMENT_ELEMENTS: Final = {"Version", "Id", "Statement"}
_STATEMENT_ELEMENTS: Final = {"Sid", "Effect", "Action", "NotAction", "Condition"}
_OPERATORS_THAT_REQUIRE_THE_KEY: Final = {
    "StringEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "ArnEquals",
    "ArnLike",
}


class Condition(NamedTuple):
    """One condition key with the values that it may have.

    IAM compares operators exactly and keys without regard to case:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
    """

    operator: str
    key: str
    values: tuple[str, ...]

    @property
    def requires_key(self) -> bool:
        """Whether no request without the key meets it."""
        return self.operator.removeprefix("ForAnyValue:") in _OPERATORS_THAT_REQUIRE_THE_KEY

    def is_on(self, key: str) -> bool:
        """Return whether it is a condition on the key."""
        return self.key.lower() == key.lower()

    def is_as_strict_as(self, other: "Condition") -> bool:
        """Return whether a request that meets it with the other's values meets the other."""
        return self.is_on(other.key) and (
            self.operator == other.operator or (self.requires_key and other.requires_key)
        )


class Statement(NamedTuple):
    """One statement of a policy document."""

    name: str
    """`statement` and its Sid, or its number in the document."""
    allows: bool
    actions: tuple[str, ...]
    """`*` for NotAction, which means all actions but some."""
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    """`*` for NotResource. Empty in a trust policy."""
    not_resources: tuple[str, ...]
    principals: tuple[str, ...]
    """For example `Service:qbusiness.amazonaws.com`; `*` for everybody and for NotPrincipal."""
    conditions: tuple[Condition, ...]


class Document(NamedTuple):
    """A policy document, as far as it is known."""

    statements: tuple[Statement, ...] = ()
    size: int = 0
    """Characters without white space, as IAM counts them."""
    known: bool = True
    """Whether every statement is known."""
    problem: str | None = None
    """Why IAM refuses the document; it then has no statements."""


class _MalformedError(Exception):
    """Raised when a document does not follow IAM's grammar."""


def read_document(given: Any, *, trust: bool = False) -> Document:
    """Read a document, given as JSON text or as an object; a trust policy with `trust`."""
    if given is UNKNOWN:
        return Document(known=False)
    if isinstance(given, str):
        return _read_text(given, trust)
    # What is not known yet counts as empty.
    text = json.dumps(given, default=lambda _unknown: "", ensure_ascii=False)
    return _read(given, _size(text), trust)


@cache
def _read_text(text: str, trust: bool) -> Document:  # noqa: FBT001 a key of the cache
    # Every rule reads the documents of the whole stack.
    try:
        given = json.loads(text, object_pairs_hook=_members_once)
    except _MalformedError as error:
        return Document(problem=str(error))
    except (RecursionError, ValueError):
        return Document(problem="it is not JSON")
    return _read(given, _size(text), trust)


def _size(text: str) -> int:
    return len("".join(text.split()))


def _members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _MalformedError("it has an object with the same member twice")
    return members


def _read(given: Any, size: int, trust: bool) -> Document:  # noqa: FBT001 as above
    try:
        _check_elements(given, _DOCUMENT_ELEMENTS, "the document")
        statements = [
            _statement(number, statement, trust=trust)
            for number, statement in enumerate(listed(given.get("Statement")), start=1)
        ]
    except _MalformedError as error:
        return Document(problem=str(error))
    if not statements:
        return Document(problem="it has no Statement")
    known = tuple(statement for statement in statements if statement)
    return Document(known, size, known=len(known) == len(statements))


def listed(value: Any) -> list[Any]:
    """Return one value or several as a list."""
    if isinstance(value, (list, tuple)):
        return [*cast("Sequence[Any]", value)]
    return [] if value is None else [value]


def _statement(number: int, given: Any, *, trust: bool) -> Statement | None:
    """Read a statement; None if what it allows depends on a value that is not known yet."""
    if given is UNKNOWN:
        return None
    target = "Principal" if trust else "Resource"
    _check_elements(given, {*_STATEMENT_ELEMENTS, target, f"Not{target}"}, f"statement {number}")
    for element in ("Action", target):
        if (element in given) == (f"Not{element}" in given):
            raise _MalformedError(f"statement {number} needs either {element} or Not{element}")
    effect = given.get("Effect")
    if effect not in ("Allow", "Deny", UNKNOWN):
        raise _MalformedError(f'the Effect of statement {number} is neither "Allow" nor "Deny"')
    actions, not_actions = _either(given, "Action", number)
    if trust:
        resources = not_resources = ()
        principals = _principals(given.get("Principal"), number) if "Principal" in given else ("*",)
    else:
        resources, not_resources = _either(given, "Resource", number)
        principals = ()
    conditions = tuple(_conditions(given.get("Condition", {}), number))
    if effect is UNKNOWN or any(
        UNKNOWN in values
        for values in (
            not_actions,
            not_resources,
            principals,
            *(condition.values for condition in conditions),
        )
    ):
        return None
    return Statement(
        f"statement {given['Sid'] if isinstance(given.get('Sid'), str) else number}",
        effect == "Allow",
        # Each action and each resource is allowed by itself: an unknown one does not hide the others.
        _known(actions),
        not_actions,
        _known(resources),
        not_resources,
        principals,
        conditions,
    )


def _either(
    given: Mapping[str, Any], element: str, number: int
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the values of an element, and of its negation."""
    if element in given:
        return _texts(given[element], f"{element} of statement {number}"), ()
    return ("*",), _texts(given[f"Not{element}"], f"Not{element} of statement {number}")


def _principals(given: Any, number: int) -> tuple[Any, ...]:
    if given in ("*", UNKNOWN):
        return (given,)
    if not isinstance(given, Mapping) or not given:
        raise _MalformedError(f'the Principal of statement {number} is neither "*" nor an object')
    # {"AWS": "*"} is everybody, as "*" is:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    return tuple(
        value if value in ("*", UNKNOWN) else f"{kind}:{value}"
        for kind, values in cast("Mapping[str, Any]", given).items()
        for value in _texts(values, f"Principal of statement {number}")
    )


def _conditions(given: Any, number: int) -> Iterable[Condition]:
    for operator, keys in _members(given, number):
        for key, values in _members(keys, number):
            yield Condition(operator, key, tuple(map(_value, listed(values))))


def _members(given: Any, number: int) -> Iterable[tuple[str, Any]]:
    if given is UNKNOWN:
        return [("", UNKNOWN)]
    if not isinstance(given, Mapping):
        raise _MalformedError(f"the Condition of statement {number} is not an object of objects")
    return cast("Mapping[str, Any]", given).items()


def _value(given: Any) -> Any:
    """Return a value of a condition as the text that IAM compares."""
    if given is UNKNOWN:
        return given
    return str(given).lower() if isinstance(given, bool) else str(given)


def _check_elements(given: Any, allowed: set[str], what: str) -> None:
    if not isinstance(given, Mapping):
        raise _MalformedError(f"{what} is not an object")
    surplus = sorted(cast("Mapping[str, Any]", given).keys() - allowed)
    if surplus:
        raise _MalformedError(f"{what} has {', '.join(surplus)}, which is not allowed there")


def _texts(given: Any, what: str) -> tuple[Any, ...]:
    values = listed(given)
    if not values or not all(value is UNKNOWN or isinstance(value, str) for value in values):
        raise _MalformedError(f"the {what} is neither a string nor a list of strings")
    return tuple(values)


def _known(values: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(value for value in values if value is not UNKNOWN)
