"""Provide values and statements for testing `roles check`."""

from typing import Any, Final

from pages.examples import ACCOUNT
from tests.helpers.world import ROLE_ARN, SETTINGS, World

OF_ORGANIZATION: Final = {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
ADMIN: Final = f"arn:aws:iam::{ACCOUNT}:role/admin"
SID: Final = "AllowsConnectorRolesa258f8616c8905ad"
"""The Sid of the stack's statement in other resources' policies."""
ROLE_ID: Final = "AROADBQP57FF2AEXAMPLE"
NEEDED_FOR_A_BUCKET: Final = (
    "s3:GetBucketLocation",
    "s3:GetBucketPolicy",
    "s3:GetEncryptionConfiguration",
)
OPTIONAL: Final = (
    "organizations:DescribeOrganization",
    "secretsmanager:ListSecretVersionIds",
    "kms:ListGrants",
)
"""Actions without which an answer may be `cannot tell`, but no question is skipped."""


def set_up(setting: str, value: str) -> str:
    """Return the fix that sets a setting."""
    return f"pulumi config set --stack dev --plaintext -- {setting} {value} && pulumi up --stack dev"


def use_entries(world: World, **entries: dict[str, Any]) -> None:
    """Give the stack entries that have its settings, with the changes for each entry."""
    keys = ("secretId", "kmsKeyId", "allowNetworkInterfaceDeletion", "connector", "bucketName")
    prefix = next(key for key in SETTINGS if key.endswith("secretId")).removesuffix("secretId")
    own = {key: world.settings[prefix + key] for key in keys if prefix + key in world.settings}
    world.set(**dict.fromkeys(keys), dataSources={name: own | more for name, more in entries.items()})
    arns = {name: f"{ROLE_ARN[:-7]}{number:07}" for number, name in enumerate(entries)}
    world.outputs = {"roleArns": arns, "roleNames": {}}
