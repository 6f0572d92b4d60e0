"""Tests the GitHub workflow files and runs their commands without GitHub."""

import json
import operator
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from pages.examples import KEY_ID
from sandbox.engine import VERSION
from sandbox.environment import PROJECT
from tests.helpers.installing import VERSION as PACKAGE
from tests.helpers.processes import run
from tests.helpers.stacks import Aws, NewStack, Stack
from tests.helpers.support import POLICY as ROLE_POLICY
from tests.helpers.support import REQUIRED, ROLE, golden

GITHUB = PROJECT / ".github"
GITHUB_CLI = PROJECT / "tests" / "helpers" / "bin"
REPORT = GITHUB / "report.sh"
FILES = sorted(
    path for path in GITHUB.rglob("*.yml") if path.name not in {"dependabot.yml", "zizmor.yml"}
)
WORKFLOWS: dict[str, dict[Any, Any]] = {
    path.stem: yaml.safe_load(path.read_text()) for path in FILES if path.parent.name == "workflows"
}
JOBS: dict[str, dict[str, Any]] = {
    name: job for workflow in WORKFLOWS.values() for name, job in workflow["jobs"].items()
}
ENVIRONMENTS = WORKFLOWS["environments"]["jobs"]
AUDIT = WORKFLOWS["audit"]["jobs"]
TEXT = "".join(path.read_text() for path in FILES)
UNTRUSTED = "~~~ \n```\n~~~~\n@everyone <script> ~~~~~~~~\n"
COMMANDS = (
    "::add-mask::Allow\n  ::ERROR file=x::text\n::other::##[set-output name=x]y\n"
    "policy: ##[warning]text\nx\r::stop-commands::x\n::x::\n##[add-mask]x"
)
"""Commands of GitHub's runner, in both forms; the last line has no end."""


# The files.


def test_jobs_have_only_necessary_permissions():
    assert [workflow["permissions"] for workflow in WORKFLOWS.values()] == [{}] * 5
    read = {"contents": "read"}
    login = {**read, "id-token": "write"}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        **dict.fromkeys(("tests", "test", "engine", "real-provider", "list"), read),
        "release": {"attestations": "write", "contents": "write", "id-token": "write"},
        "preview": {**login, "pull-requests": "write"},
        **dict.fromkeys(("deploy", "deploy-production"), login),
        **{name: {**login, "issues": "write"} for name in ("drift", "roles", "audit")},
        "not-set-up": {},
    }


def test_pull_request_from_fork_gets_no_credentials():
    # YAML reads `on` as a boolean.
    assert {name: {*workflow[True]} for name, workflow in WORKFLOWS.items()} == {
        "tests": {"pull_request", "push", "workflow_call"},
        "release": {"push"},
        "real-provider": {"schedule", "workflow_dispatch", "workflow_call"},
        "audit": {"schedule", "workflow_dispatch"},
        "environments": {"pull_request", "push", "schedule", "workflow_dispatch"},
    }
    assert WORKFLOWS["release"][True]["push"] == {"tags": ["v*"]}
    for name, job in JOBS.items():
        # The OIDC token is also a credential, because it is exchanged for AWS credentials.
        if name not in {**ENVIRONMENTS, **AUDIT} or "id-token" not in job["permissions"]:
            assert not re.search(r"secrets\.|vars\.", json.dumps({**job, "if": ""})), name
            continue
        condition = job["if"]
        own = "github.event.pull_request.head.repo.full_name == github.repository" in condition
        assert own == ("== 'pull_request'" in condition)
        assert "||" not in re.sub(r"\([^)]*\)", "", condition)
    assert WORKFLOWS["environments"][True]["push"] == {"branches": ["main"]}


def test_deployments_have_an_environment_and_are_not_canceled():
    concurrency = {"group": "deploy-${{ matrix.stack }}", "cancel-in-progress": False}
    # The deploy role trusts only jobs with this environment: see examples/ci-roles/policies.py.
    assert {
        name: (job["environment"], job["concurrency"])
        for name, job in JOBS.items()
        if "environment" in job
    } == dict.fromkeys(("deploy", "deploy-production"), ("${{ matrix.stack }}", concurrency))


def test_workflows_install_pulumi_version_of_sandbox():
    assert (
        re.findall(r"uses: pulumi/actions@.*\n *with:\n *(.*)\n", TEXT)
        == [f"pulumi-version: {VERSION}"] * 3
    )


def test_ci_page_lists_each_github_variable_and_secret():
    page = (PROJECT / "docs" / "ci.md").read_text()
    names = set(re.findall(r"(?:vars|secrets)\.(\w+)", TEXT))
    assert len(names) == 12
    assert names == set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))


# The commands.


def find_command(line: str, names: set[str]) -> tuple[str, str]:
    """Return a line's command and data; both are empty if there is none of these commands."""
    for form in (r"\s*::(.+?)::(.*)", r".*?##\[(.+?)\](.*)"):
        match = re.match(form, line)
        name = match[1].partition(" ")[0].lower() if match else ""
        if match and name in names:
            return name, match[2]
    return "", ""


def executed_commands(output: str) -> list[str]:
    """Return the commands in a step's standard output that GitHub's runner executes.

    At the end of the output, commands must be enabled. The code is in ActionCommandManager.cs and
    ActionCommand.cs in https://github.com/actions/runner (commit 258d6c85).
    """
    names = {"add-mask", "error", "notice", "set-output", "stop-commands", "warning"}
    executed: list[str] = []
    token = ""
    for line in re.split(r"\r\n|\r|\n", output):
        name, data = find_command(line, {*names, token})
        if token:
            token = "" if name == token else token
        elif name == "stop-commands":
            token = data
        elif name:
            executed.append(name)
    assert not token
    return executed


def test_commands_in_untrusted_text_would_be_executed():
    stopped = f"{COMMANDS}\n::x::"
    assert executed_commands(stopped) == ["add-mask", "error", "set-output", "warning", "add-mask"]


def test_release_requires_tag_that_matches_version_and_takes_notes_from_changelog(tmp_path: Path):
    (step,) = [step for step in JOBS["release"]["steps"] if step.get("shell") == "python"]
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(
        f"## [Unreleased]\n\n- New\n\n## {PACKAGE}\n\nThe [page](docs/x.md#a).\n\n## 0.0.9\n\n- Old\n"
    )
    url = {"GITHUB_SERVER_URL": "https://github.example", "GITHUB_REPOSITORY": "OWNER/REPOSITORY"}
    for tag, said in (
        ("v9.9.9", f"::error::the tag is v9.9.9, and pyproject.toml has the version {PACKAGE}"),
        (f"v{PACKAGE}", ""),
    ):
        environment = {**os.environ, **url, "GITHUB_REF_NAME": tag}
        done = run(tmp_path, (sys.executable, "-c", step["run"]), environment, check=not said)
        assert done.stdout.startswith(said)
    assert (tmp_path / "notes.md").read_text() == (
        f"The [page](https://github.example/OWNER/REPOSITORY/blob/{tag}/docs/x.md#a).\n"
    )


def outputs(job: dict[str, Any], directory: Path, **variables: str) -> dict[str, str]:
    """Run a job's only Python step, and return the step's outputs."""
    (step,) = [step for step in job["steps"] if step.get("shell") == "python"]
    written = directory / "output"
    written.unlink(missing_ok=True)
    environment = {**os.environ, "GITHUB_OUTPUT": str(written), **variables}
    subprocess.run([sys.executable, "-c", step["run"]], cwd=directory, env=environment, check=True)
    return dict(line.split("=", 1) for line in written.read_text().splitlines())


def test_environments_are_read_from_stack_settings_files(tmp_path: Path):
    for new, first, production in (
        (["yaml", "dev.yaml", "example.yaml"], [], []),
        # Pulumi.STACK.deploy.yaml contains deployment settings; see `pulumi deployment settings --help`.
        (["prod.yaml", "prod.deploy.yaml", "dev.deploy.yaml", "deploy.yaml"], ["deploy"], ["prod"]),
        (
            ["staging.yaml", "production-eu.yaml", "a.b.yaml", "it's $(x).yaml"],
            ["a.b", "deploy", "it's $(x)", "staging"],
            ["prod", "production-eu"],
        ),
    ):
        for name in new:
            (tmp_path / f"Pulumi.{name}").touch()
        found = outputs(ENVIRONMENTS["list"], tmp_path)
        expected = {"stacks": first + production, "first": first, "production": production}
        assert {key: json.loads(text) for key, text in found.items()} == expected


def test_each_account_and_region_is_audited_once(tmp_path: Path):
    first, other = (f"arn:aws:iam::{account}:role/x" for account in (1, 2))
    in_both = "--account=2 --account=1 --assume-role=security/qbusiness-audit"
    for roles, regions, expected in (
        ([first, first], "us-east-1", "--region=us-east-1"),
        (
            [other, first],
            "us-east-1 eu-west-1 us-east-1",
            f"--region=us-east-1 --region=eu-west-1 {in_both}",
        ),
    ):
        given = json.dumps(dict(enumerate(roles)))
        listed = outputs(AUDIT["audit"], tmp_path, ROLES=given, REGIONS=regions)
        assert listed == {"role": roles[0], "options": expected}


def test_audit_job_installs_packages_before_login_and_without_pulumi():
    used = [step.get("uses", step.get("run", "")).partition("@")[0] for step in AUDIT["audit"]["steps"]]
    assert used[:2] == ["actions/checkout", "make roles\n"]
    assert used[2].endswith('PIP_NO_INDEX=1 UV_OFFLINE=1 >>"$GITHUB_ENV"')
    assert used[4] == "aws-actions/configure-aws-credentials"
    assert "pulumi" not in json.dumps(AUDIT)


def evaluate(expression: str, **names: Any) -> Any:
    """Return the value of one of the workflows' expressions."""
    text = " ".join(expression.removeprefix("${{").removesuffix("}}").split())
    # Python's operators have the same meaning as GitHub's.
    python = re.sub(r"!(?!=)", "not ", text.replace("&&", "and").replace("||", "or"))
    return eval(python, names)  # noqa: S307 an expression of this repository


def of_event(name: str, ref: str = "refs/heads/main", owner: str = "OWNER") -> SimpleNamespace:
    """Return the `github` context of an event; `owner` owns a pull request's source repository."""
    is_request = name == "pull_request"
    repository = SimpleNamespace(full_name=f"{owner}/REPOSITORY" if is_request else None)
    head = SimpleNamespace(sha="head" if is_request else None, repo=repository)
    event = SimpleNamespace(pull_request=SimpleNamespace(head=head))
    return SimpleNamespace(
        event_name=name, ref=ref, event=event, repository="OWNER/REPOSITORY", sha="merged"
    )


def running(
    github: SimpleNamespace,
    first: str = '["staging"]',
    production: str = '["prod"]',
    deploy: str = "success",
    audited: str = "{}",
) -> set[str]:
    """Return the jobs that run, apart from `list`.

    `first` and `production` are outputs of `list`; `deploy` is the result of the job `deploy`, if any.
    """
    stacks = "[]" if first == production == "[]" else '["a stack"]'
    listed = SimpleNamespace(first=first, production=production, stacks=stacks)
    results = {"list": SimpleNamespace(result="success", outputs=listed)}
    for name, job in ENVIRONMENTS.items():
        if name == "list":
            continue
        runs = evaluate(
            # The expression `needs.*.result` is a list in GitHub.
            job["if"].replace("needs.*.result", "results"),
            github=github,
            vars=SimpleNamespace(AUDIT_ROLES=audited),
            needs=SimpleNamespace(**results),
            results=[each.result for need, each in results.items() if need in job["needs"]],
            contains=operator.contains,
            cancelled=lambda: False,
        )
        result = deploy if name == "deploy" else "success"
        results[name] = SimpleNamespace(result=result if runs else "skipped")
    return {name for name, each in results.items() if each.result != "skipped"} - {"list"}


DEPLOYED = {"deploy", "deploy-production"}


def test_each_event_runs_its_jobs():
    request, push, schedule = map(of_event, ("pull_request", "push", "schedule"))
    assert running(request) == {"preview"}
    assert running(of_event("pull_request", owner="FORK")) == set()
    assert running(push) == {*DEPLOYED, "roles"}
    assert running(push, audited="") == DEPLOYED
    assert running(push, first="[]") == {"deploy-production", "roles"}
    for result in ("failure", "cancelled"):
        assert running(push, deploy=result) == {"deploy"}
    assert running(schedule) == {"drift", "roles"}
    assert [running(each, "[]", "[]") for each in (request, push, schedule)] == [set()] * 3
    assert running(of_event("workflow_dispatch", "refs/heads/other")) == set()


def test_audit_runs_only_on_main_branch_and_only_after_setup():
    for audited, ref, jobs in (
        ("{}", "refs/heads/main", {"audit"}),
        ("{}", "refs/heads/other", set[str]()),
        ("", "refs/heads/main", {"not-set-up"}),
    ):
        names = {"vars": SimpleNamespace(AUDIT_ROLES=audited), "github": of_event("schedule", ref)}
        assert {name for name, job in AUDIT.items() if evaluate(job["if"], **names)} == jobs


OWNER = WORKFLOWS["environments"]["env"]["OWNER"]
COMMIT = WORKFLOWS["environments"]["env"]["COMMIT"]
REGIONS = AUDIT["audit"]["steps"][3]["env"]["REGIONS"]
PASSPHRASE = ENVIRONMENTS["preview"]["steps"][-2]["env"]["PULUMI_CONFIG_PASSPHRASE"]


def test_expressions_depend_on_event_and_variables():
    for expression, variables, value in (
        # See ParseStackReference in Pulumi's pkg/backend/httpstate.
        (OWNER, {"PULUMI_BACKEND_URL": "", "PULUMI_ORGANIZATION": "acme"}, "acme/"),
        (OWNER, {"PULUMI_BACKEND_URL": "", "PULUMI_ORGANIZATION": ""}, ""),
        (OWNER, {"PULUMI_BACKEND_URL": "s3://BUCKET", "PULUMI_ORGANIZATION": "acme"}, ""),
        (REGIONS, {"AUDIT_REGIONS": "eu-west-1 us-east-1", "AWS_REGION": "x"}, "eu-west-1 us-east-1"),
        (REGIONS, {"AUDIT_REGIONS": "", "AWS_REGION": "us-west-2"}, "us-west-2"),
    ):
        assert evaluate(expression, vars=SimpleNamespace(**variables), format=str.format) == value
    # For a pull request, COMMIT is the pushed commit, not the merge commit that GitHub creates.
    assert evaluate(COMMIT, github=of_event("pull_request")) == "head"
    assert evaluate(COMMIT, github=of_event("push")) == "merged"


def test_production_can_have_its_own_passphrase():
    for stack, of_production, passphrase in (
        ("prod-eu", "second", "second"),
        ("prod", "", "first"),
        ("staging", "second", "first"),
    ):
        secrets = SimpleNamespace(
            PULUMI_CONFIG_PASSPHRASE="first", PULUMI_CONFIG_PASSPHRASE_PRODUCTION=of_production
        )
        names = {"matrix": SimpleNamespace(stack=stack), "startsWith": str.startswith}
        assert evaluate(PASSPHRASE, secrets=secrets, **names) == passphrase


def test_only_deployments_get_the_token_of_the_deploy_team():
    teams = {
        name: step["with"]["team"]
        for name, job in ENVIRONMENTS.items()
        for step in job["steps"]
        if step.get("uses") == "./.github/actions/pulumi"
    }
    assert teams == {
        **dict.fromkeys(DEPLOYED, "${{ vars.PULUMI_DEPLOY_TEAM }}"),
        **dict.fromkeys(("preview", "drift", "roles"), "${{ vars.PULUMI_PREVIEW_TEAM }}"),
    }
    action = yaml.safe_load((GITHUB / "actions/pulumi/action.yml").read_text())
    (login,) = [step for step in action["runs"]["steps"] if "auth-actions" in step.get("uses", "")]
    prefix, _, token_type = login["with"]["requested-token-type"].partition("$")
    assert prefix == "urn:pulumi:token-type:access_token:"
    for team, expected in (("previews", ("team", "team:previews")), ("", ("organization", ""))):
        inputs = SimpleNamespace(team=team)
        scope = evaluate(login["with"]["scope"], inputs=inputs, format=str.format)
        assert (evaluate(f"${token_type}", inputs=inputs), scope) == expected


# The GitHub CLI contains jq, but its stand-in needs the jq program, which GitHub's runners have.
needs_jq = pytest.mark.skipif(
    not shutil.which("jq") and not os.environ.get("CI"), reason="tests/helpers/github_cli.py needs jq"
)


class Repository:
    """A GitHub repository with an environment for one stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.report = stack.directory / "report.md"
        self.summary = stack.directory / "summary.md"
        self.store = stack.directory / "github.json"
        self.show_secrets = ""
        """The value of the variable SHOW_SECRETS."""
        (stack.directory / ".github").symlink_to(GITHUB)

    def run(self, job: str) -> subprocess.CompletedProcess[str]:
        """Run a job's commands with their environment variables, as GitHub does."""
        name, place = {"preview": ("preview", -2), "check": ("roles", -1)}.get(job, (job, -1))
        step = JOBS[name]["steps"][place]
        workflow = WORKFLOWS["audit" if job == "audit" else "environments"]
        assert workflow["defaults"]["run"]["shell"].startswith("bash")
        named = {**workflow.get("env", {}), **JOBS[name].get("env", {}), **step.get("env", {})}
        self.summary.write_text("")
        self.report.unlink(missing_ok=True)
        return self.stack.execute(
            *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]),
            check=False,
            PATH=f"{self.stack.directory / 'bin'}:{GITHUB_CLI}:{self.stack.environment['PATH']}",
            GITHUB_STEP_SUMMARY=str(self.summary),
            TEST_GITHUB=str(self.store),
            **{name: self.evaluate(text) for name, text in named.items()},
        )

    def end_with(self, code: int, export_code: int = 0) -> None:
        """Replace Pulumi and qbusiness-roles with a program that prints COMMANDS and exits."""
        venv = self.stack.directory / "venv"
        if venv.is_symlink():
            venv.unlink()
        for program in ("bin/pulumi", "venv/bin/qbusiness-roles"):
            path = self.stack.directory / program
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                f'#!/bin/sh\necho "$@" \\"aws:iam/role:Role\\"\nprintf %s {shlex.quote(COMMANDS)} >&2\n'
                f'[ "$2" = export ] && exit {export_code}\nexit {code}\n'
            )
            path.chmod(0o755)
        python = self.stack.directory / "venv/bin/python"
        python.unlink(missing_ok=True)
        python.symlink_to(sys.executable)

    def evaluate(self, text: str) -> str:
        """Return a workflow's text with its expressions replaced by their values."""
        values = {
            "matrix.stack": self.stack.name,
            "github.token": "token",
            "github.repository": "OWNER/REPOSITORY",
            "github.run_id": "5",
            "github.server_url": "https://github.example",
            "github.sha": "abc",
            "steps.list.outputs.options": "--region=us-east-1 --account=123456789012",
            "github.event.pull_request.head.sha || github.sha": "abc",
            "vars.PULUMI_BACKEND_URL": self.stack.environment["PULUMI_BACKEND_URL"],
            "vars.SHOW_SECRETS": self.show_secrets,
        }
        if text == OWNER:
            return ""
        if text == PASSPHRASE:
            return self.stack.environment["PULUMI_CONFIG_PASSPHRASE"]
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: values[match[1]], text)

    def reported(self) -> str:
        """Return the report, which is also the summary."""
        report = self.report.read_text()
        assert self.summary.read_text() == report
        return report

    def issues(self) -> list[dict[str, Any]]:
        return json.loads(self.store.read_text()) if self.store.exists() else []


@pytest.fixture
def repository(new_stack: NewStack) -> Repository:
    return Repository(new_stack({**REQUIRED, "aws:allowedAccountIds": ["123456789012"]}))


@needs_jq
def test_jobs_find_drift_but_only_deployment_writes_state(repository: Repository, aws: Aws):
    stack = repository.stack
    backend = Path(urlsplit(stack.environment["PULUMI_BACKEND_URL"]).path)

    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in backend.rglob("*")}

    assert repository.run("deploy").returncode == 0
    (role,) = aws.roles()
    assert repository.reported().startswith(f"### Deployment of {stack.name}\n")
    assert role in repository.reported()
    # A shortened report would contain these lines.
    changes = (stack.directory / "changes.txt").read_text().splitlines()
    assert f"+ aws:iam/role:Role: (create) {ROLE}" in changes
    assert f"+ aws:iam/rolePolicy:RolePolicy: (create) {ROLE_POLICY}" in changes

    # Drift checks and previews write nothing to the backend.
    before = files()
    assert repository.run("drift").returncode == 0
    assert repository.issues() == []
    edited = golden("minimal-role-policy").replace("GetSecretValue", "PutSecretValue")
    policy = {"RoleName": role, "PolicyName": "qbusiness-aem-connector"}
    aws.iam.put_role_policy(**policy, PolicyDocument=edited)
    assert repository.run("preview").returncode == 0
    report = repository.reported()
    assert report.startswith(
        f"### Preview of {stack.name}\n\n~~~text\nPreviewing update ({stack.name}):\n"
    )
    assert ('[0]: "secretsmanager:PutSecretValue" => "secretsmanager:GetSecretValue"\n') in report
    assert report.endswith(
        "Resources:\n    ~ 1 to update\n    3 unchanged\n~~~\n\n"
        "[The log](https://github.example/OWNER/REPOSITORY/actions/runs/5), commit abc\n"
    )
    assert repository.run("drift").returncode == 7
    issues = repository.issues()
    assert [issue["title"] for issue in issues] == [f"Drift in {stack.name}"]
    assert "PutSecretValue" in issues[0]["body"]
    assert issues[0]["body"] == repository.reported()
    assert files() == before

    # If an update was interrupted or the state has no role, a refresh finds no drift; the job must fail.
    state = json.loads(stack.state_file.read_text())
    latest = state["checkpoint"]["latest"]
    interrupted = {"pending_operations": [{"resource": latest["resources"][-1], "type": "updating"}]}
    lost = {"resources": latest["resources"][:2]}  # the provider and the stack
    for change, message in ((interrupted, "was interrupted"), (lost, "has no role")):
        state["checkpoint"]["latest"] = latest | change
        stack.state_file.write_text(json.dumps(state))
        failed = repository.run("drift")
        assert failed.returncode == 1
        assert re.search(f"::error::.*{message}", failed.stdout)
    assert repository.issues() == issues


def test_preview_hides_secret_values_in_new_changed_drifted_and_refreshed_policies(
    repository: Repository, aws: Aws
):
    stack = repository.stack

    def preview(key: str) -> str:
        """Set the KMS key as a secret; return the report of a preview."""
        stack.run("config", "set", "--secret", "kmsKeyId", key, "--stack", stack.name)
        assert repository.run("preview").returncode == 0
        report = repository.reported()
        assert key.rpartition("-")[2] not in report
        return report

    old, new = KEY_ID, KEY_ID.replace("ab", "cd")
    assert "policy    : [secret]\n" in preview(old)
    stack.up()
    (role,) = aws.roles()
    policy = {"RoleName": role, "PolicyName": "qbusiness-aem-connector"}
    assert "~ policy: [secret] => [secret]\n" in preview(new)
    written = aws.role_policies(role)["qbusiness-aem-connector"]
    aws.iam.put_role_policy(**policy, PolicyDocument=written.replace("kms:Decrypt", "kms:*"))
    drifted = preview(old)
    assert "~ policy: [secret] => [secret]\n" in drifted
    assert "kms:" not in drifted


@needs_jq
@pytest.mark.parametrize(
    ("job", "code", "opened"),
    [
        ("preview", 255, []),
        ("deploy", 255, []),
        ("drift", 2, []),
        *((job, code, []) for job in ("check", "audit") for code in (2, 3)),
        ("check", 1, ["Problems in {}"]),
        ("audit", 1, ["Audit of all data sources"]),
        ("drift", 7, ["Drift in {}"]),
    ],
)
def test_each_command_is_reported_and_only_findings_open_an_issue(
    repository: Repository, job: str, code: int, opened: list[str]
):
    repository.end_with(code)
    done = repository.run(job)
    is_unknown = code == 3
    assert done.returncode == (0 if is_unknown else code)
    assert executed_commands(done.stdout) == ["notice"] * is_unknown
    of_job = "--account=123456789012" if job == "audit" else f"--stack {repository.stack.name} "
    assert of_job in repository.reported()
    titles = [title.format(repository.stack.name) for title in opened]
    assert [issue["title"] for issue in repository.issues()] == titles


def test_failed_export_fails_the_drift_job_and_is_reported_without_an_issue(repository: Repository):
    repository.end_with(0, export_code=255)
    done = repository.run("drift")
    assert (done.returncode, repository.issues()) == (1, [])
    assert executed_commands(done.stdout) == []
    assert repository.reported().startswith(
        f"### Export of {repository.stack.name}\n\n~~~text\nstack export"
    )


@needs_jq
def test_options_depend_on_show_secrets_and_accepted_yaml(repository: Repository):
    repository.end_with(0)
    for value, shown in (("", False), ("false", False), ("true", True)):
        repository.show_secrets = value
        repository.run("check")
        assert ("--show-secrets" in repository.reported()) is shown
    repository.run("audit")
    assert "--accept" not in repository.reported()
    (repository.stack.directory / "accepted.yaml").touch()
    repository.run("audit")
    assert "--markdown --allow-empty --region=us-east-1" in repository.reported()
    assert "--accept accepted.yaml" in repository.reported()


@needs_jq
def test_job_updates_and_closes_only_issues_that_it_opened(repository: Repository):
    title = f"Drift in {repository.stack.name}"
    others = [
        {"number": number, "state": "open", "title": of, "author": {"login": author}}
        for number, (of, author) in enumerate(
            [(title, "octocat"), (title, "app/another-app"), (f"{title}-eu", "app/github-actions")], 1
        )
    ]
    repository.store.write_text(json.dumps(others))

    def run(code: int) -> list[tuple[str, int]]:
        """Run the job; for each of its issues, return the state and the number of edits."""
        repository.end_with(code)
        assert repository.run("drift").returncode == code
        assert repository.issues()[:3] == others
        return [(issue["state"], issue["edits"]) for issue in repository.issues()[3:]]

    assert run(0) == []
    assert run(7) == [("open", 0)]
    assert run(7) == [("open", 1)]
    assert run(255) == [("open", 1)]
    assert run(0) == [("closed", 1)]
    comment = "Solved: https://github.example/OWNER/REPOSITORY/actions/runs/5"
    assert repository.issues()[3]["comments"] == [comment]
    assert run(7) == [("closed", 1), ("open", 0)]


def report(directory: Path, script: str, *options: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run a shell script with report.sh; return its result and the report."""
    summary = str(directory / "summary.md")
    named = {**os.environ, "COMMIT": "abc", "RUN": "https://run", "GITHUB_STEP_SUMMARY": summary}
    command = [REPORT, "Report of x", "sh", "-c", script, *options]
    done = subprocess.run(command, cwd=directory, env=named, capture_output=True, text=True, check=False)
    return done, (directory / "report.md").read_text()


def test_report_shows_both_streams_in_code_block_and_keeps_exit_code(tmp_path: Path):
    (tmp_path / "untrusted.txt").write_text(UNTRUSTED)
    done, text = report(tmp_path, "cat untrusted.txt; echo error >&2; exit 7")
    # Between two lines for the runner, the log contains the unchanged output.
    assert (done.returncode, done.stdout.partition("\n")[2].rpartition("\n::")[0]) == (
        7,
        f"{UNTRUSTED}error\n",
    )
    assert text == (
        "### Report of x\n\n~~~text\n"
        "--- \n```\n---~\n@everyone <script> ------~~\nerror\n"
        "~~~\n\n[The log](https://run), commit abc\n"
    )


@pytest.mark.parametrize("options", [(), ("--markdown",)])
def test_runner_executes_no_commands_in_reported_output(tmp_path: Path, options: tuple[str, ...]):
    (tmp_path / "untrusted.txt").write_text(COMMANDS)
    script = "cat untrusted.txt; cat untrusted.txt >&2"
    tokens: set[str] = set()
    for _ in range(2):
        done, _ = report(tmp_path, script, *options)
        # The runner reads standard error separately.
        assert (executed_commands(done.stdout), done.stderr) == ([], "")
        tokens.add(done.stdout.splitlines()[0])
    assert len(tokens) == 2


def test_shortened_report_lists_changes_and_keeps_end(tmp_path: Path):
    steps = (
        "  pulumi:pulumi:Stack: (same)\n"
        "    [urn=urn:pulumi:prod::search::pulumi:pulumi:Stack::search-prod]\n"
        "        ~ aws:iam/role:Role: (refresh)\n"
        "            [urn=urn:pulumi:prod::search::a:b:C$aws:iam/role:Role::wiki-role]\n"
        "        +-aws:iam/role:Role: (replace) 🔒\n"
        "            [id=wiki-role]\n"
        "            [urn=urn:pulumi:prod::search::a:b:C$aws:iam/role:Role::wiki-role]\n"
        '          ~ description: "+ aws:iam/role:Role: (create)\\n [urn=x]"\n'
        "    - aws:iam/policy:Policy: (delete)\n"
        "        [urn=urn:pulumi:prod::search::aws:iam/policy:Policy::odd:name]\n"
    )
    (tmp_path / "given.txt").write_text(f"{steps}{'ä' * 30_000}.\nerror: no\n")
    _, text = report(tmp_path, "cat given.txt")
    first, end = text.split("…\n")
    assert "\nThis output is shortened." in first
    assert first.endswith(
        "~~~text\n"
        "+-aws:iam/role:Role: (replace) 🔒 wiki-role\n"
        "- aws:iam/policy:Policy: (delete) odd:name\n"
    )
    assert end == f"{'ä' * 2_494}.\nerror: no\n~~~\n\n[The log](https://run), commit abc\n"
    # The job summary has room for the complete output.
    assert f"~~~text\n{steps}ää" in (tmp_path / "summary.md").read_text()


def test_report_is_shortened_only_beyond_limit_in_bytes(tmp_path: Path):
    for options, size, limit in (
        ((), 60_000, 60_000),
        ((), 60_002, 60_000),
        ((), 1_000_002, 60_000),
        (("--markdown",), 4_002, 4_000),
    ):
        (tmp_path / "given.txt").write_text("ä" * (size // 2 - 2) + "end.", encoding="utf-8")
        summary = tmp_path / "summary.md"
        summary.unlink(missing_ok=True)
        _, text = report(tmp_path, "cat given.txt >&2", *options)
        for shown, most in ((text, limit), (summary.read_text(), 1_000_000)):
            assert ("ä" * 1_900 + "end.\n~~~\n") in shown
            assert ("This output is shortened." in shown) is (size > most)
            assert len(shown.encode()) < most + 250


@pytest.mark.parametrize(("lines", "shown"), [(5_998, 5_998), (6_001, 5_999)])
def test_report_keeps_start_and_summary_keeps_all_of_code_block(tmp_path: Path, lines: int, shown: int):
    script = f"echo '~~~text'; seq -w 100000001 {100_000_000 + lines}; echo '~~~'; echo note >&2; exit 1"
    done, text = report(tmp_path, script, "--markdown")
    assert done.returncode == 1
    assert "\nnote\n" in done.stdout
    notes = "~~~text\nnote\n~~~\n\n[The log](https://run), commit abc\n"
    end = "\nThe end is omitted. The log contains the complete output.\n" * (shown < lines)
    assert text.startswith("### Report of x\n\n~~~text\n100000001\n")
    assert text.endswith(f"\n{100_000_000 + shown}\n~~~\n{end}{notes}")
    summary = (tmp_path / "summary.md").read_text()
    assert summary.endswith(f"\n{100_000_000 + lines}\n~~~\n{notes}")


def test_job_fails_if_packages_of_guardrails_are_missing(tmp_path: Path):
    action = yaml.safe_load((PROJECT / "template/.github/actions/pulumi/action.yml").read_text())
    commands = "".join(step.get("run", "") for step in action["runs"]["steps"])
    (check,) = (line for line in commands.splitlines() if "import pulumi_policy" in line)
    failed = run(tmp_path, ("bash", "-eo", "pipefail", "-c", check), dict(os.environ), check=False)
    assert failed.returncode == 1
    assert "::error::The packages of the guardrails are missing" in failed.stdout
