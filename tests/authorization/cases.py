"""Render the documents of a role, and compare decisions about them with the expected ones."""

import functools
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from components.connector_role import ConnectorRole
from pages.connector_calls import Call, Options
from tests.mocked import Deployment


class Documents(NamedTuple):
    """Both documents, as the program renders them."""

    trust_policy: Any
    role_policy: Any


def render(options: Options) -> Documents:
    """Run the component and return the documents that it would give to IAM."""
    return Documents(*map(json.loads, _rendered(options)))


@functools.cache
def _rendered(options: Options) -> tuple[str, str]:
    deployment = Deployment(lambda: ConnectorRole("aem", options.arguments))  # pyright: ignore[reportArgumentType]
    assert deployment.error is None
    return deployment.role["assumeRolePolicy"], deployment.role_policy["policy"]


def requests_of(calls: Iterable[Call]) -> list[dict[str, Any]]:
    """Return the requests of calls, one after another, as the simulator takes them."""
    return [
        {**request._asdict(), "context": dict(request.context)}
        for call in calls
        for request in call.requests
    ]


def wrong(calls: Iterable[Call], decisions: Iterable[str]) -> list[str]:
    """Return the calls that are not decided as expected; `decisions` are those on `requests_of` them."""
    decided = iter(decisions)
    outcomes = [(call, [next(decided, "no decision") for _ in call.requests]) for call in calls]
    return [
        f"{call.what} ({call.deviation}): {outcome}"
        for call, outcome in outcomes
        if call.allowed != all(decision == "Allowed" for decision in outcome)
    ]
