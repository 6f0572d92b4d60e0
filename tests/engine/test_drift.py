"""Test that manual changes are found, named and corrected, and nothing else is touched."""

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from evidence.examples import KEY_ID
from tests.helpers.page import run_section
from tests.helpers.stacks import Aws, NewStack, Stack
from tests.helpers.support import ATTACHED_POLICIES, INLINE_POLICIES, POLICY, REQUIRED, ROLE, golden

NAME = "qbusiness-drift"
SETTINGS: dict[str, Any] = {
    **REQUIRED,
    "kmsKeyId": KEY_ID,
    "roleName": NAME,
    "roleDescription": "AEM",
    "tags": {"Team": "search", "Owner": "me"},
}
WIDE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
)
OTHER_SERVICE = golden("trust-policy").replace('"qbusiness.amazonaws.com"', '"ec2.amazonaws.com"')


def delete_policy(iam: Any) -> None:
    iam.delete_role_policy(RoleName=NAME, PolicyName="qbusiness-aem-connector")


def delete_role(iam: Any) -> None:
    delete_policy(iam)
    iam.delete_role(RoleName=NAME)


def edit_policy(iam: Any) -> None:
    iam.put_role_policy(RoleName=NAME, PolicyName="qbusiness-aem-connector", PolicyDocument=WIDE)


def edit_role(iam: Any) -> None:
    iam.update_assume_role_policy(RoleName=NAME, PolicyDocument=OTHER_SERVICE)
    iam.update_role(RoleName=NAME, Description="mine now", MaxSessionDuration=7200)
    iam.put_role_permissions_boundary(
        RoleName=NAME, PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )


def edit_tags(iam: Any) -> None:
    tags = {"Stage": "test", "Team": "other"}
    iam.tag_role(RoleName=NAME, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    iam.untag_role(RoleName=NAME, TagKeys=["Owner"])


CHANGES: dict[str, tuple[Callable[[Any], object], dict[str, list[str]]]] = {
    "policy edited": (edit_policy, {POLICY: ["policy"]}),
    "policy deleted": (delete_policy, {POLICY: []}),
    "role edited": (
        edit_role,
        {ROLE: ["assumeRolePolicy", "description", "maxSessionDuration", "permissionsBoundary"]},
    ),
    "tags added, changed and removed": (edit_tags, {ROLE: ["Stage", "Team", "Owner"]}),
    "role deleted": (delete_role, {ROLE: [], POLICY: []}),
}
"""Manual changes, and the properties that the report names for each resource."""


def everything(aws: Aws) -> tuple[Any, ...]:
    """Return IAM's data of the role, except values that differ for each new role."""
    role = aws.iam.get_role(RoleName=NAME)["Role"]
    own = {name: value for name, value in role.items() if name not in ("RoleId", "CreateDate")}
    attached = aws.iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"]
    return own, aws.role_policies(NAME), attached


@pytest.fixture
def deployed(new_stack: NewStack) -> Stack:
    stack = new_stack(SETTINGS)
    stack.up()
    return stack


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_manual_change_is_detected_named_and_corrected(
    deployed: Stack, aws: Aws, change: Callable[[Any], object], expected: dict[str, list[str]]
):
    before = everything(aws)
    change(aws.iam)
    found = run_section(deployed, "Find drift", check=False)
    assert found.returncode != 0
    for resource in (ROLE, POLICY):
        assert (f"::{resource}]" in found.stdout) == (resource in expected)
    for named in itertools.chain(*expected.values()):
        assert re.search(rf"[~+-] {named}\s*:", found.stdout), named
    run_section(deployed, "Correct drift")
    assert everything(aws) == before
    assert run_section(deployed, "Find drift").returncode == 0


def test_manually_added_policies_are_detected_and_removed_if_the_stack_owns_all(
    new_stack: NewStack, aws: Aws, managed_policy: str
):
    stack = new_stack({**SETTINGS, "exclusivePolicies": True})
    stack.up()
    before = everything(aws)
    aws.iam.put_role_policy(RoleName=NAME, PolicyName="by-hand", PolicyDocument=WIDE)
    aws.iam.attach_role_policy(RoleName=NAME, PolicyArn=managed_policy)
    found = run_section(stack, "Find drift", check=False)
    assert found.returncode != 0
    for resource, named in ((INLINE_POLICIES, "by-hand"), (ATTACHED_POLICIES, managed_policy)):
        assert resource in found.stdout
        assert named in found.stdout
    run_section(stack, "Correct drift")
    assert everything(aws) == before
    assert run_section(stack, "Find drift").returncode == 0


def test_manually_added_policies_are_ignored_if_the_stack_does_not_own_them(
    deployed: Stack, aws: Aws, managed_policy: str
):
    aws.iam.put_role_policy(RoleName=NAME, PolicyName="by-hand", PolicyDocument=WIDE)
    aws.iam.attach_role_policy(RoleName=NAME, PolicyArn=managed_policy)
    before = everything(aws)
    assert run_section(deployed, "Find drift").returncode == 0
    run_section(deployed, "Correct drift")
    assert everything(aws) == before


def test_exclusive_policies_can_be_switched_on_and_off_later(
    new_stack: NewStack, aws: Aws, managed_policy: str
):
    stack = new_stack(SETTINGS)
    stack.up()
    aws.iam.attach_role_policy(RoleName=NAME, PolicyArn=managed_policy)
    stack.configure({**SETTINGS, "exclusivePolicies": True})
    assert stack.up().changes == {"same": 4, "create": 2}
    assert everything(aws)[2] == []
    stack.configure(SETTINGS)
    assert stack.up().changes == {"same": 4, "delete": 2}
    assert list(aws.role_policies(NAME)) == ["qbusiness-aem-connector"]


@pytest.mark.parametrize(("path", "duration"), [("", 3600), ("/connectors/", 7200)])
def test_an_edited_maximum_session_duration_is_kept_if_name_and_path_are_both_set(
    new_stack: NewStack, aws: Aws, path: str, duration: int
):
    stack = new_stack({**SETTINGS, "rolePath": path})
    stack.up()
    aws.iam.update_role(RoleName=NAME, MaxSessionDuration=7200)
    run_section(stack, "Correct drift")
    assert aws.iam.get_role(RoleName=NAME)["Role"]["MaxSessionDuration"] == duration


def test_destroy_deletes_a_role_with_manually_added_policies(
    deployed: Stack, aws: Aws, managed_policy: str
):
    aws.iam.put_role_policy(RoleName=NAME, PolicyName="by-hand", PolicyDocument=WIDE)
    aws.iam.attach_role_policy(RoleName=NAME, PolicyArn=managed_policy)
    deployed.destroy()
    assert NAME not in aws.roles()
