"""Measure how long reading and comparing policies takes, in this checkout and in another one.

`python -m benchmarks.policies OTHER_CHECKOUT` runs both in turn, each time in a new process, whose
caches are empty, and prints the medians of the processor time and of the ratios within a round.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measuring import ROUNDS
from sandbox.environment import PROJECT


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policies", description="Measure.")
    parser.add_argument("other", nargs="?", type=Path, default=PROJECT, metavar="OTHER_CHECKOUT")
    other = parser.parse_args().other.resolve()
    rounds = [(figures_of(PROJECT), figures_of(other)) for _ in range(ROUNDS)]
    for name in rounds[0][0]:
        ours, theirs = ([each[side][name] for each in rounds] for side in (0, 1))
        ratio = statistics.median(one / another for one, another in zip(ours, theirs, strict=True))
        here, there = (f"{statistics.median(times) * 1000:,.0f} ms" for times in (ours, theirs))
        print(f"{name}: {here}, other checkout {there}, ratio {ratio:.2f}")  # noqa: T201


def figures_of(checkout: Path) -> Mapping[str, float]:
    """Return the seconds of each measurement in a checkout."""
    path = os.pathsep.join(map(str, (checkout, checkout / "guardrails")))
    done = subprocess.run(
        [sys.executable, "-P", PROJECT / "benchmarks" / "policy_figures.py"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
