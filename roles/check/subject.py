"""Read the role that `check` asks about, its data sources, and the resources that they need."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from botocore.exceptions import ClientError

from components.connectors import Connector, Need
from components.formats import APPLICATION, Location
from components.problems import camel_case, show_path
from roles.account import Account, DataSource, Reply, Role, is_alias
from roles.applications import accepted_applications, other_applications, other_principals
from roles.arns import Arn
from roles.check.answers import NO_APPLICATION, NO_ROLE, attempt, attempt_or, ignore, needed
from roles.commands import quote_argument
from roles.concurrency import read_each
from roles.detection import Uses, find_connector, find_uses, is_named
from roles.errors import (
    OddAnswerError,
    is_denied,
    is_gone,
)
from roles.findings import Finding, State, note, unread
from roles.needed_resources import find_recreated
from roles.policies import Policies, Secret
from roles.stack import RoleSettings, check_account, render

_UNLESS_NEEDED: Final = ", unless another data source needs it"
_KINDS: Final = {"subnetIds": "subnet", "securityGroupIds": "security-group"}
"""By name in the API: the kinds of resources in a VPC, as in their ARNs."""


def shared_subnets(account: Account, account_id: str, subnet_ids: Sequence[str]) -> dict[str, str]:
    """Return the ARNs of the subnets that accounts other than `account_id` own, by the subnets' IDs.

    The result is empty if reading the subnets is denied.
    """
    found = ignore(is_denied, lambda: account.subnets(subnet_ids)) if subnet_ids else None
    arns = {each["SubnetId"]: each["SubnetArn"] for each in found or ()}
    return {name: arn for name, arn in arns.items() if Arn.of(arn).account != account_id}


class Source(NamedTuple):
    """A data source of the application."""

    data_source: DataSource
    details: Reply
    """Empty if they could not be read."""
    uses: Uses | Finding
    """The connector and resources, or the answer if they could not be read."""


class Bucket(NamedTuple):
    """A bucket that a role must read."""

    arn: str
    owner: str | None
    """The bucket's account; None if it is unknown."""
    connector: Connector
    """The connector that reads the bucket."""
    key_arns: Sequence[str]
    """The customer managed keys that may encrypt the documents in the bucket."""

    @property
    def name(self) -> str:
        """The bucket's name."""
        return Arn.of(self.arn).resource


class Needs(NamedTuple):
    """The resources that a role must reach for one data source or, without any, for its settings."""

    connector: Connector
    index_id: str
    secrets: Sequence[Secret]
    buckets: Sequence[Bucket]
    network: Sequence[str]
    """The ARNs of the subnets and security groups."""


class Subject:
    """A role, as its settings declare it, and AWS's answers about it and the resources that it needs.

    The role is one of a stack, or a data source's role outside any stack. If a resource that a question
    needs does not exist, properties such as `role` raise MissingError. The methods `find_...` return
    None instead.
    """

    def __init__(
        self, settings: RoleSettings, account: Account, sources: list[Source] | None = None
    ) -> None:
        """Identify the caller and render the policies. A stack's roles share one `account`.

        `sources` has the data sources that matter; None means all data sources of the application.

        Raises InputError for another account's credentials, and SettingsError for settings that the
        program rejects.
        """
        self.settings, self.account = settings, account
        self.caller, self.region = Arn.of(account.caller()["Arn"]), account.region
        self.partition, self.account_id = self.caller.partition, self.caller.account
        check_account(settings.stack, settings.accounts, self.account_id)
        self.policies = render(settings, Location(self.partition, self.region, self.account_id))
        self._sources = sources
        self._needs: list[Needs] | None = None

    # The settings, and the policies that the role should have.

    @property
    def up_command(self) -> str:
        """The command that deploys the stack.

        With `refresh: always` in Pulumi.yaml, as in this project, the command also corrects drift. For a
        role outside any stack, this is advice to update the role's policies.
        """
        if not self.settings.stack:
            return (
                "add to the role's policies the statements that this command prints with --json, as "
                "trustPolicy and rolePolicy"
            )
        return f"pulumi up --stack {quote_argument(self.settings.stack)}"

    def set_command(self, name: str, value: str | None, *keys: str | int) -> str:
        """Return the steps that change a setting, or its entry at `keys`, and deploy the stack.

        A value of None removes the setting or entry. For a role outside any stack, return advice.
        """
        if not self.settings.stack:
            if name == "kms_key_id":  # the data source does not contain the key
                change = f"allow kms:Decrypt on {value}, too" if value else "remove kms:Decrypt"
                return f"in the role policy, {change}{'' if value else _UNLESS_NEEDED}"
            path = (camel_case(each) if isinstance(each, str) else each for each in (name, *keys))
            setting = show_path(tuple(path))
            change = f"change {setting} to {value}" if value else f"remove {setting}"
            return f"{change} in the data source and in its role's policies"
        command = self.settings.command(name, value, *keys)
        return f"{command}{' &&' if command.startswith('pulumi') else ', then'} {self.up_command}"

    def edit(self, name: str, value: str) -> str:
        """Return the steps to change a setting for this role alone: edit the stack's file and deploy."""
        file = f"Pulumi.{self.settings.stack.rpartition('/')[2]}.yaml"
        return f"in {file}, set {self.settings.own_path(name)} to {value}, then {self.up_command}"

    @property
    def keep_other_policies(self) -> tuple[str, ...]:
        """The step that keeps `pulumi up` from removing other policies; empty if it removes none."""
        exclusive = self.settings.get("exclusive_policies")
        return (self.edit("exclusive_policies", "false"),) if exclusive else ()

    @property
    def application_id(self) -> str:
        """The ID of the application."""
        return Arn.of(self.policies.application_arn).name

    @property
    def index_id(self) -> str:
        """The ID of the index."""
        return str(self.settings.get("index_id"))

    @property
    def secret_arn(self) -> str | None:
        """The ARN of the secret in the role policy; None if there is no secret."""
        return self.policies.resource("secretsmanager:GetSecretValue")

    @property
    def key_arn(self) -> str | None:
        """The ARN of the customer managed key in the role policy; None if there is none."""
        return self.policies.resource("kms:Decrypt")

    @property
    def bucket(self) -> str | None:
        """The name of the bucket; None if there is none."""
        return self.settings.get("bucket_name")

    @property
    def bucket_owner(self) -> str | None:
        """The bucket's account in the settings, by default the role's account; None if it is unknown."""
        if not self.settings.bucket_account_is_known:
            return None
        return self.settings.get("bucket_account_id") or self.account_id

    @property
    def network(self) -> list[str]:
        """The ARNs of the subnets and security groups in the role policy."""
        return self.policies.resources("ec2:CreateNetworkInterface")

    @property
    def uses(self) -> Uses:
        """The connector and resources in the settings, to compare with those of a data source."""
        network = [*map(Arn.of, self.network)]
        return Uses(
            type="",
            connectors=(self.settings.connector,),
            secret_ids=tuple(filter(None, [self.secret_arn])),
            buckets=tuple(filter(None, [self.bucket])),
            bucket_account=self.bucket_owner,
            vpc={
                name: [arn.name for arn in network if arn.resource.startswith(f"{kind}/")]
                for name, kind in _KINDS.items()
            },
        )

    @property
    def needed_policies(self) -> Policies:
        """The program's policies for the role, and a separate policy for each of `other_secrets`."""
        return self.policies._replace(other_secrets=tuple(self.other_secrets))

    # The role and its data sources.

    @property
    def role(self) -> Role:
        """The deployed role."""
        return needed(self.find_role(), NO_ROLE)

    def find_role(self) -> Role | None:
        """Return the deployed role; None if it is not deployed yet or was deleted.

        IAM looks up roles without their path, so the ARN must match too.
        """
        arn = self.settings.role_arn
        found = ignore(is_gone, lambda: self.account.role(Arn.of(arn).name)) if arn else None
        return found if found and found.arn == arn else None

    @cached_property
    def other_applications(self) -> list[str]:
        """The ARNs of other applications that exist and that the role's trust policy names."""
        role = attempt_or(None, self.find_role)
        return other_applications(self.account, role, self.policies.application_arn) if role else []

    @cached_property
    def other_principals(self) -> list[str]:
        """Others whom the role's trust policy lets assume it, apart from `other_applications`.

        They may not exist, or not use the role.
        """
        role = attempt_or(None, self.find_role)
        if not role:
            return []
        found = ["everybody else" if name == "*" else name for name in other_principals(role)]
        is_open = not all(map(APPLICATION.parse, accepted_applications(role)))
        return [*found, *(["other applications"] if is_open and "everybody else" not in found else [])]

    def find_application(self) -> Reply | None:
        """Return the application's details; None if it does not exist."""
        return ignore(is_gone, lambda: self.account.application(self.application_id))

    @property
    def every_data_source(self) -> list[Source]:
        """All data sources of the application."""
        if self._sources is None:
            needed(self.find_application(), NO_APPLICATION)
            listed = [*self.account.data_sources(self.application_id)]
            self._sources = read_each(self._read, listed, self.account.notes, "data sources")
        return self._sources

    def _read(self, data_source: DataSource) -> Source:
        details: Mapping[str, object] = {}
        try:
            details = self.account.data_source(data_source)
            return Source(data_source, details, find_uses(details))
        except OddAnswerError as error:
            return Source(data_source, details, unread(error))
        except ClientError as error:
            if not is_gone(error):
                raise
            return Source(data_source, details, note(data_source.deleted))

    @property
    def data_sources(self) -> list[Source]:
        """The data sources that use the role, or whose details cannot be read."""
        every, role_arn = self.every_data_source, self.settings.role_arn
        if role_arn is None:
            return []
        return [each for each in every if not each.details or each.details.get("roleArn") == role_arn]

    @property
    def users(self) -> list[tuple[DataSource, Uses]]:
        """The data sources that use the role, with the resources that they use.

        Data sources that cannot be read are left out; the question "data source" reports them. For a
        role outside any stack, only the data source whose settings were read is included.
        """
        own = self.settings.data_source_id
        return [
            (source, uses)
            for source, _, uses in attempt_or([], lambda: self.data_sources)
            if isinstance(uses, Uses) and own in (None, source.id)
        ]

    @property
    def users_are_known(self) -> bool:
        """Whether all data sources that may use the role could be read."""
        found = attempt_or(None, lambda: self.data_sources)
        return found is not None and all(
            isinstance(each.uses, Uses) or each.uses.state is State.NOTE for each in found
        )

    # What the role must reach.

    @property
    def needs(self) -> Sequence[Needs]:
        """The needs of each data source that uses the role; if there is none, those of the settings."""
        if self._needs is None:
            found = [self.needs_of(source.index_id, uses) for source, uses in self.users]
            self._needs = found or [self.needs_of_settings]
        return self._needs

    @property
    def needs_of_settings(self) -> Needs:
        """The needs according to the settings."""
        return self.needs_of(self.index_id, self.uses)

    def needs_of(self, index_id: str, uses: Uses) -> Needs:
        """Return a data source's needs; the settings have what its configuration cannot show."""
        connector = self.connector_of(uses)
        secrets = [] if connector.secret is Need.NOT_SUPPORTED else map(self._secret_of, uses.secret_ids)
        owner = self.bucket_owner if self.bucket in uses.buckets else self.account_id
        owner = uses.bucket_account or owner
        buckets = [
            Bucket(
                f"arn:{self.partition}:s3:::{name}",
                owner,
                connector,
                self._bucket_keys(name, owner) if connector.bucket_is_source else (),
            )
            for name in (() if connector.bucket is Need.NOT_SUPPORTED else uses.buckets)
        ]
        return Needs(connector, index_id, [*filter(None, secrets)], buckets, self._network_of(uses))

    def connector_of(self, uses: Uses) -> Connector:
        """Return a data source's connector: the one in the settings, if the type allows that."""
        own = self.settings.connector
        return own if own in uses.connectors or not uses.connectors else find_connector(uses)

    def _secret_of(self, secret_id: str) -> Secret | None:
        """Return a data source's secret; None if it does not exist or its ARN is unknown.

        If AWS does not say which key encrypts the secret in the settings, the key is the one in the
        settings.
        """
        own = self.secret_arn
        found = attempt(lambda: ignore(is_gone, lambda: self.account.secret(secret_id)))
        secret: Reply = {} if found is None or isinstance(found, Finding) else found
        arn = str(secret.get("ARN", ""))
        # AWS looks for this name first, even if it ends like the suffix of the settings' secret.
        is_named_so = not secret_id.startswith("arn:") and arn.startswith(f"{own}-")
        is_own = own and is_named(own, secret_id, self.account_id) and not is_named_so
        if own and is_own and arn != own:  # it cannot be read, does not exist, or was recreated
            return Secret(own, self.key_arn)
        if not secret:  # the question "secret" reports this
            may_exist = found is not None and secret_id.startswith("arn:")
            return Secret(secret_id, None) if may_exist else None
        key_id = self._key_of_version(arn, secret.get("KmsKeyId"))
        key_arn = attempt(lambda: self.key_in_use(key_id))
        if isinstance(key_arn, Finding):  # "encryption" reports the error
            key_arn = self.key_arn if is_own else None if is_alias(str(key_id)) else key_id
        return Secret(arn, key_arn)

    def _key_of_version(self, arn: str, key_id: str | None) -> str | None:
        """Return the key of a secret's current version: the secret's key, unless it has an earlier one.

        If someone without kms:Encrypt for the new key changes the secret's key, its versions keep the
        old key: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecret.html
        """
        keys = [
            key
            for version in attempt_or([], lambda: self.account.secret_versions(arn))
            if "AWSCURRENT" in version.get("VersionStages", ())
            for key in version["KmsKeyIds"]
        ]
        return key_id if key_id in keys or not keys else keys[0]

    def _bucket_keys(self, bucket: str, owner: str | None) -> Sequence[str]:
        """Return the ARNs of the KMS keys that may encrypt the documents in a bucket.

        Objects stay encrypted with the key that they were written with, so the key in the settings
        counts, too.
        """

        def default_key() -> str | None:
            encryption = self.account.bucket_encryption(bucket, owner or self.account_id)
            return self.key_in_use(encryption.key_id)

        own = self.key_arn if bucket == self.bucket and not self.secret_arn else None
        return tuple(dict.fromkeys(filter(None, (own, attempt_or(None, default_key)))))

    def _network_of(self, uses: Uses) -> list[str]:
        """Return the ARNs of a data source's subnets and security groups, of which it has the IDs."""
        known = {Arn.of(arn).name: arn for arn in self.network}
        here = f"arn:{self.partition}:ec2:{self.region}:{self.account_id}"
        subnets = [each for each in uses.vpc.get("subnetIds", ()) if each not in known]
        known |= attempt_or({}, lambda: shared_subnets(self.account, self.account_id, subnets))
        return [
            known.get(each, f"{here}:{kind}/{each}")
            for name, kind in _KINDS.items()
            for each in uses.vpc.get(name, ())
        ]

    def key_in_use(self, key_id: str | None) -> str | None:
        """Return the ARN of a customer managed key, even if it no longer exists; otherwise, None."""
        if key_id == self.key_arn:  # comparing ARNs does not need permission to read the key
            return key_id
        try:
            return self.account.customer_managed_key(key_id)
        except ClientError as error:
            if is_gone(error):
                return key_id
            raise

    @property
    def secrets(self) -> list[Secret]:
        """The secrets that the role must read."""
        return [*dict.fromkeys(secret for needs in self.needs for secret in needs.secrets)]

    @property
    def other_secrets(self) -> list[Secret]:
        """The secrets that the role must read, but that no setting can contain.

        If no data source has the secret in the settings, the first secret belongs there.
        """
        found, others = self.secrets, [each for each in self.secrets if each.arn != self.secret_arn]
        return others if len(others) < len(found) else found[1:]

    @property
    def buckets(self) -> list[Bucket]:
        """The buckets that the role must read; one can occur twice, for example for two connectors."""
        return [*dict.fromkeys(bucket for needs in self.needs for bucket in needs.buckets)]

    @property
    def key_arns(self) -> Sequence[str]:
        """The ARNs of the customer managed keys that the role must use."""
        of_secrets = (secret.key_arn for secret in self.secrets)
        of_buckets = (key_arn for bucket in self.buckets for key_arn in bucket.key_arns)
        return [*dict.fromkeys(filter(None, (*of_secrets, *of_buckets)))]

    def find_secret(self, arn: str) -> Reply | None:
        """Return the metadata of the secret with exactly this ARN; None if it does not exist.

        AWS also finds a secret by an ARN without the suffix, but a policy with such an ARN would not
        match the secret.
        """
        found = ignore(is_gone, lambda: self.account.secret(arn))
        return found if found and found["ARN"] == arn else None

    @property
    def recreated_secret(self) -> str | None:
        """The ARN of the secret with the same name as the one in the policy, but a different suffix.

        None if there is no such secret, or it cannot be read.
        """
        return find_recreated(self.account, str(self.secret_arn))

    def find_key(self, arn: str) -> Reply | None:
        """Return a key's metadata; None if it does not exist."""
        return ignore(is_gone, lambda: self.account.key(arn))
