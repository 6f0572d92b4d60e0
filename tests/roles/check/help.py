"""Provide values for testing `roles check`."""

from typing import Final

from pages.examples import ACCOUNT

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
