"""Tests `components/settings.py`, `formats.py`, and `rules.py` with valid and invalid settings."""

from collections.abc import Mapping
from itertools import product
from typing import Any, Final

import pytest

from components.formats import Format, Location
from components.problems import Problem, SettingsError
from components.rules import render
from components.settings import SETTINGS
from pages.examples import (
    ACCOUNT,
    APPLICATION_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from tests.helpers.samples import EXAMPLES, FULL, OF_THE_ROLE, OTHER_REGION, SAMPLES
from tests.helpers.support import MINIMAL, S3, size

CREDENTIALS = Location("aws", REGION, ACCOUNT)
LONGEST_NAME = 64 * "n"
NOT_ALLOWED_IN_IDENTIFIERS = [
    "*",
    "?",
    "${aws:username}",
    " ",
    "\n",
    '"',
    "'",
    "\u0430",
    "\x00",
    "\u200b",
]


def role_policy(given: Mapping[str, Any], component: str = "aem", name: str = LONGEST_NAME) -> str:
    return render(component, given, name, CREDENTIALS)[1]


def with_vpc(**entries: object) -> dict[str, Any]:
    return {"vpc_configuration": {**FULL["vpc_configuration"], **entries}}


def problems(changes: dict[str, Any], component: str = "aem") -> list[Problem]:
    with pytest.raises(SettingsError) as caught:
        role_policy({**MINIMAL, **changes}, component)
    return list(caught.value.problems)


def warnings(**changes: Any) -> list[str]:
    return [*render("aem", {**MINIMAL, **changes}, LONGEST_NAME, CREDENTIALS)[2]]


REJECTED_IN_VPC: dict[str, list[Any]] = {
    "subnet_ids": [
        *([], (), None, SUBNET_ID, [None], [1], [[SUBNET_ID]], [SUBNET_ID, ""]),
        *(["sg-01234567"], ["subnet-*"], ["subnet-0123456g"], [f"subnet-{17 * 'g'}"]),
        *([f"subnet-{digits * '0'}"] for digits in (7, 9, 16, 18)),
        [f"arn:aws:ec2:{OTHER_REGION}:{ACCOUNT}:subnet/{SUBNET_ID}"],
        [f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{SECURITY_GROUP_ID}"],
    ],
    "security_group_ids": [
        *([], (), None, SECURITY_GROUP_ID, [None], [1], [SUBNET_ID]),
        *(["sg-0123456g"], [f"sg-{17 * 'g'}"]),
        *([f"sg-{digits * '0'}"] for digits in (7, 9, 16, 18)),
        [f"sg-{n:017x}" for n in range(11)],
        [f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{SECURITY_GROUP_ID}"],
    ],
}


def test_every_setting_has_samples():
    place = "tests/helpers/samples.py"
    assert [*SAMPLES] == [*SETTINGS], place
    of_role = [name for name, setting in SETTINGS.items() if setting.of_role]
    assert [*OF_THE_ROLE] == of_role, f"{place}: role_property"
    for name, each in SAMPLES.items():
        assert each.accepted
        assert each.rejected
        assert (each.malformed is not None) == isinstance(SETTINGS[name].kind, Format)


def test_a_valid_value_is_accepted():
    for name, each in SAMPLES.items():
        for value in (each.example, *each.accepted):
            assert role_policy({**MINIMAL, **each.others, name: value}), (name, value)


def test_an_invalid_setting_is_reported_once_by_name():
    for name, each in SAMPLES.items():
        for value in each.every_rejected:
            found = problems({**each.others, name: value})
            assert [problem.place.path[0] for problem in found[:1]] == [name], value
            assert len(found) == 1 or name == "vpc_configuration", value
            assert all(problem.given and problem.expected for problem in found), value


def test_invalid_vpc_configuration_is_reported_with_its_path():
    for name, values in REJECTED_IN_VPC.items():
        for value in values:
            (problem,) = problems(with_vpc(**{name: value}))
            assert problem.place.path[:2] == ("vpc_configuration", name), value


def test_special_characters_in_identifiers_are_rejected():
    bucket = {"connector": "webcrawler", "bucket_name": "site-maps", "bucket_account_id": OTHER_ACCOUNT}
    identifiers = {name for name, each in SAMPLES.items() if each.malformed} - {"role_description"}
    for name, trick in product(identifiers, NOT_ALLOWED_IN_IDENTIFIERS):
        value = EXAMPLES[name]
        for changed in (value + trick, trick + value, value[:4] + trick + value[4 + len(trick) :]):
            found = problems({**bucket, name: changed})
            assert [problem.place.path for problem in found] == [(name,)], (name, changed)


@pytest.mark.parametrize(
    ("component", "valid"),
    [("c" * 41, True), ("c" * 42, False), ("a:b", False), ("a b", False), ("", False)],
)
def test_the_automatic_role_name_must_be_valid_in_iam(component: str, valid: bool):
    if valid:
        assert role_policy(MINIMAL, component)
    else:
        assert [problem.place.path for problem in problems({}, component)] == [("role_name",)]
    assert role_policy({**MINIMAL, "role_name": "qbusiness-aem"}, component)


# IAM's quota of 10,240 characters for a role's inline policies.


def sized(secret_name: int) -> dict[str, Any]:
    vpc = {
        "subnet_ids": [f"subnet-{number:017x}" for number in range(98)],
        "security_group_ids": [f"sg-{number:017x}" for number in range(10)],
    }
    return {**MINIMAL, "secret_id": "n" * secret_name + "-a1B2c3", "vpc_configuration": vpc}


def test_policy_is_accepted_up_to_the_quota():
    room = 10_240 - size(role_policy(sized(1)))
    assert size(role_policy(sized(1 + room))) == 10_240
    (problem,) = problems(sized(2 + room))
    assert "has 10,241 characters" in problem.given


@pytest.mark.parametrize(
    ("name", "longest"),
    [({"role_name": "qbusiness-files"}, "qbusiness-files"), ({}, 64 * "n")],
    ids=["given", "automatic"],
)
def test_quota_check_assumes_longest_automatic_name(name: dict[str, Any], longest: str):
    def settings(path: int) -> dict[str, Any]:
        subnets = [f"subnet-{number:017x}" for number in range(94)]
        vpc = {**sized(1)["vpc_configuration"], "subnet_ids": subnets}
        source = {"connector": "s3-v1", "bucket_name": "documents", "vpc_configuration": vpc}
        return {**MINIMAL, "secret_id": None, **source, **name, "role_path": f"/{'p' * path}/"}

    room = 10_240 - size(role_policy(settings(1), name=longest))
    assert role_policy(settings(1 + room))
    (problem,) = problems(settings(2 + room))
    assert "has 10,241 characters" in problem.given


# Warnings.


NUMBERED: Final = [f"subnet-{number:017x}" for number in range(7)]


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        *(
            (
                {"application_id": f"arn:aws:qbusiness:{region}:{ACCOUNT}:application/{APPLICATION_ID}"},
                "",
            )
            for region in ("us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2")
        ),
        ({"secret_id": "aem-secret"}, "secret_id"),
        ({"secret_id": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:aem-secret"}, "secret_id"),
        ({"secret_id": "aem-secreT"}, ""),
        ({"secret_id": "aem-secre1"}, ""),
        (with_vpc(subnet_ids=[*NUMBERED[:6], NUMBERED[0]]), ""),
        (with_vpc(subnet_ids=NUMBERED), "vpc_configuration.subnet_ids has 7 subnets; "),
        *(({"role_name": name}, "") for name in ("my-qbusiness-role", "QBusiness")),
        *(
            ({"role_name": name}, "role_name")
            for name in ("aem", "QBUSINESS", "Qbusiness", "q-business")
        ),
    ],
)
def test_setting_causes_only_the_expected_warning(given: dict[str, Any], warned: str):
    found = warnings(**given)
    assert len(found) == bool(warned)
    assert all(warning.startswith(warned) for warning in found)


def test_usual_settings_cause_no_warning():
    assert warnings(**FULL, role_name="qbusiness-aem") == []
    own_secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:aem-a1B2c3"
    assert warnings(secret_id=own_secret, kms_key_id=KEY_ID) == []
    files = {**S3, "secret_id": None}
    assert warnings(**{**files, "bucket_account_id": ACCOUNT, "kms_key_id": KEY_ID}) == []
    key = f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:key/{KEY_ID}"
    assert warnings(secret_id=own_secret.replace(ACCOUNT, OTHER_ACCOUNT), kms_key_id=key) == []
    assert warnings(**{**files, "bucket_account_id": OTHER_ACCOUNT, "kms_key_id": key}) == []
