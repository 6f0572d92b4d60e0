"""`roles check` reads the secret settings of a stack on the real engine."""

import pytest

from evidence.examples import SECRET_ID
from sandbox.environment import PROJECT
from tests.helpers.stacks import PROJECT_NAME, NewStack
from tests.helpers.world import SETTINGS

pytestmark = pytest.mark.slow


def test_secret_settings_of_a_stack_are_read_through_pulumi_and_not_shown(new_stack: NewStack):
    stack = new_stack({**SETTINGS, f"{PROJECT_NAME}:tags": {"Environment": "dev"}})
    for package in ("evidence", "guardrails", "roles"):
        (stack.directory / package).symlink_to(PROJECT / package)
    stack.run("config", "set", "--secret", "secretId", SECRET_ID)
    stack.run("config", "set", "--secret", "--path", "tags.Owner", "somebody")
    stack.run("config", "set", "--secret", "roleName", "confidential-qbusiness-role")
    stack.up()
    # The output stays secret until the next deployment.
    stack.run("config", "set", "--plaintext", "roleName", "confidential-qbusiness-role")
    command = ("venv/bin/python", "-m", "roles", "check", "--stack", stack.name, "--verbose")
    said = stack.execute(*command).stdout
    assert "secret: arn:aws:secretsmanager:us-east-1:123456789012:secret:[secret] exists and" in said
    assert "role policy: is equivalent to the expected policy\n" in said
    assert said.endswith("20 ok, 0 problems, 4 skipped\n")
    assert "role: arn:aws:iam::123456789012:role/[secret]\n" in said
    assert SECRET_ID not in said
    assert "confidential" not in said
