"""Render the trust policy and the role policy of a connector role.

Most statements come from the AWS page "IAM role for Amazon Q AEM (Cloud) connector"; those for an S3
bucket come from other connectors' pages. docs/permissions.md explains each statement and the differences
from AWS's pages:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/iam-roles.html
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

from .formats import SERVICE
from .settings import Role

Statement = Mapping[str, object]


def trust_policy(role: Role) -> str:
    """Return the trust policy as JSON; its settings must be known."""
    statement = {
        "Sid": "AllowsAmazonQServicePrincipal",
        "Effect": "Allow",
        "Principal": {"Service": SERVICE},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": role.location.account},
            "ArnEquals": {"aws:SourceArn": _application(role)},
        },
    }
    return _document([statement])


def role_policy(role: Role, role_name: str) -> str:
    """Return the role policy as deterministic JSON; its settings must be known.

    Only the policy of a role that can pass itself contains the role's name.
    """
    return _document([*_statements(role, role_name)])


def _statements(role: Role, role_name: str) -> Iterator[Statement]:
    """Yield the role policy's statements in AWS's order; AllowsAmazonQToDeleteTaggedNI is last."""
    is_source, location = role.connector.bucket_is_source, role.location
    if bucket := role.text("bucket_name").text:
        yield from _bucket_statements(role, bucket)
    if secret := role.values["secret_id"].parsed:
        yield secret_statement(location.arn("secretsmanager", f"secret:{secret.id}", secret.account))
    if key := role.values["kms_key_id"].parsed:
        arn = location.arn("kms", f"key/{key.id}", key.account)
        yield key_statement(arn, "s3" if is_source else "secretsmanager")
    application = _application(role)
    index = f"{application}/index/{role.text('index_id').text}"
    yield _allow(
        "AllowsAmazonQToIngestDocuments",
        ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"],
        index if role.text("ingest_scope").text == "index" else [application, index],
    )
    yield _allow(
        "AllowsAmazonQToIngestPrincipalMapping",
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
        path = role.text("role_path").text or "/"
        yield _allow(
            "AllowsAmazonQToPassCustomerRole",
            ["iam:PassRole"],
            [f"arn:{location.partition}:iam::{location.account}:role{path}{role_name}"],
            {"StringEquals": {"iam:PassedToService": SERVICE}},
        )
    if vpc := role.vpc:
        arns = [
            location.arn("ec2", f"{kind}/{text.id}", text.account)
            for kind, name in (("subnet", "subnet_ids"), ("security-group", "security_group_ids"))
            for _, text in vpc[name]
        ]
        yield from _network_statements(role, [*dict.fromkeys(arns)])


def _application(role: Role) -> str:
    return role.location.arn("qbusiness", f"application/{role.text('application_id').id}")


def secret_statement(secret_arn: str) -> Statement:
    """Return the statement that lets a role read a secret."""
    return _allow("AllowsAmazonQToGetSecret", ["secretsmanager:GetSecretValue"], [secret_arn])


def key_statement(key_arn: str, service: str) -> Statement:
    """Return the statement that lets a role decrypt with a key through a service, such as `s3`."""
    return _allow(
        "AllowsAmazonQToDecryptSecret",
        ["kms:Decrypt"],
        [key_arn],
        {"StringLike": {"kms:ViaService": [f"{service}.*.amazonaws.com"]}},
    )


def _bucket_statements(role: Role, bucket: str) -> Iterator[Statement]:
    is_source, arn = role.connector.bucket_is_source, f"arn:{role.location.partition}:s3:::{bucket}"
    account = role.text("bucket_account_id").text or role.location.account
    condition = {"StringEquals": {"aws:ResourceAccount": account}}
    sid = "AllowsAmazonQToGetObjectfromS3" if is_source else "AllowsAmazonQToGetS3Objects"
    yield _allow(sid, ["s3:GetObject"], [f"{arn}/*"], condition)
    if is_source:
        yield _allow("AllowsAmazonQToListS3Buckets", ["s3:ListBucket"], [arn], condition)


def _network_statements(role: Role, arns: Sequence[str]) -> Iterator[Statement]:
    network_interfaces = role.location.arn("ec2", "network-interface/*")
    tag = f"qbusiness_{role.location.account}_{role.text('application_id').id}_*"
    tagged = {"StringLike": {"aws:ResourceTag/AMAZON_Q": tag}}
    # As on AWS's pages, `ec2:DeleteNetworkInterface` is in two statements in which it has no effect.
    create_and_delete = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"]
    yield _allow("AllowsAmazonQToCreateAndDeleteNI", create_and_delete, arns)
    yield _allow(
        "AllowsAmazonQToCreateAndDeleteNIForSpecificTag",
        create_and_delete,
        network_interfaces,
        {
            "StringLike": {"aws:RequestTag/AMAZON_Q": tag},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["AMAZON_Q"]},
        },
    )
    yield _allow(
        "AllowsAmazonQToCreateTags",
        ["ec2:CreateTags"],
        network_interfaces,
        {"StringEquals": {"ec2:CreateAction": "CreateNetworkInterface"}},
    )
    yield _allow(
        "AllowsAmazonQToCreateNetworkInterfacePermission",
        ["ec2:CreateNetworkInterfacePermission"],
        network_interfaces,
        tagged,
    )
    yield _allow(
        "AllowsAmazonQToDescribeResourcesForVPC",
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
    if role.values["allow_network_interface_deletion"].parsed:
        yield _allow(
            "AllowsAmazonQToDeleteTaggedNI", ["ec2:DeleteNetworkInterface"], network_interfaces, tagged
        )


def _allow(sid: str, actions: Sequence[str], resource: object, condition: object = None) -> Statement:
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def _document(statements: Collection[Statement]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
