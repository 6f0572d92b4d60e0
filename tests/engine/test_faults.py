"""Test updates while calls of IAM fail: they report the failure, and the next update continues."""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from evidence.examples import APPLICATION_ID, REGION
from tests.helpers.faults import Proxy, proxy, replica
from tests.helpers.page import run_section
from tests.helpers.stacks import ATTACHED, Aws, NewStack, Stack, Update, running_provider
from tests.helpers.support import REQUIRED, ROLE, golden

Record = Callable[[str, object], None]


class Fault(NamedTuple):
    """A way in which a call fails."""

    effect: Mapping[str, Any]
    """Members of the proxy's rule."""
    action: str
    """As the proxy reports it."""
    reason: str
    """As Pulumi reports it."""


FAULTS: Mapping[str, Fault] = {
    "throttled": Fault(
        {"error": {"code": "Throttling", "message": "Rate exceeded", "status": 400}},
        "error:Throttling",
        "Rate exceeded",
    ),
    "server-error": Fault(
        {"error": {"code": "ServiceFailure", "message": "Try again", "status": 500}},
        "error:ServiceFailure",
        "Try again",
    ),
    "connection-reset": Fault({"reset": True}, "reset", "Connection was closed"),
    # IAM has executed the call.
    "reply-lost": Fault({"response": {"abort_frac": 0.3}}, "response:abort", "Connection was closed"),
}
# Every call in the life of the role, in the operation that first needs it.
CREATE = (
    *("CreateRole", "GetRole", "PutRolePolicy", "GetRolePolicy"),
    *("ListRolePolicies", "ListAttachedRolePolicies"),
)
CHANGES = (
    *("UntagRole", "TagRole", "UpdateAssumeRolePolicy", "UpdateRoleDescription"),
    *("PutRolePermissionsBoundary", "PutRolePolicy"),
)
THERE_AND_BACK = (
    *("UntagRole", "TagRole", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"),
    *("UpdateAssumeRolePolicy", "UpdateRoleDescription", "PutRolePolicy"),
)
"""Every call that changes a role in place, in turn for an update to AFTER and one back to BEFORE."""
READS = ("GetRole", "ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies")
UPDATE = (*READS, *CHANGES)
REFRESH = ("DetachRolePolicy", "DeleteRolePolicy")
DESTROY = ("DeleteRolePolicy", "DeleteRole")
NAME = "qbusiness-faults"
NAMES = {fault: f"{NAME}-{fault}" for fault in FAULTS}
A_ROLE_FOR_EACH_FAULT = f"""
import pulumi
from components.connector_role import ConnectorRole

for fault in {[*FAULTS]}:
    role = ConnectorRole.from_config(fault, pulumi.Config(fault))
    pulumi.export(fault, role.role_arn)
"""
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


@pytest.fixture(autouse=True)
def failing(one_proxy: Proxy) -> Proxy:
    one_proxy.set_rules()
    return one_proxy


@pytest.fixture(scope="session")
def providers(
    prepared_sandbox: tuple[object, dict[str, str]], one_proxy: Proxy
) -> Iterator[Callable[[int], dict[str, str]]]:
    """Return the variables of a provider whose calls pass the proxy, by the number of attempts."""
    with ExitStack() as cleanup:

        @functools.cache
        def provider(attempts: int) -> dict[str, str]:
            calls = {"AWS_ENDPOINT_URL": one_proxy.url, "AWS_MAX_ATTEMPTS": str(attempts)}
            return calls | cleanup.enter_context(running_provider({**prepared_sandbox[1], **calls}))

        yield provider


@pytest.fixture
def new_stack(providers: Callable[[int], dict[str, str]], new_stack: NewStack) -> NewStack:
    """Create stacks whose calls pass the proxy; `attempts` is the maximum number of tries of a call."""

    def create(settings: dict[str, object], program: str | None = None, *, attempts: int = 5) -> Stack:
        stack = new_stack(settings, program)
        stack.environment |= providers(attempts)
        return stack

    return create


def rule(operation: str, fault: str) -> dict[str, Any]:
    return {"operation": operation, "times": 1, **FAULTS[fault].effect}


def rules(operations: Collection[str], *, but: tuple[str, str] | None = None) -> list[dict[str, Any]]:
    """Let each operation fail once for each role, with the fault that the role is named after."""
    return [
        {**rule(operation, fault), "body": f"RoleName=='{name}'"}
        for fault, name in NAMES.items()
        for operation in operations
        if (operation, fault) != but
    ]


def firings(operations: Collection[str], *, but: tuple[str, str] | None = None) -> list[str]:
    """Return the proxy's sorted report after all of these operations failed."""
    return sorted(
        f"{operation} {details.action}"
        for fault, details in FAULTS.items()
        for operation in operations
        if (operation, fault) != but
    )


def actions(fired: Collection[str]) -> list[str]:
    return [call.partition(" ")[2] for call in fired]


def role_of(resource: str) -> str:
    """Return the fault of the role that a resource belongs to; "" for the stack itself."""
    return next((fault for fault in FAULTS if resource.startswith(f"{fault}-qbusiness-")), "")


def for_each_fault(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a stack with a role for each fault."""
    own = {key: value for key, value in settings.items() if ":" not in key}
    return {"aws:region": REGION} | {
        f"{fault}:{key}": value
        for fault, name in NAMES.items()
        for key, value in {**own, "roleName": name}.items()
    }


@pytest.fixture
def new_stack_of_four(new_stack: NewStack) -> NewStack:
    """Create stacks with a role for each fault; all of them fail in the same operation."""
    return functools.partial(new_stack, for_each_fault(BEFORE), A_ROLE_FOR_EACH_FAULT)


def role_outputs(stack: Stack) -> dict[str, Any]:
    role = stack.resource("aws:iam/role:Role")
    return role["outputs"]


def assert_fails_clearly(update: Update, fault: str) -> None:
    assert update.exit_code != 0
    assert FAULTS[fault].reason in update.text


def assert_correct(aws: Aws, settings: Mapping[str, Any], *names: str) -> None:
    """Check that exactly these roles exist, each with its policy and the settings."""
    assert sorted(role for role in aws.roles() if NAME in role) == sorted(names)
    for name in names:
        role = aws.iam.get_role(RoleName=name)["Role"]
        assert aws.trust_policy(name) == golden("trust-policy").replace(
            REQUIRED["applicationId"], settings["applicationId"]
        )
        assert role["Description"] == settings["roleDescription"]
        assert {tag["Key"]: tag["Value"] for tag in role["Tags"]} == settings["tags"]
        boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        assert boundary == settings.get("permissionsBoundaryArn")
        expected = golden("minimal-role-policy").replace(
            REQUIRED["applicationId"], settings["applicationId"]
        )
        assert aws.role_policies(name) == {"qbusiness-aem-connector": expected}
        assert aws.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []


def test_after_a_call_fails_for_good_the_next_update_continues(
    new_stack_of_four: NewStack,
    failing: Proxy,
    aws: Aws,
    managed_policy: str,
    record_property: Record,
):
    stack = new_stack_of_four(attempts=1)
    faults: Counter[str] = Counter()

    def fail_at_each(operations: tuple[str, ...], *command: str) -> None:
        """Repeat the command, as a user would: each call fails exactly once.

        Continue on errors, so that the failure of one role does not stop the other three.
        """
        failing.set_rules(*rules(operations))
        fired: list[str] = []
        # Different updates may read different roles.
        for _ in range(2 * len(operations) + 1):
            done = stack.operate(*command, "--yes", "--skip-preview", "--continue-on-error", check=False)
            before, fired = fired, failing.fired()
            new = fired[len(before) :]
            assert (done.exit_code == 0) == (not new)
            if done.exit_code == 0:
                break
            failed = {fault for fault, details in FAULTS.items() if details.action in actions(new)}
            # Each error names the role that it concerns.
            reported = {role_of(name) for name, _ in done.errors} - {""}
            assert reported == failed
            assert reported == {
                fault
                for fault, details in FAULTS.items()
                for name, message in done.errors
                if role_of(name) == fault and details.reason in message
            }
            assert "Traceback" not in done.text
            known = {resource.get("id") for resource in stack.resources()}
            for orphan in {role for role in aws.roles() if NAME in role} - known:
                # The role exists, but is not in Pulumi's state.
                assert orphan == NAMES["reply-lost"]
                aws.iam.delete_role(RoleName=orphan)
        else:
            pytest.fail("the command still fails")
        assert sorted(fired) == firings(operations)
        faults.update(actions(fired))

    fail_at_each(CREATE, "up")
    assert_correct(aws, BEFORE, *NAMES.values())
    stack.configure(for_each_fault(AFTER))
    # The next update repeats the successful parts of the last one, which are idempotent.
    fail_at_each(UPDATE, "up")
    assert_correct(aws, AFTER, *NAMES.values())
    for fault, name in NAMES.items():
        assert stack.outputs()[fault] == aws.iam.get_role(RoleName=name)["Role"]["Arn"]
        aws.iam.put_role_policy(
            RoleName=name, PolicyName="by-hand", PolicyDocument=golden("minimal-role-policy")
        )
        aws.iam.attach_role_policy(RoleName=name, PolicyArn=managed_policy)
    fail_at_each(REFRESH, "up", "--refresh")
    assert_correct(aws, AFTER, *NAMES.values())
    without = {key: value for key, value in AFTER.items() if key != "permissionsBoundaryArn"}
    stack.configure(for_each_fault(without))
    fail_at_each(("DeleteRolePermissionsBoundary",), "up")
    assert_correct(aws, without, *NAMES.values())
    fail_at_each(DESTROY, "destroy")
    assert_correct(aws, {})
    record_property("figure", {"faults, each of which ends the update of a role": dict(faults)})


def test_after_any_failed_call_of_an_update_a_plain_up_applies_the_lost_changes(
    new_stack_of_four: NewStack, failing: Proxy, aws: Aws, record_property: Record
):
    stack = new_stack_of_four(attempts=1)
    stack.up()
    # Alternate, so that each update changes everything.
    updates = zip(THERE_AND_BACK, itertools.cycle([AFTER, BEFORE]), strict=False)
    table: dict[str, int] = {}
    for call, settings in updates:
        stack.configure(for_each_fault(settings))
        failing.set_rules(*rules((call,)))
        errors: list[tuple[str, str]] = []
        # A failed role stops its policy and ends the whole update, perhaps before another role's policy.
        while sorted(failing.fired()) != firings((call,)):
            failed = stack.up("--continue-on-error", check=False)
            assert failed.exit_code != 0
            errors += failed.errors
        for fault, details in FAULTS.items():
            messages = [message for name, message in errors if role_of(name) == fault]
            assert any(details.reason in message for message in messages)
        stack.up()
        assert_correct(aws, settings, *NAMES.values())
        table[f"{call}: first up failed, second up applied it, AWS equals the program"] = len(FAULTS)
    assert stack.drift().exit_code == 0
    record_property("figure", {"updates that failed and were applied by the next plain up": table})


def test_without_a_refresh_the_next_update_reports_success_and_applies_nothing(
    new_stack: NewStack, failing: Proxy, aws: Aws
):
    # This is why Pulumi.yaml has `refresh: always`: https://github.com/pulumi/pulumi/issues/21458.
    stack = new_stack(BEFORE, attempts=1)
    stack.up()
    stack.configure({**BEFORE, "roleDescription": "lost"})
    failing.set_rules(rule("UpdateRoleDescription", "throttled"))
    assert_fails_clearly(stack.up("--refresh=false", check=False), "throttled")
    role = stack.resource("aws:iam/role:Role")
    assert role["inputs"]["description"] == BEFORE["roleDescription"]
    assert role["outputs"]["description"] == "lost"
    assert role["initErrors"]
    again = stack.up("--refresh=false")
    assert (ROLE, again.exit_code) in [(name, 0) for _, name, _ in again.steps]
    assert aws.iam.get_role(RoleName=NAME)["Role"]["Description"] == BEFORE["roleDescription"]
    run_section(stack, "Why `refresh: always`")
    assert aws.iam.get_role(RoleName=NAME)["Role"]["Description"] == "lost"


def test_a_preview_needs_only_read_access(new_stack: NewStack, failing: Proxy):
    stack = new_stack(BEFORE, attempts=1)
    stack.up()
    stack.configure(AFTER)
    denied = {"error": {"code": "AccessDenied", "message": "Not authorized", "status": 403}}
    writes = {*CREATE, *CHANGES, *REFRESH, *DESTROY} - {*READS}
    failing.set_rules(*({"operation": operation, **denied} for operation in writes))
    assert stack.preview().changes["update"] == 2
    assert failing.fired() == []


def test_a_call_that_fails_once_is_retried_within_the_update(
    new_stack_of_four: NewStack, failing: Proxy, aws: Aws, record_property: Record
):
    stack = new_stack_of_four(attempts=5)
    faults: Counter[str] = Counter()

    def fail_once(
        operations: tuple[str, ...], *command: str, but: tuple[str, str] | None = None
    ) -> None:
        failing.set_rules(*rules(operations, but=but))
        stack.operate(*command, "--yes", "--skip-preview")
        assert sorted(failing.fired()) == firings(operations, but=but)
        faults.update(actions(failing.fired()))

    # After a lost reply to CreateRole, a retry fails: a test below is about that.
    fail_once(CREATE, "up", but=("CreateRole", "reply-lost"))
    assert_correct(aws, BEFORE, *NAMES.values())
    stack.configure(for_each_fault(AFTER))
    fail_once(UPDATE, "up")
    assert_correct(aws, AFTER, *NAMES.values())
    fail_once(DESTROY, "destroy")
    assert_correct(aws, {})
    record_property("figure", {"faults, each overcome by a retry": dict(faults)})


@pytest.mark.parametrize("fault", ["throttled", "reply-lost"])
def test_repeating_the_command_continues_where_it_stopped(
    new_stack: NewStack, failing: Proxy, aws: Aws, fault: str
):
    stack = new_stack(BEFORE, attempts=1)
    stack.up()
    stack.configure(AFTER)
    failing.set_rules(rule("PutRolePolicy", fault))
    assert_fails_clearly(stack.up(check=False), fault)
    stack.up()
    assert_correct(aws, AFTER, NAME)
    failing.set_rules(rule("DeleteRole", fault))
    assert_fails_clearly(stack.operate("destroy", "--yes", "--skip-preview", check=False), fault)
    stack.destroy()
    assert_correct(aws, {})


@pytest.mark.parametrize("role_name", ["", NAME], ids=["automatic name", "set name"])
@pytest.mark.parametrize(
    "failure", [rule(*pair) for pair in itertools.product(DESTROY, ["throttled", "reply-lost"])], ids=str
)
def test_after_a_failed_change_of_path_the_documented_updates_leave_one_role_with_its_policy(
    new_stack: NewStack, failing: Proxy, aws: Aws, role_name: str, failure: dict[str, Any]
):
    before = set(aws.roles())
    stack = new_stack({**REQUIRED, "roleName": role_name}, attempts=1)
    stack.up()
    stack.configure({**REQUIRED, "roleName": role_name, "rolePath": "/connectors/"})
    failing.set_rules(failure)
    assert stack.up(check=False).exit_code != 0
    stack.up()
    if role_name:
        # The replacement that Pulumi did not finish may take the new policy for the old one.
        run_section(stack, "Keep the new name")
    (role,) = set(aws.roles()) - before
    assert stack.outputs()["roleArn"].endswith(f"role/connectors/{role}")
    assert aws.role_policies(role) == {"qbusiness-aem-connector": golden("minimal-role-policy")}
    assert stack.drift().exit_code == 0


@pytest.mark.parametrize("role_name", ["", NAME], ids=["automatic name", "set name"])
@pytest.mark.parametrize("attempts", [1, 5], ids=["not retried", "retried"])
def test_a_role_whose_creation_was_not_confirmed_is_found_and_deleted(
    new_stack: NewStack, failing: Proxy, aws: Aws, role_name: str, attempts: int
):
    stack = new_stack({**REQUIRED, "roleName": role_name}, attempts=attempts)
    before = set(aws.roles())
    failing.set_rules(rule("CreateRole", "reply-lost"))
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    (orphan,) = set(aws.roles()) - before
    if attempts > 1:
        assert f"Role with name {orphan} already exists" in failed.text
    assert aws.role_policies(orphan) == {}
    done = run_section(stack, "After a lost response", NAME=orphan)
    listed, *_ = done.stdout.splitlines()
    assert (orphan in listed.split("\t")) == orphan.startswith(ROLE)
    (role,) = set(aws.roles()) - before
    assert stack.outputs()["roleName"] == role
    assert list(aws.role_policies(role)) == ["qbusiness-aem-connector"]
    stack.destroy()
    assert set(aws.roles()) == before


def test_a_read_that_fails_after_an_update_keeps_the_role_in_the_state(
    new_stack: NewStack, failing: Proxy, aws: Aws
):
    stack = new_stack(BEFORE, attempts=1)
    stack.up()
    before = role_outputs(stack)
    stack.configure(AFTER)
    failing.set_rules(rule("GetRole", "throttled"))
    assert_fails_clearly(stack.up("--refresh=false", check=False), "throttled")
    after = role_outputs(stack)
    computed = ("arn", "uniqueId", "createDate")
    assert [after[name] for name in computed] == [before[name] for name in computed]
    assert after["description"] == AFTER["roleDescription"]
    stack.up()
    assert_correct(aws, AFTER, NAME)


def test_a_role_in_use_is_not_deleted_by_mistake(new_stack: NewStack, aws: Aws):
    other, stack = new_stack(REQUIRED), new_stack(REQUIRED)
    other.up()
    name = other.outputs()["roleName"]
    done = run_section(stack, "After a lost response", check=False, NAME=name)
    assert done.returncode != 0
    assert "DeleteConflict" in done.stdout
    assert other.up("--refresh", "--expect-no-changes").exit_code == 0
    assert name in aws.roles()


def test_an_update_waits_for_a_slow_iam(new_stack: NewStack, failing: Proxy, aws: Aws):
    stack = new_stack(BEFORE)
    failing.set_rules({"operation": "*", "latency": {"min": 400, "max": 400}})
    stack.up()
    assert_correct(aws, BEFORE, NAME)
    stack.destroy()
    assert NAME not in aws.roles()


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_created_while_the_account_is_unavailable(
    new_stack: NewStack, failing: Proxy, aws: Aws, fault: str
):
    settings = {**REQUIRED, "applicationId": APPLICATION_ID, "roleName": NAME}
    stack = new_stack(settings, attempts=1)
    failing.set_rules({"service": "sts", **rule("GetCallerIdentity", fault)})
    assert_fails_clearly(stack.up(check=False), fault)
    assert NAME not in aws.roles()
    assert stack.up().exit_code == 0


# IAM's replicas lag: resourceRoleRead in role.go takes the first answer, unless the role is new.


def test_right_after_a_creation_a_preview_creates_the_role_again_and_an_update_does_so_or_fails(
    new_stack: NewStack, failing: Proxy, aws: Aws
):
    secret = {"secretId": REQUIRED["secretId"]}
    defaults = {key: value for key, value in REQUIRED.items() if key != "secretId"}
    members = {"automatic": secret, "named": {**secret, "roleName": NAME}}
    stack = new_stack({**defaults, "dataSources": members})
    stack.up()
    first = stack.outputs()["roleNames"]["automatic"]
    missing = {"code": "NoSuchEntity", "message": "The role cannot be found.", "status": 404}
    unseen = [
        {"operation": "GetRole", "body": f"RoleName=='{role}'", "times": 1, "error": missing}
        for role in (first, NAME)
    ]
    failing.set_rules(*unseen)
    assert stack.preview().changes["create"] == 2
    failing.set_rules(*unseen)
    failed = stack.up("--continue-on-error", check=False)
    assert f"Role with name {NAME} already exists" in failed.text
    automatic = [role for role in aws.roles() if role.startswith("automatic-")]
    assert len(automatic) == 2
    in_state = {resource.get("id") for resource in stack.resources()}
    assert in_state & {*automatic, NAME} == {*automatic} - {first}


def test_right_after_a_deletion_an_update_keeps_the_role_in_the_state_until_drift_is_found(
    new_stack: NewStack, aws: Aws
):
    stack = new_stack(BEFORE)
    with replica(stack.environment["AWS_ENDPOINT_URL"]) as iam:
        stack.environment["AWS_ENDPOINT_URL"] = iam.url
        del stack.environment[ATTACHED]
        stack.up()
        aws.iam.delete_role_policy(RoleName=NAME, PolicyName="qbusiness-aem-connector")
        aws.iam.delete_role(RoleName=NAME)
        iam.lags = True
        assert stack.up("--expect-no-changes").exit_code == 0
        iam.lags = False
        found = run_section(stack, "Find drift", check=False)
    assert found.returncode != 0
    assert f"- aws:iam/role:Role: (delete)\n        [id={NAME}]" in found.stdout
