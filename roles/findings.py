"""Define findings, such as `check`'s answers: ok, problem, note, skipped, or cannot tell."""

from enum import StrEnum
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from roles.errors import explain, failed_action


class State(StrEnum):
    """A finding's state, the most serious first."""

    PROBLEM = "problem"
    CANNOT_TELL = "cannot tell"
    """The answer depends on something unknown."""
    SKIPPED = "skipped"
    NOTE = "note"
    """The answer is worth knowing, but is not a problem with the role."""
    OK = "ok"

    @property
    def rank(self) -> int:
        """Its position in this order."""
        return [*State].index(self)


class Finding(NamedTuple):
    """A finding about a role or data source, such as the answer to one question of `check`."""

    state: State
    text: str
    """The answer; for a problem from `roles.needed_resources`, a few words, which `details` explain."""
    fix: tuple[str, ...] = ()
    """Steps, such as commands, to fix a problem, find a missing answer, or remove a note's cause."""
    details: tuple[str, ...] = ()
    """Details, one line each."""
    subject: str = ""
    """The ID or ARN of the resource that the finding is about; empty if the question identifies it."""
    action: str = ""
    """The action whose denial or failure caused the question to be skipped, if any."""


def ok(text: str) -> Finding:
    """Return the answer that all is well."""
    return Finding(State.OK, text)


def problem(text: str, fix: str | tuple[str, ...], *details: str) -> Finding:
    """Return the answer that something is wrong, with the steps that fix it."""
    return Finding(State.PROBLEM, text, _steps(fix), details)


def note(text: str, fix: str | tuple[str, ...] = (), *details: str) -> Finding:
    """Return an answer that is worth knowing but is not a problem with the role."""
    return Finding(State.NOTE, text, _steps(fix), details)


def cannot_tell(text: str, how: str | tuple[str, ...], *details: str) -> Finding:
    """Return an answer that depends on something unknown, with the steps to find out."""
    return Finding(State.CANNOT_TELL, text, _steps(how), details)


def _steps(fix: str | tuple[str, ...]) -> tuple[str, ...]:
    return (fix,) if isinstance(fix, str) else fix


def skipped(text: str) -> Finding:
    """Return the answer that the question is skipped, for the reason in `text`."""
    return Finding(State.SKIPPED, text)


def not_allowed(action: str) -> Finding:
    """Return the answer that the question is skipped because the credentials do not allow an action."""
    return Finding(State.SKIPPED, f"{action} is not allowed for these credentials", action=action)


def unread(error: BotoCoreError | ClientError) -> Finding:
    """Return the answer that the question is skipped because of an AWS or connection error.

    A BotoCoreError must have `operation` in `kwargs`.
    """
    return Finding(State.SKIPPED, explain(error), action=failed_action(error))
