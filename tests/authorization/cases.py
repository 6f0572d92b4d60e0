"""Render a role's documents, evaluate requests, and compare the decisions with the expected ones."""

import functools
import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from components.formats import Location
from components.rules import render as render_documents
from pages.example_calls import (
    ROLE_NAME,
    Call,
    Options,
)
from pages.examples import ACCOUNT, REGION
from tests.authorization.simulator import ask


class Documents(NamedTuple):
    """A role's trust policy and role policy."""

    trust_policy: Any
    role_policy: Any


def render(options: Options) -> Documents:
    """Return the policy documents that the component sends to IAM."""
    caller = Location("aws", REGION, ACCOUNT)
    *documents, _ = render_documents("aem", options.arguments, ROLE_NAME, caller)
    return Documents(*map(json.loads, documents))


def decisions(policy: Mapping[str, Any], requests: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the simulator's decision on each request.

    A policy without a Deny statement allows a request if any of its statements allows it. Roles
    share most statements, so the simulator evaluates each statement with each request only once.
    """
    return [
        "Allowed"
        if any(
            _decision(json.dumps(statement), json.dumps(request)) == "Allowed"
            for statement in policy["Statement"]
            if _names(statement, request["action"])
        )
        else "ImplicitlyDenied"
        for request in requests
    ]


def _names(statement: Mapping[str, Any], action: str) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in statement["Action"])


@functools.cache
def _decision(statement: str, request: str) -> str:
    policy = {"Version": "2012-10-17", "Statement": [json.loads(statement)]}
    (answer,) = ask([{"policy": policy, "requests": [json.loads(request)]}])
    (decision,) = answer["decisions"]
    # Any other value is an explicit denial or the simulator's error message.
    assert decision in ("Allowed", "ImplicitlyDenied"), (decision, statement, request)
    return decision


def requests_of(calls: Iterable[Call]) -> list[dict[str, Any]]:
    """Return the calls' requests in the format that the simulator accepts."""
    return [
        {**request._asdict(), "context": dict(request.context)}
        for call in calls
        for request in call.requests
    ]


def mismatches(calls: Iterable[Call], decisions: Iterable[str]) -> list[str]:
    """Describe calls with unexpected decisions; `decisions` is in the order of the calls' requests."""
    decided = iter(decisions)
    outcomes = [(call, [next(decided, "no decision") for _ in call.requests]) for call in calls]
    return [
        f"{call.title} ({call.deviation}): {outcome}"
        for call, outcome in outcomes
        if call.allowed != all(decision == "Allowed" for decision in outcome)
    ]
