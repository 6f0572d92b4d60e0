"""`roles audit --csv` prints rows for a spreadsheet or a query."""

import csv
import os
import subprocess
import sys
from io import StringIO

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION
from roles.audit.spreadsheet import COLUMNS
from sandbox.environment import PROJECT
from tests.helpers.world import OWN, World, allow

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
