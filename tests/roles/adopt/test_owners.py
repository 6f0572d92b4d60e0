"""`roles adopt` leaves out the roles that another stack owns."""

import json
import subprocess
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from moto.iam.models import iam_backends

from pages.examples import ACCOUNT
from roles.adopt.owners import find_owners
from roles.output import Notes
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import NAME, OWN, TRUST, World, data_source_id
from tests.roles.adopt.help import Backend, role_resource


@pytest.mark.slow
def test_role_of_another_stack_is_left_out_unless_taken(world: World, backend: Backend):
    world.add_own(name="Mine", trust=TRUST.replace("ArnEquals", "ArnLike"))
    owned = world.role_arn
    world.add_own(name="Free")
    backend.add("acme/website/prod", role_resource(owned))
    said = world.adopt("--all")
    assert said.code == 1
    assert (
        f"  Mine (AEM, {data_source_id(1)}): stack acme/website/prod owns the role qbusiness-Mine: "
        "if two stacks own a role or policy, either can delete it, so first release it there "
        f"(docs/adopt-details.md); to adopt the role anyway, pass --take {data_source_id(1)}\n"
    ) in said.out
    assert world.adopt("--all", "--dry-run", "--take", data_source_id(1)).code == 0
    assert world.adopt("--all", "--force", "--exclude", data_source_id(1)).code == 0
    taken = world.adopt(
        "--stack", "taken", "--data-source", data_source_id(1), "--take", data_source_id(1)
    )
    assert f"\n  {owned}: stack acme/website/prod owns the role\n" in taken.out
    one = ("--stack", "new", "--dry-run", "--data-source", data_source_id(1))
    assert "no role can be adopted" in world.adopt(*one).err
    assert world.adopt(*one, "--take", data_source_id(1)).err == (
        "adopt: warning: stack acme/website/prod owns the role qbusiness-Mine, but --take adopts the "
        "role anyway\n"
    )


ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"
POLICY_ARN = f"arn:aws:iam::{ACCOUNT}:policy/console"


def owner(
    monkeypatch: pytest.MonkeyPatch, stack: str, listed: str, *resources: Mapping[str, Any]
) -> str | None:
    """Return the owner of NAME, or of a policy that the update replaces, if Pulumi lists this stack."""

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        if command[1] == "ls":
            assert ("--fully-qualify-stack-names" in command) is ("/" in stack)
            said: Any = [{"name": listed, "resourceCount": 1}, {"name": "empty", "resourceCount": 0}]
        else:
            assert command[:4] == ("stack", "export", "--stack", listed)
            said = {"deployment": {"resources": resources}}
        return subprocess.CompletedProcess(command, 0, json.dumps(said), "")

    monkeypatch.setattr("roles.adopt.owners.run_pulumi", run)
    role = SimpleNamespace(arn=ROLE_ARN, name=NAME, tags={})
    change = SimpleNamespace(inline="console", attached=POLICY_ARN)
    entry: Any = SimpleNamespace(role=role, replaced=None, change=change)
    found = find_owners([entry], stack, PROJECT_NAME, 1, Notes("adopt"))
    assert found.complete
    return found.by_role.get(ROLE_ARN)


@pytest.mark.parametrize(
    ("stack", "listed", "is_another"),
    [
        ("prod", "prod", False),
        ("acme/prod", "prod", False),
        ("acme/prod", f"acme/{PROJECT_NAME}/prod", False),
        (f"acme/{PROJECT_NAME}/prod", "prod", False),
        (f"acme/{PROJECT_NAME}/prod", f"acme/{PROJECT_NAME}/prod", False),
        (f"acme/{PROJECT_NAME}/prod", f"other/{PROJECT_NAME}/prod", True),
        (f"acme/{PROJECT_NAME}/prod", "acme/other/prod", True),
        ("prod", "other/prod", True),
        ("prod", f"other/{PROJECT_NAME}/prod", True),
    ],
)
def test_only_another_stack_is_an_owner(
    monkeypatch: pytest.MonkeyPatch, stack: str, listed: str, is_another: bool
):
    found = owner(monkeypatch, stack, listed, role_resource(ROLE_ARN))
    assert found == (f"stack {listed} owns the role" if is_another else None)


@pytest.mark.parametrize(
    ("resource", "owns"),
    [
        (role_resource(ROLE_ARN, type="aws-native:iam:Role"), "the role"),
        (role_resource(ROLE_ARN, id=NAME, outputs={"arn": {"ciphertext": "v1:x"}}), "the role"),
        (role_resource(ROLE_ARN, external=True), ""),  # only read
        (role_resource(ROLE_ARN, type="aws:iam/instanceProfile:InstanceProfile"), ""),
        *(
            ({"type": "aws:iam/rolePolicy:RolePolicy", "outputs": {"id": f"{NAME}:{name}"}}, owns)
            for name, owns in (
                ("console", "a policy of the role"),
                (OWN, "a policy of the role"),
                ("x", ""),
            )
        ),
        *(
            ({"type": kind, "outputs": {output: POLICY_ARN}}, "a policy of the role")
            for kind, output in (
                ("aws:iam/policy:Policy", "arn"),
                ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "policyArn"),
                ("aws:iam/policyAttachment:PolicyAttachment", "policyArn"),
                ("aws-native:iam:ManagedPolicy", "policyArn"),
            )
        ),
    ],
)
def test_stack_owns_only_roles_and_policies_it_manages(
    monkeypatch: pytest.MonkeyPatch, resource: dict[str, Any], owns: str
):
    found = owner(monkeypatch, "acme/prod", "acme/website/prod", resource)
    assert found == (f"stack acme/website/prod owns {owns}" if owns else None)


def test_stack_that_owns_role_and_policy_owns_the_role(monkeypatch: pytest.MonkeyPatch):
    both = [role_resource(ROLE_ARN), {"type": "aws:iam/policy:Policy", "outputs": {"arn": POLICY_ARN}}]
    for resources in (both, both[::-1]):
        found = owner(monkeypatch, "acme/prod", "acme/website/prod", *resources)
        assert found == "stack acme/website/prod owns the role"


def test_cloudformation_tags_name_an_owner(world: World):
    world.make()
    # Only AWS services can set such a tag.
    role: Any = iam_backends[ACCOUNT]["aws"].get_role(NAME)
    world.patch.setattr(role, "tags", [{"Key": "aws:cloudformation:stack-name", "Value": "q"}])
    said = world.adopt()
    assert said.code == 2
    assert (
        f"according to a tag, the CloudFormation stack q owns the role {NAME}: if two stacks own"
        in said.err
    )
    assert world.adopt("--take", DATA_SOURCE_ID).code == 0


def test_unread_stack_that_may_own_role_causes_warning(world: World, backend: Backend):
    world.make()
    backend.add("acme/website/old", role_resource(world.role_arn))
    backend.add("acme/website/new", role_resource(f"{world.role_arn}2"))
    said = world.adopt("--dry-run", "--stacks", "1")
    assert said.code == 0
    assert (
        "warning: cannot tell whether an unread stack owns any of the roles: --stacks allows "
        "only the 1 most recently updated of 2 stacks; to read all of them, pass --stacks 2\n"
    ) in said.err
    (backend.directory / "old.json").unlink()
    unreadable = "warning: cannot tell whether stack acme/website/old owns any of the roles: cat: "
    assert unreadable in world.adopt("--dry-run").err
    backend.program.unlink()
    missing = "cannot tell whether another stack owns any of the roles: pulumi is not on PATH\n"
    assert missing in world.adopt("--dry-run").err
