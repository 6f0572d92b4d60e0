"""Tests `components/policies.py` with a policy from AWS's pages and with duplicate network resources."""

import json

import pytest

from components.rules import render
from pages.example_calls import ROLE_NAME
from pages.examples import (
    ACCOUNT,
    APPLICATION_ID,
    KEY_ID,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from tests.helpers.support import MINIMAL, golden, indented


@pytest.mark.parametrize("partition", ["aws", "aws-cn"])
def test_index_scope_policies_match_aws_page(partition: str):
    arn = f"arn:{partition}:qbusiness:{REGION}:{ACCOUNT}:application/{APPLICATION_ID}"
    vpc = {"subnet_ids": [SUBNET_ID], "security_group_ids": [SECURITY_GROUP_ID]}
    given = {**MINIMAL, "kms_key_id": KEY_ID, "vpc_configuration": vpc, "ingest_scope": "index"}
    documents = render("aem", {**given, "application_id": arn}, ROLE_NAME)[:2]
    expected = golden("trust-policy"), golden("aws-page-role-policy")
    assert [*map(indented, documents)] == [
        document.replace('"arn:aws:', f'"arn:{partition}:') for document in expected
    ]


def test_network_resources_keep_order_without_duplicates():
    vpc = {
        "subnet_ids": [
            "subnet-0000000b",
            "subnet-0000000a",
            f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/subnet-0000000b",
            "subnet-0000000a",
        ],
        "security_group_ids": ["sg-0000000d", "sg-0000000c", "sg-0000000d"],
    }
    _, policy, _ = render("aem", {**MINIMAL, "vpc_configuration": vpc}, ROLE_NAME)
    resources = {each["Sid"]: each["Resource"] for each in json.loads(policy)["Statement"]}
    assert resources["AllowsAmazonQToCreateAndDeleteNI"] == [
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/subnet-0000000b",
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/subnet-0000000a",
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-0000000d",
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-0000000c",
    ]
