"""Read the settings of a connector role from stack configuration.

The keys are the names of the settings in camel case, and `aws:region`. `Pulumi.yaml` declares which
keys are required, and their YAML types. The engine checks these; the program validates every value that
the engine accepts: https://www.pulumi.com/docs/iac/concepts/config/
"""

import json
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

import pulumi

from . import default_provider
from .default_provider import as_mapping
from .errors import Path, escape, property_path, quote, quote_argument
from .formats import ACCOUNT_ID, TAG_VALUE
from .report import REMOVE, Report, Source
from .settings import SETTINGS, Arguments, Flag


def camel_case(name: str) -> str:
    """Return `roleName` for `role_name`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


KEYS: Final = {name: camel_case(name) for name in SETTINGS if name != "region"}
"""The key of each setting in the project's namespace."""
REGION_KEY: Final = "aws:region"
PROTECT: Final = "protect"
"""The key that protects the role of a stack, or all of its roles, from deletion."""
DATA_SOURCES: Final = "dataSources"
"""The key with one member for each data source of a stack with several roles."""
_LIKE_A_SECRET: Final = "(?i)pass|pwd|secret|token"
"""Matches the keys whose values Pulumi takes for secrets (`looksLikeSecret` in its commands)."""


def config_key(name: str, prefix: str = "") -> str:
    """Return the key of a setting in stack configuration.

    The prefix is a namespace and a colon. Pulumi's commands do not need that of the project.
    """
    return REGION_KEY if name == "region" else prefix + camel_case(name)


def _path(name: str, prefix: str = "") -> Path:
    return (config_key(name, prefix),)


def _package_path(name: str) -> Path:
    return (camel_case(name),)


PACKAGE_INPUTS: Final = Source(_package_path, camel_case, belongs_to_component=True)
"""The inputs of the component in another language."""
STACK_CONFIGURATION: Final = Source(_path, camel_case)
"""The configuration of a stack that may not exist yet: there is no command to change it."""


class TopLevel(NamedTuple):
    """The keys of a stack's configuration that are not members of `dataSources`."""

    values: dict[str, object]
    """The settings by their names in ConnectorRoleArgs; None if not set."""
    secrets: Collection[str]
    """The settings whose values are secret."""
    protect: bool
    data_sources: object
    """The value of `dataSources`; None if not set."""
    report: Report
    """Problems and warnings of the stack as a whole."""

    @property
    def source(self) -> Source:
        """The names and commands of stack configuration."""
        return self.report.source


def read(config: pulumi.Config, *, refuse_unknown_keys: bool) -> tuple[Arguments, bool]:
    """Return the settings of a stack with one role, and whether it is protected.

    With `refuse_unknown_keys`, the whole stack belongs to this program: other keys of the namespace are
    problems, and the configuration of the default provider, which is the only one, is checked as well.
    """
    values, secrets, protect, data_sources, report = read_top_level(
        config, refuse_unknown_keys=refuse_unknown_keys
    )
    if data_sources is not None:
        report.at("data_sources").refuse(
            "is set, and this program declares one role from the keys beside it",
            f"no {report.name('data_sources')}, or a program that calls ConnectorRole.all_from_config",
            REMOVE,
        )
    if not values["role_name"]:
        report.warnings += autonaming_warnings(report.name("role_name"))
    return Arguments(values, report.source, secrets, report.problems, report.warnings), protect


def read_top_level(config: pulumi.Config, *, refuse_unknown_keys: bool) -> TopLevel:
    """Read every key but the members of `dataSources`."""
    prefix = "" if config.name == pulumi.get_project() else f"{config.name}:"
    source = Source(partial(_path, prefix=prefix), camel_case, write_command, required=("region",))
    values: dict[str, object] = {"region": pulumi.Config("aws").get("region")}
    for name, key in KEYS.items():
        is_string = SETTINGS[name].kind.yaml_type == "string"
        values[name] = config.get(key) if is_string else _parse_json(config.get(key))
    # Unlike messages, the engine always writes the namespace.
    secrets = [
        name for name in SETTINGS if pulumi.runtime.is_config_secret(config_key(name, f"{config.name}:"))
    ]
    hidden = [PROTECT] if pulumi.runtime.is_config_secret(f"{config.name}:{PROTECT}") else []
    report = Report(source, [*secrets, *hidden])
    if refuse_unknown_keys:
        _refuse_unknown_keys(config.name, prefix, report)
        default_provider.check(values, report)
    protect = read_protect(_parse_json(config.get(PROTECT)), report)
    data_sources = _parse_json(config.get(DATA_SOURCES))
    return TopLevel(values, secrets, bool(protect), data_sources, report)


def read_protect(value: object, report: Report) -> bool | None:
    """Return the value of `protect`; None if it is not set, or invalid."""
    return None if value in (None, "") else Flag().read(value, report.at(PROTECT))


def _refuse_unknown_keys(namespace: str, prefix: str, report: Report) -> None:
    """Report every key of a namespace that is not a setting; messages show it with the prefix."""
    names = [*KEYS.values(), PROTECT, DATA_SOURCES]
    known = [(REGION_KEY,), *((f"{prefix}{name}",) for name in names)]
    for key in pulumi.runtime.get_config_env():
        key_namespace, _, name = key.partition(":")
        if key_namespace == namespace and name not in names and key != REGION_KEY:
            report.refuse_name((f"{prefix}{name}",), known)


def _parse_json(text: str | None) -> object:
    """Parse a value that is not a string. If the text is not JSON, return it: validation rejects it.

    An empty object means not set, like the default that `Pulumi.yaml` declares.
    """
    if not text:
        return text
    # Numbers with too many digits and values with too many levels cannot be parsed.
    with suppress(ValueError, RecursionError):
        return None if (value := json.loads(text)) == {} else value
    return text


def write_command(path: Path, value: str | None, *, secret: bool) -> str:
    """Return the command that sets a key, or a member of it, to a value, or removes it."""
    key = property_path(path)
    name = _stack_name()
    if value is None or escape(key) != key or "\\" in key:
        return f"edit Pulumi.{quote_argument(name.rpartition('/')[2])}.yaml"
    stack, argument = quote_argument(name), quote_argument(key)
    option = " --path" if key != path[0] else ""
    if value == REMOVE:
        return f"pulumi config rm --stack {stack}{option} -- {argument}"
    is_boolean = value in ("true", "false")
    # Exactly one of these options is allowed. Without --secret or --plaintext, Pulumi refuses an ARN as
    # the value of a key that looks like that of a secret. With --path and --plaintext, digits become a
    # number.
    looks_like_secret = re.search(_LIKE_A_SECRET, key)
    may_be_number = value.isdigit() or value in (ACCOUNT_ID.placeholder, TAG_VALUE.placeholder)
    is_plain = not option or (looks_like_secret and not may_be_number and not is_boolean)
    typed = "--type bool" if is_boolean else "--type string"
    kind = "--secret" if secret else "--plaintext" if is_plain else typed
    command = f"pulumi config set --stack {stack}{option} {kind} -- {argument} {quote_argument(value)}"
    if is_boolean and option:
        # Pulumi keeps the type of a member that is a string.
        return f"pulumi config rm --stack {stack} --path -- {argument} && {command}"
    return command


def _stack_name() -> str:
    """Return the stack's name for a command, with its organization in Pulumi Cloud.

    There, a bare name belongs to the default organization of the user who runs the command
    (`ParseStackReference` in pkg/backend/httpstate). In other backends, the organization is always
    called organization.
    """
    organization, name = pulumi.get_organization(), pulumi.get_stack()
    if organization in (None, "", "organization") or "/" in name:
        return name
    return f"{organization}/{name}"


def autonaming_warnings(role_name: str) -> Iterator[str]:
    """Warn if the stack does not name its roles after their components.

    `role_name` is the key that would name them. The most specific section with a mode or a pattern
    applies: https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
    """
    section = as_mapping(pulumi.Config("pulumi").get_object("autonaming"))
    most_specific = section
    for name in ("providers", "aws", "resources", "aws:iam/role:Role"):
        section = as_mapping(section.get(name))
        if "mode" in section or "pattern" in section:
            most_specific = section
    pattern, mode = most_specific.get("pattern"), most_specific.get("mode", "default")
    if str(pattern).startswith("${name}-") or (mode == "default" and not pattern):
        return
    yield (
        f"{role_name} is not set, and pulumi:autonaming ({quote(pattern or mode)}) decides the name "
        "of the role"
    )
