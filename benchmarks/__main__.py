"""Run all benchmarks and write the results to benchmarks/README.md: `make bench`."""

import datetime as dt

from benchmarks import engine, reading, start
from benchmarks.programs import versions
from sandbox.environment import PROJECT

_PAGE = """\
# Benchmarks

<!-- Written by `make bench`. -->

Measured on {date}: {versions}.

| measurement | median (minimum to maximum) | ratio | ratio of processor time |
|---|---|---|---|
{rows}

Compare the ratios. Each ratio is relative to the same roles and policies as hand-written resources, and
is the median of the ratios in each round. Rounds are interleaved, so a slow period on the machine
affects all programs alike. `pulumi` runs on the real engine with the sandbox in place of AWS. The
processor time is the command's, without the sandbox's. Pulumi counts a component as an additional
resource. `audit` and `adopt --all` read {data_sources} data sources, each with a secret and a role, and
`check` reads a stack's {entries}, from a server that responds to each call after {delay} ms.

`make test` takes minutes: `time make test` measures it.
"""


def main() -> None:
    """Measure everything and write the page."""
    rows = [*start.rows(), *engine.rows(1, 6), *engine.rows(100, 2), *reading.rows()]
    text = _PAGE.format(
        date=dt.datetime.now(tz=dt.UTC).date(),
        versions=versions(),
        rows="\n".join(rows),
        data_sources=reading.DATA_SOURCES,
        entries=reading.ENTRIES,
        delay=round(reading.DELAY * 1000),
    )
    (PROJECT / "benchmarks" / "README.md").write_text(text)


if __name__ == "__main__":
    main()
