"""Read one role's settings, for the rules that check them and the policies that contain them."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, cast

from .arguments import Arguments
from .connectors import Connector, Need
from .fields import HIDDEN
from .formats import APPLICATION_ARN, fill_arn
from .kinds import FieldText, ParsedText
from .report import Report
from .settings import SETTINGS, TRUST_POLICY_SETTINGS


class Location(NamedTuple):
    """The partition, Region, and account of an application or provider; "" for unknown parts."""

    partition: str = ""
    region: str = ""
    account: str = ""


class Role(NamedTuple):
    """One role's settings, as far as they are valid and known."""

    name: str
    """The name of the component that declares the role."""
    arguments: Arguments
    given: Collection[str]
    """The settings that are set, even if the value is invalid or unknown.

    A known value that the connector does not support is left out, because a rule rejects it.
    """
    values: Mapping[str, Any]
    """What `kind.read` returned for each setting in `given` that is known and not invalid as a whole."""
    location: Location
    """The location of the application, as far as it is known."""
    credentials: Location
    """The location of the provider, as far as it is known."""

    def text(self, name: str, default: str = "") -> ParsedText:
        """Return a text setting; `default` if it is unset, unknown, or invalid."""
        return self.values.get(name) or ParsedText(default)

    @property
    def connector(self) -> Connector:
        """The connector; `connectors.ANY` if the setting is invalid."""
        return self.arguments.connector

    @property
    def application_arn(self) -> str:
        """The ARN of the application."""
        return fill_arn(APPLICATION_ARN, *self.location) + self.text("application_id").id

    @property
    def shown(self) -> Location:
        """The location for messages: HIDDEN if a setting that may determine it is secret."""
        is_secret = self.arguments.are_secret(TRUST_POLICY_SETTINGS)
        return Location(HIDDEN, HIDDEN, HIDDEN) if is_secret else self.location

    def texts(self) -> Iterator[FieldText]:
        """Yield each valid text in a setting, a list, or one of the VPC's lists, with its field."""
        for name, value in self.values.items():
            if isinstance(value, ParsedText):
                yield self.arguments.fields[name], value
            elif isinstance(value, list):
                yield from cast("list[FieldText]", value)
        for texts in self.values.get("vpc_configuration", {}).values():
            yield from texts


def read_role(name: str, arguments: Arguments, credentials: Location, report: Report) -> Role:
    """Read a role's settings, and reject those in the wrong form."""
    fields = arguments.fields
    needs = arguments.connector.needs
    not_supported = [name for name, need in needs.items() if need is Need.NOT_SUPPORTED]
    given = [
        name
        for name, field in fields.items()
        if field.is_set and not (field.is_known and name in not_supported)
    ]
    values = {
        name: value
        for name in given
        if fields[name].is_known
        and (value := SETTINGS[name].kind.read(fields[name], report)) is not None
    }
    unlocated = Role(name, arguments, given, values, Location(), credentials)
    return unlocated._replace(location=_locate(unlocated))


def _locate(role: Role) -> Location:
    """Return the known parts of the application's location.

    If the application is unset, unknown, or invalid, the parts come only from other settings, because
    its ARN may contain any location.
    """
    application, provider = role.text("application_id"), role.credentials
    region, account = role.text("region").text, role.text("account_id").text
    if not application.text:
        return Location("", region, account)
    # A Region that is not known yet can turn out to differ from the provider's, so it stays unknown. An
    # account cannot, because validation rejects any account other than the provider's.
    default_region = "" if "region" in role.given else provider.region
    return Location(
        application.partition or provider.partition,
        application.region or region or default_region,
        application.account or account or provider.account,
    )
