"""pages/example_calls: of all AWS actions, a role allows exactly the documented ones on its resources.

The simulator tries every action of the services that the statements name. No statement has an action
with a wildcard, so no statement allows actions of other services.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pages.example_calls import (
    FULL_OF_SOURCE,
    FULL_WITH_FILES,
    INDEX_ARN,
    KEY_ARN,
    NETWORK_INTERFACE_ARN,
    ROLE,
    SECRET_ARN,
    SERVICE,
    TAG,
    Options,
    connector_calls,
)
from pages.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT, REGION
from tests.authorization.cases import render
from tests.authorization.simulator import ask

pytestmark = pytest.mark.slow

DATA_SOURCE = f"{INDEX_ARN}/data-source/a1b2c3d4-5678-90ab-cdef-333333333333"
OWN = [
    *(
        f"{options.bucket_arn}{key}"
        for options in (FULL_WITH_FILES, FULL_OF_SOURCE)
        for key in ("", "/file")
    ),
    SECRET_ARN,
    KEY_ARN,
    APPLICATION_ARN,
    INDEX_ARN,
    DATA_SOURCE,
    ROLE,
    *FULL_WITH_FILES.network_arns,
    NETWORK_INTERFACE_ARN,
]
FOREIGN = [
    f"{FULL_OF_SOURCE.bucket_arn}-prod",
    f"{FULL_WITH_FILES.bucket_arn}-prod/file",
    f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:payroll-a1B2c3",
    f"arn:aws:secretsmanager:{REGION}:{OTHER_ACCOUNT}:secret:aem-a1B2c3",
    f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000",
    f"arn:aws:iam::{ACCOUNT}:role/QBusiness-DataSource-a1b2c",
    f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:network-interface/eni-0d4e5f60718293041",
]


def context(service: str) -> dict[str, Any]:
    """Return a context that meets every condition."""
    return {
        "aws:ResourceAccount": ACCOUNT,
        "kms:ViaService": f"{service}.{REGION}.amazonaws.com",
        "aws:RequestTag/AMAZON_Q": TAG,
        "aws:ResourceTag/AMAZON_Q": TAG,
        "aws:TagKeys": ["AMAZON_Q"],
        "ec2:CreateAction": "CreateNetworkInterface",
        "iam:PassedToService": SERVICE,
    }


def documented(options: Options) -> set[tuple[str, str]]:
    """Return each action that a connector with these options needs, with each resource.

    The tag that the page requires for deletion is one of the request. This context has it, but a real
    deletion does not.
    """
    allowed = {
        (request.action, request.resource.replace("/folder/", "/"))
        for call in connector_calls(options)
        for request in call.requests
        if call.allowed or (options.ingest_scope == "index" and request.resource == INDEX_ARN)
    }
    deletion = ("ec2:DeleteNetworkInterface", NETWORK_INTERFACE_ARN)
    return allowed | ({deletion} if options.network_arns else set())


def grants(statements: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Return each combination of an action, a resource, and the condition in the statements."""
    # Without a Deny, a policy with a subset of the grants allows a subset of the requests.
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    return {
        (action, resource, json.dumps(statement.get("Condition", {})))
        for statement in statements
        for action in statement["Action"]
        for resource in (
            [statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"]
        )
    }


def every_statement() -> list[dict[str, Any]]:
    """Return the statements of roles with all options, without Sids; decryption has two forms."""
    statements = [
        {element: value for element, value in statement.items() if element != "Sid"}
        for options in (FULL_WITH_FILES, FULL_OF_SOURCE)
        for statement in render(options).role_policy["Statement"]
    ]
    return [
        statement
        for position, statement in enumerate(statements)
        if statement not in statements[:position]
    ]


EVERYTHING_DOCUMENTED = documented(FULL_WITH_FILES) | documented(FULL_OF_SOURCE)


def test_all_statements_allow_exactly_the_documented_actions(
    record_property: Callable[[str, object], None],
):
    named = {action for action, _, _ in grants(every_statement())}
    assert not [action for action in named if "*" in action or "?" in action]
    question: dict[str, Any] = {
        "policy": {"Version": "2012-10-17", "Statement": every_statement()},
        "resources": OWN + FOREIGN,
        "context": context("secretsmanager"),
        "services": sorted({action.partition(":")[0] for action in named}),
    }
    through_s3 = {**question, "context": context("s3"), "services": ["kms"]}
    answers = ask([question, through_s3])
    allowed = {(action, resource) for answer in answers for action, resource in answer["allowed"]}
    foreign = {pair for pair in allowed if pair[1].endswith("/x")}
    # Network interfaces are distinguished only by the tag, which the context has.
    assert {action for action, _ in foreign} == {
        "ec2:CreateNetworkInterface",
        "ec2:CreateNetworkInterfacePermission",
        "ec2:CreateTags",
        "ec2:DeleteNetworkInterface",
    }
    assert all(resource.endswith(":network-interface/x") for _, resource in foreign)
    assert allowed - foreign == EVERYTHING_DOCUMENTED
    decided = sum(answer["decisions"] for answer in answers)
    counts = {f"{decided:,} decisions": answers[0]["actions"]}
    record_property("figure", {"actions of AWS, on the role's and on foreign resources": counts})
