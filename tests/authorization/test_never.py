"""Prove, for all possible requests, that the documents never allow certain ones."""

from collections.abc import Callable
from typing import Any

import pytest
import z3

from pages.example_calls import (
    ASSUME,
    COMBINATIONS,
    FULL,
    FULL_OF_SOURCE,
    FULL_WITH_FILES,
    KEY_ARN,
    NETWORK_INTERFACE_ARN,
    OTHER_APPLICATION_ID,
    PASS_OTHER_ROLE,
    ROLE,
    SECRET_ARN,
    SERVICE,
    SHAPES,
    Options,
    connector_calls,
    deviations,
)
from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, REGION
from pages.properties import NeverAllowed, NeverAssumed
from tests.authorization.cases import render
from tests.authorization.proofs import Request, allows, counterexample, decide
from tests.authorization.properties import expected, forbidden, forbidden_trust

pytestmark = pytest.mark.slow

Record = Callable[[str, object], None]


def test_no_request_with_forbidden_property_is_allowed(record_property: Record):
    found: dict[str, str] = {}
    proofs = 0
    for options in COMBINATIONS:
        request = Request()
        policy, properties = render(options).role_policy, forbidden(options, request)
        assert counterexample(policy, request), "a policy that allows nothing makes the proofs void"
        proofs += len(properties)
        if counterexample(policy, request, z3.Or([*properties.values()])):
            for prohibition, formula in properties.items():
                if counter := counterexample(policy, request, formula):
                    found[f"{options}: {prohibition}"] = counter
    assert found == {}
    counts = {f"never, {len(COMBINATIONS)} combinations of the options": proofs}
    record_property("figure", {"proofs over all requests": counts})


def test_role_policy_differs_from_aws_page_only_as_listed(record_property: Record):
    wider: dict[Options, str] = {}
    narrower: dict[Options, str] = {}
    for options in SHAPES:
        request = Request()
        rendered, of_page = render(options).role_policy, expected(options)
        if counter := counterexample(rendered, request, z3.Not(allows(of_page, request))):
            wider[options] = counter
        if counter := counterexample(of_page, request, z3.Not(allows(rendered, request))):
            narrower[options] = counter
    assert (wider, narrower) == ({}, {})
    counts = {
        f"no {way} than the page, roles of {len(SHAPES)} shapes": len(SHAPES)
        for way in ("wider", "narrower")
    }
    record_property("figure", {"proofs over all requests": counts})


def test_role_is_assumable_only_by_service_for_application(
    record_property: Record,
):
    request = Request()
    trust_policy = render(FULL).trust_policy
    assert counterexample(trust_policy, request)
    found = {
        prohibition: counterexample(trust_policy, request, formula)
        for prohibition, formula in forbidden_trust(request).items()
    }
    assert {prohibition: example for prohibition, example in found.items() if example} == {}
    record_property("figure", {"proofs over all requests": {"never: trust": len(found)}})


def test_policy_formulas_decide_calls_as_expected(record_property: Record):
    different: list[str] = []
    trust_policy = render(FULL).trust_policy
    asked = [(trust_policy, [ASSUME, *deviations(ASSUME, FULL)])]
    for options in (FULL_WITH_FILES, FULL_OF_SOURCE):
        calls = connector_calls(options)
        calls += [deviation for call in calls if call.allowed for deviation in deviations(call, options)]
        asked.append((render(options).role_policy, [*calls, PASS_OTHER_ROLE]))
    for policy, calls in asked:
        request = Request()
        allowed = allows(policy, request)
        for call in calls:
            decided = all(
                decide(allowed, request.values(part.action, part.resource, part.context, part.principal))
                for part in call.requests
            )
            if decided != call.allowed:
                different.append(f"{call.title} ({call.deviation})")
    assert different == []
    counts = {"calls": sum(len(calls) for _, calls in asked)}
    record_property("figure", {"requests on which proofs and simulator agree": counts})


def test_every_listed_property_has_a_formula():
    assert [*forbidden(FULL, Request())] == [*NeverAllowed]
    assert [*forbidden_trust(Request())] == [*NeverAssumed]


TOO_WIDE: dict[NeverAllowed, dict[str, Any]] = {
    NeverAllowed.UNLISTED_ACTION: {
        "Action": "qbusiness:DeleteApplication",
        "Resource": APPLICATION_ARN,
    },
    NeverAllowed.OTHER_SERVICE: {
        "Action": "iam:PassRole",
        "Resource": ROLE,
        "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}},
    },
    NeverAllowed.OTHER_BUCKET: {"Action": "s3:GetObject", "Resource": f"{FULL_WITH_FILES.bucket_arn}/*"},
    NeverAllowed.MORE_THAN_READING_THE_BUCKET: {
        "Action": "s3:ListBucket",
        "Resource": FULL_WITH_FILES.bucket_arn,
        "Condition": {"StringEquals": {"aws:ResourceAccount": ACCOUNT}},
    },
    NeverAllowed.OTHER_SECRET: {
        "Action": "secretsmanager:GetSecretValue",
        "Resource": f"{SECRET_ARN[:-6]}*",
    },
    NeverAllowed.MORE_THAN_READING_THE_SECRET: {
        "Action": "secretsmanager:PutSecretValue",
        "Resource": SECRET_ARN,
    },
    NeverAllowed.OTHER_KEY: {
        "Action": "kms:Decrypt",
        "Resource": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*",
        "Condition": {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}},
    },
    NeverAllowed.DECRYPTION_ELSEWHERE: {
        "Action": "kms:Decrypt",
        "Resource": KEY_ARN,
        "Condition": {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}},
    },
    NeverAllowed.MORE_THAN_DECRYPTION: {"Action": "kms:Encrypt", "Resource": KEY_ARN},
    NeverAllowed.OTHER_APPLICATION: {
        "Action": "qbusiness:BatchPutDocument",
        "Resource": APPLICATION_ARN.replace(APPLICATION_ID, OTHER_APPLICATION_ID),
    },
    NeverAllowed.OTHER_ROLE: {
        # As on AWS's pages for Amazon S3.
        "Action": "iam:PassRole",
        "Resource": f"arn:aws:iam::{ACCOUNT}:role/QBusiness-DataSource-*",
        "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}},
    },
    NeverAllowed.MORE_THAN_PASSING_ITSELF: {"Action": "iam:PutRolePolicy", "Resource": ROLE},
    NeverAllowed.PASSING_ELSEWHERE: {"Action": "iam:PassRole", "Resource": ROLE},
    NeverAllowed.CREATION_WITHOUT_TAG: {
        "Action": "ec2:CreateNetworkInterface",
        "Resource": NETWORK_INTERFACE_ARN,
    },
    NeverAllowed.CREATION_WITH_OTHER_TAG: {
        "Action": "ec2:CreateNetworkInterface",
        "Resource": NETWORK_INTERFACE_ARN,
        "Condition": {"StringLike": {"aws:RequestTag/AMAZON_Q": "qbusiness_*"}},
    },
    NeverAllowed.PERMISSION_WITHOUT_TAG: {
        "Action": "ec2:CreateNetworkInterfacePermission",
        "Resource": NETWORK_INTERFACE_ARN,
        "Condition": {"StringLike": {"aws:RequestTag/AMAZON_Q": "qbusiness_*"}},
    },
    NeverAllowed.DELETION_WITHOUT_TAG: {
        "Action": "ec2:DeleteNetworkInterface",
        "Resource": NETWORK_INTERFACE_ARN,
    },
    NeverAllowed.TAGGING_LATER: {"Action": "ec2:CreateTags", "Resource": NETWORK_INTERFACE_ARN},
    NeverAllowed.DELETION_WITHOUT_SETTING: {
        "Action": "ec2:DeleteNetworkInterface",
        "Resource": NETWORK_INTERFACE_ARN,
    },
    NeverAllowed.OTHER_NETWORK: {
        "Action": "ec2:CreateNetworkInterface",
        "Resource": f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/*",
    },
}


@pytest.mark.parametrize("prohibition", NeverAllowed)
def test_overly_broad_statement_has_counterexample(prohibition: NeverAllowed):
    request = Request()
    options = FULL_WITH_FILES._replace(deletion=prohibition != NeverAllowed.DELETION_WITHOUT_SETTING)
    policy = {"Statement": [{"Effect": "Allow", **TOO_WIDE[prohibition]}]}
    assert counterexample(policy, request, forbidden(options, request)[prohibition])
