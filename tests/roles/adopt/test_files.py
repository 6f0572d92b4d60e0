"""`roles adopt` writes the stack's settings file and the file for `pulumi import`."""

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.connector_role import ConnectorRole
from pages.examples import ACCOUNT, APPLICATION_ARN, INDEX_ID, KEY_ID, OTHER_ACCOUNT, REGION
from tests.helpers.mocked import Deployment
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.stacks import PROJECT_NAME
from tests.helpers.support import POLICY, ROLE, indented
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    NAME,
    OWN,
    PAGES_SECRET,
    TRUST,
    VPC,
    WIDE,
    World,
    own_policy,
)

pytestmark = pytest.mark.slow

STACK = "Pulumi.prod.yaml"
SALT = "encryptionsalt: v1:abc=:v1:def\n"


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


def test_inline_policy_with_program_policy_name_is_imported(world: World):
    world.make(policies={"another": WIDE, OWN: WIDE})
    said = world.adopt("--json").json
    assert said["import"]["resources"][2] == {
        "type": "aws:iam/rolePolicy:RolePolicy",
        "name": POLICY,
        "id": f"{NAME}:{OWN}",
        "parent": "aem-connector",
    }
    assert said["keptPolicies"] == ["another"]


def test_configuration_omits_absent_vpc_and_key(world: World):
    world.make()
    assert not {key for key in world.adopted() if "vpc" in key or "kms" in key}


def test_secret_name_is_written_as_arn(world: World):
    world.make(configuration={"secretArn": PAGES_SECRET})
    assert world.adopted()["secretId"] == world.secret_arn


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


def test_overwriting_requires_force_and_keeps_encryption_salt(world: World):
    world.make()
    assert world.adopt().code == 0
    before = yaml.safe_load(world.path(STACK).read_text())
    world.path(STACK).write_text(f"{SALT}config: {{a: b}}\n")
    line = world.adopt().rejection
    assert "Pulumi.prod.yaml would be overwritten: pass --force" in line
    assert world.server.calls == []
    assert world.path(STACK).read_text() == f"{SALT}config: {{a: b}}\n"
    assert world.adopt("--force").code == 0
    expected = {**before, "encryptionsalt": "v1:abc=:v1:def"}
    assert yaml.safe_load(world.path(STACK).read_text()) == expected


def test_warning_lists_replaced_and_encrypted_settings(world: World):
    world.describe_key(FOREIGN_KEY_ARN)
    world.make(secret={"KmsKeyId": FOREIGN_KEY_ARN}, vpcConfiguration=VPC)
    assert world.adopt().code == 0
    assert "not kept" not in world.adopt("--force").err
    assert "not kept" not in world.adopt("--force", "--all").err
    document = yaml.safe_load(world.path(STACK).read_text())
    entry = document["config"][f"{PROJECT_NAME}:dataSources"]["aem-connector"]
    entry |= {"kmsKeyId": "other", "tags": {"Team": {"secure": "v1:abc:def"}}}
    entry["vpcConfiguration"] = {**VPC, "subnetIds": [{"secure": "v1:abc:def"}]}
    world.path(STACK).write_text(yaml.safe_dump(document, sort_keys=False))
    place = 'dataSources["aem-connector"]'
    lost = f"{place}.kmsKeyId, encrypted {place}.vpcConfiguration, encrypted {place}.tags"
    assert f"dropped or replaced ({lost}): before" in world.adopt("--force", "--all").err
    subnet = f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:subnet/{VPC['subnetIds'][0]}"
    settings: dict[str, Any] = {
        "roleName": NAME,
        "secretId": {"secure": "v1:abc:def"},
        "bucketAccountId": OTHER_ACCOUNT,
        "kmsKeyId": FOREIGN_KEY_ARN,
        "vpcConfiguration": {**VPC, "subnetIds": [subnet]},
    }
    config = {f"{PROJECT_NAME}:{key}": value for key, value in settings.items()}
    world.path(STACK).write_text(yaml.safe_dump({"config": config}, sort_keys=False))
    lost = "encrypted secretId, bucketAccountId, vpcConfiguration"
    assert f"dropped or replaced ({lost}): before" in world.adopt("--force").err


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


def test_stack_file_without_config_is_written_without_force(world: World):
    world.make()
    world.path(STACK).write_text(SALT)
    assert world.adopt().code == 0
    assert set(yaml.safe_load(world.path(STACK).read_text())) == {"encryptionsalt", "config"}


def test_failed_write_of_import_file_keeps_stack_file(world: World):
    world.make()
    world.path(STACK).write_text(SALT)
    write = Path.write_text

    def fail(path: Path, text: str, **more: Any) -> int:
        if path.name == "import-prod.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, text, **more)

    world.patch.setattr(Path, "write_text", fail)
    assert world.adopt("--data-source", DATA_SOURCE_ID).rejection == (
        "adopt: import-prod.json cannot be written: No space left on device"
    )
    assert world.path(STACK).read_text() == SALT
    assert world.files == [STACK, "Pulumi.yaml"]


def test_symlink_file_modes_and_unrelated_files_are_kept(world: World):
    world.make()
    world.path("stacks").mkdir()
    stack_file = world.path("stacks/prod.yaml")
    stack_file.write_text(SALT)
    stack_file.chmod(0o640)
    world.path(STACK).symlink_to("stacks/prod.yaml")
    others = [world.path(name) for name in ("import.unfinished", "Pulumi.prod.unfinished")]
    for other in others:
        other.write_text("mine")
    before = os.umask(0o027)
    try:
        assert world.adopt().code == 0
    finally:
        os.umask(before)
    assert world.path(STACK).readlink() == Path("stacks/prod.yaml")
    assert set(yaml.safe_load(stack_file.read_text())) == {"encryptionsalt", "config"}
    assert [world.path(name).stat().st_mode & 0o777 for name in (STACK, "import-prod.json")] == [
        0o640
    ] * 2
    assert [other.read_text() for other in others] == ["mine"] * 2
    assert len(world.files) == 7


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


def test_stack_file_name_omits_organization(world: World):
    world.make()
    assert world.adopt("--stack", "acme/prod", "--json").json["files"][0] == STACK


@pytest.mark.parametrize(
    "value", ["2024-05-01 12:00:00 +0000 UTC", "2024-05-01", "012", "yes", "1e3", "null", ""]
)
def test_ambiguous_tag_value_is_quoted_in_yaml(world: World, value: str):
    world.make(role={"Tags": [{"Key": "Created", "Value": value}]})
    assert world.adopt().code == 0
    tags = f'"{PROJECT_NAME}:tags":\n    "Created": "{value}"\n'
    assert tags in world.path(STACK).read_text()


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


def test_directory_as_import_file_prevents_writing(world: World):
    world.make()
    world.path("import-prod.json").mkdir()
    assert "import-prod.json is a directory" in world.adopt("--force").err
    assert not world.path(STACK).exists()


def test_files_of_two_stacks_do_not_meet(world: World):
    world.make(trust=TRUST.replace("ArnEquals", "ArnLike"))
    assert world.adopt().code == 0
    before = {name: world.path(name).read_bytes() for name in world.files}
    assert world.adopt("--stack", "acme/europe").code == 0
    assert {name: world.path(name).read_bytes() for name in before} == before
    assert {*world.files} - before.keys() == {
        "Pulumi.europe.yaml",
        "import-acme-europe.json",
        "restore-acme-europe-1.sh",
    }
    assert "for the stack acme/europe" in world.path("restore-acme-europe-1.sh").read_text()
    # This stack's file would have the same name.
    said = world.adopt("--stack", "acme-europe", "--force")
    assert said.rejection == (
        "adopt: import-acme-europe.json belongs to stack acme/europe: move it, or delete it after the "
        "import"
    )


def test_script_number_is_never_used_again(world: World):
    world.make(trust=TRUST.replace("ArnEquals", "ArnLike"))
    world.path("restore-prod-3").mkdir()  # the saved answers of a script that was deleted
    world.path("restore-prod-eu-7.sh").touch()
    assert "restore-prod-4.sh" in world.adopt("--json").json["files"]
