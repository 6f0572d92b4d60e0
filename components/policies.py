"""Render the trust policy and the role policy of a connector role.

Most statements come from the AWS page "IAM role for Amazon Q AEM (Cloud) connector"; those for an S3
bucket come from other connectors' pages. docs/permissions.md lists the differences from AWS's pages:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/iam-roles.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from .formats import (
    INGEST_APPLICATION_AND_INDEX,
    KEY_ARN,
    SECRET_ARN,
    SECURITY_GROUP_ARN,
    SERVICE,
    SUBNET_ARN,
    fill_arn,
)
from .kinds import ParsedText
from .role import Role

ROLE_NAME_PLACEHOLDER: Final = "<role name>"
"""Stands in for the role's name in the role policy; no valid name or path contains a space."""


class ExplainedStatement(NamedTuple):
    """A policy statement, and the reason for it."""

    reason: str
    """The reason why the connector needs the statement."""
    json: Mapping[str, object]


def trust_policy(role: Role) -> str:
    """Return the trust policy as JSON; the role's application and location must be known."""
    return _document([trust_statement(role)])


def role_policy(role: Role) -> str:
    """Return the role policy as deterministic JSON, with ROLE_NAME_PLACEHOLDER for the role's name.

    The role's location, and the settings that `role_policy_settings` lists, must be known.
    """
    return _document(role_statements(role))


def with_role_name(role_policy: str, name: str) -> str:
    """Replace ROLE_NAME_PLACEHOLDER in a role policy with the role's name."""
    return role_policy.replace(ROLE_NAME_PLACEHOLDER, name)


def trust_statement(role: Role) -> ExplainedStatement:
    """Return the only statement of the trust policy."""
    return ExplainedStatement(
        "Let Amazon Q Business assume the role only for this application in this account.",
        {
            "Sid": "AllowsAmazonQServicePrincipal",
            "Effect": "Allow",
            "Principal": {"Service": SERVICE},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": role.location.account},
                "ArnEquals": {"aws:SourceArn": role.application_arn},
            },
        },
    )


def role_statements(role: Role) -> Iterator[ExplainedStatement]:
    """Return the role policy's statements in AWS's order, then an optional one not on AWS's pages."""
    is_source = role.connector.bucket_is_source
    if bucket := role.text("bucket_name").text:
        yield from _bucket_statements(role, bucket)
    if secret := role.values.get("secret_id"):
        yield secret_statement(_arn(SECRET_ARN, secret, role))
    if key := role.values.get("kms_key_id"):
        yield key_statement(_arn(KEY_ARN, key, role), "s3" if is_source else "secretsmanager")
    application = role.application_arn
    index = f"{application}/index/{role.text('index_id').text}"
    scope = role.text("ingest_scope", INGEST_APPLICATION_AND_INDEX).text
    both = scope == INGEST_APPLICATION_AND_INDEX
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
    if is_source:
        partition, _, account = role.location
        path = role.text("role_path", "/").text
        yield _allow(
            "AllowsAmazonQToPassCustomerRole",
            """\
Pass this role, but no other, to Amazon Q Business.

For documents in S3, `BatchPutDocument` accepts a role that can read the bucket, and the connector must
be allowed to pass that role to the service.""",
            ["iam:PassRole"],
            [f"arn:{partition}:iam::{account}:role{path}{ROLE_NAME_PLACEHOLDER}"],
            {"StringEquals": {"iam:PassedToService": SERVICE}},
        )
    if network := role.values.get("vpc_configuration"):
        subnets = [_arn(SUBNET_ARN, text, role) for _, text in network["subnet_ids"]]
        groups = [_arn(SECURITY_GROUP_ARN, text, role) for _, text in network["security_group_ids"]]
        yield from _network_statements(role, [*dict.fromkeys(subnets + groups)])


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


def _arn(form: str, resource: ParsedText, role: Role) -> str:
    """Return the ARN of a resource, by default in the application's account."""
    partition, region, account = role.location
    return fill_arn(form, partition, region, resource.account or account) + resource.id


def _bucket_statements(role: Role, bucket: str) -> Iterator[ExplainedStatement]:
    is_source, location = role.connector.bucket_is_source, role.location
    account = role.text("bucket_account_id", location.account).text
    condition = {"StringEquals": {"aws:ResourceAccount": account}}
    arn = f"arn:{location.partition}:s3:::{bucket}"
    yield _allow(
        "AllowsAmazonQToGetObjectfromS3" if is_source else "AllowsAmazonQToGetS3Objects",
        "Read the documents in the bucket."
        if is_source
        else "Read files that the data source's configuration specifies, such as a certificate.",
        ["s3:GetObject"],
        [f"{arn}/*"],
        condition,
    )
    if is_source:
        yield _allow(
            "AllowsAmazonQToListS3Buckets",
            "List the documents in the bucket.",
            ["s3:ListBucket"],
            [arn],
            condition,
        )


def _network_statements(role: Role, arns: Sequence[str]) -> Iterator[ExplainedStatement]:
    partition, region, account = role.location
    network_interfaces = f"arn:{partition}:ec2:{region}:{account}:network-interface/*"
    tag = f"qbusiness_{account}_{role.text('application_id').id}_*"
    create_and_delete = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"]
    yield _allow(
        "AllowsAmazonQToCreateAndDeleteNI",
        """\
Create network interfaces in these subnets and security groups to reach the data source through the VPC.

As on AWS's pages, the statement also lists `ec2:DeleteNetworkInterface`, which has no effect, because
EC2 doesn't check this action against subnets or security groups.""",
        create_and_delete,
        arns,
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
        "Let an account or a service attach network interfaces with the application's tag. AWS's page "
        "doesn't limit this to one service.",
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
    if role.values.get("allow_network_interface_deletion"):
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
