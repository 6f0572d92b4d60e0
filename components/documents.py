"""What do the trust policy and the role policy say?

Both follow the AWS page "IAM role for Amazon Q AEM (Cloud) connector" to the letter, but for the one
statement whose docstring says that it is not on the page:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/aem-cloud-iam-role.html
The docstring of each statement is the reason why the connector needs it.
"""

import json
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from components.settings import INGEST_SCOPES, Problem, Settings

Statement = dict[str, object]

MAXIMUM_INLINE_SIZE: Final = 10_240
"""Characters of all inline policies of a role, white space not counted; no quota raises it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""


class Documents(NamedTuple):
    """The two documents as JSON text."""

    trust_policy: str
    role_policy: str


def write(settings: Settings) -> Documents:
    """Return both documents; equal settings give equal text."""
    policy = [statement for build in STATEMENTS if (statement := build(settings))]
    return Documents(_document([trust_statement(settings)]), _document(policy))


def excess(role_policy: str, settings: Settings) -> Problem | None:
    """Return the problem of a role policy that IAM would refuse for its size, if it is one.

    Only subnets can be that many: each other part of the policy has an upper limit.
    """
    size = len("".join(role_policy.split()))
    over = size - MAXIMUM_INLINE_SIZE
    if over <= 0:
        return None
    subnets = [arn for arn in settings.network_arns if ":subnet/" in arn]
    dropped = freed = 0
    while freed < over and dropped < len(subnets):
        dropped += 1
        freed += len(subnets[-dropped]) + len('"",')
    return Problem(
        ("vpc_configuration", "subnet_ids"),
        f"the role policy has {size:,} characters without white space, {over:,} more than IAM takes",
        f"{MAXIMUM_INLINE_SIZE:,} characters: drop {dropped} of the {len(subnets)} subnets",
    )


def trust_statement(settings: Settings) -> Statement:
    """Let Amazon Q Business assume the role, for this application of this account alone."""
    return {
        "Sid": "AllowsAmazonQServicePrincipal",
        "Effect": "Allow",
        "Principal": {"Service": "qbusiness.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": settings.account},
            "ArnEquals": {"aws:SourceArn": _application_arn(settings)},
        },
    }


def get_secret(settings: Settings) -> Statement:
    """Read the credentials with which the connector signs in to AEM."""
    return _allow("AllowsAmazonQToGetSecret", ["secretsmanager:GetSecretValue"], [settings.secret_arn])


def decrypt_secret(settings: Settings) -> Statement | None:
    """Decrypt that secret, through Secrets Manager only, where a customer managed key encrypts it."""
    if settings.key_arn is None:
        return None
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
    return _allow(
        "AllowsAmazonQToIngestDocuments",
        ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"],
        [_application_arn(settings), index] if settings.ingest_scope == INGEST_SCOPES[0] else index,
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
        [_application_arn(settings), index, f"{index}/data-source/*"],
    )


def network_interface(settings: Settings) -> Statement | None:
    """Attach network interfaces to these subnets and security groups, to reach AEM by the VPC."""
    return _in_vpc(
        settings,
        "AllowsAmazonQToCreateAndDeleteNI",
        ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"],
        list(settings.network_arns),
    )


def tagged_network_interface(settings: Settings) -> Statement | None:
    """Create only network interfaces that carry the application's AMAZON_Q tag."""
    return _in_vpc(
        settings,
        "AllowsAmazonQToCreateAndDeleteNIForSpecificTag",
        ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"],
        _network_interfaces(settings),
        {
            "StringLike": {"aws:RequestTag/AMAZON_Q": _tag_pattern(settings)},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["AMAZON_Q"]},
        },
    )


def create_tags(settings: Settings) -> Statement | None:
    """Set tags while a network interface is being created, and at no other time.

    Which tags these may be, the statement before decides: without its condition nothing is created.
    """
    return _in_vpc(
        settings,
        "AllowsAmazonQToCreateTags",
        ["ec2:CreateTags"],
        _network_interfaces(settings),
        {"StringEquals": {"ec2:CreateAction": "CreateNetworkInterface"}},
    )


def network_interface_permission(settings: Settings) -> Statement | None:
    """Let the service attach the network interfaces that carry the application's tag."""
    return _in_vpc(
        settings,
        "AllowsAmazonQToCreateNetworkInterfacePermission",
        ["ec2:CreateNetworkInterfacePermission"],
        _network_interfaces(settings),
        {"StringLike": {"aws:ResourceTag/AMAZON_Q": _tag_pattern(settings)}},
    )


def describe_vpc(settings: Settings) -> Statement | None:
    """Look at the VPC; EC2 has no narrower resource than * for these actions."""
    return _in_vpc(
        settings,
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


def delete_network_interface(settings: Settings) -> Statement | None:
    """Delete the network interfaces that carry the application's tag.

    AWS's page grants this only under a tag of the request, which a deletion does not carry; this
    statement is not on the page and has to be asked for.
    """
    if not settings.allow_network_interface_deletion:
        return None
    return _in_vpc(
        settings,
        "AllowsAmazonQToDeleteTaggedNI",
        ["ec2:DeleteNetworkInterface"],
        _network_interfaces(settings),
        {"StringLike": {"aws:ResourceTag/AMAZON_Q": _tag_pattern(settings)}},
    )


STATEMENTS: Final[Sequence[Callable[[Settings], Statement | None]]] = (
    get_secret,
    decrypt_secret,
    ingest_documents,
    ingest_principal_mapping,
    network_interface,
    tagged_network_interface,
    create_tags,
    network_interface_permission,
    describe_vpc,
    delete_network_interface,
)
"""The role policy, in the order of AWS's page; what is not on the page comes last."""


def _allow(
    sid: str, actions: list[str], resource: str | list[str], condition: object = None
) -> Statement:
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def _in_vpc(
    settings: Settings,
    sid: str,
    actions: list[str],
    resource: str | list[str],
    condition: object = None,
) -> Statement | None:
    return _allow(sid, actions, resource, condition) if settings.network_arns else None


def _application_arn(settings: Settings) -> str:
    return (
        f"arn:{settings.partition}:qbusiness:{settings.region}:{settings.account}"
        f":application/{settings.application_id}"
    )


def _index_arn(settings: Settings) -> str:
    return f"{_application_arn(settings)}/index/{settings.index_id}"


def _network_interfaces(settings: Settings) -> str:
    return f"arn:{settings.partition}:ec2:{settings.region}:{settings.account}:network-interface/*"


def _tag_pattern(settings: Settings) -> str:
    return f"qbusiness_{settings.account}_{settings.application_id}_*"


def _document(statements: Sequence[Statement]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
