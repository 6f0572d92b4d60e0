"""Test two updates at the same time, of the same stack and of different stacks."""

import pytest

from pages.examples import SECRET_ID
from tests.helpers.faults import gate
from tests.helpers.page import run_section
from tests.helpers.stacks import UP, Aws, NewStack
from tests.helpers.support import POLICY, REQUIRED, ROLE, golden

pytestmark = pytest.mark.thorough

OTHER_SECRET = "qbusiness/aem-cloud-prod-a1B2c3"


def test_concurrent_update_reports_stack_lock(new_stack: NewStack, aws: Aws):
    stack = new_stack(REQUIRED)
    before = set(aws.roles())
    with gate(aws.url) as iam:
        first = stack.start(*UP, AWS_ENDPOINT_URL=iam.url)
        iam.wait_for_call()
        second = stack.up(check=False)
        iam.open()
        assert first.wait() == 0
    assert second.exit_code != 0
    assert "the stack is currently locked by 1 lock(s)" in second.text
    assert "pulumi cancel" in second.text
    (role,) = set(aws.roles()) - before
    assert stack.outputs()["roleName"] == role
    assert [resource["urn"].rpartition("::")[2] for resource in stack.resources()][-2:] == [ROLE, POLICY]
    run_section(stack, "Find drift")


def test_two_stacks_in_one_account_are_independent(new_stack: NewStack, aws: Aws):
    secrets = {"dev": SECRET_ID, "prod": OTHER_SECRET}
    stacks = {
        name: new_stack({**REQUIRED, "secretId": secret, "exclusivePolicies": True})
        for name, secret in secrets.items()
    }
    with gate(aws.url) as iam:
        updates = [stack.start(*UP, AWS_ENDPOINT_URL=iam.url) for stack in stacks.values()]
        for _ in updates:
            iam.wait_for_call()
        iam.open()
        assert [update.wait() for update in updates] == [0, 0]
    roles = {name: stack.outputs()["roleName"] for name, stack in stacks.items()}
    assert roles["dev"] != roles["prod"]
    for name, role in roles.items():
        expected = golden("minimal-role-policy").replace(SECRET_ID, secrets[name])
        assert aws.role_policies(role) == {"qbusiness-aem-connector": expected}
        assert aws.trust_policy(role) == golden("trust-policy")
    stacks["dev"].destroy()
    assert roles["dev"] not in aws.roles()
    assert stacks["prod"].drift().exit_code == 0
