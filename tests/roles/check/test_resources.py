"""`roles check` checks the resources that a stack's settings refer to."""

from typing import Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID, KEY_ID, OTHER_ACCOUNT, REGION, SUBNET_ID
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    KEY_ARN,
    OTHER_KEY_ARN,
    ROLE_ARN,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    SECRET_NAME,
    USER_ARN,
    VPC,
    World,
    s3_policy,
)
from tests.roles.check.breaks import SHARED_SUBNET, set_entry
from tests.roles.check.help import NEEDED_FOR_A_BUCKET, set_up

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


def test_fix_finds_subnet_in_list_with_duplicates(world: World):
    world.set(vpcConfiguration={**VPC, "subnetIds": [SUBNET_ID, SUBNET_ID, SECOND_SUBNET_ID]})
    world.ec2.delete_subnet(SubnetId=SECOND_SUBNET_ID)
    assert f"fix: {set_entry('subnetIds[2]', 'SUBNET_ID')}\n" in world.ask("subnets")


def test_fix_replaces_shared_subnet_id_listed_with_its_arn(world: World):
    world.set(vpcConfiguration={**VPC, "subnetIds": [SHARED_SUBNET, SUBNET_ID]})
    world.subnet(OwnerId=OTHER_ACCOUNT, SubnetArn=SHARED_SUBNET)
    assert f"fix: {set_entry('subnetIds[1]', SHARED_SUBNET)}\n" in world.ask("subnets")


def test_every_missing_security_group_is_listed(world: World):
    world.set(vpcConfiguration={**VPC, "securityGroupIds": [f"sg-{digit * 8}" for digit in "ab"]})
    assert world.ask("security groups") == (
        f"problem  security groups: there is no security group sg-aaaaaaaa in {REGION}\n"
        f"           there is no security group sg-bbbbbbbb in {REGION}\n"
        f"         fix: 1. {set_entry('securityGroupIds[0]', 'SECURITY_GROUP_ID')}\n"
        f"              2. {set_entry('securityGroupIds[1]', 'SECURITY_GROUP_ID')}\n"
    )


def test_the_alias_of_a_key_is_resolved(world: World):
    world.kms.create_alias(AliasName="alias/own", TargetKeyId=KEY_ID)
    world.secrets.update_secret(SecretId=SECRET_ARN, KmsKeyId="alias/own")
    assert world.ask("encryption").startswith("ok ")


def test_aws_managed_key_requires_aws_alias_prefix(world: World):
    world.describe_secret(KmsKeyId="alias/team/alias/aws/x")
    world.describe_key()
    assert world.ask("encryption") == f"ok       encryption: the secret is encrypted with {KEY_ARN}\n"


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "Unavailable"])
def test_only_owner_can_make_cross_account_key_usable(world: World, state: str):
    world.set(kmsKeyId=FOREIGN_KEY_ARN)
    world.describe_key(FOREIGN_KEY_ARN, KeyState=state)
    assert world.ask("KMS key") == (
        f"problem  KMS key: {FOREIGN_KEY_ARN} is not usable: {state}\n"
        f"         fix: account {OTHER_ACCOUNT}, which owns the key, must make it usable: "
        "https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html\n"
    )


def test_bucket_outside_account_in_role_policy_is_problem(world: World):
    world.use_bucket()
    world.server.bucket_owner = OTHER_ACCOUNT
    answer = world.ask("bucket")
    assert f"bucket documents does not belong to account {ACCOUNT}, the account in the" in answer
    assert f"fix: {set_up('bucketAccountId', 'ACCOUNT_ID')}\n" in answer
    world.set(bucketAccountId=OTHER_ACCOUNT)
    assert world.ask("bucket").startswith("ok ")


def test_unreadable_cross_account_bucket_is_undecided(world: World):
    world.use_bucket()
    world.set(bucketAccountId=OTHER_ACCOUNT)
    world.put_policy(s3_policy("", key=True).replace(ACCOUNT, OTHER_ACCOUNT))
    world.server.bucket_owner = OTHER_ACCOUNT
    world.reject(*NEEDED_FOR_A_BUCKET)
    said = world.check(only=["bucket", "encryption", "bucket policy"], verbose=False)
    assert said.code == 3
    for question, asked in (
        ("bucket", "s3:GetBucketLocation"),
        ("encryption", "s3:GetEncryptionConfiguration"),
    ):
        assert said.answer(question) == (
            f"cannot tell {question}: access to the bucket is denied; according to the settings, "
            f"account {OTHER_ACCOUNT} owns it\n"
            f"         to find out: allow {asked} for the caller, {USER_ARN}, in the bucket policy and "
            "in the caller's own policies; if the account is wrong, correct bucketAccountId\n"
        )
    assert said.answer("bucket policy").startswith(
        f"cannot tell bucket policy: the bucket policy in account {OTHER_ACCOUNT} must grant "
        f"s3:GetObject, s3:ListBucket to {ROLE_ARN}, but these credentials cannot read the policy\n"
    )
    assert "s3:GetBucketPolicy" not in world.server.calls
    assert "not every question" not in said.err


def test_region_without_application_is_problem(world: World):
    world.settings["aws:region"] = "us-west-2"
    world.server.answers["sts:GetCallerIdentity"] = {"Account": ACCOUNT, "Arn": USER_ARN}
    world.reject("qbusiness:GetApplication", status=404, code="ResourceNotFoundException")
    answer = world.ask("application")
    assert f"there is no application {APPLICATION_ID} in us-west-2: `aws qbusiness list-app" in answer
    assert "--region us-west-2` lists the applications" in answer
    assert "in another Region, pulumi config set --stack dev --plaintext -- aws:region REGION" in answer


WITH_S3_KEYS: Final = (
    "aws s3api put-bucket-encryption --bucket documents --server-side-encryption-configuration "
    """'{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}'\n"""
    "              2. upload the objects again, because existing objects keep their encryption"
)


def use_files(world: World, key: str = "", **settings: str) -> None:
    """Change the stack to one for a data source with files in a bucket."""
    world.set(connector="sharepoint-server-subscription", bucketName="documents", **settings)
    world.bucket(key)


@pytest.mark.parametrize("owner", [ACCOUNT, OTHER_ACCOUNT])
def test_files_under_customer_managed_key_are_problem(world: World, owner: str):
    use_files(world, KEY_ARN.replace(ACCOUNT, owner), bucketAccountId=owner)
    world.server.bucket_owner = owner
    key = KEY_ARN.replace(ACCOUNT, owner)
    assert world.ask("encryption") == (
        f"ok       encryption: the secret is encrypted with {KEY_ARN}\n"
        f"problem  encryption: by default, bucket documents is encrypted with {key}, but "
        f"no setting lets the role use this key for files\n         fix: 1. {WITH_S3_KEYS}\n"
    )


@pytest.mark.parametrize("key", ["", "alias/aws/s3"])
def test_same_account_files_under_aws_key_are_fine(world: World, key: str):
    use_files(world, key)
    assert world.ask("encryption").endswith(
        "ok       encryption: by default, bucket documents is encrypted with a key that AWS manages\n"
    )


@pytest.mark.parametrize(
    ("key", "algorithm", "shown"),
    [
        (KEY_ARN, "aws:kms", KEY_ARN),
        ("", "aws:kms", "a key that AWS manages"),
        ("", "aws:kms:dsse", "a key that AWS manages"),
    ],
)
def test_web_crawler_needs_s3_managed_keys(world: World, key: str, algorithm: str, shown: str):
    use_files(world)
    world.set(connector="webcrawler")
    assert "problem" not in world.ask("encryption")
    world.bucket(key, algorithm)
    assert (
        f"problem  encryption: by default, bucket documents is encrypted with {shown} ({algorithm}), "
        "but the webcrawler connector reads only buckets with Amazon S3 managed keys\n"
        f"         fix: 1. {WITH_S3_KEYS}\n"
    ) in world.ask("encryption")


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
@pytest.mark.parametrize("key", ["", f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:alias/aws/s3", KEY_ID])
@pytest.mark.parametrize("is_source", [True, False])
def test_cross_account_bucket_under_aws_key_is_problem(
    world: World, algorithm: str, key: str, is_source: bool
):
    use_files(world, bucketAccountId=OTHER_ACCOUNT)
    if is_source:
        world.use_bucket()
        world.set(kmsKeyId=None)
        world.bucket()
    world.server.bucket_owner = OTHER_ACCOUNT
    world.describe_key(FOREIGN_KEY_ARN, KeyManager="AWS")
    assert "problem" not in world.ask("encryption")
    world.bucket(key, algorithm)
    answer = world.ask("encryption")
    assert "problem  encryption: by default, bucket documents is encrypted with " in answer
    or_key = f"{14 * ' '}3. or use a customer managed key and set kmsKeyId\n" if is_source else ""
    assert answer.endswith(f"fix: 1. {WITH_S3_KEYS}\n{or_key}")


def test_encryption_of_missing_bucket_is_skipped(world: World):
    world.use_bucket()
    world.set(bucketName="gone", kmsKeyId=None)
    assert world.ask("encryption") == "skipped  encryption: the bucket was not found\n"


def test_a_bucket_whose_location_is_eu_is_in_ireland(world: World):
    world.use_bucket()
    world.server.answers["s3:GetBucketLocation"] = {"LocationConstraint": "EU"}
    assert f"bucket documents is in eu-west-1, but the index is in {REGION}" in world.ask("bucket")


def keep_version_under(world: World, *keys: str, secret_arn: str = SECRET_ARN) -> None:
    """Encrypt the secret's current version with `keys`, and an earlier version with another key."""
    versions = [
        {"VersionId": "a" * 32, "VersionStages": ["AWSPREVIOUS"], "KmsKeyIds": [OTHER_KEY_ARN]},
        {"VersionId": "b" * 32, "VersionStages": ["AWSCURRENT"], "KmsKeyIds": [*keys]},
    ]
    answer = {"ARN": secret_arn, "Name": SECRET_NAME, "Versions": versions}
    world.server.answers["secretsmanager:ListSecretVersionIds"] = answer


def test_current_secret_version_under_earlier_key_is_problem(world: World):
    earlier = world.kms.create_key()["KeyMetadata"]["Arn"]
    keep_version_under(world, earlier)
    assert world.ask("encryption") == (
        "problem  encryption: the secret's current version is still encrypted with "
        f"{earlier}\n"
        f"         fix: aws secretsmanager put-secret-value --region us-east-1 --secret-id {SECRET_ARN} "
        "--secret-string file://SECRET_FILE\n"
    )


def test_key_of_later_versions_is_only_a_note(world: World):
    later = world.kms.create_key()["KeyMetadata"]["Arn"]
    world.secrets.update_secret(SecretId=SECRET_ARN, KmsKeyId=later)
    keep_version_under(world, KEY_ARN)
    answer = world.ask("encryption")
    assert answer.startswith(
        f"note     encryption: the secret's current version is still encrypted with {KEY_ARN}, but the "
        f"next version will be encrypted with {later}\n"
    )


def test_foreign_secret_version_under_aws_key_is_reported(world: World):
    secret_arn = SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    world.set(secretId=secret_arn, kmsKeyId=FOREIGN_KEY_ARN)
    world.describe_secret(ARN=secret_arn, KmsKeyId=FOREIGN_KEY_ARN)
    keep_version_under(world, "DefaultEncryptionKey", secret_arn=secret_arn)
    answer = world.ask("encryption")
    assert answer.startswith("problem ")
    assert "still encrypted with a key that AWS manages\n" in answer


def test_cross_account_secret_under_aws_key_is_problem(world: World):
    secret_arn = SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    world.set(secretId=secret_arn, kmsKeyId=FOREIGN_KEY_ARN)
    world.describe_secret(ARN=secret_arn)
    assert world.ask("encryption") == (
        "problem  encryption: the secret is encrypted with a key that AWS manages, which no other "
        "account can use\n"
        "         fix: 1. let everybody else who reads the secret decrypt with the new key, too\n"
        f"              2. with credentials for account {OTHER_ACCOUNT}: aws secretsmanager "
        f"update-secret --region us-east-1 --secret-id {secret_arn} --kms-key-id {FOREIGN_KEY_ARN}\n"
    )


def test_unreadable_secret_does_not_hide_bucket_problem(world: World):
    use_files(world, KEY_ARN)
    world.reject("secretsmanager:DescribeSecret", status=400, code="AccessDeniedException")
    answer = world.ask("encryption")
    assert "skipped  encryption: secretsmanager:DescribeSecret is not allowed" in answer
    assert "problem  encryption: by default, bucket documents is encrypted with" in answer


def test_files_under_key_in_another_region_are_problem(world: World):
    use_files(world, KEY_ARN.replace(REGION, "eu-west-1"))
    world.reject("kms:DescribeKey", status=400, code="NotFoundException")
    assert "eu-west-1" in world.ask("encryption")
    assert "no setting lets the role use this key for files" in world.ask("encryption")


@pytest.mark.parametrize(
    "keys", [[KEY_ARN], [OTHER_KEY_ARN, KEY_ID], ["DefaultEncryptionKey"], ["alias/own"]]
)
def test_current_secret_version_under_usable_key_is_fine(world: World, keys: list[str]):
    world.kms.create_alias(AliasName="alias/own", TargetKeyId=KEY_ID)
    keep_version_under(world, *keys)
    assert world.ask("encryption").startswith("ok ")


def test_key_id_of_cross_account_secret_is_in_its_account(world: World):
    secret_arn = SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    world.set(secretId=secret_arn, kmsKeyId=FOREIGN_KEY_ARN)
    world.describe_secret(ARN=secret_arn, KmsKeyId=KEY_ID)
    keep_version_under(world, KEY_ID, secret_arn=secret_arn)
    assert world.ask("encryption") == (
        f"ok       encryption: the secret is encrypted with {FOREIGN_KEY_ARN}\n"
    )
