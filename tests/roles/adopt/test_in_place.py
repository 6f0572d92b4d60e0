"""A role of the console's is imported into a stack on the real engine: AWS stays unchanged."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION
from sandbox.environment import PROJECT
from tests.helpers.page import page_path, run_section
from tests.helpers.stacks import Aws, Stack
from tests.helpers.support import golden, in_one_line
from tests.helpers.world import NAME, OWN, WIDE, Maker, own_policy
from tests.roles.adopt.help import accesses, large

pytestmark = pytest.mark.slow

PAGE: Final = PROJECT / "docs" / "adopt.md"


class SandboxConsole(Maker):
    """The console of the sandbox."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws)
        self.qbusiness = aws.client("qbusiness")
        self.index = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}

    def create_data_source(self, **data_source: Any) -> None:
        self.qbusiness.create_data_source(**self.index, displayName="Pages", **data_source)

    def data_source_role(self) -> str:
        (source,) = self.qbusiness.list_data_sources(**self.index)["dataSources"]
        this = {**self.index, "dataSourceId": source["dataSourceId"]}
        return self.qbusiness.get_data_source(**this)["roleArn"]


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Stack:
    stack = new_stack({})
    for package in ("evidence", "guardrails", "roles"):
        (stack.directory / package).symlink_to(PROJECT / package)
    return stack


def import_role(stack: Stack) -> str:
    """Import the role as the page says; check that it is kept and that nothing is left to do."""
    printed = run_section(stack, "Import the role").stdout
    assert "Resources:\n    + 1 to create\n    ~ 1 to update\n" in printed
    assert "replace" not in printed
    assert "deleted" not in printed
    assert stack.drift().exit_code == 0
    assert stack.up("--expect-no-changes").exit_code == 0
    return printed


def write_files(stack: Stack) -> str:
    """Run the page's commands and return their output."""
    return run_section(
        stack,
        "Write the files",
        PAGE,
        STACK=stack.name,
        SECRETS_PROVIDER="passphrase",
        AWS_REGION=REGION,
    ).stdout


def test_the_role_of_a_console_is_imported_in_place_as_the_pages_say(stack: Stack, aws: Aws):
    console = SandboxConsole(aws)
    tags = [
        {"Key": "CostCentre", "Value": "0893"},
        {"Key": "Created", "Value": "2024-05-01 12:00:00 +0000 UTC"},
    ]
    console.make(
        trust=json.dumps(json.loads(golden("trust-policy").replace("ArnEquals", "ArnLike")), indent=4),
        policies={"AmazonQBusiness-Policy": WIDE},
        role={
            "Path": "/service-role/",
            "Description": "Made by the console",
            "Tags": tags,
            "MaxSessionDuration": 14400,
        },
    )
    assert "Everything: excess\n      *\n        on *\n" in write_files(stack)
    unique = aws.iam.get_role(RoleName=NAME)["Role"]["RoleId"]
    assert "~ assumeRolePolicy" in import_role(stack)
    role = aws.iam.get_role(RoleName=NAME)["Role"]
    assert (role["RoleId"], role["Arn"]) == (unique, console.role_arn)
    assert console.data_source_role() == stack.outputs()["roleArn"]
    assert role["Description"] == "Made by the console"
    assert role["MaxSessionDuration"] == 14400
    assert sorted(role["Tags"], key=lambda tag: tag["Key"]) == tags
    assert in_one_line(aws.trust_policy(NAME)) == golden("trust-policy")
    assert in_one_line(aws.role_policies(NAME)[OWN]) == own_policy(console.secret_arn)
    assert set(aws.role_policies(NAME)) == {"AmazonQBusiness-Policy", OWN}


def role_accesses(aws: Aws) -> set[tuple[str, str]]:
    """Return the access that the role's policies allow, inline and attached."""
    documents = [json.loads(text) for text in aws.role_policies(NAME).values()]
    for attached in aws.iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = aws.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = aws.iam.get_policy_version(PolicyArn=arn, VersionId=version)
        documents.append(found["PolicyVersion"]["Document"])
    return accesses(*documents)


def test_a_role_without_room_is_imported_although_its_owner_missed_the_warning_and_loses_no_permission(
    stack: Stack, aws: Aws
):
    console = SandboxConsole(aws)
    console.make(policies={"large": large("a", 8_500, 3), "small": large("b", 922)})
    before = role_accesses(aws)
    report = write_files(stack)
    failed = run_section(stack, "Import the role", check=False)
    assert failed.returncode != 0
    assert "LimitExceeded" in failed.stdout
    assert role_accesses(aws) == before
    commands = re.findall(r"^aws iam .*$", report, flags=re.MULTILINE)
    assert [command.split()[2] for command in commands] == [
        *["create-policy", "attach-role-policy"] * 2,
        "delete-role-policy",
    ]
    for command in commands:
        stack.execute("sh", "-c", command.removesuffix(" &&"), PATH=page_path(stack))
        assert role_accesses(aws) == before
    stack.up()
    assert role_accesses(aws) > before
    policies = aws.role_policies(NAME)
    assert set(policies) == {"small", OWN}
    assert in_one_line(policies[OWN]) == own_policy(console.secret_arn)
    assert stack.up("--expect-no-changes").exit_code == 0
    # The end that the page describes: the stack owns every policy, and the copies go.
    stack.run("config", "set", "exclusivePolicies", "true")
    stack.up()
    for number in (1, 2):
        arn = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-copy-{number}"
        run_section(stack, "If there is no room for the role policy", PAGE, POLICY_ARN=arn)
    assert set(aws.role_policies(NAME)) == {OWN}
    assert aws.iam.list_policies(Scope="Local")["Policies"] == []
