"""Write new files: the entries, the import file, and the roles and data sources before the import."""

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import yaml

from components.configuration import (
    ALLOWED_ACCOUNTS,
    DATA_SOURCES,
    KEYS,
    MAXIMUM_ENTRIES,
    MAXIMUM_SIZE,
    REGION_KEY,
    size_in_bytes,
)
from components.connector_role import POLICY_NAME, TOKEN
from components.formats import APPLICATION, POLICY_NAME_SUFFIX, ROLE_NAME_SUFFIX
from components.settings import SETTINGS
from roles.account import Account
from roles.adopt.entries import Entry
from roles.arns import Arn
from roles.changes import create, documents_in
from roles.errors import InputError
from roles.project import file_name, read_mapping

_CONFIG: Final = "config"
_INDEX: Final = KEYS["index_id"]
_ENCRYPTED: Final = "secure"
"""The only key of an encrypted value: https://www.pulumi.com/docs/iac/concepts/secrets/"""


def config_file(stack: str) -> Path:
    """Return the path of a stack's configuration file; the file's name omits the organization."""
    return Path(f"Pulumi.{stack.rpartition('/')[2]}.yaml")


def read_settings(stack: str, project: str, application_id: str, region: str) -> dict[str, Any]:
    """Return the project's settings in a stack's file, without the namespace in their keys.

    Raises InputError if the file is invalid or is for another application or Region.
    """
    path = config_file(stack)
    config = read_mapping(path).get(_CONFIG) or {}
    if not isinstance(config, Mapping):
        raise InputError(f"{path} is not a Pulumi configuration file: fix it, or move it")
    found = cast("Mapping[str, Any]", config)
    prefix = f"{project}:"
    own = {key.removeprefix(prefix): its for key, its in found.items() if key.startswith(prefix)}
    given = own.get(KEYS["application_id"])
    parsed = APPLICATION.parse(given) if isinstance(given, str) else None
    is_elsewhere = isinstance(its := found.get(REGION_KEY), str) and its not in ("", region)
    if is_elsewhere or (parsed and parsed.id != application_id):
        raise InputError(
            f"{path} is for {its if is_elsewhere else given}: use a stack for each application"
        )
    return own


def entries_in(existing: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of `dataSources` in a stack's settings, if they are plaintext."""
    entries = existing.get(DATA_SOURCES)
    if isinstance(entries, str):
        with suppress(ValueError):
            entries = json.loads(entries)
    if not isinstance(entries, dict) or entries.keys() == {_ENCRYPTED}:
        return {}
    return cast("dict[str, Any]", entries)


def role_names_in(existing: Mapping[str, Any]) -> list[str]:
    """Return the role names in a stack's settings and entries."""
    entries = (existing, *entries_in(existing).values())
    names = [entry.get(KEYS["role_name"]) for entry in entries if isinstance(entry, Mapping)]
    return [name for name in names if isinstance(name, str)]


def configure(
    entries: Mapping[str, Entry], existing: Mapping[str, Any], project: str
) -> dict[str, object]:
    """Return the configuration of a stack with these entries; `existing` has its current settings.

    The most frequent index becomes the default if the stack has none. An entry does not inherit settings
    that its role lacks, because an import keeps the role as it is.

    Raises InputError if a limit is exceeded.
    """
    application = Arn.of(next(iter(entries.values())).requirements.needs.application_arn)
    counts = Counter(each.requirements.needs.index_id for each in entries.values())
    index = existing.get(_INDEX) or counts.most_common(1)[0][0]
    inherited = [
        KEYS[name] for name in KEYS if SETTINGS[name].scope == "default" and existing.get(KEYS[name])
    ]
    sources: dict[str, object] = {}
    for name, each in entries.items():
        settings = {
            KEYS[key]: its
            for key, its in each.requirements.settings().items()
            if key not in ("region", "application_id")
        }
        if settings[_INDEX] == index:
            del settings[_INDEX]
        # Without its own path, the role would be replaced if a path were later set at the top level.
        settings.setdefault(KEYS["role_path"], "/")
        off = [key for key in inherited if key not in settings and key != _INDEX]
        sources[name] = {**settings, **dict.fromkeys(off, "")}
    every = {**entries_in(existing), **sources}
    size = size_in_bytes({f"{project}:{DATA_SOURCES}": json.dumps(every, ensure_ascii=False)})
    if len(every) > MAXIMUM_ENTRIES or size > MAXIMUM_SIZE:
        raise InputError(
            f"a stack can have at most {MAXIMUM_ENTRIES} data sources and {MAXIMUM_SIZE:,} bytes of "
            f"settings, but there would be {len(every)} data sources with {size:,} bytes: use several "
            "stacks, and select data sources for each with --data-source or --exclude"
        )
    if existing:
        return {f"{project}:{DATA_SOURCES}": sources}
    return {
        REGION_KEY: application.region,
        ALLOWED_ACCOUNTS: [application.account],
        f"{project}:{KEYS['application_id']}": application.text,
        f"{project}:{_INDEX}": index,
        f"{project}:{DATA_SOURCES}": sources,
    }


def new_paths(stack: str, *, has_settings: bool) -> dict[str, Path]:
    """Return the paths of the files to write, by kind; raise InputError if a new file's path is taken.

    The entries go to the stack's file if it has no settings yet, and otherwise to a separate file.
    """
    paths = {kind: file_name(kind, stack) for kind in ("adopted", "import")}
    entries = file_name("entries", stack, "yaml")
    for path in (*paths.values(), entries):
        if os.path.lexists(path):
            raise InputError(f"{path} exists: move it, or delete it if you no longer need it")
    return {**paths, "entries": entries if has_settings else config_file(stack)}


def write(
    paths: Mapping[str, Path], documents: Mapping[str, object], config: Mapping[str, object]
) -> None:
    """Write the files, beginning with the snapshot; keep the existing contents of the stack's file."""
    for kind, document in documents.items():
        create(paths[kind], json.dumps(document, indent=2, default=str) + "\n")
    path = paths["entries"]
    present = read_mapping(path)
    merged = {**config, **{key: its for key, its in (present.get(_CONFIG) or {}).items() if its}}
    # Quote strings, because YAML parsers read some unquoted strings as numbers, dates, or booleans.
    text = yaml.dump(
        {**present, _CONFIG: merged},
        Dumper=_Dumper,
        default_style='"',
        allow_unicode=True,
        sort_keys=False,
        width=math.inf,
    )
    if not path.exists():
        create(path, text)
        return
    unfinished = path.with_name(f"unfinished-{path}")
    create(unfinished, text)
    unfinished.chmod(path.stat().st_mode)
    unfinished.replace(path)


class _Dumper(yaml.SafeDumper):
    """A YAML dumper that never quotes booleans, even if the default style quotes all values."""


_Dumper.add_representer(
    bool, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:bool", str(value).lower(), "")
)


def imports(entries: Mapping[str, Entry]) -> Iterator[dict[str, object]]:
    """Yield the import file's resources for existing roles: components, roles, and role policies."""
    for name, entry in entries.items():
        if entry.replaced:
            continue
        role = entry.role
        yield {"type": TOKEN, "name": name, "component": True}
        yield {
            "type": "aws:iam/role:Role",
            "name": f"{name}{ROLE_NAME_SUFFIX}",
            "id": role.name,
            "parent": name,
        }
        if POLICY_NAME in role.inline_policies:
            yield {
                "type": "aws:iam/rolePolicy:RolePolicy",
                "name": f"{name}{POLICY_NAME_SUFFIX}",
                "id": f"{role.name}:{POLICY_NAME}",
                "parent": name,
            }


def snapshot(stack: str, account: Account, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Return the current roles and data sources, and the documents that the update will write."""
    application = Arn.of(next(iter(entries.values())).requirements.needs.application_arn)
    roles: dict[str, Any] = {}
    # The entry that imports a shared role comes last, so that the role's `written` documents are kept.
    for entry in sorted(entries.values(), key=lambda each: not each.replaced):
        role, written = entry.current, documents_in(entry.requirements.policies())
        roles[role.arn] = {
            "role": role._asdict(),
            "versions": {
                arn: account.get("iam:GetPolicy", arn)["DefaultVersionId"]
                for arn in role.attached_policies
            },
            "written": None if entry.replaced else written,
        }
    return {
        "stack": stack,
        "region": application.region,
        "application": application.text,
        "account": application.account,
        "roles": [*roles.values()],
        "dataSources": [
            {
                "entry": name,
                "role": entry.current.arn,
                "isMoved": bool(entry.replaced),
                "data_source": entry.data_source._asdict(),
                "properties": account.data_source(entry.data_source),
            }
            for name, entry in entries.items()
        ],
    }
