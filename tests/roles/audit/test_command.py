"""The options, exit codes, and JSON document of `roles audit`."""

import re
from typing import Final

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, OTHER_ACCOUNT, REGION, SECRET_ID
from roles.audit.survey import LABELS, Outcome
from sandbox.environment import PROJECT
from tests.helpers.page import prose
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import OWN, SETTINGS, World, allow

pytestmark = pytest.mark.slow

PAGE: Final = PROJECT / "docs" / "audit.md"


@pytest.mark.parametrize("empty", ["index", "account"])
def test_an_account_without_data_sources_is_an_error_unless_allowed(world: World, empty: str):
    if empty == "account":
        world.server.qbusiness.resources.clear()
    line = world.audit().refusal
    assert line.startswith(
        f"audit: there is no Amazon Q Business data source in us-east-1, account {ACCOUNT}: pass the "
        "Region of the applications with --region, or"
    )
    assert "--allow-empty" in line
    error = line.removeprefix("audit: ")
    place = {"account": ACCOUNT, "region": REGION}
    assert world.audit("--json").json == {"error": error, **place}
    said = world.audit("--allow-empty")
    assert said.code == 0
    assert said.out == f"\n0 data sources under 0 roles in us-east-1, account {ACCOUNT}\n"
    markdown = world.audit("--markdown", "--allow-empty").out
    assert markdown.startswith(f"**0 data sources under 0 roles in us-east-1, account {ACCOUNT}**\n")
    assert world.audit("--json", "--allow-empty").json["dataSources"] == []


def test_json_contains_the_whole_result(world: World):
    identifier = world.add_own(allow("sqs:*", "*", Sid="Queues"))
    said = world.audit("--json")
    assert said.err == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said.json["date"])
    assert {**said.json, "date": "then", "caller": "somebody"} == {
        "account": ACCOUNT,
        "region": REGION,
        "caller": "somebody",
        "date": "then",
        "states": {
            "equivalent": 0,
            "different": 1,
            "invalid": 0,
            "unknown connector": 0,
            "without a role": 0,
            "not compared": 0,
        },
        "dataSources": [
            {
                "applicationId": APPLICATION_ID,
                "applicationName": "Docs",
                "indexId": INDEX_ID,
                "indexName": "Main",
                "dataSourceId": identifier,
                "displayName": "Pages",
                "type": "AEM",
                "status": "ACTIVE",
                "connector": "aem-cloud",
                "role": world.role_arn,
                "state": "different",
                "result": "1 in excess",
                "remarks": [],
            }
        ],
        "roles": [
            {
                "role": world.role_arn,
                "state": "different",
                "result": "1 in excess",
                "dataSources": [identifier],
                "findings": [
                    {
                        "finding": "excess",
                        "policy": OWN,
                        "statement": "Queues",
                        "access": [{"actions": ["sqs:*"], "targets": ["*"], "condition": False}],
                        "dataSources": [],
                    }
                ],
                "remarks": [],
            }
        ],
        "skipped": [],
        "denied": [],
    }


@pytest.mark.usefixtures("deployed")
def test_the_members_of_a_stack_are_shown_beside_their_roles(world: World):
    world.add_own(name="Wiki")
    owned = world.role_arn
    world.add_own(allow("sqs:*", "*"), name="Pages")
    member = {f"{PROJECT_NAME}:dataSources": {"wiki": {"secretId": SECRET_ID}}}
    world.settings = {key: SETTINGS[key] for key in SETTINGS if key.endswith((":region", "nId", "xId"))}
    world.settings |= member
    world.outputs = {"roleArns": {"wiki": owned}}
    world.check()  # writes what Pulumi prints
    said = world.audit("--stack", "dev", "--json")
    assert (said.json["stack"], said.json["region"]) == ("dev", REGION)  # the Region of the stack
    assert [(role["role"], role["member"]) for role in said.json["roles"]] == [
        (owned, "wiki"),
        (world.role_arn, None),
    ]
    said = world.audit("--stack", "dev")
    assert re.search(r"^Wiki  +aem-cloud  qbusiness-Wiki   wiki    1 ", said.out, re.MULTILINE)
    assert re.search(r"^Pages +aem-cloud  qbusiness-Pages +1 ", said.out, re.MULTILINE)
    assert "| `qbusiness-Wiki` | `wiki` | 1 |" in world.audit("--stack", "dev", "--markdown").out
    assert "MEMBER" not in world.audit().out
    world.outputs = {"roleArns": {"wiki": owned.replace(ACCOUNT, OTHER_ACCOUNT)}}
    world.check()
    assert (
        f"audit: stack dev is in account {OTHER_ACCOUNT}, and" in world.audit("--stack", "dev").refusal
    )


def test_the_option_sets_the_region(world: World):
    world.server.qbusiness.resources.clear()
    assert world.audit("--region", "eu-west-1", "--json").json["region"] == "eu-west-1"


def test_the_page_lists_every_result():
    listed = re.findall(r"^\| (?:N )?([a-z ,]+) \|", prose("Read the output", PAGE), re.MULTILINE)
    single = {Outcome.DIFFERENT: LABELS.values()}
    expected = [text for state in Outcome for text in single.get(state, [state])]
    expected += ["role, secret, key, or bucket does not exist", "secret is scheduled for deletion"]
    assert sorted(listed) == sorted([*expected, "result"])
