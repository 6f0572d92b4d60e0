"""Define the settings of a connector role in one table: their order, kinds, and effects."""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple, cast

from . import formats
from .commands import quote
from .connectors import Connector
from .fields import Field, is_unknown
from .kinds import FieldText, Flag, Format, Texts
from .report import Report

VPC_LISTS: Final = {
    "subnet_ids": Texts(formats.SUBNET),
    "security_group_ids": Texts(formats.SECURITY_GROUP),
}
"""The lists in a VPC, by their names in VpcConfiguration."""


class Vpc:
    """The kind of a setting that is an object with a list of subnets and a list of security groups."""

    declaration: Final[Mapping[str, object]] = {"type": "object"}
    blank: Final[Mapping[str, object]] = {}
    expected: Final = "an object with a list of subnet IDs and a list of security group IDs"

    def read(self, field: Field, report: Report) -> Mapping[str, Sequence[FieldText]] | None:
        """Return the valid entries of each list in VPC_LISTS; None if the value is not an object.

        Reject other keys, and too many security groups. Warn about more subnets than the console
        accepts.
        """
        keys = {name: field.spell(name) for name in VPC_LISTS}
        if not isinstance(field.value, Mapping):
            lists = " and ".join(field.part(key).name for key in keys.values())
            report.reject_type(field, "an object", f"an object with {lists}")
            return None
        given = cast("Mapping[object, object]", field.value)
        report.check_keys(field, [*keys.values()])
        fields = {name: field.part(key, given.get(key)) for name, key in keys.items()}
        texts = {name: kind.read(fields[name], report) for name, kind in VPC_LISTS.items()}
        subnets, groups = (len({text for _, text in found}) for found in texts.values())
        if groups > formats.MAXIMUM_SECURITY_GROUPS:
            report.reject(
                fields["security_group_ids"],
                f"has {field.show(groups)} security groups",
                f"1 to {formats.MAXIMUM_SECURITY_GROUPS} security groups",
            )
        if subnets > formats.MAXIMUM_CONSOLE_SUBNETS:
            report.warnings.append(
                f"{fields['subnet_ids'].name} has {field.show(subnets)} subnets; the Amazon Q "
                f"Business console accepts at most {formats.MAXIMUM_CONSOLE_SUBNETS}"
            )
        return texts


class Tags:
    """The kind of a setting that is an object whose values are strings."""

    declaration: Final[Mapping[str, object]] = {"type": "object"}
    blank: Final[Mapping[str, object]] = {}
    expected: Final = "an object of strings"

    def read(self, field: Field, report: Report) -> Mapping[str, object] | None:
        """Reject invalid tags; return all tags, even invalid ones, or None if they are not an object."""
        if not isinstance(field.value, Mapping):
            report.reject_type(field, "an object", self.expected)
            return None
        tags = cast("Mapping[object, object]", field.value)
        if len(tags) > formats.MAXIMUM_TAGS:
            number = field.show(len(tags))
            report.reject(field, f"would give the role {number} tags", f"at most {formats.MAXIMUM_TAGS}")
        first: dict[str, str] = {}
        for key, text in tags.items():
            shown = field.quote(key)
            tag = field.entry(key if isinstance(key, str) else quote(key), text)
            if not isinstance(key, str):
                report.reject(tag, f"the key {shown} is not a string", "a string", tag.remove())
                continue
            if not formats.TAG_KEY.parse(key):
                message = f"{shown} is not a valid tag key"
                report.reject(tag, message, formats.TAG_KEY.expected, tag.remove())
            if key.lower().startswith("aws:"):
                expected = "a key that does not begin with aws:"
                report.reject(tag, f"{shown} is reserved", expected, tag.remove())
            if (other := first.setdefault(key.lower(), key)) != key:
                report.reject(
                    tag,
                    f"{shown} and {field.quote(other)} differ only in case",
                    "keys that are unique regardless of case, because IAM ignores the case of tag keys",
                    tag.remove(),
                )
            if not is_unknown(text):
                formats.TAG_VALUE.read(tag, report)
        return cast("Mapping[str, object]", tags)


Kind = Format | Texts | Flag | Vpc | Tags
"""The kind of a setting's value.

`declaration` is the setting's type in `Pulumi.yaml`, and `blank` its default there, which means not set.
`expected` describes a valid value. `read` returns a value in the form that the rules and policies use.
It rejects an invalid value and returns None; if only some entries are invalid, it rejects those entries
and still returns a value. It skips entries that are not known yet.
"""


class Scope(Enum):
    """The place of a setting in the configuration of a stack with several data sources."""

    STACK = auto()
    """Only at the top level, because the value is the same for all data sources."""
    DEFAULT = auto()
    """At the top level as a default, or in the entry for one data source."""
    ENTRY = auto()
    """Only in the entry for one data source."""


class Setting(NamedTuple):
    """A setting of a connector role."""

    name: str
    """The name in ConnectorRoleArgs. Stack configuration and packages use camel case."""
    kind: Kind
    required: bool = False
    """Whether every role needs the setting; a connector or stack configuration can require others."""
    structural: bool = False
    """Whether the component needs the setting's value to declare resources.

    If so, the value must not be an Output; previews show it even if it is secret in configuration.
    """
    in_role_policy: bool = False
    """Whether the role policy depends on the setting.

    False for `connector`, whose value is always known, and for `role_name` and `role_path`, which only
    some connectors' policies contain.
    """
    scope: Scope = Scope.ENTRY
    role_property: str = ""
    """The argument of `aws.iam.Role` with this value; empty if the role has no such argument."""
    iam_default: object = ""
    """IAM's value in a role created without this argument; `adopt` doesn't write this value."""


SETTINGS: Final[Mapping[str, Setting]] = {
    setting.name: setting
    for setting in (
        Setting("region", formats.REGION, in_role_policy=True, scope=Scope.STACK),
        Setting(
            "application_id",
            formats.APPLICATION,
            required=True,
            in_role_policy=True,
            scope=Scope.STACK,
        ),
        Setting("index_id", formats.INDEX_ID, required=True, in_role_policy=True, scope=Scope.DEFAULT),
        Setting("secret_id", formats.SECRET, in_role_policy=True),
        Setting("connector", formats.CONNECTOR, structural=True),
        Setting("bucket_name", formats.BUCKET, in_role_policy=True),
        Setting("bucket_account_id", formats.ACCOUNT_ID, in_role_policy=True),
        Setting("kms_key_id", formats.KEY, in_role_policy=True),
        Setting("vpc_configuration", Vpc(), in_role_policy=True, scope=Scope.DEFAULT),
        Setting(
            "account_id",
            formats.ACCOUNT_ID,
            in_role_policy=True,
            scope=Scope.STACK,
        ),
        Setting("ingest_scope", formats.INGEST_SCOPE, in_role_policy=True, scope=Scope.DEFAULT),
        Setting("allow_network_interface_deletion", Flag(), in_role_policy=True),
        Setting("exclusive_policies", Flag(), structural=True, scope=Scope.DEFAULT),
        Setting("role_name", formats.ROLE_NAME, role_property="name"),
        Setting(
            "role_path",
            formats.ROLE_PATH,
            scope=Scope.DEFAULT,
            role_property="path",
            iam_default="/",
        ),
        Setting("role_description", formats.ROLE_DESCRIPTION, role_property="description"),
        Setting(
            "permissions_boundary_arn",
            formats.PERMISSIONS_BOUNDARY,
            scope=Scope.DEFAULT,
            role_property="permissions_boundary",
        ),
        Setting("tags", Tags(), scope=Scope.DEFAULT, role_property="tags"),
    )
}
"""Every setting by name, in the order in which messages list the problems."""
ROLE_SETTINGS: Final = [setting for setting in SETTINGS.values() if setting.role_property]
"""The settings that are properties of the role."""
TRUST_POLICY_SETTINGS: Final = ("region", "application_id", "account_id")
"""The settings that the trust policy depends on."""
_ROLE_ARN_SETTINGS: Final = ("role_name", "role_path")
"""The settings whose values are in the role's ARN, except the account, which is in every policy."""


def role_policy_settings(connector: Connector) -> Collection[str]:
    """Return the names of the settings that a connector's role policy depends on.

    If the data source is a bucket, the policy contains the role's ARN, and so the role's name and path.
    """
    in_arn = _ROLE_ARN_SETTINGS if connector.bucket_is_source else ()
    return [name for name in SETTINGS if SETTINGS[name].in_role_policy or name in in_arn]
