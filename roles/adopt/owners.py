"""Find Pulumi and CloudFormation stacks that already own a role or one of its policies."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from components.connector_role import POLICY_NAME
from roles.account import Role
from roles.concurrency import read_each
from roles.errors import InputError
from roles.output import Notes
from roles.project import run_pulumi

_IDENTITIES: Final = {
    "aws:iam/role:Role": "arn",
    "aws-native:iam:Role": "arn",
    "aws:iam/rolePolicy:RolePolicy": "id",
}
"""The name of the output that identifies a role or policy, by Pulumi resource type."""
_CLOUDFORMATION: Final = "aws:cloudformation:stack-name"
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-resource-tags.html"""


_STACKS: Final = 200
"""The maximum number of stacks to read; each takes about a second."""
OWN: Final = "this stack owns the role"


def find_owners(roles: Sequence[Role], stack: str, project: str, notes: Notes) -> Mapping[str, str]:
    """Map the ARN of each role that has an owner to a phrase such as `stack dev owns the role`.

    If `stack` itself owns the role, the phrase is OWN. Read at most _STACKS stacks in the backend, the
    most recently updated first. Warn if there are more stacks, or if stacks cannot be read.
    """
    owners = {
        role.arn: "according to a tag, the CloudFormation stack "
        f"{role.tags[_CLOUDFORMATION]} owns the role"
        for role in roles
        if _CLOUDFORMATION in role.tags
    }
    wanted: dict[str, tuple[str, str]] = {}
    for role in roles:
        wanted[f"{role.name}:{POLICY_NAME}"] = role.arn, "owns a policy of the role"
        wanted |= dict.fromkeys((role.arn, role.name), (role.arn, "owns the role"))
    try:
        stacks = _stacks(stack)
    except InputError as error:
        notes.warn(f"cannot tell whether another stack owns any of the roles: {error}")
        return owners

    def read(name: str) -> list[tuple[str, str]] | InputError:
        try:
            return [*_owned_by(name)]
        except InputError as error:
            return error

    if len(stacks) > _STACKS:
        notes.warn(
            "cannot tell whether an unread stack owns any of the roles: only the "
            f"{_STACKS} most recently updated of {len(stacks)} stacks were read"
        )
    for name, found in zip(stacks, read_each(read, stacks[:_STACKS], notes, "stacks"), strict=False):
        if isinstance(found, InputError):
            notes.warn(f"cannot tell whether stack {name} owns any of the roles: {found}")
        else:
            # "owns the role" is sorted last, so it overrides "owns a policy of the role".
            owned = sorted((*wanted[key], urn) for key, urn in found if key in wanted)
            # A stack in another organization can have the same URNs.
            is_ours = name.partition("/")[0] == stack.partition("/")[0]
            own = f"urn:pulumi:{stack.rpartition('/')[2]}::{project}::"
            owners |= {
                arn: OWN if is_ours and urn.startswith(own) else f"stack {name} {owns}"
                for arn, owns, urn in owned
            }
    return owners


def _stacks(stack: str) -> list[str]:
    """Return the names of the stacks that may have resources, the most recently updated first.

    Unless `stack` has an organization, Pulumi omits the current organization and project from names.
    """
    full = ["--fully-qualify-stack-names"] * ("/" in stack)
    listed: list[Mapping[str, Any]] = _query_pulumi("stack", "ls", "--all", "--json", *full)
    listed = sorted(listed, key=lambda each: each.get("lastUpdate") or "", reverse=True)
    return [each["name"] for each in listed if each.get("resourceCount") != 0]


def _owned_by(name: str) -> Iterator[tuple[str, str]]:
    """Yield the identifying output and the URN of each role and policy that a stack owns.

    If the output is secret or missing, yield the resource's ID instead.
    """
    deployment = _query_pulumi("stack", "export", "--stack", name).get("deployment") or {}
    for resource in deployment.get("resources") or []:
        identity = _IDENTITIES.get(resource.get("type"))
        if identity and not resource.get("external"):
            found = resource.get("outputs", {}).get(identity)
            yield found if isinstance(found, str) else str(resource.get("id")), resource["urn"]


def _query_pulumi(*command: str) -> Any:
    """Return the parsed output of a read-only Pulumi command; raise InputError if the command fails."""
    try:
        done = run_pulumi(*command)
    except FileNotFoundError:
        raise InputError("pulumi is not on PATH") from None
    if done.returncode:
        raise InputError(" ".join(done.stderr.split()))
    return json.loads(done.stdout)
