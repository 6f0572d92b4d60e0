"""A document with one part dropped or widened is caught: by the decisions, the proofs or the linter.

`make mutation` tries all of them; `make test` tries some of each kind.
"""

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import z3

from tests.authorization.cases import ASSUME, FULL, Call, connector_calls, deviations, render
from tests.authorization.mutants import Mutant, mutants
from tests.authorization.proofs import Request, allows, counterexample
from tests.authorization.simulator import ask

EVERY = 1 if os.environ.get("MUTANTS") == "all" else 12
DOCUMENTS = render(FULL)
_CALLS = connector_calls(FULL)
ROLE_CALLS = [*_CALLS, *(it for call in _CALLS for it in deviations(call, FULL))]
TRUST_CALLS = [ASSUME, *deviations(ASSUME, FULL)]


def caught_by_decisions(kind: str, found: list[Mutant], calls: list[Call]) -> set[str]:
    """Ask the simulator what it asks of the right document, and of every mutant."""
    requests = [request.json() for call in calls for request in call.requests]
    answers = ask([{kind: mutant.policy, "requests": requests} for mutant in found])
    caught: set[str] = set()
    for mutant, answer in zip(found, answers, strict=True):
        decided = iter(answer.get("decisions", []))
        outcomes = [[next(decided, "invalid") for _ in call.requests] for call in calls]
        if any(
            call.allowed != all(it == "Allowed" for it in outcome)
            for call, outcome in zip(calls, outcomes, strict=True)
        ):
            caught.add(mutant.what)
    return caught


def is_caught_by_a_proof(right: dict[str, Any], mutant: Mutant) -> bool:
    """Look for a request on which mutant and right document differ, in the changed statement."""
    request = Request()
    before, after = right["Statement"], mutant.policy["Statement"]
    allowed, allowed_by_mutant = allows(right, request), allows(mutant.policy, request)
    if len(after) == len(before):
        changed = {"Statement": [after[mutant.position]]}
        if counterexample(changed, request, z3.And(allowed_by_mutant, z3.Not(allowed))):
            return True
    original = {"Statement": [before[mutant.position]]}
    return counterexample(original, request, z3.Not(allowed_by_mutant)) is not None


def test_every_mutant_of_the_documents_is_caught(record_property: Callable[[str, object], None]):
    by: Counter[str] = Counter()
    missed: list[str] = []
    for kind, right, calls in (
        ("policy", DOCUMENTS.role_policy, ROLE_CALLS),
        ("trust", DOCUMENTS.trust_policy, TRUST_CALLS),
    ):
        found = list(mutants(right))[::EVERY]
        assert all(mutant.policy != right for mutant in found)
        by["golden documents"] += len(found)
        decided = caught_by_decisions(kind, found, calls)
        by["decisions of the simulator"] += len(decided)
        for mutant in found:
            proved = is_caught_by_a_proof(right, mutant)
            by["proofs"] += proved
            if not proved and mutant.what not in decided:
                missed.append(mutant.what)
    assert missed == []
    record_property("figure", {"mutants of the documents, each caught by": dict(by)})


def test_there_are_more_than_two_hundred_mutants():
    assert sum(1 for right in DOCUMENTS for _ in mutants(right)) >= 200
