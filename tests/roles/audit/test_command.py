"""The options, exit codes, and JSON document of `roles audit`."""

import json
import re
from pathlib import Path
from typing import Final

import pytest

from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    OTHER_ACCOUNT,
    REGION,
    SECRET_ID,
)
from roles.audit.accepted import read_acceptances
from roles.audit.severity import LABELS
from roles.audit.survey import Outcome
from sandbox.environment import PROJECT
from tests.helpers.page import blocks, prose
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import SETTINGS, TRUST, World, allow, policy

pytestmark = pytest.mark.slow

PAGE: Final = PROJECT / "docs" / "audit.md"


@pytest.mark.parametrize("empty", ["index", "account"])
def test_audit_without_data_sources_fails_unless_allowed(world: World, empty: str):
    if empty == "account":
        world.server.qbusiness.resources.clear()
    line = world.audit().rejection
    assert line.startswith(
        f"audit: there is no Amazon Q Business data source in us-east-1, account {ACCOUNT}: pass the "
        "applications' Region with --region, or"
    )
    assert "--allow-empty" in line
    error = line.removeprefix("audit: ")
    place = {"account": ACCOUNT, "region": REGION, "regions": [REGION]}
    assert world.audit("--json").json == {"error": error, **place}
    said = world.audit("--allow-empty")
    assert said.code == 0
    assert said.out == f"\n0 data sources with 0 roles in us-east-1, account {ACCOUNT}\n"
    markdown = world.audit("--markdown", "--allow-empty").out
    assert markdown.startswith(f"**0 data sources with 0 roles in us-east-1, account {ACCOUNT}**\n")
    assert world.audit("--json", "--allow-empty").json["dataSources"] == []


@pytest.mark.usefixtures("deployed")
def test_stack_entries_are_shown_with_their_roles(world: World):
    world.add_own(name="Wiki")
    owned = world.role_arn
    world.add_own(allow("sqs:*", "*"), name="Pages")
    entries = {f"{PROJECT_NAME}:dataSources": {"wiki": {"secretId": SECRET_ID}}}
    world.settings = {key: SETTINGS[key] for key in SETTINGS if key.endswith((":region", "nId", "xId"))}
    world.settings |= entries
    world.outputs = {"roleArns": {"wiki": owned}}
    world.check()  # writes Pulumi's output
    said = world.audit("--stack", "dev", "--json")
    assert (said.json["stack"], said.json["region"]) == ("dev", REGION)  # the stack's Region
    assert [(role["role"], role["entry"]) for role in said.json["roles"]] == [
        (world.role_arn, None),
        (owned, "wiki"),
    ]
    said = world.audit("--stack", "dev")
    assert re.search(r"^Wiki  +aem-cloud  qbusiness-Wiki   wiki   1 +none ", said.out, re.MULTILINE)
    assert re.search(r"^Pages +aem-cloud  qbusiness-Pages +1 ", said.out, re.MULTILINE)
    assert "| `qbusiness-Wiki` | `wiki` | 1 | none |" in world.audit("--stack", "dev", "--markdown").out
    assert "ENTRY" not in world.audit().out
    world.outputs = {"roleArns": {"wiki": owned.replace(ACCOUNT, OTHER_ACCOUNT)}}
    world.check()
    assert (
        f"audit: stack dev is in account {OTHER_ACCOUNT}, but" in world.audit("--stack", "dev").rejection
    )


def test_audit_page_lists_every_result():
    listed = re.findall(r"^\| (?:N )?([a-z ,]+) \|", prose("Results", PAGE), re.MULTILINE)
    expected: set[str] = {*Outcome, *LABELS.values()} - {Outcome.LACKING, Outcome.DIFFERENT}
    expected |= {"role, secret, key, or bucket does not exist", "secret is scheduled for deletion"}
    assert sorted(listed) == sorted(expected)


def test_audit_page_shows_output_for_dangerous_trust_policy(world: World):
    (statement,) = json.loads(TRUST)["Statement"]
    del statement["Sid"]
    del statement["Condition"]
    old = f"{APPLICATION_ARN.rpartition('/')[0]}/old"
    condition = {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnEquals": {"aws:SourceArn": old},
    }
    trust = policy(statement, {**statement, "Condition": condition})
    world.add_own(name="Wiki", trust=trust)
    (shown,) = blocks("text", prose("Dangerous access", PAGE))
    assert f"\n\n{shown}\n" in world.audit().out


def test_file_of_accepted_findings_on_audit_page_is_valid(tmp_path: Path):
    path = tmp_path / "accepted.yaml"
    path.write_text("".join(blocks("yaml", PAGE.read_text())))
    assert [each.policy for each in read_acceptances(path)] == ["template", ""]
