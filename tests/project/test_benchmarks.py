"""Test that the benchmarks compare equivalent programs and show the measured figures."""

import re
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import PAGE, SECTIONS
from benchmarks.measuring import Command, Run, measure, ratio, spread
from benchmarks.policies import figures_of
from benchmarks.programs import Laboratory
from benchmarks.table import table
from sandbox.environment import PROJECT
from tests.helpers.stacks import Aws


def test_a_ratio_compares_the_runs_of_one_round():
    # The machine was twice as slow in the second round, for both commands.
    ours = [Run(1.1, 1, 1), Run(2.2, 1, 1), Run(1.1, 1, 1)]
    base = [Run(1.0, 1, 1), Run(2.0, 1, 1), Run(1.0, 1, 1)]
    assert ratio(ours, base, "wall") == pytest.approx(1.1)
    assert spread([3, 1, 2]) == (2, 1, 3)


def test_commands_run_in_turn_after_one_warm_up_run(tmp_path: Path):
    log = tmp_path / "log"
    commands = {
        name: Command(["sh", "-c", f"echo {name} >>{log}"], tmp_path, {"PATH": "/usr/bin:/bin"})
        for name in "AB"
    }
    runs = measure(commands, 2)
    assert log.read_text().split() == ["A", "B", "A", "B", "A", "B"]
    assert [len(measured) for measured in runs.values()] == [2, 2]


def test_a_failed_command_is_not_measured(tmp_path: Path):
    broken = Command([sys.executable, "-c", "raise SystemExit('no role')"], tmp_path, {})
    with pytest.raises(RuntimeError, match="no role"):
        broken.run()


@pytest.mark.slow
def test_reading_and_comparing_policies_is_measured_in_a_checkout():
    figures = figures_of(PROJECT)
    assert [*figures] == [
        "guardrails, 50 roles",
        "guardrails, 500 roles",
        "audit, 500 data sources under 20 roles",
        "audit, 500 data sources under 500 roles",
    ]
    assert all(seconds > 0 for seconds in figures.values())


def test_a_table_shows_medians_with_their_spread_and_ratios():
    runs = {"one": [Run(1, 2, 100), Run(3, 2, 100)], "other": [Run(4, 4, 200), Run(4, 4, 200)]}
    assert table(runs, "one").splitlines()[3] == (
        "| other | 4.00 (4.00 to 4.00) | 2.67 | 4.00 (4.00 to 4.00) | 2.00 | 200 (200 to 200) | 2.00 |"
    )


def test_the_compared_programs_write_the_same_documents(
    environment: dict[str, str], aws: Aws, tmp_path: Path
):
    here = Laboratory(tmp_path, environment)
    documents: set[tuple[str, str]] = set()
    for stack in (
        here.components(1),
        here.by_hand(),
        here.component_by_hand(),
        here.by_hand(looks_up_account=True),
    ):
        before = set(aws.roles())
        stack.up()
        (role,) = set(aws.roles()) - before
        (policy,) = aws.role_policies(role).values()
        documents.add((aws.trust_policy(role), policy))
    ((trust, policy),) = documents
    assert "123456789012" in trust
    assert len(re.findall('"Sid"', policy)) == 9


def test_each_section_of_the_page_names_the_machine_that_measured_it():
    sections = re.findall(
        r"^<!-- ([\w-]+) -->\n(.*?)^<!-- end of \1 -->", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert {"one-role", "start"} <= {name for name, _ in sections} <= set(SECTIONS)
    for _, text in sections:
        assert re.search(r"^Measured on \d{4}-\d\d-\d\d: \d+ cores of .*pulumi-aws", text, re.MULTILINE)


@pytest.mark.parametrize("number", [1, 10, 100])
def test_the_conclusions_have_the_figures_of_the_measurements(number: int):
    _, _, section = PAGE.read_text().partition(f"<!-- roles-{number} -->\n")
    measured = re.findall(
        r"^\| this project's components \| ([\d.]+) \(.*?\) \| ([\d.]+) ", section, re.MULTILINE
    )
    (preview, previewed), (update, updated) = measured[:2]
    row = f"| {number} | {preview} s | {previewed} | {update} s | {updated} |\n"
    assert row in (PROJECT / "docs" / "performance.md").read_text()
    picture = (PROJECT / "docs" / "assets" / "performance.svg").read_text()
    assert f">{previewed}</text>" in picture
    assert f">{updated}</text>" in picture
