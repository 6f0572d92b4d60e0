"""List the IAM actions that each verb calls; all of them only read.

The pages in docs/ have the same lists as policies.
"""

from collections.abc import Mapping
from typing import Final

_LISTS: Final = (
    "qbusiness:ListApplications",
    "qbusiness:ListIndices",
    "qbusiness:ListDataSources",
)
_CONNECTION: Final = (
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
"""What a data source uses: its secret, bucket and key, and its role with all policies."""

ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "adopt": (*_LISTS, *_CONNECTION, "iam:ListPolicies"),
    "audit": ("sts:GetCallerIdentity", *_LISTS, *_CONNECTION),
    "check": (
        "sts:GetCallerIdentity",
        "qbusiness:GetApplication",
        "qbusiness:GetIndex",
        "qbusiness:ListDataSources",
        "qbusiness:ListDataSourceSyncJobs",
        *_CONNECTION,
        "secretsmanager:GetResourcePolicy",
        "kms:GetKeyPolicy",
        "ec2:DescribeSubnets",
        "ec2:DescribeSecurityGroups",
        "s3:GetBucketLocation",
        "s3:GetBucketPolicy",
        "organizations:DescribeOrganization",
        "iam:SimulatePrincipalPolicy",
        "access-analyzer:ValidatePolicy",
    ),
}
_OTHER_NAMES: Final = {"GetBucketEncryption": "s3:GetEncryptionConfiguration"}
"""Operations whose IAM action has another name."""


def action(operation: str) -> str:
    """Return the IAM action that an operation of the API needs, such as `iam:GetRole`."""
    known = {name.partition(":")[2]: name for names in ACTIONS.values() for name in names}
    return {**known, **_OTHER_NAMES}.get(operation, operation)
