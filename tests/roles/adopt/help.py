"""Provide policies and stacks for testing `adopt`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sandbox.environment import PROJECT
from tests.helpers.stacks import Stack
from tests.helpers.state import exported
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import INDEX_ARN, OWN, World, s3_policy

_PULUMI: Final = """\
#!/bin/sh
cd "$(dirname "$0")" || exit
case "$*" in
"stack ls --all --json --fully-qualify-stack-names --non-interactive") cat stacks.json ;;
"stack ls --all --json --non-interactive") sed "s,acme/{project}/,,; s,/{project}/,/," stacks.json ;;
"stack export --stack "*" --non-interactive") cat "$(basename "$4").json" ;;
*) exit 6 ;;
esac
"""


class Backend:
    """The stacks in Pulumi's backend; the current organization is `acme`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.program = directory / "pulumi"
        self.program.write_text(_PULUMI.replace("{project}", PROJECT_NAME))
        self.program.chmod(0o755)
        self.stacks: list[dict[str, Any]] = []
        self._write()

    def add(self, name: str, *resources: dict[str, Any]) -> None:
        """Add a stack with these resources; it becomes the most recently updated stack."""
        updated = f"2026-11-28T{len(self.stacks):02}:00:00Z"
        self.stacks.append({"name": name, "lastUpdate": updated, "resourceCount": len(resources)})
        export = exported(*resources)
        (self.directory / f"{name.rpartition('/')[2]}.json").write_text(json.dumps(export))
        self._write()

    def _write(self) -> None:
        (self.directory / "stacks.json").write_text(json.dumps(self.stacks))


def role_resource(arn: str, **more: Any) -> dict[str, Any]:
    """Return the resource of a role in a stack's state."""
    return {"urn": "urn:x", "type": "aws:iam/role:Role", "outputs": {"arn": arn}, **more}


def on_the_engine(new_stack: Callable[..., Stack]) -> Stack:
    """Return a stack without settings; `python -m roles` works in its directory."""
    stack = new_stack({})
    for package in ("guardrails", "roles"):
        (stack.directory / package).symlink_to(PROJECT / package)
    return stack


def console_s3_policy() -> str:
    """Return the role policy that the console creates for a bucket, according to AWS's page."""
    document = json.loads(s3_policy("QBusiness-DataSource-*"))
    for statement in document["Statement"]:
        if "IngestDocuments" in statement["Sid"]:
            statement["Resource"] = INDEX_ARN
    return json.dumps(document)


def put_role(world: World, name: str, trust: str, role_policy: str) -> None:
    """Write a role's trust policy and role policy, as `pulumi up` does."""
    world.iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    world.put_policy(role_policy, OWN, name)
