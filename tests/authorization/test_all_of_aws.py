"""Of all actions of AWS, the role allows the documented ones, on its own resources, and no other."""

import time
from collections.abc import Callable

import pytest

from pages.connector_calls import FULL, INDEX_ARN, NETWORK_INTERFACE, TAG
from pages.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT, REGION
from tests.authorization.cases import render
from tests.authorization.simulator import ask

pytestmark = pytest.mark.slow

SECRET = FULL.secret_arn
KEY = FULL.key_arn
DATA_SOURCE = f"{INDEX_ARN}/data-source/a1b2c3d4-5678-90ab-cdef-333333333333"
# The most favourable context: whatever condition there is, the request meets it.
CONTEXT = {
    "kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com",
    "aws:RequestTag/AMAZON_Q": TAG,
    "aws:ResourceTag/AMAZON_Q": TAG,
    "aws:TagKeys": ["AMAZON_Q"],
    "ec2:CreateAction": "CreateNetworkInterface",
}
OWN = [SECRET, KEY, APPLICATION_ARN, INDEX_ARN, DATA_SOURCE, *FULL.network_arns, NETWORK_INTERFACE]
FOREIGN = [
    f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:payroll-a1B2c3",
    f"arn:aws:secretsmanager:{REGION}:{OTHER_ACCOUNT}:secret:aem-a1B2c3",
    f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000",
    f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:network-interface/eni-0d4e5f60718293041",
]
# Written out from AWS's page and the Service Authorization Reference: for each action, the resource
# types that it takes. What the page grants beyond that has no effect.
DOCUMENTED = {
    ("secretsmanager:GetSecretValue", SECRET),
    ("kms:Decrypt", KEY),
    *(
        (f"qbusiness:{action}", resource)
        for action in (
            "BatchPutDocument",
            "BatchDeleteDocument",
            "PutGroup",
            "DeleteGroup",
            "ListGroups",
        )
        for resource in (APPLICATION_ARN, INDEX_ARN)
    ),
    ("qbusiness:CreateUser", APPLICATION_ARN),
    ("qbusiness:UpdateUser", APPLICATION_ARN),
    *(("ec2:CreateNetworkInterface", arn) for arn in FULL.network_arns),
    ("ec2:CreateNetworkInterface", NETWORK_INTERFACE),
    ("ec2:CreateTags", NETWORK_INTERFACE),
    ("ec2:CreateNetworkInterfacePermission", NETWORK_INTERFACE),
    ("ec2:DeleteNetworkInterface", NETWORK_INTERFACE),
    *(
        (f"ec2:{action}", "*")
        for action in (
            "DescribeAvailabilityZones",
            "DescribeNetworkInterfaceAttribute",
            "DescribeNetworkInterfacePermissions",
            "DescribeNetworkInterfaces",
            "DescribeRegions",
            "DescribeSubnets",
            "DescribeVpcs",
        )
    ),
    # Everybody may ask who they are: IAM allows it whatever the policies say.
    ("sts:GetCallerIdentity", "*"),
}


def test_the_set_of_allowed_actions_is_the_documented_one(
    record_property: Callable[[str, object], None],
):
    begin = time.monotonic()
    question = {"policy": render(FULL).role_policy, "resources": OWN + FOREIGN, "context": CONTEXT}
    (answer,) = ask([question])
    allowed = {(action, resource) for action, resource in answer["allowed"]}
    somebody_elses = {pair for pair in allowed if pair[1].endswith("/x")}
    # One network interface is like another: the tag decides, and the context has it.
    assert {action for action, _ in somebody_elses} == {
        "ec2:CreateNetworkInterface",
        "ec2:CreateNetworkInterfacePermission",
        "ec2:CreateTags",
        "ec2:DeleteNetworkInterface",
    }
    assert all(resource.endswith(":network-interface/x") for _, resource in somebody_elses)
    assert allowed - somebody_elses == DOCUMENTED
    assert answer["actions"] > 20_000
    seconds = time.monotonic() - begin
    counts = {f"{answer['decisions']:,} decisions, {seconds:.0f} s": answer["actions"]}
    record_property("figure", {"actions of AWS, on own and on foreign resources": counts})
