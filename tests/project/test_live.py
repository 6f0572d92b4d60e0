"""Tests `tests/live.py`: the transcript and the resources that a run in the sandbox leaves."""

import fnmatch
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pages.examples import APPLICATION_ID, INDEX_ID
from sandbox.environment import PROJECT
from tests.helpers.faults import Stop, gate
from tests.helpers.page import blocks
from tests.helpers.processes import commands_with
from tests.helpers.recorder import Recorder, recorder, simulation, validation
from tests.helpers.stacks import ATTACHED, Aws, running_provider
from tests.helpers.support import golden
from tests.live import mask

ACCOUNT = "123456789012"
SUGGESTION = ("SUGGESTION", "EMPTY_OBJECT_CONDITION", "Add a condition.")
FOREIGN = ("qbusiness-live-", "qbusiness-live-0a1b2c3d-role", "qbusiness-other")


class Run:
    """A run in its own directory, as started by `make live`."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.environment = {**environment, "PYTHONPATH": str(PROJECT), "TMPDIR": str(directory)}

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.live", "--region", "us-east-1", *arguments],
            cwd=self.directory,
            env={**self.environment, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, *arguments: str, typed: str = "", **variables: str) -> tuple[int, str]:
        """Run to the end with `typed` as the input; return the exit code and the output."""
        with self.start(*arguments, **variables) as process:
            output, _ = process.communicate(typed)
        sys.stdout.write(output)
        return process.returncode, output

    def transcript(self) -> str:
        (path,) = self.directory.glob("qbusiness-live-*.md")
        return path.read_text()

    def results(self) -> list[str]:
        """Return each step's result in the transcript."""
        _, *results = re.findall(r"^\| .* \| (\w+) \|$", self.transcript(), re.MULTILINE)
        return results


@pytest.fixture
def recorded(environment: dict[str, str]) -> Iterator[Recorder]:
    """Record the calls; stand in for Access Analyzer with findings that are not serious."""
    with recorder(environment["AWS_ENDPOINT_URL"]) as calls:
        kinds = ("RESOURCE_POLICY", "IDENTITY_POLICY")
        calls.answers["POST /policy/validation"] = validation(dict.fromkeys(kinds, SUGGESTION))
        yield calls


@pytest.fixture
def live(tmp_path: Path, environment: dict[str, str], recorded: Recorder) -> Iterator[Run]:
    own = {name: value for name, value in environment.items() if name != ATTACHED}
    own["AWS_ENDPOINT_URL"] = recorded.url
    with running_provider(own) as provider:
        yield Run(tmp_path, own | provider)


@pytest.fixture
def foreign(aws: Aws) -> Iterator[None]:
    """Create roles that a run must not remove; check that they remain."""
    for name in FOREIGN:
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=golden("trust-policy"))
    yield
    assert sorted(aws.roles()) == [*FOREIGN]


def requested(operation: str, parameters: Mapping[str, str]) -> tuple[str, str] | None:
    """Return an IAM call's action and resource, or None for other calls."""
    if operation.startswith(("GET ", "POST ", "PUT ", "DELETE ")) or operation == "GetCallerIdentity":
        return None
    name = parameters.get("RoleName")
    return f"iam:{operation}", f"arn:aws:iam::111122223333:role/{name}" if name else "*"


@pytest.mark.usefixtures("foreign")
def test_run_leaves_only_transcript_and_needs_only_listed_permissions(live: Run, recorded: Recorder):
    # The user may have set these variables for other stacks.
    own = {"PULUMI_OPTION_CONFIG_FILE": "own.yaml", "PULUMI_STACK": "own"}
    code, said = live("--index", f"{APPLICATION_ID}/{INDEX_ID}", typed=ACCOUNT, **own)
    assert code == 0, said
    assert live.results() == ["passed", "skipped", "passed", "skipped", "passed", "passed"]
    assert [path.suffix for path in live.directory.iterdir()] == [".md"]
    transcript = live.transcript()
    assert "UpdateDataSource with another name keeps everything else\n" in transcript
    assert "arn:aws:iam::ACCOUNT:role/qbusiness-live-" in transcript
    assert ACCOUNT not in transcript
    (document,) = blocks("json", (PROJECT / "CONTRIBUTING.md").read_text())
    permissions = json.loads(document)["Statement"]
    lacking = {
        (action, resource)
        for action, resource in filter(None, (requested(*call) for call in recorded.calls))
        if not any(
            action in each["Action"] and fnmatch.fnmatchcase(resource, each["Resource"])
            for each in permissions
        )
    }
    assert lacking == set(), "CONTRIBUTING.md lacks permissions of a run"


def test_read_only_run_changes_nothing_and_can_fail(live: Run, recorded: Recorder):
    # Allow kms:Decrypt in all requests, even in those that IAM must deny; deny all other actions.
    decide = simulation(lambda action, _: "allowed" if action == "kms:Decrypt" else "implicitDeny")
    recorded.answers["SimulateCustomPolicy"] = decide
    error = ("ERROR", "INVALID_ACTION", "The action does not exist.")
    findings = {"RESOURCE_POLICY": SUGGESTION, "IDENTITY_POLICY": error}
    recorded.answers["POST /policy/validation"] = validation(findings)
    code, said = live("--read-only")
    assert code == 1, said
    assert live.results() == ["failed", "failed"]
    assert "ERROR INVALID_ACTION: The action does not exist." in live.transcript()
    assert "action='kms:Decrypt'" in live.transcript()
    reading = {"GetCallerIdentity", "SimulateCustomPolicy", "POST /policy/validation"}
    assert {*recorded.operations()} == reading


@pytest.mark.usefixtures("foreign")
def test_failed_removal_shows_command_that_removes_role(live: Run, recorded: Recorder, aws: Aws):
    recorded.reject("PutRolePolicy", "AccessDenied")
    recorded.reject("DeleteRole", "AccessDenied")
    code, _ = live(typed=ACCOUNT)
    assert code == 1
    assert live.results() == ["passed", "skipped", "failed", "skipped", "skipped", "failed"]
    (role,) = {*aws.roles()} - {*FOREIGN}
    assert f"still there: role {role} (An error occurred (AccessDenied)" in live.transcript()
    (command,) = re.findall(r"Repeat the removal: (.*)", live.transcript())
    options = command.split()[3:]
    assert live(*options)[0] == 1
    recorded.answers.clear()
    assert live(*options) == (0, f"removed role {role}\n")
    assert live(*options) == (0, f"nothing of {options[1]} is in account {ACCOUNT}\n")


@pytest.mark.usefixtures("foreign")
def test_signal_during_role_creation_leaves_no_role_or_process(live: Run, environment: dict[str, str]):
    del live.environment[ATTACHED]
    with gate(environment["AWS_ENDPOINT_URL"], Stop("CreateRole", executed=True)) as iam:
        process = live.start(AWS_ENDPOINT_URL=iam.url)
        assert process.stdin
        process.stdin.write(f"{ACCOUNT}\n")
        process.stdin.flush()
        iam.wait_for_call()
        process.send_signal(signal.SIGTERM)
        iam.open()
        said, _ = process.communicate()
    assert process.returncode == 130, said
    assert live.results()[-2:] == ["interrupted", "passed"]
    assert commands_with(f"TMPDIR={live.directory}") == []


def test_run_that_cannot_start_reports_reason_in_one_line(live: Run, recorded: Recorder):
    for arguments, variables, reason in (
        (("--read-only",), {"AWS_ACCESS_KEY_ID": ""}, "there are no usable AWS credentials ("),
        (("--read-only",), {"PATH": "/nowhere"}, "there is no `pulumi` on PATH: install the CLI"),
        (("--read-only", "--region", "eu-central-1"), {}, "eu-central-1 has no Amazon Q Business: pass"),
        ((), {}, f"the credentials are for account {ACCOUNT}; nothing was done"),
    ):
        code, shown = live(*arguments, typed="210987654321", **variables)
        assert code == 2
        assert f"live: {reason}" in shown.splitlines()[-1]
    code, shown = live("--remove", "qbusiness-live-")
    assert code == 2
    assert "invalid run_name value: 'qbusiness-live-'" in shown
    assert {*recorded.operations()} == {"GetCallerIdentity"}
    assert [*live.directory.iterdir()] == []


# The transcript.

KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CALLER = "arn:aws:sts::999900001111:assumed-role/AWSReservedSSO_Admins_0a1b/jane@example.com"


def test_accounts_credentials_and_caller_are_masked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/janed")
    identity = {"Account": "999900001111", "Arn": CALLER, "UserId": "AROAQ:jane@example.com"}
    masked = mask(identity, [KEY])
    for text, shown in (
        ("qbusiness_999900001111_a, not 444455556666", "qbusiness_ACCOUNT_a, not ACCOUNT"),
        ("key AKIAIOSFODNN7EXAMPLE", "key CREDENTIAL"),
        (f"signed by {KEY}&k=", "signed by CREDENTIAL&k="),
        (f"User: {CALLER} is", "User: CALLER is"),
        ("by AROAQ:jane@example.com in /home/janed/q", "by CALLER in ~/q"),
        ("a1b2c3d4-5678-90ab-cdef-111111111111", "a1b2c3d4-5678-90ab-cdef-111111111111"),
    ):
        assert masked(text) == shown
