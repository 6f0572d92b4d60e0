"""Tests `setup.py` and `pyproject.toml`: the Python package, for programs and for the plugin."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

from pages.examples import REGION
from sandbox.environment import PROJECT
from tests.helpers.installing import (
    RUNTIME,
    VERSION,
    commit,
    git,
    install,
    make_separate,
    tagged_repository,
)
from tests.helpers.page import blocks, prose
from tests.helpers.processes import run
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import golden

OWN_PROJECT: Final = PROJECT / "docs" / "own-project.md"
DATA_SOURCES: Final = PROJECT / "docs" / "data-sources.md"


def test_changelog_describes_package_version():
    released = re.findall(r"^## (\d.*)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == VERSION


def test_readme_runs_command_that_package_installs():
    section = prose("Audit the roles you have", PROJECT / "README.md")
    (script,) = blocks("sh", section)
    variables = {"REPOSITORY": "example.com/ORGANIZATION/NAME", "TAG": "v1.2.3"}
    printing = f"uvx() {{ printf '%s\\n' \"$@\"; }}; {script}"
    printed = subprocess.run(
        ["sh", "-c", printing],
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    option, package_source, command, *_ = printed.stdout.splitlines()
    assert option == "--from"
    requirement = Requirement(package_source)
    assert requirement.url == "git+https://example.com/ORGANIZATION/NAME@v1.2.3"
    package = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert (requirement.name, requirement.extras) == (package["project"]["name"], {"roles"})
    assert requirement.extras <= {*package["tool"]["setuptools"]["dynamic"]["optional-dependencies"]}
    assert command in package["project"]["scripts"]


@pytest.mark.slow
def test_wheel_lists_all_requirements_and_contains_each_module_once(repository: Path):
    def listed(file: str, marker: str = "") -> set[Requirement]:
        lines = (PROJECT / file).read_text().splitlines()
        return {Requirement(f"{line}{marker}") for line in lines if line[0] != "#"}

    (wheel,) = repository.parent.glob("*.whl")
    assert wheel.name == f"qbusiness_connector-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"qbusiness_connector-{VERSION}.dist-info/METADATA").decode()
        modules = [name for name in archive.namelist() if name.endswith(".py")]
        copies = Counter(archive.read(name) for name in modules)
    needed = re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)
    of_commands = listed("roles/requirements.txt", '; extra == "roles"')
    assert {Requirement(line) for line in needed} == listed("requirements.txt") | of_commands
    components = {name.partition("/")[2] for name in modules if name.startswith("qbusiness_connector/")}
    assert components == {path.name for path in (PROJECT / "components").glob("*.py")}
    assert copies.total() == len(copies)
    assert git(repository, "status", "--short") == ""  # the build left no files


def build_sdist(directory: Path, **variables: str) -> str:
    """Build a project's source distribution in the project's directory; return the file name."""
    return subprocess.run(
        [sys.executable, "-c", "from setuptools import build_meta; print(build_meta.build_sdist('.'))"],
        cwd=directory,
        env={**os.environ, **variables},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.splitlines()[-1]


@pytest.mark.slow
def test_build_of_commit_without_release_tag_replaces_release(tmp_path: Path, package: Path):
    repository = tagged_repository(tmp_path)
    later = commit(repository)
    git(repository, "tag", f"v{VERSION}-internal")
    assert "`git+file://localhost/PATH/TO/CLONE@COMMIT`" in OWN_PROJECT.read_text()
    requirement = f"qbusiness-connector @ git+file://localhost{repository}@{later}"
    planned = install(requirement, package, "--dry-run")
    assert planned.splitlines()[-1] == f"Would install qbusiness-connector-{VERSION}+g{later}"
    released = f"qbusiness_connector-{VERSION}"
    git(repository, "archive", "--output", tmp_path / "archive.tar", f"--prefix={released}/", "HEAD")
    archives = [tmp_path / "archive.tar"]
    for directory in ("of the archive", "of the source distribution"):
        shutil.unpack_archive(archives[-1], tmp_path / directory, filter="data")
        (unpacked,) = (tmp_path / directory).iterdir()
        archives.append(unpacked / build_sdist(unpacked))
        assert archives[-1].name == f"{released}+g{later}.tar.gz"
    assert build_sdist(repository, PATH="") == f"{released}.tar.gz"  # without Git


@pytest.mark.slow
def test_type_checkers_use_types_of_installed_package(tmp_path: Path, package: Path):
    (documented,) = blocks("python", prose("Use the component in your own program", OWN_PROJECT))
    programs = {
        "documented": documented,
        "template": (PROJECT / "template" / "__main__.py").read_text(),
        "plugin": (package / "__main__.py").read_text(),
        "misspelled": documented.replace("index_id", "index"),
    }
    continued, complete = blocks("python", DATA_SOURCES.read_text())
    programs |= {"renamed": programs["template"] + continued, "page": complete}
    for name, program in programs.items():
        (tmp_path / f"{name}.py").write_text(program)
    settings = {"venvPath": str(package), "venv": "venv", "typeCheckingMode": "strict"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--project", tmp_path, "--outputjson"],
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(programs)
    errors = {
        Path(problem["file"]).stem: problem["message"]
        for problem in report["generalDiagnostics"]
        if problem["severity"] == "error"
    }
    assert [*errors] == ["misspelled"], errors
    assert '"index" is an undefined item in type "ConnectorRoleArgs"' in errors["misspelled"]


@pytest.mark.slow
def test_installed_commands_ignore_same_named_packages_and_report_missing_requirements(
    tmp_path: Path, package: Path
):
    for name in ("components", "guardrails", "roles"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit(9)\n")
    python, command = (package / "venv/bin" / name for name in ("python", "qbusiness-roles"))

    def fails(*command: Path | str, path: Path = tmp_path) -> str:
        environment = {**os.environ, "PYTHONPATH": str(path), "PATH": ""}
        done = run(tmp_path, [*map(str, command)], environment, check=False)
        assert done.returncode == 2
        return done.stdout

    missing = fails(command, "check", "--stack", "prod")
    assert missing.startswith("check: pulumi is not on PATH: install it (")
    # With -S, Python skips the .pth file that adds this project's packages.
    (own,) = package.glob("venv/lib/python3*/site-packages")
    missing = fails(python, "-S", command, path=own)
    install = f"uv pip install --python {python} 'qbusiness-connector[roles]'"
    assert missing.endswith(f" is not installed: run `{install}`\n")


def test_documented_program_works_with_installed_package(new_stack: NewStack, package: Path, aws: Aws):
    section = prose("Use the component in your own program", OWN_PROJECT)
    (requirement,) = blocks("text", section)
    parsed = Requirement(requirement.strip())
    assert (parsed.name, parsed.url) == ("qbusiness-connector", "git+https://REPOSITORY@vVERSION")
    (program,) = blocks("python", section)
    stack = new_stack({"aws:region": REGION}, program)
    make_separate(stack.directory, {"runtime": RUNTIME})
    (stack.directory / "venv").symlink_to(package / "venv")
    stack.up()
    name = stack.outputs()["roleArn"].rpartition("/")[2]
    (policy,) = aws.role_policies(name).values()
    assert policy == golden("minimal-role-policy")
