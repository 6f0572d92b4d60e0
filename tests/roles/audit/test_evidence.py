"""`roles audit` asks what else AWS says before it calls access missing."""

import json
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT
from tests.helpers.world import INDEX_ARN, INGEST, KEY_ARN, World, allow, deny
from tests.roles.audit.help import result

pytestmark = pytest.mark.slow

DENIED_INGESTION: Final = "User is not authorized to perform: qbusiness:BatchPutDocument"
CONSOLE_ROLES: Final = f"arn:aws:iam::{ACCOUNT}:role/QBusiness-DataSource-*"


def add_ingesting_index(world: World, *more: dict[str, Any]) -> str:
    ingest = allow(INGEST, INDEX_ARN, Sid="Ingest")
    return world.add_own(ingest, *more, without="AllowsAmazonQToIngestDocuments")


def test_index_alone_is_a_remark(world: World):
    identifier = add_ingesting_index(world)
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (0, "equivalent")
    (role,) = said.json["roles"]
    (remark,) = role["remarks"]
    assert remark.startswith(
        "qbusiness-aem-connector, AllowsAmazonQToIngestDocuments: AWS's pages disagree"
    )
    assert remark.endswith(": no sync says more")


def test_failed_ingestion_counts_as_missing(world: World):
    identifier = add_ingesting_index(world)
    world.sync(identifier, "FAILED", error={"errorMessage": DENIED_INGESTION})
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (1, "1 missing")
    assert DENIED_INGESTION in json.dumps(said.json["roles"])


def test_denied_ingestion_counts_as_missing(world: World):
    identifier = add_ingesting_index(world, deny(INGEST, "*", Sid="No"))
    said = world.audit("--json")
    assert said.code == 1
    assert "missing" in result(said, identifier)


def test_unreadable_sync_leaves_remark(world: World):
    add_ingesting_index(world)
    world.reject("qbusiness:ListDataSourceSyncJobs")
    said = world.audit("--json")
    assert "the last sync could not be read" in said.out
    assert said.code == 2


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
    passes = allow("iam:PassRole", CONSOLE_ROLES, Sid="Pass", Condition=condition)
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


def test_syncs_and_grants_are_read_only_if_access_is_missing(world: World):
    world.add_own(allow("kms:Decrypt", KEY_ARN))
    world.audit()
    assert not {"qbusiness:ListDataSourceSyncJobs", "kms:ListGrants"} & {*world.server.calls}
