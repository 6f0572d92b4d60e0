"""List connectors' calls with example resources, and similar calls that their roles must not allow.

A call is allowed if all its requests are allowed. The ARNs are written by hand and do not depend on
the program's code.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from components.connectors import Connector, Need
from components.formats import SERVICE
from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    BUCKET_NAME,
    FILES_BUCKET_NAME,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SECURITY_GROUP_ID,
    SHARED_SUBNET_ARN,
    SUBNET_ID,
)
from roles.check.connector_calls import Resources, calls

Context = Mapping[str, str | list[str]]

OTHER_APPLICATION_ID: Final = "a1b2c3d4-5678-90ab-cdef-999999999999"
INDEX_ARN: Final = f"{APPLICATION_ARN}/index/{INDEX_ID}"
SUBNET_ARN: Final = f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{SUBNET_ID}"
SECURITY_GROUP_ARN: Final = f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{SECURITY_GROUP_ID}"
NETWORK_INTERFACE_ARN: Final = f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/eni-0d4e5f60718293041"
TAG: Final = f"qbusiness_{ACCOUNT}_{APPLICATION_ID}_0a1b2c3d"
SECRET_ARN: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:aem-a1B2c3"
KEY_ARN: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"
BUCKET_ARN: Final = f"arn:aws:s3:::{BUCKET_NAME}"
ROLE_NAME: Final = "qbusiness-role"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}"


class PolicyOption(NamedTuple):
    """A setting that adds statements to the role policy."""

    setting: str
    statement: str
    """The Sid, without its prefix, of the statement whose resources are the values' ARNs."""
    values: Mapping[str, tuple[Any, ...]]
    """The setting's values by the text in `Options`, each followed by the ARNs that it adds to the role policy. The
    first value is unset; the others are in the role's account, in another account, or in an unusual form."""


_LONG_NAME: Final = f"{'a/very-long/' * 8}name-a1B2c3"
_OTHER_SECRET_ARN: Final = SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
_OTHER_KEY_ARN: Final = KEY_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
_MULTI_REGION_KEY: Final = f"mrk-{'0a' * 16}"
OPTIONS: Final[Mapping[str, PolicyOption]] = {
    "secret": PolicyOption(
        "secret_id",
        "GetSecret",
        {
            "no secret": (),
            "secret of this account": ("aem-a1B2c3", SECRET_ARN),
            "secret of another account": (_OTHER_SECRET_ARN, _OTHER_SECRET_ARN),
            "long secret name with slashes": (_LONG_NAME, SECRET_ARN.replace("aem-a1B2c3", _LONG_NAME)),
        },
    ),
    "key": PolicyOption(
        "kms_key_id",
        "DecryptSecret",
        {
            "AWS managed key": (),
            "customer managed key": (KEY_ID, KEY_ARN),
            "key of another account": (_OTHER_KEY_ARN, _OTHER_KEY_ARN),
            "multi-Region key": (_MULTI_REGION_KEY, KEY_ARN.replace(KEY_ID, _MULTI_REGION_KEY)),
        },
    ),
    "vpc": PolicyOption(
        "vpc_configuration",
        "CreateAndDeleteNI",
        {
            "no VPC": (),
            "VPC": (
                {"subnet_ids": [SUBNET_ID], "security_group_ids": [SECURITY_GROUP_ID]},
                SUBNET_ARN,
                SECURITY_GROUP_ARN,
            ),
            "VPC with several subnets, one of them shared": (
                {
                    "subnet_ids": [SUBNET_ID, SHARED_SUBNET_ARN, "subnet-0123abcd"],
                    "security_group_ids": [SECURITY_GROUP_ID, "sg-0123abcd"],
                },
                SUBNET_ARN,
                SHARED_SUBNET_ARN,
                SUBNET_ARN.replace(SUBNET_ID, "subnet-0123abcd"),
                SECURITY_GROUP_ARN,
                SECURITY_GROUP_ARN.replace(SECURITY_GROUP_ID, "sg-0123abcd"),
            ),
        },
    ),
}
"""The options by field of `Options`; the fields for the bucket, ingest scope, and deletion are left out."""
_LONG_BUCKET_NAME: Final = f"{'long.bucket-name.' * 3}twelve-chars"


class Bucket(NamedTuple):
    """A bucket that the connector reads."""

    name: str
    account: str
    is_source: bool
    """Whether the bucket is the data source; if not, it contains files for the data source."""


BUCKETS: Final = {
    "no bucket": Bucket("", ACCOUNT, is_source=False),
    "files": Bucket(FILES_BUCKET_NAME, ACCOUNT, is_source=False),
    "files of another account": Bucket(FILES_BUCKET_NAME, OTHER_ACCOUNT, is_source=False),
    "files in a bucket with a long name": Bucket(_LONG_BUCKET_NAME, ACCOUNT, is_source=False),
    "source": Bucket(BUCKET_NAME, ACCOUNT, is_source=True),
    "source of another account": Bucket(BUCKET_NAME, OTHER_ACCOUNT, is_source=True),
    "source with a long name": Bucket(_LONG_BUCKET_NAME, ACCOUNT, is_source=True),
}


class Options(NamedTuple):
    """A combination of the settings that determine the policies."""

    secret: str
    key: str
    vpc: str
    ingest_scope: str
    deletion: bool
    bucket: str = "no bucket"

    @property
    def connector(self) -> str:
        """A connector that accepts these options; all such connectors' roles have the same policies."""
        if self.bucket_is_source:
            return "s3-v1"
        return "webcrawler" if self.bucket_arn or not self.secret_arn else "aem-cloud"

    @property
    def arguments(self) -> dict[str, Any]:
        """The component's arguments."""
        arguments: dict[str, Any] = {
            "connector": self.connector,
            "application_id": APPLICATION_ARN,
            "index_id": INDEX_ID,
            "ingest_scope": self.ingest_scope,
            "allow_network_interface_deletion": self.deletion,
        }
        for name, option in OPTIONS.items():
            if example := option.values[getattr(self, name)]:
                arguments[option.setting] = example[0]
        if self.bucket_arn:
            arguments["bucket_name"] = BUCKETS[self.bucket].name
        if self.bucket_account != ACCOUNT:
            arguments["bucket_account_id"] = self.bucket_account
        return arguments

    def arns(self, name: str) -> tuple[str, ...]:
        """Return the ARNs that an option adds to the role policy; none if the option is unset."""
        return OPTIONS[name].values[getattr(self, name)][1:]

    @property
    def secret_arn(self) -> str | None:
        """The secret's ARN, if there is a secret."""
        return next(iter(self.arns("secret")), None)

    @property
    def key_arn(self) -> str | None:
        """The customer managed key's ARN, if there is a key."""
        return next(iter(self.arns("key")), None)

    @property
    def bucket_arn(self) -> str | None:
        """The bucket's ARN, if there is a bucket."""
        name = BUCKETS[self.bucket].name
        return f"arn:aws:s3:::{name}" if name else None

    @property
    def bucket_account(self) -> str:
        """The bucket's account; the role's account if there is no bucket."""
        return BUCKETS[self.bucket].account

    @property
    def bucket_is_source(self) -> bool:
        """Whether the bucket is the data source."""
        return BUCKETS[self.bucket].is_source

    @property
    def network_arns(self) -> tuple[str, ...]:
        """The ARNs of the subnets and security groups."""
        return self.arns("vpc")


def _combinations(column: int, *buckets: str) -> list[Options]:
    """Return the valid combinations in which each of `OPTIONS` is unset or has its value at index `column`."""
    choices: dict[str, Sequence[Any]] = {
        "ingest_scope": ("applicationAndIndex", "index"),
        "deletion": (False, True),
        "bucket": ("no bucket", *buckets),
    }
    for name, option in OPTIONS.items():
        unset, *values = option.values
        choices[name] = unset, values[column] if column < len(values) else values[0]
    return [
        options
        for chosen in itertools.product(*(choices[name] for name in Options._fields))
        for options in [Options(*chosen)]
        # A role has no secret if the bucket is the data source. A key must encrypt the secret or the bucket.
        if not (options.secret_arn and options.bucket_is_source)
        if options.secret_arn or options.bucket_is_source or not options.key_arn
        if options.network_arns or not options.deletion
        # The role cannot use another account's AWS managed key.
        if options.key_arn or options.secret != "secret of another account"
    ]


SHAPES: Final = _combinations(0, "files", "source")
"""Options for one role of each shape; roles of the same shape differ only in ARNs and accounts."""
COMBINATIONS: Final = [
    *dict.fromkeys(
        [
            *SHAPES,
            *_combinations(1, "files of another account", "source of another account"),
            *_combinations(2, "files in a bucket with a long name", "source with a long name"),
        ]
    )
]
"""Options for roles of all shapes, with each of three sets of example values."""
FULL: Final = Options(
    "secret of this account",
    "customer managed key",
    "VPC with several subnets, one of them shared",
    "applicationAndIndex",
    deletion=True,
)
"""With these options, the policies include every statement of the default connector."""
FULL_WITH_FILES: Final = FULL._replace(bucket="files")
FULL_OF_SOURCE: Final = FULL._replace(secret="no secret", bucket="source")  # noqa: S106 no password
"""The policies for these options and for FULL_WITH_FILES include all statements of all connectors."""


def every_option(connector: Connector) -> Options:
    """Return the options with which a connector's policies have every possible statement."""
    options = FULL_OF_SOURCE if connector.bucket_is_source else FULL_WITH_FILES
    if connector.bucket is Need.NOT_SUPPORTED:
        options = FULL
    if connector.vpc is Need.NOT_SUPPORTED:
        options = options._replace(vpc="no VPC", deletion=False)
    return options


class Request(NamedTuple):
    """A request that IAM either allows or denies."""

    action: str
    resource: str
    context: Context = MappingProxyType({})
    principal: str = ROLE


class Call(NamedTuple):
    """A connector's call, or a call that differs from it in one part."""

    sid: str
    """The Sid of the statement that can allow the connector's call; empty if there is none."""
    title: str
    requests: tuple[Request, ...]
    allowed: bool
    deviation: str = ""
    """The difference from a connector's call; empty if a connector makes this call."""


def connector_calls(options: Options) -> list[Call]:
    """Return the connectors' calls; `allowed` is true if a role with these options must allow the call."""
    used = _used_resources(options)
    return [
        Call(
            call.sid,
            call.title,
            tuple(Request(call.action, arn, call.context) for arn in call.resources),
            allowed=bool(own.resources)
            and (call.sid != "AllowsAmazonQToIngestDocuments" or options.ingest_scope != "index"),
        )
        for call, own in zip(calls(_all_resources(used, options)), calls(used), strict=True)
        if call.resources
    ]


def _used_resources(options: Options) -> Resources[str]:
    """Return the resources that a connector with these options uses."""
    secret, key, bucket = (
        (arn,) if arn else () for arn in (options.secret_arn, options.key_arn, options.bucket_arn)
    )
    objects = tuple(f"{arn}/folder/file" for arn in bucket)
    is_source, in_vpc = options.bucket_is_source, bool(options.network_arns)
    return Resources(
        region=REGION,
        applications=(APPLICATION_ARN,),
        indices=(INDEX_ARN,),
        secrets=secret,
        secret_keys=() if is_source else key,
        bucket_account=options.bucket_account,
        file_objects=() if is_source else objects,
        source_buckets=bucket if is_source else (),
        source_objects=objects if is_source else (),
        source_keys=key if is_source else (),
        passed_roles=(ROLE,) if is_source else (),
        network=options.network_arns,
        described=("*",) if in_vpc else (),
        network_interfaces=(NETWORK_INTERFACE_ARN,) if in_vpc else (),
        deletable_network_interfaces=(NETWORK_INTERFACE_ARN,) if options.deletion else (),
        tag=TAG,
    )


def _all_resources(used: Resources[str], options: Options) -> Resources[str]:
    """Add resources for calls that the connector does not make, and that the role must not allow."""
    bucket = (options.bucket_arn or BUCKET_ARN,)
    key = (options.key_arn or KEY_ARN,)
    objects = () if options.bucket_is_source else (f"{BUCKET_ARN}/folder/file",)
    return used._replace(
        secrets=used.secrets or (SECRET_ARN,),
        secret_keys=key,
        file_objects=used.file_objects or objects,
        source_buckets=bucket,
        source_keys=key,
        passed_roles=(ROLE,),
        network=used.network or (SUBNET_ARN, SECURITY_GROUP_ARN),
        described=("*",),
        network_interfaces=(NETWORK_INTERFACE_ARN,),
        deletable_network_interfaces=(NETWORK_INTERFACE_ARN,),
    )


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
PASS_OTHER_ROLE: Final = Call(
    "",
    "pass a role that the console created, as AWS's pages for Amazon S3 allow",
    (
        Request(
            "iam:PassRole",
            f"arn:aws:iam::{ACCOUNT}:role/QBusiness-DataSource-a1b2c",
            {"iam:PassedToService": SERVICE},
        ),
    ),
    allowed=False,
    deviation="the role of another data source",
)

_OTHER_TAGS: Final = (
    None,
    f"qbusiness_{ACCOUNT}_{OTHER_APPLICATION_ID}_0a1b2c3d",
    f"qbusiness_{OTHER_ACCOUNT}_{APPLICATION_ID}_0a1b2c3d",
    f"x{TAG}",
    "",
)
# Other values for condition keys; None means that the key is not in the request.
_OTHER_VALUES: Final[Mapping[str, tuple[str | list[str] | None, ...]]] = {
    "kms:ViaService": (
        None,
        *(f"{service}.{REGION}.amazonaws.com" for service in ("secretsmanager", "s3", "ssm")),
    ),
    "aws:ResourceAccount": (None, "999988887777"),
    "aws:RequestTag/AMAZON_Q": _OTHER_TAGS,
    "aws:ResourceTag/AMAZON_Q": _OTHER_TAGS,
    "aws:TagKeys": (["AMAZON_Q", "Owner"], ["Owner"], ["amazon_q", "Owner"]),
    "ec2:CreateAction": (None, "RunInstances", "CreateSnapshot"),
    "iam:PassedToService": (
        None,
        *(f"{service}.amazonaws.com" for service in ("q", "ec2", "lambda", "application.qbusiness")),
    ),
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
_OTHER_ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "s3:GetObject": ("s3:PutObject", "s3:DeleteObject", "s3:GetObjectVersion"),
    "s3:ListBucket": ("s3:ListBucketVersions", "s3:GetBucketPolicy", "s3:DeleteBucket"),
    "secretsmanager:GetSecretValue": ("secretsmanager:PutSecretValue", "secretsmanager:DescribeSecret"),
    "kms:Decrypt": ("kms:Encrypt", "kms:GenerateDataKey"),
    "iam:PassRole": ("iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:DeleteRole"),
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
    """Yield the calls that differ from an allowed call in one part; the role must deny all of them."""
    for request in call.requests:
        for deviation, other in _other_requests(request, options):
            yield Call(call.sid, call.title, (other,), allowed=False, deviation=deviation)


def _other_requests(request: Request, options: Options) -> Iterator[tuple[str, Request]]:
    yield from _other_contexts(request)
    for action in _OTHER_ACTIONS.get(request.action, ()):
        yield f"action {action}", request._replace(action=action)
    if request.principal == SERVICE:
        yield "no source", request._replace(context={})
        for principal in _OTHER_PRINCIPALS:
            yield f"principal {principal}", request._replace(principal=principal)
    elif request.resource != "*":
        allowed = {each for name in OPTIONS for each in options.arns(name)}
        for difference, arn in _other_arns(request.resource):
            if arn not in allowed:
                yield f"{difference}: {arn}", request._replace(resource=arn)


def _other_contexts(request: Request) -> Iterator[tuple[str, Request]]:
    for key in request.context:
        # The policy checks a new interface's tags for ec2:CreateNetworkInterface, but not for ec2:CreateTags.
        if request.action == "ec2:CreateTags" and key != "ec2:CreateAction":
            continue
        for value in _OTHER_VALUES[key]:
            if value == request.context[key]:
                continue
            context = {name: value for name, value in request.context.items() if name != key}
            if value is None and key == "aws:RequestTag/AMAZON_Q":
                context.pop("aws:TagKeys")  # a request without tags has no tag keys
            if value is not None:
                context[key] = value
            yield f"{key} {'absent' if value is None else value}", request._replace(context=context)


def _other_arns(arn: str) -> Iterator[tuple[str, str]]:
    """Yield a description of each difference, and an ARN that differs from `arn` in only this way."""
    _, _, service, region, account, resource = arn.split(":", 5)
    yield "other partition", arn.replace("arn:aws:", "arn:aws-cn:")
    if region:  # Amazon S3 and IAM ARNs do not have a Region
        yield "other Region", arn.replace(f":{region}:", ":us-west-2:")
    if account:  # Amazon S3 ARNs do not have an account
        yield "other account", arn.replace(f":{account}:", ":999988887777:")
    if service == "s3":
        bucket, slash, key = resource.partition("/")
        yield "other bucket", f"arn:aws:s3:::{bucket[:-1]}0{slash}{key}"
        yield "bucket with a longer name", f"arn:aws:s3:::{bucket}-prod{slash}{key}"
        return
    if "network-interface/" in arn:
        return  # the ID of a new network interface is not known
    last = "0" if resource[-1] != "0" else "1"
    yield "other identifier", arn[:-1] + last
    if "/index/" in arn:
        yield "other application", arn.replace(APPLICATION_ID, OTHER_APPLICATION_ID)
    if service == "iam":
        yield "role with a longer name", f"{arn}-prod"
        yield "role with the same name and a path", arn.replace(ROLE_NAME, f"team/{ROLE_NAME}")
    if service == "secretsmanager":
        name = arn.rpartition("-")[0]
        yield "secret with a longer name", f"{name}-prod-a1B2c3"
        yield "secret that was recreated with this name", f"{name}-Zz9Yy8"
