"""sandbox/account, aws_server: the account's contents, and how they change."""

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
CONFIGURATION = {"type": "AEM", "secretArn": SECRET_ARN}
OTHER_TRUST = golden("trust-policy").replace("qbusiness.amazonaws.com", "kendra.amazonaws.com")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def test_buckets_belong_to_this_and_another_account(aws: Aws):
    entries: dict[str, dict[str, str]] = EXAMPLE["dataSources"]
    s3 = aws.client("s3")
    bucket, owner = entries["files"]["bucketName"], entries["files"]["bucketAccountId"]
    for name, account in ((entries["intranet"]["bucketName"], "123456789012"), (bucket, owner)):
        assert s3.get_bucket_location(Bucket=name, ExpectedBucketOwner=account)
    assert "123456789012" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    (certificate,) = s3.list_objects_v2(Bucket=entries["intranet"]["bucketName"])["Contents"]
    assert certificate["Key"] in (PROJECT / "examples/data-source/Pulumi.example.yaml").read_text()


def test_aws_managed_policy_can_be_read_and_attached(aws: Aws):
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    aws.iam.create_role(RoleName="of-another-service", AssumeRolePolicyDocument=OTHER_TRUST)
    aws.iam.attach_role_policy(RoleName="of-another-service", PolicyArn=arn)
    (attached,) = aws.iam.list_attached_role_policies(RoleName="of-another-service")["AttachedPolicies"]
    assert attached["PolicyArn"] == arn
    version = aws.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found = aws.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
    assert found["Document"]["Version"] == "2012-10-17"
    assert aws.iam.list_policies(Scope="Local")["Policies"] == []


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
