"""Render the documents of a role, and compare decisions with the expected ones."""

import functools
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from components.connector_role import ConnectorRole
from evidence.connector_calls import ROLE_NAME, Call, Options
from tests.helpers.mocked import Deployment


class Documents(NamedTuple):
    """Both documents of the program."""

    trust_policy: Any
    role_policy: Any


def render(options: Options) -> Documents:
    """Run the component and return the documents that it sends to IAM."""
    return Documents(*map(json.loads, _rendered(options)))


@functools.cache
def _rendered(options: Options) -> tuple[str, str]:
    arguments: Any = {**options.arguments, "role_name": ROLE_NAME}
    deployment = Deployment(lambda: ConnectorRole("aem", arguments))
    assert deployment.error is None
    return deployment.role["assumeRolePolicy"], deployment.role_policy["policy"]


def requests_of(calls: Iterable[Call]) -> list[dict[str, Any]]:
    """Return the requests of calls in the form that the simulator takes."""
    return [
        {**request._asdict(), "context": dict(request.context)}
        for call in calls
        for request in call.requests
    ]


def mismatches(calls: Iterable[Call], decisions: Iterable[str]) -> list[str]:
    """Return the calls with unexpected decisions; `decisions` are those on `requests_of(calls)`."""
    decided = iter(decisions)
    outcomes = [(call, [next(decided, "no decision") for _ in call.requests]) for call in calls]
    return [
        f"{call.title} ({call.deviation}): {outcome}"
        for call, outcome in outcomes
        if call.allowed != all(decision == "Allowed" for decision in outcome)
    ]
