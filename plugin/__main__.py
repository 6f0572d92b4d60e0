"""How do programs in any Pulumi language use the component? As a package, which this serves.

The host of Pulumi's SDK infers the package's schema from the component's types and docstrings. What is
added here is that a wrong setting is called what the schema calls it, and shown without a traceback:
https://www.pulumi.com/docs/iac/guides/building-extending/components/build-a-component/
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pulumi
import pulumi.provider
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from components import connector_role, settings
from components.configuration import MEMBERS, AsGiven, in_camel_case
from components.examination import unknown_name

NAME: Final = connector_role.TOKEN.partition(":")[0]
VERSION: Final = "0.1.0"
"""Of the schema: https://semver.org/."""


class Inputs(settings.Arguments):
    """Settings given to the component in another language."""

    def name(self, path: settings.Path) -> str:
        """Return the input's name in the schema, with the path to a member."""
        return in_camel_case(path)


class ConnectorRole(connector_role.ConnectorRole):
    """The IAM role of an Amazon Q Business data source connector for AEM Cloud."""

    # Declared once more, since the schema takes descriptions from the class itself.
    role_arn: pulumi.Output[str]
    """ARN of the role; resolves once the role's policy is in place."""
    role_name: pulumi.Output[str]
    """Name of the role."""

    def __init__(
        self,
        name: str,
        args: connector_role.ConnectorRoleArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the role and its policy; raises SettingsError."""
        super().__init__(name, args, opts, _source=Inputs())


def _strangers(given: dict[str, Any]) -> Iterator[settings.Problem]:
    """Object to inputs that the schema does not have, and to a VPC configuration that is no object."""
    names = {in_camel_case((name,)) for name in settings.NAMES}
    for name in sorted({*given} - names):
        yield unknown_name(Inputs(), (AsGiven(name),), [(it,) for it in settings.NAMES])
    vpc = given.get("vpcConfiguration")
    if vpc is None:
        return
    if not isinstance(vpc, dict) or not vpc:
        allowed = f"an object of {' and '.join(MEMBERS.values())}, which may be outputs"
        what = "has no members" if vpc == {} else "is not a plain object"
        yield settings.Problem(("vpc_configuration",), what, allowed)
        return
    for member in sorted({*cast("dict[str, object]", vpc)} - {*MEMBERS.values()}):
        known = [("vpc_configuration", it) for it in MEMBERS]
        yield unknown_name(Inputs(), ("vpc_configuration", AsGiven(member)), known)


class Provider(ComponentProvider):
    """Serves the component to the engine."""

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: pulumi.Inputs,
        options: pulumi.ResourceOptions | None = None,
    ) -> pulumi.provider.ConstructResult:
        """Declare a component; raises InputPropertiesError, which Pulumi shows as it is."""
        # Pulumi's host leaves out what the schema does not have, and the engine does not look: from a
        # language without types, a misspelt input would be one that was not given.
        # An object whose members are all null arrives as an empty one: no way to leave out a VPC.
        given: dict[str, Any] = {
            key: it for key, it in inputs.items() if it != {} or key == "vpcConfiguration"
        }
        if problems := list(_strangers(given)):
            raise pulumi.InputPropertiesError(str(settings.SettingsError(problems, Inputs())), [])
        try:
            return super().construct(name, resource_type, given, options)
        except ComponentInitError as error:
            if isinstance(error.inner, settings.SettingsError):
                raise pulumi.InputPropertiesError(str(error.inner), []) from None
            raise


if __name__ == "__main__":
    pulumi.provider.main(Provider([ConnectorRole], NAME, version=VERSION), sys.argv[1:])
