"""`roles check` and `roles audit` read a stack with secret settings on the real engine."""

import pytest

from pages.examples import SECRET_ID
from sandbox.environment import PROJECT
from tests.helpers.stacks import PROJECT_NAME, NewStack
from tests.helpers.world import SETTINGS

pytestmark = pytest.mark.slow


@pytest.mark.thorough
def test_check_unlike_audit_needs_option_for_secret_settings(new_stack: NewStack):
    stack = new_stack({**SETTINGS, f"{PROJECT_NAME}:tags": {"Environment": "dev"}})
    for package in ("guardrails", "roles"):
        (stack.directory / package).symlink_to(PROJECT / package)
    stack.run("config", "set", "--secret", "secretId", SECRET_ID)
    stack.run("config", "set", "--secret", "--path", "tags.Owner", "somebody")
    stack.run("config", "set", "--secret", "roleName", "confidential-qbusiness-role")
    stack.up()
    roles = ("venv/bin/python", "-m", "roles")
    check = (*roles, "check", "--stack", stack.name, "--verbose")
    rejected = stack.execute(*check, check=False)
    assert rejected.returncode == 2
    text = rejected.stdout
    assert SECRET_ID not in text
    assert "confidential" not in text
    said = stack.execute(*check, "--show-secrets").stdout
    assert f":secret:{SECRET_ID} exists and has a value\n" in said
    assert "role: arn:aws:iam::123456789012:role/confidential-qbusiness-role\n" in said
    assert "role policy: is equivalent to the expected policy\n" in said
    audit = stack.execute(*roles, "audit", "--stack", stack.name, "--allow-empty", check=False)
    assert audit.returncode == 0, audit.stdout
    # IAM lists the role, but the stack's secret settings are not shown.
    assert [each for each in (SECRET_ID, "somebody") if each in audit.stdout] == []
    # The commands in the message, except for the edit.
    stack.run("config", "rm", "--path", "tags.Owner")
    commands = [line.strip() for line in text.splitlines() if " config set " in line]
    for command in commands:
        stack.execute("sh", "-c", command)
    assert len(commands) == 2
    plain = stack.execute(*check).stdout
    assert plain == said
