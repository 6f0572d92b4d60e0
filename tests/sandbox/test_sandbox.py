"""Tests sandbox/environment, plugin, __main__, aws_server, and sandbox/provider/__main__ and server."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pages.examples import APPLICATION_ID, INDEX_ID, KEY_ID
from sandbox import __main__ as commands
from sandbox import plugin
from sandbox.environment import AWS_CLI, PROJECT, REGION, Sandbox
from tests.helpers.stacks import ATTACHED, OTHER_ACCOUNT, Aws, Stack, other_credentials, prepared
from tests.helpers.support import REQUIRED, golden

INDEX = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    """Set up a sandbox that a test may damage."""
    monkeypatch.delenv(plugin.PROVIDER_VARIABLE, raising=False)
    yield from prepared(tmp_path / "sandbox")


def server(sandbox: Sandbox) -> dict[str, Any]:
    return json.loads((sandbox.aws_directory / "server.json").read_text())


def kill(sandbox: Sandbox) -> None:
    """Kill the server and wait until it has ended."""
    with (sandbox.aws_directory / "server.lock").open() as lock:
        os.kill(server(sandbox)["process"], signal.SIGKILL)
        fcntl.flock(lock, fcntl.LOCK_EX)


def outdate(sandbox: Sandbox) -> None:
    """Pretend that the server runs from an earlier version of its sources."""
    state = {**server(sandbox), "sources": "of another version"}
    (sandbox.aws_directory / "server.json").write_text(json.dumps(state))


def test_server_replacement_keeps_roles_and_data_sources(own: tuple[Sandbox, dict[str, str]]):
    sandbox, environment = own
    aws, credentials = Aws(environment), other_credentials(environment)
    aws.iam.create_role(RoleName="kept", AssumeRolePolicyDocument=golden("trust-policy"))
    pages = {"displayName": "Pages", "configuration": {"type": "AEM"}}
    aws.client("qbusiness").create_data_source(**INDEX, **pages)
    for end in (kill, outdate):
        aws.client("kms").disable_key(KeyId=KEY_ID)
        before = server(sandbox)["process"]
        end(sandbox)
        environment = sandbox.prepare()
        assert server(sandbox)["process"] != before
        aws, other = Aws(environment), Aws({**environment, **credentials})
        assert aws.roles() == ["kept"]
        (source,) = aws.client("qbusiness").list_data_sources(**INDEX)["dataSources"]
        assert source["displayName"] == "Pages"
        assert other.client("sts").get_caller_identity()["Account"] == OTHER_ACCOUNT
        # The other services return to their initial state.
        assert aws.client("kms").describe_key(KeyId=KEY_ID)["KeyMetadata"]["Enabled"]


def test_the_server_listens_only_on_loopback(
    prepared_sandbox: tuple[Sandbox, dict[str, str]],
):
    state = server(prepared_sandbox[0])
    loopback = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}"
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    lines = [line.split() for table in tables for line in table.read_text().splitlines()]
    for port in (state["port"], *state["providers"].values()):
        listening = f":{port:04X}"
        (address,) = (line[1] for line in lines if line[3] == "0A" and line[1].endswith(listening))
        assert address.endswith(f"{loopback}{listening}")  # the IPv6 table adds a prefix to the address


def test_aws_and_pulumi_settings_of_user_stay_out_of_sandbox(
    prepared_sandbox: tuple[Sandbox, dict[str, str]], monkeypatch: pytest.MonkeyPatch
):
    users = dict.fromkeys(
        (
            *("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
            *("AWS_ROLE_ARN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_IAM"),
            *("PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_STACK"),
            *("HTTPS_PROXY", "http_proxy", "PYTHONSAFEPATH", "PYTHONHOME"),
        ),
        "real",
    )
    for name, value in users.items():
        monkeypatch.setenv(name, value)
    environment = prepared_sandbox[0].prepare()
    assert "real" not in environment.values()
    found = {name: environment[name] for name in users if name in environment}
    credentials = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox"}
    assert found == {**credentials, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}


def test_user_aws_command_precedes_sandbox_command(
    prepared_sandbox: tuple[Sandbox, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    for expected in (AWS_CLI / "aws", tmp_path / "aws"):
        assert shutil.which("aws", path=prepared_sandbox[0].prepare()["PATH"]) == str(expected)
        (tmp_path / "aws").touch(mode=0o755)


def test_the_lock_of_a_killed_update_is_removed(environment: dict[str, str], tmp_path: Path):
    sandbox = Sandbox(tmp_path)
    backend = {
        "PULUMI_BACKEND_URL": sandbox.state_directory.as_uri(),
        "PULUMI_HOME": str(sandbox.pulumi_home),
    }
    locks = sandbox.state_directory / ".pulumi/locks/organization/qbusiness-aem-connector/dev"
    locks.mkdir(parents=True)
    ended, zombie = subprocess.Popen(["true"]), subprocess.Popen(["true"])
    ended.wait()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)  # ended but not yet reaped
    for name, process in (("dead", ended.pid), ("zombie", zombie.pid), ("alive", os.getpid())):
        (locks / f"{name}.json").write_text(json.dumps({"pid": process}))
    stacks = sandbox.state_directory / ".pulumi" / "stacks" / "qbusiness-aem-connector"
    stacks.mkdir(parents=True)
    (stacks / "dev.json").touch()
    sandbox.prepare_stack({**environment, **backend})
    assert [lock.name for lock in locks.iterdir()] == ["alive.json"]
    zombie.wait()


# The real AWS provider.


def executable(path: Path, *lines: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


def test_sandbox_aws_provider_variable_replaces_stand_in(
    own: tuple[Sandbox, dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    sandbox, attached = own
    started = tmp_path / "started"
    stand_in = f'PYTHONPATH={PROJECT} exec {sys.executable} -m sandbox.provider aws "$@"'
    path = executable(tmp_path / "plugins" / plugin.EXECUTABLE_NAME, f"touch {started}", stand_in)
    monkeypatch.setenv(plugin.PROVIDER_VARIABLE, str(path.parent))
    environment = sandbox.prepare()
    assert [each.partition(":")[0] for each in environment[ATTACHED].split(",")] == ["aws-native"]
    stack = Stack(tmp_path, environment)
    stack.configure(REQUIRED)
    monkeypatch.delenv(plugin.PROVIDER_VARIABLE)
    again = sandbox.prepare()
    for name in (ATTACHED, "PULUMI_HOME"):
        assert again[name] == attached[name]
    # A shell that is already open keeps using the plugin.
    assert stack.preview().changes == {"create": 4}
    assert started.exists()

    monkeypatch.setenv(plugin.PROVIDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(commands, "Sandbox", lambda: sandbox)
    monkeypatch.setattr(sys, "argv", ["sandbox", "run", "--", "pulumi", "version"])
    assert commands.main() == 1
    assert capsys.readouterr().err == (
        f"sandbox: SANDBOX_AWS_PROVIDER: there is no executable {tmp_path / plugin.EXECUTABLE_NAME}; "
        "expected `real`, or the directory that contains pulumi-resource-aws; "
        "unset SANDBOX_AWS_PROVIDER to use the stand-in\n"
    )


def test_complete_published_plugin_is_installed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(plugin.PROVIDER_VARIABLE, "real")
    cache, calls = tmp_path / "cache", tmp_path / "calls"
    half = 'directory=$PULUMI_HOME/plugins/resource-aws-v7.1.0 && mkdir -p "$directory"'
    failing = executable(
        tmp_path / "failing" / "pulumi",
        half,
        "echo warning: Error downloading plugin: no such host 1>&2",
        "echo error: failed all 5 attempts 1>&2",
        "exit 1",
    )
    with pytest.raises(
        plugin.NoPluginError, match=r"7\.1\.0 could not be installed: no such host; set "
    ):
        plugin.prepare_plugin(cache, "7.1.0", failing)
    assert [path.name for path in cache.iterdir()] == ["lock"]
    pulumi = executable(
        tmp_path / "working" / "pulumi",
        f'echo "$@" >> {calls}',
        half,
        f'touch "$directory/{plugin.EXECUTABLE_NAME}"',
    )
    for _ in range(2):
        assert (
            plugin.prepare_plugin(cache, "7.1.0", pulumi)
            == cache / "aws-v7.1.0" / plugin.EXECUTABLE_NAME
        )
    assert (cache / "aws-v7.1.0" / plugin.EXECUTABLE_NAME).exists()
    assert calls.read_text() == "plugin install resource aws 7.1.0\n"
    assert sorted(path.name for path in cache.iterdir()) == ["aws-v7.1.0", "lock"]
