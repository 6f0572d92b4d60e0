"""roles/check/command: every entry of `dataSources` is checked, or one entry."""

from threading import Thread, current_thread, main_thread
from typing import Any, Final

import pytest
from botocore.httpsession import URLLib3Session

from tests.helpers.stacks import PROJECT_NAME
from tests.helpers.world import ROLE_ARN, SECRET_ARN, World, allow, policy

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

OF_ENTRIES: Final = ("secretId", "kmsKeyId", "allowNetworkInterfaceDeletion")
ON_JIRA: Final = {"connector": "jira"}


@pytest.fixture
def entries(world: World) -> None:
    """Turn the stack's role into the role of an entry called aem; add another one, without a policy."""
    aem = {key: world.settings[f"{PROJECT_NAME}:{key}"] for key in OF_ENTRIES}
    world.set(**dict.fromkeys(OF_ENTRIES), dataSources={"aem": aem, "tickets": {**aem, **ON_JIRA}})
    tickets = world.role("tickets", policy(allow("sqs:*", "*")))
    world.outputs = {"roleArns": {"aem": ROLE_ARN, "tickets": tickets}, "roleNames": {}}


@pytest.mark.usefixtures("entries")
def test_finding_names_its_entries(world: World):
    world.delete_secret(SECRET_ARN)
    said = world.check()
    assert said.code == 1
    assert f"there is no secret {SECRET_ARN}\n              for aem, tickets\n" in said.answer("secret")
    assert "\n              for tickets\n" in said.answer("role policy")


@pytest.mark.usefixtures("entries")
def test_one_entry_can_be_selected(world: World):
    said = world.check("--data-source", "aem", "--json")
    assert said.code == 0
    assert [*said.json["entries"]] == ["aem"]
    assert said.json["entries"]["aem"]["problem"] == 0
    line = world.check("--data-source", "wiki").rejection
    assert line == "check: stack dev has no entry 'wiki'; its entries: aem, tickets"


@pytest.mark.usefixtures("entries")
def test_entry_with_secret_document_is_left_out_without_show_secrets(world: World):
    world.secrets_in_state = {ROLE_ARN}
    said = world.check("--data-source", "aem")
    text = "aem has secret policies, which check would show: pass --show-secrets"
    assert (said.code, said.answers("skipped")) == (2, [f"deployment: {text}"])
    said = world.check("--data-source", "aem", "--show-secrets")
    assert (said.code, said.answers("skipped")) == (0, [])


@pytest.mark.usefixtures("entries")
def test_caller_and_index_are_read_once_for_all_entries(world: World):
    world.check()
    assert world.server.calls.count("sts:GetCallerIdentity") == 1
    assert world.server.calls.count("qbusiness:GetIndex") == 1


@pytest.mark.usefixtures("entries")
def test_first_call_is_sent_from_the_main_thread(world: World):
    sending: list[Thread] = []
    send = URLLib3Session.send

    def recorded(session: URLLib3Session, request: Any) -> Any:
        sending.append(current_thread())
        return send(session, request)

    world.patch.setattr(URLLib3Session, "send", recorded)
    world.check()
    assert sending[0] is main_thread()
    assert {*sending} - {main_thread()}
