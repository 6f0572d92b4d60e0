"""Write a transcript of a run that can be published: account IDs and credentials are masked."""

import os
import pwd
import re
import socket
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PASSED: Final = "passed"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
INTERRUPTED: Final = "interrupted"

_START: Final = r"(?:(?<![0-9A-Za-z])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))"
_END: Final = r"(?![0-9A-Za-z])"
"""The boundaries of a word; %3A, or \\n in JSON, does not belong to it."""
_ACCOUNT_ID: Final = re.compile(
    r"(?:(?<![0-9])|(?<=%[0-9A-Fa-f]{2}))"
    r"(?<![0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-)"
    r"[0-9]{12}(?![0-9])"
)
"""12 digits that are not the end of a UUID."""
_ACCESS_KEY_ID: Final = re.compile(rf"{_START}(?:AKIA|ASIA)[A-Z0-9]{{16,}}{_END}")
_SHORTEST_CREDENTIAL: Final = 16
"""The length of an access key ID in IAM's API. A shorter text is a placeholder, possibly a word."""
_SHORTEST_NAME: Final = 3
_WORD: Final = re.compile(
    "admin|administrator|aem|application|aws|connector|default|deploy|deployer|deployment|dev|developer|"
    "iam|index|live|local|localhost|policy|prod|production|pulumi|python|qbusiness|role|root|run|runner|"
    "sandbox|session|stack|staging|sts|test|ubuntu|update|user",
    re.IGNORECASE,
)
"""Generic names, which stay visible to keep the output readable."""


class Mask:
    """Replaces confidential text."""

    def __init__(self, identity: Mapping[str, str], credentials: Collection[str]) -> None:
        """Mask the caller identity and the credentials."""
        home = os.path.expanduser("~")  # noqa: PTH111 Path.home() fails without one
        credentials = [text for text in credentials if len(text) >= _SHORTEST_CREDENTIAL]
        self._replacements = [
            *((_spelled(text), "CREDENTIAL") for text in _longest_first(credentials)),
            (_spelled(identity["Arn"]) + _END, "CALLER"),
            (_spelled(identity["Account"]), "ACCOUNT"),
            *([] if home in ("/", "~") else [(_spelled(home) + _END, "~")]),
            *((f"{_START}{_spelled(name)}{_END}", "CALLER") for name in _names(_caller(identity))),
            *((f"{_START}{_spelled(name)}{_END}", "PROFILE") for name in _names(_profiles())),
            *((f"{_START}{_spelled(name)}{_END}", "USER") for name in _names(_users())),
            *((f"{_START}{_spelled(name)}{_END}", "HOST") for name in _names(_hosts())),
            (_ACCESS_KEY_ID, "CREDENTIAL"),
            (_ACCOUNT_ID, "ACCOUNT"),
        ]

    def __call__(self, text: str) -> str:
        """Return the text without account IDs, credentials, and the names of the user and machine."""
        for pattern, replacement in self._replacements:
            text = re.sub(pattern, replacement, text)
        return text


def _spelled(text: str) -> str:
    """Return a pattern for a text in which characters except letters and digits may be percent-encoded.

    A URL inside a URL is encoded twice: %3A becomes %253A.
    """
    return "".join(
        character
        if character.isascii() and character.isalnum()
        else "(?:{}|{})".format(
            re.escape(character),
            "".join(f"%(?:25)*(?i:{byte:02x})" for byte in os.fsencode(character)),
        )
        for character in text
    )


def _names(names: Iterable[str | None]) -> list[str]:
    """Return the names that can be replaced wherever they are a word."""
    found = {name for name in names if name and len(name) >= _SHORTEST_NAME}
    return _longest_first({name for name in found if not _WORD.fullmatch(name)})


def _longest_first(texts: Collection[str]) -> list[str]:
    """Return the texts in an order that prevents the replacement of one inside another."""
    return sorted(texts, key=len, reverse=True)


def _caller(identity: Mapping[str, str]) -> list[str]:
    """Return the names of a user, or of a role and its session, and the unique ID."""
    kind, *names = identity["Arn"].rpartition(":")[2].split("/")
    names = names if kind == "assumed-role" else names[-1:]  # a user's name follows its path
    return [*names, *identity.get("UserId", "").split(":")]


def _profiles() -> list[str | None]:
    return [os.environ.get(name) for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")]


def _users() -> list[str | None]:
    """Return the user's names on this machine, which Pulumi shows with the host of a lock."""
    users = [os.environ.get(name) for name in ("USER", "LOGNAME")]
    with suppress(KeyError):  # a container's user may have no name
        users.append(pwd.getpwuid(os.getuid()).pw_name)
    return users


def _hosts() -> list[str]:
    host = socket.gethostname()
    return [host, host.partition(".")[0]]


@dataclass
class Step:
    """A step and its result."""

    title: str
    result: str = "not finished"
    note: str = ""
    seconds: float = 0.0
    details: list[str] = field(default_factory=list[str])
    """Commands and their output."""


class Transcript:
    """A Markdown file that is complete after every step, and progress on standard output."""

    def __init__(self, path: Path, facts: Mapping[str, str], mask: Mask) -> None:
        """Start the file with facts about the run; raises OSError if it cannot be written."""
        self._path = path
        self.steps: list[Step] = []
        self._facts = facts
        self._mask = mask
        self._start = 0.0
        self._error: OSError | None = None
        self._write()

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
        """Print a masked line, if standard output is still open."""
        try:
            print(self._mask(text), flush=True)
        except OSError:
            # The reader is gone. Flushing the buffer at exit would fail again.
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), sys.stdout.fileno())

    def say_end(self) -> None:
        """Print the summary and the location of the transcript, or the transcript if it has no file."""
        if self._error is None:
            self.say(f"\n{self.summary()}. Transcript: {self._path.name}")
            return
        reason = self._error.strerror
        self.say(f"\n{self.summary()}. The transcript, which follows, could not be written to")
        self.say(f"{self._path}: {reason}\n\n{self._text()}")

    def count(self, result: str) -> int:
        """Return the number of steps with a result."""
        return sum(step.result == result for step in self.steps)

    def summary(self) -> str:
        """Return the number of steps by result."""
        results = dict.fromkeys(step.result for step in self.steps)
        return ", ".join(f"{self.count(result)} {result}" for result in results)

    def _save(self) -> None:
        # On a full disk, the run continues to its end, which removes everything.
        self._error = None
        try:
            self._write()
        except OSError as error:
            self._error = error

    def _write(self) -> None:
        self._path.write_text(self._text(), encoding="utf-8", errors="backslashreplace")

    def _text(self) -> str:
        facts = {**self._facts, "steps": self.summary()}
        lines = ["# Acceptance run", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {self._mask(value)} |" for name, value in facts.items()]
        lines += ["", "| | step | result | seconds |", "|---|---|---|---|"]
        for number, step in enumerate(self.steps, start=1):
            lines.append(f"| {number} | {step.title} | {step.result} | {step.seconds:.1f} |")
        for number, step in enumerate(self.steps, start=1):
            lines += ["", f"## {number}. {step.title}", "", _outcome(step)]
            # More backticks than any output contains.
            lines += [f"\n``````text\n{detail}\n``````" for detail in step.details]
        return "\n".join([*lines, ""])


def _outcome(step: Step) -> str:
    return f"{step.result}: {step.note}" if step.note else step.result
