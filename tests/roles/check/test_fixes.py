"""Printed fixes work, and take nothing from another role that uses the same key."""

import json
import re
import shlex
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Final

import pytest

from components.formats import Location
from pages.examples import ACCOUNT, APPLICATION_ARN, REGION
from roles import stack
from tests.helpers.world import (
    KEY_ARN,
    OTHER_ID,
    OWN,
    ROLE_NAME,
    THROUGH_SECRETS_MANAGER,
    World,
    allow,
    allow_key,
    own_policy,
    policy,
)
from tests.roles.adopt.help import sh

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed", "aws_cli")]

OTHER_NAME: Final = "qbusiness-Other"
OTHER_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/{OTHER_NAME}"


def add_other(world: World) -> None:
    """Add a role outside the stack, with a data source and a secret under the same key."""
    secret = world.secret("other", KmsKeyId=KEY_ARN)
    decrypt = allow("kms:Decrypt", KEY_ARN, Condition=THROUGH_SECRETS_MANAGER)
    world.role(OTHER_NAME, own_policy(secret, decrypt))
    configuration = {"type": "AEM", "secretArn": secret}
    world.create_data_source(identifier=OTHER_ID, configuration=configuration, roleArn=OTHER_ARN)


def answers_of_other(world: World) -> Any:
    of = ("--application", APPLICATION_ARN, "--data-source-id", OTHER_ID, "--json")
    return world.run("check", *of).json["answers"]


def deploy(world: World) -> None:
    """Do what an update of the stack does to the role's policies."""

    def write() -> None:
        (role,) = stack.read_stack("dev", show_secrets=True).roles
        policies = stack.render(role, Location("aws", REGION, ACCOUNT))
        world.put_policy(policies.role_policy, OWN, ROLE_NAME)

    copy_context().run(write)  # Pulumi keeps its configuration in context variables


def carry_out(world: World, step: str) -> None:
    """Carry out a step as a user would."""
    if edited := re.fullmatch(r'in (\S+\.json), add to "Statement": (.*)', step):
        path = world.path(edited[1])
        document = json.loads(path.read_text())
        document["Statement"].append(json.loads(edited[2]))
        path.write_text(json.dumps(document))
    elif step.startswith("pulumi up "):
        deploy(world)
    elif step.startswith("qbusiness-roles assign "):
        assert world.run("assign", *shlex.split(step)[2:]).code == 0
        assert sh(world, "sh assign-dev-1.sh").returncode == 0
    elif step.startswith("aws "):
        done = sh(world, step)
        assert (done.returncode, done.stderr) == (0, ""), step
    else:
        assert step.startswith("or, if the settings are wrong, ")


def leave_other_statement(world: World) -> None:
    """Let only the other role decrypt."""
    through = {"StringEquals": {"kms:ViaService": [f"secretsmanager.{REGION}.amazonaws.com"]}}
    theirs = allow_key({"AWS": [OTHER_ARN]}, Action=["kms:Decrypt"], Condition=through)
    administrator = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/admin"}
    world.key_policy(allow_key(administrator, Sid="Administration", Action="kms:Put*"), theirs)


def replace_policy(world: World) -> None:
    world.put_policy(policy(allow("sqs:*", "*")))


def add_without_role(world: World) -> None:
    del world.add_data_source(description="Kept")["roleArn"]


@pytest.mark.parametrize(
    ("question", "spoil"),
    [
        ("key policy", leave_other_statement),
        ("role policy", replace_policy),
        ("other data source", add_without_role),
    ],
)
def test_fix_works_and_takes_nothing_from_others(
    world: World, question: str, spoil: Callable[[World], object]
):
    def ask() -> list[dict[str, Any]]:
        answers = world.check("--json", only=[question]).json["answers"]
        return [each for each in answers if each["state"] not in ("ok", "note")]

    world.server.qbusiness.keeps_omitted = False
    add_other(world)
    spoil(world)
    before = answers_of_other(world)
    (found,) = ask()
    for step in found["fix"].splitlines():
        carry_out(world, step)
    assert ask() == []
    assert answers_of_other(world) == before
