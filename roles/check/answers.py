"""Represent the answers of `check`: ok, problem, skipped, or cannot tell."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from botocore.exceptions import ClientError

from roles.errors import OddAnswerError, explain, failed_action


class State(StrEnum):
    """What an answer says of its question."""

    OK = "ok"
    PROBLEM = "problem"
    SKIPPED = "skipped"
    CANNOT_TELL = "cannot tell"
    """The answer depends on something that nobody can read."""


class Answer(NamedTuple):
    """The answer to one question."""

    state: State
    text: str
    fix: str = ""
    """The command that fixes a problem, or what else to do; how to find out what cannot be told."""
    details: tuple[str, ...] = ()
    """Details, one line each."""
    subject: str = ""
    """Which of several resources the answer is about."""
    action: str = ""
    """The action that AWS did not allow or that failed, if the question was skipped for that."""


def ok(text: str) -> Answer:
    """Return the answer that all is well."""
    return Answer(State.OK, text)


def problem(text: str, fix: str, *details: str) -> Answer:
    """Return the answer that something is wrong."""
    return Answer(State.PROBLEM, text, fix, details)


def cannot_tell(text: str, how: str, *details: str) -> Answer:
    """Return the answer that depends on something unknown, and how to find it out."""
    return Answer(State.CANNOT_TELL, text, how, details)


def skipped(text: str) -> Answer:
    """Return the answer that there is nothing to ask about, and why."""
    return Answer(State.SKIPPED, text)


def not_allowed(action: str) -> Answer:
    """Return the answer that a permission is missing."""
    return Answer(State.SKIPPED, f"{action} is not allowed for these credentials", action=action)


def unread(error: ClientError | OddAnswerError, show: Callable[[str], str] = str) -> Answer:
    """Return the answer that AWS failed, or answered what cannot be used.

    `show` returns how a message is shown that may contain what AWS was asked about.
    """
    return Answer(State.SKIPPED, explain(error, "check", show), action=failed_action(error))
