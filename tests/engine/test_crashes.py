"""Test that the page's commands repair a stack after a kill at any IAM call that changes a role.

Each of a stack's entries waits at a different call when the CLI is killed. There are no other states:
between two such calls, the engine only reads IAM and writes its own state.
"""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID
from sandbox import plugin
from tests.helpers.faults import Stop, gate
from tests.helpers.page import blocks, page_path, prose, run_section, with_values
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
from tests.helpers.support import REQUIRED, golden

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
    """Run the page's commands before the last one, which deletes a role that is not in the state."""
    *script, _ = blocks("sh", prose("After a crash during an update"))
    session = {"PATH": page_path(stack), **variables}
    return stack.execute("sh", "-euc", "\n".join(["sleep() { :; }", *script]), check=check, **session)


def fail_in_other_account(stack: Stack, reason: str) -> str:
    """Check that another account's credentials stop the commands before the state loses a resource.

    Return the output.
    """
    before = {resource["urn"]: resource.get("id") for resource in stack.resources()}
    credentials = other_credentials(stack.environment)
    with running_provider({**stack.environment, **credentials}) as provider:
        stopped = recover(stack, check=False, **credentials, **provider)
    assert stopped.returncode != 0
    assert reason in stopped.stdout
    assert {resource["urn"]: resource.get("id") for resource in stack.resources()} == before
    return stopped.stdout


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


def delete_unrecorded_roles(stack: Stack, aws: Aws, listed: str) -> None:
    """Delete the roles that the page's list names and that AWS created: one, or more by chance."""
    created = {*listed.split()} & {*aws.roles()}
    assert "created-role-qbusiness-role" in str(created)
    *_, script = blocks("sh", prose("After a crash during an update"))
    for name in created:
        deletion = with_values(script, {"NAME": name})
        stack.execute("sh", "-euc", deletion, check=True, PATH=page_path(stack))


@pytest.mark.thorough
def test_update_or_destroy_killed_at_any_call_is_repaired(new_stack: NewStack, aws: Aws):
    entries = (*CREATION, *POLICY_DELETION)
    stack = new_stack(settings_of(*entries, protect=True))
    kill_at(stack, UP, CREATION)
    # Before the first update, the state names no account, so only the application's ARN does.
    listed = fail_in_other_account(stack, f"but the credentials are for account {OTHER_ACCOUNT}")
    recover(stack)
    delete_unrecorded_roles(stack, aws, listed)
    assert_complete(stack, aws, *entries)

    moved = settings_of(*entries, rolePath="/connectors/")
    stack.configure(moved)
    kill_at(stack, UP, CREATION)
    stack.configure({**moved, "applicationId": APPLICATION_ID, "aws:allowedAccountIds": [ACCOUNT]})
    listed = fail_in_other_account(stack, f"AWS account ID not allowed: {OTHER_ACCOUNT}")
    recover(stack)
    delete_unrecorded_roles(stack, aws, listed)
    assert_complete(stack, aws, *entries, path="/connectors/")

    kill_at(stack, DESTROY, POLICY_DELETION)
    run_section(stack, "After a crash during a destroy")
    assert (aws.roles(), stack.resources()) == ([], [])


@pytest.mark.thorough
def test_replacement_with_set_names_killed_at_any_call_is_repaired(new_stack: NewStack, aws: Aws):
    entries = (*CREATION, *POLICY_DELETION, *ROLE_DELETION)
    stack = new_stack(settings_of(*entries, set_names=True))
    project = stack.directory / "Pulumi.yaml"
    project.write_text(project.read_text().replace("  refresh: always\n", ""))
    stack.up()
    stack.configure(settings_of(*entries, set_names=True, rolePath="/connectors/"))
    kill_at(stack, UP, {**CREATION, **POLICY_DELETION, **ROLE_DELETION})
    # A role with a configured name may be somebody else's, so a person inspects it before deleting it.
    done = recover(stack, check=False)
    assert done.returncode != 0
    assert "Role with name created-role already exists" in done.stdout
    run_section(stack, "After a lost response", NAME="created-role")
    recover(stack)
    assert_complete(stack, aws, *entries, path="/connectors/")

    kill_at(stack, DESTROY, ROLE_DELETION)
    run_section(stack, "After a crash during a destroy")
    assert (aws.roles(), stack.resources()) == ([], [])
