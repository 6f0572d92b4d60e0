"""Tests `roles/check/requests.py`, `connector_calls.py`, and `simulation.py`."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from components.connectors import CONNECTORS
from pages import example_calls
from pages.example_calls import ROLE, Options, connector_calls, every_option
from pages.examples import APPLICATION_ARN, INDEX_ID, OTHER_ACCOUNT
from roles.check.connector_calls import OWN_CALLS
from roles.check.requests import connector_requests
from roles.needs import Bucket, Needs
from roles.policies import Secret
from tests.authorization.simulator import ask as simulate
from tests.helpers.world import ROLE_ARN
from tests.roles.check import rows_policies
from tests.roles.check.account import STACK, World, at, printed, replaced, run
from tests.roles.check.policy_text import document, statements
from tests.roles.check.table import Row, said_in

SHAPES: Final = {
    "a secret with a key, a VPC, and files in a bucket": World(
        secret_tags={"Team": "web", "Stage": "one", "stage": "two"},
        settings={"connector": "sharepoint-server-subscription", "bucketName": "documents"},
        changes=[at(ROLE_ARN, Tags=[{"Key": "Owner", "Value": "search"}]), at("documents")],
    ),
    "another account's bucket of documents": World(
        bucket="", settings={"bucketAccountId": OTHER_ACCOUNT}
    ),
}


class Request(NamedTuple):
    """A request that IAM simulates, with the values of condition keys."""

    action: str
    resource: str
    context: dict[str, list[str]]


def requests_in(world: World) -> list[Request]:
    """Return the requests that `check` simulates for the role."""
    with replaced(world.account(alone=False), printed(world)) as calls:
        run(STACK)
    return [
        Request(
            action,
            given["ResourceArns"][0],
            {each["ContextKeyName"]: each["ContextKeyValues"] for each in given["ContextEntries"]},
        )
        for operation, given in calls
        if operation == "simulate_principal_policy" and given["PolicySourceArn"] == ROLE_ARN
        for action in given["ActionNames"]
    ]


def test_each_request_is_simulated_with_the_known_condition_keys(
    assert_golden: Callable[[Path, str], None],
):
    lines: list[str] = []
    for title, world in SHAPES.items():
        lines += ["", title]
        by_keys: dict[tuple[str, str], list[str]] = {}
        for action, resource, context in requests_in(world):
            keys = "; ".join(sorted(f"{key}={'|'.join(its)}" for key, its in context.items()))
            by_keys.setdefault((resource, keys), []).append(action)
        common = {*next(iter(by_keys))[1].split("; ")}.intersection(
            *(keys.split("; ") for _, keys in by_keys)
        )
        lines.append(f"  all: {'; '.join(sorted(common))}")
        # Several threads call IAM, so the order of the calls varies.
        lines += sorted(
            f"  {', '.join(sorted(actions))} on {resource}: "
            + "; ".join(key for key in keys.split("; ") if key not in common)
            for (resource, keys), actions in by_keys.items()
        )
    assert_golden(Path(__file__).with_name("requests.txt"), "\n".join([*lines[1:], ""]))


def general(arn: str) -> str:
    """Return an ARN without the example's interface ID or object key."""
    return re.sub(r"(network-interface/|:s3:::[^/]+/).*", r"\1", arn)


ALL_OPTIONS: Final = [
    *((each.name, every_option(each)) for each in CONNECTORS.values()),
    *((each.connector, each) for each in example_calls.SHAPES if each.ingest_scope != "index"),
]


@pytest.mark.parametrize(("connector", "options"), ALL_OPTIONS, ids=str)
def test_requests_of_each_connector_match_aws_pages(connector: str, options: Options):
    key_arns = (options.key_arn,) if options.key_arn and options.bucket_is_source else ()
    bucket_arns = filter(None, [options.bucket_arn])
    needs = Needs(
        APPLICATION_ARN,
        INDEX_ID,
        CONNECTORS[connector],
        secrets=tuple(Secret(arn, options.key_arn) for arn in filter(None, [options.secret_arn])),
        buckets=tuple(Bucket(arn, options.bucket_account, key_arns) for arn in bucket_arns),
        network=options.network_arns,
        deletes=options.deletion,
    )
    found = {
        (action, general(str(group.resource)))
        for group in connector_requests([needs], ROLE)
        for action in group.actions
    }
    own = {(call.action, arn) for call in OWN_CALLS.get(connector, ()) for arn in call.resources}
    assert found == own | {
        (request.action, general(request.resource))
        for call in connector_calls(options)
        if call.allowed
        for request in call.requests
    }


def as_question(world: World, request: Request) -> dict[str, Any]:
    """Return the simulator's input for a request; omit condition keys that have no effect."""
    of_resource = {"kms": world.key, "secretsmanager": world.secret, "s3": world.bucket or ""}
    own = [
        *statements(world.own, world.bucket_owner),
        *(each for policy in (world.guard, world.attached) for each in statements(policy)),
    ]
    documents = {"policy": document([each | {"Sid": f"S{number}"} for number, each in enumerate(own)])}
    trust = of_resource.get(request.action.partition(":")[0])
    if trust is not None:  # without a resource policy, the simulator would add a delegation
        documents["trust"] = document(trust or "allow * for arn:aws:iam::444455556666:root")
    if world.boundary:
        documents["boundary"] = document(world.boundary)
    named = {key.lower(): key for key in re.findall(r"\w+:[\w:/-]+", " ".join(documents.values()))}
    context = {
        named.get(key.lower(), key): its[0] if len(its) == 1 else its
        for key, its in request.context.items()
        if key.lower() in (*named, "aws:resourceaccount")
    }
    if time := named.get("aws:currenttime"):
        context[time] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    asked = {"principal": ROLE_ARN, "action": request.action, "resource": request.resource}
    return {
        "requests": [asked | {"context": context}],
        **{name: json.loads(text) for name, text in documents.items()},
    }


# The simulator ignores ARN partitions, the condition keys for the encryption context, and that an
# asterisk can match several parts of an ARN.
UNLIKE: Final = ("arn:aws-cn:", "kms:EncryptionContext:SecretARN", "secretsmanager:*:secret:")
DECIDED: Final = [
    each
    for each in rows_policies.ROWS
    for expected, options in each.ways[:1]
    if options == [*STACK] and not each.world.changes and "cannot tell" not in expected
    if not any(part in str(each.world) for part in UNLIKE)
]


@pytest.mark.slow
def test_independent_evaluator_agrees_with_decisions_in_rows():
    asked: list[tuple[Row, Request]] = [
        (row, request)
        for row in DECIDED
        for request in requests_in(row.world)
        if row.world.boundary or row.world.key == "delegation" or request.action == "kms:Decrypt"
    ]
    answers = simulate([as_question(row.world, request) for row, request in asked])
    by_check: dict[int, dict[tuple[str, str], str]] = {}
    for row in DECIDED:
        (entry,) = said_in(row, STACK).json["entries"].values()
        by_check[row.line] = {(it["action"], it["resource"]): it["allowed"] for it in entry["requests"]}
    different = [
        (row.line, request.action, request.resource)
        for (row, request), answer in zip(asked, answers, strict=True)
        if (answer["decisions"] == ["Allowed"])
        != (by_check[row.line].get((request.action, request.resource), "yes") == "yes")
    ]
    assert different == []
