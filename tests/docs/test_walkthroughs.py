"""docs/data-sources, sandbox/console: the example is deployed in a fresh clone, and checked."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sandbox.environment import DIRECTORY, PROJECT, Sandbox
from tests.helpers.checkout import EMPTY, aws, execute, in_sandbox, make
from tests.helpers.page import blocks, prose

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(prepared_sandbox: tuple[Sandbox, dict[str, str]], tmp_path: Path) -> Iterator[Path]:
    """Return a clone with this checkout's files, packages, and engine."""
    listed = execute(PROJECT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in listed.stdout.split("\0")[:-1]:
        if (PROJECT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, tmp_path / name, follow_symlinks=False)
    author = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    for command in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "-m", "All"]):
        execute(tmp_path, "git", *command)
    (tmp_path / "venv").symlink_to(prepared_sandbox[1]["WARM_VENV"])
    (tmp_path / ".sandbox").mkdir()
    (tmp_path / ".sandbox" / "engine").symlink_to(DIRECTORY / "engine")
    yield tmp_path
    execute(tmp_path, "venv/bin/python", "-m", "sandbox", "stop")


def test_example_is_deployed_and_checked_as_documented(clone: Path):
    page = PROJECT / "docs" / "data-sources.md"
    deploy, check = blocks("sh", prose("Try it in the sandbox", page))
    assert deploy == "make example\n"
    printed = make(clone, "example").stdout.splitlines()[-4:]
    config = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())["config"]
    index = {name: config[f"qbusiness-aem-connector:{name}"] for name in ("applicationId", "indexId")}
    qbusiness = aws(clone).client("qbusiness")
    sources = [
        qbusiness.get_data_source(**index, dataSourceId=source["dataSourceId"])
        for source in qbusiness.list_data_sources(**index)["dataSources"]
    ]
    assert sorted(printed) == sorted(source["dataSourceArn"] for source in sources)
    assert len({source["roleArn"] for source in sources}) == len(sources)
    assert in_sandbox(clone, "pulumi", "stack", "--show-name") == "dev\n"
    run = execute(clone, "sh", "-euc", check, check=False)
    assert run.returncode == 3
    assert run.stdout.startswith("stack example, last deployed on ")
    (unknown,) = re.findall(r"^(?:problem|cannot tell) .*", run.stdout, re.MULTILINE)
    assert unknown.startswith("cannot tell bucket policy: account 210987654321 owns ")
    in_console = "venv/bin/python", "-m", "sandbox", "console-data-source"
    created = execute(clone, *in_console).stdout
    assert re.search(r"\nrole: arn:aws:iam::\d{12}:role/service-role/QBusiness-\S+\n\Z", created)
    assert execute(clone, *in_console).stdout == created
    down = make(clone, "down").stdout
    assert re.findall(r"- (\d+) deleted$", down, re.MULTILINE) == ["5", "13"]
    assert EMPTY in down
    assert execute(clone, "git", "status", "--porcelain").stdout == ""
