"""What does an error of AWS, or of the way to it, mean, and what mends it?"""

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

from adopt.reading import DENIED, PERMISSIONS
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


def explain(error: BotoCoreError | ClientError) -> str:
    """Return one line: what happened, and what to do."""
    match error:
        case ClientError():
            text = _explain_answer(error)
        case NoCredentialsError() | PartialCredentialsError() | CredentialRetrievalError():
            text = f"there are no AWS credentials ({error}): {_SIGN_IN}"
        case SSOError() | TokenRetrievalError():
            text = f"the sign-in has ended ({error}): {_SIGN_IN}"
        case ProfileNotFound():
            text = f"{error}: AWS_PROFILE names it; `aws configure list-profiles` shows those there are"
        case NoRegionError() | InvalidRegionError():
            text = f"{error} Give --region, one of {', '.join(SUPPORTED_REGIONS)}"
        case ConnectionError() | HTTPClientError():
            text = (
                f"AWS cannot be reached ({error}): look at the network and its proxy, and at the "
                f"Region; Amazon Q Business is in {', '.join(SUPPORTED_REGIONS)}"
            )
        case _:
            text = str(error)
    return " ".join(text.split())


def _explain_answer(error: ClientError) -> str:
    code, said = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    operation = error.operation_name
    action = next((it for it in PERMISSIONS if it.endswith(f":{operation}")), operation)
    if code in DENIED:
        return (
            f"{action} is not allowed ({said}): let these credentials have it, and the resource's own "
            "policy if it is in another account; docs/adopt.md has the whole policy"
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
