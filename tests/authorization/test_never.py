"""Whatever the request, some things are never allowed: proved, for all requests, and not sampled."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import z3

from tests.authorization.cases import (
    APPLICATION_ARN,
    ASSUME,
    FULL,
    NETWORK_INTERFACE,
    OTHER_APPLICATION_ID,
    SERVICE,
    Options,
    connector_calls,
    deviations,
    render,
)
from tests.authorization.proofs import Request, allows, counterexample, decide, in_service
from tests.support import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION, golden

Record = Callable[[str, object], None]

SERVICES = ("secretsmanager", "kms", "qbusiness", "ec2")
# One of each kind of document; what differs besides is the text of ARNs.
DIFFERENT = [
    FULL,
    FULL._replace(deletion=False),
    FULL._replace(ingest_scope="index"),
    FULL._replace(vpc="no VPC", deletion=False),
    FULL._replace(key="AWS managed key"),
    Options("secret of another account", "key of another account", "VPC", "index", deletion=False),
    Options("long secret name with slashes", "multi-Region key", "no VPC", "index", deletion=False),
]
IDS = [", ".join(map(str, options)) for options in DIFFERENT]


def seed(options: Options) -> dict[str, Any]:
    """Fill in AWS's page by hand, in the edition that the project follows to the letter."""
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


# The listed differences from the page: nothing else may be allowed beyond it.
DIFFERENCES: list[dict[str, Any]] = [
    {
        "Sid": "IngestDocumentsOfTheApplication",  # AWS's current page
        "Effect": "Allow",
        "Action": ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"],
        "Resource": APPLICATION_ARN,
    },
    {
        "Sid": "DeleteTaggedNetworkInterfaces",  # allowNetworkInterfaceDeletion
        "Effect": "Allow",
        "Action": "ec2:DeleteNetworkInterface",
        "Resource": f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/*",
        "Condition": {
            "StringLike": {"aws:ResourceTag/AMAZON_Q": f"qbusiness_{ACCOUNT}_{APPLICATION_ID}_*"}
        },
    },
]


def forbidden(options: Options, request: Request) -> dict[str, Any]:
    """Return what must never be allowed, as formulas."""
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
    request_tag, resource_tag = (
        request.key("aws:RequestTag/AMAZON_Q"),
        request.key("aws:ResourceTag/AMAZON_Q"),
    )
    tagged = z3.Or(
        [z3.And(it.present, z3.PrefixOf(tag, it.first)) for it in (request_tag, resource_tag)]
    )
    keys = request.key("aws:TagKeys")
    network_interface = z3.PrefixOf(
        z3.StringVal(f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/"), request.resource
    )
    at_creation = request.key("ec2:CreateAction")
    return {
        "another service": z3.And([z3.Not(in_service(request, it)) for it in SERVICES]),
        "another secret": z3.And(
            in_service(request, "secretsmanager"), request.resource != options.secret_arn
        ),
        "anything with the secret but reading it": z3.And(
            in_service(request, "secretsmanager"), request.action != "secretsmanager:getsecretvalue"
        ),
        "another key": z3.And(
            in_service(request, "kms"),
            request.resource != (options.key_arn or ""),
        ),
        "decryption but through Secrets Manager": z3.And(
            in_service(request, "kms"), z3.Not(secrets_manager)
        ),
        "anything with the key but decryption": z3.And(
            in_service(request, "kms"), request.action != "kms:decrypt"
        ),
        "another application or index": z3.And(in_service(request, "qbusiness"), z3.Not(ours)),
        "a network interface without the application's tag": z3.And(
            z3.Or(
                request.action == "ec2:createnetworkinterface",
                request.action == "ec2:deletenetworkinterface",
                request.action == "ec2:createnetworkinterfacepermission",
            ),
            network_interface,
            z3.Not(tagged),
        ),
        "a tag beside the application's": z3.And(
            request.action == "ec2:createnetworkinterface",
            network_interface,
            keys.present,
            keys.second != "AMAZON_Q",
        ),
        "tags for what exists already": z3.And(
            request.action == "ec2:createtags",
            z3.Not(z3.And(at_creation.present, at_creation.first == "CreateNetworkInterface")),
        ),
        "deleting a network interface unless it is asked for": z3.And(
            z3.BoolVal(val=not options.deletion),
            request.action == "ec2:deletenetworkinterface",
            network_interface,
            z3.Not(request_tag.present),  # a deletion carries no tags
        ),
        "anything of EC2 but these subnets and groups, and network interfaces": z3.And(
            in_service(request, "ec2"),
            z3.Not(z3.PrefixOf(z3.StringVal("ec2:describe"), request.action)),
            z3.Not(network_interface),
            z3.And([request.resource != arn for arn in options.network_arns]),
        ),
    }


@pytest.mark.parametrize("options", DIFFERENT, ids=IDS)
def test_no_request_with_a_forbidden_property_is_allowed(options: Options, record_property: Record):
    request = Request()
    policy = render(options).role_policy
    assert counterexample(policy, request), "what allows nothing proves nothing"
    properties = forbidden(options, request)
    found = {what: counterexample(policy, request, it) for what, it in properties.items()}
    assert {what: it for what, it in found.items() if it} == {}
    record_property(
        "figure", {"proofs over all requests": {f"never: {', '.join(map(str, options))}": len(found)}}
    )


@pytest.mark.parametrize("options", DIFFERENT, ids=IDS)
def test_the_role_policy_is_no_wider_than_the_page_and_the_listed_differences(
    options: Options, record_property: Record
):
    request = Request()
    page = {"Statement": seed(options)["Statement"] + DIFFERENCES}
    if options.key_arn is None:
        page["Statement"] = [it for it in page["Statement"] if "Decrypt" not in it["Sid"]]
    beyond = z3.Not(allows(page, request))
    assert counterexample(render(options).role_policy, request, beyond) is None
    record_property("figure", {"proofs over all requests": {"no wider than the page": 1}})


def test_with_every_statement_and_the_older_scope_it_is_as_wide_as_the_page():
    request = Request()
    options = FULL._replace(ingest_scope="index", deletion=False)
    rendered, page = render(options).role_policy, seed(options)
    assert counterexample(rendered, request, z3.Not(allows(page, request))) is None
    assert counterexample(page, request, z3.Not(allows(rendered, request))) is None


def test_nobody_assumes_the_role_but_amazon_q_business_for_this_application(record_property: Record):
    request = Request()
    trust_policy = render(FULL).trust_policy
    assert counterexample(trust_policy, request)
    account, source = request.key("aws:SourceAccount"), request.key("aws:SourceArn")
    forbidden_ways = {
        "another principal": z3.Or(request.principal_type != "Service", request.principal != SERVICE),
        "another action": request.action != "sts:assumerole",
        "another account": z3.Not(z3.And(account.present, account.first == ACCOUNT)),
        "another application": z3.Not(z3.And(source.present, source.first == APPLICATION_ARN)),
    }
    found = {what: counterexample(trust_policy, request, it) for what, it in forbidden_ways.items()}
    assert {what: it for what, it in found.items() if it} == {}
    record_property("figure", {"proofs over all requests": {"never: trust": len(found)}})


def test_the_proofs_and_the_simulator_mean_the_same(record_property: Record):
    # What test_decisions.py expects of the simulator, the formula says too.
    request, trust_request = Request(), Request()
    documents = render(FULL)
    allowed = allows(documents.role_policy, request)
    trusted = allows(documents.trust_policy, trust_request)
    calls = [(it, allowed, request) for it in connector_calls(FULL)]
    calls += [(it, allowed, request) for call, *_ in tuple(calls) for it in deviations(call, FULL)]
    calls += [(it, trusted, trust_request) for it in (ASSUME, *deviations(ASSUME, FULL))]
    different: list[str] = []
    for call, formula, which in calls:
        decided = all(
            decide(formula, which.values(it.action, it.resource, it.context, it.principal))
            for it in call.requests
        )
        if decided != call.allowed:
            different.append(f"{call.what} ({call.deviation})")
    assert different == []
    record_property("figure", {"requests on which proofs and simulator agree": {"calls": len(calls)}})


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        (
            "another secret",
            {"Action": "secretsmanager:GetSecretValue", "Resource": f"{FULL.secret_arn[:-6]}*"},
        ),
        ("another service", {"Action": "s3:GetObject", "Resource": "*"}),
        ("decryption but through Secrets Manager", {"Action": "kms:Decrypt", "Resource": FULL.key_arn}),
        (
            "another application or index",
            {
                "Action": "qbusiness:BatchPutDocument",
                "Resource": APPLICATION_ARN.replace(APPLICATION_ID, OTHER_APPLICATION_ID),
            },
        ),
        (
            "a network interface without the application's tag",
            {"Action": "ec2:CreateNetworkInterface", "Resource": NETWORK_INTERFACE},
        ),
        ("tags for what exists already", {"Action": "ec2:CreateTags", "Resource": NETWORK_INTERFACE}),
        (
            "anything of EC2 but these subnets and groups, and network interfaces",
            {
                "Action": "ec2:CreateNetworkInterface",
                "Resource": f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/*",
            },
        ),
    ],
)
def test_a_policy_that_is_too_wide_has_a_counterexample(what: str, statement: dict[str, Any]):
    request = Request()
    policy = render(FULL).role_policy
    policy["Statement"].append({"Effect": "Allow", **statement})
    assert counterexample(policy, request, forbidden(FULL, request)[what])
