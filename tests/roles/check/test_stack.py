"""roles/project: the state of a stack is read through Pulumi."""

from typing import Final

import pytest

from pages.examples import ACCOUNT, OTHER_ACCOUNT
from tests.helpers.stacks import PROJECT_NAME
from tests.helpers.state import declared, exported
from tests.helpers.support import golden
from tests.helpers.world import OWN, ROLE_ARN, ROLE_NAME, TRUST, World

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

PARTS: Final = {"role": ROLE_ARN, "application": TRUST}
POLICY: Final = golden("minimal-role-policy")


def test_missing_stack_is_reported_on_one_line(world: World):
    assert world.check("--stack", "nope").rejection.startswith(
        "check: `pulumi stack export` failed (no stack named 'nope' found): `pulumi stack ls` lists"
    )
    assert world.server.calls == []


@pytest.mark.parametrize("name", [f"acme/{PROJECT_NAME}/dev", "acme/dev"])
def test_commands_name_stack_as_given(world: World, name: str):
    world.iam.delete_role_policy(RoleName=ROLE_NAME, PolicyName=OWN)
    said = world.check("--stack", name)
    assert said.code == 1
    assert f"`pulumi preview --stack {name}` shows what an update changes" in said.out


def test_machine_without_pulumi_is_reported(world: World):
    world.patch.setenv("PATH", "/nowhere")
    assert world.check().rejection.startswith("check: pulumi is not on PATH: install it")


@pytest.mark.parametrize("part", ["role", "application"])
def test_credentials_for_another_account_are_rejected_before_other_calls(world: World, part: str):
    texts = {name: text.replace(ACCOUNT, OTHER_ACCOUNT) for name, text in PARTS.items() if name == part}
    found = PARTS | texts
    world.state = exported(*declared("wiki", found["role"], found["application"], POLICY))
    assert world.check().rejection.startswith(
        f"check: stack dev is in account {OTHER_ACCOUNT}, but the credentials are for account {ACCOUNT}"
    )
    assert world.server.calls == ["sts:GetCallerIdentity"]
