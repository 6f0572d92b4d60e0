"""Test that docs/performance.md shows the measured figures."""

import re

import pytest

from benchmarks.__main__ import PAGE
from sandbox.environment import PROJECT


@pytest.mark.parametrize("number", [1, 10, 100])
def test_the_conclusions_have_the_figures_of_the_measurements(number: int):
    _, _, section = PAGE.read_text().partition(f"<!-- roles-{number} -->\n")
    measured = re.findall(
        r"^\| this project's components \| ([\d.]+) \(.*?\) \| ([\d.]+) ", section, re.MULTILINE
    )
    (preview, previewed), (update, updated) = measured[:2]
    row = f"| {number} | {preview} s | {previewed} | {update} s | {updated} |\n"
    assert row in (PROJECT / "docs" / "performance.md").read_text()
