"""components/problems: what users see for invalid settings; tests/components tests the messages."""

from pages import examples
from pages.examples import SUBNET_ID
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import REQUIRED


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
