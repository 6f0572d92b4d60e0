"""Generate the schemas of the sandbox's providers, for `pulumi import` and YAML programs.

https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sandbox.provider.lifecycle import Property

_STRING: Final = {"type": "string"}
_STRING_LIST: Final = {"type": "array", "items": _STRING}
_STRING_MAP: Final = {"type": "object", "additionalProperties": _STRING}
_TYPE_BY_KIND: Final[Mapping[str, Mapping[str, Any]]] = {
    "any": {"$ref": "pulumi.json#/Any"},
    "array": _STRING_LIST,
    "lists": {"type": "object", "additionalProperties": _STRING_LIST},
    "object": _STRING_MAP,
    "policies": {"type": "array", "items": _STRING_MAP},
}
"""The types by property kind; any other kind is the name of a type."""


def render_package_schema(
    package: str,
    version: str,
    properties_by_token: Mapping[str, Mapping[str, Property]],
    function_tokens: Collection[str],
) -> dict[str, Any]:
    """Return the schema of a package, with the resources and functions that the sandbox supports."""
    resources = {
        token: _render_resource(properties) for token, properties in properties_by_token.items()
    }
    return {
        "name": package,
        "version": version,
        "description": f"The sandbox's replacement for the provider {package}",
        "config": {"variables": {"region": _STRING}},
        "provider": {"inputProperties": {"region": _STRING}},
        "resources": resources,
        "functions": {token: {"outputs": {"properties": {"id": _STRING}}} for token in function_tokens},
    }


def _render_resource(properties: Mapping[str, Property]) -> dict[str, Any]:
    type_by_key = {
        key: _TYPE_BY_KIND.get(schema.kind, {"type": schema.kind}) for key, schema in properties.items()
    }
    output_keys = [key for key, schema in properties.items() if schema.output_only]
    required_keys = [key for key, schema in properties.items() if schema.required]
    return {
        "inputProperties": {key: type_by_key[key] for key in type_by_key if key not in output_keys},
        "requiredInputs": required_keys,
        "properties": type_by_key,
        "required": [*required_keys, *output_keys],
    }
