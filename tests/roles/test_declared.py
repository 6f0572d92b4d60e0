"""Tests `roles/declared.py`, which reads a program's roles from its stack's state."""

import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, INDEX_ID
from roles.declared import Stack, read_stack
from roles.errors import InputError
from tests.helpers.state import TYPE, declared, encrypted, exclusive, exported
from tests.helpers.support import golden, of_role
from tests.helpers.world import ROLE_ARN, ROLE_NAME, SECRET_ARN

TRUST: Final = golden("trust-policy")
POLICY: Final = golden("minimal-role-policy")
WIKI: Final = declared("wiki", ROLE_ARN, TRUST, POLICY)
SECOND_ARN: Final = f"{ROLE_ARN}2"
TICKETS: Final = declared("tickets", SECOND_ARN, TRUST, POLICY)
UP: Final = "first run `pulumi up --stack dev`"
IMPORT: Final = "first follow docs/adopt.md#import-the-roles"
KIND: Final = "aws:iam/rolePolicy:RolePolicy"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stack]:
    """Return a function that reads a stack with a given state."""

    def read_state(state: Any, *updates: Any, shows: bool = False) -> Stack:
        def run(*command: str) -> subprocess.CompletedProcess[str]:
            if command == ("stack", "history", "--json", "--stack", "dev"):
                return subprocess.CompletedProcess(command, 0, json.dumps(updates), "")
            assert command[:4] == ("stack", "export", "--stack", "dev")
            assert ("--show-secrets" in command) == shows
            return subprocess.CompletedProcess(command, 0, json.dumps(state), "")

        monkeypatch.setattr("roles.project.run_pulumi", run)
        return read_stack("dev", show_secrets=shows)

    return read_state


def test_policies_are_read_from_resource_inputs(read: Any):
    state = exported(*WIKI)
    role, policy = state["deployment"]["resources"][2:]
    role["outputs"]["assumeRolePolicy"] = "changed in AWS"
    policy["outputs"] = {"policy": "changed in AWS"}
    stack = read(state)
    (wiki,) = stack.roles
    assert (stack.time, stack.left_out) == ("2026-11-02 12:30 UTC", {})
    assert (wiki.name, wiki.role_arn) == ("wiki", ROLE_ARN)
    assert (wiki.policies.trust_policy, wiki.policies.role_policy) == (TRUST, POLICY)
    assert (wiki.application_arn, wiki.index_id) == (APPLICATION_ARN, INDEX_ID)


def test_resources_are_read_from_the_role_policy(read: Any):
    (wiki,) = read(exported(*declared("wiki", ROLE_ARN, TRUST, golden("default-role-policy")))).roles
    assert [wiki.uses.secret_ids, wiki.uses.buckets] == [[SECRET_ARN], []]
    assert [*wiki.uses.vpc] == ["subnetIds", "securityGroupIds"]
    assert all(wiki.uses.vpc.values())
    assert (wiki.deletes, wiki.connector.bucket_is_source) == (True, False)


def test_bucket_that_is_the_data_source_is_recognized(read: Any):
    document = of_role(golden("s3-v2-role-policy"), ROLE_NAME)
    (wiki,) = read(exported(*declared("wiki", ROLE_ARN, TRUST, document))).roles
    assert wiki.connector.bucket_is_source
    assert [*wiki.uses.buckets] == ["qbusiness-documents"]
    assert wiki.known.bucket_accounts == {"qbusiness-documents": ACCOUNT}


def test_other_policies_in_the_program_are_found(read: Any):
    inline = {**WIKI[2], "inputs": {"name": "logs", "role": ROLE_NAME}}
    kind = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    attached = {"type": kind, "inputs": {"policyArn": arn, "role": ROLE_NAME}}
    foreign = {"type": KIND, "inputs": {"name": "x", "role": "another"}}
    (wiki,) = read(exported(WIKI[0], inline, *WIKI[1:], attached, foreign, exclusive("wiki"))).roles
    assert (wiki.others, wiki.is_exclusive) == ({"logs", arn}, True)
    assert wiki.policies.role_policy == POLICY


def test_resource_that_is_being_deleted_is_skipped(read: Any):
    old = [{**each, "delete": True} for each in declared("wiki", SECOND_ARN, "old", "old")]
    assert [each.role_arn for each in read(exported(*old, *WIKI)).roles] == [ROLE_ARN]


def test_components_with_the_same_name_are_distinguished_by_urn(read: Any):
    twin = json.loads(json.dumps(WIKI).replace(f"::{TYPE}", f"::team:index:Team${TYPE}"))
    stack = read(exported(*WIKI, *twin))
    assert {each.name for each in stack.roles} == {WIKI[0]["urn"], twin[0]["urn"]}


@pytest.mark.parametrize(
    ("resources", "state"),
    [
        (WIKI[:1], "deployed"),
        (WIKI[:2], "completely deployed (for example, after an import)"),
        ([{**WIKI[0], "outputs": {}}, *WIKI[1:]], "completely deployed (for example, after an import)"),
    ],
    ids=["component", "no policy", "imported"],
)
def test_role_that_is_not_deployed_is_left_out(read: Any, resources: Any, state: str):
    stack = read(exported(*resources, *TICKETS))
    assert [each.name for each in stack.roles] == ["tickets"]
    assert stack.left_out == {"wiki": f"wiki is not {state}: {UP}"}


def test_only_the_role_of_an_interrupted_operation_is_left_out(read: Any):
    pending = [{"resource": WIKI[2], "type": "updating"}]
    stack = read(exported(*WIKI, *TICKETS, pending_operations=pending))
    assert [each.name for each in stack.roles] == ["tickets"]
    assert stack.left_out == {
        "wiki": "an update of wiki was interrupted: first recover the stack (docs/operate.md)"
    }


@pytest.mark.parametrize("text", [TRUST, POLICY, ROLE_ARN], ids=["trust", "policy", "ARN"])
def test_secret_document_requires_show_secrets(read: Any, text: str):
    state = exported(*WIKI)
    stack = read(encrypted(state, text))
    assert (stack.roles, len(stack.left_out)) == ((), 1)
    assert stack.left_out["wiki"].endswith("`check` shows them only with --show-secrets")
    shown = read(encrypted(state, text, json.dumps(text)), shows=True)
    assert shown.roles == read(state).roles


@pytest.mark.parametrize(
    ("state", "because"),
    [({"deployment": None}, f"is not deployed: {UP}"), (exported(), "has no ConnectorRole")],
    ids=["initialized", "another program"],
)
def test_stack_without_roles_is_rejected(read: Any, state: Any, because: str):
    with pytest.raises(InputError, match=f"^stack dev {because}$"):
        read(state)


def update(kind: str, time: str = "2026-11-02T12:30:01.000Z", result: str = "succeeded") -> Any:
    """Return an entry of a stack's history."""
    return {"kind": kind, "result": result, "startTime": time, "endTime": time, "config": {}}


@pytest.mark.parametrize(
    ("updates", "step"),
    [
        ([], IMPORT),
        ([update("resource-import", result="failed"), update("refresh")], IMPORT),
        ([update("destroy", "2026-11-02T12:29:59.000Z")], IMPORT),
        ([update("destroy"), update("resource-import")], UP),
        ([update("resource-import", "2026-11-02T12:30:00.000Z")], UP),
    ],
    ids=["never updated", "import failed", "destroyed before", "destroyed after", "state deleted"],
)
def test_error_recommends_import_until_the_import_succeeds(
    read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, updates: list[Any], step: str
):
    monkeypatch.chdir(tmp_path)
    path = Path("import-dev.json")
    path.touch()
    written = datetime(2026, 11, 2, 12, 30, 0, 500_000, UTC).timestamp()
    os.utime(path, (written, written))
    with pytest.raises(InputError, match=f"^stack dev is not deployed: {step}$"):
        read({"deployment": None}, *updates)


def test_trust_policy_without_an_application_is_rejected(read: Any):
    declarations = declared("wiki", ROLE_ARN, TRUST.replace("application/", ""), POLICY)
    (wiki,) = read(exported(*declarations)).roles
    with pytest.raises(InputError, match="the trust policy of wiki in stack dev has no application ARN"):
        _ = wiki.application_arn
