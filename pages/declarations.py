"""Generate the declarations of the settings in Pulumi.yaml.

The descriptions are the docstrings in ConnectorRoleArgs, except for keys that are not in this class.
"""

from collections.abc import Mapping
from typing import Any, Final

import yaml
from pulumi.provider.experimental.analyzer import Analyzer

from components.configuration import DATA_SOURCES, KEYS, PROTECT
from components.connector_role import ConnectorRole
from components.settings import SETTINGS
from pages import PROJECT

_WIDTH: Final = 110
_TYPES: Final[Mapping[type, str]] = {str: "string", bool: "boolean", dict: "object"}
"""The type in Pulumi.yaml, by the Python type of a setting's blank value."""
_OTHERS: Final[Mapping[str, Mapping[str, Any]]] = {
    PROTECT: {
        "type": "boolean",
        "default": False,
        "description": "Whether Pulumi protects the stack's roles from deletion. Default: false.",
    },
    DATA_SOURCES: {
        "type": "object",
        "default": {},
        "description": (
            "Settings for several roles, as an object with an entry for each data source. Top-level "
            "settings then apply to all entries or are defaults. Default: one role."
        ),
    },
}
"""The declarations of the keys that are not in `KEYS`."""


def declarations() -> dict[str, Mapping[str, Any]]:
    """Return the declaration of each key for Pulumi.yaml."""
    inputs = Analyzer("descriptions").analyze_component(ConnectorRole).inputs
    declared: dict[str, Mapping[str, Any]] = {}
    for name, key in KEYS.items():
        setting = SETTINGS[name]
        if key not in inputs:
            raise ValueError(f"components/connector_role.py: {name} is missing")
        each: dict[str, object] = {
            "type": _TYPES[type(setting.kind.blank)],
            "description": inputs[key].description,
        }
        if not setting.required:
            each["default"] = setting.kind.blank
        declared[key] = each
    return {**declared, **_OTHERS}


def pulumi_yaml() -> str:
    """Return the text of Pulumi.yaml with the current declarations in its last section, `config`."""
    before = (PROJECT / "Pulumi.yaml").read_text().partition("\nconfig:\n")[0]
    return f"{before}\n" + yaml.safe_dump({"config": declarations()}, sort_keys=False, width=_WIDTH)
