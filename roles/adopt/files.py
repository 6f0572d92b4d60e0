"""Write a stack's configuration, its import file, and copies of policies for which there is no room.

The program itself validates the settings and writes the documents.
"""

import fcntl
import json
import math
import os
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from components.connector_role import POLICY_NAME, TOKEN
from components.default_provider import ALLOWED_ACCOUNTS
from components.formats import ROLE_NAME_SUFFIX
from components.stack_config import config_key
from roles.account import Role
from roles.adopt.room import Room, copy_file, find_room
from roles.arns import Arn
from roles.errors import InputError
from roles.project import read_mapping
from roles.requirements import COMPONENT, Connection
from roles.writing import check_writable
from roles.writing import write as write_files

IMPORT_FILE: Final = "import.json"


class Documents(NamedTuple):
    """The policies that the program will write."""

    trust_policy: str
    role_policy: str


class Plan(NamedTuple):
    """The program's configuration, the import file, and the documents that the program will write."""

    config: Mapping[str, object]
    """The stack's configuration: keys with their namespace."""
    import_file: Mapping[str, object]
    """As `pulumi import --file` takes it."""
    documents: Documents
    room: Room
    warnings: tuple[str, ...]


def plan(connection: Connection, project: str, policy_names: Callable[[], Collection[str]]) -> Plan:
    """Return what is to be written; raises SettingsError if the program would refuse it.

    `policy_names` returns the names of the account's managed policies; most roles do not need them.
    """
    role = connection.role
    settings = connection.settings()
    if settings.get("tags", {}).keys() == {"secure"}:
        raise InputError(
            'the role has one tag, called "secure", which a stack\'s configuration takes for a secret: '
            "add another tag to the role"
        )
    trust_policy, role_policy, warnings = connection.render()
    assert trust_policy is not None  # noqa: S101 every setting is known
    assert role_policy is not None  # noqa: S101 every setting is known
    config = {
        config_key("region"): connection.region,
        ALLOWED_ACCOUNTS: [Arn.of(connection.application_arn).account],
    }
    config |= {config_key(name, f"{project}:"): value for name, value in settings.items()}
    documents = Documents(trust_policy, role_policy)
    room = find_room(role, role_policy, policy_names)
    return Plan(config, _import_file(role), documents, room, tuple(warnings))


def config_file(stack: str) -> Path:
    """Return the file of a stack's configuration; its name is without the organization."""
    return Path(f"Pulumi.{stack.rpartition('/')[2]}.yaml")


def check(stack: str, copies: Iterable[str] = (), *, overwrite: bool) -> None:
    """Raise InputError if there is something to be overwritten, or a file cannot be written.

    `copies` are the files of copies, of which the first is looked for in any case.
    """
    existing = [str(config_file(stack))] if _stack_file(stack).get("config") else []
    names = dict.fromkeys((IMPORT_FILE, copy_file(1), *copies))
    existing += [name for name in names if Path(name).exists()]
    if existing and not overwrite:
        raise InputError(
            f"{' and '.join(existing)} would be overwritten: give --force, or move what you need away"
        )
    check_writable(config_file(stack), Path(IMPORT_FILE))


def write(plan: Plan, stack: str, *, overwrite: bool) -> list[str]:
    """Write all files completely, or none; return their names.

    Other members of a stack's file, such as the salt of its secrets, are kept.
    """
    with _locked_directory():
        # Another command may have written the import file of another role meanwhile.
        check(stack, (copy.file for copy in plan.room.copies), overwrite=overwrite)
        # Every string in quotes: YAML would read some as numbers, dates or booleans.
        config = yaml.safe_dump(
            {**_stack_file(stack), "config": plan.config},
            default_style='"',
            allow_unicode=True,
            sort_keys=False,
            width=math.inf,
        )
        contents = {
            config_file(stack): config,
            Path(IMPORT_FILE): json.dumps(plan.import_file, indent=2) + "\n",
            **{Path(copy.file): json.dumps(copy.document, indent=2) + "\n" for copy in plan.room.copies},
        }
        write_files(contents)
    return [str(path) for path in contents]


@contextmanager
def _locked_directory() -> Generator[None]:
    """Let no other command write here."""
    directory = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _stack_file(stack: str) -> dict[str, Any]:
    return read_mapping(config_file(stack))


def _import_file(role: Role) -> dict[str, object]:
    """Return the import file for the role, and for its policy if that has the program's name."""
    entries: list[dict[str, object]] = [
        {"type": TOKEN, "name": COMPONENT, "component": True},
        {
            "type": "aws:iam/role:Role",
            "name": f"{COMPONENT}{ROLE_NAME_SUFFIX}",
            "id": role.name,
            "parent": COMPONENT,
        },
    ]
    if POLICY_NAME in role.inline_policies:
        entries.append(
            {
                "type": "aws:iam/rolePolicy:RolePolicy",
                "name": f"{COMPONENT}-qbusiness-policy",
                "id": f"{role.name}:{POLICY_NAME}",
                "parent": COMPONENT,
            }
        )
    return {"resources": entries}
