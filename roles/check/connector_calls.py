"""List the calls that connectors make to AWS, for any resources.

The list is written by hand from AWS's pages. It does not depend on the program's policies, so it is an
independent check of them. `check` evaluates the calls with a role's resources; `pages/example_calls.py`
has the calls with example resources. To authorize a call, AWS evaluates one request for each resource:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Generic, NamedTuple, TypeVar

from components.formats import SERVICE

_Text = TypeVar("_Text")
"""`str`, or a type for text whose end may be unknown."""


class Resources(NamedTuple, Generic[_Text]):
    """The ARNs of the resources that a connector uses, and other values in its requests.

    An empty sequence means that the connector does not use such a resource.
    """

    region: str
    applications: Sequence[_Text]
    indices: Sequence[_Text]
    secrets: Sequence[_Text]
    secret_keys: Sequence[_Text]
    """The customer managed keys that encrypt the secrets."""
    bucket_account: str | _Text
    file_objects: Sequence[_Text]
    """An object in the bucket whose files the configuration refers to."""
    source_buckets: Sequence[_Text]
    """The bucket that is the data source."""
    source_objects: Sequence[_Text]
    source_keys: Sequence[_Text]
    """The customer managed key that encrypts the data source's objects."""
    passed_roles: Sequence[_Text]
    """The role itself, if a bucket is the data source."""
    network: Sequence[_Text]
    """The subnets and security groups."""
    described: Sequence[_Text]
    """`*` if there is a VPC, because Describe* actions do not support resource-level permissions."""
    network_interfaces: Sequence[_Text]
    deletable_network_interfaces: Sequence[_Text]
    tag: _Text
    """The value of the AMAZON_Q tag on network interfaces."""


class ConnectorCall(NamedTuple, Generic[_Text]):
    """A call; to authorize it, AWS evaluates one request for each resource."""

    sid: str
    """The Sid of the statement that allows the call."""
    title: str
    action: str
    resources: Sequence[_Text]
    """Empty if the connector does not make the call."""
    context: Mapping[str, str | _Text | list[str]] = MappingProxyType({})
    """The condition keys that the policies use for the action; the request contains other keys, too."""


def calls(resources: Resources[_Text]) -> list[ConnectorCall[_Text]]:
    """Return all connectors' calls.

    A call has no resources if the connector that uses `resources` does not make it.
    """
    application_and_index = (*resources.applications, *resources.indices)
    of_bucket = {"aws:ResourceAccount": resources.bucket_account}
    created = {"aws:RequestTag/AMAZON_Q": resources.tag, "aws:TagKeys": ["AMAZON_Q"]}
    tagged = {"aws:ResourceTag/AMAZON_Q": resources.tag}

    return [
        ConnectorCall(
            "AllowsAmazonQToGetS3Objects",
            "read an object in the bucket",
            "s3:GetObject",
            resources.file_objects,
            of_bucket,
        ),
        ConnectorCall(
            "AllowsAmazonQToGetObjectfromS3",
            "read an object in the bucket",
            "s3:GetObject",
            resources.source_objects,
            of_bucket,
        ),
        ConnectorCall(
            "AllowsAmazonQToListS3Buckets",
            "list the objects in the bucket",
            "s3:ListBucket",
            resources.source_buckets,
            of_bucket,
        ),
        ConnectorCall(
            "AllowsAmazonQToGetSecret",
            "read the secret",
            "secretsmanager:GetSecretValue",
            resources.secrets,
        ),
        *(
            ConnectorCall(
                "AllowsAmazonQToDecryptSecret",
                f"decrypt {encrypted}",
                "kms:Decrypt",
                keys,
                {"kms:ViaService": f"{service}.{resources.region}.amazonaws.com"},
            )
            for encrypted, service, keys in (
                ("the secret, through Secrets Manager", "secretsmanager", resources.secret_keys),
                ("an object in the bucket, through Amazon S3", "s3", resources.source_keys),
            )
        ),
        *(
            ConnectorCall(
                "AllowsAmazonQToIngestDocuments",
                f"{verb} documents",
                f"qbusiness:{action}",
                application_and_index,
            )
            for verb, action in (("put", "BatchPutDocument"), ("delete", "BatchDeleteDocument"))
        ),
        *(
            ConnectorCall("AllowsAmazonQToIngestPrincipalMapping", title, f"qbusiness:{action}", on)
            for title, action, on in (
                ("put a group", "PutGroup", application_and_index),
                ("delete a group", "DeleteGroup", application_and_index),
                ("list groups", "ListGroups", application_and_index),
                ("create a user", "CreateUser", resources.applications),
                ("update a user", "UpdateUser", resources.applications),
            )
        ),
        ConnectorCall(
            "AllowsAmazonQToPassCustomerRole",
            "pass the role itself to Amazon Q Business, so that it can read documents in the bucket",
            "iam:PassRole",
            resources.passed_roles,
            {"iam:PassedToService": SERVICE},
        ),
        ConnectorCall(
            "AllowsAmazonQToCreateAndDeleteNI",
            "create a network interface in each subnet, with each security group",
            "ec2:CreateNetworkInterface",
            resources.network,
        ),
        ConnectorCall(
            "AllowsAmazonQToCreateAndDeleteNIForSpecificTag",
            "create a network interface with the application's tag",
            "ec2:CreateNetworkInterface",
            resources.network_interfaces,
            created,
        ),
        ConnectorCall(
            "AllowsAmazonQToCreateTags",
            "set the tag while creating the network interface",
            "ec2:CreateTags",
            resources.network_interfaces,
            {**created, "ec2:CreateAction": "CreateNetworkInterface"},
        ),
        ConnectorCall(
            "AllowsAmazonQToCreateNetworkInterfacePermission",
            "let the service attach the tagged network interface",
            "ec2:CreateNetworkInterfacePermission",
            resources.network_interfaces,
            tagged,
        ),
        *(
            ConnectorCall(
                "AllowsAmazonQToDescribeResourcesForVPC",
                f"use {action} to describe resources for the VPC",
                f"ec2:{action}",
                resources.described,
            )
            for action in (
                "DescribeNetworkInterfaces",
                "DescribeAvailabilityZones",
                "DescribeNetworkInterfaceAttribute",
                "DescribeVpcs",
                "DescribeRegions",
                "DescribeNetworkInterfacePermissions",
                "DescribeSubnets",
            )
        ),
        ConnectorCall(
            "AllowsAmazonQToDeleteTaggedNI",
            "delete the tagged network interface",
            "ec2:DeleteNetworkInterface",
            resources.deletable_network_interfaces,
            tagged,
        ),
    ]


OWN_CALLS: Final[Mapping[str, Sequence[ConnectorCall[str]]]] = {}
"""The calls that only one connector makes, by the connector's name."""
