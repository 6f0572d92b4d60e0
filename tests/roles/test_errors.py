"""An error from AWS, the SDK, or the network becomes one line with the fix."""

import re
import socket

import pytest

from tests.helpers.world import World

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("project")]


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (429, "ThrottlingException", "AWS is throttling qbusiness:ListApplications: wait a minute"),
        (403, "ExpiredTokenException", "the credentials (ExpiredTokenException): sign in"),
        (403, "UnrecognizedClientException", "AWS does not accept the credentials"),
        (404, "ResourceNotFoundException", "qbusiness:ListApplications found nothing"),
        (500, "InternalServerException", "qbusiness:ListApplications failed"),
    ],
)
def test_aws_error_is_reported_on_one_line_with_advice(
    world: World, status: int, code: str, advice: str
):
    world.reject("qbusiness:ListApplications", status=status, code=code)
    assert advice in world.adopt().rejection


@pytest.mark.parametrize("command", ["adopt", "audit"])
def test_a_throttled_call_is_repeated(world: World, command: str):
    world.make()
    world.repeat_at_once()
    world.reject("iam:GetRole", status=400, code="Throttling")
    run = getattr(world, command)
    assert "AWS is throttling iam:GetRole" in run().last
    assert world.server.calls.count("iam:GetRole") == 10
    world.patch.setenv("AWS_MAX_ATTEMPTS", "2")
    assert "AWS is throttling iam:GetRole" in run().last
    assert world.server.calls.count("iam:GetRole") == 2


@pytest.mark.parametrize("bundle", ["missing.pem", "not-pem.pem", "."])
def test_unusable_ca_bundle_is_reported_on_one_line(world: World, bundle: str):
    world.path("not-pem.pem").write_text("no certificate")
    world.patch.setenv("AWS_CA_BUNDLE", bundle)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        world.patch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{server.getsockname()[1]}")
        line = world.adopt().rejection
    assert line.startswith(f"adopt: the certificates in AWS_CA_BUNDLE={bundle} cannot be used")


@pytest.mark.parametrize(
    ("page", "answered"),
    [
        (("qbusiness:ListApplications", 200), "ListApplications returned an HTML page"),
        (("qbusiness:ListApplications", 302), "returned HTTP 302 without an error code"),
        (("qbusiness:ListApplications", 500), "returned HTTP 500 without an error code"),
        (("iam:GetRole", 200), "GetRole returned an HTML page"),
        (("iam:GetRole", 404), "the response is not in the API's format"),
    ],
)
def test_html_page_response_is_reported_without_html(world: World, page: tuple[str, int], answered: str):
    world.make()
    action, status = page
    world.server.pages[action] = status
    line = world.adopt().last
    assert answered in line
    assert f" (AWS_ENDPOINT_URL={world.server.url}): unset this variable to call AWS" in line
    assert "<" not in line
    world.patch.delenv("AWS_ENDPOINT_URL")
    for service in ("QBUSINESS", "IAM", "SECRETS_MANAGER"):
        world.patch.setenv(f"AWS_ENDPOINT_URL_{service}", world.server.url)
    line = world.adopt().last
    assert answered in line
    assert line.endswith("check the network's proxy, then repeat the command")


@pytest.mark.parametrize(
    ("variables", "advice"),
    [
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            "there are no usable AWS credentials",
        ),
        ({"AWS_SECRET_ACCESS_KEY": None}, "there are no usable AWS credentials"),
        ({"AWS_PROFILE": "nobody"}, "set AWS_PROFILE to a profile"),
        (
            {"AWS_DEFAULT_REGION": None},
            "You must specify a region. Set AWS_REGION, or --region for adopt ",
        ),
    ],
)
def test_missing_credentials_and_regions_are_reported(
    world: World, variables: dict[str, str | None], advice: str
):
    for name, value in variables.items():
        if value is None:
            world.patch.delenv(name)
        else:
            world.patch.setenv(name, value)
    assert advice in world.adopt().rejection
    assert world.server.calls == []


def test_region_option_overrides_environment(world: World):
    world.server.qbusiness.resources.clear()
    world.patch.setenv("AWS_REGION", "us-west-2")
    assert "no Amazon Q Business application in us-west-2" in world.adopt().rejection
    assert "in eu-west-1 for these credentials: pass" in world.adopt("--region", "eu-west-1").rejection
    assert "to one of us-east-1" in world.adopt("--region", "us east").rejection
    said = world.adopt("--json")
    assert (said.code, set(said.json)) == (2, {"error"})


def test_unreachable_endpoint_is_reported_on_one_line(world: World):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        world.patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        line = world.adopt().rejection
    assert "AWS cannot be reached" in line
    assert "Amazon Q Business is available in us-east-1" in line


def test_bug_is_reported_on_one_line_or_as_json(world: World):
    def fail(*_: object) -> None:
        raise KeyError("a secret")

    world.patch.setattr("roles.account.Account.data_sources", fail)
    line = world.adopt().rejection
    assert re.match(
        r"adopt: this is a bug in this program \(KeyError in test_errors.py, line \d+\)", line
    )
    assert "with PYTHONDEVMODE=1 and report the traceback without any secret values" in line
    assert "a secret" not in line
    assert set(world.adopt("--json").json) == {"error"}
    assert world.server.calls == []


@pytest.mark.parametrize("variable", ["AWS_MAX_ATTEMPTS", "AWS_ENDPOINT_URL"])
def test_invalid_sdk_setting_is_reported_on_one_line(world: World, variable: str):
    world.patch.setenv(variable, "odd")
    assert world.adopt().rejection.startswith(
        "adopt: the AWS SDK rejects a setting in the environment or the profile: "
    )
