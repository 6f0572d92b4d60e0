"""Describe the sandbox's provider in Pulumi's schema, for `pulumi import` and YAML programs.

https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/
"""

from typing import Any

from sandbox.provider.lifecycle import Property, Resource
from sandbox.provider.resources import FUNCTIONS, RESOURCES


def schema(version: str) -> dict[str, Any]:
    """Return the schema of the resources and functions that the sandbox has."""
    return {
        "name": "aws",
        "version": version,
        "description": "The sandbox's stand-in for the AWS provider",
        "config": {"variables": {"region": {"type": "string"}}},
        "provider": {"inputProperties": {"region": {"type": "string"}}},
        "resources": {token: _resource(resource) for token, resource in RESOURCES.items()},
        "functions": {
            token: {"outputs": {"properties": {"id": {"type": "string"}}}} for token in FUNCTIONS
        },
    }


def _resource(resource: Resource) -> dict[str, Any]:
    properties = resource.properties
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
        case _:
            return {"type": declared.kind}
