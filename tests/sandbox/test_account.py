"""Test the contents of the sandbox's account, and that it changes as on AWS."""

import itertools
import json
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from sandbox.environment import PROJECT
from tests.helpers.stacks import OTHER_ACCOUNT, Aws, other_credentials
from tests.helpers.support import golden


def settings(stack: str) -> dict[str, Any]:
    config = yaml.safe_load((PROJECT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {name.partition(":")[2]: value for name, value in config.items()}


SETTINGS = settings("dev")
EXAMPLE = settings("example")
APPLICATION = {"applicationId": SETTINGS["applicationId"]}
INDEX = {**APPLICATION, "indexId": SETTINGS["indexId"]}
SECRET_ARN = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{SETTINGS['secretId']}"
KEY = SETTINGS["kmsKeyId"]
VPC: dict[str, list[str]] = SETTINGS["vpcConfiguration"]
SUPPORTED_ZONES = {"use1-az1", "use1-az2", "use1-az4"}
"""https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/connector-vpc.html"""
CONFIGURATION = {"type": "AEM", "secretArn": SECRET_ARN}
OTHER_TRUST = golden("trust-policy").replace("qbusiness.amazonaws.com", "kendra.amazonaws.com")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


# The contents.


def test_the_application_and_its_index_are_active(aws: Aws):
    qbusiness = aws.client("qbusiness")
    application, index = qbusiness.get_application(**APPLICATION), qbusiness.get_index(**INDEX)
    assert application["status"] == index["status"] == "ACTIVE"
    arn = f"arn:aws:qbusiness:us-east-1:123456789012:application/{APPLICATION['applicationId']}"
    assert application["applicationArn"] == arn
    assert index["indexArn"] == f"{arn}/index/{INDEX['indexId']}"
    (listed,) = qbusiness.list_applications()["applications"]
    assert listed["applicationId"] == APPLICATION["applicationId"]
    (listed,) = qbusiness.list_indices(**APPLICATION)["indices"]
    assert listed["indexId"] == INDEX["indexId"]
    assert qbusiness.list_data_sources(**INDEX)["dataSources"] == []


@pytest.mark.parametrize("name", [SECRET_ARN, "qbusiness/aem-cloud"])
def test_the_secret_has_the_expected_arn_and_key(aws: Aws, name: str):
    secret = aws.client("secretsmanager").describe_secret(SecretId=name)
    assert secret["ARN"] == SECRET_ARN
    assert secret["KmsKeyId"] == aws.client("kms").describe_key(KeyId=KEY)["KeyMetadata"]["Arn"]
    assert "DeletedDate" not in secret


def test_kms_key_is_customer_managed_and_delegates_to_iam(aws: Aws):
    kms = aws.client("kms")
    key = kms.describe_key(KeyId=KEY)["KeyMetadata"]
    assert (key["KeyManager"], key["KeySpec"], key["KeyState"]) == (
        "CUSTOMER",
        "SYMMETRIC_DEFAULT",
        "Enabled",
    )
    policy = kms.get_key_policy(KeyId=KEY, PolicyName="default")["Policy"]
    assert "arn:aws:iam::123456789012:root" in policy


def test_subnets_and_groups_share_vpc_in_supported_zones(aws: Aws):
    ec2 = aws.client("ec2")
    subnets = ec2.describe_subnets(SubnetIds=VPC["subnetIds"])["Subnets"]
    groups = ec2.describe_security_groups(GroupIds=VPC["securityGroupIds"])["SecurityGroups"]
    assert len({found["VpcId"] for found in (*subnets, *groups)}) == 1
    zones = {subnet["AvailabilityZoneId"] for subnet in subnets}
    assert len(zones) == len(VPC["subnetIds"])
    assert zones <= SUPPORTED_ZONES
    assert all(subnet["AvailableIpAddressCount"] > 0 for subnet in subnets)


def test_buckets_belong_to_this_and_another_account(aws: Aws):
    entries: dict[str, dict[str, str]] = EXAMPLE["dataSources"]
    s3 = aws.client("s3")
    bucket, owner = entries["files"]["bucketName"], entries["files"]["bucketAccountId"]
    for name, account in ((entries["intranet"]["bucketName"], "123456789012"), (bucket, owner)):
        assert s3.get_bucket_location(Bucket=name, ExpectedBucketOwner=account)
    assert "123456789012" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    (certificate,) = s3.list_objects_v2(Bucket=entries["intranet"]["bucketName"])["Contents"]
    assert certificate["Key"] in (PROJECT / "examples/data-source/Pulumi.example.yaml").read_text()


def test_another_region_is_empty(aws: Aws):
    assert aws.client("qbusiness", "eu-west-1").list_applications()["applications"] == []
    with pytest.raises(ClientError) as rejected:
        aws.client("secretsmanager", "eu-west-1").describe_secret(SecretId=SECRET_ARN)
    assert code(rejected) == "ResourceNotFoundException"


# Changes.


def test_recreated_secret_has_different_arn(aws: Aws):
    secrets = aws.client("secretsmanager")
    secrets.delete_secret(SecretId=SECRET_ARN, ForceDeleteWithoutRecovery=True)
    created = secrets.create_secret(Name="qbusiness/aem-cloud", SecretString="{}")
    assert created["ARN"] != SECRET_ARN


def test_secret_deletion_and_disabled_key_are_shown(aws: Aws):
    secrets, kms = aws.client("secretsmanager"), aws.client("kms")
    secrets.delete_secret(SecretId=SECRET_ARN)
    assert "DeletedDate" in secrets.describe_secret(SecretId=SECRET_ARN)
    kms.disable_key(KeyId=KEY)
    assert kms.describe_key(KeyId=KEY)["KeyMetadata"]["KeyState"] == "Disabled"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::aws:policy/AdministratorAccess",
        "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    ],
)
def test_aws_managed_policy_can_be_read_and_attached(aws: Aws, arn: str):
    aws.iam.create_role(RoleName="of-another-service", AssumeRolePolicyDocument=OTHER_TRUST)
    aws.iam.attach_role_policy(RoleName="of-another-service", PolicyArn=arn)
    (attached,) = aws.iam.list_attached_role_policies(RoleName="of-another-service")["AttachedPolicies"]
    assert attached["PolicyArn"] == arn
    version = aws.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found = aws.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
    assert found["Document"]["Version"] == "2012-10-17"
    assert aws.iam.list_policies(Scope="Local")["Policies"] == []


@pytest.mark.parametrize("name", ["NoSuchPolicy", "path/AdministratorAccess"])
def test_missing_aws_managed_policy_cannot_be_attached(aws: Aws, name: str):
    aws.iam.create_role(RoleName="of-another-service", AssumeRolePolicyDocument=OTHER_TRUST)
    with pytest.raises(ClientError) as rejected:
        aws.iam.attach_role_policy(
            RoleName="of-another-service", PolicyArn=f"arn:aws:iam::aws:policy/{name}"
        )
    assert code(rejected) == "NoSuchEntity"


# Another account.


@pytest.fixture
def other(environment: dict[str, str]) -> Aws:
    return Aws({**environment, **other_credentials(environment)})


def test_role_credentials_act_in_their_own_account(aws: Aws, other: Aws):
    role = {"RoleName": "of-another-service", "AssumeRolePolicyDocument": OTHER_TRUST}
    assert aws.client("sts").get_caller_identity()["Account"] == "123456789012"
    identity = other.client("sts").get_caller_identity()
    assert identity["Account"] == OTHER_ACCOUNT
    assert identity["Arn"] == f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/other/tests"
    aws.iam.create_role(**role)
    assert other.roles() == []
    created = other.iam.create_role(**role)["Role"]
    assert created["Arn"] == f"arn:aws:iam::{OTHER_ACCOUNT}:role/of-another-service"
    other.iam.update_role(RoleName="of-another-service", Description="other")
    assert "Description" not in aws.iam.get_role(RoleName="of-another-service")["Role"]


def test_another_account_lacks_example_resources(other: Aws):
    assert other.client("qbusiness").list_applications()["applications"] == []
    assert other.client("secretsmanager").list_secrets()["SecretList"] == []
    assert other.client("kms").list_keys()["Keys"] == []
    with pytest.raises(ClientError) as rejected:
        other.client("ec2").describe_subnets(SubnetIds=VPC["subnetIds"])
    assert code(rejected) == "InvalidSubnetID.NotFound"


def test_boundary_of_another_account_does_not_exist(aws: Aws, other: Aws):
    arn = aws.iam.create_policy(PolicyName="boundary", PolicyDocument=golden("default-role-policy"))
    arn = arn["Policy"]["Arn"]
    with pytest.raises(ClientError) as rejected:
        other.iam.create_role(
            RoleName="bounded", AssumeRolePolicyDocument=OTHER_TRUST, PermissionsBoundary=arn
        )
    assert code(rejected) == "NoSuchEntity"


def test_bucket_belongs_to_creator_and_is_found_by_all(aws: Aws, other: Aws):
    ours, theirs = aws.client("s3"), other.client("s3")
    ours.create_bucket(Bucket="documents")
    theirs.create_bucket(Bucket="their-documents")
    listed = [bucket["Name"] for bucket in ours.list_buckets()["Buckets"]]
    assert sorted(listed) == ["documents", EXAMPLE["dataSources"]["intranet"]["bucketName"]]
    owners = {"documents": "123456789012", "their-documents": OTHER_ACCOUNT}
    for s3, (bucket, owner) in itertools.product((ours, theirs), owners.items()):
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=owner)
        for expected in {*owners.values(), "444455556666"} - {owner}:
            with pytest.raises(ClientError) as rejected:
                s3.get_bucket_location(Bucket=bucket, ExpectedBucketOwner=expected)
            assert code(rejected) == "AccessDenied"
    with pytest.raises(ClientError) as rejected:
        ours.get_bucket_location(Bucket="no-such-bucket", ExpectedBucketOwner="123456789012")
    assert code(rejected) == "NoSuchBucket"


# Data sources.


@pytest.mark.parametrize(
    ("arn", "rejection"),
    [
        ("arn:aws:iam::123456789012:role/no-such-role", "ValidationException"),
        ("arn:aws:iam::123456789012:role/of-another-service", "ValidationException"),
        ("arn:aws:iam::123456789012:role/denying", "ValidationException"),
        ("arn:aws:iam::444455556666:role/of-another-account", "AccessDeniedException"),
    ],
)
def test_data_source_with_unusable_role_is_rejected(aws: Aws, arn: str, rejection: str):
    aws.iam.create_role(RoleName="of-another-service", AssumeRolePolicyDocument=OTHER_TRUST)
    denial = {"Effect": "Deny", "Principal": {"Service": "qbusiness.amazonaws.com"}}
    denying = json.loads(golden("trust-policy"))
    denying["Statement"].append({**denial, "Action": "sts:AssumeRole"})
    aws.iam.create_role(RoleName="denying", AssumeRolePolicyDocument=json.dumps(denying))
    qbusiness = aws.client("qbusiness")
    given = {**INDEX, "displayName": "Pages", "configuration": CONFIGURATION}
    with pytest.raises(ClientError) as rejected:
        qbusiness.create_data_source(**given, roleArn=arn)
    assert code(rejected) == rejection
    assert qbusiness.list_data_sources(**INDEX)["dataSources"] == []
    created = qbusiness.create_data_source(**given)
    with pytest.raises(ClientError) as rejected:
        qbusiness.update_data_source(**INDEX, dataSourceId=created["dataSourceId"], roleArn=arn)
    assert code(rejected) == rejection


# Unsupported operations.


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        ("qbusiness", "create_web_experience", {**APPLICATION}, "ValidationException"),
        ("iam", "simulate_principal_policy", {"ActionNames": ["s3:GetObject"]}, "InvalidAction"),
        ("accessanalyzer", "list_analyzers", {}, "UnknownOperationException"),
    ],
)
def test_unsupported_operation_is_rejected_by_the_sandbox(
    aws: Aws, service: str, operation: str, parameters: dict[str, Any], expected: str
):
    with pytest.raises(ClientError, match="the sandbox") as rejected:
        getattr(aws.client(service), operation)(**parameters)
    assert code(rejected) == expected
