"""Provide a stack with two entries, and a shell for the scripts that `roles assign` writes."""

import json
import subprocess
from collections.abc import Callable
from typing import Any, Final

from pages.examples import ACCOUNT
from tests.helpers.support import golden
from tests.helpers.world import ROLE_ARN, SECRET_ARN, SETTINGS, World
from tests.roles.adopt.help import sh

SCRIPT: Final = "assign-dev-1.sh"
WIKI_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/wiki-qbusiness-role-7654321"
WIKI_SECRET: Final = SECRET_ARN.replace("aem-cloud", "wiki")
_OF_ENTRIES: Final = ("secretId", "kmsKeyId", "allowNetworkInterfaceDeletion")


def deploy_two(world: World) -> None:
    """Turn the stack's role into the role of an entry called aem, and add an entry called wiki."""
    namespace = next(key for key in SETTINGS if key.endswith("secretId")).partition(":")[0]
    aem = {key: world.settings[f"{namespace}:{key}"] for key in _OF_ENTRIES}
    wiki = {"connector": "confluence-cloud", "secretId": WIKI_SECRET, "vpcConfiguration": {}}
    world.set(**dict.fromkeys(_OF_ENTRIES), dataSources={"aem": aem, "wiki": wiki})
    world.role(WIKI_ROLE.rpartition("/")[2], golden("default-role-policy"))
    world.outputs = {"roleArns": {"aem": ROLE_ARN, "wiki": WIKI_ROLE}, "roleNames": {}}


def add_wiki(world: World, role_arn: str | None = None, name: str = "Wiki") -> str:
    """Add a data source that matches the entry wiki, and return its ID."""
    return world.add(name, role_arn, WIKI_SECRET, "CONFLUENCEV2")


def run_script(world: World, script: str = SCRIPT) -> subprocess.CompletedProcess[str]:
    """Run a script; needs the fixture `aws_cli`."""
    return sh(world, f"sh {script}")


def on_update(world: World, apply: Callable[[dict[str, Any]], object]) -> None:
    """Change a data source after each update."""

    def changed(body: bytes) -> bytes:
        apply(world.server.data_source())
        return body

    world.server.spoil["qbusiness:UpdateDataSource"] = changed


def updates(world: World) -> int:
    """Return how often the server was asked to update a data source."""
    return world.server.calls.count("qbusiness:UpdateDataSource")


def saved(world: World, identifier: str) -> dict[str, Any]:
    """Return the answer that a script has saved."""
    return json.loads(world.path(f"{SCRIPT.removesuffix('.sh')}/{identifier}.json").read_text())
