"""Ask about resources: a resource that is missing or cannot be read is an answer, too."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from guardrails.iam.truth import Truth
from roles.errors import (
    UNREACHABLE,
    OddAnswerError,
    failed_action,
    is_bad_credentials,
    is_denied,
    is_unanswered,
)
from roles.findings import Finding, cannot_tell, not_allowed, note, ok, problem, skipped, unread

_T = TypeVar("_T")
Answers = Finding | Iterable[Finding]

NO_APPLICATION: Final = skipped("the application was not found")
NO_ROLE: Final = skipped("the role was not found")
NO_BUCKET: Final = ok("the role needs no bucket")
NO_KEY: Final = ok("the role needs no customer managed key")
NO_SECRET: Final = ok("the role needs no secret")
NO_VPC: Final = ok("the role needs no VPC")
"""Answers to questions about a resource that does not exist or that the role does not need."""
_UNANSWERED: Final = "the server at AWS_ENDPOINT_URL does not support this check: use AWS"

ABOUT_DIFFERENCE: Final[Mapping[Truth, Callable[..., Finding]]] = {
    Truth.YES: note,
    Truth.NO: problem,
    Truth.CANNOT_TELL: cannot_tell,
}
"""The answers about a difference from the settings, by whether AWS still allows the role's requests."""


class MissingError(Exception):
    """Raised if something that a question needs does not exist or cannot be read."""

    def __init__(self, answer: Finding) -> None:
        """Store the answer to the question."""
        super().__init__(answer.text)
        self.answer = answer


FAILURES: Final = (MissingError, BotoCoreError, ClientError)


def needed(value: _T | None, without: Finding) -> _T:
    """Return a value; if it is None or empty, raise MissingError with the answer `without`."""
    if not value:
        raise MissingError(without)
    return value


def ignore(is_expected: Callable[[ClientError], bool], read: Callable[[], _T]) -> _T | None:
    """Return the result of a call; None after an error that `is_expected` accepts."""
    try:
        return read()
    except ClientError as error:
        if not is_expected(error):
            raise
        return None


def attempt(read: Callable[[], _T]) -> _T | Finding:
    """Return what `read` returns or, if that is missing or a call to AWS fails, the answer instead.

    Raises errors about the credentials.
    """
    try:
        return read()
    except FAILURES as error:
        return _answer_of(error)


def attempt_or(otherwise: _T, read: Callable[[], _T]) -> _T:
    """Return what `read` returns or, if that is missing or a call to AWS fails, `otherwise`.

    Use this if another question reports the failure. Raises errors about the credentials.
    """
    found = attempt(read)
    return otherwise if isinstance(found, Finding) else found


def ask_each(questions: Iterable[tuple[str, Callable[[], Answers]]]) -> Iterator[tuple[str, Finding]]:
    """Yield each question's name with its answers, even if another question cannot be answered.

    Answers before a failed call to AWS count, too. Raises errors about the credentials.
    """
    for name, ask in questions:
        try:
            found = ask()
            for answer in [found] if isinstance(found, Finding) else found:
                yield name, answer
        except FAILURES as error:
            yield name, _answer_of(error)


def about_each(
    questions: Iterable[tuple[str, Callable[[], Answers]]], otherwise: Finding, *own: str | None
) -> list[Finding]:
    """Return the different answers about each resource, or `otherwise` if there are none.

    Each question follows the resource's ARN, ID, or name, which is the answer's subject. Answers about
    a resource in the settings, `own`, have no subject.
    """
    found = (
        answer._replace(subject="" if resource in own else resource)
        for resource, answer in ask_each(questions)
    )
    return [*dict.fromkeys(found)] or [otherwise]


def _answer_of(error: MissingError | BotoCoreError | ClientError) -> Finding:
    if isinstance(error, MissingError):
        return error.answer
    if isinstance(error, ClientError) and not is_bad_credentials(error):
        if is_unanswered(error):
            return skipped(_UNANSWERED)
        return not_allowed(failed_action(error)) if is_denied(error) else unread(error)
    if isinstance(error, (OddAnswerError, *UNREACHABLE)):
        return unread(error)
    raise error
