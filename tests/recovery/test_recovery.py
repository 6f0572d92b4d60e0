"""Test the recovery of a stack against a stand-in for the Pulumi CLI.

tests/engine/test_crashes.py kills and recovers updates on the real engine.
"""

import io
import json
from pathlib import Path
from typing import Any, Final

import pytest

from recovery.__main__ import main
from tests.helpers.page import blocks, prose

URN: Final = "urn:pulumi:prod::project::qbusiness-connector:index:ConnectorRole$aws:iam/role:Role::"
NAME: Final = "wiki-qbusiness-role-1a2b3c4"
PULUMI: Final = """#!/bin/sh
# Record the call, answer from files, and fail if this call is to fail.
PATH=/usr/bin:/bin
echo "$@" >>calls
case "$1 $2" in
"stack export") cat "state$(grep -c export calls).json" 2>/dev/null || cat state.json ;;
"preview --json")
    cat preview.json
    [ "$PULUMI_ENABLE_STREAMING_JSON_PREVIEW" != true ] || echo '{"type": "event"}'
    ;;
"stack import") cat >imported.json ;;
esac
grep -qx "$1" interrupted 2>/dev/null && kill -INT $PPID
! grep -qx -e "$1" -e "$1 $(grep -c export calls)" failing
"""
READ: Final = [
    "stack export --show-secrets --stack prod --non-interactive",
    "preview --json --refresh --run-program --stack prod --non-interactive",
]
WRITTEN: Final = [
    "cancel --yes --stack prod --non-interactive",
    "stack export --show-secrets --stack prod --non-interactive",
    "stack import --stack prod --non-interactive",
    "up --yes --skip-preview --refresh --run-program --stack prod --non-interactive",
]


def role(name: str, **properties: Any) -> dict[str, Any]:
    """Return a role as the stack's state contains it."""
    outputs = {"arn": f"arn:aws:iam::123456789012:role/{name}", "uniqueId": "AROAONE"}
    return {
        "urn": f"{URN}{name}-qbusiness-role",
        "type": "aws:iam/role:Role",
        "id": name,
        "outputs": outputs,
        **properties,
    }


def creating(inputs: dict[str, Any], operation: str = "creating") -> dict[str, Any]:
    """Return an interrupted operation on the protected role `wiki`, by default its creation."""
    resource = {"urn": f"{URN}wiki-qbusiness-role", "type": "aws:iam/role:Role", "protect": True}
    return {"type": operation, "resource": {**resource, "inputs": inputs}}


AUTOMATIC: Final = {"name": NAME, "__defaults": ["name"]}
VERBATIM: Final = {"name": "wiki-qbusiness-role", "__defaults": ["name"]}
SET: Final = {"name": NAME, "__defaults": []}


class Stack:
    """The stack `prod`, and the Pulumi CLI."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.write_state()
        self.write_preview({"op": "create", "urn": f"{URN}wiki-qbusiness-role"})
        self.fail()
        (directory / "pulumi").write_text(PULUMI)
        (directory / "pulumi").chmod(0o755)

    def write_state(
        self, *pending: dict[str, Any], resources: tuple[dict[str, Any], ...] = (), name: str = "state"
    ) -> None:
        deployment = {"resources": [*resources], "pending_operations": [*pending]}
        state = {"version": 3, "deployment": deployment}
        (self.directory / f"{name}.json").write_text(json.dumps(state))

    def write_preview(self, *steps: dict[str, Any]) -> None:
        (self.directory / "preview.json").write_text(json.dumps({"steps": [*steps]}))

    def fail(self, command: str = "nothing") -> None:
        (self.directory / "calls").write_text("")
        (self.directory / "failing").write_text(f"{command}\n")

    def calls(self) -> list[str]:
        return (self.directory / "calls").read_text().splitlines()

    def imported(self) -> dict[str, Any]:
        return json.loads((self.directory / "imported.json").read_text())["deployment"]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    return Stack(tmp_path)


def recover(*options: str) -> int:
    return main(["--stack", "prod", *options])


def test_a_role_that_the_stack_did_not_record_is_deleted_by_the_next_update(
    stack: Stack, capsys: pytest.CaptureFixture[str]
):
    other = role("other")
    stack.write_state(creating(AUTOMATIC), resources=(other,))
    assert recover("--yes") == 0
    assert stack.calls() == [*READ, *WRITTEN]
    assert stack.imported() == {
        "resources": [
            other,
            {
                **creating(AUTOMATIC)["resource"],
                "id": NAME,
                "delete": True,
                "protect": False,
                "retainOnDelete": False,
            },
        ],
        "pending_operations": [],
    }
    (shown,) = blocks("text", prose("After a crash during an update"))
    assert shown.splitlines()[:-1] == capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(creating(SET), id="a set name, which somebody else's role can have"),
        pytest.param(creating(VERBATIM), id="an automatic name without a random suffix"),
        pytest.param(creating(AUTOMATIC, "updating"), id="an update"),
    ],
)
def test_no_other_role_is_deleted(stack: Stack, operation: dict[str, Any]):
    stack.write_state(operation)
    assert recover("--yes") == 0
    assert stack.imported() == {"resources": [], "pending_operations": []}


def test_a_role_that_the_stack_has_recorded_is_not_deleted(stack: Stack):
    stack.write_state(creating(AUTOMATIC), resources=(role(NAME),))
    assert recover("--yes") == 0
    assert stack.imported()["resources"] == [role(NAME)]


def test_streaming_of_the_preview_is_turned_off(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    stack.write_state(creating(AUTOMATIC))
    monkeypatch.setenv("PULUMI_ENABLE_STREAMING_JSON_PREVIEW", "true")
    assert recover("--yes") == 0


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_without_a_yes_nothing_is_changed(stack: Stack, monkeypatch: pytest.MonkeyPatch, answer: str):
    stack.write_state(creating(AUTOMATIC))
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert recover() == 1
    assert stack.calls() == READ


def test_a_yes_starts_the_recovery(stack: Stack, monkeypatch: pytest.MonkeyPatch):
    stack.write_state(creating(AUTOMATIC))
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert recover() == 0
    assert stack.calls() == [*READ, *WRITTEN]


FOUND: Final = {"op": "update", "urn": f"{URN}wiki-qbusiness-role"}


@pytest.mark.parametrize(
    "step",
    [
        pytest.param({**FOUND, "op": "create", "oldState": None}, id="no role with its name"),
        pytest.param({**FOUND, "oldState": {"outputs": {"uniqueId": "AROATWO"}}}, id="a different role"),
    ],
)
def test_a_role_that_the_preview_does_not_find_stops_the_recovery(
    stack: Stack, capsys: pytest.CaptureFixture[str], step: dict[str, Any]
):
    stack.write_state(creating(AUTOMATIC), resources=(role("wiki"),))
    stack.write_preview(step)
    assert recover("--yes") == 2
    assert stack.calls() == READ
    said = capsys.readouterr().err
    assert "the stack's role arn:aws:iam::123456789012:role/wiki was not found" in said
    secret = role("wiki", outputs={"arn": {"plaintext": "123456789012"}, "uniqueId": "AROAONE"})
    stack.write_state(creating(AUTOMATIC), resources=(secret,))
    assert recover("--yes") == 2
    said = capsys.readouterr().err
    assert "the stack's role wiki-qbusiness-role was not found" in said
    assert "123456789012" not in said


@pytest.mark.parametrize(
    ("resource", "operation"),
    [
        pytest.param(role("wiki"), creating(SET, "deleting"), id="it was being deleted"),
        pytest.param(role("wiki", pendingReplacement=True), creating(SET), id="it was deleted first"),
        pytest.param(role("wiki", delete=True), creating(SET), id="its replacement was being created"),
    ],
)
def test_a_role_that_the_update_was_replacing_may_be_missing(
    stack: Stack, resource: dict[str, Any], operation: dict[str, Any]
):
    stack.write_state(operation, resources=(resource,))
    assert recover("--yes") == 0


def test_an_unfinished_deletion_is_shown(stack: Stack, capsys: pytest.CaptureFixture[str]):
    stack.write_state(resources=(role("wiki", delete=True),))
    stack.write_preview()
    assert recover("--yes") == 0
    assert "  delete    aws:iam/role:Role wiki-qbusiness-role\n" in capsys.readouterr().out
    assert stack.calls() == [*READ, *WRITTEN]


def test_the_changes_of_a_stack_without_anything_to_recover_are_not_deployed(
    stack: Stack, capsys: pytest.CaptureFixture[str]
):
    stack.write_state(resources=(role("wiki"),))
    stack.write_preview({**FOUND, "oldState": role("wiki")})
    assert recover("--yes") == 0
    assert stack.calls() == READ[:1]
    assert capsys.readouterr().out == (
        "The state contains no interrupted operation. To deploy changes, run `pulumi up --stack prod`.\n"
        "If the stack is locked and no other command is using it, first run "
        "`pulumi cancel --stack prod`.\n"
    )


def test_the_recovery_stops_at_the_first_failure(stack: Stack, capsys: pytest.CaptureFixture[str]):
    stack.write_state(creating(AUTOMATIC))
    stack.fail("preview")
    error = {"severity": "error", "message": "error: the credentials are for account 210987654321\n"}
    (stack.directory / "preview.json").write_text(json.dumps({"diagnostics": [error]}))
    assert recover("--yes") == 2
    assert stack.calls() == READ
    assert "error: the credentials are for account 210987654321\n" in capsys.readouterr().err
    stack.write_preview()
    for command, code in (("stack", 2), ("up", 1)):
        stack.fail(command)
        assert recover("--yes") == code
    # Pulumi Cloud rejects this command if the stack is not locked.
    stack.fail("cancel")
    assert recover("--yes") == 0


@pytest.mark.parametrize(("command", "calls"), [("cancel", WRITTEN[:1]), ("up", WRITTEN)])
def test_no_command_follows_an_interruption(
    stack: Stack, capsys: pytest.CaptureFixture[str], command: str, calls: list[str]
):
    stack.write_state(creating(AUTOMATIC))
    (stack.directory / "interrupted").write_text(f"{command}\n")
    assert recover("--yes") == 130
    assert stack.calls() == [*READ, *calls]
    assert capsys.readouterr().err == "recover: interrupted\n"


def test_a_stack_that_cannot_be_read_again_is_not_recovered(
    stack: Stack, capsys: pytest.CaptureFixture[str]
):
    stack.write_state(creating(AUTOMATIC))
    stack.fail("stack 2")
    assert recover("--yes") == 1
    assert stack.calls() == [*READ, *WRITTEN[:2]]
    assert "failed: the stack was not recovered; run the recovery" in capsys.readouterr().err


def test_a_stack_that_another_command_changes_is_left_as_it_is(stack: Stack):
    stack.write_state(creating(AUTOMATIC))
    stack.write_state(name="state2")
    assert recover("--yes") == 1
    assert stack.calls() == [*READ, *WRITTEN[:2]]


def test_a_machine_without_pulumi_is_reported(stack: Stack, capsys: pytest.CaptureFixture[str]):
    (stack.directory / "pulumi").unlink()
    assert recover() == 2
    assert "pulumi is not on PATH" in capsys.readouterr().err
