"""Render the trust policy and the role policy of a connector role.

Most statements come from the AWS page "IAM role for Amazon Q AEM (Cloud) connector"; those for an S3
bucket come from other connectors' pages. docs/permissions.md lists the differences from AWS's pages:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/iam-roles.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from .formats import APPLICATION_ARN, INGEST_APPLICATION_AND_INDEX, SERVICE, fill_arn

ROLE_NAME_PLACEHOLDER: Final = "<role name>"
"""Stands in for the role's name in the role policy; no valid name or path contains a space."""


class Application(NamedTuple):
    """The Amazon Q Business application that the role is for."""

    partition: str
    region: str
    account: str
    id: str

    @property
    def arn(self) -> str:
        """The ARN of the application."""
        return fill_arn(APPLICATION_ARN, self.partition, self.region, self.account) + self.id


class PolicyResources(NamedTuple):
    """The resources that the role policy names, and the settings that determine its statements."""

    application: Application
    index_id: str
    ingest_scope: str
    bucket: str | None
    """The S3 bucket from which the connector reads objects."""
    bucket_account: str
    bucket_is_source: bool
    """Whether the bucket is the data source; otherwise, the connector reads individual files by name."""
    secret_arn: str | None
    key_arn: str | None
    """The customer managed key for the secret, or a bucket that is the data source; None if unset."""
    role_path: str
    network_arns: Sequence[str]
    """Subnets first, then security groups; empty if there is no VPC."""
    allow_network_interface_deletion: bool


class ExplainedStatement(NamedTuple):
    """A policy statement, and the reason for it."""

    reason: str
    """The reason why the connector needs the statement."""
    json: Mapping[str, object]


def trust_policy(application: Application) -> str:
    """Return the trust policy as JSON."""
    return _document([trust_statement(application)])


def role_policy(resources: PolicyResources) -> str:
    """Return the role policy as deterministic JSON; ROLE_NAME_PLACEHOLDER replaces the role's name."""
    return _document(role_statements(resources))


def with_role_name(role_policy: str, name: str) -> str:
    """Replace ROLE_NAME_PLACEHOLDER in a role policy with the role's name."""
    return role_policy.replace(ROLE_NAME_PLACEHOLDER, name)


def trust_statement(application: Application) -> ExplainedStatement:
    """Return the only statement of the trust policy."""
    return ExplainedStatement(
        "Let Amazon Q Business assume the role only for this application in this account.",
        {
            "Sid": "AllowsAmazonQServicePrincipal",
            "Effect": "Allow",
            "Principal": {"Service": SERVICE},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": application.account},
                "ArnEquals": {"aws:SourceArn": application.arn},
            },
        },
    )


def role_statements(resources: PolicyResources) -> Iterator[ExplainedStatement]:
    """Return the role policy's statements in AWS's order, then an optional one not on AWS's pages."""
    if resources.bucket:
        yield from _bucket_statements(resources)
    if resources.secret_arn:
        yield secret_statement(resources.secret_arn)
    if resources.key_arn:
        yield key_statement(resources.key_arn, "s3" if resources.bucket_is_source else "secretsmanager")
    application = resources.application.arn
    index = f"{application}/index/{resources.index_id}"
    both = resources.ingest_scope == INGEST_APPLICATION_AND_INDEX
    yield _allow(
        "AllowsAmazonQToIngestDocuments",
        """\
Put documents into the index and delete documents that were deleted from the data source.

Both actions require both resource types, application and index:
<https://docs.aws.amazon.com/service-authorization/latest/reference/list_qbusiness.html>""",
        ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"],
        [application, index] if both else index,
    )
    yield _allow(
        "AllowsAmazonQToIngestPrincipalMapping",
        "Manage the users and groups that determine who can see each document.",
        [
            "qbusiness:PutGroup",
            "qbusiness:CreateUser",
            "qbusiness:DeleteGroup",
            "qbusiness:UpdateUser",
            "qbusiness:ListGroups",
        ],
        [application, index, f"{index}/data-source/*"],
    )
    if resources.bucket_is_source:
        partition, account = resources.application.partition, resources.application.account
        yield _allow(
            "AllowsAmazonQToPassCustomerRole",
            """\
Pass this role, but no other, to Amazon Q Business.

For documents in S3, `BatchPutDocument` accepts a role that can read the bucket, and the connector must
be allowed to pass that role to the service.""",
            ["iam:PassRole"],
            [f"arn:{partition}:iam::{account}:role{resources.role_path}{ROLE_NAME_PLACEHOLDER}"],
            {"StringEquals": {"iam:PassedToService": SERVICE}},
        )
    if resources.network_arns:
        yield from _network_statements(resources)


def secret_statement(secret_arn: str) -> ExplainedStatement:
    """Return the statement that lets a role read a secret."""
    return _allow(
        "AllowsAmazonQToGetSecret",
        "Read the credentials that the connector uses to sign in to the data source or, for Web Crawler,"
        " a web proxy.",
        ["secretsmanager:GetSecretValue"],
        [secret_arn],
    )


def key_statement(key_arn: str, service: str) -> ExplainedStatement:
    """Return the statement that lets a role decrypt with a key through a service, such as `s3`."""
    return _allow(
        "AllowsAmazonQToDecryptSecret",
        "Decrypt with a customer managed key through one service only: Secrets Manager for the "
        "secret, or Amazon S3 for the objects in a bucket that is the data source.",
        ["kms:Decrypt"],
        [key_arn],
        {"StringLike": {"kms:ViaService": [f"{service}.*.amazonaws.com"]}},
    )


def _bucket_statements(resources: PolicyResources) -> Iterator[ExplainedStatement]:
    condition = {"StringEquals": {"aws:ResourceAccount": resources.bucket_account}}
    arn = f"arn:{resources.application.partition}:s3:::{resources.bucket}"
    yield _allow(
        "AllowsAmazonQToGetObjectfromS3"
        if resources.bucket_is_source
        else "AllowsAmazonQToGetS3Objects",
        "Read the documents in the bucket."
        if resources.bucket_is_source
        else "Read files that the data source's configuration specifies, such as a certificate.",
        ["s3:GetObject"],
        [f"{arn}/*"],
        condition,
    )
    if resources.bucket_is_source:
        yield _allow(
            "AllowsAmazonQToListS3Buckets",
            "List the documents in the bucket.",
            ["s3:ListBucket"],
            [arn],
            condition,
        )


def _network_statements(resources: PolicyResources) -> Iterator[ExplainedStatement]:
    partition, region, account, application_id = resources.application
    network_interfaces = f"arn:{partition}:ec2:{region}:{account}:network-interface/*"
    tag = f"qbusiness_{account}_{application_id}_*"
    create_and_delete = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"]
    yield _allow(
        "AllowsAmazonQToCreateAndDeleteNI",
        """\
Create network interfaces in these subnets and security groups to reach the data source through the VPC.

As on AWS's pages, the statement also lists `ec2:DeleteNetworkInterface`, which has no effect, because
EC2 doesn't check this action against subnets or security groups.""",
        create_and_delete,
        resources.network_arns,
    )
    yield _allow(
        "AllowsAmazonQToCreateAndDeleteNIForSpecificTag",
        """\
Create only network interfaces with the application's AMAZON_Q tag.

As on AWS's pages, the statement also lists `ec2:DeleteNetworkInterface`, which has no effect, because
requests for this action contain no tags.""",
        create_and_delete,
        network_interfaces,
        {
            "StringLike": {"aws:RequestTag/AMAZON_Q": tag},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["AMAZON_Q"]},
        },
    )
    yield _allow(
        "AllowsAmazonQToCreateTags",
        """\
Set tags only while a network interface is being created.

The previous statement determines the tag, so the role can't create an interface with a different
tag.""",
        ["ec2:CreateTags"],
        network_interfaces,
        {"StringEquals": {"ec2:CreateAction": "CreateNetworkInterface"}},
    )
    yield _allow(
        "AllowsAmazonQToCreateNetworkInterfacePermission",
        "Let the service attach network interfaces with the application's tag.",
        ["ec2:CreateNetworkInterfacePermission"],
        network_interfaces,
        {"StringLike": {"aws:ResourceTag/AMAZON_Q": tag}},
    )
    yield _allow(
        "AllowsAmazonQToDescribeResourcesForVPC",
        "Describe all VPCs, subnets, network interfaces, Availability Zones, and Regions. EC2 supports "
        "only the resource `*` for these actions.",
        [
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeNetworkInterfaceAttribute",
            "ec2:DescribeVpcs",
            "ec2:DescribeRegions",
            "ec2:DescribeNetworkInterfacePermissions",
            "ec2:DescribeSubnets",
        ],
        "*",
    )
    if resources.allow_network_interface_deletion:
        yield _allow(
            "AllowsAmazonQToDeleteTaggedNI",
            """\
Delete network interfaces with the application's tag.

None of AWS's pages has this statement.""",
            ["ec2:DeleteNetworkInterface"],
            network_interfaces,
            {"StringLike": {"aws:ResourceTag/AMAZON_Q": tag}},
        )


def _allow(
    sid: str, reason: str, actions: Sequence[str], resource: object, condition: object = None
) -> ExplainedStatement:
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return ExplainedStatement(reason, {**statement, "Condition": condition} if condition else statement)


def _document(statements: Iterable[ExplainedStatement]) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [statement.json for statement in statements]}
    )
