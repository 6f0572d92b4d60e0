"""List the calls that the commands make to AWS, and the IAM actions that each command needs.

The policies on the pages in docs/ must allow the same actions.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

SESSION: Final = "qbusiness-roles"
"""The session name of assumed roles; CloudTrail records it with each call."""
_ALL: Final = ("adopt", "assign", "audit", "check")
_SOME: Final = ("assign", "audit", "check")
_ACCOUNTS: Final = ("accounts",)
_ID: Final = ("applicationId", "indexId", "dataSourceId")


class Read(NamedTuple):
    """A call that only reads."""

    commands: tuple[str, ...]
    """The commands that make the call; `accounts` stands for an audit of other accounts."""
    arguments: tuple[str, ...] = ()
    """The names of the arguments, in order."""
    result: tuple[str, ...] = ()
    """The keys that lead to the result in the response."""
    fixed: Mapping[str, Any] = MappingProxyType({})
    """The arguments that are the same in every call."""
    absent: str = ""
    """The code of the error that AWS returns if there is no result."""
    operation: str = ""
    """The name of the operation, if it differs from the action's name."""


READS: Final[Mapping[str, Read]] = {
    "sts:GetCallerIdentity": Read(_ALL),
    "qbusiness:ListApplications": Read(("adopt", "audit"), result=("applications",)),
    "qbusiness:GetApplication": Read(("adopt", "assign", "check"), _ID[:1]),
    "qbusiness:ListIndices": Read(_ALL, _ID[:1], ("indices",)),
    "qbusiness:GetIndex": Read(("check",), _ID[:2]),
    "qbusiness:ListDataSources": Read(_ALL, _ID[:2], ("dataSources",)),
    "qbusiness:GetDataSource": Read(_ALL, _ID),
    "qbusiness:ListDataSourceSyncJobs": Read(_SOME, _ID, ("history",)),
    "secretsmanager:DescribeSecret": Read(_ALL, ("SecretId",)),
    # A secret has at most 20 staging labels, so one page contains all versions that have a label.
    "secretsmanager:ListSecretVersionIds": Read(_ALL, ("SecretId",), ("Versions",), {"MaxResults": 100}),
    "secretsmanager:GetResourcePolicy": Read(_SOME, ("SecretId",)),
    "kms:DescribeKey": Read(_ALL, ("KeyId",), ("KeyMetadata",)),
    "kms:GetKeyPolicy": Read(_SOME, ("KeyId",), ("Policy",), {"PolicyName": "default"}),
    "kms:ListGrants": Read(_SOME, ("KeyId", "GranteePrincipal"), ("Grants",)),
    "kms:ListResourceTags": Read(_SOME, ("KeyId",), ("Tags",)),
    "s3:GetBucketLocation": Read(("check",), ("Bucket", "ExpectedBucketOwner"), ("LocationConstraint",)),
    "s3:GetEncryptionConfiguration": Read(
        _ALL,
        ("Bucket", "ExpectedBucketOwner"),
        ("ServerSideEncryptionConfiguration", "Rules"),
        absent="ServerSideEncryptionConfigurationNotFoundError",
        operation="GetBucketEncryption",
    ),
    "s3:GetBucketAbac": Read(_SOME, ("Bucket", "ExpectedBucketOwner"), ("AbacStatus", "Status")),
    "s3:GetBucketPolicy": Read(_SOME, ("Bucket",), ("Policy",), absent="NoSuchBucketPolicy"),
    "s3:GetBucketTagging": Read(
        _SOME, ("Bucket", "ExpectedBucketOwner"), ("TagSet",), absent="NoSuchTagSet"
    ),
    "ec2:DescribeSubnets": Read(("check",), ("Filters",), ("Subnets",)),
    "ec2:DescribeSecurityGroups": Read(("check",), ("Filters",), ("SecurityGroups",)),
    # The maximum page size: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
    "iam:ListRoles": Read(("audit",), (), ("Roles",), {"PaginationConfig": {"PageSize": 1000}}),
    "iam:GetRole": Read(_ALL, ("RoleName",), ("Role",)),
    "iam:ListRolePolicies": Read(_ALL, ("RoleName",), ("PolicyNames",)),
    "iam:GetRolePolicy": Read(_ALL, ("RoleName", "PolicyName"), ("PolicyDocument",)),
    "iam:ListAttachedRolePolicies": Read(_ALL, ("RoleName",), ("AttachedPolicies",)),
    "iam:GetPolicy": Read(_ALL, ("PolicyArn",), ("Policy",)),
    "iam:GetPolicyVersion": Read(_ALL, ("PolicyArn", "VersionId"), ("PolicyVersion", "Document")),
    "iam:SimulatePrincipalPolicy": Read(
        ("check",),
        ("PolicySourceArn", "ActionNames", "ResourceArns", "ContextEntries"),
        ("EvaluationResults",),
    ),
    "organizations:DescribeOrganization": Read(
        _SOME, (), ("Organization", "Id"), absent="AWSOrganizationsNotInUseException"
    ),
    "organizations:ListAccounts": Read(_ACCOUNTS, (), ("Accounts",)),
    "sts:AssumeRole": Read(_ACCOUNTS, ("RoleArn", "ExternalId"), fixed={"RoleSessionName": SESSION}),
}
"""All calls that only read, by action."""


def _of(command: str) -> tuple[str, ...]:
    return tuple(name for name, read in READS.items() if command in read.commands)


ACTIONS: Final = {command: _of(command) for command in _ALL}
"""The actions that each command needs to read AWS resources."""
OF_ACCOUNTS: Final = _of("accounts")
"""The additional actions that `audit` needs in the caller's account to read other accounts."""
CHANGES: Final[Mapping[str, tuple[str, ...]]] = {
    "adopt": (
        "qbusiness:UpdateDataSource",
        "iam:PutRolePolicy",
        "iam:UpdateAssumeRolePolicy",
        "iam:DeleteRolePolicy",
    ),
    "assign": ("qbusiness:UpdateDataSource",),
}
"""The only actions that change AWS resources; they apply a confirmed plan.

UpdateDataSource also needs iam:PassRole for the role that a data source gets.
"""
_BY_OPERATION: Final = {
    **{name.partition(":")[2]: name for names in CHANGES.values() for name in names},
    **{read.operation or name.partition(":")[2]: name for name, read in READS.items()},
}


def action(operation: str) -> str:
    """Return the IAM action that an API operation needs, such as `iam:GetRole` for GetRole.

    If no command uses the operation, return the operation's name unchanged.
    """
    return _BY_OPERATION.get(operation, operation)
