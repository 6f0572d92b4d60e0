"""The answers, JSON document, and exit codes of `roles check`."""

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from pages.examples import KEY_ID
from roles.actions import ACTIONS
from sandbox.environment import PROJECT
from tests.helpers.page import blocks
from tests.helpers.world import ROOT, WIDE, World, allow_key
from tests.roles.check.help import ADMIN, NEEDED_FOR_A_BUCKET, OF_ORGANIZATION, OPTIONAL

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

PAGE: Final = PROJECT / "docs" / "check.md"


def test_every_question_is_answered_for_healthy_stack(
    world: World, assert_golden: Callable[[Path, str], None]
):
    world.add_data_source()
    world.add_sync("SUCCEEDED")
    said = world.check()
    assert_golden(Path(__file__).with_name("verbose.txt"), said.out)
    shown = blocks("text", PAGE.read_text())[1]
    assert {*shown.splitlines()} <= {*said.out.splitlines()}
    assert said.code == 0
    assert said.err == ""
    page = "docs/after-q-business.md lists the successors"
    assert said.remark == f"check: AWS ended support for the connector aem-cloud: {page}\n"


def test_supported_connector_causes_no_remark(world: World):
    world.use_bucket()
    assert world.check().remark == ""


def test_json_is_one_document_with_every_answer(world: World):
    world.delete_policy()
    world.reject("kms:GetKeyPolicy", status=400, code="AccessDeniedException")
    said = world.check("--json")
    assert said.code == 1
    assert {key: said.json[key] for key in ("stack", "ok", "problem", "skipped")} == {
        "stack": "dev",
        "ok": 18,
        "problem": 2,
        "skipped": 1,
    }
    answers = {answer["question"]: answer for answer in said.json["answers"]}
    assert len(answers) == 21
    assert answers["key policy"] == {
        "question": "key policy",
        "state": "skipped",
        "text": "kms:GetKeyPolicy is not allowed for these credentials",
        "action": "kms:GetKeyPolicy",
    }
    assert answers["role policy"]["fix"] == "pulumi up --stack dev"
    assert "AllowsAmazonQToGetSecret: missing" in answers["role policy"]["details"]


CODES: Final = {"ec2": "UnauthorizedOperation", "iam": "AccessDenied", "s3": "AccessDenied"}


@pytest.mark.parametrize("action", sorted({*ACTIONS["check"]} - {*OPTIONAL}))
def test_missing_permission_skips_questions_or_ends_check(world: World, action: str):
    if action in NEEDED_FOR_A_BUCKET:
        world.use_bucket()
    else:
        world.add_data_source()
    if action in ("iam:GetPolicy", "iam:GetPolicyVersion"):
        world.bound(WIDE)
    code = CODES.get(action.partition(":")[0], "AccessDeniedException")
    world.reject(action, code=code)
    said = world.check()
    assert said.code == 2
    if action == "sts:GetCallerIdentity":
        assert said.out == ""
        assert said.err.startswith("check: sts:GetCallerIdentity is not allowed")
        return
    undecided = "connector requests could not be decided"
    skipped = [line for line in said.answers("skipped") if not line.endswith(undecided)]
    assert skipped
    assert all(line.endswith(f": {action} is not allowed for these credentials") for line in skipped)
    assert said.answers("problem") == []
    assert said.err.splitlines()[-1] == (
        "check: not every question was answered: the skipped answers show the causes, and "
        "docs/read-permissions.md lists the required permissions"
    )


def test_question_is_skipped_after_throttled_call_is_retried(world: World):
    world.repeat_at_once()
    world.reject("iam:GetRole", status=400, code="Throttling")
    said = world.check(only=["role", "role policy"])
    assert said.code == 2
    assert "AWS is throttling iam:GetRole: wait a minute" in said.answer("role policy")
    # Another question about the role does not repeat the calls.
    assert world.server.calls.count("iam:GetRole") == 10


def test_problem_outweighs_unknown_and_skipped_answers(world: World):
    outside = {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    denial = allow_key("*", Effect="Deny", Action="kms:Decrypt", Condition=outside)
    world.key_policy(allow_key(ROOT), denial)
    asked = ["index", "KMS key", "key policy"]
    assert world.check(only=asked).code == 3
    world.kms.disable_key(KeyId=KEY_ID)
    assert world.check(only=asked).code == 1
    world.reject("qbusiness:GetIndex")
    assert world.check(only=asked).code == 1


@pytest.mark.parametrize(
    "action", ["sts:GetCallerIdentity", "qbusiness:GetApplication", "iam:SimulatePrincipalPolicy"]
)
def test_rejected_credentials_end_the_check(world: World, action: str):
    world.reject(action, status=403, code="ExpiredToken")
    said = world.check()
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("check: AWS does not accept the credentials (Expired")


def test_unreachable_services_affect_only_their_questions(world: World):
    world.key_policy(allow_key(ROOT, Condition=OF_ORGANIZATION))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        for service in ("EC2", "ORGANIZATIONS"):
            world.patch.setenv(f"AWS_ENDPOINT_URL_{service}", address)
        said = world.check()
    assert said.code == 2
    skipped = said.answers("skipped")
    assert [
        answer.partition(": AWS cannot be reached (Could not connect to the endp")[0]
        for answer in skipped
    ] == ["subnets", "security groups"]
    assert said.answer("key policy").startswith("cannot tell ")
    assert said.answer("requests allowed").startswith("cannot tell ")
    assert len(said.answers("ok")) == 17


@pytest.mark.parametrize("code", ["InvalidAction", "UnknownOperationException"])
def test_question_is_skipped_if_sandbox_lacks_its_action(world: World, code: str):
    world.server.rejections["iam:SimulatePrincipalPolicy"] = (400, code)
    said = world.check()
    assert said.answers("skipped") == [
        f"{question}: the server at AWS_ENDPOINT_URL does not support this check: use AWS"
        for question in ("requests allowed", "iam:PassRole")
    ]
    assert said.code == 0


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "InternalFailure"), (503, "ServiceUnavailable"), (400, "Throttling"), (503, "")],
)
def test_sandbox_outage_is_not_mistaken_for_missing_action(world: World, status: int, code: str):
    for action in ("iam:SimulatePrincipalPolicy", "kms:GetKeyPolicy"):
        if code:
            world.server.rejections[action] = (status, code)
        else:
            world.server.pages[action] = status
    said = world.check(only=["key policy", "requests allowed"])
    assert said.code == 2
    assert said.answers("ok") == []
    assert "does not support this check" not in said.out


@pytest.mark.parametrize("endpoint", ["AWS_ENDPOINT_URL", ""])
def test_html_response_skips_question(world: World, endpoint: str):
    world.server.pages["iam:SimulatePrincipalPolicy"] = 200
    if not endpoint:
        world.patch.delenv("AWS_ENDPOINT_URL")
        for service in ("QBUSINESS", "IAM", "SECRETS_MANAGER", "STS", "EC2", "KMS"):
            world.patch.setenv(f"AWS_ENDPOINT_URL_{service}", world.server.url)
    said = world.check(only=["requests allowed"])
    assert said.code == 2
    assert said.answers("problem") == []
    reason = f" ({endpoint}={world.server.url}): unset this" if endpoint else ", possibly because of a "
    assert f"SimulatePrincipalPolicy returned an HTML page{reason}" in (said.answer("requests allowed"))


def test_command_calls_exactly_the_listed_actions(world: World):
    world.bound(WIDE)
    world.key_policy(allow_key(ROOT, Condition=OF_ORGANIZATION))
    world.add_data_source()
    world.check()
    called = {*world.server.calls}
    world.key_policy(allow_key({"AWS": ADMIN}))
    world.check()
    called |= {*world.server.calls}
    world.use_bucket()
    world.server.data_source()["configuration"] = {"type": "S3V2", "bucketName": "documents"}
    world.check()
    assert called | {*world.server.calls} == {*ACTIONS["check"]}


def test_check_page_lists_every_question(world: World):
    questions = {answer["question"] for answer in world.check("--json").json["answers"]}
    section = PAGE.read_text().partition("\n## Questions\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| ([\w:, ]+) \| ", section, flags=re.MULTILINE)
    names = {name for names in listed for name in names.split(", ")} - {"Question"}
    assert names == questions
