"""Read the settings of several connector roles from one stack's configuration.

Each member of `dataSources` has the settings of one role. Settings at the top level are the same for all
members, or defaults for members that leave them out. The engine passes the whole configuration in one
environment variable, so its size has a limit.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import pulumi

from . import default_provider, stack_config
from .connectors import CONNECTORS, DEFAULT, Need
from .default_provider import as_mapping
from .errors import Path, Problem, SettingsError, property_path, quote
from .formats import MAXIMUM_COMPONENT_NAME_LENGTH
from .report import BLANK, REMOVE, Report, Source, suggestion
from .settings import SETTINGS, Arguments, Scope
from .stack_config import DATA_SOURCES, PROTECT, TopLevel, camel_case
from .validation import validate

MAXIMUM_MEMBERS: Final = 100
MAXIMUM_SIZE: Final = 100 * 1024
"""Bytes of the configuration. Linux allows 128 KiB for an environment variable (MAX_ARG_STRLEN)."""
MEMBER_NAME: Final = re.compile(rf"(?!secure\Z)[a-z][a-z0-9-]{{0,{MAXIMUM_COMPONENT_NAME_LENGTH - 1}}}")
"""A component's name, in lowercase. Pulumi would read a value called `secure` as a secret."""
EXPECTED_NAME: Final = (
    f"a lowercase letter and at most {MAXIMUM_COMPONENT_NAME_LENGTH - 1} lowercase letters, digits, and "
    "hyphens; the name secure is reserved"
)


class Member(NamedTuple):
    """The role of one data source."""

    arguments: Arguments
    protect: bool


class DataSources(NamedTuple):
    """The roles of a stack's data sources, and remarks on the stack as a whole."""

    members: Mapping[str, Member]
    warnings: Sequence[str]
    notes: Sequence[str]


def are_set(config: pulumi.Config) -> bool:
    """Return whether a namespace has `dataSources`; the default in `Pulumi.yaml` is an empty object."""
    return config.get(DATA_SOURCES) not in (None, "", "{}")


def read(config: pulumi.Config, *, refuse_unknown_keys: bool) -> DataSources:
    """Read and validate the settings of every member.

    Raises SettingsError with every problem of every member, so that one invalid member stops all.
    """
    top = stack_config.read_top_level(config, refuse_unknown_keys=refuse_unknown_keys)
    given = _read_members(config, top)
    _check_top_level(top)
    _check_defaults(top)
    members = {
        name: _read_member(name, settings, top, check_tags=refuse_unknown_keys)
        for name, settings in given.items()
    }
    _check_role_names(members, top.report)
    problems = [*top.report.problems]
    for name, member in members.items():
        try:
            validate(name, member.arguments)
        except SettingsError as error:
            # A problem with a default concerns several members: report it once. `error.problems` repeats
            # those of the keys. A key that is null counts as not set, so that a required one has two
            # problems: report only that of the key.
            of_keys = {problem.path: problem for problem in member.arguments.problems}
            problems += [
                problem
                for problem in error.problems
                if problem not in problems and of_keys.get(problem.path) in (None, problem)
            ]
    if problems:
        raise SettingsError(problems)
    warnings = [*top.report.warnings]
    if any(not member.arguments["role_name"] for member in members.values()):
        path = (*top.source.path("data_sources"), "NAME", camel_case("role_name"))
        warnings += stack_config.autonaming_warnings(property_path(path))
    return DataSources(members, warnings, [*_unused_vpc(given, members, top)])


def _read_members(config: pulumi.Config, top: TopLevel) -> dict[str, Mapping[str, Any]]:
    """Return the valid members as they were given; report the others."""
    at = top.report.at("data_sources")
    expected = "an object from a name to the settings of one data source"
    secret_command = _set_command(top, (*at.path, "NAME", "secretId"))
    if pulumi.runtime.is_config_secret(f"{config.name}:{DATA_SOURCES}"):
        at.refuse(
            "has a secret value. Pulumi then treats the whole object as a secret, and previews hide it; "
            "`pulumi config` shows [secret] in its place",
            "plain values: IDs and ARNs are not secret",
            fix=f"{_set_command(top, (*at.path, 'NAME', 'KEY'))}, and for secretId {secret_command}",
        )
        return {}
    if top.data_sources is None:
        expected += "; to delete the last role, see docs/retire.md"
        at.refuse("is required and not set", expected, fix=secret_command)
        return {}
    if not isinstance(top.data_sources, Mapping):
        at.refuse_type("an object", top.data_sources, expected)
        return {}
    members = cast("Mapping[str, object]", top.data_sources)
    if len(members) > MAXIMUM_MEMBERS:
        at.refuse(
            f"has {len(members)} members",
            f"at most {MAXIMUM_MEMBERS}; use another stack for the rest",
            fix="split the stack, for example by connector",
        )
    size = size_in_bytes(pulumi.runtime.get_config_env())
    if size > MAXIMUM_SIZE:
        at.refuse(
            f"the configuration has {size:,} bytes",
            f"at most {MAXIMUM_SIZE:,} bytes, since the engine passes it in one environment variable",
            fix="split the stack, for example by connector",
        )
    valid: dict[str, Mapping[str, Any]] = {}
    for name, settings in members.items():
        if not MEMBER_NAME.fullmatch(name):
            at.member(name).refuse(f"{quote(name)} is not the name of a data source", EXPECTED_NAME)
        elif not isinstance(settings, Mapping):
            at.member(name).refuse_type("an object", settings, "the settings of one data source")
        else:
            valid[name] = cast("Mapping[str, Any]", settings)
    return valid


def size_in_bytes(config: Mapping[str, str]) -> int:
    """Return the size of a configuration in the environment variable that the engine passes."""
    return len(json.dumps(dict(config), ensure_ascii=False).encode())


def _set_command(top: TopLevel, path: Path) -> str | None:
    return top.source.command(path, "VALUE", secret=False) if top.source.command else None


def _check_top_level(top: TopLevel) -> None:
    """Reject settings of one data source at the top level.

    Pulumi passes `false` for a boolean that is not set, so only `true` is rejected.
    """
    for name, setting in SETTINGS.items():
        if setting.scope is Scope.MEMBER and top.values[name] not in (None, BLANK, False):
            member = property_path((*top.report.at("data_sources").path, "NAME", camel_case(name)))
            top.report.at(name).refuse("is a setting of one data source", member, REMOVE)


def _check_defaults(top: TopLevel) -> None:
    """Report a wrong default here, and even if no member uses it: the next member would.

    Each member reports it in the same words, except tags, which it merges with its own.
    """
    report = Report(top.source, top.secrets)
    for name, setting in SETTINGS.items():
        if setting.scope is Scope.DEFAULT and top.values[name] not in (None, BLANK):
            setting.kind.read(top.values[name], report.at(name))
    top.report.problems += report.problems


def _read_member(name: str, given: Mapping[str, Any], top: TopLevel, *, check_tags: bool) -> Member:
    """Return the settings of one member, with the defaults for those that it leaves out."""
    member_path = (*top.source.path("data_sources"), name)
    default_vpc_applies = _may_use_vpc(given.get("connector") or DEFAULT)

    def is_from_top(setting: str) -> bool:
        scope = Scope.DEFAULT if setting == PROTECT else SETTINGS[setting].scope
        if scope is Scope.DEFAULT:
            applies = setting != "vpc_configuration" or default_vpc_applies
            return applies and camel_case(setting) not in given
        return scope is Scope.STACK

    def path(setting: str) -> Path:
        return top.source.path(setting) if is_from_top(setting) else (*member_path, camel_case(setting))

    source = Source(
        path,
        camel_case,
        stack_config.write_command,
        required=("region",),
        belongs_to_component=True,  # problems that only the credentials show come after other roles
    )
    report = Report(source, top.secrets)
    report.problems += _wrong_keys(member_path, given, top)
    values = {
        setting: top.values[setting] if is_from_top(setting) else given.get(camel_case(setting))
        for setting in SETTINGS
    }
    own_tags, common_tags = as_mapping(given.get("tags")), as_mapping(top.values["tags"])
    has_problem = any(problem.setting == "tags" for problem in top.report.problems)
    if own_tags and not has_problem:
        values["tags"] = {**common_tags, **own_tags}
    if check_tags and own_tags:  # `stack_config` checks the others
        default_provider.check_tags(own_tags, report)
    # Like "", an empty object switches a default off.
    for setting, value in values.items():
        if value == {} and SETTINGS[setting].scope is Scope.DEFAULT:
            values[setting] = None
    # Tags of the top level are among those of every member.
    secrets = [each for each in top.secrets if is_from_top(each) or each == "tags"]
    protect = given.get(PROTECT)
    protect = False if protect == BLANK else stack_config.read_protect(protect, report)
    arguments = Arguments(values, source, secrets, report.problems)
    return Member(arguments, top.protect if protect is None else protect)


def _may_use_vpc(connector_name: object) -> bool:
    """Return whether a connector supports a VPC, and not only in earlier versions; true if unknown."""
    connector = CONNECTORS.get(connector_name) if isinstance(connector_name, str) else None
    return connector is None or connector.vpc not in (Need.NOT_SUPPORTED, Need.EARLIER_VERSIONS)


def _wrong_keys(member_path: Path, given: Mapping[str, Any], top: TopLevel) -> Iterator[Problem]:
    """Return the problems of keys that are not settings of a data source, and of those that are null."""
    settings = {camel_case(name): setting for name, setting in SETTINGS.items()}
    known = [key for key, setting in settings.items() if setting.scope is not Scope.STACK] + [PROTECT]
    for key, value in given.items():
        path = (*member_path, key)
        remove = top.source.command(path, REMOVE, secret=False) if top.source.command else None
        if key in settings and key not in known:
            message = "is the same for all data sources of a stack"
            yield Problem(path, message, top.report.name(settings[key].name), remove)
        elif key not in known:
            near = suggestion(key, known, member_path)
            yield Problem(path, f"is not a setting{near}", ", ".join(known), remove)
        elif value is None:
            yield Problem(path, "is null", "a value; '' or {} switches a default off", remove)


def _check_role_names(members: Mapping[str, Member], report: Report) -> None:
    """Reject a role name that another member has; IAM ignores the case of names."""
    owners: dict[str, str] = {}
    for name, member in members.items():
        role_name = member.arguments["role_name"]
        if isinstance(role_name, str) and role_name:
            owner = owners.setdefault(role_name.lower(), name)
            if owner != name:
                in_member = Report(member.arguments.source)  # only its source names the member's key
                message = f"{quote(role_name)} is also the role name of {owner}"
                in_member.at("role_name").refuse(message, "a unique name", REMOVE)
                report.problems += in_member.problems


def _unused_vpc(
    given: Mapping[str, Mapping[str, Any]], members: Mapping[str, Member], top: TopLevel
) -> Iterator[str]:
    """Name the members that the default VPC does not apply to."""
    if not top.values["vpc_configuration"]:
        return
    unused = [
        name
        for name, member in members.items()
        if "vpcConfiguration" not in given[name] and not member.arguments["vpc_configuration"]
    ]
    if unused:
        key = top.report.name("vpc_configuration")
        whose = "its connector" if len(unused) == 1 else "their connectors"
        yield (
            f"{key} does not apply to {', '.join(unused)}: AWS does not support a VPC for the current "
            f"version of {whose}"
        )
