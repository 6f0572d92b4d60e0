"""Run all measurements and write benchmarks/README.md; `make bench` runs this module."""

import datetime as dt
import os
import platform
from importlib.metadata import version
from pathlib import Path

from benchmarks import reading, start
from sandbox.environment import PROJECT

_PAGE = """\
# Benchmarks

<!-- Written by `make bench`. -->

Test environment on {date}: {versions}.

| Measurement | Figure | Comparison or number of calls |
|---|---|---|
{rows}

Compare the ratios, because the figures depend on the machine. The hand-written program declares the same
resources as this program, without a component or validation. Both programs run with Pulumi's mocks, and
valgrind counts their instructions. `audit` and `check` read data sources, each with a secret and a role,
from a server that responds to each call after {delay} ms. Their figures are the median time of three
runs, with the range in parentheses, and the peak memory use.
"""


def main() -> None:
    """Run all measurements and write benchmarks/README.md."""
    # Let the measured commands cache bytecode, as they do on a user's machine.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    page = _PAGE.format(
        date=dt.datetime.now(tz=dt.UTC).date(),
        versions=_describe_environment(),
        rows="\n".join([*start.measure_rows(), *reading.measure_rows()]),
        delay=round(reading.DELAY * 1000),
    )
    (PROJECT / "benchmarks" / "README.md").write_text(page)


def _describe_environment() -> str:
    """Return a description of the machine and the software versions."""
    cpu_lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu_models = (line.partition(": ")[2] for line in cpu_lines if line.startswith("model name"))
    return (
        f"{os.cpu_count()} cores of {next(cpu_models, platform.machine())}, {platform.system()}, Python "
        f"{platform.python_version()}, pulumi {version('pulumi')}, pulumi-aws {version('pulumi-aws')}"
    )


if __name__ == "__main__":
    main()
