"""Measure the commands of the Makefile after a warm-up run."""

import os
import re
import subprocess
import time
from typing import Final

from benchmarks.measuring import Command, measure
from benchmarks.programs import laboratory, operation
from benchmarks.table import table
from sandbox.environment import PROJECT

_REASONS: Final = {
    "tests/test_benchmarks.py": "deploys each of the compared programs",
    "tests/test_concurrency.py": "waits until two updates run at the same time",
    "tests/test_crashes.py": "kills an update and a destroy, recovers, and updates again",
    "tests/test_faults.py": "fails each call of an update, for four roles",
    "tests/test_package.py": "`pulumi install` and `pulumi package add` install packages",
    "tests/test_adopt.py": "imports a role from beginning to end",
    "tests/authorization/test_all_of_aws.py": "evaluates every action of AWS",
    "tests/authorization/test_decisions.py": "evaluates 14,000 requests in the policy simulator",
    "tests/authorization/test_mutants.py": "runs the simulator on mutants of the documents",
    "tests/authorization/test_never.py": "proofs by a solver",
    "tests/test_generated_settings.py": "900 generated settings",
    "tests/test_guardrails_engine.py": "runs programs with the policy pack, one more process",
}


def section() -> str:
    """Measure `make up`, `make preview` and `make test`, and return the section."""
    with laboratory() as here:
        pair, empty = here.by_hand(), here.empty()
        for stack in (pair, empty):
            stack.up()
        commands = {
            name: Command(["make", name.partition(" ")[2]], PROJECT, os.environ)
            for name in ("make up", "make preview")
        }
        commands |= {
            "preview of hand-written resources": operation(pair, "preview"),
            "preview of an empty program": operation(empty, "preview"),
        }
        subprocess.run(["make", "up"], cwd=PROJECT, check=True, capture_output=True)
        runs = measure(commands)
    return (
        "## Sandbox and tests\n\n"
        "Commands of the Makefile in a warm sandbox, and the fastest comparable programs:\n\n"
        f"{table(runs, 'preview of an empty program')}\n"
        f"{_tests()}"
    )


def _tests() -> str:
    begin = time.monotonic()
    tested = subprocess.run(["make", "test"], cwd=PROJECT, check=True, capture_output=True, text=True)
    took = time.monotonic() - begin
    (passed,) = re.findall(r"(\d+) passed", tested.stdout)
    slowest = re.findall(r"^([\d.]+)s \w+ +([^:]+)::(\S.*)$", tested.stdout, re.MULTILINE)
    lines = [
        f"`make test`: {passed} tests in {took:.0f} s. The slowest tests:\n",
        "| s | test | reason |\n|---|---|---|",
        *(
            f"| {seconds} | `{file}`, {name.replace('|', ' ')} | {_REASONS.get(file, '')} |"
            for seconds, file, name in slowest
        ),
    ]
    return "\n".join(lines) + "\n"
