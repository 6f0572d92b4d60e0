"""Count the faults in faults.txt that the tests find.

`python -m tests.faults [ID...]` applies one fault after another to a copy of the project. For each
fault, it runs the test that is known to find the fault and, if this test passes, all of `make unit`.

Each fault is a block of `faults.txt`. The first line contains the fault's ID (the fault's kind and a
number), the file, and the test that finds the fault, followed by `slow` if `make unit` omits this test.
Lines with `-` contain the text to replace, which occurs once in the file; lines with `+` contain the new
text. If the file no longer contains the text, replace the fault with a new fault of the same kind.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

PROJECT: Final = Path(__file__).parent.parent
SHARED: Final = ("venv", ".sandbox", "tests/node_modules")
"""Installed or built files, which the copy shares with the project."""
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) ([^\s\[]+)", re.MULTILINE)


class Fault(NamedTuple):
    """A change that breaks the product."""

    name: str
    file: str
    finder: str
    is_slow: bool
    """Whether `make unit` leaves out the test that finds this fault."""
    old: str
    new: str

    def applies(self) -> bool:
        file = PROJECT / self.file
        return file.is_file() and file.read_text().count(self.old) == 1


def faults() -> Iterator[Fault]:
    for block in Path(__file__).with_suffix(".txt").read_text().strip().split("\n\n"):
        heading, *lines = block.splitlines()
        name, file, finder, *slow = heading.split()
        old, new = ("\n".join(line[2:] for line in lines if line[0] == sign) for sign in "-+")
        yield Fault(name, file, finder, bool(slow), old, new)


def finder(fault: Fault, number: int, copy: Path, unit: Sequence[str]) -> str | None:
    """Return a test that fails when the fault is applied; None if all tests pass."""
    changed = copy / fault.file
    changed.write_text(changed.read_text().replace(fault.old, fault.new))
    # Python reuses bytecode if the source's size and its modification time in seconds are unchanged.
    os.utime(changed, (10**9 + number, 10**9 + number))
    command = [*unit[:3]] if fault.is_slow else unit
    failed = _failed(copy, [*command, "--numprocesses=0", fault.finder]) or _failed(copy, unit)
    shutil.copy2(PROJECT / fault.file, changed)
    return failed


def _failed(copy: Path, command: Sequence[str]) -> str | None:
    """Return the first failing test; None if all tests pass or the command's test no longer exists."""
    done = subprocess.run(
        [*command, "--exitfirst"], cwd=copy, stdout=subprocess.PIPE, text=True, check=False
    )
    named = _FAILED.search(done.stdout)
    return (named[1] if named else "pytest") if done.returncode in (1, 2, 3) else None


def main() -> int:
    """Print the test that finds each fault; return 0 if all faults are found, otherwise 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Count found faults.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="a fault's ID; default: all faults")
    options = parser.parse_args()
    chosen = [each for each in faults() if not options.ids or each.name in options.ids]
    applicable = [each for each in chosen if each.applies()]
    for fault in chosen:
        if fault not in applicable:
            _print(f"{fault.name} {fault.file}: not applicable: replace it with a similar fault")
    found, by_unit = 0, 0
    with TemporaryDirectory() as directory:
        copy = Path(directory) / "copy"
        ignored = shutil.ignore_patterns("__pycache__", ".*_cache", "venv", ".sandbox", "node_modules")
        shutil.copytree(PROJECT, copy, symlinks=True, ignore=ignored)
        for name in SHARED:
            (copy / name).symlink_to(PROJECT / name)
        dry = ("make", "--dry-run", "unit")
        made = subprocess.run(dry, cwd=copy, stdout=subprocess.PIPE, text=True, check=True)
        unit = shlex.split(made.stdout.splitlines()[-1])
        if not options.ids and (failed := _failed(copy, unit)):
            sys.exit(f"without any fault, {failed} fails")
        for number, fault in enumerate(applicable):
            failed = finder(fault, number, copy, unit)
            is_slow = fault.is_slow and failed == fault.finder
            _print(f"{fault.name} {fault.file}: {failed or 'nothing'}{' (slow)' if is_slow else ''}")
            found, by_unit = found + bool(failed), by_unit + bool(failed and not is_slow)
    _print(f"{found} of {len(chosen)} found, {by_unit} by make unit")
    return int(found < len(chosen))


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
