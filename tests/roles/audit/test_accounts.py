"""`roles audit` of several accounts assumes a role in each of them, and prints one report."""

from typing import Final

import pytest

from pages.examples import ACCOUNT, OTHER_ACCOUNT, REGION
from roles.actions import ACTIONS, OF_ACCOUNTS
from roles.cli import main
from sandbox.environment import PROJECT
from tests.helpers.page import blocks, prose
from tests.helpers.world import World, allow
from tests.roles.audit.help import add_audit_role, add_elsewhere, add_granted, complete_world

PAGE: Final = PROJECT / "docs" / "audit.md"
THIRD: Final = "777788889999"
ROLE: Final = ("--assume-role", "security/audit")
BOTH: Final = ("--account", ACCOUNT, "--account", OTHER_ACCOUNT, *ROLE)


def lines(world: World, *options: str) -> list[str]:
    """Return the lines about what was not read; the exit code must be 2."""
    said = world.audit(*options)
    assert said.code == 2
    return [line.removeprefix("audit: skipped: ") for line in said.err.splitlines() if "skipped" in line]


@pytest.fixture
def two(world: World) -> World:
    """Add a data source to the credentials' account, and one with a dangerous role to another."""
    world.add_own(allow("sqs:*", "*", Sid="Queues"))
    there = add_audit_role(world, OTHER_ACCOUNT)
    add_elsewhere(world, there, OTHER_ACCOUNT, allow("*", "*", Sid="All"), name="Wiki")
    return world


@pytest.mark.slow
def test_audit_page_shows_report_of_three_accounts(world: World):
    (command,) = blocks("sh", prose("Several accounts", PAGE))
    (shown,) = blocks("text", prose("Several accounts", PAGE))
    caller = f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/session"
    identity = {"UserId": "A", "Account": ACCOUNT, "Arn": caller}
    world.server.answers["sts:GetCallerIdentity"] = identity
    there = add_audit_role(world, OTHER_ACCOUNT, name="qbusiness-audit")
    world.add_own(name="Intranet")
    add_elsewhere(
        world, world, ACCOUNT, allow("sqs:*", "*", Sid="Queues"), name="Handbook", region="eu-west-1"
    )
    add_elsewhere(world, there, OTHER_ACCOUNT, allow("iam:PutRolePolicy", "*", Sid="Roles"), name="Wiki")
    add_elsewhere(world, there, OTHER_ACCOUNT, name="Assets")
    said = world.audit(*command.replace("\\\n", "").split()[2:])
    assert said.code == 1
    assert said.out + said.err + said.remark == shown


@pytest.mark.slow
def test_role_is_assumed_only_in_other_accounts(two: World):
    assert two.audit("--account", ACCOUNT).code == 1
    assert "sts:AssumeRole" not in two.server.calls
    assert two.audit(*BOTH).code == 1
    assert two.server.calls.count("sts:AssumeRole") == 1
    assert two.server.calls.count("sts:GetCallerIdentity") == 1


@pytest.mark.slow
def test_each_account_needs_exactly_the_listed_actions(world: World):
    complete_world(world)
    add_granted(world)
    there = add_audit_role(world, OTHER_ACCOUNT)
    add_elsewhere(world, there, OTHER_ACCOUNT, name="Wiki")
    world.client("organizations").create_organization(FeatureSet="ALL")
    own = world.audit("--organization", *ROLE)
    assert own.code == 0
    assert {*world.server.calls} == {*ACTIONS["audit"], OF_ACCOUNTS[0]}
    assert world.audit(*BOTH).code == 0
    assert {*world.server.calls} == {*ACTIONS["audit"], OF_ACCOUNTS[1]}


@pytest.mark.slow
def test_organization_means_its_active_accounts(two: World):
    accounts = [
        {"Id": ACCOUNT, "State": "ACTIVE"},
        {"Id": OTHER_ACCOUNT, "State": "ACTIVE"},
        {"Id": THIRD, "State": "SUSPENDED"},
    ]
    two.server.answers["organizations:ListAccounts"] = {"Accounts": accounts}
    found = two.audit("--json", "--organization", *ROLE).json
    assert [each["account"] for each in found["accounts"]] == [ACCOUNT, OTHER_ACCOUNT]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (
            "AccessDeniedException",
            "ListAccounts is not allowed: use credentials of the organization's man",
        ),
        ("AWSOrganizationsNotInUseException", "is not in an organization: use credentials of the"),
        ("InternalFailure", "organizations:ListAccounts failed (InternalFailure: "),
    ],
)
def test_organization_that_cannot_be_listed_is_one_line(world: World, code: str, advice: str):
    world.reject("organizations:ListAccounts", status=400, code=code)
    line = world.audit("--organization", *ROLE).rejection
    assert advice in line
    assert line.endswith(", or pass each account with --account") is (code != "InternalFailure")


def test_organization_without_active_account_is_one_line(world: World):
    accounts = [{"Id": THIRD, "State": "SUSPENDED"}]
    world.server.answers["organizations:ListAccounts"] = {"Accounts": accounts}
    line = "audit: the organization has no active account: pass each account with --account"
    assert world.audit("--organization", *ROLE).rejection == line


@pytest.mark.slow
def test_role_that_cannot_be_assumed_does_not_stop_the_audit(two: World):
    # The account does not exist, has no such role, or the role trusts somebody else.
    options = (*BOTH, "--account", THIRD)
    said = two.audit(*options)
    assert said.code == 1
    (line,) = said.err.splitlines()
    caller = two.client("sts").get_caller_identity()["Arn"]
    assert line == (
        f"audit: skipped: account {THIRD}: arn:aws:iam::{THIRD}:role/security/audit cannot be assumed: "
        f"the role must exist, its trust policy must allow sts:AssumeRole to {caller} without an "
        "external ID, and the caller's policies must allow it, too: docs/read-permissions.md lists the "
        "policies"
    )


@pytest.mark.slow
def test_external_id_is_sent_and_never_shown(world: World):
    condition = {"StringEquals": {"sts:ExternalId": "audit-4711"}}
    there = add_audit_role(world, OTHER_ACCOUNT, Condition=condition)
    add_elsewhere(world, there, OTHER_ACCOUNT, name="Wiki")
    other = ("--account", OTHER_ACCOUNT, *ROLE)
    assert world.audit(*other, "--external-id", "audit-4711").code == 0
    (line,) = lines(world, *other)
    assert " without an external ID, " in line
    (line,) = lines(world, *other, "--external-id", "audit-4712")
    assert " with this external ID, " in line
    assert "audit-47" not in line


@pytest.mark.slow
@pytest.mark.parametrize(
    "call", ["qbusiness:ListApplications", "qbusiness:GetDataSource", "iam:GetRole"]
)
def test_rest_of_report_follows_expired_credentials(two: World, call: str):
    two.reject(f"{ACCOUNT} {call}", code="ExpiredToken")
    said = two.audit(*BOTH)
    assert said.code == 1
    (line,) = said.err.splitlines()
    assert line.startswith(
        f"audit: skipped: account {ACCOUNT}: AWS does not accept the credentials (ExpiredToken): sign in"
    )
    assert said.out.endswith(
        "1 data source with 1 role in us-east-1, 2 accounts: 1 dangerous, 1 account not compared\n"
    )
    assert "tests" not in said.out + said.err  # the secret access key


@pytest.mark.slow
def test_report_can_consist_of_failures(world: World):
    world.reject("qbusiness:ListApplications", code="ExpiredToken")
    own, other = lines(world, *BOTH)
    assert own.startswith(f"account {ACCOUNT}: AWS does not accept the credentials")
    assert other.startswith(f"account {OTHER_ACCOUNT}: ")
    assert world.audit("--account", ACCOUNT).rejection.startswith("audit: AWS does not accept")


@pytest.mark.slow
def test_failed_region_of_an_account_is_named(two: World):
    two.server.unreadable.add("eu-west-1")
    regions = ("--region", REGION, "--region", "eu-west-1")
    said = two.audit(*BOTH, *regions)
    text = "eu-west-1: qbusiness:ListApplications is not allowed"
    assert f"audit: skipped: account {OTHER_ACCOUNT}: {text}\n" in said.err
    assert f"audit: skipped: account {ACCOUNT}: {text}\n" in said.err
    text = "qbusiness:ListApplications is not allowed on at least some resources"
    assert f"audit: account {ACCOUNT}: {text}" in said.err


@pytest.mark.slow
def test_account_that_is_given_twice_is_audited_once(two: World):
    other = ("--account", OTHER_ACCOUNT)
    said = two.audit(*other, *other, *ROLE)
    assert said.err == f"audit: account {OTHER_ACCOUNT} is given more than once, and audited once\n"
    assert said.out.endswith(
        f"1 data source with 1 role in us-east-1, account {OTHER_ACCOUNT}: 1 dangerous\n"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--account", "1234"], "'1234' is not an account ID: expected 12 digits"),
        (
            ["--account", ACCOUNT, "--organization"],
            "--organization: not allowed with argument --account",
        ),
        (
            ["--assume-role", f"arn:aws:iam::{ACCOUNT}:role/x"],
            "expected text such as security/audit, not",
        ),
        (["--assume-role", "security/"], "'security/' is not the path and name of a role"),
        (["--assume-role", "a/b c/d"], "'a/b c/d' is not the path and name of a role"),
        (["--assume-role", "a/" + "d" * 65], "d' is not the path and name of a role"),
        *(
            (["--external-id", text], "expected 2 to 1,224 letters, digits, and _+=,.@:/-")
            for text in ("x y", "x", "x" * 1225, "\xe9\xe9")
        ),
    ],
)
def test_invalid_option_is_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], expected: str
):
    with pytest.raises(SystemExit) as stopped:
        main(["audit", *options])
    assert stopped.value.code == 2
    assert expected in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ("--account", OTHER_ACCOUNT),
            f"account {OTHER_ACCOUNT} is not the credentials' account, {ACCOUNT}: ",
        ),
        (ROLE, "--assume-role is only for --account or --organization: pass one of them"),
        *(
            (("--assume-role", text), "--assume-role is only for")
            for text in ("d" * 64, "/a/b", "a/b/d")
        ),
        *(
            (("--external-id", text), "--external-id is only for --account or --organization")
            for text in ("ab", "_+=,.@:/-", "x" * 1224)
        ),
    ],
)
def test_contradicting_options_are_one_line(world: World, options: tuple[str, ...], expected: str):
    assert expected in world.audit(*options).rejection


@pytest.mark.slow
def test_bars_on_a_terminal_count_all_accounts(two: World):
    two.patch.setattr("sys.stderr.isatty", lambda: True)
    two.patch.setenv("NO_COLOR", "1")
    bars = [line.rpartition("\r")[2] for line in two.audit(*BOTH).err.split("\n") if line]
    assert [bar.replace("\u2501", "").split() for bar in bars] == [
        ["audit:", "applications", "2", "of", "2"],
        ["audit:", "data", "sources", "2", "of", "2"],
        ["audit:", "comparisons", "2", "of", "2"],
    ]


@pytest.mark.slow
def test_path_of_the_role_can_begin_with_a_slash(two: World):
    assert two.audit("--account", OTHER_ACCOUNT, "--assume-role", "/security/audit").code == 1
