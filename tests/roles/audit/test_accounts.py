"""Tests `roles/audit/accounts.py`, which assumes a role in each account."""

from typing import Final

import pytest

from pages.examples import ACCOUNT, OTHER_ACCOUNT, REGION
from roles.cli import main
from tests.helpers.world import World, allow
from tests.roles.audit.help import add_audit_role, add_elsewhere

THIRD: Final = "777788889999"
ROLE: Final = ("--assume-role", "security/audit")
BOTH: Final = ("--account", ACCOUNT, "--account", OTHER_ACCOUNT, *ROLE)


def unread(world: World, *options: str) -> list[str]:
    """Return the messages about failed reads, each with its account."""
    found = world.audit("--json", *options).json["findings"]
    return [f"{each['account']}: {each['text']}" for each in found if each["kind"] == "not compared"]


@pytest.fixture
def two(world: World) -> World:
    """Add a data source to each account in BOTH; only the role in OTHER_ACCOUNT is dangerous."""
    world.add_own(allow("sqs:*", "*", Sid="Queues"))
    there = add_audit_role(world, OTHER_ACCOUNT)
    add_elsewhere(world, there, OTHER_ACCOUNT, allow("*", "*", Sid="All"), name="Wiki")
    return world


@pytest.mark.slow
def test_organization_option_selects_active_accounts(two: World):
    states = {ACCOUNT: "ACTIVE", OTHER_ACCOUNT: "ACTIVE", THIRD: "SUSPENDED"}
    accounts = [{"Id": name, "State": state} for name, state in states.items()]
    two.server.answers["organizations:ListAccounts"] = {"Accounts": accounts}
    found = two.audit("--json", "--organization", *ROLE).json["dataSources"]
    assert sorted(each["account"] for each in found) == [ACCOUNT, OTHER_ACCOUNT]


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
    assert " with the given external ID, " in line
    assert "audit-47" not in line


@pytest.mark.slow
@pytest.mark.parametrize("call", ["qbusiness:ListApplications", "iam:GetRole"])
def test_expired_credentials_do_not_stop_the_report(two: World, call: str):
    two.reject(f"{ACCOUNT} {call}", code="ExpiredToken")
    said = two.audit(*BOTH)
    assert said.code == 1
    text = "AWS rejects the credentials (ExpiredToken): sign in"
    assert f"account {ACCOUNT}, which was not read completely:\n  not compared: {text}" in said.out
    assert "\ndata sources in us-east-1, 2 accounts: 1 dangerous\n" in said.out
    assert "tests" not in said.out + said.err  # `tests` is the secret access key


@pytest.mark.slow
def test_unreadable_region_of_an_account_is_reported_once(two: World):
    two.server.unreadable.add("eu-west-1")
    text = "eu-west-1: qbusiness:ListApplications is not allowed for these credentials"
    found = unread(two, *BOTH, *BOTH, "--region", REGION, "--region", "eu-west-1")
    assert sorted(found) == [f"{ACCOUNT}: {text}", f"{OTHER_ACCOUNT}: {text}"]


NOT_AN_ARN: Final = "expected text such as security/audit, not an ARN"
CHARACTERS: Final = "expected 2 to 1,224 letters, digits, and _+=,.@:/-"


@pytest.mark.parametrize(
    ("option", "texts", "expected"),
    [
        ("--account", ["1234"], "expected 12 digits"),
        (f"--account={ACCOUNT}", ["--organization"], "not allowed with argument --account"),
        ("--assume-role", ["arn:a/x", "security/", "a/b c/d", "a/" + "d" * 65], NOT_AN_ARN),
        ("--external-id", ["x y", "x", "x" * 1225, "\xe9\xe9"], CHARACTERS),
    ],
)
def test_invalid_option_is_reported_on_one_line(
    capsys: pytest.CaptureFixture[str], option: str, texts: list[str], expected: str
):
    for text in texts:
        with pytest.raises(SystemExit) as stopped:
            main(["audit", option, text])
        assert stopped.value.code == 2
        assert capsys.readouterr().err.splitlines()[-1].endswith(expected)


def test_incomplete_options_are_reported_on_one_line(world: World):
    line = world.audit("--account", OTHER_ACCOUNT).rejection
    assert f"account {OTHER_ACCOUNT} is not the credentials' account, {ACCOUNT}: " in line
    valid = {
        "--assume-role": ("d" * 64, "a/b", "a/b/d", "!x/d"),
        "--external-id": ("ab", "_+=,.@:/-", "x" * 1224),
    }
    for option, text in ((option, text) for option, texts in valid.items() for text in texts):
        line = world.audit(option, text).rejection
        assert "--assume-role and --external-id are only for --account" in line
