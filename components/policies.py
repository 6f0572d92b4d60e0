"""Render the trust policy and the role policy of a connector role.

Both equal the AWS page "IAM role for Amazon Q AEM (Cloud) connector", except for the one statement whose
docstring says that it is not on the page:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/aem-cloud-iam-role.html
The docstring of each statement is the reason why the connector needs it.
"""

import json
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from .formats import INGEST_APPLICATION_AND_INDEX

Statement = dict[str, object]


class Application(NamedTuple):
    """The Amazon Q Business application that the role is for."""

    partition: str
    region: str
    account: str
    id: str

    @property
    def arn(self) -> str:
        """ARN of the application."""
        return f"arn:{self.partition}:qbusiness:{self.region}:{self.account}:application/{self.id}"


class Settings(NamedTuple):
    """Valid settings of the role policy, with each resource as its ARN."""

    application: Application
    index_id: str
    secret_arn: str
    key_arn: str | None
    """None: the AWS managed key encrypts the secret."""
    network_arns: Sequence[str]
    """Subnets first, then security groups; empty without a VPC."""
    ingest_scope: str
    allow_network_interface_deletion: bool


def trust_policy(application: Application) -> str:
    """Return the trust policy as JSON."""
    return _document([trust_statement(application)])


def role_policy(settings: Settings) -> str:
    """Return the role policy as JSON; equal settings give equal text."""
    in_vpc = bool(settings.network_arns)
    included = {
        decrypt_secret: settings.key_arn is not None,
        **dict.fromkeys(NETWORK_STATEMENTS, in_vpc),
        delete_network_interface: in_vpc and settings.allow_network_interface_deletion,
    }
    return _document([build(settings) for build in STATEMENTS if included.get(build, True)])


def trust_statement(application: Application) -> Statement:
    """Let Amazon Q Business assume the role, for this application of this account alone."""
    return {
        "Sid": "AllowsAmazonQServicePrincipal",
        "Effect": "Allow",
        "Principal": {"Service": "qbusiness.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": application.account},
            "ArnEquals": {"aws:SourceArn": application.arn},
        },
    }


def get_secret(settings: Settings) -> Statement:
    """Read the credentials with which the connector signs in to AEM."""
    return _allow("AllowsAmazonQToGetSecret", ["secretsmanager:GetSecretValue"], [settings.secret_arn])


def decrypt_secret(settings: Settings) -> Statement:
    """Decrypt that secret, through Secrets Manager only, where a customer managed key encrypts it."""
    return _allow(
        "AllowsAmazonQToDecryptSecret",
        ["kms:Decrypt"],
        [settings.key_arn],
        {"StringLike": {"kms:ViaService": ["secretsmanager.*.amazonaws.com"]}},
    )


def ingest_documents(settings: Settings) -> Statement:
    """Put AEM's pages and assets into the index, and remove them when AEM does.

    AWS's current page names the application and the index; an older edition the index alone,
    although both actions require both resource types:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonqbusiness.html
    """
    index = _index_arn(settings)
    both = settings.ingest_scope == INGEST_APPLICATION_AND_INDEX
    return _allow(
        "AllowsAmazonQToIngestDocuments",
        ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"],
        [settings.application.arn, index] if both else index,
    )


def ingest_principal_mapping(settings: Settings) -> Statement:
    """Keep the users and groups that decide who may see which document."""
    index = _index_arn(settings)
    return _allow(
        "AllowsAmazonQToIngestPrincipalMapping",
        [
            "qbusiness:PutGroup",
            "qbusiness:CreateUser",
            "qbusiness:DeleteGroup",
            "qbusiness:UpdateUser",
            "qbusiness:ListGroups",
        ],
        [settings.application.arn, index, f"{index}/data-source/*"],
    )


def network_interface(settings: Settings) -> Statement:
    """Create network interfaces in these subnets and security groups, to reach AEM through the VPC."""
    return _allow(
        "AllowsAmazonQToCreateAndDeleteNI",
        ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"],
        settings.network_arns,
    )


def tagged_network_interface(settings: Settings) -> Statement:
    """Create only network interfaces that carry the application's AMAZON_Q tag."""
    return _allow(
        "AllowsAmazonQToCreateAndDeleteNIForSpecificTag",
        ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"],
        _network_interfaces(settings),
        {
            "StringLike": {"aws:RequestTag/AMAZON_Q": _tag_pattern(settings)},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["AMAZON_Q"]},
        },
    )


def create_tags(settings: Settings) -> Statement:
    """Set tags while a network interface is being created, and at no other time.

    Which tags these may be, the statement before decides: without its condition nothing is created.
    """
    return _allow(
        "AllowsAmazonQToCreateTags",
        ["ec2:CreateTags"],
        _network_interfaces(settings),
        {"StringEquals": {"ec2:CreateAction": "CreateNetworkInterface"}},
    )


def network_interface_permission(settings: Settings) -> Statement:
    """Let the service attach the network interfaces that carry the application's tag."""
    return _allow(
        "AllowsAmazonQToCreateNetworkInterfacePermission",
        ["ec2:CreateNetworkInterfacePermission"],
        _network_interfaces(settings),
        {"StringLike": {"aws:ResourceTag/AMAZON_Q": _tag_pattern(settings)}},
    )


def describe_vpc(settings: Settings) -> Statement:
    """Look at the VPC; EC2 has no narrower resource than * for these actions."""
    del settings
    return _allow(
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


def delete_network_interface(settings: Settings) -> Statement:
    """Delete the network interfaces that carry the application's tag.

    AWS's page grants this only under a tag of the request, which a deletion does not carry; this
    statement is not on the page and has to be asked for.
    """
    return _allow(
        "AllowsAmazonQToDeleteTaggedNI",
        ["ec2:DeleteNetworkInterface"],
        _network_interfaces(settings),
        {"StringLike": {"aws:ResourceTag/AMAZON_Q": _tag_pattern(settings)}},
    )


Builder = Callable[[Settings], Statement]
NETWORK_STATEMENTS: Final[Sequence[Builder]] = (
    network_interface,
    tagged_network_interface,
    create_tags,
    network_interface_permission,
    describe_vpc,
)
STATEMENTS: Final[Sequence[Builder]] = (
    get_secret,
    decrypt_secret,
    ingest_documents,
    ingest_principal_mapping,
    *NETWORK_STATEMENTS,
    delete_network_interface,
)
"""The role policy with every option, in the order of AWS's page; what is not on the page is last."""


def _allow(sid: str, actions: Sequence[str], resource: object, condition: object = None) -> Statement:
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def _index_arn(settings: Settings) -> str:
    return f"{settings.application.arn}/index/{settings.index_id}"


def _network_interfaces(settings: Settings) -> str:
    partition, region, account, _ = settings.application
    return f"arn:{partition}:ec2:{region}:{account}:network-interface/*"


def _tag_pattern(settings: Settings) -> str:
    return f"qbusiness_{settings.application.account}_{settings.application.id}_*"


def _document(statements: Sequence[Statement]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
