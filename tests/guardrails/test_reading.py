"""guardrails/iam/decisions, evaluation: compared with the policy simulator.

The simulator differs from IAM's documentation in three cases, which are left out: dates in seconds,
addresses compared with ranges of the other IP version, and variables without a value in a condition
with a negated operator.

With MORE_CASES=1, this tries thirty times as many cases, and different cases each time.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

import pytest

from guardrails.iam import decisions
from guardrails.iam.conditions import Condition, Context
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
_COMPARISONS: Final = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan")
KEYS: Final[dict[str, tuple[tuple[Any, ...], tuple[str, ...], tuple[str, ...]]]] = {
    TAG: (
        ("web", "Web", "web*", "b"),
        ("web", "Web", "web*", "we?", "*", f"a${{{OTHER_TAG}}}", "${*}", "${aws:PrincipalTag/u, 'web'}"),
        (*_STRINGS, *_ARNS),
    ),
    "aws:SourceArn": (
        (ROLE, "arn:aws:s3:::b", "web"),
        (
            ROLE,
            "arn:aws:iam::*:role/*",
            "arn:aws:iam::123456789012:role/rol?",
            "web",
            "*",
            "arn:aws:*:x",
        ),
        (*_STRINGS, *_ARNS),
    ),
    "aws:MultiFactorAuthAge": (
        ("5", "10", "10.5", "-3"),
        ("5", "7", "10", "x"),
        tuple(f"Numeric{name}" for name in (*_COMPARISONS, "GreaterThanEquals")),
    ),
    "aws:TokenIssueTime": (
        ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        tuple(f"Date{name}" for name in (*_COMPARISONS, "GreaterThanEquals")),
    ),
    "aws:SecureTransport": (("true", "false"), ("true", "false", "True"), ("Bool", "StringEquals")),
    "aws:SourceIp": (
        ("192.0.2.7", "198.51.100.1"),
        ("192.0.2.0/24", "198.51.100.1"),
        ("IpAddress", "NotIpAddress"),
    ),
    "aws:TagKeys": ((["a"], ["a", "b"], ["b", "c"]), ("a", "b", "a*"), _STRINGS),
}
"""The values in requests, the values in conditions, and the operators, by key."""


def generators(number: int) -> Iterator[Random]:
    """Return a generator of random values for each case."""
    more = "MORE_CASES" in os.environ
    first = time.time_ns() if more else 0
    for seed in range(first, first + number * (30 if more else 1)):
        yield Random(seed)  # noqa: S311 not for cryptography


def some_of(random: Random, values: Sequence[Any], least: int, most: int) -> list[Any]:
    return random.sample(values, random.randint(least, most))


def generated_condition(random: Random, keys: Sequence[str] = tuple(KEYS)) -> Condition:
    key = random.choice(keys)
    _, values, operators = KEYS[key]
    operator = random.choice([*operators, "Null"])
    if operator == "Null":
        return Condition(operator, key, (random.choice(["true", "false"]),))
    quantifier = random.choice(["", "", "ForAllValues:", "ForAnyValue:"])
    suffix = random.choice(["", "", "IfExists"])
    return Condition(f"{quantifier}{operator}{suffix}", key, tuple(some_of(random, values, 1, 2)))


ACTIONS: Final = (ACTION, "s3:*", "*", "ec2:*", "S3:getobject", "s3:Get?bject", "kms:Decrypt", "kms:*")
RESOURCES: Final = (
    "*",
    "arn:aws:s3:::b/*",
    OBJECT,
    "arn:aws:s3:::c/*",
    "arn:aws:s3",
    "arn:aws:s3:::b/?",
)
PRINCIPALS: Final = (
    "*",
    {"AWS": ROLE},
    {"AWS": ACCOUNT},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/other", ROLE]},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"},
    {"AWS": "arn:aws:iam::210987654321:root"},
    {"Service": "s3.amazonaws.com"},
)


def generated_statement(random: Random, kind: Kind) -> Document:
    statement: Document = {"Effect": random.choice(["Allow", "Allow", "Deny"])}
    statement[random.choice(["Action", "Action", "NotAction"])] = some_of(random, ACTIONS, 1, 2)
    if kind is Kind.RESOURCE:
        statement |= {"Principal": random.choice(PRINCIPALS), "Resource": "*"}
    else:
        element = random.choice(["Resource", "Resource", "NotResource"])
        statement[element] = some_of(random, RESOURCES, 1, 2)
    condition: dict[str, dict[str, list[str]]] = {}
    for _ in range(random.randint(0, 2)):
        operator, key, values = generated_condition(random)
        condition.setdefault(operator, {})[key] = [*values]
    return {**statement, **({"Condition": condition} if condition else {})}


def generated_document(random: Random, kind: Kind = Kind.IDENTITY) -> Document:
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


def known(context: Values) -> Context:
    """Return a context that is completely known: unlisted keys are absent."""
    values = {
        key.lower(): tuple(map(Text, value if isinstance(value, list) else [value]))
        for key, value in context.items()
    }
    return Context(values, ("aws:",))


PRINCIPAL: Final = RolePrincipal(ROLE, "AROAEXAMPLE")
EVERYTHING: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def request(context: Context) -> Request:
    return Request(ACTION, Text(OBJECT), context, PRINCIPAL)


def read(document: Document, kind: Kind = Kind.IDENTITY) -> Policy:
    found = read_document(json.dumps(document), kind)
    assert not found.problem
    of = decisions.Kind.KEY if kind is Kind.RESOURCE else decisions.Kind.ROLE
    return Policy(of, "", found.statements)


def decided(document: Document, asked: Request) -> Truth:
    return decide(asked, Applicable([read(document)])).allowed


def compare(cases: list[tuple[Document, Values]], found: list[Truth], questions: list[Any]) -> None:
    """Compare the answers with the simulator's; at least half of them must be known."""
    wrong = [
        (*case, ours, answer)
        for case, ours, answer in zip(cases, found, ask(questions), strict=True)
        if ours is not Truth.CANNOT_TELL and (ours is Truth.YES) != (answer["decisions"][0] == "Allowed")
    ]
    assert not wrong
    assert Counter(found)[Truth.CANNOT_TELL] <= len(found) / 2


def test_evaluator_agrees_with_simulator_on_role_policies():
    cases = [(generated_document(random), generated_context(random)) for random in generators(700)]
    questions = [
        {
            "policy": document,
            "requests": [{"action": ACTION, "resource": OBJECT, "context": context}],
        }
        for document, context in cases
    ]
    found = [decided(document, request(known(context))) for document, context in cases]
    compare(cases, found, questions)


def test_evaluator_agrees_with_simulator_on_key_policies():
    cases = [
        (generated_document(random, Kind.RESOURCE), generated_context(random))
        for random in generators(700)
    ]
    asked = {"principal": ROLE, "action": "kms:Decrypt", "resource": KEY}
    questions = [
        {"policy": EVERYTHING, "trust": document, "requests": [{**asked, "context": context}]}
        for document, context in cases
    ]
    found: list[Truth] = []
    for document, context in cases:
        key_policy = read(document, Kind.RESOURCE)
        policies = Applicable([read(EVERYTHING)], None, key_policy)
        decrypt = Request("kms:Decrypt", Text(KEY), known(context), PRINCIPAL)
        found.append(decide(decrypt, policies).allowed)
    compare(cases, found, questions)
