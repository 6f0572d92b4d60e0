"""Define a connector role's settings: their kinds, a table of all settings, and one role's values."""

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple, TypeGuard, cast

import pulumi
from pulumi.output import Unknown

from . import formats
from .connectors import ANY, Connector, find_connector
from .formats import NOWHERE, Format, Location, Text
from .problems import HIDDEN, Place, Problems, quote


def is_unknown(value: object) -> bool:
    """Return whether a value is an Output, or the unknown content of an Output during a preview."""
    return isinstance(value, (pulumi.Output, Unknown))


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Return whether a value is an object, as JSON or `as_input` represents it."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Return whether a value is a list, as JSON or `as_input` represents it."""
    return isinstance(value, list)


def has_unknown(value: object) -> bool:
    """Return whether a value is, or contains, an Output or an unknown value."""
    entries = value.values() if is_mapping(value) else value if is_list(value) else ()
    return is_unknown(value) or any(map(has_unknown, entries))


# A kind's `blank` value, the default in `Pulumi.yaml`, means not set. `read` returns a value as rules
# and policies use it, or rejects it and returns None. In a list, `read` rejects invalid entries, skips
# unknown entries, and returns the other entries.


class Flag:
    """The kind of setting whose value is a boolean."""

    blank = False
    expected = "true or false"

    def read(self, given: object, place: Place, problems: Problems) -> bool | None:
        """Return a boolean; reject any other value and return None."""
        if isinstance(given, bool):
            return given
        problems.add_type(place, given, "a boolean", self.expected)
        return None


Texts = Sequence[tuple[Place, Text]]


def read_list(given: object, form: Format, place: Place, problems: Problems) -> Texts:
    """Return the valid and known entries of a list, which must not be empty."""
    expected = f"a nonempty list; each entry is {form.expected}"
    if given in (None, "", []):
        problems.add(place, "is not set or is empty", expected)
    elif not is_list(given) and not is_unknown(given):
        problems.add_type(place, given, "a list", expected)
    if not is_list(given):
        return []
    known = [(place.entry(index), entry) for index, entry in enumerate(given) if not is_unknown(entry)]
    found = [(at, form.read(entry, at, problems)) for at, entry in known]
    return [(at, text) for at, text in found if text]


class Vpc:
    """The kind of setting whose value is an object with lists of subnets and security groups."""

    blank: Mapping[str, object] = {}
    expected = "an object with a list of subnet IDs and a list of security group IDs"
    lists: Final = {"subnet_ids": formats.SUBNET, "security_group_ids": formats.SECURITY_GROUP}

    def read(self, given: object, place: Place, problems: Problems) -> Mapping[str, Texts] | None:
        """Return the valid and known entries of each list, by the list's name in VpcConfiguration.

        Reject a list with more security groups than Amazon Q Business accepts.
        """
        keys = {name: place.source.spell(name) for name in self.lists}
        if not is_mapping(given):
            problems.add_type(place, given, "an object", self.expected)
            return None
        problems.check_keys(given, keys.values(), place)
        found = {
            name: read_list(given.get(key), self.lists[name], place.part(key), problems)
            for name, key in keys.items()
        }
        groups = len({text for _, text in found["security_group_ids"]})
        if groups > formats.MAXIMUM_SECURITY_GROUPS:
            problems.add(
                place.part(keys["security_group_ids"]),
                f"has {place.show(groups)} security groups",
                f"1 to {formats.MAXIMUM_SECURITY_GROUPS} security groups",
            )
        return found


class Tags:
    """The kind of setting whose value is an object that maps strings to strings."""

    blank: Mapping[str, object] = {}
    expected = "an object whose values are strings"

    def read(self, given: object, place: Place, problems: Problems) -> Mapping[str, object] | None:
        """Return the tags, even invalid ones; None if the value is not an object."""
        if not is_mapping(given):
            problems.add_type(place, given, "an object", self.expected)
            return None
        if len(given) > formats.MAXIMUM_TAGS:
            problems.add(
                place,
                f"would add {place.show(len(given))} tags to the role",
                f"at most {formats.MAXIMUM_TAGS}",
            )
        first: dict[str, str] = {}
        for key, text in given.items():
            shown = place.show(key)
            if not isinstance(key, str):
                problems.add(place.entry(quote(key)), f"the key {shown} is not a string", "a string")
                continue
            at = place.entry(key)
            formats.TAG_KEY.read(key, at, problems)
            if key.lower().startswith("aws:"):
                problems.add(at, f"{shown} is reserved", "a key that does not begin with aws:")
            if (other := first.setdefault(key.lower(), key)) != key:
                problems.add(
                    at,
                    f"{shown} and {place.show(other)} differ only in case",
                    "keys that are unique regardless of case, because IAM ignores the case of tag keys",
                )
            if not is_unknown(text):
                formats.TAG_VALUE.read(text, at, problems)
        return given


class Setting(NamedTuple):
    """A setting of a connector role."""

    kind: Format | Flag | Vpc | Tags
    # The setting's place in a stack with `dataSources`: only the top level; an entry, with the top level
    # as its default; or only an entry.
    scope: Literal["stack", "default", "entry"] = "entry"
    required: bool = False  # for every role; connectors and stack configuration require more settings
    # Whether the setting determines which statements and resources exist. If it does, its value must not
    # be an Output, and previews show the value even if it is secret in configuration.
    structural: bool = False
    of_role: bool = False  # whether the setting is a property of the role
    same_account: bool = False  # whether the value must be in the application's account


# All settings by their names in ConnectorRoleArgs, in the order in which messages list problems. Stack
# configuration and packages use camel case.
SETTINGS: Final[Mapping[str, Setting]] = {
    "region": Setting(formats.REGION, "stack"),
    "application_id": Setting(formats.APPLICATION, "stack", required=True),
    "index_id": Setting(formats.INDEX_ID, "default", required=True),
    "secret_id": Setting(formats.SECRET),
    "connector": Setting(formats.CONNECTOR, structural=True),
    "bucket_name": Setting(formats.BUCKET),
    "bucket_account_id": Setting(formats.ACCOUNT_ID),
    "kms_key_id": Setting(formats.KEY),
    "vpc_configuration": Setting(Vpc(), "default"),
    "account_id": Setting(formats.ACCOUNT_ID, "stack", same_account=True),
    "ingest_scope": Setting(formats.INGEST_SCOPE, "default"),
    "allow_network_interface_deletion": Setting(Flag()),
    "exclusive_policies": Setting(Flag(), "default", structural=True),
    "role_name": Setting(formats.ROLE_NAME, of_role=True),
    "role_path": Setting(formats.ROLE_PATH, "default", of_role=True),
    "role_description": Setting(formats.ROLE_DESCRIPTION, of_role=True),
    "permissions_boundary_arn": Setting(
        formats.PERMISSIONS_BOUNDARY, "default", of_role=True, same_account=True
    ),
    "tags": Setting(Tags(), "default", of_role=True),
}
TRUST_POLICY_SETTINGS: Final = ("region", "application_id", "account_id")
_POLICY_SETTINGS: Final = [name for name, it in SETTINGS.items() if not (it.structural or it.of_role)]


class State(Enum):
    """The state of a setting's value."""

    GIVEN = "not read yet"
    RESOLVED = "the content of an Output, not read yet"
    UNSET = "not set"
    UNSUPPORTED = "not supported by the connector"
    INVALID = "invalid"
    UNKNOWN = "unknown, at least in part, until Outputs are resolved"
    VALID = "valid and known"


class Value(NamedTuple):
    """The value of a setting, and the place where it is set."""

    place: Place
    given: Any  # None and "" mean not set, unless they are the content of an Output
    state: State = State.GIVEN
    parsed: Any = None  # the valid and known parts of the value, as the setting's kind reads them

    @property
    def is_set(self) -> bool:
        """Whether there is a value, even if it is invalid or unknown."""
        return self.state is not State.UNSET

    def read(self, problems: Problems, *, is_supported: bool = True) -> "Value":
        """Return the value as its kind reads it, unless it was already read or is not supported.

        An Output that resolved to None or "" is rejected, because it is a broken reference. If it meant
        not set, the role could silently lose a statement.
        """
        place, content, state, parsed = self
        if state not in (State.GIVEN, State.RESOLVED):
            return self
        kind = SETTINGS[place.setting].kind
        is_blank = not is_unknown(content) and (content is None or content == "")
        if is_blank and state is State.RESOLVED:
            reason = f'is an Output that resolved to {quote(content)}; only a plain "" means not set'
            problems.add(place, reason, kind.expected)
            state = State.INVALID
        elif is_blank:
            state = State.UNSET
        elif not is_supported:
            state = State.UNSUPPORTED
        elif is_unknown(content):
            state = State.UNKNOWN
        else:
            problem_count = len(problems.found)
            parsed = kind.read(content, place, problems)
            if len(problems.found) > problem_count:
                state = State.INVALID
            else:
                state = State.UNKNOWN if has_unknown(content) else State.VALID
        return Value(place, content, state, parsed)


@dataclass(frozen=True)
class Role:
    """One role's settings, as far as they are known."""

    name: str  # the name of the component that declares the role
    values: Mapping[str, Value]  # all settings, in the order of SETTINGS
    caller: Location = NOWHERE  # the location of the provider's credentials, as far as it is known
    protect: bool = False  # whether Pulumi protects the role from deletion
    warnings: Sequence[str] = ()

    def text(self, name: str) -> Text:
        """Return a text setting; empty if it is unset, unknown, or invalid."""
        return self.values[name].parsed or Text()

    @property
    def vpc(self) -> Mapping[str, Texts]:
        """The valid and known entries of each list in `vpc_configuration`; empty without a VPC."""
        return self.values["vpc_configuration"].parsed or {}

    @cached_property
    def connector(self) -> Connector:
        """The connector; `connectors.ANY` if the setting is invalid."""
        value = self.values["connector"]
        return ANY if value.state is State.INVALID else find_connector(value.given)

    @cached_property
    def location(self) -> Location:
        """The location of the application, as far as it is known.

        If the application is unset, unknown, or invalid, the parts come only from the settings for the
        Region and the account, because the application's ARN may contain any location.
        """
        application = self.text("application_id")
        region, account = self.text("region").text, self.text("account_id").text
        if not application.text:
            return Location("", region, account)
        # A Region that is not known yet can turn out to differ from the provider's, so it stays unknown.
        # An account cannot, because a rule rejects any account other than the provider's.
        default_region = "" if self.values["region"].is_set else self.caller.region
        return Location(
            application.partition or self.caller.partition,
            application.region or region or default_region,
            application.account or account or self.caller.account,
        )

    @property
    def shown(self) -> Location:
        """The location for messages; every part is HIDDEN if one of TRUST_POLICY_SETTINGS is secret."""
        is_secret = self.are_secret(TRUST_POLICY_SETTINGS)
        return Location(HIDDEN, HIDDEN, HIDDEN) if is_secret else self.location

    @cached_property
    def policy_settings(self) -> Collection[str]:
        """The settings that the role policy depends on.

        If the bucket is the data source, the policy contains the role's ARN, with its name and path.
        """
        in_arn = ("role_name", "role_path") if self.connector.bucket_is_source else ()
        return (*_POLICY_SETTINGS, *in_arn)

    @property
    def unknown(self) -> Mapping[str, Any]:
        """The given values that are, or contain, Outputs or unknown values."""
        return {name: value.given for name, value in self.values.items() if value.state is State.UNKNOWN}

    def are_secret(self, names: Collection[str]) -> bool:
        """Return whether any of these settings is secret."""
        return any(self.values[name].place.is_secret for name in names)


def as_input(value: Any, levels: int = 2) -> Any:
    """Convert tuples to lists, and mappings to dicts, the only mappings in which Pulumi finds Outputs.

    An awaitable becomes an Output, because it can be awaited only once. Settings have at most two levels
    (a list in `vpc_configuration`); deeper values are invalid and stay as they are.
    """
    if levels and isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        return {key: as_input(entry, levels - 1) for key, entry in entries.items()}
    if levels and isinstance(value, (list, tuple)):
        return [as_input(entry, levels - 1) for entry in cast("Sequence[object]", value)]
    return pulumi.Output.from_input(value) if inspect.isawaitable(value) else value
