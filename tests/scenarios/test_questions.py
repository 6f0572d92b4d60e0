"""Questions that only AWS answers; none of their calls changes anything."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import pytest
from botocore.exceptions import ClientError

from components.connectors import CONNECTORS
from components.rules import render
from pages.example_calls import (
    PASS_OTHER_ROLE,
    ROLE_NAME,
    Options,
    Request,
    connector_calls,
    deviations,
    every_option,
)
from pages.examples import REGION
from roles.errors import is_denied
from sandbox.environment import PROJECT
from tests.helpers.processes import show
from tests.scenarios.world import World

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

SERIOUS: Final = ("ERROR", "SECURITY_WARNING")
"""The types of findings that count as errors; others are printed."""
PATHS: Final = ("/", "/service-role/")
"""The paths on AWS's pages; any other path is a customer's own."""


class Role(NamedTuple):
    """Connector policies with every setting, and the requests that they must allow and deny."""

    trust_policy: str
    role_policy: str
    options: Options
    connectors: list[str]

    def requests(self, *, allowed: bool) -> list[Request]:
        """Return the connector's requests, or similar requests that IAM must deny."""
        calls = connector_calls(self.options)
        calls += [other for call in calls if call.allowed for other in deviations(call, self.options)]
        calls.append(PASS_OTHER_ROLE)
        requests = [request for call in calls if call.allowed == allowed for request in call.requests]
        # IAM rejects resources in another partition. Two calls can contain the same request.
        own = [request for request in requests if request.resource.startswith(("arn:aws:", "*"))]
        return [request for number, request in enumerate(own) if request not in own[:number]]


@pytest.fixture
def roles(world: World) -> list[Role]:
    """Return the connectors' distinct roles, in the world's account and Region."""
    found: dict[tuple[str, str], Role] = {}
    for name, connector in CONNECTORS.items():
        options = every_option(connector)
        arguments = {**options.arguments, "connector": name, "region": REGION}
        *documents, _ = render("aem-connector", arguments, ROLE_NAME)
        trust_policy, role_policy = map(world.moved, documents)
        role = Role(trust_policy, role_policy, options, [])
        found.setdefault((trust_policy, role_policy), role).connectors.append(name)
    return [*found.values()]


def answers(
    world: World, service: str, operation: str, key: str, **parameters: Any
) -> list[dict[str, Any]]:
    """Return all pages of a response; skip the test if the call is denied or not supported."""
    pages = world.client(service).get_paginator(operation).paginate(**parameters)
    try:
        return [item for page in pages for item in page[key]]
    except ClientError as error:
        if is_denied(error) or not world.is_aws:
            pytest.skip(str(error))
        raise


def test_access_analyzer_has_no_serious_findings_on_policies(world: World, roles: list[Role]):
    trust = {
        "policyType": "RESOURCE_POLICY",
        "validatePolicyResourceType": "AWS::IAM::AssumeRolePolicyDocument",
    }
    documents = {role.trust_policy: trust for role in roles}
    documents |= {role.role_policy: {"policyType": "IDENTITY_POLICY"} for role in roles}
    findings = [
        finding
        for document, kind in documents.items()
        for finding in answers(
            world, "accessanalyzer", "validate_policy", "findings", policyDocument=document, **kind
        )
    ]
    listed = [
        f"{each['findingType']} {each['issueCode']}: {each['findingDetails']}" for each in findings
    ]
    show("\n".join((f"{len(documents)} policies of {len(CONNECTORS)} connectors", *listed)))
    assert [each for each in listed if each.startswith(SERIOUS)] == []


def test_iam_allows_connector_requests_but_not_similar_ones(world: World, roles: list[Role]):
    def decisions(role: Role, requests: list[Request]) -> Iterator[tuple[Request, str]]:
        # One call accepts any number of actions on one resource in one context.
        groups: dict[tuple[str, str], list[Request]] = {}
        for request in requests:
            context = world.moved(json.dumps(dict(request.context)))
            groups.setdefault((world.moved(request.resource), context), []).append(request)
        for (resource, context), group in groups.items():
            results = answers(
                world,
                "iam",
                "simulate_custom_policy",
                "EvaluationResults",
                PolicyInputList=[role.role_policy],
                ActionNames=[request.action for request in group],
                ResourceArns=[resource],
                ContextEntries=[
                    {
                        "ContextKeyName": key,
                        "ContextKeyValues": [value] if isinstance(value, str) else value,
                        "ContextKeyType": "string" if isinstance(value, str) else "stringList",
                    }
                    for key, value in json.loads(context).items()
                ],
            )
            decided = {result["EvalActionName"]: result["EvalDecision"] for result in results}
            yield from ((request, decided[request.action]) for request in group)

    wrong: list[tuple[str, Request, str]] = []
    for role in roles:
        for allowed in (True, False):
            requests = role.requests(allowed=allowed)
            wrong += [
                (role.connectors[0], request, decision)
                for request, decision in decisions(role, requests)
                if (decision == "allowed") != allowed
            ]
            expected = "allowed" if allowed else "denied"
            show(f"{', '.join(role.connectors)}: {len(requests)} requests to be {expected}")
    assert wrong == []


def run_roles(world: World, *arguments: str) -> dict[str, Any]:
    """Run `qbusiness-roles`; its output contains names, so it is not shown."""
    command = [sys.executable, "-m", "roles", *arguments, "--region", world.region, "--json"]
    done = subprocess.run(
        command, cwd=PROJECT, env=world.environment, capture_output=True, text=True, check=False
    )
    show(f"$ qbusiness-roles {arguments[0]} (exit code {done.returncode})")
    assert done.stdout, done.stderr[-500:]
    found = json.loads(done.stdout)
    if "is not allowed" in found.get("error", ""):
        pytest.skip(found["error"])
    return found


def shape(role: Mapping[str, Any]) -> str:
    """Describe a role without its names."""
    path = role["arn"].partition(":role")[2].rpartition("/")[0] + "/"
    conditions = {
        f"{operator} {key}"
        for policy in (role["trust policy"], *role["policies"].values())
        for statement in statements(policy)
        for operator, keys in statement.get("Condition", {}).items()
        for key in keys
    }
    return (
        f"{len(role['policies'])} inline and {len(role['attached'])} attached policies, "
        f"path {path if path in PATHS else 'of its own'}, "
        f"boundary: {'yes' if role['boundary'] else 'no'}, conditions: {', '.join(sorted(conditions))}"
    )


def statements(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a policy's statements; a single statement need not be in a list."""
    found = policy["Statement"]
    return [found] if isinstance(found, dict) else found


def test_audit_and_adopt_read_roles_of_data_sources(world: World):
    found = run_roles(world, "audit", "--allow-empty")
    assert "states" in found, "audit failed"
    names = [role["role"].rpartition("/")[2] for role in found["roles"]]
    shapes: Counter[str] = Counter()
    for name in names:
        try:
            shapes[shape(world.role(name))] += 1
        except ClientError as error:
            shapes[f"no answer ({error.response['Error']['Code']})"] += 1
    show(str(found["states"]))
    for text, number in shapes.most_common():
        show(f"{number} with {text}")
    for application in {each["applicationId"] for each in found["dataSources"]}:
        stack = ("--stack", world.run, "--application", application)
        adopted = run_roles(world, "adopt", "--dry-run", *stack)
        assert "Traceback" not in adopted.get("error", "")
        entries, left_out = (len(adopted.get(key, ())) for key in ("entries", "leftOut"))
        show(f"{entries} would be adopted, {left_out} left out")
