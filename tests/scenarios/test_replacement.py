"""A role that gets a different name or path: with an automatic name, the new role is created first."""

import json
from typing import Any, Final

import pytest

from pages.examples import BUCKET_NAME, SECRET_ID
from tests.helpers.support import REQUIRED
from tests.scenarios.world import World

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

AEM: Final[dict[str, Any]] = {"secretId": SECRET_ID}
FILES: Final[dict[str, Any]] = {"connector": "s3-v2", "bucketName": BUCKET_NAME}


def test_only_role_with_automatic_name_is_replaced_without_gap(
    world: World,
):
    top = {key: REQUIRED[key] for key in ("aws:region", "applicationId", "indexId")}
    entries: dict[str, dict[str, Any]] = {
        "automatic": AEM,
        "named": {**AEM, "roleName": world.name("one")},
        "kept": AEM,
        "files": {**FILES, "rolePath": "/connectors/"},
        "owned": {**FILES, "rolePath": "/connectors/", "exclusivePolicies": True},
    }

    def configuration() -> dict[str, Any]:
        return {**top, "dataSources": {world.name(entry): own for entry, own in entries.items()}}

    stack = world.new_stack(configuration())
    world.up(stack)

    def deploy(*options: str, **settings: dict[str, str]) -> dict[str, list[tuple[str, str]]]:
        """Change some entries' settings; return each entry's steps, in order."""
        for entry, changed in settings.items():
            entries[entry] = {**entries[entry], **changed}
        world.configure(stack, configuration())
        steps: dict[str, list[tuple[str, str]]] = {entry: [] for entry in entries}
        for operation, resource, _ in world.up(stack, *options).steps:
            entry, _, kind = resource.removeprefix(world.name("")).partition("-qbusiness-")
            if operation != "same":
                steps[entry].append((operation, kind))
        world.expect(world.roles, sorted(name_of(entry) for entry in entries))  # no old role is left
        for entry in entries:
            role = world.role(name_of(entry))
            assert (role["arn"] in json.dumps(role["policies"])) == (entry in ("files", "owned"))
        return steps

    def name_of(entry: str) -> str:
        return stack.outputs()["roleNames"][world.name(entry)]

    without_gap = [
        ("create-replacement", "role"),
        ("replace", "role"),
        ("create-replacement", "policy"),
        ("replace", "policy"),
        ("delete-replaced", "policy"),
        ("delete-replaced", "role"),
    ]
    with_gap = [
        ("delete-replaced", "policy"),
        ("delete-replaced", "role"),
        ("replace", "role"),
        ("create-replacement", "role"),
        ("replace", "policy"),
        ("create-replacement", "policy"),
    ]
    exclusive = {("replace", "policies-exclusive"), ("replace", "policy-attachments-exclusive")}
    steps = deploy(
        automatic={"rolePath": "/connectors/"},
        named={"roleName": world.name("two")},
        kept={"roleName": world.name("kept-name")},
        files={"roleName": world.name("files-name")},
        owned={"roleName": world.name("owned-name")},
    )
    assert steps["automatic"] == without_gap
    assert steps["named"] == steps["kept"] == steps["files"] == with_gap
    assert exclusive < {*steps["owned"]}

    steps = deploy(
        "--run-program",
        automatic={"rolePath": "/"},
        kept={"roleName": ""},
        files={"rolePath": "/other/"},
        owned={"rolePath": "/other/"},
    )
    assert steps["named"] == steps["kept"] == []
    assert name_of("kept") == world.name("kept-name")
    # If the refresh runs the program, the old role and its policy are deleted together.
    assert steps["automatic"][:4] == without_gap[:4]
    assert {*steps["automatic"][4:]} == {*without_gap[4:]}
    assert ("replace", "role") in steps["files"]

    steps = deploy(
        kept={"rolePath": "/connectors/"},
        files={"roleName": world.name("new"), "rolePath": ""},
        owned={"roleName": world.name("new-too"), "rolePath": ""},
    )
    assert steps["automatic"] == steps["named"] == []
    assert steps["kept"] == without_gap
    assert name_of("kept").startswith(world.name("kept-qbusiness-role-"))
    assert steps["files"] == with_gap
    assert exclusive < {*steps["owned"]}
    assert stack.drift().exit_code == 0
    stack.destroy()
    world.expect(world.roles, [])
