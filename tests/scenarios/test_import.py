"""A manually created role is imported, is updated in place, and loses its other policies last."""

import json
import re
from functools import partial
from typing import Any

import pytest

from tests.helpers.page import blocks, prose
from tests.helpers.support import REQUIRED, golden
from tests.scenarios.world import DENY_ALL, World

pytestmark = [pytest.mark.engine, pytest.mark.thorough]


def test_role_updated_in_place_loses_other_policies_last(world: World):
    name, path = world.name("imported"), "/service-role/"
    own: dict[str, Any] = {"Description": "Created by the console", "Path": path}
    tags = [{"Key": "CreatedBy", "Value": "console"}]
    trust_policy = json.dumps(json.loads(world.moved(golden("trust-policy"))), indent=8)
    created = world.iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=trust_policy, Tags=tags, **own
    )
    world.iam.get_waiter("role_exists").wait(RoleName=name)
    world.iam.put_role_policy(RoleName=name, PolicyName="console", PolicyDocument=DENY_ALL)

    stack = world.new_stack(
        {
            **REQUIRED,
            "roleName": name,
            "rolePath": path,
            "roleDescription": own["Description"],
            "tags": {"CreatedBy": "console"},
            "exclusivePolicies": True,
        }
    )
    document, _ = blocks("json", prose("Write the import file by hand"))
    (stack.directory / f"import-{stack.name}.json").write_text(document.replace("ROLE", name))
    done = world.section(stack, "Import the roles")
    assert "replace" not in done
    assert "deleted" not in done
    order = [line for line in done.splitlines() if re.search(r"(cre|upd)ated \(", line)]
    updated = next(i for i, line in enumerate(order) if "-qbusiness-policy " in line)
    removed = next(i for i, line in enumerate(order) if "-policies-exclusive " in line)
    assert updated < removed
    expected = {
        "arn": created["Role"]["Arn"],
        "trust policy": world.document("trust-policy"),
        "description": own["Description"],
        "duration": 3600,
        "boundary": None,
        "tags": {"CreatedBy": "console"},
        "policies": {"qbusiness-aem-connector": world.document("minimal-role-policy")},
        "attached": [],
    }
    world.expect(partial(world.role, name), expected)
    assert world.iam.get_role(RoleName=name)["Role"]["RoleId"] == created["Role"]["RoleId"]
    stack.preview("--expect-no-changes")
    stack.destroy()
    world.expect(world.roles, [])
