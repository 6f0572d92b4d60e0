"""Test that the guardrails and `roles` agree on which statements are excessive."""

import copy
import json
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any, Final

import pytest
from declared_roles import roles_of
from rules import RULES

from components.connector_role import POLICY_NAME
from evidence.examples import ACCOUNT
from guardrails.iam.documents import listed
from roles.difference import TRUST_POLICY, compare, statements
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
    (name, position)
    for name, document in DOCUMENTS.items()
    for position, statement in enumerate(document["Statement"])
    if "Condition" in statement
]


def changed_values(values: list[str]) -> Iterator[list[str]]:
    """Return other values: the same, in another case, wider, narrower, and none at all."""
    yield values
    yield [values[0].swapcase()]
    yield [*values, "another"]
    yield [f"{values[0]}*"]
    yield [values[0].replace(ACCOUNT, f"{ACCOUNT}0").replace("qbusiness_", "q_")]
    yield ["*"]
    yield [values[0].replace("*", "x")]


def variants(statement: Document) -> Iterator[Document]:
    """Return the statement with each condition changed, or with an additional condition."""
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


def is_excess_for_roles(name: str, program: Document, statement: Document) -> bool:
    policy = TRUST_POLICY if name == TRUST_POLICY else POLICY_NAME
    role = {**program, "Statement": [statement]}
    (verdict,) = compare(statements(policy, program), statements(policy, role)).role
    return verdict.verdict == "excess"


def is_excess_for_the_pack(name: str, document: Document) -> bool:
    declared_policies = Declared(trust=document) if name == TRUST_POLICY else Declared(policy=document)
    # The pack ignores roles that Amazon Q Business cannot assume.
    return any(
        finding
        for role in roles_of(declared(declared_policies), {})
        for rule in RULES
        if not rule.advisory
        for finding in rule.check(role)
    )


@pytest.mark.parametrize(("name", "position"), CASES)
def test_the_guardrails_and_the_comparison_of_roles_agree_on_every_variant(name: str, position: int):
    program = DOCUMENTS[name]
    differing: list[str] = []
    found = 0
    for variant in variants(program["Statement"][position]):
        ours = is_excess_for_roles(name, program, variant)
        changed = [*program["Statement"]]
        changed[position] = variant
        if ours != is_excess_for_the_pack(name, {**program, "Statement": changed}):
            differing.append(f"{json.dumps(variant['Condition'])}: {'excess' if ours else 'no excess'}")
        found += 1
    assert differing == []
    assert found >= 200


def merged(one: Document, other: Document) -> Document:
    """Return a statement with the actions, the resources, and the conditions of two statements."""
    condition: Document = {}
    for operator, keys in (*one.get("Condition", {}).items(), *other.get("Condition", {}).items()):
        condition[operator] = {**condition.get(operator, {}), **keys}
    values = {name: [*listed(one[name]), *listed(other[name])] for name in ("Action", "Resource")}
    return {"Sid": "Merged", "Effect": "Allow", **values, "Condition": condition}


@pytest.mark.parametrize("name", [POLICY_NAME, "of a bucket"])
def test_the_guardrails_and_the_comparison_of_roles_agree_on_merged_statements(name: str):
    program = DOCUMENTS[name]
    for one, other in combinations(program["Statement"], 2):
        statement = merged(one, other)
        document = {**program, "Statement": [*program["Statement"], statement]}
        ours = is_excess_for_roles(name, program, statement)
        assert ours == is_excess_for_the_pack(name, document), statement
