"""`roles check` reads the stack's settings and outputs through Pulumi."""

import re
from collections.abc import Callable

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT, REGION
from tests.helpers.stacks import PROJECT_NAME
from tests.helpers.world import ROLE_ARN, World

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


def test_missing_stack_is_reported_on_one_line(world: World):
    said = world.check("--stack", "nope")
    assert said.code == 2
    (line,) = said.err.splitlines()
    assert line.startswith(
        "check: `pulumi config` failed (no stack named 'nope' found): `pulumi stack ls`"
    )
    assert world.server.calls == []


@pytest.mark.parametrize("name", [f"acme/{PROJECT_NAME}/dev", "acme/dev"])
def test_commands_name_stack_as_given(world: World, name: str):
    world.recreate_secret()
    world.delete_policy()
    said = world.check("--stack", name)
    assert said.code == 1
    named = re.findall(r"--stack (\S+)", said.out)
    assert len(named) > 2
    assert set(named) == {name}


def test_stack_of_other_project_is_reported_on_one_line(world: World):
    line = world.check("--stack", "acme/website/dev").rejection
    assert line == (
        "check: stack acme/website/dev belongs to another project, website, but Pulumi.yaml in this "
        f"directory is for {PROJECT_NAME}: run the command in that project's directory, or "
        "pass one of this project's stacks with --stack; `pulumi stack ls` lists them"
    )
    world.settings = {"aws:region": REGION, "website:domain": "example.com"}
    line = world.check().rejection
    assert line.startswith(
        "check: stack dev seems to belong to another project: its settings are for website, but "
        f"Pulumi.yaml in this directory is for {PROJECT_NAME}: run the command in"
    )
    assert world.server.calls == []


def test_a_missing_project_is_reported(world: World):
    world.path("Pulumi.yaml").unlink()
    assert "change to the project's directory" in world.check().err


def test_a_machine_without_pulumi_is_reported(world: World):
    world.patch.setenv("PATH", "/nowhere")
    said = world.check()
    assert said.code == 2
    assert said.err.startswith("check: pulumi is not on PATH: install it")


ANOTHER_ACCOUNT: list[Callable[[World], object]] = [
    lambda world: world.outputs.update(roleArn=ROLE_ARN.replace(ACCOUNT, OTHER_ACCOUNT)),
    lambda world: world.set(applicationId=APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)),
    lambda world: world.set(accountId=OTHER_ACCOUNT),
]


@pytest.mark.parametrize("apply", ANOTHER_ACCOUNT, ids=["role", "application", "setting"])
def test_credentials_mismatch_is_reported_on_one_line(world: World, apply: Callable[[World], object]):
    apply(world)
    said = world.check()
    assert said.code == 2
    (line,) = said.err.splitlines()
    assert line.startswith(
        f"check: stack dev is in account {OTHER_ACCOUNT}, but the credentials are for account {ACCOUNT}"
    )
    assert world.server.calls == ["sts:GetCallerIdentity"]


def test_every_invalid_setting_is_reported_before_any_call(world: World):
    del world.settings["aws:region"]
    world.set(indexId="short")
    said = world.check()
    assert said.code == 2
    assert "aws:region: is required but not set" in said.err
    assert 'indexId: "short" is not an index ID' in said.err
    assert "fix: pulumi config set --stack dev --plaintext -- indexId INDEX_ID" in said.err
    assert world.server.calls == []
