"""Tests `components/connectors.py` and `policies.py` against AWS's page about each connector."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

from components.connectors import CONNECTORS
from components.problems import SettingsError
from components.rules import render
from components.settings import SETTINGS
from pages.example_calls import COMBINATIONS, ROLE_NAME, SHAPES, Options, connector_calls
from pages.examples import (
    ACCOUNT,
    APPLICATION_ID,
    BUCKET_NAME,
    INDEX_ID,
    OTHER_ACCOUNT,
    SECRET_ID,
)
from roles.check.connector_calls import OWN_CALLS
from tests.helpers import expected
from tests.helpers.connector_facts import FACTS, Facts, shapes
from tests.helpers.support import MINIMAL, VPC, golden, indented, size

PAGE = "https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/{}-iam-role.html"
NEEDS = {
    "required": "required",
    "optional": "optional",
    "earlier": "earlier versions of the connector only",
    "no": "not supported",
}
ARN = "arn:aws{words}:{{}}:abcde{words}-99:{{}}:{{}}".format(words=3 * f"-{16 * 'w'}")
"""An ARN with the longest valid partition and Region, without a service, account, or resource."""


def needs(facts: Facts) -> dict[str, str]:
    return {
        "secret_id": facts.secret,
        "bucket_name": facts.bucket,
        "vpc_configuration": facts.vpc,
    }


def look(facts: Facts, options: Options) -> tuple[str, str, Sequence[str]]:
    return render("qbusiness", {**options.arguments, "connector": facts.name}, ROLE_NAME)


def test_connector_entry_matches_its_aws_page():
    assert set(CONNECTORS) == set(FACTS), "tests/helpers/connector_facts.py"
    for facts in FACTS.values():
        connector = CONNECTORS[facts.name]
        assert (
            connector.name,
            connector.types.split(),
            (connector.secret, connector.bucket, connector.vpc),
            connector.status,
            connector.page,
        ) == (
            facts.name,
            facts.types.split(","),
            tuple(NEEDS[need] for need in needs(facts).values()),
            facts.status,
            PAGE.format(facts.name),
        )


def test_each_connector_has_expected_documents():
    expected_trust_policy = golden("trust-policy")
    for facts in FACTS.values():
        for options in shapes(facts):
            trust_policy, role_policy, _ = look(facts, options)
            assert indented(trust_policy) == expected_trust_policy, facts.name
            policy = expected.role_policy(options, connector=facts.name)
            name = f"{facts.name}-own" if facts.name in OWN_CALLS else "own"
            assert json.loads(role_policy) == policy, f"tests/golden/{name}-role-policy.json"


def test_option_combinations_cover_role_policy_settings():
    used = {name for options in COMBINATIONS for name, value in options.arguments.items() if value}
    of_policy = {name for name, it in SETTINGS.items() if not (it.structural or it.of_role)}
    assert of_policy - {"region", "account_id"} <= used, "pages/example_calls.py: OPTIONS"


def test_each_option_combination_has_expected_role_policy():
    different = [
        options
        for options in COMBINATIONS
        if render("qbusiness", options.arguments, ROLE_NAME)[1]
        != json.dumps(expected.role_policy(options))
    ]
    assert different == []


INERT = {
    ("AllowsAmazonQToCreateAndDeleteNI", "ec2:DeleteNetworkInterface"),
    ("AllowsAmazonQToCreateAndDeleteNIForSpecificTag", "ec2:DeleteNetworkInterface"),
}
"""Actions on AWS's pages that have no effect in their statements."""


def test_each_connectors_policy_allows_exactly_its_calls():
    for facts in FACTS.values():
        for options in shapes(facts):
            if options.ingest_scope == "index":
                continue
            granted = {
                (statement["Sid"], action)
                for statement in json.loads(look(facts, options)[1])["Statement"]
                for action in statement["Action"]
            }
            calls = [call for call in connector_calls(options) if call.allowed]
            called = {(call.sid, request.action) for call in calls for request in call.requests}
            called |= {(call.sid, call.action) for call in OWN_CALLS.get(facts.name, ())}
            assert granted - INERT == called, (
                f"roles/check/connector_calls.py or pages/example_calls.py: {facts.name}"
            )


def test_listed_role_shapes_match_connector_facts():
    assert {options for facts in FACTS.values() for options in shapes(facts)} == set(SHAPES)


def test_accepted_and_required_settings_match_aws_page():
    values = {"secret_id": SECRET_ID, "bucket_name": BUCKET_NAME, "vpc_configuration": VPC}
    choices = itertools.product((True, False), repeat=len(values))
    for facts, given in itertools.product(FACTS.values(), choices):
        chosen = {
            name: value
            for (name, value), is_there in zip(values.items(), given, strict=True)
            if is_there
        }
        wrong = {
            name
            for name, need in needs(facts).items()
            if (need == "required" and name not in chosen) or (need == "no" and name in chosen)
        }
        args = {**MINIMAL, "secret_id": None, **chosen, "connector": facts.name}
        try:
            render("qbusiness", args, "")
            rejected = set[object]()
        except SettingsError as error:
            rejected = {problem.place.name for problem in error.problems}
        assert rejected == wrong, args


def test_vpc_causes_warning_for_three_connectors():
    warnings = {
        name: look(facts, options)[2]
        for name, facts in FACTS.items()
        for options in [*shapes(facts)][-1:]
    }
    warning = "vpc_configuration: only earlier versions of the {} connector (see {}) support it"
    assert {name: text for name, text in warnings.items() if text} == {
        name: [warning.format(name, PAGE.format(name))] for name in ("exchange", "gmail", "teams")
    }


# IAM's quotas: 10,240 characters for a role's inline policies, and 2,048 for its trust policy.


LONGEST_NAME = 64 * "r"


def largest(facts: Facts, subnets: int) -> dict[str, Any]:
    """Return the settings that produce a connector's largest documents with this many subnets."""
    args = {
        "connector": facts.name,
        "application_id": ARN.format("qbusiness", ACCOUNT, f"application/{APPLICATION_ID}"),
        "index_id": INDEX_ID,
        "kms_key_id": ARN.format("kms", OTHER_ACCOUNT, f"key/mrk-{'0' * 32}"),
        "role_name": LONGEST_NAME,
        "role_path": f"/{510 * 'p'}/",
    }
    if facts.secret != "no":
        args["secret_id"] = ARN.format("secretsmanager", OTHER_ACCOUNT, f"secret:{'n' * 512}-a1B2c3")
    if facts.bucket != "no":
        args |= {"bucket_name": 63 * "b", "bucket_account_id": OTHER_ACCOUNT}
    if not subnets:
        return args
    shared = [
        ARN.format("ec2", OTHER_ACCOUNT, f"subnet/subnet-{number:017x}") for number in range(subnets)
    ]
    groups = [f"sg-{number:017x}" for number in range(10)]
    vpc = {"subnet_ids": shared, "security_group_ids": groups}
    return {**args, "vpc_configuration": vpc, "allow_network_interface_deletion": True}


def test_largest_documents_fit_quotas():
    for facts in FACTS.values():
        subnets = 0 if facts.vpc == "no" else 7  # one more than the console accepts
        trust_policy, role_policy, _ = render("qbusiness", largest(facts, subnets), LONGEST_NAME)
        assert size(trust_policy) <= 2_048, facts.name
        assert size(role_policy) <= 10_240, facts.name
