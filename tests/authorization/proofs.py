"""Prove a policy's properties for all possible requests.

A policy document becomes a formula over one request: its action, its resource, its principal, and the
condition keys that it has, each with any string. Z3 then looks for a request that the policy allows
and that has a forbidden property. If it finds none, none exists: this is a proof, not a sample.

The formula supports the operators that the documents use, and related ones; any other operator is
an error. A key with several values is modeled with two, which is enough, because an operator tests
one value at a time and requires a match for all of them or for any.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import z3

Formula = Any
"""A Z3 expression; Z3 has no types of its own."""

_COLONS: Final = 5
"""The number of colons between the six parts of an ARN."""
_TIMEOUT: Final = 600_000
"""Timeout of one query in milliseconds; most take a few, unless the machine is busy."""

_text: Final[Callable[[str], Formula]] = functools.cache(z3.StringVal)
"""Return a string constant, cached because Z3's Python interface is slow to create one."""


class Key(NamedTuple):
    """One of the request's condition keys: absent, or with one or two values."""

    present: Formula
    first: Formula
    second: Formula


class Request:
    """A symbolic request."""

    def __init__(self) -> None:
        """Create a variable for each part that a policy can test."""
        self.action = z3.String("action")
        """In lowercase, because IAM ignores the case of actions."""
        self.resource = z3.String("resource")
        self.principal_type = z3.String("principal type")
        self.principal = z3.String("principal")
        self._keys: dict[str, Key] = {}

    def key(self, name: str) -> Key:
        """Return a condition key, ignoring the case of its name."""
        name = name.lower()
        if name not in self._keys:
            self._keys[name] = Key(
                z3.Bool(f"{name} present"), z3.String(name), z3.String(f"{name}, second value")
            )
        return self._keys[name]

    def values(
        self, action: str, resource: str, context: Mapping[str, Any], principal: str
    ) -> list[tuple[Formula, Formula]]:
        """Return the values that the variables have in a concrete request."""
        kind = "Service" if principal.endswith(".amazonaws.com") else "AWS"
        texts = {
            self.action: action.lower(),
            self.resource: resource,
            self.principal_type: kind,
            self.principal: principal,
        }
        values = [(variable, _text(text)) for variable, text in texts.items()]
        for name, key in self._keys.items():
            given = next((values for other, values in context.items() if other.lower() == name), [])
            first, *others = (given if isinstance(given, list) else [given]) or [None]
            values += [
                (key.present, z3.BoolVal(val=first is not None)),
                (key.first, _text(first or "")),
                (key.second, _text(others[0] if others else first or "")),
            ]
        return values


def allows(policy: Mapping[str, Any], request: Request) -> Formula:
    """Return a formula that is true if a statement allows the request and none denies it."""
    by_effect: dict[str, list[Formula]] = {"Allow": [], "Deny": []}
    for statement in policy["Statement"]:
        by_effect[statement["Effect"]].append(_matches(statement, request))
    return z3.And(z3.Or(by_effect["Allow"]), z3.Not(z3.Or(by_effect["Deny"])))


def counterexample(
    policy: Mapping[str, Any], request: Request, forbidden: Formula | None = None
) -> str | None:
    """Return an allowed request that has the forbidden property, or None if there is none.

    Each pair of a statement's action and resource is a separate query: most pairs determine the
    request and leave Z3 little to search. For a pattern, an arbitrary string is tried first, because
    it is often a counterexample. Raises AssertionError if Z3 finds no answer.
    """
    denials = [statement for statement in policy["Statement"] if statement["Effect"] == "Deny"]
    allowing = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
    for one in (one for statement in allowing for one in _single(statement)):
        guess, fixed = (_fixed(one, request, guess=guess) for guess in (True, False))
        # For this action and resource, the property is often false, or the same as for another role.
        remaining = _simplified(z3.BoolVal(val=True) if forbidden is None else forbidden, fixed)
        if z3.is_false(remaining):
            continue
        question = (json.dumps([one, *denials]), remaining.sexpr())
        if question not in _ANSWERS:
            formula = z3.And(allows({"Statement": [one, *denials]}, request), remaining)
            found = (len(guess) > len(fixed) and _solve(formula, guess)) or _solve(
                formula, fixed, certain=True
            )
            _ANSWERS[question] = f"{one}: {found}" if found else None
        if answer := _ANSWERS[question]:
            return answer
    return None


_ANSWERS: Final[dict[tuple[str, str], str | None]] = {}
"""Answers by query, cached because roles share most statements, and so most queries."""


def _solve(
    formula: Formula, known: list[tuple[Formula, Formula]], *, certain: bool = False
) -> str | None:
    simplified = _simplified(formula, known)
    if z3.is_false(simplified):
        return None
    solver = z3.Solver()
    solver.set("timeout", _TIMEOUT)
    solver.add(simplified)
    outcome = solver.check()
    assert outcome != z3.unknown or not certain, solver.reason_unknown()
    return str(solver.model()) if outcome == z3.sat else None


def _simplified(formula: Formula, known: list[tuple[Formula, Formula]]) -> Formula:
    return z3.simplify(z3.substitute(formula, *known))


def _single(statement: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for action in _listed(statement["Action"]):
        for resource in _listed(statement.get("Resource")):
            yield {**statement, "Action": action, "Resource": resource}


def _fixed(
    statement: Mapping[str, Any], request: Request, *, guess: bool
) -> list[tuple[Formula, Formula]]:
    """Return the action and resource that a statement fixes; with `guess`, fill in each `*`."""
    patterns = ((request.action, statement["Action"].lower()), (request.resource, statement["Resource"]))
    return [
        (variable, _text(pattern.replace("*", "unlisted")))
        for variable, pattern in patterns
        if pattern and (guess or ("*" not in pattern and "?" not in pattern))
    ]


def decide(formula: Formula, values: list[tuple[Formula, Formula]]) -> bool:
    """Return whether the formula is true for a concrete request."""
    decided = _simplified(formula, values)
    assert z3.is_true(decided) or z3.is_false(decided), decided
    return z3.is_true(decided)


def in_service(request: Request, service: str) -> Formula:
    """Return a formula that is true if the request goes to this service."""
    return z3.PrefixOf(_text(f"{service}:"), request.action)


def _matches(statement: Mapping[str, Any], request: Request) -> Formula:
    parts = [_any(statement["Action"], lambda action: _like(request.action, action.lower()))]
    if statement.get("Resource"):
        parts.append(_any(statement["Resource"], lambda resource: _like_arn(request.resource, resource)))
    if "Principal" in statement:
        parts.append(_is_principal(statement["Principal"], request))
    parts += _conditions(statement.get("Condition", {}), request)
    known = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}
    assert set(statement) <= known, statement
    return z3.And(parts)


def _is_principal(principal: Any, request: Request) -> Formula:
    if principal == "*":
        return z3.BoolVal(val=True)
    return z3.Or(
        [
            z3.And(
                request.principal_type == kind,
                z3.BoolVal(val=True)
                if "*" in _listed(names)
                else _any(names, lambda name: request.principal == name),
            )
            for kind, names in principal.items()
        ]
    )


def _conditions(condition: Mapping[str, Any], request: Request) -> Iterator[Formula]:
    for operator, keys in condition.items():
        for name, values in keys.items():
            yield _condition(operator, request.key(name), values)


def _condition(operator: str, key: Key, values: Any) -> Formula:
    quantifier, _, name = operator.rpartition(":")
    name, if_exists = name.removesuffix("IfExists"), name.endswith("IfExists")
    negated = "Not" in name
    compare = _OPERATORS[name.replace("Not", "")]
    first, second = (
        _any(values, lambda value, given=given: compare(given, value))
        for given in (key.first, key.second)
    )
    if negated:
        first, second = z3.Not(first), z3.Not(second)
    match quantifier:
        case "ForAllValues":
            return z3.Implies(key.present, z3.And(first, second))
        case "ForAnyValue":
            return z3.And(key.present, z3.Or(first, second))
        case _:
            absent_is_enough = if_exists or negated
            return z3.Implies(key.present, first) if absent_is_enough else z3.And(key.present, first)


def _any(values: Any, test: Callable[[str], Formula]) -> Formula:
    return z3.Or([test(value) for value in _listed(values)])


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _equal(given: Formula, value: str) -> Formula:
    return given == _text(value)


def _like(given: Formula, pattern: str) -> Formula:
    """Match a pattern; Z3 is fast if the pattern has at most one asterisk, as is usual."""
    literal, *others = pattern.split("*")
    if "?" in pattern or len(others) > 1:
        return z3.InRe(given, _regular(pattern))
    if not others:
        return _equal(given, literal)
    before, after = _text(literal), _text(others[0])
    return z3.And(
        z3.PrefixOf(before, given),
        z3.SuffixOf(after, given),
        z3.Length(given) >= len(literal) + len(others[0]),
    )


def _like_arn(given: Formula, pattern: str) -> Formula:
    """Compare ARNs: a wildcard before the fifth colon does not match a colon."""
    before, asterisk, after = pattern.partition("*")
    alike = _like(given, pattern)
    if not asterisk or ":" not in after or before.count(":") >= _COLONS:
        return alike
    assert "*" not in after, pattern
    length: Formula = z3.Length(given)
    covered = z3.SubString(given, len(before), length - len(before) - len(after))
    return z3.And(alike, z3.Not(z3.Contains(covered, _text(":"))))


def _regular(pattern: str) -> Formula:
    any_character = z3.AllChar(z3.ReSort(z3.StringSort()))
    wildcards = {"*": z3.Star(any_character), "?": any_character}
    pieces = [wildcards.get(character, z3.Re(character)) for character in pattern]
    return z3.Concat(z3.Re(""), *pieces)


_OPERATORS: Final[Mapping[str, Callable[[Formula, str], Formula]]] = {
    "StringEquals": _equal,
    "StringLike": _like,
    "ArnEquals": _like_arn,
    "ArnLike": _like_arn,
}
