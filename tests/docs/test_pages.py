"""Test that the commands on the pages in docs/ work, and that links and names are correct."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.connectors import CONNECTORS
from components.default_provider import ALLOWED_ACCOUNTS
from components.stack_config import KEYS
from evidence.examples import ACCOUNT, APPLICATION_ARN, INDEX_ID, OTHER_ACCOUNT, SECRET_ID
from sandbox.environment import PROJECT
from tests.helpers.page import blocks, commands, prose, run_section
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import REQUIRED, golden

DOCS = PROJECT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
QUICK_START = DOCS / "index.md"
ENVIRONMENTS = DOCS / "environments.md"
STAGING = f"{APPLICATION_ARN.rpartition('/')[0]}/a1b2c3d4-5678-90ab-cdef-333333333333"


@pytest.fixture
def typed(new_stack: NewStack) -> Iterator[Callable[..., str]]:
    """Run the commands of a section where a stack with the settings of `prod` exists."""
    stack = new_stack(REQUIRED)
    # No user confirms.
    stack.environment |= {"PULUMI_OPTION_YES": "true", "PULUMI_OPTION_NON_INTERACTIVE": "true"}

    def run(section: str, page: Path, **variables: str) -> str:
        return run_section(stack, section, page, check=True, **variables).stdout

    yield run
    for file in stack.directory.glob("Pulumi.*.yaml"):
        name = file.name.split(".")[1]
        if name != stack.name:
            for command in (["destroy"], ["stack", "rm"]):
                stack.run(*command, "--yes", "--stack", name)


QUICK_STARTS = {
    "Microsoft SharePoint Online": "secret:qbusiness/intranet-b2C3d4",
    "Amazon S3": "arn:aws:s3:::qbusiness-documents/*",
}
"""The examples of connectors, and a resource in the role policy of each."""


def quick_start(typed: Callable[..., str], connector: str = "Microsoft SharePoint Online") -> str:
    """Deploy the stack `prod` as the quick start does; return the last output."""
    typed("Create the stack", QUICK_START)
    typed(connector, QUICK_START)
    return typed("Deploy the role", QUICK_START)


@pytest.mark.parametrize(("connector", "resource"), QUICK_STARTS.items())
def test_the_quick_start_ends_with_the_arn_of_the_role(
    typed: Callable[..., str], aws: Aws, connector: str, resource: str
):
    arn = quick_start(typed, connector).splitlines()[-1]
    role = aws.iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
    assert role["Arn"] == arn
    assert resource in str(aws.role_policies(role["RoleName"]))
    output = typed("Inspect the stack", QUICK_START)
    assert "roleArn" in output
    assert "This project is written in python" in output


def test_another_environment_is_a_copy_with_its_own_role(typed: Callable[..., str], aws: Aws):
    quick_start(typed)
    before = set(aws.roles())
    typed(
        "Another environment",
        ENVIRONMENTS,
        APPLICATION_ID=STAGING,
        INDEX_ID="b2c3d4e5-6789-01ab-cdef-444444444444",
        SECRET_ID="qbusiness/aem-cloud-staging-a1B2c3",
    )
    (role,) = set(aws.roles()) - before
    assert STAGING in aws.trust_policy(role)
    assert "aem-cloud-staging-a1B2c3" in str(aws.role_policies(role))
    with pytest.raises(AssertionError, match="failed, see the output"):
        typed("Guard against the wrong account", ENVIRONMENTS, ACCOUNT=OTHER_ACCOUNT)
    output = typed("Guard against the wrong account", ENVIRONMENTS, ACCOUNT=ACCOUNT)
    assert "allowedAccountIds is not set" not in output


def test_default_tags_are_set_as_documented(typed: Callable[..., str], aws: Aws):
    quick_start(typed)
    before = set(aws.roles())
    ids = {"APPLICATION_ID": APPLICATION_ARN, "INDEX_ID": INDEX_ID, "SECRET_ID": SECRET_ID}
    typed("Another environment", ENVIRONMENTS, **ids)
    typed("Default tags", ENVIRONMENTS)
    typed("Guard against the wrong account", ENVIRONMENTS, ACCOUNT=ACCOUNT)
    (role,) = set(aws.roles()) - before
    tags = aws.iam.list_role_tags(RoleName=role)["Tags"]
    assert tags == [{"Key": "CostCenter", "Value": "search"}]


def test_a_wrong_list_of_accounts_in_the_state_is_replaced_as_documented(new_stack: NewStack):
    stack = new_stack({**REQUIRED, ALLOWED_ACCOUNTS: [ACCOUNT]})
    stack.up()
    # As after an update that was right for the credentials of that time.
    state = stack.state_file.read_text()
    stack.state_file.write_text(state.replace(f'[\\"{ACCOUNT}\\"]', f'[\\"{OTHER_ACCOUNT}\\"]'))
    assert stack.state_file.read_text() != state
    for command in (["refresh"], ["up"], ["destroy"]):
        refused = stack.run(*command, "--yes", "--skip-preview", check=False)
        assert f"AWS account ID not allowed: {ACCOUNT}" in refused.stdout
    fixed = run_section(stack, "The account is not allowed", DOCS / "faq.md", PULUMI_OPTION_YES="true")
    assert "4 unchanged" in fixed.stdout
    assert stack.drift().exit_code == 0


def test_the_drift_exercise_edits_only_the_role_of_the_stack_and_an_update_corrects_it(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack(REQUIRED)
    stack.up()
    other = {"RoleName": "other", "Description": "of another stack"}
    aws.iam.create_role(**other, AssumeRolePolicyDocument=golden("trust-policy"))
    exercise = commands("Cause drift and correct it", QUICK_START)
    sandbox, _, command = exercise.replace("--stack dev", f"--stack {stack.name}").partition(" -- ")
    assert sandbox == "venv/bin/python -m sandbox run"
    stack.execute(*shlex.split(command))
    assert aws.iam.get_role(RoleName="other")["Role"]["Description"] == other["Description"]
    found = run_section(stack, "Find drift", check=False)
    assert found.returncode != 0
    assert '+ description: "edited by hand"' in found.stdout
    stack.up()
    assert run_section(stack, "Find drift").returncode == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_json_of_a_page_parses(page: Path):
    for block in blocks("json", page.read_text()):
        json.loads(block)


def test_the_keys_that_pages_set_are_keys_of_the_program():
    keys = {
        key
        for page in PAGES
        for script in blocks("sh", page.read_text())
        for key in re.findall(r"(?:--plaintext|--path) '?([a-z][A-Za-z:]*)", script)
    }
    assert keys >= {"applicationId", "aws:region", "tags", "vpcConfiguration"}
    others = {"aws:region", ALLOWED_ACCOUNTS, "aws:defaultTags", "dataSources", "protect"}
    assert keys <= {*KEYS.values(), *others}


def test_a_block_gives_iam_time_after_each_of_two_updates_and_ends_by_looking_for_drift():
    (drift,) = blocks("sh", prose("Find drift"))
    for script in (block for page in PAGES for block in blocks("sh", page.read_text())):
        if script.count("pulumi up") > 1:
            *_, first, pause, second, pause_again, last = script.split(" &&\n")
            assert first == "pulumi up --yes"
            assert second == "pulumi up --refresh --yes"
            assert pause == pause_again == "sleep 60"
            assert last == drift


def test_a_copied_environment_keeps_no_setting_that_names_a_resource():
    removed = re.search(r"rm-all --stack staging ([\w\s\\]+)", ENVIRONMENTS.read_text())
    assert removed
    replaced = {"applicationId", "indexId"}
    kept = {
        *("connector", "ingestScope", "exclusivePolicies", "rolePath", "roleDescription", "tags"),
        "permissionsBoundaryArn",
    }
    assert {*re.findall(r"\w+", removed[1])} == {*KEYS.values(), "dataSources"} - replaced - kept


def test_the_path_of_a_member_is_set_as_the_configuration_page_says(new_stack: NewStack):
    stack = new_stack({**REQUIRED})
    lines = blocks("sh", (DOCS / "configuration.md").read_text())
    stack.execute("sh", "-euc", "".join(lines))
    stack.up()
    shown = json.loads(stack.run("config", "--json").stdout)
    assert json.loads(shown["qbusiness-aem-connector:tags"]["value"]) == {"CostCenter": "search"}


def test_the_commands_on_the_pages_are_targets_of_make():
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for page in (PROJECT / "README.md", *PAGES):
        typed = re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE)
        assert set(typed) <= targets, page


def test_make_help_lists_every_target():
    listed = subprocess.run(["make", "help"], cwd=PROJECT, check=True, capture_output=True, text=True)
    phony = re.findall(r"^\.PHONY: (.*)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)[0]
    # Ignore the lines in which a nested make prints its directory.
    assert re.findall(r"^  make ([\w-]+)\t", listed.stdout, re.MULTILINE) == phony.split()


def test_every_link_between_the_pages_resolves(tmp_path: Path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=PROJECT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    assert {path.parent.name for path in tmp_path.glob("*/index.html")} >= {
        page.stem for page in PAGES if page != QUICK_START
    }


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "plugin/README.md", "template/README.md"]
)
def test_every_link_of_a_page_beside_the_site_resolves_to_a_file_or_a_heading(name: str):
    written = PROJECT / name
    for link in re.findall(r"\]\((?!https:)([^)]+)\)", written.read_text()):
        path, _, heading = link.partition("#")
        page = written.parent / path if path else written
        assert page.is_file(), link
        assert not heading or heading in headings(page), link


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_no_page_or_picture_loads_from_another_server():
    for loading in (PROJECT / "mkdocs.yml", *(DOCS / "assets").iterdir()):
        # The name of the SVG namespace is not an address.
        text = loading.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"http|@import|url\((?!#)", text), loading
    for page in (PROJECT / "README.md", *PAGES):
        assert "```mermaid" not in page.read_text(), page


def test_the_readme_lists_every_page():
    readme = (PROJECT / "README.md").read_text()
    for page in PAGES:
        assert f"(docs/{page.name})" in readme
        assert f"{page.name}" in (PROJECT / "mkdocs.yml").read_text()


def test_each_connector_has_one_successor():
    rows = re.findall(r"^\| (`.*?) \| ", (DOCS / "successor.md").read_text(), re.MULTILINE)
    assert len(rows) == 4
    assert sorted(re.findall(r"`(.*?)`", "".join(rows))) == sorted(CONNECTORS)


def test_a_section_without_commands_is_detected():
    assert commands("Use the role", QUICK_START) == ""
