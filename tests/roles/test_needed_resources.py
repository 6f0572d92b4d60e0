"""`adopt` and `audit` read a data source's resources, and say what is wrong with them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from components.connectors import CONNECTORS
from pages.examples import ACCOUNT, OTHER_ACCOUNT
from roles.account import Account, DataSource, Encryption, Role
from roles.errors import InputError, OddAnswerError
from roles.needed_resources import find, find_recreated, read_requirements
from roles.policies import Secret

EUROPE = "eu-west-1"
APPLICATION = f"arn:aws:qbusiness:{EUROPE}:{ACCOUNT}:application/a1"
SOURCE = DataSource("a1", "", "i1", "", "s1", "Pages", "AEM", "ACTIVE", EUROPE)
SECRET = f"arn:aws:secretsmanager:{EUROPE}:{ACCOUNT}:secret:own-a1B2c3"
AGAIN = f"{SECRET[:-6]}d4E5f6"
PROXY = f"arn:aws:secretsmanager:{EUROPE}:{ACCOUNT}:secret:proxy-a1B2c3"
KEY = f"arn:aws:kms:{EUROPE}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ALIAS = KEY.replace("key/1234abcd-12ab-34cd-56ef-1234567890ab", "alias/own")
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/q/own"
WITHOUT_PATH = ROLE_ARN.replace("/q/", "/")
ROLE = Role(ROLE_ARN, "AROA", "own", "/q/", "", "", 3600, {}, {}, {}, (), {}, None, None)
AEM: dict[str, Any] = {"type": "AEM", "secretArn": SECRET}
WITH_PROXY = {
    "type": "WEBCRAWLERV2",
    "secretArn": SECRET,
    "additionalProperties": {"proxy": {"secretArn": PROXY}},
}
FILES = {"type": "S3V2", "connectionConfiguration": {"bucketName": "files"}}
OWNED = {
    "type": "S3V2",
    "connectionConfiguration": {"bucketName": "files", "bucketOwnerAccountId": OTHER_ACCOUNT},
}
SEEDS = {"type": "WEBCRAWLERV2", "secretArn": SECRET, "s3SeedUrl": "s3://files/seeds"}


def fails(operation: str, code: str) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "said"}, "ResponseMetadata": {}}
    return ClientError(response, operation)


GONE = {
    "secret": fails("DescribeSecret", "ResourceNotFoundException"),
    "key": fails("DescribeKey", "NotFoundException"),
    "bucket": fails("GetBucketEncryption", "NoSuchBucket"),
    "role": fails("GetRole", "NoSuchEntity"),
}
DENIED = {
    "secret": fails("DescribeSecret", "AccessDeniedException"),
    "key": fails("DescribeKey", "AccessDeniedException"),
    "bucket": fails("GetBucketEncryption", "AccessDenied"),
    "role": fails("GetRole", "AccessDenied"),
}


class Stub:
    """An account whose answers are values or errors, by kind of resource or by name."""

    region = EUROPE

    def __init__(self, configuration: Mapping[str, Any], answers: Mapping[str, Any]) -> None:
        role: Any = {"roleArn": answers.get("roleArn", ROLE_ARN)}
        self.reply = {
            "dataSourceArn": f"{APPLICATION}/index/i1/data-source/s1",
            "type": configuration["type"],
            "configuration": configuration,
            **role,
        }
        self.answers = answers

    def answer(self, kind: str, name: str, default: Any) -> Any:
        found = self.answers.get(name, self.answers.get(kind, default))
        if isinstance(found, Exception):
            raise found
        return found

    def data_source(self, _: DataSource) -> Any:
        return self.reply

    def secret(self, name: str) -> Any:
        return self.answer("secret", name, {"ARN": name if ":" in name else SECRET})

    def customer_managed_key(self, name: str | None) -> Any:
        return name and self.answer("key", name, name)

    def bucket_encryption(self, name: str, owner: str) -> Any:
        return self.answer("bucket", f"{name} of {owner}", Encryption("AES256", None))

    def role(self, name: str) -> Any:
        return self.answer("role", name, ROLE)


def read(configuration: Mapping[str, Any], answers: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Return the requirements, and each finding's state, text, and details in one line."""
    account = cast("Account", Stub(configuration, answers))
    found, findings = read_requirements(account, SOURCE)
    return found, [f"{each.state}: {' | '.join((each.text, *each.details))}" for each in findings]


WITH_KEY = {"secret": {"ARN": SECRET, "KmsKeyId": KEY}}
NO_ROLE = "add an entry for the data source to a stack, run `pulumi up`, then "
OF_SECRETS = (
    "so the key is assumed to be customer managed: if AWS manages it (aws/secretsmanager, aws/s3), "
)
NOT_KNOWN = "note: the account that owns the bucket files is unknown: the configuration of data "
DELETED = datetime(2026, 1, 1, tzinfo=UTC)
TO_KEEP = "is scheduled for deletion: to keep it, run `aws secretsmanager restore-secret"
RESTORE = f"{TO_KEEP} --region {EUROPE} --secret-id "


@pytest.mark.parametrize(
    ("configuration", "answers", "starts", "unknown"),
    [
        (AEM, {}, [], ()),
        (AEM, WITH_KEY, [], ()),
        (
            AEM,
            {SECRET: GONE["secret"], SECRET[:-7]: GONE["secret"]},
            [f"problem: secret does not exist | there is no secret {SECRET}: point the data source to"],
            ("secret", "key"),
        ),
        (
            AEM,
            {SECRET: GONE["secret"], SECRET[:-7]: {"ARN": AGAIN}},
            [f"problem: secret does not exist | there is no secret {SECRET}, but {AGAIN} has the same"],
            ("secret", "key"),
        ),
        (
            AEM,
            {"secret": DENIED["secret"]},
            ["skipped: secretsmanager:DescribeSecret is not allowed | secretsmanager:DescribeSecret i"],
            ("key",),
        ),
        (
            {**AEM, "secretArn": "own"},
            {"secret": DENIED["secret"]},
            ["skipped: secretsmanager:DescribeSecret is not allowed | "],
            ("secret", "key"),
        ),
        (
            AEM,
            {"secret": fails("DescribeSecret", "InvalidRequestException")},
            ["skipped: secretsmanager:DescribeSecret failed (InvalidRequestException: said): repeat"],
            ("key",),
        ),
        (
            AEM,
            {"secret": OddAnswerError(operation="x", reason="is odd")},
            ["skipped: the response to x is odd"],
            ("key",),
        ),
        (
            {"type": "AEM"},
            {},
            ["problem: invalid | the configuration of data source s1 (AEM) has no secretArn, but the"],
            ("secret", "key"),
        ),
        ({"type": "WEBCRAWLERV2"}, {}, [], ()),
        (
            AEM,
            {"secret": {"ARN": SECRET, "DeletedDate": DELETED}},
            [f"problem: secret is scheduled for deletion | the secret {SECRET} {RESTORE}{SECRET}`"],
            (),
        ),
        # The secret's key.
        (
            AEM,
            {**WITH_KEY, "key": GONE["key"]},
            [f"problem: key does not exist | there is no key {KEY}: encrypt the secret or the bucket"],
            ("key",),
        ),
        (
            AEM,
            {**WITH_KEY, "key": DENIED["key"]},
            [f"note: kms:DescribeKey is not allowed on {KEY}, {OF_SECRETS}leave kmsKeyId out"],
            (),
        ),
        (
            AEM,
            {"secret": {"ARN": SECRET, "KmsKeyId": ALIAS}, "key": DENIED["key"]},
            ["skipped: kms:DescribeKey is not allowed | kms:DescribeKey is not allowed (said): allow"],
            ("key",),
        ),
        # The secret of a proxy.
        (
            WITH_PROXY,
            {PROXY: GONE["secret"]},
            [f"problem: secret does not exist | there is no secret {PROXY}: point the data source to"],
            (),
        ),
        (
            WITH_PROXY,
            {PROXY: {"ARN": PROXY, "DeletedDate": DELETED}},
            [f"problem: secret is scheduled for deletion | the secret {PROXY} is scheduled for deleti"],
            (),
        ),
        (
            WITH_PROXY,
            {PROXY: {"ARN": PROXY, "KmsKeyId": KEY}, KEY: DENIED["key"]},
            [f"note: kms:DescribeKey is not allowed on {KEY}, {OF_SECRETS}"],
            (),
        ),
        # The bucket with the documents.
        (FILES, {}, [], ()),
        (
            FILES,
            {"bucket": GONE["bucket"]},
            ["problem: bucket does not exist | there is no bucket files: point the data source to an"],
            ("bucket", "key"),
        ),
        (
            FILES,
            {"bucket": DENIED["bucket"]},
            [
                "note: s3:GetEncryptionConfiguration is not allowed on the bucket files: if a customer",
                NOT_KNOWN,
            ],
            (),
        ),
        (
            OWNED,
            {"bucket": DENIED["bucket"]},
            ["note: s3:GetEncryptionConfiguration is not allowed on the bucket files: if a customer m"],
            (),
        ),
        (
            FILES,
            {"bucket": ParamValidationError(report="Invalid\n  name")},
            ["problem: invalid | Parameter validation failed: Invalid name"],
            ("bucket", "key"),
        ),
        (
            FILES,
            {"bucket": Encryption("aws:kms", KEY), "key": GONE["key"]},
            [f"problem: key does not exist | there is no key {KEY}: encrypt the secret or the bucket"],
            ("key",),
        ),
        # A bucket with other files.
        (
            SEEDS,
            {"bucket": GONE["bucket"]},
            ["note: there is no bucket files: point the data source"],
            (),
        ),
        (SEEDS, {"bucket": DENIED["bucket"]}, [NOT_KNOWN], ()),
        (
            {**SEEDS, "s3SiteMapUrl": "s3://more/map"},
            {},
            ["note: the configuration of data source s1 (WEBCRAWLERV2) refers to several buckets (fil"],
            (),
        ),
        (
            {**AEM, "bucketName": "files"},
            {"bucket": GONE["bucket"]},
            ["note: the configuration of data source s1 (AEM) refers to the bucket files, but the pro"],
            (),
        ),
    ],
)
def test_every_fault_of_a_resource_is_a_finding(
    configuration: dict[str, Any], answers: dict[str, Any], starts: list[str], unknown: tuple[str, ...]
):
    found, findings = read(configuration, answers)
    assert len(findings) == len(starts)
    assert [text.startswith(start) for text, start in zip(findings, starts, strict=True)] == [
        True
    ] * len(starts), findings
    assert found.unknown == unknown


@pytest.mark.parametrize(
    ("answers", "start"),
    [
        ({"roleArn": None}, f"problem: invalid | data source s1 (AEM) has no role: {NO_ROLE}"),
        (
            {"roleArn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/q/own"},
            f"problem: invalid | data source s1 (AEM) is in account {ACCOUNT}, but its role is in acc",
        ),
        (
            {"role": GONE["role"]},
            f"problem: role does not exist | there is no role {ROLE_ARN}: {NO_ROLE}",
        ),
        (
            {"roleArn": WITHOUT_PATH},
            f"problem: role does not exist | there is no role {WITHOUT_PATH}, but {ROLE_ARN} has the ",
        ),
        ({"role": DENIED["role"]}, "skipped: iam:GetRole is not allowed | iam:GetRole is not allowed ("),
    ],
)
def test_without_usable_role_there_are_no_requirements(answers: dict[str, Any], start: str):
    found, (finding,) = read(AEM, answers)
    assert found is None
    assert finding.startswith(start)


@pytest.mark.parametrize("code", ["ExpiredToken", "Throttling"])
@pytest.mark.parametrize("kind", ["secret", "key", "role"])
def test_error_that_concerns_every_call_is_raised(kind: str, code: str):
    with pytest.raises(ClientError):
        read(AEM, {**WITH_KEY, kind: fails("GetRole", code)})


@pytest.mark.parametrize(
    ("configuration", "answers", "expected"),
    [
        (AEM, WITH_KEY, {"secret_arn": SECRET, "key_arn": KEY, "named_secret": SECRET}),
        ({**AEM, "secretArn": "own"}, {}, {"secret_arn": SECRET, "named_secret": "own"}),
        (AEM, {"secret": DENIED["secret"]}, {"secret_arn": SECRET}),
        ({**AEM, "secretArn": "own"}, {"secret": DENIED["secret"]}, {"secret_arn": None}),
        (AEM, {**WITH_KEY, "key": DENIED["key"]}, {"key_arn": KEY}),
        (WITH_PROXY, {}, {"other_secrets": (Secret(PROXY, None),)}),
        (WITH_PROXY, {PROXY: {"ARN": PROXY, "KmsKeyId": KEY}}, {"other_secrets": (Secret(PROXY, KEY),)}),
        (WITH_PROXY, {PROXY: DENIED["secret"]}, {"other_secrets": (Secret(PROXY, None),)}),
        (WITH_PROXY, {PROXY: GONE["secret"]}, {"other_secrets": ()}),
        (WITH_PROXY, {PROXY: {"ARN": SECRET}}, {"other_secrets": ()}),
        (
            {**WITH_PROXY, "additionalProperties": {"proxy": {"secretArn": "proxy"}}},
            {"proxy": DENIED["secret"]},
            {"other_secrets": ()},
        ),
        (FILES, {}, {"bucket": "files", "bucket_account": None, "bucket_account_is_known": True}),
        (
            FILES,
            {"bucket": DENIED["bucket"]},
            {"bucket_account": None, "bucket_account_is_known": False, "key_arn": None},
        ),
        (FILES, {"bucket": GONE["bucket"]}, {"bucket": "files", "bucket_account_is_known": True}),
        (
            OWNED,
            {f"files of {OTHER_ACCOUNT}": Encryption("aws:kms", KEY)},
            {"bucket_account": OTHER_ACCOUNT, "bucket_account_is_known": True, "key_arn": KEY},
        ),
        # The key of a bucket with other files is not a setting.
        (SEEDS, {"bucket": Encryption("aws:kms", KEY)}, {"bucket": "files", "key_arn": None}),
        (SEEDS, {"bucket": DENIED["bucket"]}, {"bucket_account_is_known": False}),
        ({**AEM, "bucketName": "files"}, {}, {"bucket": None}),
    ],
)
def test_resources_become_requirements(
    configuration: dict[str, Any], answers: dict[str, Any], expected: dict[str, Any]
):
    found, _ = read(configuration, answers)
    assert {name: getattr(found, name) for name in expected} == expected
    assert (found.application_arn, found.region, found.index_id) == (APPLICATION, EUROPE, "i1")


def test_given_connector_overrides_the_type():
    account = cast("Account", Stub({**AEM, "type": "CUSTOM"}, {}))
    found, _ = read_requirements(account, SOURCE, CONNECTORS["box"])
    assert found
    assert found.connector.name == "box"
    with pytest.raises(InputError, match="this program has no connector of type CUSTOM"):
        read_requirements(account, SOURCE)


def test_deleted_data_source_is_a_finding():
    def gone() -> None:
        raise fails("GetDataSource", "ResourceNotFoundException")

    faults: list[Any] = []
    assert find(gone, "s1", faults) is None
    (fault,) = faults
    assert (fault.state, fault.details) == ("problem", ("there is no data source s1: it was deleted",))


@pytest.mark.parametrize(
    ("named", "answer", "found"),
    [
        (SECRET, {"ARN": AGAIN}, AGAIN),
        (SECRET, {"ARN": SECRET}, None),
        (SECRET, {"ARN": SECRET.replace(":own-", ":another-")}, None),
        (SECRET, DENIED["secret"], None),
        (SECRET, GONE["secret"], None),
        ("own", {"ARN": AGAIN}, None),
    ],
)
def test_recreated_secret_has_the_same_name(named: str, answer: Any, found: str | None):
    account = cast("Account", Stub(AEM, {"secret": answer}))
    assert find_recreated(account, named) == found
