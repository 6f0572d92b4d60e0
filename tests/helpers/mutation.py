"""Count the mutants that the tests detect in each package.

mutmut generates the mutants and runs the tests that reach them. Surviving mutants are listed, with the
reason for each mutant that the tests cannot detect. Trying all mutants takes hours, but
`python -m tests.helpers.mutation PATTERN...` tries only those whose names match a pattern. For example,
'guardrails.*7' matches about one in ten in guardrails/.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

GOALS: Final = {"components": 0.95, "guardrails": 0.8, "roles.check": 0.8}
"""The minimum share of each package's detectable mutants that the tests must kill."""
REASONS: Final = {
    "only for the type checker": re.compile(r'\bcast\((?:"[^"]*"|None)'),
}
"""Parts of lines in which no test can detect changes, by the reason."""
ELSEWHERE: Final = {
    "the tests on the engine check the order": "depends_on=[policy]",
    "the mocks do not record the resource of a warning": "pulumi.warn(warning, ",
    "the arguments always have the same length": "strict=True",
}
"""Text of lines in which the tests that mutmut runs cannot detect changes, by the reason."""
AT_IMPORT: Final = ("x_camel_case__", "x__id_or_arn__", "x__one_of__")
"""mutmut's names for functions that run at import, before mutmut changes them."""


class Survivor(NamedTuple):
    """A mutant that no test detected, or that made the tests time out."""

    name: str
    change: str
    reason: str
    """Why the tests that mutmut runs cannot detect the mutant; empty if they could."""


def survivors() -> Iterator[Survivor]:
    for line in _mutmut("results"):
        name, _, outcome = line.strip().partition(": ")
        if outcome in ("survived", "no tests", "timeout", "suspicious"):
            shown = [change for change in _mutmut("show", name) if re.match(r"[-+] ", change)]
            yield Survivor(name, "\n".join(shown), _reason(name, shown))


def _reason(name: str, shown: list[str]) -> str:
    if any(function in name for function in AT_IMPORT):
        return "changed after it ran at import"
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
    """Run mutmut, and list the survivors; return 1 if a package is below its goal, and otherwise 0."""
    subprocess.run([sys.executable, "-m", "mutmut", "run", *sys.argv[1:]], check=True)
    outcomes = (line.strip().partition(": ") for line in _mutmut("results", "--all", "true"))
    tried = Counter(
        _package(name) for name, _, outcome in outcomes if outcome not in ("", "not checked")
    )
    found = list(survivors())
    for survivor in sorted(found, key=lambda mutant: (mutant.reason, mutant.name)):
        sys.stdout.write(f"{survivor.name}: {survivor.reason or 'survived'}\n")
        if not survivor.reason:
            sys.stdout.write(f"{survivor.change}\n")
    explained = Counter(_package(mutant.name) for mutant in found if mutant.reason)
    survived = Counter(_package(mutant.name) for mutant in found if not mutant.reason)
    shares = {
        package: 1 - survived[package] / (tried[package] - explained[package]) for package in tried
    }
    for package, share in shares.items():
        sys.stdout.write(
            f"{package}: {tried[package]:,} mutants, {explained[package]} that no test can detect, "
            f"{survived[package]} survived: {share:.1%} of the detectable mutants killed\n"
        )
    return int(any(share < GOALS[package] for package, share in shares.items()))


def _package(name: str) -> str:
    return next(package for package in GOALS if name.startswith(f"{package}."))


if __name__ == "__main__":
    sys.exit(main())
