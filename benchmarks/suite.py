"""Measure `make unit` and `make test`."""

import re
import subprocess
import time
from typing import Final

from sandbox.environment import PROJECT

_REASONS: Final = {
    "tests/engine/test_concurrency.py": "waits until two updates run at the same time",
    "tests/engine/test_crashes.py": "kills an update and a destroy, recovers, and updates again",
    "tests/engine/test_faults.py": "fails each call of an update, for four roles",
    "tests/plugin/test_package.py": "`pulumi install` and `pulumi package add` install packages",
    "tests/roles/adopt/test_in_place.py": "imports a role from beginning to end",
    "tests/authorization/test_all_of_aws.py": "evaluates every action of seven services",
    "tests/authorization/test_never.py": "proofs by a solver",
    "tests/engine/test_connectors_engine.py": "previews 286 roles",
    "tests/project/test_live.py": "runs scenarios in the sandbox, as on a real account",
    "tests/docs/test_walkthroughs.py": "follows a page in the sandbox",
    "tests/guardrails/test_guardrails_engine.py": "runs programs with the policy pack, one more process",
}


def section() -> str:
    """Run all tests, and return the section."""
    return f"## Tests\n\n{_unit()}\n{_all()}"


def _run(target: str) -> tuple[int, float, str]:
    """Run the tests; return how many passed, the seconds that they took, and the output."""
    begin = time.monotonic()
    tested = subprocess.run(["make", target], cwd=PROJECT, check=True, capture_output=True, text=True)
    took = time.monotonic() - begin
    (passed,) = re.findall(r"(\d+) passed", tested.stdout)
    return int(passed), took, tested.stdout


def _unit() -> str:
    passed, took, _ = _run("unit")
    return f"`make unit`: {passed:,} tests in {took:.0f} s.\n"


def _all() -> str:
    passed, took, output = _run("test")
    slowest = re.findall(r"^([\d.]+)s \w+ +([^:]+)::(\S.*)$", output, re.MULTILINE)
    lines = [
        f"`make test`: {passed:,} tests in {took:.0f} s. The slowest tests:\n",
        "| s | test | reason |\n|---|---|---|",
        *(
            f"| {seconds} | `{file}`, {name.replace('|', ' ')} | {_REASONS.get(file, '')} |"
            for seconds, file, name in slowest
        ),
    ]
    return "\n".join(lines) + "\n"
