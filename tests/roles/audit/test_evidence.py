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


def add_ingesting_index(world: World, *more: dict[str, Any]) -> str:
    ingest = allow(INGEST, INDEX_ARN, Sid="Ingest")
    return world.add_own(ingest, *more, without="AllowsAmazonQToIngestDocuments")


@pytest.mark.slow
def test_index_alone_is_a_remark(world: World):
    identifier = add_ingesting_index(world)
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (0, "equivalent")
    (role,) = said.json["roles"]
    (remark,) = role["remarks"]
    assert remark.startswith(
        "not counted: qbusiness-aem-connector, AllowsAmazonQToIngestDocuments: AWS's pages "
    )
    assert remark.endswith(": no sync has settled it")


@pytest.mark.slow
def test_failed_ingestion_counts_as_missing(world: World):
    identifier = add_ingesting_index(world)
    world.sync(identifier, "FAILED", error={"errorMessage": DENIED_INGESTION})
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (1, "1 missing")
    assert DENIED_INGESTION in json.dumps(said.json["roles"])


@pytest.mark.slow
def test_denied_ingestion_counts_as_missing(world: World):
    identifier = add_ingesting_index(world, deny(INGEST, "*", Sid="No"))
    said = world.audit("--json")
    assert said.code == 1
    assert "missing" in result(said, identifier)


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


def test_passing_roles_that_console_names_is_a_remark(world: World):
    condition = {"StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}}
    roles = [CONSOLE_ROLES, CONSOLE_ROLES.replace(":role/", ":role/service-role/")]
    passes = allow("iam:PassRole", roles, Sid="Pass", Condition=condition)
    identifier = world.add_own(passes)
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (0, "equivalent")
    assert "Pass: passes roles that the console names, as AWS's page does" in said.out


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
    "message",
    [
        "Throttled: BatchPutDocument",
        f"not authorized: qbusiness:BatchPutDocument on resource {INDEX_ARN}",
    ],
)
def test_other_failures_do_not_settle_ingestion(world: World, message: str):
    identifier = add_ingesting_index(world)
    world.sync(identifier, "FAILED", error={"errorMessage": message})
    assert world.audit().code == 0


@pytest.mark.slow
def test_denial_under_condition_does_not_settle_ingestion(world: World):
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    identifier = add_ingesting_index(world, deny("*", "*", Sid="Guard", Condition=insecure))
    assert result(world.audit("--json"), identifier) == "1 denying"


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


@pytest.mark.slow
def test_passing_roles_of_console_to_any_service_is_in_excess(world: World):
    identifier = world.add_own(allow("iam:PassRole", CONSOLE_ROLES, Sid="Pass"))
    assert result(world.audit("--json"), identifier) == "1 in excess"


ROLE: Final = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/qbusiness-Pages"}


@pytest.mark.slow
def test_access_by_key_policy_is_a_remark(world: World):
    key = create_key(world, allow("kms:Decrypt", "*", Principal=ROLE))
    identifier = world.add_own(secret={"KmsKeyId": key})
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (0, "equivalent")
    assert f"the key policy of {key} lets the role do this" in said.out


@pytest.mark.slow
def test_key_policy_does_not_outrank_denial(world: World):
    key = create_key(world, allow("kms:Decrypt", "*", Principal=ROLE))
    identifier = world.add_own(deny("kms:*", "*", Sid="No"), secret={"KmsKeyId": key})
    assert result(world.audit("--json"), identifier) == "1 missing, 1 denying"


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
