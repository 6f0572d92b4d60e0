"""docs/operate: updates report failed IAM calls, and the next update continues."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from tests.helpers.faults import Proxy, proxy
from tests.helpers.page import run_section
from tests.helpers.stacks import Aws, NewStack, Stack, running_provider
from tests.helpers.support import REQUIRED, ROLE, golden


class Fault(NamedTuple):
    """One way for a call to fail."""

    effect: Mapping[str, Any]
    """Parts of the proxy's rule."""
    reason: str
    """A pattern for the error as Pulumi reports it."""


FAULTS: Mapping[str, Fault] = {
    "throttled": Fault(
        {"error": {"code": "Throttling", "message": "Rate exceeded", "status": 400}},
        "Rate exceeded",
    ),
    # The texts of the SDKs for Python and for Go.
    "connection-reset": Fault(
        {"reset": True}, r"Connection was closed|connection reset|(?<!unexpected )EOF"
    ),
    # IAM has executed the call. No provider retries it.
    "reply-lost": Fault({"response": {"abort_frac": 0.3}}, "unexpected EOF"),
}
UNCONFIRMED = ("CreateRole", "reply-lost")
"""After this failure, the role exists, but Pulumi does not know about it; one test covers that."""
NAME = "qbusiness-faults"
ONCE: dict[str, Any] = {**REQUIRED, "aws:maxRetries": 1}
"""The required settings of a stack whose calls are tried only once."""
STACK_WIDE = ("aws:region", "aws:maxRetries", "applicationId", "indexId")
BEFORE: dict[str, Any] = {
    **ONCE,
    "roleName": NAME,
    "exclusivePolicies": True,
    "roleDescription": "AEM",
    "tags": {"Team": "search", "Owner": "me"},
}


@pytest.fixture(scope="session")
def one_proxy(prepared_sandbox: tuple[object, dict[str, str]]) -> Iterator[Proxy]:
    with proxy(prepared_sandbox[1]["AWS_ENDPOINT_URL"]) as iam:
        yield iam


@pytest.fixture(autouse=True)
def failing(one_proxy: Proxy) -> Proxy:
    one_proxy.set_rules()
    return one_proxy


@pytest.fixture(scope="session")
def behind_the_proxy(
    prepared_sandbox: tuple[object, dict[str, str]], one_proxy: Proxy
) -> Iterator[dict[str, str]]:
    """Return the variables for a provider behind the proxy."""
    calls = {"AWS_ENDPOINT_URL": one_proxy.url}
    with running_provider({**prepared_sandbox[1], **calls}) as provider:
        yield calls | provider


@pytest.fixture
def new_stack(behind_the_proxy: dict[str, str], new_stack: NewStack) -> NewStack:
    """Create stacks whose calls pass through the proxy."""

    def create(settings: dict[str, object]) -> Stack:
        stack = new_stack(settings)
        stack.environment |= behind_the_proxy
        return stack

    return create


class Failure(NamedTuple):
    """A call for one role that fails once."""

    role: str
    """The first characters of the role's name."""
    call: str
    fault: str


def rule(operation: str, fault: str) -> dict[str, Any]:
    return {"operation": operation, "times": 1, **FAULTS[fault].effect}


def rules(failures: Iterable[Failure]) -> list[dict[str, Any]]:
    return [
        {**rule(call, fault), "body": f"starts_with(RoleName, '{role}')"}
        for role, call, fault in failures
    ]


def stack_of(
    entries: Iterable[str], settings: Mapping[str, Any], *, automatic: Collection[str] = ()
) -> dict[str, Any]:
    """Return settings for a stack with these entries; a role's name is its entry's name or automatic."""
    shared = {key: value for key, value in settings.items() if key in STACK_WIDE}
    own = {key: value for key, value in settings.items() if key not in STACK_WIDE}
    names = {entry: "" if entry in automatic else entry for entry in entries}
    return {**shared, "dataSources": {entry: {**own, "roleName": name} for entry, name in names.items()}}


def repeat_until_all_failed(
    failing: Proxy, number: int, stack: Stack, *command: str
) -> list[tuple[str, str]]:
    """Repeat a command until this number of calls have failed; return its errors.

    After a failure, the command may not reach other calls.
    """
    errors: list[tuple[str, str]] = []
    fired = 0
    while fired < number:
        failed = stack.operate(*command, "--yes", "--skip-preview", check=False)
        assert failed.exit_code != 0
        before, fired = fired, len(failing.fired())
        assert fired > before
        errors += failed.errors
    return errors


def test_next_command_completes_after_unretried_failures(new_stack: NewStack, failing: Proxy, aws: Aws):
    """Fail a call of each kind: a read, a write, and a write that IAM executes, once for one role."""
    names = [f"{NAME}-{number}" for number in range(3)]
    stack = new_stack(stack_of(names, BEFORE))
    complete = {"qbusiness-aem-connector": golden("minimal-role-policy")}

    def fail_at(calls: Sequence[str], *command: str) -> None:
        failures = [*map(Failure, names, calls, ("throttled", "reply-lost", "connection-reset"))]
        failing.set_rules(*rules(failures))
        errors = repeat_until_all_failed(failing, len(failures), stack, *command, "--continue-on-error")
        # Each error identifies the role that it concerns.
        for role, _, fault in failures:
            texts = [text for name, text in errors if name.startswith(role)]
            assert any(re.search(FAULTS[fault].reason, text) for text in texts), (role, texts)
        assert not any("Traceback" in text for _, text in errors)

    fail_at(("CreateRole", "PutRolePolicy", "GetRole"), "up")
    stack.up()
    assert {role: aws.role_policies(role) for role in aws.roles()} == dict.fromkeys(names, complete)
    stack.configure(
        stack_of(names, {**BEFORE, "roleDescription": "AEM Cloud", "tags": {"Team": "docs"}})
    )
    fail_at(("UpdateRoleDescription", "TagRole", "UntagRole"), "up")
    stack.up()
    for role in names:
        found = aws.role(role)
        assert (found["description"], found["tags"]) == ("AEM Cloud", {"Team": "docs"})
    assert stack.drift().exit_code == 0
    fail_at(("DeleteRolePolicy", "DeleteRolePolicy", "DeleteRole"), "destroy")
    stack.destroy()
    assert aws.roles() == []


def test_update_without_refresh_falsely_reports_success(new_stack: NewStack, failing: Proxy, aws: Aws):
    # This is why Pulumi.yaml has `refresh: always`: https://github.com/pulumi/pulumi/issues/21458.
    stack = new_stack(BEFORE)
    stack.up()
    stack.configure({**BEFORE, "roleDescription": "lost"})
    failing.set_rules(rule("UpdateRoleDescription", "throttled"))
    failed = stack.up("--refresh=false", check=False)
    assert failed.exit_code != 0
    assert "Rate exceeded" in failed.text
    role = stack.resource("aws:iam/role:Role")
    assert role["inputs"]["description"] == BEFORE["roleDescription"]
    assert role["outputs"]["description"] == "lost"
    assert role["initErrors"]
    again = stack.up("--refresh=false")
    assert (ROLE, again.exit_code) in [(name, 0) for _, name, _ in again.steps]
    assert aws.iam.get_role(RoleName=NAME)["Role"]["Description"] == BEFORE["roleDescription"]
    run_section(stack, "Correct drift")
    assert aws.iam.get_role(RoleName=NAME)["Role"]["Description"] == "lost"


def test_documented_updates_complete_failed_path_change(new_stack: NewStack, failing: Proxy, aws: Aws):
    failures = [
        Failure("automatic-lost", "DeleteRole", "reply-lost"),
        Failure("automatic-throttled", "DeleteRolePolicy", "throttled"),
        Failure("set-lost", "DeleteRolePolicy", "reply-lost"),
        Failure("set-throttled", "DeleteRole", "throttled"),
    ]
    entries = [failure.role for failure in failures]
    automatic = [entry for entry in entries if entry.startswith("automatic")]
    settings = stack_of(entries, ONCE, automatic=automatic)
    stack = new_stack(settings)
    stack.up()
    stack.configure({**settings, "rolePath": "/connectors/"})
    failing.set_rules(*rules(failures))
    repeat_until_all_failed(failing, len(failures), stack, "up")
    stack.up()
    complete = {"qbusiness-aem-connector": golden("minimal-role-policy")}
    assert {role: aws.role_policies(role) for role in aws.roles() if role.startswith("automatic")} == {
        stack.outputs()["roleNames"][entry]: complete for entry in automatic
    }
    # If the name is configured, the unfinished replacement may mistake the new policy for the old one.
    run_section(stack, "Keep the new name")
    names, arns = (stack.outputs()[output] for output in ("roleNames", "roleArns"))
    present = {role: aws.role_policies(role) for role in aws.roles()}
    assert present == {names[entry]: complete for entry in entries}
    paths = {entry: arns[entry].partition(":role")[2] for entry in entries}
    assert paths == {entry: f"/connectors/{names[entry]}" for entry in entries}
    assert stack.drift().exit_code == 0


def test_unrecorded_role_is_found_and_deleted_as_documented(
    new_stack: NewStack, failing: Proxy, aws: Aws
):
    in_use = "other-qbusiness-role-1a2b3c4"
    aws.iam.create_role(RoleName=in_use, AssumeRolePolicyDocument=golden("trust-policy"))
    policy = {"PolicyName": "theirs", "PolicyDocument": golden("minimal-role-policy")}
    aws.iam.put_role_policy(RoleName=in_use, **policy)
    stack = new_stack(stack_of(["automatic", NAME], REQUIRED, automatic=["automatic"]))
    failing.set_rules(*rules(Failure(role, *UNCONFIRMED) for role in ("automatic", NAME)))
    failed = stack.up("--continue-on-error", check=False)
    assert failed.exit_code != 0
    automatic, *others = sorted(aws.roles())
    assert others == [in_use, NAME]
    for orphan in (automatic, NAME):
        assert aws.role_policies(orphan) == {}
    reason = FAULTS["reply-lost"].reason
    assert {name for name, text in failed.errors if re.search(reason, text)} == {
        f"{entry}-qbusiness-role" for entry in ("automatic", NAME)
    }
    rejected = run_section(stack, "After a lost response", check=False, NAME=in_use)
    assert rejected.returncode != 0
    assert "DeleteConflict" in rejected.stdout
    listed, *_ = rejected.stdout.splitlines()
    assert sorted(listed.split("\t")) == [automatic, in_use]
    run_section(stack, "After a lost response", NAME=NAME)
    run_section(stack, "After a lost response", NAME=automatic)
    names = stack.outputs()["roleNames"]
    assert {*aws.roles()} == {names["automatic"], NAME, in_use}
    assert names["automatic"] != automatic
    for role in names.values():
        assert list(aws.role_policies(role)) == ["qbusiness-aem-connector"]
