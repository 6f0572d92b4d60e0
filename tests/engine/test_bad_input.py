"""Tests that the commands in messages of `components/problems.py` correct the settings."""

from pages import examples
from pages.examples import INDEX_ID, SUBNET_ID
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import REQUIRED


def test_commands_in_preview_messages_correct_settings(new_stack: NewStack, aws: Aws):
    vpc = {"subnetIds": [SUBNET_ID], "securityGroupIds": [examples.SECURITY_GROUP_ID]}
    s3 = {**REQUIRED, "connector": "s3-v2", "vpcConfiguration": vpc, "tags": {"Cost Center": 7}}
    stack = new_stack({**s3, "indexId": "x"})
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    assert "invalid configuration: 5 errors" in failed.text
    assert "Traceback" not in failed.text
    assert aws.roles() == []
    values = {"BUCKET_NAME": "qbusiness-documents", "INDEX_ID": INDEX_ID}
    assert stack.run_fixes(failed.text, **values) == ['tags["Cost Center"]']
    stack.run("config", "set", "--path", 'tags["Cost Center"]', "search")
    stack.up()
    role = stack.outputs()["roleName"]
    (policy,) = aws.role_policies(role).values()
    assert "arn:aws:s3:::qbusiness-documents/*" in policy
    assert "secretsmanager" not in policy
    assert SUBNET_ID not in policy
    assert aws.iam.list_role_tags(RoleName=role)["Tags"] == [{"Key": "Cost Center", "Value": "search"}]

    # The engine marks all of `dataSources` as secret if one of its values is secret.
    stack.run("config", "set", "--path", "--secret", "dataSources.wiki.secretId", "confidential")
    text = stack.preview(check=False).text
    assert "dataSources: has a secret value" in text
    assert stack.run_fixes(text) == ["connector", "bucketName", "dataSources"]
