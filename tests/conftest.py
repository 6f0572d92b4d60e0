"""What do all tests share? One sandbox a session, apart from the one that people practise in."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.environment import Sandbox
from tests.stacks import Aws, Stack, prepared
from tests.support import golden

# An Output in an f-string is an error, and not a surprise in AWS.
os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "1"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests have recorded: how many inputs, faults and kills there were."""
    figures: dict[str, dict[str, int]] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figure":
                for what, counts in value.items():
                    figures.setdefault(what, {}).update(counts)
    for what, counts in figures.items():
        terminalreporter.write_line(f"{what}: {sum(counts.values()):,}")
        for case, number in sorted(counts.items()):
            terminalreporter.write_line(f"  {number:6,}  {case}")


@pytest.fixture(scope="session")
def prepared_sandbox(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    yield from prepared(tmp_path_factory.mktemp("sandbox"))


@pytest.fixture
def environment(prepared_sandbox: tuple[Sandbox, dict[str, str]]) -> dict[str, str]:
    return prepared_sandbox[1]


@pytest.fixture
def aws(environment: dict[str, str]) -> Aws:
    return Aws(environment)


@pytest.fixture
def new_stack(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Make stacks with `new_stack(settings, program=...)`; what they leave is destroyed."""
    stacks: list[Stack] = []

    def make(settings: dict[str, object], program: str | None = None) -> Stack:
        stack = Stack(tmp_path, environment, program)
        stack.configure(settings)
        stacks.append(stack)
        return stack

    yield make
    for stack in stacks:
        if stack.resources():
            stack.destroy()


@pytest.fixture
def managed_policy(aws: Aws) -> Iterator[str]:
    """Make a managed policy for somebody to attach by hand; return its ARN."""
    arn = aws.iam.create_policy(PolicyName="by-hand", PolicyDocument=golden("minimal-role-policy"))[
        "Policy"
    ]["Arn"]
    yield arn
    for role in aws.iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"]:
        aws.iam.detach_role_policy(RoleName=role["RoleName"], PolicyArn=arn)
    aws.iam.delete_policy(PolicyArn=arn)
