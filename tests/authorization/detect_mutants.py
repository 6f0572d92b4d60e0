"""Test that the simulator and the proofs detect policies with one part dropped or changed.

`make test` does not run this file.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import z3

from pages.example_calls import (
    ASSUME,
    FULL,
    FULL_OF_SOURCE,
    FULL_WITH_FILES,
    Call,
    connector_calls,
    deviations,
)
from tests.authorization.cases import mismatches, render, requests_of
from tests.authorization.mutants import Mutant, mutants
from tests.authorization.proofs import Request, allows, counterexample
from tests.authorization.properties import expected, forbidden, forbidden_trust
from tests.authorization.simulator import ask
from tests.helpers.support import golden


class Document(NamedTuple):
    """A document, and the evidence that its mutants are tested against."""

    kind: str
    """The key of the policy in the simulator's question: `policy` or `trust`."""
    mutants: list[Mutant]
    calls: list[Call]
    page: dict[str, Any]
    properties: Callable[[Request], Mapping[Any, Any]]


def documents() -> Iterator[Document]:
    """Return documents that together contain every statement, and mutants of each statement once."""
    known: list[Any] = []
    for options in (FULL_WITH_FILES, FULL_OF_SOURCE):
        policy = render(options).role_policy
        found = [
            mutant for mutant in mutants(policy) if policy["Statement"][mutant.position] not in known
        ]
        known += policy["Statement"]
        calls = [call for call in connector_calls(options) if call.allowed]
        calls += [deviation for call in tuple(calls) for deviation in deviations(call, options)]
        yield Document("policy", found, calls, expected(options), partial(forbidden, options))
    trust_policy = render(FULL).trust_policy
    calls = [ASSUME, *deviations(ASSUME, FULL)]
    page = json.loads(golden("trust-policy"))
    yield Document("trust", [*mutants(trust_policy)], calls, page, forbidden_trust)


def detected_by_decisions(kind: str, found: list[Mutant], calls: list[Call]) -> set[str]:
    """Return the mutants for which the simulator makes an unexpected decision."""
    answers = ask([{kind: mutant.policy, "requests": requests_of(calls)} for mutant in found])
    return {
        mutant.title
        for mutant, answer in zip(found, answers, strict=True)
        if mismatches(calls, answer.get("decisions", []))
    }


def is_forbidden(mutant: Mutant, properties: Callable[[Request], Mapping[Any, Any]]) -> bool:
    """Return whether the changed statement allows a request that must never be allowed."""
    request = Request()
    changed = {"Statement": mutant.policy["Statement"][mutant.position :][:1]}
    return counterexample(changed, request, z3.Or([*properties(request).values()])) is not None


def is_not_the_page(mutant: Mutant, page: dict[str, Any]) -> bool:
    """Return whether the mutant and AWS's page differ for any request."""
    request = Request()
    allowed, expected_allowed = allows(mutant.policy, request), allows(page, request)
    changed = {"Statement": mutant.policy["Statement"][mutant.position :][:1]}
    return bool(
        counterexample(changed, request, z3.Not(expected_allowed))
        or counterexample(page, request, z3.Not(allowed))
    )


def test_every_document_mutant_is_detected(record_property: Callable[[str, object], None]):
    by: Counter[str] = Counter()
    missed: list[str] = []
    for document in documents():
        decided = detected_by_decisions(document.kind, document.mutants, document.calls)
        for mutant in document.mutants:
            ways = {
                "decisions of the simulator": mutant.title in decided,
                "proofs of the properties": is_forbidden(mutant, document.properties),
                "comparison with AWS's page": is_not_the_page(mutant, document.page),
            }
            by.update(way for way, detected in ways.items() if detected)
            by["any of them"] += any(ways.values())
            if not any(ways.values()):
                missed.append(mutant.title)
    assert missed == []
    record_property("figure", {"mutants of the documents, detected by": dict(by)})


def test_more_than_three_hundred_mutants_exist():
    assert sum(len(document.mutants) for document in documents()) > 300
