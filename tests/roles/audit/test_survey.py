"""`roles audit` compares the roles of all data sources."""

import json
import re
from collections.abc import Callable
from typing import Final

import pytest

from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION
from roles.actions import ACTIONS
from tests.helpers.world import (
    KEY_ARN,
    OTHER_ID,
    TRUST,
    WIDE,
    World,
    data_source_id,
    own_policy,
    s3_policy,
)
from tests.roles.audit.help import add_files, add_granted, complete_world, result

pytestmark = pytest.mark.slow

NOTHING_KNOWN: Final = ("sts:GetCallerIdentity", "qbusiness:ListApplications")


def test_role_is_compared_despite_unreadable_secret(world: World):
    identifier = world.add_own()
    world.reject("secretsmanager:DescribeSecret")
    said = world.audit("--json")
    assert said.code == 2
    assert result(said, identifier) == "not completely compared"
    assert said.json["dataSources"][0]["remarks"] == [
        "secretsmanager:DescribeSecret is not allowed",
        "access to its key counts as neither missing nor in excess",
    ]
    world.put_policy(WIDE, "wide", "qbusiness-Pages")
    said = world.audit("--json")
    assert (said.code, result(said, identifier)) == (1, "1 dangerous")


def test_data_source_deleted_in_the_meantime_is_left_out(world: World):
    world.add_own()
    world.list_deleted()
    said = world.audit("--json")
    assert said.code == 0
    assert len(said.json["dataSources"]) == 1
    assert f"data source Old {OTHER_ID} was deleted in the meantime\n" in said.err


@pytest.mark.parametrize("action", NOTHING_KNOWN)
def test_missing_basic_permission_is_one_line_error(world: World, action: str):
    world.reject(action)
    line = world.audit().rejection
    assert line.startswith(f"audit: {action} is not allowed (AccessDenied by the test)")
    assert line.endswith("docs/read-permissions.md lists the required permissions")
    assert set(world.audit("--json").json) == {"error"}


OTHERS: Final = {*ACTIONS["audit"]} - {*NOTHING_KNOWN, "iam:ListRoles"}


@pytest.mark.parametrize("action", sorted(OTHERS))
def test_audit_continues_without_permission_that_is_not_basic(world: World, action: str):
    complete_world(world)
    add_granted(world)
    world.reject(action)
    said = world.audit("--json")
    assert said.code == 2
    (found,) = said.json["accounts"]
    assert found["denied"] == [action]
    skipped = [f"application Docs {APPLICATION_ID}: {action} is not allowed"]
    is_list = action in ("qbusiness:ListIndices", "qbusiness:ListDataSources")
    assert found["skipped"] == (skipped if is_list else [])


def test_unread_policies_make_comparison_incomplete(world: World):
    identifier = world.add_own(without="AllowsAmazonQToGetSecret")
    world.attach("qbusiness-Pages", "rest", own_policy(world.secret_arn))
    assert world.audit().code == 0
    world.reject("iam:GetPolicyVersion")
    said = world.audit("--json")
    assert said.code == 2
    assert said.json["dataSources"][0]["state"] == "not compared"
    assert result(said, identifier) == "1 missing, not completely compared"
    assert said.json["roles"][0]["remarks"] == [
        "iam:GetPolicyVersion is not allowed, so the comparison may omit attached policies"
    ]
    # Access is in excess regardless of the other policies.
    world.put_policy(WIDE, "wide", "qbusiness-Pages")
    assert world.audit().code == 1


def test_shared_resources_are_read_once(world: World, record_property: Callable[[str, object], None]):
    secrets = [world.secret(f"secret-{number}") for number in range(20)]
    roles = [world.role(f"qbusiness-{number}", own_policy(it)) for number, it in enumerate(secrets)]
    for number in range(500):
        world.add(f"Pages-{number}", roles[number % 20], secrets[number % 20])
    said = world.audit()
    assert said.code == 0
    summary = f"500 data sources with 20 roles in us-east-1, account {ACCOUNT}: 500 equivalent\n"
    assert said.out.endswith(summary)
    assert "audit: reading data sources: 490 so far\n" in said.err
    assert said.err.endswith("audit: data sources: 400 of 500\naudit: data sources: 500 of 500\n")
    calls = {name: world.server.calls.count(name) for name in dict.fromkeys(world.server.calls)}
    once = (
        "sts:GetCallerIdentity",
        "qbusiness:ListApplications",
        "qbusiness:ListIndices",
        "iam:ListRoles",
    )
    role = ("iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies")
    assert calls == {
        **dict.fromkeys(once, 1),
        "qbusiness:ListDataSources": 50,
        "qbusiness:GetDataSource": 500,
        **dict.fromkeys(("secretsmanager:DescribeSecret", *role), 20),
    }
    record_property("figure", {"calls of an audit of 500 data sources with 20 roles": calls})


def test_failed_call_is_not_repeated_for_other_data_sources(world: World):
    world.describe_key(KeyManager="AWS")
    secret_arn = world.secret("pages", KmsKeyId=KEY_ARN)
    for name in ("Pages", "Assets", "News"):
        world.add(name, f"arn:aws:iam::{ACCOUNT}:role/gone", secret_arn)
    assert world.audit().code == 1
    assert world.server.calls.count("iam:GetRole") == 1
    assert world.server.calls.count("kms:DescribeKey") == 1
    world.reject("secretsmanager:DescribeSecret")
    assert world.audit().code == 1
    assert world.server.calls.count("secretsmanager:DescribeSecret") == 1


def test_the_last_use_of_a_role_is_shown(world: World):
    world.add_own()
    use = b"<RoleLastUsed><LastUsedDate>2026-10-01T12:00:00Z</LastUsedDate></RoleLastUsed>"
    world.server.spoil["iam:GetRole"] = lambda body: re.sub(rb"<RoleLastUsed.*(?=</Role>)", use, body)
    assert re.search(r"^Pages .* 1 +2026-10-01  equivalent$", world.audit().out, re.MULTILINE)
    assert world.audit("--json").json["roles"][0]["lastUsed"] == "2026-10-01"


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
    assert world.audit().out.endswith("1 different\n")
    said = world.audit("--region", REGION, "--region", "eu-west-1", "--region", REGION)
    regions = f"{REGION}, eu-west-1, account {ACCOUNT}"
    assert said.out.endswith(f"2 data sources with 1 role in {regions}: 2 different\n")
    assert f"application Docs {APPLICATION_ID}, index Main {INDEX_ID} in eu-west-1\n" in said.out
    assert "in excess" not in said.out
    there.resources.clear()
    assert (
        "audit: found no data source in eu-west-1\n"
        in world.audit("--region", REGION, "--region", "eu-west-1").err
    )
