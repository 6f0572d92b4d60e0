"""Define formulas for the requests that a role must never allow, and for differences from AWS's page."""

import json
from typing import Any, Final

import z3

from pages.example_calls import ROLE, SERVICE, Options
from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, REGION
from pages.properties import NeverAllowed, NeverAssumed
from tests.authorization.proofs import Formula, Request, in_service
from tests.helpers.expected import filled, statements
from tests.helpers.support import golden

_PLACEHOLDERS: Final = {
    "{{region}}": REGION,
    "{{account_id}}": ACCOUNT,
    "{{source_account}}": ACCOUNT,
    "{{application_id}}": APPLICATION_ID,
    "{{index_id}}": INDEX_ID,
}


def page(options: Options) -> dict[str, Any]:
    """Return the statements on AWS's older pages, with corrections if a bucket is the source.

    These pages allow ingestion only for the index.
    """
    aem_cloud = json.loads(golden("aws-page-role-policy", _PLACEHOLDERS))["Statement"]
    if options.bucket_is_source:
        # AWS's page allows decryption through Secrets Manager, which does not read objects.
        aem_cloud[1:2] = statements("s3-v1", "Decrypt")
        # AWS's page allows passing role/QBusiness-DataSource-*, the roles that the console creates.
        aem_cloud += statements("s3-v1", "PassCustomerRole")
    bucket = statements("s3-v1" if options.bucket_is_source else "confluence-server", "S3")
    return {"Statement": filled([*bucket, *aem_cloud], options)}


# The listed differences from the page; each belongs to an option. Apart from them, the role must allow
# exactly the requests that the page allows.
_INGEST_INTO_THE_APPLICATION: Final[dict[str, Any]] = {
    "Sid": "IngestDocumentsOfTheApplication",  # AWS's current page
    "Effect": "Allow",
    "Action": ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"],
    "Resource": APPLICATION_ARN,
}
_DELETE_TAGGED_NETWORK_INTERFACES: Final[dict[str, Any]] = {
    "Sid": "DeleteTaggedNetworkInterfaces",
    "Effect": "Allow",
    "Action": "ec2:DeleteNetworkInterface",
    "Resource": f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/*",
    "Condition": {"StringLike": {"aws:ResourceTag/AMAZON_Q": f"qbusiness_{ACCOUNT}_{APPLICATION_ID}_*"}},
}
ACTIONS: Final = (
    "s3:GetObject",
    "s3:ListBucket",
    "secretsmanager:GetSecretValue",
    "kms:Decrypt",
    "iam:PassRole",
    *(
        f"qbusiness:{action}"
        for action in (
            *("BatchPutDocument", "BatchDeleteDocument", "PutGroup", "CreateUser", "DeleteGroup"),
            *("UpdateUser", "ListGroups"),
        )
    ),
    *(
        f"ec2:{action}"
        for action in (
            *("CreateNetworkInterface", "DeleteNetworkInterface", "CreateTags"),
            *("CreateNetworkInterfacePermission", "DescribeNetworkInterfaces"),
            *("DescribeAvailabilityZones", "DescribeNetworkInterfaceAttribute", "DescribeVpcs"),
            *("DescribeRegions", "DescribeNetworkInterfacePermissions", "DescribeSubnets"),
        )
    ),
)
"""All actions on the pages."""


def expected(options: Options) -> dict[str, Any]:
    """Return the page's role policy, with the listed differences that these options include."""
    allowed = page(options)["Statement"]
    if options.ingest_scope == "applicationAndIndex":
        allowed.append(_INGEST_INTO_THE_APPLICATION)
    if options.deletion:
        allowed.append(_DELETE_TAGGED_NETWORK_INTERFACES)
    return {"Statement": allowed}


def forbidden(options: Options, request: Request) -> dict[NeverAllowed, Formula]:
    """Return formulas for the requests that must never be allowed."""
    services = {
        "s3": options.bucket_arn,
        "secretsmanager": options.secret_arn,
        "kms": options.key_arn,
        "qbusiness": APPLICATION_ARN,
        "iam": options.bucket_is_source,
        "ec2": options.network_arns,
    }
    bucket = options.bucket_arn or ""
    in_bucket = z3.PrefixOf(z3.StringVal(f"{bucket}/"), request.resource)
    owner = request.key("aws:ResourceAccount")
    through = request.key("kms:ViaService")
    decrypting = "s3" if options.bucket_is_source else "secretsmanager"
    through_service = z3.And(
        through.present,
        z3.PrefixOf(z3.StringVal(f"{decrypting}."), through.first),
        z3.SuffixOf(z3.StringVal(".amazonaws.com"), through.first),
    )
    index = f"{APPLICATION_ARN}/index/{INDEX_ID}"
    ours = z3.Or(
        request.resource == APPLICATION_ARN,
        request.resource == index,
        z3.PrefixOf(z3.StringVal(f"{index}/data-source/"), request.resource),
    )
    passed_to = request.key("iam:PassedToService")
    tag = z3.StringVal(f"qbusiness_{ACCOUNT}_{APPLICATION_ID}_")

    def tagged(kind: str) -> Formula:
        key = request.key(f"aws:{kind}/AMAZON_Q")
        return z3.And(key.present, z3.PrefixOf(tag, key.first))

    request_tag = request.key("aws:RequestTag/AMAZON_Q")
    keys = request.key("aws:TagKeys")
    network_interface = z3.PrefixOf(
        z3.StringVal(f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/"), request.resource
    )
    at_creation = request.key("ec2:CreateAction")
    return {
        NeverAllowed.UNLISTED_ACTION: z3.And([request.action != action.lower() for action in ACTIONS]),
        NeverAllowed.OTHER_SERVICE: z3.And(
            [z3.Not(in_service(request, service)) for service, used in services.items() if used]
        ),
        NeverAllowed.OTHER_BUCKET: z3.And(
            in_service(request, "s3"),
            z3.Not(
                z3.And(
                    z3.Or(request.resource == bucket, in_bucket),
                    owner.present,
                    owner.first == options.bucket_account,
                )
            ),
        ),
        NeverAllowed.MORE_THAN_READING_THE_BUCKET: z3.And(
            in_service(request, "s3"),
            z3.Not(z3.And(request.action == "s3:getobject", in_bucket)),
            z3.Not(
                z3.And(
                    z3.BoolVal(val=options.bucket_is_source),
                    request.action == "s3:listbucket",
                    request.resource == bucket,
                )
            ),
        ),
        NeverAllowed.OTHER_SECRET: z3.And(
            in_service(request, "secretsmanager"), request.resource != (options.secret_arn or "")
        ),
        NeverAllowed.MORE_THAN_READING_THE_SECRET: z3.And(
            in_service(request, "secretsmanager"), request.action != "secretsmanager:getsecretvalue"
        ),
        NeverAllowed.OTHER_KEY: z3.And(
            in_service(request, "kms"),
            request.resource != (options.key_arn or ""),
        ),
        NeverAllowed.DECRYPTION_ELSEWHERE: z3.And(in_service(request, "kms"), z3.Not(through_service)),
        NeverAllowed.MORE_THAN_DECRYPTION: z3.And(
            in_service(request, "kms"), request.action != "kms:decrypt"
        ),
        NeverAllowed.OTHER_APPLICATION: z3.And(in_service(request, "qbusiness"), z3.Not(ours)),
        NeverAllowed.OTHER_ROLE: z3.And(in_service(request, "iam"), request.resource != ROLE),
        NeverAllowed.MORE_THAN_PASSING_ITSELF: z3.And(
            in_service(request, "iam"), request.action != "iam:passrole"
        ),
        NeverAllowed.PASSING_ELSEWHERE: z3.And(
            in_service(request, "iam"), z3.Not(z3.And(passed_to.present, passed_to.first == SERVICE))
        ),
        NeverAllowed.CREATION_WITHOUT_TAG: z3.And(
            request.action == "ec2:createnetworkinterface",
            network_interface,
            z3.Not(tagged("RequestTag")),
        ),
        NeverAllowed.CREATION_WITH_OTHER_TAG: z3.And(
            request.action == "ec2:createnetworkinterface",
            network_interface,
            keys.present,
            keys.second != "AMAZON_Q",
        ),
        NeverAllowed.PERMISSION_WITHOUT_TAG: z3.And(
            request.action == "ec2:createnetworkinterfacepermission",
            z3.Not(tagged("ResourceTag")),
        ),
        NeverAllowed.DELETION_WITHOUT_TAG: z3.And(
            request.action == "ec2:deletenetworkinterface",
            network_interface,
            z3.Not(request_tag.present),  # a deletion sets no tags
            z3.Not(tagged("ResourceTag")),
        ),
        NeverAllowed.TAGGING_LATER: z3.And(
            request.action == "ec2:createtags",
            z3.Not(z3.And(at_creation.present, at_creation.first == "CreateNetworkInterface")),
        ),
        NeverAllowed.DELETION_WITHOUT_SETTING: z3.And(
            z3.BoolVal(val=not options.deletion),
            request.action == "ec2:deletenetworkinterface",
            network_interface,
            z3.Not(request_tag.present),  # a deletion sets no tags
        ),
        NeverAllowed.OTHER_NETWORK: z3.And(
            in_service(request, "ec2"),
            z3.Not(z3.PrefixOf(z3.StringVal("ec2:describe"), request.action)),
            z3.Not(network_interface),
            z3.And([request.resource != arn for arn in options.network_arns]),
        ),
    }


def forbidden_trust(request: Request) -> dict[NeverAssumed, Formula]:
    """Return formulas for the ways in which the role must never be assumed."""
    account, source = request.key("aws:SourceAccount"), request.key("aws:SourceArn")
    return {
        NeverAssumed.OTHER_PRINCIPAL: z3.Or(
            request.principal_type != "Service", request.principal != SERVICE
        ),
        NeverAssumed.OTHER_ACTION: request.action != "sts:assumerole",
        NeverAssumed.OTHER_ACCOUNT: z3.Not(z3.And(account.present, account.first == ACCOUNT)),
        NeverAssumed.OTHER_APPLICATION: z3.Not(z3.And(source.present, source.first == APPLICATION_ARN)),
    }
