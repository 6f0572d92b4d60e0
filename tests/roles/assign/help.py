"""Provide a stack with two entries, and faulty updates of data sources."""

from collections.abc import Callable
from typing import Any, Final

from pages.examples import ACCOUNT
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import golden
from tests.helpers.world import ROLE_ARN, SECRET_ARN, SETTINGS, World

WIKI_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/wiki-qbusiness-role-7654321"
WIKI_SECRET: Final = SECRET_ARN.replace("aem-cloud-a1B2c3", "wiki-c3D4e5")
OLD_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/old"
PAIR: Final = f"aem-connector={DATA_SOURCE_ID}"
_OF_ENTRIES: Final = ("secretId", "kmsKeyId", "allowNetworkInterfaceDeletion")


def deploy_two(world: World) -> None:
    """Turn the stack's role into the role of an entry called aem, and add an entry called wiki."""
    namespace = next(key for key in SETTINGS if key.endswith("secretId")).partition(":")[0]
    aem = {key: world.settings[f"{namespace}:{key}"] for key in _OF_ENTRIES}
    wiki = {"connector": "confluence-cloud", "secretId": WIKI_SECRET, "vpcConfiguration": {}}
    world.set(**dict.fromkeys(_OF_ENTRIES), dataSources={"aem": aem, "wiki": wiki})
    document = golden("minimal-role-policy").replace(SECRET_ARN, WIKI_SECRET)
    world.role(WIKI_ROLE.rpartition("/")[2], document)
    world.outputs = {"roleArns": {"aem": ROLE_ARN, "wiki": WIKI_ROLE}, "roleNames": {}}


def add_wiki(world: World, role_arn: str | None = None, name: str = "Wiki") -> str:
    """Add a data source that matches the entry wiki, and return its ID."""
    return world.add(name, role_arn, WIKI_SECRET, "CONFLUENCEV2")


def add_old(world: World, **more: Any) -> dict[str, Any]:
    """Add a data source that matches the stack's entry but has another role; return its properties."""
    world.role("old")
    return dict(world.add_data_source(roleArn=OLD_ROLE, **more))


def on_update(world: World, apply: Callable[[dict[str, Any]], object]) -> None:
    """Apply a change to the data source after each update."""

    def changed(body: bytes) -> bytes:
        apply(world.server.data_source())
        return body

    world.server.spoil["qbusiness:UpdateDataSource"] = changed


def updates(world: World) -> int:
    """Return the number of UpdateDataSource requests."""
    return world.server.calls.count("qbusiness:UpdateDataSource")


def assert_only_role_changed(world: World, before: dict[str, Any], role: str = ROLE_ARN) -> None:
    after = world.server.data_source()
    assert {**before, "roleArn": role, "updatedAt": 0} == {**after, "updatedAt": 0}


def journal(world: World, start: str = "assigned-dev-") -> str:
    """Return the name of the only journal with this prefix."""
    (name,) = [name for name in world.files if name.startswith(start)]
    return name
