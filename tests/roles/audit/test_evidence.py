"""`roles audit` asks what else AWS says before it calls access missing."""

import json
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, REGION
from tests.helpers.world import (
    INDEX_ARN,
    INGEST,
    THROUGH_SECRETS_MANAGER,
    TRUST,
    World,
    allow,
    deny,
    policy,
)
from tests.roles.audit.help import create_key, result

DENIED_INGESTION: Final = "User is not authorized to perform: qbusiness:BatchPutDocument"
THROUGH: Final = f"secretsmanager.{REGION}.amazonaws.com"
CONSOLE_ROLES: Final = f"arn:aws:iam::{ACCOUNT}:role/QBusiness-DataSource-*"


INGEST_INDEX: Final = allow(INGEST, INDEX_ARN, Sid="Ingest")
INGESTION: Final = "AllowsAmazonQToIngestDocuments"
INSECURE: Final = {"Bool": {"aws:SecureTransport": "false"}}
TO_SERVICE: Final = {"StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}}
PASSED: Final = [CONSOLE_ROLES, CONSOLE_ROLES.replace(":role/", ":role/service-role/")]
STATEMENTS: Final[dict[str, Any]] = {
    "index": ([INGEST_INDEX], INGESTION, "equivalent", ": no sync has settled it"),
    "denied": (
        [INGEST_INDEX, deny(INGEST, "*", Sid="No")],
        INGESTION,
        "1 missing, 1 denying",
        '"finding": "missing"',
    ),
    "denied under a condition": (
        [INGEST_INDEX, deny("*", "*", Sid="Guard", Condition=INSECURE)],
        INGESTION,
        "1 denying",
        f"not counted: qbusiness-aem-connector, {INGESTION}: AWS's pages ",
    ),
    "console": (
        [allow("iam:PassRole", PASSED, Sid="Pass", Condition=TO_SERVICE)],
        "",
        "equivalent",
        "Pass: passes roles that the console names, as AWS's page does",
    ),
    "console, any service": (
        [allow("iam:PassRole", CONSOLE_ROLES, Sid="Pass")],
        "",
        "1 in excess",
        '"statement": "Pass"',
    ),
}
"""A role's other statements, the Sid of the one that it lacks, the result, and a part of the output."""


@pytest.mark.parametrize(("more", "without", "expected", "text"), STATEMENTS.values(), ids=[*STATEMENTS])
def test_difference_counts_unless_aws_pages_explain_it(
    world: World, more: list[dict[str, Any]], without: str, expected: str, text: str
):
    identifier = world.add_own(*more, without=without)
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (expected != "equivalent", expected)
    assert text in said.out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (DENIED_INGESTION, "1 missing"),
        ("Throttled: BatchPutDocument", "equivalent"),
        (f"not authorized: qbusiness:BatchPutDocument on resource {INDEX_ARN}", "equivalent"),
    ],
)
def test_sync_settles_ingestion_only_if_it_was_denied(world: World, message: str, expected: str):
    identifier = world.add_own(INGEST_INDEX, without=INGESTION)
    world.sync(identifier, "FAILED", error={"errorMessage": message})
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (expected != "equivalent", expected)
    assert (DENIED_INGESTION in json.dumps(said.json["roles"])) == (message == DENIED_INGESTION)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("granted", "code", "text"),
    [
        ({}, 0, "a KMS grant lets the role decrypt with"),
        ({"Constraints": {"EncryptionContextSubset": {"a": "b"}}}, 2, "a KMS grant may let the role"),
        ({"Operations": ["Encrypt"]}, 1, "1 missing"),
    ],
)
def test_grant_replaces_missing_decryption(world: World, granted: dict[str, Any], code: int, text: str):
    kms = world.client("kms")
    key = kms.create_key()["KeyMetadata"]
    world.add_own(secret={"KmsKeyId": key["Arn"]})
    grant: Any = {"Operations": ["Decrypt"], **granted}
    kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=world.role_arn, **grant)
    said = world.audit("--json")
    assert said.code == code
    assert text in said.out


def test_data_source_that_failed_to_sync_comes_first(world: World):
    synced = world.add_own(name="A", without="AllowsAmazonQToGetSecret")
    failed = world.add_own(name="B", without="AllowsAmazonQToGetSecret")
    world.sync(synced, "SUCCEEDED")
    world.sync(failed, "FAILED", error={"errorMessage": "Access denied"})
    said = world.audit("--json")
    found = said.json["dataSources"]
    assert [each["dataSourceId"] for each in found] == [failed, synced]
    assert [each["remarks"] for each in found] == [
        ["the last sync of 2026-11-01 has the status FAILED: Access denied"],
        ["the last sync of 2026-11-01 has the status SUCCEEDED"],
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "condition",
    [
        {"Bool": {"aws:SecureTransport": "true"}},
        {"StringEquals": {"aws:RequestedRegion": REGION}},
        {"StringEquals": {"aws:ResourceAccount": ACCOUNT}},
    ],
)
def test_condition_that_requests_meet_is_no_difference(world: World, condition: dict[str, Any]):
    identifier = world.add_own(without="AllowsAmazonQToGetSecret")
    reads = allow("secretsmanager:GetSecretValue", world.secret_arn, Condition=condition)
    world.put_policy(policy(reads), "reads", "qbusiness-Pages")
    assert result(world.audit("--json"), identifier) == "equivalent"


@pytest.mark.slow
def test_decryption_through_one_region_is_no_difference(world: World):
    key = world.client("kms").create_key()["KeyMetadata"]["Arn"]
    decrypt = allow("kms:Decrypt", key, Condition={"StringEquals": {"kms:ViaService": THROUGH}})
    identifier = world.add_own(decrypt, secret={"KmsKeyId": key})
    assert result(world.audit("--json"), identifier) == "equivalent"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("condition", "code", "text"),
    [
        ({"Bool": {"aws:SecureTransport": "true"}}, 0, '"result": "equivalent"'),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, 0, "differs, but lets"),
        ({"StringEquals": {"aws:SourceOrgID": "o-a1b2c3d4e5"}}, 2, "differs, but may let"),
        ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, 1, "1 missing"),
    ],
)
def test_trust_policy_is_decided(world: World, condition: dict[str, Any], code: int, text: str):
    document = json.loads(TRUST)
    document["Statement"][0]["Condition"] |= condition
    if "StringEquals" in condition:
        document["Statement"][0]["Condition"]["StringEquals"] |= {"aws:SourceAccount": ACCOUNT}
    world.add_own(trust=json.dumps(document))
    said = world.audit("--json")
    assert said.code == code
    assert text in said.out


ROLE: Final = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/qbusiness-Pages"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("denials", "expected", "text"),
    [
        ([], "equivalent", "the key policy of KEY lets the role do this"),
        ([deny("kms:*", "*", Sid="No")], "1 missing, 1 denying", '"statement": "No"'),
    ],
)
def test_key_policy_provides_access_unless_a_policy_denies_it(
    world: World, denials: list[dict[str, Any]], expected: str, text: str
):
    key = create_key(world, allow("kms:Decrypt", "*", Principal=ROLE))
    identifier = world.add_own(*denials, secret={"KmsKeyId": key})
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (expected != "equivalent", expected)
    assert text in said.out.replace(key, "KEY")


@pytest.mark.slow
def test_access_by_secret_policy_is_a_remark(world: World):
    identifier = world.add_own(without="AllowsAmazonQToGetSecret")
    grants = policy(allow("secretsmanager:GetSecretValue", "*", Principal=ROLE))
    world.client("secretsmanager").put_resource_policy(SecretId=world.secret_arn, ResourcePolicy=grants)
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (0, "equivalent")
    assert f"the secret policy of {world.secret_arn} lets the role do this" in said.out


def test_unreadable_key_policy_leaves_comparison_incomplete(world: World):
    identifier = world.add_own(secret={"KmsKeyId": create_key(world)})
    world.reject("kms:GetKeyPolicy")
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (2, "1 missing, not completely compared")
    assert "may let the role do this: kms:GetKeyPolicy is not allowed" in said.out


def change_key(world: World, **condition: Any) -> tuple[str, str]:
    """Change the key of a secret, but not of its current version, and let the role use that key.

    Return the data source's ID and the earlier key.
    """
    earlier, later = create_key(world), create_key(world)
    decrypt = allow("kms:Decrypt", earlier, Sid="Key", **condition)
    identifier = world.add_own(decrypt, secret={"KmsKeyId": earlier})
    version = {"VersionId": 32 * "a", "VersionStages": ["AWSCURRENT"], "KmsKeyIds": [earlier]}
    world.server.answers["secretsmanager:ListSecretVersionIds"] = {"Versions": [version]}
    world.client("secretsmanager").update_secret(SecretId=world.secret_arn, KmsKeyId=later)
    return identifier, earlier


@pytest.mark.slow
def test_key_of_current_version_is_a_remark(world: World):
    identifier, earlier = change_key(world, Condition=THROUGH_SECRETS_MANAGER)
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (0, "equivalent")
    decrypt, key = said.json["roles"][0]["remarks"]
    assert decrypt.endswith(
        "DecryptSecret: the secret's current version is encrypted with another key, but the next "
        "version needs this access"
    )
    assert key.endswith(f"connector, Key: a secret's current version is encrypted with {earlier}")


@pytest.mark.slow
def test_decryption_without_condition_is_in_excess(world: World):
    identifier, _ = change_key(world)
    assert result(world.audit("--json"), identifier) == "1 in excess"
