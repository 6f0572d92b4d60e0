"""roles/errors, credentials: an error of AWS, the SDK, or the network becomes one line with the fix."""

import socket
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    DataNotFoundError,
    EndpointConnectionError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSLError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
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


def answered(code: str, status: int = 400, said: str = "said") -> ClientError:
    """Return the error of a call to DescribeSecret; without a code, AWS's response has only a status."""
    error = {"Code": code, "Message": said} if code else {}
    response: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "DescribeSecret")


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
            f"{CALL} is not allowed (said): allow it for these credentials and, ",
        ),
        (BAD_CREDENTIALS, "AWS does not accept the credentials (CODE): sign in (`aws sso login`"),
        (THROTTLED, f"AWS is throttling {CALL}: wait a minute and repeat the command, or set "),
        (
            "NoSuchBucket NoSuchEntity NotFoundException ResourceNotFoundException",
            f"{CALL} found nothing (said): check the IDs and the Region, and whether the data ",
        ),
        ("Else", f"{CALL} failed (CODE: said): repeat the command; if it fails again, look "),
    ],
)
def test_every_code_is_explained_as_its_kind(codes: str, text: str):
    for code in codes.split():
        error = answered(code)
        assert explain(error).startswith(text.replace("CODE", code))
        assert is_denied(error) is ("is not allowed" in text)
        assert is_gone(error) is ("found nothing" in text)
        assert reason(error) == (f"{CALL} is not allowed" if is_denied(error) else explain(error))


SIGN_IN = ": sign in (`aws sso login`, "


@pytest.mark.parametrize(
    ("error", "start", "end"),
    [
        (NoCredentialsError(), "there are no usable AWS credentials (Unable to locate", SIGN_IN),
        (
            PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
            "there are no usable AWS credentials (Partial",
            SIGN_IN,
        ),
        (
            CredentialRetrievalError(provider="process", error_msg="x"),
            "there are no usable AWS credentials (Error when",
            SIGN_IN,
        ),
        (UnauthorizedSSOTokenError(), "the sign-in is missing or has expired (The SSO", SIGN_IN),
        (
            TokenRetrievalError(provider="sso", error_msg="x"),
            "the sign-in is missing or has expired (Error when",
            SIGN_IN,
        ),
        (ProfileNotFound(profile="x"), "The config profile (x) could not", ": set AWS_PROFILE to a "),
        (NoRegionError(), "You must specify a region. Set AWS_REGION, or --region for", " us-east-1, "),
        (
            InvalidRegionError(region_name="x"),
            "Provided region_name 'x'",
            " Set AWS_REGION, or --region",
        ),
        (SSLError(endpoint_url="x", error="y"), "AWS's certificate cannot be verified (SSL", "PROXY"),
        (EndpointConnectionError(endpoint_url="x"), "AWS cannot be reached (Could not", " us-east-1, "),
        (ConnectTimeoutError(endpoint_url="x"), "AWS cannot be reached (Connect", " us-east-1, "),
        (ReadTimeoutError(endpoint_url="x"), "AWS cannot be reached (Read", " us-east-1, "),
        (
            OddAnswerError(operation="iam:GetRole", reason="is odd"),
            "the response to iam:GetRole is odd, possibly",
            "update boto3, ",
        ),
        (
            unknown_status("GetIndex", "NEW"),
            "the response to GetIndex has the unknown status 'NEW'",
            "update boto3, ",
        ),
        # The message of this error has the whole response.
        (ResponseParserError("<x>"), "the response is not in the API's format, possibly", "boto3, "),
        (
            answered("", 502),
            f"{CALL} returned HTTP 502 without an error code, possibly",
            "update boto3, ",
        ),
        (answered("X", said="two\n lines"), f"{CALL} failed (X: two lines): repeat", "look up X in "),
        (DataNotFoundError(data_path="x"), "Unable to load data for: x", ""),
    ],
)
def test_every_error_of_the_sdk_is_explained_on_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Any, start: str, end: str
):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    text = explain(error)
    assert text.startswith(start)
    assert end.replace("PROXY", "behind a proxy with its own certificate, set AWS_CA_BUNDLE to ") in text
    assert "<x>" not in text
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://x")
    of_server = ": to call AWS, unset AWS_ENDPOINT_URL (http://x)"
    assert explain(error).endswith(of_server) is ("possibly because of a proxy" in text)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("InvalidAction", 400, True),
        ("UnknownOperationException", 404, True),
        ("NotImplemented", 501, True),
        ("InternalFailure", 500, False),
        ("AccessDenied", 403, False),
    ],
)
def test_only_another_server_lacks_an_operation(
    monkeypatch: pytest.MonkeyPatch, code: str, status: int, expected: bool
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://x")
    assert is_unanswered(answered(code, status)) is expected
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert not is_unanswered(answered(code, status))


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (answered("AccessDenied"), 2, f"{CALL} is not allowed (said): allow it"),
        (NoCredentialsError(), 2, "there are no usable AWS credentials"),
        (ResponseParserError("<x>"), 2, "the response is not in the API's format"),
        (InputError("wrong", "  more", details={"choices": [1]}), 2, "wrong"),
        (FileNotFoundError(2, "No such file", "a.yaml"), 2, "a.yaml: No such file"),
        (OSError("odd"), 2, "odd"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (EOFError(), 130, "interrupted"),
        (KeyError("a secret"), 2, "this is a bug in this program (KeyError in test_errors.py, line "),
    ],
)
@pytest.mark.parametrize("json", [True, False])
def test_every_exception_ends_a_command_with_its_code(
    world: World, error: BaseException, code: int, line: str, json: bool
):
    def fail(*_: object) -> None:
        raise error

    world.patch.setattr("roles.audit.command.run", fail)
    said = world.audit(*(["--json"] if json else []))
    assert said.code == code
    first, *more = said.err.splitlines()
    assert first.startswith(f"audit: {line}")
    assert more == (["  more"] if line == "wrong" else [])
    assert "a secret" not in said.err + said.out
    if json:
        document = said.json
        text = "\n".join([first.removeprefix("audit: "), *more])
        assert document == {"error": text} | ({"choices": [1]} if line == "wrong" else {})
    else:
        assert said.out == ""


def test_developer_sees_the_traceback_of_a_bug(world: World):
    def fail(*_: object) -> None:
        raise KeyError("a secret")

    world.patch.setattr("roles.audit.command.run", fail)
    world.patch.setattr(cli.sys, "flags", type("Flags", (), {"dev_mode": True}))
    with pytest.raises(KeyError):
        world.audit()


@pytest.mark.slow
def test_a_throttled_call_is_repeated(world: World):
    world.make()
    world.repeat_at_once()
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
@pytest.mark.parametrize(
    ("page", "answered"),
    [
        (
            ("qbusiness:ListApplications", 200),
            "the response to qbusiness:ListApplications is an HTML page",
        ),
        (("qbusiness:ListApplications", 302), "returned HTTP 302 without an error code"),
        (("iam:GetRole", 404), "the response is not in the API's format"),
    ],
)
def test_html_page_response_is_reported_without_html(world: World, page: tuple[str, int], answered: str):
    world.make()
    action, status = page
    world.reject(action, status=status, code="")
    said = world.adopt()
    (line,) = [each for each in (said.out + said.err).splitlines() if answered in each]
    assert f": to call AWS, unset AWS_ENDPOINT_URL ({world.server.url})" in line
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
