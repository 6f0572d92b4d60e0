"""Write a stack's configuration, its import file, and copies of inline policies that do not fit.

The program's own code validates the settings and renders the policies.
"""

import fcntl
import json
import math
import os
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import yaml

from components.connector_role import POLICY_NAME, TOKEN
from components.default_provider import ALLOWED_ACCOUNTS
from components.formats import ROLE_NAME_SUFFIX
from components.stack_config import config_key
from roles.account import Role
from roles.adopt.room import Copy, Room, copy_file, find_room
from roles.arns import Arn
from roles.errors import InputError
from roles.project import read_mapping
from roles.requirements import COMPONENT, Requirements, is_reserved
from roles.writing import check_writable
from roles.writing import write as write_files

IMPORT_FILE: Final = "import.json"
_HOUR: Final = 3600


class Documents(NamedTuple):
    """The policies that the program will write."""

    trust_policy: str
    role_policy: str


class Plan(NamedTuple):
    """The contents of the files, and the policies that the program will write."""

    config: Mapping[str, object]
    """The stack's configuration, by keys with their namespace."""
    import_file: Mapping[str, object]
    """The format of `pulumi import --file`."""
    documents: Documents
    room: Room
    warnings: tuple[str, ...]


def plan(requirements: Requirements, project: str, policy_names: Callable[[], Collection[str]]) -> Plan:
    """Return the contents of all files; raises SettingsError for settings that the program rejects.

    `policy_names` returns the names of the account's managed policies. It is called only if policies do
    not fit.
    """
    role = requirements.role
    settings = requirements.settings()
    if settings.get("tags", {}).keys() == {"secure"}:
        raise InputError(
            'the role has one tag, called "secure", which a stack\'s configuration takes for a secret: '
            "add another tag to the role"
        )
    trust_policy, role_policy, warnings = requirements.render()
    assert trust_policy is not None  # noqa: S101 every setting is known
    assert role_policy is not None  # noqa: S101 every setting is known
    config = {**provider_config(requirements), **spelled(settings, project)}
    documents = Documents(trust_policy, role_policy)
    room = find_room(role, role_policy, policy_names)
    if room.excess:
        text = (
            f"the role's inline policies leave no room for the role policy, by {room.excess:,} "
            "characters: `pulumi up` would fail with LimitExceeded"
        )
        warnings = [*warnings, text]
    import_file = {"resources": import_entries(COMPONENT, role)}
    return Plan(config, import_file, documents, room, (*_warnings(role), *warnings))


def _warnings(role: Role) -> Iterator[str]:
    """Warn of policies that could not be read, and of properties that a stack cannot keep."""
    if role.denied:
        yield (
            f"{role.denied} is not allowed: the comparison lacks the policies that it reads, so that "
            "more may be in excess and less may be missing than it shows"
        )
    if role.maximum_session_duration != _HOUR:
        yield (
            "no setting keeps the role's maximum session duration of "
            f"{role.maximum_session_duration} seconds: it becomes an hour if the first `pulumi up` does "
            "not refresh, or if the role is replaced. It does not limit sessions of AWS services"
        )
    if own := [key for key in role.tags if is_reserved(key)]:
        yield (
            f"the role has tags that only AWS can set ({', '.join(own)}), and keeps them. If they name "
            "an owner, such as a CloudFormation stack, release the role there first: docs/adopt.md"
        )


def provider_config(requirements: Requirements) -> dict[str, object]:
    """Return the configuration of the AWS provider for an application."""
    account = Arn.of(requirements.application_arn).account
    return {config_key("region"): requirements.region, ALLOWED_ACCOUNTS: [account]}


def spelled(settings: Mapping[str, object], project: str) -> dict[str, object]:
    """Return settings by their keys in stack configuration."""
    return {config_key(name, f"{project}:"): value for name, value in settings.items()}


def config_file(stack: str) -> Path:
    """Return the configuration file of a stack; its name does not contain the organization."""
    return Path(f"Pulumi.{stack.rpartition('/')[2]}.yaml")


def check(stack: str, copies: Iterable[str] = (), *, overwrite: bool) -> None:
    """Raise InputError if files would be overwritten or cannot be written.

    `copies` are the files of copied policies; the first such file is always checked.
    """
    existing = [str(config_file(stack))] if stack_config(stack) else []
    names = dict.fromkeys((IMPORT_FILE, copy_file(1), *copies))
    existing += [name for name in names if Path(name).exists()]
    if existing and not overwrite:
        raise InputError(
            f"{' and '.join(existing)} would be overwritten: pass --force, or move the files that you "
            "need"
        )
    check_writable(config_file(stack), Path(IMPORT_FILE))


def write(
    stack: str,
    config: Mapping[str, object],
    import_file: Mapping[str, object],
    copies: Sequence[Copy] = (),
    *,
    overwrite: bool,
) -> list[str]:
    """Write all files completely, or none, and return their names.

    Other members of the stack's file, such as the salt of its secrets, are kept.
    """
    with _locked_directory():
        # Another command may have written files for another role in the meantime.
        check(stack, (copy.file for copy in copies), overwrite=overwrite)
        # YAML reads some strings without quotes as numbers, dates, or booleans.
        text = yaml.dump(
            {**_stack_file(stack), "config": dict(config)},
            Dumper=_Dumper,
            default_style='"',
            allow_unicode=True,
            sort_keys=False,
            width=math.inf,
        )
        contents = {
            config_file(stack): text,
            Path(IMPORT_FILE): json.dumps(import_file, indent=2) + "\n",
            **{Path(copy.file): json.dumps(copy.document, indent=2) + "\n" for copy in copies},
        }
        write_files(contents)
    return [str(path) for path in contents]


class _Dumper(yaml.SafeDumper):
    """Write booleans without quotes, and with them everything else."""

    def represent_bool(self, data: bool) -> yaml.ScalarNode:  # noqa: FBT001 the parent's signature
        return self.represent_scalar("tag:yaml.org,2002:bool", str(data).lower(), style="")


_Dumper.add_representer(bool, _Dumper.represent_bool)


@contextmanager
def _locked_directory() -> Generator[None]:
    """Prevent other adopt commands from writing to this directory."""
    directory = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _stack_file(stack: str) -> dict[str, Any]:
    return read_mapping(config_file(stack))


def stack_config(stack: str) -> Mapping[str, Any]:
    """Return the configuration in the file of a stack; empty if there is none."""
    config = _stack_file(stack).get("config") or {}
    if not isinstance(config, Mapping):
        raise InputError(f"{config_file(stack)} is not a Pulumi configuration file: fix it, or move it")
    return cast("Mapping[str, Any]", config)


def import_entries(component: str, role: Role) -> list[dict[str, object]]:
    """Return the entries for the role, and for its inline policy if it has the program's name."""
    entries: list[dict[str, object]] = [
        {"type": TOKEN, "name": component, "component": True},
        {
            "type": "aws:iam/role:Role",
            "name": f"{component}{ROLE_NAME_SUFFIX}",
            "id": role.name,
            "parent": component,
        },
    ]
    if POLICY_NAME in role.inline_policies:
        entries.append(
            {
                "type": "aws:iam/rolePolicy:RolePolicy",
                "name": f"{component}-qbusiness-policy",
                "id": f"{role.name}:{POLICY_NAME}",
                "parent": component,
            }
        )
    return entries
