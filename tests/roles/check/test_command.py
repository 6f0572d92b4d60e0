"""Tests `roles/check/command.py`, `roles/credentials.py`, and `project.py`."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread, current_thread, main_thread
from typing import Any, Final

import pytest
from botocore.httpsession import URLLib3Session

from pages.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT
from roles.actions import ACTIONS
from roles.cli import main
from sandbox.environment import PROJECT
from tests.helpers.page import blocks
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.state import declared, exported
from tests.helpers.support import PROJECT_NAME, golden
from tests.helpers.world import (
    KEY_ARN,
    OWN,
    ROLE_ARN,
    ROLE_NAME,
    ROOT,
    SECRET_ARN,
    TRUST,
    WIDE,
    World,
    allow,
    allow_key,
    deny,
    policy,
)
from tests.roles.check import account
from tests.roles.check.account import ALONE, STACK, at, data_sources, failed, identifier
from tests.roles.check.policy_text import NAMES
from tests.roles.check.rows_data_sources import WITH_PROXY

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

PAGE: Final = PROJECT / "docs" / "check.md"
ADMIN: Final = {"AWS": NAMES["ADMIN"]}
OPTIONAL: Final = (
    "organizations:DescribeOrganization",
    "secretsmanager:ListSecretVersionIds",
    "kms:ListGrants",
    "kms:ListResourceTags",
    "s3:GetBucketAbac",
    "s3:GetBucketTagging",
)
"""Actions without which an answer can be `cannot tell`, but no question is skipped."""
OF_SEARCH: Final = {"StringNotEquals": {"aws:ResourceTag/team": "search"}}
OF_ENTRIES: Final = ("secretId", "kmsKeyId", "allowNetworkInterfaceDeletion")


# Options.


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ((*STACK, *ALONE), "pass either --stack, or --application and --data-source-id"),
        (ALONE[:2], "pass either --stack, or --application and --data-source-id"),
        ((*STACK, "--data-source", "wiki"), "stack dev has no entry 'wiki'; its entries: aem-connector"),
        (
            (*ALONE, "--data-source", "wiki"),
            "--data-source selects an entry of a stack: with --application",
        ),
        (
            (*STACK, "--context", "aws:SourceIp=", "--context", "aws:SOURCEIP=192.0.2.1"),
            "--context has both an empty value and another value for aws:SourceIp: pass only one",
        ),
        (
            (*ALONE[:3], "other"),
            f"there is no data source other in this application; its data sources: {identifier(0)}",
        ),
    ],
)
def test_contradictory_options_and_unknown_names_are_rejected(options: Sequence[str], error: str):
    said = account.ask(account.World(), options)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"check: {error}")


@pytest.mark.parametrize("text", ["aws:SourceVpc", "=vpc-1", "SourceVpc=vpc-1", "aws: x=1", "aws:x =1"])
def test_invalid_context_is_rejected(text: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["check", *STACK, "--context", text])
    assert stopped.value.code == 2
    assert f"{text!r} is not a condition key with a value: expected" in capsys.readouterr().err


def test_output_shows_context_and_keys_that_no_policy_uses():
    options = ("--context", "AWS:sourceip=198.51.100.1", "--context", "aws:SourceVpc=")
    world = account.World(guard="deny READ if NotIpAddress aws:SourceIp=ELSEWHERE")
    assert account.ask(world, (*STACK, *options)).out.endswith(
        "\nwith --context: AWS:sourceip is 198.51.100.1"
        "\nwith --context: aws:SourceVpc is absent, but no policy that was read contains this key\n"
    )


def test_application_arn_sets_region_and_must_match_account(world: World):
    world.add_data_source()
    world.patch.setenv("PATH", "")  # without Pulumi
    world.patch.setenv("AWS_REGION", "eu-west-1")
    of = ("check", "--data-source-id", DATA_SOURCE_ID, "--application")
    assert world.run(*of, APPLICATION_ARN).code == 0
    foreign = APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    assert world.run(*of, foreign).rejection.startswith(
        f"check: --application {foreign} is in account {OTHER_ACCOUNT}, but the credentials are for "
        f"account {ACCOUNT}: set AWS_PROFILE to a profile for account {OTHER_ACCOUNT}"
    )


# Text.


def test_every_question_is_answered_for_healthy_stack(
    world: World, assert_golden: Callable[[Path, str], None]
):
    world.add_data_source()
    world.sync(DATA_SOURCE_ID, "SUCCEEDED")
    said = world.check()
    assert_golden(Path(__file__).with_name("verbose.txt"), said.out)
    assert (said.code, said.err) == (0, "")
    page = "docs/after-q-business.md lists the successors"
    assert said.remark == f"check: AWS ended support for the connector aem-cloud: {page}\n"


def test_problems_come_before_notes_and_counts(world: World):
    world.put_policy(WIDE, "by-hand")
    world.key_policy(allow_key(ADMIN))
    said = world.check(verbose=False)
    assert said.code == 1
    assert said.out.replace("stack dev,", "stack prod,") == blocks("text", PAGE.read_text())[0]


def test_check_page_lists_the_name_of_every_finding():
    answers, healthy = (
        Path(__file__).with_name(name).read_text() for name in ("answers.txt", "verbose.txt")
    )
    ok = re.findall(r"^ok +([A-Za-z ]+?)(?: [0-9a-f-]{36})?: ", healthy, re.MULTILINE)
    section = PAGE.read_text().partition("\n## Questions\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| ([\w:, ]+) \| ", section, re.MULTILINE)
    names = {name for names in listed for name in names.split(", ")} - {"Name"}
    assert names == {*ok, *re.findall(r"^# (.+)$", answers, re.MULTILINE)}


def test_a_sync_error_cannot_forge_another_line():
    forged = "Too slow\r\nok       role policy: FORGED\x1b[2K\u202e\u2028\x9b"
    said = account.ask(account.World(changes=[data_sources(failed(forged))]), STACK)
    assert "FAILED: Too slow\\r\\nok       role policy: FORGED\\x1b[2K\\u202e\\u2028\\x9b\n" in said.out


# JSON.


def test_json_is_one_document_with_every_finding_and_decision():
    world = account.World(own="own-GetSecret", changes=[account.rejected("get_key_policy")])
    document = account.ask(world, (*STACK, "--context", "aws:SourceIp=192.0.2.1", "--json")).json
    entry = document.pop("entries")["aem-connector"]
    assert document == {
        "stack": "dev",
        "checked": "stack dev, last deployed on 2026-11-02 12:30 UTC",
        "context": {"aws:SourceIp": ["192.0.2.1"]},
    }
    findings, requests = entry.pop("findings"), entry.pop("requests")
    assert entry == {"problem": 1, "cannot tell": 0, "skipped": 1, "note": 1, "ok": 9}
    found = {each["question"]: each for each in findings}
    assert found["key policy"] == {
        "question": "key policy",
        "subject": KEY_ARN,
        "state": "skipped",
        "text": "kms:GetKeyPolicy is not allowed for these credentials",
        "denied": "kms:GetKeyPolicy",
    }
    assert found["role policy"]["remedy"] == "`pulumi preview --stack dev` shows the update's changes"
    assert found["role policy"]["details"] == ["AllowsAmazonQToGetSecret: missing"]
    assert len(requests) == 29
    denied = {each["action"]: each["allowed"] for each in requests if each["allowed"] != "yes"}
    assert denied == {"secretsmanager:GetSecretValue": "no", "kms:Decrypt": "cannot tell"}


def test_json_contains_policies_only_for_role_outside_any_stack():
    outside = account.ask(
        account.World(changes=[data_sources(WITH_PROXY), at(NAMES["PROXY"])]), (*ALONE, "--json")
    ).json
    assert next(iter(outside)) == "dataSource"
    assert outside["trustPolicy"]["Statement"][0]["Principal"] == {"Service": "qbusiness.amazonaws.com"}
    assert outside["rolePolicy"]["Statement"][0]["Resource"] == [SECRET_ARN]


# Calls.


@pytest.mark.parametrize("action", sorted({*ACTIONS["check"]} - {*OPTIONAL, "sts:GetCallerIdentity"}))
def test_questions_are_skipped_if_a_read_is_denied(world: World, action: str):
    if action.startswith("s3:"):
        world.use_bucket()
    else:
        world.add_data_source()
    if action in ("iam:GetPolicy", "iam:GetPolicyVersion"):
        world.bound()
    world.reject(action)
    said = world.check()
    assert said.code == 2
    skipped = said.answers("skipped")
    assert skipped
    assert all(f": {action} is not allowed for these credentials" in line for line in skipped)
    assert said.answers("problem") == []
    assert said.err.splitlines()[-1] == (
        "check: not everything could be read: docs/read-permissions.md lists the required permissions"
    )


def test_command_calls_exactly_the_listed_actions(world: World):
    condition = {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
    world.bound()
    world.key_policy(allow_key(ROOT, Condition=condition))
    world.add_data_source()
    world.check()
    called = {*world.server.calls}
    world.key_policy(allow_key(ADMIN))
    # The role policy has a condition on a tag, but not for requests to KMS.
    assert "kms:ListResourceTags" not in called
    world.put_policy(policy(deny(["kms:*", "s3:*"], "*", Condition=OF_SEARCH)), "guard")
    world.check()
    called |= {*world.server.calls}
    world.use_bucket()
    world.server.answers["s3:GetBucketAbac"] = {"AbacStatus": {"Status": "Enabled"}}
    world.server.data_source()["configuration"] = {"type": "S3V2", "bucketName": "documents"}
    assert world.check().remark == ""  # AWS supports this connector
    assert called | {*world.server.calls} == {*ACTIONS["check"]}


def test_unreachable_services_affect_only_their_questions(world: World):
    for service in ("EC2", "ORGANIZATIONS"):
        world.patch.setenv(f"AWS_ENDPOINT_URL_{service}", "http://127.0.0.1:1")
    said = world.check()
    assert said.code == 2
    unreachable = ": AWS cannot be reached (Could not connect to the endp"
    assert [each.partition(unreachable)[0] for each in said.answers("skipped")] == [
        "subnets",
        "security groups",
    ]


# Entries.


@pytest.fixture
def two(world: World) -> World:
    """Use the stack's role for the entry aem, and add the entry tickets, whose role policy is wrong."""
    aem = {key: world.settings[f"{PROJECT_NAME}:{key}"] for key in OF_ENTRIES}
    tickets = {**aem, "connector": "jira"}
    world.set(**dict.fromkeys(OF_ENTRIES), dataSources={"aem": aem, "tickets": tickets})
    arn = world.role("tickets", policy(allow("sqs:*", "*")))
    world.outputs = {"roleArns": {"aem": ROLE_ARN, "tickets": arn}, "roleNames": {}}
    return world


def test_shared_resources_are_read_once_and_findings_list_their_entries(two: World):
    two.delete_secret(SECRET_ARN)
    said = two.check()
    assert said.code == 1
    assert f"there is no secret {SECRET_ARN}\n              for aem, tickets\n" in said.answer("secret")
    assert "\n              for tickets\n" in said.answer("role policy")
    assert two.server.calls.count("sts:GetCallerIdentity") == 1
    assert two.server.calls.count("qbusiness:GetIndex") == 1


def test_entry_with_secret_document_is_left_out_without_show_secrets(two: World):
    two.secrets_in_state = {ROLE_ARN}
    said = two.check("--data-source", "aem")
    text = "aem has secret policies; `check` shows them only with --show-secrets"
    assert (said.code, said.answers("skipped")) == (2, [f"deployment: {text}"])
    said = two.check("--data-source", "aem", "--show-secrets")
    assert (said.code, said.answers("skipped")) == (0, [])


def test_first_call_is_sent_from_the_main_thread(two: World):
    sending: list[Thread] = []
    send = URLLib3Session.send

    def recorded(session: URLLib3Session, request: Any) -> Any:
        sending.append(current_thread())
        return send(session, request)

    two.patch.setattr(URLLib3Session, "send", recorded)
    two.check()
    assert sending[0] is main_thread()
    assert {*sending} - {main_thread()}


# The stack.


def test_missing_stack_is_reported_on_one_line(world: World):
    assert world.check("--stack", "nope").rejection.startswith(
        "check: `pulumi stack export` failed (no stack named 'nope' found): `pulumi stack ls` lists"
    )
    assert world.server.calls == []


@pytest.mark.parametrize("name", [f"acme/{PROJECT_NAME}/dev", "acme/dev"])
def test_commands_use_the_stack_name_as_entered(world: World, name: str):
    world.iam.delete_role_policy(RoleName=ROLE_NAME, PolicyName=OWN)
    said = world.check("--stack", name)
    assert said.code == 1
    assert f"`pulumi preview --stack {name}` shows the update's changes" in said.out


@pytest.mark.parametrize("part", [ROLE_ARN, TRUST], ids=["role", "application"])
def test_credentials_for_another_account_are_rejected_before_other_calls(world: World, part: str):
    foreign = part.replace(ACCOUNT, OTHER_ACCOUNT)
    arn, trust = (foreign if text == part else text for text in (ROLE_ARN, TRUST))
    world.state = exported(*declared("wiki", arn, trust, golden("minimal-role-policy")))
    assert world.check().rejection.startswith(
        f"check: stack dev is in account {OTHER_ACCOUNT}, but the credentials are for account {ACCOUNT}"
    )
    assert world.server.calls == ["sts:GetCallerIdentity"]
