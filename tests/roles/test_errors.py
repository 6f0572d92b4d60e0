"""Tests `roles/errors.py`, which explains errors and their fixes."""

import socket
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import Mock

import pytest
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from roles import cli
from roles.errors import (
    InputError,
    OddAnswerError,
    explain,
    is_denied,
    is_gone,
    is_unanswered,
    reason,
    unknown_status,
)
from tests.helpers.world import World


@pytest.fixture
def world(world: World) -> World:
    """Turn the directory into a Pulumi project."""
    world.write_project()
    return world


def answered(code: str, status: int = 400) -> sdk.ClientError:
    """Return an error from DescribeSecret; without a code, the response contains only a status."""
    error = {"Code": code, "Message": "two\n lines"} if code else {}
    response: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}
    return sdk.ClientError(response, "DescribeSecret")


CALL = "secretsmanager:DescribeSecret"
BAD_CREDENTIALS = (
    "AuthFailure ExpiredToken ExpiredTokenException IncompleteSignature InvalidClientTokenId "
    "InvalidSignatureException SignatureDoesNotMatch UnrecognizedClientException"
)
THROTTLED = "RequestLimitExceeded Throttling ThrottlingException TooManyRequestsException"


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        (
            "AccessDenied AccessDeniedException UnauthorizedOperation",
            f"{CALL} is not allowed (two lines",
        ),
        (BAD_CREDENTIALS, "AWS rejects the credentials (CODE): sign in (`aws sso login`"),
        (THROTTLED, f"AWS is throttling {CALL}: wait a minute and repeat the command, or set "),
        (
            "NoSuchBucket NoSuchEntity NotFoundException ResourceNotFoundException",
            f"{CALL} found nothing ",
        ),
        ("Else", f"{CALL} failed (CODE: two lines): repeat the command; if it fails again, look "),
    ],
)
def test_error_code_determines_explanation(codes: str, text: str):
    for code in codes.split():
        error = answered(code)
        assert explain(error).startswith(text.replace("CODE", code))
        assert is_denied(error) is ("is not allowed" in text)
        assert is_gone(error) is ("found nothing" in text)
        assert reason(error) == (f"{CALL} is not allowed" if is_denied(error) else explain(error))


ENTRIES: Final = ("provider", "cred_var", "error_msg", "profile", "region_name", "error", "data_path")
CREDENTIALS: Final = "there are no usable AWS credentials ("
EXPIRED: Final = "the sign-in is missing or has expired ("
SIGN_IN: Final = "): sign in (`aws sso login`, "
UNREACHABLE: Final = "AWS cannot be reached ("


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        (sdk.NoCredentialsError, f"{CREDENTIALS}Unable to locate", SIGN_IN),
        (sdk.PartialCredentialsError, f"{CREDENTIALS}Partial", SIGN_IN),
        (sdk.CredentialRetrievalError, f"{CREDENTIALS}Error when", SIGN_IN),
        (sdk.UnauthorizedSSOTokenError, f"{EXPIRED}The SSO", SIGN_IN),
        (sdk.TokenRetrievalError, f"{EXPIRED}Error when", SIGN_IN),
        (sdk.ProfileNotFound, "The config profile (x) could not", ": set AWS_PROFILE to a "),
        (
            sdk.NoRegionError,
            "You must specify a region. Set AWS_REGION, or --region for",
            " us-east-1, ",
        ),
        (sdk.InvalidRegionError, "Provided region_name 'x'", " Set AWS_REGION, or --region"),
        (
            sdk.SSLError,
            "AWS's certificate cannot be verified (SSL",
            "a proxy uses its own certificate, ",
        ),
        (sdk.EndpointConnectionError, f"{UNREACHABLE}Could not", " us-east-1, "),
        (sdk.ConnectTimeoutError, f"{UNREACHABLE}Connect", " us-east-1, "),
        (sdk.ReadTimeoutError, f"{UNREACHABLE}Read", " us-east-1, "),
        (sdk.DataNotFoundError, "Unable to load data for: x", ""),
    ],
)
def test_sdk_errors_are_explained(kind: type[sdk.BotoCoreError], start: str, end: str):
    text = explain(kind(**dict.fromkeys(ENTRIES, "x"), endpoint_url="x"))
    assert text.startswith(start)
    assert end in text


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (OddAnswerError(operation="iam:GetRole", reason="is odd"), "the response to iam:GetRole is odd"),
        (unknown_status("GetIndex", "NEW"), "the response to GetIndex has the unknown status 'NEW'"),
        # This error's message contains the entire response.
        (ResponseParserError("<x>"), "the response is not in the API's format"),
        (answered("", 502), f"{CALL} returned HTTP 502 without an error code"),
    ],
)
def test_response_that_aws_would_not_send_is_explained(
    monkeypatch: pytest.MonkeyPatch, error: Any, start: str
):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert explain(error).startswith(f"{start}, possibly because of a proxy, ")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://x")
    assert explain(error) == f"{start}: to call AWS, unset AWS_ENDPOINT_URL (http://x)"


def test_only_servers_other_than_aws_can_lack_an_operation(monkeypatch: pytest.MonkeyPatch):
    codes = (("InvalidAction", 400), ("UnknownOperationException", 404), ("NotImplemented", 501))
    lacking = [answered(*each) for each in codes]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://x")
    assert all(map(is_unanswered, lacking))
    assert not is_unanswered(answered("InternalFailure", 500))
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert not any(map(is_unanswered, lacking))


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (answered("AccessDenied"), 2, f"{CALL} is not allowed (two lines): allow it"),
        (sdk.NoCredentialsError(), 2, "there are no usable AWS credentials"),
        (ResponseParserError("<x>"), 2, "the response is not in the API's format"),
        (InputError("wrong", "  more", details={"choices": [1]}), 2, "wrong\n  more\n"),
        (FileNotFoundError(2, "No such file", "a.yaml"), 2, "a.yaml: No such file"),
        (OSError("odd"), 2, "odd"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (EOFError(), 130, "interrupted"),
        (KeyError("a secret"), 2, "this is a bug in this program (KeyError in test_errors.py, line "),
    ],
)
def test_each_exception_ends_a_command_with_its_exit_code(
    world: World, error: BaseException, code: int, line: str
):
    def fail(*_: object) -> None:
        raise error

    world.patch.setattr("roles.audit.command.run", fail)
    said, document = world.audit(), world.audit("--json")
    assert (said.code, said.out) == (code, "")
    assert (document.code, document.err) == (code, said.err)
    assert said.err.startswith(f"audit: {line}")
    assert "a secret" not in said.err
    more = {"choices": [1]} if line == "wrong\n  more\n" else {}
    assert document.json == {"error": said.err.removeprefix("audit: ").rstrip("\n"), **more}


def test_development_mode_shows_the_traceback_of_a_bug(world: World):
    world.patch.setattr("roles.audit.command.run", Mock(side_effect=KeyError))
    world.patch.setattr(cli.sys, "flags", SimpleNamespace(dev_mode=True))
    with pytest.raises(KeyError):
        world.audit()


@pytest.mark.slow
def test_a_throttled_call_is_retried(world: World):
    world.make()
    # Retry as often as in normal use, but without pauses.
    world.patch.delenv("AWS_MAX_ATTEMPTS")
    world.patch.setattr("botocore.endpoint.time.sleep", str)
    world.patch.setattr("botocore.retries.bucket.TokenBucket.acquire", Mock())
    world.reject("iam:GetRole", status=400, code="Throttling")
    said = world.audit()
    assert said.code == 2
    assert "AWS is throttling iam:GetRole" in said.out
    assert world.server.calls.count("iam:GetRole") == 10
    world.patch.setenv("AWS_MAX_ATTEMPTS", "2")
    assert "AWS is throttling iam:GetRole" in world.adopt().out
    assert world.server.calls.count("iam:GetRole") == 2


@pytest.mark.slow
@pytest.mark.parametrize("bundle", ["missing.pem", "not-pem.pem", "."])
def test_unusable_ca_bundle_is_reported_on_one_line(world: World, bundle: str):
    world.path("not-pem.pem").write_text("no certificate")
    world.patch.setenv("AWS_CA_BUNDLE", bundle)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        world.patch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{server.getsockname()[1]}")
        line = world.adopt().rejection
    assert line.startswith("adopt: AWS's certificate cannot be verified (")
    assert "AWS_CA_BUNDLE" in line


@pytest.mark.slow
def test_html_response_is_reported_without_html(world: World):
    world.reject("qbusiness:ListApplications", status=200, code="")
    line = world.adopt().rejection
    assert (
        "the response to qbusiness:ListApplications is an HTML page: to call AWS, unset AWS_END" in line
    )
    assert "<" not in line


@pytest.mark.slow
def test_region_option_overrides_environment(world: World):
    world.server.qbusiness.resources.clear()
    world.patch.setenv("AWS_REGION", "us-west-2")
    assert "no Amazon Q Business application in us-west-2" in world.adopt().rejection
    assert "in eu-west-1 for these credentials: pass" in world.adopt("--region", "eu-west-1").rejection
    assert "to one of us-east-1" in world.adopt("--region", "us east").rejection


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["AWS_MAX_ATTEMPTS", "AWS_ENDPOINT_URL"])
def test_invalid_sdk_setting_is_reported_on_one_line(world: World, variable: str):
    world.patch.setenv(variable, "odd")
    assert world.adopt().rejection.startswith(
        "adopt: the AWS SDK rejects a setting in the environment or the profile: "
    )
