"""Tests `roles/adopt/files.py`, which writes the entries, the import file, and the snapshot."""

import json
import os
import stat
from typing import Any

import pytest
import yaml

from components.connector_role import ConnectorRole
from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
)
from tests.helpers.boundary import boundary as boundary_of
from tests.helpers.mocked import Deployment
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.stacks import PROJECT_NAME
from tests.helpers.support import indented
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
        "secretId": world.secret_arn,
        "kmsKeyId": FOREIGN_KEY_ARN,
        "roleName": NAME,
        "rolePath": "/service-role/",
        "roleDescription": "Q: the console's\n",
        "permissionsBoundaryArn": boundary,
        "vpcConfiguration": VPC,
        "tags": {"CostCentre": "0893", "yes": "2026-01-01"},
    }
    config = {
        "aws:region": REGION,
        "aws:allowedAccountIds": [ACCOUNT],
        f"{PROJECT_NAME}:applicationId": APPLICATION_ARN,
        f"{PROJECT_NAME}:indexId": INDEX_ID,
        f"{PROJECT_NAME}:dataSources": {"pages": expected},
    }
    assert yaml.safe_load(text) == {"config": config}
    assert f'- "{ACCOUNT}"' in text  # a string, not a number
    component = {"type": "qbusiness-connector:index:ConnectorRole", "name": "pages"}
    name = "pages-qbusiness-role"
    imported = {"type": "aws:iam/role:Role", "name": name, "id": NAME, "parent": "pages"}
    document = json.loads(world.path("import-prod.json").read_text())
    assert document == {"resources": [{**component, "component": True}, imported]}
    assert world.files == [STACK, "Pulumi.yaml", "adopted-prod.json", "import-prod.json"]
    modes = {stat.S_IMODE(world.path(name).stat().st_mode) for name in world.adopted_files}
    assert modes == {0o600}
    saved = json.loads(world.path("adopted-prod.json").read_text())
    assert saved["roles"][0]["role"]["tags"] == expected["tags"]
    assert saved["dataSources"][0]["properties"]["vpcConfiguration"] == VPC


def test_adopted_settings_produce_the_same_role_policy(world: World):
    world.make(policies={OWN: own_policy()}, role={"Path": "/service-role/"})
    config = world.adopt("--json").json["config"]
    text = {key: it if isinstance(it, str) else json.dumps(it) for key, it in config.items()}
    world.patch.setenv("PULUMI_CONFIG", json.dumps(text))
    program = lambda: ConnectorRole.all_from_config(reject_unknown_keys=True)  # noqa: E731
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


def test_key_id_of_cross_account_secret_becomes_arn_in_that_account(world: World):
    world.make()
    secret_arn = world.secret_arn.replace(ACCOUNT, OTHER_ACCOUNT)
    world.server.data_source()["configuration"]["secretArn"] = secret_arn
    world.describe_secret(secret_arn, KmsKeyId=KEY_ID)
    world.reject("kms:DescribeKey", status=400, code="AccessDeniedException")
    assert world.adopted()["kmsKeyId"] == FOREIGN_KEY_ARN


def test_stack_file_without_settings_keeps_its_contents(world: World):
    world.make()
    kept = {"encryptionsalt": "v1:x", "config": {"aws:region": REGION, "aws:profile": "search"}}
    world.path(STACK).write_text(yaml.safe_dump(kept))
    world.path(STACK).chmod(0o640)
    assert world.adopt().code == 0
    found = yaml.safe_load(world.path(STACK).read_text())
    assert (found["encryptionsalt"], found["config"]["aws:profile"]) == ("v1:x", "search")
    assert found["config"][f"{PROJECT_NAME}:dataSources"]["pages"]["roleName"] == NAME
    assert stat.S_IMODE(world.path(STACK).stat().st_mode) == 0o640


def existing(world: World, **settings: Any) -> str:
    """Write the stack's settings, and return the file's text."""
    config = {f"{PROJECT_NAME}:{key}": value for key, value in settings.items()}
    text = yaml.safe_dump({"config": config})
    world.path(STACK).write_text(text)
    return text


def pasted(world: World) -> dict[str, Any]:
    """Return the entries for the user to copy."""
    config = yaml.safe_load(world.path("entries-prod.yaml").read_text())["config"]
    assert [*config] == [f"{PROJECT_NAME}:dataSources"]
    return config[f"{PROJECT_NAME}:dataSources"]


def test_encrypted_data_sources_are_not_entries(world: World):
    world.make()
    existing(world, indexId=INDEX_ID, dataSources={"secure": "v1:" + "x" * 110_000})
    assert world.adopt().code == 0
    assert [*pasted(world)] == ["pages"]


def test_existing_settings_are_never_edited(world: World):
    world.make()
    text = existing(world, applicationId=APPLICATION_ID, indexId=INDEX_ID, dataSources={"pages": {}})
    said = world.adopt()
    assert (said.code, world.path(STACK).read_text()) == (0, text)
    assert (
        f"{STACK} has settings: copy the entries in entries-prod.yaml to its dataSources.\n" in said.out
    )
    assert [*pasted(world)] == ["pages-2"]
    existing(world, indexId="other", secretId="x", roleName=f"{NAME}2")
    said = world.adopt()
    assert pasted(world)["pages"]["indexId"] == INDEX_ID


def test_entry_turns_off_stack_defaults_that_do_not_apply_to_its_role(world: World):
    world.make()
    boundary = world.managed("none", json.dumps(boundary_of(secrets=["other"])))
    existing(world, permissionsBoundaryArn=boundary, exclusivePolicies=True, tags={"A": "b"})
    said = world.adopt()
    off = {"permissionsBoundaryArn": "", "exclusivePolicies": "", "tags": ""}
    assert pasted(world)["pages"].items() >= off.items()
    start = f"warning: permissionsBoundaryArn {boundary} of the stack does not apply, because "
    assert f"pages: {start}" in said.out
    assert "boundary; the stack's boundary might not allow all access that the role needs\n" in said.out
    for arn, effect in (
        (
            world.managed("wide", json.dumps(boundary_of(secrets=["q*"]))),
            "allows all access that the role needs",
        ),
        (f"{boundary}2", "could not be read: iam:GetPolicy found nothing "),
    ):
        existing(world, permissionsBoundaryArn=arn)
        assert f"boundary; the stack's boundary {effect}" in world.adopt("--dry-run").out


@pytest.mark.parametrize(
    "declared",
    [
        {"roleName": NAME},
        {"dataSources": {"x": {"roleName": NAME}}},
        {"dataSources": f'{{"x": {{"roleName": "{NAME}"}}}}'},
    ],
)
def test_role_already_in_the_settings_is_left_out(world: World, declared: dict[str, Any]):
    world.make()
    existing(world, **declared)
    said = world.adopt()
    assert (said.code, world.files) == (0, [STACK, "Pulumi.yaml"])
    assert f"{DATA_SOURCE_ID}): stack prod already has the role {NAME}\n" in said.out


@pytest.mark.parametrize(
    "config",
    [{f"{PROJECT_NAME}:applicationId": APPLICATION_ID.replace("1", "2")}, {"aws:region": "eu-west-1"}],
)
def test_stack_for_another_application_or_region_is_rejected(world: World, config: dict[str, str]):
    world.make()
    world.path(STACK).write_text(yaml.safe_dump({"config": config}))
    (given,) = config.values()
    assert world.adopt().rejection == f"adopt: {STACK} is for {given}: use a stack for each application"


@pytest.mark.parametrize("name", ["adopted-prod.json", "import-prod.json", "entries-prod.yaml"])
def test_existing_file_is_never_overwritten(world: World, name: str):
    world.make()
    world.path(name).symlink_to("elsewhere")
    said = world.adopt()
    assert said.rejection == f"adopt: {name} exists: move it, or delete it if you no longer need it"
    assert world.adopt("--dry-run").code == 0


@pytest.mark.parametrize(
    ("number", "each", "fits"),
    [(99, "", True), (100, "", False), (2, "\xe9" * 25_200, True), (2, "\xe9" * 25_700, False)],
)
def test_stack_has_at_most_100_entries_and_100_kib(world: World, number: int, each: str, *, fits: bool):
    world.make()
    existing(world, dataSources={f"e{position}": {"x": each} for position in range(number)})
    said = world.adopt("--dry-run")
    assert (said.code == 0) is fits
    assert fits or said.last.startswith(
        "adopt: a stack can have at most 100 data sources and 102,400 bytes"
    )


@pytest.mark.parametrize("name", [STACK, "Pulumi.yaml"])
def test_named_pipe_in_place_of_file_is_rejected_before_any_call(world: World, name: str):
    world.path(name).unlink(missing_ok=True)
    os.mkfifo(world.path(name))
    assert world.adopt().rejection.startswith(f"adopt: {name} is not a ")
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
    assert content is None or world.path(name).read_bytes() == content
