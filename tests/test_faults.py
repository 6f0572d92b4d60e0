"""IAM may fail at any call and in any way: an update says so, the next one goes on where it stopped."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from tests.faults import Proxy, proxy
from tests.page import run_section
from tests.stacks import Aws, Stack, Update, running_provider
from tests.support import APPLICATION_ID, REQUIRED, ROLE, golden, in_one_line

NewStack = Callable[..., Stack]
Record = Callable[[str, object], None]

FAULTS: Mapping[str, dict[str, Any]] = {
    "throttled": {"error": {"code": "Throttling", "message": "Rate exceeded", "status": 400}},
    "server error": {"error": {"code": "ServiceFailure", "message": "Try again", "status": 500}},
    "connection reset": {"reset": True},
    "reply lost": {"response": {"abort_frac": 0.3}},
}
"""What happens to a call. When its reply is lost, IAM has done what it was asked."""
REASONS = {
    "throttled": "Rate exceeded",
    "server error": "Try again",
    "connection reset": "Connection was closed",
    "reply lost": "Connection was closed",
}
# Every call that the role's life needs, where it comes first.
CREATE = (
    *("CreateRole", "GetRole", "PutRolePolicy", "GetRolePolicy"),
    *("ListRolePolicies", "ListAttachedRolePolicies"),
)
UPDATE = (
    *("UpdateAssumeRolePolicy", "UpdateRole", "PutRolePermissionsBoundary", "UntagRole", "TagRole"),
    *("GetRole", "PutRolePolicy", "GetRolePolicy"),
)
REFRESH = ("DetachRolePolicy", "DeleteRolePolicy")
DESTROY = ("DeleteRolePolicy", "DeleteRole")
NAME = "qbusiness-faults"
BEFORE: dict[str, Any] = {
    **REQUIRED,
    "roleName": NAME,
    "exclusivePolicies": True,
    "roleDescription": "AEM",
    "tags": {"Team": "search", "Owner": "me"},
}
AFTER: dict[str, Any] = {
    **BEFORE,
    "applicationId": REQUIRED["applicationId"][:-1] + "2",
    "roleDescription": "AEM Cloud",
    "permissionsBoundaryArn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "tags": {"Team": "content"},
}


@pytest.fixture(scope="session")
def one_proxy(prepared_sandbox: tuple[object, dict[str, str]]) -> Iterator[Proxy]:
    with proxy(prepared_sandbox[1]["AWS_ENDPOINT_URL"]) as iam:
        yield iam


@pytest.fixture
def failing(one_proxy: Proxy) -> Proxy:
    one_proxy.set_rules()
    return one_proxy


@pytest.fixture
def new_stack(environment: dict[str, str], failing: Proxy, new_stack: NewStack) -> Iterator[NewStack]:
    """Make stacks whose calls pass the proxy; `attempts` limits how often a call is tried."""
    with ExitStack() as until_the_end:

        def make(settings: dict[str, object], attempts: int = 5) -> Stack:
            calls = {"AWS_ENDPOINT_URL": failing.url, "AWS_MAX_ATTEMPTS": str(attempts)}
            provider = until_the_end.enter_context(running_provider({**environment, **calls}))
            stack = new_stack(settings)
            stack.environment |= calls | provider
            return stack

        yield make


def rule(operation: str, fault: str, times: int = 1) -> dict[str, Any]:
    return {"operation": operation, "times": times, **FAULTS[fault]}


def role_outputs(stack: Stack) -> dict[str, Any]:
    (role,) = (it for it in stack.resources() if it["type"] == "aws:iam/role:Role")
    return role["outputs"]


def assert_fails_clearly(update: Update, fault: str) -> None:
    assert update.exit_code != 0
    assert REASONS[fault] in update.text


def assert_right(aws: Aws, settings: Mapping[str, Any]) -> None:
    """Check that there is one role, one policy, and nothing but what was asked for."""
    name = settings["roleName"]
    assert [role for role in aws.roles() if "qbusiness-faults" in role] == [name]
    role = aws.iam.get_role(RoleName=name)["Role"]
    assert in_one_line(aws.trust_policy(name)) == golden("trust-policy").replace(
        REQUIRED["applicationId"], settings["applicationId"]
    )
    assert role["Description"] == settings["roleDescription"]
    assert {tag["Key"]: tag["Value"] for tag in role["Tags"]} == settings["tags"]
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    assert boundary == settings.get("permissionsBoundaryArn")
    policies = {policy: in_one_line(text) for policy, text in aws.role_policies(name).items()}
    expected = golden("minimal-role-policy").replace(
        REQUIRED["applicationId"], settings["applicationId"]
    )
    assert policies == {"qbusiness-aem-connector": expected}
    assert aws.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_call_may_fail_for_good_and_the_next_update_goes_on(  # noqa: PLR0913, PLR0917 fixtures
    new_stack: NewStack,
    failing: Proxy,
    aws: Aws,
    managed_policy: str,
    fault: str,
    record_property: Record,
):
    stack = new_stack(BEFORE, attempts=1)
    faults = 0

    def fail_at_each(operations: tuple[str, ...], *command: str) -> None:
        """Repeat the command, as a person would: each call fails once, and only once."""
        nonlocal faults
        failing.set_rules(*(rule(operation, fault) for operation in operations))
        for _ in range(len(operations)):
            done = stack.operate(*command, "--yes", "--skip-preview", check=False)
            if done.exit_code == 0:
                break
            assert_fails_clearly(done, fault)
            assert "Traceback" not in done.text
            if NAME in aws.roles() and not any(it.get("id") == NAME for it in stack.resources()):
                # The role is there, and Pulumi has not heard of it.
                assert fault == "reply lost"
                aws.iam.delete_role(RoleName=NAME)
        else:
            stack.operate(*command, "--yes", "--skip-preview")
        fired = [it.partition(" ")[0] for it in failing.fired()]
        assert sorted(fired) == sorted(operations)
        faults += len(fired)

    fail_at_each(CREATE, "up")
    assert_right(aws, BEFORE)
    stack.configure(AFTER)
    # Each part of an update that got through is repeated by the next: none of them adds anything.
    fail_at_each(UPDATE, "up")
    assert_right(aws, AFTER)
    assert stack.outputs()["roleArn"] == aws.iam.get_role(RoleName=NAME)["Role"]["Arn"]
    aws.iam.put_role_policy(
        RoleName=NAME, PolicyName="by-hand", PolicyDocument=golden("minimal-role-policy")
    )
    aws.iam.attach_role_policy(RoleName=NAME, PolicyArn=managed_policy)
    fail_at_each(REFRESH, "up", "--refresh")
    assert_right(aws, AFTER)
    stack.configure({key: it for key, it in AFTER.items() if key != "permissionsBoundaryArn"})
    fail_at_each(("DeleteRolePermissionsBoundary",), "up")
    fail_at_each(DESTROY, "destroy")
    assert NAME not in aws.roles()
    record_property("figure", {"faults, each ending an update": {fault: faults}})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_fails_once_is_tried_again_within_the_update(
    new_stack: NewStack, failing: Proxy, aws: Aws, fault: str, record_property: Record
):
    stack = new_stack(BEFORE)
    # A retry cannot tell its own role from another's: that is the next test.
    retried = [it for it in CREATE if (it, fault) != ("CreateRole", "reply lost")]
    failing.set_rules(*(rule(operation, fault) for operation in retried))
    stack.up()
    faults = len(failing.fired())
    assert faults == len(retried)
    assert_right(aws, BEFORE)
    stack.configure(AFTER)
    failing.set_rules(*(rule(operation, fault) for operation in UPDATE))
    stack.up()
    faults += len(failing.fired())
    assert faults == len(retried) + len(UPDATE)
    assert_right(aws, AFTER)
    failing.set_rules(*(rule(operation, fault) for operation in DESTROY))
    stack.destroy()
    faults += len(failing.fired())
    assert faults == len(retried) + len(UPDATE) + len(DESTROY)
    assert NAME not in aws.roles()
    record_property("figure", {"faults, got over by a retry": {fault: faults}})


@pytest.mark.parametrize("role_name", ["", NAME], ids=["automatic name", "own name"])
@pytest.mark.parametrize("attempts", [1, 5], ids=["not retried", "retried"])
def test_a_role_whose_creation_was_not_confirmed_is_found_and_removed(
    new_stack: NewStack, failing: Proxy, aws: Aws, role_name: str, attempts: int
):
    stack = new_stack({**REQUIRED, "roleName": role_name}, attempts=attempts)
    before = set(aws.roles())
    failing.set_rules(rule("CreateRole", "reply lost"))
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    (orphan,) = set(aws.roles()) - before
    if attempts > 1:
        assert f"Role with name {orphan} already exists" in failed.text
    assert aws.role_policies(orphan) == {}
    done = run_section(stack, "After a reply that was lost", NAME=orphan)
    listed, *_ = done.stdout.splitlines()
    assert (orphan in listed.split("\t")) == orphan.startswith(ROLE)
    (role,) = set(aws.roles()) - before
    assert stack.outputs()["roleName"] == role
    assert list(aws.role_policies(role)) == ["qbusiness-aem-connector"]
    stack.destroy()
    assert set(aws.roles()) == before


def test_a_read_that_fails_after_an_update_forgets_nothing_of_the_role(
    new_stack: NewStack, failing: Proxy, aws: Aws
):
    stack = new_stack(BEFORE, attempts=1)
    stack.up()
    before = role_outputs(stack)
    stack.configure(AFTER)
    failing.set_rules(rule("GetRole", "throttled"))
    assert_fails_clearly(stack.up(check=False), "throttled")
    after = role_outputs(stack)
    computed = ("arn", "uniqueId", "createDate")
    assert [after[name] for name in computed] == [before[name] for name in computed]
    assert after["description"] == AFTER["roleDescription"]
    stack.up()
    assert_right(aws, AFTER)


def test_a_role_that_is_in_use_is_not_removed_by_mistake(new_stack: NewStack, aws: Aws):
    neighbour, stack = new_stack(REQUIRED), new_stack(REQUIRED)
    neighbour.up()
    name = neighbour.outputs()["roleName"]
    done = run_section(stack, "After a reply that was lost", check=False, NAME=name)
    assert done.returncode != 0
    assert "DeleteConflict" in done.stdout
    assert neighbour.up("--refresh", "--expect-no-changes").exit_code == 0
    assert name in aws.roles()


def test_a_slow_iam_is_waited_for(new_stack: NewStack, failing: Proxy, aws: Aws):
    stack = new_stack(BEFORE)
    failing.set_rules({"operation": "*", "latency": {"min": 400, "max": 400}})
    stack.up()
    assert_right(aws, BEFORE)
    stack.destroy()
    assert NAME not in aws.roles()


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_made_while_the_account_cannot_be_asked(
    new_stack: NewStack, failing: Proxy, aws: Aws, fault: str
):
    settings = {**REQUIRED, "applicationId": APPLICATION_ID, "roleName": NAME}
    stack = new_stack(settings, attempts=1)
    failing.set_rules({"service": "sts", **rule("GetCallerIdentity", fault)})
    assert_fails_clearly(stack.up(check=False), fault)
    assert NAME not in aws.roles()
    assert stack.up().exit_code == 0
