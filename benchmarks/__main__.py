"""Run the benchmarks: `make bench` the quick ones, `make bench-full` all, or those of given sections.

Each measurement writes its own section of benchmarks/README.md.
"""

import argparse
import datetime as dt
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from benchmarks import cold, commands, many_roles, members, one_role, reading, start, suite
from benchmarks.programs import versions
from sandbox.environment import PROJECT

PAGE: Final = PROJECT / "benchmarks" / "README.md"
SECTIONS: Final[Mapping[str, Callable[[], str]]] = {
    "commands": commands.section,
    "cold": cold.section,
    "one-role": one_role.section,
    **{f"roles-{number}": partial(many_roles.section, number) for number in (1, 10, 100)},
    "data-sources": members.section,
    "reading": reading.section,
    "start": start.section,
    "tests": suite.section,
}
_FULL: Final = ("cold", "roles-100", "tests")
"""The sections that take most of the time."""
_INTRODUCTION: Final = """\
# Benchmarks

<!-- Written by `make bench`. -->

`make bench` measures the most important figures, `make bench-full` all of them, and
`venv/bin/python -m benchmarks SECTION` one section, such as `one-role` or `roles-10`. Each writes
its sections of this page. `docs/performance.md` contains the conclusions: if the figures of 1, 10,
or 100 roles change, a test names the row to update. `venv/bin/python -m benchmarks.policies
OTHER_CHECKOUT` compares the time to read policies in two checkouts, and only prints it.

The figures show the overhead compared with hand-written code, on Pulumi's real engine with the
sandbox instead of AWS. Rounds are interleaved, so that a slow period of the machine affects all
commands alike. Figures are medians, with minimum and maximum in parentheses, after a warm-up run;
the first `make up` is measured once, and the commands that read AWS without a warm-up run.
**Compare the ratios**: they are medians of the ratios within a round. Processor time is the sum
over all processes of a command, without the sandbox's AWS and its provider; memory is the maximum
of the largest process. The real provider adds two processes to each command.
"""


def main() -> None:
    """Measure the given sections and write them into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--full", action="store_true", help=f"also {', '.join(_FULL)}")
    arguments = parser.parse_args()
    names = arguments.sections or [name for name in SECTIONS if arguments.full or name not in _FULL]
    if unknown := [name for name in names if name not in SECTIONS]:
        sys.exit(f"no section {', '.join(unknown)}; expected: {', '.join(SECTIONS)}")
    for name in names:
        today = dt.datetime.now(tz=dt.UTC).date()
        text = f"{SECTIONS[name]()}\nMeasured on {today}: {versions()}.\n"
        _write(name, text)


def _write(name: str, text: str) -> None:
    """Replace a section and keep the others."""
    page = PAGE.read_text() if PAGE.exists() else ""
    parts = {section: _between(page, section) for section in SECTIONS} | {name: text}
    body = "\n".join(
        f"<!-- {section} -->\n{part}<!-- end of {section} -->\n"
        for section, part in parts.items()
        if part
    )
    PAGE.write_text(f"{_INTRODUCTION}\n{body}")


def _between(page: str, name: str) -> str:
    return page.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- end of {name} -->\n")[0]


if __name__ == "__main__":
    main()
