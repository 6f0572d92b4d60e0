"""Generate the schemas of the sandbox's providers, for `pulumi import` and YAML programs.

https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sandbox.provider.lifecycle import Property

_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_OBJECT: Final = {"type": "object", "additionalProperties": _TEXT}
_TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "any": {"$ref": "pulumi.json#/Any"},
    "array": _TEXTS,
    "lists": {"type": "object", "additionalProperties": _TEXTS},
    "object": _OBJECT,
    "policies": {"type": "array", "items": _OBJECT},
}
"""The types by property kind; any other kind is the name of a type."""


def schema(
    package: str,
    version: str,
    resources: Mapping[str, Mapping[str, Property]],
    functions: Collection[str],
) -> dict[str, Any]:
    """Return the schema of a package, with the resources and functions that the sandbox supports."""
    return {
        "name": package,
        "version": version,
        "description": f"The sandbox's replacement for the provider {package}",
        "config": {"variables": {"region": _TEXT}},
        "provider": {"inputProperties": {"region": _TEXT}},
        "resources": {token: _resource(properties) for token, properties in resources.items()},
        "functions": {token: {"outputs": {"properties": {"id": _TEXT}}} for token in functions},
    }


def _resource(properties: Mapping[str, Property]) -> dict[str, Any]:
    types = {
        name: _TYPES.get(declared.kind, {"type": declared.kind}) for name, declared in properties.items()
    }
    outputs = [name for name, declared in properties.items() if declared.output_only]
    required = [name for name, declared in properties.items() if declared.required]
    return {
        "inputProperties": {name: types[name] for name in types if name not in outputs},
        "requiredInputs": required,
        "properties": types,
        "required": [*required, *outputs],
    }
