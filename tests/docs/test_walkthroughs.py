"""Test the pages' walkthroughs in a fresh clone, and which files they change."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.environment import DIRECTORY, PROJECT, Sandbox
from tests.helpers.checkout import MAKE, aws, execute, in_sandbox, make, type_in_a_shell
from tests.helpers.page import blocks, commands, prose, with_values

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

DOCS = PROJECT / "docs"
ADOPT = DOCS / "adopt.md"
AUDIT = DOCS / "audit.md"
CHECK = DOCS / "check.md"
SETTINGS: dict[str, Any] = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())["config"]
INDEX = {name: SETTINGS[f"qbusiness-aem-connector:{name}"] for name in ("applicationId", "indexId")}
ROLE = "QBusiness-DataSource-x1y2z"
BREAKS = {
    """\
ROLE=$(pulumi stack output --stack example roleName) &&
aws iam delete-role-policy --role-name "$ROLE" --policy-name qbusiness-aem-connector &&
aws iam delete-role --role-name "$ROLE" &&
pulumi up --stack example
""": "problem  other data source .+, a role that does not exist\n +fix: .+",
    "pulumi config rm --stack example --path dataSources.aem-connector.kmsKeyId\n": (
        "problem  encryption: .+, but kmsKeyId is not set\n +fix: .+"
    ),
}
"""Commands that break the example, with a pattern for the problem that `check` prints."""


@pytest.fixture(scope="module")
def clone(
    prepared_sandbox: tuple[Sandbox, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Return a clone with this checkout's files, packages, and engine."""
    directory = tmp_path_factory.mktemp("clone")
    listed = execute(PROJECT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in listed.stdout.split("\0")[:-1]:
        if (PROJECT / name).exists():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, directory / name, follow_symlinks=False)
    author = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    for command in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "-m", "All"]):
        execute(directory, "git", *command)
    (directory / "venv").symlink_to(prepared_sandbox[1]["WARM_VENV"])
    (directory / ".sandbox").mkdir()
    (directory / ".sandbox" / "engine").symlink_to(DIRECTORY / "engine")
    yield directory
    execute(directory, "venv/bin/python", "-m", "sandbox", "stop")


def status(clone: Path) -> str:
    """Return the changed and new files."""
    return execute(clone, "git", "status", "--porcelain").stdout


def data_sources(clone: Path) -> dict[str, Any]:
    """Return the data sources by ARN."""
    qbusiness = aws(clone).client("qbusiness")
    found = [
        qbusiness.get_data_source(**INDEX, dataSourceId=source["dataSourceId"])
        for source in qbusiness.list_data_sources(**INDEX)["dataSources"]
    ]
    return {source["dataSourceArn"]: source for source in found}


def test_example_is_broken_fixed_and_audited_as_documented(clone: Path):
    deploy_and_check(clone)
    break_and_fix(clone)
    audit(clone)
    down = make(clone, "down").stdout
    assert re.findall(r"- (\d+) deleted$", down, re.MULTILINE) == ["5", "13"]
    assert status(clone) == ""


def deploy_and_check(clone: Path) -> None:
    """Follow docs/data-sources.md."""
    deploy, check = blocks("sh", prose("Try it in the sandbox", DOCS / "data-sources.md"))
    assert deploy == "make example\n"
    printed = make(clone, "example").stdout.splitlines()[-4:]
    sources = data_sources(clone)
    assert sorted(printed) == sorted(sources)
    assert len({source["roleArn"] for source in sources.values()}) == len(sources)
    assert in_sandbox(clone, "pulumi", "stack", "--show-name") == "dev\n"
    run = execute(clone, "sh", "-euc", check, check=False)
    assert run.returncode == 3
    assert re.search(r"^\d+ ok, 0 problems, \d+ skipped, 1 cannot tell$", run.stdout, re.MULTILINE)


def break_and_fix(clone: Path) -> None:
    """Follow docs/check.md, with additional breaks, and run the printed fixes."""
    text = CHECK.read_text()
    (check,) = re.findall(
        r"`(venv/bin/qbusiness-roles check --stack example .*?)` finds no problem",
        " ".join(text.split()),
    )
    # Skip confirmation prompts and use the sandbox's AWS CLI.
    options = ("PULUMI_OPTION_YES=true", "PULUMI_OPTION_SKIP_PREVIEW=true")
    prepare = f"export {' '.join(options)} PATH=$PWD/sandbox/bin:$PATH"
    section = text.partition("<!-- breaks")[2].partition("<!-- end of breaks")[0]
    breaks = [*blocks("sh", section), *BREAKS]
    checked = in_sandbox(clone, "sh", "-euc", "\n".join((prepare, *breaks, f"{check} || test $? = 1")))
    (shown,) = blocks("text", section)
    fixes: list[str] = []
    for problem in (re.escape(shown), *BREAKS.values()):
        printed = re.search(problem, checked)
        assert printed, problem
        fixes.append(printed[0].partition("fix: ")[2])
    assert ", 3 problems, " in checked
    # The last setting is not deployed, so the role policy still allows more.
    assert "\nnote     role policy: " in checked
    fixes.append('eval "$(venv/bin/qbusiness-roles assign --stack example | tail -n 1) --yes"')
    checked = in_sandbox(clone, "sh", "-euc", "\n".join((prepare, *fixes, check)))
    assert ", 0 problems, 2 skipped\n" in checked
    execute(clone, "git", "restore", "Pulumi.example.yaml")
    assert status(clone) == ""


def audit(clone: Path) -> None:
    """Follow docs/audit.md, which first deploys changed roles again."""
    script = commands("Try it in the sandbox", AUDIT)
    run = execute(clone, "sh", "-euc", script.replace("make ", f"{MAKE} "), check=False)
    assert run.returncode == 1  # there are differences
    # The data source receives the ARN of the recreated role.
    deployed = re.findall(r" (\d+ (?:unchanged|updated))$", run.stdout, re.MULTILINE)
    assert deployed == ["13 unchanged", "1 updated", "4 unchanged"]
    shown, *_ = blocks("text", AUDIT.read_text())
    said = re.sub(r"(-qbusiness-role)-[0-9a-f]{7}", r"\1-1234567", run.stdout)
    said = re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", "2026-11-30 06:17 UTC", said)
    said = re.sub(r"(?<=roles )\d+\.\d+\.\d+", "1.0.0", said)
    said = re.sub(r"(used by \w+) \S+", r"\1 c3d4e5f6-7890-12ab-cdef-333333333333", said)
    said = re.sub("[a-p]{10} missing", "maaeilekge missing", said)  # the ID depends on the data source
    # AWS lists the roles in the order of creation.
    rows = re.findall(r"^\w+ +\S+ +\S+-qbusiness-role.*\n", said, re.MULTILINE)
    assert shown in said.replace("".join(rows), "".join(sorted(rows)))
    assert status(clone) == ""


def test_role_of_console_data_source_is_adopted_as_documented(clone: Path):
    create = commands("Try it in the sandbox", DOCS / "adopt-details.md")
    created = execute(clone, "sh", "-euc", create.replace("make ", f"{MAKE} ")).stdout
    before = aws(clone).iam.get_role(RoleName=ROLE)["Role"]
    assert created.endswith(f"role: {before['Arn']}\n")
    (source,) = data_sources(clone)
    (write,) = blocks("sh", prose("Write the files", ADOPT))
    import_it = blocks("sh", prose("Import the roles"))
    write = with_values(write.replace("make ", f"{MAKE} "), {"STACK": "trial"})
    confirm = "export PULUMI_OPTION_YES=true"
    seen = type_in_a_shell(clone, write, confirm, *import_it).replace("\r\n", "\n")
    assert "\npulumi import --stack trial --file import-trial.json --yes " in seen
    there = aws(clone)
    assert there.iam.get_role(RoleName=ROLE)["Role"]["RoleId"] == before["RoleId"]
    assert set(there.role_policies(ROLE)) == {"template", "qbusiness-aem-connector"}
    assert data_sources(clone)[source]["roleArn"] == before["Arn"]
    assert status(clone) == "?? Pulumi.trial.yaml\n"
    down = make(clone, "down").stdout
    assert "Pulumi.trial.yaml is not in Git" in down
    (clone / "Pulumi.trial.yaml").unlink()
    assert status(clone) == ""
