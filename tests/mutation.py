"""Count the mutants of components/ that the tests detect; `make mutation` runs it.

mutmut writes the mutants and runs the tests that reach them. A mutant that survives is listed. No test
can detect mutants of some kinds.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

GOAL: Final = 0.95
REASONS: Final = {
    "for the type checker alone": re.compile(r'\bcast\((?:"[^"]*"|None)'),
}
"""Parts of a line that may change without any effect, or with none that a test could see."""
ELSEWHERE: Final = {
    "the engine's tests see the order": "depends_on=[policy]",
    "a warning is the same without its resource": "pulumi.warn(warning, ",
    "its arguments are as long as one another": "strict=True",
}
"""Why a change of a line with this text is no matter of the tests that mutmut runs."""
AT_IMPORT: Final = ("x_camel_case__", "x__id_or_arn__")
"""Functions that run when their module is imported: mutmut changes them only after that."""


class Survivor(NamedTuple):
    """A mutant that no test noticed."""

    name: str
    change: str
    reason: str
    """Why no test can notice it; empty if one could."""


def survivors() -> Iterator[Survivor]:
    """Return the mutants that are not killed."""
    for line in _mutmut("results"):
        name, _, outcome = line.strip().partition(": ")
        if outcome in ("survived", "no tests", "timeout", "suspicious"):
            shown = [change for change in _mutmut("show", name) if re.match(r"[-+] ", change)]
            yield Survivor(name, "\n".join(shown), _reason(name, shown))


def _reason(name: str, shown: list[str]) -> str:
    if any(function in name for function in AT_IMPORT):
        return "changed after it has run"
    before = "".join(line[1:].strip() for line in shown if line[0] == "-")
    after = "".join(line[1:].strip() for line in shown if line[0] == "+")
    elsewhere = (why for why, text in ELSEWHERE.items() if text in before)
    same = (why for why, part in REASONS.items() if part.sub("", before) == part.sub("", after))
    return next(elsewhere, None) or next(same, "")


def _mutmut(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.splitlines()


def main() -> int:
    """Run mutmut, list what survived, and fail below the goal."""
    subprocess.run([sys.executable, "-m", "mutmut", "run"], check=True)
    total = sum(1 for line in _mutmut("results", "--all", "true") if ": " in line)
    found = list(survivors())
    for survivor in sorted(found, key=lambda mutant: (mutant.reason, mutant.name)):
        sys.stdout.write(f"{survivor.name}: {survivor.reason or 'survived'}\n")
        if not survivor.reason:
            sys.stdout.write(f"{survivor.change}\n")
    explained = sum(1 for mutant in found if mutant.reason)
    killed = total - len(found)
    share = killed / (total - explained)
    sys.stdout.write(
        f"{total:,} mutants, {killed:,} killed, {explained} that no test can notice, "
        f"{len(found) - explained} survived: {share:.1%} killed of those that count\n"
    )
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
