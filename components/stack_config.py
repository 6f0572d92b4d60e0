"""Read the settings of a connector role from stack configuration.

The keys are the settings' names in camel case, and `aws:region`. `Pulumi.yaml` declares which are
required and their YAML types, which the engine checks; what it lets through is validated like any other
value: https://www.pulumi.com/docs/iac/concepts/config/
"""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple, cast

import pulumi

from . import default_provider
from .errors import NOT_SET, Naming, Path, Problem, escape, property_path, quote, quote_argument
from .formats import PLAIN, REQUIRED, SETTINGS


def camel_case(name: str) -> str:
    """Return `roleName` for `role_name`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


KEYS: Final = {name: camel_case(name) for name in SETTINGS if name != "region"}
"""The key of each setting in the project's namespace."""


def config_key(name: str, namespace: str = "") -> str:
    """Return the key of a setting in stack configuration, or what a member of one is called."""
    if name == "region":
        return "aws:region"
    return namespace + KEYS[name] if name in KEYS else camel_case(name)


PACKAGE_INPUTS: Final = Naming(camel_case)
"""Settings that are inputs of the component in another language."""
_OBJECTS: Final = [KEYS[name] for name, kind in SETTINGS.items() if kind is dict]
_BOOLEANS: Final = [KEYS[name] for name, kind in SETTINGS.items() if kind is bool]


class StackConfig(NamedTuple):
    """The settings in a stack's configuration."""

    args: Mapping[str, object]
    naming: Naming
    secret_names: Collection[str]
    """Keys that are secret; not booleans and the connector, whose effect shows in every preview."""
    problems: Collection[Problem]
    """What is wrong with the configuration of the default provider."""
    warnings: Collection[str]


def read(config: pulumi.Config, *, refuse_unknown_keys: bool) -> StackConfig:
    """Read every setting; with `refuse_unknown_keys`, every other key of the namespace too.

    That is for a program of this project's own. It has no other provider than the default one, whose
    configuration is checked too.
    """
    namespace = "" if config.name == pulumi.get_project() else f"{config.name}:"
    keys = [*KEYS.values()]
    if refuse_unknown_keys:
        given = (key.partition(":") for key in pulumi.runtime.get_config_env())
        keys += [key for space, _, key in given if space == config.name and key not in keys]
    args = {"aws:region": pulumi.Config("aws").get("region")}
    args |= {f"{namespace}{key}": _value(key, config.get(key)) for key in keys}
    full_keys = {name: f"{config.name}:{key}" for name, key in KEYS.items()} | {"region": "aws:region"}
    secret_names = [
        config_key(name, namespace)
        for name, full_key in full_keys.items()
        if name not in PLAIN and SETTINGS[name] is not bool and pulumi.runtime.is_config_secret(full_key)
    ]
    naming = Naming(
        partial(config_key, namespace=namespace),
        partial(_command, secret_names),
        (*REQUIRED, "region"),
    )
    role_name = naming.name("role_name")
    problems, warnings = (
        default_provider.check(args, naming, secret_names) if refuse_unknown_keys else ([], [])
    )
    if not args[role_name] and (warning := _autonaming_warning(role_name)):
        warnings.append(warning)
    return StackConfig(args, naming, secret_names, problems, warnings)


def _value(key: str, text: str | None) -> object:
    """Return what the text of an object or a boolean says; other text is refused by its type."""
    if not text or key not in (*_OBJECTS, *_BOOLEANS):
        return text
    # Numbers with too many digits, and what is nested too deep, are no settings either.
    with suppress(ValueError, RecursionError):
        return None if (value := json.loads(text)) == {} else value
    return text


def _command(secret_names: Collection[str], path: Path, value: str | None) -> str:
    """Return the command that sets a key, or a member of it, to a value, or removes it."""
    key = property_path(path)
    name = _stack_name()
    if value is None or escape(key) != key or "\\" in key:
        return f"edit Pulumi.{quote_argument(name.rpartition('/')[2])}.yaml"
    stack, argument = quote_argument(name), quote_argument(key)
    option = " --path" if key != path[0] else ""
    if value == NOT_SET:
        return f"pulumi config rm --stack {stack}{option} -- {argument}"
    # These three exclude each other; without any, Pulumi asks about what looks like a secret.
    kind = "--secret" if path[0] in secret_names else "--type string" if option else "--plaintext"
    return f"pulumi config set --stack {stack}{option} {kind} -- {argument} {quote_argument(value)}"


def _stack_name() -> str:
    """Return the stack's name for a command, with its organization in Pulumi Cloud.

    There, a name alone belongs to the default organization of whoever runs the command
    (`ParseStackReference` in pkg/backend/httpstate). Other backends have one, called organization.
    """
    organization, name = pulumi.get_organization(), pulumi.get_stack()
    qualified = organization in (None, "", "organization") or "/" in name
    return name if qualified else f"{organization}/{name}"


def _autonaming_warning(role_name: str) -> str | None:
    """Return a warning if the stack does not name its roles after the component.

    https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
    """
    section: object = pulumi.Config("pulumi").get_object("autonaming")
    chosen: Mapping[str, object] = {}
    for step in ("providers", "aws", "resources", "aws:iam/role:Role", None):
        if not isinstance(section, Mapping):
            break
        section = cast("Mapping[str, object]", section)
        if "mode" in section or "pattern" in section:
            chosen = section
        section = section.get(step) if step else None
    pattern, mode = chosen.get("pattern"), chosen.get("mode", "default")
    if str(pattern).startswith("${name}-") or (mode == "default" and not pattern):
        return None
    return (
        f"{role_name} is not set, and pulumi:autonaming ({quote(pattern or mode)}) decides the role's "
        "name. Permissions for roles named after the component may not cover it, and without qbusiness "
        "in it, the Amazon Q Business console does not list it. Set a role name"
    )
