"""Test the example that creates the roles of three connectors of one application."""

import json
from typing import Any

import pytest
import yaml

from sandbox.environment import PROJECT
from tests.helpers.stacks import Aws, NewStack, Stack
from tests.helpers.support import PROJECT_NAME, golden, of_role

EXAMPLE = PROJECT / "examples" / "three-connectors"
SETTINGS: dict[str, Any] = {
    key.replace("qbusiness-connectors:", ""): value
    for key, value in yaml.safe_load((EXAMPLE / "Pulumi.example.yaml").read_text())["config"].items()
}


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    """Return a stack of the example that uses the components instead of the installed package."""
    stack = new_stack(SETTINGS, (EXAMPLE / "__main__.py").read_text())
    project = yaml.safe_load((EXAMPLE / "Pulumi.yaml").read_text())
    (stack.directory / "Pulumi.yaml").write_text(yaml.safe_dump({**project, "name": PROJECT_NAME}))
    (stack.directory / "components").rename(stack.directory / "qbusiness_connector")
    return stack


def test_each_connector_has_a_role_for_its_own_secret_or_bucket(stack: Stack, aws: Aws):
    assert stack.up().changes == {"create": 10}
    outputs = stack.outputs()
    assert [*outputs] == ["aemRoleArn", "confluenceRoleArn", "documentsRoleArn"]
    roles = {output: arn.rpartition("/")[2] for output, arn in outputs.items()}
    policies = {output: [*aws.role_policies(role).values()] for output, role in roles.items()}
    aem = golden("minimal-role-policy")
    documents = json.loads(of_role(golden("s3-v2-role-policy"), roles["documentsRoleArn"]))
    documents["Statement"] = [
        statement for statement in documents["Statement"] if "Decrypt" not in statement["Sid"]
    ]
    assert policies == {
        "aemRoleArn": [aem],
        "confluenceRoleArn": [aem.replace("aem-cloud-a1B2c3", "confluence-cloud-d4E5f6")],
        "documentsRoleArn": [json.dumps(documents)],
    }
    assert {aws.trust_policy(role) for role in roles.values()} == {golden("trust-policy")}
    assert stack.up("--expect-no-changes").changes == {"same": 10}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"aemSecretId": None}, "missing configuration value 'aemSecretId'"),  # Pulumi's words
        (
            {"confluenceSecretId": "confluence-*"},
            'invalid configuration of "confluence": 1 error; its role was not created or changed',
        ),
    ],
)
def test_an_error_names_its_connector(stack: Stack, changed: dict[str, str | None], expected: str):
    settings = {**SETTINGS, **changed}
    stack.configure({key: value for key, value in settings.items() if value is not None})
    refused = stack.preview(check=False)
    assert refused.exit_code != 0
    assert expected in refused.text
    assert "Traceback" not in refused.text
