"""`roles check` reports problems first, because they stop a sync."""

import json
from typing import Final

import pytest

from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    OTHER_ACCOUNT,
    REGION,
)
from sandbox.environment import PROJECT
from tests.helpers.page import blocks
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import (
    SECRET_ARN,
    WIDE,
    Output,
    World,
    allow_key,
)
from tests.roles.check.help import ADMIN

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]

PAGE: Final = PROJECT / "docs" / "check.md"


def of_data_source(world: World, *options: str) -> Output:
    """Check a data source whose role is outside any stack, without Pulumi."""
    world.patch.setenv("PATH", "")
    world.patch.setenv("AWS_DEFAULT_REGION", REGION)
    of = ("--application", APPLICATION_ID, "--data-source-id", DATA_SOURCE_ID)
    return world.run("check", *of, *options)


def test_problems_come_before_notes_and_counts(world: World):
    world.put_policy(WIDE, "by-hand")
    world.key_policy(allow_key({"AWS": ADMIN}))
    said = world.check(verbose=False)
    assert said.code == 1
    assert said.out == blocks("text", PAGE.read_text())[0]


# Without a stack.


def test_data_source_role_is_checked_without_stack(world: World):
    world.add_data_source()
    said = of_data_source(world)
    assert said.code == 0, said.out
    assert said.out.endswith("\n18 ok, 0 problems, 2 skipped, 1 note\n")
    document = of_data_source(world, "--json").json
    assert document["dataSource"] == DATA_SOURCE_ID
    assert document["problem"] == 0
    (trust,) = document["trustPolicy"]["Statement"]
    assert trust["Condition"]["ArnEquals"]["aws:SourceArn"] == APPLICATION_ARN
    assert SECRET_ARN in json.dumps(document["rolePolicy"])


def test_application_arn_sets_region_and_must_match_account(world: World):
    world.add_data_source()
    world.patch.setenv("AWS_REGION", "eu-west-1")
    of = ("check", "--data-source-id", DATA_SOURCE_ID, "--application")
    assert world.run(*of, APPLICATION_ARN).code == 0
    assert world.run(*of, APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)).rejection == (
        f"check: --application is in account {OTHER_ACCOUNT}, but the credentials are for account "
        f"{ACCOUNT}: set AWS_PROFILE to a profile for account {OTHER_ACCOUNT}"
    )
