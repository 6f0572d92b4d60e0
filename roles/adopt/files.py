"""Write a stack's configuration, its import file, and a script that restores roles and data sources."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import yaml

from components.connector_role import POLICY_NAME, TOKEN
from components.formats import POLICY_NAME_SUFFIX, ROLE_NAME_SUFFIX
from roles.account import Role
from roles.adopt.access import Change
from roles.errors import InputError
from roles.project import read_mapping
from roles.writing import check_writable, locked_directory, unused_path
from roles.writing import write as write_files

IMPORT_FILE: Final = "import.json"
RESTORATION_FILE: Final = "restore-roles-{}.sh"


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
    existing = [str(config_file(stack))] if stack_config(stack) else []
    existing += [IMPORT_FILE] if Path(IMPORT_FILE).exists() else []
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
        imported = {Path(IMPORT_FILE): json.dumps(import_file, indent=2) + "\n"}
        script: dict[Path, str] = {}
        if restoration:
            script = {unused_path(RESTORATION_FILE): restoration}
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
