"""`roles check` has IAM simulate connector requests."""

from typing import Any

import pytest

from pages.examples import ACCOUNT, REGION
from tests.helpers.world import (
    ROLE_ARN,
    WIDE,
    World,
    allow,
    policy,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


@pytest.mark.parametrize(("for_bucket", "requests"), [(False, 28), (True, 16)])
def test_program_policies_pass_simulation(world: World, for_bucket: bool, requests: int):
    if for_bucket:
        world.use_bucket()
    world.simulate()
    world.iam.put_user_policy(UserName="deployer", PolicyName="wide", PolicyDocument=WIDE)
    said = world.check()
    assert said.code == 0
    assert f"allow all {requests} connector requests" in said.answer("requests allowed")


def test_regional_boundary_passes_simulation(world: World):
    condition = {"StringEquals": {"aws:RequestedRegion": REGION}}
    world.bound(policy(allow("*", "*", Condition=condition)))
    world.simulate()
    assert world.ask("requests allowed").startswith("ok ")


def test_simulation_gets_every_known_key(world: World):
    contexts: list[Any] = []

    def decide(simulation: Any) -> dict[str, Any]:
        contexts.append(simulation.context)
        return {}

    world.server.decide = decide
    world.ask("requests allowed")
    assert contexts
    for context in contexts:
        assert context["aws:principalarn"] == ROLE_ARN
        assert context["aws:principalaccount"] == ACCOUNT
