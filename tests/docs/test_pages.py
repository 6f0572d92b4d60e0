"""Tests `pages/__main__.py`, `pages/markdown.py`, `pages/version.py`, and the pages in docs/."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from components.configuration import ALLOWED_ACCOUNTS, KEYS
from components.connectors import CONNECTORS
from components.problems import Source
from components.rules import render
from pages.examples import APPLICATION_ID, INDEX_ID, KEY_ID
from sandbox.environment import PROJECT
from tests.helpers.page import blocks, prose, run_script, run_section
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import REQUIRED

DOCS = PROJECT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
OTHER_PAGES = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *("plugin/README.md", "sandbox/README.md", "template/README.md"),
)
QUICK_START = DOCS / "index.md"
SANDBOX = PROJECT / "sandbox" / "README.md"


def test_quick_start_ends_with_a_check_that_passes(new_stack: NewStack, aws: Aws):
    reader = new_stack(REQUIRED)
    deployed = run_section(reader, "Deploy the role", QUICK_START).stdout
    (name,) = aws.roles()
    arn = aws.iam.get_role(RoleName=name)["Role"]["Arn"]
    assert f'intranet: "{arn}"' in deployed
    assert "    + 4 created\n" in deployed
    assert "secret:qbusiness/intranet-b2C3d4" in str(aws.role_policies(name))
    index = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}
    qbusiness = aws.client("qbusiness")
    (create,) = blocks("sh", prose("Practice the quick start", SANDBOX))
    created = json.loads(run_script(reader, create).stdout)["dataSourceId"]
    (give,) = blocks("sh", prose("Assign the role", QUICK_START))
    (check,) = blocks("sh", prose("Check the role", QUICK_START))
    for package in ("guardrails", "roles"):
        (reader.directory / package).symlink_to(PROJECT / package)
    run_script(
        reader, f"pulumi config set --path dataSources.intranet.kmsKeyId {KEY_ID} && pulumi up -y"
    )
    give, check = (each.replace("venv/bin/qbusiness-roles", "python -m roles") for each in (give, check))
    give = give.replace("make roles &&\n", "").rstrip() + " --yes"
    shown = run_script(reader, give, DATA_SOURCE=created).stdout
    assert shown.startswith(f"intranet: Intranet {created} gets {arn}\n")
    assert qbusiness.get_data_source(**index, dataSourceId=created)["roleArn"] == arn
    checked = run_script(reader, check).stdout
    allowed = "allow all 15 requests"
    unchecked = "; resource control policies and VPC endpoint policies were not checked\n"
    unconfirmed = f"{allowed} (not confirmed by IAM's simulation){unchecked}"
    assert checked.endswith(f"\n1 note\nthe policies {unconfirmed}")
    assert prose("Check the role", QUICK_START).count(f"{allowed}{unchecked}") == 1
    qbusiness.delete_data_source(**index, dataSourceId=created)
    for file in reader.state_file.parent.glob("prod.json*"):
        file.unlink()


def test_readme_configuration_produces_the_statements_shown():
    readme = (PROJECT / "README.md").read_text()
    (written,) = blocks("yaml", readme)
    (shown,) = blocks("json", readme)
    config = {key.partition(":")[2]: value for key, value in yaml.safe_load(written).items()}
    ((name, entry),) = config.pop("dataSources").items()
    settings = {**config, **entry}
    trust_policy, role_policy, _ = render(name, settings, "", source=Source.PACKAGE)
    trust_statement, *statements = json.loads(shown)
    assert json.loads(trust_policy)["Statement"] == [trust_statement]
    assert [each for each in json.loads(role_policy)["Statement"] if each in statements] == statements


def test_commands_on_configuration_page_take_effect(new_stack: NewStack):
    stack = new_stack(REQUIRED)
    for script in blocks("sh", (DOCS / "configuration.md").read_text()):
        stack.execute("sh", "-euc", script)
    shown = stack.preview("--diff").text
    for entry in ("subnet/subnet-0a1b2c3d4e5f60718", "security-group/sg-0c3d4e5f607182930"):
        assert entry in shown
    assert re.search(r'CostCenter: "search"', shown)


def test_configuration_keys_set_on_pages_exist():
    keys = {
        key
        for page in PAGES
        for script in blocks("sh", page.read_text())
        for key in re.findall(r"(?:--plaintext|--path) '?([a-z][A-Za-z:]*)", script)
    }
    assert keys >= {"applicationId", "aws:region", "tags", "vpcConfiguration"}
    others = {"aws:region", ALLOWED_ACCOUNTS, "aws:defaultTags", "dataSources", "protect"}
    assert keys <= {*KEYS.values(), *others}


def test_the_make_targets_on_the_pages_exist():
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for page in (PROJECT / "README.md", *PAGES):
        typed = re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE)
        assert set(typed) <= targets, page


ALL_PAGES = [*PAGES, *(PROJECT / name for name in OTHER_PAGES)]


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: f"{page.parent.name} {page.stem}")
def test_page_has_valid_json_links_and_tables(page: Path):
    text = page.read_text()
    for block in blocks("json", text):
        json.loads(block)
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.is_file(), link
        assert not heading or heading in headings(target), link
    without_code = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)
    for table in re.findall(r"(?:^\|.*\n)+", without_code, re.MULTILINE):
        # GitHub ends a cell at each vertical bar without a backslash, even in code.
        rows = [re.split(r"(?<!\\)\|", row.strip()) for row in table.splitlines()]
        assert {len(row) for row in rows} == {len(rows[0])}, table
        assert all(set(cell) == {"-"} for cell in rows[1][1:-1]), table


def test_pages_and_headings_in_messages_exist():
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, check=True, capture_output=True, text=True)
    named: set[str] = set()
    for name in listed.stdout.splitlines():
        path = PROJECT / name
        if name.startswith(("docs/", "tests/", "CHANGELOG")) or not path.is_file():
            continue
        # Join the parts of each message, which can continue in the next string or on the next line.
        text = re.sub(r'"\n\s*f?"', "", path.read_text(errors="ignore"))
        text = re.sub(r"\s+", " ", text).replace('\\"', '"')
        found = [
            (page, title) for title, page in re.findall(r'"([A-Z][^"]+)" in docs/([a-z-]+\.md)', text)
        ]
        found += re.findall(r'docs/([a-z-]+\.md), "([^"]+)"', text)
        for page in re.findall(r"docs/([\w-]+\.md)", text):
            assert (DOCS / page).is_file(), (name, page)
            named.add(page)
        for page, title in found:
            heading = rf"^#+ {re.escape(title)}$"
            assert re.search(heading, (DOCS / page).read_text(), re.MULTILINE), (name, title)
            named.add(title)
    assert named >= {"read-permissions.md", "After a crash during an update", "Correct drift"}


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_lists_every_page():
    readme = (PROJECT / "README.md").read_text()
    for page in PAGES:
        assert f"(docs/{page.name})" in readme


def test_successors_of_each_connector_have_source_and_date():
    rows = re.findall(r"^\| (`.*) \|$", (DOCS / "after-q-business.md").read_text(), re.MULTILINE)
    cells = [row.split(" | ") for row in rows]
    named = sorted(re.findall(r"`(.*?)`", "".join(row[0] for row in cells)))
    assert named == sorted(CONNECTORS), "docs/after-q-business.md"
    for row in cells:
        assert re.search(r"\[.*\].* \w+ \d{1,2}, \d{4}$", row[3])


# A block must be one shell command, so that a pasted block stops at the first failure and Pulumi's CLI
# doesn't read further lines as input.

VARIABLE: Final = r"\$(?!aws:)\{?(\w+)"
"""A shell variable; `$aws:` is part of a URN, in single quotes."""
SET: Final = r"^export .*|\b\w+=(?=\$\()"
"""Assignments in a block: `export NAME=VALUE`, and `NAME=$(command)`."""


def all_blocks() -> Iterator[tuple[str, str, str]]:
    """Yield each block's place and text, and the page's earlier blocks, whose exports stay in effect."""
    for page in ALL_PAGES:
        before = ""
        for number, text in enumerate(blocks("sh", page.read_text()), start=1):
            yield f"{page.parent.name} {page.stem} {number}", text, before
            before += text


def is_complete(script: str) -> bool:
    """Return whether bash would run a script instead of waiting for more lines."""
    return not subprocess.run(["bash", "-nc", script], check=False, capture_output=True).returncode


def test_each_shell_block_is_one_command():
    for place, text, _ in all_blocks():
        script = text.replace("\\\n", " ")
        tokens = shlex.shlex(script, posix=True, punctuation_chars=True)
        tokens.whitespace_split = True
        tokens.commenters = ""
        operators = {token for token in tokens if set(token) <= set("&|;<>")}
        assert operators <= {"&&", ">"}, place
        assert is_complete(script), place
        lines = script.splitlines()
        for end in range(1, len(lines)):
            assert not is_complete("\n".join(lines[:end])), (place, lines[end - 1])


def test_each_variable_in_a_block_is_set_or_checked():
    for place, text, before in all_blocks():
        given = {
            name
            for found in re.findall(SET, before + text, re.MULTILINE)
            for name in re.findall(r"(\w+)=", found)
        }
        for found in re.finditer(VARIABLE, text):
            checked = re.search(rf"\$\{{{found[1]}:\?", text[: found.end() + 2])
            assert found[1] in given or checked, (place, found[1])
