"""Test invalid input on the real engine: message, exit code, and that nothing is created.

test_settings.py tests the rules themselves; this module tests the messages that a user sees.
"""

from typing import Any

import pytest

from evidence import examples
from evidence.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT, REGION, SUBNET_ID
from tests.helpers.stacks import Aws, NewStack, Stack, Update, assert_refused
from tests.helpers.support import PROJECT_NAME

VALID: dict[str, Any] = {
    "aws:region": REGION,
    "applicationId": examples.APPLICATION_ID,
    "indexId": examples.INDEX_ID,
    "secretId": examples.SECRET_ID,
}
VPC = {"subnetIds": [SUBNET_ID], "securityGroupIds": [examples.SECURITY_GROUP_ID]}
PAGES = "https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug"
PROGRAM_ERRORS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "formats": (
        {
            "kmsKeyID": examples.KEY_ID,
            "indexId": "",
            "secretId": "aem-*",
            "kmsKeyId": "alias/aem",
            "vpcConfiguration": {"subnetIds": [12, [SUBNET_ID]], "securityGroupIds": [None]},
            "accountId": 0o12345670123,
            "roleName": "qbusin\u0435ss",
            "tags": {"CostCenter": 7},
        },
        [
            "kmsKeyID: is not a setting; did you mean kmsKeyId?",
            "indexId: is required and not set",
            'secretId: "aem-*" is not a secret',
            'kmsKeyId: "alias/aem" is not a KMS key ID or ARN',
            "vpcConfiguration.subnetIds[0]: expected a string, got 12; quote it",
            f'vpcConfiguration.subnetIds[1]: expected a string, got ["{SUBNET_ID}"]',
            "vpcConfiguration.securityGroupIds[0]: expected a string, got null",
            'accountId: "1402433619" is not an account ID',
            r'roleName: "qbusin\u0435ss" is not a role name',
            "tags.CostCenter: expected a string, got 7; quote it",
        ],
    ),
    "missing": (
        {
            "aws:region": None,
            "applicationId": "x",
            "indexId": None,
            "allowNetworkInterfaceDeletion": True,
        },
        [
            "aws:region: is required and not set",
            'applicationId: "x" is not an application ID or ARN',
            "indexId: is required and not set",
            "allowNetworkInterfaceDeletion: requires vpcConfiguration",
        ],
    ),
    "contradictions": (
        {
            "applicationId": APPLICATION_ARN,
            "aws:region": "eu-west-1",
            "accountId": "444455556666",
            "indexId": "${aws:username}",
            "vpcConfiguration": {"subnetIds": [SUBNET_ID]},
        },
        [
            'aws:region: "eu-west-1" does not match the Region of the application',
            'indexId: "${aws:username}" is not an index ID',
            "vpcConfiguration.securityGroupIds[0]: is required and not set",
            'accountId: "444455556666" does not match the account of the application',
        ],
    ),
    "connector": (
        {
            "bucket": "qbusiness-documents",
            "connector": "s3-v2",
            "bucketAccountId": 0o12345670123,
            "vpcConfiguration": {"subnetIds": [12]},
            "allowNetworkInterfaceDeletion": True,
        },
        [
            "bucket: is not a setting; did you mean bucketName or bucketAccountId?",
            f"secretId: is not supported by the connector s3-v2: see {PAGES}/s3-v2-iam-role.html",
            f"bucketName: is required and not set: the connector s3-v2 needs it, see {PAGES}/s3-v2-iam",
            'bucketAccountId: "1402433619" is not an account ID',
            f"vpcConfiguration: is not supported by the connector s3-v2: see {PAGES}/s3-v2-iam",
            "allowNetworkInterfaceDeletion: requires vpcConfiguration",
        ],
    ),
    "unknown connector": (
        {"connector": "asana", "bucketName": "s3://documents", "indexId": ""},
        [
            "indexId: is required and not set",
            'connector: "asana" is not a connector; did you mean Asana?',
            'bucketName: "s3://documents" is not the name of an S3 bucket',
        ],
    ),
    "size of the policy": (
        {"vpcConfiguration": {**VPC, "subnetIds": [f"subnet-{n:017x}" for n in range(120)]}},
        ["characters without whitespace"],
    ),
}
"""Settings, and the errors that the program reports, in this order."""
ENGINE_ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"indexId": ...}, "missing configuration value 'indexId'"),
    "list for a string": ({"secretId": ["x"]}, "'secretId' must be of type 'string'"),
    "list for the connector": ({"connector": ["box"]}, "'connector' must be of type 'string'"),
    "text for an object": ({"vpcConfiguration": "x"}, "'vpcConfiguration' must be of type 'object'"),
    "text for a boolean": (
        {"exclusivePolicies": "maybe"},
        "'exclusivePolicies' must be of type 'boolean'",
    ),
}
LATE_PROBLEM = """
import pulumi
from components.connector_role import ConnectorRole

APPLICATION = (
    "arn:aws:qbusiness:us-east-1:123456789012:application/a1b2c3d4-5678-90ab-cdef-111111111111"
)
role = ConnectorRole("first", {
    "application_id": APPLICATION,
    "index_id": "b2c3d4e5-6789-01ab-cdef-222222222222",
    "secret_id": "qbusiness/aem-cloud-a1B2c3",
})
ConnectorRole("second", {
    "application_id": APPLICATION,
    "index_id": "b2c3d4e5-6789-01ab-cdef-222222222222",
    "secret_id": role.role_arn,
})
"""


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def configured(new_stack: NewStack, changes: dict[str, Any]) -> Stack:
    settings = {**VALID, **changes}
    return new_stack({key: value for key, value in settings.items() if value is not ...})


def refused(stack: Stack, aws: Aws, expected: str) -> Update:
    update = assert_refused(stack, aws, expected)
    assert "Traceback" not in update.text
    return update


@pytest.mark.parametrize(("changes", "expected"), PROGRAM_ERRORS.values(), ids=PROGRAM_ERRORS)
def test_invalid_settings_are_all_refused_at_once(
    new_stack: NewStack, aws: Aws, changes: dict[str, Any], expected: list[str]
):
    errors = "1 error" if len(expected) == 1 else f"{len(expected)} errors"
    reported = f"invalid configuration: {errors}; nothing was created or changed"
    text = refused(configured(new_stack, changes), aws, reported).text
    assert text.count("expected: ") == text.count("fix: ") == len(expected)
    for problem in expected:
        assert problem in text
        text = text.partition(problem)[2]


@pytest.mark.parametrize(("changes", "expected"), ENGINE_ERRORS.values(), ids=ENGINE_ERRORS)
def test_the_engine_checks_presence_and_types(
    new_stack: NewStack, aws: Aws, changes: dict[str, Any], expected: str
):
    refused(configured(new_stack, changes), aws, expected)


def test_a_preview_refuses_the_same_settings_as_an_update(new_stack: NewStack):
    preview = configured(new_stack, {"indexId": "x"}).preview(check=False)
    assert preview.exit_code != 0
    assert 'indexId: "x" is not an index ID' in preview.text


def test_the_command_in_the_message_fixes_the_setting(new_stack: NewStack, aws: Aws):
    stack = configured(new_stack, {"vpcConfiguration": {**VPC, "subnetIds": [SUBNET_ID, 12]}})
    text = refused(stack, aws, "quote it").text
    command = text.partition("fix: pulumi ")[2].splitlines()[0].replace("'", "")
    stack.run(*command.split())
    refused(stack, aws, "SUBNET_ID is a placeholder")
    stack.run(*command.replace("SUBNET_ID", "subnet-01234567").split())
    assert stack.up().changes == {"same": 1, "create": 3}  # the stack itself exists


def test_the_commands_in_the_message_switch_the_connector(new_stack: NewStack, aws: Aws):
    stack = configured(new_stack, {"connector": "s3-v2", "vpcConfiguration": VPC})
    text = refused(stack, aws, "invalid configuration: 3 errors").text
    for line in text.split("fix: pulumi ")[1:]:
        stack.run(*line.splitlines()[0].replace("BUCKET_NAME", "qbusiness-documents").split())
    assert stack.up().changes == {"same": 1, "create": 3}
    (policy,) = aws.role_policies(stack.outputs()["roleName"]).values()
    assert "arn:aws:s3:::qbusiness-documents/*" in policy
    assert "secretsmanager" not in policy
    assert SUBNET_ID not in policy


def test_an_error_that_needs_the_provider_stops_the_update_before_the_role(
    new_stack: NewStack, aws: Aws
):
    secret = f"arn:aws-cn:secretsmanager:{REGION}:{ACCOUNT}:secret:aem-a1B2c3"
    stack = configured(new_stack, {"secretId": secret})
    update = refused(stack, aws, "does not match the partition of the application")
    (_,) = (message for _, message in update.errors if "invalid configuration: 1 error" in message)


def test_a_preview_refuses_credentials_of_another_account(new_stack: NewStack, aws: Aws):
    elsewhere = APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    for changes in ({"applicationId": elsewhere}, {"accountId": OTHER_ACCOUNT}):
        stack = configured(new_stack, changes)
        preview = stack.preview(check=False)
        assert preview.exit_code != 0
        (error,) = (message for _, message in preview.errors if "account" in message)
        assert f"the application is in account {OTHER_ACCOUNT}" in error
        assert f"but the credentials are for account {ACCOUNT}" in error
        assert not [step for step in preview.steps if step[1].endswith("-qbusiness-role")]
        assert "Traceback" not in preview.text
        assert stack.up(check=False).exit_code != 0
        assert aws.roles() == []


@pytest.mark.parametrize(
    ("command", "program_first", "kept"),
    [
        (["up", "--skip-preview"], False, False),
        (["up", "--skip-preview"], True, True),
        (["refresh", "--skip-preview"], True, True),
        # `Execute` in pkg/resource/deploy of Pulumi refreshes before a destroy, with the program or not.
        (["destroy", "--skip-preview"], True, False),
        (["destroy", "--skip-preview", "--refresh=false"], True, True),
        (["destroy"], True, True),  # its preview refuses
    ],
)
def test_the_program_refuses_before_the_state_changes_if_it_runs_first(
    new_stack: NewStack, aws: Aws, command: list[str], program_first: bool, kept: bool
):
    stack = configured(new_stack, {"applicationId": APPLICATION_ARN})
    stack.up()
    role = stack.outputs()["roleName"]
    # As in an account that does not have the role.
    aws.iam.delete_role_policy(RoleName=role, PolicyName="qbusiness-aem-connector")
    aws.iam.delete_role(RoleName=role)
    stack.configure({**VALID, "applicationId": APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)})
    stack.environment["PULUMI_RUN_PROGRAM"] = str(program_first).lower()
    refusal = stack.run(*command, "--yes", check=False)
    assert refusal.returncode != 0
    assert f"the application is in account {OTHER_ACCOUNT}" in refusal.stdout
    left = [resource["id"] for resource in stack.resources() if resource["type"].startswith("aws:iam")]
    assert (role in left) == kept
    stack.environment["PULUMI_RUN_PROGRAM"] = "false"
    stack.configure({**VALID, "applicationId": APPLICATION_ARN})


FORGED = "x\n  indexId fine\x1b[1A\u202e"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tags": {FORGED: 5}}, r'tags["x\n  indexId fine\x1b[1A\u202e"]: '),
        ({f"{PROJECT_NAME}:{FORGED}": "x"}, r"x\n  indexId fine\x1b[1A\u202e: is not a setting"),
        ({"vpcConfiguration": {**VPC, "subnetIds": nested(500)}}, "vpcConfiguration.subnetIds[0]: "),
        ({"tags": {"Number": int("9" * 300)}}, "tags.Number: "),
    ],
    ids=["tag key", "key", "deep", "number"],
)
def test_unusual_values_are_refused_without_a_traceback(
    new_stack: NewStack, aws: Aws, changes: dict[str, Any], expected: str
):
    text = refused(configured(new_stack, changes), aws, expected).text
    assert "\x1b[1A" not in text
    assert "\u202e" not in text
    assert "\n  indexId fine" not in text


def test_a_value_that_is_nested_too_deeply_is_refused(new_stack: NewStack, aws: Aws):
    stack = configured(new_stack, {"vpcConfiguration": {"subnetIds": "DEEP"}})
    text = stack.config_file.read_text()
    stack.config_file.write_text(text.replace('"DEEP"', "[" * 1_200 + "]" * 1_200))
    refused(stack, aws, "vpcConfiguration: ")


def test_a_value_that_becomes_known_during_the_update_is_validated_during_the_update(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack({"aws:region": REGION}, LATE_PROBLEM)
    assert stack.preview().exit_code == 0  # the ARN is not known yet
    update = stack.up(check=False)
    assert update.exit_code != 0
    assert 'secret_id: "arn:aws:iam::123456789012:role/first-' in update.text
    assert "Traceback" not in update.text
    assert [role for role in aws.roles() if role.startswith("second")] == []
