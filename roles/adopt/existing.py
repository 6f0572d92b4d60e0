"""Keep entries' names and `protect` when `adopt` overwrites a stack's file; list lost settings.

An entry's name is the name of the component that declares its role. If the entry is renamed or removed
only in the file, the next update deletes the role.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, cast

from components.configuration import ALLOWED_ACCOUNTS, DATA_SOURCES, PROTECT, config_key
from components.formats import APPLICATION, ROLE_NAME_SUFFIX, Text
from components.problems import camel_case, show_path
from roles.adopt import files
from roles.adopt.requirements import UNDETERMINED
from roles.commands import quote_argument
from roles.errors import InputError
from roles.project import COMPONENT

_OF_ONE_ROLE: Final = ("roleName", "secretId", "bucketName", "connector")
"""A stack with one role, and without `dataSources`, has at least one of these keys."""
_CHOSEN: Final = (
    "exclusivePolicies",
    *map(camel_case, UNDETERMINED),
)
"""The settings that a data source and its role do not always determine."""


class Existing(NamedTuple):
    """The roles and settings in a stack's configuration file."""

    stack: str
    roles: Mapping[str, Mapping[str, Any]]
    """Each role's settings by its component's name; for a single role, only those in _OF_ONE_ROLE."""
    has_entries: bool
    """Whether the roles are entries of `dataSources`; otherwise, the stack has one role or none."""
    protect: Mapping[str, object]
    """The top-level `protect`; empty if it is not set."""
    chosen: Mapping[tuple[str, ...], object]
    """The settings, by path, that `adopt` keeps only if it reads the same values from AWS."""
    application: Text | None = None
    """The application in the configuration; None if it is missing, encrypted, or invalid."""
    region: str | None = None
    """The Region in the configuration; None if it is missing or encrypted."""
    boundary: str = ""
    """The top-level `permissionsBoundaryArn`; empty if it is not set."""

    def name_of(self, role_name: str) -> str | None:
        """Return the name of the entry that declares a role; None if none is found.

        The role's name must be the entry's `roleName` or, without one, an automatic name for the entry
        in Pulumi's default format, which ends with seven hexadecimal digits. Case does not matter, and
        neither does the path, because IAM finds a role by its name.

        An entry is not found if its `roleName` was removed, or if it was renamed with `pulumi state
        rename`, because the role then keeps its name, and the file does not show this. A secret or
        bucket does not identify the role either, because data sources can share them.
        """
        for entry, settings in self.roles.items():
            own = settings.get("roleName")
            automatic = f"{re.escape(entry + ROLE_NAME_SUFFIX)}-[0-9a-f]{{7}}"
            pattern = re.escape(own) if own and isinstance(own, str) else automatic
            if re.fullmatch(pattern, role_name, re.IGNORECASE):
                return entry
        return None

    def _has_role_name(self, entry: str) -> bool:
        return bool(self.roles.get(entry, {}).get("roleName"))

    def _is_for(self, entry: str, settings: Mapping[str, Any]) -> bool:
        """Return whether an entry has the role name, secret, bucket, and connector in `settings`."""
        own = self.roles.get(entry, {})
        return all(own.get(key) == settings.get(key) for key in _OF_ONE_ROLE)

    def protect_of(self, entry: str) -> Mapping[str, object]:
        """Return an entry's `protect`; empty if it is not set."""
        settings = self.roles.get(entry, {})
        return {PROTECT: settings[PROTECT]} if PROTECT in settings else {}

    def warnings(
        self, settings: Mapping[str, Mapping[str, Any]], replaced: Iterable[str]
    ) -> Iterator[str]:
        """Yield warnings about settings that are not kept, and about `protect` on entries in `replaced`.

        `settings` has the new settings of each entry, and `replaced` contains the entries whose inline
        policy the update replaces.
        """
        file = files.config_file(self.stack)
        if lost := [*self._lost(settings)]:
            yield (
                f"{file} has settings that are dropped or replaced ({', '.join(lost)}): before "
                "`pulumi up`, restore those that you still need"
            )
        automatic = [entry for entry in self.roles if not self._has_role_name(entry)]
        if pinned := [entry for entry in automatic if settings.get(entry, {}).get("roleName")]:
            yield (
                f"roleName becomes the automatic name of {', '.join(pinned)}: the role keeps this name, "
                "but a replacement would be deleted before it is created again"
            )
        if protected := [entry for entry in replaced if self._is_protected(entry)]:
            yield (
                f"protect would stop `pulumi up`, which replaces policies of {', '.join(protected)}: "
                f"remove protect from {file} and set it again after `pulumi up`"
            )

    def _lost(self, settings: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        for place, value in self.chosen.items():
            # A place is the path of one role's setting, or (key,) for a setting of all roles.
            entries = place[1:2] or self.roles or settings
            if any(settings[entry].get(place[-1]) != value for entry in entries):
                yield "encrypted " * _is_encrypted(value) + show_path(place)

    def _is_protected(self, entry: str) -> bool:
        return {**self.protect, **self.protect_of(entry)}.get(PROTECT) in (True, "true")

    def check_chosen(self, identifier: str, name: str, role_name: str) -> None:
        """Raise InputError if `--name` would rename a data source's entry."""
        current = self.name_of(role_name)
        if current in (None, name):
            return
        text = (
            f"--name {identifier}={name}: {files.config_file(self.stack)} declares this role as "
            f"{current}, and under another name, the next `pulumi up` would delete the role if the "
            f"stack owns it. Omit the option, or first rename {current} with `pulumi state rename`: "
            "docs/data-sources.md has the commands"
        )
        if self.has_entries:
            text += ". If the stack owns no role yet, you can instead remove the entries first:"
            command = f"pulumi config rm --stack {quote_argument(self.stack)} {DATA_SOURCES}"
            raise InputError(text, f"  {command}")
        raise InputError(text)

    def check_kept(
        self, entries: Mapping[str, tuple[str, Mapping[str, Any]]], left_out: Sequence[str]
    ) -> None:
        """Raise InputError if the role of an entry in the file is not among the adopted roles.

        `entries` maps the name of each adopted entry to the role's name, which is empty for a new role,
        and the settings. If the role is new, the file's entry with the same name counts as adopted if it
        sets no `roleName` and is for the same secret, bucket, and connector. `left_out` describes the
        data sources that are not adopted.
        """
        kept = {
            self.name_of(role) if role else name
            for name, (role, settings) in entries.items()
            if role or self._is_for(name, settings)
        }
        lost = [entry for entry in self.roles if entry not in kept]
        if not lost:
            return
        text = (
            f"{files.config_file(self.stack)} declares roles that this command would not adopt "
            f"({', '.join(lost)}), and if the stack owns them, the next `pulumi up` would delete "
            "them: adopt them as well, or use another stack"
        )
        stack = quote_argument(self.stack)
        of_new_role = (
            "If such an entry is for a new role that its data source does not use yet, first run"
        )
        lines = [f"{of_new_role} the commands that `adopt` listed for after `pulumi up`."]
        if unnamed := [entry for entry in lost if not self._has_role_name(entry)]:
            lines.append(
                "A role keeps its name after roleName is removed or its entry is renamed. If that "
                f"happened, first set the name from the ARN that `pulumi stack output --stack {stack}` "
                "shows:"
            )
            for entry in unnamed:
                place = (DATA_SOURCES, entry, "roleName") if self.has_entries else ("roleName",)
                path = quote_argument(show_path(place))
                lines.append(f"  pulumi config set --stack {stack} --path {path} NAME")
        if self.has_entries:
            lines.append(f"If `pulumi stack --stack {stack}` does not list these roles, first run:")
            places = [(DATA_SOURCES, entry) for entry in lost]
        else:
            lines.append(f"If `pulumi stack --stack {stack}` does not list the role, first run:")
            places = [(key,) for key in self.roles[COMPONENT]]
        paths = [quote_argument(show_path(place)) for place in places]
        lines += [f"  pulumi config rm --stack {stack} --path {path}" for path in paths]
        raise InputError(text, *lines, *left_out)


def read(stack: str, project: str) -> Existing:
    """Read a stack's configuration file, if any; raise InputError if it or `dataSources` is invalid."""
    config = files.stack_config(stack)
    top = {str(key).removeprefix(f"{project}:"): value for key, value in config.items()}
    protect = {PROTECT: top[PROTECT]} if PROTECT in top else {}
    region = top.get(config_key("region"))
    place: Any = {
        "application": APPLICATION.parse(str(top.get("applicationId"))),
        "region": region if isinstance(region, str) and region else None,
        "boundary": str(top.get("permissionsBoundaryArn") or ""),
    }
    given: object = top.get(DATA_SOURCES)
    if isinstance(given, str):
        with suppress(ValueError, RecursionError):
            given = json.loads(given)
    read_from_aws = (config_key("region"), ALLOWED_ACCOUNTS)
    chosen: dict[tuple[str, ...], object] = {
        (key,): value
        for key, value in top.items()
        if (":" in key and key not in read_from_aws) or (key != DATA_SOURCES and _is_chosen(key, value))
    }
    if not given:
        one = {key: top[key] for key in _OF_ONE_ROLE if top.get(key)}
        of_one = {COMPONENT: one} if one else {}
        return Existing(stack, of_one, has_entries=False, protect=protect, chosen=chosen, **place)
    found = cast("Mapping[object, object]", given) if isinstance(given, Mapping) else {"": None}
    # YAML reads some names without quotes as booleans or numbers.
    if not all(isinstance(name, str) and isinstance(its, Mapping) for name, its in found.items()):
        raise InputError(
            f"{DATA_SOURCES} in {files.config_file(stack)} does not map names to settings: "
            "correct it (names such as no or 2024 need quotes), or, if the stack owns no role, "
            "remove it"
        )
    entries = cast("Mapping[str, Mapping[str, Any]]", found)
    chosen |= {
        (DATA_SOURCES, entry, key): value
        for entry, settings in entries.items()
        for key, value in settings.items()
        if _is_chosen(key, value)
    }
    return Existing(stack, entries, has_entries=True, protect=protect, chosen=chosen, **place)


def _is_chosen(key: str, value: object) -> bool:
    return (key in _CHOSEN and value not in (None, "", False, "false")) or _is_encrypted(value)


def _is_encrypted(value: object) -> bool:
    """Return whether a setting, or a part of it, is encrypted in the file."""
    if isinstance(value, list):
        return any(map(_is_encrypted, cast("list[object]", value)))
    if not isinstance(value, Mapping):
        return False
    parts = cast("Mapping[str, object]", value)
    return [*parts] == ["secure"] or any(map(_is_encrypted, parts.values()))


def reject_entries(existing: Existing) -> None:
    """Raise InputError if a stack's file has entries, which a single role would replace."""
    if existing.has_entries:
        raise InputError(
            f"{files.config_file(existing.stack)} declares roles in {DATA_SOURCES} "
            f"({', '.join(existing.roles)}), and without --all, the next `pulumi up` would delete "
            "those that the stack owns: pass --all, or use another stack"
        )
