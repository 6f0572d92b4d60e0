"""Test what users see for invalid settings on the real engine; tests/components tests the messages."""

from typing import Any

from pages import examples
from pages.examples import SUBNET_ID
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import REQUIRED


def test_update_reports_all_errors_and_creates_nothing(new_stack: NewStack, aws: Aws):
    settings: dict[str, Any] = {
        **REQUIRED,
        "kmsKeyID": examples.KEY_ID,
        "indexId": "",
        "secretId": "aem-*",
        "vpcConfiguration": {
            "subnetIds": [12, [SUBNET_ID]],
            "securityGroupIds": [None],
        },
        "accountId": 0o12345670123,
        "roleName": "qbusin\u0435ss",
        "tags": {"CostCenter": 7, "Number": int("9" * 300)},
    }
    problems = [
        "kmsKeyID: is not a setting; did you mean kmsKeyId?",
        "indexId: is required but not set",
        'secretId: "aem-*" is not a secret',
        "vpcConfiguration.subnetIds[0]: expected a string, got 12; if the value is right, quote it",
        f'vpcConfiguration.subnetIds[1]: expected a string, got ["{SUBNET_ID}"]',
        "vpcConfiguration.securityGroupIds[0]: expected a string, got null",
        'accountId: "1402433619" is not an account ID',
        r'roleName: "qbusin\u0435ss" is not a valid role name',
        "tags.CostCenter: expected a string, got 7; if the value is right, quote it",
        "tags.Number: expected a string, got",
    ]
    stack = new_stack(settings)
    update = stack.up(check=False)
    assert update.exit_code != 0
    begin = f"invalid configuration: {len(problems)} errors; no role was created or changed\n"
    _, _, text = update.text.partition(begin)
    assert text.count("expected: ") == text.count("fix: ") == len(problems)
    for problem in problems:
        assert problem in text
        text = text.partition(problem)[2]
    assert "Traceback" not in update.text
    assert [resource["type"] for resource in stack.resources()] == ["pulumi:pulumi:Stack"]
    assert aws.roles() == []


def test_commands_in_preview_messages_correct_settings(new_stack: NewStack, aws: Aws):
    vpc = {"subnetIds": [SUBNET_ID], "securityGroupIds": [examples.SECURITY_GROUP_ID]}
    tags = {"Cost Center": 7}
    stack = new_stack({**REQUIRED, "connector": "s3-v2", "vpcConfiguration": vpc, "tags": tags})
    preview = stack.preview(check=False)
    assert preview.exit_code != 0
    assert "invalid configuration: 4 errors" in preview.text
    assert stack.run_fixes(preview.text, BUCKET_NAME="qbusiness-documents") == ['tags["Cost Center"]']
    stack.run("config", "set", "--path", 'tags["Cost Center"]', "search")
    stack.up()
    role = stack.outputs()["roleName"]
    (policy,) = aws.role_policies(role).values()
    assert "arn:aws:s3:::qbusiness-documents/*" in policy
    assert "secretsmanager" not in policy
    assert SUBNET_ID not in policy
    assert aws.iam.list_role_tags(RoleName=role)["Tags"] == [{"Key": "Cost Center", "Value": "search"}]
