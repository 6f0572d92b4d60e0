"""Test that `pulumi new` makes a project of the template, which deploys with the package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from evidence.examples import APPLICATION_ARN, INDEX_ID, KEY_ID, REGION, SECRET_ID
from sandbox.environment import PROJECT
from tests.helpers.installing import VERSION, offline, tagged_repository
from tests.helpers.page import run_section
from tests.helpers.processes import run
from tests.helpers.stacks import Aws, NewStack, Stack

TEMPLATE: Final = PROJECT / "template"
README: Final = TEMPLATE / "README.md"
ADDRESS: Final = "https://github.com/ORGANIZATION/REPOSITORY"
ACCOUNT: Final = "123456789012"
GIVEN: Final = ("aws:region", REGION, "applicationId", APPLICATION_ARN, "indexId", INDEX_ID)


@pytest.fixture
def package(tmp_path: Path) -> Mapping[str, str]:
    """Return variables with which pip installs the package from a repository of this checkout."""
    repository = tagged_repository(tmp_path)
    return {
        **offline(tmp_path),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{repository}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
    }


@pytest.fixture
def project(new_stack: NewStack, package: Mapping[str, str]) -> Stack:
    """Return a stack of a new project, as `pulumi new` leaves it."""
    stack = new_stack({})
    directory = stack.directory.parent / f"{stack.name}-project"
    directory.mkdir()
    stack.environment |= package
    stack.directory = directory
    stack.config_file = directory / f"Pulumi.{stack.name}.yaml"
    options = [
        option
        for key, value in zip(GIVEN[::2], GIVEN[1::2], strict=True)
        for option in ("--config", f"{key}={value}")
    ]
    name = f"project-{stack.name}"
    stack.run("new", str(TEMPLATE), "--yes", "--name", name, "--stack", stack.name, *options)
    stack.state_file = stack.state_file.parents[1] / name / stack.state_file.name
    return stack


def test_the_template_is_small():
    files = run(PROJECT, ("git", "ls-files", "--", "template"), {}, check=True).stdout.split()
    assert len(files) <= 8


def test_the_template_pins_the_version_of_the_package():
    assert f"{ADDRESS}@v{VERSION}\n" in (TEMPLATE / "requirements.txt").read_text()


def test_a_new_project_asks_for_what_is_missing_deploys_it_and_gets_another_environment(
    project: Stack, aws: Aws
):
    refused = project.preview(check=False)
    assert refused.exit_code != 0
    for problem in (
        'aws:allowedAccountIds[0]: "ACCOUNT" is not an account ID',
        "dataSources: is required and not set",
    ):
        assert problem in refused.text
    session: dict[str, Any] = {
        "ACCOUNT": ACCOUNT,
        "SECRET_ID": SECRET_ID,
        "STACK": project.name,
        "ROLE_PATH": "/ci/",
    }
    run_section(project, "The first data source", README, **session)
    project.run("config", "set", "--path", "dataSources.wiki.kmsKeyId", KEY_ID, "--type", "string")
    assert settings(project) == {
        "aws:region": REGION,
        "aws:allowedAccountIds": [ACCOUNT],
        "applicationId": APPLICATION_ARN,
        "indexId": INDEX_ID,
        "rolePath": "/ci/",
        "dataSources": {
            "wiki": {"connector": "confluence-cloud", "secretId": SECRET_ID, "kmsKeyId": KEY_ID}
        },
    }
    for step in ("Install the guardrails", "Preview", "Deploy"):
        run_step(project, step)
    assert "qbusiness-roles|local|guardrails" in (project.directory / "report.md").read_text()
    (arn,) = project.outputs()["roleArns"].values()
    assert arn.rpartition("/")[2] in aws.roles()
    check = [line for line in README.read_text().splitlines() if "qbusiness-roles check" in line]
    said = project.execute("sh", "-c", check[0], check=False, STACK=project.name)
    assert "1 problem" not in said.stdout
    assert ", 0 problems, " in said.stdout
    assert project.preview().changes == {"same": 4}
    second = f"{project.name}-second"
    others: dict[str, Any] = {"NEW": second, "APPLICATION_ARN": APPLICATION_ARN, "INDEX_ID": INDEX_ID}
    first = settings(project)
    run_section(project, "Another environment", README, **session, **others)
    project.config_file = project.directory / f"Pulumi.{second}.yaml"
    del first["dataSources"]
    assert settings(project) == first


def run_step(stack: Stack, name: str) -> None:
    """Run a step of the workflow, without GitHub."""
    jobs = yaml.safe_load((TEMPLATE / ".github/workflows/environments.yml").read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"] if step.get("name") == name]
    names: dict[str, Any] = {"STACK": stack.name, "OWNER": "", "COMMIT": "abc", "RUN": "https://run"}
    summary: dict[str, Any] = {"GITHUB_STEP_SUMMARY": str(stack.directory / "summary.md")}
    stack.execute("bash", "-eo", "pipefail", "-c", steps[0]["run"], **names, **summary)


def settings(stack: Stack) -> dict[str, Any]:
    """Return the settings in the file, without the namespace of the project."""
    config = yaml.safe_load(stack.config_file.read_text())["config"]
    return {
        key.removeprefix(f"project-{stack.name}:"): value
        for key, value in config.items()
        if key != "pulumi:tags"
    }
