"""`roles check` checks every entry of `dataSources`, or one entry."""

from threading import Thread, current_thread, main_thread
from typing import Any, Final

import pytest
from botocore.httpsession import URLLib3Session

from tests.helpers.stacks import PROJECT_NAME
from tests.helpers.world import ROLE_ARN, World

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

OF_ENTRIES: Final = ("secretId", "kmsKeyId", "allowNetworkInterfaceDeletion")
UNDEPLOYED: Final[dict[str, Any]] = {"connector": "jira", "secretId": "qbusiness/none-a1B2c3"}


@pytest.fixture
def entries(world: World) -> dict[str, Any]:
    """Turn the stack's role into the role of an entry called aem; add an entry that is not deployed."""
    aem = {key: world.settings[f"{PROJECT_NAME}:{key}"] for key in OF_ENTRIES}
    entries = {"aem": aem, "tickets": UNDEPLOYED}
    world.set(**dict.fromkeys(OF_ENTRIES), dataSources=entries)
    world.outputs = {"roleArns": {"aem": ROLE_ARN}, "roleNames": {}}
    return entries


@pytest.mark.usefixtures("entries")
def test_an_answer_names_its_entries(world: World):
    said = world.check()
    assert said.code == 1
    answer = said.answer("secret").split("problem ")[1]
    assert "\n           for tickets\n" in answer
    assert "dataSources.tickets.secretId" in answer
    assert said.answer("index").endswith("\n           for aem, tickets\n")
    assert said.answer("role policy").startswith("ok ")
    assert ", 2 problems, " in said.out.splitlines()[-1]


@pytest.mark.usefixtures("entries")
def test_one_entry_can_be_selected(world: World):
    said = world.check("--data-source", "aem", "--json")
    assert said.code == 0
    assert [*said.json["dataSources"]] == ["aem"]
    assert said.json["dataSources"]["aem"]["problem"] == 0
    assert len(said.json["dataSources"]["aem"]["answers"]) == 21
    line = world.check("--data-source", "wiki").rejection
    assert line == "check: stack dev has no entry 'wiki' in dataSources; its entries: aem, tickets"


def test_invalid_entry_is_rejected_with_path_of_setting(world: World, entries: dict[str, Any]):
    world.set(dataSources={**entries, "wiki": {"secretId": "x"}})
    said = world.check()
    assert (said.code, said.out) == (2, "")
    assert "  dataSources.wiki.secretId: " in said.err


@pytest.mark.usefixtures("entries")
def test_secret_values_are_rejected_without_show_secrets(world: World):
    world.secret_keys = {f"{PROJECT_NAME}:indexId"}
    for world.secret_outputs in ({"aem"}, {"roleArns"}):
        said = world.check("--data-source", "aem")
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(
            "check: stack dev has secret values, which check would show: indexId, the ARN of a role\n"
        )
    said = world.check("--data-source", "aem", "--show-secrets", only=["role"])
    assert (said.code, said.answer("role")) == (0, f"ok       role: {ROLE_ARN}\n")


@pytest.mark.usefixtures("entries")
def test_secret_value_of_data_sources_setting_is_rejected(world: World):
    world.secret_keys = {f"{PROJECT_NAME}:dataSources"}
    said = world.check("--data-source", "aem")
    assert (said.code, said.out) == (2, "")
    assert "  dataSources: has a secret value, so Pulumi treats the whole object as a secret" in said.err


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
