"""Tests `pages/examples.py`, `pages/example_calls.py`, and `components/policies.py`."""

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


def test_each_option_combination_allows_only_expected_calls():
    problems: list[str] = []
    for options in COMBINATIONS:
        calls = connector_calls(options)
        calls += [deviation for call in calls if call.allowed for deviation in deviations(call, options)]
        calls.append(PASS_OTHER_ROLE)
        decided = decisions(render(options).role_policy, requests_of(calls))
        problems += [f"{options}: {problem}" for problem in mismatches(calls, decided)]
    assert problems == []


def test_service_can_assume_role_only_for_application():
    calls = [ASSUME, *deviations(ASSUME, FULL)]
    (answer,) = ask([{"trust": render(FULL).trust_policy, "requests": requests_of(calls)}])
    assert mismatches(calls, answer["decisions"]) == []
