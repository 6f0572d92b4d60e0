"""A role from the console is imported into a stack on the real engine and updated in place."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pages.examples import APPLICATION_ID, INDEX_ID, REGION
from tests.helpers.page import ADOPT, ADOPT_DETAILS, blocks, prose, run_section
from tests.helpers.stacks import Aws, Stack
from tests.helpers.support import indented
from tests.helpers.world import NAME, OWN, Maker, own_policy
from tests.roles.adopt.help import accesses, large, on_the_engine

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


class SandboxConsole(Maker):
    """The sandbox's console."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws)
        self.qbusiness = aws.client("qbusiness")
        self.index = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}

    def create_data_source(self, **data_source: Any) -> None:
        self.qbusiness.create_data_source(**self.index, displayName="Pages", **data_source)


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """Return a stack that does not own its role after the test, because other tests use the backend."""
    stack = on_the_engine(new_stack)
    yield stack
    stack.state_file.unlink(missing_ok=True)


def write_files(stack: Stack) -> str:
    """Run the page's commands that write the files; return their output."""
    return run_section(
        stack,
        "Adopt one role",
        ADOPT_DETAILS,
        STACK=stack.name,
        AWS_REGION=REGION,
    ).stdout


def role_accesses(aws: Aws) -> set[tuple[str, str]]:
    """Return the access that the role's policies allow, inline and attached."""
    documents = [json.loads(text) for text in aws.role_policies(NAME).values()]
    for attached in aws.iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = aws.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = aws.iam.get_policy_version(PolicyArn=arn, VersionId=version)
        documents.append(found["PolicyVersion"]["Document"])
    return accesses(*documents)


def test_policy_is_replaced_and_restored_as_documented(stack: Stack, aws: Aws):
    console = SandboxConsole(aws)
    console.make(policies={"console": own_policy().replace("AllowsAmazonQTo", "")})
    before = aws.trust_policy(NAME), aws.role_policies(NAME)
    write_files(stack)
    printed = run_section(stack, "Import the roles", STACK=stack.name).stdout
    (shown,) = blocks("text", prose("Import the roles", ADOPT))
    assert {*shown.splitlines()} <= {*printed.splitlines()}
    policies = aws.role_policies(NAME)
    assert {name: indented(text) for name, text in policies.items()} == {
        OWN: indented(own_policy(console.secret_arn))
    }
    assert stack.drift().exit_code == 0
    assert stack.up("--expect-no-changes").exit_code == 0
    run_section(stack, "Go back", ADOPT, STACK=stack.name, ROLE=NAME)
    run_section(stack, "Hand the roles back", STACK=stack.name)
    assert not stack.state_file.exists()
    assert (aws.trust_policy(NAME), aws.role_policies(NAME)) == before


def test_role_at_inline_policy_quota_keeps_access(stack: Stack, aws: Aws):
    console = SandboxConsole(aws)
    console.make(policies={"large": large("a", 6_000, 3), "small": large("b", 3_700)})
    before = role_accesses(aws)
    assert "there is no room for the role policy" in write_files(stack)
    failed = run_section(stack, "Import the roles", check=False, STACK=stack.name)
    assert failed.returncode != 0
    assert "LimitExceeded" in failed.stdout
    assert role_accesses(aws) == before
    run_section(stack, "If there is no room for the role policy", ROLE=NAME, POLICY="large")
    assert role_accesses(aws) == before
    stack.up()
    assert role_accesses(aws) > before
    policies = aws.role_policies(NAME)
    assert set(policies) == {"small", OWN}
    assert indented(policies[OWN]) == indented(own_policy(console.secret_arn))
    assert stack.up("--expect-no-changes").exit_code == 0
