"""Define as formulas what a role must never allow, and how it may differ from AWS's page."""

import json
from typing import Any, Final

import z3

from pages.connector_calls import SERVICE, Options
from pages.evidence import NeverAllowed, NeverAssumed
from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, REGION
from tests.authorization.proofs import Formula, Request, in_service
from tests.support import golden

SERVICES = ("secretsmanager", "kms", "qbusiness", "ec2")


def older_page(options: Options) -> dict[str, Any]:
    """Return the role policy of AWS's page, in the older edition, with the placeholders filled in."""
    text = golden(
        "aws-page-role-policy",
        {
            "{{region}}": REGION,
            "{{account_id}}": ACCOUNT,
            "{{source_account}}": ACCOUNT,
            "{{application_id}}": APPLICATION_ID,
            "{{index_id}}": INDEX_ID,
        },
    )
    policy = json.loads(text)
    for statement in policy["Statement"]:
        match statement["Sid"]:
            case "AllowsAmazonQToGetSecret":
                statement["Resource"] = [options.secret_arn]
            case "AllowsAmazonQToDecryptSecret":
                statement["Resource"] = [options.key_arn]
            case "AllowsAmazonQToCreateAndDeleteNI":
                statement["Resource"] = list(options.network_arns)
            case _:
                pass
    return policy


# The listed differences from the page; each belongs to an option. Nothing else may be allowed.
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
    "secretsmanager:GetSecretValue",
    "kms:Decrypt",
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
"""All actions that the page names."""


def expected(options: Options) -> dict[str, Any]:
    """Return what the role policy may allow: the page, and the listed differences of the options."""
    statements = older_page(options)["Statement"]
    if options.key_arn is None:
        statements = [statement for statement in statements if "Decrypt" not in statement["Sid"]]
    if not options.network_arns:
        statements = [
            statement for statement in statements if not statement["Sid"].endswith(_OF_THE_VPC)
        ]
    if options.ingest_scope == "applicationAndIndex":
        statements.append(_INGEST_INTO_THE_APPLICATION)
    if options.deletion:
        statements.append(_DELETE_TAGGED_NETWORK_INTERFACES)
    return {"Statement": statements}


_OF_THE_VPC: Final = ("NI", "SpecificTag", "CreateTags", "InterfacePermission", "ForVPC")


def forbidden(options: Options, request: Request) -> dict[NeverAllowed, Formula]:
    """Return the formulas of what must never be allowed."""
    through = request.key("kms:ViaService")
    secrets_manager = z3.And(
        through.present,
        z3.PrefixOf(z3.StringVal("secretsmanager."), through.first),
        z3.SuffixOf(z3.StringVal(".amazonaws.com"), through.first),
    )
    index = f"{APPLICATION_ARN}/index/{INDEX_ID}"
    ours = z3.Or(
        request.resource == APPLICATION_ARN,
        request.resource == index,
        z3.PrefixOf(z3.StringVal(f"{index}/data-source/"), request.resource),
    )
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
            [z3.Not(in_service(request, service)) for service in SERVICES]
        ),
        NeverAllowed.OTHER_SECRET: z3.And(
            in_service(request, "secretsmanager"), request.resource != options.secret_arn
        ),
        NeverAllowed.MORE_THAN_READING_THE_SECRET: z3.And(
            in_service(request, "secretsmanager"), request.action != "secretsmanager:getsecretvalue"
        ),
        NeverAllowed.OTHER_KEY: z3.And(
            in_service(request, "kms"),
            request.resource != (options.key_arn or ""),
        ),
        NeverAllowed.DECRYPTION_ELSEWHERE: z3.And(in_service(request, "kms"), z3.Not(secrets_manager)),
        NeverAllowed.MORE_THAN_DECRYPTION: z3.And(
            in_service(request, "kms"), request.action != "kms:decrypt"
        ),
        NeverAllowed.OTHER_APPLICATION: z3.And(in_service(request, "qbusiness"), z3.Not(ours)),
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
    """Return the formulas of the ways in which the role must never be assumed."""
    account, source = request.key("aws:SourceAccount"), request.key("aws:SourceArn")
    return {
        NeverAssumed.OTHER_PRINCIPAL: z3.Or(
            request.principal_type != "Service", request.principal != SERVICE
        ),
        NeverAssumed.OTHER_ACTION: request.action != "sts:assumerole",
        NeverAssumed.OTHER_ACCOUNT: z3.Not(z3.And(account.present, account.first == ACCOUNT)),
        NeverAssumed.OTHER_APPLICATION: z3.Not(z3.And(source.present, source.first == APPLICATION_ARN)),
    }
