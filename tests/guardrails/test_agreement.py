"""Test that the guardrails and `roles` agree on which statements allow too much."""

import copy
import functools
import json
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any, Final

import pytest
from declared_roles import find_roles
from rules import RULES

from components.connector_role import POLICY_NAME
from guardrails.iam.documents import listed
from pages.examples import ACCOUNT
from roles.difference import TRUST_POLICY, Statement, compare, statements
from tests.guardrails.guardrail_roles import POLICY, TRUST, Declared
from tests.guardrails.test_guardrails import NAME, declared
from tests.helpers.support import golden, of_role

pytestmark = pytest.mark.slow

Document = dict[str, Any]

OPERATORS: Final = (
    *("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"),
    *("StringNotEquals", "StringNotLike", "ArnNotLike", "Bool", "stringEquals"),
)
DOCUMENTS: Final[dict[str, Document]] = {
    TRUST_POLICY: TRUST,
    POLICY_NAME: POLICY,
    "of a bucket": json.loads(of_role(golden("s3-v2-role-policy"), NAME)),
}
CASES: Final = [
    (TRUST_POLICY, "AllowsAmazonQServicePrincipal"),
    (POLICY_NAME, "AllowsAmazonQToDecryptSecret"),
    (POLICY_NAME, "AllowsAmazonQToCreateAndDeleteNIForSpecificTag"),
]
"""Statements with each kind of condition: exact text, ARN, pattern, and key with several values."""


def changed_values(values: list[str]) -> Iterator[list[str]]:
    """Return values to compare: the same, in a different case, wider, different, and narrower."""
    yield values
    yield [values[0].swapcase()]
    yield [*values, "another"]
    yield [f"{values[0]}*"]
    yield [values[0].replace(ACCOUNT, f"{ACCOUNT}0").replace("qbusiness_", "q_")]
    yield ["*"]
    yield [values[0].replace("*", "x")]


def variants(statement: Document) -> Iterator[Document]:
    """Return the statement with each condition removed, changed, and joined or replaced by Null."""
    for operator, keys in statement["Condition"].items():
        for key, given in keys.items():
            values = given if isinstance(given, list) else [given]
            rest = copy.deepcopy(statement["Condition"])
            del rest[operator][key]
            yield {**statement, "Condition": rest}
            for quantifier, other, suffix, new in product(
                ("", "ForAllValues:", "ForAnyValue:"),
                OPERATORS,
                ("", "IfExists"),
                changed_values(values),
            ):
                name = f"{quantifier}{other}{suffix}"
                condition = {**rest, name: {**rest.get(name, {}), key: new}}
                yield {**statement, "Condition": condition}
            for beside in (True, False):
                condition = statement["Condition"] if beside else rest
                for absent in ("true", "false"):
                    yield {**statement, "Condition": {**condition, "Null": {key: absent}}}


def is_excess_for_roles(name: str, statement: Document) -> bool:
    policy = TRUST_POLICY if name == TRUST_POLICY else POLICY_NAME
    role = {**DOCUMENTS[name], "Statement": [statement]}
    (verdict,) = compare(statements_of_the_program(name), statements(policy, role)).role
    return verdict.verdict == "excess"


@functools.cache
def statements_of_the_program(name: str) -> tuple[Statement, ...]:
    return statements(TRUST_POLICY if name == TRUST_POLICY else POLICY_NAME, DOCUMENTS[name])


def is_excess_for_the_pack(name: str, *statements: Document) -> bool:
    document = {**DOCUMENTS[name], "Statement": [*statements]}
    declared_policies = Declared(trust=document) if name == TRUST_POLICY else Declared(policy=document)
    # The pack ignores roles that Amazon Q Business cannot assume.
    return any(
        finding
        for role in find_roles(declared(declared_policies), {})
        for rule in RULES
        if not rule.advisory
        for finding in rule.check(role)
    )


@pytest.mark.parametrize(("name", "sid"), CASES)
def test_guardrails_and_commands_agree_on_statement_variants(name: str, sid: str):
    (statement,) = (each for each in DOCUMENTS[name]["Statement"] if each["Sid"] == sid)
    differing: list[str] = []
    found: Counter[bool] = Counter()
    for variant in variants(statement):
        ours = is_excess_for_roles(name, variant)
        if ours != is_excess_for_the_pack(name, variant):
            differing.append(f"{json.dumps(variant['Condition'])}: {'excess' if ours else 'no excess'}")
        found[ours] += 1
    assert differing == []
    assert min(found[True], found[False]) >= 20


def merged(one: Document, other: Document) -> Document:
    """Return a statement with the actions, resources, and conditions from two statements."""
    condition: Document = {}
    for operator, keys in (*one.get("Condition", {}).items(), *other.get("Condition", {}).items()):
        condition[operator] = {**condition.get(operator, {}), **keys}
    values = {name: [*listed(one[name]), *listed(other[name])] for name in ("Action", "Resource")}
    return {"Sid": "Merged", "Effect": "Allow", **values, "Condition": condition}


@pytest.mark.parametrize("name", [POLICY_NAME, "of a bucket"])
def test_guardrails_and_commands_agree_on_merged_statements(name: str):
    program = DOCUMENTS[name]["Statement"]
    for one, other in combinations(program, 2):
        statement = merged(one, other)
        ours = is_excess_for_roles(name, statement)
        assert ours == is_excess_for_the_pack(name, *program, statement), statement
