"""roles/check/command: the options, answers, JSON document, and exit codes."""

import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT
from roles.actions import ACTIONS
from roles.cli import main
from roles.findings import State
from sandbox.environment import PROJECT
from tests.helpers.page import blocks
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import KEY_ARN, OTHER_ID, ROLE_ARN, ROOT, SECRET_ARN, WIDE, World, allow_key
from tests.roles.check import account
from tests.roles.check.account import ALONE, STACK, data_sources, entries, identifier, roles_of, secret
from tests.roles.check.policy_text import NAMES
from tests.roles.check.rows_data_sources import WITH_PROXY

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

PAGE: Final = PROJECT / "docs" / "check.md"
ADMIN: Final = {"AWS": NAMES["ADMIN"]}
NEEDED_FOR_A_BUCKET: Final = (
    "s3:GetBucketLocation",
    "s3:GetBucketPolicy",
    "s3:GetEncryptionConfiguration",
)
OPTIONAL: Final = (
    "organizations:DescribeOrganization",
    "secretsmanager:ListSecretVersionIds",
    "kms:ListGrants",
)
"""Actions without which an answer may be `cannot tell`, but no question is skipped."""
CODES: Final = {"ec2": "UnauthorizedOperation", "iam": "AccessDenied", "s3": "AccessDenied"}


# Options.


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ((*STACK, *ALONE), "pass either --stack, or --application and --data-source-id"),
        (ALONE[:2], "pass either --stack, or --application and --data-source-id"),
        (ALONE[2:], "pass either --stack, or --application and --data-source-id"),
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
def test_options_that_select_nothing_are_rejected(options: Sequence[str], error: str):
    said = account.ask(account.World(), options)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"check: {error}")


@pytest.mark.parametrize("text", ["aws:SourceVpc", "=vpc-1", "SourceVpc=vpc-1", "aws: x=1", "aws:x =1"])
def test_context_without_condition_key_is_rejected(text: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["check", *STACK, "--context", text])
    assert stopped.value.code == 2
    assert f"{text!r} is not a condition key with a value: expected" in capsys.readouterr().err


def test_stated_context_is_shown_with_the_keys_that_no_policy_names():
    options = ("--context", "AWS:sourceip=198.51.100.1", "--context", "aws:SourceVpc=")
    world = account.World(guard="deny READ if NotIpAddress aws:SourceIp=ELSEWHERE")
    assert account.ask(world, (*STACK, *options)).out.endswith(
        "\nwith --context: AWS:sourceip is 198.51.100.1"
        "\nwith --context: aws:SourceVpc is absent, but no policy that was read names this key\n"
    )


def test_application_arn_sets_region_and_must_match_account(world: World):
    world.add_data_source()
    world.patch.setenv("PATH", "")  # without Pulumi
    world.patch.setenv("AWS_REGION", "eu-west-1")
    of = ("check", "--data-source-id", DATA_SOURCE_ID, "--application")
    assert world.run(*of, APPLICATION_ARN).code == 0
    assert world.run(*of, APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)).rejection == (
        f"check: --application {APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)} is in account "
        f"{OTHER_ACCOUNT}, but the credentials are for account {ACCOUNT}: set AWS_PROFILE to a profile "
        f"for account {OTHER_ACCOUNT}; `aws sts get-caller-identity` shows who you are"
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


def test_supported_connector_causes_no_remark(world: World):
    world.use_bucket()
    assert world.check().remark == ""


def test_problems_come_before_notes_and_counts(world: World):
    world.put_policy(WIDE, "by-hand")
    world.key_policy(allow_key(ADMIN))
    said = world.check(verbose=False)
    assert said.code == 1
    assert said.out == blocks("text", PAGE.read_text())[0]


def test_check_page_lists_every_name_of_a_finding(world: World):
    (entry,) = world.check("--json").json["entries"].values()
    questions = {finding["question"] for finding in entry["findings"]}
    answers = Path(__file__).with_name("answers.txt").read_text()
    subject = r"(?: (?:arn:|[0-9a-f]{8}-)\S*)?"
    said = re.findall(rf"^(?:{'|'.join(State)}) ([A-Za-z ]+?){subject}: ", answers, re.MULTILINE)
    section = PAGE.read_text().partition("\n## Questions\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| ([\w:, ]+) \| ", section, flags=re.MULTILINE)
    names = {name for names in listed for name in names.split(", ")} - {"Name"}
    assert names == questions | {*said}


def test_a_sync_error_cannot_forge_another_line(world: World):
    world.add_data_source()
    forged = "Too slow\r\nok       role policy: FORGED\x1b[2K\u202e\u2028\x9b"
    world.sync(DATA_SOURCE_ID, "FAILED", error={"errorMessage": forged})
    said = world.check()
    assert said.out.replace("\n", "").isascii()
    assert said.out.replace("\n", "").isprintable()
    assert "ok       role policy: FORGED" not in said.out.splitlines()
    shown = r"FAILED: Too slow\r\nok       role policy: FORGED\x1b[2K\u202e\u2028\x9b"
    assert f"{shown}\n" in said.answer(f"data source {DATA_SOURCE_ID}")
    (entry,) = world.check("--json").json["entries"].values()
    assert any(finding["text"].endswith(forged) for finding in entry["findings"])


def test_progress_is_shown_for_many_data_sources(world: World):
    configuration = {"type": "AEM", "secretArn": f"{SECRET_ARN[:-6]}Others"}
    for number in range(100):
        name = f"{number:04}{OTHER_ID[4:]}"
        world.server.add(name, roleArn=f"{ROLE_ARN}-2", configuration=configuration)
    world.add_data_source()
    said = world.check()
    assert said.code == 0
    assert "check: data sources: 100 of 101\n" in said.err


# JSON.


def test_json_is_one_document_with_every_finding_and_decision():
    world = account.World(own="own-GetSecret", responses=account.rejected("get_key_policy"))
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
    }
    assert found["role policy"]["remedy"] == "`pulumi preview --stack dev` shows what an update changes"
    assert found["role policy"]["details"] == ["AllowsAmazonQToGetSecret: missing"]
    assert len(requests) == 29
    denied = {each["action"]: each["allowed"] for each in requests if each["allowed"] != "yes"}
    assert denied == {"secretsmanager:GetSecretValue": "no", "kms:Decrypt": "cannot tell"}


def test_json_has_policies_only_for_role_outside_any_stack():
    outside = account.ask(
        account.World(responses=data_sources(WITH_PROXY) | secret(NAMES["PROXY"])), (*ALONE, "--json")
    ).json
    assert next(iter(outside)) == "dataSource"
    assert outside["trustPolicy"]["Statement"][0]["Principal"] == {"Service": "qbusiness.amazonaws.com"}
    assert outside["rolePolicy"]["Statement"][0]["Resource"] == [SECRET_ARN]
    two = account.World(settings=entries(wiki={}, tickets={}), outputs=roles_of("wiki", "tickets"))
    assert [*account.ask(two, (*STACK, "--json")).json["entries"]] == ["wiki", "tickets"]


# Calls.


@pytest.mark.parametrize("action", sorted({*ACTIONS["check"]} - {*OPTIONAL}))
def test_missing_permission_skips_questions_or_ends_check(world: World, action: str):
    if action in NEEDED_FOR_A_BUCKET:
        world.use_bucket()
    else:
        world.add_data_source()
    if action in ("iam:GetPolicy", "iam:GetPolicyVersion"):
        world.bound()
    code = CODES.get(action.partition(":")[0], "AccessDeniedException")
    world.reject(action, code=code)
    said = world.check()
    assert said.code == 2
    if action == "sts:GetCallerIdentity":
        assert said.out == ""
        assert said.err.startswith("check: sts:GetCallerIdentity is not allowed")
        return
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
    world.check()
    called |= {*world.server.calls}
    world.use_bucket()
    world.server.data_source()["configuration"] = {"type": "S3V2", "bucketName": "documents"}
    world.check()
    assert called | {*world.server.calls} == {*ACTIONS["check"]}


@pytest.mark.parametrize(
    "action", ["sts:GetCallerIdentity", "qbusiness:GetApplication", "iam:SimulatePrincipalPolicy"]
)
def test_rejected_credentials_end_the_check(world: World, action: str):
    world.reject(action, status=403, code="ExpiredToken")
    said = world.check()
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("check: AWS does not accept the credentials (Expired")


def test_unreachable_services_affect_only_their_questions(world: World):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        for service in ("EC2", "ORGANIZATIONS"):
            world.patch.setenv(f"AWS_ENDPOINT_URL_{service}", address)
        said = world.check()
    assert said.code == 2
    unreachable = ": AWS cannot be reached (Could not connect to the endp"
    assert [each.partition(unreachable)[0] for each in said.answers("skipped")] == [
        "subnets",
        "security groups",
    ]


@pytest.mark.parametrize("code", ["InvalidAction", "UnknownOperationException"])
def test_question_is_skipped_if_sandbox_lacks_its_action(world: World, code: str):
    world.server.rejections["iam:SimulatePrincipalPolicy"] = (400, code)
    said = world.check()
    text = "the server at AWS_ENDPOINT_URL does not support this check: use AWS"
    assert said.answer("simulation") == f"note        simulation: {text}\n"
    assert said.code == 0
