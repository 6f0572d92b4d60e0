"""Test what users see for invalid settings on the real engine; tests/components tests the messages."""

import re
from typing import Any, Final

import pytest

from pages import examples
from pages.examples import APPLICATION_ARN, INDEX_ID, REGION, SECRET_ID, SUBNET_ID
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import PROJECT_NAME, REQUIRED

FORGED: Final = "x\n  indexId fine\x1b[1A\u202e"


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_update_reports_all_errors_and_creates_nothing(new_stack: NewStack, aws: Aws):
    settings: dict[str, Any] = {
        **REQUIRED,
        f"{PROJECT_NAME}:{FORGED}": "x",
        "kmsKeyID": examples.KEY_ID,
        "indexId": "",
        "secretId": "aem-*",
        "vpcConfiguration": {
            "subnetIds": [12, [SUBNET_ID], nested(500)],
            "securityGroupIds": [None],
        },
        "accountId": 0o12345670123,
        "roleName": "qbusin\u0435ss",
        "tags": {"CostCenter": 7, "Number": int("9" * 300), FORGED: 5},
    }
    problems = [
        "kmsKeyID: is not a setting; did you mean kmsKeyId?",
        r"x\n  indexId fine\x1b[1A\u202e: is not a setting",
        "indexId: is required but not set",
        'secretId: "aem-*" is not a secret',
        "vpcConfiguration.subnetIds[0]: expected a string, got 12; if the value is right, quote it",
        f'vpcConfiguration.subnetIds[1]: expected a string, got ["{SUBNET_ID}"]',
        "vpcConfiguration.subnetIds[2]: expected a string, got",
        "vpcConfiguration.securityGroupIds[0]: expected a string, got null",
        'accountId: "1402433619" is not an account ID',
        r'roleName: "qbusin\u0435ss" is not a valid role name',
        "tags.CostCenter: expected a string, got 7; if the value is right, quote it",
        "tags.Number: expected a string, got",
        r'"x\n  indexId fine\u001b[1A\u202e" is not a valid tag key',
        (
            r'tags["x\n  indexId fine\x1b[1A\u202e"]: expected a string, got 5; if the value is right, '
            "quote it"
        ),
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
    for unexpected in ("Traceback", "\x1b[1A", "\u202e", "\n  indexId fine"):
        assert unexpected not in update.text
    assert [resource["type"] for resource in stack.resources()] == ["pulumi:pulumi:Stack"]
    assert aws.roles() == []


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("indexId", None, "missing configuration value 'indexId'"),
        ("dataSources", "text", "'dataSources' must be of type 'object'"),
    ],
)
def test_engine_checks_presence_and_types_of_settings(
    new_stack: NewStack, key: str, value: str | None, expected: str
):
    given = {**REQUIRED, key: value}
    stack = new_stack({name: value for name, value in given.items() if value is not None})
    preview = stack.preview(check=False)
    assert preview.exit_code != 0
    assert expected in preview.text


def test_commands_in_preview_messages_correct_settings(new_stack: NewStack, aws: Aws):
    vpc = {"subnetIds": [SUBNET_ID], "securityGroupIds": [examples.SECURITY_GROUP_ID]}
    tags = {"Cost Center": 7}
    stack = new_stack({**REQUIRED, "connector": "s3-v2", "vpcConfiguration": vpc, "tags": tags})
    preview = stack.preview(check=False)
    assert preview.exit_code != 0
    assert "invalid configuration: 4 errors" in preview.text
    script = "\n".join(re.findall(r"    fix: (.*)\n", preview.text))
    script = script.replace("BUCKET_NAME", "qbusiness-documents").replace("TAG_VALUE", "search")
    stack.execute("sh", "-euc", script)
    stack.up()
    role = stack.outputs()["roleName"]
    (policy,) = aws.role_policies(role).values()
    assert "arn:aws:s3:::qbusiness-documents/*" in policy
    assert "secretsmanager" not in policy
    assert SUBNET_ID not in policy
    assert aws.iam.list_role_tags(RoleName=role)["Tags"] == [{"Key": "Cost Center", "Value": "search"}]


LATE_PROBLEM: Final = f"""
from components.connector_role import ConnectorRole

first = ConnectorRole("first", {{
    "application_id": "{APPLICATION_ARN}",
    "index_id": "{INDEX_ID}",
    "secret_id": "{SECRET_ID}",
}})
ConnectorRole("second", {{
    "application_id": "{APPLICATION_ARN}",
    "index_id": "{INDEX_ID}",
    "secret_id": first.role_arn,
}})
"""


def test_output_value_is_validated_before_role_creation(new_stack: NewStack, aws: Aws):
    stack = new_stack({"aws:region": REGION}, LATE_PROBLEM)
    update = stack.up(check=False)
    assert update.exit_code != 0
    (error,) = (message for _, message in update.errors if "invalid configuration" in message)
    assert 'secret_id: "arn:aws:iam::123456789012:role/first-' in error
    assert "Traceback" not in update.text
    assert [role for role in aws.roles() if role.startswith("second")] == []
