"""The CLI may be killed at any moment: what the page says brings everything back, and leaves nothing.

The kills are spread over the whole run of an update and of a destroy, by the time that each takes here.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import proxy
from tests.page import run_section
from tests.stacks import Aws, Stack
from tests.support import REQUIRED, golden, in_one_line

NewStack = Callable[..., Stack]

POINTS = 25
UP = ("up", "--yes", "--skip-preview")
DESTROY = ("destroy", "--yes", "--skip-preview")


def kill_at(stack: Stack, arguments: tuple[str, ...], seconds: float) -> bool:
    """Kill an operation after some time; return whether it was still running."""
    process = stack.start(*arguments)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def own_roles(aws: Aws, prefix: str) -> list[str]:
    return [role for role in aws.roles() if role.startswith(prefix)]


def assert_one_role_with_its_policy(stack: Stack, aws: Aws, prefix: str) -> None:
    (role,) = own_roles(aws, prefix)
    assert stack.outputs()["roleName"] == role
    assert in_one_line(aws.trust_policy(role)) == golden("trust-policy")
    policies = {name: in_one_line(text) for name, text in aws.role_policies(role).items()}
    assert policies == {"qbusiness-aem-connector": golden("minimal-role-policy")}
    assert stack.up("--refresh", "--expect-no-changes").exit_code == 0


@pytest.fixture(scope="session")
def durations() -> dict[tuple[str, ...], float]:
    """Remember how long an operation takes that nobody kills."""
    return {}


def duration(known: dict[tuple[str, ...], float], stack: Stack, arguments: tuple[str, ...]) -> None:
    if arguments not in known:
        begin = time.monotonic()
        assert stack.start(*arguments).wait() == 0
        known[arguments] = time.monotonic() - begin


@pytest.mark.parametrize("point", range(POINTS))
def test_a_kill_at_any_moment_of_an_update_and_of_a_destroy_loses_nothing(
    new_stack: NewStack,
    aws: Aws,
    durations: dict[tuple[str, ...], float],
    point: int,
    record_property: Callable[[str, object], None],
):
    stack = new_stack(REQUIRED)
    name = f"qbusiness-crash-{os.getpid()}-{point}"
    if point % 2:
        # Every other role has a name of its own: a second attempt would meet it.
        stack.configure({**REQUIRED, "roleName": name})
        prefix = name
    else:
        program = (stack.directory / "__main__.py").read_text()
        (stack.directory / "__main__.py").write_text(program.replace("aem-connector", name[-30:]))
        prefix = f"{name[-30:]}-qbusiness-role"
    duration(durations, stack, UP)
    duration(durations, stack, DESTROY)

    fraction = point / (POINTS - 1)
    running = kill_at(stack, UP, durations[UP] * fraction)
    run_section(stack, "After a crash of an update")
    assert_one_role_with_its_policy(stack, aws, prefix)
    running_too = kill_at(stack, DESTROY, durations[DESTROY] * fraction)
    run_section(stack, "After a crash of a destroy")
    assert own_roles(aws, prefix) == []
    assert stack.resources() == []
    counts = {
        f"kill {point:2}: update {'killed' if running else 'had ended'} at {fraction:.0%}, "
        f"destroy {'killed' if running_too else 'had ended'}": 2
    }
    record_property("figure", {"kills": counts})


@pytest.mark.parametrize("role_name", ["", "qbusiness-orphan"], ids=["automatic name", "own name"])
@pytest.mark.parametrize("applied", [True, False], ids=["IAM made it", "IAM never heard"])
def test_a_kill_inside_create_role_leaves_no_orphan(
    new_stack: NewStack, environment: dict[str, str], aws: Aws, role_name: str, applied: bool
):
    stack = new_stack({**REQUIRED, "roleName": role_name})
    before = set(aws.roles())
    with proxy(environment["AWS_ENDPOINT_URL"]) as iam:
        iam.set_rules(
            {"operation": "CreateRole", "response": {"bandwidth_kbps": 1}}
            if applied
            else {"operation": "CreateRole", "timeout_ms": 30_000}
        )
        stack.environment["AWS_ENDPOINT_URL"] = iam.url
        process = stack.start(*UP)
        deadline = time.monotonic() + 20
        while not iam.fired() and time.monotonic() < deadline:
            time.sleep(0.05)
        while applied and set(aws.roles()) == before and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
        process.wait()
    stack.environment["AWS_ENDPOINT_URL"] = environment["AWS_ENDPOINT_URL"]
    orphans = set(aws.roles()) - before
    assert len(orphans) == (1 if applied else 0)
    run_section(stack, "After a crash of an update")
    (role,) = set(aws.roles()) - before
    assert_one_role_with_its_policy(stack, aws, role)
    stack.destroy()
    assert set(aws.roles()) == before


def processes_of(directory: Path) -> list[str]:
    """Return the processes that work in a directory or were told of it."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            works = str((process / "cwd").readlink())
        except OSError:
            continue
        if str(directory) in works and "pytest" not in told:
            found.append(told)
    return found


def test_a_kill_leaves_no_process_behind(new_stack: NewStack):
    stack = new_stack(REQUIRED)
    assert kill_at(stack, UP, 0.6)
    deadline = time.monotonic() + 10
    while processes_of(stack.directory) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(stack.directory) == []
    run_section(stack, "After a crash of an update")
    assert json.loads(stack.run("stack", "export").stdout)["deployment"].get("pending_operations") in (
        [],
        None,
    )
