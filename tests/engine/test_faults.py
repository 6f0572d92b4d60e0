"""Tests docs/operate: updates report failed IAM calls, and the next update finishes the changes."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.helpers.faults import Failure, Proxy, proxy
from tests.helpers.page import run_section
from tests.helpers.stacks import Aws, NewStack, Stack, running_provider
from tests.helpers.support import REQUIRED, golden

FAULTS: Mapping[str, str] = {
    "Throttling": "Rate exceeded",
    # The pattern matches the error messages of AWS's SDKs for Python and for Go.
    "connection-reset": r"Connection was closed|connection reset|(?<!unexpected )EOF",
    # The provider does not retry a call after this error.
    "reply-lost": "unexpected EOF",
}
"""For each kind of failure, a pattern for the error that Pulumi reports."""
NAME = "qbusiness-faults"
TOP: dict[str, Any] = {
    **{key: value for key, value in REQUIRED.items() if key != "secretId"},
    "aws:maxRetries": 1,
}
"""The settings at the top level of a stack whose calls are tried only once."""
BEFORE: dict[str, Any] = {
    "exclusivePolicies": True,
    "roleDescription": "AEM",
    "tags": {"Team": "search", "Owner": "me"},
}


@pytest.fixture
def failing(environment: dict[str, str]) -> Iterator[Proxy]:
    with proxy(environment["AWS_ENDPOINT_URL"]) as iam:
        yield iam


@pytest.fixture
def new_stack(failing: Proxy, environment: dict[str, str], new_stack: NewStack) -> Iterator[NewStack]:
    """Yield a function that creates stacks whose calls pass through the proxy."""
    calls = {"AWS_ENDPOINT_URL": failing.url}
    with running_provider(environment | calls) as provider:

        def create(settings: dict[str, object]) -> Stack:
            stack = new_stack(settings)
            stack.environment |= calls | provider
            return stack

        yield create


def stack_of(entries: Iterable[str], **settings: object) -> dict[str, Any]:
    """Return settings for a stack with these entries.

    A role has its entry's name, or an automatic name if the entry's name begins with `automatic`.
    """
    own = {"secretId": REQUIRED["secretId"], **settings}
    names = {entry: "" if entry.startswith("automatic") else entry for entry in entries}
    return {**TOP, "dataSources": {entry: {**own, "roleName": name} for entry, name in names.items()}}


def repeat_until_all_failed(failing: Proxy, stack: Stack, *command: str) -> list[tuple[str, str]]:
    """Repeat a command until all the failures have happened; return the command's errors.

    A failure can prevent the command from reaching later calls.
    """
    errors: list[tuple[str, str]] = []
    while before := len(failing.failures):
        failed = stack.operate(*command, "--yes", "--skip-preview", check=False)
        assert failed.exit_code != 0
        assert len(failing.failures) < before
        errors += failed.errors
    return errors


def test_next_command_completes_after_failed_calls(new_stack: NewStack, failing: Proxy, aws: Aws):
    """In each operation, calls for several roles fail once; IAM executes some of these calls."""
    names = [f"{NAME}-{number}" for number in range(3)]
    entries = [*names, "automatic"]
    stack = new_stack(stack_of(entries, **BEFORE))
    in_use = "other-qbusiness-role-1a2b3c4"
    aws.iam.create_role(RoleName=in_use, AssumeRolePolicyDocument=golden("trust-policy"))
    policy = {"PolicyName": "theirs", "PolicyDocument": golden("minimal-role-policy")}
    aws.iam.put_role_policy(RoleName=in_use, **policy)

    def fail_at(calls: Sequence[str], *command: str) -> None:
        faults = ("Throttling", "reply-lost", "connection-reset", "reply-lost")
        failures = [*map(Failure, entries, calls, faults)]
        failing.failures.extend(failures)
        errors = repeat_until_all_failed(failing, stack, *command, "--continue-on-error")
        # Each error identifies the role that it concerns.
        for role, _, fault in failures:
            texts = [text for name, text in errors if name.startswith(role)]
            assert any(re.search(FAULTS[fault], text) for text in texts), (role, texts)
        assert not any("Traceback" in text for _, text in errors)

    fail_at(("CreateRole", "PutRolePolicy", "GetRole", "CreateRole"), "up")
    recorded = {resource.get("id") for resource in stack.resources()}
    (orphan,) = {role for role in aws.roles() if role.startswith("automatic")} - recorded
    rejected = run_section(stack, "After a lost response", check=False, NAME=in_use)
    assert rejected.returncode != 0
    assert "DeleteConflict" in rejected.stdout
    listed, *_ = rejected.stdout.splitlines()
    assert {*listed.split("\t")} >= {orphan, in_use}
    run_section(stack, "After a lost response", NAME=orphan)
    complete = {"qbusiness-aem-connector": golden("minimal-role-policy")}
    found = {role: aws.role_policies(role) for role in aws.roles() if role != in_use}
    assert found == dict.fromkeys(stack.outputs()["roleNames"].values(), complete)

    changed = {**BEFORE, "roleDescription": "AEM Cloud", "tags": {"Team": "docs"}}
    stack.configure(stack_of(entries, **changed))
    fail_at(("UpdateRoleDescription", "TagRole", "UntagRole"), "up")
    stack.up()
    for role in names:
        updated = aws.role(role)
        assert (updated["description"], updated["tags"]) == ("AEM Cloud", {"Team": "docs"})
    assert stack.drift().exit_code == 0
    fail_at(("DeleteRolePolicy", "DeleteRolePolicy", "DeleteRole"), "destroy")
    stack.destroy()
    assert aws.roles() == [in_use]


def test_documented_updates_complete_failed_path_change(new_stack: NewStack, failing: Proxy, aws: Aws):
    failures = [
        Failure("automatic-lost", "DeleteRole", "reply-lost"),
        Failure("automatic-throttled", "DeleteRolePolicy", "Throttling"),
        Failure("set-lost", "DeleteRolePolicy", "reply-lost"),
        Failure("set-throttled", "DeleteRole", "Throttling"),
    ]
    entries = [failure.role for failure in failures]
    settings = stack_of(entries)
    stack = new_stack(settings)
    stack.up()
    stack.configure({**settings, "rolePath": "/connectors/"})
    failing.failures.extend(failures)
    repeat_until_all_failed(failing, stack, "up")
    # If a role's name is configured, the next update may delete its new policy instead of the old one.
    # The section's last command fails if it finds drift.
    run_section(stack, "Keep the new name")
    complete = {"qbusiness-aem-connector": golden("minimal-role-policy")}
    names, arns = (stack.outputs()[output] for output in ("roleNames", "roleArns"))
    present = {role: aws.role_policies(role) for role in aws.roles()}
    assert present == dict.fromkeys(names.values(), complete)
    paths = {entry: arns[entry].partition(":role")[2] for entry in entries}
    assert paths == {entry: f"/connectors/{names[entry]}" for entry in entries}
