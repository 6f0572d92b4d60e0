"""Test the permissions boundary in examples/, under which every connector's role works."""

import json
from typing import Any, Final

import pytest

from components.connectors import CONNECTORS
from pages.example_calls import KEY_ARN, NETWORK_INTERFACE_ARN, ROLE, connector_calls
from sandbox.environment import PROJECT
from tests.authorization.cases import mismatches, options_of, render, requests_of
from tests.authorization.simulator import ask

pytestmark = pytest.mark.slow

BOUNDARY: Final = json.loads((PROJECT / "examples" / "connector-boundary.json").read_text())


def actions(policy: dict[str, Any]) -> list[str]:
    return sorted({action for statement in policy["Statement"] for action in statement["Action"]})


def test_every_connector_role_works_under_boundary():
    roles = {options_of(connector) for connector in CONNECTORS.values()}
    roles |= {
        options._replace(
            secret=options.secret.replace("this account", "another account"),
            key="key of another account",
            bucket=options.bucket
            if options.bucket == "no bucket"
            else f"{options.bucket} of another account",
        )
        for options in roles
    }
    for options in roles:
        calls = connector_calls(options)
        question = {
            "policy": render(options).role_policy,
            "boundary": BOUNDARY,
            "requests": requests_of(calls),
        }
        (answer,) = ask([question])
        assert mismatches(calls, answer["decisions"]) == [], options


def test_boundary_has_same_actions_as_policy_in_guardrails():
    widest = json.loads((PROJECT / "guardrails" / "connector_policy.json").read_text())
    assert actions(BOUNDARY) == actions(widest)
    assert "*" not in "".join(actions(BOUNDARY))


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
        ("iam:PutRolePolicy", ROLE, {}),
        ("kms:Decrypt", KEY_ARN, {}),
        ("kms:Decrypt", KEY_ARN, {"kms:ViaService": "ssm.us-east-1.amazonaws.com"}),
        ("ec2:CreateTags", NETWORK_INTERFACE_ARN, {}),
    ],
)
def test_boundary_limits_policy_that_allows_everything(
    action: str, resource: str, context: dict[str, str]
):
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [everything]}
    request = {"action": action, "resource": resource, "context": context}
    without, under = ask(
        [
            {"policy": policy, "requests": [request]},
            {"policy": policy, "boundary": BOUNDARY, "requests": [request]},
        ]
    )
    assert without["decisions"] == ["Allowed"]
    assert under["decisions"] == ["ImplicitlyDenied"]
