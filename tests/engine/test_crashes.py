"""Test that the recovery restores a stack after the CLI is killed at any IAM call that changes a role.

Each of a stack's entries waits at a different call when the CLI is killed. There are no other states:
between two such calls, the engine only reads IAM and writes its own state.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID
from sandbox import plugin
from tests.helpers.faults import Stop, gate
from tests.helpers.page import commands, page_path, run_section
from tests.helpers.processes import commands_in, eventually
from tests.helpers.stacks import (
    DESTROY,
    OTHER_ACCOUNT,
    UP,
    Aws,
    NewStack,
    Stack,
    other_credentials,
    running_provider,
)
from tests.helpers.support import PROJECT_NAME, REQUIRED, golden

CREATION = {
    "creating-role": Stop("CreateRole"),
    "created-role": Stop("CreateRole", executed=True),
    "putting-policy": Stop("PutRolePolicy"),
    "put-policy": Stop("PutRolePolicy", executed=True),
}
POLICY_DELETION = {
    "deleting-policy": Stop("DeleteRolePolicy"),
    "deleted-policy": Stop("DeleteRolePolicy", executed=True),
}
ROLE_DELETION = {
    "deleting-role": Stop("DeleteRole"),
    "deleted-role": Stop("DeleteRole", executed=True),
}
"""Entries, named after the call at which their role waits. The role's name begins with that name."""


def settings_of(*entries: str, set_names: bool = False, **settings: object) -> dict[str, Any]:
    """Return settings for a stack with these entries."""
    top = {key: value for key, value in REQUIRED.items() if key != "secretId"}
    secret = {"secretId": REQUIRED["secretId"]}
    sources = {entry: secret | ({"roleName": entry} if set_names else {}) for entry in entries}
    return {**top, **settings, "dataSources": sources}


def kill_at(stack: Stack, command: tuple[str, ...], stops: Mapping[str, Stop]) -> None:
    """Kill an operation while each entry waits at its call; wait until its processes have ended.

    The real provider's process may live for another five minutes, but can no longer reach IAM.
    """
    waiting = [stop._replace(role=entry) for entry, stop in stops.items()]
    with gate(stack.environment["AWS_ENDPOINT_URL"], *waiting) as iam:
        process = stack.start(
            *command, "--parallel=100", AWS_ENDPOINT_URL=iam.url, PULUMI_RUN_PROGRAM="true"
        )
        try:
            for _ in waiting:
                iam.wait_for_call()
            running = " ".join(commands_in(stack.directory))
            assert "pulumi-language-python" in running
            assert re.search(rf"{plugin.NAME}|sandbox\.provider", running)
        finally:
            process.kill()
            process.wait()
            eventually(
                lambda: not processes_except_the_plugin_in(stack.directory), "its processes have ended"
            )


def processes_except_the_plugin_in(directory: Path) -> list[str]:
    """Return the commands of all processes but the plugin's, which may outlive the engine."""
    return [command for command in commands_in(directory) if plugin.NAME not in command]


def recover(stack: Stack, *, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the page's recovery command without its confirmation prompt."""
    command = f"{commands('After a crash during an update').strip()} --yes"
    session = {"PATH": page_path(stack), "STACK": stack.name, **variables}
    return stack.execute("sh", "-euc", command, check=check, **session)


def assert_keeps_the_record(stack: Stack, reason: str, **variables: str) -> None:
    """Check that the recovery does not start, and that it keeps the record of roles that may exist."""
    before = stack.state()
    assert before["pending_operations"]
    stopped = recover(stack, check=False, **variables)
    assert stopped.returncode == 2
    assert reason in stopped.stdout
    assert stack.state() == before


def assert_complete(stack: Stack, aws: Aws, *entries: str, path: str = "/") -> None:
    """Check that each entry has one role with its policy, and that the state agrees with AWS."""
    names = stack.outputs()["roleNames"]
    assert {*names} == {*entries}
    policies = {role: (aws.trust_policy(role), aws.role_policies(role)) for role in aws.roles()}
    complete = (golden("trust-policy"), {"qbusiness-aem-connector": golden("minimal-role-policy")})
    assert policies == {names[entry]: complete for entry in entries}
    own = [resource for resource in stack.resources() if resource["type"].startswith("aws:iam/")]
    assert sorted(resource["urn"].rpartition("::")[2] for resource in own) == sorted(
        f"{entry}-qbusiness-{kind}" for entry in entries for kind in ("role", "policy")
    )
    assert not any(resource.get("delete") for resource in own)
    assert not stack.state().get("pending_operations")
    roles = [resource["outputs"] for resource in own if resource["type"] == "aws:iam/role:Role"]
    assert {role["name"]: (role["uniqueId"], role["arn"], role["path"]) for role in roles} == {
        role["RoleName"]: (role["RoleId"], role["Arn"], path) for role in aws.iam.list_roles()["Roles"]
    }


@pytest.mark.thorough
def test_a_kill_at_any_call_of_an_update_or_a_destroy_loses_nothing(new_stack: NewStack, aws: Aws):
    entries = (*CREATION, *POLICY_DELETION)
    stack = new_stack(settings_of(*entries, protect=True))
    kill_at(stack, UP, CREATION)
    # Before the first update, only the application's ARN names the account.
    other = REQUIRED["applicationId"].replace(ACCOUNT, OTHER_ACCOUNT)
    stack.configure(settings_of(*entries, applicationId=other))
    assert_keeps_the_record(stack, f"but the credentials are for account {ACCOUNT}")
    stack.configure(settings_of(*entries))
    # Meanwhile, somebody manually added a policy to a role.
    (orphan,) = (role for role in aws.roles() if role.startswith("created-role"))
    by_hand = {"RoleName": orphan, "PolicyName": "by-hand"}
    aws.iam.put_role_policy(**by_hand, PolicyDocument=golden("minimal-role-policy"))
    stopped = recover(stack, check=False)
    assert stopped.returncode == 1
    assert "DeleteConflict" in stopped.stdout
    aws.iam.delete_role_policy(**by_hand)
    recover(stack)
    assert_complete(stack, aws, *entries)

    moved = settings_of(*entries, rolePath="/connectors/")
    stack.configure(moved)
    kill_at(stack, UP, CREATION)
    # Now the credentials are for another account than the roles' account, which no setting contains.
    stack.configure({**moved, "applicationId": APPLICATION_ID})
    credentials = other_credentials(stack.environment)
    with running_provider({**stack.environment, **credentials}) as provider:
        assert_keeps_the_record(stack, "was not found with these credentials", **credentials, **provider)
    stack.configure(moved)
    recover(stack)
    assert_complete(stack, aws, *entries, path="/connectors/")

    kill_at(stack, DESTROY, POLICY_DELETION)
    run_section(stack, "After a crash during a destroy")
    assert (aws.roles(), stack.resources()) == ([], [])


@pytest.mark.thorough
def test_a_kill_at_any_call_of_a_replacement_by_a_role_with_the_same_name_loses_nothing(
    new_stack: NewStack, aws: Aws
):
    entries = (*CREATION, *POLICY_DELETION, *ROLE_DELETION)
    stack = new_stack(settings_of(*entries, set_names=True))
    stack.up()
    stack.configure(settings_of(*entries, set_names=True, rolePath="/connectors/"))
    kill_at(stack, UP, {**CREATION, **POLICY_DELETION, **ROLE_DELETION})
    # A role with a configured name may belong to somebody else, so a person inspects it before deleting
    # it.
    done = recover(stack, check=False)
    assert done.returncode == 1
    assert "Role with name created-role already exists" in done.stdout
    run_section(stack, "After a lost response", NAME="created-role")
    run_section(stack, "Keep the new name")
    assert_complete(stack, aws, *entries, path="/connectors/")

    kill_at(stack, DESTROY, ROLE_DELETION)
    run_section(stack, "After a crash during a destroy")
    assert (aws.roles(), stack.resources()) == ([], [])


def restore_the_backup(stack: Stack) -> None:
    unreadable = stack.run("stack", "export", "--stack", stack.name, check=False)
    assert "unexpected end of JSON input" in unreadable.stdout
    assert run_section(stack, "After a full disk", check=False).returncode != 0
    backend = str(stack.state_file.parents[3])
    named = "If the state is truncated"
    run_section(stack, named, BACKEND=backend, PROJECT=PROJECT_NAME, STACK=stack.name)


def test_a_state_that_a_full_disk_has_truncated_is_restored(new_stack: NewStack, aws: Aws):
    stack = new_stack(settings_of("created-role"))
    stack.up()
    for size in (0, 4096):
        os.truncate(stack.state_file, size)
        restore_the_backup(stack)
    # Now a role is also missing from the state.
    stack.configure(settings_of("created-role", rolePath="/connectors/"))
    kill_at(stack, UP, {"created-role": CREATION["created-role"]})
    # On a full disk, Pulumi's next write makes a copy and then truncates the state.
    shutil.copyfile(stack.state_file, f"{stack.state_file}.bak")
    os.truncate(stack.state_file, 512)
    restore_the_backup(stack)
    recover(stack)
    assert_complete(stack, aws, "created-role", path="/connectors/")


def test_an_empty_lock_left_by_a_full_disk_is_removed_and_the_state_kept(new_stack: NewStack, aws: Aws):
    # Nothing is recorded yet.
    stack = new_stack(settings_of("role"))
    before = stack.state_file.read_text()
    backend = stack.state_file.parents[3]
    locks = backend / ".pulumi" / "locks" / "organization" / PROJECT_NAME / stack.name
    locks.mkdir(parents=True)
    (locks / "1.json.18eb4521c5fcc0ca.tmp").touch()
    assert "unexpected end of JSON input" in stack.up(check=False).text
    run_section(stack, "After a full disk")
    assert stack.state_file.read_text() == before
    assert "The state contains no interrupted operation." in recover(stack).stdout
    stack.up()
    assert_complete(stack, aws, "role")


def test_a_stack_with_an_empty_attrs_file_can_be_read_again(new_stack: NewStack):
    stack = new_stack(REQUIRED)
    before = stack.state()
    backend = stack.state_file.parents[3]
    Path(f"{stack.state_file}.attrs").touch()
    unreadable = stack.run("stack", "export", "--stack", stack.name, check=False)
    assert "failed to load checkpoint: EOF" in unreadable.stdout
    run_section(stack, "If the stack cannot be read", BACKEND=str(backend))
    assert stack.state() == before
