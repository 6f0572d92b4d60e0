"""Credentials of another account, no credentials, and expired ones end a command with a short error.

For a new stack, and wherever the program runs before the refresh, the program rejects the credentials
if the settings name the account. Otherwise, the provider does, when the engine checks it
(`preConfigureCallback` in pulumi-aws) or configures it.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID
from tests.helpers.faults import proxy
from tests.helpers.stacks import OTHER_ACCOUNT, Aws, NewStack, other_credentials, running_provider
from tests.helpers.support import REQUIRED

LISTED: Final = {"aws:allowedAccountIds": [ACCOUNT]}
EXPIRED: Final = {
    "code": "ExpiredToken",
    "message": "The security token included in the request is expired",
    "status": 403,
}
SWITCH: Final = """\
`unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN; export AWS_PROFILE=PROFILE`, with a \
profile for {}, or change aws:profile if the stack sets it; `aws sts get-caller-identity` shows the \
account and the partition of the shell's credentials"""
BY_THE_LIST: Final = f"* AWS account ID not allowed: {OTHER_ACCOUNT}\n"
BY_THE_ARN: Final = f"""\
    error: invalid configuration: 1 error; no role was created or changed

      applicationId: the application is in account {ACCOUNT}, but the credentials are for account \
{OTHER_ACCOUNT}; a role can be passed only within its own account
        expected: credentials for account {ACCOUNT}
        fix: {SWITCH.format(f"account {ACCOUNT}")}
"""
BY_THE_PROVIDER: Final = "    error: pulumi:providers:aws resource '{}' has a problem: {}\n"
NONE: Final = "No valid credential sources found."
INVALID: Final = "The configured AWS credentials are invalid or have expired."

RUN_PROGRAM: Final = {"PULUMI_RUN_PROGRAM": "true"}


@contextmanager
def credentials(kind: str, environment: Mapping[str, str]) -> Generator[dict[str, str]]:
    """Yield the environment with credentials of this kind, and run a provider in it."""
    with proxy(environment["AWS_ENDPOINT_URL"]) as failing:
        own = dict(environment)
        match kind:
            case "another account":
                own |= other_credentials(environment)
            case "expired":
                own["AWS_ENDPOINT_URL"] = failing.url
                call = {"service": "sts", "operation": "GetCallerIdentity"}
                failing.set_rules({**call, "error": EXPIRED})
            case _:
                own = {name: value for name, value in own.items() if "ACCESS_KEY" not in name}
        with running_provider(own) as provider:
            yield {**own, **provider}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("another account", LISTED, BY_THE_LIST),
        ("another account", {}, BY_THE_ARN),
        ("another account", {**LISTED, "applicationId": APPLICATION_ID}, BY_THE_LIST),
        ("expired", LISTED, BY_THE_PROVIDER.format("{}", INVALID)),
        ("expired", {}, BY_THE_PROVIDER.format("{}", INVALID)),
        ("none", LISTED, BY_THE_PROVIDER.format("{}", NONE)),
        ("none", {}, BY_THE_PROVIDER.format("{}", NONE)),
    ],
)
def test_unusable_credentials_end_command_with_short_error(
    new_stack: NewStack, aws: Aws, kind: str, settings: dict[str, Any], expected: str
):
    stack = new_stack({**REQUIRED, **settings})
    own = stack.environment

    def assert_rejected(*command: str, **variables: str) -> None:
        stack.environment = {**bad, **variables}
        done = stack.operate(*command, check=False)
        stack.environment = own
        assert done.exit_code != 0
        shown = "\n".join(line.rstrip() for line in done.text.splitlines())
        version = shown.partition("'default_")[2].partition("'")[0]
        assert expected.format(f"default_{version}") in f"{shown}\n"
        assert "Traceback" not in shown

    def everything() -> tuple[object, ...]:
        # A failed command can reorder the resources.
        state = {each["urn"]: (each.get("inputs"), each.get("outputs")) for each in stack.resources()}
        return state, [(aws.trust_policy(role), aws.role_policies(role)) for role in aws.roles()]

    with credentials(kind, own) as bad:
        assert_rejected("preview")
        assert_rejected("up", "--yes", "--skip-preview")
        assert aws.roles() == []
        stack.up()
        before = everything()
        assert_rejected("preview", **RUN_PROGRAM)
        assert_rejected("up", "--yes", "--skip-preview", **RUN_PROGRAM)
        assert_rejected("refresh", "--yes", "--skip-preview", "--run-program")
        assert everything() == before
