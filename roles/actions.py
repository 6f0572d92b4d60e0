"""List the IAM actions that each command needs.

Policies on the pages in docs/ allow the same actions.
"""

from collections.abc import Mapping
from typing import Final

_LISTS: Final = (
    "qbusiness:ListApplications",
    "qbusiness:ListIndices",
    "qbusiness:ListDataSources",
)
_DATA_SOURCE: Final = (
    "qbusiness:GetDataSource",
    "secretsmanager:DescribeSecret",
    "kms:DescribeKey",
    "iam:GetRole",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "s3:GetEncryptionConfiguration",
)
"""Actions that read a data source, its secret, key, and bucket, and its role with all policies."""

_EVIDENCE: Final = (
    "sts:GetCallerIdentity",
    "qbusiness:ListDataSourceSyncJobs",
    "kms:GetKeyPolicy",
    "kms:ListGrants",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecretVersionIds",
    "s3:GetBucketPolicy",
    "organizations:DescribeOrganization",
)
"""Actions that ask what else AWS says before access counts as missing, and who asks."""

ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "adopt": (
        "sts:GetCallerIdentity",
        "qbusiness:GetApplication",
        "secretsmanager:ListSecretVersionIds",
        *_LISTS,
        *_DATA_SOURCE,
    ),
    "assign": (
        "sts:GetCallerIdentity",
        "qbusiness:GetApplication",
        "qbusiness:ListIndices",
        "qbusiness:ListDataSources",
        "qbusiness:ListDataSourceSyncJobs",
        "kms:GetKeyPolicy",
        "kms:ListGrants",
        "secretsmanager:GetResourcePolicy",
        "secretsmanager:ListSecretVersionIds",
        "s3:GetBucketPolicy",
        "organizations:DescribeOrganization",
        *_DATA_SOURCE,
    ),
    "audit": ("iam:ListRoles", *_LISTS, *_DATA_SOURCE, *_EVIDENCE),
    "check": (
        "qbusiness:GetApplication",
        "qbusiness:GetIndex",
        "qbusiness:ListIndices",
        "qbusiness:ListDataSources",
        *_DATA_SOURCE,
        *_EVIDENCE,
        "ec2:DescribeSubnets",
        "ec2:DescribeSecurityGroups",
        "s3:GetBucketLocation",
        "iam:SimulatePrincipalPolicy",
    ),
}
"""The actions that only read."""
CHANGES: Final[Mapping[str, tuple[str, ...]]] = {
    "adopt": (
        "qbusiness:UpdateDataSource",
        "iam:PutRolePolicy",
        "iam:UpdateAssumeRolePolicy",
        "iam:DeleteRolePolicy",
    ),
    "assign": ("qbusiness:UpdateDataSource",),
}
"""The only actions that change AWS: those that apply a confirmed plan.

UpdateDataSource also needs iam:PassRole for the role that a data source gets.
"""
OF_ACCOUNTS: Final = ("organizations:ListAccounts", "sts:AssumeRole")
"""The actions that `audit` needs only to read other accounts, in addition to its role there."""
_OTHER_NAMES: Final = {"GetBucketEncryption": "s3:GetEncryptionConfiguration"}
"""Operations whose IAM action has a different name."""


def action(operation: str) -> str:
    """Return the IAM action that an API operation needs, such as `iam:GetRole` for GetRole.

    For an operation that no command needs, return its name unchanged.
    """
    every = (*ACTIONS.values(), *CHANGES.values(), OF_ACCOUNTS)
    known = {name.partition(":")[2]: name for names in every for name in names}
    return {**known, **_OTHER_NAMES}.get(operation, operation)
