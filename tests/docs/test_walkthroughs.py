"""Test the walkthroughs of README and the pages in a fresh clone, which they leave clean."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.environment import DIRECTORY, PROJECT
from tests.helpers.checkout import EMPTY, MAKE, execute, in_sandbox, make, type_in_a_shell
from tests.helpers.page import blocks, prose
from tests.helpers.stacks import Aws

pytestmark = pytest.mark.slow

ADOPT = PROJECT / "docs" / "adopt.md"
AUDIT = PROJECT / "docs" / "audit.md"
CHECK = PROJECT / "docs" / "check.md"
DATA_SOURCES = PROJECT / "docs" / "data-sources.md"
MORE_BREAKS = PROJECT / "tests" / "docs" / "more_breaks.md"
SETTINGS: dict[str, Any] = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())["config"]
INDEX = {name: SETTINGS[f"qbusiness-aem-connector:{name}"] for name in ("applicationId", "indexId")}
ROLE = "QBusiness-DataSource-x1y2z"


@pytest.fixture
def clone(tmp_path: Path, prepared_sandbox: object) -> Iterator[Path]:
    """Return a clone with the files of this checkout, its packages and its engine."""
    del prepared_sandbox  # skips the test where there is no engine
    directory = tmp_path / "clone"
    listed = execute(PROJECT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in listed.stdout.split("\0")[:-1]:
        if (PROJECT / name).exists():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, directory / name, follow_symlinks=False)
    author = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    for command in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "-m", "All"]):
        execute(directory, "git", *command)
    (directory / "venv").symlink_to(PROJECT / "venv")
    (directory / ".sandbox").mkdir()
    (directory / ".sandbox" / "engine").symlink_to(DIRECTORY / "engine")
    yield directory
    execute(directory, "venv/bin/python", "-m", "sandbox", "stop")


def status(clone: Path) -> str:
    """Return the changed and new files."""
    return execute(clone, "git", "status", "--porcelain").stdout


def aws(clone: Path) -> Aws:
    port = json.loads((clone / ".sandbox" / "aws" / "server.json").read_text())["port"]
    return Aws({"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})


def data_sources(clone: Path) -> dict[str, Any]:
    """Return the data sources by ARN."""
    qbusiness = aws(clone).client("qbusiness")
    found = [
        qbusiness.get_data_source(**INDEX, dataSourceId=source["dataSourceId"])
        for source in qbusiness.list_data_sources(**INDEX)["dataSources"]
    ]
    return {source["dataSourceArn"]: source for source in found}


def test_make_example_creates_data_sources_that_check_accepts_and_make_down_deletes_all(clone: Path):
    role = make(clone, "up").stdout.splitlines()[-1]
    first = make(clone, "example").stdout.splitlines()[-4:]
    sources = data_sources(clone)
    assert sorted(first) == sorted(sources)
    assert len({source["roleArn"] for source in sources.values()} - {role}) == 4
    again = make(clone, "example").stdout
    assert re.findall(r" (\d+) unchanged$", again, re.MULTILINE) == ["13", "5"]
    assert again.splitlines()[-4:] == first
    deploy, check = blocks("sh", prose("Try it in the sandbox", DATA_SOURCES))
    assert deploy == "make example\n"
    checked = execute(clone, "sh", "-euc", check).stdout
    assert re.findall(r"^([\w-]+): \d+ ok, (\d) problems", checked, re.MULTILINE) == [
        (name, "0") for name in ("aem-connector", "files", "intranet", "wiki", "all")
    ]
    assert in_sandbox(clone, "pulumi", "stack", "--show-name") == "dev\n"
    assert status(clone) == ""
    down = make(clone, "down").stdout
    assert re.findall(r"- (\d+) deleted$", down, re.MULTILINE) == ["5", "13", "4"]
    assert down.endswith(EMPTY)
    assert status(clone) == ""
    assert make(clone, "down").stdout.endswith(EMPTY)


NAMESPACE = ("unshare", "--user", "--map-root-user", "--net")


def test_the_walkthroughs_need_no_network(clone: Path):
    if subprocess.run([*NAMESPACE, "ip", "link"], check=False, capture_output=True).returncode:
        pytest.skip("no namespace without a network can be created here")
    script = f"""
    ip link set lo up
    {MAKE} example
    venv/bin/python -m sandbox console-data-source
    {MAKE} down
    """
    assert execute(clone, *NAMESPACE, "sh", "-euc", script).stdout.endswith(EMPTY)


def test_a_data_source_of_the_console_is_adopted_in_the_sandbox_as_documented(clone: Path):
    (create,) = blocks("sh", prose("Try it in the sandbox", ADOPT))
    created = execute(clone, "sh", "-euc", create.replace("make ", f"{MAKE} ")).stdout
    before = aws(clone).iam.get_role(RoleName=ROLE)["Role"]
    assert created.endswith(f"role: {before['Arn']}\n")
    (source,) = data_sources(clone)
    stack, _, write = blocks("sh", prose("Write the files", ADOPT))
    import_it = blocks("sh", prose("Import the role"))
    write = write.replace("make ", f"{MAKE} ")
    seen = type_in_a_shell(clone, "export STACK=trial", stack, write, *import_it)
    (shown, _) = re.findall(r"```text\n(.*?)```", ADOPT.read_text(), re.DOTALL)
    assert shown in seen.replace("\r\n", "\n")
    there = aws(clone)
    assert there.iam.get_role(RoleName=ROLE)["Role"]["RoleId"] == before["RoleId"]
    assert set(there.role_policies(ROLE)) == {"template", "qbusiness-aem-connector"}
    assert data_sources(clone)[source]["roleArn"] == before["Arn"]
    assert status(clone) == "?? Pulumi.trial.yaml\n"
    assert "Pulumi.trial.yaml is not in Git" in make(clone, "down").stdout
    (clone / "Pulumi.trial.yaml").unlink()
    assert status(clone) == ""


def test_the_roles_of_the_sandbox_are_audited_as_the_page_says(clone: Path):
    (commands,) = blocks("sh", prose("Try it in the sandbox", AUDIT))
    run = execute(clone, "sh", "-euc", commands.replace("make ", f"{MAKE} "), check=False)
    assert run.returncode == 1  # there are differences
    (shown,) = re.findall(r"```text\n(.*?)```", AUDIT.read_text(), re.DOTALL)
    said = re.sub(r"(-qbusiness-role)-[0-9a-f]{7}", r"\1-1234567", run.stdout)
    (used_by,) = re.findall(r"used by Console (\S+)", said)
    said = said.replace(used_by, "c3d4e5f6-7890-12ab-cdef-333333333333")
    # The engine creates the first four at the same time, and AWS lists them in the order of creation.
    rows = re.findall(r"^\w+ +\S+ +\S+-qbusiness-role.*\n", said, re.MULTILINE)
    assert shown in said.replace("".join(rows), "".join(sorted(rows)))
    assert (clone / "audit.html").read_text().endswith("</html>")
    assert status(clone) == ""


def test_check_finds_faults_in_the_sandbox_and_the_fix_works_as_documented(clone: Path):
    text = CHECK.read_text()
    (check,) = re.findall(
        r"`(venv/bin/python -m roles check --stack example .*)` finds no problem", text
    )
    make(clone, "example")
    # No user confirms, and the AWS CLI is the sandbox's.
    options = ("PULUMI_OPTION_YES=true", "PULUMI_OPTION_SKIP_PREVIEW=true")
    prepare = f"export {' '.join(options)} PATH=$PWD/sandbox/bin:$PATH"

    def run(*script: str) -> str:
        return in_sandbox(clone, "sh", "-euc", "\n".join((prepare, *script)))

    assert ", 0 problems, 4 skipped\n" in run(check)
    section = text.partition("<!-- breaks")[2].partition("<!-- end of breaks")[0]
    breaks = [part for each in (section, MORE_BREAKS.read_text()) for part in each.split("\n**")[1:]]
    # From a setting that is not deployed, the role policy differs, and perhaps the data source. The
    # number changes with each fault, so that one that remains is noticed.
    problems = ["1", "1", "2", "1", "3", "1", "3", "1", "3"]
    repair: list[str] = []
    repaired = ""
    for described, number in zip(breaks, problems, strict=True):
        break_it, *after = blocks("sh", described)
        (example,) = blocks("text", described)
        expected = re.sub(
            r"\b(OLD_ROLE|ROLE|DATA_SOURCE|GROUP|SUBNET|OTHER_VPC)\b", r"[\\w-]+", re.escape(example)
        )
        checked = run(*repair, break_it, f"{check} || test $? = 1")
        printed = re.search(expected, checked)
        assert printed, described
        assert re.findall(r"^all: .*, (\d+) problem", checked, re.MULTILINE) == [number], described
        assert not (repaired and re.search(repaired, checked)), "still broken"
        repair, repaired = after or [printed[0].partition("fix: ")[2]], expected
    assert ", 0 problems, 4 skipped\n" in run(*repair, check)
    assert status(clone) == ""
    assert make(clone, "down").stdout.endswith(EMPTY)
