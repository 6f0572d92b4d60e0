"""Explain AWS and connection errors, and how to fix them."""

import os
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 botocore's class, not Python's
    CredentialRetrievalError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from components.formats import SUPPORTED_REGIONS
from roles.actions import action

# The exit codes of the commands.
FINE: Final = 0
PROBLEMS: Final = 1
COULD_NOT_LOOK: Final = 2
CANNOT_TELL: Final = 3
"""The exit code of `audit` and `check` if there are unknown answers but no problems or failed reads."""
NOT_APPLIED: Final = 4
"""The exit code of `adopt` and `assign` if a plan was not confirmed."""

PERMISSIONS_PAGE: Final = "docs/read-permissions.md"
_SIGN_IN: Final = (
    "sign in (`aws sso login`, `aws configure`), or set AWS_PROFILE to a profile; "
    "`aws sts get-caller-identity` shows who you are"
)
DENIED: Final = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
"""The error codes for a missing permission."""
_BAD_CREDENTIALS: Final = (
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
THROTTLED: Final = (
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)
UNREACHABLE: Final = (ConnectionError, HTTPClientError)
"""Exceptions for an address that cannot be reached or does not respond."""
_GONE: Final = ("NoSuchBucket", "NoSuchEntity", "NotFoundException", "ResourceNotFoundException")

_UNKNOWN: Final = ("InvalidAction", "UnknownOperationException")
_OF_CODES: Final = {
    DENIED: "{called} is not allowed ({said}): allow it for these credentials and, if the resource is "
    "in another account, in the resource's policy; {page} lists the required permissions",
    _BAD_CREDENTIALS: f"AWS rejects the credentials ({{code}}): {_SIGN_IN}",
    THROTTLED: "AWS is throttling {called}: wait a minute and repeat the command, or set "
    "AWS_MAX_ATTEMPTS=20",
    _GONE: "{called} found nothing ({said}): check the IDs and the Region, and whether the data "
    "source's secret, key, and role still exist",
}
"""Explanations of AWS errors, by error code."""
_OF_OTHER_CODES: Final = (
    "{called} failed ({code}: {said}): repeat the command; if it fails again, look up {code} in AWS's "
    "documentation"
)
_REGIONS: Final = ", ".join(SUPPORTED_REGIONS)
_OF_SDK: Final[Mapping[tuple[type[Exception], ...], str]] = {
    (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError): (
        f"there are no usable AWS credentials ({{}}): {_SIGN_IN}"
    ),
    (SSOError, TokenRetrievalError): f"the sign-in is missing or has expired ({{}}): {_SIGN_IN}",
    (ProfileNotFound,): "{}: set AWS_PROFILE to a profile that `aws configure list-profiles` lists",
    (NoRegionError, InvalidRegionError): (
        f"{{}} Set AWS_REGION, or --region for adopt and audit, to one of {_REGIONS}"
    ),
    (SSLError,): "AWS's certificate cannot be verified ({}): if a proxy uses its own certificate, set "
    "AWS_CA_BUNDLE to a file with PEM certificates",
    UNREACHABLE: (
        "AWS cannot be reached ({}): check the network, its proxy, the Region, and AWS_ENDPOINT_URL, if "
        f"it is set; Amazon Q Business is available in {_REGIONS}"
    ),
}
"""Explanations of SDK errors, by class; a later class can be a base class of an earlier class."""


class InputError(Exception):
    """Raised for missing or unusable input; the message explains how to fix it."""

    def __init__(self, text: str, *more: str, details: Mapping[str, object] | None = None) -> None:
        """Store the message, more lines below it, and additional entries for the `--json` document."""
        super().__init__(text)
        self.lines = (text, *more)
        self.details = details or {}


class OddAnswerError(BotoCoreError):
    """Raised for an unusable response from AWS or from another server, such as a proxy."""

    fmt = "the response to {operation} {reason}"


def unknown_status(operation: str, status: str) -> OddAnswerError:
    """Return the error for a status that this version of the program does not know."""
    reason = f"has the unknown status {status!r}"
    return OddAnswerError(operation=operation, reason=reason)


def code(error: ClientError) -> str:
    """Return an error's code, or its HTTP status if it has no code."""
    response: Mapping[str, Any] = error.response
    return response.get("Error", {}).get("Code") or str(response["ResponseMetadata"]["HTTPStatusCode"])


def failed_action(error: BotoCoreError | ClientError) -> str:
    """Return the IAM action of the failed call; a BotoCoreError must have `operation` in `kwargs`."""
    return action(error.operation_name if isinstance(error, ClientError) else error.kwargs["operation"])


def is_denied(error: ClientError) -> bool:
    """Return whether AWS denied access, for example because the credentials lack a permission."""
    return code(error) in DENIED


def is_gone(error: ClientError) -> bool:
    """Return whether the requested resource does not exist."""
    return code(error) in _GONE


def is_bad_credentials(error: ClientError) -> bool:
    """Return whether AWS rejected the credentials; if so, every other call would fail, too."""
    return code(error) in _BAD_CREDENTIALS


def is_unanswered(error: ClientError) -> bool:
    """Return whether the server at AWS_ENDPOINT_URL, such as the sandbox, does not support an operation.

    The server's other failures, such as an outage, count as AWS errors. If AWS_ENDPOINT_URL is not set,
    the result is False.
    """
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    is_unsupported = code(error) in _UNKNOWN or status == HTTPStatus.NOT_IMPLEMENTED
    return bool(os.environ.get("AWS_ENDPOINT_URL")) and is_unsupported


def reason(error: BotoCoreError | ClientError) -> str:
    """Return the reason for a failed call: the denied action or, for other errors, an explanation."""
    is_denial = isinstance(error, ClientError) and is_denied(error)
    return f"{failed_action(error)} is not allowed" if is_denial else explain(error)


def explain(
    error: BotoCoreError | ClientError | ResponseParserError, *, page: str = PERMISSIONS_PAGE
) -> str:
    """Return one line that explains an error and how to fix it.

    `page` is the page that lists the necessary permissions.
    """
    if isinstance(error, ClientError):
        text = _explain_answer(error, page)
    elif isinstance(error, ResponseParserError):
        # The error's message is left out because it contains the whole response.
        text = _explain_other_server("the response is not in the API's format")
    elif isinstance(error, OddAnswerError):
        text = _explain_other_server(str(error))
    else:
        advice = next((text for kinds, text in _OF_SDK.items() if isinstance(error, kinds)), "{}")
        text = advice.format(error)
    return " ".join(text.split())


def _explain_answer(error: ClientError, page: str) -> str:
    reason, called = code(error), action(error.operation_name)
    if reason.isdigit():
        # The APIs' errors have codes, so this error is probably not from an API.
        return _explain_other_server(f"{called} returned HTTP {reason} without an error code")
    advice = next((text for codes, text in _OF_CODES.items() if reason in codes), _OF_OTHER_CODES)
    said = error.response["Error"].get("Message", "")
    return advice.format(called=called, code=reason, said=said, page=page)


def _explain_other_server(text: str) -> str:
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        return f"{text}: to call AWS, unset AWS_ENDPOINT_URL ({endpoint})"
    return (
        f"{text}, possibly because of a proxy, an outage, or a newer API: update boto3, check the "
        "network's proxy, then repeat the command"
    )
