"""components/policies: the documents are those on AWS's page and in golden/."""

import json
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from components.rules import render
from pages.example_calls import ROLE_NAME
from pages.examples import (
    ACCOUNT,
    APPLICATION_ID,
    BUCKET_NAME,
    FILES_BUCKET_NAME,
    KEY_ID,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from tests.helpers.support import MINIMAL, VPC, golden, indented


class Policies(NamedTuple):
    """Both policies, rendered."""

    trust_policy: str
    role_policy: str


def write(**given: object) -> Policies:
    trust_policy, role_policy, _ = render("aem", given, ROLE_NAME)
    return Policies(trust_policy, role_policy)


@pytest.mark.parametrize("partition", ["aws", "aws-cn"])
def test_index_scope_policies_match_older_aws_page(partition: str):
    arn = f"arn:{partition}:qbusiness:{REGION}:{ACCOUNT}:application/{APPLICATION_ID}"
    vpc = {"subnet_ids": [SUBNET_ID], "security_group_ids": [SECURITY_GROUP_ID]}
    given = {**MINIMAL, "kms_key_id": KEY_ID, "vpc_configuration": vpc, "ingest_scope": "index"}
    written = write(**{**given, "application_id": arn})
    role_policy, trust_policy = golden("aws-page-role-policy"), golden("trust-policy")
    assert indented(written.role_policy) == role_policy.replace('"arn:aws:', f'"arn:{partition}:')
    assert indented(written.trust_policy) == trust_policy.replace('"arn:aws:', f'"arn:{partition}:')


@pytest.mark.parametrize(
    ("connector", "changes"),
    [
        ("confluence-server", {"bucket_name": FILES_BUCKET_NAME}),
        ("s3-v1", {"secret_id": "", "bucket_name": BUCKET_NAME}),
    ],
)
def test_each_kind_of_connector_has_expected_documents(connector: str, changes: Mapping[str, object]):
    on_pages = {**MINIMAL, "kms_key_id": KEY_ID, "vpc_configuration": VPC, "connector": connector}
    assert indented(write(**{**on_pages, **changes}).role_policy) == golden(f"{connector}-role-policy")


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
    policy = json.loads(write(**MINIMAL, vpc_configuration=vpc).role_policy)
    resources = {statement["Sid"]: statement["Resource"] for statement in policy["Statement"]}
    assert resources["AllowsAmazonQToCreateAndDeleteNI"] == [
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/subnet-0000000b",
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/subnet-0000000a",
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-0000000d",
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-0000000c",
    ]
