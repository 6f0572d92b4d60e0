"""Test how the guardrails and `roles` read policies: against the policy simulator, and for soundness.

"Yes" and "no" must be IAM's answer for any values of the unknown parts of a request. The
simulator differs from IAM's documentation in three cases, which are left out: dates in seconds,
addresses compared with ranges of the other family, and variables without a value under a negated
operator.
"""

import json
import os
from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.iam.conditions import Condition, Context, meets
from guardrails.iam.containment import implied
from guardrails.iam.documents import Kind, read_document
from guardrails.iam.patterns import Text
from guardrails.iam.requests import Request, RolePrincipal, decide
from guardrails.iam.truth import Truth
from tests.authorization.simulator import ask

pytestmark = pytest.mark.slow

FULL: Final = os.environ.get("HYPOTHESIS_PROFILE") == "full"
repeatedly: Final[Callable[[Any], Any]] = settings(
    max_examples=400 if FULL else 12, derandomize=not FULL, database=None, deadline=None
)
often: Final[Callable[[Any], Any]] = settings(
    max_examples=10_000 if FULL else 300, derandomize=not FULL, database=None, deadline=None
)

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
"""The values of requests, the values of conditions, and the operators, by key."""


@st.composite
def conditions(draw: st.DrawFn, keys: tuple[str, ...] = tuple(KEYS)) -> Condition:
    key = draw(st.sampled_from(keys))
    _, values, operators = KEYS[key]
    operator = draw(st.sampled_from([*operators, "Null"]))
    if operator == "Null":
        return Condition(operator, key, (draw(st.sampled_from(["true", "false"])),))
    quantifier = draw(st.sampled_from(["", "", "ForAllValues:", "ForAnyValue:"]))
    suffix = draw(st.sampled_from(["", "", "IfExists"]))
    chosen = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True))
    return Condition(f"{quantifier}{operator}{suffix}", key, tuple(chosen))


ACTIONS: Final = st.sampled_from(
    [ACTION, "s3:*", "*", "ec2:*", "S3:getobject", "s3:Get?bject", "kms:Decrypt", "kms:*"]
)
RESOURCES: Final = st.sampled_from(
    ["*", "arn:aws:s3:::b/*", OBJECT, "arn:aws:s3:::c/*", "arn:aws:s3", "arn:aws:s3:::b/?"]
)
PRINCIPALS: Final = st.sampled_from(
    [
        "*",
        {"AWS": ROLE},
        {"AWS": ACCOUNT},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/other", ROLE]},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"},
        {"AWS": "arn:aws:iam::210987654321:root"},
        {"Service": "s3.amazonaws.com"},
    ]
)


@st.composite
def statements(draw: st.DrawFn, principal: st.SearchStrategy[Any] | None = None) -> Document:
    statement: Document = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"]))}
    actions = st.lists(ACTIONS, min_size=1, max_size=2, unique=True)
    statement[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(actions)
    if principal is not None:
        statement |= {"Principal": draw(principal), "Resource": "*"}
    else:
        resources = st.lists(RESOURCES, min_size=1, max_size=2, unique=True)
        statement[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = draw(resources)
    condition: dict[str, dict[str, list[str]]] = {}
    for operator, key, values in draw(st.lists(conditions(), max_size=2)):
        condition.setdefault(operator, {})[key] = [*values]
    return {**statement, **({"Condition": condition} if condition else {})}


def documents(principal: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(
        {
            "Version": st.sampled_from(["2012-10-17", "2012-10-17", "2008-10-17"]),
            "Statement": st.lists(statements(principal), min_size=1, max_size=3),
        }
    )


@st.composite
def contexts(draw: st.DrawFn) -> Values:
    context: Values = {OTHER_TAG: draw(st.sampled_from(["b", "web"]))}
    for key, (values, _, _) in KEYS.items():
        if draw(st.booleans()):
            context[key] = draw(st.sampled_from(values))
    return context


def known(context: Values) -> Context:
    """Return a completely known context: unlisted keys are absent."""
    values = {
        key.lower(): tuple(map(Text, value if isinstance(value, list) else [value]))
        for key, value in context.items()
    }
    return Context(values, ("aws:",))


def request(context: Context) -> Request:
    return Request(ACTION, Text(OBJECT), context)


def decided(document: Document, asked: Request, kind: Kind = Kind.IDENTITY) -> Truth:
    found = read_document(json.dumps(document), kind)
    assert not found.problem
    return decide(found.statements, asked).allowed


def compare(found: list[Truth], simulated: list[str]) -> None:
    """Compare the answers with those of the simulator; nearly all must be known."""
    wrong = [
        number
        for number, (ours, theirs) in enumerate(zip(found, simulated, strict=True))
        if ours is not Truth.CANNOT_TELL and (ours is Truth.YES) != (theirs == "Allowed")
    ]
    assert not wrong
    assert Counter(found)[Truth.CANNOT_TELL] <= len(found) / 2


@repeatedly
@given(st.lists(st.tuples(documents(), contexts()), min_size=60, max_size=60))
def test_policies_of_a_role_are_evaluated_like_the_simulator(cases: list[tuple[Document, Values]]):
    answers = ask(
        [
            {
                "policy": document,
                "requests": [{"action": ACTION, "resource": OBJECT, "context": context}],
            }
            for document, context in cases
        ]
    )
    compare(
        [decided(document, request(known(context))) for document, context in cases],
        [answer["decisions"][0] for answer in answers],
    )


@repeatedly
@given(st.lists(st.tuples(documents(PRINCIPALS), contexts()), min_size=60, max_size=60))
def test_policies_of_a_key_are_evaluated_like_the_simulator(cases: list[tuple[Document, Values]]):
    everything = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    asked = {"principal": ROLE, "action": "kms:Decrypt", "resource": KEY}
    answers = ask(
        [
            {"policy": everything, "trust": document, "requests": [{**asked, "context": context}]}
            for document, context in cases
        ]
    )
    principal = RolePrincipal(ROLE, "AROAEXAMPLE")
    compare(
        [
            decided(
                document,
                Request("kms:Decrypt", Text(KEY), known(context), principal),
                Kind.RESOURCE,
            )
            for document, context in cases
        ],
        [answer["decisions"][0] for answer in answers],
    )


@often
@given(documents(), contexts(), st.sets(st.sampled_from([*KEYS, OTHER_TAG]), min_size=1), st.data())
def test_an_answer_with_unknown_keys_holds_for_all_their_values(
    document: Document, context: Values, unknown: set[str], data: st.DataObject
):
    values = known(context).values
    partly: dict[str, tuple[Text, ...]] = {
        key.lower(): values.get(key.lower(), ()) for key in (*KEYS, OTHER_TAG) if key not in unknown
    }
    answer = decided(document, request(Context(partly)))
    if answer is Truth.CANNOT_TELL:
        return
    for _ in range(5):
        filled = {
            **context,
            **{key: value for key, value in data.draw(contexts()).items() if key in unknown},
        }
        for key in unknown:
            if data.draw(st.booleans()):
                filled.pop(key, None)
        assert decided(document, request(known(filled))) in (answer, Truth.CANNOT_TELL)


@often
@given(documents(), contexts(), st.integers(0, len(OBJECT)), st.text("abcx/:*?.", max_size=4))
def test_an_answer_on_a_partly_known_resource_holds_for_every_end(
    document: Document, context: Values, length: int, rest: str
):
    beginning = Text(OBJECT[:length], "example")
    answer = decided(document, Request(ACTION, beginning, known(context)))
    if answer is not Truth.CANNOT_TELL:
        whole = Text(OBJECT[:length] + rest)
        assert decided(document, Request(ACTION, whole, known(context))) in (answer, Truth.CANNOT_TELL)


COMPARED: Final = (TAG, "aws:SourceArn", "aws:TagKeys", "aws:SecureTransport", "aws:SourceIp")


@often
@given(st.data(), st.sampled_from(COMPARED))
def test_a_condition_that_implies_another_is_met_by_no_request_that_the_other_refuses(
    data: st.DataObject, key: str
):
    strict, lax = (data.draw(st.lists(conditions((key,)), min_size=1, max_size=2)) for _ in range(2))
    if not implied(strict, lax):
        return
    values, _, _ = KEYS[key]
    for value, tag in product((None, *values), ("b", "web", None)):
        context = known(
            {
                **({key: value} if value is not None else {}),
                **({OTHER_TAG: tag} if tag else {}),
            }
        )
        if all(meets(condition, context) is Truth.YES for condition in strict):
            assert all(meets(condition, context) is not Truth.NO for condition in lax)


def test_the_generated_conditions_imply_others_often_enough():
    found: Counter[bool] = Counter()

    @settings(max_examples=500, derandomize=True, database=None, deadline=None)
    @given(
        st.sampled_from(COMPARED).flatmap(lambda key: st.tuples(conditions((key,)), conditions((key,))))
    )
    def count(pair: tuple[Condition, Condition]) -> None:
        found[implied([pair[0]], [pair[1]])] += 1

    count()
    assert found[True] > 40
