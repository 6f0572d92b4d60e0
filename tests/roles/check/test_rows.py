"""Tests `roles/check/questions.py`, `remedies.py`, `context.py`, and `roles/findings.py`."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest
from moto.core.utils import get_service_model

import roles.project
from pages.examples import SUBNET_ID
from tests.helpers.world import ROLE_ARN, SECOND_SUBNET_ID, Output
from tests.roles.check import rows_data_sources, rows_policies, rows_resources
from tests.roles.check.account import (
    PERIMETER,
    STACK,
    Client,
    World,
    ask,
    at,
    data_sources,
    failed,
    printed,
    replaced,
    run,
)
from tests.roles.check.table import Row, judge, one_of_each

ROWS: Final = (*rows_policies.ROWS, *rows_resources.ROWS, *rows_data_sources.ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[f"{each.path.stem}:{each.line}" for each in ROWS])
def test_answers_match_the_row(row: Row):
    if wrong := judge(row):
        pytest.fail(wrong, pytrace=False)


@pytest.mark.slow
def test_every_sentence_matches_golden_file(assert_golden: Callable[[Path, str], None]):
    assert_golden(Path(__file__).with_name("answers.txt"), one_of_each(ROWS))


def test_rows_cover_every_status_in_the_api_model():
    model: Any = get_service_model("qbusiness")
    assert {*model.shape_for("DataSourceStatus").enum} == {*rows_data_sources.STATUSES}
    assert {*model.shape_for("DataSourceSyncJobStatus").enum} == {*rows_data_sources.SYNC_STATUSES}


def test_sync_error_hint_contains_the_likely_cause():
    errors = rows_data_sources.ERRORS
    said = ask(World(changes=[data_sources(*map(failed, errors))]), STACK)
    found = [
        "".join(re.findall(r"the error may be about ([^:,\n]*)", each))
        for each in re.findall(r"^\S.*has the status FAILED.*\n(?: .*\n)*", said.out, re.MULTILINE)
    ]
    assert dict(zip(errors, found, strict=True)) == errors


@pytest.mark.parametrize(
    ("world", "summary"),
    [
        (World(guard="deny secretsmanager:*"), "1 problem, 1 note"),
        (World(attached="allow sqs:*"), "2 notes"),
    ],
)
def test_summary_counts_findings_in_each_state(world: World, summary: str):
    assert f"\n\n{summary}\n" in ask(world, STACK).out


@pytest.mark.parametrize("options", [[], ["--show-secrets"]])
def test_state_is_decrypted_only_with_show_secrets(options: list[str]):
    commands: list[tuple[str, ...]] = []
    with replaced(World().account(alone=False), printed(World())):
        run_pulumi = roles.project.run_pulumi

        def record_command(*command: str) -> subprocess.CompletedProcess[str]:
            commands.append(command)
            return run_pulumi(*command)

        with patch("roles.project.run_pulumi", record_command):
            run([*STACK, *options])
    assert commands == [("stack", "export", "--stack", "dev", *options)]


def test_policy_deleted_during_the_check_causes_only_one_note():
    gone = f"{PERIMETER}-2"
    said = ask(World(attached="allow sqs:*", changes=[at(ROLE_ARN, attached=[PERIMETER, gone])]), STACK)
    assert said.code == 0
    assert gone not in said.out
    assert said.err == f"check: the policy {gone} was deleted after it was listed\n"


def test_answers_are_short_and_contain_no_command_that_removes_access():
    for line in Path(__file__).with_name("answers.txt").read_text().splitlines():
        text = re.sub(r"arn:\S+|\{.*\}", "", line)
        assert len(text) <= 200
        assert not re.search(r"&&|\bjq\b|\b(?:delete|detach|put)-\w+|<\w+>", text)


def translated(value: Any, texts: dict[str, str]) -> Any:
    """Return the value with these replacements in all strings."""
    if isinstance(value, str):
        for here, there in texts.items():
            value = value.replace(here, there)
    elif isinstance(value, dict):
        return {key: translated(it, texts) for key, it in value.items()}
    elif isinstance(value, list):
        return [translated(each, texts) for each in value]
    return value


def said_elsewhere(world: World, texts: dict[str, str]) -> Output:
    """Return the output of `check` with these replacements in the stack and in all responses."""
    respond, back = Client.respond, {there: here for here, there in texts.items()}

    def changed(self: Client, operation: str, **given: Any) -> Any:
        return translated(respond(self, operation, **translated(given, back)), texts)

    stack = translated(printed(world), texts)
    with patch.object(Client, "respond", changed), replaced(world.account(alone=False), stack):
        return run([*STACK, "--verbose"])


@pytest.mark.parametrize(
    ("region", "zones"),
    [
        ("us-east-1", ["use1-az1", "use1-az2", "use1-az4"]),
        ("us-west-2", ["usw2-az1", "usw2-az2", "usw2-az3"]),
        ("eu-west-1", ["euw1-az1", "euw1-az2", "euw1-az3"]),
        ("ap-southeast-2", ["apse2-az1", "apse2-az2", "apse2-az3"]),
        ("eu-central-1", []),
    ],
)
def test_subnet_must_be_in_a_supported_zone_of_the_region(region: str, zones: list[str]):
    zone = zones[-1] if zones else "euc1-az1"
    found = at(SUBNET_ID, AvailabilityZoneId=zone), at(SECOND_SUBNET_ID, AvailabilityZoneId="other")
    said = said_elsewhere(World(changes=found), {"us-east-1": region})
    (answer,) = re.findall(r"subnets: .*", said.out) or [""]
    supported = f"is in other, but Amazon Q Business supports only {', '.join(zones)}"
    assert answer.removeprefix(f"subnets: {SECOND_SUBNET_ID} ") == (supported if zones else "")


IN_GOV_CLOUD: Final = {"arn:aws:": "arn:aws-us-gov:", "us-east-1": "us-gov-west-1"}


def test_answers_in_another_partition_are_the_same():
    # Rows about Availability Zones, partitions, and the default Region of a bucket differ.
    depends_on_place = re.compile("use1-|aws-us-gov|'region': None")
    rows = [row for row in ROWS if not depends_on_place.search(repr(row.world))]
    for row in rows[4::8]:
        here, there = said_elsewhere(row.world, {}), said_elsewhere(row.world, IN_GOV_CLOUD)
        digest = re.compile(r"[0-9a-f]{16}\b")  # a digest of an ARN
        expected = digest.sub("", translated(here.out, IN_GOV_CLOUD))
        assert (row.line, there.code, digest.sub("", there.out)) == (row.line, here.code, expected)
