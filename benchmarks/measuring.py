"""Measure several commands in a way that makes their figures comparable.

Rounds are interleaved (A B C A B C …), so a slow period on the machine affects every command.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """The time that one run of a command took."""

    wall: float
    """Wall-clock time, in seconds."""
    processor: float
    """Processor time, in seconds, of the command and the processes that it waited for."""


class Command(NamedTuple):
    """A command to measure."""

    arguments: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    before: Callable[[], object] | None = None
    """Called before each run, but not measured."""

    def run(self) -> Run:
        """Run the command once; raise RuntimeError with its output if it fails."""
        if self.before:
            self.before()
        begin = time.monotonic()
        with subprocess.Popen(
            self.arguments,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None  # noqa: S101 a type guard
            output = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            wall = time.monotonic() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(self.arguments)} in {self.directory}\n{output}")
        return Run(wall, used.ru_utime + used.ru_stime)


class Spread(NamedTuple):
    """Median, minimum, and maximum."""

    median: float
    minimum: float
    maximum: float


def spread(figures: Sequence[float]) -> Spread:
    """Summarize the figures of several rounds."""
    return Spread(statistics.median(figures), min(figures), max(figures))


def measure(commands: Mapping[str, Command], rounds: int) -> dict[str, list[Run]]:
    """Run all commands in turn and return their runs."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(command.run())
    return runs


def ratio(runs: Sequence[Run], base: Sequence[Run], measure: str) -> float:
    """Return the median of the ratios, one for each round."""
    pairs = zip(runs, base, strict=True)
    return statistics.median(getattr(run, measure) / getattr(other, measure) for run, other in pairs)
