"""Test the Python package for programs that install it, and for the plugin."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest
import yaml
from packaging.requirements import Requirement

from evidence.examples import APPLICATION_ARN, INDEX_ID, REGION, SECRET_ID
from sandbox.environment import PROJECT
from tests.helpers.git_server import HOST, git_server
from tests.helpers.installing import (
    RUNTIME,
    SITE_PACKAGES,
    VERSION,
    build_wheel,
    commit,
    git,
    install,
    make_separate,
    offline,
    share_packages,
    tagged_repository,
)
from tests.helpers.page import blocks, prose
from tests.helpers.stacks import Aws, NewStack, Stack
from tests.helpers.support import GOLDEN, golden

ADDRESS: Final = f"https://{HOST}/organization/repository.git"
OWN_PROJECT: Final = PROJECT / "docs" / "own-project.md"
DATA_SOURCES: Final = PROJECT / "docs" / "data-sources.md"

PROGRAM: Final = f"""\
import pulumi
from qbusiness_connector import ConnectorRole

connector = ConnectorRole(
    "docs",
    {{"application_id": "{APPLICATION_ARN}", "index_id": "{INDEX_ID}", "secret_id": "{SECRET_ID}"}},
)
pulumi.export("roleArn", connector.role_arn)
"""


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository, which no test changes."""
    return tagged_repository(tmp_path_factory.mktemp("package"))


@pytest.fixture
def served(repository: Path, tmp_path: Path) -> Path:
    """Return the directory that a Git server serves: the repository, at ADDRESS."""
    directory = tmp_path / "served"
    bare = directory / "organization" / "repository.git"
    git(tmp_path, "clone", "--quiet", "--bare", repository, bare)
    return directory


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(repository, tmp_path_factory.mktemp("wheels"))


def test_the_package_the_schema_and_the_changelog_have_the_same_version():
    assert json.loads((GOLDEN / "package-schema.json").read_text())["version"] == VERSION
    released = re.findall(r"^## (\d.*)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == VERSION
    pack = yaml.safe_load((PROJECT / "guardrails" / "PulumiPolicy.yaml").read_text())
    assert pack["version"] == VERSION
    pages = [PROJECT / "docs" / f"{page}.md" for page in ("guardrails", "other-languages")]
    for file in (OWN_PROJECT, *pages):
        assert set(re.findall(r"@v(\d+\.\d+\.\d+)", file.read_text())) == {VERSION}
    contributing = (PROJECT / "CONTRIBUTING.md").read_text()
    assert "version in `pyproject.toml`" in contributing
    assert "Tag the commit `vVERSION`" in contributing


@pytest.mark.slow
def test_the_wheel_declares_the_requirements_of_the_program(wheel: Path):
    def listed(file: str, marker: str = "") -> set[Requirement]:
        lines = (PROJECT / file).read_text().splitlines()
        return {Requirement(f"{line}{marker}") for line in lines if line[0] != "#"}

    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"qbusiness_connector-{VERSION}.dist-info/METADATA").decode()
    needed = re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)
    of_commands = listed("roles/requirements.txt", '; extra == "roles"')
    assert {Requirement(line) for line in needed} == listed("requirements.txt") | of_commands


@pytest.mark.slow
def test_a_build_leaves_git_status_clean(repository: Path, wheel: Path):
    assert wheel.name == f"qbusiness_connector-{VERSION}-py3-none-any.whl"
    assert git(repository, "status", "--short") == ""


@pytest.mark.slow
def test_another_commit_replaces_the_installed_one(tmp_path: Path):
    repository = tagged_repository(tmp_path)
    share_packages(tmp_path)
    for content in ("first", "second"):
        (repository / "components" / "py.typed").write_text(content)
        address = f"git+file://localhost{repository}@{commit(repository)}"
        install(f"qbusiness-connector @ {address}", tmp_path)
        (installed,) = (tmp_path / "venv").rglob("qbusiness_connector/py.typed")
        assert installed.read_text() == content


def build_sdist(directory: Path, **variables: str) -> str:
    """Build the source distribution of a directory there, and return the name of the file."""
    return subprocess.run(
        [sys.executable, "-c", "from setuptools import build_meta; print(build_meta.build_sdist('.'))"],
        cwd=directory,
        env={**os.environ, **variables},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.splitlines()[-1]


@pytest.mark.slow
def test_the_version_includes_the_commit_unless_it_has_the_tag_of_the_version(tmp_path: Path):
    repository = tagged_repository(tmp_path)
    released = f"qbusiness_connector-{VERSION}"
    assert build_sdist(repository) == f"{released}.tar.gz"
    later = f"{released}+g{commit(repository)}"
    git(repository, "tag", f"v{VERSION}-internal")
    assert build_sdist(repository) == f"{later}.tar.gz"
    git(repository, "archive", "--output", "archive.tar", "--prefix=archive/", "HEAD")
    for packed in ("archive.tar", f"{later}.tar.gz"):
        shutil.unpack_archive(repository / packed, tmp_path / "unpacked", filter="data")
    for directory in ("archive", later):
        assert build_sdist(tmp_path / "unpacked" / directory) == f"{later}.tar.gz"
    assert build_sdist(repository, PATH="") == f"{released}.tar.gz"  # without Git


def type_errors(directory: Path, program: str) -> list[str]:
    """Check the types of a program and the plugin where the package is installed; return the errors."""
    (directory / "program.py").write_text(program)
    settings = {
        "include": ["program.py", "plugin"],
        "exclude": ["plugin/venv"],
        "venvPath": ".",
        "venv": "venv",
        "typeCheckingMode": "strict",
    }
    (directory / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--project", directory, "--outputjson"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    return [problem["message"] for problem in found if problem["severity"] == "error"]


@pytest.mark.slow
def test_type_checkers_see_the_types_of_the_installed_package(tmp_path: Path, wheel: Path):
    directory = tmp_path / "program"
    directory.mkdir()
    shutil.copytree(PROJECT / "plugin", directory / "plugin", ignore=shutil.ignore_patterns("venv"))
    share_packages(directory)
    install(wheel, directory)
    template = PROJECT / "template" / "__main__.py"
    for program in (PROGRAM, template.read_text(), *blocks("python", DATA_SOURCES.read_text())):
        assert type_errors(directory, program) == []
    (error,) = type_errors(directory, PROGRAM.replace("index_id", "index"))
    assert '"index" is an undefined item in type "ConnectorRoleArgs"' in error


@pytest.mark.slow
def test_the_installed_commands_start_in_any_directory_and_beside_other_packages_of_these_names(
    tmp_path: Path, wheel: Path
):
    share_packages(tmp_path)
    install(wheel, tmp_path)
    others = tmp_path / "others"
    for name in ("components", "evidence", "guardrails", "roles"):
        (others / name).mkdir(parents=True)
        (others / name / "__init__.py").write_text("raise SystemExit(9)\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ("venv/bin/qbusiness-roles", *arguments)
        environment = {**os.environ, "PYTHONPATH": str(others)}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
        )

    assert run("--help").stdout.startswith("usage: qbusiness-roles ")
    refused = run("check", "--stack", "prod")
    assert refused.returncode == 2
    assert refused.stderr == (
        "check: there is no Pulumi.yaml with a name here: go to the project's directory\n"
    )


@pytest.mark.slow
def test_the_installed_commands_name_the_packages_that_are_missing(tmp_path: Path, wheel: Path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    install(wheel, tmp_path)
    done = subprocess.run(
        [tmp_path / "venv/bin/qbusiness-roles"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    python = tmp_path / "venv/bin/python"
    assert done.stderr.endswith(
        f" is not installed: run `uv pip install --python {python} 'qbusiness-connector[roles]'`\n"
    )


def check_the_role(stack: Stack, aws: Aws) -> None:
    name = stack.outputs()["roleArn"].rpartition("/")[2]
    (policy,) = aws.role_policies(name).values()
    assert policy == golden("minimal-role-policy")


def test_a_program_uses_the_installed_package(new_stack: NewStack, wheel: Path, aws: Aws):
    stack = new_stack({"aws:region": REGION}, PROGRAM)
    make_separate(stack.directory, {"runtime": RUNTIME})
    share_packages(stack.directory)
    install(wheel, stack.directory)
    stack.up()
    check_the_role(stack, aws)
    stack.write_program(PROGRAM.replace(INDEX_ID, "short"))
    refused = stack.preview(check=False)
    assert refused.exit_code != 0
    assert "index_id" in refused.text
    assert "Traceback" not in refused.text


@pytest.mark.parametrize("released", [True, False], ids=["tag", "commit of a clone"])
def test_the_documented_program_installs_the_package_and_deploys_the_role(
    new_stack: NewStack, served: Path, tmp_path: Path, aws: Aws, *, released: bool
):
    section = prose("Use the component in your own program", OWN_PROJECT)
    (requirement,) = blocks("text", section)
    (program,) = blocks("python", section)
    assert f'pip install "{requirement.strip()}"' in section
    stack = new_stack({"aws:region": REGION}, program)
    make_separate(stack.directory, {"runtime": RUNTIME})
    own = requirement.replace("https://REPOSITORY", ADDRESS)
    if not released:
        assert "`git+file://localhost/PATH/TO/CLONE@COMMIT`" in section
        (clone,) = served.glob("*/*.git")
        commit = git(clone, "rev-parse", "HEAD").strip()
        own = f"qbusiness-connector @ git+file://localhost{clone}@{commit}\n"
    (stack.directory / "requirements.txt").write_text(own)
    share_packages(stack.directory)
    stack.environment |= offline(tmp_path)
    with git_server(served, tmp_path) as variables:
        stack.execute("pulumi", "install", check=True, **variables)
    stack.up()
    check_the_role(stack, aws)


def test_installing_this_program_installs_its_requirements_and_not_the_package(
    new_stack: NewStack, tmp_path: Path
):
    stack = new_stack({"aws:region": REGION})
    (stack.directory / "venv").unlink()
    share_packages(stack.directory)
    for name in ("pyproject.toml", "requirements.txt", "setup.py"):
        shutil.copy(PROJECT / name, stack.directory)
    stack.environment |= offline(tmp_path)
    output = stack.run("install").stdout
    assert "Requirement already satisfied: pulumi-aws" in output
    assert not [*(stack.directory / "venv").rglob("qbusiness*")]


@pytest.mark.skipif(sys.platform == "darwin", reason="Go reads no certificate from a file on macOS")
@pytest.mark.parametrize("released", [True, False], ids=["tag", "commit"])
def test_a_package_is_added_from_a_tag_or_a_commit_of_a_git_repository(
    new_stack: NewStack, served: Path, tmp_path: Path, aws: Aws, *, released: bool
):
    version = f"v{VERSION}"
    if not released:
        (bare,) = served.glob("*/*.git")
        version = git(bare, "rev-parse", "HEAD").strip()
        git(bare, "tag", "--delete", f"v{VERSION}")
    stack = new_stack({"aws:region": REGION})
    inputs = {"applicationId": APPLICATION_ARN, "indexId": INDEX_ID, "secretId": SECRET_ID}
    role = {"type": "qbusiness-connector:index:ConnectorRole", "properties": inputs}
    make_separate(
        stack.directory,
        {
            "runtime": "yaml",
            "resources": {"docs": role},
            "outputs": {"roleArn": "${docs.roleArn}"},
        },
    )
    stack.environment |= offline(tmp_path)
    # Use the installed packages instead of a download.
    stack.environment["PYTHONPATH"] = SITE_PACKAGES
    with git_server(served, tmp_path) as variables:
        address = f"{ADDRESS}/plugin@{version}"
        stack.execute("pulumi", "package", "add", address, check=True, **variables)
    packages = yaml.safe_load((stack.directory / "Pulumi.yaml").read_text())["packages"]
    assert version.removeprefix("v") in str(packages)
    stack.up()
    check_the_role(stack, aws)
