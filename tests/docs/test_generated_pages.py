"""Test that the generated pages are up to date and complete."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.connectors import CONNECTORS
from components.stack_config import KEYS
from pages import permissions
from pages.__main__ import PAGES
from pages.example_calls import FULL, FULL_OF_SOURCE, FULL_WITH_FILES, Options
from sandbox.environment import PROJECT
from tests.authorization.cases import render
from tests.helpers import expected
from tests.helpers.connector_facts import FACTS, Facts, shapes
from tests.helpers.page import blocks, prose
from tests.helpers.support import golden

DOCS = PROJECT / "docs"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_generated_page_is_up_to_date(path: Path):
    assert path.read_text() == PAGES[path]()


@pytest.mark.parametrize("key", ["aws:region", *KEYS.values()])
def test_the_configuration_page_documents_every_key(key: str):
    text = (DOCS / "configuration.md").read_text()
    assert re.search(rf"^\| `{key}`<br>\w.* \| \w", text, re.MULTILINE)
    assert re.search(rf"^\| `{key}(\.\S+)?`.* \| .* \| \S.* \| ", text, re.MULTILINE)


def pins(file: str) -> dict[str, str]:
    """Return the version of each package that a file pins."""
    text = (PROJECT / file).read_text()
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))


def test_template_pins_every_required_package():
    for folder in (".", "roles", "guardrails"):
        required = (PROJECT / folder / "requirements.txt").read_text()
        assert {*re.findall(r"^[\w-]+", required, re.MULTILINE)} <= pins(
            "template/requirements.txt"
        ).keys()


def test_ci_installs_tested_versions_with_hashes():
    locked = pins("template/requirements-locked.txt")
    assert locked == pins("template/requirements.txt") == pins("requirements-locked.txt")
    assert locked.items() <= pins("requirements-dev.txt").items()
    assert {"pip", "setuptools"} <= locked.keys()
    text = (PROJECT / "template/requirements-locked.txt").read_text()
    packages = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in package for package in packages)


def test_configuration_page_lists_every_connector():
    section = prose("Connectors", DOCS / "configuration.md")
    assert re.findall(r"^\| `(.*?)`", section, re.MULTILINE) == [*CONNECTORS]


@pytest.mark.parametrize(
    ("name", "title", "needs"),
    [
        ("gmail", "Gmail", "required | no | earlier versions | supported | GMAILV2, GMAIL"),
        ("s3-v2", "Amazon S3, new", "no | required | no | supported | S3V2"),
        (
            "webcrawler",
            "Web Crawler",
            "optional | optional | optional | supported | WEBCRAWLERV2, WEBCRAWLER",
        ),
    ],
)
def test_configuration_page_shows_connector_requirements(name: str, title: str, needs: str):
    link = f"https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/{name}-iam-role.html"
    row = f"\n| `{name}`<br>[{title}]({link}) | {needs} |\n"
    assert row in (DOCS / "configuration.md").read_text()


@pytest.mark.parametrize("options", [FULL, FULL_WITH_FILES, FULL_OF_SOURCE], ids=str)
def test_permissions_page_shows_every_statement(options: Options):
    shown = statements((DOCS / "permissions.md").read_text())
    for policy in render(options._replace(vpc="VPC")):
        for statement in policy["Statement"]:
            assert statement in shown


def statements(page: str) -> list[Any]:
    return [statement for block in blocks("json", page) for statement in json.loads(block)]


def test_permissions_page_gives_reasons_of_connector_pages():
    def reasons(page: str) -> dict[str, str]:
        return dict(re.findall(r"^- \*\*`(\w+)`\*\*, .+?: (.+)$", page, re.MULTILINE))

    shown = reasons((DOCS / "permissions.md").read_text())
    for connector in ("aem-cloud", "s3-v2", "webcrawler"):
        given = reasons(permissions.connector_page(connector))
        assert len(given) >= 5
        assert given.items() <= shown.items()


@pytest.mark.parametrize("facts", FACTS.values(), ids=FACTS)
def test_connector_page_shows_exactly_expected_statements(facts: Facts):
    *_, options = shapes(facts)
    if options.network_arns:
        options = options._replace(vpc="VPC")
    assert statements(permissions.connector_page(facts.name)) == [
        *expected.role_policy(options._replace(ingest_scope="applicationAndIndex"))["Statement"],
        *json.loads(golden("trust-policy"))["Statement"],
    ]


@pytest.mark.parametrize(
    ("connector", "sid", "when"),
    [
        ("webcrawler", "AllowsAmazonQToGetS3Objects", "with `bucketName`"),
        ("webcrawler", "AllowsAmazonQToGetSecret", "with `secretId`"),
        ("s3-v1", "AllowsAmazonQToGetObjectfromS3", "always"),
        ("s3-v1", "AllowsAmazonQToDecryptSecret", "with `kmsKeyId`"),
        ("jira", "AllowsAmazonQToGetSecret", "always"),
        ("jira", "AllowsAmazonQToCreateTags", "with `vpcConfiguration`"),
    ],
)
def test_connector_page_says_when_statement_is_included(connector: str, sid: str, when: str):
    assert f"\n- **`{sid}`**, {when}: " in permissions.connector_page(connector)


def test_permissions_command_prints_connector_page():
    command = [sys.executable, "-m", "pages", "permissions", "--connector", "s3-v2"]
    printed = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    assert printed.stdout == permissions.connector_page("s3-v2")
