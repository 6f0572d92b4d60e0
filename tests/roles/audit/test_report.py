"""Tests `roles/audit/report.py` and `command.py`."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, OTHER_ACCOUNT
from roles.audit.records import OUTCOMES, RESULTS, Record
from roles.audit.report import rows
from sandbox.environment import PROJECT
from tests.helpers.page import blocks, prose
from tests.helpers.world import TRUST, World, allow, policy
from tests.roles.audit.help import add_audit_role, add_elsewhere

PAGE: Final = PROJECT / "docs" / "audit.md"
HEAD: Final = {"date": "2026-11-30 06:17 UTC", "caller": "", "version": "0.3.0", "place": ""}


def dated(text: str) -> str:
    """Return a report with the date and version of the example in docs/audit.md."""
    text = re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", HEAD["date"], text)
    return re.sub(r"(qbusiness-roles |session,|\"version\": \")\d+\.\d+\.\d+", r"\g<1>0.3.0", text)


@pytest.mark.slow
def test_report_on_three_accounts_matches_page_and_golden_file(
    world: World, assert_golden: Callable[[Path, str], None]
):
    part = prose("Several accounts", PAGE)
    (command, *_), (shown,) = blocks("sh", part), blocks("text", part)
    entry, *_ = blocks("yaml", PAGE.read_text())
    caller = f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/session"
    identity = {"UserId": "A", "Account": ACCOUNT, "Arn": caller}
    world.server.answers["sts:GetCallerIdentity"] = identity
    there = add_audit_role(world, OTHER_ACCOUNT, name="qbusiness-audit")
    world.add_own(name="Intranet")
    add_elsewhere(
        world, world, ACCOUNT, allow("sqs:*", "*", Sid="Queues"), name="Handbook", region="eu-west-1"
    )
    add_elsewhere(world, there, OTHER_ACCOUNT, allow("iam:PutRolePolicy", "*", Sid="Roles"), name="Wiki")
    add_elsewhere(world, there, OTHER_ACCOUNT, name="Assets")
    world.path("accepted.yaml").write_text(entry)
    options = command.replace("\\\n", "").split()[2:]
    said = world.audit(*options)
    assert said.code == 1
    assert dated(said.out) + said.err + said.remark == shown
    in_fence = world.audit("--markdown", *options).out
    assert dated(in_fence) == f"~~~text\n{dated(said.out)}~~~\n"
    table = dated(world.audit("--csv", *options).out.replace("\r\n", "\n"))
    assert_golden(Path(__file__).with_name("report.csv"), table)
    document = json.loads(dated(world.audit("--json", *options).out))
    assert document["states"] == {"dangerous": 1, "accepted": 1, "equivalent": 2}
    columns = ("displayName", "account", "region", "lastUsed", "state", "result")
    assert [[each[name] for name in columns] for each in document["dataSources"]] == [
        ["Wiki", OTHER_ACCOUNT, "us-east-1", "none", "dangerous", "1 dangerous"],
        ["Handbook", ACCOUNT, "eu-west-1", "none", "accepted", "1 accepted"],
        ["Intranet", ACCOUNT, "us-east-1", "none", "equivalent", "equivalent"],
        ["Assets", OTHER_ACCOUNT, "us-east-1", "none", "equivalent", "equivalent"],
    ]
    # A finding has the same entries in CSV and JSON.
    found = [{name: document[name] for name in HEAD} | each for each in document["findings"]]
    plain = [
        {name: it if isinstance(it, str) else "; ".join(it) for name, it in each.items()}
        for each in found
    ]
    assert [*csv.DictReader(table.splitlines())] == plain


def test_csv_cells_contain_no_formulas_or_control_characters():
    cells = {
        **{f"{start}1+1": f"'{start}1+1" for start in "=+-@\uff1d\uff0b\uff0d\uff20"},
        **{f"x;{start}1+1": f"x;'{start}1+1" for start in "=+-@\uff1d\uff0b\uff0d\uff20"},
        "a=1": "a=1",
        "a;b=1; c, =1": "a;b=1; c, =1",
        'x;y; "=1;=2': "x;y; \"'=1;'=2",
        " =1": " '=1",
        "Gr\xf6\xdfe, \u6587": "Gr\xf6\xdfe, \u6587",
        "two\nlines\x1b[2J\u202e": "two\\nlines\\x1b[2J\\u202e",
        "\t=1": "\\t=1",
    }
    header, *finding_rows = rows(HEAD, [Record("note", "", text=text) for text in cells])
    assert [row[header.index("text")] for row in finding_rows] == [*cells.values()]
    _, row = rows(HEAD, [Record("note", "", details=("a", "=1"))])
    assert row[header.index("details")] == "a; '=1"


@pytest.mark.slow
def test_csv_is_utf_8_and_follows_rfc_4180_in_any_environment(world: World):
    world.add_own()
    world.server.qbusiness.resources[APPLICATION_ID,]["displayName"] = "Gr\xf6\xdfe, \u6587"
    done = subprocess.run(
        [sys.executable, "-m", "roles", "audit", "--csv"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(PROJECT)},
    )
    header, row, end = done.stdout.split(b"\r\n")
    assert header.startswith(b"date,caller,version,place,id,kind,account,")
    assert f',"Gr\xf6\xdfe, \u6587 {APPLICATION_ID}",' in row.decode()
    assert end == b""


@pytest.mark.slow
def test_worst_result_determines_exit_code(world: World):
    line = world.audit().rejection
    place = f"us-east-1, account {ACCOUNT}"
    text = f"there is no Amazon Q Business data source in {place}: pass the applications' Region with "
    assert line.startswith(f"audit: {text}")
    said = world.audit("--allow-empty")
    assert said.code == 0
    assert said.out.endswith(f"\ndata sources in {place}: none\n")
    world.add("Queue", None, kind="CUSTOM")
    world.add_own()
    assert world.audit().code == 0
    world.add("Unknown", world.role("x"), kind="UNHEARD_OF")
    assert world.audit().code == 3
    world.reject("kms:DescribeKey", "qbusiness:ListDataSourceSyncJobs")
    world.add_own(name="Other", secret={"KmsKeyId": "1234abcd-12ab-34cd-56ef-1234567890ab"})
    said = world.audit()
    assert said.code == 2
    assert said.err.startswith("audit: not everything could be read: docs/read-permissions.md lists")
    world.add_own(name="Lacking", without="AllowsAmazonQToGetSecret")
    assert world.audit().code == 1


def test_audit_page_lists_every_result():
    listed = re.findall(r"^\| (?:N )?([a-z ]+) \|", prose("Results", PAGE), re.MULTILINE)
    expected = {*OUTCOMES, *RESULTS, "not completely compared"}
    assert sorted(listed) == sorted(expected - {"lacking access", "different", "unused", "note"})


@pytest.mark.slow
def test_audit_page_shows_output_for_dangerous_trust_policy(world: World):
    (statement,) = json.loads(TRUST)["Statement"]
    del statement["Sid"]
    del statement["Condition"]
    old = f"{APPLICATION_ARN.rpartition('/')[0]}/old"
    condition = {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnEquals": {"aws:SourceArn": old}}
    world.add_own(name="Wiki", trust=policy(statement, {**statement, "Condition": condition}))
    (shown,) = blocks("text", prose("Dangerous access", PAGE))
    assert f"\n\n{shown}\n" in world.audit().out
