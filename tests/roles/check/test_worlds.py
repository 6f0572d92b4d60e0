"""`roles check` decides each request from all policies that apply, as AWS documents it."""

from collections.abc import Callable, Sequence
from contextvars import copy_context
from pathlib import Path
from typing import Any, Final

import pytest

from guardrails.iam.truth import Truth
from pages.examples import OTHER_ACCOUNT
from roles.check import command
from roles.check.case import Case, collect
from roles.check.context import keys_in
from roles.check.decisions import Decision
from roles.check.subject import Subject
from roles.output import Output
from roles.stack import read_stack
from tests.authorization.simulator import ask
from tests.helpers.world import ROLE_ARN
from tests.roles.check.recording import replaced
from tests.roles.check.responses import GOT_ROLE, allow, bucket, deny, document, files, rejected, without
from tests.roles.check.worlds import (
    DATA_SOURCE,
    GOLDEN,
    STACK,
    WORLDS,
    World,
    change,
    exit_code,
    outputs,
    states,
)

WITH_AND_WITHOUT_STACK: Final = [
    pytest.param(world, arguments, id=f"{world.name}, {arguments[0]}")
    for world in WORLDS
    for arguments in (STACK, DATA_SOURCE)
    if arguments == STACK or not world.is_of_bucket
]


@pytest.mark.slow
@pytest.mark.parametrize(("world", "arguments"), WITH_AND_WITHOUT_STACK)
def test_check_reports_problems_of_world(world: World, arguments: Sequence[str]):
    wrong = world.wrong_with(arguments)
    assert states(world, arguments) == (exit_code(wrong.values()), wrong)


def decide(world: World) -> tuple[Case, list[Decision]]:
    """Return the decisions about the stack's role in a world."""

    def read() -> tuple[Case, list[Decision]]:
        (settings,) = read_stack("dev", show_secrets=False).roles
        output = Output("check")
        subject = Subject(settings, command.Account(settings.region, output))
        case = collect(subject, [subject], {})
        return case, case.decisions

    with replaced(*change(world, STACK)):
        return copy_context().run(read)


def as_question(case: Case, world: World, decision: Decision) -> dict[str, Any]:
    """Return the question for the simulator, with all keys that the policies name."""
    every = [*case.policies, *case.resources, *filter(None, [case.boundary])]
    keys = keys_in(statement for each in every for statement in each.statements)
    found = {key: decision.request.context.get(key) for key in keys}
    context = {
        key: str(values[0]) if len(values) == 1 else [*map(str, values)]
        for key, values in found.items()
        if values
    }
    context["aws:ResourceAccount"] = str(decision.request.context.values["aws:resourceaccount"][0])
    request = decision.request
    asked = {
        "principal": ROLE_ARN,
        "action": request.action,
        "resource": str(request.resource),
        "context": context,
    }
    own = [*(world.own or without(bucket_owner=world.bucket_owner)), *world.guard, *world.attached]
    resource = {"kms": world.key, "secretsmanager": world.secret, "s3": world.bucket or ()}
    service = request.action.partition(":")[0]
    statements = resource.get(service, ())
    if service in resource and not statements:  # otherwise, the simulator would add a delegation
        statements = [allow(Principal={"AWS": "arn:aws:iam::444455556666:root"})]
    return {
        "policy": document([each | {"Sid": f"S{number}"} for number, each in enumerate(own)]),
        "requests": [asked],
        **({"trust": document(statements)} if statements else {}),
        **({"boundary": document(world.boundary)} if world.boundary else {}),
    }


@pytest.mark.slow
def test_independent_evaluator_agrees_with_decisions():
    different: list[str] = []
    for world in WORLDS:
        case, decisions = decide(world)
        known = [each for each in decisions if each.allowed is not Truth.CANNOT_TELL]
        answers = ask([as_question(case, world, each) for each in known])
        for decision, answer in zip(known, answers, strict=True):
            allowed = answer["decisions"] == ["Allowed"]
            if allowed != (decision.allowed is Truth.YES):
                different.append(f"{world.name}: {decision.request.action}")
    assert different == []


def test_output_of_every_world_matches_golden_file(assert_golden: Callable[[Path, str], None]):
    assert_golden(GOLDEN, outputs())


REQUESTS: Final = (
    World(
        "a secret with a key and a VPC, in an organization",
        secret_tags={"Team": "web", "Stage": "one", "stage": "two"},
        role_tags={"Owner": "search"},
        guard=deny(condition={"StringNotEquals": {"aws:ResourceOrgID": "o-a1b2c3d4e5"}}),
        organization="o-a1b2c3d4e5",
    ),
    World(
        "another account's bucket of documents, outside any organization",
        guard=deny(condition={"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
        bucket=[],
        settings={"bucketAccountId": OTHER_ACCOUNT},
    ),
    World(
        "files in a bucket, and a role that cannot be read",
        settings=files(vpcConfiguration=None, allowNetworkInterfaceDeletion=None),
        calls=bucket() | rejected(GOT_ROLE),
    ),
)


def keys_of(decision: Decision) -> list[str]:
    """Return a line for each condition key in the context of a request."""
    context = decision.request.context
    values = {key: ", ".join(map(str, its)) for key, its in context.values.items()}
    lines = [f"  {key}{f' = {text}' if text else ' is absent'}" for key, text in values.items()]
    return sorted([*lines, *(f"  no other {prefix}*" for prefix in context.complete)])


def test_each_request_has_the_known_condition_keys(assert_golden: Callable[[Path, str], None]):
    lines: list[str] = []
    for world in REQUESTS:
        _, decisions = decide(world)
        every = [
            (f"{each.request.action} on {each.request.resource}", keys_of(each)) for each in decisions
        ]
        common = [key for key in every[0][1] if all(key in keys for _, keys in every)]
        alike: dict[tuple[str, ...], list[str]] = {}
        for title, keys in every:
            own = tuple(key for key in keys if key not in common)
            alike.setdefault(own, []).append(title)
        lines += [world.name, *common]
        lines += [line for own, titles in alike.items() for line in ("", *titles, *own)]
        lines.append("")
    assert_golden(Path(__file__).with_name("requests.txt"), "\n".join(lines))
