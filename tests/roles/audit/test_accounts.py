"""roles/audit/accounts: an audit of several accounts assumes a role in each of them."""

from typing import Final

import pytest

from pages.examples import ACCOUNT, OTHER_ACCOUNT, REGION
from roles.actions import ACTIONS, OF_ACCOUNTS
from roles.cli import main
from sandbox.environment import PROJECT
from tests.helpers.world import World, allow
from tests.roles.audit.help import add_audit_role, add_elsewhere, add_granted, complete_world

PAGE: Final = PROJECT / "docs" / "audit.md"
THIRD: Final = "777788889999"
ROLE: Final = ("--assume-role", "security/audit")
BOTH: Final = ("--account", ACCOUNT, "--account", OTHER_ACCOUNT, *ROLE)


def unread(world: World, *options: str) -> list[str]:
    """Return the texts about what was not read, with their accounts."""
    found = world.audit("--json", *options).json["findings"]
    return [f"{each['account']}: {each['text']}" for each in found if each["kind"] == "not compared"]


@pytest.fixture
def two(world: World) -> World:
    """Add a data source to the credentials' account, and one with a dangerous role to another."""
    world.add_own(allow("sqs:*", "*", Sid="Queues"))
    there = add_audit_role(world, OTHER_ACCOUNT)
    add_elsewhere(world, there, OTHER_ACCOUNT, allow("*", "*", Sid="All"), name="Wiki")
    return world


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
    found = two.audit("--json", "--organization", *ROLE).json["dataSources"]
    assert sorted(each["account"] for each in found) == [ACCOUNT, OTHER_ACCOUNT]


def test_organization_that_cannot_be_listed_is_one_line(world: World):
    world.reject("organizations:ListAccounts")
    line = world.audit("--organization", *ROLE).rejection
    assert line.startswith("audit: organizations:ListAccounts is not allowed (")


@pytest.mark.slow
def test_role_that_cannot_be_assumed_does_not_stop_the_audit(two: World):
    # The account does not exist, has no such role, or the role trusts somebody else.
    assert two.audit(*BOTH, "--account", THIRD).code == 1
    (line,) = unread(two, *BOTH, "--account", THIRD)
    caller = two.client("sts").get_caller_identity()["Arn"]
    assert line == (
        f"{THIRD}: arn:aws:iam::{THIRD}:role/security/audit cannot be assumed (sts:AssumeRole is not "
        "allowed for these credentials): the role must exist, its trust policy must allow "
        f"sts:AssumeRole to {caller} without an external ID, and the caller's policies must allow it, "
        "too: docs/read-permissions.md lists the policies"
    )


@pytest.mark.slow
def test_external_id_is_sent_and_never_shown(world: World):
    condition = {"StringEquals": {"sts:ExternalId": "audit-4711"}}
    there = add_audit_role(world, OTHER_ACCOUNT, Condition=condition)
    add_elsewhere(world, there, OTHER_ACCOUNT, name="Wiki")
    other = ("--account", OTHER_ACCOUNT, *ROLE)
    assert world.audit(*other, "--external-id", "audit-4711").code == 0
    (line,) = unread(world, *other)
    assert " without an external ID, " in line
    (line,) = unread(world, *other, "--external-id", "audit-4712")
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
    text = "AWS does not accept the credentials (ExpiredToken): sign in"
    assert f"account {ACCOUNT}, which was not read completely:\n  not compared: {text}" in said.out
    assert "\ndata sources in us-east-1, 2 accounts: 1 dangerous\n" in said.out
    assert "tests" not in said.out + said.err  # the secret access key


@pytest.mark.slow
def test_failed_region_of_an_account_is_named(two: World):
    two.server.unreadable.add("eu-west-1")
    text = "eu-west-1: qbusiness:ListApplications is not allowed for these credentials"
    found = unread(two, *BOTH, "--region", REGION, "--region", "eu-west-1")
    assert sorted(found) == [f"{ACCOUNT}: {text}", f"{OTHER_ACCOUNT}: {text}"]


@pytest.mark.slow
def test_account_that_is_given_twice_is_audited_once(two: World):
    other = ("--account", OTHER_ACCOUNT)
    said = two.audit(*other, *other, *ROLE)
    assert f"\ndata sources in us-east-1, account {OTHER_ACCOUNT}: 1 dangerous\n" in said.out


NOT_AN_ARN: Final = "expected text such as security/audit, not an ARN"
CHARACTERS: Final = "expected 2 to 1,224 letters, digits, and _+=,.@:/-"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--account", "1234"], "expected 12 digits"),
        (
            ["--account", ACCOUNT, "--organization"],
            "--organization: not allowed with argument --account",
        ),
        *(
            (["--assume-role", text], NOT_AN_ARN)
            for text in (f"arn:aws:iam::{ACCOUNT}:role/x", "security/", "a/b c/d", "a/" + "d" * 65)
        ),
        *((["--external-id", text], CHARACTERS) for text in ("x y", "x", "x" * 1225, "\xe9\xe9")),
    ],
)
def test_invalid_option_is_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], expected: str
):
    with pytest.raises(SystemExit) as stopped:
        main(["audit", *options])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ("--account", OTHER_ACCOUNT),
            f"account {OTHER_ACCOUNT} is not the credentials' account, {ACCOUNT}: ",
        ),
        *(
            (options, "--assume-role and --external-id are only for --account or --organization")
            for options in (
                *(("--assume-role", text) for text in ("d" * 64, "a/b", "a/b/d", "!x/d")),
                *(("--external-id", text) for text in ("ab", "_+=,.@:/-", "x" * 1224)),
            )
        ),
    ],
)
def test_contradicting_options_are_one_line(world: World, options: tuple[str, ...], expected: str):
    assert expected in world.audit(*options).rejection
