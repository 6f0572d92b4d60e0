"""Tests docs/operate: the commands repair a stack if the CLI is killed during an IAM call.

When the CLI is killed, a call for each of several entries waits; IAM has executed some of these calls.
A kill between calls leads to the same states: the engine then only reads IAM and writes its own state.
"""

import re
from collections.abc import Mapping
from typing import Any

from sandbox import plugin
from tests.helpers.faults import Stop, gate
from tests.helpers.page import blocks, prose, run_script, run_section
from tests.helpers.processes import commands_with, eventually
from tests.helpers.stacks import DESTROY, UP, Aws, NewStack, Stack
from tests.helpers.support import REQUIRED, golden

CREATION = {
    "creating-role": Stop("CreateRole"),
    "created-role": Stop("CreateRole", executed=True),
    "putting-policy": Stop("PutRolePolicy"),
    "put-policy": Stop("PutRolePolicy", executed=True),
    "named": Stop("CreateRole", executed=True),
}
POLICY_DELETION = {
    "deleting-policy": Stop("DeleteRolePolicy"),
    "deleted-policy": Stop("DeleteRolePolicy", executed=True),
}
"""Entries, most of them named after the calls at which their roles wait. A role's name begins with its
entry's name; only `named` has a configured name."""
LIST, CANCEL, FINISH, DELETE = blocks("sh", prose("After a crash during an update"))


def settings_of(*entries: str, **settings: object) -> dict[str, Any]:
    """Return settings for a stack with these entries."""
    top = {key: value for key, value in REQUIRED.items() if key != "secretId"}
    secret = {"secretId": REQUIRED["secretId"]}
    named = {"named": {**secret, "roleName": "named"}}
    return {**top, **settings, "dataSources": dict.fromkeys(entries, secret) | named}


def kill_at(stack: Stack, command: tuple[str, ...], stops: Mapping[str, Stop]) -> None:
    """Kill an operation while a call for each entry waits; wait until the operation's processes end.

    The real provider's process may run for another five minutes, but can no longer reach IAM.
    """
    waiting = [stop._replace(role=entry) for entry, stop in stops.items()]
    with gate(stack.environment["AWS_ENDPOINT_URL"], *waiting) as iam:
        own = f"AWS_ENDPOINT_URL={iam.url}"
        process = stack.start(
            *command, "--parallel=100", AWS_ENDPOINT_URL=iam.url, PULUMI_RUN_PROGRAM="true"
        )
        try:
            for _ in waiting:
                iam.wait_for_call()
            running = " ".join(commands_with(own))
            assert "pulumi-language-python" in running
            assert re.search(rf"{plugin.EXECUTABLE_NAME}|sandbox\.provider", running)
        finally:
            process.kill()
            process.wait()
            eventually(
                lambda: all(plugin.EXECUTABLE_NAME in each for each in commands_with(own)),
                "its processes have ended",
            )


def test_killed_update_or_destroy_is_repaired(new_stack: NewStack, aws: Aws):
    entries = (*CREATION, *POLICY_DELETION)
    stack = new_stack(settings_of(*entries, protect=True))
    kill_at(stack, UP, CREATION)
    listed = run_script(stack, LIST).stdout.split()
    assert {name.partition("-qbusiness")[0] for name in listed} >= {
        *("creating-role", "created-role", "named")
    }
    run_script(stack, CANCEL)
    failed = run_script(stack, FINISH, check=False)
    assert failed.returncode != 0
    assert "Role with name named already exists" in failed.stdout
    run_section(stack, "After a lost response", NAME="named")
    run_script(stack, FINISH)
    created = {*listed} & {*aws.roles()} - {*stack.outputs()["roleNames"].values()}
    assert [name for name in created if name.startswith("created-role-qbusiness-role-")]
    for name in created:
        run_script(stack, DELETE, NAME=name)
    # Each entry has one role with its policy, and the state agrees with AWS.
    names = stack.outputs()["roleNames"]
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
    assert {role["name"]: (role["uniqueId"], role["arn"]) for role in roles} == {
        role["RoleName"]: (role["RoleId"], role["Arn"]) for role in aws.iam.list_roles()["Roles"]
    }

    stack.configure(settings_of(*entries))  # without protect, so that the roles can be destroyed
    stack.up()
    kill_at(stack, DESTROY, POLICY_DELETION)
    run_section(stack, "After a crash during a destroy")
    assert (aws.roles(), stack.resources()) == ([], [])
