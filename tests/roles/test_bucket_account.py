"""The account that owns a bucket comes from the configuration or Amazon S3; only an import infers it."""

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


def make(world: World, owner: str | None, operator: str = "StringEquals") -> None:
    """Create a data source of the original Amazon S3 connector, which does not name the account.

    Its role's policy names an account or has no such condition.
    """
    document = json.loads(s3_policy(NAME, "s3-v1"))
    for statement in document["Statement"]:
        if "S3" in statement["Sid"]:
            statement["Condition"] = {operator: {"aws:ResourceAccount": owner}}
            if owner is None:
                del statement["Condition"]
    connection = {"repositoryEndpointMetadata": {"BucketName": "documents"}}
    configuration = {"type": "S3", "secretArn": None, "connectionConfiguration": connection}
    world.make(policies={OWN: json.dumps(document)}, configuration=configuration)


def test_s3_confirms_application_account_owns_bucket(world: World):
    make(world, ACCOUNT)
    assert "bucketAccountId" not in world.adopted("--dry-run")
    assert world.audit("--json").json["dataSources"][0]["remarks"] == []
    assert world.run(*OUTSIDE).code == 0


def test_import_keeps_access_to_cross_account_bucket(world: World):
    world.server.bucket_owner = OTHER_ACCOUNT
    make(world, OTHER_ACCOUNT)
    assert world.adopted("--dry-run")["bucketAccountId"] == OTHER_ACCOUNT
    said = world.adopt("--dry-run")
    assert UNKNOWN in said.err
    assert f"bucketAccountId is {OTHER_ACCOUNT}, the account in the role's policies" in said.err
    assert "Roles that may lose access with the first `pulumi up` after the import: 0\n" in said.out


@pytest.mark.parametrize("operator", ["", "StringNotEquals"])
def test_import_with_unconfirmed_bucket_owner_warns(world: World, operator: str):
    world.server.bucket_owner = OTHER_ACCOUNT
    make(world, ACCOUNT if operator else None, operator)
    said = world.adopt("--dry-run")
    assert f"if an account other than {ACCOUNT} owns the bucket, set bucketAccountId before" in said.err
    assert "Roles that may lose access with the first `pulumi up` after the import: 1\n" in said.out


@pytest.mark.parametrize(
    ("owner", "result"), [(ACCOUNT, "equivalent"), (OTHER_ACCOUNT, "2 in excess"), (None, "2 in excess")]
)
def test_audit_does_not_infer_bucket_owner_from_policy(world: World, owner: str | None, result: str):
    world.server.bucket_owner = OTHER_ACCOUNT
    make(world, owner)
    (data_source,) = world.audit("--json").json["dataSources"]
    assert data_source["result"] == result
    assert any(remark.startswith(UNKNOWN) for remark in data_source["remarks"])


@pytest.mark.parametrize("owner", [ACCOUNT, OTHER_ACCOUNT, None])
def test_check_cannot_judge_bucket_of_unknown_account(world: World, owner: str | None):
    world.server.bucket_owner = OTHER_ACCOUNT
    make(world, owner)
    said = world.run(*OUTSIDE)
    assert said.code == 3
    assert f"cannot tell bucket: {UNKNOWN}" in said.out
    head = "aws s3api head-bucket --bucket documents --expected-bucket-owner ACCOUNT_ID"
    assert f"find out: `{head}` succeeds only for the owner\n" in said.out
    assert "excess" not in said.out
    if owner:
        stated = world.run(*OUTSIDE, "--context", f"aws:ResourceAccount={OTHER_ACCOUNT}").out
        assert ("policies allows it" in stated) == (owner == ACCOUNT)


def test_s3_confirms_account_of_bucket_with_seed_file(world: World):
    configuration = {"type": "WEBCRAWLERV2", "s3SeedUrl": "s3://documents/seeds.txt"}
    world.make(configuration=configuration)
    assert UNKNOWN not in world.adopt("--dry-run").err
    world.server.bucket_owner = OTHER_ACCOUNT
    assert UNKNOWN in world.adopt("--dry-run").err
    world.server.bucket_owner = ACCOUNT
    world.s3.delete_bucket(Bucket="documents")
    assert "warning: there is no bucket documents" in world.adopt("--dry-run").err


def test_bucket_account_is_confirmed_without_encryption_call(world: World):
    make(world, ACCOUNT)
    world.reject("s3:GetEncryptionConfiguration")
    said = world.run(*OUTSIDE)
    assert said.code == 2
    assert "skipped  encryption: s3:GetEncryptionConfiguration is not allowed" in said.out
    assert "cannot tell" not in said.out


def test_missing_bucket_with_seed_file_is_reported(world: World):
    world.make(configuration={"type": "WEBCRAWLERV2", "s3SeedUrl": "s3://gone/seeds.txt"})
    assert "problem  bucket: there is no bucket gone" in world.run(*OUTSIDE).out
