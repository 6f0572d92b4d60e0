"""Tests `sandbox/account.py` and `sandbox/aws_server.py`: the account's resources and rejected calls."""

import json
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from sandbox.environment import PROJECT
from tests.helpers.stacks import OTHER_ACCOUNT, Aws
from tests.helpers.support import golden


def settings(stack: str) -> dict[str, Any]:
    config = yaml.safe_load((PROJECT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {name.partition(":")[2]: value for name, value in config.items()}


SETTINGS = settings("dev")
EXAMPLE: dict[str, dict[str, str]] = settings("example")["dataSources"]
ACCOUNT = "123456789012"
APPLICATION = {"applicationId": SETTINGS["applicationId"]}
INDEX = {**APPLICATION, "indexId": SETTINGS["indexId"]}
OTHER_TRUST = golden("trust-policy").replace("qbusiness.amazonaws.com", "kendra.amazonaws.com")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def test_buckets_belong_to_this_and_another_account(aws: Aws):
    s3 = aws.client("s3")
    files = EXAMPLE["files"]
    assert files["bucketAccountId"] == OTHER_ACCOUNT
    for bucket, owner in (
        (EXAMPLE["intranet"]["bucketName"], ACCOUNT),
        (files["bucketName"], OTHER_ACCOUNT),
    ):
        assert s3.get_bucket_location(Bucket=bucket, ExpectedBucketOwner=owner)
        for other in {ACCOUNT, OTHER_ACCOUNT, "444455556666"} - {owner}:
            with pytest.raises(ClientError) as rejected:
                s3.get_bucket_location(Bucket=bucket, ExpectedBucketOwner=other)
            assert code(rejected) == "AccessDenied"
    with pytest.raises(ClientError) as rejected:
        s3.get_bucket_location(Bucket="no-such-bucket", ExpectedBucketOwner=ACCOUNT)
    assert code(rejected) == "NoSuchBucket"
    assert ACCOUNT in s3.get_bucket_policy(Bucket=files["bucketName"])["Policy"]
    (certificate,) = s3.list_objects_v2(Bucket=EXAMPLE["intranet"]["bucketName"])["Contents"]
    assert certificate["Key"] in (PROJECT / "examples/data-source/Pulumi.example.yaml").read_text()


def test_aws_managed_policy_can_be_read_and_attached(aws: Aws):
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    aws.iam.create_role(RoleName="of-another-service", AssumeRolePolicyDocument=OTHER_TRUST)
    aws.iam.attach_role_policy(RoleName="of-another-service", PolicyArn=arn)
    assert aws.role("of-another-service")["attached"] == [arn]
    version = aws.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    assert aws.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert aws.iam.list_policies(Scope="Local")["Policies"] == []


def test_data_source_with_unusable_role_is_rejected(aws: Aws):
    denial = {"Effect": "Deny", "Principal": {"Service": "qbusiness.amazonaws.com"}}
    denying = json.loads(golden("trust-policy"))
    denying["Statement"].append({**denial, "Action": "sts:AssumeRole"})
    for name, document in (("of-another-service", OTHER_TRUST), ("denying", json.dumps(denying))):
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    qbusiness = aws.client("qbusiness")
    given = {**INDEX, "displayName": "Pages", "configuration": {"type": "AEM"}}
    created = qbusiness.create_data_source(**given)
    for role, rejection in (
        ("123456789012:role/no-such-role", "ValidationException"),
        ("123456789012:role/of-another-service", "ValidationException"),
        ("123456789012:role/denying", "ValidationException"),
        ("444455556666:role/of-another-account", "AccessDeniedException"),
    ):
        arn = f"arn:aws:iam::{role}"
        with pytest.raises(ClientError) as rejected:
            qbusiness.create_data_source(**given, roleArn=arn)
        assert code(rejected) == rejection, role
        with pytest.raises(ClientError) as rejected:
            qbusiness.update_data_source(**INDEX, dataSourceId=created["dataSourceId"], roleArn=arn)
        assert code(rejected) == rejection, role
    assert len(qbusiness.list_data_sources(**INDEX)["dataSources"]) == 1


def test_sandbox_rejects_unsupported_operation(aws: Aws):
    for service, operation, parameters, expected in (
        ("qbusiness", "create_web_experience", APPLICATION, "ValidationException"),
        ("iam", "simulate_principal_policy", {"ActionNames": ["s3:GetObject"]}, "InvalidAction"),
        ("accessanalyzer", "list_analyzers", {}, "UnknownOperationException"),
    ):
        with pytest.raises(ClientError, match="the sandbox") as rejected:
            getattr(aws.client(service), operation)(**parameters)
        assert code(rejected) == expected
