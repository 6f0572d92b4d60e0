"""Test `make live` against the sandbox, including the transcript and the resources that a run leaves."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, Mock
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from sandbox.environment import PROJECT
from tests.helpers.faults import Stop, gate
from tests.helpers.page import read_actions
from tests.helpers.processes import commands_with, eventually
from tests.helpers.recorder import Recorder, recorder, simulation, validation
from tests.helpers.stacks import ATTACHED, Aws, running_provider
from tests.helpers.support import golden
from tests.scenarios import test_open_questions
from tests.scenarios.test_open_questions import DENIED, NOT_FOUND
from tests.scenarios.transcript import Mask
from tests.scenarios.world import World, new_run

ACCOUNT = "123456789012"
CREATED = Stop("CreateRole", executed=True)
FOREIGN = ("qbusiness-live-", "qbusiness-live-0a1b2c3d-life", "somebody-else")


class Run:
    """A run in its own directory, as started by `make live`."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.environment = {**environment, "PYTHONPATH": str(PROJECT), "TMPDIR": str(directory)}

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.scenarios", "--region", "us-east-1", *arguments],
            cwd=self.directory,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Run until the end; return the exit code and the output."""
        with self.start(*arguments, **variables) as process:
            output, _ = process.communicate()
        sys.stdout.write(output)
        return process.returncode, output

    def transcript(self) -> str:
        (path,) = self.directory.glob("qbusiness-live-*.md")
        return path.read_text()

    def results(self) -> list[str]:
        """Return each scenario's result in the transcript."""
        return re.findall(r"^\| .* \| (\w+) \| \d+ \|$", self.transcript(), re.MULTILINE)


@pytest.fixture
def recorded(environment: dict[str, str]) -> Iterator[Recorder]:
    with recorder(environment["AWS_ENDPOINT_URL"]) as calls:
        yield calls


@pytest.fixture
def live(tmp_path: Path, environment: dict[str, str], recorded: Recorder) -> Iterator[Run]:
    own = {name: value for name, value in environment.items() if name != ATTACHED}
    own["AWS_ENDPOINT_URL"] = recorded.url
    with running_provider(own) as provider:
        yield Run(tmp_path, own | provider)


@pytest.fixture
def foreign(aws: Aws) -> Iterator[None]:
    """Check that roles and policies that belong to others remain."""
    for name in FOREIGN:
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=golden("trust-policy"))
        aws.iam.create_policy(PolicyName=name, PolicyDocument=golden("minimal-role-policy"))
    yield
    assert sorted(aws.roles()) == [*FOREIGN]
    policies = aws.iam.list_policies(Scope="Local")["Policies"]
    assert sorted(policy["PolicyName"] for policy in policies) == [*FOREIGN]


# Runs.


@pytest.mark.thorough
@pytest.mark.usefixtures("foreign")
def test_passing_run_leaves_only_transcript(live: Run):
    # The user's variables for other stacks.
    own = {"PULUMI_OPTION_CONFIG_FILE": "own.yaml", "PULUMI_STACK": "own"}
    code, said = live("--live", ACCOUNT, "--", "-k", "imported or updated_in_place or audit", **own)
    assert code == 0, said
    assert live.results() == ["passed"] * 3
    assert [path.suffix for path in live.directory.iterdir()] == [".md"]
    transcript = live.transcript()
    for named in ("run", "date", "program", "Pulumi CLI", "package pulumi-aws", "Python"):
        assert re.search(rf"^\| {named} \| .*\d.* \|$", transcript, re.MULTILINE), named
    assert "arn:aws:iam::ACCOUNT:role/service-role/qbusiness-live-" in transcript
    for hidden in (ACCOUNT, "arn:aws:sts::ACCOUNT:user/moto"):
        assert hidden not in transcript


@pytest.mark.thorough
def test_read_only_run_changes_nothing_and_can_fail(live: Run, recorded: Recorder):
    # Allow one of the similar requests, which must be denied.
    decide = simulation(lambda action, _: "allowed" if action == "kms:Decrypt" else "implicitDeny")
    finding = {
        "RESOURCE_POLICY": ("SUGGESTION", "EMPTY_OBJECT_CONDITION", "Add a condition."),
        "IDENTITY_POLICY": ("ERROR", "INVALID_ACTION", "The action does not exist."),
    }
    recorded.answers["SimulateCustomPolicy"] = decide
    recorded.answers["POST /policy/validation"] = validation(finding)
    code, said = live("--read-only")
    assert code == 1, said
    assert live.results() == ["failed", "failed", "passed", *["skipped"] * 3]
    assert "ERROR INVALID_ACTION: The action does not exist." in live.transcript()
    assert "action='kms:Decrypt'" in live.transcript()
    reading = {
        "GetCallerIdentity",
        "ListRoles",
        "SimulateCustomPolicy",
        "POST /policy/validation",
    }
    others = {operation for operation in recorded.operations() if not operation.startswith("GET ")}
    assert others <= reading
    assert all(re.match(r"\w+:(Get|List|Describe)", action) for action in read_actions("Audit"))


@pytest.mark.thorough
@pytest.mark.usefixtures("foreign")
def test_failed_run_removes_its_roles_or_shows_removal_command(live: Run, recorded: Recorder, aws: Aws):
    recorded.reject("PutRolePolicy", "AccessDenied")
    code, _ = live("--live", ACCOUNT, "--", "-k", "failed")
    assert code == 1
    assert live.results() == ["failed", "passed"]
    assert sorted(aws.roles()) == [*FOREIGN]

    (path,) = live.directory.glob("*.md")
    path.unlink()
    recorded.reject("DeleteRole", "AccessDenied")
    code, _ = live("--live", ACCOUNT, "--", "-k", "failed")
    assert code == 1
    assert live.results() == ["failed", "failed"]
    (role,) = {*aws.roles()} - {*FOREIGN}
    assert f"still there: role {role} (An error occurred (AccessDenied)" in live.transcript()
    (command,) = re.findall(r"Repeat the removal: (.*)", live.transcript())
    options = command.split()[3:]
    assert live(*options)[0] == 1
    recorded.answers.clear()
    assert live(*options) == (0, f"removed role {role}\n")
    assert live(*options) == (
        0,
        f"nothing of {options[1]} is in account {ACCOUNT}\n",
    )


@pytest.mark.thorough
@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_during_role_creation_leaves_no_role_or_process(
    live: Run, environment: dict[str, str], number: signal.Signals
):
    del live.environment[ATTACHED]
    with gate(environment["AWS_ENDPOINT_URL"], CREATED) as iam:
        process = live.start("--live", ACCOUNT, "--", "-k", "previewed", AWS_ENDPOINT_URL=iam.url)
        iam.wait_for_call()
        process.send_signal(number)
        iam.open()
        said, _ = process.communicate()
    assert process.returncode == 130, said
    assert "interrupted; first removing the roles and policies of the run" in said
    assert live.results() == ["interrupted", "passed"]
    assert commands_with(f"TMPDIR={live.directory}") == []


@pytest.mark.thorough
@pytest.mark.usefixtures("foreign")
def test_roles_of_killed_run_are_removed_by_run_name(live: Run, environment: dict[str, str], aws: Aws):
    del live.environment[ATTACHED]
    with gate(environment["AWS_ENDPOINT_URL"], CREATED) as iam:
        process = live.start("--live", ACCOUNT, "--", "-k", "previewed", AWS_ENDPOINT_URL=iam.url)
        iam.wait_for_call()
        process.kill()
        process.communicate()
        iam.open()
        # Pulumi continues until it is done.
        eventually(lambda: not commands_with(f"TMPDIR={live.directory}"), "all processes have ended")
    (role,) = {*aws.roles()} - {*FOREIGN}
    assert live("--remove", role.removesuffix("-life")) == (0, f"removed role {role}\n")


# Open questions, which the sandbox cannot answer.


def test_open_questions_cite_page_and_code():
    for cited in test_open_questions.CITED.values():
        assert cited.sentence in " ".join((PROJECT / cited.page).read_text().split())
        assert cited.branch in (PROJECT / cited.module).read_text()


@pytest.fixture
def amazon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[World, Mock]:
    """Return AWS's world, and the clients of all its services."""
    monkeypatch.setattr("tests.scenarios.world.time.sleep", str)
    client = MagicMock()
    client.get_caller_identity.return_value = {"Arn": f"arn:aws:iam::{ACCOUNT}:user/jane"}
    of_session = Mock(return_value=client)
    monkeypatch.setattr("tests.scenarios.test_open_questions.boto3.client", of_session)
    return World(new_run(), lambda _: client, {}, tmp_path), client


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "Operation")


@pytest.mark.parametrize(
    ("codes", "answer"),
    [
        ((NOT_FOUND, NOT_FOUND, DENIED), "qbusiness:BatchPutDocument with the index alone is allowed"),
        ((NOT_FOUND, DENIED, DENIED), "qbusiness:BatchDeleteDocument with the index alone is denied"),
        ((DENIED, DENIED, DENIED), ""),  # a missing index is like a denial
    ],
)
def test_ingestion_question_is_answered_only_if_certain(
    amazon: tuple[World, Mock], capsys: pytest.CaptureFixture[str], codes: list[str], answer: str
):
    world, client = amazon
    client.batch_put_document.side_effect = map(error, codes)
    client.batch_delete_document.side_effect = map(error, codes)
    with nullcontext() if answer else pytest.raises(pytest.skip.Exception):
        test_open_questions.test_ingestion_with_index_alone(world)
    assert answer in capsys.readouterr().out


@pytest.mark.parametrize(
    ("after", "answer"),
    [
        ({"description": "d", "updatedAt": 2}, "keeps everything else"),
        ({"updatedAt": 2}, "changes description"),
    ],
)
def test_update_question_compares_and_deletes_its_data_source(
    amazon: tuple[World, Mock],
    capsys: pytest.CaptureFixture[str],
    after: dict[str, object],
    answer: str,
):
    world, client = amazon
    world.index = ("application", "index")
    created = {"status": "ACTIVE", "description": "d", "updatedAt": 1}
    client.get_data_source.side_effect = [*[created] * 2, *[{"status": "ACTIVE", **after}] * 2]
    test_open_questions.test_update_of_data_source_omits_properties(world)
    assert answer in capsys.readouterr().out
    client.delete_data_source.assert_called_once()


def test_removal_includes_only_data_sources_of_run(amazon: tuple[World, Mock]):
    world, client = amazon
    pages = client.get_paginator.return_value.paginate
    names = {"own": world.name("update"), "other": "qbusiness-live-0a1b2c3d-update"}
    found = [
        {"dataSourceId": identifier, "displayName": name, "status": "ACTIVE"}
        for identifier, name in names.items()
    ]
    pages.return_value = [{"dataSources": found, "Roles": [], "Policies": []}]
    assert world.remove() == ([], [])  # without an index, AWS is not asked
    world.index = ("application", "index")
    assert world.remove()[0] == ["data source own"]
    deleted = {call.kwargs["dataSourceId"] for call in client.delete_data_source.call_args_list}
    assert deleted == {"own"}


@pytest.mark.parametrize(
    ("decisions", "answer"), [("ddd", "doesn't depend on the Region"), ("daa", "depends on the Region")]
)
def test_organization_question_shows_effect_of_region(
    amazon: tuple[World, Mock], capsys: pytest.CaptureFixture[str], decisions: str, answer: str
):
    world, client = amazon
    role = {"Arn": "arn:role", "AssumeRolePolicyDocument": {"Service": "qbusiness.amazonaws.com"}}
    results = [
        {
            "EvalActionName": "a:b",
            "EvalDecision": decision,
            "OrganizationsDecisionDetail": {"AllowedByOrganizations": decision == "a"},
            "MissingContextValues": ["aws:RequestedRegion"],
        }
        for decision in decisions
    ]
    client.get_paginator.return_value.paginate.side_effect = [
        [{"Roles": [role]}],
        *([{"EvaluationResults": [each]}] for each in results),
    ]
    test_open_questions.test_simulation_of_organization(world)
    out = capsys.readouterr().out
    assert "a:b: d, allowed by the organization: False, missing keys: aws:RequestedRegion" in out
    assert f"policies {answer}; decides on" in out


# Runs that do not start.


def typed(live: Run, answer: str) -> tuple[int, str]:
    """Type an answer at a terminal; return the exit code and the output."""
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "tests.scenarios", "--region", "us-east-1"]
    streams: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, cwd=live.directory, env=live.environment, **streams) as process:
        os.close(theirs)
        os.write(terminal, f"{answer}\n".encode())
        shown = b""
        try:
            while read := os.read(terminal, 65536):
                shown += read
        except OSError:  # on Linux, the end of the output
            pass
        os.close(terminal)
    return process.returncode, shown.decode().replace("\r\n", "\n")


@pytest.mark.thorough
def test_nothing_is_done_until_account_is_confirmed(live: Run, recorded: Recorder):
    reason = f"live: the credentials are for account {ACCOUNT}; nothing was done\n"
    code, shown = typed(live, "yes")
    assert code == 2
    assert shown.endswith(reason)
    for named in (f"account  {ACCOUNT}", "Region   us-east-1", f"IAM      {recorded.url}"):
        assert f"  {named}\n" in shown
    code, shown = live("--live", "210987654321")
    assert code == 2
    assert shown.endswith(reason)
    code, shown = live()
    assert code == 2
    assert shown.endswith(
        "live: not a terminal: pass --live ACCOUNT to confirm the account; nothing was done\n"
    )
    assert {*recorded.operations()} == {"GetCallerIdentity"}
    assert [*live.directory.iterdir()] == []


@pytest.mark.thorough
def test_missing_prerequisites_and_wrong_options_are_reported(live: Run):
    for variables, reason in (
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            "there are no usable AWS credentials (",
        ),
        ({"PATH": "/nowhere"}, "there is no `pulumi` on PATH: install the CLI, https://www.pulumi."),
    ):
        code, shown = live("--read-only", **variables)
        assert code == 2
        assert shown.startswith(f"live: {reason}")
        assert shown.count("\n") == 1
    code, shown = live("--read-only", "--region", "eu-central-1")
    assert code == 2
    assert shown == (
        "live: eu-central-1 has no Amazon Q Business: pass --region, one of us-east-1, us-west-2, "
        "eu-west-1, ap-southeast-2\n"
    )
    code, shown = live("--remove", "qbusiness-live-")
    assert code == 2
    assert "'qbusiness-live-' is not the name of a run: expected qbusiness-live- and 8 " in shown


# The transcript.

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
    # A common word or a short name is masked only as part of the ARN.
    ("user/e", "e: arn:aws:sts::999900001111:user/e, user/e"): "e: CALLER, user/e",
    ("user/Admin", "Admin: arn:aws:sts::999900001111:user/Admin"): "Admin: CALLER",
    ("assumed-role/deploy/pulumi", "$ pulumi up"): "$ pulumi up",
    ("root", "root in 999900001111"): "root in ACCOUNT",
}


@pytest.mark.parametrize(
    ("caller", "text", "shown"), [(*given, shown) for given, shown in CALLERS.items()]
)
def test_caller_name_is_masked_unless_short_or_common(
    caller: str, text: str, shown: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("socket.gethostname", lambda: "localhost")
    account = "999900001111"
    identity = {"Account": account, "Arn": f"arn:aws:sts::{account}:{caller}", "UserId": account}
    assert Mask(identity, ())(text) == shown
