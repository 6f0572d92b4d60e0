"""`roles adopt` writes the stack's settings file and the file for `pulumi import`."""

import fcntl
import json
import os
from typing import Any

import pytest
import yaml

from components.connector_role import ConnectorRole
from pages.examples import ACCOUNT, APPLICATION_ARN, INDEX_ID, KEY_ID, OTHER_ACCOUNT, REGION
from tests.helpers.mocked import Deployment
from tests.helpers.stacks import PROJECT_NAME
from tests.helpers.support import ROLE, indented
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    NAME,
    OWN,
    VPC,
    World,
    own_policy,
)

pytestmark = pytest.mark.slow

STACK = "Pulumi.prod.yaml"


def test_configuration_describes_data_source_and_role(world: World):
    boundary = world.managed("boundary")
    role = {
        "Path": "/service-role/",
        "Description": "Q: the console's\n",
        "PermissionsBoundary": boundary,
        "Tags": [{"Key": "CostCentre", "Value": "0893"}, {"Key": "yes", "Value": "2026-01-01"}],
    }
    world.describe_key(FOREIGN_KEY_ARN)
    world.make(role=role, secret={"KmsKeyId": FOREIGN_KEY_ARN}, vpcConfiguration=VPC)
    assert world.adopt().code == 0
    text = world.path(STACK).read_text()
    expected: dict[str, Any] = {
        "applicationId": APPLICATION_ARN,
        "indexId": INDEX_ID,
        "secretId": world.secret_arn,
        "kmsKeyId": FOREIGN_KEY_ARN,
        "roleName": NAME,
        "rolePath": "/service-role/",
        "roleDescription": "Q: the console's\n",
        "permissionsBoundaryArn": boundary,
        "vpcConfiguration": VPC,
        "tags": {"CostCentre": "0893", "yes": "2026-01-01"},
    }
    namespaced = {f"{PROJECT_NAME}:{key}": value for key, value in expected.items()}
    provider = {"aws:region": REGION, "aws:allowedAccountIds": [ACCOUNT]}
    assert yaml.safe_load(text) == {"config": {**provider, **namespaced}}
    assert f'- "{ACCOUNT}"' in text  # not a number
    component = {"type": "qbusiness-connector:index:ConnectorRole", "name": "aem-connector"}
    imported = {"type": "aws:iam/role:Role", "name": ROLE, "id": NAME, "parent": "aem-connector"}
    document = json.loads(world.path("import-prod.json").read_text())
    assert document["stack"] == "prod"
    assert document["resources"] == [{**component, "component": True}, imported]
    assert world.files == [STACK, "Pulumi.yaml", "import-prod.json", "restore-prod-1.sh"]


def test_settings_from_adopt_render_compared_role_policy(world: World):
    world.make(policies={OWN: own_policy()}, role={"Path": "/service-role/"})
    config = world.adopt("--json").json["config"]
    text = {key: it if isinstance(it, str) else json.dumps(it) for key, it in config.items()}
    world.patch.setenv("PULUMI_CONFIG", json.dumps(text))
    program = lambda: ConnectorRole.from_config("aem-connector", reject_unknown_keys=True)  # noqa: E731
    deployment = Deployment(program)
    assert (deployment.error, deployment.warnings) == (None, [])
    assert indented(deployment.role_policy["policy"]) == indented(own_policy(world.secret_arn))


@pytest.mark.parametrize(
    ("key", "manager", "expected"),
    [
        ("alias/aws/secretsmanager", "", None),
        (f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/secretsmanager", "", None),
        (KEY_ID, "AWS", None),
        ("alias/own", "CUSTOMER", FOREIGN_KEY_ARN),
        (FOREIGN_KEY_ARN, "CUSTOMER", FOREIGN_KEY_ARN),
    ],
)
def test_only_a_customer_managed_key_is_written(
    world: World, key: str, manager: str, expected: str | None
):
    world.describe_key(FOREIGN_KEY_ARN, KeyManager=manager)
    world.make(secret={"KmsKeyId": key})
    assert world.adopted().get("kmsKeyId") == expected
    assert ("kms:DescribeKey" in world.server.calls) is bool(manager)


def test_key_id_of_foreign_secret_gets_arn_in_its_account(world: World):
    world.make()
    secret_arn = world.secret_arn.replace(ACCOUNT, OTHER_ACCOUNT)
    world.server.data_source()["configuration"]["secretArn"] = secret_arn
    world.describe_secret(ARN=secret_arn, KmsKeyId=KEY_ID)
    world.reject("kms:DescribeKey", status=400, code="AccessDeniedException")
    assert world.adopted()["kmsKeyId"] == FOREIGN_KEY_ARN


def test_force_keeps_protect_and_lists_dropped_settings(world: World):
    world.make()
    settings = {"roleName": NAME, "tags": {"Old": "tag"}, "protect": True, "ingestScope": "index"}
    config: dict[str, Any] = {f"{PROJECT_NAME}:{key}": value for key, value in settings.items()}
    config |= {"aws:region": REGION, "aws:defaultTags": {"tags": {"Team": "web"}}}
    world.path(STACK).write_text(yaml.safe_dump({"config": config}))
    said = world.adopt("--force", "--json")
    lost = "dropped or replaced (aws:defaultTags, ingestScope)"
    assert f"{STACK} has settings that are {lost}: before" in said.err
    written = yaml.safe_load(world.path(STACK).read_text())["config"]
    assert written == said.json["config"]
    assert written[f"{PROJECT_NAME}:protect"] is True
    assert f"{PROJECT_NAME}:tags" not in written


def test_command_waits_for_another_command_and_sees_its_files(world: World):
    world.make()
    lock = fcntl.flock
    other = os.open(world.directory, os.O_RDONLY)
    lock(other, fcntl.LOCK_SH)  # the weakest lock that another command can hold

    def wait(directory: int, operation: int) -> None:
        with pytest.raises(BlockingIOError):
            lock(directory, operation | fcntl.LOCK_NB)
        world.path("import-prod.json").write_text("the other's")
        os.close(other)
        lock(directory, operation)

    world.patch.setattr(fcntl, "flock", wait)
    assert "adopt: import-prod.json has changes that would be lost: move it" in world.adopt().last
    assert world.files == ["Pulumi.yaml", "import-prod.json"]
    assert world.path("import-prod.json").read_text() == "the other's"


@pytest.mark.parametrize("name", ["import-prod.json", STACK, "Pulumi.yaml"])
def test_named_pipe_as_file_is_rejected_before_any_call(world: World, name: str):
    world.path(name).unlink(missing_ok=True)
    os.mkfifo(world.path(name))
    assert world.adopt("--force").rejection.startswith(f"adopt: {name} is not a ")
    assert world.server.calls == []
    assert world.path(name).is_fifo()


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("Pulumi.yaml", None, "change to the project's directory"),
        *(("Pulumi.yaml", it, "Pulumi.yaml") for it in (b"[]", b"hello", b"name: 1", b"\xff\xfe")),
        (STACK, b"config: [", "adopt: Pulumi.prod.yaml is not valid YAML (while parsing"),
    ],
)
def test_missing_or_invalid_file_is_reported_on_one_line(
    world: World, name: str, content: bytes | None, line: str
):
    world.make()
    world.path(name).unlink(missing_ok=True)
    if content is not None:
        world.path(name).write_bytes(content)
    assert line in world.adopt().rejection
    assert content is not None or world.server.calls == []
    assert content is None or world.path(name).read_bytes() == content
