"""`roles audit` compares the roles of all data sources."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

import pytest

from evidence.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, OTHER_ACCOUNT, REGION
from roles.account import Account
from roles.actions import ACTIONS
from sandbox.qbusiness import QBusiness
from tests.helpers.support import golden
from tests.helpers.world import (
    KEY_ARN,
    OWN,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    THROUGH_SECRETS_MANAGER,
    TRUST,
    VPC,
    WIDE,
    World,
    allow,
    data_source_id,
    deny,
    own_policy,
    policy,
    s3_policy,
)
from tests.roles.audit.help import add_files, complete_world, result, shared_role

pytestmark = pytest.mark.slow

NOTHING_KNOWN: Final = ("sts:GetCallerIdentity", "qbusiness:ListApplications")


def test_attached_policies_and_the_trust_policy_are_compared_too(world: World):
    trust = json.loads(TRUST)
    trust["Statement"][0]["Principal"]["Service"] = ["qbusiness.amazonaws.com", "ec2.amazonaws.com"]
    role_arn = world.role("qbusiness-pages", trust=json.dumps(trust))
    all_secrets = world.attach("qbusiness-pages", "all-secrets", own_policy("*"))
    never = world.attach("qbusiness-pages", "never", policy(deny("iam:*", "*")))
    world.add("Pages", role_arn, world.secret("pages"))
    (role,) = world.audit("--json").json["roles"]
    assert role["result"] == "2 in excess, 1 denying"
    assert [
        (finding["finding"], finding["policy"], access["actions"], access["targets"])
        for finding in role["findings"]
        for access in finding["access"]
    ] == [
        ("excess", "trust policy", ["sts:AssumeRole"], ["Service:ec2.amazonaws.com"]),
        ("excess", all_secrets, ["secretsmanager:GetSecretValue"], ["*"]),
        ("denies", never, ["iam:*"], ["*"]),
    ]


def test_the_key_the_vpc_and_the_bucket_of_a_data_source_explain_its_role(world: World):
    world.describe_key()
    secret_arn = world.secret("pages", KmsKeyId=KEY_ARN)
    document = golden("default-role-policy").replace(SECRET_ARN, secret_arn)
    shared = f"arn:aws:ec2:us-east-1:{OTHER_ACCOUNT}:subnet/{SECOND_SUBNET_ID}"
    document, removed = re.subn(rf'"{shared}",\s*', "", document)
    assert removed == 1
    world.add("Pages", world.role("qbusiness-all", document), secret_arn, vpcConfiguration=VPC)
    # The setting allowNetworkInterfaceDeletion is not a property of a data source.
    kept = [each for each in json.loads(document)["Statement"] if "DeleteTagged" not in each["Sid"]]
    role_arn = world.role("qbusiness-without-deletion", policy(*kept))
    world.add("Assets", role_arn, secret_arn, vpcConfiguration=VPC)
    add_files(world)
    said = world.audit("--json")
    assert said.code == 0
    assert [(it["displayName"], it["connector"], it["result"]) for it in said.json["dataSources"]] == [
        ("Pages", "aem-cloud", "equivalent"),
        ("Assets", "aem-cloud", "equivalent"),
        ("Files", "s3-v2", "equivalent"),
    ]


def test_a_role_of_several_data_sources_with_the_same_needs_is_equivalent(world: World):
    one = world.add_own()
    other = world.add("Assets", world.role_arn, world.secret_arn)
    said = world.audit("--json")
    assert said.code == 0
    (role,) = said.json["roles"]
    assert (role["state"], role["dataSources"]) == ("equivalent", [one, other])
    said = world.audit()
    assert re.search(
        r"^Assets +aem-cloud +qbusiness-Pages +2 +none +equivalent$", said.out, re.MULTILINE
    )


def test_a_role_with_the_access_of_several_data_sources_is_shared(world: World):
    one, other = shared_role(world, "jira", "wiki")
    said = world.audit("--json")
    assert said.code == 1
    assert result(said, one) == result(said, other) == "2 shared"
    (role,) = said.json["roles"]
    assert role["dataSources"] == [one, other]
    assert [(each["statement"], each["dataSources"]) for each in role["findings"]] == [
        ("AllowsAmazonQToGetSecret", [one]),
        ("AllowsAmazonQToGetSecret", [other]),
    ]
    assert f"      for wiki {other}\n" in world.audit().out


def test_a_missing_statement_of_a_shared_role_names_the_data_sources_that_need_it(world: World):
    pages = world.add_own()
    other_secret = world.secret("assets")
    assets = world.add("Assets", world.role_arn, other_secret)
    said = world.audit("--json")
    assert result(said, pages) == "1 shared"
    assert result(said, assets) == "1 missing, 1 shared"
    (missing,) = (it for it in said.json["roles"][0]["findings"] if it["finding"] == "missing")
    assert missing["dataSources"] == [assets]
    assert missing["access"][0]["targets"] == [other_secret]


def test_a_policy_with_a_duplicate_member_is_not_read_as_its_last_value(world: World):
    identifier = world.add_own()
    own = own_policy(world.secret_arn)
    world.put_policy(f"{policy(deny('*', '*'))[:-1]}, {own[1:]}", role="qbusiness-Pages")
    said = world.audit("--json")
    assert said.code == 2
    assert result(said, identifier) == "not compared"
    (remark,) = said.json["dataSources"][0]["remarks"]
    assert remark.startswith(
        "the response to iam:GetRolePolicy has a policy that cannot be read: "
        "it has an object with a duplicate key"
    )


def test_a_data_source_with_unknown_needs_may_need_the_access_in_excess(world: World):
    world.add_own(allow("sqs:*", "*"))
    custom = world.add("Queue", world.role_arn, kind="CUSTOM")
    said = world.audit()
    assert said.code == 1
    assert f"  also used by {custom}, which could not be compared and may need any access" in said.out


@pytest.mark.parametrize(
    ("role", "text"),
    [
        ("service-role/gone", ""),
        (
            "service-role/qbusiness-pages",
            f", but arn:aws:iam::{ACCOUNT}:role/qbusiness-pages has the same name",
        ),
    ],
)
def test_a_role_that_does_not_exist_is_a_problem(world: World, role: str, text: str):
    secret_arn = world.secret("pages")
    world.role("qbusiness-pages", own_policy(secret_arn))
    role_arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    identifier = world.add("Pages", role_arn, secret_arn)
    said = world.audit("--json")
    assert said.code == 1
    assert result(said, identifier) == "role does not exist"
    assert said.json["states"]["invalid"] == 1
    assert said.json["roles"][0]["result"] == "role does not exist"
    remark = f"there is no role {role_arn}{text}: give the data source the ARN of a role that exists"
    assert said.json["dataSources"][0]["remarks"] == [remark]


@pytest.mark.parametrize(
    ("changed", "remark"),
    [
        (
            {"roleArn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/x"},
            f"is in account {ACCOUNT}, but its role is in account {OTHER_ACCOUNT}",
        ),
        ({"roleArn": None}, "has no role: deploy the program"),
        ({"configuration": {"type": "AEM"}}, "has no secretArn"),
        # botocore rejects such a name before it sends the call.
        (
            {"configuration": {"type": "S3", "bucketName": "no bucket"}, "type": "S3"},
            'Invalid bucket name "no bucket"',
        ),
        (
            {"configuration": {"type": "ONEDRIVEV3"}, "vpcConfiguration": VPC},
            "vpcConfiguration: is not supported by the onedrive-new connector",
        ),
    ],
)
def test_a_data_source_that_cannot_work_is_a_problem_and_the_others_are_compared(
    world: World, changed: dict[str, Any], remark: str
):
    world.add_own(name="Assets")
    identifier = world.add_own()
    source = world.server.data_source(identifier)
    if changed.get("configuration", {}).get("type") == "ONEDRIVEV3":
        changed["configuration"]["secretArn"] = source["configuration"]["secretArn"]
    source |= changed
    for name in [name for name, value in changed.items() if value is None]:
        del source[name]
    said = world.audit("--json")
    assert said.code == 1
    assert [each["state"] for each in said.json["dataSources"]] == ["invalid", "equivalent"]
    assert remark in said.json["dataSources"][0]["remarks"][0]


@pytest.mark.parametrize("gone", ["secret", "bucket"])
def test_a_secret_or_bucket_that_does_not_exist_is_a_problem(world: World, gone: str):
    identifier = world.add_own()
    if gone == "secret":
        world.delete_secret("secret/Pages")
    else:
        configuration = {"type": "S3", "bucketName": "gone"}
        world.server.data_source(identifier).update(type="S3", configuration=configuration)
    said = world.audit("--json")
    assert said.code == 1
    # The AEM role reads a secret, which an Amazon S3 data source lacks, and does not pass itself.
    different = ", 1 missing, 1 in excess" if gone == "bucket" else ""
    assert result(said, identifier) == f"{gone} does not exist{different}"


def test_a_secret_that_is_scheduled_for_deletion_is_a_problem(world: World):
    identifier = world.add_own(without="AllowsAmazonQToGetSecret")
    world.secrets.delete_secret(SecretId=world.secret_arn, RecoveryWindowInDays=7)
    said = world.audit("--json")
    assert said.code == 1
    # A restored secret keeps its ARN, so the role can be compared.
    assert result(said, identifier) == "secret is scheduled for deletion, 1 missing"
    assert said.json["states"]["invalid"] == 1
    command = f"aws secretsmanager restore-secret --secret-id {world.secret_arn}"
    assert said.json["dataSources"][0]["remarks"] == [
        f"the secret {world.secret_arn} is scheduled for deletion: run `{command}`"
    ]


@pytest.mark.parametrize("named", ["by its ARN", "by its name"])
def test_a_role_is_compared_even_if_the_secret_does_not_exist(world: World, named: str):
    # The role may read the secret, a recreated secret, and a key; wildcards are in excess.
    secret_arn = world.secret("wiki/pages")
    read = "secretsmanager:GetSecretValue"
    document = own_policy(
        secret_arn,
        allow(read, f"{secret_arn[:-6]}AbCdE9", Sid="Again"),
        allow(read, f"{secret_arn[:-12]}other-AbCdE9", Sid="Other"),
        allow(read, "*", Sid="Every"),
        allow("kms:Decrypt", KEY_ARN, Condition=THROUGH_SECRETS_MANAGER, Sid="Key"),
        allow("kms:*", KEY_ARN, Sid="Everything"),
        without="AllowsAmazonQToIngestDocuments",
    )
    secret_id = secret_arn if named == "by its ARN" else "wiki/pages"
    identifier = world.add("Pages", world.role("qbusiness-pages", document), secret_id)
    world.delete_secret(secret_arn)
    said = world.audit("--json")
    assert said.code == 1
    assert result(said, identifier) == "secret does not exist, 1 missing, 3 in excess"
    assert said.json["states"]["invalid"] == 1
    (role,) = said.json["roles"]
    assert (role["state"], role["result"]) == ("lacking access", "1 missing, 3 in excess")
    found = [finding["statement"] for finding in role["findings"]]
    assert found == ["AllowsAmazonQToIngestDocuments", "Other", "Every", "Everything"]
    remarks = said.json["dataSources"][0]["remarks"]
    assert remarks == [
        f"there is no secret {secret_id}: give the data source the ARN of a secret that exists",
        "access to its secret and key counts as neither missing nor in excess",
    ]
    assert f"Pages {identifier}: {remarks[0]}\n" in world.audit().out


def test_every_reason_is_given_and_without_the_role_nothing_is_compared(world: World):
    world.describe_key()
    secret_arn = world.secret("pages", KmsKeyId=KEY_ARN)
    world.reject("kms:DescribeKey", status=400, code="NotFoundException")
    role_arn = f"arn:aws:iam::{ACCOUNT}:role/gone"
    identifier = world.add("Pages", role_arn, secret_arn)
    said = world.audit("--json")
    assert said.code == 1
    assert result(said, identifier) == "key does not exist, role does not exist"
    assert said.json["dataSources"][0]["remarks"] == [
        f"there is no key {KEY_ARN}: encrypt the secret or the bucket with a key that exists",
        f"there is no role {role_arn}: give the data source the ARN of a role that exists",
    ]


def test_an_invalid_setting_that_no_policy_contains_does_not_hide_excess(world: World):
    boundary = world.managed("boundary", Path="/a*/")
    identifier = world.add_own(allow("sqs:*", "*"), PermissionsBoundary=boundary)
    said = world.audit("--json")
    assert result(said, identifier) == "invalid, 1 in excess"
    assert said.json["dataSources"][0]["remarks"][0].startswith("permissionsBoundaryArn: ")


def test_without_permission_for_the_secret_its_role_is_still_compared(world: World):
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


def test_a_custom_connector_needs_no_role(world: World):
    world.add_own()
    world.add("Queue", None, kind="CUSTOM")
    said = world.audit()
    assert said.code == 0
    assert re.search(r"^Queue +\(CUSTOM\) +without a role$", said.out, re.MULTILINE)
    assert said.out.endswith(f"account {ACCOUNT}: 1 equivalent, 1 without a role\n")
    world.add("Other", world.role_arn, kind="CUSTOM")
    said = world.audit()
    assert said.code == 3
    assert re.search(r"^Other +\(CUSTOM\) +qbusiness-Pages +2 +none +unknown", said.out, re.MULTILINE)


@pytest.mark.parametrize("action", NOTHING_KNOWN)
def test_a_missing_permission_that_everything_needs_is_reported_on_one_line(world: World, action: str):
    world.reject(action)
    line = world.audit().rejection
    assert line.startswith(f"audit: {action} is not allowed (AccessDenied by the test)")
    assert line.endswith("docs/audit.md lists the required permissions")
    assert set(world.audit("--json").json) == {"error"}


def test_every_action_is_called(world: World):
    complete_world(world)
    assert world.audit().code == 0
    assert set(world.server.calls) == set(ACTIONS["audit"])


OTHERS: Final = {*ACTIONS["audit"]} - {*NOTHING_KNOWN, "iam:ListRoles"}


@pytest.mark.parametrize("action", sorted(OTHERS))
def test_without_another_permission_the_rest_is_compared(world: World, action: str):
    complete_world(world)
    world.reject(action)
    said = world.audit()
    assert said.code == 2
    page = "docs/audit.md lists the required permissions"
    line = f"audit: {action} is not allowed on at least some resources: {page}"
    assert line in said.err.splitlines()
    assert f"account {ACCOUNT}" in said.out
    found = world.audit("--json").json
    assert found["denied"] == [action]
    skipped = [f"application Docs {APPLICATION_ID}: {action} is not allowed"]
    assert found["skipped"] == (skipped if ":List" in action and "business" in action else [])


def test_unread_policies_are_not_a_difference(world: World):
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


def test_a_denied_permission_for_a_key_is_a_remark_about_its_data_source(world: World):
    complete_world(world)
    world.reject("kms:DescribeKey")
    pages, files = world.audit("--json").json["dataSources"]
    assert pages["result"] == "equivalent"
    assert pages["remarks"][0].startswith(f"kms:DescribeKey is not allowed on {KEY_ARN}, so the key")
    assert files["remarks"] == []


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("Throttling", "audit: AWS is throttling iam:GetRole: wait a minute and repeat"),
        ("ExpiredToken", "audit: AWS does not accept the credentials (ExpiredToken)"),
    ],
)
def test_an_error_that_concerns_every_call_ends_the_audit_with_one_line(
    world: World, code: str, line: str
):
    world.add_own()
    world.reject("iam:GetRole", code=code)
    assert world.audit().last.startswith(line)


def test_another_error_about_one_resource_skips_its_data_source(world: World):
    complete_world(world)
    world.reject("s3:GetEncryptionConfiguration", status=400, code="InvalidRequest")
    said = world.audit("--json")
    assert said.code == 2
    assert [each["state"] for each in said.json["dataSources"]] == ["not compared", "equivalent"]
    remark, _ = said.json["dataSources"][0]["remarks"]
    assert remark.startswith("s3:GetEncryptionConfiguration failed (InvalidRequest")


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


def test_a_failed_call_is_not_repeated(world: World):
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


def test_dangerous_findings_come_first(world: World):
    world.add_own(name="Fine")
    world.add_own(allow("sqs:*", "*"), name="Excess")
    world.add_own(name="Lacking", without="AllowsAmazonQToGetSecret")
    world.add_own(allow("sqs:*", "*"), allow("*", "*", Sid="All"), name="Dangerous")
    said = world.audit("--json")
    order = ["Dangerous", "Lacking", "Excess", "Fine"]
    assert [each["displayName"] for each in said.json["dataSources"]] == order
    assert [role["role"].rpartition("-")[2] for role in said.json["roles"]] == order
    states = ["dangerous", "lacking access", "different", "equivalent"]
    assert [role["state"] for role in said.json["roles"]] == states
    first, second = said.json["roles"][0]["findings"]
    assert (first["finding"], first["statement"], first["danger"]) == (
        "excess",
        "All",
        "administrator access",
    )
    assert (second["statement"], second["danger"]) == ("statement 4", None)
    out = world.audit().out
    assert f"  dangerous: {OWN}, All: administrator access\n      *\n        on *\n" in out
    assert out.endswith("1 dangerous, 1 lacking access, 1 different, 1 equivalent\n")
    assert f"- dangerous: `{OWN}`, `All`: administrator access\n" in world.audit("--markdown").out


def test_a_condition_that_differs_is_written_out(world: World):
    document = json.loads(TRUST)
    arn = document["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"]
    other = f"{arn[:-1]}9"
    role_arn = world.role("qbusiness-pages", trust=TRUST.replace(arn, other))
    secret_arn = world.secret("pages")
    world.put_policy(own_policy(secret_arn), role="qbusiness-pages")
    world.add("Pages", role_arn, secret_arn)
    text = f"allows the application {other}, not {arn}"
    out = world.audit().out
    assert out.count(f"        by Service:qbusiness.amazonaws.com\n        {text}\n") == 2
    markdown = world.audit("--markdown").out
    assert markdown.count(f" by `Service:qbusiness.amazonaws.com`, `{text}`\n") == 2


def test_the_last_use_of_a_role_is_shown(world: World):
    world.add_own()
    use = b"<RoleLastUsed><LastUsedDate>2026-10-01T12:00:00Z</LastUsedDate></RoleLastUsed>"
    world.server.spoil["iam:GetRole"] = lambda body: re.sub(rb"<RoleLastUsed.*(?=</Role>)", use, body)
    assert re.search(r"^Pages .* 1 +2026-10-01  equivalent$", world.audit().out, re.MULTILINE)
    assert world.audit("--json").json["roles"][0]["lastUsed"] == "2026-10-01"


def test_without_a_permission_in_one_region_the_others_are_compared(world: World):
    world.add_own()
    listed = Account.applications

    def applications(account: Account) -> dict[str, str]:
        if account.region == "eu-west-1":
            world.reject("qbusiness:ListApplications")
        return listed(account)

    world.patch.setattr(Account, "applications", applications)
    said = world.audit("--region", REGION, "--region", "eu-west-1")
    assert said.code == 2
    assert said.out.endswith("1 equivalent\n")
    assert "audit: skipped: eu-west-1: qbusiness:ListApplications is not allowed\n" in said.err


def test_a_role_that_cannot_be_compared_has_the_worst_state_of_its_data_sources(world: World):
    gone = f"arn:aws:iam::{ACCOUNT}:role/gone"
    world.add("Unknown", gone, kind="UNHEARD_OF")
    world.add("Pages", gone, world.secret("pages"))
    (role,) = world.audit("--json").json["roles"]
    assert (role["state"], role["result"]) == ("invalid", "role does not exist")


def test_a_role_is_compared_with_the_needs_of_all_regions(world: World):
    add_files(world)
    there = world.server.other_regions["eu-west-1"] = QBusiness(ACCOUNT, "eu-west-1")
    there.add(APPLICATION_ID, displayName="Docs")
    there.add(APPLICATION_ID, INDEX_ID, displayName="Main")
    name = "qbusiness-s3"
    here = world.server.qbusiness.resources[APPLICATION_ID, INDEX_ID, data_source_id(1)]
    members = {key: here[key] for key in ("displayName", "type", "configuration", "roleArn")}
    there.add(APPLICATION_ID, INDEX_ID, data_source_id(2), **members)
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
