"""pages/examples, example_calls, components/policies: a role allows its connector's requests only."""

from collections import Counter
from collections.abc import Callable

import pytest

from pages.example_calls import (
    ASSUME,
    COMBINATIONS,
    FULL,
    PASS_OTHER_ROLE,
    connector_calls,
    deviations,
)
from tests.authorization.cases import decisions, mismatches, render, requests_of
from tests.authorization.simulator import ask

pytestmark = pytest.mark.slow

Record = Callable[[str, object], None]


def test_each_option_combination_allows_only_expected_calls(
    record_property: Record,
):
    problems: list[str] = []
    counts: Counter[str] = Counter()
    for options in COMBINATIONS:
        calls = connector_calls(options)
        calls += [deviation for call in calls if call.allowed for deviation in deviations(call, options)]
        calls.append(PASS_OTHER_ROLE)
        decided = decisions(render(options).role_policy, requests_of(calls))
        problems += [f"{options}: {problem}" for problem in mismatches(calls, decided)]
        for call in calls:
            kind = (
                "deviations, all denied"
                if call.deviation
                else f"calls of the connector, {len(COMBINATIONS)} combinations of the options"
            )
            counts[kind] += len(call.requests)
    assert problems == []
    record_property("figure", {"requests decided by the policy simulator": dict(counts)})


def test_service_may_assume_role_only_for_application(record_property: Record):
    calls = [ASSUME, *deviations(ASSUME, FULL)]
    (answer,) = ask([{"trust": render(FULL).trust_policy, "requests": requests_of(calls)}])
    assert mismatches(calls, answer["decisions"]) == []
    counts = {"ways to assume the role, one of them allowed": len(calls)}
    record_property("figure", {"requests decided by the policy simulator": counts})
