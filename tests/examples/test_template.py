"""Tests template/: `pulumi new` creates a project that deploys roles with the package."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from pages.examples import APPLICATION_ARN, INDEX_ID, KEY_ID, REGION, SECRET_ID
from sandbox.environment import PROJECT
from tests.helpers.installing import (
    VERSION,
    commit,
    copy_repository,
    git,
    offline,
)
from tests.helpers.page import commands, run_section, with_values
from tests.helpers.processes import run
from tests.helpers.stacks import Aws, NewStack, Stack

TEMPLATE: Final = PROJECT / "template"
README: Final = TEMPLATE / "README.md"
OWN_PROJECT: Final = PROJECT / "docs" / "own-project.md"
PLACE: Final = "github.com/ORGANIZATION/REPOSITORY"
MIRROR: Final = "git.example.com/search/connectors"
NEXT: Final = "9.9.9"
ACCOUNT: Final = "123456789012"
GIVEN: Final = {"aws:region": REGION, "applicationId": APPLICATION_ARN, "indexId": INDEX_ID}


def new_project(new_stack: NewStack, template: Path, package: Mapping[str, str]) -> Stack:
    """Create a project with `pulumi new` and return its stack."""
    stack = new_stack({})
    directory = stack.directory.parent / f"{stack.name}-project"
    directory.mkdir()
    stack.environment |= package
    stack.directory = directory
    stack.config_file = directory / f"Pulumi.{stack.name}.yaml"
    options = [f"--config={key}={value}" for key, value in GIVEN.items()]
    name = f"project-{stack.name}"
    stack.run("new", str(template), "--yes", "--name", name, "--stack", stack.name, *options)
    stack.state_file = stack.state_file.parents[1] / name / stack.state_file.name
    return stack


def test_new_project_is_deployed_upgraded_rolled_back_and_extended(
    new_stack: NewStack, tmp_path: Path, aws: Aws
):
    repository, variables = tmp_path / "repository", with_mirror(tmp_path)
    repository.mkdir()
    copy_repository(repository)
    shutil.copytree(TEMPLATE, repository / "template")
    commit(repository)
    publish(repository, VERSION, variables)

    project = new_project(new_stack, repository / "template", variables)
    rejected = project.preview(check=False)
    assert rejected.exit_code != 0
    for problem in (
        'aws:allowedAccountIds[0]: "ACCOUNT" is not an account ID',
        "dataSources: is required but not set",
    ):
        assert problem in rejected.text
    session: dict[str, Any] = {
        "ACCOUNT": ACCOUNT,
        "SECRET_ID": SECRET_ID,
        "STACK": project.name,
        "ROLE_PATH": "/ci/",
    }
    run_section(project, "The first data source", README, **session)
    project.run("config", "set", "--path", "dataSources.wiki.kmsKeyId", KEY_ID, "--type", "string")
    wiki = {"connector": "confluence-cloud", "secretId": SECRET_ID, "kmsKeyId": KEY_ID}
    own = {"aws:allowedAccountIds": [ACCOUNT], "rolePath": "/ci/", "dataSources": {"wiki": wiki}}
    assert settings(project) == {**GIVEN, **own}
    install_packages(project)
    for step, shown in (
        ("Preview", "+ aws:iam/role:Role: (create)"),
        ("Deploy", "qbusiness-roles"),  # the guardrails print this name
        ("Check the deployed roles with the guardrails", "qbusiness-roles"),
    ):
        run_step(project, step)
        assert shown in (project.directory / "report.md").read_text()
    (arn,) = project.outputs()["roleArns"].values()
    role = arn.rpartition("/")[2]
    assert "AllowsAmazonQToGetSecret" in str(aws.role_policies(role))
    check = [line for line in README.read_text().splitlines() if "qbusiness-roles check" in line]
    said = project.execute("sh", "-c", check[0], check=False, STACK=project.name)
    assert (
        "\n2 notes\nthe policies allow all 15 requests (not confirmed by IAM's simulation); "
        in said.stdout
    )
    assert project.preview().changes == {"same": 4}
    commit(project.directory)

    for place, old, new in (
        ("pyproject.toml", VERSION, NEXT),
        ("components/policies.py", "AllowsAmazonQToGetSecret", "AllowsToGetSecret"),
        ("template/requirements-locked.txt", "# CI installs", "# The next CI installs"),
        ("template/requirements.txt", f"{MIRROR}@v{VERSION}", f"{PLACE}@v{NEXT}"),
    ):
        text = (repository / place).read_text()
        assert old in text
        (repository / place).write_text(text.replace(old, new))
    commit(repository)
    publish(repository, NEXT, variables)
    session |= {"VERSION": NEXT, "PACKAGE": str(repository)}
    assert "AllowsToGetSecret" in run_section(project, "Upgrade", README, **session).stdout
    files = ["requirements-locked.txt", "requirements.txt"]
    assert git(project.directory, "log", "--format=", "--name-only", "HEAD^..").split() == files
    project.up()
    assert "AllowsToGetSecret" in str(aws.role_policies(role))

    run_section(project, "Roll back", README, **session, COMMIT="HEAD")
    project.up()
    assert "AllowsAmazonQToGetSecret" in str(aws.role_policies(role))
    assert git(project.directory, "diff", "HEAD~2", "--", *files) == ""

    second = f"{project.name}-second"
    others: dict[str, Any] = {"NEW": second, "APPLICATION_ARN": APPLICATION_ARN, "INDEX_ID": INDEX_ID}
    first = settings(project)
    run_section(project, "Another environment", README, **session, **others)
    project.config_file = project.directory / f"Pulumi.{second}.yaml"
    del first["dataSources"]
    assert settings(project) == first


def with_mirror(directory: Path) -> Mapping[str, str]:
    """Create an empty repository; return variables that make Git and pip use it without a network."""
    git(directory, "init", "--quiet", "--bare", "--initial-branch=main", "served.git")
    settings = {
        "user.name": "test",
        "user.email": "test@example.com",
        f"url.file://{directory}/served.git.insteadOf": f"https://{MIRROR}",
    }
    variables = {**offline(directory), "GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def publish(repository: Path, version: str, variables: Mapping[str, str]) -> None:
    """Publish the package to the repository that Git finds at MIRROR."""
    values = {"VERSION": version, "REPOSITORY": MIRROR}
    script = with_values(commands("In a Git repository", OWN_PROJECT), values)
    run(repository, ("sh", "-euc", script), {**os.environ, **variables}, check=True)


def install_packages(stack: Stack) -> None:
    """Run the commands of the workflow's action and keep the variables that it sets for later steps."""
    action = yaml.safe_load((TEMPLATE / ".github/actions/pulumi/action.yml").read_text())
    uses = [step.get("uses", "") for step in action["runs"]["steps"]]
    credentials = next(place for place, name in enumerate(uses) if "credentials" in name)
    *installing, closing = (step["run"] for step in action["runs"]["steps"] if "run" in step)
    assert not any(uses[:credentials][1:])  # before the credentials, only the first step uses an action
    assert all(uses[credentials:])
    path: dict[str, Any] = {"PATH": f"{stack.environment['PIP_FIND_LINKS']}:{stack.environment['PATH']}"}
    for command in installing:
        stack.execute("bash", "-eo", "pipefail", "-c", command, **path)
    variables = stack.directory / "variables"
    stack.execute("bash", "-eo", "pipefail", "-c", closing, GITHUB_ENV=str(variables))
    settings = dict(line.split("=") for line in variables.read_text().splitlines())
    assert settings == {
        "PIP_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    stack.environment |= settings


def run_step(stack: Stack, name: str) -> None:
    """Run one of the workflow's steps without GitHub."""
    jobs = yaml.safe_load((TEMPLATE / ".github/workflows/environments.yml").read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"] if step.get("name") == name]
    names: dict[str, Any] = {"STACK": stack.name, "OWNER": "", "COMMIT": "abc", "RUN": "https://run"}
    summary: dict[str, Any] = {"GITHUB_STEP_SUMMARY": str(stack.directory / "summary.md")}
    stack.execute("bash", "-eo", "pipefail", "-c", steps[0]["run"], **names, **summary)


def settings(stack: Stack) -> dict[str, Any]:
    """Return the settings in the stack's file, without the project's namespace."""
    config = yaml.safe_load(stack.config_file.read_text())["config"]
    config.pop("pulumi:tags", None)  # only the first stack has tags
    return {key.removeprefix(f"project-{stack.name}:"): value for key, value in config.items()}
