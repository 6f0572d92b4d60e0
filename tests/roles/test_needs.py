"""Tests `roles/needs.py` with a cross-account bucket and with a second secret."""

import json
import re
from typing import Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID, OTHER_ACCOUNT, REGION
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import NAME, OWN, ROLE_NAME, SECRET_ARN, World, policy, s3_policy

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

UNKNOWN: Final = "the account that owns the bucket documents is unknown"


def make(world: World, owner: str) -> None:
    """Create an Amazon S3 data source; only the role policy contains the bucket's account."""
    document = json.loads(s3_policy(NAME))
    for statement in document["Statement"]:
        if "S3" in statement["Sid"]:
            statement["Condition"] = {"StringEquals": {"aws:ResourceAccount": owner}}
    connection = {"repositoryEndpointMetadata": {"BucketName": "documents"}}
    configuration = {"type": "S3", "secretArn": None, "connectionConfiguration": connection}
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    world.bucket()
    world.server.bucket_owner = OTHER_ACCOUNT
    world.make(policies={OWN: json.dumps(document)}, configuration=configuration)


def test_import_keeps_access_to_cross_account_bucket(world: World):
    make(world, OTHER_ACCOUNT)
    assert world.adopted("--dry-run")["bucketAccountId"] == OTHER_ACCOUNT
    said = world.adopt("--dry-run")
    assert UNKNOWN in said.out
    assert f"bucketAccountId is {OTHER_ACCOUNT}, the account in the role's policies" in said.out
    assert "Data sources that may lose access: 0\n" in said.out


def test_audit_does_not_infer_bucket_owner_from_policy(world: World):
    make(world, ACCOUNT)
    said = world.audit("--json").json
    assert [each["result"] for each in said["dataSources"]] == ["not completely compared"]
    assert any(each["text"].startswith(UNKNOWN) for each in said["findings"])


def test_remedy_from_check_grants_access_to_second_secret(world: World):
    key = world.kms.create_key()["KeyMetadata"]["Arn"]
    proxy = world.secret("proxy", KmsKeyId=key)
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    world.set(connector="webcrawler")
    more = {"secretArn": SECRET_ARN, "additionalProperties": {"proxy": {"secretArn": proxy}}}
    world.add_data_source(configuration={"type": "WEBCRAWLERV2", **more})
    get = "secretsmanager:GetSecretValue"
    said = world.check(verbose=False)
    assert said.code == 1
    (text,) = said.answers("problem")
    assert text.startswith(f"role policy: {ROLE_NAME} cannot perform {get} on {proxy}")
    given = re.findall(rf"add to a policy other than {OWN}: (.*)", said.out)[0]
    statements = json.loads(f"[{given}]")
    assert [action for each in statements for action in each["Action"]] == [get, "kms:Decrypt"]
    (found,) = world.audit("--json").json["dataSources"]
    assert found["result"] == "1 missing"
    adopt = world.adopt("--dry-run")
    assert f"the data source also uses {proxy}: before `pulumi up`, add to another policy" in adopt.out

    world.put_policy(policy(*statements), "proxy")
    outside = ("--application", APPLICATION_ID, "--data-source-id", DATA_SOURCE_ID)
    assert world.check().code == world.run("check", *outside).code == 0
    (found,) = world.audit("--json").json["dataSources"]
    assert found["result"] == "equivalent"
