"""Test generated settings: a document either contains the settings or is not written.

With HYPOTHESIS_PROFILE=full, this tries at least 10,000 settings; `make test` tries fewer, always the
same.
"""

import json
import os
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.connectors import CONNECTORS, Need
from components.formats import INGEST_SCOPES, ROLE_NAME, TAG_VALUE
from components.report import SettingsError
from components.role import Location
from components.settings import SETTINGS
from components.validation import ValidationResult, validate
from sandbox.iam_rules import Role, validate_request

pytestmark = pytest.mark.slow

settings.register_profile("everyday", max_examples=100, derandomize=True, database=None, deadline=None)
settings.register_profile(
    "full", max_examples=4_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))

HEX = "0123456789abcdef"
WORD = string.ascii_letters + string.digits
INJECTIONS = [
    *("*", "?", "${aws:username}", "${*}", '"', "'", "\\", "\n", "\r", "\t", " ", "\x00", "\x7f"),
    *("\u0430", "\uff10", "\u200b", "\u2028", "\u00a0", "\ufeff", "\U0001f511", '"},{"Effect":"Allow"'),
]


def text(alphabet: str, minimum: int, maximum: int | None = None) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=minimum, max_size=minimum if maximum is None else maximum)


def joined(*parts: str | st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    strategies = [st.just(part) if isinstance(part, str) else part for part in parts]
    return st.tuples(*strategies).map("".join)


ACCOUNTS = text(string.digits, 12)
IDS = joined(text(WORD, 1), text(WORD + "-", 35))
SECRET_NAMES = joined(text(WORD + "/_+=.@-", 1, 512), "-", text(WORD, 6))
KEY_IDS = st.one_of(
    joined(text(HEX, 8), "-", text(HEX, 4), "-", text(HEX, 4), "-", text(HEX, 4), "-", text(HEX, 12)),
    joined("mrk-", text(HEX, 32)),
)
SUBNET_IDS = joined("subnet-", st.one_of(text(HEX, 8), text(HEX, 17)))
GROUP_IDS = joined("sg-", st.one_of(text(HEX, 8), text(HEX, 17)))
BUCKETS = st.from_regex(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,40}[a-z0-9]", fullmatch=True).filter(
    lambda name: (
        not name.startswith(("xn--", "sthree-", "amzn-s3-demo-"))
        and not name.endswith(("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"))
        and not name.replace(".", "").isdigit()
    )
)
TAG_TEXT = WORD + " _.:/=+-@äß日"
# Hypothesis also draws strings from the modules that are imported, such as the rejected placeholders.
TAG_VALUES = text(TAG_TEXT, 0, 256).filter(lambda value: value != TAG_VALUE.placeholder)
ROLE_NAMES = text(WORD + "_+=,.@-", 0, 64).filter(lambda name: name != ROLE_NAME.placeholder)
TAGS = st.dictionaries(text(TAG_TEXT, 1, 20).map("k".__add__), TAG_VALUES, max_size=5).filter(
    lambda tags: len({key.casefold() for key in tags}) == len(tags)
)


@st.composite
def valid(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw valid settings, and the parts that their documents should contain."""
    partition = draw(st.sampled_from(["aws", "aws-cn", "aws-us-gov"]))
    region = draw(st.sampled_from(["us-east-1", "eu-west-1", "ap-southeast-2", "us-gov-west-1"]))
    account = draw(ACCOUNTS)
    application, index = draw(IDS), draw(IDS)

    def named(ids: st.SearchStrategy[str], service: str, kind: str, *, foreign: bool) -> tuple[str, str]:
        identifier = draw(ids)
        owner = draw(st.one_of(st.just(account), ACCOUNTS)) if foreign else account
        arn = f"arn:{partition}:{service}:{region}:{owner}:{kind}{identifier}"
        local = owner == account and draw(st.booleans())
        return (identifier if local else arn), arn

    def chosen(need: Need) -> bool:
        supported = need is not Need.NOT_SUPPORTED
        return need is Need.REQUIRED or (supported and draw(st.booleans()))

    connector = draw(st.sampled_from([*CONNECTORS.values()]))
    given, arn = named(st.just(application), "qbusiness", "application/", foreign=False)
    result: dict[str, Any] = {"application_id": given, "index_id": index, "connector": connector.name}
    expected: dict[str, Any] = {"place": Location(partition, region, account), "application": arn}
    expected |= {"index": f"{arn}/index/{index}", "secret": None, "key": None, "network": []}
    expected |= {"bucket": None, "source": connector.secret is Need.NOT_SUPPORTED}
    result |= {"region": region, "account_id": draw(st.sampled_from(["", account]))}
    foreign_secret = False
    if chosen(connector.secret):
        result["secret_id"], expected["secret"] = named(
            SECRET_NAMES, "secretsmanager", "secret:", foreign=True
        )
        foreign_secret = expected["secret"].split(":")[4] != account
    if chosen(connector.bucket):
        bucket, owner = draw(BUCKETS), draw(st.one_of(st.just(""), ACCOUNTS))
        result |= {"bucket_name": bucket, "bucket_account_id": owner}
        expected |= {"bucket": f"arn:{partition}:s3:::{bucket}", "owner": owner or account}
    encrypted = expected["secret"] or expected["source"]
    if foreign_secret or (encrypted and draw(st.booleans())):
        result["kms_key_id"], expected["key"] = named(KEY_IDS, "kms", "key/", foreign=True)
    if chosen(connector.vpc):
        count = draw(st.integers(1, 8))
        subnets = [named(SUBNET_IDS, "ec2", "subnet/", foreign=True) for _ in range(count)]
        groups = draw(st.lists(GROUP_IDS, min_size=1, max_size=10))
        result["vpc_configuration"] = {
            "subnet_ids": [subnet for subnet, _ in subnets],
            "security_group_ids": groups,
        }
        network = [arn for _, arn in subnets]
        network += [f"arn:{partition}:ec2:{region}:{account}:security-group/{group}" for group in groups]
        expected["network"] = list(dict.fromkeys(network))
        result["allow_network_interface_deletion"] = draw(st.booleans())
    result["ingest_scope"] = draw(st.sampled_from(["", *INGEST_SCOPES]))
    result["role_name"] = draw(ROLE_NAMES)
    result["role_path"] = draw(st.sampled_from(["", "/", "/connectors/", "/<role.name>/{}/"]))
    result["tags"] = draw(st.one_of(st.none(), TAGS))
    return result, expected


def result_of(given: dict[str, Any], place: Location) -> ValidationResult:
    return validate("aem", given, credentials=place)


def resources(policy: dict[str, Any]) -> dict[str, Any]:
    return {statement["Sid"]: statement["Resource"] for statement in policy["Statement"]}


def check_documents(written: ValidationResult, given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare the documents with the settings, and validate them as IAM does."""
    role_name = given["role_name"] or "aem-qbusiness-role-1234567"
    written = written.of_role(role_name)
    assert written.role_policy is not None
    assert written.trust_policy is not None
    policy, trust = json.loads(written.role_policy), json.loads(written.trust_policy)
    place, arn, index = expected["place"], expected["application"], expected["index"]
    interfaces = f"arn:{place.partition}:ec2:{place.region}:{place.account}:network-interface/*"
    desired: dict[str, Any] = {
        "AllowsAmazonQToIngestDocuments": index if given["ingest_scope"] == "index" else [arn, index],
        "AllowsAmazonQToIngestPrincipalMapping": [arn, index, f"{index}/data-source/*"],
    }
    if expected["bucket"]:
        objects = "AllowsAmazonQToGet" + ("ObjectfromS3" if expected["source"] else "S3Objects")
        desired[objects] = [f"{expected['bucket']}/*"]
        if expected["source"]:
            desired["AllowsAmazonQToListS3Buckets"] = [expected["bucket"]]
            role = f"role{given['role_path'] or '/'}{role_name}"
            passed_arn = f"arn:{place.partition}:iam::{place.account}:{role}"
            desired["AllowsAmazonQToPassCustomerRole"] = [passed_arn]
        assert f'"aws:ResourceAccount": "{expected["owner"]}"' in written.role_policy
    if expected["secret"]:
        desired["AllowsAmazonQToGetSecret"] = [expected["secret"]]
    if expected["key"]:
        desired["AllowsAmazonQToDecryptSecret"] = [expected["key"]]
        service = "s3" if expected["source"] else "secretsmanager"
        assert f'"kms:ViaService": ["{service}.*.amazonaws.com"]' in written.role_policy
    if expected["network"]:
        desired |= {
            "AllowsAmazonQToCreateAndDeleteNI": expected["network"],
            "AllowsAmazonQToCreateAndDeleteNIForSpecificTag": interfaces,
            "AllowsAmazonQToCreateTags": interfaces,
            "AllowsAmazonQToCreateNetworkInterfacePermission": interfaces,
            "AllowsAmazonQToDescribeResourcesForVPC": "*",
        }
    if given.get("allow_network_interface_deletion"):
        desired["AllowsAmazonQToDeleteTaggedNI"] = interfaces
    assert resources(policy) == desired
    assert trust["Statement"][0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": place.account},
        "ArnEquals": {"aws:SourceArn": arn},
    }
    parameters = {"RoleName": "role", "PolicyName": "policy", "Path": "/"}
    validate_request("CreateRole", {**parameters, "AssumeRolePolicyDocument": written.trust_policy}, {})
    roles = {"role": Role("role", {})}
    validate_request("PutRolePolicy", {**parameters, "PolicyDocument": written.role_policy}, roles)


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Count the examples by outcome, for the run's summary."""
    counts: dict[str, int] = {}

    def add(outcome: str) -> None:
        counts[outcome] = counts.get(outcome, 0) + 1
        record_property("figure", {"generated settings": counts})

    return add


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(drawn=valid())
def test_valid_settings_produce_complete_valid_documents(
    drawn: tuple[dict[str, Any], dict[str, Any]], count: Callable[[str], None]
):
    given_settings, expected = drawn
    check_documents(result_of(given_settings, expected["place"]), given_settings, expected)
    count("valid, and the documents contain them")


WRONG_TYPES = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.lists(st.none(), min_size=1), st.binary(min_size=1)
)


@st.composite
def invalid(draw: st.DrawFn) -> tuple[dict[str, Any], Location, str]:
    """Draw settings that are valid except for one value, which no format accepts."""
    result, expected = draw(valid())
    candidates = [name for name in result if name not in ("tags", "allow_network_interface_deletion")]
    name = draw(st.sampled_from([candidate for candidate in candidates if result[candidate]]))
    value = result[name]
    holder: Any = result
    key: Any = name
    if isinstance(value, dict):
        holder = value[draw(st.sampled_from(sorted(value)))]
        key = draw(st.integers(0, len(holder) - 1))
        value = holder[key]
    at = draw(st.integers(0, len(value)))
    injected = st.sampled_from(INJECTIONS).map(lambda injection: f"{value[:at]}{injection}{value[at:]}")
    holder[key] = draw(st.one_of(injected, WRONG_TYPES))
    return result, expected["place"], name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(drawn=invalid())
def test_error_names_setting_with_invalid_value(
    drawn: tuple[dict[str, Any], Location, str], count: Callable[[str], None]
):
    given_settings, place, name = drawn
    with pytest.raises(SettingsError) as caught:
        result_of(given_settings, place)
    assert name in {problem.path[0] for problem in caught.value.problems}
    assert str(caught.value).isascii() or "/…/" in str(caught.value)
    count("invalid in one value, and rejected")


ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), IDS, SECRET_NAMES
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner)),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    given_settings=st.dictionaries(
        st.one_of(st.sampled_from([*SETTINGS]), st.text(max_size=9)), ANYTHING
    )
)
def test_arbitrary_settings_are_valid_or_rejected(
    given_settings: dict[str, Any], count: Callable[[str], None]
):
    try:
        result = result_of(given_settings, Location("aws", "us-east-1", "111122223333"))
    except SettingsError:
        count("arbitrary, and rejected")
    else:
        assert result.role_policy is not None
        count("arbitrary, and valid")
