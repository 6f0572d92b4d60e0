"""Serve the component as a Pulumi package, for programs in any Pulumi language.

Pulumi's host infers the schema from the component's types and docstrings:
https://www.pulumi.com/docs/iac/guides/building-extending/components/build-a-component/
"""

import importlib.metadata
import json
import sys
from typing import Final

import pulumi
import pulumi.provider
from pulumi.provider.experimental.component import ComponentProvider

from qbusiness_connector import ConnectorRole, SettingsError
from qbusiness_connector.connector_role import TOKEN

PACKAGE_NAME: Final = TOKEN.partition(":")[0]
SCHEMA_VERSION: Final = importlib.metadata.version(PACKAGE_NAME).partition("+")[0]
"""The Python package's version without its commit."""


class Provider(ComponentProvider):
    """A provider that serves the component to the engine."""

    def __init__(self) -> None:
        """Add the metadata for registries; Pulumi's host sets only the name and the version."""
        super().__init__([ConnectorRole], PACKAGE_NAME, version=SCHEMA_VERSION)
        package_metadata = importlib.metadata.metadata(PACKAGE_NAME)
        schema_metadata = {
            "displayName": "Amazon Q Business Connector",
            "description": package_metadata["Summary"],
            # Pulumi's registries list packages by category, and components separately from providers.
            "keywords": [*package_metadata["Keywords"].split(","), "category/cloud", "kind/component"],
            "license": package_metadata["License-Expression"],
        }
        self.schema = json.dumps(json.loads(self.schema or "{}") | schema_metadata)

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: pulumi.Inputs,
        options: pulumi.ResourceOptions | None = None,
    ) -> pulumi.provider.ConstructResult:
        """Declare a component, which validates the inputs' names because Pulumi's host does not.

        If settings are invalid, raises InputPropertiesError, which Pulumi shows without a traceback.
        """
        self.validate_resource_type(PACKAGE_NAME, resource_type)
        try:
            connector_role = ConnectorRole.from_inputs(name, inputs, options)
        except SettingsError as error:
            # The message is complete. If the error listed properties, the engine would also print
            # unescaped values, including secrets in objects.
            raise pulumi.InputPropertiesError(str(error), []) from None
        outputs = {"roleArn": connector_role.role_arn, "roleName": connector_role.role_name}
        return pulumi.provider.ConstructResult(connector_role.urn, outputs)


if __name__ == "__main__":
    pulumi.provider.main(Provider(), sys.argv[1:])
