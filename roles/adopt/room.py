"""Make room for the role policy among the inline policies that a role keeps.

IAM limits the total size of the inline policies of a role, and `pulumi up` adds one. If they do not fit,
inline policies are copied to managed policies, which IAM counts separately, and then deleted.
"""

import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from components.connector_role import POLICY_NAME
from components.formats import MAXIMUM_INLINE_SIZE
from guardrails.iam.documents import listed
from roles.account import Account, Role
from roles.actions import action
from roles.arns import Arn
from roles.aws_cli import aws_command
from roles.errors import is_denied
from roles.output import Notes

MAXIMUM_MANAGED_SIZE: Final = 6_144
"""Characters of a managed policy, without whitespace.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
MAXIMUM_ATTACHED: Final = 10
"""Default quota of managed policies per role."""


class Copy(NamedTuple):
    """A managed policy that contains an inline policy, or a part of one that is too large."""

    name: str
    file: str
    """The name of the file with its document, for the AWS CLI."""
    document: Mapping[str, Any]


class Room(NamedTuple):
    """The inline policies of the role, and those that must become managed policies."""

    role: Role
    kept: Mapping[str, int]
    """Sizes of the inline policies that the role has already, by name."""
    role_policy: int
    """Size of the policy that `pulumi up` writes."""
    moved: tuple[str, ...]
    """The kept policies to delete once the copies are attached."""
    copies: tuple[Copy, ...]

    @property
    def excess(self) -> int:
        """Characters over IAM's limit."""
        return max(0, sum(self.kept.values()) + self.role_policy - MAXIMUM_INLINE_SIZE)

    @property
    def remaining_excess(self) -> int:
        """Characters over IAM's limit after the policies in `moved` are deleted."""
        return max(0, self.excess - sum(self.kept[name] for name in self.moved))

    def numbered(self, numbers: Iterator[int]) -> "Room":
        """Return the same with other numbers in the names of the files."""
        copies = (copy._replace(file=copy_file(next(numbers))) for copy in self.copies)
        return self._replace(copies=tuple(copies))

    def copy_commands(self) -> str:
        """Return the shell commands that create the copies and attach them to the role."""
        role = Arn.of(self.role.arn)
        commands: list[str] = []
        for copy in self.copies:
            document = f"file://{copy.file}"
            arn = f"arn:{role.partition}:iam::{role.account}:policy/{copy.name}"
            commands += [
                aws_command("iam create-policy", policy_name=copy.name, policy_document=document),
                aws_command("iam attach-role-policy", role_name=self.role.name, policy_arn=arn),
            ]
        return " &&\n".join(commands)

    def delete_commands(self) -> str:
        """Return the shell commands that delete the inline policies that were copied."""
        return " &&\n".join(
            aws_command("iam delete-role-policy", role_name=self.role.name, policy_name=name)
            for name in self.moved
        )


def find_room(role: Role, role_policy: str, policy_names: Callable[[], Collection[str]]) -> Room:
    """Choose the policies to move so that the role policy fits: the largest first.

    `policy_names` returns the names of the account's managed policies.
    """
    documents = {name: text for name, text in role.inline_policies.items() if name != POLICY_NAME}
    sizes = {name: _size(document) for name, document in documents.items()}
    room = Room(role, sizes, _size(json.loads(role_policy)), (), ())
    if not room.excess:
        return room
    names = _free_names(role.name, policy_names())
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if not room.remaining_excess:
            break
        if parts := _split(documents[name]):
            first = len(room.copies) + 1
            copies = [
                Copy(next(names), copy_file(number), document)
                for number, document in enumerate(parts, start=first)
            ]
            room = room._replace(moved=(*room.moved, name), copies=(*room.copies, *copies))
    return room


def policy_names(account: Account, role: Role, notes: Notes) -> Collection[str]:
    """Return the names of managed policies; without permission, of attached ones only."""
    try:
        return account.policy_names()
    except ClientError as error:
        if not is_denied(error):
            raise
        notes.warn(
            f"{action(error.operation_name)} is not allowed: if create-policy fails with "
            "EntityAlreadyExists, choose another name for the copy"
        )
        return [arn.rpartition("/")[2] for arn in role.attached or ()]


def _free_names(role: str, taken: Collection[str]) -> Iterator[str]:
    """Generate unused names of managed policies; IAM ignores their case and path."""
    lower = {name.lower() for name in taken}
    names = (f"{role}-copy-{number}" for number in itertools.count(1))
    return (name for name in names if name.lower() not in lower)


def copy_file(number: int) -> str:
    """Return the file name of a copy."""
    return f"policy-copy-{number}.json"


def _size(document: Mapping[str, Any]) -> int:
    """Return the size that IAM counts: characters without whitespace."""
    return len("".join(json.dumps(document, ensure_ascii=False).split()))


def _split(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Divide a document into managed policies that together allow the same; empty if impossible."""
    if _size(document) <= MAXIMUM_MANAGED_SIZE:
        return [document]
    parts: list[list[Mapping[str, Any]]] = [[]]
    for statement in listed(document["Statement"]):
        for piece in _pieces(document, statement):
            if _size({**document, "Statement": [*parts[-1], piece]}) > MAXIMUM_MANAGED_SIZE:
                parts.append([])
            parts[-1].append(piece)
    divided: list[Mapping[str, Any]] = [{**document, "Statement": part} for part in parts if part]
    return divided if all(_size(part) <= MAXIMUM_MANAGED_SIZE for part in divided) else []


def _pieces(document: Mapping[str, Any], statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Divide the resources or actions of a statement that is too large for one managed policy."""
    if _size({**document, "Statement": [statement]}) <= MAXIMUM_MANAGED_SIZE:
        yield statement
        return
    for member in ("Resource", "Action"):
        values = listed(statement.get(member))
        if len(values) > 1:
            # A Sid must be unique in its document, and has no effect on access.
            rest = {name: value for name, value in statement.items() if name != "Sid"}
            for half in (values[: len(values) // 2], values[len(values) // 2 :]):
                yield from _pieces(document, {**rest, member: half})
            return
    yield statement
