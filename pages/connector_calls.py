"""List the requests that the connector makes, and similar ones that the role must not allow.

AWS checks one call of an API by one request for each resource that the call needs; the call is allowed
if all of them are. ARNs are written out here, not taken from the program.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import itertools
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SECURITY_GROUP_ID,
    SHARED_SUBNET_ARN,
    SUBNET_ID,
)

Context = Mapping[str, str | list[str]]

OTHER_APPLICATION_ID: Final = "a1b2c3d4-5678-90ab-cdef-999999999999"
INDEX_ARN: Final = f"{APPLICATION_ARN}/index/{INDEX_ID}"
SUBNET_ARN: Final = f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{SUBNET_ID}"
SECURITY_GROUP_ARN: Final = f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{SECURITY_GROUP_ID}"
NETWORK_INTERFACE: Final = f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/eni-0d4e5f60718293041"
TAG: Final = f"qbusiness_{ACCOUNT}_{APPLICATION_ID}_0a1b2c3d"
SERVICE: Final = "qbusiness.amazonaws.com"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/role"

SECRETS: Final = {
    "secret of this account": (
        "aem-a1B2c3",
        f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:aem-a1B2c3",
    ),
    "long secret name with slashes": (
        f"{'a/very-long/' * 8}name-a1B2c3",
        f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{'a/very-long/' * 8}name-a1B2c3",
    ),
    "secret of another account": (
        f"arn:aws:secretsmanager:{REGION}:{OTHER_ACCOUNT}:secret:aem-a1B2c3",
        f"arn:aws:secretsmanager:{REGION}:{OTHER_ACCOUNT}:secret:aem-a1B2c3",
    ),
}
"""What is given, and the secret's ARN."""
KEYS: Final = {
    "AWS managed key": None,
    "customer managed key": (KEY_ID, f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"),
    "multi-Region key": (f"mrk-{'0a' * 16}", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/mrk-{'0a' * 16}"),
    "key of another account": (
        f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:key/{KEY_ID}",
        f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:key/{KEY_ID}",
    ),
}
VPCS: Final = {
    "no VPC": None,
    "VPC": (([SUBNET_ID], [SECURITY_GROUP_ID]), (SUBNET_ARN, SECURITY_GROUP_ARN)),
    "VPC with several and shared subnets": (
        (
            [SUBNET_ID, SHARED_SUBNET_ARN, "subnet-0123abcd"],
            [SECURITY_GROUP_ID, "sg-0123abcd"],
        ),
        (
            SUBNET_ARN,
            SHARED_SUBNET_ARN,
            f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/subnet-0123abcd",
            SECURITY_GROUP_ARN,
            f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-0123abcd",
        ),
    ),
}


class Options(NamedTuple):
    """One combination of everything that decides what the documents say."""

    secret: str
    key: str
    vpc: str
    ingest_scope: str
    deletion: bool

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the component."""
        key, vpc = KEYS[self.key], VPCS[self.vpc]
        arguments: dict[str, Any] = {
            "application_id": APPLICATION_ARN,
            "index_id": INDEX_ID,
            "secret_id": SECRETS[self.secret][0],
            "ingest_scope": self.ingest_scope,
            "allow_network_interface_deletion": self.deletion,
        }
        if key:
            arguments["kms_key_id"] = key[0]
        if vpc:
            subnets, groups = vpc[0]
            arguments["vpc_configuration"] = {"subnet_ids": subnets, "security_group_ids": groups}
        return arguments

    @property
    def secret_arn(self) -> str:
        """The ARN of the secret."""
        return SECRETS[self.secret][1]

    @property
    def key_arn(self) -> str | None:
        """The ARN of the customer managed key, if there is one."""
        key = KEYS[self.key]
        return key and key[1]

    @property
    def network_arns(self) -> tuple[str, ...]:
        """The ARNs of the subnets and security groups."""
        vpc = VPCS[self.vpc]
        return vpc[1] if vpc else ()


COMBINATIONS: Final = [
    options
    for options in itertools.starmap(
        Options, itertools.product(SECRETS, KEYS, VPCS, ("applicationAndIndex", "index"), (False, True))
    )
    if options.network_arns or not options.deletion
    # The AWS managed key of another account cannot be used.
    if options.key_arn or f":{ACCOUNT}:" in options.secret_arn
]
FULL: Final = Options(
    "secret of this account",
    "customer managed key",
    "VPC with several and shared subnets",
    "applicationAndIndex",
    deletion=True,
)
"""Every statement is there."""


class Request(NamedTuple):
    """What IAM decides on, in one go."""

    action: str
    resource: str
    context: Context = MappingProxyType({})
    principal: str = ROLE


class Call(NamedTuple):
    """A call that the connector makes, or one that differs from it in one thing."""

    sid: str
    """The statement that allows it, or would."""
    what: str
    requests: tuple[Request, ...]
    allowed: bool
    deviation: str = ""
    """How it differs from what the connector does; empty if it does not."""


def connector_calls(options: Options) -> list[Call]:
    """Return what the connector does, and whether the role of these options lets it."""
    application_and_index = (APPLICATION_ARN, INDEX_ARN)
    in_vpc = bool(options.network_arns)
    create_tagged = {"aws:RequestTag/AMAZON_Q": TAG, "aws:TagKeys": ["AMAZON_Q"]}
    has_tag = {"aws:ResourceTag/AMAZON_Q": TAG}

    def call(
        sid: str, what: str, action: str, *resources: str, allowed: bool = True, **more: Any
    ) -> Call:
        context: Context = more.get("context", {})
        return Call(
            sid, what, tuple(Request(action, resource, context) for resource in resources), allowed
        )

    key_arn = options.key_arn or f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"
    through = {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}
    return [
        call(
            "AllowsAmazonQToGetSecret",
            "read the secret",
            "secretsmanager:GetSecretValue",
            options.secret_arn,
        ),
        call(
            "AllowsAmazonQToDecryptSecret",
            "decrypt the secret, asked by Secrets Manager",
            "kms:Decrypt",
            key_arn,
            allowed=options.key_arn is not None,
            context=through,
        ),
        *(
            call(
                "AllowsAmazonQToIngestDocuments",
                f"{verb} documents",
                f"qbusiness:{action}",
                *application_and_index,
                allowed=options.ingest_scope == "applicationAndIndex",
            )
            for verb, action in (("put", "BatchPutDocument"), ("delete", "BatchDeleteDocument"))
        ),
        *(
            call(
                "AllowsAmazonQToIngestPrincipalMapping",
                what,
                f"qbusiness:{action}",
                *resources,
            )
            for what, action, resources in (
                ("put a group", "PutGroup", application_and_index),
                ("delete a group", "DeleteGroup", application_and_index),
                ("list groups", "ListGroups", application_and_index),
                ("create a user", "CreateUser", (APPLICATION_ARN,)),
                ("update a user", "UpdateUser", (APPLICATION_ARN,)),
            )
        ),
        call(
            "AllowsAmazonQToCreateAndDeleteNI",
            "create a network interface in each subnet, with each security group",
            "ec2:CreateNetworkInterface",
            *(options.network_arns or (SUBNET_ARN, SECURITY_GROUP_ARN)),
            allowed=in_vpc,
        ),
        call(
            "AllowsAmazonQToCreateAndDeleteNIForSpecificTag",
            "create a network interface with the application's tag",
            "ec2:CreateNetworkInterface",
            NETWORK_INTERFACE,
            allowed=in_vpc,
            context=create_tagged,
        ),
        call(
            "AllowsAmazonQToCreateTags",
            "set the tag while creating the network interface",
            "ec2:CreateTags",
            NETWORK_INTERFACE,
            allowed=in_vpc,
            context={**create_tagged, "ec2:CreateAction": "CreateNetworkInterface"},
        ),
        call(
            "AllowsAmazonQToCreateNetworkInterfacePermission",
            "let the service attach the tagged network interface",
            "ec2:CreateNetworkInterfacePermission",
            NETWORK_INTERFACE,
            allowed=in_vpc,
            context=has_tag,
        ),
        *(
            call(
                "AllowsAmazonQToDescribeResourcesForVPC",
                f"look at the VPC by {action}",
                f"ec2:{action}",
                "*",
                allowed=in_vpc,
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
        call(
            "AllowsAmazonQToDeleteTaggedNI",
            "delete the tagged network interface",
            "ec2:DeleteNetworkInterface",
            NETWORK_INTERFACE,
            allowed=options.deletion,
            context=has_tag,
        ),
    ]


ASSUME: Final = Call(
    "AllowsAmazonQServicePrincipal",
    "assume the role for this application",
    (
        Request(
            "sts:AssumeRole",
            ROLE,
            {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": APPLICATION_ARN},
            SERVICE,
        ),
    ),
    allowed=True,
)

# What else a condition key may hold; None: the request does not carry it.
_OTHER_VALUES: Final[Mapping[str, tuple[str | list[str] | None, ...]]] = {
    "kms:ViaService": (None, f"s3.{REGION}.amazonaws.com", f"ssm.{REGION}.amazonaws.com"),
    "aws:RequestTag/AMAZON_Q": (
        None,
        f"qbusiness_{ACCOUNT}_{OTHER_APPLICATION_ID}_0a1b2c3d",
        f"qbusiness_{OTHER_ACCOUNT}_{APPLICATION_ID}_0a1b2c3d",
        f"x{TAG}",
        "",
    ),
    "aws:ResourceTag/AMAZON_Q": (
        None,
        f"qbusiness_{ACCOUNT}_{OTHER_APPLICATION_ID}_0a1b2c3d",
        f"qbusiness_{OTHER_ACCOUNT}_{APPLICATION_ID}_0a1b2c3d",
        f"x{TAG}",
        "",
    ),
    "aws:TagKeys": (["AMAZON_Q", "Owner"], ["Owner"], ["amazon_q", "Owner"]),
    "ec2:CreateAction": (None, "RunInstances", "CreateSnapshot"),
    "aws:SourceAccount": (None, OTHER_ACCOUNT),
    "aws:SourceArn": (
        None,
        f"arn:aws:qbusiness:{REGION}:{ACCOUNT}:application/{OTHER_APPLICATION_ID}",
        f"arn:aws:qbusiness:{REGION}:{OTHER_ACCOUNT}:application/{APPLICATION_ID}",
        f"arn:aws:qbusiness:us-west-2:{ACCOUNT}:application/{APPLICATION_ID}",
        f"arn:aws-cn:qbusiness:{REGION}:{ACCOUNT}:application/{APPLICATION_ID}",
        INDEX_ARN,
        f"{APPLICATION_ARN}x",
    ),
}
_OTHER_PRINCIPALS: Final = (
    "ec2.amazonaws.com",
    "lambda.amazonaws.com",
    "kendra.amazonaws.com",
    "q.amazonaws.com",
    f"arn:aws:iam::{ACCOUNT}:root",
    f"arn:aws:iam::{ACCOUNT}:user/admin",
    f"arn:aws:iam::{OTHER_ACCOUNT}:role/role",
)


def deviations(call: Call, options: Options) -> Iterator[Call]:
    """Return the calls that differ from one that is allowed in one thing, and must all be denied."""
    for request in call.requests:
        for what, other in _other_requests(request, options):
            yield Call(call.sid, call.what, (other,), allowed=False, deviation=what)


def _other_requests(request: Request, options: Options) -> Iterator[tuple[str, Request]]:
    yield from _other_contexts(request)
    if request.principal == SERVICE:
        yield "no source at all", request._replace(context={})
        for principal in _OTHER_PRINCIPALS:
            yield f"principal {principal}", request._replace(principal=principal)
    elif request.resource != "*":
        allowed = {options.secret_arn, options.key_arn, *options.network_arns}
        for what, arn in _other_arns(request.resource):
            if arn not in allowed:
                yield f"{what}: {arn}", request._replace(resource=arn)


def _other_contexts(request: Request) -> Iterator[tuple[str, Request]]:
    for key in request.context:
        # The tags of a new network interface are checked when it is created, and not once more here.
        if request.action == "ec2:CreateTags" and key != "ec2:CreateAction":
            continue
        for value in _OTHER_VALUES[key]:
            context = {name: value for name, value in request.context.items() if name != key}
            if value is None and key == "aws:RequestTag/AMAZON_Q":
                context.pop("aws:TagKeys")  # no tag, no keys of tags
            if value is not None:
                context[key] = value
            yield f"{key} {'absent' if value is None else value}", request._replace(context=context)


def _other_arns(arn: str) -> Iterator[tuple[str, str]]:
    """Return ARNs that differ from one in one part."""
    _, partition, service, region, account, resource = arn.split(":", 5)
    others = {
        "other partition": ("aws-cn", service, region, account, resource),
        "other Region": (partition, service, "us-west-2", account, resource),
        "other account": (partition, service, region, "999988887777", resource),
    }
    for what, parts in others.items():
        yield what, ":".join(("arn", *parts))
    if "network-interface/" in arn:
        return  # there is no telling which one the connector will make
    last = "0" if resource[-1] != "0" else "1"
    yield "other identifier", arn[:-1] + last
    if "/index/" in arn:
        yield "other application", arn.replace(APPLICATION_ID, OTHER_APPLICATION_ID)
    if service == "secretsmanager":
        name = arn.rpartition("-")[0]
        yield "secret whose name begins with this one's", f"{name}-prod-a1B2c3"
        yield "secret of this name that was made again", f"{name}-Zz9Yy8"
