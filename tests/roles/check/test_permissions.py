"""`roles check` compares the role with the one that the program would create."""

from typing import Any

import pytest

from pages.examples import ACCOUNT
from tests.helpers.qbusiness_server import Simulation
from tests.helpers.world import (
    ROLE_ARN,
    ROLE_NAME,
    WIDE,
    World,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


def test_names_are_quoted_for_shell_in_commands(world: World):
    arn = world.attach(ROLE_NAME, "wide", Path="/$(id)/")
    for name in ("=ls", "-x"):
        world.put_policy(WIDE, name)
    lines = world.check(only=["other policies"]).out.splitlines()
    assert sorted(
        line.partition("to change this: ")[2] for line in lines if "to change this: " in line
    ) == [
        f"aws iam delete-role-policy --role-name {ROLE_NAME} --policy-name '=ls'",
        f"aws iam delete-role-policy --role-name {ROLE_NAME} --policy-name='-x'",
        f"aws iam detach-role-policy --role-name {ROLE_NAME} --policy-arn '{arn}'",
    ]


def test_role_of_session_is_simulated_with_its_path(world: World):
    world.iam.create_role(RoleName="admin", Path="/team/", AssumeRolePolicyDocument=WIDE)
    world.caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/me")
    principals: list[str] = []

    def decide(simulation: Simulation) -> Any:
        principals.append(simulation.principal)
        if simulation.actions == ["iam:PassRole"] and simulation.principal != ROLE_ARN:
            assert (simulation.resource, simulation.context) == (
                ROLE_ARN,
                {"iam:PassedToService": "qbusiness.amazonaws.com"},
            )
        return {}

    world.server.decide = decide
    admin = f"arn:aws:iam::{ACCOUNT}:role/team/admin"
    said = world.check(only=["requests allowed", "iam:PassRole"])
    assert said.answer("iam:PassRole") == (
        f"ok       iam:PassRole: {admin} can pass the role to qbusiness.amazonaws.com\n"
    )
    assert set(principals) == {ROLE_ARN, admin}
