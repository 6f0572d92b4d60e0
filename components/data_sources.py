"""Read the settings of several connector roles from one stack's configuration.

Each entry in `dataSources` has the settings of one role. Settings at the top level apply to all entries,
or are defaults for entries that leave them out. The engine passes the whole configuration in one
environment variable, which limits the configuration's size.
"""

import json
import re
from collections.abc import Mapping
from typing import Final, cast

import pulumi

from . import default_provider
from .arguments import Arguments
from .commands import get_command, quote
from .connectors import Need, find_connector
from .fields import REJECTED, Field, as_mapping, without_blank
from .formats import MAXIMUM_COMPONENT_NAME_LENGTH
from .report import Report, SettingsError
from .settings import SETTINGS, Scope
from .stack_config import KEYS, PROTECT, read_data_sources, read_protect, read_top_level
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


def are_set(config: pulumi.Config) -> bool:
    """Return whether `dataSources` is set; `{}`, the default in `Pulumi.yaml`, means not set."""
    return read_data_sources(config).is_set


def read(config: pulumi.Config, *, reject_unknown_keys: bool) -> tuple[Mapping[str, Arguments], Report]:
    """Read and validate the settings of every entry.

    Returns the arguments by entry, and a report with the warnings and notes about the whole stack.
    Raises SettingsError with the problems at the top level and in all entries.
    """
    report = Report()
    top, protect = read_top_level(config, report, reject_unknown_keys=reject_unknown_keys)
    data_sources = read_data_sources(config)
    given = _read_entries(data_sources, report)
    top = {name: _check_top_level(field, data_sources, report) for name, field in top.items()}
    entries = {
        name: _read_entry(entry, top, protect=protect, check_tags=reject_unknown_keys)
        for name, entry in given.items()
    }
    _check_role_names(entries, report)
    for name, entry in entries.items():
        try:
            validate(name, entry)
        except SettingsError as error:
            # Report a problem with the top level once, not for every entry.
            report.problems += [each for each in error.problems if each not in report.problems]
    if report.problems:
        raise SettingsError(report.problems)
    _note_unused_vpc(given, top["vpc_configuration"], report)
    return entries, report


def _read_entries(field: Field, report: Report) -> dict[str, Field]:
    """Return the entries that are objects with valid names; reject the other entries.

    Also reject `dataSources` as a whole if it is secret, not set, or not an object, if it has too many
    entries, or if the configuration is too large.
    """
    expected = "an object that maps each data source's name to its settings"
    # An example of an entry's first setting. Its command has --plaintext instead of --type string,
    # because Pulumi takes secretId for the key of a secret and then rejects --type.
    example = Field(None, field.path, field.path, in_stack=True).entry("NAME")
    secret_command = example.entry(KEYS["secret_id"]).set("VALUE")
    if field.secret:
        report.reject(
            field,
            "has a secret value, so Pulumi treats the whole object as a secret, and previews hide it; "
            "`pulumi config` shows [secret] in place of the value",
            "plaintext values, because IDs and ARNs are not secret",
            # If the whole object was set with --secret, a command would replace all of it.
            f"if `pulumi config` shows only [secret] for {field.name}, {field.edit()} and replace the "
            f"value with the output of `{get_command(field.path)}`; otherwise, for each secret value, "
            f"run `{example.entry('KEY').set('VALUE')}` or, for secretId, `{secret_command}`",
        )
        return {}
    if not field.is_set:
        expected += "; to delete the last role, see docs/retire.md"
        # Without a connector, the entry would get the default connector's role.
        fix = f"{example.entry(KEYS['connector']).set('CONNECTOR')} && {secret_command}"
        report.reject(field, "is required but not set", expected, fix)
        return {}
    if not isinstance(field.value, Mapping):
        report.reject_type(field, "an object", expected)
        return {}
    entries = cast("Mapping[str, object]", field.value)
    if len(entries) > MAXIMUM_ENTRIES:
        report.reject(
            field,
            f"has {len(entries)} entries",
            f"at most {MAXIMUM_ENTRIES}; use another stack for the rest",
            "split the stack, for example by connector",
        )
    size = size_in_bytes(pulumi.runtime.get_config_env())
    if size > MAXIMUM_SIZE:
        report.reject(
            field,
            f"the configuration is {size:,} bytes",
            f"at most {MAXIMUM_SIZE:,} bytes, because the engine passes it in one environment variable",
            "split the stack, for example by connector",
        )
    valid: dict[str, Field] = {}
    for name, settings in entries.items():
        entry = field.entry(name, settings)
        if not ENTRY_NAME.fullmatch(name):
            report.reject(entry, f"{quote(name)} is not a valid data source name", EXPECTED_NAME)
        elif not isinstance(settings, Mapping):
            report.reject_type(entry, "an object", "the settings of one data source")
        else:
            valid[name] = entry
    return valid


def size_in_bytes(config: Mapping[str, str]) -> int:
    """Return the size that a configuration has in the environment variable that the engine sets."""
    return len(json.dumps(dict(config), ensure_ascii=False).encode())


def _check_top_level(field: Field, data_sources: Field, report: Report) -> Field:
    """Reject a setting at the top level that is invalid or belongs to a single data source.

    An invalid default is rejected even if no entry uses it, because a future entry might. If the value
    is invalid, return a field whose value is REJECTED, so that no entry reports the problem again.
    """
    setting = SETTINGS[field.setting]
    if not field.is_set:
        return field
    if setting.scope is Scope.ENTRY:
        # Removing the setting without moving it could take permissions from a role in use, so the fix
        # is to edit the file.
        there = data_sources.part("NAME").part(KEYS[setting.name])
        expected = f"{there.name}, as in docs/data-sources.md"
        report.reject(field, "is a setting for a single data source", expected)
        return field
    found = Report()
    setting.kind.read(field, found)
    # The warnings are left out, because the entries that inherit the value warn about it.
    report.problems += found.problems
    return field._replace(value=REJECTED) if found.problems else field


def _read_entry(entry: Field, top: Mapping[str, Field], *, protect: bool, check_tags: bool) -> Arguments:
    """Return one entry's settings, including the top-level settings that it inherits.

    Also reject invalid keys and, if `check_tags` is true, tags that clash with the provider's default
    tags.
    """
    report = Report()
    _check_entry_keys(entry, top, report)
    given = as_mapping(entry.value)
    fields = {
        name: field if _is_inherited(name, given) else _own_field(entry, name)
        for name, field in top.items()
    }
    if own_tags := as_mapping(given.get(KEYS["tags"])):
        # The entry's tags are added to the tags at the top level, and are secret if those are.
        tags = fields["tags"]._replace(secret=top["tags"].secret)
        if check_tags:  # `stack_config` checks the top-level tags
            default_provider.check_tags(tags, report)
        fields["tags"] = tags._replace(value={**as_mapping(top["tags"].value), **own_tags})
    if PROTECT in given:  # "" switches the default off
        protect = read_protect(entry.entry(PROTECT, given[PROTECT]), report)
    return Arguments(fields, protect, report.problems)


def _own_field(entry: Field, name: str) -> Field:
    """Return the field of a setting that an entry does not inherit; "" or {} turns off a default."""
    key = KEYS[name]
    path, value = (*entry.path, key), as_mapping(entry.value).get(key, "")
    # `_check_entry_keys` rejects null.
    value = REJECTED if value is None else without_blank(value, SETTINGS[name].kind.blank)
    return Field(value, path, path, in_stack=True, setting=name)


def _is_inherited(name: str, given: Mapping[str, object]) -> bool:
    """Return whether an entry gets a setting from the top level."""
    scope = SETTINGS[name].scope
    if scope is not Scope.DEFAULT:
        return scope is Scope.STACK
    return KEYS[name] not in given and (name != "vpc_configuration" or _may_use_vpc(given))


def _may_use_vpc(given: Mapping[str, object]) -> bool:
    """Return whether the current version of an entry's connector supports a VPC."""
    vpc = find_connector(given.get(KEYS["connector"])).vpc
    return vpc not in (Need.NOT_SUPPORTED, Need.EARLIER_VERSIONS)


def _check_entry_keys(entry: Field, top: Mapping[str, Field], report: Report) -> None:
    """Reject null values, and keys that are not settings for a data source."""
    given = as_mapping(entry.value)
    of_stack = {key: top[name] for name, key in KEYS.items() if SETTINGS[name].scope is Scope.STACK}
    known = [key for key in KEYS.values() if key not in of_stack] + [PROTECT]
    own = {key: value for key, value in given.items() if key not in of_stack}
    report.check_keys(entry._replace(value=own), known, listed=", ".join(known))
    for key, field in of_stack.items():
        if key in given:
            there = f"{field.name} at the top level"
            report.reject(entry.entry(key), "is a setting for the whole stack", there)
    for key in known:
        if given.get(key, "") is None:
            null = entry.entry(key)
            report.reject(null, "is null", "a value; '' or {} turns off a default", null.remove())


def _check_role_names(entries: Mapping[str, Arguments], report: Report) -> None:
    """Reject a role name that another entry already has; IAM ignores the case of names."""
    owners: dict[str, str] = {}
    for name, entry in entries.items():
        field = entry.fields["role_name"]
        if isinstance(field.value, str):
            owner = owners.setdefault(field.value.lower(), name)
            if owner != name:
                report.reject(
                    field,
                    f"{quote(field.value)} is also the role name of the entry {owner}",
                    "a name that is unique regardless of case, because IAM ignores the case of names",
                )


def _note_unused_vpc(given: Mapping[str, Field], vpc: Field, report: Report) -> None:
    """Add a note if the top-level VPC does not apply to some entries because of their connectors."""
    settings = {name: as_mapping(entry.value) for name, entry in given.items()}
    unused = [
        name for name, own in settings.items() if KEYS[vpc.setting] not in own and not _may_use_vpc(own)
    ]
    if vpc.is_set and unused:
        versions = "version of its connector" if len(unused) == 1 else "versions of their connectors"
        report.notes.append(
            f"{vpc.name} does not apply to {', '.join(unused)}: AWS does not support a VPC for the "
            f"current {versions}"
        )
