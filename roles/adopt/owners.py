"""Find Pulumi and CloudFormation stacks that already own a role or one of its policies."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from components.connector_role import POLICY_NAME
from roles.adopt.entries import Entry
from roles.concurrency import read_each
from roles.errors import InputError
from roles.output import Notes
from roles.project import run_pulumi

_IDENTITIES: Final = {
    "aws:iam/role:Role": "arn",
    "aws-native:iam:Role": "arn",
    "aws:iam/rolePolicy:RolePolicy": "id",
}
"""The name of the output that identifies a role or policy, by the type of the Pulumi resource."""
_CLOUDFORMATION: Final = "aws:cloudformation:stack-name"
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-resource-tags.html"""


OWN: Final = "this stack owns the role"


def find_owners(
    entries: Sequence[Entry], stack: str, project: str, most: int, notes: Notes
) -> Mapping[str, str]:
    """Return texts such as `stack dev owns the role` for the roles that have owners, by ARN.

    The stack itself has the text OWN. Read at most `most` stacks in the backend, the most recently
    updated first. Warn if there are more, and about stacks that cannot be read.
    """
    roles = [entry.role for entry in entries]
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

    def read(name: str) -> list[str] | InputError:
        try:
            return [*_owned_by(name)]
        except InputError as error:
            return error

    if len(stacks) > most:
        notes.warn(
            "cannot tell whether an unread stack owns any of the roles: --stacks allows only "
            f"the {most} most recently updated of {len(stacks)} stacks; to read all of them, pass "
            f"--stacks {len(stacks)}"
        )
    for name, found in zip(stacks, read_each(read, stacks[:most], notes, "stacks"), strict=False):
        if isinstance(found, InputError):
            notes.warn(f"cannot tell whether stack {name} owns any of the roles: {found}")
        else:
            # "Owns the role" comes last and so overrides "owns a policy".
            owned = sorted(wanted[key] for key in found if key in wanted)
            is_own = _is_same(name.split("/"), stack.split("/"), project)
            owners |= {arn: OWN if is_own else f"stack {name} {owns}" for arn, owns in owned}
    return owners


def _stacks(stack: str) -> list[str]:
    """Return the names of the stacks that may have resources, the most recently updated first.

    Pulumi omits the current organization and project from a name, unless `stack` has an organization.
    """
    full = ["--fully-qualify-stack-names"] * ("/" in stack)
    listed: list[Mapping[str, Any]] = _query_pulumi("stack", "ls", "--all", "--json", *full)
    listed = sorted(listed, key=lambda each: each.get("lastUpdate") or "", reverse=True)
    return [each["name"] for each in listed if each.get("resourceCount") != 0]


def _is_same(listed: list[str], given: list[str], project: str) -> bool:
    """Return whether two names refer to the same stack; either may lack an organization or a project."""
    if len(given) == 1:
        return listed == given
    return listed[:-2] in ([], given[:1]) and listed[-2:] in ([given[-1]], [project, given[-1]])


def _owned_by(name: str) -> Iterator[str]:
    """Yield the identifying output of each role and policy that a stack owns.

    If the output is secret or missing, yield the resource's ID instead.
    """
    deployment = _query_pulumi("stack", "export", "--stack", name).get("deployment") or {}
    for resource in deployment.get("resources") or []:
        identity = _IDENTITIES.get(resource.get("type"))
        if identity and not resource.get("external"):
            found = resource.get("outputs", {}).get(identity)
            yield found if isinstance(found, str) else str(resource.get("id"))


def _query_pulumi(*command: str) -> Any:
    """Return the JSON that a read-only Pulumi command prints; raise InputError if it fails."""
    try:
        done = run_pulumi(*command)
    except FileNotFoundError:
        raise InputError("pulumi is not on PATH") from None
    if done.returncode:
        raise InputError(" ".join(done.stderr.split()))
    return json.loads(done.stdout)
