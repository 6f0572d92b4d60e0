"""Explain errors of AWS and of the connection to it, with what to do."""

import os
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 botocore's, which is not Python's
    CredentialRetrievalError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from adopt.reading import DENIED, PERMISSIONS, PageError
from components.formats import SUPPORTED_REGIONS

_SIGN_IN: Final = (
    "sign in (`aws sso login`, `aws configure`), or name a profile in AWS_PROFILE; "
    "`aws sts get-caller-identity` shows who you are"
)
_BAD_CREDENTIALS: Final = (
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
_THROTTLED: Final = (
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)
_GONE: Final = ("NoSuchEntity", "NotFoundException", "ResourceNotFoundException")


def explain(error: BotoCoreError | ClientError | ResponseParserError) -> str:
    """Return one line: what happened, and what to do."""
    match error:
        case ClientError():
            text = _explain_answer(error)
        case NoCredentialsError() | PartialCredentialsError() | CredentialRetrievalError():
            text = f"there are no AWS credentials ({error}): {_SIGN_IN}"
        case SSOError() | TokenRetrievalError():
            text = f"the sign-in has ended ({error}): {_SIGN_IN}"
        case ProfileNotFound():
            text = f"{error}: AWS_PROFILE names it; `aws configure list-profiles` lists those that exist"
        case NoRegionError() | InvalidRegionError():
            text = f"{error} Give --region, one of {', '.join(SUPPORTED_REGIONS)}"
        case ConnectionError() | HTTPClientError():
            text = (
                f"AWS cannot be reached ({error}): look at the network and its proxy, and at the "
                f"Region; Amazon Q Business is in {', '.join(SUPPORTED_REGIONS)}"
            )
        case PageError():
            text = _explain_other_server(str(error))
        case ResponseParserError():
            # Its message holds the whole answer.
            text = _explain_other_server("an answer is not in the format of the API")
        case _:
            text = str(error)
    return " ".join(text.split())


def _explain_answer(error: ClientError) -> str:
    code, said = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    operation = error.operation_name
    action = next((name for name in PERMISSIONS if name.endswith(f":{operation}")), operation)
    if code.isdigit():
        # The HTTP status, in place of the code that every error of an API has.
        return _explain_other_server(f"{action} was answered with HTTP {code} and no error code")
    if code in DENIED:
        return (
            f"{action} is not allowed ({said}): allow it for these credentials, and in the resource's "
            "own policy if it is in another account; docs/adopt.md has the whole policy"
        )
    if code in _BAD_CREDENTIALS:
        return f"AWS does not accept the credentials ({code}): {_SIGN_IN}"
    if code in _THROTTLED:
        return f"AWS throttles {action}: wait a minute and repeat, or set AWS_MAX_ATTEMPTS=10"
    if code in _GONE:
        return (
            f"{action} found nothing ({said}): look at --application and --region, and whether the data "
            "source still has the secret, key and role that it names"
        )
    return f"{action} failed ({code}: {said}): repeat the command"


def _explain_other_server(text: str) -> str:
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        return (
            f"the sandbox has no Amazon Q Business; run adopt outside the sandbox, with AWS credentials "
            f"({text}, by AWS_ENDPOINT_URL={endpoint})"
        )
    return f"{text}, as by a proxy or an outage: check the network's proxy, then repeat the command"
