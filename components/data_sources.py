"""Read the settings of several connector roles from one stack's configuration.

Each entry in `dataSources` has the settings of one role. Settings at the top level apply to all entries,
or are defaults for entries that leave them out. The engine passes the whole configuration in one
environment variable, which limits the configuration's size.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import pulumi

from . import default_provider
from .arguments import Arguments, Place, SettingsError, as_mapping
from .commands import PropertyPath, get_command, quote
from .connectors import CONNECTORS, DEFAULT, Need
from .formats import MAXIMUM_COMPONENT_NAME_LENGTH
from .settings import SETTINGS, Scope
from .stack_config import (
    DATA_SOURCES,
    KEYS,
    PACKAGE_INPUTS,
    PROTECT,
    camel_case,
    read_object,
    read_protect,
    read_top_level,
    show_prefix,
)
from .validation import validate

MAXIMUM_ENTRIES: Final = 100
MAXIMUM_SIZE: Final = 100 * 1024
"""The maximum size of the configuration, in bytes.

Linux limits an environment variable to 128 KiB (MAX_ARG_STRLEN).
"""
ENTRY_NAME: Final = re.compile(rf"(?!secure\Z)[a-z][a-z0-9-]{{0,{MAXIMUM_COMPONENT_NAME_LENGTH - 1}}}")
"""Matches an entry's name; not `secure`, because that key marks a secret in Pulumi's stack files."""
EXPECTED_NAME: Final = (
    f"a lowercase letter followed by up to {MAXIMUM_COMPONENT_NAME_LENGTH - 1} lowercase letters, "
    "digits, and hyphens; the name `secure` is reserved"
)


class DataSources(NamedTuple):
    """The settings of a stack's roles, and messages about the stack as a whole."""

    entries: Mapping[str, Arguments]
    warnings: Sequence[str]
    notes: Sequence[str]


def are_set(config: pulumi.Config) -> bool:
    """Return whether `dataSources` is set; `{}`, the default in `Pulumi.yaml`, means not set."""
    return config.get(DATA_SOURCES) not in (None, "", "{}")


def read(config: pulumi.Config, *, reject_unknown_keys: bool) -> DataSources:
    """Read and validate the settings of every entry.

    Raises SettingsError with the problems at the top level and in all entries.
    """
    top = read_top_level(config, reject_unknown_keys=reject_unknown_keys)
    at = top.at_key(show_prefix(config) + DATA_SOURCES)
    given = _read_entries(config, at)
    _check_top_level(top, at)
    _check_defaults(top)
    entries = {
        name: _read_entry(settings, top, at.entry(name).path, check_tags=reject_unknown_keys)
        for name, settings in given.items()
    }
    _check_role_names(entries, top)
    for name, entry in entries.items():
        try:
            validate(name, entry)
        except SettingsError as error:
            # Report a problem with a default once, not for every entry.
            top.problems += [problem for problem in error.problems if problem not in top.problems]
    if top.problems:
        raise SettingsError(top.problems)
    return DataSources(entries, top.warnings, [*_unused_vpc(given, entries, top)])


def _read_entries(config: pulumi.Config, at: Place) -> dict[str, Mapping[str, Any]]:
    """Return the entries that are objects with valid names; reject the other entries.

    Also reject `dataSources` as a whole if it is secret, not set, or not an object, if it has too many
    entries, or if the configuration is too large.
    """
    expected = "an object that maps each data source's name to its settings"
    # An example of an entry's first setting. Its command has --plaintext instead of --type string,
    # because Pulumi takes secretId for the key of a secret and then rejects --type.
    secret_command = at.entry("NAME", KEYS["secret_id"]).set("VALUE")
    if pulumi.runtime.is_config_secret(f"{config.name}:{DATA_SOURCES}"):
        at.reject(
            "has a secret value, so Pulumi treats the whole object as a secret, and previews hide it; "
            "`pulumi config` shows [secret] in place of the value",
            "plaintext values, because IDs and ARNs are not secret",
            # If the whole object was set with --secret, a command would replace all of it.
            fix=f"if `pulumi config` shows only [secret] for {at.name}, {at.edit()} and replace the "
            f"value with the output of `{get_command(at.path)}`; otherwise, for each secret value, run "
            f"`{at.entry('NAME', 'KEY').set('VALUE')}` or, for secretId, `{secret_command}`",
        )
        return {}
    value = read_object(config, DATA_SOURCES)
    if value is None:
        expected += "; to delete the last role, see docs/retire.md"
        at.reject("is required but not set", expected, fix=secret_command)
        return {}
    if not isinstance(value, Mapping):
        at.reject_type("an object", value, expected)
        return {}
    entries = cast("Mapping[str, object]", value)
    if len(entries) > MAXIMUM_ENTRIES:
        at.reject(
            f"has {len(entries)} entries",
            f"at most {MAXIMUM_ENTRIES}; use another stack for the rest",
            fix="split the stack, for example by connector",
        )
    size = size_in_bytes(pulumi.runtime.get_config_env())
    if size > MAXIMUM_SIZE:
        at.reject(
            f"the configuration is {size:,} bytes",
            f"at most {MAXIMUM_SIZE:,} bytes, because the engine passes it in one environment variable",
            fix="split the stack, for example by connector",
        )
    valid: dict[str, Mapping[str, Any]] = {}
    for name, settings in entries.items():
        if not ENTRY_NAME.fullmatch(name):
            at.entry(name).reject(f"{quote(name)} is not a valid data source name", EXPECTED_NAME)
        elif not isinstance(settings, Mapping):
            at.entry(name).reject_type("an object", settings, "the settings of one data source")
        else:
            valid[name] = cast("Mapping[str, Any]", settings)
    return valid


def size_in_bytes(config: Mapping[str, str]) -> int:
    """Return the size that a configuration has in the environment variable that the engine sets."""
    return len(json.dumps(dict(config), ensure_ascii=False).encode())


def _check_top_level(top: Arguments, at: Place) -> None:
    """Reject settings at the top level that belong to a single data source.

    `false` is not rejected, because Pulumi passes this default for a boolean that is not set.
    """
    for name, setting in SETTINGS.items():
        if setting.scope is Scope.ENTRY and top.is_set(name) and top[name] is not False:
            # Removing the setting without moving it could take permissions from a role in use, so the
            # fix is to edit the file.
            expected = f"{at.entry('NAME', KEYS[name]).name}, as in docs/data-sources.md"
            top.at(name).reject("is a setting for a single data source", expected)


def _check_defaults(top: Arguments) -> None:
    """Report an invalid default even if no entry uses it, because a future entry might.

    Entries that inherit the default report the same problem, and this module's `read` drops the
    repetitions. This check must run before `_merge_values`, which looks for problems with the default
    tags and does not merge invalid tags.
    """
    # Only the problems are copied to `top`, not the warnings, because entries that inherit a default
    # warn about it.
    defaults = Arguments({}, top.paths, top.secrets, in_stack=True)
    for name, setting in SETTINGS.items():
        if setting.scope is Scope.DEFAULT and top.is_set(name):
            setting.kind.read(top[name], defaults.at(name))
    top.problems += defaults.problems


def _read_entry(
    given: Mapping[str, Any], top: Arguments, path: PropertyPath, *, check_tags: bool
) -> Arguments:
    """Return one entry's settings, including the top-level settings that it inherits.

    Also reject invalid keys and, if `check_tags` is true, tags that clash with the provider's default
    tags.
    """
    inherited = [name for name in SETTINGS if _is_inherited(name, given)]
    values, paths = _merge_values(given, top, inherited), _merge_paths(top, path, inherited)
    # An entry's tags contain the tags from the top level.
    secrets = [name for name in top.secrets if name in inherited or name == "tags"]
    # Not `only_role`, because other roles may be created before the credentials prove to be wrong.
    entry = Arguments(values, paths, secrets, in_stack=True)
    _check_keys(given, entry, path)
    own_tags = as_mapping(given.get("tags"))
    if check_tags and own_tags:  # `stack_config` checks the top-level tags
        default_provider.check_tags(own_tags, entry)
    protect = given.get(PROTECT, top.protect)  # "" switches the default off
    entry.protect = bool(read_protect(protect, entry.at_key(*path, PROTECT)))
    return entry


def _merge_values(
    given: Mapping[str, Any], top: Arguments, inherited: Collection[str]
) -> dict[str, object]:
    """Return the values of an entry's settings, inherited or its own; its tags combine both."""
    values: dict[str, object] = {
        name: top[name] if name in inherited else given.get(KEYS[name]) for name in SETTINGS
    }
    for name, value in values.items():
        if value == {} and SETTINGS[name].scope is Scope.DEFAULT:
            values[name] = None  # like "", an empty object turns off a default
    own_tags = as_mapping(given.get("tags"))
    # Invalid top-level tags are reported at the top level.
    if own_tags and not any(problem.setting == "tags" for problem in top.problems):
        values["tags"] = {**as_mapping(top["tags"]), **own_tags}
    return values


def _merge_paths(
    top: Arguments, path: PropertyPath, inherited: Collection[str]
) -> dict[str, PropertyPath]:
    """Return the path at which each of an entry's settings is set or, if it is not, would be set."""
    own_keys = [key for name, key in KEYS.items() if name not in inherited]
    # A VPC's lists have paths of two keys: they are set where `vpcConfiguration` is.
    own = {name: (*path, *keys) for name, keys in PACKAGE_INPUTS.items() if keys[0] in own_keys}
    return {**top.paths, **own}


def _is_inherited(name: str, given: Mapping[str, Any]) -> bool:
    """Return whether an entry gets the value of a setting from the top level."""
    scope = SETTINGS[name].scope
    if scope is Scope.STACK:
        return True
    if scope is Scope.ENTRY:
        return False
    if name == "vpc_configuration" and not _may_use_vpc(given.get(KEYS["connector"]) or DEFAULT):
        return False
    return KEYS[name] not in given


def _may_use_vpc(connector_name: object) -> bool:
    """Return whether a connector's current version supports a VPC; true for an unknown connector."""
    connector = CONNECTORS.get(connector_name) if isinstance(connector_name, str) else None
    return connector is None or connector.vpc not in (Need.NOT_SUPPORTED, Need.EARLIER_VERSIONS)


def _check_keys(given: Mapping[str, Any], entry: Arguments, path: PropertyPath) -> None:
    """Reject null values, and keys that are not settings for a data source."""
    settings = {camel_case(name): setting for name, setting in SETTINGS.items()}
    known = [key for key, setting in settings.items() if setting.scope is not Scope.STACK] + [PROTECT]
    for key, value in given.items():
        place = entry.at_key(*path, key)
        if key in settings and key not in known:
            top = entry.at(settings[key].name)
            place.reject("is a setting for the whole stack", f"{top.name} at the top level")
        elif key not in known:
            place.reject_name(known, expected=", ".join(known))
        elif value is None:
            place.reject("is null", "a value; '' or {} turns off a default", place.remove())


def _check_role_names(entries: Mapping[str, Arguments], top: Arguments) -> None:
    """Reject a role name that another entry already has; IAM ignores the case of names."""
    owners: dict[str, str] = {}
    for name, entry in entries.items():
        role_name = entry["role_name"]
        if isinstance(role_name, str) and role_name:
            owner = owners.setdefault(role_name.lower(), name)
            if owner != name:
                at = top.at_key(*entry.paths["role_name"])
                at.reject(
                    f"{quote(role_name)} is also the role name of the entry {owner}",
                    "a name that is unique regardless of case, because IAM ignores the case of names",
                )


def _unused_vpc(
    given: Mapping[str, Mapping[str, Any]], entries: Mapping[str, Arguments], top: Arguments
) -> Iterator[str]:
    """Yield a note if the top-level VPC does not apply to some entries because of their connectors."""
    if not top["vpc_configuration"]:
        return
    key = KEYS["vpc_configuration"]
    # An entry that does not inherit the default, although it has no value of its own, has a connector
    # without support for a VPC (see `_is_inherited`).
    unused = [
        name
        for name, entry in entries.items()
        if key not in given[name] and not entry["vpc_configuration"]
    ]
    if unused:
        versions = "version of its connector" if len(unused) == 1 else "versions of their connectors"
        yield (
            f"{top.at('vpc_configuration').name} does not apply to {', '.join(unused)}: AWS does not "
            f"support a VPC for the current {versions}"
        )
