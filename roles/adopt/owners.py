"""Find the owner that a role has already: a Pulumi stack of the backend, or a CloudFormation stack."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from roles.account import Role
from roles.output import Notes
from roles.reading import read_each

_ROLES: Final = ("aws:iam/role:Role", "aws-native:iam:Role")
"""The types of the resource that owns a role."""
_CLOUDFORMATION: Final = "aws:cloudformation:stack-name"
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-resource-tags.html"""


class _CannotReadError(Exception):
    """Raised if Pulumi does not show stacks; the message is its own."""


def find_owners(
    roles: Sequence[Role], stack: str, project: str, most: int, notes: Notes
) -> dict[str, str]:
    """Return the owners of roles by ARN, other than the stack that adopts them.

    Read at most that many stacks of the backend, and warn of those that cannot be read.
    """
    owners = {
        role.arn: f"the CloudFormation stack {role.tags[_CLOUDFORMATION]}"
        for role in roles
        if _CLOUDFORMATION in role.tags
    }
    wanted = {key: role.arn for role in roles for key in (role.arn, role.name)}
    try:
        others = _other_stacks(stack, project)
    except _CannotReadError as error:
        notes.warn(f"cannot tell whether another stack owns one of the roles: {error}")
        return owners

    def read(name: str) -> list[str] | _CannotReadError:
        try:
            return [*_roles_of(name)]
        except _CannotReadError as error:
            return error

    if len(others) > most:
        notes.warn(
            "cannot tell whether a stack that was not read owns one of the roles: --stacks allows only "
            f"the last updated {most} of {len(others)}; pass --stacks {len(others)} to read all"
        )
    for name, found in zip(others, read_each(read, others[:most], notes, "stacks"), strict=False):
        if isinstance(found, _CannotReadError):
            notes.warn(f"cannot tell whether the stack {name} owns one of the roles: {found}")
        else:
            owned = [wanted[key] for key in found if key in wanted]
            owners |= dict.fromkeys(owned, f"the stack {name}")
    return owners


def _other_stacks(stack: str, project: str) -> list[str]:
    """Return the names of the stacks that have resources, the last updated first, without this one.

    Pulumi gives a name without its organization and project if they are the current ones.
    """
    full = ["--fully-qualify-stack-names"] * ("/" in stack)
    listed: list[Mapping[str, Any]] = _pulumi("stack", "ls", "--all", "--json", *full)
    listed = sorted(listed, key=lambda each: each.get("lastUpdate") or "", reverse=True)
    names = [each["name"] for each in listed if each.get("resourceCount") != 0]
    return [name for name in names if not _is_same(name.split("/"), stack.split("/"), project)]


def _is_same(listed: list[str], given: list[str], project: str) -> bool:
    """Return whether a listed name is that of the given stack, which may lack its project."""
    if len(given) == 1:
        return listed == given
    return listed[:-2] in ([], given[:1]) and listed[-2:] in ([given[-1]], [project, given[-1]])


def _roles_of(name: str) -> Iterator[str]:
    """Return the ARNs of the roles that a stack owns; for a secret ARN, the name of the role."""
    deployment = _pulumi("stack", "export", "--stack", name).get("deployment") or {}
    for resource in deployment.get("resources") or []:
        if resource.get("type") in _ROLES and not resource.get("external"):
            arn = resource.get("outputs", {}).get("arn")
            yield arn if isinstance(arn, str) else str(resource.get("id"))


def _pulumi(*command: str) -> Any:
    """Run a Pulumi command that only reads, and return the document that it prints."""
    try:
        done = subprocess.run(
            ["pulumi", *command, "--non-interactive"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise _CannotReadError("pulumi is not on PATH") from None
    if done.returncode:
        raise _CannotReadError(" ".join(done.stderr.split()))
    return json.loads(done.stdout)
