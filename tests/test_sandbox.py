"""The sandbox keeps what it has, mends what is broken, and touches nothing outside itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.environment import PROJECT, Sandbox
from tests.stacks import Aws, Stack, prepared
from tests.support import APPLICATION_ID, REGION, REQUIRED

NewStack = Callable[..., Stack]

PROGRAM = """
import pulumi_aws as aws
{body}
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    """Set up a sandbox that a test may break."""
    yield from prepared(tmp_path / "sandbox")


def server(sandbox: Sandbox) -> dict[str, int]:
    return json.loads((sandbox.aws / "server.json").read_text())


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    while Path(f"/proc/{process}").exists():
        time.sleep(0.01)


@pytest.fixture
def provider() -> dict[str, str]:
    """Let each operation start a provider of its own, as it is for users."""
    return {}


def program(new_stack: NewStack, body: str, **settings: object) -> Stack:
    stack = new_stack({"aws:region": REGION, **settings}, PROGRAM.format(body=body))
    stack.take_required_keys_away()
    return stack


# The server.


def test_a_server_that_runs_is_used_again(own: tuple[Sandbox, dict[str, str]]):
    sandbox, environment = own
    before = server(sandbox)
    assert sandbox.prepare()["AWS_ENDPOINT_URL"] == environment["AWS_ENDPOINT_URL"]
    assert server(sandbox) == before


def test_a_server_that_died_is_replaced_and_its_roles_are_still_there(
    own: tuple[Sandbox, dict[str, str]], tmp_path: Path
):
    sandbox, environment = own
    stack = Stack(tmp_path, environment)
    stack.configure(REQUIRED)
    stack.up()
    kill(server(sandbox)["process"])
    environment = sandbox.prepare()
    stack.environment |= environment
    assert stack.drift().exit_code == 0
    assert Aws(environment).roles() == [stack.outputs()["roleName"]]
    stack.destroy()


def test_a_stale_file_of_a_server_is_noticed_even_if_its_process_id_is_taken(
    own: tuple[Sandbox, dict[str, str]],
):
    sandbox, _ = own
    kill(server(sandbox)["process"])
    (sandbox.aws / "server.json").write_text(json.dumps({"process": os.getpid(), "port": 9}))
    environment = sandbox.prepare()
    assert Aws(environment).roles() == []
    assert server(sandbox)["process"] != os.getpid()


def test_two_sandboxes_do_not_meet(own: tuple[Sandbox, dict[str, str]], tmp_path: Path):
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


def test_the_server_listens_on_loopback_alone(own: tuple[Sandbox, dict[str, str]]):
    port = server(own[0])["port"]
    listening = f":{port:04X}"
    tables = [Path(f"/proc/net/{table}") for table in ("tcp", "tcp6")]
    lines = [
        line.split() for table in tables if table.exists() for line in table.read_text().splitlines()
    ]
    loopback = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}"
    addresses = [line[1] for line in lines if line[3] == "0A" and line[1].endswith(listening)]
    assert addresses == [f"{loopback}{listening}"]


def test_after_a_stop_nothing_runs_and_nothing_is_remembered(own: tuple[Sandbox, dict[str, str]]):
    sandbox, _ = own
    process = server(sandbox)["process"]
    sandbox.stop()
    for _ in range(500):
        if not Path(f"/proc/{process}").exists():
            break
        time.sleep(0.01)
    assert not Path(f"/proc/{process}").exists()
    assert not sandbox.aws.exists()
    assert not sandbox.state.exists()
    sandbox.stop()  # once more is no error


# The environment.


def test_nothing_of_the_user_s_aws_pulumi_and_proxies_gets_in(
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
    kept = {name for name in environment if name in secrets}
    assert kept == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *command],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_exit_code_of_a_command_is_passed_on():
    assert run("run", "--", "sh", "-c", "exit 7").returncode == 7
    assert run("run", "sh", "-c", "exit 0").returncode == 0


def test_a_command_that_does_not_exist_is_told_in_one_line():
    done = run("run", "--", "no-such-command")
    assert (done.returncode, done.stderr) == (
        127,
        "sandbox: no-such-command: No such file or directory\n",
    )


def test_without_a_command_the_usage_is_shown():
    done = run("run")
    assert done.returncode == 2
    assert "python -m sandbox run -- pulumi preview" in done.stderr


def test_the_stack_dev_is_there_and_selected():
    done = run("run", "--", "pulumi", "stack", "--show-name")
    assert done.stdout == "dev\n"


# The stand-in provider.


def test_another_resource_is_refused_by_name(new_stack: NewStack):
    update = program(new_stack, 'aws.s3.Bucket("bucket")').up(check=False)
    assert update.exit_code != 0
    assert "the sandbox has no resource aws:s3/bucket:Bucket; it has aws:iam/role:Role," in update.text


def test_another_function_is_refused_by_name(new_stack: NewStack):
    update = program(new_stack, "aws.get_availability_zones()").up(check=False)
    assert update.exit_code != 0
    assert "the sandbox has no function aws:index/getAvailabilityZones:getAvail" in update.text


def test_another_property_is_refused_by_name(new_stack: NewStack):
    role = 'aws.iam.Role("role", assume_role_policy="{}", managed_policy_arns=["x"])'
    update = program(new_stack, role).up(check=False)
    assert update.exit_code != 0
    assert "has no managedPolicyArns; it has assumeRolePolicy," in update.text


def test_what_iam_refuses_is_shown_as_iam_says_it(new_stack: NewStack):
    role = 'aws.iam.Role("role", assume_role_policy="no JSON")'
    update = program(new_stack, role).up(check=False)
    assert update.exit_code != 0
    assert "MalformedPolicyDocument" in update.text
    assert "This policy contains invalid Json" in update.text


def test_the_three_functions_answer_for_the_region(new_stack: NewStack):
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


def test_default_tags_are_on_the_role_and_changes_of_them_are_seen(new_stack: NewStack, aws: Aws):
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


def test_an_account_that_is_not_allowed_is_refused(new_stack: NewStack):
    stack = new_stack({**REQUIRED, "aws:allowedAccountIds": ["444455556666"]})
    update = stack.up(check=False)
    assert update.exit_code != 0
    assert "AWS account ID not allowed: 123456789012" in update.text
    assert stack.outputs() == {}
    stack.configure({**REQUIRED, "aws:allowedAccountIds": ["123456789012"]})
    stack.up()


def test_a_secret_stays_one_in_the_state(new_stack: NewStack):
    body = """
import pulumi
aws.iam.Role("role", description=pulumi.Output.secret("hidden text"), assume_role_policy='''{
  "Version": "2012-10-17",
  "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
}''')
"""
    stack = program(new_stack, body)
    stack.up()
    assert "hidden text" not in json.dumps(stack.resources())
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
        other.operate("import", kind, "taken", identifier, *unprotected)
    found = {it["type"]: it for it in other.resources()}
    assert found["aws:iam/role:Role"]["outputs"]["tagsAll"] == {"Team": "search"}
    assert found["aws:iam/rolePolicy:RolePolicy"]["outputs"]["role"] == role
    missing = other.operate("import", "aws:iam/role:Role", "none", "no-such-role", "--yes", check=False)
    assert missing.exit_code != 0
    assert "no-such-role" in missing.text


def test_an_application_id_without_a_region_is_told_by_the_program(new_stack: NewStack):
    stack = new_stack({**REQUIRED, "applicationId": APPLICATION_ID, "aws:region": None})
    update = stack.up(check=False)
    assert "fix: pulumi config set --stack" in update.text
    assert "aws:region REGION" in update.text


def test_the_lock_of_an_update_that_was_killed_does_not_stay(
    own: tuple[Sandbox, dict[str, str]],
):
    sandbox, environment = own
    locks = sandbox.state / ".pulumi" / "locks" / "organization" / "qbusiness-aem-connector" / "dev"
    locks.mkdir(parents=True)
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name, process in (("dead", ended.pid), ("alive", os.getpid())):
        (locks / f"{name}.json").write_text(json.dumps({"pid": process}))
    (sandbox.state / ".pulumi" / "stacks" / "qbusiness-aem-connector").mkdir(parents=True)
    (sandbox.state / ".pulumi" / "stacks" / "qbusiness-aem-connector" / "dev.json").touch()
    sandbox.prepare_stack(environment)
    assert [lock.name for lock in locks.iterdir()] == ["alive.json"]
