"""Write the transcript of a run on a real account; names are masked, so that it can be shared."""

import os
import pwd
import re
import socket
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import pytest

_START: Final = r"(?:(?<![0-9A-Za-z])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))"
_END: Final = r"(?![0-9A-Za-z])"
"""The boundaries of a word; %3A, and \\n in JSON, are not part of it."""
_ACCOUNT_ID: Final = re.compile(
    r"(?:(?<![0-9])|(?<=%[0-9A-Fa-f]{2}))"
    r"(?<![0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-)"
    r"[0-9]{12}(?![0-9])"
)
"""12 digits that are not the end of a UUID."""
_ACCESS_KEY_ID: Final = re.compile(rf"{_START}(?:AKIA|ASIA)[A-Z0-9]{{16,}}{_END}")
_SHORTEST_CREDENTIAL: Final = 16
"""An access key ID's minimum length in IAM's API. Shorter strings are placeholders, possibly words."""
_SHORTEST_NAME: Final = 3
_WORD: Final = re.compile(
    "admin|administrator|aem|application|aws|connector|default|deploy|deployer|deployment|dev|developer|"
    "iam|index|live|local|localhost|policy|prod|production|pulumi|python|qbusiness|role|root|run|runner|"
    "sandbox|session|stack|staging|sts|test|ubuntu|update|user",
    re.IGNORECASE,
)
"""Generic names, which stay visible to keep the output readable."""


class Mask:
    """A function that replaces confidential text."""

    def __init__(self, identity: Mapping[str, str], credentials: Collection[str]) -> None:
        """Mask the caller's identity and the credentials."""
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
        """Return the text without account IDs, credentials, or most names of the user and machine.

        Short and generic names remain.
        """
        for pattern, replacement in self._replacements:
            text = re.sub(pattern, replacement, text)
        return text


def _spelled(text: str) -> str:
    """Return a pattern for text whose characters other than letters and digits may be encoded.

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
    """Return the names that can be replaced wherever they are whole words."""
    found = {name for name in names if name and len(name) >= _SHORTEST_NAME}
    return _longest_first({name for name in found if not _WORD.fullmatch(name)})


def _longest_first(texts: Collection[str]) -> list[str]:
    """Return the texts in an order that prevents replacing one text inside another."""
    return sorted(texts, key=len, reverse=True)


def _caller(identity: Mapping[str, str]) -> list[str]:
    """Return the names of a user, or of a role and its session, and the unique ID."""
    kind, *names = identity["Arn"].rpartition(":")[2].split("/")
    names = names if kind == "assumed-role" else names[-1:]  # a user's name follows its path
    return [*names, *identity.get("UserId", "").split(":")]


def _profiles() -> list[str | None]:
    return [os.environ.get(name) for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")]


def _users() -> list[str | None]:
    """Return the local user's names; Pulumi's lock message shows one as USER@HOST."""
    users = [os.environ.get(name) for name in ("USER", "LOGNAME")]
    with suppress(KeyError):  # a container's user may have no name
        users.append(pwd.getpwuid(os.getuid()).pw_name)
    return users


def _hosts() -> list[str]:
    host = socket.gethostname()
    return [host, host.partition(".")[0]]


class Step(NamedTuple):
    """A scenario and its result."""

    title: str
    result: str
    seconds: float
    details: str


class Transcript:
    """A Markdown file that is complete after each scenario; pytest calls its methods."""

    def __init__(self, path: Path, facts: Mapping[str, str], mask: Mask) -> None:
        """Start the file with facts about the run; raise OSError if it cannot be written."""
        self.path, self._facts, self._mask = path, facts, mask
        self._steps: list[Step] = []
        self._write()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a scenario, even if its fixture failed."""
        if report.when == "call" or not report.passed:
            skipped = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            details = report.capstdout + (report.longreprtext if report.failed else skipped)
            title = report.location[2].removeprefix("test_").replace("_", " ")
            self._add(Step(title, report.outcome, report.duration, details))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        del excinfo
        self._add(Step("interrupted", "interrupted", 0, ""))

    def end(self, removed: Collection[str], left: Collection[str], command: str) -> None:
        """Add the result of the removal, and the command that repeats it."""
        details = [f"removed {entity}" for entity in removed]
        details += [f"still there: {entity}" for entity in left]
        if left:
            details.append(f"Repeat the removal: {command}")
        self._add(Step("nothing is left", "failed" if left else "passed", 0, "\n".join(details)))

    def _add(self, step: Step) -> None:
        self._steps.append(step)
        self._write()

    def _write(self) -> None:
        lines = ["# Run on AWS", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in self._facts.items()]
        lines += ["", "| scenario | result | seconds |", "|---|---|---|"]
        lines += [f"| {step.title} | {step.result} | {step.seconds:.0f} |" for step in self._steps]
        for step in self._steps:
            # Use more backticks than any output contains.
            lines += ["", f"## {step.title}", "", "``````text", step.details.rstrip(), "``````"]
        text = self._mask("\n".join([*lines, ""]))
        self.path.write_text(text, encoding="utf-8", errors="backslashreplace")
