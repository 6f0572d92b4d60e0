"""Test that decisions and proofs detect a document with one part dropped or widened.

`make mutation` tries all of them; `make test` tries some of each kind.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
import z3

from pages.connector_calls import ASSUME, FULL, Call, connector_calls, deviations
from tests.authorization.cases import mismatches, render, requests_of
from tests.authorization.mutants import Mutant, mutants
from tests.authorization.proofs import Request, allows, counterexample
from tests.authorization.properties import expected, forbidden, forbidden_trust
from tests.authorization.simulator import ask
from tests.support import golden

pytestmark = pytest.mark.slow

EVERY = 1 if os.environ.get("MUTANTS") == "all" else 12
DOCUMENTS = render(FULL)
_CALLS = connector_calls(FULL)
ROLE_CALLS = [*_CALLS, *(deviation for call in _CALLS for deviation in deviations(call, FULL))]
TRUST_PAGE = json.loads(golden("trust-policy"))
TRUST_CALLS = [ASSUME, *deviations(ASSUME, FULL)]


def detected_by_decisions(kind: str, found: list[Mutant], calls: list[Call]) -> set[str]:
    """Return the mutants for which a decision of the simulator is not the expected one."""
    answers = ask([{kind: mutant.policy, "requests": requests_of(calls)} for mutant in found])
    return {
        mutant.what
        for mutant, answer in zip(found, answers, strict=True)
        if mismatches(calls, answer.get("decisions", []))
    }


def is_forbidden(mutant: Mutant, properties: Callable[[Request], Mapping[Any, Any]]) -> bool:
    """Return whether the changed statement allows a request that must never be allowed."""
    request = Request()
    changed = {"Statement": mutant.policy["Statement"][mutant.position :][:1]}
    return any(counterexample(changed, request, formula) for formula in properties(request).values())


def is_not_the_page(mutant: Mutant, page: dict[str, Any]) -> bool:
    """Return whether the mutant and AWS's page differ for any request."""
    request = Request()
    allowed, expected_allowed = allows(mutant.policy, request), allows(page, request)
    changed = {"Statement": mutant.policy["Statement"][mutant.position :][:1]}
    return bool(
        counterexample(changed, request, z3.Not(expected_allowed))
        or counterexample(page, request, z3.Not(allowed))
    )


def test_every_mutant_of_the_documents_is_detected(record_property: Callable[[str, object], None]):
    by: Counter[str] = Counter()
    missed: list[str] = []
    for kind, document, calls, page, properties in (
        ("policy", DOCUMENTS.role_policy, ROLE_CALLS, expected(FULL), partial(forbidden, FULL)),
        ("trust", DOCUMENTS.trust_policy, TRUST_CALLS, TRUST_PAGE, forbidden_trust),
    ):
        found = list(mutants(document))[::EVERY]
        decided = detected_by_decisions(kind, found, calls)
        for mutant in found:
            ways = {
                "decisions of the simulator": mutant.what in decided,
                "what must never be allowed": is_forbidden(mutant, properties),
                "comparison with AWS's page": is_not_the_page(mutant, page),
            }
            by.update(way for way, detected in ways.items() if detected)
            by["any of them"] += any(ways.values())
            if not any(ways.values()):
                missed.append(mutant.what)
    assert missed == []
    record_property("figure", {"mutants of the documents, detected by": dict(by)})


def test_there_are_more_than_two_hundred_mutants():
    assert sum(1 for document in DOCUMENTS for _ in mutants(document)) >= 200
