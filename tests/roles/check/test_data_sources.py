"""`roles check` examines the application's data sources."""

from typing import Final

import pytest

from pages.examples import ACCOUNT
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.world import (
    OTHER_ID,
    ROLE_ARN,
    ROLE_NAME,
    SECRET_ARN,
    WIDE,
    World,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed")]


BOTH: Final = ("data source", "other data source")
OTHER_ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME[:-7]}7654321"


def test_matching_data_source_with_existing_other_role_is_note(world: World):
    world.role(OTHER_ROLE_ARN.rpartition("/")[2], WIDE)
    world.add_data_source()
    for number in range(5):
        world.add_data_source(f"{OTHER_ID[:-1]}{number}", roleArn=OTHER_ROLE_ARN)
    said = world.check(only=["role", *BOTH])
    assert said.code == 0
    assert said.answer("other data source") == "".join(
        f"note     other data source {OTHER_ID[:-1]}{number}: Pages matches the settings, but uses "
        f"another role, {OTHER_ROLE_ARN}, whose policies allow its requests\n"
        for number in range(5)
    )
    # One call for each role.
    assert world.server.calls.count("iam:GetRole") == 2
    assert world.server.calls.count("qbusiness:GetDataSource") == 6


def test_sync_without_start_time_is_older_than_others(world: World):
    world.add_data_source()
    world.add_sync("FAILED", startTime=None)
    assert "its last sync has the status FAILED\n" in world.ask("data source")
    world.add_sync("SUCCEEDED")
    assert "its last sync, at 2026-11-02 12:30 UTC, has the status SUCCEEDED\n" in world.ask(
        "data source"
    )


def test_a_sync_error_cannot_forge_another_line(world: World):
    world.add_data_source()
    forged = "Too slow\r\nok       role policy: FORGED\x1b[2K\u202e\u2028\x9b"
    world.add_sync("FAILED", error={"errorMessage": forged})
    said = world.check(only=["data source"])
    assert said.out.replace("\n", "").isascii()
    assert said.out.replace("\n", "").isprintable()
    assert "ok       role policy: FORGED" not in said.out.splitlines()
    shown = r"FAILED: Too slow\r\nok       role policy: FORGED\x1b[2K\u202e\u2028\x9b"
    assert f"{shown}\n" in said.answer(f"data source {DATA_SOURCE_ID}")
    texts = [answer["text"] for answer in world.check("--json", only=["data source"]).json["answers"]]
    assert any(text.endswith(forged) for text in texts)


def test_progress_is_shown_for_many_data_sources(world: World):
    for number in range(100):
        configuration = {"type": "AEM", "secretArn": f"{SECRET_ARN[:-6]}Others"}
        world.server.add(
            f"{number:04}{OTHER_ID[4:]}", roleArn=f"{ROLE_ARN}-2", configuration=configuration
        )
    world.add_data_source()
    said = world.check(only=BOTH)
    assert said.code == 0
    assert f"ok       data source {DATA_SOURCE_ID}: Pages is ACTIVE" in said.out
    assert "check: data sources: 100 of 101\n" in said.err
