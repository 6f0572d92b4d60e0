"""Rows about applications, secrets, keys, buckets, and networks. table.py explains the form."""

from typing import Any, Final

from pages.examples import (
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    SUBNET_ID,
)
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    KEY_ARN,
    OTHER_KEY_ARN,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    VPC,
)
from tests.roles.check.account import at, data_sources, gone, of_bucket, rejected
from tests.roles.check.policy_text import NAMES, SECRETS
from tests.roles.check.rows_data_sources import (
    CRAWLER,
    EXCLUSIVE,
    OTHER_SECRET,
    PROXY,
    READS_PROXY,
    SHARED,
    WITH_PROXY,
    crawler,
)
from tests.roles.check.table import row

FOREIGN_SECRET: Final = NAMES["FOREIGN_SECRET"]
FOREIGN: Final = {"secretId": FOREIGN_SECRET, "kmsKeyId": FOREIGN_KEY_ARN}
NO_KEY: Final = {"kmsKeyId": None}
OWN_OF_FOREIGN: Final = (
    "own-GetSecret-DecryptSecret + allow READ on FOREIGN_SECRET + "
    "allow kms:Decrypt on FOREIGN_KEY if StringLike kms:ViaService=secretsmanager.*.amazonaws.com"
)


def files(**settings: Any) -> dict[str, Any]:
    """Return the settings of a connector that reads files from a bucket."""
    return {"connector": "sharepoint-server-subscription", "bucketName": "documents", **settings}


OF_OTHER: Final = files(bucketAccountId=OTHER_ACCOUNT)

# fmt: off
ROWS: Final = (
    # The application and its indexes.
    row("problem: application", gone(APPLICATION_ID, INDEX_ID)),
    row("problem: index", gone(INDEX_ID)),
    row("problem: application", at(APPLICATION_ID, status="FAILED", error={"errorMessage":
        "No identity provider"}), at(INDEX_ID, status="UPDATING")),
    row("problem: application",
        at(APPLICATION_ID, applicationArn=APPLICATION_ARN[:-36] + APPLICATION_ID.upper())),
    row("problem: application, index", at(APPLICATION_ID, status="DELETING"), at(INDEX_ID,
        status="FAILED")),
    row("skipped: index", at(INDEX_ID, status="PAUSED")),
    # The secret.
    row("problem: secret", at(SECRET_ARN, DeletedDate="2026-11-01")),
    row("problem: secret, role policy", at(f"{SECRETS}:qbusiness/my-secret-twOEVA", KmsKeyId=None),
        settings={"secretId": "qbusiness/my-secret", "kmsKeyId": None}),
    row("problem: secret", at(SECRET_ARN, VersionIdsToStages={"version": ["AWSPREVIOUS"], "2":
        ["AWSPENDING"]})),
    row("skipped: secret policy", rejected("get_resource_policy")),
    row("problem: secret policy", secret="deny READ for *"),
    row("problem: secret, KMS key, role policy; cannot tell: key policy",
        at(FOREIGN_SECRET, KmsKeyId=FOREIGN_KEY_ARN, DeletedDate="2026-11-01"),
        at(FOREIGN_KEY_ARN, KeyState="PendingDeletion"), settings=FOREIGN),
    row("cannot tell: key policy, secret policy", at(FOREIGN_SECRET, KmsKeyId=KEY_ID),
        at(FOREIGN_KEY_ARN), rejected("get_resource_policy"), own=OWN_OF_FOREIGN, settings=FOREIGN),
    # The secret's key.
    row("cannot tell: encryption", rejected("list_secret_version_ids")),
    row('problem: KMS key "ffffffff", role policy',
        at(SECRET_ARN, KmsKeyId=OTHER_KEY_ARN), settings={"kmsKeyId": OTHER_KEY_ARN}),
    row('problem: KMS key "ffffffff"; note: role policy',
        at(SECRET_ARN, KmsKeyId=OTHER_KEY_ARN), settings=NO_KEY),
    row("cannot tell: KMS key", at(KEY_ARN, KeyState="Sleeping")),
    row("cannot tell: KMS key", {f"describe_key {KEY_ARN}": {"KeyMetadata": {"Arn": KEY_ARN}}}),
    row("", at(SECRET_ARN, KmsKeyId=OTHER_KEY_ARN), at(OTHER_KEY_ARN, KeyManager="AWS")),
    row('problem: role policy "ffffffff"', at(SECRET_ARN, keys=[OTHER_KEY_ARN]), at(OTHER_KEY_ARN)),
    row('problem: KMS key "ffffffff", role policy "proxy"', data_sources(WITH_PROXY), at(PROXY,
        KmsKeyId=OTHER_KEY_ARN), at(OTHER_KEY_ARN, KeySpec="RSA_2048"), settings=CRAWLER),
    row('problem: KMS key "1234abcd" "ffffffff", role policy "proxy"',
        data_sources(WITH_PROXY), at(PROXY, KmsKeyId=OTHER_KEY_ARN),
        at(OTHER_KEY_ARN, KeyState="Unavailable"), at(KEY_ARN, KeyState="Disabled"), settings=CRAWLER),
    # Buckets.
    row("problem: encryption, role policy; cannot tell: bucket policy",
        at("documents", owner=OTHER_ACCOUNT, default=""), settings=OF_OTHER),
    row("problem: role policy; skipped: bucket, bucket policy", rejected("documents"), settings=files()),
    row("problem: role policy; cannot tell: bucket, bucket policy",
        rejected("documents"), settings=OF_OTHER),
    row("problem: bucket, role policy", at("documents", owner=OTHER_ACCOUNT), settings=files()),
    row("problem: bucket", at("documents", region="eu-west-1", default=KEY_ARN), bucket=""),
    row("problem: encryption, role policy", at("documents", region=None),
        data_sources(of_bucket(), crawler(s3SeedUrl="s3://documents/a.txt")), bucket=""),
    row("problem: bucket policy", bucket="deny s3:GetObject for *"),
    row(None, rejected("documents", code="NoSuchBucket"), alone="problem: bucket; note: role policy",
        bucket=""),
    row(None, rejected("documents"), alone="cannot tell: bucket; note: role policy", bucket="",
        settings={"bucketAccountId": OTHER_ACCOUNT}),
    # Subnets.
    row('problem: subnets "no free IP"', at(SUBNET_ID, State="pending", AvailableIpAddressCount=0),
        at(SECOND_SUBNET_ID, AvailableIpAddressCount=0)),
    row('problem: subnets "subnet-0b"', at(SUBNET_ID, AvailabilityZoneId="use1-az4"),
        at(SECOND_SUBNET_ID, AvailabilityZoneId="use1-az6")),
    row('problem: subnets "subnet-0b", update; note: other policies', gone(SECOND_SUBNET_ID),
        data_sources({}, OTHER_SECRET), at(PROXY), guard=READS_PROXY, settings=EXCLUSIVE),
    row('problem: subnets "subnet-0a", role policy',
        at(SUBNET_ID, SubnetArn=SHARED, AvailabilityZoneId="use1-az3"),
        settings={"vpcConfiguration": {**VPC, "subnetIds": [SHARED, SECOND_SUBNET_ID]}}),
    row('problem: subnets "subnet-0a", role policy', at(SUBNET_ID, SubnetArn=SHARED, State="pending"),
        at(SECOND_SUBNET_ID, AvailableIpAddressCount=1)),
    row('problem: subnets "subnet-0b"; cannot tell: security groups', at(SUBNET_ID, VpcId="vpc-2"),
        gone(SECOND_SUBNET_ID), data_sources({})),
    row(None, at(SUBNET_ID, SubnetArn=SHARED), at(SECOND_SUBNET_ID, State="pending"),
        alone='problem: subnets "subnet-0b", role policy; note: role policy'),
    # Security groups.
    row("problem: subnets", at(SUBNET_ID, VpcId="vpc-2")),
)
