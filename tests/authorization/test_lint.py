"""Test that a linter and the Service Authorization Reference report only the known findings."""

import json
from collections.abc import Iterator
from typing import Any

import parliament
import pytest

from pages.example_calls import SHAPES, Options
from pages.examples import APPLICATION_ARN
from pages.properties import INERT, KNOWN_FINDINGS, UNCOVERED
from tests.authorization.cases import render
from tests.authorization.simulator import ask

pytestmark = pytest.mark.slow


def pairs(policy: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return each action with each resource of its statement."""
    for statement in policy["Statement"]:
        resources = statement["Resource"]
        for action in statement["Action"]:
            for resource in [resources] if isinstance(resources, str) else resources:
                yield action, resource


@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_parliament_reports_only_the_known_findings(options: Options):
    analysis = parliament.analyze_policy_string(json.dumps(render(options).role_policy))
    found = {
        (finding.issue, detail["action"]) for finding in analysis.findings for detail in finding.detail
    }
    assert found == (set(KNOWN_FINDINGS) if options.network_arns else set())


def test_statements_match_reference_except_known_mismatches():
    roles = {options: set(pairs(render(options).role_policy)) for options in SHAPES}
    everything = set[tuple[str, str]]().union(*roles.values())
    actions = sorted({action for action, _ in everything})
    resources = sorted({resource for _, resource in everything} - {"*"})
    (reference,) = ask([{"actions": actions, "resources": resources}])
    types: dict[str, str] = {**reference["resources"], "*": "*"}
    taken = {action: {target["type"] for target in reference["actions"][action]} for action in actions}
    required = {
        (action, target["type"])
        for action in actions
        for target in reference["actions"][action]
        if target["required"]
    }
    for options, found in roles.items():
        inert = {
            (action, resource)
            for action, resource in found
            if resource != "*" and types[resource] not in taken[action]
        }
        assert inert == {
            (action, resource)
            for action, resource in INERT
            if options.network_arns or not action.startswith("ec2:")
        }
        covered = {(action, types[resource]) for action, resource in found}
        missing = {
            (action, kind)
            for action, kind in required - covered
            if action in {other for other, _ in found}
        }
        assert missing == (set(UNCOVERED) if options.ingest_scope == "index" else set())
    # Actions without resource types, and only these, have the resource *.
    for action, resource in everything:
        assert (resource == "*") == (not taken[action])


def test_create_user_requires_application_resource():
    (reference,) = ask([{"actions": ["qbusiness:CreateUser"], "resources": [APPLICATION_ARN]}])
    assert reference["actions"]["qbusiness:CreateUser"] == [
        {"type": "qbusiness/application", "required": True}
    ]
    assert reference["resources"][APPLICATION_ARN] == "qbusiness/application"
