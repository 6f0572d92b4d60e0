"""roles/check/questions, remedies, context, roles/account, findings, grants, syncs: the answers."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from moto.core.utils import get_service_model

from tests.helpers.world import SECOND_SUBNET_ID
from tests.roles.check import rows_data_sources, rows_policies, rows_resources
from tests.roles.check.account import (
    PERIMETER,
    STACK,
    World,
    ask,
    attached,
    data_sources,
    failed,
    printed,
    replaced,
    run,
    subnets,
)
from tests.roles.check.table import Row, judge, one_of_each

ROWS: Final = (*rows_policies.ROWS, *rows_resources.ROWS, *rows_data_sources.ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[f"{each.path.stem}:{each.line}" for each in ROWS])
def test_answers_are_those_in_row(row: Row):
    if wrong := judge(row):
        pytest.fail(wrong, pytrace=False)


@pytest.mark.slow
def test_every_sentence_matches_golden_file(assert_golden: Callable[[Path, str], None]):
    assert_golden(Path(__file__).with_name("answers.txt"), one_of_each(ROWS))


def test_rows_have_every_status_that_aws_documents():
    model: Any = get_service_model("qbusiness")
    assert {*model.shape_for("DataSourceStatus").enum} == {*rows_data_sources.STATUSES}
    assert {*model.shape_for("DataSourceSyncJobStatus").enum} == {*rows_data_sources.SYNC_STATUSES}


def test_hint_names_what_the_error_of_a_sync_may_be_about():
    errors = rows_data_sources.ERRORS
    said = ask(World(responses=data_sources(*map(failed, errors))), STACK)
    found = [
        "".join(re.findall(r"the error may be about ([^:,\n]*)", each))
        for each in re.findall(r"^\S.*has the status FAILED.*\n(?: .*\n)*", said.out, re.MULTILINE)
    ]
    assert dict(zip(errors, found, strict=True)) == errors


def test_policy_that_is_deleted_in_the_meantime_is_left_out_with_one_note():
    gone = f"{PERIMETER}-2"
    said = ask(World(attached="allow sqs:*", responses=attached(PERIMETER, gone)), STACK)
    assert said.code == 0
    assert gone not in said.out
    assert said.err == f"check: the policy {gone} was deleted in the meantime\n"


def test_answers_have_short_lines_and_no_command_that_takes_access():
    for line in Path(__file__).with_name("answers.txt").read_text().splitlines():
        text = re.sub(r"arn:\S+|\{.*\}", "", line)
        assert len(text) <= 200
        assert not re.search(r"&&|\bjq\b|\b(?:delete|detach|put)-\w+|<\w+>", text)


def translated(value: Any, texts: dict[str, str]) -> Any:
    """Return a value in which texts are replaced, also in keys."""
    if isinstance(value, str):
        for here, there in texts.items():
            value = value.replace(here, there)
    elif isinstance(value, dict):
        return {translated(key, texts): translated(it, texts) for key, it in value.items()}
    elif isinstance(value, list):
        return [translated(each, texts) for each in value]
    return value


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
    found = subnets({"AvailabilityZoneId": zone}, {"AvailabilityZoneId": "other"})
    world, texts = World(responses=found), {"us-east-1": region}
    with replaced(translated(world.calls(alone=False), texts), translated(printed(world), texts)):
        out = run(STACK).out
    (answer,) = re.findall(r"subnets: .*", out) or [""]
    supported = f"is in other, but Amazon Q Business supports only {', '.join(zones)}"
    assert answer.removeprefix(f"subnets: {SECOND_SUBNET_ID} ") == (supported if zones else "")


IN_GOV_CLOUD: Final = {"arn:aws:": "arn:aws-us-gov:", "us-east-1": "us-gov-west-1"}


def test_answers_in_another_partition_are_the_same():
    # The names of Regions and partitions matter to other rows, such as those about Availability Zones.
    for row in ROWS[4::8]:
        here = ask(row.world, [*STACK, "--verbose"])
        calls = translated(row.world.calls(alone=False), IN_GOV_CLOUD)
        for name, it in calls.items():
            if name.startswith("get_bucket_location "):
                it["LocationConstraint"] = it["LocationConstraint"] or "us-gov-west-1"
        with replaced(calls, translated(printed(row.world), IN_GOV_CLOUD)):
            there = run([*STACK, "--verbose"])
        digest = re.compile(r"[0-9a-f]{16}\b")  # of an ARN
        expected = translated(here.out, IN_GOV_CLOUD)
        assert (row.line, digest.sub("", there.out)) == (row.line, digest.sub("", expected))
        assert there.code == here.code
