"""Read a connector role's settings from stack configuration.

The keys are `aws:region`, `protect`, `dataSources`, and the other settings' names in camel case. This
project's `Pulumi.yaml` declares the required keys and the YAML types of the project's keys. The engine
enforces both, and the program validates every value that the engine accepts:
https://www.pulumi.com/docs/iac/concepts/config/
"""

from collections.abc import Mapping
from typing import Final

import pulumi

from . import default_provider
from .arguments import Arguments, Place
from .commands import PropertyPath
from .default_provider import parse_json
from .settings import PYTHON_ARGUMENTS, SETTINGS, Flag


def camel_case(name: str) -> str:
    """Convert a name from snake case to camel case, such as `role_name` to `roleName`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


KEYS: Final = {name: camel_case(name) for name in SETTINGS if name != "region"}
"""The key of each setting except the Region, without its namespace."""
REGION_KEY: Final = "aws:region"
PROTECT: Final = "protect"
"""The key that protects roles from deletion: a stack's roles, or in `dataSources`, an entry's role."""
DATA_SOURCES: Final = "dataSources"
"""The key with one entry for each data source, in a stack with several roles."""
PACKAGE_INPUTS: Final[Mapping[str, PropertyPath]] = {
    name: tuple(camel_case(str(part)) for part in path) for name, path in PYTHON_ARGUMENTS.items()
}
"""The paths of the settings, and of a VPC's lists, in the component's inputs in other languages."""


def config_paths(prefix: str = "") -> dict[str, PropertyPath]:
    """Return the paths of the settings in a stack's configuration.

    The prefix is a namespace and a colon. Pulumi's commands do not need it for the project's namespace.
    """
    paths = {name: (f"{prefix}{path[0]}", *path[1:]) for name, path in PACKAGE_INPUTS.items()}
    return {**paths, "region": (REGION_KEY,)}


def config_key(name: str, prefix: str = "") -> str:
    """Return a setting's key in stack configuration; `prefix` is as in `config_paths`."""
    return REGION_KEY if name == "region" else prefix + camel_case(name)


def show_prefix(config: pulumi.Config) -> str:
    """Return the prefix of the keys in messages and commands; empty for the project's namespace."""
    return "" if config.name == pulumi.get_project() else f"{config.name}:"


def read(config: pulumi.Config, *, reject_unknown_keys: bool) -> Arguments:
    """Return the settings of a stack with one role; reject `dataSources`.

    `reject_unknown_keys` is for a program that owns the whole stack and uses only the default provider.
    If it is true, unknown keys in the namespace of `config` are rejected, and that provider's
    configuration is checked.
    """
    arguments = read_top_level(config, reject_unknown_keys=reject_unknown_keys)
    if read_object(config, DATA_SOURCES) is not None:
        at = arguments.at_key(show_prefix(config) + DATA_SOURCES)
        at.reject(
            "is set, but ConnectorRole.from_config reads a single role from the other keys",
            f"no {at.name}, or a program that calls ConnectorRole.all_from_config",
            at.remove(),
        )
    return arguments


def read_top_level(config: pulumi.Config, *, reject_unknown_keys: bool) -> Arguments:
    """Read every key except `dataSources`."""
    values: dict[str, object] = {"region": pulumi.Config("aws").get("region")}
    for name, key in KEYS.items():
        is_string = SETTINGS[name].kind.yaml_type == "string"
        values[name] = config.get(key) if is_string else read_object(config, key)
    # Unlike messages, the engine always writes the namespace.
    secrets = [
        name for name in SETTINGS if pulumi.runtime.is_config_secret(config_key(name, f"{config.name}:"))
    ]
    prefix = show_prefix(config)
    arguments = Arguments(values, config_paths(prefix), secrets, in_stack=True, only_role=True)
    if reject_unknown_keys:
        _reject_unknown_keys(config.name, prefix, arguments)
        default_provider.check(arguments)
    is_secret = pulumi.runtime.is_config_secret(f"{config.name}:{PROTECT}")
    at = arguments.at_key(prefix + PROTECT, secret=is_secret)
    arguments.protect = bool(read_protect(read_object(config, PROTECT), at))
    return arguments


def read_protect(value: object, at: Place) -> bool | None:
    """Return the value of `protect`; None if it is not set. Reject an invalid value."""
    return None if value in (None, "") else Flag().read(value, at)


def _reject_unknown_keys(namespace: str, prefix: str, arguments: Arguments) -> None:
    """Reject every unknown key in a namespace; messages show the key with the prefix."""
    names = [*KEYS.values(), PROTECT, DATA_SOURCES]
    for key in pulumi.runtime.get_config_env():
        key_namespace, _, name = key.partition(":")
        # A component can read its settings from the namespace `aws`, which has the Region, too.
        if key_namespace == namespace and name not in names and key != REGION_KEY:
            known = [REGION_KEY, *(f"{prefix}{each}" for each in names)]
            arguments.at_key(f"{prefix}{name}").reject_name(known, prefix=prefix)


def read_object(config: pulumi.Config, key: str) -> object:
    """Parse a value that is not a string; return invalid JSON as it is, so that validation rejects it.

    Return None for an empty object. `Pulumi.yaml` declares it as the default, so it counts as not set.
    """
    value = parse_json(config.get(key))
    return None if value == {} else value
