"""List the settings of the role policy in a table, with what a data source and its role say about them.

`adopt` writes the settings, `audit` renders the policies that a data source needs, and `check` compares
a data source with a stack's settings. All of them loop over this table.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from components.configuration import KEYS
from components.connectors import DEFAULT, Connector
from components.formats import ACCOUNT_ID
from components.problems import Source, camel_case
from components.rules import render
from components.settings import Vpc
from roles.account import Role
from roles.arns import Arn
from roles.detection import Uses, shared_secrets
from roles.difference import compare, role_statements
from roles.policies import Policies, Secret
from roles.project import COMPONENT

ROLE_PROPERTIES: Final[Mapping[str, str]] = {
    "role_name": "name",
    "role_path": "path",
    "role_description": "description",
    "permissions_boundary_arn": "permissions_boundary",
    "tags": "tags",
}
"""The settings that are properties of the role, with their fields in `account.Role`."""


class Requirements(NamedTuple):
    """A data source's role, and the resources that it must be able to reach."""

    application_arn: str
    region: str
    index_id: str
    connector: Connector
    secret_arn: str | None
    bucket: str | None
    bucket_account: str | None
    """None if it is the application's account, or is not known."""
    key_arn: str | None
    """ARN of the customer managed key of the secret, or of the bucket if the documents are in it.

    None if there is no such key, or it is unknown.
    """
    vpc_configuration: Mapping[str, list[str]]
    """As in the API; empty if there is no VPC."""
    role: Role
    named_secret: str = ""
    """The secret's ARN or name in the data source's configuration; empty if there is none."""
    other_secrets: tuple[Secret, ...] = ()
    """Secrets that no setting contains, such as the secret of a web proxy."""
    unknown: tuple[str, ...] = ()
    """Which of `secret`, `bucket`, and `key` are unknown, for example because they do not exist."""
    bucket_account_is_known: bool = True
    """False only if neither the configuration nor Amazon S3 says which account owns the bucket."""
    allow_network_interface_deletion: bool = False

    def settings(self) -> dict[str, Any]:
        """Return the program's settings for this role.

        Empty values, defaults, and tags that only AWS can set are left out.
        """
        settings: dict[str, Any] = {each.name: each.read(self) for each in POLICY_SETTINGS}
        role = self.role._replace(
            tags={key: tag for key, tag in self.role.tags.items() if not is_reserved(key)}
        )
        for name, field in ROLE_PROPERTIES.items():
            settings[name] = getattr(role, field)
        if role.path == "/":  # IAM's default
            del settings["role_path"]
        return {name: value for name, value in settings.items() if value}

    def render(self, **options: object) -> tuple[str, str, Sequence[str]]:
        """Return the policies that the program would write, and the program's warnings.

        `options` are settings to add or replace, such as `allow_network_interface_deletion`; None
        removes a setting. In the role policy, a role without a name is `<role name>`. Raises
        SettingsError for invalid settings.
        """
        settings = {camel_case(name): it for name, it in (self.settings() | options).items()}
        trust_policy, role_policy, warnings = render(
            COMPONENT, settings, self.role.name or "<role name>", source=Source.PACKAGE
        )
        # AWS returned the secret's ARN, so its suffix is right, whatever it looks like.
        kept = [each for each in warnings if not each.startswith(KEYS["secret_id"])]
        return trust_policy, role_policy, kept

    def policies(self, **options: object) -> Policies:
        """Return the policies that the role needs; `options` and errors are as in `render`."""
        trust_policy, role_policy, _ = self.render(**options)
        return Policies(trust_policy, role_policy, self.other_secrets)


def is_reserved(tag_key: str) -> bool:
    """Return whether only AWS can set a tag with this key."""
    return tag_key.lower().startswith("aws:")


class Difference(NamedTuple):
    """A setting that does not match a data source."""

    setting: str
    """For example `secret_id`."""
    text: str
    values: Sequence[str]
    """The data source's values: its buckets, its secrets, or its bucket's account.

    The setting can contain only one value. Empty if the data source has none, and for `connector` and
    `vpc_configuration`.
    """


def _nothing(*_: object) -> str:
    return ""


def _keep_nothing(needs: Requirements, _: Collection[str]) -> tuple[Requirements, str]:
    return needs, ""


class PolicySetting(NamedTuple):
    """A setting on which the role policy depends."""

    name: str
    """The name in ConnectorRoleArgs."""
    is_determined: bool
    """Whether a data source and its role always determine the value.

    If not, an import can lose the value in a stack's file, and `adopt` warns about it.
    """
    read: Callable[[Requirements], object] = _nothing
    """Return the value that a data source needs; empty or None for the default."""
    keep: Callable[[Requirements, Collection[str]], tuple[Requirements, str]] = _keep_nothing
    """Return the requirements with the value in a role's own policies of these names, and a warning.

    Only an import may use this value, because an import keeps the access that the role has.
    """
    others: Callable[[Requirements], Sequence[object]] = _nothing
    """Return other values with which the role policy has only access that the data source may need."""
    differs: Callable[[Uses, Uses, str], str] = _nothing
    """Return how a data source in this account differs from the settings; empty if they cover it.

    The arguments are the resources in the settings, those of the data source, and the account.
    """
    values: Callable[[Uses], Sequence[str]] = _nothing
    """Return the data source's values for `Difference.values`."""


def differences(settings: Uses, data_source: Uses, account_id: str) -> list[Difference]:
    """Return the settings that do not match a data source, which is in the account `account_id`."""
    return [
        Difference(each.name, text, each.values(data_source))
        for each in POLICY_SETTINGS
        if (text := each.differs(settings, data_source, account_id))
    ]


def bucket_accounts(role: Role, bucket: str) -> list[str]:
    """Return the accounts that a role's Allow statements for a bucket's objects require as the owner."""
    return [
        *dict.fromkeys(
            value
            for statement in role_statements(role)
            if statement.allows
            and any(f":s3:::{bucket}/" in each for each in statement.resources.values)
            for condition in statement.conditions
            if condition.is_on("aws:ResourceAccount") and condition.operator == "StringEquals"
            for value in condition.values
        )
    ]


def _keep_bucket_account(needs: Requirements, _: Collection[str]) -> tuple[Requirements, str]:
    """Find the account that the role's own policies name as the bucket's owner, if it is unknown."""
    if needs.bucket_account_is_known:
        return needs, ""
    named = bucket_accounts(needs.role, str(needs.bucket))
    default = Arn.of(needs.application_arn).account
    if named == [default]:
        return needs, ""
    if len(named) == 1 and ACCOUNT_ID.parse(named[0]):
        warning = f"bucketAccountId is {named[0]}, the account in the role's policies"
        return needs._replace(bucket_account=named[0]), warning
    return needs, (
        f"if an account other than {default} owns the bucket, set bucketAccountId before `pulumi up`: "
        "otherwise, the role loses access to it"
    )


def _keep_deletion(needs: Requirements, names: Collection[str]) -> tuple[Requirements, str]:
    """For a VPC, allow the deletion of network interfaces if the role's own policies do."""
    if not needs.vpc_configuration:
        return needs, ""
    own = [each for each in role_statements(needs.role) if each.policy in names]
    allowing = needs._replace(allow_network_interface_deletion=True)
    without = needs.policies().written
    added = [each for each in allowing.policies().written if each not in without]
    allowed = all(each.verdict == "covered" for each in compare(added, own).program)
    return (allowing if allowed else needs), ""


def _other_deletions(needs: Requirements) -> Sequence[object]:
    return (True,) if needs.vpc_configuration else ()


def _connector(needs: Requirements) -> str:
    return "" if needs.connector.name == DEFAULT else needs.connector.name


def _vpc(needs: Requirements) -> Mapping[str, Sequence[str]]:
    vpc = needs.vpc_configuration
    return {key: vpc[key] for key in map(camel_case, Vpc.lists)} if vpc else {}


def _connector_differs(ours: Uses, theirs: Uses, _: str) -> str:
    (connector,) = ours.connectors
    if connector in theirs.connectors:
        return ""
    types = " or ".join(connector.types.split())
    return f"its type is {theirs.type}, but the {connector.name} connector has the type {types}"


def _secret_differs(ours: Uses, theirs: Uses, account_id: str) -> str:
    # One secret in common is enough.
    if shared_secrets(ours, theirs, account_id) or not (ours.secret_ids or theirs.secret_ids):
        return ""
    named = ", ".join(ours.secret_ids) or "not set"
    return f"{_describe('secret', theirs.secret_ids)}, but secretId is {named}"


def _bucket_differs(ours: Uses, theirs: Uses, _: str) -> str:
    # A bucket in the settings is compared only if the data source has one.
    if not theirs.buckets or theirs.buckets == ours.buckets:
        return ""
    named = ", ".join(ours.buckets) or "not set"
    return f"{_describe('bucket', theirs.buckets)}, but bucketName is {named}"


def _bucket_account_differs(ours: Uses, theirs: Uses, _: str) -> str:
    is_same_bucket = theirs.buckets and theirs.buckets == ours.buckets
    if not is_same_bucket or theirs.bucket_account in (None, ours.bucket_account):
        return ""
    return (
        f"its bucket belongs to account {theirs.bucket_account}, but the role can read only a bucket in "
        f"account {ours.bucket_account}"
    )


def _bucket_accounts(uses: Uses) -> Sequence[str]:
    return (str(uses.bucket_account),)


def _network_differs(ours: Uses, theirs: Uses, _: str) -> str:
    if ours.network == theirs.network:
        return ""
    has, named = (", ".join(sorted(each.network)) for each in (theirs, ours))
    has = f"its VPC has {has}" if has else "it has no VPC"
    return f"{has}, but vpcConfiguration {f'has {named}' if named else 'is not set'}"


def _describe(noun: str, names: Sequence[str]) -> str:
    if not names:
        return f"it has no {noun}"
    return f"its {noun}{'s are' if len(names) > 1 else ' is'} {', '.join(names)}"


POLICY_SETTINGS: Final[Sequence[PolicySetting]] = (
    PolicySetting("region", is_determined=True, read=attrgetter("region")),
    PolicySetting("application_id", is_determined=True, read=attrgetter("application_arn")),
    PolicySetting("index_id", is_determined=True, read=attrgetter("index_id")),
    PolicySetting("connector", is_determined=True, read=_connector, differs=_connector_differs),
    PolicySetting(
        "secret_id",
        is_determined=True,
        read=attrgetter("secret_arn"),
        differs=_secret_differs,
        values=attrgetter("secret_ids"),
    ),
    PolicySetting(
        "bucket_name",
        is_determined=True,
        read=attrgetter("bucket"),
        differs=_bucket_differs,
        values=attrgetter("buckets"),
    ),
    PolicySetting(
        "bucket_account_id",
        is_determined=False,
        read=attrgetter("bucket_account"),
        keep=_keep_bucket_account,
        differs=_bucket_account_differs,
        values=_bucket_accounts,
    ),
    PolicySetting("kms_key_id", is_determined=False, read=attrgetter("key_arn")),
    PolicySetting("vpc_configuration", is_determined=False, read=_vpc, differs=_network_differs),
    PolicySetting("ingest_scope", is_determined=False),
    PolicySetting(
        "allow_network_interface_deletion",
        is_determined=False,
        read=attrgetter("allow_network_interface_deletion"),
        keep=_keep_deletion,
        others=_other_deletions,
    ),
)
"""The settings in the order in which `adopt` writes them, without the account, which is in the ARN."""
