"""`roles audit` lists the roles that only Amazon Q Business can assume and that no data source uses."""

import json
from datetime import timedelta
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID, OTHER_ACCOUNT, REGION
from tests.helpers.world import TRUST, World, own_policy
from tests.roles.audit.help import complete_world, set_age

pytestmark = pytest.mark.slow

ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/qbusiness-Old"
TITLE: Final = "not used by a data source (docs/audit.md lists what else can use a role):"


def unused(world: World, *arguments: str) -> list[str]:
    """Return the names of the unused roles."""
    found = world.audit("--json", *arguments)
    assert found.code == 0
    return [role["role"].rpartition("/")[2] for role in found.json["unused"]]


def changed(**changes: Any) -> str:
    document = json.loads(TRUST)
    document["Statement"][0].update(changes)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(days=400, minutes=1), "not used in the last 400 days"),
        (timedelta(days=400, minutes=-1), "created on {:%Y-%m-%d}, not used yet"),
        (timedelta(), "created on {:%Y-%m-%d}, not used yet"),
    ],
)
def test_unused_role_is_listed_without_deletion_command(world: World, age: timedelta, text: str):
    complete_world(world)
    world.role("qbusiness-Old", own_policy("*"))
    created = set_age(world, age)
    said = world.audit()
    assert (said.code, said.err) == (0, "")
    use = text.format(created)
    assert f"\n\n{TITLE}\n  {ROLE}: {use}\n\n2 data sources" in said.out
    assert "delete" not in said.out
    markdown = world.audit("--markdown").out
    assert f"\n\nN{TITLE[1:]}\n\n- `{ROLE}`: {use}\n" in markdown
    assert world.audit("--json").json["unused"] == [
        {"account": ACCOUNT, "role": ROLE, "lastUsed": "none", "created": f"{created:%Y-%m-%d}"}
    ]


@pytest.mark.parametrize(
    ("trust", "listed"),
    [
        (TRUST, True),
        (TRUST.replace("ArnEquals", "ArnLike"), True),
        (TRUST.replace(APPLICATION_ID, "*").replace("ArnEquals", "ArnLike"), False),
        (TRUST.replace(APPLICATION_ID, "b" * 36), False),
        (TRUST.replace(REGION, "eu-west-1"), False),
        (TRUST.replace(ACCOUNT, OTHER_ACCOUNT), False),
        (changed(Condition={}), False),
        (changed(Principal={"Service": ["qbusiness.amazonaws.com", "ec2.amazonaws.com"]}), False),
        (changed(Principal={"Service": "application.qbusiness.amazonaws.com"}), False),
        (changed(Effect="Deny"), False),
    ],
)
def test_listed_role_trusts_only_audited_applications(world: World, trust: str, listed: bool):
    complete_world(world)
    world.role("qbusiness-Old", trust=trust)
    assert unused(world) == ["qbusiness-Old"] * listed


def test_enrichment_role_counts_as_used(world: World):
    role_arn = world.role("qbusiness-Old")
    hook = {"preExtractionHookConfiguration": {"roleArn": role_arn}}
    world.add_own()
    world.add("Hooked", world.role_arn, world.secret_arn, documentEnrichmentConfiguration=hook)
    assert unused(world) == []


def test_no_role_is_listed_for_partly_read_application(world: World):
    complete_world(world)
    world.role("qbusiness-Old")
    world.reject("qbusiness:GetDataSource")
    found = world.audit("--json").json
    assert (found["unused"], found["accounts"][0]["unlisted"]) == (
        [],
        "no application was read completely",
    )


def test_missing_list_roles_permission_keeps_exit_code(world: World):
    complete_world(world)
    world.reject("iam:ListRoles")
    said = world.audit()
    assert (said.code, said.err) == (
        0,
        "audit: did not look for roles that no data source uses: iam:ListRoles is not allowed\n",
    )
    assert world.audit("--json").json["accounts"][0]["unlisted"] == "iam:ListRoles is not allowed"
    assert "- no search for unused roles: `iam:ListRoles is" in world.audit("--markdown").out
