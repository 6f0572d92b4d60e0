"""Test that the documented recovery restores a stack after the CLI was killed at any moment.

The kills are spread over the duration of an update and of a destroy, as measured on this machine.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evidence.examples import ACCOUNT, OTHER_ACCOUNT
from tests.helpers.faults import gate
from tests.helpers.page import run_section
from tests.helpers.processes import commands_in, eventually
from tests.helpers.stacks import DESTROY, UP, Aws, NewStack, Stack
from tests.helpers.support import PROJECT_NAME, REQUIRED, golden

POINTS = 25


def kill_at(stack: Stack, arguments: tuple[str, ...], seconds: float) -> bool:
    """Kill an operation after a number of seconds; return whether it was still running."""
    process = stack.start(*arguments)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(stack, process)
        return True
    return False


def kill(stack: Stack, process: subprocess.Popen[str]) -> None:
    """Kill an operation, and wait until the processes that it started have ended."""
    process.kill()
    process.wait()
    eventually(lambda: not commands_in(stack.directory), "its processes have ended")


def recover(stack: Stack, name: str) -> None:
    """Follow the page; a role with a set name must be inspected before it is deleted."""
    done = run_section(stack, "After a crash during an update", check=False)
    if done.returncode:
        assert f"Role with name {name} already exists" in done.stdout
        run_section(stack, "After a lost response", NAME=name)


def own_roles(aws: Aws, prefix: str) -> list[str]:
    return [role for role in aws.roles() if role.startswith(prefix)]


def assert_one_role_with_its_policy(stack: Stack, aws: Aws, prefix: str) -> None:
    (role,) = own_roles(aws, prefix)
    assert stack.outputs()["roleName"] == role
    assert aws.trust_policy(role) == golden("trust-policy")
    assert aws.role_policies(role) == {"qbusiness-aem-connector": golden("minimal-role-policy")}
    # After the page's last command, an update, the state agrees with AWS.
    own = [resource for resource in stack.resources() if resource["type"].startswith("aws:iam/")]
    assert [resource["type"] for resource in own] == [
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
    ]
    assert not any(resource.get("delete") for resource in own)
    present = aws.iam.get_role(RoleName=role)["Role"]
    assert [own[0]["outputs"][name] for name in ("uniqueId", "arn", "path")] == [
        present[name] for name in ("RoleId", "Arn", "Path")
    ]
    assert not stack.state().get("pending_operations")


@pytest.fixture(scope="session")
def durations() -> dict[tuple[str, ...], float]:
    """Return the durations of operations that are not killed."""
    return {}


def duration(known: dict[tuple[str, ...], float], stack: Stack, arguments: tuple[str, ...]) -> None:
    if arguments not in known:
        begin = time.monotonic()
        assert stack.start(*arguments).wait() == 0
        known[arguments] = time.monotonic() - begin


@pytest.mark.parametrize("point", range(POINTS))
def test_a_kill_at_any_moment_of_an_update_or_a_destroy_loses_nothing(
    new_stack: NewStack,
    aws: Aws,
    durations: dict[tuple[str, ...], float],
    point: int,
    record_property: Callable[[str, object], None],
):
    stack = new_stack(REQUIRED)
    name = f"qbusiness-crash-{os.getpid()}-{point}"
    if point % 2:
        # Every second role has a set name: a second CreateRole would conflict with it.
        stack.configure({**REQUIRED, "roleName": name})
        prefix = name
    else:
        stack.write_program(stack.program.replace("aem-connector", name[-30:]))
        prefix = f"{name[-30:]}-qbusiness-role"
    duration(durations, stack, UP)
    duration(durations, stack, DESTROY)

    fraction = point / (POINTS - 1)
    running = kill_at(stack, UP, durations[UP] * fraction)
    recover(stack, name)
    assert_one_role_with_its_policy(stack, aws, prefix)
    running_too = kill_at(stack, DESTROY, durations[DESTROY] * fraction)
    run_section(stack, "After a crash during a destroy")
    assert own_roles(aws, prefix) == []
    assert stack.resources() == []
    counts = {
        f"kill {point:2}: update {'killed' if running else 'had ended'} at {fraction:.0%}, "
        f"destroy {'killed' if running_too else 'had ended'}": 2
    }
    record_property("figure", {"kills": counts})


@contextmanager
def killed_inside_create_role(stack: Stack, *, applied: bool) -> Generator[None]:
    """Kill an update during CreateRole, which IAM has `applied` or not received."""
    with gate(stack.environment["AWS_ENDPOINT_URL"], applied=applied) as iam:
        process = stack.start(*UP, AWS_ENDPOINT_URL=iam.url)
        try:
            iam.wait_for_call()
            yield
        finally:
            kill(stack, process)


@pytest.mark.parametrize("role_name", ["", "qbusiness-orphan"], ids=["automatic name", "set name"])
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not received"])
def test_a_kill_during_create_role_leaves_no_orphan(
    new_stack: NewStack, aws: Aws, role_name: str, applied: bool
):
    stack = new_stack({**REQUIRED, "roleName": role_name})
    before = set(aws.roles())
    with killed_inside_create_role(stack, applied=applied):
        pass
    assert len(set(aws.roles()) - before) == (1 if applied else 0)
    recover(stack, role_name)
    (role,) = set(aws.roles()) - before
    assert_one_role_with_its_policy(stack, aws, role)
    stack.destroy()
    assert set(aws.roles()) == before


@pytest.mark.parametrize("role_name", ["", "qbusiness-replaced"], ids=["automatic name", "set name"])
def test_a_kill_during_a_replacement_loses_nothing(new_stack: NewStack, aws: Aws, role_name: str):
    before = set(aws.roles())
    stack = new_stack({**REQUIRED, "roleName": role_name})
    stack.up()
    old = set(aws.roles())
    stack.configure({**REQUIRED, "roleName": role_name, "rolePath": "/connectors/"})
    with killed_inside_create_role(stack, applied=True):
        assert role_name in aws.roles() if role_name else set(aws.roles()) - old
    recover(stack, role_name)
    (role,) = set(aws.roles()) - before
    assert_one_role_with_its_policy(stack, aws, role)
    assert stack.outputs()["roleArn"].endswith(f":role/connectors/{role}")
    assert stack.drift().exit_code == 0


def test_the_recovery_does_not_touch_another_role(new_stack: NewStack, aws: Aws):
    name = "qbusiness-other"
    created = aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=golden("trust-policy"))
    stack = new_stack({**REQUIRED, "roleName": name})
    with killed_inside_create_role(stack, applied=False):
        pass
    done = run_section(stack, "After a crash during an update", check=False)
    assert done.returncode != 0
    assert f"Role with name {name} already exists" in done.stdout
    assert aws.iam.get_role(RoleName=name)["Role"]["RoleId"] == created["Role"]["RoleId"]
    aws.iam.delete_role(RoleName=name)


def test_with_credentials_of_another_account_the_recovery_stops_and_keeps_the_record(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack(REQUIRED)
    stack.up()
    stack.configure({**REQUIRED, "rolePath": "/connectors/"})
    with killed_inside_create_role(stack, applied=True):
        pass
    created = set(aws.roles())
    right = stack.state_file.read_text()
    arn = stack.outputs()["roleArn"]
    # Now the credentials are for another account than the role's.
    stack.state_file.write_text(right.replace(arn, arn.replace(ACCOUNT, OTHER_ACCOUNT)))
    before = stack.state()
    stopped = run_section(stack, "After a crash during an update", check=False)
    assert stopped.returncode != 0
    assert f"The role is in account {OTHER_ACCOUNT}, and the credentials are for {ACCOUNT}." in (
        stopped.stdout
    )
    assert stack.state() == before
    assert before["pending_operations"]
    assert set(aws.roles()) == created
    stack.state_file.write_text(right)
    recover(stack, "")
    assert stack.drift().exit_code == 0


def test_after_the_crash_of_a_first_update_the_recovery_keeps_the_record_for_the_right_account(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack(REQUIRED)
    with killed_inside_create_role(stack, applied=False):
        pass
    # Now the credentials are for another account than the application's.
    application = REQUIRED["applicationId"]
    stack.configure({**REQUIRED, "applicationId": application.replace(ACCOUNT, OTHER_ACCOUNT)})
    stopped = run_section(stack, "After a crash during an update", check=False)
    assert stopped.returncode != 0
    assert f"but the credentials are for account {ACCOUNT}" in stopped.stdout
    assert stack.state()["pending_operations"]
    stack.configure(REQUIRED)
    run_section(stack, "After a crash during an update")
    assert_one_role_with_its_policy(stack, aws, stack.outputs()["roleName"])


def test_the_recovery_does_not_touch_the_stack_s_own_role(new_stack: NewStack, aws: Aws):
    # The pending operation remains in the state, because the user ignores the page.
    stack = new_stack({**REQUIRED, "roleName": "qbusiness-stale"})
    with killed_inside_create_role(stack, applied=False):
        pass
    stack.run("cancel", "--yes")
    stack.up()
    unique = aws.iam.get_role(RoleName="qbusiness-stale")["Role"]["RoleId"]
    run_section(stack, "After a crash during an update")
    assert aws.iam.get_role(RoleName="qbusiness-stale")["Role"]["RoleId"] == unique
    assert_one_role_with_its_policy(stack, aws, "qbusiness-stale")


def test_a_failed_recovery_reports_the_failure_and_can_be_repeated(new_stack: NewStack, aws: Aws):
    stack = new_stack(REQUIRED)
    before = set(aws.roles())
    with killed_inside_create_role(stack, applied=True):
        pass
    (orphan,) = set(aws.roles()) - before
    # In the meantime, somebody added a policy to the role manually.
    aws.iam.put_role_policy(
        RoleName=orphan, PolicyName="by-hand", PolicyDocument=golden("minimal-role-policy")
    )
    failed = run_section(stack, "After a crash during an update", check=False)
    assert failed.returncode != 0
    assert "DeleteConflict" in failed.stdout
    aws.iam.delete_role_policy(RoleName=orphan, PolicyName="by-hand")
    run_section(stack, "After a crash during an update")
    (role,) = set(aws.roles()) - before
    assert_one_role_with_its_policy(stack, aws, role)


def test_a_kill_leaves_no_process(new_stack: NewStack):
    stack = new_stack(REQUIRED)
    with killed_inside_create_role(stack, applied=False):
        running = " ".join(commands_in(stack.directory))
        for program in ("pulumi up", "pulumi-language-python", "sandbox.provider"):
            assert program in running.replace("--non-interactive ", "")
    assert commands_in(stack.directory) == []
    run_section(stack, "After a crash during an update")


def recover_from_a_full_disk(stack: Stack) -> None:
    assert run_section(stack, "After a full disk", check=False).returncode != 0
    backend = str(stack.state_file.parents[3])
    named = "If the state is truncated"
    run_section(stack, named, BACKEND=backend, PROJECT=PROJECT_NAME, STACK=stack.name)
    run_section(stack, "After a crash during an update")


@pytest.mark.parametrize("size", [0, 512, 4096])
def test_a_state_that_a_full_disk_has_truncated_is_restored(new_stack: NewStack, aws: Aws, size: int):
    stack = new_stack(REQUIRED)
    before = set(aws.roles())
    stack.up()
    os.truncate(stack.state_file, size)
    unreadable = stack.run("stack", "export", "--stack", stack.name, check=False)
    assert "unexpected end of JSON input" in unreadable.stdout
    recover_from_a_full_disk(stack)
    (role,) = set(aws.roles()) - before
    assert_one_role_with_its_policy(stack, aws, role)


def test_a_role_that_a_full_disk_kept_out_of_the_state_is_found(new_stack: NewStack, aws: Aws):
    stack = new_stack(REQUIRED)
    before = set(aws.roles())
    with killed_inside_create_role(stack, applied=True):
        pass
    # On a full disk, Pulumi's next write makes a copy and then truncates the state.
    shutil.copyfile(stack.state_file, f"{stack.state_file}.bak")
    os.truncate(stack.state_file, 512)
    recover_from_a_full_disk(stack)
    (role,) = set(aws.roles()) - before
    assert_one_role_with_its_policy(stack, aws, role)


def test_an_empty_lock_of_a_full_disk_is_removed_and_the_state_kept(new_stack: NewStack):
    stack = new_stack(REQUIRED)
    stack.up()
    backend = stack.state_file.parents[3]
    locks = backend / ".pulumi" / "locks" / "organization" / "qbusiness-aem-connector" / stack.name
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "1.json.18eb4521c5fcc0ca.tmp").touch()
    assert "unexpected end of JSON input" in stack.up(check=False).text
    before = stack.state_file.read_text()
    run_section(stack, "After a full disk")
    assert stack.state_file.read_text() == before
    assert stack.up("--expect-no-changes").exit_code == 0


def test_a_stack_with_an_empty_notes_file_can_be_read_again(new_stack: NewStack):
    stack = new_stack(REQUIRED)
    stack.up()
    backend = stack.state_file.parents[3]
    Path(f"{stack.state_file}.attrs").touch()
    unreadable = stack.run("stack", "export", "--stack", stack.name, check=False)
    assert "failed to load checkpoint: EOF" in unreadable.stdout
    run_section(stack, "If the stack cannot be read", BACKEND=str(backend))
    assert stack.up("--refresh", "--expect-no-changes").exit_code == 0
