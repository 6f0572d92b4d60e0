"""Tests `roles/audit/survey.py`, `roles/applications.py`, and `roles/sources.py`."""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, OTHER_ACCOUNT, REGION
from roles.actions import ACTIONS
from roles.applications import trusts_only
from tests.helpers.world import (
    OTHER_ID,
    THROUGH_SECRETS_MANAGER,
    TRUST,
    WIDE,
    World,
    allow,
    data_source_id,
    own_policy,
    policy,
    s3_policy,
)
from tests.roles.audit.help import add_granted, complete_world, create_key

GET_SECRET: Final = "AllowsAmazonQToGetSecret"


TOLD: Final = {
    "kms:ListGrants": "the key policy depends on KMS grants",
    "organizations:DescribeOrganization": "the key policy depends on aws:PrincipalOrgID",
    "s3:GetEncryptionConfiguration": "the account that owns the bucket",
    **{
        action: f"to decide this, allow {action} (docs/read-permissions.md)"
        for action in ("kms:ListResourceTags", "s3:GetBucketAbac", "s3:GetBucketTagging")
    },
}
"""Parts of the messages about denied actions; other messages say that the action is not allowed."""


@pytest.mark.slow
def test_audit_continues_and_reports_a_missing_permission(world: World):
    complete_world(world)
    add_granted(world)
    unasked = ("sts:GetCallerIdentity", "secretsmanager:GetResourcePolicy")
    for action in sorted({*ACTIONS["audit"]}.difference(unasked)):
        world.server.rejections.clear()
        world.reject(action)
        said = world.audit("--json")
        told = [line for each in said.json["findings"] for line in (each["text"], *each["details"])]
        is_extra = action in ("iam:ListRoles", "qbusiness:ListDataSourceSyncJobs")
        assert (action, said.code) == (action, 0 if is_extra else 2)
        assert any(TOLD.get(action, f"{action} is not allowed") in each for each in told), (action, told)


@pytest.mark.slow
def test_dangerous_access_is_reported_despite_unreadable_policies(world: World):
    world.add_own()
    world.reject("secretsmanager:DescribeSecret", "iam:GetPolicyVersion")
    said = world.audit("--json")
    assert (said.code, said.json["dataSources"][0]["result"]) == (2, "not completely compared")
    world.attach("qbusiness-Pages", "rest")
    world.put_policy(WIDE, "wide", "qbusiness-Pages")
    said = world.audit("--json")
    assert said.code == 1
    assert said.json["dataSources"][0]["result"] == "1 dangerous, not completely compared"
    text = "iam:GetPolicyVersion is not allowed for these credentials"
    assert ("not compared", text) in [(each["kind"], each["text"]) for each in said.json["findings"]]


def test_data_source_deleted_during_the_run_is_left_out(world: World):
    world.add_own()
    deleted = {"dataSourceId": OTHER_ID, "displayName": "Old", "type": "AEM"}

    def list_deleted(body: bytes) -> bytes:
        reply = json.loads(body)
        return json.dumps({**reply, "dataSources": [*reply["dataSources"], deleted]}).encode()

    world.server.spoil["qbusiness:ListDataSources"] = list_deleted
    said = world.audit("--json")
    assert (said.code, len(said.json["dataSources"])) == (0, 1)
    assert f"data source Old {OTHER_ID} was deleted after it was listed\n" in said.err


@pytest.mark.slow
def test_shared_resources_are_read_once(world: World):
    secrets = [world.secret(f"secret-{number}") for number in range(5)]
    roles = [world.role(f"qbusiness-{number}", own_policy(it)) for number, it in enumerate(secrets)]
    for number in range(100):
        world.add(f"Pages-{number}", roles[number % 5], secrets[number % 5])
    said = world.audit()
    assert said.code == 0
    assert f"\ndata sources in us-east-1, account {ACCOUNT}: 100 equivalent\n" in said.out
    once = ("GetCallerIdentity", "ListApplications", "ListIndices", "ListRoles")
    role = ("GetRole", "ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies")
    secret = ("DescribeSecret", "ListSecretVersionIds")
    assert Counter(name.partition(":")[2] for name in world.server.calls) == {
        **dict.fromkeys(once, 1),
        "ListDataSources": 10,
        "GetDataSource": 100,
        **dict.fromkeys((*role, *secret), 5),
    }
    # A failed call is not repeated, either.
    world.reject("secretsmanager:DescribeSecret")
    assert world.audit().code == 2
    assert world.server.calls.count("secretsmanager:DescribeSecret") == 5


@pytest.mark.slow
def test_role_is_compared_with_needs_in_all_audited_regions(world: World):
    def both(document: str) -> str:
        here = json.loads(document)["Statement"]
        there = json.loads(document.replace(f":{REGION}:", ":eu-west-1:"))["Statement"]
        return policy(*here, *({**each, "Sid": f"{each['Sid']}There"} for each in there))

    world.bucket()
    role_arn = world.role("qbusiness-s3", both(s3_policy("qbusiness-s3")), trust=both(TRUST))
    configuration = {"type": "S3V2", "connectionConfiguration": {"bucketName": "documents"}}
    world.add("Files", role_arn, kind="S3V2", configuration=configuration)
    there = world.server.elsewhere("eu-west-1")
    there.add(APPLICATION_ID, displayName="Docs")
    there.add(APPLICATION_ID, INDEX_ID, displayName="Main")
    entries = {"type": "S3V2", "configuration": configuration, "roleArn": role_arn}
    there.add(APPLICATION_ID, INDEX_ID, data_source_id(2), displayName="Files", **entries)
    assert f" {REGION}, account {ACCOUNT}: 1 different\n" in world.audit().out
    said = world.audit("--region", REGION, "--region", "eu-west-1", "--region", REGION)
    assert f" {REGION}, eu-west-1, account {ACCOUNT}: 2 different\n" in said.out
    assert "in excess" not in said.out


# Syncs and keys.


def test_data_source_that_failed_to_sync_is_listed_first(world: World):
    synced = world.add_own(name="A", without=GET_SECRET)
    failed = world.add_own(name="B", without=GET_SECRET)
    world.sync(synced, "SUCCEEDED")
    world.sync(failed, "FAILED", error={"errorMessage": "Access denied"})
    said = world.audit("--json").json
    assert [each["dataSourceId"] for each in said["dataSources"]] == [failed, synced]
    at = "its last sync, at 2026-11-01 12:30 UTC, has the status"
    assert [each["lastSyncs"] for each in said["findings"]] == [
        [f"B {failed}: {at} FAILED: Access denied"],
        [f"A {synced}: {at} SUCCEEDED"],
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("condition", "expected"), [(True, "equivalent"), (False, "1 in excess")])
def test_key_of_current_secret_version_is_needed(world: World, condition: bool, expected: str):
    earlier, later = create_key(world), create_key(world)
    more = {"Condition": THROUGH_SECRETS_MANAGER} if condition else {}
    decrypt = allow("kms:Decrypt", [earlier, later], Sid="Key", **more)
    world.add_own(decrypt, secret={"KmsKeyId": earlier})
    version = {"VersionId": 32 * "a", "VersionStages": ["AWSCURRENT"], "KmsKeyIds": [earlier]}
    world.server.answers["secretsmanager:ListSecretVersionIds"] = {"Versions": [version]}
    world.client("secretsmanager").update_secret(SecretId=world.secret_arn, KmsKeyId=later)
    assert world.audit("--json").json["dataSources"][0]["result"] == expected


# Unused roles.


def changed(*more: dict[str, Any], **changes: Any) -> str:
    """Return the trust policy with changes to its statement; None removes an element."""
    (statement,) = json.loads(TRUST)["Statement"]
    return policy(
        {name: its for name, its in {**statement, **changes}.items() if its is not None}, *more
    )


OTHER_ARN: Final = APPLICATION_ARN.replace(APPLICATION_ID, "b" * 36)
NOT_AUDITED: Final = APPLICATION_ARN.replace(APPLICATION_ID, "c" * 36)
EVERYBODY: Final = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}


@pytest.mark.parametrize(
    ("trust", "only"),
    [
        (TRUST.replace("ArnEquals", "ArnLike"), True),
        (TRUST.replace(APPLICATION_ID, "*").replace("ArnEquals", "ArnLike"), False),
        (TRUST.replace(ACCOUNT, OTHER_ACCOUNT), False),
        (changed(Condition={}), False),
        (changed(Condition={"ArnEquals": {"aws:SourceArn": [APPLICATION_ARN, OTHER_ARN]}}), True),
        (changed(Condition={"ArnEquals": {"aws:SourceArn": [APPLICATION_ARN, NOT_AUDITED]}}), False),
        (changed(Principal={"Service": ["qbusiness.amazonaws.com", "ec2.amazonaws.com"]}), False),
        (changed(Principal=None, NotPrincipal={"Service": "qbusiness.amazonaws.com"}), False),
        (changed(Effect="Deny"), False),
        # Every Allow statement counts, but a Deny statement adds no principal.
        (changed(EVERYBODY), False),
        (changed({**EVERYBODY, "Effect": "Deny"}), True),
    ],
)
def test_role_can_be_reported_as_unused_if_it_trusts_only_audited_applications(trust: str, only: bool):
    assert trusts_only([OTHER_ARN, APPLICATION_ARN], trust) is only


def test_unused_roles_and_last_uses_are_shown(world: World):
    world.add_own()
    role_arn, hook_arn = world.role("qbusiness-Old"), world.role("qbusiness-hook")
    hook = {"preExtractionHookConfiguration": {"roleArn": hook_arn}}
    world.add("Hooked", world.role_arn, world.secret_arn, documentEnrichmentConfiguration=hook)

    def unused() -> dict[str, str]:
        found = world.audit("--json").json["findings"]
        return {each["role"]: each["text"] for each in found if each["kind"] == "unused"}

    created = f"created on {datetime.now(UTC):%Y-%m-%d}"
    text = f"{created}; IAM has recorded no use in its 400-day tracking period"
    assert unused() == {role_arn: f"no data source uses it; {text}"}
    use = b"<RoleLastUsed><LastUsedDate>2026-10-01T12:00:00Z</LastUsedDate></RoleLastUsed>"
    world.server.spoil["iam:GetRole"] = lambda body: re.sub(rb"<RoleLastUsed.*(?=</Role>)", use, body)
    assert unused() == {role_arn: "no data source uses it; last used on 2026-10-01"}
    assert re.search(r"^Pages .* 2 +2026-10-01  equivalent$", world.audit().out, re.MULTILINE)
    # A data source that could not be read might use the role.
    world.reject("qbusiness:GetDataSource")
    assert unused() == {}
