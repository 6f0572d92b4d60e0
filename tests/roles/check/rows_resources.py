"""Rows about applications, secrets, keys, buckets, and networks. table.py explains the form."""

from typing import Any, Final

from pages.examples import (
    APPLICATION_ARN,
    APPLICATION_ID,
    KEY_ID,
    OTHER_ACCOUNT,
)
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    KEY_ARN,
    OTHER_KEY_ARN,
    SECOND_SUBNET_ID,
)
from tests.roles.check.account import (
    application,
    bucket,
    data_sources,
    gone,
    index,
    key,
    of_bucket,
    rejected,
    secret,
    subnets,
    unseen,
    vpc_of,
)
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
    """Return the settings of a connector that reads files in a bucket."""
    return {"connector": "sharepoint-server-subscription", "bucketName": "documents", **settings}


OF_OTHER: Final = files(bucketAccountId=OTHER_ACCOUNT)

# fmt: off
ROWS: Final = (
    # The application and its indexes.
    row("problem: application",
        gone("get_application", "get_index")),
    row("problem: index", gone("get_index")),
    row("problem: application",
        application(status="FAILED", error={"errorMessage": "No identity provider"}), index("UPDATING")),
    row("problem: application",
        application(applicationArn=APPLICATION_ARN[:-36] + APPLICATION_ID.upper())),
    row("problem: application, index", application(status="DELETING"), index("FAILED")),
    row("skipped: index", index("PAUSED")),
    # The secret.
    row("problem: secret", secret(DeletedDate="2026-11-01")),
    row("problem: secret, role policy",
        secret(f"{SECRETS}:qbusiness/my-secret-twOEVA", KmsKeyId=None),
        settings={"secretId": "qbusiness/my-secret", "kmsKeyId": None}),
    row("problem: secret", secret(VersionIdsToStages={"1": ["AWSPREVIOUS"], "2": ["AWSPENDING"]})),
    row("skipped: secret policy", rejected("get_resource_policy")),
    row("problem: secret policy", secret="deny READ for *"),
    row("problem: secret, KMS key, role policy; cannot tell: key policy",
        secret(FOREIGN_SECRET, KmsKeyId=FOREIGN_KEY_ARN, DeletedDate="2026-11-01"),
        key(FOREIGN_KEY_ARN, None, KeyState="PendingDeletion"), settings=FOREIGN),
    row("cannot tell: key policy, secret policy",
        secret(FOREIGN_SECRET, KmsKeyId=KEY_ID), key(FOREIGN_KEY_ARN, None),
        rejected("get_resource_policy"), own=OWN_OF_FOREIGN, settings=FOREIGN),
    # Its key.
    row("cannot tell: encryption", rejected("list_secret_version_ids")),
    row('problem: KMS key "ffffffff", role policy',
        secret(KmsKeyId=OTHER_KEY_ARN), settings={"kmsKeyId": OTHER_KEY_ARN}),
    row('problem: KMS key "ffffffff"; note: role policy',
        secret(KmsKeyId=OTHER_KEY_ARN), settings=NO_KEY),
    row("cannot tell: KMS key", key(KeyState="Sleeping")),
    row("cannot tell: KMS key", {f"describe_key {KEY_ARN}": {"KeyMetadata": {"Arn": KEY_ARN}}}),
    row("", secret(KmsKeyId=OTHER_KEY_ARN),
        key(OTHER_KEY_ARN, KeyManager="AWS")),
    row('problem: role policy "ffffffff"', secret(version=[OTHER_KEY_ARN]),
        key(OTHER_KEY_ARN)),
    row('problem: KMS key "ffffffff", role policy "proxy"',
        data_sources(WITH_PROXY), secret(PROXY, KmsKeyId=OTHER_KEY_ARN),
        key(OTHER_KEY_ARN, KeySpec="RSA_2048"), settings=CRAWLER),
    row('problem: KMS key "1234abcd" "ffffffff", role policy "proxy"',
        data_sources(WITH_PROXY), secret(PROXY, KmsKeyId=OTHER_KEY_ARN),
        key(OTHER_KEY_ARN, KeyState="Unavailable"), key(KeyState="Disabled"), settings=CRAWLER),
    # Buckets.
    row("problem: encryption, role policy; cannot tell: bucket policy",
        bucket(owner=OTHER_ACCOUNT, default=""), settings=OF_OTHER),
    row("problem: role policy; skipped: bucket, bucket policy",
        unseen(), settings=files()),
    row("problem: role policy; cannot tell: bucket, bucket policy",
        unseen(), settings=OF_OTHER),
    row("problem: bucket, role policy",
        bucket(owner=OTHER_ACCOUNT), settings=files()),
    row("problem: bucket", bucket(region="eu-west-1", default=KEY_ARN), bucket=""),
    row("problem: encryption, role policy",
        data_sources(of_bucket(), crawler(s3SeedUrl="s3://documents/a.txt")), bucket=""),
    row("problem: bucket policy", bucket="deny s3:GetObject for *"),
    row(None, unseen(code="NoSuchBucket"), alone="problem: bucket; note: role policy", bucket=""),
    row(None, unseen(),
        alone="cannot tell: bucket; note: role policy", bucket="",
        settings={"bucketAccountId": OTHER_ACCOUNT}),
    # Subnets.
    row('problem: subnets "no free address"',
        subnets({"State": "pending", "AvailableIpAddressCount": 0}, {"AvailableIpAddressCount": 0})),
    row('problem: subnets "subnet-0b"',
        subnets({"AvailabilityZoneId": "use1-az4"}, {"AvailabilityZoneId": "use1-az6"})),
    row('problem: subnets "subnet-0b", update; note: other policies', subnets({}, None),
        data_sources({}, OTHER_SECRET), secret(PROXY), guard=READS_PROXY, settings=EXCLUSIVE),
    row('problem: subnets "subnet-0a", role policy',
        subnets({"SubnetArn": SHARED, "AvailabilityZoneId": "use1-az3"}, {}),
        settings=vpc_of([SHARED, SECOND_SUBNET_ID])),
    row('problem: subnets "subnet-0a", role policy',
        subnets({"SubnetArn": SHARED, "State": "pending"}, {"AvailableIpAddressCount": 1})),
    row('problem: subnets "subnet-0b"; cannot tell: security groups', subnets({"VpcId": "vpc-2"}, None),
        data_sources({})),
    row(None, subnets({"SubnetArn": SHARED}, {"State": "pending"}),
        alone='problem: subnets "subnet-0b", role policy; note: role policy'),
    # Security groups.
    row("problem: subnets", subnets({"VpcId": "vpc-2"}, {"VpcId": "vpc-1"})),
)
