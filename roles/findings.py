"""Define findings: problems, notes, unknown answers, and failed reads."""

from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from roles.errors import (
    UNREACHABLE,
    OddAnswerError,
    code,
    explain,
    failed_action,
    is_bad_credentials,
    is_denied,
    is_gone,
    is_unanswered,
)

_T = TypeVar("_T")
_UNANSWERED: Final = "the server at AWS_ENDPOINT_URL does not support this check: use AWS"


class State(StrEnum):
    """A finding's state; the most serious state is first."""

    PROBLEM = "problem"
    CANNOT_TELL = "cannot tell"
    """The answer depends on something unknown."""
    SKIPPED = "skipped"
    NOTE = "note"
    """The answer is useful but does not report a problem with the role."""
    OK = "ok"

    @property
    def rank(self) -> int:
        """The state's position, from the most serious state to the least serious one."""
        return [*State].index(self)


class Finding(NamedTuple):
    """A finding about a role or data source; in `check`, part of the answer to a question."""

    state: State
    text: str
    """A complete statement that identifies the principal, action, resource, and policy, if any."""
    remedy: str = ""
    """One line about how to correct the problem or find out more; empty if no suggestion is safe."""
    details: tuple[str, ...] = ()
    """Details, one line each."""
    subject: str = ""
    """The ID or ARN of the resource that the finding is about; empty if `question` identifies it."""
    question: str = ""
    """The question that the finding answers, or the kind of policy or resource that it is about."""
    denied: str = ""
    """The action that the credentials do not allow, if a read failed because of this."""


def ok(text: str) -> Finding:
    """Return a finding that reports that all is well."""
    return Finding(State.OK, text)


def problem(text: str, remedy: str = "", *details: str) -> Finding:
    """Return a finding that reports a problem."""
    return Finding(State.PROBLEM, text, remedy, details)


def note(text: str, remedy: str = "", *details: str) -> Finding:
    """Return a finding that is useful but does not report a problem with the role."""
    return Finding(State.NOTE, text, remedy, details)


def cannot_tell(text: str, remedy: str = "", *details: str) -> Finding:
    """Return a finding for an unknown answer; `remedy` explains how to find out more."""
    return Finding(State.CANNOT_TELL, text, remedy, details)


def skipped(text: str) -> Finding:
    """Return a finding that reports a failed read, for the reason in `text`."""
    return Finding(State.SKIPPED, text)


def not_allowed(action: str) -> Finding:
    """Return a finding for a read that failed because the credentials do not allow an action."""
    return skipped(f"{action} is not allowed for these credentials")._replace(denied=action)


def unread(error: BotoCoreError | ClientError | ResponseParserError) -> Finding:
    """Return a finding that reports a failed read because of an AWS or connection error.

    A BotoCoreError must have `operation` in `kwargs`.
    """
    return skipped(explain(error))


def attempt(
    read: Callable[[], _T], gone: Finding | None = None, *, raises: Collection[str] = ()
) -> _T | Finding:
    """Return the result of `read` or, if a call to AWS fails, a finding.

    `gone` is the finding if the resource does not exist. Raises errors about the credentials, and those
    with the codes in `raises`.
    """
    try:
        return read()
    except ParamValidationError as error:  # a data source's configuration can contain an invalid ID
        return problem(" ".join(str(error).split()))
    except ClientError as error:
        if is_bad_credentials(error) or code(error) in raises:
            raise
        if gone and is_gone(error):
            return gone
        if is_unanswered(error):
            return note(_UNANSWERED)
        return not_allowed(failed_action(error)) if is_denied(error) else unread(error)
    except (OddAnswerError, ResponseParserError, *UNREACHABLE) as error:
        return unread(error)


def attempt_or(otherwise: _T, read: Callable[[], _T]) -> _T:
    """Return the result of `read` or, if a call to AWS fails, `otherwise`.

    Use this function if another finding reports the failure. Raises errors about the credentials.
    """
    found = attempt(read)
    return otherwise if isinstance(found, Finding) else found
