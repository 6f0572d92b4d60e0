"""components/settings, formats, rules: each kind of invalid setting is rejected with the reason."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

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


class Rendered(NamedTuple):
    """The result of `render`."""

    trust_policy: str
    role_policy: str
    warnings: Sequence[str]


def look(
    given: Mapping[str, Any], component: str = "aem", credentials: Location = CREDENTIALS
) -> Rendered:
    return Rendered(*render(component, given, LONGEST_NAME, credentials))


def with_vpc(**entries: object) -> dict[str, Any]:
    return {"vpc_configuration": {**FULL["vpc_configuration"], **entries}}


def problems(changes: dict[str, Any], component: str = "aem") -> list[Problem]:
    with pytest.raises(SettingsError) as caught:
        look({**MINIMAL, **changes}, component)
    return list(caught.value.problems)


def warnings(**changes: Any) -> list[str]:
    return [*look({**MINIMAL, **changes}).warnings]


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


def test_each_role_policy_setting_except_location_changes_it():
    located = {"region", "account_id"}  # the application's ARN already contains their values
    for name in {name for name, it in SETTINGS.items() if not (it.structural or it.of_role)} - located:
        values = (SAMPLES[name].example, *SAMPLES[name].accepted)
        policies = {look({**MINIMAL, **SAMPLES[name].others, name: it}).role_policy for it in values}
        assert len(policies) > 1, f"components/policies.py: {name}"


def test_a_valid_value_is_accepted():
    for name, each in SAMPLES.items():
        for value in (each.example, *each.accepted):
            assert look({**MINIMAL, **each.others, name: value}).role_policy, (name, value)


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


def test_value_with_118_characters_is_shown_in_full():
    (problem,) = problems({"index_id": "x" * 118})
    assert problem.given == f'"{"x" * 118}" is not an index ID'
    (problem,) = problems({"index_id": "x" * 119})
    assert problem.given == f'"{"x" * 119}... is not an index ID'


def test_self_referencing_value_is_not_shown():
    endless: list[object] = []
    endless.append(endless)
    (problem,) = problems({"index_id": endless})
    assert problem.given == "expected a string, got ..."


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("kms_key", "; did you mean kms_key_id?"),
        ("accnt", "; did you mean account_id?"),
        ("colour", ""),
    ],
)
def test_unknown_argument_is_rejected_with_similar_name_if_any(given: str, advice: str):
    (problem,) = problems({given: KEY_ID})
    assert (problem.place.path, problem.given) == ((given,), f"is not a setting{advice}")


def test_numeric_key_in_vpc_configuration_is_rejected():
    (problem,) = problems({"vpc_configuration": {**FULL["vpc_configuration"], 1: []}})
    assert problem.given == "is not a setting"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (111122223333.0, "111122223333"),
        (1.5, "1.5"),
        (float("inf"), "Infinity"),
    ],
)
def test_float_is_shown_without_trailing_zero(given: float, shown: str):
    (problem,) = problems({"account_id": given})
    assert problem.given == f"expected a string, got {shown}; if the value is right, quote it"


FOREIGN_SECRET = f"arn:aws:secretsmanager:{REGION}:{OTHER_ACCOUNT}:secret:aem-a1B2c3"


@pytest.mark.parametrize(
    ("args", "place"),
    [
        ({**MINIMAL, "secret_id": FOREIGN_SECRET}, "secret"),
        ({**S3, "bucket_account_id": OTHER_ACCOUNT}, "bucket"),
    ],
)
def test_key_id_for_cross_account_resource_causes_warning(args: dict[str, Any], place: str):
    (warning,) = look({**args, "kms_key_id": KEY_ID}).warnings
    assert warning == (
        f"kms_key_id: a key ID refers to a key in account {ACCOUNT}, but the {place} is in account "
        f"{OTHER_ACCOUNT}; if the key is also there, use its ARN"
    )
    key = f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:key/{KEY_ID}"
    assert look({**args, "kms_key_id": key}).warnings == []


def test_credentials_for_another_partition_cause_one_problem():
    with pytest.raises(SettingsError) as caught:
        look(dict(MINIMAL), credentials=Location("aws-cn", REGION, OTHER_ACCOUNT))
    (problem,) = caught.value.problems
    assert "is in partition aws, but the credentials are for partition aws-cn" in problem.given


FORGED = "x\n  secretId: fine\x1b[2K\u202e\x7f\u00e9"


@pytest.mark.parametrize(
    "given",
    [
        {FORGED: "x"},
        {"tags": {FORGED: "x"}},
        {"tags": {"Team": FORGED + "*"}},
        {"vpc_configuration": {**FULL["vpc_configuration"], FORGED: []}},
        {"role_name": FORGED},
    ],
    ids=["name", "tag key", "tag value", "entry", "value"],
)
def test_name_or_value_cannot_forge_a_message_line(given: dict[str, Any]):
    with pytest.raises(SettingsError) as caught:
        look({**MINIMAL, **given})
    text = str(caught.value)
    assert text.replace("\n", "").isascii()
    assert text.replace("\n", "").isprintable()
    assert not [line for line in text.splitlines() if line.startswith("  secretId")]


@pytest.mark.parametrize(
    ("component", "valid"),
    [("c" * 41, True), ("c" * 42, False), ("a:b", False), ("a b", False), ("", False)],
)
def test_the_automatic_role_name_must_fit_iam(component: str, valid: bool):
    if valid:
        assert look(dict(MINIMAL), component).role_policy
    else:
        assert [problem.place.path for problem in problems({}, component)] == [("role_name",)]


def test_component_name_may_be_long_if_role_name_is_set():
    assert look({**MINIMAL, "role_name": "qbusiness-aem"}, "c" * 100).role_policy


# Settings that depend on the connector.


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("asana", "Asana"),
        ("aem", "aem-cloud or aem-server"),
        ("AEM", "aem-cloud or aem-server"),
        ("s3", "s3-v1 or s3-v2"),
        ("S3V2", "s3-v2"),
        ("Confluence", "confluence-cloud or confluence-server"),
        ("confluencecloud", "confluence-cloud"),
        ("sharepoint", "sharepoint-cloud or sharepoint-server-subscription"),
        ("mysql", "my-sql"),
        ("web-crawler", "webcrawler"),
        ("aem-cloud ", "aem-cloud"),
    ],
)
def test_unknown_connector_is_rejected_with_suggestions(given: str, near: str):
    (problem,) = problems({"connector": given})
    assert problem.given == f'"{given}" is not a connector; did you mean {near}?'
    assert problem.expected.startswith("one of aem-cloud, aem-server, alfresco-cloud, ")


@pytest.mark.parametrize("connector", ["aem-cloud", "", None])
def test_connector_defaults_to_aem_cloud(connector: str | None):
    assert look({**FULL, "connector": connector}) == look(FULL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("secret_id", "aem-*"),
        ("secret_id", 5),
        ("secret_id", f"arn:aws:secretsmanager:{OTHER_REGION}:{OTHER_ACCOUNT}:secret:aem-a1B2c3"),
        ("vpc_configuration", {}),
        ("vpc_configuration", "vpc"),
        ("vpc_configuration", {"subnets": [], "subnet_ids": ["subnet-1"]}),
    ],
)
def test_unsupported_setting_is_rejected_once(name: str, value: object):
    with pytest.raises(SettingsError) as rejected:
        look({**S3, name: value})
    (problem,) = rejected.value.problems
    assert (problem.place.name, problem.expected) == (name, f"no {name}, or another connector")


def test_missing_required_bucket_name_is_the_only_problem():
    given = {"connector": "s3-v2", "secret_id": None, "bucket_account_id": OTHER_ACCOUNT}
    assert [problem.place.name for problem in problems(given)] == ["bucket_name"]


def test_account_of_a_bucket_that_the_connector_never_has_is_rejected():
    (problem,) = problems({"bucket_account_id": OTHER_ACCOUNT})
    assert (problem.given, problem.expected) == ("requires bucket_name", "no bucket_account_id")


def test_connector_problems_are_reported_with_other_problems():
    wrong = {"index_id": "x", "secret_id": "", "bucket_name": "qbusiness-documents", "tags": {"k": 1}}
    wrong |= {"bucket_account_id": OTHER_ACCOUNT, "allow_network_interface_deletion": True}
    names = ["index_id", "secret_id", "bucket_name", "bucket_account_id"]
    names += ["allow_network_interface_deletion", "tags"]
    assert [problem.place.path[0] for problem in problems(wrong)] == names


def test_unknown_connector_does_not_hide_other_problems():
    wrong = {"connector": "x", "bucket_account_id": OTHER_ACCOUNT, "secret_id": None}
    wrong |= {"kms_key_id": KEY_ID}  # some connector might use it without a secret
    found = problems({**wrong, "allow_network_interface_deletion": True})
    assert [problem.place.path[0] for problem in found] == [
        "connector",
        "bucket_account_id",
        "allow_network_interface_deletion",
    ]


def test_policy_names_bucket_of_s3_source():
    for connector in ("s3-v1", "s3-v2"):
        for name in SAMPLES["bucket_name"].accepted:
            policy = look({**S3, "connector": connector, "bucket_name": name}).role_policy
            assert f'"arn:aws:s3:::{name}/*"' in policy
            assert f'"arn:aws:s3:::{name}"' in policy


@pytest.mark.parametrize("account", [OTHER_ACCOUNT, "012345670123", "", None])
def test_bucket_account_defaults_to_application_account(account: str | None):
    policy = look({**S3, "bucket_account_id": account}).role_policy
    assert policy.count(f'{{"aws:ResourceAccount": "{account or ACCOUNT}"}}') == 2
    assert look({**S3, "bucket_account_id": account, "kms_key_id": ""}).warnings == []


# The quota of 10,240 characters.


def sized(secret_name: int) -> dict[str, Any]:
    vpc = {
        "subnet_ids": [f"subnet-{number:017x}" for number in range(98)],
        "security_group_ids": [f"sg-{number:017x}" for number in range(10)],
    }
    return {**MINIMAL, "secret_id": "n" * secret_name + "-a1B2c3", "vpc_configuration": vpc}


def test_policy_is_accepted_up_to_exact_quota():
    room = 10_240 - size(look(sized(1)).role_policy)
    assert size(look(sized(1 + room)).role_policy) == 10_240
    (problem,) = problems(sized(2 + room))
    assert problem.place.path == ("vpc_configuration", "subnet_ids")
    assert problem.given == "the role policy has 10,241 characters, not counting whitespace"
    assert problem.expected == "at most 10,240 characters; use fewer subnets"


@pytest.mark.parametrize(
    ("name", "longest"),
    [({"role_name": "qbusiness-files"}, "qbusiness-files"), ({}, 64 * "n")],
    ids=["given", "automatic"],
)
def test_policy_size_assumes_longest_automatic_name(name: dict[str, Any], longest: str):
    def settings(path: int) -> dict[str, Any]:
        subnets = [f"subnet-{number:017x}" for number in range(94)]
        vpc = {**sized(1)["vpc_configuration"], "subnet_ids": subnets}
        source = {"connector": "s3-v1", "bucket_name": "documents", "vpc_configuration": vpc}
        return {**MINIMAL, "secret_id": None, **source, **name, "role_path": f"/{'p' * path}/"}

    room = 10_240 - size(render("aem", settings(1), longest)[1])
    assert look(settings(1 + room)).role_policy
    (problem,) = problems(settings(2 + room))
    assert problem.given == "the role policy has 10,241 characters, not counting whitespace"


# Warnings.


def test_usual_settings_cause_no_warning():
    assert warnings(**FULL, role_name="qbusiness-aem") == []
    own_secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:aem-a1B2c3"
    assert warnings(secret_id=own_secret, kms_key_id=KEY_ID) == []
    assert look({**S3, "bucket_account_id": ACCOUNT, "kms_key_id": KEY_ID}).warnings == []


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2"])
def test_supported_region_causes_no_warning(region: str):
    arn = f"arn:aws:qbusiness:{region}:{ACCOUNT}:application/{APPLICATION_ID}"
    assert warnings(application_id=arn) == []


@pytest.mark.parametrize(
    "secret", ["aem-secret", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:aem-secret"]
)
def test_secret_with_word_like_suffix_causes_warning(secret: str):
    (warning,) = warnings(secret_id=secret)
    assert warning.startswith("secret_id: ")
    assert "describe-secret" in warning


def test_secret_suffix_with_digit_or_capital_causes_no_warning():
    assert warnings(secret_id="aem-secreT") == warnings(secret_id="aem-secre1") == []


def test_subnets_beyond_console_limit_cause_warning():
    subnets = [f"subnet-{number:017x}" for number in range(7)]
    assert warnings(**with_vpc(subnet_ids=[*subnets[:6], subnets[0]])) == []
    (warning,) = warnings(**with_vpc(subnet_ids=subnets))
    assert "7 subnets" in warning
    assert "at most 6" in warning


@pytest.mark.parametrize("name", ["my-qbusiness-role", "QBusiness"])
def test_role_name_listed_by_console_causes_no_warning(name: str):
    assert warnings(role_name=name) == []


@pytest.mark.parametrize("name", ["aem", "QBUSINESS", "Qbusiness", "q-business"])
def test_role_name_not_listed_by_console_causes_warning(name: str):
    (warning,) = warnings(role_name=name)
    assert "lists only roles whose name contains qbusiness or QBusiness" in warning
