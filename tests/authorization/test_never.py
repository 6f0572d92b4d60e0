"""Test what the documents never allow, by proofs for all possible requests."""

from collections.abc import Callable
from typing import Any

import pytest
import z3

from pages.connector_calls import (
    ASSUME,
    FULL,
    NETWORK_INTERFACE,
    OTHER_APPLICATION_ID,
    SECRET_ARN,
    Options,
    connector_calls,
    deviations,
)
from pages.evidence import NeverAllowed, NeverAssumed
from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, REGION
from tests.authorization.cases import render
from tests.authorization.proofs import Request, allows, counterexample, decide
from tests.authorization.properties import expected, forbidden, forbidden_trust, older_page

pytestmark = pytest.mark.slow

Record = Callable[[str, object], None]

# One of each kind of document; the others differ only in the text of ARNs.
DIFFERENT = [
    FULL,
    FULL._replace(vpc="VPC"),  # the one that docs/permissions.md shows
    FULL._replace(deletion=False),
    FULL._replace(ingest_scope="index"),
    FULL._replace(vpc="no VPC", deletion=False),
    FULL._replace(key="AWS managed key"),
    Options("secret of another account", "key of another account", "VPC", "index", deletion=False),
    Options("long secret name with slashes", "multi-Region key", "no VPC", "index", deletion=False),
]


def name(options: Options) -> str:
    return ", ".join(map(str, options))


IDS = [name(options) for options in DIFFERENT]


@pytest.mark.parametrize("options", DIFFERENT, ids=IDS)
def test_no_request_with_a_forbidden_property_is_allowed(options: Options, record_property: Record):
    request = Request()
    policy = render(options).role_policy
    assert counterexample(policy, request), "what allows nothing proves nothing"
    properties = forbidden(options, request)
    found = {what: counterexample(policy, request, formula) for what, formula in properties.items()}
    assert {what: example for what, example in found.items() if example} == {}
    counts = {f"never: {name(options)}": len(found)}
    record_property("figure", {"proofs over all requests": counts})


@pytest.mark.parametrize("options", DIFFERENT, ids=IDS)
def test_the_role_policy_is_no_wider_than_the_page_and_the_listed_differences(
    options: Options, record_property: Record
):
    request = Request()
    beyond = z3.Not(allows(expected(options), request))
    assert counterexample(render(options).role_policy, request, beyond) is None
    record_property(
        "figure", {"proofs over all requests": {f"no wider than the page: {name(options)}": 1}}
    )


@pytest.mark.parametrize("options", DIFFERENT, ids=IDS)
def test_the_role_policy_is_no_narrower_than_the_page_for_these_options(
    options: Options, record_property: Record
):
    request = Request()
    missing = z3.Not(allows(render(options).role_policy, request))
    assert counterexample(expected(options), request, missing) is None
    record_property(
        "figure", {"proofs over all requests": {f"no narrower than the page: {name(options)}": 1}}
    )


def test_with_every_statement_and_the_index_scope_the_policy_is_equivalent_to_the_older_page():
    request = Request()
    options = FULL._replace(ingest_scope="index", deletion=False)
    rendered, page = render(options).role_policy, older_page(options)
    assert counterexample(rendered, request, z3.Not(allows(page, request))) is None
    assert counterexample(page, request, z3.Not(allows(rendered, request))) is None


def test_only_amazon_q_business_may_assume_the_role_and_only_for_this_application(
    record_property: Record,
):
    request = Request()
    trust_policy = render(FULL).trust_policy
    assert counterexample(trust_policy, request)
    found = {
        what: counterexample(trust_policy, request, formula)
        for what, formula in forbidden_trust(request).items()
    }
    assert {what: example for what, example in found.items() if example} == {}
    record_property("figure", {"proofs over all requests": {"never: trust": len(found)}})


def test_the_proofs_agree_with_the_simulator(record_property: Record):
    request, trust_request = Request(), Request()
    documents = render(FULL)
    allowed = allows(documents.role_policy, request)
    trusted = allows(documents.trust_policy, trust_request)
    calls = [(call, allowed, request) for call in connector_calls(FULL)]
    calls += [
        (deviation, allowed, request)
        for call, *_ in tuple(calls)
        if call.allowed
        for deviation in deviations(call, FULL)
    ]
    calls += [(call, trusted, trust_request) for call in (ASSUME, *deviations(ASSUME, FULL))]
    different: list[str] = []
    for call, formula, which in calls:
        decided = all(
            decide(formula, which.values(part.action, part.resource, part.context, part.principal))
            for part in call.requests
        )
        if decided != call.allowed:
            different.append(f"{call.what} ({call.deviation})")
    assert different == []
    record_property("figure", {"requests on which proofs and simulator agree": {"calls": len(calls)}})


def test_every_property_that_the_page_lists_has_a_formula():
    assert [*forbidden(FULL, Request())] == [*NeverAllowed]
    assert [*forbidden_trust(Request())] == [*NeverAssumed]


TOO_WIDE: dict[NeverAllowed, dict[str, Any]] = {
    NeverAllowed.UNLISTED_ACTION: {
        "Action": "qbusiness:DeleteApplication",
        "Resource": APPLICATION_ARN,
    },
    NeverAllowed.OTHER_SERVICE: {"Action": "s3:GetObject", "Resource": "*"},
    NeverAllowed.OTHER_SECRET: {
        "Action": "secretsmanager:GetSecretValue",
        "Resource": f"{SECRET_ARN[:-6]}*",
    },
    NeverAllowed.MORE_THAN_READING_THE_SECRET: {
        "Action": "secretsmanager:PutSecretValue",
        "Resource": FULL.secret_arn,
    },
    NeverAllowed.OTHER_KEY: {
        "Action": "kms:Decrypt",
        "Resource": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*",
        "Condition": {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}},
    },
    NeverAllowed.DECRYPTION_ELSEWHERE: {"Action": "kms:Decrypt", "Resource": FULL.key_arn},
    NeverAllowed.MORE_THAN_DECRYPTION: {"Action": "kms:Encrypt", "Resource": FULL.key_arn},
    NeverAllowed.OTHER_APPLICATION: {
        "Action": "qbusiness:BatchPutDocument",
        "Resource": APPLICATION_ARN.replace(APPLICATION_ID, OTHER_APPLICATION_ID),
    },
    NeverAllowed.CREATION_WITHOUT_TAG: {
        "Action": "ec2:CreateNetworkInterface",
        "Resource": NETWORK_INTERFACE,
    },
    NeverAllowed.CREATION_WITH_OTHER_TAG: {
        "Action": "ec2:CreateNetworkInterface",
        "Resource": NETWORK_INTERFACE,
        "Condition": {"StringLike": {"aws:RequestTag/AMAZON_Q": "qbusiness_*"}},
    },
    NeverAllowed.PERMISSION_WITHOUT_TAG: {
        "Action": "ec2:CreateNetworkInterfacePermission",
        "Resource": NETWORK_INTERFACE,
        "Condition": {"StringLike": {"aws:RequestTag/AMAZON_Q": "qbusiness_*"}},
    },
    NeverAllowed.DELETION_WITHOUT_TAG: {
        "Action": "ec2:DeleteNetworkInterface",
        "Resource": NETWORK_INTERFACE,
    },
    NeverAllowed.TAGGING_LATER: {"Action": "ec2:CreateTags", "Resource": NETWORK_INTERFACE},
    NeverAllowed.DELETION_WITHOUT_SETTING: {
        "Action": "ec2:DeleteNetworkInterface",
        "Resource": NETWORK_INTERFACE,
    },
    NeverAllowed.OTHER_NETWORK: {
        "Action": "ec2:CreateNetworkInterface",
        "Resource": f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/*",
    },
}


@pytest.mark.parametrize("what", NeverAllowed)
def test_a_policy_that_is_too_wide_has_a_counterexample(what: NeverAllowed):
    request = Request()
    options = FULL._replace(deletion=what != NeverAllowed.DELETION_WITHOUT_SETTING)
    policy = render(options).role_policy
    policy["Statement"].append({"Effect": "Allow", **TOO_WIDE[what]})
    assert counterexample(policy, request, forbidden(options, request)[what])
