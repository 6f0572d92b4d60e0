"""Test that `make live` runs its steps, reveals no secret, and leaves nothing behind."""

import fnmatch
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from components.connector_role import POLICY_NAME
from evidence.connector_calls import Call
from live.example import Example
from live.interruption import InterruptedRunError, Interruption
from live.stack import Stack, StepError
from live.transcript import Mask
from sandbox.environment import PROJECT
from tests.authorization.cases import requests_of
from tests.authorization.simulator import ask
from tests.helpers.faults import gate
from tests.helpers.page import blocks
from tests.helpers.processes import commands_in, commands_with, eventually
from tests.helpers.recorder import Recorder, recorder, simulation, validation
from tests.helpers.stacks import ATTACHED, Aws, running_provider

PAGE = PROJECT / "docs" / "live.md"
ACCOUNT = "123456789012"
STEPS = """\
1. A preview creates nothing: passed
2. An update creates the role with its two policies: passed
3. The next update changes nothing: passed
4. Access Analyzer finds no error in the policies: skipped
5. IAM allows the connector's requests, and denies similar ones: skipped
6. Manual changes are found: passed
7. An update corrects them: passed
8. An update fails: its permissions boundary does not exist: passed
9. With the boundary, the same update applies the remaining changes: passed
10. Another name replaces the role: passed
11. A destroy deletes the role: passed
12. A manually created role is imported, and updated in place: passed
13. A destroy deletes that role too: passed
14. An update creates the role of an S3 data source, which may pass itself: passed
15. IAM allows the S3 connector's requests, and denies similar ones: skipped
16. A destroy deletes the S3 role: passed
17. Nothing is left: passed
"""


class Run:
    """A run in its own directory."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.environment = {
            **environment,
            "PYTHONPATH": str(PROJECT),
            "TMPDIR": str(directory),
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "live", *arguments]

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run to the end, without a terminal."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        sys.stdout.write(done.stdout + done.stderr)
        return done

    def start(self, directory: str = ".", **variables: str) -> subprocess.Popen[str]:
        """Start a run that a test interrupts, in its own directory."""
        return subprocess.Popen(
            self.command("--yes"),
            cwd=self.directory / directory,
            env={**self.environment, "AWS_REGION": "us-east-1", **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def transcript(self) -> str:
        (path,) = self.directory.glob("qbusiness-live-*.md")
        return path.read_text()

    def results(self) -> str:
        """Return the steps of the transcript and their results."""
        rows = re.findall(r"^\| (\d+) \| (.*) \| (.*) \| [\d.]+ \|$", self.transcript(), re.MULTILINE)
        return "".join(f"{number}. {title}: {result}\n" for number, title, result in rows)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the line of a run that did nothing."""
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def recorded(environment: dict[str, str]) -> Iterator[Recorder]:
    with recorder(environment["AWS_ENDPOINT_URL"]) as calls:
        yield calls


@pytest.fixture
def live(tmp_path: Path, environment: dict[str, str], recorded: Recorder) -> Run:
    # The running providers call the server itself.
    without = (ATTACHED, "AWS_REGION", "AWS_DEFAULT_REGION")
    own = {name: value for name, value in environment.items() if name not in without}
    return Run(tmp_path, {**own, "AWS_ENDPOINT_URL": recorded.url})


@pytest.fixture
def attached(live: Run) -> Iterator[Run]:
    """Let all commands of a run share a provider, whose start takes a third of their time."""
    with running_provider(live.environment) as provider:
        live.environment |= provider
        yield live


def left(aws: Aws) -> list[str]:
    """Return the roles and policies in the account."""
    policies = aws.iam.list_policies(Scope="Local")["Policies"]
    return [*aws.roles(), *(policy["PolicyName"] for policy in policies)]


# The whole run.


def test_a_run_passes_with_the_permissions_on_the_page_and_leaves_a_transcript_and_nothing_else(
    attached: Run, recorded: Recorder, aws: Aws
):
    state = Path(attached.environment["PULUMI_BACKEND_URL"].removeprefix("file://").partition("?")[0])
    before = sorted(state.rglob("*"))
    # The user's variables for other stacks.
    own = {"PULUMI_OPTION_CONFIG_FILE": "own.yaml", "PULUMI_STACK": "own"}
    done = attached("--yes", AWS_REGION="us-east-1", **own)
    assert done.returncode == 0
    assert done.stderr == ""
    assert attached.results() == STEPS
    assert left(aws) == []
    assert sorted(state.rglob("*")) == before
    assert [path.suffix for path in attached.directory.iterdir()] == [".md"]

    transcript = attached.transcript()
    assert "steps | 14 passed, 3 skipped |" in transcript
    for named in ("date", "program", "Pulumi CLI", "package pulumi-aws", "Python"):
        assert re.search(rf"^\| {named} \| .*\d.* \|$", transcript, re.MULTILINE), named
    assert f"| endpoint of IAM | {recorded.url} |" in transcript
    for question in (
        "Access Analyzer finds",
        "IAM allows the connector's",
        "IAM allows the S3 connector's",
    ):
        assert re.search(rf"{question}.*\n\nskipped: the endpoint does not support it", transcript)
    assert "arn:aws:iam::ACCOUNT:role/qbusiness-live-" in transcript
    for hidden in (ACCOUNT, str(attached.directory), "arn:aws:sts::ACCOUNT:user/moto"):
        assert hidden not in transcript

    run = next(iter(attached.directory.iterdir())).stem
    asked_about = [
        parameters["PolicySourceArn"].rpartition("/")[2]
        for operation, parameters in recorded.calls
        if operation == "SimulatePrincipalPolicy"
    ]
    assert [*dict.fromkeys(asked_about)] == [run, f"{run}-s3"]
    asked_for = {needed(operation, parameters) for operation, parameters in recorded.calls}
    permissions = json.loads(blocks("json", PAGE.read_text())[0])["Statement"]
    for action, resource in asked_for - {("sts:GetCallerIdentity", "*")}:
        assert any(allows(statement, action, resource) for statement in permissions), (action, resource)
    granted = {action for statement in permissions for action in statement["Action"]}
    assert granted == {action for action, _ in asked_for} - {"sts:GetCallerIdentity"}


def needed(operation: str, parameters: Mapping[str, str]) -> tuple[str, str]:
    """Return the IAM action and the resource of a call."""
    if operation == "/policy/validation":
        return "access-analyzer:ValidatePolicy", "*"
    if operation == "GetCallerIdentity":
        return "sts:GetCallerIdentity", "*"
    if "RoleName" in parameters:
        return f"iam:{operation}", f"arn:aws:iam::111122223333:role/{parameters['RoleName']}"
    policy = parameters.get("PolicyName", "")
    arn = parameters.get("PolicyArn") or parameters.get("PolicySourceArn")
    arn = arn or f"arn:aws:iam::{ACCOUNT}:policy/{policy}"
    return f"iam:{operation}", arn.replace(ACCOUNT, "111122223333")


def allows(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    resources = statement["Resource"]
    patterns = resources if isinstance(resources, list) else [resources]
    return action in statement["Action"] and any(
        fnmatch.fnmatchcase(resource, pattern) for pattern in patterns
    )


# Something fails.


def test_a_denied_permission_ends_the_run_and_everything_is_removed(
    attached: Run, recorded: Recorder, aws: Aws
):
    recorded.answers["SimulatePrincipalPolicy"] = simulation(
        # Of the similar requests, this one must be denied.
        lambda action, _: "allowed" if action == "kms:Decrypt" else "implicitDeny"
    )
    recorded.answers["/policy/validation"] = validation(
        {
            "RESOURCE_POLICY": ("SUGGESTION", "EMPTY_OBJECT_CONDITION", "Add a condition."),
            "IDENTITY_POLICY": ("ERROR", "INVALID_ACTION", "The action does not exist."),
        }
    )
    recorded.refuse("TagRole", "AccessDenied")
    done = attached("--yes", AWS_REGION="us-east-1")
    assert done.returncode == 1
    assert re.findall(r": (passed|failed)$", attached.results(), re.MULTILINE) == [
        *("passed", "passed", "passed", "failed", "failed", "failed", "passed")
    ]
    analyzed, simulated, denied = re.findall(r"    failed: (.*) \(\d+ s\)", done.stdout)
    assert analyzed == (
        "SUGGESTION EMPTY_OBJECT_CONDITION: Add a condition.; "
        "ERROR INVALID_ACTION: The action does not exist.; "
        "ERROR INVALID_ACTION: The action does not exist."
    )
    assert "wrong decisions, such as: secretsmanager:GetSecretValue on arn:aws:" in simulated
    assert "kms:Decrypt on arn:aws:kms:us-west-2:ACCOUNT:" in attached.transcript()
    assert denied == (
        "An error occurred (AccessDenied) when calling the TagRole operation: "
        "User: arn:aws:iam::ACCOUNT:user/jane is not authorized to perform: iam:TagRole"
    )
    assert left(aws) == []


def test_remaining_resources_are_named_with_the_command_that_removes_them(
    attached: Run, recorded: Recorder, aws: Aws
):
    recorded.refuse("PutRolePolicy", "AccessDenied")
    recorded.refuse("DeleteRole", "AccessDenied")
    done = attached("--yes", AWS_REGION="us-east-1")
    assert done.returncode == 1
    failed, remains = re.findall(r"    failed: (.*) \(\d+ s\)", done.stdout)
    assert failed.startswith("pulumi up: ")
    assert "AccessDenied" in failed
    (role,) = left(aws)
    assert remains.startswith(f"still there: role {role} (An error occurred (AccessDenied)")
    command = f"venv/bin/python -m live --remove {role}"
    assert remains.endswith(command)

    options = command.split()[3:]
    assert attached(*options, AWS_REGION="us-east-1").returncode == 1
    recorded.answers.clear()
    done = attached(*options, AWS_REGION="us-east-1")
    assert (done.returncode, done.stdout) == (0, f"removed role {role}\n")
    assert left(aws) == []
    done = attached(*options, AWS_REGION="us-east-1")
    assert (done.returncode, done.stdout) == (0, f"nothing of {role} is in the account\n")


# Somebody interrupts it.


@pytest.mark.parametrize("key", [signal.SIGINT, signal.SIGQUIT], ids=["ctrl_c", "ctrl_backslash"])
def test_a_key_that_ends_the_run_during_the_creation_of_the_role_leaves_nothing(
    live: Run, environment: dict[str, str], aws: Aws, key: signal.Signals
):
    with gate(environment["AWS_ENDPOINT_URL"], applied=True) as iam:
        process = live.start(AWS_ENDPOINT_URL=iam.url)
        iam.wait_for_call()
        assert len(aws.roles()) == 1
        process.send_signal(key)
        iam.open()
        said, _ = process.communicate()
    assert process.returncode == 130, said
    assert "live: interrupted; first removing the resources of the run" in said
    assert "2. An update creates the role with its two policies: interrupted" in live.results()
    assert f"\ninterrupted: {key.name}\n" in live.transcript()
    assert left(aws) == []
    assert commands_with(f"TMPDIR={live.directory}") == []


def test_a_killed_run_leaves_no_process_and_its_name_removes_the_rest(
    live: Run, environment: dict[str, str], aws: Aws
):
    with gate(environment["AWS_ENDPOINT_URL"], applied=True) as iam:
        process = live.start(AWS_ENDPOINT_URL=iam.url)
        iam.wait_for_call()
        process.kill()
        process.communicate()
        assert "pulumi up --yes" in " ".join(commands_with(f"TMPDIR={live.directory}"))
        iam.open()
        eventually(lambda: not commands_with(f"TMPDIR={live.directory}"), "all processes have ended")
    # Pulumi may begin with the role's policy in the moment before the interruption reaches it.
    (role,) = left(aws)
    assert {*aws.iam.list_role_policies(RoleName=role)["PolicyNames"]} <= {POLICY_NAME}
    done = live("--remove", role, AWS_REGION="us-east-1")
    assert (done.returncode, done.stdout) == (0, f"removed role {role}\n")


def test_the_end_of_the_session_during_a_run_leaves_nothing(attached: Run, recorded: Recorder, aws: Aws):
    with attached.start() as process:
        assert process.stdout is not None
        eventually(lambda: "CreatePolicy" in recorded.operations(), "there is more than a role")
        process.send_signal(signal.SIGTERM)
        said = ""
        while "Nothing is left" not in said:
            said += process.stdout.readline()
        for another in (signal.SIGHUP, signal.SIGQUIT):  # does not stop the removal
            process.send_signal(another)
            said += process.stdout.readline() + process.stdout.readline()
        while "Transcript:" not in (end := process.stdout.readline()):
            assert end
        process.send_signal(signal.SIGINT)  # nor does one at the end change the exit code
    assert process.returncode == 130, said
    assert said.endswith(2 * "\nlive: still removing the resources of the run; wait until it ends\n")
    assert "    interrupted: SIGTERM (" in said
    assert left(aws) == []


PLUGIN = f"{sys.executable} -c 'import os, time; os.setpgid(0, 0); time.sleep(600)' &"
"""A process in its own process group, like Pulumi's plugins."""


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_command_that_does_not_end_is_killed_with_its_descendants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
):
    cli(tmp_path, f"trap '' INT; {PLUGIN} sleep 600", monkeypatch)
    monkeypatch.setattr("live.stack._END_PATIENCE", 0.1)
    directory = tmp_path / "stack"
    directory.mkdir()
    said: list[str] = []
    interruption = Interruption()
    if interrupted:
        interruption.receive(signal.SIGINT)
    else:
        monkeypatch.setattr("live.stack._LIMIT", 0.1)
    reason = "SIGINT" if interrupted else "pulumi up did not end in 0 seconds"
    with pytest.raises((InterruptedRunError, StepError), match=f"^{reason}$"):
        Stack(directory, "name", said.append, interruption).try_to("up")
    eventually(lambda: not commands_in(directory), "everything has ended")
    assert said == ["$ pulumi up --stack name --non-interactive --color never\n(interrupted)"]


def test_a_command_that_is_killed_leaves_no_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cli(tmp_path, f"{PLUGIN} kill -QUIT $$", monkeypatch)
    directory = tmp_path / "stack"
    directory.mkdir()
    said: list[str] = []
    output = Stack(directory, "name", said.append, Interruption()).try_to("up")
    assert output.exit_code == 128 + signal.SIGQUIT
    assert commands_in(directory) == []


# Output problems.


def test_a_transcript_that_cannot_be_written_is_shown_at_the_end(
    attached: Run, recorded: Recorder, aws: Aws
):
    recorded.refuse("PutRolePolicy", "AccessDenied")
    directory = attached.directory / "removed"
    directory.mkdir()
    with attached.start(directory.name) as process:
        eventually(lambda: "CreateRole" in recorded.operations(), "the run has begun")
        (transcript,) = directory.iterdir()
        shutil.rmtree(directory)
        said, _ = process.communicate()
    assert process.returncode == 1
    _, announced, shown = said.partition(
        "\n2 passed, 1 failed. The transcript, which follows, could not be written to\n"
        f"{transcript}: No such file or directory\n\n"
    )
    assert "Transcript: " not in said
    assert announced, said
    assert shown.startswith("# Acceptance run\n")
    assert "## 3. Nothing is left\n\npassed" in shown
    assert ACCOUNT not in shown
    assert left(aws) == []


@pytest.mark.skipif(not Path("/proc").exists(), reason="requires a directory without new files")
def test_nothing_is_done_if_no_transcript_can_be_written(live: Run, recorded: Recorder):
    with live.start("/proc") as process:
        said, _ = process.communicate()
    assert process.returncode == 2
    plan, _, line = said.partition("\n\nlive: ")
    assert line == (
        f"the transcript cannot be written to /proc/{plan.split()[-1]}: No such file or directory; "
        "nothing was done\n"
    )
    assert recorded.operations() == ["GetCallerIdentity"]


def test_nothing_is_done_in_a_deleted_directory(live: Run):
    (live.directory / "gone").mkdir()
    command = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *live.command("--yes")]
    environment = {**live.environment, "AWS_REGION": "us-east-1"}
    done = subprocess.run(
        command,
        cwd=live.directory / "gone",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert one_line(done) == "live: [Errno 2] No such file or directory; nothing was done"


def test_a_run_continues_after_its_output_is_closed(live: Run, monkeypatch: pytest.MonkeyPatch):
    cli(live.directory, "echo 'error: no disk'; exit 1", monkeypatch)
    with live.start(PATH=os.environ["PATH"]) as process:
        assert process.stdout is not None
        while "1. A preview creates nothing" not in process.stdout.readline():
            pass
        process.stdout.close()
        assert process.wait() == 1
    assert "steps | 1 failed, 1 passed |" in live.transcript()


def test_unsupported_characters_of_the_terminal_do_not_end_the_run(
    live: Run, monkeypatch: pytest.MonkeyPatch
):
    cli(live.directory, "echo 'error: no disk on Jürgen”s laptop'; exit 1", monkeypatch)
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = live("--yes", AWS_REGION="us-east-1", PATH=os.environ["PATH"], **ascii_only)
    assert (done.returncode, done.stderr) == (1, "")
    assert "failed: pulumi stack: no disk on J\\xfcrgen\\u201ds laptop" in done.stdout
    assert "Jürgen”s" in live.transcript()


# It does not start.


def typed(live: Run, answer: str) -> tuple[int, str]:
    """Type an answer on a terminal; return the exit code and the output."""
    terminal, theirs = pty.openpty()
    environment = {**live.environment, "AWS_REGION": "us-east-1"}
    with subprocess.Popen(
        live.command(), cwd=live.directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        os.write(terminal, f"{answer}\n".encode())
        shown = b""
        try:
            while read := os.read(terminal, 65536):
                shown += read
        except OSError:  # the end, on Linux
            pass
        os.close(terminal)
    return process.returncode, shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("answer", ["no", "", "y", "yes please"])
def test_nothing_is_done_without_confirmation(live: Run, recorded: Recorder, answer: str):
    code, shown = typed(live, answer)
    assert code == 2
    assert shown.endswith("live: nothing was done\n")
    for named in (f"account     {ACCOUNT}", "Region      us-east-1", f"IAM         {recorded.url}"):
        assert f"  {named}\n" in shown
    assert recorded.operations() == ["GetCallerIdentity"]
    assert [*live.directory.iterdir()] == []


def test_a_yes_on_a_terminal_starts_the_run(live: Run, monkeypatch: pytest.MonkeyPatch, aws: Aws):
    cli(live.directory, "echo 'error: no disk'; exit 1", monkeypatch)
    live.environment["PATH"] = os.environ["PATH"]
    code, shown = typed(live, "yes")
    assert code == 1
    assert "    failed: pulumi stack: no disk (" in shown
    assert left(aws) == []


def test_nothing_is_done_without_a_terminal(live: Run, recorded: Recorder):
    line = one_line(live(AWS_REGION="us-east-1"))
    assert line == "live: not a terminal: pass --yes to confirm; nothing was done"
    assert recorded.operations() == ["GetCallerIdentity"]


def test_missing_credentials_are_reported_with_the_way_to_sign_in(live: Run, recorded: Recorder):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del live.environment[name]
    line = one_line(live("--yes", AWS_REGION="us-east-1"))
    assert line.startswith("live: there are no AWS credentials (")
    assert "`aws sso login`" in line
    assert recorded.calls == []


def test_an_expired_token_is_reported_with_the_way_to_sign_in(live: Run, recorded: Recorder):
    recorded.refuse("GetCallerIdentity", "ExpiredToken")
    line = one_line(live("--yes", AWS_REGION="us-east-1"))
    assert line.startswith("live: AWS does not accept the credentials (ExpiredToken): sign in (")


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "You must specify a region. Pass"),
        ({"AWS_REGION": "eu-central-1"}, "Amazon Q Business is not in eu-central-1: pass"),
        ({"AWS_DEFAULT_REGION": "nowhere"}, "Amazon Q Business is not in nowhere: pass"),
    ],
    ids=str,
)
def test_an_unsupported_region_is_reported_with_the_supported_ones(
    live: Run, recorded: Recorder, variables: dict[str, str], reason: str
):
    assert one_line(live("--yes", **variables)) == (
        f"live: {reason} --region, one of us-east-1, us-west-2, eu-west-1, ap-southeast-2"
    )
    assert recorded.calls == []


def test_a_missing_cli_is_reported_with_its_installation_page(live: Run):
    line = one_line(live("--yes", "--region", "us-west-2", PATH="/nowhere"))
    assert line == (
        "live: there is no `pulumi` on PATH: install the CLI, https://www.pulumi.com/docs/install/"
    )


def test_only_the_resources_of_a_run_can_be_removed(live: Run, recorded: Recorder):
    done = live("--remove", "qbusiness-live-", AWS_REGION="us-east-1")
    assert done.returncode == 2
    assert "'qbusiness-live-' is not the name of a run: expected qbusiness-live- and 8 " in done.stderr
    assert recorded.calls == []


# Questions and output.


def test_the_page_lists_the_steps_in_order():
    titles = [re.split(r"\d+\. |: \w+$", line)[1] for line in STEPS.splitlines()]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in PAGE.read_text().splitlines()]
    assert [row for row in rows if row in titles] == titles


@pytest.mark.slow
@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
@pytest.mark.parametrize(("connector", "role"), [("aem-cloud", "the"), ("s3-v2", "the S3")])
def test_the_roles_of_a_run_allow_exactly_the_expected_requests(connector: str, role: str, region: str):
    account = "999900001111"
    example = Example(connector, "qbusiness-live-0a1b2c3d", account, region)
    policy = example.policies("aem-connector").role_policy or ""
    rows = PAGE.read_text().splitlines()
    (row,) = (line for line in rows if line.startswith(f"| IAM allows {role} connector's requests"))
    for allowed, decisions in ((True, {"Allowed"}), (False, {"ImplicitlyDenied"})):
        requests = [Call("", "", (request,), allowed) for request in example.requests(allowed=allowed)]
        question = json.dumps({"policy": json.loads(policy), "requests": requests_of(requests)})
        assert ACCOUNT not in question
        # The simulator knows only this account.
        (answer,) = ask([json.loads(question.replace(account, ACCOUNT))])
        assert set(answer["decisions"]) == decisions
        assert f" {len(requests)} " in row


def test_the_s3_role_of_a_run_may_pass_itself_and_no_other_role_and_to_no_other_service():
    example = Example("s3-v2", "qbusiness-live-0a1b2c3d-s3", ACCOUNT, "us-east-1")
    allowed, denied = (
        {
            (request.resource, request.context.get("iam:PassedToService"))
            for request in example.requests(allowed=allowed)
            if request.action == "iam:PassRole"
        }
        for allowed in (True, False)
    )
    roles = f"arn:aws:iam::{ACCOUNT}:role"
    role = f"{roles}/qbusiness-live-0a1b2c3d-s3"
    service = "qbusiness.amazonaws.com"
    assert allowed == {(role, service)}
    assert denied >= {
        (role, "ec2.amazonaws.com"),
        (role, None),
        (f"{role}-prod", service),
        (f"{roles}/QBusiness-DataSource-a1b2c", service),
    }


@pytest.mark.parametrize("connector", ["aem-cloud", "s3-v2"])
@pytest.mark.parametrize("allowed", [True, False])
def test_no_question_contains_an_action_twice(connector: str, allowed: bool):
    requests = Example(connector, "role", ACCOUNT, "us-east-1").requests(allowed=allowed)
    assert all(requests.count(request) == 1 for request in requests)


KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ASSUMED = {
    "Account": "999900001111",
    "Arn": "arn:aws:sts::999900001111:assumed-role/AWSReservedSSO_Admins_0a1b/jane@example.com",
    "UserId": "AROAQQQQQQQQQQQQQQQQQ:jane@example.com",
}
ASSUMED_ENCODED = quote(ASSUMED["Arn"], safe="")
MASKED = {
    "arn:aws:iam::999900001111:role/x": "arn:aws:iam::ACCOUNT:role/x",
    "qbusiness_999900001111_a": "qbusiness_ACCOUNT_a",
    "account 444455556666, not 999900001111": "account ACCOUNT, not ACCOUNT",
    "arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Fx": "arn%3Aaws%3Aiam%3A%3AACCOUNT%3Arole%2Fx",
    "id=%22444455556666%22%20444455556666": "id=%22ACCOUNT%22%20ACCOUNT",
    "bucket cafe-444455556666": "bucket cafe-ACCOUNT",
    "with key ASIAQQQQQQQQQQQQQQQQ and AKIAIOSFODNN7EXAMPLE": "with key CREDENTIAL and CREDENTIAL",
    "Credential%3DAKIAIOSFODNN7EXAMPLE%2F20261125": "Credential%3DCREDENTIAL%2F20261125",
    "a1b2c3d4-5678-90ab-cdef-111111111111": "a1b2c3d4-5678-90ab-cdef-111111111111",
    "1795618721774352289 and 20261125": "1795618721774352289 and 20261125",
    "sandbox": "sandbox",
    f"signed by {KEY}": "signed by CREDENTIAL",
    f"k={quote(KEY, safe='')}&": "k=CREDENTIAL&",
    f"k={quote(KEY, safe='').replace('%2F', '%2f').replace('%2B', '%2b')}&": "k=CREDENTIAL&",
    f"k={quote(KEY)}&": "k=CREDENTIAL&",
    f"k={quote(quote(KEY, safe=''))}&": "k=CREDENTIAL&",
    f"User: {ASSUMED['Arn']} is": "User: CALLER is",
    f"Arn={ASSUMED_ENCODED}&": "Arn=CALLER&",
    f"Arn={re.sub('%..', lambda code: code[0].lower(), ASSUMED_ENCODED)}&": "Arn=CALLER&",
    "assumed-role/AWSReservedSSO_Admins_0a1b/jane@example.com": "assumed-role/CALLER/CALLER",
    "role/aws-reserved/AWSReservedSSO_Admins_0a1b is": "role/aws-reserved/CALLER is",
    "session jane@example.com, jane@example.com.": "session CALLER, CALLER.",
    "name=jane%40example.com&": "name=CALLER&",
    "name%3Djane%40example.com": "name%3DCALLER",
    r'"line\njane@example.com"': r'"line\nCALLER"',
    "AROAQQQQQQQQQQQQQQQQQ:jane@example.com": "CALLER:CALLER",
    "mary-jane@example.com": "mary-CALLER",
    "maryjane@example.com": "maryjane@example.com",
    "in /home/janed/q and file:///home/janed": "in ~/q and file://~",
    "in /home/janedoe": "in /home/janedoe",
    "locked by janed@janes-laptop.example.net (pid 7)": "locked by USER@HOST (pid 7)",
    "on janes-laptop": "on HOST",
    "profile (jane-at-work)": "profile (PROFILE)",
}


@pytest.mark.parametrize(("text", "shown"), MASKED.items())
def test_accounts_credentials_and_names_are_masked(
    text: str, shown: str, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {"HOME": "/home/janed", "USER": "janed", "AWS_PROFILE": "jane-at-work"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("socket.gethostname", lambda: "janes-laptop.example.net")
    mask = Mask(ASSUMED, ("ASIAQQQQQQQQQQQQQQQQ", KEY, "sandbox"))
    assert mask(text) == shown


CALLERS = {
    ("user/team/jane", "jane, user/team/jane, janet"): "CALLER, user/team/CALLER, janet",
    ("federated-user/Bob", "Bob, Bobby"): "CALLER, Bobby",
    # A common word or a short name is part of the ARN alone.
    ("user/e", "e: arn:aws:sts::999900001111:user/e, user/e"): "e: CALLER, user/e",
    ("user/Admin", "Admin: arn:aws:sts::999900001111:user/Admin"): "Admin: CALLER",
    ("assumed-role/deploy/pulumi", "$ pulumi up"): "$ pulumi up",
    ("root", "root in 999900001111"): "root in ACCOUNT",
}


@pytest.mark.parametrize(
    ("caller", "text", "shown"), [(*given, shown) for given, shown in CALLERS.items()]
)
def test_a_name_is_masked_where_it_is_a_whole_word_unless_it_is_short_or_common(
    caller: str, text: str, shown: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("socket.gethostname", lambda: "localhost")
    account = "999900001111"
    identity = {"Account": account, "Arn": f"arn:aws:sts::{account}:{caller}", "UserId": account}
    assert Mask(identity, ())(text) == shown


def cli(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create another `pulumi` first on PATH."""
    binaries = directory / "bin"
    binaries.mkdir()
    (binaries / "pulumi").write_text(f"#!/bin/sh\n{script}\n")
    (binaries / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}:{os.environ['PATH']}")
