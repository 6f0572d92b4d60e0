"""Tests `roles/changes.py` through `qbusiness-roles assign`."""

import ast
import json
import os
import signal
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from typing import Any, Final

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session

from pages.examples import APPLICATION_ARN, APPLICATION_ID, OTHER_ACCOUNT
from roles import changes
from roles.actions import CHANGES, action
from sandbox.environment import PROJECT
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import ROLE_ARN, SECRET_ARN, TRUST, USER_ARN, VPC, Output, World
from tests.roles.assign.help import (
    OLD_ROLE,
    PAIR,
    WIKI_ROLE,
    add_old,
    add_wiki,
    assert_only_role_changed,
    deploy_two,
    journal,
    on_update,
    updates,
)

pytestmark = pytest.mark.usefixtures("deployed", "no_pause")

LABEL: Final = f"Pages {DATA_SOURCE_ID}"
UNFINISHED: Final = "unfinished-"
EVERYTHING: Final[dict[str, Any]] = {
    "description": 'The team\'s "pages", $HOME `and` \\n',
    "syncSchedule": "cron(0 12 * * ? *)",
    "vpcConfiguration": VPC,
    "configuration": {
        "type": "AEM",
        "secretArn": SECRET_ARN,
        "connectionConfiguration": {"aemUrl": "https://example.com/a b", "depth": 1.5, "none": None},
        "filters": ["it's", '"quoted"', "", True],
        "number": 12345678901234567891,
        "empty": {},
    },
    "documentEnrichmentConfiguration": {
        "inlineConfigurations": [
            {"condition": {"key": "day", "operator": "EQUALS", "value": {"dateValue": 1764547200}}}
        ]
    },
    "mediaExtractionConfiguration": {
        "imageExtractionConfiguration": {"imageExtractionStatus": "ENABLED"}
    },
}


def unfinished(world: World) -> list[str]:
    return [name for name in world.files if name.startswith(UNFINISHED)]


def answer(world: World, text: str, before: Callable[[], object] = dict) -> None:
    """Answer the confirmation prompt after calling `before`."""
    world.patch.setattr("roles.output.Output.can_ask", True)

    def said() -> str:
        before()
        return text

    world.patch.setattr("builtins.input", said)


# Confirmation.


def test_plan_is_applied_only_after_confirmation(world: World):
    before = add_old(world)
    said = world.assign(PAIR)
    assert (said.code, world.server.data_source()) == (4, before)
    assert said.out.startswith(f"aem-connector: {LABEL} gets {ROLE_ARN}\n  in place of {OLD_ROLE}, ")
    note = "assign: nothing was changed: to apply this plan, repeat the command with --yes\n"
    assert said.err == note
    answer(world, "")
    said = world.assign(PAIR)
    assert (said.code, said.err) == (4, f"Apply these changes? [y/N] {note}")
    assert [name for name in world.files if "assign" in name] == []
    answer(world, "y")
    assert world.assign(PAIR).code == 0
    assert_only_role_changed(world, before)


def test_json_output_never_prompts(world: World):
    add_old(world)
    answer(world, "y")
    said = world.assign(PAIR, "--json")
    assert (said.code, said.json["done"]) == (4, None)
    assert world.assign(PAIR, "--json", "--yes").json["done"] == [True]


def test_change_during_confirmation_stops_the_plan(world: World):
    add_old(world)
    answer(world, "y", lambda: world.server.data_source().update(description="new"))
    said = world.assign(PAIR)
    assert (said.code, updates(world), unfinished(world)) == (1, 0, [])
    assert f"since the plan was made:\n  {LABEL}:\n" in said.err
    assert '\n    + "description": "new",\n' in said.err


def test_saved_plan_can_be_applied_without_pulumi(world: World):
    before = add_old(world)
    said = world.assign(PAIR, "--save", "plan.json")
    assert (said.code, world.server.data_source()) == (0, before)
    assert said.err.endswith("to apply this plan, run `qbusiness-roles assign --apply plan.json`\n")
    assert stat.S_IMODE(world.path("plan.json").stat().st_mode) == 0o600
    again = world.assign(PAIR, "--save", "plan.json")
    assert (again.code, "assign: plan.json: File exists" in again.err) == (2, True)
    world.path("bin/pulumi").unlink()
    assert world.run("assign", "--apply", "plan.json").code == 4
    assert world.run("adopt", "--apply", "plan.json", "--yes").rejection == (
        "adopt: plan.json is a plan for assign: pass it to that command"
    )
    assert world.run("assign", "--apply", "plan.json", "--yes").code == 0
    assert_only_role_changed(world, before)
    assert world.run("assign", "--apply", "plan.json", "--yes").code == 0
    assert updates(world) == 0


def test_saved_plan_is_rejected_if_state_in_aws_has_changed(world: World):
    add_old(world)
    world.assign(PAIR, "--save", "plan.json")
    world.server.data_source()["roleArn"] = WIKI_ROLE
    said = world.run("assign", "--apply", "plan.json", "--yes")
    assert (said.code, updates(world)) == (2, 0)
    assert "assign: nothing was changed, because the state in AWS differs from plan.json:\n" in said.err
    world.server.qbusiness.resources.clear()
    assert "no longer exists, or was" in world.run("assign", "--apply", "plan.json", "--yes").err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"roles": [{"x": 1}], "dataSources": []}'])
def test_file_that_is_not_a_plan_or_journal_is_rejected(world: World, text: str):
    world.path("plan.json").write_text(text)
    for option in ("--apply", "--undo"):
        line = world.run("assign", option, "plan.json").rejection
        assert line.startswith("assign: plan.json is not a ")
    assert "missing.json: No such file" in world.run("assign", "--undo", "missing.json").err


@pytest.mark.parametrize(("name", "text"), [("stack", "-x"), ("account", ""), ("region", "")])
def test_file_with_an_invalid_value_is_rejected(world: World, name: str, text: str):
    assigned(world)
    path = world.path(journal(world))
    path.write_text(json.dumps({**json.loads(path.read_text()), name: text}))
    assert undo(world).rejection.startswith(f"assign: {path.name} is not a ")
    assert world.server.calls == []


def test_plan_is_rejected_with_credentials_for_another_account(world: World):
    add_old(world)
    world.assign(PAIR, "--save", "plan.json")
    world.server.answers["sts:GetCallerIdentity"] = {
        "UserId": "A",
        "Account": OTHER_ACCOUNT,
        "Arn": USER_ARN,
    }
    for option in ("--apply", "--undo"):
        line = world.run("assign", option, "plan.json", "--yes").rejection
        assert f"but the credentials are for account {OTHER_ACCOUNT}" in line
        assert {*world.server.calls} == {"sts:GetCallerIdentity"}


# One data source.


def test_undo_needs_neither_policies_nor_next_steps(world: World):
    before = add_old(world)
    assert world.assign(PAIR, "--yes").code == 0
    path = world.path(journal(world))
    saved = json.loads(path.read_text())
    del saved["nextSteps"]  # earlier versions didn't write this entry
    path.write_text(json.dumps(saved))
    world.reject("iam:ListRolePolicies")
    assert world.run("assign", "--undo", path.name, "--yes").code == 0
    assert_only_role_changed(world, before, OLD_ROLE)


def test_all_properties_are_kept_even_if_updates_remove_omitted_properties(world: World):
    before = add_old(world, **EVERYTHING)
    world.server.qbusiness.keeps_omitted = False
    assert world.assign(PAIR, "--yes").code == 0
    assert_only_role_changed(world, before)
    after = world.server.data_source()["configuration"]
    assert json.dumps(after) == json.dumps(EVERYTHING["configuration"])
    said = world.assign(PAIR, "--yes")
    assert (said.code, updates(world)) == (0, 0)
    assert "already has the role of aem-connector\nNothing to change.\n" in said.out


def test_property_unknown_to_the_sdk_stops_the_plan(world: World):
    add_old(world)

    def add(body: bytes) -> bytes:
        entries = {"newProperty": 1, "vpcConfiguration": {"subnetIds": ["s"], "newer": 2}}
        return json.dumps({**json.loads(body), **entries}).encode()

    world.server.spoil["qbusiness:GetDataSource"] = add
    line = world.assign(PAIR, "--yes").last
    assert f"{LABEL}: this version of boto3 lacks vpcConfiguration.newer, newProperty; " in line


def test_command_waits_for_update_in_progress(world: World):
    before = add_old(world)
    reads: list[bytes] = []

    def finish_after_two_reads(body: bytes) -> bytes:
        if json.loads(body)["status"] == "UPDATING":
            reads.append(body)
        if len(reads) == 2:
            world.server.data_source()["status"] = "ACTIVE"
        return body

    world.server.spoil["qbusiness:GetDataSource"] = finish_after_two_reads
    on_update(world, lambda source: source.update(status="UPDATING"))
    assert world.assign(PAIR, "--yes").code == 0
    assert_only_role_changed(world, before)
    world.server.data_source()["status"] = "DELETING"
    assert f"{LABEL} no longer exists\n" in world.run("assign", "--undo", journal(world)).out


def drop_vpc(source: dict[str, Any]) -> None:
    source.pop("vpcConfiguration", None)


def shorten_vpc(source: dict[str, Any]) -> None:
    network = source["vpcConfiguration"]
    source["vpcConfiguration"] = {**network, "subnetIds": network["subnetIds"][:1]}


def fail(source: dict[str, Any]) -> None:
    source |= {"status": "FAILED", "error": {"errorMessage": "no", "errorCode": "InternalError"}}


@pytest.mark.parametrize(
    ("happen", "line"),
    [
        (drop_vpc, '- "vpcConfiguration": {'),
        (shorten_vpc, '-   "subnet-0b2c3d4e5f6071829"'),
        (fail, '+ "status": "FAILED no",'),
    ],
)
def test_update_with_an_unplanned_effect_is_undone(
    world: World, happen: Callable[[dict[str, Any]], None], line: str
):
    before = add_old(world)

    def after(source: dict[str, Any]) -> None:
        source.pop("error", None)
        source["status"] = "ACTIVE"
        if source["roleArn"] == ROLE_ARN:
            happen(source)

    on_update(world, after)
    said = world.assign(PAIR, "--yes")
    assert said.code == 1
    assert f"{LABEL}: differs from the plan:\n" in said.err
    assert f"\n    {line}\n" in said.err
    assert said.err.endswith(f"{LABEL}: undone; all earlier properties are restored\n")
    assert_only_role_changed(world, before, OLD_ROLE)
    assert not unfinished(world)


def test_data_source_that_is_deleted_during_its_update_is_reported(world: World):
    add_old(world)
    on_update(world, lambda source: source.update(status="DELETING"))
    said = world.assign(PAIR, "--yes")
    assert (said.code, updates(world)) == (1, 1)
    assert f"{LABEL} no longer exists, or was recreated\n" in said.err
    said = world.assign(PAIR, "--yes")
    assert said.last == f"assign: {LABEL} no longer exists, or is being deleted"
    assert not unfinished(world)


def test_update_is_not_undone_if_somebody_else_sets_a_property(world: World):
    add_old(world)
    on_update(world, lambda source: source.update(description="ours"))
    said = world.assign(PAIR, "--yes")
    assert (said.code, updates(world)) == (1, 1)
    assert '\n    + "description": "ours",\n' in said.err
    assert world.server.data_source()["roleArn"] == ROLE_ARN
    again = world.assign(PAIR, "--yes")
    assert (again.code, updates(world)) == (1, 0)
    (name,) = unfinished(world)
    assert f"then\n    delete {name}, which has the earlier state:\n" in again.out
    world.path(name).unlink()
    assert world.assign(PAIR, "--yes").code == 0


@pytest.mark.parametrize("is_deleted", [True, False])
def test_update_is_not_undone_without_an_earlier_role(world: World, *, is_deleted: bool):
    source = world.add_data_source(description="Ours", roleArn=f"{OLD_ROLE}-deleted")
    if not is_deleted:
        del source["roleArn"]
    on_update(world, lambda source: source.pop("description", None))
    said = world.assign(PAIR, "--yes")
    assert (said.code, updates(world)) == (1, 1)
    assert "Ours" in world.path(unfinished(world)[0]).read_text()


def test_rejected_update_changes_nothing(world: World):
    before = add_old(world)
    world.reject("qbusiness:UpdateDataSource")
    said = world.assign(PAIR, "--yes")
    assert said.code == 1
    assert f"{LABEL}: qbusiness:UpdateDataSource is not allowed" in said.err
    assert said.err.endswith(f"{LABEL}: unchanged\n")
    assert_only_role_changed(world, before, OLD_ROLE)
    assert not unfinished(world)


def test_applied_update_succeeds_despite_invalid_response(world: World):
    before = add_old(world)
    world.server.spoil["qbusiness:UpdateDataSource"] = lambda _: b"cut"
    assert world.assign(PAIR, "--yes").code == 0
    assert_only_role_changed(world, before)


def test_failure_does_not_stop_the_next_update(world: World):
    deploy_two(world)
    world.role("old")
    world.add_data_source(roleArn=OLD_ROLE)
    identifier = add_wiki(world)
    on_update(world, lambda source: source.update(description="somebody else's"))
    said = world.assign(f"aem={DATA_SOURCE_ID}", f"wiki={identifier}", "--yes", "--anyway")
    assert said.code == 1
    assert world.server.data_source(identifier)["roleArn"] == WIKI_ROLE


# Interruptions.


def interrupted(world: World, number: int) -> Output:
    """Assign the role, and interrupt the command this many calls after it has written its journal."""
    with world.interrupted(number, lambda _: bool(unfinished(world))):
        return world.assign(PAIR, "--yes")


def test_same_command_completes_a_run_interrupted_after_any_call(world: World):
    before, number = add_old(world), 0
    for number in range(1, 20):
        world.server.data_source().update(before)
        said = interrupted(world, number)
        if said.code == 0:
            break
        assert (said.code, said.err.splitlines()[-1]) == (130, "assign: interrupted")
        assert len(unfinished(world)) == 1
        assert world.assign(PAIR, "--yes").code == 0
        assert_only_role_changed(world, before)
        assert not unfinished(world)
    assert number > 3


@pytest.mark.parametrize("is_sent", [True, False])
def test_second_run_keeps_changes_made_after_an_interruption(world: World, *, is_sent: bool):
    add_old(world)
    interrupted(world, 3 if is_sent else 1)
    assert (world.server.data_source()["roleArn"] == ROLE_ARN) is is_sent
    world.server.data_source()["description"] = "new"
    said = world.assign(PAIR, "--yes")
    assert world.server.data_source()["description"] == "new"
    assert world.server.data_source()["roleArn"] == ROLE_ARN
    shown = f"{LABEL} differs from the result of an interrupted run: correct it, then\n"
    assert ((said.code, shown in said.out)) == ((1, True) if is_sent else (0, False))


def test_second_run_completes_a_run_stopped_by_an_outage(world: World):
    before = add_old(world)
    on_update(world, lambda _: world.reject("qbusiness:GetDataSource"))
    said = world.assign(PAIR, "--yes")
    assert (said.code, len(unfinished(world))) == (1, 1)
    world.server.rejections.clear()
    assert world.assign(PAIR, "--yes").code == 0
    assert updates(world) == 0
    assert_only_role_changed(world, before)


def start(world: World) -> subprocess.Popen[str]:
    """Start the command in a separate process, and wait until it has sent an update."""
    on_update(world, lambda _: world.path("sent").touch())
    process = subprocess.Popen(
        [sys.executable, "-m", "roles", "assign", "--stack", "dev", PAIR, "--yes"],
        cwd=world.directory,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not world.path("sent").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_second_run_completes_a_run_stopped_by_a_signal(world: World, stop: signal.Signals):
    before = add_old(world)
    world.assign(PAIR)  # this call writes the stack's state for the process
    with start(world) as process:
        process.send_signal(stop)
        process.communicate()
    assert len(unfinished(world)) == 1
    assert world.assign(PAIR, "--yes").code == 0
    assert_only_role_changed(world, before)


def test_second_concurrent_run_is_rejected(world: World):
    add_old(world)
    with changes.locked():
        line = world.assign(PAIR, "--yes").rejection
    assert line == "assign: another command is running in this directory: wait until it ends"


# Undo.


def assigned(world: World, **more: Any) -> dict[str, Any]:
    """Assign the role, and return the data source's earlier properties."""
    before = add_old(world, **more)
    assert world.assign(PAIR, "--yes").code == 0
    return before


def undo(world: World, *options: str) -> Any:
    return world.run("assign", "--undo", journal(world), *options)


def test_undo_restores_the_earlier_role_and_keeps_later_changes(world: World):
    before = assigned(world)
    world.server.data_source()["description"] = "new"
    said = undo(world)
    assert (said.code, updates(world)) == (4, 0)
    assert said.out == (
        f"{LABEL} gets {OLD_ROLE}\n  in place of {ROLE_ARN}\n  keeps later changes to description\n"
    )
    assert undo(world, "--yes").code == 0
    assert_only_role_changed(world, {**before, "description": "new"}, OLD_ROLE)


def test_undo_does_not_change_data_source_with_another_role(world: World):
    assigned(world)
    world.server.data_source()["roleArn"] = WIKI_ROLE
    said = undo(world, "--yes")
    assert (said.code, updates(world)) == (0, 0)
    assert said.out == f"{LABEL} does not have {ROLE_ARN}, so it stays unchanged\nNothing to change.\n"
    world.server.qbusiness.resources.clear()
    assert f"{LABEL} no longer exists\n" in undo(world, "--yes").out


@pytest.mark.parametrize(
    ("then", "because"),
    [
        ("deleted", f"{OLD_ROLE} no longer exists, or was recreated"),
        ("recreated", f"{OLD_ROLE} no longer exists, or was recreated"),
        ("never had one", "it had no role"),
    ],
)
def test_undo_needs_the_earlier_role(world: World, then: str, because: str):
    add_old(world)
    if then == "never had one":
        del world.server.data_source()["roleArn"]
    said = world.assign(PAIR, "--yes")
    assert ("to undo" in said.err) is (then != "never had one")
    world.iam.delete_role(RoleName="old")
    if then == "recreated":
        world.role("old")
    said = undo(world, "--yes")
    assert (said.code, updates(world)) == (1, 0)
    assert f"  {LABEL}: {because}\n" in said.out


def test_undo_needs_an_earlier_role_that_accepts_the_application(world: World):
    assigned(world)
    trust = TRUST.replace(APPLICATION_ID, APPLICATION_ID.replace("1", "9"))
    world.iam.update_assume_role_policy(RoleName="old", PolicyDocument=trust)
    said = undo(world, "--yes")
    assert (said.code, updates(world)) == (1, 0)
    assert f"  {LABEL}: {OLD_ROLE} does not accept {APPLICATION_ARN}\n" in said.out


# Writes.

_READING: Final = ("get_", "list_", "describe_", "simulate_")


def test_program_changes_aws_only_through_listed_actions():
    written: set[str] = set()
    for path in (PROJECT / "roles").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            name = node.func.attr
            operation = node.args[1] if len(node.args) > 1 else None
            text = operation.value if isinstance(operation, ast.Constant) else None
            if name == "change":
                assert isinstance(text, str)
                written.add(action(text.title().replace("_", "")))
            elif name in ("_call", "_list") and isinstance(text, str):
                assert text.startswith(_READING) or text == "assume_role"
            # Only the module that sends all requests to AWS creates clients.
            assert name != "client" or path.name == "account.py"
    assert written == {name for names in CHANGES.values() for name in names}


def test_user_agent_contains_the_tool_and_its_version(world: World):
    agents: set[str] = set()
    add_old(world)
    send = URLLib3Session.send

    def noted(session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        agents.add(str(request.headers["User-Agent"]))
        return send(session, request)

    world.patch.setattr(URLLib3Session, "send", noted)
    world.assign(PAIR, "--yes")
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert agents
    assert all(f" qbusiness-roles/{version}" in each for each in agents)
