"""Tests `roles/adopt/report.py` with roles of every kind."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pages.examples import ACCOUNT
from tests.helpers.support import golden
from tests.helpers.world import (
    KEY_ARN,
    SECRET_ARN,
    TRUST,
    VPC,
    WIDE,
    World,
    allow,
    own_policy,
)
from tests.roles.audit.help import add_files

TAGS = [{"Key": "Team", "Value": "web"}, {"Key": "Note", "Value": "a: 5"}]


def add_data_sources(world: World) -> None:
    world.describe_key()
    secret_arn = world.secret("full", KmsKeyId=KEY_ARN)
    document = golden("default-role-policy").replace(SECRET_ARN, secret_arn)
    boundary = world.managed("boundary")
    role_arn = world.role(
        "qbusiness-full",
        document,
        Path="/q/",
        Description="Q: the console's\n",
        PermissionsBoundary=boundary,
        Tags=TAGS,
    )
    world.add("Full", role_arn, secret_arn, vpcConfiguration=VPC)
    add_files(world)
    world.add_own(allow("sqs:*", "*"), name="Excess")
    world.add_own(name="Lacking", without="AllowsAmazonQToGetSecret")
    # This role has only managed policies, whose names differ from the role policy's name.
    secret_arn = world.secret("attached")
    role_arn = world.role("qbusiness-attached")
    world.attach("qbusiness-attached", "console", own_policy(secret_arn))
    world.attach("qbusiness-attached", "wide", WIDE)
    world.add("Attached", role_arn, secret_arn)
    # This data source gets a new role, because another service can assume its current role.
    trust = json.loads(TRUST)
    trust["Statement"][0]["Principal"]["Service"] = ["qbusiness.amazonaws.com", "lambda.amazonaws.com"]
    secret_arn = world.secret("others")
    role_arn = world.role("qbusiness-others", own_policy(secret_arn), trust=json.dumps(trust))
    world.add("Others", role_arn, secret_arn)
    proxy, secret_arn = world.secret("proxy"), world.secret("crawler")
    configuration = {
        "type": "WEBCRAWLERV2",
        "secretArn": secret_arn,
        "additionalProperties": {"proxy": {"secretArn": proxy}},
    }
    role_arn = world.role("qbusiness-crawler", own_policy(secret_arn))
    world.add("Crawler", role_arn, kind="WEBCRAWLERV2", configuration=configuration)
    # These data sources are left out.
    gone = world.secret("deleted")
    world.add("Secret-gone", world.role("qbusiness-secret-gone", own_policy(gone)), gone)
    world.delete_secret(gone)
    world.add("Role-gone", f"arn:aws:iam::{ACCOUNT}:role/gone", world.secret("gone"))
    world.add("Without-role", None, world.secret("without-role"))
    world.add("Queue", None, kind="CUSTOM")


@pytest.mark.usefixtures("project")
@pytest.mark.slow
def test_adoption_of_every_kind_of_role_matches_golden_file(
    world: World, assert_golden: Callable[[Path, str], None]
):
    add_data_sources(world)
    said = world.adopt()
    assert said.code == 1  # some data sources are left out
    texts = {"output": said.out, "Pulumi.prod.yaml": world.path("Pulumi.prod.yaml").read_text()}
    text = "\n".join(f"== {name} ==\n{each}" for name, each in texts.items())
    # Secrets Manager appends random characters to the ARNs.
    text = re.sub(r"(:secret:[\w/-]+)-\w{6}\b", r"\1-SUFFIX", text)
    assert_golden(Path(__file__).with_name("gallery.txt"), text)
    # The JSON document contains the facts in the output and the contents of the files.
    document = world.adopt("--dry-run", "--json").json
    assert document["files"] == []
    assert len(document["leftOut"]) == 4
    assert "missing" in [its["verdict"] for its in document["entries"]["lacking"]["program"]]
    (gained,) = document["entries"]["lacking"]["gained"]
    assert gained["access"][0]["actions"] == ["secretsmanager:GetSecretValue"]
    assert document["entries"]["attached"]["current"][-1]["danger"] == "administrator access"
    assert [len(its["warnings"]) for its in document["entries"].values()].count(0) == 6
