"""`roles adopt` leaves out the roles that another stack owns."""

from typing import Any

import pytest
from moto.iam.models import iam_backends

from pages.examples import ACCOUNT
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import NAME, TRUST, World, data_source_id, own_policy
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


@pytest.mark.parametrize("name", ["prod", "acme/prod", f"acme/{PROJECT_NAME}/prod"])
@pytest.mark.parametrize("listed", ["prod", f"acme/{PROJECT_NAME}/prod"])
def test_adopting_stack_may_already_own_role(world: World, backend: Backend, name: str, listed: str):
    world.make()
    backend.add(listed, role_resource(world.role_arn))
    assert world.run("adopt", "--dry-run", "--stack", name).code == 0


@pytest.mark.parametrize("name", [f"other/{PROJECT_NAME}/prod", "acme/other/prod"])
def test_same_name_in_other_project_or_org_is_another_stack(world: World, backend: Backend, name: str):
    world.make()
    backend.add(name, role_resource(world.role_arn))
    said = world.run("adopt", "--dry-run", "--stack", f"acme/{PROJECT_NAME}/prod")
    assert f"stack {name} owns" in said.err
    said = world.run("adopt", "--dry-run", "--stack", "prod")
    assert f"stack {name.replace(f'/{PROJECT_NAME}', '')} owns" in said.err


@pytest.mark.parametrize(
    ("resource", "owns"),
    [
        ({"type": "aws-native:iam:Role"}, True),
        ({"id": NAME, "outputs": {"arn": {"ciphertext": "v1:x"}}}, True),
        ({"external": True}, False),
        ({"type": "aws:iam/instanceProfile:InstanceProfile"}, False),
    ],
    ids=["another provider", "secret", "only read", "another resource"],
)
def test_stack_owns_only_roles_it_manages(
    world: World, backend: Backend, resource: dict[str, Any], owns: bool
):
    world.make()
    backend.add("acme/website/prod", role_resource(world.role_arn, **resource))
    assert ("acme/website/prod owns" in world.adopt("--dry-run").err) is owns


@pytest.mark.parametrize(
    ("kind", "output", "owns"),
    [
        ("rolePolicy:RolePolicy", {"id": f"{NAME}:console"}, True),
        ("rolePolicy:RolePolicy", {"id": f"{NAME}:other"}, False),
        ("policy:Policy", {"arn": f"arn:aws:iam::{ACCOUNT}:policy/console"}, True),
        (
            "rolePolicyAttachment:RolePolicyAttachment",
            {"policyArn": f"arn:aws:iam::{ACCOUNT}:policy/console"},
            True,
        ),
    ],
)
def test_role_is_left_out_if_replaced_policy_has_owner(
    world: World, backend: Backend, kind: str, output: dict[str, str], owns: bool
):
    world.make(policies={"console": own_policy()})
    world.attach(NAME, "console", own_policy(world.secret_arn))
    backend.add("acme/website/prod", {"type": f"aws:iam/{kind}", "outputs": output})
    said = world.adopt("--dry-run").err
    claim = f"stack acme/website/prod owns a policy of the role {NAME}: if two stacks own a role"
    assert (claim in said) is owns


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
