"""Write a stack's configuration, its import file, and a script that restores roles and data sources."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import yaml

from components.connector_role import POLICY_NAME, TOKEN
from components.formats import POLICY_NAME_SUFFIX, ROLE_NAME_SUFFIX
from roles.account import Role
from roles.adopt.access import Change
from roles.errors import InputError
from roles.policies import digest
from roles.project import read_mapping
from roles.writing import check_writable, locked_directory, next_path, part_of_file_name
from roles.writing import write as write_files

_STACK: Final = "stack"
_DIGEST: Final = "digest"
"""Entries of the import file, which Pulumi ignores: the stack's name, and a digest of the resources."""


def import_path(stack: str) -> Path:
    """Return the path of a stack's import file."""
    return Path(f"import-{part_of_file_name(stack)}.json")


def import_document(stack: str, resources: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return the content of a stack's import file."""
    return {_STACK: stack, _DIGEST: digest(json.dumps(resources)), "resources": resources}


def config_file(stack: str) -> Path:
    """Return the path of a stack's configuration file, whose name does not contain the organization."""
    return Path(f"Pulumi.{stack.rpartition('/')[2]}.yaml")


def check(stack: str, *, overwrite: bool) -> None:
    """Raise InputError if files cannot be written or, without `overwrite`, would be overwritten.

    Also raises InputError if the stack's file is invalid.
    """
    with locked_directory():
        _check(stack, overwrite=overwrite)


def _check(stack: str, *, overwrite: bool) -> None:
    if stack_config(stack) and not overwrite:
        raise InputError(
            f"{config_file(stack)} would be overwritten: pass --force, or move the file if you need it"
        )
    check_writable(config_file(stack), import_path(stack))
    if import_path(stack).exists():
        _check_import_file(stack)


def _check_import_file(stack: str) -> None:
    """Raise InputError if the import file is not as `adopt` wrote it for this stack."""
    path = import_path(stack)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        owner, written = found[_STACK], import_document(found[_STACK], found["resources"])
    except (ValueError, KeyError, TypeError, RecursionError):
        owner, found, written = stack, None, {}
    if owner != stack:
        raise InputError(f"{path} belongs to stack {owner}: move it, or delete it after the import")
    if found != written:
        raise InputError(f"{path} has changes that would be lost: move it, or delete it")


def write(
    stack: str,
    config: Mapping[str, object],
    import_file: Mapping[str, object],
    restoration: str,
    *,
    overwrite: bool,
) -> list[str]:
    """Write all files completely, or none; return their names.

    Other entries of the stack's file, such as `encryptionsalt`, are kept. If `restoration` is not empty,
    the script gets a new name, because after an update, only an earlier script has the roles' original
    policies. Raises InputError as `check` does.
    """
    with locked_directory():
        # Another command may have written files for another role in the meantime.
        _check(stack, overwrite=overwrite)
        # YAML reads some strings without quotes as numbers, dates, or booleans.
        text = yaml.dump(
            {**_stack_file(stack), "config": dict(config)},
            Dumper=_Dumper,
            default_style='"',
            allow_unicode=True,
            sort_keys=False,
            width=math.inf,
        )
        imported = {import_path(stack): json.dumps(import_file, indent=2) + "\n"}
        script = {next_path("restore", stack): restoration} if restoration else {}
        settings = {config_file(stack): text}
        # If the command is killed, there is no configuration without its script.
        write_files({**script, **imported, **settings})
    return [*map(str, (*settings, *imported, *script))]


class _Dumper(yaml.SafeDumper):
    """A YAML dumper that never quotes booleans, even if the default style quotes everything."""

    def represent_bool(self, data: bool) -> yaml.ScalarNode:  # noqa: FBT001 the parent's signature
        return self.represent_scalar("tag:yaml.org,2002:bool", str(data).lower(), style="")


_Dumper.add_representer(bool, _Dumper.represent_bool)


def _stack_file(stack: str) -> dict[str, Any]:
    return read_mapping(config_file(stack))


def stack_config(stack: str) -> Mapping[str, Any]:
    """Return the configuration in a stack's file; empty if there is none.

    Raises InputError if the file or the configuration is invalid.
    """
    config = _stack_file(stack).get("config") or {}
    if not isinstance(config, Mapping):
        raise InputError(f"{config_file(stack)} is not a Pulumi configuration file: fix it, or move it")
    return cast("Mapping[str, Any]", config)


def import_entries(component: str, role: Role, change: Change) -> list[dict[str, object]]:
    """Return the import file's entries for a component, its role, and at most one inline policy.

    The policy is the role policy or, if the role has none yet, the one that the role policy replaces.
    """
    entries: list[dict[str, object]] = [
        {"type": TOKEN, "name": component, "component": True},
        {
            "type": "aws:iam/role:Role",
            "name": f"{component}{ROLE_NAME_SUFFIX}",
            "id": role.name,
            "parent": component,
        },
    ]
    policy = POLICY_NAME if POLICY_NAME in role.inline_policies else change.inline
    if policy:
        entries.append(
            {
                "type": "aws:iam/rolePolicy:RolePolicy",
                "name": f"{component}{POLICY_NAME_SUFFIX}",
                "id": f"{role.name}:{policy}",
                "parent": component,
            }
        )
    return entries
