"""`roles adopt` compares the role with the one that the program would create."""

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, REGION
from tests.helpers.world import (
    INDEX_ARN,
    INGEST,
    NAME,
    OWN,
    World,
    allow,
    policy,
    s3_policy,
)
from tests.roles.adopt.help import ANY_CONSOLE_ROLE, console_s3_policy


def test_permission_to_pass_every_console_role_is_excess(world: World):
    world.make_s3(policies={"console": console_s3_policy()})
    said = world.adopt()
    assert "qbusiness-aem-connector, AllowsAmazonQToPassCustomerRole: covered\n" in said.out
    assert (
        "console, AllowsAmazonQToPassCustomerRole: excess\n"
        f"      iam:PassRole\n        on {ANY_CONSOLE_ROLE}\n" in said.out
    )


@pytest.mark.slow
def test_pass_role_statement_is_compared_with_own_role_arn(world: World):
    world.make_s3(policies={OWN: s3_policy(f"service-role/{NAME}")}, role={"Path": "/service-role/"})
    said = world.adopt()
    assert f"{OWN}, AllowsAmazonQToPassCustomerRole: covered\n" in said.out
    assert f"{OWN}, AllowsAmazonQToPassCustomerRole: equivalent\n" in said.out


def test_excess_and_missing_statements_are_reported(world: World):
    service = {"Principal": {"Service": "qbusiness.amazonaws.com"}, "Action": "sts:AssumeRole"}
    template = policy(
        allow("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:*"),
        allow(INGEST, INDEX_ARN, Sid="Ingest"),
    )
    world.make(trust=policy({"Effect": "Allow", **service}), policies={"console": template})
    difference = world.adopt("--json").json["difference"]
    program = {entry["statement"]: entry for entry in difference["program"]}
    assert program["AllowsAmazonQServicePrincipal"]["verdict"] == "covered"
    assert program["AllowsAmazonQToGetSecret"]["verdict"] == "covered"
    assert program["AllowsAmazonQToIngestDocuments"]["access"] == [
        {"actions": INGEST, "targets": [APPLICATION_ARN], "condition": False, "conditions": []}
    ]
    assert program["AllowsAmazonQToIngestPrincipalMapping"]["verdict"] == "missing"
    assert [(entry["policy"], entry["statement"], entry["verdict"]) for entry in difference["role"]] == [
        ("trust policy", "statement 1", "excess"),
        ("console", "statement 1", "excess"),
        ("console", "Ingest", "subset"),
    ]
    targets = ["Service:qbusiness.amazonaws.com"]
    access = {"actions": ["sts:AssumeRole"], "targets": targets, "condition": True}
    conditions = ["no condition on the account", "no condition on the application"]
    assert difference["role"][0]["access"] == [{**access, "conditions": conditions}]
    assert difference["equivalent"] is False
