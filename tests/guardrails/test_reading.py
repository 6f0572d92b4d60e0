"""Tests `guardrails/iam/decisions.py` and `evaluation.py` against the policy simulator.

The simulator differs from IAM's documentation in three cases, which the tests omit: dates in seconds,
addresses compared with ranges of the other IP version, and variables without a value in a condition
with a negated operator.
"""

import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import pytest

from guardrails.iam import decisions
from guardrails.iam.conditions import Context
from guardrails.iam.decisions import Applicable, Policy, decide
from guardrails.iam.documents import Kind, read_document
from guardrails.iam.evaluation import Request, RolePrincipal
from guardrails.iam.patterns import Text
from guardrails.iam.truth import Truth
from tests.authorization.simulator import ask

pytestmark = pytest.mark.slow

Document = dict[str, Any]
Values = dict[str, str | list[str]]

ACCOUNT: Final = "123456789012"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/role"
ACTION: Final = "s3:GetObject"
OBJECT: Final = "arn:aws:s3:::b/x"
KEY: Final = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TAG: Final = "aws:PrincipalTag/k"
OTHER_TAG: Final = "aws:PrincipalTag/t"

_STRINGS: Final = tuple(
    f"String{name}"
    for name in ("Equals", "NotEquals", "EqualsIgnoreCase", "NotEqualsIgnoreCase", "Like", "NotLike")
)
_ARNS: Final = ("ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike")
_COMPARISONS: Final = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThanEquals")
KEYS: Final[dict[str, tuple[tuple[Any, ...], tuple[str, ...], tuple[str, ...]]]] = {
    TAG: (
        ("web", "Web", "web*", "b"),
        ("web", "Web", "web*", "we?", "*", f"a${{{OTHER_TAG}}}", "${*}", "${aws:PrincipalTag/u, 'web'}"),
        (*_STRINGS, *_ARNS),
    ),
    "aws:SourceArn": (
        (ROLE, "arn:aws:s3:::b", "web"),
        (ROLE, "arn:aws:iam::*:role/*", "arn:aws:iam::123456789012:role/rol?", "*", "arn:aws:*:x"),
        (*_STRINGS, *_ARNS),
    ),
    "aws:MultiFactorAuthAge": (
        ("5", "10.5", "-3"),
        ("5", "7", "10", "x"),
        tuple(f"Numeric{name}" for name in _COMPARISONS),
    ),
    "aws:TokenIssueTime": (
        ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        tuple(f"Date{name}" for name in _COMPARISONS),
    ),
    "aws:SecureTransport": (("true", "false"), ("true", "false", "True"), ("Bool", "StringEquals")),
    "aws:SourceIp": (("192.0.2.7",), ("192.0.2.0/24", "198.51.100.1"), ("IpAddress", "NotIpAddress")),
    "aws:TagKeys": ((["a"], ["a", "b"], ["b", "c"]), ("a", "b", "a*"), _STRINGS),
}
"""The values in requests, the values in conditions, and the operators, by key."""


def some_of(random: Random, values: Sequence[Any]) -> list[Any]:
    return random.sample(values, random.randint(1, 2))


def generated_condition(random: Random) -> dict[str, dict[str, list[str]]]:
    key = random.choice([*KEYS])
    _, values, operators = KEYS[key]
    operator = random.choice([*operators, "Null"])
    if operator == "Null":
        return {operator: {key: [random.choice(["true", "false"])]}}
    quantifier = random.choice(["", "", "ForAllValues:", "ForAnyValue:"])
    suffix = random.choice(["", "", "IfExists"])
    return {f"{quantifier}{operator}{suffix}": {key: some_of(random, values)}}


ACTIONS: Final = (ACTION, "s3:*", "*", "ec2:*", "S3:getobject", "s3:Get?bject", "kms:Decrypt", "kms:*")
RESOURCES: Final = ("*", "arn:aws:s3:::b/*", OBJECT, "arn:aws:s3:::c/*", "arn:aws:s3:::b/?")
PRINCIPALS: Final = (
    "*",
    {"AWS": ROLE},
    {"AWS": ACCOUNT},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/other", ROLE]},
    {"AWS": "arn:aws:iam::210987654321:root"},
    {"Service": "s3.amazonaws.com"},
)


def generated_statement(random: Random, kind: Kind) -> Document:
    statement: Document = {"Effect": random.choice(["Allow", "Allow", "Deny"])}
    statement[random.choice(["Action", "Action", "NotAction"])] = some_of(random, ACTIONS)
    if kind is Kind.RESOURCE:
        statement |= {"Principal": random.choice(PRINCIPALS), "Resource": "*"}
    else:
        element = random.choice(["Resource", "Resource", "NotResource"])
        statement[element] = some_of(random, RESOURCES)
    conditions = [generated_condition(random) for _ in range(random.randint(0, 2))]
    return {**statement, "Condition": {key: value for each in conditions for key, value in each.items()}}


def generated_document(random: Random, kind: Kind) -> Document:
    return {
        "Version": random.choice(["2012-10-17", "2012-10-17", "2008-10-17"]),
        "Statement": [generated_statement(random, kind) for _ in range(random.randint(1, 3))],
    }


def generated_context(random: Random) -> Values:
    context: Values = {OTHER_TAG: random.choice(["b", "web"])}
    for key, (values, _, _) in KEYS.items():
        if random.choice([True, False]):
            context[key] = random.choice(values)
    return context


EVERYTHING: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def read(document: Document, kind: Kind = Kind.IDENTITY) -> Policy:
    found = read_document(json.dumps(document), kind)
    assert not found.problem
    of = decisions.Kind.KEY if kind is Kind.RESOURCE else decisions.Kind.ROLE
    return Policy(of, "", found.statements)


@pytest.mark.parametrize("kind", [Kind.IDENTITY, Kind.RESOURCE])
def test_evaluator_agrees_with_simulator(kind: Kind):
    """Compare decisions on role or key policies; at least half of the decisions must be certain."""
    of_key = kind is Kind.RESOURCE
    action, resource = ("kms:Decrypt", KEY) if of_key else (ACTION, OBJECT)
    random = Random(0)  # noqa: S311 not for cryptography
    cases = [(generated_document(random, kind), generated_context(random)) for _ in range(700)]
    found: list[Truth] = []
    questions: list[Document] = []
    for document, context in cases:
        asked = {"principal": ROLE, "action": action, "resource": resource, "context": context}
        policies = {"policy": EVERYTHING, "trust": document} if of_key else {"policy": document}
        questions.append({**policies, "requests": [asked]})
        values = {
            key.lower(): tuple(map(Text, value if isinstance(value, list) else [value]))
            for key, value in context.items()
        }
        # The context is completely known: unlisted keys are absent.
        known = Context(values, ("aws:",))
        request = Request(action, Text(resource), known, RolePrincipal(ROLE, "AROAEXAMPLE"))
        read_policy = read(document, kind)
        its = Applicable([read(EVERYTHING)], None, read_policy) if of_key else Applicable([read_policy])
        found.append(decide(request, its).allowed)
    wrong = [
        (*case, ours, answer)
        for case, ours, answer in zip(cases, found, ask(questions), strict=True)
        if ours is not Truth.CANNOT_TELL and (ours is Truth.YES) != (answer["decisions"][0] == "Allowed")
    ]
    assert not wrong
    assert found.count(Truth.CANNOT_TELL) <= len(found) / 2
