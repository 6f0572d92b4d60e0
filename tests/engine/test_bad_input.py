"""components/problems: what users see for invalid settings; tests/components tests the messages."""

from typing import Any

from pages import examples
from pages.examples import SUBNET_ID
from tests.helpers.stacks import Aws, NewStack, assert_rejected
from tests.helpers.support import REQUIRED


def test_update_reports_all_errors_and_creates_nothing(new_stack: NewStack, aws: Aws):
    settings: dict[str, Any] = {
        **REQUIRED,
        "kmsKeyID": examples.KEY_ID,
        "indexId": "",
        "vpcConfiguration": {"subnetIds": [12, [SUBNET_ID]], "securityGroupIds": [None]},
        "roleName": "qbusin\u0435ss",
    }
    problems = [
        "kmsKeyID: is not a setting; did you mean kmsKeyId?",
        "indexId: is required but not set",
        "vpcConfiguration.subnetIds[0]: expected a string, got 12; if the value is right, quote it",
        f'vpcConfiguration.subnetIds[1]: expected a string, got ["{SUBNET_ID}"]',
        "vpcConfiguration.securityGroupIds[0]: expected a string, got null",
        r'roleName: "qbusin\u0435ss" is not a valid role name',
    ]
    text = assert_rejected(
        new_stack(settings), aws, f"{len(problems)} errors; no role was created or changed\n", *problems
    ).text
    assert text.count("expected: ") == text.count("fix: ") == len(problems)
    assert "Traceback" not in text


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
