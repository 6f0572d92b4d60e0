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
from .arguments import Arguments
from .commands import camel_case
from .fields import Field, show_key
from .kinds import Flag
from .report import Report
from .settings import SETTINGS

KEYS: Final = {name: camel_case(name) for name in SETTINGS if name != "region"}
"""The key of each setting except the Region, without its namespace."""
REGION_KEY: Final = "aws:region"
PROTECT: Final = "protect"
"""The key that protects roles from deletion: a stack's roles, or in `dataSources`, an entry's role."""
DATA_SOURCES: Final = "dataSources"
"""The key with one entry for each data source, in a stack with several roles."""


def config_key(name: str, prefix: str = "") -> str:
    """Return a setting's key in stack configuration.

    The prefix is a namespace and a colon. Pulumi's commands do not need it for the project's namespace.
    """
    return REGION_KEY if name == "region" else prefix + camel_case(name)


def read(config: pulumi.Config, *, reject_unknown_keys: bool) -> Arguments:
    """Return the settings of a stack with one role; reject `dataSources`.

    `reject_unknown_keys` is for a program that owns the whole stack and uses only the default provider.
    If it is true, unknown keys in the namespace of `config` are rejected, and that provider's
    configuration is checked.
    """
    report = Report()
    fields, protect = read_top_level(config, report, reject_unknown_keys=reject_unknown_keys)
    data_sources = read_data_sources(config)
    if data_sources.is_set:
        report.reject(
            data_sources,
            "is set, but ConnectorRole.from_config reads a single role from the other keys",
            f"no {data_sources.name}, or a program that calls ConnectorRole.all_from_config",
            data_sources.remove(),
        )
    return Arguments(fields, protect, report.problems, report.warnings, only_role=True)


def read_top_level(
    config: pulumi.Config, report: Report, *, reject_unknown_keys: bool
) -> tuple[Mapping[str, Field], bool]:
    """Read every key except `dataSources`; return the settings, and whether `protect` is set."""
    prefix = f"{config.name}:"
    fields = {
        name: Field.of_config(config_key(name, prefix), name, setting.kind.blank)
        for name, setting in SETTINGS.items()
    }
    if reject_unknown_keys:
        _check_namespace(prefix, report)
        default_provider.check(fields, report)
    protect = Field.of_config(prefix + PROTECT, blank=False)
    return fields, read_protect(protect, report)


def read_data_sources(config: pulumi.Config) -> Field:
    """Read `dataSources`."""
    return Field.of_config(f"{config.name}:{DATA_SOURCES}", blank={})


def read_protect(field: Field, report: Report) -> bool:
    """Return the value of `protect`; reject an invalid value."""
    return field.is_set and bool(Flag().read(field, report))


def _check_namespace(prefix: str, report: Report) -> None:
    """Reject every unknown key in a namespace."""
    keys = {show_key(key): key for key in pulumi.runtime.get_config_env() if key.startswith(prefix)}
    # A component can read its settings from the namespace `aws`, which has the Region, too.
    known = [REGION_KEY, *(show_key(prefix + key) for key in (*KEYS.values(), PROTECT, DATA_SOURCES))]
    report.check_keys(Field(keys, (), (), in_stack=True), known)
