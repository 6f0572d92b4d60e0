"""Tests `roles/adopt/owners.py`, which finds the roles that a stack owns."""

import json
import subprocess
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from moto.iam.models import iam_backends

from pages.examples import ACCOUNT
from roles.adopt.owners import OWN, find_owners
from roles.output import Notes
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import NAME, TRUST, World, data_source_id
from tests.helpers.world import OWN as POLICY
from tests.roles.adopt.help import Backend, role_resource


@pytest.mark.slow
def test_role_owned_by_a_stack_is_left_out_without_take(world: World, backend: Backend):
    world.add_own(name="Mine", trust=TRUST.replace("ArnEquals", "ArnLike"))
    owned = world.role_arn
    world.add_own(name="Free")
    backend.add("acme/website/live", role_resource(owned))
    own = f"urn:pulumi:prod::{PROJECT_NAME}::x"
    backend.add("prod", role_resource(world.role_arn.replace("Free", "Ours"), urn=own))
    world.add_own(name="Ours")
    said = world.adopt()
    assert said.code == 1
    assert (
        f"  Mine (AEM, {data_source_id(1)}): stack acme/website/live owns the role qbusiness-Mine: "
        "if two stacks own a role or policy, either can delete it, so first release it from the other "
        f"stack (docs/adopt.md); to adopt the role anyway, pass --take {data_source_id(1)}\n"
    ) in said.out
    assert (
        f"  Ours (AEM, {data_source_id(3)}): stack prod already has the role qbusiness-Ours\n"
        in said.out
    )
    assert world.adopt("--exclude", data_source_id(1)).code == 0
    one = ("--data-source", data_source_id(1))
    nothing = world.adopt(*one)
    assert (nothing.code, world.adopted_files) == (1, [])
    taken = world.adopt(*one, "--take", data_source_id(1))
    assert taken.code == 0
    assert (
        "mine: warning: stack acme/website/live owns the role qbusiness-Mine, but --take adopts the "
        "role anyway\n"
    ) in taken.out
    again = world.adopt("--data-source", data_source_id(3))
    assert (again.code, world.adopted_files) == (0, [])


ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"


def owner(
    monkeypatch: pytest.MonkeyPatch, stack: str, listed: str, *resources: Mapping[str, Any]
) -> str | None:
    """Return the owner of the role NAME, or of its policy, if the stack `listed` has these resources."""

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        if command[1] == "ls":
            assert ("--fully-qualify-stack-names" in command) is ("/" in stack)
            said: Any = [{"name": listed, "resourceCount": 1}, {"name": "empty", "resourceCount": 0}]
        else:
            assert command[:4] == ("stack", "export", "--stack", listed)
            said = {"deployment": {"resources": resources}}
        return subprocess.CompletedProcess(command, 0, json.dumps(said), "")

    monkeypatch.setattr("roles.adopt.owners.run_pulumi", run)
    role: Any = SimpleNamespace(arn=ROLE_ARN, name=NAME, tags={})
    return find_owners([role], stack, PROJECT_NAME, Notes("adopt")).get(ROLE_ARN)


@pytest.mark.parametrize(
    ("stack", "listed", "urn", "is_another"),
    [
        ("prod", "prod", f"urn:pulumi:prod::{PROJECT_NAME}::x", False),
        ("acme/prod", f"acme/{PROJECT_NAME}/prod", f"urn:pulumi:prod::{PROJECT_NAME}::x", False),
        ("acme/prod", f"other/{PROJECT_NAME}/prod", f"urn:pulumi:prod::{PROJECT_NAME}::x", True),
        ("prod", "other/prod", f"urn:pulumi:prod::{PROJECT_NAME}::x", True),
        ("acme/prod", f"acme/{PROJECT_NAME}/dev", f"urn:pulumi:dev::{PROJECT_NAME}::x", True),
        ("prod", "other", "urn:pulumi:prod::other::x", True),
    ],
)
def test_only_another_stack_is_an_owner(
    monkeypatch: pytest.MonkeyPatch, stack: str, listed: str, urn: str, is_another: bool
):
    found = owner(monkeypatch, stack, listed, role_resource(ROLE_ARN, urn=urn))
    assert found == (f"stack {listed} owns the role" if is_another else OWN)


@pytest.mark.parametrize(
    ("resource", "owns"),
    [
        (role_resource(ROLE_ARN, type="aws-native:iam:Role"), "the role"),
        (role_resource(ROLE_ARN, id=NAME, outputs={"arn": {"ciphertext": "v1:x"}}), "the role"),
        (role_resource(ROLE_ARN, external=True), ""),  # the stack only reads the role
        (role_resource(ROLE_ARN, type="aws:iam/instanceProfile:InstanceProfile"), ""),
        *(
            (
                {
                    **role_resource(""),
                    "type": "aws:iam/rolePolicy:RolePolicy",
                    "outputs": {"id": f"{NAME}:{name}"},
                },
                owns,
            )
            for name, owns in (
                (POLICY, "a policy of the role"),
                ("x", ""),
            )
        ),
    ],
)
def test_stack_owns_only_roles_and_policies_it_manages(
    monkeypatch: pytest.MonkeyPatch, resource: dict[str, Any], owns: str
):
    found = owner(monkeypatch, "acme/prod", "acme/website/prod", resource)
    assert found == (f"stack acme/website/prod owns {owns}" if owns else None)


def test_owner_of_role_and_policy_is_reported_as_owner_of_role(monkeypatch: pytest.MonkeyPatch):
    own = {
        **role_resource(""),
        "type": "aws:iam/rolePolicy:RolePolicy",
        "outputs": {"id": f"{NAME}:{POLICY}"},
    }
    both = [role_resource(ROLE_ARN), own]
    for resources in (both, both[::-1]):
        found = owner(monkeypatch, "acme/prod", "acme/website/prod", *resources)
        assert found == "stack acme/website/prod owns the role"


def test_cloudformation_tag_identifies_an_owner(world: World):
    world.make()
    # Only AWS services can set such a tag, so the test sets it in moto.
    role: Any = iam_backends[ACCOUNT]["aws"].get_role(NAME)
    world.patch.setattr(role, "tags", [{"Key": "aws:cloudformation:stack-name", "Value": "q"}])
    said = world.adopt()
    assert said.code == 1
    assert (
        f"according to a tag, the CloudFormation stack q owns the role {NAME}: if two stacks own"
        in said.out
    )
    assert world.adopt("--take", DATA_SOURCE_ID).code == 0


def test_unread_stack_that_may_own_role_causes_warning(world: World, backend: Backend):
    world.make()
    backend.add("acme/website/old", role_resource(world.role_arn))
    backend.add("acme/website/new", role_resource(f"{world.role_arn}2"))
    world.patch.setattr("roles.adopt.owners._STACKS", 1)
    said = world.adopt("--dry-run")
    assert said.code == 0
    assert (
        "warning: cannot tell whether an unread stack owns any of the roles: only the 1 most recently "
        "updated of 2 stacks were read\n"
    ) in said.err
    world.patch.setattr("roles.adopt.owners._STACKS", 2)
    (backend.directory / "old.json").unlink()
    unreadable = "warning: cannot tell whether stack acme/website/old owns any of the roles: cat: "
    assert unreadable in world.adopt("--dry-run").err
    backend.program.unlink()
    missing = "cannot tell whether another stack owns any of the roles: pulumi is not on PATH\n"
    assert missing in world.adopt("--dry-run").err
