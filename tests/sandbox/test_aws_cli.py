"""Tests `sandbox/aws_cli.py`, the `aws` command for machines without the AWS CLI."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.environment import AWS_CLI
from tests.helpers.stacks import Aws
from tests.helpers.support import golden


def run(environment: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    """Run the command; return its exit code, standard output, and standard error."""
    command = [AWS_CLI / "aws", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_operation_accepts_options_and_prints_response(
    environment: dict[str, str], aws: Aws, tmp_path: Path
):
    (tmp_path / "trust.json").write_text(golden("trust-policy"))
    document = ("--assume-role-policy-document", f"file://{tmp_path}/trust.json")
    tags = ("--tags", '[{"Key": "Team", "Value": "search"}]')
    _, created, _ = run(environment, "iam", "create-role", "--role-name", "b", *document, *tags)
    assert json.loads(created)["Role"]["Arn"] == "arn:aws:iam::123456789012:role/b"
    assert aws.role("b")["tags"] == {"Team": "search"}
    aws.iam.create_role(RoleName="a", AssumeRolePolicyDocument=golden("trust-policy"))
    # Sort the roles, because moto lists them in the order of their random IDs.
    query = "sort_by(Roles, &RoleName)[].[RoleName, MaxSessionDuration, IsNone]"
    printed = run(environment, "iam", "list-roles", "--query", query, "--output", "text")
    assert printed == (0, "a\t3600\tNone\nb\t3600\tNone\n", "")
    assert run(environment, "iam", "delete-role", "--role-name", "b") == (0, "", "")
    # In the CLI, the service name for Amazon S3's API is s3api.
    exit_code, _, error = run(
        environment, "s3api", "get-bucket-location", "--bucket", "qbusiness-documents"
    )
    assert (exit_code, error) == (0, "")


def test_error_prints_one_message_without_traceback(environment: dict[str, str]):
    for command, message in (
        ("s3 ls", "the sandbox does not support `aws s3 ls`; the AWS CLI may support it"),
        ("iam get-role --name x", "iam get-role: unknown option --name; expected --role-name"),
        ("iam get-role --role-name x", "iam get-role: An error occurred (NoSuchEntity)"),
        ("iam tag-role --role-name x --tags Key=a,Value=b", "--tags: expected JSON, got 'Key=a,"),
    ):
        exit_code, output, error = run(environment, *command.split())
        assert (exit_code, output) == (1, "")
        assert error.startswith(f"aws: {message}")
        assert "Traceback" not in error


def test_no_call_is_sent_outside_the_sandbox():
    outside = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    assert run(outside, "sts", "get-caller-identity") == (
        1,
        "",
        "aws: this works only in the sandbox: `python -m sandbox run -- COMMAND`\n",
    )
