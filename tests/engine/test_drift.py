"""Test that manual changes are found, named, and corrected, and that nothing else is touched."""

import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ARN, INDEX_ID, KEY_ID, REGION, SECRET_ID
from tests.helpers.page import run_section
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import golden

TOP: Final[dict[str, Any]] = {
    "aws:region": REGION,
    "applicationId": APPLICATION_ARN,
    "indexId": INDEX_ID,
}
ENTRY: Final[dict[str, Any]] = {
    "secretId": SECRET_ID,
    "kmsKeyId": KEY_ID,
    "roleDescription": "AEM",
    "tags": {"Team": "search", "Owner": "me"},
}
OWN_POLICY: Final = "qbusiness-aem-connector"
MANAGED_POLICY: Final = f"arn:aws:iam::{ACCOUNT}:policy/by-hand"
"""The ARN of the fixture `managed_policy`."""
WIDE: Final = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
)
OTHER_SERVICE: Final = golden("trust-policy").replace('"qbusiness.amazonaws.com"', '"ec2.amazonaws.com"')


def do_nothing(_iam: Any, _role: str) -> None:
    pass


def edit_policy(iam: Any, role: str) -> None:
    iam.put_role_policy(RoleName=role, PolicyName=OWN_POLICY, PolicyDocument=WIDE)


def delete_policy(iam: Any, role: str) -> None:
    iam.delete_role_policy(RoleName=role, PolicyName=OWN_POLICY)


def edit_role(iam: Any, role: str) -> None:
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=OTHER_SERVICE)
    iam.update_role(RoleName=role, Description="mine now", MaxSessionDuration=7200)
    iam.put_role_permissions_boundary(
        RoleName=role, PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )


def edit_duration(iam: Any, role: str) -> None:
    iam.update_role(RoleName=role, Description="AEM", MaxSessionDuration=7200)


def edit_tags(iam: Any, role: str) -> None:
    tags = {"Stage": "test", "Team": "other"}
    iam.tag_role(RoleName=role, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    iam.untag_role(RoleName=role, TagKeys=["Owner"])


def delete_role(iam: Any, role: str) -> None:
    delete_policy(iam, role)
    iam.delete_role(RoleName=role)


def add_policies(iam: Any, role: str) -> None:
    iam.put_role_policy(RoleName=role, PolicyName="by-hand", PolicyDocument=WIDE)
    iam.attach_role_policy(RoleName=role, PolicyArn=MANAGED_POLICY)


class Change(NamedTuple):
    """A manual change of the role of one data source."""

    make: Callable[[Any, str], object]
    reported: Mapping[str, list[str]]
    """What the report names for each resource: properties or values."""
    corrected: bool = True
    settings: Mapping[str, Any] = MappingProxyType({})


CHANGES: Final[Mapping[str, Change]] = {
    "policy-edited": Change(edit_policy, {"policy": ["policy"]}),
    "policy-deleted": Change(delete_policy, {"policy": []}),
    "role-edited": Change(
        edit_role,
        {"role": ["assumeRolePolicy", "description", "maxSessionDuration", "permissionsBoundary"]},
    ),
    "tags-edited": Change(edit_tags, {"role": ["Stage", "Team", "Owner"]}),
    "role-deleted": Change(delete_role, {"role": [], "policy": []}),
    "policies-added": Change(add_policies, {}, corrected=False),
    "policies-added-if-exclusive": Change(
        add_policies,
        {
            "policies-exclusive": ["by-hand"],
            "policy-attachments-exclusive": [MANAGED_POLICY],
        },
        settings={"exclusivePolicies": True},
    ),
    # The role has both a name and a path.
    "duration-edited": Change(
        edit_duration,
        {"role": ["maxSessionDuration"]},
        corrected=False,
        settings={"rolePath": "/connectors/"},
    ),
    "untouched": Change(do_nothing, {}, corrected=False),
}


def role_name(entry: str) -> str:
    return f"qbusiness-{entry}"


def everything(aws: Aws, name: str) -> tuple[Any, ...]:
    """Return IAM's data of a role, except values that differ for each new role."""
    role = aws.iam.get_role(RoleName=name)["Role"]
    own = {key: value for key, value in role.items() if key not in ("RoleId", "CreateDate")}
    attached = aws.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return own, aws.role_policies(name), attached


@pytest.mark.usefixtures("managed_policy")
def test_manual_changes_are_found_named_and_corrected(new_stack: NewStack, aws: Aws):
    entries = {
        entry: {**ENTRY, "roleName": role_name(entry), **change.settings}
        for entry, change in CHANGES.items()
    }
    stack = new_stack({**TOP, "dataSources": entries})
    stack.up()
    expected: dict[str, Any] = {}
    for entry, change in CHANGES.items():
        before = everything(aws, role_name(entry))
        change.make(aws.iam, role_name(entry))
        expected[entry] = before if change.corrected else everything(aws, role_name(entry))

    found = run_section(stack, "Find drift", check=False)
    assert found.returncode != 0
    _, *parts = re.split(r"\[urn=\S+::(\S+)-qbusiness-(\S+)\]\n", found.stdout)
    reports = {
        (entry, resource): text
        for entry, resource, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }
    named = {
        (entry, resource): change.reported[resource]
        for entry, change in CHANGES.items()
        for resource in change.reported
    }
    assert reports.keys() == named.keys()
    assert [
        (place, name)
        for place, names in named.items()
        for name in names
        if not re.search(rf"^ +[~+-] .*\b{name}\b", reports[place], re.MULTILINE)
    ] == []

    run_section(stack, "Correct drift")
    assert {entry: everything(aws, role_name(entry)) for entry in CHANGES} == expected
    assert run_section(stack, "Find drift").returncode == 0


@pytest.mark.usefixtures("managed_policy")
def test_a_stack_may_own_all_policies_later_and_no_longer_and_destroy_deletes_added_ones(
    new_stack: NewStack, aws: Aws
):
    name = role_name("aem")
    settings = {**TOP, **ENTRY, "roleName": name}
    stack = new_stack(settings)
    stack.up()
    add_policies(aws.iam, name)
    stack.configure({**settings, "exclusivePolicies": True})
    assert stack.up().changes == {"same": 4, "create": 2}
    _, policies, attached = everything(aws, name)
    assert ([*policies], attached) == ([OWN_POLICY], [])
    stack.configure(settings)
    assert stack.up().changes == {"same": 4, "delete": 2}
    assert [*aws.role_policies(name)] == [OWN_POLICY]
    add_policies(aws.iam, name)
    stack.destroy()
    assert name not in aws.roles()
