"""Read the data sources of an account, and one of them with its secret, key and role.

Every operation only reads: `PERMISSIONS` is the whole list. An error of AWS is an exception of botocore,
which `adopt/refusals.py` explains; `InputError` is for a data source or role that cannot be used.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PERMISSIONS: Final = (
    "qbusiness:ListApplications",
    "qbusiness:ListIndices",
    "qbusiness:ListDataSources",
    "qbusiness:GetDataSource",
    "secretsmanager:DescribeSecret",
    "kms:DescribeKey",
    "iam:GetRole",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
)
"""The IAM actions that the calls need, one a call."""
DENIED: Final = ("AccessDenied", "AccessDeniedException")
_MANAGED_KEY: Final = "alias/aws/secretsmanager"
_CONNECT_TIMEOUT: Final = 10
"""Seconds; an address that does not answer is tried several times."""
_HOUR: Final = 3600
_FIRST_ERROR: Final = 300
"""HTTP status from which botocore raises an answer as an error."""
_PAGE: Final = re.compile(rb"\s*<(?:!doctype )?html", re.IGNORECASE)

Say = Callable[[str], None]


class InputError(Exception):
    """Raised when what was asked for does not exist or cannot be used; its line says what to do."""


class PageError(BotoCoreError):
    """Raised when a page answers in place of AWS, such as a proxy's for signing in."""

    fmt = "{operation} was answered with an HTML page"


class DataSource(NamedTuple):
    """A data source, and where it belongs."""

    application_id: str
    application_name: str
    index_id: str
    index_name: str
    id: str
    name: str
    type: str
    """The connector, such as AEM or S3."""
    status: str


class Role(NamedTuple):
    """The role as IAM has it."""

    arn: str
    name: str
    path: str
    description: str
    permissions_boundary_arn: str
    tags: Mapping[str, str]
    trust_policy: Mapping[str, Any]
    inline_policies: Mapping[str, Mapping[str, Any]]
    """Documents by name."""
    attached_policies: Mapping[str, Mapping[str, Any]]
    """Documents by ARN."""
    complete: bool
    """False if not every policy could be read."""


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


class Account:
    """The account and Region of the credentials, for reading alone."""

    def __init__(self, region: str | None, progress: Say, warn: Say) -> None:
        """Take a Region, or None for the one of the environment or profile."""
        # The SDK itself looks at AWS_DEFAULT_REGION alone, and Pulumi's provider at both.
        session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
        session.events.register("before-parse", _check_answer)
        options = Config(connect_timeout=_CONNECT_TIMEOUT)
        self._qbusiness: Any = session.client("qbusiness", config=options)
        self._secrets: Any = session.client("secretsmanager", config=options)
        self._kms: Any = session.client("kms", config=options)
        self._iam: Any = session.client("iam", config=options)
        self._progress = progress
        self._warn = warn
        self.region: str = self._qbusiness.meta.region_name

    def data_sources(self, application_id: str | None) -> Iterator[DataSource]:
        """Find the data sources of one application, or of all."""
        names = {application_id: ""} if application_id else self._applications()
        if len(names) > 1:
            self._progress(f"looking through {len(names)} applications")
        for application, name in names.items():
            of = {"applicationId": application}
            for index in self._list(self._qbusiness, "list_indices", "indices", **of):
                found = self._list(
                    self._qbusiness, "list_data_sources", "dataSources", indexId=index["indexId"], **of
                )
                for source in found:
                    yield DataSource(
                        application,
                        name,
                        index["indexId"],
                        index.get("displayName", ""),
                        source["dataSourceId"],
                        source.get("displayName", ""),
                        source.get("type", ""),
                        source.get("status", ""),
                    )

    def warn_of_others(self, role: Role, others: Iterable[DataSource]) -> None:
        """Warn of other data sources that run under the role: what it loses, they lose."""
        for other in others:
            found = self._get(other)
            if found.get("roleArn") == role.arn:
                self._warn(
                    f"data source {other.id} of index {other.index_id} and application "
                    f"{other.application_id} runs under the same role, which will be for this one "
                    "only: give the other a role of its own first"
                )

    def _get(self, data_source: DataSource) -> dict[str, Any]:
        return self._qbusiness.get_data_source(
            applicationId=data_source.application_id,
            indexId=data_source.index_id,
            dataSourceId=data_source.id,
        )

    def connection(self, data_source: DataSource) -> Connection:
        """Read a data source, its secret's key and its role.

        Raises InputError for a data source without a secret or a role.
        """
        found = self._get(data_source)
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
        account, role_account = (arn.split(":")[4] for arn in (application_arn, role_arn))
        if account != role_account:
            raise InputError(
                f"{named} is in account {account} and its role in {role_account}: Amazon Q Business "
                "can be passed only roles of its own account; create a new role with the program"
            )
        secret_arn, key_arn = self._secret(secret_id)
        return Connection(
            application_arn,
            self.region,
            data_source.index_id,
            secret_arn,
            key_arn,
            found.get("vpcConfiguration") or {},
            self._role(role_arn),
        )

    def _applications(self) -> dict[str, str]:
        found = self._list(self._qbusiness, "list_applications", "applications")
        names = {
            application["applicationId"]: application.get("displayName", "") for application in found
        }
        if not names:
            raise InputError(
                f"there is no application of Amazon Q Business in {self.region} for these credentials: "
                "give the application's Region with --region, or its account's profile in AWS_PROFILE"
            )
        return names

    def _list(self, client: Any, operation: str, key: str, **parameters: str) -> list[Any]:
        """Read a list to its end, and report progress if it takes more than a page."""
        items: list[Any] = []
        for page in client.get_paginator(operation).paginate(**parameters):
            if items:
                what = operation.removeprefix("list_").replace("_", " ")
                self._progress(f"reading {what}: {len(items)} so far")
            items += page[key]
        return items

    def _secret(self, secret_id: str) -> tuple[str, str | None]:
        """Return the secret's whole ARN, and its key unless that is the AWS managed one."""
        secret = self._secrets.describe_secret(SecretId=secret_id)
        key_id = secret.get("KmsKeyId")
        if not key_id or key_id.endswith(_MANAGED_KEY):
            return secret["ARN"], None
        try:
            key = self._kms.describe_key(KeyId=key_id)["KeyMetadata"]
        except ClientError as error:
            # An alias does not name its key; for a key itself, only who manages it is unknown.
            if not _denied(error) or "alias/" in key_id:
                raise
            self._warn(
                f"kms:DescribeKey is not allowed for {key_id}, which is assumed to be customer managed: "
                f"if it is the key of {_MANAGED_KEY}, remove kmsKeyId from the file"
            )
            return secret["ARN"], key_id
        return secret["ARN"], None if key["KeyManager"] == "AWS" else key["Arn"]

    def _role(self, arn: str) -> Role:
        role = self._iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
        name = role["RoleName"]
        if role.get("MaxSessionDuration", _HOUR) != _HOUR:
            self._warn(
                f"the role's maximum session duration of {role['MaxSessionDuration']} seconds becomes "
                "an hour; it does not limit sessions of AWS services"
            )
        tags = {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])}
        if own := [key for key in tags if key.lower().startswith("aws:")]:
            self._warn(
                f"the role has tags that only AWS can set ({', '.join(own)}), and no stack can keep "
                "them: what created them, such as a CloudFormation stack, must release the role first"
            )
        # The inline policies decide what is imported; the attached ones are only compared.
        inline = dict(self._inline_policies(name))
        attached = self._unless_denied(lambda: dict(self._attached_policies(name)))
        return Role(
            role["Arn"],
            name,
            role["Path"],
            role.get("Description", ""),
            role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            {key: value for key, value in tags.items() if key not in own},
            role["AssumeRolePolicyDocument"],
            inline,
            attached or {},
            complete=attached is not None,
        )

    def _inline_policies(self, role: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name in self._list(self._iam, "list_role_policies", "PolicyNames", RoleName=role):
            policy = self._iam.get_role_policy(RoleName=role, PolicyName=name)
            yield name, policy["PolicyDocument"]

    def _attached_policies(self, role: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        operation = "list_attached_role_policies"
        for attached in self._list(self._iam, operation, "AttachedPolicies", RoleName=role):
            arn = attached["PolicyArn"]
            version = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            policy = self._iam.get_policy_version(PolicyArn=arn, VersionId=version)
            yield arn, policy["PolicyVersion"]["Document"]

    def _unless_denied(
        self, read: Callable[[], dict[str, Mapping[str, Any]]]
    ) -> dict[str, Mapping[str, Any]] | None:
        """Read policies; without permission, warn which one is missing and return None."""
        try:
            return read()
        except ClientError as error:
            if not _denied(error):
                raise
            self._warn(
                f"iam:{error.operation_name} is not allowed: the comparison lacks the policies that it "
                "reads, so that more may be in excess and less may be missing than it shows"
            )
            return None


def _denied(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in DENIED


def _check_answer(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
    """Raise PageError for success with a page, which botocore would read as an empty answer."""
    if response_dict["status_code"] < _FIRST_ERROR and _PAGE.match(response_dict["body"]):
        raise PageError(operation=operation_model.name)
