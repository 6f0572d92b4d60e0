"""Each entry of a stack's data sources has a role, which is created and deleted with the entry."""

from functools import partial
from typing import Any

import pytest

from pages.examples import BUCKET_NAME, KEY_ID, SECRET_ID
from tests.helpers.support import REQUIRED
from tests.scenarios.world import World

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

OWN_POLICY = "qbusiness-aem-connector"


def test_role_is_created_and_deleted_with_its_entry(world: World):
    top = {key: REQUIRED[key] for key in ("aws:region", "applicationId", "indexId")}
    entries: dict[str, Any] = {
        world.name("wiki"): {"secretId": SECRET_ID},
        world.name("files"): {"connector": "s3-v2", "bucketName": BUCKET_NAME, "kmsKeyId": KEY_ID},
    }
    wiki, files = entries
    stack = world.new_stack({**top, "dataSources": entries})
    world.up(stack)
    names: dict[str, str] = stack.outputs()["roleNames"]
    world.expect(world.roles, sorted(names.values()))
    for entry, document in ((wiki, "minimal-role-policy"), (files, "s3-v2-role-policy")):
        assert names[entry].startswith(f"{entry}-qbusiness-role-")
        expected = {OWN_POLICY: world.document(document, names[entry])}
        world.expect(lambda name=names[entry]: world.role(name)["policies"], expected)
    assert stack.drift().exit_code == 0

    world.configure(stack, {**top, "dataSources": {files: entries[files]}})
    assert world.up(stack).changes == {"same": 4, "delete": 3}
    world.expect(world.roles, [names[files]])
    world.configure(stack, {**top, "dataSources": entries})
    world.up(stack)
    again: dict[str, str] = stack.outputs()["roleNames"]
    assert again[files] == names[files]
    assert again[wiki] != names[wiki]
    world.expect(world.roles, sorted(again.values()))
    stack.destroy()
    world.expect(world.roles, [])
    world.expect(partial(world.iam.get_role, RoleName=names[files]), None)
