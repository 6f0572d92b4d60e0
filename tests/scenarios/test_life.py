"""A role's lifecycle: it is previewed, created, changed (perhaps after a failure), and destroyed."""

import json
from functools import partial
from typing import Any, Final

import pytest

from pages import examples
from pages.examples import ACCOUNT, APPLICATION_ARN, KEY_ID
from tests.helpers.support import POLICY, REQUIRED, ROLE
from tests.scenarios.world import World

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

OWN_POLICY: Final = "qbusiness-aem-connector"
OPTIONS: Final[dict[str, Any]] = {
    "kmsKeyId": KEY_ID,
    "vpcConfiguration": {
        "subnetIds": [examples.SUBNET_ID, examples.SHARED_SUBNET_ARN],
        "securityGroupIds": [examples.SECURITY_GROUP_ID],
    },
    "allowNetworkInterfaceDeletion": True,
}


def test_role_is_created_as_previewed_updated_and_destroyed(world: World):
    name = world.name("life")
    settings = {
        **REQUIRED,
        **OPTIONS,
        "roleName": name,
        "tags": {"Team": "search"},
        "exclusivePolicies": True,
    }
    stack = world.new_stack(settings)
    preview = json.loads(stack.run("preview", "--json", "--stack", stack.name).stdout)
    planned = {step["urn"].rpartition("::")[2]: step["newState"] for step in preview["steps"]}
    trust_policy, role_policy = map(world.document, ("trust-policy", "default-role-policy"))
    assert json.loads(planned[ROLE]["inputs"]["assumeRolePolicy"]) == trust_policy
    assert json.loads(planned[POLICY]["inputs"]["policy"]) == role_policy
    assert world.roles() == []

    assert world.up(stack).changes == {"create": 6}
    arn = f"arn:aws:iam::{world.account}:role/{name}"
    assert stack.outputs() == {"roleArn": arn, "roleName": name}
    role = {
        "arn": arn,
        "trust policy": trust_policy,
        "description": "",
        "duration": 3600,
        "boundary": None,
        "tags": {"Team": "search"},
        "policies": {OWN_POLICY: role_policy},
        "attached": [],
    }
    world.expect(partial(world.role, name), role)
    assert world.up(stack, "--expect-no-changes").changes == {"same": 6}
    assert stack.drift().exit_code == 0

    application = APPLICATION_ARN.replace("a1b2c3d4-", "d4c3b2a1-")
    more = {"applicationId": application, "roleDescription": "AEM", "tags": {"Owner": "me"}}
    world.configure(stack, {**settings, **more})
    changed = {step for step in world.up(stack).steps if step[0] != "same"}
    tags = ("tags.Owner", "tags.Team", "tagsAll.Owner", "tagsAll.Team")
    assert changed == {
        ("update", ROLE, ("assumeRolePolicy", "description", *tags)),
        ("update", POLICY, ("policy",)),
    }
    role |= {"description": "AEM", "tags": {"Owner": "me"}}
    moved = json.loads(json.dumps(role).replace("a1b2c3d4-", "d4c3b2a1-"))
    world.expect(partial(world.role, name), moved)
    assert stack.outputs() == {"roleArn": arn, "roleName": name}

    assert stack.destroy().changes == {"delete": 6}
    world.expect(world.roles, [])
    assert stack.resources() == []


def test_next_update_applies_changes_of_failed_update(world: World):
    name = world.name("failure")
    stack = world.new_stack({**REQUIRED, "roleName": name})
    world.up(stack)
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/{world.name('boundary')}"
    more = {"permissionsBoundaryArn": boundary, "roleDescription": "AEM", "tags": {"Team": "search"}}
    world.configure(stack, {**REQUIRED, "roleName": name, **more})
    failed = world.up(stack, check=False)
    assert failed.exit_code != 0
    assert "NoSuchEntity" in failed.text
    created = world.new_policy("boundary")
    world.up(stack)
    found = world.role(name)
    assert (found["boundary"], found["description"], found["tags"]) == (
        created,
        "AEM",
        {"Team": "search"},
    )
    assert stack.drift().exit_code == 0
    stack.destroy()
    world.expect(world.roles, [])
