"""`roles audit` compares the roles of all data sources: in a table, in JSON, and on a page."""

import errno
import json
import os
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from evidence.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from roles.__main__ import main
from roles.account import Account
from roles.actions import ACTIONS
from roles.audit.page import render
from roles.audit.survey import LABELS, State, survey
from roles.notes import Notes
from sandbox.environment import PROJECT
from tests.helpers.chromium import Tab, find_chromium, opened
from tests.helpers.page import prose, read_actions
from tests.helpers.qbusiness_server import Server, served
from tests.helpers.roles_command import Output, Roles
from tests.helpers.stacks import Aws
from tests.helpers.support import golden, of_role

pytestmark = pytest.mark.slow

DOCUMENTATION: Final = PROJECT / "docs" / "audit.md"
OWN: Final = "qbusiness-aem-connector"
SECRET_IN_GOLDEN: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:qbusiness/aem-cloud-a1B2c3"
KEY_ARN: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"
TRUST: Final = golden("trust-policy")
VPC: Final = {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}
INGEST: Final = ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"]
MARKUP: Final = "<script>x<b title='\"&amp;'>"


def data_source_id(number: int) -> str:
    return f"c3d4e5f6-7890-12ab-cdef-{number:012}"


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def own_policy(secret_arn: str, *more: dict[str, Any], without: str = "") -> str:
    """Return the program's role policy, with other statements, and without the one of a Sid."""
    document = json.loads(golden("minimal-role-policy").replace(SECRET_IN_GOLDEN, secret_arn))
    kept = [statement for statement in document["Statement"] if statement["Sid"] != without]
    return policy(*kept, *more)


class World:
    """An account whose calls are recorded."""

    def __init__(self, server: Server) -> None:
        aws = Aws({"AWS_ENDPOINT_URL": server.url})
        self.server = server
        self.iam, self.s3, self.secrets = aws.iam, aws.client("s3"), aws.client("secretsmanager")
        self.count = 0

    def secret(self, name: str, **more: Any) -> str:
        return self.secrets.create_secret(Name=name, SecretString="{}", **more)["ARN"]

    def role(self, name: str, *policies: str, trust: str = TRUST, **more: Any) -> str:
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **more)
        for number, document in enumerate(policies):
            name_of_policy = f"{OWN}-{number}" if number else OWN
            self.iam.put_role_policy(RoleName=name, PolicyName=name_of_policy, PolicyDocument=document)
        return made["Role"]["Arn"]

    def add(
        self, name: str, role_arn: str | None, secret_arn: str = "", kind: str = "AEM", **more: Any
    ) -> str:
        """Add a data source, and return its ID."""
        self.count += 1
        configuration = {"type": kind} | ({"secretArn": secret_arn} if secret_arn else {})
        members = {"configuration": configuration, **more} | ({"roleArn": role_arn} if role_arn else {})
        self.server.add(data_source_id(self.count), kind, displayName=name, **members)
        self.server.calls.clear()
        return data_source_id(self.count)

    def add_equal(self, name: str) -> str:
        """Add a data source whose role is as the program creates it."""
        secret_arn = self.secret(f"secret/{name}")
        return self.add(name, self.role(f"qbusiness-{name}", own_policy(secret_arn)), secret_arn)


def result(said: Output, identifier: str) -> str:
    """Return the result of a data source."""
    (found,) = (each for each in said.json["dataSources"] if each["dataSourceId"] == identifier)
    return found["result"]


Audit = Callable[..., Output]


@pytest.fixture
def server() -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture
def world(server: Server) -> World:
    return World(server)


@pytest.fixture
def audit(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Audit:
    """Run `roles audit` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    roles = Roles(server, monkeypatch, capsys)
    return lambda *options: roles.run("audit", *options)


def shared_role(world: World, first: str, second: str) -> tuple[str, str]:
    """Add two data sources under one role that reads the secrets of both."""
    secrets = [world.secret(name) for name in (first, second)]
    document = json.loads(own_policy(secrets[0]))
    document["Statement"][0]["Resource"] = secrets
    role_arn = world.role("qbusiness-shared", json.dumps(document))
    one, other = (
        world.add(name, role_arn, secret_arn)
        for name, secret_arn in zip((first, second), secrets, strict=True)
    )
    return one, other


# What is compared.


def test_a_role_as_the_program_creates_it_is_equivalent(world: World, audit: Audit):
    world.add_equal("Pages")
    said = audit()
    assert said.code == 0
    assert said.err == ""
    assert said.out == (
        "DATA SOURCE  CONNECTOR  ROLE             USED BY  RESULT\n"
        f"application Docs {APPLICATION_ID}, index Main {INDEX_ID}\n"
        "Pages        aem-cloud  qbusiness-Pages  1        equivalent\n"
        "\n"
        f"1 data source under 1 role in us-east-1, account {ACCOUNT}: 1 equivalent\n"
    )


def test_what_a_role_has_in_excess_and_what_it_lacks_is_named(world: World, audit: Audit):
    secret_arn = world.secret("pages")
    reports = allow(["s3:GetObject", "s3:ListBucket"], "arn:aws:s3:::reports/*", Sid="Reports")
    document = own_policy(secret_arn, reports, without="AllowsAmazonQToIngestDocuments")
    role_arn = world.role("qbusiness-pages", document)
    identifier = world.add("Pages", role_arn, secret_arn)
    said = audit()
    assert said.code == 1
    assert said.out.partition("\n\n")[2] == (
        f"{role_arn}: 1 in excess, 1 missing\n"
        f"  used by Pages {identifier}\n"
        f"  in excess: {OWN}, Reports\n"
        "      s3:GetObject, s3:ListBucket\n"
        "        on arn:aws:s3:::reports/*\n"
        f"  missing: {OWN}, AllowsAmazonQToIngestDocuments\n"
        "      qbusiness:BatchPutDocument, qbusiness:BatchDeleteDocument\n"
        f"        on {APPLICATION_ARN}\n"
        f"        on {APPLICATION_ARN}/index/{INDEX_ID}\n"
        "\n"
        f"1 data source under 1 role in us-east-1, account {ACCOUNT}: 1 different\n"
    )


def test_attached_policies_and_the_trust_policy_are_compared_too(world: World, audit: Audit):
    secret_arn = world.secret("pages")
    trust = json.loads(TRUST)
    trust["Statement"][0]["Principal"]["Service"] = ["qbusiness.amazonaws.com", "ec2.amazonaws.com"]
    role_arn = world.role("qbusiness-pages", trust=json.dumps(trust))
    for name, document in {
        "all-secrets": own_policy("*"),
        "never": policy({**allow("iam:*", "*"), "Effect": "Deny"}),
    }.items():
        arn = world.iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
        world.iam.attach_role_policy(RoleName="qbusiness-pages", PolicyArn=arn)
    world.add("Pages", role_arn, secret_arn)
    (role,) = audit("--json").json["roles"]
    assert role["result"] == "2 in excess, 1 denying"
    assert [
        (finding["finding"], finding["policy"], access["actions"], access["targets"])
        for finding in role["findings"]
        for access in finding["access"]
    ] == [
        ("excess", "trust policy", ["sts:AssumeRole"], ["Service:ec2.amazonaws.com"]),
        (
            "excess",
            f"arn:aws:iam::{ACCOUNT}:policy/all-secrets",
            ["secretsmanager:GetSecretValue"],
            ["*"],
        ),
        ("denies", f"arn:aws:iam::{ACCOUNT}:policy/never", ["iam:*"], ["*"]),
    ]


def test_a_key_a_vpc_and_a_bucket_of_the_data_source_are_what_its_role_is_for(
    world: World, audit: Audit
):
    metadata = {"KeyId": KEY_ID, "Arn": KEY_ARN, "KeyManager": "CUSTOMER"}
    world.server.answers["kms:DescribeKey"] = {"KeyMetadata": metadata}
    secret_arn = world.secret("pages", KmsKeyId=KEY_ARN)
    document = golden("default-role-policy").replace(SECRET_IN_GOLDEN, secret_arn)
    (subnets,) = (
        statement["Resource"]
        for statement in json.loads(document)["Statement"]
        if statement["Sid"] == "AllowsAmazonQToCreateAndDeleteNI"
    )
    (shared,) = (arn for arn in subnets if OTHER_ACCOUNT in arn)
    document = document.replace(f'"{shared}", ', "")
    pages = world.add("Pages", world.role("qbusiness-all", document), secret_arn, vpcConfiguration=VPC)
    # The setting allowNetworkInterfaceDeletion, which no data source tells.
    kept = [each for each in json.loads(document)["Statement"] if "DeleteTagged" not in each["Sid"]]
    role_arn = world.role("qbusiness-without-deletion", policy(*kept))
    assets = world.add("Assets", role_arn, secret_arn, vpcConfiguration=VPC)
    world.s3.create_bucket(Bucket="qbusiness-documents")
    document = policy(
        *(
            statement
            for statement in json.loads(golden("s3-v2-role-policy"))["Statement"]
            if statement["Sid"] != "AllowsAmazonQToDecryptSecret"
        )
    )
    configuration = {"type": "S3V2", "connectionConfiguration": {"bucketName": "qbusiness-documents"}}
    role_arn = world.role("qbusiness-s3", of_role(document, "qbusiness-s3"))
    files = world.add("Files", role_arn, kind="S3V2", configuration=configuration)
    said = audit("--json")
    assert [result(said, each) for each in (pages, assets, files)] == ["equivalent"] * 3
    assert [each["connector"] for each in said.json["dataSources"]] == ["aem-cloud"] * 2 + ["s3-v2"]
    assert said.code == 0


# Who else uses a role.


def test_a_role_of_several_data_sources_with_the_same_needs_is_equivalent(world: World, audit: Audit):
    secret_arn = world.secret("pages")
    role_arn = world.role("qbusiness-pages", own_policy(secret_arn))
    one, other = (world.add(name, role_arn, secret_arn) for name in ("Pages", "Assets"))
    said = audit("--json")
    assert said.code == 0
    (role,) = said.json["roles"]
    assert (role["state"], role["dataSources"]) == ("equivalent", [one, other])
    said = audit("--html", "audit.html")
    assert re.search(r"^Assets +aem-cloud +qbusiness-pages +2 +equivalent$", said.out, re.MULTILINE)
    page = Page(Path("audit.html").read_text())
    assert f"{role_arn} equivalent Used by: Pages {one} Assets {other}" in page.lines


def test_a_role_with_the_access_of_several_data_sources_is_shared(world: World, audit: Audit):
    one, other = shared_role(world, "jira", "wiki")
    said = audit("--json")
    assert said.code == 1
    assert result(said, one) == result(said, other) == "2 shared"
    (role,) = said.json["roles"]
    assert role["dataSources"] == [one, other]
    assert [(each["statement"], each["dataSources"]) for each in role["findings"]] == [
        ("AllowsAmazonQToGetSecret", [one]),
        ("AllowsAmazonQToGetSecret", [other]),
    ]
    assert f"      for wiki {other}\n" in audit().out


def test_what_a_shared_role_lacks_is_missing_for_the_data_sources_that_need_it(
    world: World, audit: Audit
):
    secrets = [world.secret(name) for name in ("pages", "assets")]
    role_arn = world.role("qbusiness-pages", own_policy(secrets[0]))
    pages = world.add("Pages", role_arn, secrets[0])
    assets = world.add("Assets", role_arn, secrets[1])
    said = audit("--json")
    assert result(said, pages) == "1 shared"
    assert result(said, assets) == "1 missing, 1 shared"
    (missing,) = (
        finding for finding in said.json["roles"][0]["findings"] if finding["finding"] == "missing"
    )
    assert missing["dataSources"] == [assets]
    assert missing["access"][0]["targets"] == [secrets[1]]


def test_a_data_source_whose_needs_are_not_known_may_need_what_is_in_excess(world: World, audit: Audit):
    secret_arn = world.secret("pages")
    role_arn = world.role("qbusiness-pages", own_policy(secret_arn, allow("sqs:*", "*")))
    world.add("Pages", role_arn, secret_arn)
    custom = world.add("Queue", role_arn, kind="CUSTOM")
    said = audit()
    assert said.code == 1
    assert f"  also used by {custom}, which could not be compared: what is in excess may" in said.out


# What cannot be compared.


def test_a_role_that_does_not_exist_any_more_is_said(world: World, audit: Audit):
    secret_arn = world.secret("pages")
    identifier = world.add("Pages", f"arn:aws:iam::{ACCOUNT}:role/service-role/gone", secret_arn)
    said = audit("--json")
    assert said.code == 1
    assert result(said, identifier) == "role does not exist"
    assert said.json["states"]["invalid"] == 1
    assert said.json["roles"][0]["result"] == "role does not exist"


def test_a_role_that_was_created_again_under_another_path_is_another_role(world: World, audit: Audit):
    secret_arn = world.secret("pages")
    world.role("qbusiness-pages", own_policy(secret_arn))
    role_arn = f"arn:aws:iam::{ACCOUNT}:role/service-role/qbusiness-pages"
    identifier = world.add("Pages", role_arn, secret_arn)
    said = audit("--json")
    assert result(said, identifier) == "role does not exist"
    (remark,) = said.json["dataSources"][0]["remarks"]
    assert remark == (
        f"there is no role {role_arn}, and the role of this name is arn:aws:iam::{ACCOUNT}:role/"
        "qbusiness-pages: give the data source the ARN of a role that exists"
    )


@pytest.mark.parametrize(
    ("changed", "remark"),
    [
        (
            {"roleArn": f"arn:aws:iam::{OTHER_ACCOUNT}:role/x"},
            f"is in account {ACCOUNT} and its role in {OTHER_ACCOUNT}",
        ),
        ({"roleArn": None}, "has no role: deploy the program"),
        ({"configuration": {"type": "AEM"}}, "has no secretArn"),
        # botocore does not send such a name.
        (
            {"configuration": {"type": "S3", "bucketName": "no bucket"}, "type": "S3"},
            'Invalid bucket name "no bucket"',
        ),
        (
            {"configuration": {"type": "ONEDRIVEV3"}, "vpcConfiguration": VPC},
            "vpcConfiguration: is not supported by the connector onedrive-new",
        ),
    ],
)
def test_a_data_source_that_cannot_work_is_a_problem_and_the_others_are_compared(
    world: World, audit: Audit, changed: dict[str, Any], remark: str
):
    world.add_equal("Assets")
    identifier = world.add_equal("Pages")
    source = world.server.data_source(identifier)
    if changed.get("configuration", {}).get("type") == "ONEDRIVEV3":
        changed["configuration"]["secretArn"] = source["configuration"]["secretArn"]
    source |= changed
    for name in [name for name, value in changed.items() if value is None]:
        del source[name]
    said = audit("--json")
    assert said.code == 1
    assert [each["state"] for each in said.json["dataSources"]] == ["equivalent", "invalid"]
    assert remark in said.json["dataSources"][1]["remarks"][0]


@pytest.mark.parametrize("gone", ["secret", "bucket"])
def test_a_secret_or_bucket_that_does_not_exist_any_more_is_said(world: World, audit: Audit, gone: str):
    identifier = world.add_equal("Pages")
    if gone == "secret":
        world.secrets.delete_secret(SecretId="secret/Pages", ForceDeleteWithoutRecovery=True)
    else:
        configuration = {"type": "S3", "bucketName": "gone"}
        world.server.data_source(identifier).update(type="S3", configuration=configuration)
    world.server.calls.clear()
    said = audit("--json")
    assert said.code == 1
    # The AEM connector's role reads a secret, which Amazon S3 does not have, and does not pass itself.
    different = ", 1 in excess, 1 missing" if gone == "bucket" else ""
    assert result(said, identifier) == f"{gone} does not exist{different}"


@pytest.mark.parametrize("named", ["by its ARN", "by its name"])
def test_a_role_is_compared_although_the_secret_does_not_exist(
    world: World, audit: Audit, tmp_path: Path, named: str
):
    # It may read the secret, one that was created again, and a key; wildcards are in excess.
    secret_arn = world.secret("wiki/pages")
    through = {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}}
    again = f"{secret_arn[:-6]}AbCdE9"
    document = own_policy(
        secret_arn,
        allow("secretsmanager:GetSecretValue", again, Sid="Again"),
        allow("secretsmanager:GetSecretValue", f"{secret_arn[:-12]}other-AbCdE9", Sid="Other"),
        allow("secretsmanager:GetSecretValue", "*", Sid="Every"),
        allow("kms:Decrypt", KEY_ARN, Condition=through, Sid="Key"),
        allow("kms:*", KEY_ARN, Sid="Everything"),
        without="AllowsAmazonQToIngestDocuments",
    )
    role_arn = world.role("qbusiness-pages", document)
    secret_id = secret_arn if named == "by its ARN" else "wiki/pages"
    identifier = world.add("Pages", role_arn, secret_id)
    world.secrets.delete_secret(SecretId=secret_arn, ForceDeleteWithoutRecovery=True)
    world.server.calls.clear()
    said = audit("--json")
    assert said.code == 1
    assert result(said, identifier) == "secret does not exist, 3 in excess, 1 missing"
    assert said.json["states"]["invalid"] == 1
    (role,) = said.json["roles"]
    assert (role["state"], role["result"]) == ("different", "3 in excess, 1 missing")
    assert [finding["statement"] for finding in role["findings"]] == [
        "Other",
        "Every",
        "Everything",
        "AllowsAmazonQToIngestDocuments",
    ]
    remarks = said.json["dataSources"][0]["remarks"]
    assert remarks == [
        f"there is no secret {secret_id}: give the data source the ARN of a secret that exists",
        "access to its secret and key counts as neither missing nor in excess",
    ]
    said = audit("--html", "audit.html")
    assert f"Pages {identifier}: {remarks[0]}\n" in said.out
    page = Page((tmp_path / "audit.html").read_text())
    assert f"secret does not exist, 3 in excess, 1 missing {' '.join(remarks)}" in page.lines


def test_every_reason_is_said_and_without_the_role_nothing_is_compared(world: World, audit: Audit):
    metadata = {"KeyId": KEY_ID, "Arn": KEY_ARN, "KeyManager": "CUSTOMER"}
    world.server.answers["kms:DescribeKey"] = {"KeyMetadata": metadata}
    secret_arn = world.secret("pages", KmsKeyId=KEY_ARN)
    world.server.refusals["kms:DescribeKey"] = (400, "NotFoundException")
    role_arn = f"arn:aws:iam::{ACCOUNT}:role/gone"
    identifier = world.add("Pages", role_arn, secret_arn)
    said = audit("--json")
    assert said.code == 1
    assert result(said, identifier) == "key does not exist, role does not exist"
    assert said.json["dataSources"][0]["remarks"] == [
        f"there is no key {KEY_ARN}: encrypt what the data source reads with a key that exists",
        f"there is no role {role_arn}: give the data source the ARN of a role that exists",
    ]


def test_a_setting_that_is_in_no_policy_does_not_hide_what_is_in_excess(world: World, audit: Audit):
    secret_arn = world.secret("pages")
    boundary = world.iam.create_policy(
        PolicyName="boundary", PolicyDocument=policy(allow("*", "*")), Path="/a*/"
    )["Policy"]["Arn"]
    document = own_policy(secret_arn, allow("sqs:*", "*"))
    role_arn = world.role("qbusiness-pages", document, PermissionsBoundary=boundary)
    identifier = world.add("Pages", role_arn, secret_arn)
    said = audit("--json")
    assert result(said, identifier) == "invalid, 1 in excess"
    assert said.json["dataSources"][0]["remarks"][0].startswith("permissionsBoundaryArn: ")


def test_without_permission_for_the_secret_its_role_is_compared_all_the_same(world: World, audit: Audit):
    secret_arn = world.secret("pages")
    role_arn = world.role("qbusiness-pages", own_policy(secret_arn))
    identifier = world.add("Pages", role_arn, secret_arn)
    world.server.refusals["secretsmanager:DescribeSecret"] = (403, "AccessDenied")
    said = audit("--json")
    assert said.code == 2
    assert result(said, identifier) == "not completely compared"
    assert said.json["dataSources"][0]["remarks"] == [
        "secretsmanager:DescribeSecret is not allowed",
        "access to its key counts as neither missing nor in excess",
    ]
    world.iam.put_role_policy(
        RoleName="qbusiness-pages", PolicyName="wide", PolicyDocument=policy(allow("sqs:*", "*"))
    )
    world.server.calls.clear()
    said = audit("--json")
    assert (said.code, result(said, identifier)) == (1, "1 in excess")


def test_a_role_of_an_unknown_connector_is_to_be_reviewed_by_hand(world: World, audit: Audit):
    role_arn = world.role("custom", own_policy(world.secret("custom")))
    world.add("Queue", role_arn, kind="CUSTOM")
    said = audit()
    assert said.code == 1
    assert re.search(r"^Queue +\(CUSTOM\) +custom +1 +unknown connector$", said.out, re.MULTILINE)


def test_a_custom_connector_needs_no_role(world: World, audit: Audit):
    world.add_equal("Pages")
    world.add("Queue", None, kind="CUSTOM")
    said = audit()
    assert said.code == 0
    assert re.search(r"^Queue +\(CUSTOM\) +without a role$", said.out, re.MULTILINE)
    assert said.out.endswith(f"account {ACCOUNT}: 1 equivalent, 1 without a role\n")


@pytest.mark.parametrize("empty", ["index", "account"])
def test_no_data_source_at_all_is_the_wrong_place_unless_it_is_allowed(
    server: Server, audit: Audit, tmp_path: Path, empty: str
):
    if empty == "account":
        server.qbusiness.resources.clear()
    (tmp_path / "audit.html").write_text("yesterday's")
    line = audit("--html", "audit.html").refusal
    assert line.startswith(
        f"audit: there is no data source of Amazon Q Business in us-east-1, account {ACCOUNT}: give the "
        "Region of the applications with --region, or"
    )
    assert "--allow-empty" in line
    assert (tmp_path / "audit.html").read_text() == "yesterday's"
    assert audit("--json").json == {
        "error": line.removeprefix("audit: "),
        "account": ACCOUNT,
        "region": REGION,
    }
    said = audit("--html", "audit.html", "--allow-empty")
    assert (said.code, said.out) == (
        0,
        f"\n0 data sources under 0 roles in us-east-1, account {ACCOUNT}\n",
    )
    assert "There are 0 data sources under 0 roles." in (tmp_path / "audit.html").read_text()
    assert audit("--json", "--allow-empty").json["dataSources"] == []


# What could not be read.


def complete_world(world: World) -> None:
    """Add data sources whose audit needs every permission, with nothing wrong."""
    metadata = {"KeyId": KEY_ID, "Arn": KEY_ARN, "KeyManager": "CUSTOMER"}
    world.server.answers["kms:DescribeKey"] = {"KeyMetadata": metadata}
    secret_arn = world.secret("pages", KmsKeyId=KEY_ARN)
    through = {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}}
    document = own_policy(secret_arn, allow("kms:Decrypt", KEY_ARN, Condition=through))
    role_arn = world.role("qbusiness-pages", document)
    arn = world.iam.create_policy(PolicyName="pages", PolicyDocument=document)["Policy"]["Arn"]
    world.iam.attach_role_policy(RoleName="qbusiness-pages", PolicyArn=arn)
    world.add("Pages", role_arn, secret_arn)
    world.s3.create_bucket(Bucket="qbusiness-documents")
    statements = json.loads(golden("s3-v1-role-policy"))["Statement"]
    kept = ("S3", "Ingest", "Pass")
    document = policy(*(each for each in statements if any(part in each["Sid"] for part in kept)))
    document = of_role(document, "qbusiness-s3")
    configuration = {"type": "S3", "bucketName": "qbusiness-documents"}
    world.add("Files", world.role("qbusiness-s3", document), kind="S3", configuration=configuration)


NOTHING_KNOWN: Final = ("sts:GetCallerIdentity", "qbusiness:ListApplications")


@pytest.mark.parametrize("action", NOTHING_KNOWN)
def test_without_a_permission_that_everything_needs_there_is_one_line(
    world: World, audit: Audit, tmp_path: Path, action: str
):
    complete_world(world)
    world.server.refusals[action] = (403, "AccessDenied")
    said = audit("--html", "audit.html")
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert line.startswith(f"audit: {action} is not allowed (AccessDenied by the test)")
    assert line.endswith("docs/audit.md has the whole policy")
    assert list(tmp_path.iterdir()) == []
    assert set(audit("--json").json) == {"error"}


@pytest.mark.parametrize("action", [each for each in ACTIONS["audit"] if each not in NOTHING_KNOWN])
def test_without_another_permission_a_line_says_so_and_the_rest_is_compared(
    world: World, audit: Audit, action: str
):
    complete_world(world)
    assert audit().code == 0
    assert set(world.server.calls) == set(ACTIONS["audit"])
    world.server.refusals[action] = (403, "AccessDenied")
    said = audit("--html", "audit.html")
    assert said.code == 2
    assert (
        f"audit: {action} is not allowed, at least for some resources: docs/audit.md has the policy"
        in (said.err.splitlines())
    )
    assert f"account {ACCOUNT}" in said.out
    assert "Not everything could be read." in Path("audit.html").read_text()
    found = audit("--json").json
    assert found["denied"] == [action]
    skipped = [f"application Docs {APPLICATION_ID}: {action} is not allowed"]
    assert found["skipped"] == (skipped if ":List" in action and "business" in action else [])


def test_what_could_not_be_compared_is_no_difference(world: World, audit: Audit):
    secret_arn = world.secret("pages")
    role_arn = world.role("qbusiness-pages", own_policy(secret_arn, without="AllowsAmazonQToGetSecret"))
    arn = world.iam.create_policy(PolicyName="rest", PolicyDocument=own_policy(secret_arn))
    world.iam.attach_role_policy(RoleName="qbusiness-pages", PolicyArn=arn["Policy"]["Arn"])
    identifier = world.add("Pages", role_arn, secret_arn)
    assert audit().code == 0
    world.server.refusals["iam:GetPolicyVersion"] = (403, "AccessDenied")
    said = audit("--json")
    assert said.code == 2
    assert said.json["dataSources"][0]["state"] == "not compared"
    assert result(said, identifier) == "1 missing, not completely compared"
    assert said.json["roles"][0]["remarks"] == [
        "iam:GetPolicyVersion is not allowed: the policies that it reads were not compared"
    ]
    # What is in excess is so whatever the other policies have.
    world.iam.put_role_policy(
        RoleName="qbusiness-pages", PolicyName="wide", PolicyDocument=policy(allow("*", "*"))
    )
    world.server.calls.clear()
    assert audit().code == 1


def test_a_denied_permission_for_a_key_is_a_remark_about_its_data_source(world: World, audit: Audit):
    complete_world(world)
    world.server.refusals["kms:DescribeKey"] = (403, "AccessDenied")
    pages, files = audit("--json").json["dataSources"]
    assert pages["result"] == "equivalent"
    assert pages["remarks"][0].startswith(f"kms:DescribeKey is not allowed for {KEY_ARN}, which is ass")
    assert files["remarks"] == []


@pytest.mark.parametrize(
    ("refusal", "line"),
    [
        ((400, "Throttling"), "audit: AWS throttles iam:GetRole: wait a minute and repeat"),
        ((403, "ExpiredToken"), "audit: AWS does not accept the credentials (ExpiredToken)"),
    ],
)
def test_what_concerns_every_call_ends_the_audit_in_one_line(
    world: World, audit: Audit, tmp_path: Path, refusal: tuple[int, str], line: str
):
    complete_world(world)
    (tmp_path / "audit.html").write_text("yesterday's")
    world.server.refusals["iam:GetRole"] = refusal
    said = audit("--html", "audit.html")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(line)
    assert len(said.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["audit.html"]
    assert (tmp_path / "audit.html").read_text() == "yesterday's"


def test_what_aws_throttles_is_repeated(world: World, audit: Audit, monkeypatch: pytest.MonkeyPatch):
    world.add_equal("Pages")
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    monkeypatch.setattr("botocore.endpoint.time.sleep", str)
    world.server.refusals["iam:GetRole"] = (400, "Throttling")
    assert audit().code == 2
    assert world.server.calls.count("iam:GetRole") == 5


def test_another_error_about_one_resource_skips_its_data_source(world: World, audit: Audit):
    complete_world(world)
    world.server.refusals["s3:GetEncryptionConfiguration"] = (400, "InvalidRequest")
    said = audit("--json")
    assert said.code == 2
    assert [each["state"] for each in said.json["dataSources"]] == ["equivalent", "not compared"]
    remark, _ = said.json["dataSources"][1]["remarks"]
    assert remark.startswith("s3:GetEncryptionConfiguration failed (InvalidRequest")


# Many data sources.


def test_what_several_data_sources_share_is_read_once(
    world: World, audit: Audit, record_property: Callable[[str, object], None]
):
    secrets = [world.secret(f"secret-{number}") for number in range(20)]
    roles = [
        world.role(f"qbusiness-{number}", own_policy(secret_arn))
        for number, secret_arn in enumerate(secrets)
    ]
    for number in range(500):
        world.add(f"Pages-{number}", roles[number % 20], secrets[number % 20])
    said = audit()
    assert said.code == 0
    assert said.out.endswith(
        f"500 data sources under 20 roles in us-east-1, account {ACCOUNT}: 500 equivalent\n"
    )
    assert "audit: reading data sources: 490 so far\n" in said.err
    assert said.err.endswith("audit: data sources: 400 of 500\naudit: data sources: 500 of 500\n")
    calls = {name: world.server.calls.count(name) for name in dict.fromkeys(world.server.calls)}
    assert calls == {
        "sts:GetCallerIdentity": 1,
        "qbusiness:ListApplications": 1,
        "qbusiness:ListIndices": 1,
        "qbusiness:ListDataSources": 50,
        "qbusiness:GetDataSource": 500,
        "secretsmanager:DescribeSecret": 20,
        "iam:GetRole": 20,
        "iam:ListRolePolicies": 20,
        "iam:GetRolePolicy": 20,
        "iam:ListAttachedRolePolicies": 20,
    }
    record_property("figure", {"calls of an audit of 500 data sources under 20 roles": calls})


def test_what_is_refused_is_not_asked_again(world: World, audit: Audit):
    metadata = {"KeyId": KEY_ID, "Arn": KEY_ARN, "KeyManager": "AWS"}
    world.server.answers["kms:DescribeKey"] = {"KeyMetadata": metadata}
    secret_arn = world.secret("pages", KmsKeyId=KEY_ARN)
    for name in ("Pages", "Assets", "News"):
        world.add(name, f"arn:aws:iam::{ACCOUNT}:role/gone", secret_arn)
    assert audit().code == 1
    assert world.server.calls.count("iam:GetRole") == 1
    assert world.server.calls.count("kms:DescribeKey") == 1
    world.server.calls.clear()
    world.server.refusals["secretsmanager:DescribeSecret"] = (403, "AccessDenied")
    assert audit().code == 1
    assert world.server.calls.count("secretsmanager:DescribeSecret") == 1


# The table.


@pytest.mark.parametrize("width", [80, 100, 132, 200])
def test_the_table_is_as_wide_as_the_terminal(
    world: World, audit: Audit, monkeypatch: pytest.MonkeyPatch, width: int
):
    name, connector = "N" + "ame-" * 20, "sharepoint-server-subscription"
    role = "qbusiness-role-of-sixty-four-characters-which-is-as-many-as-it-is"
    secret_arn = world.secret("sites")
    role_arn = world.role(role[:64], own_policy(secret_arn, allow("*", "*")))
    endpoint = {"repositoryAdditionalProperties": {"version": "Server"}}
    configuration = {
        "type": "SHAREPOINTV2",
        "secretArn": secret_arn,
        "connectionConfiguration": {"repositoryEndpointMetadata": endpoint},
    }
    world.add(name, role_arn, secret_arn, kind="SHAREPOINTV2", configuration=configuration)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    table = audit().out.partition("\n\n")[0]
    lines = table.splitlines()
    assert max(map(len, lines)) <= width
    head = next(line for line in lines if line.startswith("DATA SOURCE"))
    starts = [head.index(title) for title in ("DATA", "CONNECTOR", "ROLE", "USED", "RESULT")]
    ends: list[int | None] = [*starts[1:], None]
    rows = lines[lines.index(head) + 1 :]
    rows = rows[next(number for number, line in enumerate(rows) if line.startswith("Name-")) :]
    columns = [
        "".join(row[start:end].strip() for row in rows) for start, end in zip(starts, ends, strict=True)
    ]
    assert columns == [name, connector, role[:64], "1", "1 in excess"] or columns[4] == "1 inexcess"
    assert columns[:3] == [name, connector, role[:64]]


def test_what_is_no_terminal_gets_each_data_source_in_one_line(
    world: World, audit: Audit, monkeypatch: pytest.MonkeyPatch
):
    name = "N" + "ame-" * 50
    secret_arn = world.secret("pages")
    world.add(name, world.role("qbusiness-pages", own_policy(secret_arn)), secret_arn)
    monkeypatch.setenv("COLUMNS", "80")
    said = audit().out
    assert re.search(rf"^{name} +aem-cloud +qbusiness-pages +1 +equivalent$", said, re.MULTILINE)
    assert "\033" not in said


def test_control_characters_of_names_do_not_reach_the_terminal(world: World, audit: Audit):
    secret_arn = world.secret("pages")
    document = own_policy(secret_arn, allow("s3:GetObject", "arn:aws:s3:::b/\x1b[2J\u202e"))
    world.add("Pages", world.role("qbusiness-pages", document), secret_arn)
    world.server.qbusiness.resources[APPLICATION_ID,]["displayName"] = "Docs\x1b]0;x\x07"
    said = audit().out
    assert said.isascii()
    assert said.replace("\n", "").isprintable()
    assert "application Docs\\x1b]0;x\\x07 " in said
    assert "on arn:aws:s3:::b/\\x1b[2J\\u202e\n" in said


# For scripts.


def test_json_has_everything(world: World, audit: Audit):
    secret_arn = world.secret("pages")
    role_arn = world.role("qbusiness-pages", own_policy(secret_arn, allow("sqs:*", "*", Sid="Queues")))
    identifier = world.add("Pages", role_arn, secret_arn)
    said = audit("--json")
    assert said.err == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said.json["date"])
    assert {**said.json, "date": "then", "caller": "somebody"} == {
        "account": ACCOUNT,
        "region": REGION,
        "caller": "somebody",
        "date": "then",
        "states": {
            "equivalent": 0,
            "different": 1,
            "invalid": 0,
            "unknown connector": 0,
            "without a role": 0,
            "not compared": 0,
        },
        "dataSources": [
            {
                "applicationId": APPLICATION_ID,
                "applicationName": "Docs",
                "indexId": INDEX_ID,
                "indexName": "Main",
                "dataSourceId": identifier,
                "displayName": "Pages",
                "type": "AEM",
                "status": "ACTIVE",
                "connector": "aem-cloud",
                "role": role_arn,
                "state": "different",
                "result": "1 in excess",
                "remarks": [],
            }
        ],
        "roles": [
            {
                "role": role_arn,
                "state": "different",
                "result": "1 in excess",
                "dataSources": [identifier],
                "findings": [
                    {
                        "finding": "excess",
                        "policy": OWN,
                        "statement": "Queues",
                        "access": [{"actions": ["sqs:*"], "targets": ["*"], "condition": False}],
                        "dataSources": [],
                    }
                ],
                "remarks": [],
            }
        ],
        "skipped": [],
        "denied": [],
    }


def test_the_region_is_that_of_the_option(world: World, audit: Audit):
    world.server.qbusiness.resources.clear()
    assert audit("--region", "eu-west-1", "--json").json["region"] == "eu-west-1"


# The page.


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += " "

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "style":
            self.style += data
        else:
            self.text += data

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements of these kinds."""
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def lines(self) -> str:
        return " ".join(self.text.split())


def varied_world(world: World) -> None:
    """Add data sources with every kind of result."""
    world.add_equal("Pages")
    secret_arn = world.secret("assets")
    document = own_policy(
        secret_arn,
        allow("sqs:*", "*", Sid="Queues"),
        {**allow("s3:*", "*"), "Effect": "Deny"},
        without="AllowsAmazonQToIngestPrincipalMapping",
    )
    world.add("Assets", world.role("qbusiness-assets", document, TEMPLATE), secret_arn)
    shared_role(world, "jira", "wiki")
    world.add("Box", f"arn:aws:iam::{ACCOUNT}:role/gone", secret_arn, "BOX")
    world.add("Slack", f"arn:aws:iam::{OTHER_ACCOUNT}:role/slack", secret_arn, "SLACK")
    world.add("Queue", world.role("custom", own_policy(secret_arn)), kind="CUSTOM")
    world.add("Feed", None, kind="CUSTOM")


TEMPLATE: Final = policy(
    allow(
        [f"qbusiness:{name}" for name in ("PutFeedback", "ListMessages", "SearchRelevantContent")],
        [f"{APPLICATION_ARN}/index/{INDEX_ID}/data-source/{data_source_id(1)}"] * 2,
        Sid="ATemplateOfTheAccountWithALongNameThatHasNoSpace",
    )
)


@pytest.fixture
def page(world: World, audit: Audit, tmp_path: Path) -> Page:
    varied_world(world)
    world.server.refusals["iam:ListAttachedRolePolicies"] = (403, "AccessDenied")
    said = audit("--html", "audit.html")
    assert said.code == 1
    assert "audit: audit.html is written" in said.err.splitlines()
    return Page((tmp_path / "audit.html").read_text())


def test_the_page_says_what_when_where_and_with_which_versions(page: Page):
    facts = page.lines.partition(" Summary ")[0]
    assert re.search(
        rf"Account {ACCOUNT} Region {REGION} Date \d{{4}}-\d\d-\d\d \d\d:\d\d UTC "
        rf"Read by arn:aws:sts::{ACCOUNT}:\S+ "
        r"Versions program \d+\.\d+\.\d+.*; Python \d+\.\S+; boto3 \d+\.\S+$",
        facts,
    )


def test_the_page_has_every_result_and_finding(page: Page):
    summary = (
        "There are 8 data sources under 6 roles. 3 different 2 invalid 1 unknown connector 1 without"
    )
    assert summary in page.lines
    assert "Not everything could be read. iam:ListAttachedRolePolicies is not allowed" in page.lines
    assert f"Application Docs {APPLICATION_ID}, index Main {INDEX_ID}" in page.lines
    first, second, third, _, fifth, sixth, seventh, eighth = map(data_source_id, range(1, 9))
    for row in (
        f"Pages {first} aem-cloud ACTIVE qbusiness-Pages not completely compared",
        f"Assets {second} aem-cloud ACTIVE qbusiness-assets 2 in excess, 1 denying, 1 missing",
        f"jira {third} aem-cloud ACTIVE qbusiness-shared used by 2 2 shared",
        f"Box {fifth} box ACTIVE gone role does not exist",
        f"Slack {sixth} slack ACTIVE slack invalid data source {sixth} (SLACK) is in account",
        f"Queue {seventh} CUSTOM ACTIVE custom unknown connector",
        f"Feed {eighth} CUSTOM ACTIVE without a role",
        f"in excess Queues {OWN} sqs:* *",
        f"denying statement 4 {OWN} s3:* *",
        f"missing AllowsAmazonQToIngestPrincipalMapping {OWN} qbusiness:PutGroup qbusiness:CreateUser",
        f"shared AllowsAmazonQToGetSecret {OWN} for wiki {data_source_id(4)} secretsmanager:GetSecretV",
    ):
        assert row in page.lines


def test_the_page_loads_nothing_and_runs_nothing(page: Page):
    assert {tag for tag, _ in page.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "article"),
        *("footer", "h1", "h2", "h3", "p", "ul", "li", "dl", "dt", "dd", "a", "code", "span", "strong"),
        *("div", "time", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    }
    names = {name for _, attributes in page.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "style", "srcset")]
    assert all((link["href"] or "").startswith("#") for link in page.all("a"))
    assert "url(" not in page.style
    assert "@import" not in page.style
    assert "default-src 'none'; style-src 'unsafe-inline'" in [
        each.get("content") for each in page.all("meta")
    ]


def test_the_page_is_accessible(page: Page):
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("title")) == len(page.all("h1")) == len(page.all("main")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert {each.get("scope") for each in page.all("th")} == {"col", "row", "rowgroup"}
    assert len(page.all("table")) == len(page.all("caption"))
    identifiers = [each["id"] for _, each in page.elements if "id" in each]
    assert len(identifiers) == len(set(identifiers))
    references = [(link["href"] or "")[1:] for link in page.all("a")]
    references += [each["aria-labelledby"] for _, each in page.elements if "aria-labelledby" in each]
    assert set(references) <= set(identifiers)


def with_markup(value: Any) -> Any:
    """Return the same result with markup in every text."""
    if type(value) is str and value:
        return f"{value}{MARKUP}"
    if isinstance(value, tuple):
        members = [with_markup(member) for member in value]
        return type(value)(*members) if hasattr(value, "_fields") else tuple(members)
    return value


def test_markup_in_any_name_is_text(world: World, audit: Audit):
    varied_world(world)
    assert audit().code == 1
    found = survey(Account(REGION, Notes("audit")), Notes("audit"))
    found = found._replace(skipped=("application Docs",), denied=("iam:GetRole",))
    plain, marked = Page(render(found)), Page(render(with_markup(found)))
    assert [tag for tag, _ in marked.elements] == [tag for tag, _ in plain.elements]
    assert [[*each] for _, each in marked.elements] == [[*each] for _, each in plain.elements]
    assert MARKUP not in plain.text
    assert marked.text.replace(MARKUP, "") == plain.text
    assert marked.text.count(MARKUP) > 100


def test_what_a_browser_does_not_show_is_escaped(world: World, audit: Audit, tmp_path: Path):
    name = "Docs \u202egnp.exe\u2066\u200f\u200b\x1b\x9b\u2028 gr\xf6\xdfer \u6587\u66f8"
    world.server.qbusiness.resources[APPLICATION_ID,]["displayName"] = name
    world.add_equal("Pages")
    assert audit("--html", "audit.html").code == 0
    text = (tmp_path / "audit.html").read_text()
    shown = r"Docs \u202egnp.exe\u2066\u200f\u200b\x1b\x9b\u2028 gr\xf6\xdfer \u6587\u66f8"
    shown = shown.replace(r"gr\xf6\xdfer \u6587\u66f8", "gr\xf6\xdfer \u6587\u66f8")
    assert shown in text
    assert text.replace("\n", "").isprintable()


def test_markup_that_aws_accepts_is_text(world: World, audit: Audit, tmp_path: Path):
    world.server.qbusiness.resources[APPLICATION_ID,]["displayName"] = MARKUP
    secret_arn = world.secret("pages")
    document = own_policy(secret_arn, allow("s3:GetObject", f"arn:aws:s3:::b/{MARKUP}"))
    world.add("Pages", world.role("qbusiness-pages", document), secret_arn)
    assert audit("--html", "audit.html").code == 1
    page = Page((tmp_path / "audit.html").read_text())
    assert f"Application {MARKUP} " in page.lines
    assert f"arn:aws:s3:::b/{MARKUP}" in page.text
    assert page.all("script", "b") == []


# Its file.


def test_the_page_replaces_the_one_before_completely(world: World, audit: Audit, tmp_path: Path):
    world.add_equal("Pages")
    (tmp_path / "filed").mkdir()
    (tmp_path / "filed" / "audit.html").write_text("yesterday's" * 10_000)
    (tmp_path / "latest.html").symlink_to("filed/audit.html")
    assert audit("--html", "latest.html").code == 0
    assert (tmp_path / "latest.html").is_symlink()
    text = (tmp_path / "filed" / "audit.html").read_text()
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>")
    assert "yesterday's" not in text
    assert [path.name for path in (tmp_path / "filed").iterdir()] == ["audit.html"]


def test_the_page_is_as_private_as_the_one_before(world: World, audit: Audit, tmp_path: Path):
    world.add_equal("Pages")
    (tmp_path / "private.html").write_text("yesterday's")
    (tmp_path / "private.html").chmod(0o600)
    (tmp_path / "private.html.unfinished").write_text("mine")
    (tmp_path / "next.html").symlink_to("later.html")
    before = os.umask(0o037)
    try:
        for name in ("private.html", "new.html", "next.html"):
            assert audit("--html", name).code == 0
    finally:
        os.umask(before)
    assert (tmp_path / "private.html.unfinished").read_text() == "mine"
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("*.html")}
    assert modes == {
        "private.html": 0o600,
        "new.html": 0o640,
        "next.html": 0o640,
        "later.html": 0o640,
    }
    assert len([*tmp_path.iterdir()]) == 5


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (".", "audit: . is a directory: give another name, or move it away"),
        ("missing/audit.html", "audit: missing/audit.html cannot be written: No such file or directory"),
        ("a" * 256, f"audit: {'a' * 256} cannot be written: File name too long"),
        ("file/audit.html", "audit: file/audit.html cannot be written: Not a directory"),
        ("pipe", "audit: pipe is not a regular file: give another name, or move it away"),
        ("loop", "audit: loop is not a regular file: give another name, or move it away"),
    ],
)
def test_a_file_that_cannot_be_written_is_one_line_before_aws_is_read(
    server: Server, audit: Audit, tmp_path: Path, file: str, line: str
):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    said = audit("--html", file)
    assert (said.code, said.out, said.err) == (2, "", f"{line}\n")
    assert audit("--html", file, "--json").json == {"error": line.removeprefix("audit: ")}
    assert server.calls == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "pipe"]


def test_a_page_that_cannot_be_finished_leaves_the_one_before(
    world: World, audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    world.add_equal("Pages")
    (tmp_path / "audit.html").write_text("yesterday's")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", fail)
    said = audit("--html", "audit.html")
    assert (said.code, said.out) == (2, "")
    assert said.err == "audit: audit.html cannot be written: No space left on device\n"
    assert [path.name for path in tmp_path.iterdir()] == ["audit.html"]
    assert (tmp_path / "audit.html").read_text() == "yesterday's"


# In a browser.

CONTRAST: Final = """
(() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const luminance = color => parse(color).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const background = element => {
    const color = parse(getComputedStyle(element).backgroundColor);
    return color[3] === 0 && element.parentElement ? background(element.parentElement)
      : getComputedStyle(element).backgroundColor;
  };
  const texts = [...document.querySelectorAll("body *")].filter(element =>
    [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  return Math.min(...texts.map(element => {
    const two = [getComputedStyle(element).color, background(element)].map(luminance);
    return (Math.max(...two) + 0.05) / (Math.min(...two) + 0.05);
  }));
})()
"""
"""The least contrast of a text with what is behind it."""


@pytest.fixture
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    chromium = find_chromium()
    if not chromium:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with opened(chromium, tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


def test_the_page_can_be_read_on_any_screen_and_on_paper(page: Page, tab: Tab, tmp_path: Path):
    del page  # has written it
    tab.open(tmp_path / "audit.html")
    backgrounds: dict[tuple[str, str], str] = {}
    for media, widths in {"screen": (320, 400, 768, 1280), "print": (680,)}.items():
        for scheme in ("light", "dark"):
            for width in widths:
                tab.emulate(width=width, media=media, scheme=scheme)
                assert tab.evaluate("document.documentElement.scrollWidth") == width
                # https://www.w3.org/TR/WCAG22/#contrast-minimum
                assert tab.evaluate(CONTRAST) >= 4.5
            color = tab.evaluate("getComputedStyle(document.body).backgroundColor")
            backgrounds[media, scheme] = color
    assert backgrounds["screen", "light"] == backgrounds["print", "dark"] == "rgb(255, 255, 255)"
    assert backgrounds["screen", "dark"] not in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
    assert tab.screenshot().startswith(b"\x89PNG")
    assert tab.pdf().startswith(b"%PDF-")


def test_a_browser_shows_names_with_markup_and_runs_none(
    world: World, audit: Audit, tab: Tab, tmp_path: Path
):
    name = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    world.server.qbusiness.resources[APPLICATION_ID,]["displayName"] = name
    world.add_equal("Pages")
    assert audit("--html", "audit.html").code == 0
    tab.open(tmp_path / "audit.html")
    assert tab.evaluate("document.title").startswith("Roles of Amazon Q Business data sources: ")
    assert tab.evaluate("document.querySelectorAll('script, img').length") == 0
    assert name in tab.evaluate("document.body.innerText")


# The documentation.


def test_the_policy_of_the_documentation_is_what_is_called(world: World, audit: Audit):
    complete_world(world)
    assert audit().code == 0
    assert read_actions("Audit") == set(ACTIONS["audit"]) == set(world.server.calls)


def test_the_documentation_has_every_option(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["audit", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    listed = re.findall(r"^\| `(--[a-z-]+)[` ]", DOCUMENTATION.read_text(), flags=re.MULTILINE)
    assert sorted(options) == sorted(listed)


def test_the_documentation_has_every_result():
    listed = re.findall(
        r"^\| (?:N )?([a-z ,]+) \|", prose("Read what it prints", DOCUMENTATION), re.MULTILINE
    )
    single = {State.DIFFERENT: LABELS.values()}
    expected = [text for state in State for text in single.get(state, [state])]
    assert sorted(listed) == sorted([*expected, "result", "role, secret, key, or bucket does not exist"])
