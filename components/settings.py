"""Define the settings of a connector role: one table of their order, kinds, and effects."""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final, NamedTuple, cast

import pulumi
from pulumi.output import Unknown

from . import formats
from .connectors import Connector
from .errors import Problem, property_path, quote
from .formats import Format, Text
from .report import ARGUMENTS, BLANK, REMOVE, Place, Report, Source


def is_unknown(value: object) -> bool:
    """Return whether a value is not known yet: an Output, or the contents of one during a preview."""
    return isinstance(value, (pulumi.Output, Unknown))


class Flag:
    """A boolean."""

    yaml_type: Final = "boolean"
    expected: Final = "true or false"
    placeholder: Final = "false"

    def read(self, value: object, at: Place) -> bool | None:
        """Return a boolean."""
        if isinstance(value, bool):
            return value
        at.refuse_type("a boolean", value, self.expected, self.placeholder)
        return None


class Network(NamedTuple):
    """The valid IDs of a VPC's subnets and security groups, by their positions in the lists."""

    subnet_ids: Mapping[int, Text]
    security_group_ids: Mapping[int, Text]


VPC_MEMBERS: Final = {"subnet_ids": formats.SUBNET, "security_group_ids": formats.SECURITY_GROUP}


class Vpc:
    """An object with a list of subnets and a list of security groups."""

    yaml_type: Final = "object"
    expected: Final = "an object with a list of subnet IDs and a list of security group IDs"
    placeholder: Final = REMOVE

    def read(self, value: object, at: Place) -> Network | None:
        """Return the subnets and security groups."""
        spelled = [at.report.source.spell(name) for name in VPC_MEMBERS]
        if not isinstance(value, Mapping):
            members = " and ".join(property_path((*at.path, name)) for name in spelled)
            at.refuse_type("an object", value, f"an object of {members}")
            return None
        given = cast("Mapping[object, object]", value)
        for key in given:
            if key not in spelled:
                at.refuse_member(key if isinstance(key, str) else quote(key), spelled)
        subnets_key, groups_key = spelled
        subnets_at, groups_at = at.known_member(subnets_key), at.known_member(groups_key)
        network = Network(
            _read_list(given.get(subnets_key), subnets_at, formats.SUBNET),
            _read_list(given.get(groups_key), groups_at, formats.SECURITY_GROUP),
        )
        subnets = {text.text for text in network.subnet_ids.values()}
        groups = {text.text for text in network.security_group_ids.values()}
        if len(groups) > formats.MAXIMUM_SECURITY_GROUPS:
            groups_at.refuse(
                f"has {at.show(len(groups))} security groups",
                f"1 to {formats.MAXIMUM_SECURITY_GROUPS} security groups",
            )
        if len(subnets) > formats.MAXIMUM_CONSOLE_SUBNETS:
            at.report.warnings.append(
                f"{subnets_at.name} has {at.show(len(subnets))} subnets; the Amazon Q "
                f"Business console accepts at most {formats.MAXIMUM_CONSOLE_SUBNETS}"
            )
        return network


def _read_list(items: object, at: Place, form: Format) -> Mapping[int, Text]:
    """Return the valid texts of one list of a VPC, by their positions."""
    expected = f"a list, each {form.expected}"
    found: dict[int, Text] = {}
    if is_unknown(items):
        at.report.unknown.add(at.setting)
    elif items in (None, BLANK, [], ()):
        message = "is required and not set" if items in (None, BLANK) else "the list is empty"
        # The command that fixes it sets the first item.
        at.member(0).refuse(message, expected, form.placeholder)
    elif not isinstance(items, (list, tuple)):
        at.refuse_type("a list", items, expected)
    else:
        for index, item in enumerate(cast("Sequence[object]", items)):
            if is_unknown(item):
                at.report.unknown.add(at.setting)
            elif text := form.read(item, at.member(index)):
                found[index] = text
    return found


class Tags:
    """An object of strings."""

    yaml_type: Final = "object"
    expected: Final = "an object of strings"
    placeholder: Final = REMOVE

    def read(self, value: object, at: Place) -> Mapping[str, object] | None:
        """Return the tags."""
        if not isinstance(value, Mapping):
            at.refuse_type("an object", value, self.expected)
            return None
        tags = cast("Mapping[object, object]", value)
        if len(tags) > formats.MAXIMUM_TAGS:
            at.refuse(f"has {at.show(len(tags))} tags", f"at most {formats.MAXIMUM_TAGS}")
        first: dict[str, str] = {}
        for key, text in tags.items():
            shown = at.show(quote(key))
            if not isinstance(key, str):
                at.member(quote(key)).refuse(f"{shown} is not a string", "a string", REMOVE)
                continue
            tag = at.member(key)
            if not formats.TAG_KEY.parse(key):
                tag.refuse(f"{shown} is not a tag key", formats.TAG_KEY.expected, REMOVE)
            if key.lower().startswith("aws:"):
                tag.refuse(f"{shown} is reserved", "a key that does not begin with aws:", REMOVE)
            if (other := first.setdefault(key.lower(), key)) != key:
                tag.refuse(
                    f"{shown} and {at.show(quote(other))} differ only in case",
                    "keys that are unique regardless of case: IAM ignores the case of tag keys",
                    REMOVE,
                )
            if is_unknown(text):
                at.report.unknown.add(at.setting)
            else:
                formats.TAG_VALUE.read(text, tag)
        return cast("Mapping[str, object]", tags)


Kind = Format | Flag | Vpc | Tags
"""A kind of value.

`yaml_type` is its type in `Pulumi.yaml`: string, boolean, or object. `expected` describes a valid value,
and `placeholder` is the value that a command in a message sets. `read` returns a valid value in the form
that the rules use; it reports any other value and returns None. It adds a setting with a value or member
that is not known yet to `Report.unknown`.
"""


class Document(Enum):
    """A document, or a part of one, that depends on a setting."""

    TRUST_POLICY = auto()
    ROLE_POLICY = auto()
    PASS_ROLE_STATEMENT = auto()
    """The statement that lets the role pass itself, for connectors whose bucket is the data source."""


_BOTH_POLICIES: Final = frozenset({Document.TRUST_POLICY, Document.ROLE_POLICY})
_ROLE_POLICY: Final = frozenset({Document.ROLE_POLICY})
_PASS_ROLE: Final = frozenset({Document.PASS_ROLE_STATEMENT})


class Scope(Enum):
    """The place of a setting in the configuration of a stack with several data sources."""

    STACK = auto()
    """At the top: the same for all data sources."""
    DEFAULT = auto()
    """At the top as a default, or in the member of one data source."""
    MEMBER = auto()
    """Only in the member of one data source."""


class Setting(NamedTuple):
    """One setting."""

    name: str
    """As in ConnectorRoleArgs. In stack configuration and in packages, it is in camel case."""
    kind: Kind
    required: bool = False
    """Whether every connector requires it. The others depend on the connector."""
    structural: bool = False
    """Whether it determines which statements and resources exist: it must be plain and not secret."""
    documents: Collection[Document] = ()
    """The documents that depend on it."""
    scope: Scope = Scope.MEMBER

    @property
    def can_be_secret(self) -> bool:
        """Whether it can be kept secret; previews reveal flags and structural settings."""
        return not self.structural and not isinstance(self.kind, Flag)


SETTINGS: Final[Mapping[str, Setting]] = {
    setting.name: setting
    for setting in (
        Setting("region", formats.REGION, documents=_BOTH_POLICIES, scope=Scope.STACK),
        Setting(
            "application_id",
            formats.APPLICATION,
            required=True,
            documents=_BOTH_POLICIES,
            scope=Scope.STACK,
        ),
        Setting(
            "index_id", formats.INDEX_ID, required=True, documents=_ROLE_POLICY, scope=Scope.DEFAULT
        ),
        Setting("secret_id", formats.SECRET, documents=_ROLE_POLICY),
        Setting("connector", formats.CONNECTOR, structural=True),
        Setting("bucket_name", formats.BUCKET, documents=_ROLE_POLICY),
        Setting("bucket_account_id", formats.ACCOUNT_ID, documents=_ROLE_POLICY),
        Setting("kms_key_id", formats.KEY, documents=_ROLE_POLICY),
        Setting("vpc_configuration", Vpc(), documents=_ROLE_POLICY, scope=Scope.DEFAULT),
        Setting("account_id", formats.ACCOUNT_ID, documents=_BOTH_POLICIES, scope=Scope.STACK),
        Setting("ingest_scope", formats.INGEST_SCOPE, documents=_ROLE_POLICY, scope=Scope.DEFAULT),
        Setting("allow_network_interface_deletion", Flag(), documents=_ROLE_POLICY),
        Setting("exclusive_policies", Flag(), structural=True, scope=Scope.DEFAULT),
        Setting("role_name", formats.ROLE_NAME, documents=_PASS_ROLE),
        Setting("role_path", formats.ROLE_PATH, documents=_PASS_ROLE, scope=Scope.DEFAULT),
        Setting("role_description", formats.ROLE_DESCRIPTION),
        Setting("permissions_boundary_arn", formats.PERMISSIONS_BOUNDARY, scope=Scope.DEFAULT),
        Setting("tags", Tags(), scope=Scope.DEFAULT),
    )
}
"""Every setting by its name, in the order in which problems are reported."""
TRUST_POLICY_SETTINGS: Final = tuple(
    name for name, setting in SETTINGS.items() if Document.TRUST_POLICY in setting.documents
)
"""The settings that the trust policy depends on."""


def role_policy_settings(connector: Connector) -> Collection[str]:
    """Return the settings that the role policy of a connector depends on."""
    parts = _ROLE_POLICY | _PASS_ROLE if connector.bucket_is_source else _ROLE_POLICY
    return [name for name, setting in SETTINGS.items() if not parts.isdisjoint(setting.documents)]


class Arguments(dict[str, Any]):
    """The settings of one role by their names in ConnectorRoleArgs, and where they were given."""

    def __init__(
        self,
        values: Mapping[str, object],
        source: Source,
        secrets: Collection[str] = (),
        problems: Collection[Problem] = (),
        warnings: Collection[str] = (),
    ) -> None:
        """Hold the settings; `secrets` are those whose values are never shown.

        `problems` and `warnings` concern the source as a whole, such as names that are not settings.
        """
        super().__init__(values)
        self.source = source
        self.secrets = frozenset(secrets)
        self.problems = problems
        self.warnings = warnings

    @classmethod
    def of(cls, given: Mapping[str, object], source: Source = ARGUMENTS) -> "Arguments":
        """Return the arguments of a component, which are named as in `source`; Arguments are copied."""
        if isinstance(given, Arguments):
            return given.resolved(values={}, secrets=())  # a copy
        report = Report(source)
        paths = [source.path(name) for name in SETTINGS]
        names = {path[0]: name for path, name in zip(paths, SETTINGS, strict=True)}
        for key in given:
            if key not in names:
                report.refuse_name((key,), paths)
        values = {names[key]: value for key, value in given.items() if key in names}
        return cls(values, source, problems=report.problems)

    def resolved(self, values: Mapping[str, object], secrets: Collection[str]) -> "Arguments":
        """Return these settings with the values of Outputs, of which some are secret."""
        resolved = {**self, **values}
        return Arguments(resolved, self.source, self.secrets | {*secrets}, self.problems, self.warnings)
