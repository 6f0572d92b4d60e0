"""Tests pages/configuration, declarations, permissions, template_requirements, and template_workflow."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest

from pages import permissions
from pages.__main__ import PAGES
from pages.version import with_version
from sandbox.environment import PROJECT
from tests.helpers import expected
from tests.helpers.connector_facts import FACTS, Facts, shapes
from tests.helpers.installing import VERSION
from tests.helpers.page import blocks
from tests.helpers.support import golden


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_generated_page_is_up_to_date(path: Path):
    assert path.read_text() == PAGES[path](), "run `venv/bin/python -m pages`"


def pins(file: str) -> dict[str, str]:
    """Return the version of each package that a file pins."""
    text = (PROJECT / file).read_text()
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))


def test_ci_and_template_pin_tested_versions_of_every_package():
    locked = pins("requirements-locked.txt")
    assert locked == pins("template/requirements.txt")
    assert locked.items() <= pins("requirements-dev.txt").items()
    required = "".join(
        (PROJECT / folder / "requirements.txt").read_text() for folder in (".", "roles", "guardrails")
    )
    assert {"pip", "setuptools", *re.findall(r"^[\w-]+", required, re.MULTILINE)} <= locked.keys()
    text = (PROJECT / "requirements-locked.txt").read_text()
    packages = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in package for package in packages)


@pytest.mark.parametrize("facts", FACTS.values(), ids=FACTS)
def test_connector_page_shows_exactly_expected_statements(facts: Facts):
    *_, options = shapes(facts)
    if options.network_arns:
        options = options._replace(vpc="VPC")
    shown = blocks("json", permissions.connector_page(facts.name))
    assert [statement for block in shown for statement in json.loads(block)] == [
        *expected.role_policy(
            options._replace(ingest_scope="applicationAndIndex"), connector=facts.name
        )["Statement"],
        *json.loads(golden("trust-policy"))["Statement"],
    ]


def test_connector_page_shows_when_statement_is_included():
    for connector, sid, when in (
        ("webcrawler", "AllowsAmazonQToGetS3Objects", "with `bucketName`"),
        ("webcrawler", "AllowsAmazonQToGetSecret", "with `secretId`"),
        ("s3-v1", "AllowsAmazonQToGetObjectfromS3", "always"),
        ("jira", "AllowsAmazonQToGetSecret", "always"),
        ("gmail", "AllowsAmazonQToCreateTags", "with `vpcConfiguration`"),
    ):
        assert f"\n- **`{sid}`**, {when}: " in permissions.connector_page(connector)


def test_permissions_command_prints_connector_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["pages", "permissions", "--connector", "s3-v2"])
    monkeypatch.delitem(sys.modules, "pages.__main__")
    runpy.run_module("pages", run_name="__main__")
    assert capsys.readouterr().out == permissions.connector_page("s3-v2")


def test_generated_files_contain_version_of_package(tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("version: 0.0.1.dev0+g1\n  version: 0.0.1\nx @ git+https://x@v0.0.1 0.0.1\n")
    assert with_version(file) == (
        f"version: {VERSION}\n  version: 0.0.1\nx @ git+https://x@v{VERSION} 0.0.1\n"
    )
