"""Test that the findings of a linter and of the Service Authorization Reference are the known ones."""

import json
from collections.abc import Iterator
from typing import Any

import parliament
import pytest

from pages.connector_calls import COMBINATIONS, FULL, Options
from pages.evidence import INERT, KNOWN_FINDINGS, UNCOVERED
from pages.examples import APPLICATION_ARN
from tests.authorization.cases import render
from tests.authorization.simulator import ask

pytestmark = pytest.mark.slow

ONE_SUBNET = FULL._replace(vpc="VPC")


def pairs(policy: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return every action of a policy with each of its resources."""
    for statement in policy["Statement"]:
        resources = statement["Resource"]
        for action in statement["Action"]:
            for resource in [resources] if isinstance(resources, str) else resources:
                yield action, resource


@pytest.mark.parametrize("options", COMBINATIONS[:: len(COMBINATIONS) // 12], ids=str)
def test_parliament_reports_only_the_known_findings(options: Options):
    analysis = parliament.analyze_policy_string(json.dumps(render(options).role_policy))
    found = {
        (finding.issue, detail["action"]) for finding in analysis.findings for detail in finding.detail
    }
    assert found == (set(KNOWN_FINDINGS) if options.network_arns else set())


@pytest.mark.parametrize(
    ("options", "uncovered"),
    [(ONE_SUBNET, set[tuple[str, str]]()), (ONE_SUBNET._replace(ingest_scope="index"), set(UNCOVERED))],
    ids=["applicationAndIndex", "index"],
)
def test_each_resource_type_that_an_action_requires_is_covered_and_each_inert_pair_is_known(
    options: Options, uncovered: set[tuple[str, str]]
):
    found = set(pairs(render(options).role_policy))
    actions, resources = (
        sorted({action for action, _ in found}),
        sorted({resource for _, resource in found} - {"*"}),
    )
    (reference,) = ask([{"actions": actions, "resources": resources}])
    types: dict[str, str] = reference["resources"]
    inert = {
        (action, resource)
        for action, resource in found
        if resource != "*"
        and types[resource] not in {target["type"] for target in reference["actions"][action]}
    }
    assert inert == set(INERT)
    missing = {
        (action, target["type"])
        for action in actions
        for target in reference["actions"][action]
        if target["required"]
        and target["type"] not in {types[resource] for other, resource in found if other == action}
    }
    assert missing == uncovered
    # Actions without resource types, and only these, have the resource *.
    for action, resource in found:
        assert (resource == "*") == (reference["actions"][action] == [])


def test_create_user_requires_the_application():
    (reference,) = ask([{"actions": ["qbusiness:CreateUser"], "resources": [APPLICATION_ARN]}])
    assert reference["actions"]["qbusiness:CreateUser"] == [
        {"type": "qbusiness/application", "required": True}
    ]
    assert reference["resources"][APPLICATION_ARN] == "qbusiness/application"
