"""`roles check` decides whether Amazon Q Business can assume the role, with the stack and without it."""

import json
from copy import deepcopy
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, OTHER_ACCOUNT, REGION
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import TRUST, World, policy

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

EXPECTED: Final[dict[str, Any]] = json.loads(TRUST)["Statement"][0]
PAST, FUTURE = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
OTHER_APPLICATION: Final = APPLICATION_ARN[:-1] + "2"
WILDCARD: Final = f"arn:aws:qbusiness:{REGION}:{ACCOUNT}:application/*"


def trusting(**operators: dict[str, Any] | None) -> dict[str, Any]:
    """Return the program's trust statement with other conditions; None removes an operator."""
    statement = deepcopy(EXPECTED)
    conditions = {**statement["Condition"], **operators}
    statement["Condition"] = {key: value for key, value in conditions.items() if value}
    return statement


def denial(action: str = "sts:AssumeRole", **operators: dict[str, Any]) -> dict[str, Any]:
    more = {"Condition": operators} if operators else {}
    return {"Sid": "Lock", "Effect": "Deny", "Principal": "*", "Action": action, **more}


UNCONDITIONAL: Final = {key: value for key, value in EXPECTED.items() if key != "Condition"}

TRUSTED: Final[dict[str, tuple[list[dict[str, Any]], str, str]]] = {
    "the program's policy": ([EXPECTED], "ok", "ok"),
    "wildcard under StringLike": (
        [trusting(ArnEquals=None, StringLike={"aws:SourceArn": WILDCARD})],
        "note",
        "note",
    ),
    "ArnLike": ([trusting(ArnEquals=None, ArnLike={"aws:SourceArn": APPLICATION_ARN})], "ok", "ok"),
    "ForAnyValue": (
        [
            trusting(
                ArnEquals=None,
                **{"ForAnyValue:ArnEquals": {"aws:SourceArn": [OTHER_APPLICATION, APPLICATION_ARN]}},
            )
        ],
        "note",
        "note",
    ),
    "another application": (
        [trusting(ArnEquals={"aws:SourceArn": OTHER_APPLICATION})],
        "problem",
        "problem",
    ),
    "another account": (
        [trusting(StringEquals={"aws:SourceAccount": OTHER_ACCOUNT})],
        "problem",
        "problem",
    ),
    "another service": (
        [{**EXPECTED, "Principal": {"Service": "kendra.amazonaws.com"}}],
        "problem",
        "problem",
    ),
    "denial": ([EXPECTED, denial()], "problem", "problem"),
    "denial for another account": (
        [EXPECTED, denial(StringEquals={"aws:SourceAccount": OTHER_ACCOUNT})],
        "note",
        "note",
    ),
    "denial until a past date": (
        [EXPECTED, denial(DateLessThan={"aws:CurrentTime": PAST})],
        "note",
        "note",
    ),
    "denial from a date to come": (
        [EXPECTED, denial(DateGreaterThan={"aws:CurrentTime": FUTURE})],
        "note",
        "note",
    ),
    "denial of sts:TagSession": ([EXPECTED, denial("sts:TagSession")], "note", "note"),
    "condition on a past date": (
        [trusting(DateLessThan={"aws:CurrentTime": PAST})],
        "problem",
        "problem",
    ),
    "condition on a date that has passed": (
        [trusting(DateGreaterThan={"aws:CurrentTime": PAST})],
        "problem",
        "note",
    ),
    "condition on aws:SecureTransport": (
        [trusting(Bool={"aws:SecureTransport": "true"})],
        "problem",
        "note",
    ),
    "condition on aws:SourceOrgID": (
        [trusting(StringLike={"aws:SourceOrgID": "o-a1b2c3d4e5"})],
        "cannot tell",
        "cannot tell",
    ),
    "denial of all other services": (
        [EXPECTED, denial() | {"NotPrincipal": EXPECTED["Principal"], "Principal": None}],
        "note",
        "note",
    ),
    "no condition": ([UNCONDITIONAL], "note", "note"),
}
"""By name: the statements, and the state of the answer with the stack, where drift is a problem, and
without it."""


@pytest.mark.parametrize("name", TRUSTED)
def test_trust_policy_is_decided(world: World, name: str):
    statements, in_stack, outside = TRUSTED[name]
    given = [{key: value for key, value in each.items() if value} for each in statements]
    world.trust(policy(*given))
    world.add_data_source()
    codes = {"problem": 1, "cannot tell": 3}
    said = world.check(only=["trust policy"])
    assert said.answer("trust policy").startswith(
        f"{in_stack} trust" if in_stack == "cannot tell" else f"{in_stack:8} "
    )
    assert said.code == codes.get(in_stack, 0)
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    options = ("--application", APPLICATION_ID, "--data-source-id", DATA_SOURCE_ID, "--json")
    said = world.run("check", *options)
    answers = {each["question"]: each["state"] for each in said.json["answers"]}
    assert answers["trust policy"] == outside


def test_fix_of_stack_deploys_it(world: World):
    world.trust(policy(trusting(ArnEquals={"aws:SourceArn": OTHER_APPLICATION})))
    assert world.ask("trust policy") == (
        "problem  trust policy: the trust policy does not let Amazon Q Business assume the role for "
        f"{APPLICATION_ARN}\n         fix: pulumi up --stack dev\n"
    )


def test_denial_from_a_date_to_come_is_announced(world: World):
    text = "it stops letting Amazon Q Business do so later\n"
    world.trust(policy(EXPECTED, denial(DateGreaterThan={"aws:CurrentTime": FUTURE})))
    assert text in world.ask("trust policy")
    world.trust(policy(EXPECTED, denial(DateLessThan={"aws:CurrentTime": PAST})))
    assert text not in world.ask("trust policy")


def test_stated_organization_of_role_is_not_that_of_service(world: World):
    condition = {"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
    world.trust(policy(EXPECTED, {**denial(), "Condition": condition}))
    stated = world.ask("trust policy", "--context", "aws:PrincipalOrgID=o-a1b2c3d4e5")
    assert stated.startswith("problem ")


def test_denial_is_narrowed_without_stack(world: World):
    world.add_data_source()
    services = denial() | {"NotPrincipal": {"Service": "kendra.amazonaws.com"}}
    del services["Principal"]
    world.trust(policy(EXPECTED, services))
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    said = world.run("check", "--application", APPLICATION_ID, "--data-source-id", DATA_SOURCE_ID)
    assert "in trust-policy.json, narrow or remove the statement Lock\n" in said.answer("trust policy")
