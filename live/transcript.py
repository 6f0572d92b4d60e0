"""Write what a run does, with account IDs and credentials masked, so that it can be shown to anybody."""

import re
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PASSED: Final = "passed"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
INTERRUPTED: Final = "interrupted"

_ACCOUNT_ID: Final = re.compile(r"(?<![0-9])(?<!\b[0-9a-f]{4}-)[0-9]{12}(?![0-9])")
"""12 digits that are not the end of a UUID."""
_ACCESS_KEY_ID: Final = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
_SHORTEST_CREDENTIAL: Final = 16
"""Characters of an access key ID, by IAM's API. What is shorter is a placeholder, maybe a word."""


class Mask:
    """Replaces what is not for everybody."""

    def __init__(self, identity: Mapping[str, str], credentials: Collection[str]) -> None:
        """Take who calls AWS, as STS says it, and with which credentials."""
        home = str(Path.home())
        self._replacements = {
            **{text: "CREDENTIAL" for text in credentials if len(text) >= _SHORTEST_CREDENTIAL},
            # It has the name of a person.
            identity["Arn"]: "CALLER",
            identity["Account"]: "ACCOUNT",
            **({} if home == "/" else {home: "~"}),
        }

    def __call__(self, text: str) -> str:
        """Return the text without account IDs, credentials, and the person's name and home."""
        for secret, replacement in self._replacements.items():
            text = text.replace(secret, replacement)
        return _ACCOUNT_ID.sub("ACCOUNT", _ACCESS_KEY_ID.sub("CREDENTIAL", text))


@dataclass
class Step:
    """A step, and how it went."""

    title: str
    result: str = "not finished"
    note: str = ""
    seconds: float = 0.0
    details: list[str] = field(default_factory=list[str])
    """Commands and their output."""


class Transcript:
    """A Markdown file, complete after every step, and lines for the person who watches."""

    def __init__(self, path: Path, facts: Mapping[str, str], mask: Mask) -> None:
        """Take the file, and what the run ran with."""
        self.path = path
        self.steps: list[Step] = []
        self._facts = facts
        self._mask = mask
        self._start = 0.0

    def begin(self, title: str) -> None:
        """Begin a step."""
        self._start = time.monotonic()
        self.steps.append(Step(title))
        self.say(f"{len(self.steps):2}. {title} ...")
        self._save()

    def add(self, text: str) -> None:
        """Add to the details of the step."""
        self.steps[-1].details.append(self._mask(text.rstrip()))

    def end(self, result: str, note: str = "") -> None:
        """End the step."""
        step = self.steps[-1]
        step.result, step.note = result, self._mask(note)
        step.seconds = time.monotonic() - self._start
        self.say(f"    {_outcome(step)} ({step.seconds:.0f} s)")
        self._save()

    def say(self, text: str) -> None:
        """Show a line, masked too, to whoever still watches."""
        with suppress(OSError):
            print(self._mask(text), flush=True)

    def count(self, result: str) -> int:
        """Return how many steps had a result."""
        return sum(step.result == result for step in self.steps)

    def summary(self) -> str:
        """Return how the steps went."""
        results = dict.fromkeys(step.result for step in self.steps)
        return ", ".join(f"{self.count(result)} {result}" for result in results)

    def _save(self) -> None:
        # Without space on the disk, the run still goes on to its end, which removes everything.
        with suppress(OSError):
            self.path.write_text("\n".join(self._lines()))

    def _lines(self) -> list[str]:
        facts = {**self._facts, "steps": self.summary()}
        lines = ["# Acceptance run", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {self._mask(value)} |" for name, value in facts.items()]
        lines += ["", "| | step | result | seconds |", "|---|---|---|---|"]
        for number, step in enumerate(self.steps, start=1):
            lines.append(f"| {number} | {step.title} | {step.result} | {step.seconds:.1f} |")
        for number, step in enumerate(self.steps, start=1):
            lines += ["", f"## {number}. {step.title}", "", _outcome(step)]
            # More backticks than any output has.
            lines += [f"\n``````text\n{detail}\n``````" for detail in step.details]
        return [*lines, ""]


def _outcome(step: Step) -> str:
    return f"{step.result}: {step.note}" if step.note else step.result
