"""Read IAM policy documents.

The reader skips a preview's unknown values if the known values can be checked without them.
The grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import cache
from typing import Any, Final, NamedTuple, cast

from .conditions import Condition
from .patterns import Patterns

UNKNOWN: Final = object()
"""A stand-in for an unknown value in a preview."""

_DOCUMENT_ELEMENTS: Final = {"Version", "Id", "Statement"}
_STATEMENT_ELEMENTS: Final = {"Sid", "Effect", "Action", "NotAction", "Condition"}
_VERSION_WITH_VARIABLES: Final = "2012-10-17"
_VERSIONS: Final = (_VERSION_WITH_VARIABLES, "2008-10-17")
_SID: Final = re.compile(r"[A-Za-z0-9]*")
_KELVIN_SIGN: Final = "\N{KELVIN SIGN}"

# A stack's roles share most patterns and conditions. These functions create each one only once, because
# many small objects make Python collect garbage more often.
_shared_patterns = cache(Patterns)
_shared_condition = cache(Condition)


class Kind(Enum):
    """A kind of policy. Besides Effect and Action, statements need these elements or their negations."""

    IDENTITY = ("Resource",)
    TRUST = ("Principal",)
    RESOURCE = ("Principal", "Resource")
    """The policy of a key, secret, or bucket."""

    # Each lookup of a cached document computes this hash, and Enum's hash function is slower.
    __hash__ = object.__hash__


class Statement(NamedTuple):
    """One statement of a policy document."""

    policy: str
    """The policy's name, as passed to `read_document`."""
    name: str
    """The Sid or, without one, `statement` and the statement's number in the document."""
    has_sid: bool
    allows: bool
    actions: Patterns
    resources: Patterns
    """Empty in a trust policy."""
    principals: Patterns
    """For example `Service:qbusiness.amazonaws.com`, or `*`. Empty in an identity policy."""
    conditions: tuple[Condition, ...]
    variables: bool
    """Whether `${…}` is a variable, which depends on the document's version."""

    @property
    def targets(self) -> Patterns:
        """The resources; in a trust policy, the principals."""
        return self.resources if self.resources.values else self.principals


class Document(NamedTuple):
    """The known part of a policy document."""

    statements: tuple[Statement, ...] = ()
    size: int = 0
    """The number of characters, excluding whitespace, as IAM counts them."""
    known: bool = True
    """False if the document, or any of its statements, is missing because of unknown values."""
    problem: str | None = None
    """The reason that IAM rejects the document, which then has no statements; otherwise, None."""


class MalformedError(Exception):
    """Raised when a document does not follow IAM's grammar."""


def read_document(given: Any, kind: Kind = Kind.IDENTITY, policy: str = "") -> Document:
    """Read a document from JSON text, an object, or UNKNOWN; a malformed document gets a `problem`.

    `policy` is the policy's name, which each returned statement contains.
    """
    if given is UNKNOWN:
        return Document(known=False)
    if isinstance(given, str):
        return _read_text(given, kind, policy)
    # In the document's size, unknown values count as empty strings.
    text = json.dumps(given, default=lambda _unknown: "", ensure_ascii=False)
    return _read(given, policy_size(text), kind, policy)


@cache
def _read_text(text: str, kind: Kind, policy: str) -> Document:
    # This is cached because every rule reads all the stack's documents.
    try:
        given = parse(text)
    except MalformedError as error:
        return Document(problem=str(error))
    return _read(given, policy_size(text), kind, policy)


def parse(text: str) -> Any:
    """Parse a document's JSON; raise MalformedError for invalid JSON and duplicate keys."""
    try:
        return json.loads(text, object_pairs_hook=_reject_duplicate_keys)
    except (RecursionError, ValueError):
        raise MalformedError("it is not JSON") from None


def policy_size(text: str) -> int:
    """Return a policy's size as IAM counts it: the number of characters, excluding whitespace."""
    return len("".join(text.split()))


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise MalformedError("it has an object with a duplicate key")
    return entries


def _read(given: Any, size: int, kind: Kind, policy: str) -> Document:
    try:
        _check_elements(given, _DOCUMENT_ELEMENTS, "the document")
        variables = given.get("Version") == _VERSION_WITH_VARIABLES
        if kind is not Kind.RESOURCE:
            _check_version_and_sids(given)
        targets = kind.value
        statements = [
            _statement(number, statement, targets, policy, variables=variables)
            for number, statement in enumerate(listed(given.get("Statement")), start=1)
        ]
    except MalformedError as error:
        return Document(problem=str(error))
    if not statements:
        return Document(problem="it has no Statement")
    known = tuple(statement for statement in statements if statement)
    return Document(known, size, known=len(known) == len(statements))


def listed(value: Any) -> list[Any]:
    """Return a list or tuple as a list, None as an empty list, and any other value in a list."""
    if isinstance(value, (list, tuple)):
        return [*cast("Sequence[Any]", value)]
    return [] if value is None else [value]


def _statement(
    number: int, given: Any, targets: tuple[str, ...], policy: str, *, variables: bool
) -> Statement | None:
    """Read the known part of a statement; return None if that part cannot be checked alone."""
    if given is UNKNOWN:
        return None
    allowed = {*_STATEMENT_ELEMENTS, *targets, *(f"Not{element}" for element in targets)}
    _check_elements(given, allowed, f"statement {number}")
    for element in ("Action", *targets):
        if (element in given) == (f"Not{element}" in given):
            raise MalformedError(
                f"statement {number} must have either {element} or Not{element}, but not both"
            )
    effect = given.get("Effect")
    if effect not in ("Allow", "Deny", UNKNOWN):
        raise MalformedError(f'the Effect of statement {number} is neither "Allow" nor "Deny"')
    actions = _patterns(given, "Action", number, ignore_case=True)
    resources = _patterns(given, "Resource", number) if "Resource" in targets else _shared_patterns()
    principals = _principals(given, number) if "Principal" in targets else _shared_patterns()
    conditions = tuple(_conditions(given.get("Condition", {}), number))
    # Actions and resources are independent, so known values still apply if other values are unknown.
    decisive = [principals, *(side for side in (actions, resources) if side.negated), *conditions]
    if effect is UNKNOWN or any(UNKNOWN in part.values for part in decisive):
        return None
    sid = given.get("Sid")
    has_sid = isinstance(sid, str) and sid != ""
    return Statement(
        policy,
        sid if has_sid else f"statement {number}",
        has_sid,
        effect == "Allow",
        _known(actions),
        _known(resources),
        principals,
        conditions,
        variables,
    )


def _patterns(
    given: Mapping[str, Any], element: str, number: int, *, ignore_case: bool = False
) -> Patterns:
    """Return the values of an element or of its negation."""
    name = element if element in given else f"Not{element}"
    values = _texts(given[name], f"{name} of statement {number}")
    # IAM's actions are ASCII, but when Python ignores case, a long s (U+017F) also matches an s.
    if ignore_case and not all(value is UNKNOWN or value.isascii() for value in values):
        raise MalformedError(f"the {name} of statement {number} is not ASCII")
    return _shared_patterns(values, name != element, ignore_case)


def _principals(given: Mapping[str, Any], number: int) -> Patterns:
    name = "Principal" if "Principal" in given else "NotPrincipal"
    principals = given[name]
    if principals in ("*", UNKNOWN):
        return Patterns((principals,), name == "NotPrincipal")
    if not isinstance(principals, Mapping) or not principals:
        raise MalformedError(f'the {name} of statement {number} is neither "*" nor an object')
    # {"AWS": "*"} means everybody, like "*":
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    values = tuple(
        value if value is UNKNOWN or (kind, value) == ("AWS", "*") else f"{kind}:{value}"
        for kind, entries in cast("Mapping[str, Any]", principals).items()
        for value in _texts(entries, f"{name} of statement {number}")
    )
    return Patterns(values, name == "NotPrincipal")


def _conditions(given: Any, number: int) -> Iterable[Condition]:
    for operator, keys in _read_entries(given, number):
        for key, values in _read_entries(keys, number):
            if not key and values is not UNKNOWN:
                raise MalformedError(f"a condition in statement {number} has an empty key")
            # Tag keys may contain a Kelvin sign, but lowercase comparisons turn it into an ASCII k.
            if _KELVIN_SIGN in key:
                raise MalformedError(
                    f"a condition key in statement {number} has a Kelvin sign in place of a K"
                )
            texts = tuple(_value(value, number) for value in listed(values))
            yield _shared_condition(operator, key, texts)


def _read_entries(given: Any, number: int) -> Iterable[tuple[str, Any]]:
    if given is UNKNOWN:
        return [("", UNKNOWN)]
    if not isinstance(given, Mapping):
        raise MalformedError(f"the Condition of statement {number} is not an object of objects")
    return cast("Mapping[str, Any]", given).items()


def _value(given: Any, number: int) -> Any:
    """Convert a condition's value, unless it is UNKNOWN, to the text that IAM compares."""
    if given is UNKNOWN:
        return given
    if not isinstance(given, str | bool | int | float):
        raise MalformedError(f"a value in the Condition of statement {number} is not a string")
    return str(given).lower() if isinstance(given, bool) else str(given)


def _check_version_and_sids(given: Mapping[str, Any]) -> None:
    """Raise MalformedError for a Version or Sid that IAM rejects, although other services accept it."""
    if given.get("Version", UNKNOWN) not in (UNKNOWN, *_VERSIONS):
        raise MalformedError(f"its Version is neither {' nor '.join(_VERSIONS)}")
    found: set[str] = set()
    for number, statement in enumerate(listed(given.get("Statement")), start=1):
        sid = cast("Any", statement).get("Sid", "") if isinstance(statement, Mapping) else ""
        if sid in ("", UNKNOWN):
            continue
        if not isinstance(sid, str) or not _SID.fullmatch(sid):
            raise MalformedError(
                f"the Sid of statement {number} is not a string of ASCII letters and digits"
            )
        if sid in found:
            raise MalformedError(f"several statements have the Sid {sid}")
        found.add(sid)


def _check_elements(given: Any, allowed: AbstractSet[str], element: str) -> None:
    if not isinstance(given, Mapping):
        raise MalformedError(f"{element} is not an object")
    surplus = cast("Mapping[str, Any]", given).keys() - allowed
    if surplus:
        raise MalformedError(
            f"{element} has elements that are not allowed there: {', '.join(sorted(surplus))}"
        )


def _texts(given: Any, element: str) -> tuple[Any, ...]:
    values = listed(given)
    if not values or not all(value is UNKNOWN or isinstance(value, str) for value in values):
        raise MalformedError(f"the {element} is neither a string nor a nonempty list of strings")
    return tuple(values)


def _known(given: Patterns) -> Patterns:
    if UNKNOWN not in given.values:
        return given
    return given._replace(values=tuple(value for value in given.values if value is not UNKNOWN))
