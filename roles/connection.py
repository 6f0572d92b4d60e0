"""Turn what a data source uses into the settings and policies of this program."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from components.connectors import DEFAULT, Connector, Need
from components.errors import Naming
from components.formats import VPC_MEMBERS
from components.stack_config import camel_case, config_key
from components.validation import ValidationResult, validate
from roles.account import Account, DataSource, Role, is_alias
from roles.actions import action
from roles.connector import Uses, find_connector, find_uses
from roles.errors import InputError, is_denied
from roles.notes import Notes

COMPONENT: Final = "aem-connector"
"""The component's name in `__main__.py`."""
_STACK_CONFIGURATION: Final = Naming(config_key)
"""Settings that were read from AWS, called as in a stack's configuration."""


class Connection(NamedTuple):
    """The resources that the role of a data source has to reach, and the role."""

    application_arn: str
    region: str
    index_id: str
    connector: Connector
    secret_arn: str | None
    bucket: str | None
    bucket_account: str | None
    """None for the application's account."""
    key_arn: str | None
    """ARN or ID of the customer managed key; None for a key that AWS manages."""
    vpc_configuration: Mapping[str, list[str]]
    """As in the API; empty without a VPC."""
    role: Role

    def settings(self) -> dict[str, Any]:
        """Return the settings of the program for this role, without those that are not set."""
        role, vpc = self.role, self.vpc_configuration
        settings: dict[str, Any] = {
            "region": self.region,
            "application_id": self.application_arn,
            "index_id": self.index_id,
            "connector": "" if self.connector.name == DEFAULT else self.connector.name,
            "secret_id": self.secret_arn,
            "bucket_name": self.bucket,
            "bucket_account_id": self.bucket_account,
            "kms_key_id": self.key_arn,
            "role_name": role.name,
            "role_path": "" if role.path == "/" else role.path,
            "role_description": role.description,
            "permissions_boundary_arn": role.permissions_boundary_arn,
            "vpc_configuration": {camel_case(name): vpc[camel_case(name)] for name in VPC_MEMBERS}
            if vpc
            else None,
            "tags": {key: value for key, value in role.tags.items() if not is_reserved(key)},
        }
        return {name: value for name, value in settings.items() if value}

    def render(self, **options: object) -> ValidationResult:
        """Return the policies that the program writes; raises SettingsError if it would refuse.

        `options` are settings that do not follow from the data source, such as `ingest_scope`.
        """
        args = {config_key(name): value for name, value in {**self.settings(), **options}.items()}
        return validate(COMPONENT, args, _STACK_CONFIGURATION)


def is_reserved(tag_key: str) -> bool:
    """Tell whether only AWS can set a tag."""
    return tag_key.lower().startswith("aws:")


def read_connection(
    account: Account, data_source: DataSource, notes: Notes, connector: Connector | None = None
) -> Connection:
    """Read a data source, its secret, bucket and key, and its role.

    The configuration tells the connector unless it is given. Raises InputError for a data source that no
    role of this program is for.
    """
    found = account.data_source(data_source)
    named = f"data source {data_source.id} ({data_source.type})"
    uses = find_uses(found)
    connector = connector or find_connector(uses)
    secret_id = uses.secret_id
    if connector.secret is Need.REQUIRED and not secret_id:
        raise InputError(
            f"the configuration of {named} has no secretArn, and the connector {connector.name} needs a "
            f"secret: see {connector.page}"
        )
    role_arn = found.get("roleArn")
    if not role_arn:
        raise InputError(f"{named} has no role: deploy the program, and give it the new role's ARN")
    application_arn = found["dataSourceArn"].partition("/index/")[0]
    application_account, role_account = (arn.split(":")[4] for arn in (application_arn, role_arn))
    if application_account != role_account:
        raise InputError(
            f"{named} is in account {application_account} and its role in {role_account}: Amazon Q "
            "Business can be passed only roles of its own account; create a new role with the program"
        )
    secret = account.secret(secret_id) if secret_id else {}
    bucket = _bucket(connector, uses, named, notes)
    if connector.bucket_is_source:
        key_id = _bucket_key(account, bucket, notes)
    else:
        key_id = secret.get("KmsKeyId")
    return Connection(
        application_arn,
        account.region,
        data_source.index_id,
        connector,
        secret.get("ARN"),
        bucket,
        None if not bucket or uses.bucket_account == application_account else uses.bucket_account,
        _customer_managed_key(account, key_id, notes),
        found.get("vpcConfiguration") or {},
        account.role(role_arn.rpartition("/")[2]),
    )


def _bucket(connector: Connector, uses: Uses, named: str, notes: Notes) -> str | None:
    """Return the bucket that the role reads; a role of this program is for one."""
    if not uses.buckets:
        return None
    if connector.bucket is Need.NOT_SUPPORTED:
        notes.warn(
            f"the configuration of {named} names the bucket {uses.buckets[0]}, to which the role of the "
            f"connector {connector.name} gives no access: see {connector.page}"
        )
        return None
    if len(uses.buckets) > 1:
        notes.warn(
            f"the configuration of {named} names several buckets ({', '.join(uses.buckets)}), and "
            f"bucketName is one: the role policy is for {uses.buckets[0]} alone"
        )
    return uses.buckets[0]


def _bucket_key(account: Account, bucket: str | None, notes: Notes) -> str | None:
    """Return the key of a bucket that is the data source."""
    try:
        return account.bucket_key(bucket) if bucket else None
    except ClientError as error:
        if not is_denied(error):
            raise
        notes.warn(
            f"{action(error.operation_name)} is not allowed for the bucket {bucket}: if a customer "
            "managed key encrypts its objects, set kmsKeyId"
        )
        return None


def _customer_managed_key(account: Account, key_id: str | None, notes: Notes) -> str | None:
    """Return the ARN of a key unless AWS manages it."""
    try:
        return account.customer_managed_key(key_id)
    except ClientError as error:
        # An alias does not name its key; for a key itself, only who manages it is unknown.
        if not is_denied(error) or is_alias(str(key_id)):
            raise
        notes.warn(
            f"{action(error.operation_name)} is not allowed for {key_id}, which is assumed to be "
            "customer managed: if AWS manages it (aws/secretsmanager, aws/s3), leave kmsKeyId out"
        )
        return key_id
