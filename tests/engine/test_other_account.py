"""Tests `components/rules.py`: the state after commands with another account's credentials.

The program rejects credentials that are not for the account in the application's ARN. But a refresh
and a destroy run before the program or without it (`Execute` in
pkg/resource/deploy/deployment_executor.go in https://github.com/pulumi/pulumi). They drop the role
from the state, because it does not exist in the other account. `aws:allowedAccountIds` prevents this
loss if the state contains the setting, because these operations configure the provider from the state
(`EnsureProvider` in deployment.go, `Same` in providers/registry.go). With `PULUMI_RUN_PROGRAM=true`,
the program runs first (`RefreshProgram`).
"""

from collections.abc import Mapping
from typing import Any, Final

from pages.examples import ACCOUNT, APPLICATION_ID
from sandbox.environment import PROJECT
from tests.helpers.page import commands, page_path
from tests.helpers.recorder import recorder
from tests.helpers.stacks import OTHER_ACCOUNT, Aws, NewStack, Stack, other_credentials, running_provider
from tests.helpers.support import REQUIRED

ALLOWED: Final = {**REQUIRED, "aws:allowedAccountIds": [ACCOUNT]}
BY_THE_LIST: Final = f"AWS account ID not allowed: {OTHER_ACCOUNT}"
BY_THE_PROGRAM: Final = f"but the credentials are for account {OTHER_ACCOUNT}"

KEEPS: Final = "fails, and the state keeps the role and its policy"
LOSES: Final = "fails after the role and its policy have left the state"
FORGETS: Final = "succeeds, and the role and its policy have left the state"
RESULTS: Final[Mapping[tuple[str, str], str]] = {
    ("never set", "refresh --yes"): FORGETS,
    ("never set", "destroy --yes"): FORGETS,
    ("not recorded", "refresh --yes"): FORGETS,
    ("recorded", "up --yes --skip-preview"): KEEPS,
    ("recorded", "destroy --yes"): KEEPS,
    ("never set", "PULUMI_RUN_PROGRAM=true up --yes --skip-preview"): KEEPS,
    ("never set", "PULUMI_RUN_PROGRAM=true destroy --yes"): KEEPS,  # the preview fails
    # A destroy checks only `DestroyProgram`: with `refresh: always`, the refresh precedes the program.
    ("never set", "PULUMI_RUN_PROGRAM=true destroy --yes --skip-preview"): LOSES,
    ("never set", "PULUMI_RUN_PROGRAM=true destroy --yes --skip-preview --refresh=false"): KEEPS,
    ("not recorded", "PULUMI_RUN_PROGRAM=true refresh --yes --skip-preview"): KEEPS,
}
"""For each state of `aws:allowedAccountIds` and each command, the result."""
EXPIRED: Final = """\
<ErrorResponse><Error><Code>ExpiredToken</Code>
<Message>The security token included in the request is expired</Message></Error></ErrorResponse>"""


def roles(stack: Stack) -> list[dict[str, Any]]:
    """Return the role and its policy from the state."""
    return [each for each in stack.resources() if each["type"].startswith("aws:")]


def test_state_is_protected_only_by_program_or_recorded_account_list(
    new_stack: NewStack, aws: Aws, environment: dict[str, str]
):
    stack = new_stack(REQUIRED)
    stack.up()
    without_list = stack.state_file.read_text()
    # With the application's ARN, the program itself would reject this list.
    by_id = {**REQUIRED, "applicationId": APPLICATION_ID}
    stack.configure({**by_id, "aws:allowedAccountIds": [OTHER_ACCOUNT]})
    assert f"AWS account ID not allowed: {ACCOUNT}" in stack.up(check=False).text
    stack.configure(ALLOWED)
    stack.up()  # the failed update has not recorded its list in the state
    with_list = stack.state_file.read_text()
    role = stack.outputs()["roleName"]
    in_aws = aws.trust_policy(role), aws.role_policies(role)
    own, credentials = stack.environment, other_credentials(environment)

    def reset(allowed: str) -> None:
        stack.configure(REQUIRED if allowed == "never set" else ALLOWED)
        stack.state_file.write_text(with_list if allowed == "recorded" else without_list)

    def result(allowed: str, command: str) -> str:
        reset(allowed)
        before = roles(stack)
        arguments = command.removeprefix("PULUMI_RUN_PROGRAM=true ")
        stack.environment["PULUMI_RUN_PROGRAM"] = str(arguments != command).lower()
        done = stack.operate(*arguments.split(), check=False)
        left = roles(stack)
        reason = BY_THE_PROGRAM if allowed == "never set" else BY_THE_LIST
        if done.exit_code == 0 and not left:
            return FORGETS
        if done.exit_code != 0 and reason in done.text and left in (before, []):
            return KEEPS if left else LOSES
        return done.text

    with running_provider({**environment, **credentials}) as provider:
        stack.environment = {**own, **credentials, **provider}
        assert {case: result(*case) for case in RESULTS} == RESULTS
    assert (aws.trust_policy(role), aws.role_policies(role)) == in_aws
    assert Aws({**environment, **credentials}).roles() == []

    reset("never set")
    stack.environment = own
    switch = commands("Another account", PROJECT / "sandbox" / "README.md")
    preview = f"pulumi --non-interactive preview --stack {stack.name}"
    seen = stack.execute("sh", "-euc", f"{switch}{preview}", check=False, PATH=page_path(stack))
    assert BY_THE_PROGRAM in seen.stdout

    none = {name: value for name, value in own.items() if "ACCESS_KEY" not in name}
    with recorder(own["AWS_ENDPOINT_URL"]) as failing:
        failing.answers["GetCallerIdentity"] = lambda _: (403, EXPIRED)
        expired = {**own, "AWS_ENDPOINT_URL": failing.url}
        for bad, reason in (
            (expired, "The configured AWS credentials are invalid or have expired."),
            (none, "No valid credential sources found."),
        ):
            with running_provider(bad) as provider:
                stack.environment = {**bad, **provider}
                rejected = stack.up("--refresh=false", check=False)
            assert rejected.exit_code != 0
            assert f"' has a problem: {reason}\n" in rejected.text
            assert "Traceback" not in rejected.text
