"""Test that the role allows the connector's requests, and none that differs in one part."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.connector_calls import (
    ASSUME,
    COMBINATIONS,
    FULL,
    PASS_OTHER_ROLE,
    Call,
    connector_calls,
    deviations,
)
from tests.authorization.cases import mismatches, render, requests_of
from tests.authorization.simulator import ask

pytestmark = pytest.mark.slow

Record = Callable[[str, object], None]


def decisions(document: dict[str, Any], calls: list[Call]) -> list[str]:
    """Return the decisions on the requests of the calls, in order."""
    (answer,) = ask([{**document, "requests": requests_of(calls)}])
    return answer["decisions"]


def test_each_combination_of_the_options_allows_what_the_connector_does_and_no_deviation(
    record_property: Record,
):
    questions: list[dict[str, Any]] = []
    asked: list[tuple[str, list[Call]]] = []
    for options in COMBINATIONS:
        calls = connector_calls(options)
        calls += [deviation for call in calls if call.allowed for deviation in deviations(call, options)]
        calls.append(PASS_OTHER_ROLE)
        questions.append({"policy": render(options).role_policy, "requests": requests_of(calls)})
        asked.append((str(options), calls))
    problems: list[str] = []
    for (options, calls), answer in zip(asked, ask(questions), strict=True):
        # Any other value means that the simulator did not decide.
        assert set(answer["decisions"]) <= {"Allowed", "ImplicitlyDenied"}
        problems += [f"{options}: {problem}" for problem in mismatches(calls, answer["decisions"])]
    assert problems == []
    everything = [call for _, calls in asked for call in calls]
    kinds = {
        f"calls of the connector, {len(COMBINATIONS)} combinations of the options": [
            call for call in everything if not call.deviation
        ],
        "deviations, all denied": [call for call in everything if call.deviation],
    }
    counts = {kind: sum(len(call.requests) for call in calls) for kind, calls in kinds.items()}
    record_property("figure", {"requests decided by the policy simulator": counts})


def test_amazon_q_business_may_assume_the_role_only_for_this_application(record_property: Record):
    calls = [ASSUME, *deviations(ASSUME, FULL)]
    trust = render(FULL).trust_policy
    assert mismatches(calls, decisions({"trust": trust}, calls)) == []
    counts = {"ways to assume the role, one of them allowed": len(calls)}
    record_property("figure", {"requests decided by the policy simulator": counts})


def test_the_index_scope_allows_ingestion_for_the_index_and_not_for_the_application():
    options = FULL._replace(ingest_scope="index")
    put = next(call for call in connector_calls(options) if call.title == "put documents")
    application, index = decisions({"policy": render(options).role_policy}, [put])
    assert (application, index) == ("ImplicitlyDenied", "Allowed")


def test_without_the_option_no_network_interface_can_be_deleted():
    options = FULL._replace(deletion=False)
    delete = next(call for call in connector_calls(options) if "delete the tagged" in call.title)
    assert decisions({"policy": render(options).role_policy}, [delete]) == ["ImplicitlyDenied"]
    assert decisions({"policy": render(FULL).role_policy}, [delete]) == ["Allowed"]
