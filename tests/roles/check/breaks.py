"""Problems with a stack's resources, and the answers from `roles check`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pages.examples import (
    ACCOUNT,
    APPLICATION_ID,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from tests.helpers.world import (
    KEY_ARN,
    OTHER_KEY_ARN,
    ROLE_ARN,
    ROOT,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    SECRET_NAME,
    World,
    allow_key,
)
from tests.roles.check.help import SID, set_up


@dataclass
class Break:
    """One problem, and the answer to the question about it."""

    apply: Callable[[World], object]
    question: str
    text: str
    fix: str


def set_entry(entry: str, value: str) -> str:
    path = f"'vpcConfiguration.{entry}'"
    return (
        f"pulumi config set --stack dev --path --type string -- {path} {value} && pulumi up --stack dev"
    )


GROUP_ARN: Final = f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{SECURITY_GROUP_ID}"
SHARED_GROUP: Final = GROUP_ARN.replace(ACCOUNT, OTHER_ACCOUNT)


def group(**entries: str) -> dict[str, list[dict[str, str]]]:
    """Return DescribeSecurityGroups' response for the group, with some changes."""
    found = {"GroupId": SECURITY_GROUP_ID, "SecurityGroupArn": GROUP_ARN, "OwnerId": ACCOUNT}
    return {"SecurityGroups": [{**found, "VpcId": "vpc-0d4e5f60718293041", **entries}]}


IN_IRELAND: Final = {"LocationConstraint": "eu-west-1"}
NO_PROVIDER: Final = {"errorMessage": "No identity provider"}
THROUGH_S3: Final = {"StringEquals": {"kms:ViaService": "s3.amazonaws.com"}}
DENIAL: Final = allow_key({"AWS": ROLE_ARN}, Effect="Deny", Action="kms:D*", Sid="No")
SHARED_SUBNET: Final = f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:subnet/{SUBNET_ID}"
STATEMENT: Final = json.dumps(
    {
        "Sid": SID,
        "Effect": "Allow",
        "Principal": {"AWS": [ROLE_ARN]},
        "Action": ["kms:Decrypt"],
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:ViaService": [f"secretsmanager.{REGION}.amazonaws.com"]}},
    }
)
SECRETS: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"


def use_key(world: World, arn: str) -> None:
    """Encrypt the secret with a key that has since been deleted, and name it in the settings."""
    world.describe_secret(KmsKeyId=arn)
    version = {"VersionId": 32 * "a", "VersionStages": ["AWSCURRENT"], "KmsKeyIds": [arn]}
    versions = {"ARN": SECRET_ARN, "Name": SECRET_NAME, "Versions": [version]}
    world.server.answers["secretsmanager:ListSecretVersionIds"] = versions
    world.set(kmsKeyId=arn)


BREAKS: list[Break] = [
    Break(
        lambda world: world.server.qbusiness.resources.pop((APPLICATION_ID,)),
        "application",
        f"there is no application {APPLICATION_ID} in {REGION}: `aws qbusiness list-applications",
        set_up("applicationId", "APPLICATION_ID"),
    ),
    Break(
        lambda world: world.resource(APPLICATION_ID, status="FAILED", error=NO_PROVIDER),
        "application",
        f"application {APPLICATION_ID} is FAILED: No identity provider",
        f"create another application, then {set_up('applicationId', 'APPLICATION_ID')}",
    ),
    Break(
        lambda world: world.resource(APPLICATION_ID, status="CREATING"),
        "application",
        f"application {APPLICATION_ID} is CREATING",
        "wait until the application is ACTIVE",
    ),
    Break(
        lambda world: world.server.qbusiness.resources.pop((APPLICATION_ID, INDEX_ID)),
        "index",
        f"there is no index {INDEX_ID} in this application: `aws qbusiness list-indices",
        set_up("indexId", "INDEX_ID"),
    ),
    Break(
        lambda world: world.resource(APPLICATION_ID, INDEX_ID, status="DELETING"),
        "index",
        f"index {INDEX_ID} is DELETING",
        "create another index",
    ),
    Break(
        lambda world: world.secrets.delete_secret(SecretId=SECRET_ARN),
        "secret",
        f"{SECRET_ARN} is scheduled for deletion",
        f"aws secretsmanager restore-secret --region us-east-1 --secret-id {SECRET_ARN}",
    ),
    Break(
        lambda world: world.delete_secret(SECRET_ARN),
        "secret",
        f"there is no secret {SECRET_ARN}: `aws secretsmanager list-secrets --region us-east-1` "
        "lists the secrets",
        set_up("secretId", "SECRET_ARN"),
    ),
    Break(
        World.recreate_secret,
        "secret",
        f"there is no secret {SECRET_ARN}, but {SECRETS}{SECRET_NAME}-",
        f"-- secretId {SECRETS}{SECRET_NAME}-",
    ),
    Break(
        lambda world: world.describe_secret(KmsKeyId=KEY_ARN, VersionIdsToStages={}),
        "secret",
        f"{SECRET_ARN} has no value",
        f"aws secretsmanager put-secret-value --region us-east-1 --secret-id {SECRET_ARN} "
        "--secret-string",
    ),
    Break(
        lambda world: world.set(kmsKeyId=None),
        "encryption",
        f"the secret is encrypted with {KEY_ARN}, but kmsKeyId is not set",
        set_up("kmsKeyId", KEY_ARN),
    ),
    Break(
        lambda world: world.set(kmsKeyId=OTHER_KEY_ARN),
        "encryption",
        f"the secret is encrypted with {KEY_ARN}, but kmsKeyId is {OTHER_KEY_ARN}",
        set_up("kmsKeyId", KEY_ARN),
    ),
    Break(
        lambda world: world.kms.disable_key(KeyId=KEY_ID),
        "KMS key",
        f"{KEY_ARN} is not usable: Disabled",
        f"aws kms enable-key --region us-east-1 --key-id {KEY_ID}",
    ),
    Break(
        lambda world: world.kms.schedule_key_deletion(KeyId=KEY_ID),
        "KMS key",
        f"{KEY_ARN} is not usable: PendingDeletion",
        f"aws kms cancel-key-deletion --region us-east-1 --key-id {KEY_ID} && "
        f"aws kms enable-key --region us-east-1 --key-id {KEY_ID}",
    ),
    Break(
        lambda world: world.describe_key(KeyState="PendingImport"),
        "KMS key",
        f"{KEY_ARN} is not usable: PendingImport",
        "make the key usable: https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html",
    ),
    Break(
        lambda world: world.describe_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY"),
        "KMS key",
        f"{KEY_ARN} is not a symmetric encryption key: its spec is RSA_2048, and its "
        "usage is SIGN_VERIFY",
        f"2. aws secretsmanager update-secret --region us-east-1 --secret-id {SECRET_ARN} "
        "--kms-key-id SYMMETRIC_KEY_ARN\n",
    ),
    Break(
        lambda world: use_key(world, OTHER_KEY_ARN),
        "KMS key",
        f"there is no key {OTHER_KEY_ARN}",
        set_up("kmsKeyId", "KEY_ID"),
    ),
    Break(
        lambda world: world.key_policy(allow_key({"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"})),
        "key policy",
        "the key policy neither grants kms:Decrypt to the role nor delegates to IAM policies",
        f'in key-policy.json, add to "Statement": {STATEMENT}',
    ),
    Break(
        lambda world: world.key_policy(allow_key(ROOT, Action="kms:Encrypt")),
        "key policy",
        "neither grants kms:Decrypt to the role",
        f"aws kms put-key-policy --region us-east-1 --key-id {KEY_ID} --policy-name default --policy file://key-policy.json",
    ),
    Break(
        lambda world: world.key_policy(allow_key(ROOT, Condition=THROUGH_S3)),
        "key policy",
        "neither grants kms:Decrypt to the role",
        f"aws kms put-key-policy --region us-east-1 --key-id {KEY_ID}",
    ),
    Break(
        lambda world: world.key_policy(allow_key(ROOT), DENIAL),
        "key policy",
        "the key policy denies kms:Decrypt to the role, in the statement No",
        "in key-policy.json, exclude the role from the statement No, which also applies to others",
    ),
    Break(
        lambda world: world.ec2.delete_subnet(SubnetId=SECOND_SUBNET_ID),
        "subnets",
        f"there is no subnet {SECOND_SUBNET_ID} in {REGION}",
        set_entry("subnetIds[1]", "SUBNET_ID"),
    ),
    Break(
        lambda world: world.subnet(AvailabilityZoneId="use1-az6"),
        "subnets",
        f"{SUBNET_ID} is in use1-az6, but Amazon Q Business supports only use1-az1, use1-az2, use1-az4",
        set_entry("subnetIds[0]", "SUBNET_ID"),
    ),
    Break(
        lambda world: world.subnet(State="pending"),
        "subnets",
        f"{SUBNET_ID} is pending, not available",
        set_entry("subnetIds[0]", "SUBNET_ID"),
    ),
    Break(
        lambda world: world.subnet(AvailableIpAddressCount=0),
        "subnets",
        f"{SUBNET_ID} has no free address",
        set_entry("subnetIds[0]", "SUBNET_ID"),
    ),
    Break(
        lambda world: world.subnet(VpcId="vpc-2"),
        "subnets",
        f"the subnets are in 2 VPCs: {SUBNET_ID} in vpc-2, {SECOND_SUBNET_ID} in vpc-1",
        set_entry("subnetIds[0]", "SUBNET_ID"),
    ),
    Break(
        lambda world: world.subnet(OwnerId=OTHER_ACCOUNT, SubnetArn=SHARED_SUBNET),
        "subnets",
        f"{SUBNET_ID} belongs to account {OTHER_ACCOUNT}: use the subnet's ARN",
        set_entry("subnetIds[0]", SHARED_SUBNET),
    ),
    Break(
        lambda world: world.ec2.delete_security_group(GroupId=SECURITY_GROUP_ID),
        "security groups",
        f"there is no security group {SECURITY_GROUP_ID} in {REGION}",
        set_entry("securityGroupIds[0]", "SECURITY_GROUP_ID"),
    ),
    Break(
        lambda world: world.server.answers.update(
            {"ec2:DescribeSecurityGroups": group(OwnerId=OTHER_ACCOUNT, SecurityGroupArn=SHARED_GROUP)}
        ),
        "security groups",
        f"{SECURITY_GROUP_ID} belongs to account {OTHER_ACCOUNT}, but the role can use only groups of",
        set_entry("securityGroupIds[0]", "SECURITY_GROUP_ID"),
    ),
]


BUCKET_BREAKS: list[Break] = [
    Break(
        lambda world: world.set(bucketName="nothing"),
        "bucket",
        "there is no bucket nothing",
        set_up("bucketName", "BUCKET_NAME"),
    ),
    Break(
        lambda world: world.server.answers.update({"s3:GetBucketLocation": IN_IRELAND}),
        "bucket",
        f"bucket documents is in eu-west-1, but the index is in {REGION}",
        "1. aws s3 sync s3://documents s3://BUCKET_NAME\n",
    ),
    Break(
        lambda world: world.set(kmsKeyId=None),
        "encryption",
        f"by default, bucket documents is encrypted with {KEY_ARN}, but kmsKeyId is not set",
        set_up("kmsKeyId", KEY_ARN),
    ),
    Break(
        lambda world: world.describe_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY"),
        "KMS key",
        f"{KEY_ARN} is not a symmetric encryption key",
        "1. aws s3api put-bucket-encryption --bucket documents --server-side-encryption-configuration "
        """'{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"""
        '"SYMMETRIC_KEY_ARN"',
    ),
]
