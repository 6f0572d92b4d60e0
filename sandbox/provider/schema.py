"""Generate the schemas of the sandbox's providers, for `pulumi import` and YAML programs.

https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/
"""

from collections.abc import Collection, Mapping
from typing import Any

from sandbox.provider.lifecycle import Property


def schema(
    package: str,
    version: str,
    resources: Mapping[str, Mapping[str, Property]],
    functions: Collection[str] = (),
) -> dict[str, Any]:
    """Return the schema of a package, with the resources and functions that the sandbox supports."""
    return {
        "name": package,
        "version": version,
        "description": f"The sandbox's replacement for the provider {package}",
        "config": {"variables": {"region": {"type": "string"}}},
        "provider": {"inputProperties": {"region": {"type": "string"}}},
        "resources": {token: _resource(properties) for token, properties in resources.items()},
        "functions": {
            token: {"outputs": {"properties": {"id": {"type": "string"}}}} for token in functions
        },
    }


def _resource(properties: Mapping[str, Property]) -> dict[str, Any]:
    inputs = {name: declared for name, declared in properties.items() if not declared.output_only}
    return {
        "inputProperties": {name: _type(declared) for name, declared in inputs.items()},
        "requiredInputs": [name for name, declared in inputs.items() if declared.required],
        "properties": {name: _type(declared) for name, declared in properties.items()},
        "required": [
            name for name, declared in properties.items() if declared.output_only or declared.required
        ],
    }


def _type(declared: Property) -> dict[str, Any]:
    match declared.kind:
        case "object":
            return {"type": "object", "additionalProperties": {"type": "string"}}
        case "policies":
            policy = {"type": "object", "additionalProperties": {"type": "string"}}
            return {"type": "array", "items": policy}
        case "array":
            return {"type": "array", "items": {"type": "string"}}
        case "lists":
            return {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
            }
        case "any":
            return {"$ref": "pulumi.json#/Any"}
        case _:
            return {"type": declared.kind}
