"""Define findings, such as the answers of `check`: ok, problem, note, skipped, or cannot tell."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from roles.errors import explain, failed_action


class State(StrEnum):
    """The state of a finding."""

    OK = "ok"
    PROBLEM = "problem"
    NOTE = "note"
    """Worth knowing, and no problem of the role."""
    SKIPPED = "skipped"
    CANNOT_TELL = "cannot tell"
    """The answer depends on something that cannot be read."""


class Finding(NamedTuple):
    """A finding about a role or data source, such as the answer to one question of `check`."""

    state: State
    text: str
    """The answer; of a fault of `roles.requirements`, a few words, with the line in `details`."""
    fix: tuple[str, ...] = ()
    """The steps that fix a problem, or find the missing answer: commands and edits."""
    details: tuple[str, ...] = ()
    """Details, one line each."""
    subject: str = ""
    """The ID of the resource, if a question has several answers."""
    action: str = ""
    """The action that was not allowed or failed, if the question was skipped because of it."""


def ok(text: str) -> Finding:
    """Return the answer that all is well."""
    return Finding(State.OK, text)


def problem(text: str, fix: str | tuple[str, ...], *details: str) -> Finding:
    """Return the answer that something is wrong, with the steps that fix it."""
    return Finding(State.PROBLEM, text, _steps(fix), details)


def note(text: str, fix: str | tuple[str, ...] = (), *details: str) -> Finding:
    """Return an answer that is worth knowing, and no problem of the role."""
    return Finding(State.NOTE, text, _steps(fix), details)


def cannot_tell(text: str, how: str | tuple[str, ...], *details: str) -> Finding:
    """Return the answer that depends on something unknown, with a way to find out."""
    return Finding(State.CANNOT_TELL, text, _steps(how), details)


def _steps(fix: str | tuple[str, ...]) -> tuple[str, ...]:
    return (fix,) if isinstance(fix, str) else fix


def skipped(text: str) -> Finding:
    """Return the answer that the question does not apply, with the reason."""
    return Finding(State.SKIPPED, text)


def not_allowed(action: str) -> Finding:
    """Return the answer that a permission is missing."""
    return Finding(State.SKIPPED, f"{action} is not allowed for these credentials", action=action)


def unread(error: BotoCoreError | ClientError, show: Callable[[str], str] = str) -> Finding:
    """Return the answer for an error of AWS, an answer that cannot be used, or no answer.

    `show` hides messages of AWS that may contain the values of secret settings.
    """
    return Finding(State.SKIPPED, explain(error, show), action=failed_action(error))
