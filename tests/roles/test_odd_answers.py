"""Tests `roles/view.py` with unusable responses, which must not lead to the answer `ok`."""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import pytest

from tests.helpers.world import ROOT, SECRET_ARN, World, allow, policy
from tests.roles.audit.help import complete_world

pytestmark = pytest.mark.slow

ROLE_ID: Final = "AROADBQP57FF2AEXAMPLE"
READABLE: Final = {"Effect": "Allow", "Principal": {"AWS": ROLE_ID}, "Action": "kms:*", "Resource": "*"}
MALFORMED: Final[Mapping[str, tuple[str, str, Any]]] = {
    "iam:GetRole": ("AssumeRolePolicyDocument", "trust policy", {**READABLE, "Effect": None}),
    "iam:GetRolePolicy": ("PolicyDocument", "role policy", 5),
    "iam:GetPolicyVersion": ("Document", "permissions boundary", [READABLE]),
    "secretsmanager:GetResourcePolicy": (
        "ResourcePolicy",
        "secret policy",
        {**READABLE, "Principal": 5},
    ),
    "kms:GetKeyPolicy": ("Policy", "key policy", {**READABLE, "Condition": ["odd"]}),
}
"""For each action: the entry that contains a policy, the question that needs the policy, and a
statement that violates IAM's grammar. Some statements contain the ID of a deleted role."""


def malformed(action: str) -> Callable[[bytes], bytes]:
    """Return a function that replaces the policy in a response with a malformed policy."""
    entry, _, statement = MALFORMED[action]
    document = json.dumps({"Version": "2012-10-17", "Statement": [READABLE, statement]})

    def spoil(body: bytes) -> bytes:
        if body.lstrip().startswith(b"<"):
            element = f"<{entry}>{document}</{entry}>"
            return re.sub(rf"<{entry}>.*?</{entry}>", lambda _: element, body.decode()).encode()
        return json.dumps({**json.loads(body), entry: document}).encode()

    return spoil


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize("action", MALFORMED)
def test_question_is_skipped_if_its_policy_is_malformed(world: World, action: str):
    secret_policy = policy(allow("secretsmanager:*", "*", Principal=ROOT))
    world.secrets.put_resource_policy(SecretId=SECRET_ARN, ResourcePolicy=secret_policy)
    world.bound()
    world.server.spoil = {action: malformed(action)}
    text = f"the response to {action} has a policy that cannot be read ("
    (said,) = world.check().answers("skipped")
    assert re.match(rf"{MALFORMED[action][1]}(?: arn\S+)?: {re.escape(text)}", said)


def test_role_with_malformed_policy_is_not_compared(world: World):
    complete_world(world)
    world.server.spoil = {"iam:GetRole": malformed("iam:GetRole")}
    said = world.audit("--json")
    assert said.code == 2
    pages, files = said.json["dataSources"]
    assert pages["state"] == files["state"] == "not compared"
    text = "the response to iam:GetRole has a policy that cannot be read (trust policy)"
    assert all(each["text"].startswith(text) for each in said.json["findings"])


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"(?s)<member>(?:(?!<member>).)*<EvalActionName>.*?</member>\s*(?=</EvaluationResults>)", ""),
        ("<EvalActionName>.*?<", "<EvalActionName>s3:GetObject<"),
    ],
    ids=["fewer", "others"],
)
def test_question_is_skipped_if_a_decision_is_missing(world: World, pattern: str, replacement: str):
    action = "iam:SimulatePrincipalPolicy"
    spoil = partial(re.sub, pattern.encode(), replacement.encode(), count=1)
    world.server.spoil = {action: spoil}
    (said,) = world.check().answers("skipped")
    assert said.startswith(f"simulation: the response to {action} has decisions for ")


@pytest.mark.usefixtures("deployed")
def test_question_is_skipped_if_secret_policy_response_is_empty(world: World):
    assert world.check().code == 0
    world.server.spoil = {"secretsmanager:GetResourcePolicy": lambda _: b"{}"}
    (said,) = world.check().answers("skipped")
    assert said.startswith(
        f"secret policy {SECRET_ARN}: the response to secretsmanager:GetResourcePolicy has no"
    )
