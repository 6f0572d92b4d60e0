"""Run the real engine on stacks in the tests' sandbox."""

import fcntl
import functools
import hashlib
import importlib.util
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from sandbox import plugin
from sandbox.engine import NoEngineError
from sandbox.environment import PROJECT, REGION, Sandbox
from tests.helpers.processes import run, show
from tests.helpers.support import PROJECT_NAME
from tests.helpers.warm import COLD

_NUMBERS: Final = itertools.count(1)
ATTACHED: Final = "PULUMI_DEBUG_PROVIDERS"
"""The variable that lists the running providers; without it, each operation starts its own providers."""
UP: Final = ("up", "--yes", "--skip-preview")
DESTROY: Final = ("destroy", "--yes", "--skip-preview")


class Update(NamedTuple):
    """The result of an engine operation; for a preview, the expected result."""

    exit_code: int
    text: str
    """The complete output."""
    changes: Mapping[str, int]
    """The number of resources by operation, such as create or same; empty without a summary."""
    steps: list[tuple[str, str, tuple[str, ...]]]
    """Each step's operation, resource name, and changed paths (only properties if the provider reports
    no paths). The steps are in the engine's order, without refreshes and providers."""
    errors: list[tuple[str, str]]
    """Each error's resource name (empty if there is no resource) and message."""


class Stack:
    """A stack with the project's program, or with another program that uses the same components."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        program: str | None = None,
        secrets_provider: Mapping[str, str] | None = None,
    ) -> None:
        if secrets_provider is None:  # use the sandbox's passphrase
            lines = (PROJECT / "Pulumi.dev.yaml").read_text().splitlines()
            secrets_provider = dict(line.split(": ") for line in lines if "encryptionsalt" in line)
        self.secrets_provider = secrets_provider
        self.name = f"test{next(_NUMBERS)}"
        self.directory = directory / self.name
        # Without this variable, the CLI rejects --event-log.
        self.environment = {**environment, "PULUMI_DEBUG_COMMANDS": "true"}
        self.config_file = self.directory / f"Pulumi.{self.name}.yaml"
        self.directory.mkdir()
        project = (PROJECT / "Pulumi.yaml").read_text()
        if program is not None:  # remove this project's required keys
            project = project.partition("config:")[0]
        (self.directory / "Pulumi.yaml").write_text(project)
        (self.directory / "components").symlink_to(PROJECT / "components")
        (self.directory / "venv").symlink_to(self.environment.get("WARM_VENV", PROJECT / "venv"))
        self.write_program((PROJECT / "__main__.py").read_text() if program is None else program)
        self._initialize()

    def _initialize(self) -> None:
        """Write the files that `pulumi stack init` writes: an empty stack and its selection."""
        backend = self.environment["PULUMI_BACKEND_URL"]
        state = Path(urlsplit(backend).path) / ".pulumi" / "stacks" / PROJECT_NAME
        state.mkdir(parents=True, exist_ok=True)
        self.state_file = state / f"{self.name}.json"
        name = f"organization/{PROJECT_NAME}/{self.name}"
        self.state_file.write_text(json.dumps({"version": 3, "checkpoint": {"stack": name}}))
        project = hashlib.sha1(bytes(self.directory / "Pulumi.yaml")).hexdigest()  # noqa: S324 Pulumi's
        workspaces = Path(self.environment["PULUMI_HOME"]) / "workspaces"
        workspaces.mkdir(exist_ok=True)
        selection = workspaces / f"{PROJECT_NAME}-{project}-workspace.json"
        selection.write_text(json.dumps({"stacks": {backend: name}}))

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Write the stack's configuration as YAML (JSON is YAML), without changing any value's type.

        Keys without a namespace get the project's name as their namespace.
        """
        config = {
            key if ":" in key else f"{PROJECT_NAME}:{key}": value for key, value in settings.items()
        }
        self.config_file.write_text(json.dumps({**self.secrets_provider, "config": config}))

    @property
    def program(self) -> str:
        return (self.directory / "__main__.py").read_text()

    def write_program(self, text: str) -> None:
        """Replace the program and delete the old program's bytecode.

        Python would otherwise reuse this bytecode for a new program with the same length and timestamp.
        """
        path = self.directory / "__main__.py"
        path.write_text(text)
        Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `pulumi` and return its exit code and output."""
        return self.execute("pulumi", "--non-interactive", *arguments, check=check)

    def execute(
        self, *command: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the stack's directory and return its exit code and output."""
        return run(self.directory, command, {**self.environment, **variables}, check=check)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start an operation on this stack in the background; the test may kill it.

        The operation starts its own provider and Python, as it does for a user. The test's output
        includes the operation's output.
        """
        environment = {name: value for name, value in self.environment.items() if name != ATTACHED}
        command = ["pulumi", "--non-interactive", *arguments, "--stack", self.name]
        show(f"$ {shlex.join(command)} &")
        return subprocess.Popen(
            command,
            cwd=self.directory,
            env={**environment, **COLD, **variables},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def operate(self, *arguments: str, check: bool = True) -> Update:
        """Run an operation on this stack and return the engine's report."""
        log = self.directory / "events.json"
        log.unlink(missing_ok=True)
        stack = ("--stack", self.name, "--event-log", str(log))
        done = self.run(*arguments, *stack, check=check)
        events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

        def of_kind(kind: str) -> list[dict[str, Any]]:
            return [event[kind] for event in events if kind in event]

        def name(each: dict[str, Any]) -> str:
            return each.get("urn", "").rpartition("::")[2]

        summaries, steps = of_kind("summaryEvent"), of_kind("resourcePreEvent")
        return Update(
            done.returncode,
            done.stdout,
            summaries[-1]["resourceChanges"] if summaries else {},
            [
                (
                    step["op"],
                    name(step),
                    tuple(sorted(step.get("detailedDiff") or step.get("diffs") or ())),
                )
                for step in (each["metadata"] for each in steps)
                # Leave out the refresh that precedes every operation by default.
                if step["op"] != "refresh" and not step["type"].startswith("pulumi:providers:")
            ],
            [
                (name(it), it["message"])
                for it in of_kind("diagnosticEvent")
                if it["severity"] == "error"
            ],
        )

    def up(self, *options: str, check: bool = True) -> Update:
        return self.operate(*UP, *options, check=check)

    def preview(self, *options: str, check: bool = True) -> Update:
        return self.operate("preview", *options, check=check)

    def drift(self) -> Update:
        return self.operate("refresh", "--preview-only", "--expect-no-changes", "--diff", check=False)

    def destroy(self) -> Update:
        return self.operate(*DESTROY)

    def run_fixes(self, message: str, **values: str) -> list[str]:
        """Run the commands in a message about settings, with values in place of their placeholders.

        Return the paths in the stack's file that the other fixes tell a user to edit.
        """
        script = "\n".join(re.findall(r"    fix: (pulumi config .*)\n", message))
        edits = re.findall(rf"    fix: edit (.+) in {self.config_file.name}\n", message)
        assert len(edits) + len(script.splitlines()) == message.count("    fix: ")
        for placeholder, value in values.items():
            script = script.replace(placeholder, value)
        self.execute("sh", "-euc", script)
        return edits

    def state(self) -> dict[str, Any]:
        """Return the `deployment` that `pulumi stack export` shows, or {} before the first update."""
        return json.loads(self.state_file.read_text())["checkpoint"].get("latest") or {}

    def resources(self) -> list[dict[str, Any]]:
        return self.state().get("resources", [])

    def outputs(self) -> dict[str, Any]:
        stacks = (resource for resource in self.resources() if resource["type"] == "pulumi:pulumi:Stack")
        return next((stack["outputs"] for stack in stacks if "outputs" in stack), {})


NewStack = Callable[..., Stack]
OTHER_ACCOUNT: Final = "210987654321"
_CREDENTIALS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def other_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables with credentials for OTHER_ACCOUNT."""
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/other"
    sts = Aws(environment).client("sts")
    answer = sts.assume_role(RoleArn=role, RoleSessionName="tests")["Credentials"]
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    return {variable: answer[name] for variable, name in zip(_CREDENTIALS, names, strict=True)}


@functools.cache
def _client(service: str, region: str, url: str, credentials: tuple[str, ...]) -> Any:
    create: Any = boto3.client
    return create(
        service,
        region_name=region,
        endpoint_url=url,
        **dict(zip(map(str.lower, _CREDENTIALS), credentials, strict=True)),
        # Let AWS, not the SDK, validate the parameters.
        config=Config(parameter_validation=False),
    )


class Aws:
    """The AWS account that an environment's variables select.

    The methods return indented policies with elements in the order on AWS's page about connector roles.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.url = environment["AWS_ENDPOINT_URL"]
        # The server accepts any credentials.
        self.credentials = tuple(environment.get(name, "tests") for name in _CREDENTIALS)
        self.iam = self.client("iam")

    def client(self, service: str, region: str = REGION) -> Any:
        return _client(service, region, self.url, self.credentials)

    def roles(self) -> list[str]:
        return [role["RoleName"] for role in self.iam.list_roles()["Roles"]]

    def trust_policy(self, role: str) -> str:
        return _in_order(self.iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"])

    def role_policies(self, role: str) -> dict[str, str]:
        return {
            name: _in_order(self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
            for name in self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        }

    def role(self, name: str) -> dict[str, Any]:
        """Return the properties of a role in IAM, except values that differ for each new role."""
        role = self.iam.get_role(RoleName=name)["Role"]
        attached = self.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        return {
            "arn": role["Arn"],
            "trust policy": self.trust_policy(name),
            "policies": self.role_policies(name),
            "attached": [policy["PolicyArn"] for policy in attached],
            "description": role.get("Description", ""),
            "duration": role["MaxSessionDuration"],
            "boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])},
        }


_ORDER: Final = (
    *("Version", "Statement", "Sid", "Effect", "Principal", "Action", "Resource", "Condition"),
    *("StringEquals", "StringLike", "ArnEquals", "ForAllValues:StringEquals"),
)
"""The order of elements on AWS's page about connector roles. The provider sorts elements by name."""


def _in_order(document: object) -> str:
    def sort(entries: dict[str, Any]) -> dict[str, Any]:
        names = sorted(entries, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
        return {name: entries[name] for name in names}

    return json.dumps(json.loads(json.dumps(document), object_hook=sort), indent=2)


@contextmanager
def running_provider(environment: Mapping[str, str]) -> Generator[dict[str, str]]:
    """Run the stand-in provider in an environment; yield the variable that makes the engine use it.

    If the real provider is selected, run nothing and yield {}, because the engine starts that provider
    itself, in the environment of each command.
    """
    if plugin.is_selected():
        yield {}
        return
    command = [sys.executable, "-m", "sandbox.provider", "aws"]
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True
    ) as provider:
        assert provider.stdout is not None
        try:
            yield {ATTACHED: f"aws:{provider.stdout.readline().strip()}"}
        finally:
            provider.kill()


def prepared(directory: Path) -> Generator[tuple[Sandbox, dict[str, str]]]:
    """Set up a sandbox and yield it with its variables; stop it afterward.

    The sandbox's server also ends if this process is killed. Without an engine, tests fail in CI
    and are skipped elsewhere.
    """
    sandbox = Sandbox(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "owner.lock").open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        try:
            environment = sandbox.prepare()
        except NoEngineError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no engine: {error}")
        try:
            yield sandbox, environment
        finally:
            sandbox.stop()
