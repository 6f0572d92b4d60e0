"""Plan a stack's recovery from its state and a preview, as the Pulumi CLI prints them."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

_ROLE: Final = "aws:iam/role:Role"
_NO_CHANGE: Final = ("same", "refresh", "read")


class Plan(NamedTuple):
    """A plan to recover a stack; `unfinished` and `changes` are lines to show to the user."""

    unfinished: Sequence[str]
    """The operations that were interrupted."""
    orphans: Sequence[dict[str, Any]]
    """Roles that an update began to create but did not record, as resources to delete."""
    changes: Sequence[str]
    """The changes that the next `pulumi up` is expected to make, apart from deleting the orphans."""


def is_interrupted(deployment: dict[str, Any]) -> bool:
    """Return whether an operation was interrupted, or an update left resources to delete."""
    return bool(_pending(deployment)) or any(each.get("delete") for each in _resources(deployment))


def plan(deployment: dict[str, Any], preview: dict[str, Any]) -> Plan:
    """Return the plan for a deployment and its preview."""
    pending = _pending(deployment)
    recorded = {resource.get("id") for resource in _resources(deployment)}
    # Orphans have no outputs, so the provider does not remove their policies first, and IAM does not
    # delete a role to which somebody has added a policy.
    to_delete = {"delete": True, "protect": False, "retainOnDelete": False}
    # The preview does not list resources that an earlier update has yet to delete.
    left = [_line("delete", each["urn"]) for each in _resources(deployment) if each.get("delete")]
    steps = [step for step in _steps(preview) if step["op"] not in _NO_CHANGE]
    return Plan(
        unfinished=[_line(each["type"], each["resource"]["urn"]) for each in pending],
        orphans=[
            {**operation["resource"], "id": name, **to_delete}
            for operation in pending
            if (name := _automatic_name(operation)) and name not in recorded
        ],
        changes=[*left, *(_line(step["op"], step["urn"]) for step in steps)],
    )


def missing_role(deployment: dict[str, Any], preview: dict[str, Any]) -> str | None:
    """Return the ARN of a role in the stack that the preview did not find; None if it found all of them.

    A role is not found if AWS has no role with this name or has a different role, as with another
    account's credentials. Roles that the interrupted update was deleting or replacing are ignored. If
    the ARN is secret, return the resource's name.
    """
    deleting = {each["resource"]["urn"] for each in _pending(deployment) if each["type"] == "deleting"}
    roles: dict[str, dict[str, Any]] = {
        each["urn"]: each.get("outputs") or {}
        for each in _resources(deployment)
        if each["type"] == _ROLE
        and not (each["urn"] in deleting or each.get("delete") or each.get("pendingReplacement"))
    }
    for step in _steps(preview):
        role = roles.get(step["urn"])
        found: dict[str, Any] = step.get("oldState") or {}
        outputs: dict[str, Any] = found.get("outputs") or {}
        if role and not found.get("delete") and outputs.get("uniqueId") != role.get("uniqueId"):
            arn = role.get("arn")
            return arn if isinstance(arn, str) else step["urn"].rpartition("::")[2]
    return None


def with_orphans(exported: dict[str, Any], orphans: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return an exported state without pending operations, with the orphans for an update to delete."""
    deployment = exported["deployment"]
    resources = [*_resources(deployment), *orphans]
    return {**exported, "deployment": {**deployment, "resources": resources, "pending_operations": []}}


def _automatic_name(operation: dict[str, Any]) -> str | None:
    """Return the automatic name of a role that was being created; None for other names and operations.

    A name with a random suffix is very unlikely to belong to another role. A name from the
    configuration, or from `pulumi:autonaming` without a suffix, may belong to a role that this stack
    does not own.
    """
    resource = operation["resource"]
    inputs: dict[str, Any] = resource.get("inputs") or {}
    creating = operation["type"] == "creating" and resource["type"] == _ROLE
    if not creating or "name" not in inputs.get("__defaults", []):
        return None
    prefix = re.escape(resource["urn"].rpartition("::")[2])
    return inputs["name"] if re.fullmatch(f"{prefix}-[0-9a-f]{{7}}", inputs["name"]) else None


def _resources(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    return deployment.get("resources") or []


def _pending(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    return deployment.get("pending_operations") or []


def _steps(preview: dict[str, Any]) -> list[dict[str, Any]]:
    return preview.get("steps") or []


def _line(operation: str, urn: str) -> str:
    """Return a line with an operation, and its resource's type and name."""
    _, _, kind, name = urn.rsplit("::", 3)
    return f"{operation:<9} {kind.rpartition('$')[2]} {name}"
