"""`roles check` answers about resources, data sources, and options in many situations."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from moto.core.utils import get_service_model

from roles.cli import main
from tests.helpers.world import SECOND_SUBNET_ID, SECRET_ARN
from tests.roles.check import situations, worlds
from tests.roles.check.recording import replaced, run
from tests.roles.check.responses import data_sources, failed, subnets
from tests.roles.check.situations import GOLDEN
from tests.roles.check.worlds import STACK, World, change


def test_output_in_every_situation_matches_golden_file(assert_golden: Callable[[Path, str], None]):
    assert_golden(GOLDEN, situations.outputs())


STATES: Final = ("problem", "cannot tell", "skipped", "note", "ok")


def document(world: World, *options: str) -> dict[str, Any]:
    """Return the JSON document about a situation."""
    return worlds.ask(world, (*options, "--json")).json


def find(name: str) -> World:
    """Return a world or a situation by its name."""
    every = (*worlds.WORLDS, *(each for found in situations.SITUATIONS.values() for each in found))
    (found,) = (each for each in every if each.name == name)
    return found


def test_json_has_policies_only_for_role_outside_any_stack():
    outside = document(
        find("a proxy's secret, which no policy allows, outside any stack"), *worlds.DATA_SOURCE
    )
    assert next(iter(outside)) == "dataSource"
    assert outside["trustPolicy"]["Statement"][0]["Principal"] == {"Service": "qbusiness.amazonaws.com"}
    assert outside["rolePolicy"]["Statement"][0]["Resource"] == [SECRET_ARN]
    (separate,) = outside["separatePolicies"].values()
    assert separate["Statement"][0]["Resource"] == [situations.PROXY]
    alone = document(find("the data source's role is used by two data sources"), *worlds.DATA_SOURCE)
    assert "separatePolicies" not in alone
    context = ("--context", "aws:SourceIp=192.0.2.1", "--context", "AWS:SourceIP=192.0.2.2")
    inside = document(find("a policy denies decryption through a service"), *STACK, *context)
    assert [*inside] == ["stack", "context", *STATES, "answers"]
    assert (inside["stack"], inside["problem"]) == ("dev", 2)
    assert inside["context"] == {"aws:SourceIp": ["192.0.2.1", "192.0.2.2"]}
    answers = {each["question"]: each for each in inside["answers"]}
    assert answers["credentials"] == {
        "question": "credentials",
        "state": "ok",
        "text": "account 123456789012 in us-east-1, arn:aws:iam::123456789012:user/deployer",
    }
    assert answers["other policies"]["fix"] == (
        "in the policy guard, narrow or remove the statement Lock"
    )
    needed = find("a key policy that two entries need")
    entries = document(needed, *STACK)
    assert [*entries] == ["stack", "dataSources"]
    assert [*entries["dataSources"]] == ["wiki", "tickets", "later"]
    assert [*document(needed, *STACK, "--data-source", "wiki")["dataSources"]] == ["wiki"]


@pytest.mark.parametrize("text", ["aws:SourceVpc", "=vpc-1", "SourceVpc=vpc-1", "aws: x=1", "aws:x =1"])
def test_context_without_condition_key_is_rejected(text: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["check", *STACK, "--context", text])
    assert stopped.value.code == 2
    assert f"{text!r} is not a condition key with a value: expected" in capsys.readouterr().err


def test_situations_have_every_status_that_aws_documents():
    model: Any = get_service_model("qbusiness")
    assert {*model.shape_for("DataSourceStatus").enum} == {*situations.STATUSES}
    assert {*model.shape_for("DataSourceSyncJobStatus").enum} == {*situations.SYNC_STATUSES}


def test_hint_names_what_the_error_of_a_sync_may_be_about():
    world = World("", calls=data_sources(*map(failed, situations.ERRORS)))
    found = [
        "".join(re.findall(r"the error may be about ([^:,]*)", each))
        for each in worlds.answers_in(worlds.ask(world, STACK))
        if "has the status FAILED" in each
    ]
    assert dict(zip(situations.ERRORS, found, strict=True)) == situations.ERRORS


GOV: Final = {
    '"LocationConstraint": null': '"LocationConstraint": "us-east-1"',
    "arn:aws:": "arn:aws-us-gov:",
    "us-east-1": "us-gov-west-1",
}


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
    text = json.dumps(change(World("", calls=found), STACK)).replace("us-east-1", region)
    with replaced(*json.loads(text)):
        out = run(STACK).out
    (answer,) = re.findall(r"subnets: .*", out) or [""]
    supported = f"is in other, but Amazon Q Business supports only {', '.join(zones)}"
    assert answer.removeprefix(f"subnets: {SECOND_SUBNET_ID} ") == (supported if zones else "")


def in_gov_cloud(value: Any) -> Any:
    """Return a value in which the partition and the Region are those of AWS GovCloud (US)."""
    text = json.dumps(value)
    for here, there in GOV.items():
        text = text.replace(here, there)
    return json.loads(text)


@pytest.mark.parametrize(
    "name",
    [
        "nothing is wrong",
        "AWS's policy that denies everything",
        "a boundary of AWS lacks requests",
        "a boundary lacks decryption, which the key policy allows a session of the role",
        "a key policy lets only a deleted role decrypt",
        "a key policy depends on two keys",
        "only the bucket's policy allows listing the bucket",
        "a data perimeter in a policy, and a bucket of another account",
        "another account's secret has no value and is encrypted with a key that AWS manages",
        "the secret's next version has another key, and the stack removes other policies",
        "a missing subnet that the data source also names",
        "a data source has a shared subnet that the settings lack",
        "a second policy is more dangerous than the first",
        "the caller is a session of a role with a path that cannot pass the role",
    ],
)
def test_answers_in_another_partition_are_the_same(name: str):
    calls, printed = change(find(name), STACK)
    with replaced(calls, printed):
        here = run([*STACK, "--verbose"])
    with replaced(in_gov_cloud(calls), in_gov_cloud(printed)):
        there = run([*STACK, "--verbose"])
    digest = re.compile(r"[0-9a-f]{16}\b")  # of an ARN
    assert digest.sub("", there.out) == digest.sub("", in_gov_cloud(here.out))
    assert there.code == here.code
