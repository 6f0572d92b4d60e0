"""sandbox/aws_cli: the `aws` command for machines without the AWS CLI."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.environment import AWS_CLI
from tests.helpers.stacks import Aws
from tests.helpers.support import golden

Run = Callable[..., subprocess.CompletedProcess[str]]

ACCOUNT = "123456789012"


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AWS_CLI / "aws", *arguments],
            cwd=tmp_path,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_operation_accepts_options_and_prints_response(run: Run, aws: Aws, tmp_path: Path):
    (tmp_path / "trust.json").write_text(golden("trust-policy"))
    document = ("--assume-role-policy-document", "file://trust.json")
    tags = ("--tags", '[{"Key": "Team", "Value": "search"}]')
    created = run("iam", "create-role", "--role-name", "by-hand", *document, *tags)
    assert json.loads(created.stdout)["Role"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/by-hand"
    (tag,) = aws.iam.get_role(RoleName="by-hand")["Role"]["Tags"]
    assert tag == {"Key": "Team", "Value": "search"}
    deleted = run("iam", "delete-role", "--role-name", "by-hand")
    assert (deleted.returncode, deleted.stdout) == (0, "")


def test_s3_operations_use_cli_name_s3api(run: Run):
    called = run("s3api", "get-bucket-location", "--bucket", "qbusiness-documents")
    assert (called.returncode, called.stderr) == (0, "")


def test_text_output_contains_a_line_for_each_list(run: Run, aws: Aws):
    for name in ("one", "two"):
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=golden("trust-policy"))
    # moto lists roles in the order of their random IDs.
    query = "sort_by(Roles, &RoleName)[].[RoleName, MaxSessionDuration, IsNone]"
    printed = run("iam", "list-roles", "--query", query, "--output", "text").stdout
    assert printed == "one\t3600\tNone\ntwo\t3600\tNone\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("s3 ls", "the sandbox does not support `aws s3 ls`; the AWS CLI may support it"),
        ("iam get-role --name x", "iam get-role: unknown option --name; expected --role-name"),
        ("iam get-role --role-name x", "iam get-role: An error occurred (NoSuchEntity)"),
        ("iam tag-role --role-name x --tags Key=a,Value=b", "--tags: expected JSON, got 'Key=a,"),
    ],
)
def test_an_error_is_one_message(run: Run, command: str, message: str):
    done = run(*command.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"aws: {message}")
    assert "Traceback" not in done.stderr


def test_no_call_is_sent_outside_the_sandbox(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [AWS_CLI / "aws", "sts", "get-caller-identity"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "aws: this works only in the sandbox: `python -m sandbox run -- COMMAND`\n",
    )
