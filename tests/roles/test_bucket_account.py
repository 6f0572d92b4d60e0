"""roles/needs: a bucket's account comes from the configuration or S3; only an import infers it."""

import json
from typing import Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID, OTHER_ACCOUNT, REGION
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import NAME, OWN, World, s3_policy

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("of_s3")]

OUTSIDE: Final = ("check", "--application", APPLICATION_ID, "--data-source-id", DATA_SOURCE_ID)
UNKNOWN: Final = "the account that owns the bucket documents is unknown"


@pytest.fixture
def of_s3(world: World, deployed: None) -> None:
    """Create the bucket, and read from the account's Region."""
    del deployed
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    world.bucket()


def make(world: World, owner: str) -> None:
    """Create a data source of the original Amazon S3 connector, which does not name the account.

    Its role's policy names an account.
    """
    document = json.loads(s3_policy(NAME, "s3-v1"))
    for statement in document["Statement"]:
        if "S3" in statement["Sid"]:
            statement["Condition"] = {"StringEquals": {"aws:ResourceAccount": owner}}
    connection = {"repositoryEndpointMetadata": {"BucketName": "documents"}}
    configuration = {"type": "S3", "secretArn": None, "connectionConfiguration": connection}
    world.make(policies={OWN: json.dumps(document)}, configuration=configuration)


def test_import_keeps_access_to_cross_account_bucket(world: World):
    world.server.bucket_owner = OTHER_ACCOUNT
    make(world, OTHER_ACCOUNT)
    assert world.adopted("--dry-run")["bucketAccountId"] == OTHER_ACCOUNT
    said = world.adopt("--dry-run")
    assert UNKNOWN in said.out
    assert f"bucketAccountId is {OTHER_ACCOUNT}, the account in the role's policies" in said.out
    assert "Data sources that may lose access: 0\n" in said.out


@pytest.mark.parametrize("owner", [ACCOUNT, OTHER_ACCOUNT])
def test_audit_does_not_infer_bucket_owner_from_policy(world: World, owner: str):
    world.server.bucket_owner = OTHER_ACCOUNT
    make(world, owner)
    said = world.audit("--json").json
    assert [each["result"] for each in said["dataSources"]] == ["not completely compared"]
    assert any(each["text"].startswith(UNKNOWN) for each in said["findings"])


def test_bucket_account_is_confirmed_without_encryption_call(world: World):
    make(world, ACCOUNT)
    world.reject("s3:GetEncryptionConfiguration")
    said = world.run(*OUTSIDE)
    assert said.code == 2
    assert (
        "skipped     encryption: the bucket documents: s3:GetEncryptionConfiguration is not allowed"
        in said.out
    )
    assert "cannot tell" not in said.out
