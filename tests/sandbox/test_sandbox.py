"""Test the server, the environment, the commands, and the provider of the sandbox."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from evidence.examples import APPLICATION_ID, INDEX_ID, KEY_ID
from sandbox.environment import AWS_CLI, DIRECTORY, PROJECT, REGION, Sandbox
from tests.helpers.processes import eventually
from tests.helpers.stacks import OTHER_ACCOUNT, Aws, NewStack, Stack, other_credentials, prepared
from tests.helpers.support import REQUIRED

Run = Callable[..., subprocess.CompletedProcess[str]]

PROGRAM = """
import pulumi_aws as aws
{body}
"""
MANY_ROLES = """
import pulumi_aws as aws
for number in range(200):
    trust = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", \
        "Principal": {"Service": "qbusiness.amazonaws.com"}}]}'
    aws.iam.Role(f"role-{number}", assume_role_policy=trust)
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    """Set up a sandbox that a test may damage."""
    yield from prepared(tmp_path / "sandbox")


def server(sandbox: Sandbox) -> dict[str, Any]:
    return json.loads((sandbox.aws / "server.json").read_text())


def gone(process: int) -> None:
    """Wait until a process has ended."""
    eventually(lambda: not Path(f"/proc/{process}").exists(), "the process has ended")


def kill(sandbox: Sandbox) -> None:
    os.kill(server(sandbox)["process"], signal.SIGKILL)
    eventually(lambda: not serving(sandbox), "the server has ended")


def serving(sandbox: Sandbox) -> bool:
    """Return whether a server holds its lock."""
    with (sandbox.aws / "server.lock").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def program(new_stack: NewStack, body: str, **settings: object) -> Stack:
    return new_stack({"aws:region": REGION, **settings}, PROGRAM.format(body=body))


# The server.


def test_a_running_server_is_reused(own: tuple[Sandbox, dict[str, str]]):
    sandbox, environment = own
    before = server(sandbox)
    assert sandbox.prepare()["AWS_ENDPOINT_URL"] == environment["AWS_ENDPOINT_URL"]
    assert server(sandbox) == before


def test_a_killed_server_is_replaced_and_keeps_its_roles(
    own: tuple[Sandbox, dict[str, str]], tmp_path: Path
):
    sandbox, environment = own
    stack = Stack(tmp_path, environment)
    stack.configure(REQUIRED)
    stack.up()
    kill(sandbox)
    environment = sandbox.prepare()
    stack.environment |= environment
    assert stack.drift().exit_code == 0
    assert Aws(environment).roles() == [stack.outputs()["roleName"]]
    stack.destroy()


def test_data_sources_survive_the_end_of_the_server_and_other_services_start_again(
    own: tuple[Sandbox, dict[str, str]],
):
    sandbox, environment = own
    aws = Aws(environment)
    index = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}
    configuration = {"type": "AEM"}
    made = aws.client("qbusiness").create_data_source(
        **index, displayName="Pages", configuration=configuration
    )
    aws.client("kms").disable_key(KeyId=KEY_ID)
    kill(sandbox)
    aws = Aws(sandbox.prepare())
    (found,) = aws.client("qbusiness").list_data_sources(**index)["dataSources"]
    assert found["dataSourceId"] == made["dataSourceId"]
    assert aws.client("kms").describe_key(KeyId=KEY_ID)["KeyMetadata"]["Enabled"]


def test_credentials_of_a_role_survive_the_end_of_the_server(
    own: tuple[Sandbox, dict[str, str]],
):
    sandbox, environment = own
    credentials = other_credentials(environment)
    identity = Aws({**environment, **credentials}).client("sts").get_caller_identity()
    kill(sandbox)
    found = Aws({**sandbox.prepare(), **credentials}).client("sts").get_caller_identity()
    assert found["Account"] == OTHER_ACCOUNT
    assert found["Arn"] == identity["Arn"]


def test_a_stale_server_file_is_detected_even_if_its_process_id_is_in_use(
    own: tuple[Sandbox, dict[str, str]],
):
    sandbox, _ = own
    kill(sandbox)
    (sandbox.aws / "server.json").write_text(json.dumps({"process": os.getpid(), "port": 9}))
    environment = sandbox.prepare()
    assert Aws(environment).roles() == []
    assert server(sandbox)["process"] != os.getpid()


@pytest.mark.parametrize(
    "state", ['{"process": 1, "port": 9, "sources": "of another version"}', "{", "[]"]
)
def test_a_server_with_other_sources_or_a_damaged_file_is_replaced_and_keeps_its_roles(
    own: tuple[Sandbox, dict[str, str]], tmp_path: Path, state: str
):
    sandbox, environment = own
    stack = Stack(tmp_path, environment)
    stack.configure(REQUIRED)
    stack.up()
    before = server(sandbox)["process"]
    (sandbox.aws / "server.json").write_text(state)
    stack.environment |= sandbox.prepare()
    gone(before)
    assert stack.drift().exit_code == 0
    assert Aws(stack.environment).roles() == [stack.outputs()["roleName"]]


def test_replacing_the_server_during_an_update_loses_no_role(
    own: tuple[Sandbox, dict[str, str]], tmp_path: Path
):
    sandbox, environment = own
    stack = Stack(tmp_path, environment, MANY_ROLES)
    stack.configure({"aws:region": REGION})
    with ThreadPoolExecutor() as background:
        update = background.submit(stack.up, check=False)
        eventually(lambda: Aws(environment).roles(), "the update creates roles")
        (sandbox.aws / "server.json").unlink()
        roles = Aws(sandbox.prepare()).roles()
    assert update.result().exit_code != 0
    known = [each["id"] for each in stack.resources() if each["type"] == "aws:iam/role:Role"]
    assert sorted(known) == sorted(roles)


def test_updates_attach_to_the_providers_of_the_server_and_start_none(
    own: tuple[Sandbox, dict[str, str]], tmp_path: Path
):
    sandbox, environment = own
    shutil.rmtree(sandbox.home / "plugins")
    stack = Stack(tmp_path, environment)
    stack.configure(REQUIRED)
    assert stack.up().changes == {"create": 4}
    assert stack.up().changes == {"same": 4}


def test_two_sandboxes_are_independent(own: tuple[Sandbox, dict[str, str]], tmp_path: Path):
    for other in prepared(tmp_path / "other"):
        mine, theirs = own[1], other[1]
        for name in ("AWS_ENDPOINT_URL", "PULUMI_HOME", "PULUMI_BACKEND_URL"):
            assert mine[name] != theirs[name]
        trust = json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"},
            }
        )
        Aws(mine).iam.create_role(RoleName="mine", AssumeRolePolicyDocument=trust)
        assert Aws(theirs).roles() == []


def test_the_server_listens_only_on_loopback(own: tuple[Sandbox, dict[str, str]]):
    state = server(own[0])
    tables = [Path(f"/proc/net/{table}") for table in ("tcp", "tcp6")]
    lines = [
        line.split() for table in tables if table.exists() for line in table.read_text().splitlines()
    ]
    loopback = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}"
    for port in (state["port"], *state["providers"].values()):
        listening = f":{port:04X}"
        (address,) = (line[1] for line in lines if line[3] == "0A" and line[1].endswith(listening))
        assert address.endswith(f"{loopback}{listening}")  # IPv6 shows it with a prefix


def test_a_stop_ends_the_server_and_deletes_the_state(own: tuple[Sandbox, dict[str, str]]):
    sandbox, _ = own
    with (sandbox.aws / "server.lock").open() as lock:
        sandbox.stop()
        fcntl.flock(lock, fcntl.LOCK_EX)  # free once the server has ended
    assert not sandbox.aws.exists()
    assert not sandbox.state.exists()
    sandbox.stop()  # a second stop is not an error


def test_a_stop_sends_no_signal_to_another_process_with_the_server_s_id(
    own: tuple[Sandbox, dict[str, str]],
):
    sandbox, _ = own
    process = server(sandbox)["process"]
    other = subprocess.Popen(["sleep", "600"])
    try:
        (sandbox.aws / "server.lock").write_text(str(other.pid))
        (sandbox.aws / "server.json").write_text(json.dumps({"process": other.pid, "port": 9}))
        sandbox.stop()
        gone(process)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_server_whose_directory_is_deleted_ends(own: tuple[Sandbox, dict[str, str]]):
    sandbox, _ = own
    process = server(sandbox)["process"]
    shutil.rmtree(sandbox.directory)
    gone(process)


# The environment.


def test_the_user_s_aws_pulumi_and_proxy_variables_are_not_passed_on(
    own: tuple[Sandbox, dict[str, str]], monkeypatch: pytest.MonkeyPatch
):
    secrets = {
        "AWS_PROFILE": "production",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_ROLE_ARN": "real",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_IAM": "real",
        "PULUMI_ACCESS_TOKEN": "real",
        "PULUMI_CONFIG_PASSPHRASE_FILE": "real",
        "PULUMI_STACK": "production",
        "HTTPS_PROXY": "real",
        "http_proxy": "real",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    environment = own[0].prepare()
    assert not {value for value in environment.values() if value in secrets.values()}
    found = {name: environment[name] for name in secrets if name in environment}
    credentials = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox"}
    assert found == {**credentials, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}


def test_variables_that_change_python_s_modules_are_not_passed_on(
    own: tuple[Sandbox, dict[str, str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    sandbox, _ = own
    sandbox.stop()
    environment = sandbox.prepare()  # starts a server
    assert Aws(environment).roles() == []
    assert not environment.keys() & {"PYTHONSAFEPATH", "PYTHONHOME"}


def test_the_aws_command_is_that_of_the_user_or_else_that_of_the_sandbox(
    own: tuple[Sandbox, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    users = tmp_path / "bin"
    users.mkdir()
    monkeypatch.setenv("PATH", f"{users}:/usr/bin:/bin")
    command = ("sh", "-c", "command -v aws")

    def found() -> str:
        environment = own[0].prepare()
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    if not any(Path(directory, "aws").exists() for directory in ("/usr/bin", "/bin")):
        assert found() == f"{AWS_CLI / 'aws'}\n"
    (users / "aws").touch(mode=0o755)
    assert found() == f"{users / 'aws'}\n"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Return a function that runs `python -m sandbox` in a copy of the project."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("Pulumi.yaml", "Pulumi.dev.yaml", "__main__.py"):
        shutil.copy(PROJECT / name, copy)
    shutil.copytree(PROJECT / "sandbox", copy / "sandbox")
    for name in ("components", "venv"):
        (copy / name).symlink_to(PROJECT / name)
    (copy / ".sandbox").mkdir()
    (copy / ".sandbox" / "engine").symlink_to(DIRECTORY / "engine")

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sandbox", *command],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )

    # The commands find this server, which ends with the tests.
    for _ in prepared(copy / ".sandbox"):
        yield run


def test_the_exit_code_of_a_command_is_passed_on(run: Run):
    assert run("run", "--", "sh", "-c", "exit 7").returncode == 7
    assert run("run", "sh", "-c", "exit 0").returncode == 0


def test_a_command_that_does_not_exist_is_reported_in_one_line(run: Run):
    done = run("run", "--", "no-such-command")
    assert (done.returncode, done.stderr) == (
        127,
        "sandbox: no-such-command: No such file or directory\n",
    )


@pytest.mark.parametrize("command", [(), ("run",), ("run", "--"), ("reset",)], ids=" ".join)
def test_without_a_command_or_with_an_unknown_one_the_usage_is_shown(run: Run, command: tuple[str, ...]):
    done = run(*command)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m sandbox ")


def test_commands_use_the_region_of_the_stack_dev(run: Run):
    settings = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())["config"]
    assert settings["aws:region"] == REGION
    done = run("run", "--", "sh", "-c", "echo $AWS_REGION $AWS_DEFAULT_REGION")
    assert done.stdout == f"{REGION} {REGION}\n"


def test_the_region_of_commands_is_not_a_setting_of_the_program(new_stack: NewStack, aws: Aws):
    stack = new_stack({**REQUIRED, "aws:region": None})
    update = stack.up(check=False)
    assert update.exit_code != 0
    assert "aws:region" in update.text
    assert aws.roles() == []


def test_the_stack_dev_exists_and_is_selected(run: Run):
    done = run("run", "--", "pulumi", "stack", "--show-name")
    assert done.stdout == "dev\n"


# The sandbox's provider.


def test_an_unsupported_resource_is_refused_by_name(new_stack: NewStack):
    update = program(new_stack, 'aws.s3.Bucket("bucket")').up(check=False)
    assert update.exit_code != 0
    assert (
        "the sandbox does not support the resource aws:s3/bucket:Bucket; it supports aws:iam/role:Role,"
        in update.text
    )


def test_an_unsupported_function_is_refused_by_name(new_stack: NewStack):
    update = program(new_stack, "aws.get_availability_zones()").up(check=False)
    assert update.exit_code != 0
    assert (
        "the sandbox does not support the function aws:index/getAvailabilityZones:getAvail"
        in update.text
    )


def test_an_unsupported_property_is_refused_by_name(new_stack: NewStack):
    role = 'aws.iam.Role("role", assume_role_policy="{}", name_prefix="x")'
    update = program(new_stack, role).up(check=False)
    assert update.exit_code != 0
    assert "has no namePrefix; it has assumeRolePolicy," in update.text


def test_a_document_that_is_not_json_is_refused_in_the_preview(new_stack: NewStack):
    preview = program(new_stack, 'aws.iam.Role("role", assume_role_policy="no JSON")').preview(
        check=False
    )
    assert preview.exit_code != 0
    assert "assumeRolePolicy contains an invalid JSON policy" in preview.text


def test_an_error_of_iam_is_shown_unchanged(new_stack: NewStack):
    role = """aws.iam.Role("role", assume_role_policy='{"Version": "2020-01-01"}')"""
    update = program(new_stack, role).up(check=False)
    assert update.exit_code != 0
    assert "MalformedPolicyDocument" in update.text
    assert "The policy must contain a valid version string" in update.text


def test_the_three_functions_return_the_partition_region_and_account(new_stack: NewStack):
    body = """
import pulumi
pulumi.export("account", aws.get_caller_identity().account_id)
pulumi.export("partition", aws.get_partition().partition)
pulumi.export("region", aws.get_region().region)
"""
    stack = program(new_stack, body, **{"aws:region": "us-gov-west-1"})
    stack.up()
    expected = {"account": "123456789012", "partition": "aws-us-gov", "region": "us-gov-west-1"}
    assert stack.outputs() == expected


def test_default_tags_are_on_the_role_and_their_changes_are_detected(new_stack: NewStack, aws: Aws):
    def settings(**default_tags: str) -> dict[str, object]:
        tags = {"Team": "search", "Stage": "own"}
        return {**REQUIRED, "tags": tags, "aws:defaultTags": {"tags": default_tags}}

    stack = new_stack(settings(Owner="platform", Stage="default"))
    stack.up()
    name = stack.outputs()["roleName"]

    def tags() -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in aws.iam.list_role_tags(RoleName=name)["Tags"]}

    assert tags() == {"Team": "search", "Stage": "own", "Owner": "platform"}
    assert stack.drift().exit_code == 0
    assert stack.up("--expect-no-changes").changes == {"same": 4}
    stack.configure(settings(Owner="search"))
    assert stack.up().changes == {"same": 3, "update": 1}
    assert tags() == {"Team": "search", "Stage": "own", "Owner": "search"}


def test_a_secret_is_encrypted_in_the_state(new_stack: NewStack):
    body = """
import pulumi
aws.iam.Role("role", description=pulumi.Output.secret("secret text"), assume_role_policy='''{
  "Version": "2012-10-17",
  "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
}''')
"""
    stack = program(new_stack, body)
    stack.up()
    assert "secret text" not in json.dumps(stack.resources())
    assert stack.up("--expect-no-changes").changes == {"same": 2}


def test_a_role_and_its_policy_can_be_imported(new_stack: NewStack):
    stack = new_stack({**REQUIRED, "tags": {"Team": "search"}})
    stack.up()
    role = stack.outputs()["roleName"]
    other = program(new_stack, "")
    unprotected = ("--yes", "--protect=false", "--generate-code=false")
    for kind, identifier in (
        ("aws:iam/role:Role", role),
        ("aws:iam/rolePolicy:RolePolicy", f"{role}:qbusiness-aem-connector"),
    ):
        other.operate("import", kind, "imported", identifier, *unprotected)
    found = {resource["type"]: resource for resource in other.resources()}
    assert found["aws:iam/role:Role"]["outputs"]["tagsAll"] == {"Team": "search"}
    assert found["aws:iam/rolePolicy:RolePolicy"]["outputs"]["role"] == role
    missing = other.operate("import", "aws:iam/role:Role", "none", "no-such-role", "--yes", check=False)
    assert missing.exit_code != 0
    assert "no-such-role" in missing.text


def test_the_program_reports_an_application_id_without_a_region(new_stack: NewStack):
    stack = new_stack({**REQUIRED, "applicationId": APPLICATION_ID, "aws:region": None})
    update = stack.up(check=False)
    assert "fix: pulumi config set --stack" in update.text
    assert "aws:region REGION" in update.text


def test_the_lock_of_a_killed_update_is_removed(
    own: tuple[Sandbox, dict[str, str]],
):
    sandbox, environment = own
    locks = sandbox.state / ".pulumi" / "locks" / "organization" / "qbusiness-aem-connector" / "dev"
    locks.mkdir(parents=True)
    ended, zombie = subprocess.Popen(["true"]), subprocess.Popen(["true"])
    ended.wait()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)  # ended, but not reaped
    for name, process in (("dead", ended.pid), ("zombie", zombie.pid), ("alive", os.getpid())):
        (locks / f"{name}.json").write_text(json.dumps({"pid": process}))
    (sandbox.state / ".pulumi" / "stacks" / "qbusiness-aem-connector").mkdir(parents=True)
    (sandbox.state / ".pulumi" / "stacks" / "qbusiness-aem-connector" / "dev.json").touch()
    sandbox.prepare_stack(environment)
    assert [lock.name for lock in locks.iterdir()] == ["alive.json"]
    zombie.wait()
