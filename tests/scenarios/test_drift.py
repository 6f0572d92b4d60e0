"""Manual changes to roles are found and corrected, with exceptions, and nothing else changes."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import pytest

from pages.examples import KEY_ID, SECRET_ID
from tests.helpers.support import REQUIRED, golden
from tests.scenarios.world import DENY_ALL, World

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

ENTRY: Final[dict[str, Any]] = {
    "secretId": SECRET_ID,
    "kmsKeyId": KEY_ID,
    "roleDescription": "AEM",
    "tags": {"Team": "search", "Owner": "me"},
}
OWN_POLICY: Final = "qbusiness-aem-connector"
MANAGED_POLICY: Final = "arn:aws:iam::aws:policy/AWSDenyAll"
OTHER_SERVICE: Final = golden("trust-policy").replace('"qbusiness.amazonaws.com"', '"ec2.amazonaws.com"')


def do_nothing(world: World, role: str) -> None:
    del world, role


def edit_policy(world: World, role: str) -> None:
    world.iam.put_role_policy(RoleName=role, PolicyName=OWN_POLICY, PolicyDocument=DENY_ALL)


def delete_policy(world: World, role: str) -> None:
    world.iam.delete_role_policy(RoleName=role, PolicyName=OWN_POLICY)


def edit_role(world: World, role: str) -> None:
    world.iam.update_assume_role_policy(RoleName=role, PolicyDocument=world.moved(OTHER_SERVICE))
    world.iam.update_role(RoleName=role, Description="mine now", MaxSessionDuration=7200)
    world.iam.put_role_permissions_boundary(
        RoleName=role, PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )


def edit_duration(world: World, role: str) -> None:
    world.iam.update_role(RoleName=role, Description="AEM", MaxSessionDuration=7200)


def edit_tags(world: World, role: str) -> None:
    tags = {"Stage": "test", "Team": "other"}
    world.iam.tag_role(RoleName=role, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    world.iam.untag_role(RoleName=role, TagKeys=["Owner"])


def delete_role(world: World, role: str) -> None:
    delete_policy(world, role)
    world.settle()
    world.iam.delete_role(RoleName=role)


def add_policies(world: World, role: str) -> None:
    world.iam.put_role_policy(RoleName=role, PolicyName="by-hand", PolicyDocument=DENY_ALL)
    world.iam.attach_role_policy(RoleName=role, PolicyArn=MANAGED_POLICY)


class Change(NamedTuple):
    """A manual change to one data source's role."""

    make: Callable[[World, str], object]
    reported: Mapping[str, list[str]]
    """The properties or values that the report lists for each resource."""
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
    # A role with both a name and a path keeps its duration: no default is recorded.
    "duration-edited": Change(
        edit_duration,
        {"role": ["maxSessionDuration"]},
        corrected=False,
        settings={"rolePath": "/connectors/"},
    ),
    "untouched": Change(do_nothing, {}, corrected=False),
}


def test_manual_changes_are_corrected_with_known_exceptions(world: World):
    top = {key: REQUIRED[key] for key in ("aws:region", "applicationId", "indexId")}
    names = {entry: world.name(entry) for entry in CHANGES}
    entries = {
        entry: {**ENTRY, "roleName": names[entry], **change.settings}
        for entry, change in CHANGES.items()
    }
    stack = world.new_stack({**top, "dataSources": entries})
    world.up(stack)
    before = {entry: world.role(name) for entry, name in names.items()}
    for entry, change in CHANGES.items():
        change.make(world, names[entry])
    world.settle()
    expected = {
        entry: before[entry] if change.corrected else world.role(names[entry])
        for entry, change in CHANGES.items()
    }

    found = world.section(stack, "Find drift", check=False)
    _, *parts = re.split(r"\[urn=\S+::(\S+)-qbusiness-(\S+)\]\n", found)
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
        for place, reported in named.items()
        for name in reported
        if not re.search(rf"^ +[~+-] .*\b{name}\b", reports[place], re.MULTILINE)
    ] == []

    world.section(stack, "Correct drift")
    for entry, role in expected.items():
        world.expect(partial(world.role, names[entry]), role)
    world.section(stack, "Find drift")  # fails if it finds any
    stack.destroy()
    world.expect(world.roles, [])


def test_stack_can_start_and_stop_owning_all_policies(world: World):
    name = world.name("owned-later")
    settings = {**REQUIRED, **ENTRY, "roleName": name}
    own = [OWN_POLICY]

    def policies() -> tuple[list[str], list[str]]:
        role = world.role(name)
        return [*role["policies"]], role["attached"]

    stack = world.new_stack(settings)
    world.up(stack)
    add_policies(world, name)
    world.settle()
    world.configure(stack, {**settings, "exclusivePolicies": True})
    preview = stack.preview()
    assert preview.changes == {"same": 4, "create": 2}
    assert "this update removes every policy" in preview.text
    world.up(stack)
    world.expect(policies, (own, []))
    world.configure(stack, settings)
    assert world.up(stack).changes == {"same": 4, "delete": 2}
    world.expect(policies, (own, []))
    add_policies(world, name)
    world.settle()
    stack.destroy()
    world.expect(world.roles, [])
