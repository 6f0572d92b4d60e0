"""Turn what a data source uses into the settings and policies of this program."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from components.errors import Naming
from components.formats import VPC_MEMBERS
from components.stack_config import camel_case, config_key
from components.validation import ValidationResult, validate
from roles.account import Account, DataSource, Role
from roles.errors import InputError, action, is_denied
from roles.notes import Notes

COMPONENT: Final = "aem-connector"
"""The component's name in `__main__.py`."""
_MANAGED_KEY: Final = "alias/aws/secretsmanager"
_STACK_CONFIGURATION: Final = Naming(config_key)
"""Settings that were read from AWS, called as in a stack's configuration."""


class Connection(NamedTuple):
    """The resources that the role of a data source has to reach, and the role."""

    application_arn: str
    region: str
    index_id: str
    secret_arn: str
    key_arn: str | None
    """ARN or ID of the customer managed key; None for the AWS managed key."""
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
            "secret_id": self.secret_arn,
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

    def render(self) -> ValidationResult:
        """Return the policies that the program writes; raises SettingsError if it would refuse."""
        args = {config_key(name): value for name, value in self.settings().items()}
        return validate(COMPONENT, args, _STACK_CONFIGURATION)


def is_reserved(tag_key: str) -> bool:
    """Tell whether only AWS can set a tag."""
    return tag_key.lower().startswith("aws:")


def read_connection(account: Account, data_source: DataSource, notes: Notes) -> Connection:
    """Read a data source, its secret's key and its role.

    Raises InputError for a data source without a secret or a role.
    """
    found = account.data_source(data_source)
    named = f"data source {data_source.id} ({data_source.type})"
    secret_id = found["configuration"].get("secretArn")
    if not isinstance(secret_id, str) or not secret_id:
        raise InputError(
            f"the configuration of {named} has no secretArn at its top level, where connectors with "
            "a role like AEM's have it: this program's role is not for it"
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
    secret = account.secret(secret_id)
    return Connection(
        application_arn,
        account.region,
        data_source.index_id,
        secret["ARN"],
        _customer_managed_key(account, secret.get("KmsKeyId"), notes),
        found.get("vpcConfiguration") or {},
        account.role(role_arn.rpartition("/")[2]),
    )


def _customer_managed_key(account: Account, key_id: str | None, notes: Notes) -> str | None:
    """Return the ARN of a secret's key unless that is the AWS managed one."""
    if not key_id or key_id.endswith(_MANAGED_KEY):
        return None
    try:
        key = account.key(key_id)
    except ClientError as error:
        # An alias does not name its key; for a key itself, only who manages it is unknown.
        if not is_denied(error) or "alias/" in key_id:
            raise
        notes.warn(
            f"{action(error)} is not allowed for {key_id}, which is assumed to be customer managed: if "
            f"it is the key of {_MANAGED_KEY}, leave kmsKeyId out"
        )
        return key_id
    return None if key["KeyManager"] == "AWS" else key["Arn"]
