"""Credentials that AWS rejects, and no credentials, end a command with the provider's short error.

The engine ends the command when the provider checks its configuration (`preConfigureCallback` in
pulumi-aws). test_other_account.py uses credentials of another account.
"""

from typing import Final

import pytest

from tests.helpers.faults import proxy
from tests.helpers.stacks import Aws, NewStack, running_provider
from tests.helpers.support import REQUIRED

EXPIRED: Final = {
    "code": "ExpiredToken",
    "message": "The security token included in the request is expired",
    "status": 403,
}


@pytest.mark.thorough
def test_unusable_credentials_end_command_with_short_error(new_stack: NewStack, aws: Aws):
    stack = new_stack(REQUIRED)
    own = stack.environment
    none = {name: value for name, value in own.items() if "ACCESS_KEY" not in name}
    with proxy(own["AWS_ENDPOINT_URL"]) as failing:
        failing.set_rules({"service": "sts", "operation": "GetCallerIdentity", "error": EXPIRED})
        expired = {**own, "AWS_ENDPOINT_URL": failing.url}
        for bad, reason in (
            (expired, "The configured AWS credentials are invalid or have expired."),
            (none, "No valid credential sources found."),
        ):
            with running_provider(bad) as provider:
                stack.environment = {**bad, **provider}
                rejected = stack.up(check=False)
            assert rejected.exit_code != 0
            assert f"' has a problem: {reason}\n" in rejected.text
            assert "Traceback" not in rejected.text
    assert aws.roles() == []
