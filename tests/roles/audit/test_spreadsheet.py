"""`roles audit --csv` prints rows for a spreadsheet or a query."""

import csv
import json
import os
import subprocess
import sys
from io import StringIO
from typing import Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, OTHER_ACCOUNT, REGION
from roles.audit.spreadsheet import COLUMNS
from sandbox.environment import PROJECT
from tests.helpers.world import OWN, World, allow, own_policy
from tests.roles.audit.help import add_audit_role, add_elsewhere, shared_role

pytestmark = pytest.mark.slow


def rows(world: World, *options: str) -> list[dict[str, str]]:
    """Return the rows, each without its empty cells."""
    out = world.audit("--csv", *options).out
    return [{name: cell for name, cell in row.items() if cell} for row in csv.DictReader(StringIO(out))]


def test_each_finding_is_a_row(world: World):
    identifier = world.add_own(allow("sqs:*", "*", Sid="Queues"), allow("*", "*", Sid="All"))
    common = {
        "account": ACCOUNT,
        "region": REGION,
        "application": f"Docs {APPLICATION_ID}",
        "index": f"Main {INDEX_ID}",
        "dataSource": identifier,
        "name": "Pages",
        "connector": "aem-cloud",
        "role": world.role_arn,
        "lastUsed": "none",
        "state": "dangerous",
        "result": "1 dangerous, 1 in excess",
        "policy": OWN,
        "resources": "*",
    }
    danger = "allows becoming an administrator"
    first, second = rows(world)
    assert {**first, "danger": danger} == {
        **common,
        "finding": "dangerous",
        "danger": danger,
        "statement": "All",
        "actions": "*",
    }
    assert second == {**common, "finding": "excess", "statement": "Queues", "actions": "sqs:*"}


def test_row_of_missing_access_names_only_data_sources_that_lack_it(world: World):
    role_arn = world.role("qbusiness-shared", own_policy(world.secret("jira")))
    jira = world.add("Jira", role_arn, world.secret("other"))
    wiki = world.add("Wiki", role_arn, world.secret("wiki"))
    found = [(row["finding"], row["dataSource"]) for row in rows(world)]
    assert sorted(found) == [
        ("excess", f"{jira}; {wiki}"),
        ("missing", jira),
        ("missing", wiki),
    ]


def test_rows_follow_for_everything_else(world: World):
    there = add_audit_role(world, OTHER_ACCOUNT)
    role_arn = add_elsewhere(world, there, OTHER_ACCOUNT, name="Fine")
    world.add("Broken", None, world.secret("broken"))
    shared_role(world, "jira", "wiki")
    world.role("qbusiness-unused")
    world.reject("kms:ListGrants")
    world.reject(f"{OTHER_ACCOUNT} iam:ListAttachedRolePolicies")
    options = ("--account", ACCOUNT, "--account", OTHER_ACCOUNT, "--account", "1" * 12)
    found = rows(world, *options, "--assume-role", "security/audit", "--region", REGION, "--region", "x")
    assert [(row.get("role", ""), row["state"], row.get("finding", "")) for row in found] == [
        ("", "invalid", "invalid"),
        (f"arn:aws:iam::{ACCOUNT}:role/qbusiness-shared", "different", "shared"),
        (f"arn:aws:iam::{ACCOUNT}:role/qbusiness-shared", "different", "shared"),
        (role_arn, "not compared", ""),
        ("", "not compared", ""),
        ("", "not compared", ""),
        ("", "not compared", ""),
        (f"arn:aws:iam::{ACCOUNT}:role/qbusiness-unused", "unused", ""),
    ]
    denied, failed, unavailable = found[-4:-1]
    assert (denied["account"], denied["result"]) == (
        OTHER_ACCOUNT,
        "iam:ListAttachedRolePolicies is not allowed on at least some resources",
    )
    assert failed["account"] == "1" * 12
    assert "cannot be assumed" in failed["result"]
    assert unavailable["region"] == "x"


def test_accepted_finding_has_date_and_reason(world: World):
    world.add_own(allow("sqs:*", "*", Sid="Queues"))
    entry = {"role": world.role_arn, "policy": OWN, "sid": "Queues", "reason": "moves, soon"}
    world.path("accepted.yaml").write_text(json.dumps([{**entry, "until": "2999-12-31"}]))
    (row,) = rows(world, "--accept", "accepted.yaml")
    assert (row["state"], row["acceptedUntil"], row["reason"]) == (
        "accepted",
        "2999-12-31",
        "moves, soon",
    )


CELLS: Final = {
    "=1+1": "'=1+1",
    "+1": "'+1",
    "-1": "'-1",
    "@SUM(A1)": "'@SUM(A1)",
    "\uff1d1": "'\uff1d1",
    "a=1": "a=1",
    'Gr\xf6\xdfe, "\u6587"': 'Gr\xf6\xdfe, "\u6587"',
    "two\nlines\x1b[2J\u202e": "two\\nlines\\x1b[2J\\u202e",
    "\t=1": "\\t=1",
}
"""Texts, and the cells that contain them."""


def test_no_cell_is_a_formula_or_controls_a_terminal(world: World):
    world.add_own(*(allow("sqs:*", "*", Sid=f"Queues{number}") for number in range(len(CELLS))))
    common = {"role": world.role_arn, "policy": OWN, "until": "2999-12-31"}
    entries = [{**common, "sid": f"Queues{number}", "reason": it} for number, it in enumerate(CELLS)]
    world.path("accepted.yaml").write_text(json.dumps(entries))
    assert [row["reason"] for row in rows(world, "--accept", "accepted.yaml")] == [*CELLS.values()]


def test_output_is_rfc_4180_in_utf_8_whatever_the_encoding(world: World):
    world.add_own()
    world.rename_application("Gr\xf6\xdfe, \u6587")
    done = subprocess.run(
        [sys.executable, "-m", "roles", "audit", "--csv"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(PROJECT)},
    )
    header, row, end = done.stdout.split(b"\r\n")
    assert header.decode() == ",".join(COLUMNS)
    assert f',"Gr\xf6\xdfe, \u6587 {APPLICATION_ID}",' in row.decode()
    assert end == b""
