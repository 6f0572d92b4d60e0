"""`roles audit --csv` prints rows for a spreadsheet or a query."""

import os
import subprocess
import sys

import pytest

from pages.examples import APPLICATION_ID
from roles.audit.spreadsheet import COLUMNS
from sandbox.environment import PROJECT
from tests.helpers.world import World

pytestmark = pytest.mark.slow


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
