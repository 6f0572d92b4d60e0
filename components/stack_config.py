"""Read the settings of a connector role from stack configuration.

The keys are the names of the settings in camel case, and `aws:region`. `Pulumi.yaml` declares which
keys are required, and their YAML types. The engine checks these; the program validates every value that
the engine accepts: https://www.pulumi.com/docs/iac/concepts/config/
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final, cast

import pulumi

from . import default_provider
from .errors import Path, escape, property_path, quote, quote_argument
from .report import REMOVE, Report, Source
from .settings import SETTINGS, Arguments


def camel_case(name: str) -> str:
    """Return `roleName` for `role_name`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


KEYS: Final = {name: camel_case(name) for name in SETTINGS if name != "region"}
"""The key of each setting in the project's namespace."""
REGION_KEY: Final = "aws:region"


def config_key(name: str, namespace: str = "") -> str:
    """Return the key of a setting in stack configuration; `namespace` ends with a colon, if given."""
    return REGION_KEY if name == "region" else namespace + camel_case(name)


def _path(name: str, namespace: str = "") -> Path:
    return (config_key(name, namespace),)


def _package_path(name: str) -> Path:
    return (camel_case(name),)


PACKAGE_INPUTS: Final = Source(_package_path, camel_case)
"""The inputs of the component in another language."""
STACK_CONFIGURATION: Final = Source(_path, camel_case)
"""The configuration of a stack that does not exist yet, so that no command can change it."""


def read(config: pulumi.Config, *, refuse_unknown_keys: bool) -> Arguments:
    """Read every setting.

    With `refuse_unknown_keys`, the whole stack belongs to this program: other keys of the namespace are
    problems, and the configuration of the default provider, which is the only one, is checked as well.
    """
    namespace = "" if config.name == pulumi.get_project() else f"{config.name}:"
    source = Source(partial(_path, namespace=namespace), camel_case, _command, required=("region",))
    values: dict[str, object] = {"region": pulumi.Config("aws").get("region")}
    values |= {name: _parse(name, config.get(key)) for name, key in KEYS.items()}
    secrets = [
        name
        for name, setting in SETTINGS.items()
        if setting.can_be_secret and pulumi.runtime.is_config_secret(config_key(name, f"{config.name}:"))
    ]
    report = Report(source, secrets)
    if refuse_unknown_keys:
        _refuse_unknown_keys(config.name, namespace, report)
        default_provider.check(values, report)
    if not values["role_name"] and (warning := _autonaming_warning(report.name("role_name"))):
        report.warnings.append(warning)
    return Arguments(values, source, secrets, report.problems, report.warnings)


def _refuse_unknown_keys(space: str, namespace: str, report: Report) -> None:
    """Report every key of a namespace that is not a setting."""
    known = [report.source.path(name) for name in SETTINGS]
    for key in pulumi.runtime.get_config_env():
        own, _, name = key.partition(":")
        if own == space and name not in KEYS.values():
            report.refuse_name((f"{namespace}{name}",), known)


def _parse(name: str, text: str | None) -> object:
    """Parse the text of a setting that is not a string; validation rejects other texts.

    An empty object means not set, like the default that `Pulumi.yaml` declares.
    """
    if not text or SETTINGS[name].kind.yaml_type == "string":
        return text
    # Numbers with too many digits and values with too many levels cannot be parsed.
    with suppress(ValueError, RecursionError):
        return None if (value := json.loads(text)) == {} else value
    return text


def _command(path: Path, value: str | None, *, secret: bool) -> str:
    """Return the command that sets a key, or a member of it, to a value, or removes it."""
    key = property_path(path)
    name = _stack_name()
    if value is None or escape(key) != key or "\\" in key:
        return f"edit Pulumi.{quote_argument(name.rpartition('/')[2])}.yaml"
    stack, argument = quote_argument(name), quote_argument(key)
    option = " --path" if key != path[0] else ""
    if value == REMOVE:
        return f"pulumi config rm --stack {stack}{option} -- {argument}"
    # Exactly one of these options is allowed. Without one, Pulumi asks if a value looks like a secret.
    kind = "--secret" if secret else "--type string" if option else "--plaintext"
    return f"pulumi config set --stack {stack}{option} {kind} -- {argument} {quote_argument(value)}"


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


def _autonaming_warning(role_name: str) -> str | None:
    """Return a warning if the stack does not name its roles after the component.

    The most specific section with a mode or a pattern applies:
    https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
    """
    section: object = pulumi.Config("pulumi").get_object("autonaming")
    chosen: Mapping[str, object] = {}
    for inner in ("providers", "aws", "resources", "aws:iam/role:Role", ""):
        if not isinstance(section, Mapping):
            break
        section = cast("Mapping[str, object]", section)
        if "mode" in section or "pattern" in section:
            chosen = section
        section = section.get(inner)
    pattern, mode = chosen.get("pattern"), chosen.get("mode", "default")
    if str(pattern).startswith("${name}-") or (mode == "default" and not pattern):
        return None
    return (
        f"{role_name} is not set, and pulumi:autonaming ({quote(pattern or mode)}) determines the name "
        "of the role. Permissions for roles that are named after the component may not match it, and "
        "the Amazon Q Business console hides roles without qbusiness in their names. Set a role name"
    )
