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
        """The state's position in this order."""
        return [*State].index(self)


class Finding(NamedTuple):
    """A finding about a role or data source, such as a part of the answer to a question of `check`."""

    state: State
    text: str
    """A complete statement that names the principal, action, resource, and policy, if any."""
    remedy: str = ""
    """One line that says how to correct it or find out more; empty if no remedy is safe to suggest."""
    details: tuple[str, ...] = ()
    """Details, one line each."""
    subject: str = ""
    """The ID or ARN of the resource that it is about; empty if the question identifies it."""
    question: str = ""
    """The question that it answers, or the kind of policy or resource that it is about."""


def ok(text: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(State.OK, text)


def problem(text: str, remedy: str = "", *details: str) -> Finding:
    """Return a finding that reports a problem."""
    return Finding(State.PROBLEM, text, remedy, details)


def note(text: str, remedy: str = "", *details: str) -> Finding:
    """Return a finding that is worth knowing but is not a problem with the role."""
    return Finding(State.NOTE, text, remedy, details)


def cannot_tell(text: str, remedy: str = "", *details: str) -> Finding:
    """Return a finding that depends on something unknown; `remedy` says how to find out."""
    return Finding(State.CANNOT_TELL, text, remedy, details)


def skipped(text: str) -> Finding:
    """Return the finding that something could not be read, for the reason in `text`."""
    return Finding(State.SKIPPED, text)


def not_allowed(action: str) -> Finding:
    """Return the finding that something could not be read because the credentials lack an action."""
    return skipped(f"{action} is not allowed for these credentials")


def unread(error: BotoCoreError | ClientError | ResponseParserError) -> Finding:
    """Return the finding that something could not be read because of an AWS or connection error.

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
    except ParamValidationError as error:  # a data source can contain an ID that no resource can have
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

    Use this if another finding reports the failure. Raises errors about the credentials.
    """
    found = attempt(read)
    return otherwise if isinstance(found, Finding) else found
