"""roles/audit/survey, roles/applications, sources: what an audit asks and cannot read."""

import json
import re
from collections.abc import Callable
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
    Output,
    World,
    allow,
    data_source_id,
    own_policy,
    policy,
    s3_policy,
)
from tests.roles.audit.help import add_files, add_granted, complete_world, create_key, result

GET_SECRET: Final = "AllowsAmazonQToGetSecret"
ROLE: Final = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/qbusiness-Pages"}


def unread(said: Output) -> list[str]:
    """Return the texts about what was not read."""
    return [each["text"] for each in said.json["findings"] if each["kind"] == "not compared"]


def test_missing_permission_for_the_caller_is_one_line(world: World):
    world.reject("sts:GetCallerIdentity")
    line = world.audit().rejection
    assert line.startswith("audit: sts:GetCallerIdentity is not allowed (AccessDenied by the test)")
    assert line.endswith("docs/read-permissions.md lists the required permissions")
    assert set(world.audit("--json").json) == {"error"}


EVIDENCE: Final = {
    "iam:ListRoles": (0, "iam:ListRoles is not allowed"),
    "kms:ListGrants": (2, "the key policy depends on KMS grants"),
    "organizations:DescribeOrganization": (2, "the key policy depends on aws:PrincipalOrgID"),
    "qbusiness:ListDataSourceSyncJobs": (0, "qbusiness:ListDataSourceSyncJobs is not allowed"),
    "s3:GetBucketPolicy": (2, "s3:GetBucketPolicy is not allowed"),
}
"""Actions that are not always needed, with the exit code, and what is said, without them."""


@pytest.mark.slow
def test_audit_continues_without_a_permission_and_says_so(world: World):
    others = {*ACTIONS["audit"]} - {"sts:GetCallerIdentity", "secretsmanager:GetResourcePolicy"}
    complete_world(world)
    for action in (*sorted(others - {*EVIDENCE}), *EVIDENCE):
        if action in EVIDENCE and "kms:ListGrants" not in world.server.calls:
            add_granted(world)
        world.server.rejections.clear()
        world.reject(action)
        said = world.audit("--json")
        text = "the account that owns the bucket" if "Encryption" in action else f"{action} is not"
        code, text = EVIDENCE.get(action, (2, text))
        told = [line for each in said.json["findings"] for line in (each["text"], *each["details"])]
        assert (action, said.code) == (action, code)
        assert any(text in each for each in told), (action, told)


@pytest.mark.slow
def test_dangers_count_whatever_could_not_be_read(world: World):
    identifier = world.add_own()
    world.reject("secretsmanager:DescribeSecret", "iam:GetPolicyVersion")
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (2, "not completely compared")
    world.attach("qbusiness-Pages", "rest")
    world.put_policy(WIDE, "wide", "qbusiness-Pages")
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (1, "1 dangerous, not completely compared")
    assert "iam:GetPolicyVersion is not allowed for these credentials" in unread(said)


def test_data_source_deleted_in_the_meantime_is_left_out(world: World):
    world.add_own()
    world.list_deleted()
    said = world.audit("--json")
    assert (said.code, len(said.json["dataSources"])) == (0, 1)
    assert f"data source Old {OTHER_ID} was deleted in the meantime\n" in said.err


@pytest.mark.slow
def test_shared_resources_are_read_once(world: World, record_property: Callable[[str, object], None]):
    secrets = [world.secret(f"secret-{number}") for number in range(20)]
    roles = [world.role(f"qbusiness-{number}", own_policy(it)) for number, it in enumerate(secrets)]
    for number in range(500):
        world.add(f"Pages-{number}", roles[number % 20], secrets[number % 20])
    said = world.audit()
    assert said.code == 0
    assert f"\ndata sources in us-east-1, account {ACCOUNT}: 500 equivalent\n" in said.out
    assert "audit: data sources: 400 of 500\naudit: data sources: 500 of 500\n" in said.err
    calls = {name: world.server.calls.count(name) for name in dict.fromkeys(world.server.calls)}
    once = ("GetCallerIdentity", "ListApplications", "ListIndices", "ListRoles")
    role = ("GetRole", "ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies")
    secret = ("DescribeSecret", "ListSecretVersionIds")
    assert {name.partition(":")[2]: number for name, number in calls.items()} == {
        **dict.fromkeys(once, 1),
        "ListDataSources": 50,
        "GetDataSource": 500,
        **dict.fromkeys((*role, *secret), 20),
    }
    record_property("figure", {"calls of an audit of 500 data sources with 20 roles": calls})
    # Neither is a failed call repeated.
    world.reject("secretsmanager:DescribeSecret")
    assert world.audit().code == 2
    assert world.server.calls.count("secretsmanager:DescribeSecret") == 20


@pytest.mark.slow
def test_last_use_of_a_role_is_shown(world: World):
    world.add_own()
    use = b"<RoleLastUsed><LastUsedDate>2026-10-01T12:00:00Z</LastUsedDate></RoleLastUsed>"
    world.server.spoil["iam:GetRole"] = lambda body: re.sub(rb"<RoleLastUsed.*(?=</Role>)", use, body)
    assert re.search(r"^Pages .* 1 +2026-10-01  equivalent$", world.audit().out, re.MULTILINE)


@pytest.mark.slow
def test_role_is_compared_with_needs_in_all_audited_regions(world: World):
    add_files(world)
    there = world.server.elsewhere("eu-west-1")
    there.add(APPLICATION_ID, displayName="Docs")
    there.add(APPLICATION_ID, INDEX_ID, displayName="Main")
    name = "qbusiness-s3"
    here = world.server.qbusiness.resources[APPLICATION_ID, INDEX_ID, data_source_id(1)]
    entries = {key: here[key] for key in ("displayName", "type", "configuration", "roleArn")}
    there.add(APPLICATION_ID, INDEX_ID, data_source_id(2), **entries)
    for number, document in enumerate((TRUST, s3_policy(name))):
        both = json.loads(document)
        both["Statement"] += json.loads(document.replace(f":{REGION}:", ":eu-west-1:"))["Statement"]
        for position, statement in enumerate(both["Statement"]):
            statement["Sid"] = f"Statement{position}"
        if number:
            world.put_policy(json.dumps(both), role=name)
        else:
            world.iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(both))
    assert f" {REGION}, account {ACCOUNT}: 1 different\n" in world.audit().out
    said = world.audit("--region", REGION, "--region", "eu-west-1", "--region", REGION)
    assert f" {REGION}, eu-west-1, account {ACCOUNT}: 2 different\n" in said.out
    assert "in excess" not in said.out


# Evidence, and access that other policies allow.


def test_data_source_that_failed_to_sync_comes_first(world: World):
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
def test_key_of_current_version_is_needed(world: World, condition: bool, expected: str):
    earlier, later = create_key(world), create_key(world)
    more = {"Condition": THROUGH_SECRETS_MANAGER} if condition else {}
    decrypt = allow("kms:Decrypt", [earlier, later], Sid="Key", **more)
    identifier = world.add_own(decrypt, secret={"KmsKeyId": earlier})
    version = {"VersionId": 32 * "a", "VersionStages": ["AWSCURRENT"], "KmsKeyIds": [earlier]}
    world.server.answers["secretsmanager:ListSecretVersionIds"] = {"Versions": [version]}
    world.client("secretsmanager").update_secret(SecretId=world.secret_arn, KmsKeyId=later)
    assert result(world.audit("--json"), identifier) == expected


# Unused roles.


def changed(more: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return the trust policy with changes to its statement, without the elements that are None."""
    (statement,) = json.loads(TRUST)["Statement"]
    kept = {name: its for name, its in {**statement, **changes}.items() if its is not None}
    return policy(kept, *([{"Action": "sts:AssumeRole", **more}] if more else []))


OTHER_ARN: Final = APPLICATION_ARN.replace(APPLICATION_ID, "b" * 36)
NOT_AUDITED: Final = APPLICATION_ARN.replace(APPLICATION_ID, "c" * 36)


@pytest.mark.parametrize(
    ("trust", "only"),
    [
        (TRUST, True),
        (TRUST.replace("ArnEquals", "ArnLike"), True),
        (TRUST.replace(APPLICATION_ID, "*").replace("ArnEquals", "ArnLike"), False),
        (TRUST.replace(APPLICATION_ARN, NOT_AUDITED), False),
        (TRUST.replace(ACCOUNT, OTHER_ACCOUNT), False),
        (changed(Condition={}), False),
        (changed(Condition={"ArnEquals": {"aws:SourceArn": [APPLICATION_ARN, OTHER_ARN]}}), True),
        (changed(Condition={"ArnEquals": {"aws:SourceArn": [APPLICATION_ARN, NOT_AUDITED]}}), False),
        (changed(Principal={"Service": ["qbusiness.amazonaws.com", "ec2.amazonaws.com"]}), False),
        (changed(Principal=None, NotPrincipal={"Service": "qbusiness.amazonaws.com"}), False),
        (changed(Effect="Deny"), False),
        # Every Allow statement counts; a Deny statement adds no principal.
        (changed(more={"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}), False),
        (changed(more={"Effect": "Deny", "Principal": {"Service": "ec2.amazonaws.com"}}), True),
    ],
)
def test_role_can_be_unused_if_it_trusts_only_audited_applications(trust: str, only: bool):
    assert trusts_only([OTHER_ARN, APPLICATION_ARN], trust) is only


def unused(world: World) -> dict[str, str]:
    found = world.audit("--json").json["findings"]
    return {each["role"]: each["text"] for each in found if each["kind"] == "unused"}


def test_unused_roles_are_listed_with_their_last_use(world: World):
    world.add_own()
    role_arn, hook_arn = world.role("qbusiness-Old"), world.role("qbusiness-hook")
    hook = {"preExtractionHookConfiguration": {"roleArn": hook_arn}}
    world.add("Hooked", world.role_arn, world.secret_arn, documentEnrichmentConfiguration=hook)
    text = f"created on {datetime.now(UTC):%Y-%m-%d}; IAM, which tracks 400 days, has seen no use"
    assert unused(world) == {role_arn: f"no data source uses it; {text}"}
    use = b"<RoleLastUsed><LastUsedDate>2026-10-01T12:00:00Z</LastUsedDate></RoleLastUsed>"
    world.server.spoil["iam:GetRole"] = lambda body: re.sub(rb"<RoleLastUsed.*(?=</Role>)", use, body)
    assert unused(world) == {role_arn: "no data source uses it; last used on 2026-10-01"}
    # Another data source of the application may use it.
    world.reject("qbusiness:GetDataSource")
    assert unused(world) == {}
