"""Tests `roles/syncs.py` with roles from AWS's pages, which contradict one another."""

import json
from typing import Any, Final

import pytest

from pages.examples import (
    ACCOUNT,
    APPLICATION_ID,
    OTHER_ACCOUNT,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from tests.helpers.connector_facts import FACTS, Facts
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import golden
from tests.helpers.world import INDEX_ARN, KEY_ARN, NAME, SECRET_ARN, TRUST, VPC, World, policy

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

INDEX_ALONE: Final = (
    *("webcrawler", "smartsheet", "googledrive-v2", "onedrive-new"),
    *("s3-v1", "s3-v2"),
)
"""The connectors whose pages allow ingestion only on the index."""
CONSOLE_ROLES: Final = f"arn:aws:iam::{ACCOUNT}:role/QBusiness-DataSource-*"
THROUGH_SECRETS_MANAGER: Final = {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}}
CHECK: Final = ("check", "--application", APPLICATION_ID, "--data-source-id", DATA_SOURCE_ID)


def page_policy(facts: Facts, *, key: bool) -> str:
    """Return a connector page's role policy with statements for all of the connector's resources."""
    is_source = facts.bucket == "required"
    text = golden("s3-v1-role-policy" if is_source else "confluence-server-role-policy")
    statements: list[dict[str, Any]] = json.loads(text.replace(OTHER_ACCOUNT, ACCOUNT))["Statement"]
    kept: list[dict[str, Any]] = []
    for statement in statements:
        action = json.dumps(statement["Action"])
        if "s3:" in action and facts.bucket != "no":
            bucket = "arn:aws:s3:::documents"
            statement["Resource"] = bucket if "ListBucket" in action else f"{bucket}/*"
            statement["Condition"] = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
        elif "secretsmanager:" in action and facts.secret != "no":
            statement["Resource"] = SECRET_ARN
        elif "kms:" in action and key:
            statement |= {"Resource": KEY_ARN, "Condition": THROUGH_SECRETS_MANAGER}
        elif "BatchPut" in action and facts.name in INDEX_ALONE:
            statement["Resource"] = INDEX_ARN
        elif "PassRole" in action:
            statement["Resource"] = CONSOLE_ROLES
        elif "ec2:" in action and facts.vpc != "no":
            if "subnet/" in json.dumps(statement["Resource"]):
                place = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
                group = f"{place}:security-group/{SECURITY_GROUP_ID}"
                statement["Resource"] = [f"{place}:subnet/{SUBNET_ID}", group]
        elif "qbusiness:" not in action:
            continue
        kept.append(statement)
    return policy(*kept)


def add(world: World, facts: Facts, *, key: bool) -> None:
    """Add a data source that uses exactly the resources in the connector page's role policy."""
    types = facts.types.split(",")
    configuration: dict[str, Any] = {"type": types[-1 if facts.vpc == "earlier" else 0]}
    configuration |= {"secretArn": SECRET_ARN} if facts.secret != "no" else {}
    if facts.bucket != "no":
        world.bucket(KEY_ARN if key and facts.bucket == "required" else "")
        configuration["connectionConfiguration"] = {"bucketName": "documents"}
    vpc = {"vpcConfiguration": {**VPC, "subnetIds": [SUBNET_ID]}} if facts.vpc != "no" else {}
    role_arn = world.role(NAME, page_policy(facts, key=key), trust=TRUST)
    world.server.add(
        DATA_SOURCE_ID, configuration["type"], configuration=configuration, roleArn=role_arn, **vpc
    )


def shape(facts: Facts) -> tuple[object, ...]:
    """Return the facts on which the role policy on a connector's page depends."""
    return facts.secret, facts.bucket, facts.vpc, "," in facts.types, facts.name in INDEX_ALONE


@pytest.mark.parametrize("name", {shape(facts): name for name, facts in FACTS.items()}.values())
def test_role_from_each_kind_of_aws_page_is_accepted(world: World, name: str):
    facts = FACTS[name]
    add(world, facts, key=facts.secret != "no")
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    audited, checked = world.audit("--json"), world.run(*CHECK)
    assert (audited.code in (0, 3), checked.code in (0, 3)) == (True, True), (audited, checked)
    if name in INDEX_ALONE:
        assert ", but only some AWS pages require it" in audited.out
        assert ", but only some AWS pages require it" in checked.out


@pytest.mark.parametrize("name", ["s3-v1", "s3-v2"])
def test_condition_on_page_denies_decryption_of_objects(world: World, name: str):
    add(world, FACTS[name], key=True)
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    assert world.audit().code == 1
    assert world.run(*CHECK).code == 1


def test_role_policy_copied_from_aws_page_is_accepted(world: World):
    role_arn = world.role(NAME, golden("aws-page-role-policy"), trust=TRUST)
    vpc = {**VPC, "subnetIds": [SUBNET_ID]}
    world.add_data_source(roleArn=role_arn, vpcConfiguration=vpc)
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    assert world.audit().code in (0, 3)
    assert world.run(*CHECK).code in (0, 3)
