"""The workflows for GitHub hold what they promise; their commands run here, GitHub itself does not."""

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from sandbox.engine import VERSION
from sandbox.environment import PROJECT
from sandbox.provider.resources import (
    Role,
    RolePoliciesExclusive,
    RolePolicy,
    RolePolicyAttachmentsExclusive,
    _attached_arns,  # pyright: ignore[reportPrivateUsage]  its calls are what is asked for
    _inline_names,  # pyright: ignore[reportPrivateUsage]
)
from tests.page import AWS_CLI as STAND_INS
from tests.stacks import ATTACHED, Aws, Stack
from tests.support import REQUIRED, golden

NewStack = Callable[..., Stack]

GITHUB = PROJECT / ".github"
FILES = sorted(path for path in GITHUB.rglob("*.yml") if path.name != "zizmor.yml")
WORKFLOWS: dict[str, dict[Any, Any]] = {
    path.stem: yaml.safe_load(path.read_text()) for path in FILES if path.parent.name == "workflows"
}
JOBS: dict[str, dict[str, Any]] = {
    name: job for workflow in WORKFLOWS.values() for name, job in workflow["jobs"].items()
}
ENVIRONMENTS = WORKFLOWS["environments"]["jobs"]
STEPS: list[dict[str, Any]] = [
    step
    for path in FILES
    for content in [yaml.safe_load(path.read_text())]
    for steps in (
        [job["steps"] for job in content.get("jobs", {}).values()] or [content["runs"]["steps"]]
    )
    for step in steps
]
UNTRUSTED = "``` \n~~~\n```\n@everyone <script> ````````\n"


def triggers(workflow: str) -> set[str]:
    return set(WORKFLOWS[workflow][True])  # YAML reads `on` as a boolean


# What the files say.


def test_there_are_workflows_and_an_action():
    assert sorted(WORKFLOWS) == ["environments", "tests"]
    assert len(FILES) == 3
    assert list(JOBS) == ["list", "preview", "deploy", "drift", "tests"]


def test_each_action_is_pinned_by_its_commit_with_its_version_beside_it():
    lines = [line for path in FILES for line in path.read_text().splitlines() if "uses:" in line]
    others = [line for line in lines if "uses: ./.github/actions/" not in line]
    assert len(others) >= 8
    for line in others:
        assert re.search(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    pins = {line.partition("uses: ")[2] for line in others}
    assert len({pin.partition("@")[0] for pin in pins}) == len(pins)


def test_each_workflow_gives_nothing_and_each_job_the_least():
    assert {name: it["permissions"] for name, it in WORKFLOWS.items()} == {
        "environments": {},
        "tests": {},
    }
    assert {name: it["permissions"] for name, it in JOBS.items()} == {
        "tests": {"contents": "read"},
        "list": {"contents": "read"},
        "preview": {"contents": "read", "id-token": "write", "pull-requests": "write"},
        "deploy": {"contents": "read", "id-token": "write"},
        "drift": {"contents": "read", "id-token": "write", "issues": "write"},
    }


def test_no_checkout_leaves_its_token_behind():
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(JOBS)
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_no_expression_is_written_into_a_script():
    scripts = [step["run"] for step in STEPS if "run" in step]
    assert len(scripts) == 7
    assert not [script for script in scripts if "${{" in script]


def test_a_pull_request_from_a_fork_is_tested_and_gets_no_credentials():
    assert triggers("tests") == {"pull_request", "push"}
    assert triggers("environments") == {"pull_request", "push", "schedule", "workflow_dispatch"}
    for name, job in JOBS.items():
        # The token for OIDC is a credential as well: it buys those of AWS.
        if "id-token" not in job["permissions"]:
            assert not re.search(r"secrets\.|vars\.", json.dumps(job)), name
            continue
        condition = job["if"]
        own = "github.event.pull_request.head.repo.full_name == github.repository" in condition
        assert own == ("'pull_request'" in condition)
        assert "||" not in re.sub(r"\([^)]*\)", "", condition)
    assert "github.event_name == 'push'" in ENVIRONMENTS["deploy"]["if"]
    assert "github.ref == 'refs/heads/main'" in ENVIRONMENTS["drift"]["if"]
    assert WORKFLOWS["environments"][True]["push"] == {"branches": ["main"]}


def test_no_long_lived_key_is_used():
    said = "".join(path.read_text() for path in FILES)
    assert set(re.findall(r"secrets\.(\w+)", said)) == {"PULUMI_CONFIG_PASSPHRASE"}
    assert "aws-access-key-id" not in said


def test_two_deployments_of_a_stack_never_overlap_and_go_one_environment_after_the_other():
    deploy = ENVIRONMENTS["deploy"]
    assert deploy["concurrency"] == {"group": "deploy-${{ matrix.stack }}", "cancel-in-progress": False}
    assert deploy["environment"] == "${{ matrix.stack }}"
    assert deploy["strategy"]["max-parallel"] == 1
    assert "fail-fast" not in deploy["strategy"]
    assert ENVIRONMENTS["drift"]["concurrency"]["group"] == "drift-${{ matrix.stack }}"
    preview = ENVIRONMENTS["preview"]["concurrency"]
    assert preview["group"].startswith("preview-${{ github.event.pull_request.number }}")


def test_without_an_environment_no_job_has_an_empty_matrix():
    for name in ("preview", "deploy", "drift"):
        assert "needs.list.outputs.stacks != '[]'" in ENVIRONMENTS[name]["if"]


def test_the_pulumi_cli_is_the_version_that_the_sandbox_builds():
    installed = [step for step in STEPS if step.get("uses", "").startswith("pulumi/actions@")]
    assert [step["with"] for step in installed] == [{"pulumi-version": VERSION}] * 2


def test_tests_type_what_a_person_types():
    steps = JOBS["tests"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["make check", "make test"]


def test_the_page_names_each_variable_that_is_set_once():
    page = (PROJECT / "docs" / "continuous-integration.md").read_text()
    said = "".join(path.read_text() for path in FILES)
    names = set(re.findall(r"(?:vars|secrets)\.(\w+)", said))
    assert len(names) == 6
    assert names == set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


def document(name: str) -> Any:
    """Return the JSON document that the page gives under a name."""
    page = (PROJECT / "docs" / "continuous-integration.md").read_text()
    return json.loads(page.partition(f"<!-- {name} -->\n```json\n")[2].partition("```")[0])


def test_the_roles_of_the_page_may_call_what_the_provider_calls():
    makers = (Role, RolePolicy, RolePoliciesExclusive, RolePolicyAttachmentsExclusive)
    source = "".join(inspect.getsource(it) for it in (*makers, _inline_names, _attached_arns))
    called = {
        "iam:" + name.title().replace("_", "") for name in re.findall(r"\biam\.([a-z]+_[a-z_]+)", source)
    }
    read = {action for action in called if action.startswith(("iam:Get", "iam:List"))}
    allowed = {
        name: set(document(f"{name}'s permissions")["Statement"][0]["Action"])
        for name in ("deployer", "previewer")
    }
    assert allowed["previewer"] == read
    # The stack owns attached policies only in order to have none.
    assert called - {"iam:AttachRolePolicy"} <= allowed["deployer"]
    # What the real provider calls besides: before a deletion, and for a changed description.
    besides = {"iam:ListInstanceProfilesForRole", "iam:UpdateRoleDescription"}
    assert allowed["deployer"] - called == besides


def test_the_roles_of_the_page_are_assumed_by_the_jobs_that_need_them():
    condition = document("deployer's trust policy")["Statement"][0]["Condition"]["StringEquals"]
    issuer = "token.actions.githubusercontent.com"
    assert condition == {
        f"{issuer}:aud": "sts.amazonaws.com",
        f"{issuer}:sub": "repo:ORG/REPO:environment:prod",
    }
    subjects = ["repo:ORG/REPO:pull_request", "repo:ORG/REPO:ref:refs/heads/main"]
    assert document("previewer's subjects") == {f"{issuer}:sub": subjects}
    # A job with an environment has another subject.
    assert [name for name, job in JOBS.items() if "environment" in job] == ["deploy"]


# What the commands do.


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], []),
        (["Pulumi.yaml", "Pulumi.dev.yaml"], []),
        (
            ["prod", "dev", "staging", "production-eu", "a.b"],
            ["a.b", "staging", "prod", "production-eu"],
        ),
        (["dev2", "it's $(x)"], ["dev2", "it's $(x)"]),
    ],
)
def test_the_environments_are_read_from_the_files(tmp_path: Path, files: list[str], expected: list[str]):
    for name in files:
        (tmp_path / (name if name.endswith(".yaml") else f"Pulumi.{name}.yaml")).touch()
    (step,) = [step for step in ENVIRONMENTS["list"]["steps"] if step.get("shell") == "python"]
    written = tmp_path / "output"
    environment = {**os.environ, "GITHUB_OUTPUT": str(written)}
    subprocess.run([sys.executable, "-c", step["run"]], cwd=tmp_path, env=environment, check=True)
    name, _, value = written.read_text().partition("=")
    assert (name, json.loads(value)) == ("stacks", expected)
    assert value.count("\n") == 1


class Repository:
    """The repository on GitHub, of which one stack is an environment."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.summary = stack.directory / "summary.md"
        self.store = stack.directory / "github.json"
        place = "continuous_integration"
        (stack.directory / place).symlink_to(PROJECT / place)

    def run(self, job: str) -> subprocess.CompletedProcess[str]:
        """Run the commands of a job as GitHub does, with the environment that the job names."""
        (step,) = [step for step in ENVIRONMENTS[job]["steps"] if "run" in step]
        values = {
            "${{ matrix.stack }}": self.stack.name,
            "${{ github.token }}": "token",
            "${{ github.event.pull_request.number }}": "7",
            "${{ secrets.PULUMI_CONFIG_PASSPHRASE }}": self.stack.environment[
                "PULUMI_CONFIG_PASSPHRASE"
            ],
        }
        given = {name: values[it] for name, it in {**ENVIRONMENTS[job]["env"], **step["env"]}.items()}
        assert WORKFLOWS["environments"]["defaults"]["run"]["shell"].startswith("bash")
        self.summary.write_text("")
        return self.stack.execute(
            *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]),
            check=False,
            PATH=f"{STAND_INS}:{self.stack.environment['PATH']}",
            GITHUB_STEP_SUMMARY=str(self.summary),
            GITHUB_SERVER_URL="https://github.example",
            GITHUB_REPOSITORY="OWNER/REPOSITORY",
            GITHUB_RUN_ID="5",
            GITHUB_SHA="abc",
            TEST_GITHUB=str(self.store),
            **given,
        )

    def write(self, **fields: object) -> None:
        """Let somebody write a comment or an issue."""
        written = self.written()
        item = {"id": len(written) + 1, "number": len(written) + 1, "state": "open", "edited": 0}
        self.store.write_text(json.dumps({"written": [*written, {**item, **fields}]}))

    def written(self) -> list[dict[str, Any]]:
        return json.loads(self.store.read_text())["written"] if self.store.exists() else []


@pytest.fixture
def deployed(new_stack: NewStack) -> Repository:
    repository = Repository(new_stack(REQUIRED))
    assert repository.run("deploy").returncode == 0
    return repository


def edit(aws: Aws, stack: Stack) -> None:
    role = stack.outputs()["roleName"]
    aws.iam.put_role_policy(
        RoleName=role,
        PolicyName="qbusiness-aem-connector",
        PolicyDocument=golden("minimal-role-policy").replace("GetSecretValue", "PutSecretValue"),
    )


def test_a_preview_is_one_comment_and_the_summary_and_changes_nothing(new_stack: NewStack):
    repository = Repository(new_stack(REQUIRED))
    name = repository.stack.name
    somebody = {"in": "issues/7/comments", "user": {"login": "somebody"}}
    repository.write(**somebody, body=f"### Preview of {name}\n\nmine")
    bot = {"in": "issues/7/comments", "user": {"login": "github-actions[bot]"}}
    repository.write(**bot, body=f"### Preview of {name}2\n\nanother environment's")
    assert repository.run("preview").returncode == 0
    assert repository.run("preview").returncode == 0
    mine, another, comment = repository.written()
    assert (mine["edited"], another["edited"], comment["edited"]) == (0, 0, 1)
    assert comment["in"] == "issues/7/comments"
    assert comment["body"].startswith(f"### Preview of {name}\n\n```text\nPreviewing update ({name})")
    assert "secretsmanager:GetSecretValue" in comment["body"]
    assert "+ 4 to create" in comment["body"]
    assert "https://github.example/OWNER/REPOSITORY/actions/runs/5" in comment["body"]
    assert repository.summary.read_text() == comment["body"]
    assert repository.stack.resources() == []


def test_a_preview_that_fails_says_why_in_the_comment_and_fails_its_job(new_stack: NewStack):
    repository = Repository(new_stack({**REQUIRED, "indexId": "*"}))
    assert repository.run("preview").returncode != 0
    (comment,) = repository.written()
    assert "indexId: " in comment["body"]
    assert "fix: pulumi config set" in comment["body"]
    assert repository.summary.read_text() == comment["body"]


def test_a_deployment_deploys_without_a_question_and_fails_if_it_cannot(deployed: Repository, aws: Aws):
    assert deployed.stack.outputs()["roleName"] in aws.roles()
    assert deployed.run("drift").returncode == 0
    assert deployed.written() == []
    deployed.stack.configure({**REQUIRED, "indexId": "*"})
    assert deployed.run("deploy").returncode != 0
    deployed.stack.configure(REQUIRED)


def test_drift_opens_one_issue_updates_it_and_closes_it_when_it_is_gone(deployed: Repository, aws: Aws):
    edit(aws, deployed.stack)
    assert deployed.run("drift").returncode == 7
    (issue,) = deployed.written()
    assert issue["in"] == "issues"
    assert issue["title"] == f"Drift in {deployed.stack.name}"
    assert "PutSecretValue" in issue["body"]
    assert deployed.summary.read_text() == issue["body"]
    assert deployed.run("drift").returncode == 7
    (issue,) = deployed.written()
    assert (issue["edited"], issue["state"]) == (1, "open")
    deployed.stack.up("--refresh")
    assert deployed.run("drift").returncode == 0
    issue, comment = deployed.written()
    assert issue["state"] == "closed"
    assert comment["in"] == f"issues/{issue['number']}/comments"
    assert comment["body"].startswith("It is gone.")
    edit(aws, deployed.stack)
    assert deployed.run("drift").returncode == 7
    assert [item["state"] for item in deployed.written() if item["in"] == "issues"] == ["closed", "open"]


def test_a_preview_and_a_drift_check_write_nothing_into_the_backend(deployed: Repository):
    backend = urlsplit(deployed.stack.environment["PULUMI_BACKEND_URL"]).path

    def files() -> dict[Path, tuple[int, int]]:
        state = {path: path.stat() for path in sorted(Path(backend).rglob("*"))}
        return {path: (it.st_mtime_ns, it.st_size) for path, it in state.items()}

    before = files()
    assert len(before) > 5
    assert deployed.run("preview").returncode == 0
    assert deployed.run("drift").returncode == 0
    assert files() == before


def test_a_check_that_cannot_be_made_fails_its_job_and_opens_and_closes_no_issue(deployed: Repository):
    title = f"Drift in {deployed.stack.name}"
    deployed.write(**{"in": "issues", "user": {"login": "github-actions[bot]"}, "title": title})
    url = deployed.stack.environment["AWS_ENDPOINT_URL"]
    attached = deployed.stack.environment.pop(ATTACHED)
    deployed.stack.environment["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    assert deployed.run("drift").returncode not in (0, 7)
    deployed.stack.environment |= {"AWS_ENDPOINT_URL": url, ATTACHED: attached}
    (issue,) = deployed.written()
    assert (issue["state"], issue["edited"]) == ("open", 0)


@pytest.mark.parametrize("length", [1, 10_000])
def test_no_output_gets_out_of_its_block_or_is_too_long(tmp_path: Path, length: int):
    output = tmp_path / "output.txt"
    output.write_text(UNTRUSTED * length + "the end\n")
    environment = {
        **os.environ,
        "PATH": f"{STAND_INS}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "OWNER/REPOSITORY",
        "GITHUB_RUN_ID": "5",
        "GITHUB_SHA": "abc",
        "PULL_REQUEST": "7",
        "TEST_GITHUB": str(tmp_path / "github.json"),
    }
    command = [
        sys.executable,
        PROJECT / "continuous_integration" / "report.py",
        "comment",
        "Preview of x",
        output,
    ]
    subprocess.run(command, env=environment, check=True)
    (comment,) = json.loads((tmp_path / "github.json").read_text())["written"]
    before, opening, rest = comment["body"].partition("```text\n")
    inside, closing, after = rest.partition("\n```\n")
    assert opening
    assert closing
    assert "```" not in before + inside + after
    assert inside.endswith("the end")
    assert "@everyone" not in before + after
    assert ("characters are left out" in before) == (length > 1)
