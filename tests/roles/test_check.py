"""`roles check` asks AWS whether a sync will work: each question, what is wrong, and the fix."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import boto3
import pytest
from moto.core.utils import get_service_model

from evidence.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SECRET_ID,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from roles.__main__ import main
from roles.account import Account
from roles.actions import ACTIONS
from sandbox.account import FILL
from sandbox.environment import PROJECT
from tests.helpers.page import blocks, prose
from tests.helpers.policy_simulation import policy_simulator
from tests.helpers.qbusiness_server import DATA_SOURCE_ID, Server, Simulation, served
from tests.helpers.roles_command import Output, Roles
from tests.helpers.stacks import NewStack
from tests.helpers.support import PROJECT_NAME, golden, of_role

pytestmark = pytest.mark.slow

PAGE: Final = PROJECT / "docs" / "check.md"
ROLE_NAME: Final = "aem-connector-qbusiness-role-1234567"
ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}"
POLICY: Final = "qbusiness-aem-connector"
SECRET_ARN: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET_ID}"
SECRET_NAME: Final = "qbusiness/aem-cloud"
KEY_ARN: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}"
OTHER_KEY_ARN: Final = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ffffffff-12ab-34cd-56ef-1234567890ab"
SECOND_SUBNET_ID: Final = "subnet-0b2c3d4e5f6071829"
OTHER_ID: Final = "d4e5f6a7-8901-23ab-cdef-444444444444"
USER_ARN: Final = f"arn:aws:iam::{ACCOUNT}:user/deployer"
WIDE: Final = (
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
)
SETTINGS: Final[dict[str, Any]] = {
    "aws:region": REGION,
    f"{PROJECT_NAME}:applicationId": APPLICATION_ID,
    f"{PROJECT_NAME}:indexId": INDEX_ID,
    f"{PROJECT_NAME}:secretId": SECRET_ID,
    f"{PROJECT_NAME}:kmsKeyId": KEY_ID,
    f"{PROJECT_NAME}:vpcConfiguration": {
        "subnetIds": [SUBNET_ID, SECOND_SUBNET_ID],
        "securityGroupIds": [SECURITY_GROUP_ID],
    },
    f"{PROJECT_NAME}:allowNetworkInterfaceDeletion": True,
}
DENIED: Final = {"EvalDecision": "implicitDeny"}
PULUMI: Final = """\
#!/bin/sh
case "$*" in
"config --stack "*dev" --json --show-secrets --non-interactive") cat config.json ;;
"stack output --stack "*dev" --json --non-interactive") cat shown-outputs.json ;;
"stack output --stack "*dev" --json --show-secrets --non-interactive") cat outputs.json ;;
*) echo "error: no stack named 'nope' found" >&2; exit 6 ;;
esac
"""
"""Answers only the commands that read, and writes nothing."""


def answers_in(state: str, said: Output) -> list[str]:
    """Return the answers in a state, without it."""
    return re.findall(rf"^{state} +(.*)$", said.out, flags=re.MULTILINE)


def answer_to(question: str, said: Output) -> str:
    """Return the answer to a question, with its state, details and fix."""
    pattern = rf"^(?:ok|problem|skipped|cannot tell) +{question}(?: [0-9a-f-]{{36}})?: .*\n(?: .*\n)*"
    found = re.findall(pattern, said.out, flags=re.MULTILINE)
    assert found, said.out
    return "".join(found)


class World:
    """A stack, and everything around its role, in which nothing is wrong."""

    def __init__(self, server: Server, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.settings = dict(SETTINGS)
        self.secret_keys: set[str] = set()
        self.outputs: dict[str, Any] = {"roleArn": ROLE_ARN, "roleName": ROLE_NAME}
        self.secret_outputs: set[str] = set()
        place = {"region_name": REGION, "endpoint_url": server.url}
        credentials = {"aws_access_key_id": "tests", "aws_secret_access_key": "tests"}

        def client(service: str) -> Any:
            create: Any = boto3.client
            return create(service, **place, **credentials)

        self.iam, self.kms, self.ec2 = map(client, ("iam", "kms", "ec2"))
        self.secrets, self.s3 = map(client, ("secretsmanager", "s3"))
        for fill in FILL.values():
            fill()
        self.iam.create_role(RoleName=ROLE_NAME, AssumeRolePolicyDocument=golden("trust-policy"))
        self.put_policy(golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT))
        server.answers["sts:GetCallerIdentity"] = {
            "UserId": "AIDA",
            "Account": ACCOUNT,
            "Arn": USER_ARN,
        }
        server.answers["access-analyzer:ValidatePolicy"] = {"findings": []}
        server.decide = self.deny_others

    @staticmethod
    def deny_others(simulation: Simulation) -> dict[str, dict[str, str]]:
        """Deny what the role must not reach, and allow the rest."""
        foreign = any(part in simulation.resource for part in ("another", "0000-0000"))
        return {action: DENIED for action in simulation.actions if foreign}

    def put_policy(self, document: str, name: str = POLICY) -> None:
        self.iam.put_role_policy(RoleName=ROLE_NAME, PolicyName=name, PolicyDocument=document)

    def set(self, **settings: Any) -> None:
        """Set keys of the project's namespace, or remove them with None."""
        for key, value in settings.items():
            self.settings[f"{PROJECT_NAME}:{key}"] = value
        self.settings = {key: value for key, value in self.settings.items() if value is not None}

    def add_data_source(self, identifier: str = DATA_SOURCE_ID, **more: Any) -> dict[str, Any]:
        """Add a data source as the settings describe it."""
        data_source: dict[str, Any] = {
            "configuration": {"type": "AEM", "secretArn": SECRET_ARN},
            "vpcConfiguration": SETTINGS[f"{PROJECT_NAME}:vpcConfiguration"],
            "roleArn": ROLE_ARN,
            **more,
        }
        self.server.add(identifier, **data_source)
        return self.server.data_source(identifier)

    def add_sync(self, status: str, **more: Any) -> None:
        """Add a sync job of the data source, which becomes the last."""
        day = len(self.syncs) + 1
        started = datetime(2026, 11, day, 12, 30, tzinfo=UTC).timestamp()
        self.syncs.insert(0, {"executionId": OTHER_ID, "startTime": started, "status": status, **more})

    @property
    def syncs(self) -> list[dict[str, Any]]:
        path = (APPLICATION_ID, INDEX_ID, DATA_SOURCE_ID)
        return self.server.qbusiness.sync_jobs.setdefault(path, [])

    def write(self) -> None:
        """Write what Pulumi prints."""
        config = {
            key: {
                "value": value if isinstance(value, str) else json.dumps(value),
                "secret": key in self.secret_keys,
            }
            for key, value in self.settings.items()
        }
        (self.directory / "config.json").write_text(json.dumps(config))
        (self.directory / "outputs.json").write_text(json.dumps(self.outputs))
        shown = self.outputs | dict.fromkeys(self.secret_outputs, "[secret]")
        (self.directory / "shown-outputs.json").write_text(json.dumps(shown))


Check = Callable[..., Output]


@pytest.fixture
def server() -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture
def world(server: Server, tmp_path: Path) -> World:
    return World(server, tmp_path)


@pytest.fixture
def check(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """Run `roles check --stack dev` in a project's directory."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pulumi").write_text(PULUMI)
    (programs / "pulumi").chmod(0o755)
    (tmp_path / "Pulumi.yaml").write_text(f"name: {PROJECT_NAME}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    roles = Roles(world.server, monkeypatch, capsys)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")  # not the stack's

    def run(*options: str) -> Output:
        world.write()
        world.server.calls.clear()
        before = sorted(tmp_path.rglob("*"))
        said = roles.run("check", "--stack", "dev", *options)
        assert sorted(tmp_path.rglob("*")) == before
        return said

    return run


# Nothing is wrong.


def test_every_question_is_answered_when_nothing_is_wrong(world: World, check: Check):
    world.add_data_source()
    world.add_sync("SUCCEEDED")
    said = check()
    assert [said.out] == blocks("text", prose("Read what it prints", PAGE))
    assert said.code == 0
    assert said.err == ""


def test_json_is_one_document_with_every_answer(world: World, check: Check):
    world.iam.delete_role_policy(RoleName=ROLE_NAME, PolicyName=POLICY)
    world.server.refusals["kms:GetKeyPolicy"] = (400, "AccessDeniedException")
    said = check("--json")
    assert said.code == 1
    assert {key: said.json[key] for key in ("stack", "ok", "problem", "skipped")} == {
        "stack": "dev",
        "ok": 22,
        "problem": 1,
        "skipped": 2,
    }
    answers = {answer["question"]: answer for answer in said.json["answers"]}
    assert len(answers) == 25
    assert answers["key policy"] == {
        "question": "key policy",
        "state": "skipped",
        "text": "kms:GetKeyPolicy is not allowed for these credentials",
        "action": "kms:GetKeyPolicy",
    }
    assert answers["role policy"]["fix"] == "pulumi up --stack dev"
    assert "AllowsAmazonQToGetSecret: missing" in answers["role policy"]["details"]


def test_a_connector_without_secret_and_vpc_is_asked_about_its_bucket(world: World, check: Check):
    s3_source(world)
    said = check()
    assert said.code == 0
    assert "ok       secret: the connector s3-v2 has none in the settings\n" in said.out
    assert f"encryption: bucket documents is encrypted with {KEY_ARN}\n" in said.out
    assert "subnets: the settings have no VPC\n" in said.out
    assert f"bucket: documents exists in account {ACCOUNT}, {REGION}\n" in said.out
    assert "requests allowed: IAM allows all 16 that the connector makes" in said.out


def s3_source(world: World) -> None:
    """Make the stack one for a bucket that is the data source."""
    world.set(
        connector="s3-v2",
        bucketName="documents",
        secretId=None,
        vpcConfiguration=None,
        allowNetworkInterfaceDeletion=None,
    )
    world.s3.create_bucket(Bucket="documents")
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY_ARN}
    world.s3.put_bucket_encryption(
        Bucket="documents",
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    policy = golden("s3-v2-role-policy").replace("qbusiness-documents", "documents")
    world.put_policy(of_role(policy, ROLE_NAME))


# What is wrong with the resources.


@dataclass
class Break:
    """One thing that is wrong, and what is printed."""

    apply: Callable[[World], object]
    question: str
    text: str
    fix: str


def set_up(setting: str, value: str) -> str:
    """Return the fix that sets a setting."""
    return f"pulumi config set --stack dev --plaintext -- {setting} {value} && pulumi up --stack dev"


def set_member(member: str, value: str) -> str:
    path = f"'vpcConfiguration.{member}'"
    return (
        f"pulumi config set --stack dev --path --type string -- {path} {value} && pulumi up --stack dev"
    )


def recreate_secret(world: World) -> None:
    world.secrets.delete_secret(SecretId=SECRET_ARN, ForceDeleteWithoutRecovery=True)
    world.secrets.create_secret(Name=SECRET_NAME, SecretString="{}", KmsKeyId=KEY_ID)


def empty_secret(world: World) -> None:
    world.server.answers["secretsmanager:DescribeSecret"] = {"ARN": SECRET_ARN, "KmsKeyId": KEY_ARN}


def resource(world: World, *path: str, **members: Any) -> None:
    world.server.qbusiness.resources[path].update(members)


def key_metadata(world: World, **members: Any) -> None:
    world.server.answers["kms:DescribeKey"] = {
        "KeyMetadata": {
            "KeyId": KEY_ID,
            "Arn": KEY_ARN,
            "KeyState": "Enabled",
            "KeyManager": "CUSTOMER",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "KeyUsage": "ENCRYPT_DECRYPT",
            **members,
        }
    }


def key_policy(world: World, *statements: dict[str, Any]) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    world.kms.put_key_policy(KeyId=KEY_ID, PolicyName="default", Policy=document)


def subnet(world: World, **members: Any) -> None:
    """Change what EC2 says of the first subnet."""
    wanted = [SUBNET_ID, SECOND_SUBNET_ID]
    first, second = (
        {
            "SubnetId": identifier,
            "SubnetArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{identifier}",
            "OwnerId": ACCOUNT,
            "VpcId": "vpc-1",
            "AvailabilityZoneId": "use1-az1",
            "AvailableIpAddressCount": 5,
        }
        for identifier in wanted
    )
    world.server.answers["ec2:DescribeSubnets"] = {"Subnets": [{**first, **members}, second]}
    group = {"GroupId": SECURITY_GROUP_ID, "VpcId": "vpc-1"}
    world.server.answers["ec2:DescribeSecurityGroups"] = {"SecurityGroups": [group]}


def allow_key(principal: object, **more: Any) -> dict[str, Any]:
    return {
        "Sid": "Statement",
        "Effect": "Allow",
        "Principal": principal,
        "Action": "kms:*",
        "Resource": "*",
        **more,
    }


ROOT: Final = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
OF_ORGANIZATION: Final = {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
EVERYBODY: Final = "lets everybody decrypt who meets its conditions, as the role does"
THROUGH: Final = {"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}}

BREAKS: list[Break] = [
    Break(
        lambda world: world.server.qbusiness.resources.pop((APPLICATION_ID,)),
        "application",
        f"there is no application {APPLICATION_ID} in {REGION}: `aws qbusiness list-applications",
        set_up("applicationId", "APPLICATION_ID"),
    ),
    Break(
        lambda world: resource(
            world, APPLICATION_ID, status="FAILED", error={"errorMessage": "No identity provider"}
        ),
        "application",
        f"application {APPLICATION_ID} is FAILED: No identity provider",
        "create another application, and set its ID",
    ),
    Break(
        lambda world: resource(world, APPLICATION_ID, status="CREATING"),
        "application",
        f"application {APPLICATION_ID} is CREATING",
        "wait until it is ACTIVE",
    ),
    Break(
        lambda world: world.server.qbusiness.resources.pop((APPLICATION_ID, INDEX_ID)),
        "index",
        f"there is no index {INDEX_ID} in this application: `aws qbusiness list-indices",
        set_up("indexId", "INDEX_ID"),
    ),
    Break(
        lambda world: resource(world, APPLICATION_ID, INDEX_ID, status="DELETING"),
        "index",
        f"index {INDEX_ID} is DELETING",
        "create another index",
    ),
    Break(
        lambda world: world.secrets.delete_secret(SecretId=SECRET_ARN),
        "secret",
        f"{SECRET_ARN} is scheduled for deletion",
        f"aws secretsmanager restore-secret --secret-id {SECRET_ARN}",
    ),
    Break(
        lambda world: world.secrets.delete_secret(SecretId=SECRET_ARN, ForceDeleteWithoutRecovery=True),
        "secret",
        f"there is no secret {SECRET_ARN}: `aws secretsmanager list-secrets` lists them",
        set_up("secretId", "SECRET_ARN"),
    ),
    Break(
        recreate_secret,
        "secret",
        f"there is no secret {SECRET_ARN}, but arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
        f"{SECRET_NAME}-",
        f"-- secretId arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET_NAME}-",
    ),
    Break(
        empty_secret,
        "secret",
        f"{SECRET_ARN} has no value",
        f"aws secretsmanager put-secret-value --secret-id {SECRET_ARN} --secret-string",
    ),
    Break(
        lambda world: world.set(kmsKeyId=None),
        "encryption",
        f"the secret is encrypted with {KEY_ARN}, and kmsKeyId is not set",
        set_up("kmsKeyId", KEY_ARN),
    ),
    Break(
        lambda world: world.set(kmsKeyId=OTHER_KEY_ARN),
        "encryption",
        f"the secret is encrypted with {KEY_ARN}, and kmsKeyId is {OTHER_KEY_ARN}",
        set_up("kmsKeyId", KEY_ARN),
    ),
    Break(
        lambda world: world.secrets.update_secret(
            SecretId=SECRET_ARN, KmsKeyId="alias/aws/secretsmanager"
        ),
        "encryption",
        f"the secret is encrypted with a key that AWS manages, and kmsKeyId is {KEY_ARN}",
        "pulumi config rm --stack dev -- kmsKeyId && pulumi up --stack dev",
    ),
    Break(
        lambda world: world.kms.disable_key(KeyId=KEY_ID),
        "KMS key",
        f"{KEY_ARN} is Disabled",
        f"aws kms enable-key --key-id {KEY_ID}",
    ),
    Break(
        lambda world: world.kms.schedule_key_deletion(KeyId=KEY_ID),
        "KMS key",
        f"{KEY_ARN} is PendingDeletion",
        f"aws kms cancel-key-deletion --key-id {KEY_ID} && aws kms enable-key --key-id {KEY_ID}",
    ),
    Break(
        lambda world: key_metadata(world, KeyState="PendingImport"),
        "KMS key",
        f"{KEY_ARN} is PendingImport",
        "wait until it is Enabled",
    ),
    Break(
        lambda world: key_metadata(world, KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY"),
        "KMS key",
        f"{KEY_ARN} is not a symmetric key for encryption, but RSA_2048 for SIGN_VERIFY",
        "encrypt the secret with a symmetric key",
    ),
    Break(
        lambda world: world.set(kmsKeyId=OTHER_KEY_ARN),
        "KMS key",
        f"there is no key {OTHER_KEY_ARN}",
        set_up("kmsKeyId", "KEY_ID"),
    ),
    Break(
        lambda world: key_policy(world, allow_key({"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"})),
        "key policy",
        "the key policy neither lets the role decrypt nor leaves it to IAM",
        "with the statement of docs/faq.md#access-denied-to-the-kms-key",
    ),
    Break(
        lambda world: key_policy(world, allow_key(ROOT, Action="kms:Encrypt")),
        "key policy",
        "neither lets the role decrypt",
        f"aws kms put-key-policy --key-id {KEY_ID} --policy-name default --policy file://POLICY_FILE, ",
    ),
    Break(
        lambda world: key_policy(
            world, allow_key(ROOT, Condition={"StringEquals": {"kms:ViaService": "s3.amazonaws.com"}})
        ),
        "key policy",
        "neither lets the role decrypt",
        f"aws kms put-key-policy --key-id {KEY_ID}",
    ),
    Break(
        lambda world: key_policy(
            world,
            allow_key(ROOT),
            allow_key({"AWS": ROLE_ARN}, Effect="Deny", Action="kms:D*", Sid="No"),
        ),
        "key policy",
        "the key policy denies kms:Decrypt to the role (No)",
        "--policy-name default --policy file://POLICY_FILE, without that statement",
    ),
    Break(
        lambda world: world.ec2.delete_subnet(SubnetId=SECOND_SUBNET_ID),
        "subnets",
        f"there is no subnet {SECOND_SUBNET_ID} in {REGION}",
        set_member("subnetIds[1]", "SUBNET_ID"),
    ),
    Break(
        lambda world: subnet(world, AvailabilityZoneId="use1-az6"),
        "subnets",
        f"{SUBNET_ID} is in use1-az6, and Amazon Q Business supports use1-az1, use1-az2, use1-az4",
        set_member("subnetIds[0]", "SUBNET_ID"),
    ),
    Break(
        lambda world: subnet(world, AvailableIpAddressCount=0),
        "subnets",
        f"{SUBNET_ID} has no free address",
        set_member("subnetIds[0]", "SUBNET_ID"),
    ),
    Break(
        lambda world: subnet(world, VpcId="vpc-2"),
        "subnets",
        f"the subnets are in 2 VPCs: {SUBNET_ID} in vpc-2, {SECOND_SUBNET_ID} in vpc-1",
        set_member("subnetIds[0]", "SUBNET_ID"),
    ),
    Break(
        lambda world: subnet(
            world,
            OwnerId=OTHER_ACCOUNT,
            SubnetArn=f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:subnet/{SUBNET_ID}",
        ),
        "subnets",
        f"{SUBNET_ID} belongs to account {OTHER_ACCOUNT}, which shares it: give its ARN",
        set_member("subnetIds[0]", f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:subnet/{SUBNET_ID}"),
    ),
    Break(
        lambda world: world.ec2.delete_security_group(GroupId=SECURITY_GROUP_ID),
        "security groups",
        f"there is no security group {SECURITY_GROUP_ID} in {REGION}",
        set_member("securityGroupIds[0]", "SECURITY_GROUP_ID"),
    ),
    Break(
        lambda world: world.server.answers.update(
            {
                "ec2:DescribeSecurityGroups": {
                    "SecurityGroups": [{"GroupId": SECURITY_GROUP_ID, "VpcId": "vpc-9"}]
                }
            }
        ),
        "security groups",
        f"{SECURITY_GROUP_ID} is in vpc-9, and the subnets are in vpc-0d4e5f60718293041",
        set_member("securityGroupIds[0]", "SECURITY_GROUP_ID"),
    ),
]


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.text[:60])
def test_what_is_wrong_with_a_resource_is_printed_with_the_command_that_fixes_it(
    world: World, check: Check, broken: Break
):
    broken.apply(world)
    said = check()
    assert said.code == 1
    answer = answer_to(broken.question, said)
    assert answer.startswith(f"problem  {broken.question}: ")
    assert broken.text in answer
    assert f"fix: {broken.fix}" in answer or broken.fix in answer.partition("fix: ")[2]


@pytest.mark.parametrize(
    ("statements", "text"),
    [
        ([allow_key({"AWS": ROLE_ARN}, Action="kms:Decrypt")], "names the role"),
        ([allow_key({"AWS": ACCOUNT})], "leaves it to the account's IAM policies"),
        ([allow_key("*", Condition=THROUGH)], EVERYBODY),
        (
            [allow_key("*", Condition={"StringEquals": {"kms:CallerAccount": ACCOUNT}})],
            EVERYBODY,
        ),
        (
            [
                allow_key(
                    ROOT, Condition={"StringNotEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}
                )
            ],
            "leaves it to the account's IAM policies",
        ),
        (
            [allow_key(ROOT), allow_key("*", Effect="Deny", Action="kms:ScheduleKeyDeletion")],
            "leaves it to the account's IAM policies",
        ),
    ],
)
def test_key_policies_that_let_the_role_decrypt(
    world: World, check: Check, statements: list[dict[str, Any]], text: str
):
    key_policy(world, *statements)
    assert answer_to("key policy", check()) == f"ok       key policy: {text}\n"


ADMIN: Final = f"arn:aws:iam::{ACCOUNT}:role/admin"
DENYING: Final[list[dict[str, Any]]] = [
    {"StringNotLike": {"aws:PrincipalArn": ADMIN}},
    {"StringNotEquals": {"aws:PrincipalArn": ADMIN}},
    {"ArnNotEquals": {"aws:PrincipalArn": ADMIN}},
    {"ArnNotLikeIfExists": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/admin*"}},
    {"StringNotEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}},
    {"StringNotEqualsIfExists": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}},
    {"StringNotEquals": {"kms:CallerAccount": OTHER_ACCOUNT}},
    {"StringNotEquals": {"aws:PrincipalAccount": OTHER_ACCOUNT}},
    {"StringEquals": {"aws:RequestedRegion": REGION}},
    {"StringLike": {"aws:userid": "AROA*:*"}},
    {"StringNotEquals": {"aws:PrincipalTag/team": "security"}},
    {"Null": {"aws:MultiFactorAuthAge": "true"}},
    {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
    {"Bool": {"aws:ViaAWSService": "true"}},
    {"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
    {"ForAllValues:StringNotLike": {"aws:PrincipalOrgPaths": "o-1/*"}},
    {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}},
]
"""Conditions that the connector's request meets; moto's account belongs to no organization."""
SPARING: Final[list[dict[str, Any]]] = [
    {"StringNotLike": {"aws:PrincipalArn": [ADMIN, ROLE_ARN]}},
    {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}},
    {"StringNotEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}},
    {"StringNotEquals": {"kms:CallerAccount": ACCOUNT}},
    {"StringNotEquals": {"aws:RequestedRegion": [REGION, "eu-west-1"]}},
    {"Bool": {"aws:SecureTransport": "false"}},
    {"Bool": {"aws:PrincipalIsAWSService": "true"}},
    {"StringEquals": {"kms:EncryptionContext:SecretARN": f"{SECRET_ARN}-other"}},
    {"Bool": {"kms:GrantIsForAWSResource": "false"}},
    {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    # One condition that is not met decides, whatever is not known.
    {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "Bool": {"aws:SecureTransport": "false"}},
]
UNKNOWN: Final[list[tuple[dict[str, Any], str]]] = [
    ({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, "aws:SourceIp"),
    ({"StringLike": {"aws:userid": "*:me"}}, "aws:userid"),
]


def denied_under(world: World, condition: dict[str, Any]) -> None:
    """Let the account use the key, except under a condition."""
    denial = allow_key("*", Effect="Deny", Action="kms:Decrypt", Sid="Lock", Condition=condition)
    key_policy(world, allow_key(ROOT), denial)


@pytest.mark.parametrize("condition", DENYING, ids=json.dumps)
def test_a_key_policy_that_denies_the_role_under_a_condition_is_a_problem(
    world: World, check: Check, condition: dict[str, Any]
):
    denied_under(world, condition)
    said = check()
    assert said.code == 1
    assert answer_to("key policy", said).startswith(
        "problem  key policy: the key policy denies kms:Decrypt to the role (Lock)\n"
    )


@pytest.mark.parametrize("condition", SPARING, ids=json.dumps)
def test_a_key_policy_that_denies_only_others_lets_the_role_decrypt(
    world: World, check: Check, condition: dict[str, Any]
):
    denied_under(world, condition)
    said = check()
    assert said.code == 0
    assert answer_to("key policy", said) == (
        "ok       key policy: leaves it to the account's IAM policies\n"
    )


@pytest.mark.parametrize(("condition", "key"), UNKNOWN, ids=json.dumps)
def test_a_key_policy_under_a_condition_that_nobody_can_read_is_neither_ok_nor_a_problem(
    world: World, check: Check, condition: dict[str, Any], key: str
):
    denied_under(world, condition)
    said = check()
    assert said.code == 3
    assert answer_to("key policy", said) == (
        "cannot tell key policy: the key policy may let the role decrypt, or not\n"
        f"           depends on {key} (Lock)\n"
        f"         find out: repeat with --context '{key}=VALUE', or start a sync and look for "
        "kms:Decrypt in CloudTrail: IAM simulates key policies for users only\n"
    )
    assert said.out.endswith(" ok, 0 problems, 0 skipped, 1 cannot tell\n")
    said = check("--json")
    assert said.json["cannot tell"] == 1
    (answer,) = (each for each in said.json["answers"] if each["question"] == "key policy")
    assert (answer["state"], answer["details"]) == ("cannot tell", [f"depends on {key} (Lock)"])


@pytest.mark.parametrize(
    ("condition", "depends_on", "how"),
    [
        (
            {"stringNotLike": {"aws:PrincipalArn": ADMIN}},
            "stringNotLike on aws:PrincipalArn",
            "compare the statement by hand, or start",
        ),
        (
            {"StringNotEquals": {"aws:PrincipalTag/vpc": "${aws:SourceIp}"}},
            "aws:SourceIp",
            "repeat with --context 'aws:SourceIp=VALUE', or start",
        ),
    ],
)
def test_the_advice_names_only_what_the_user_can_state(
    world: World, check: Check, condition: dict[str, Any], depends_on: str, how: str
):
    world.iam.tag_role(RoleName=ROLE_NAME, Tags=[{"Key": "vpc", "Value": "192.0.2.1"}])
    denied_under(world, condition)
    answer = answer_to("key policy", check())
    assert f"\n           depends on {depends_on} (Lock)\n" in answer
    assert f"\n         find out: {how} a sync" in answer


@pytest.mark.parametrize(
    ("stated", "code", "printed"),
    [
        (["aws:SourceIp=192.0.2.1"], 0, "aws:SourceIp is 192.0.2.1"),
        (["aws:SourceIp=198.51.100.1"], 1, "aws:SourceIp is 198.51.100.1"),
        (["aws:SourceIp="], 1, "aws:SourceIp is absent"),
        (["AWS:sourceip=192.0.2.1", "aws:SourceVpc=vpc-1"], 0, "AWS:sourceip is 192.0.2.1"),
    ],
)
def test_a_key_that_the_user_states_decides_and_is_printed(
    world: World, check: Check, stated: list[str], code: int, printed: str
):
    denied_under(world, {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
    options = [option for each in stated for option in ("--context", each)]
    said = check(*options)
    assert said.code == code
    assert f"\nwith --context: {printed}\n" in said.out
    assert check("--json", *options).json["context"]


def test_a_key_is_stated_regardless_of_case(world: World, check: Check):
    denied_under(world, {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
    said = check("--context", "aws:SourceIp=198.51.100.1", "--context", "aws:sourceip=192.0.2.1")
    assert said.code == 3
    assert "\nwith --context: aws:SourceIp is 198.51.100.1, 192.0.2.1\n" in said.out


def test_a_key_cannot_be_stated_to_be_absent_and_to_have_a_value(check: Check):
    said = check("--context", "aws:SourceIp=", "--context", "aws:SourceIP=192.0.2.1")
    assert "--context states that aws:SourceIp is absent, and that it has a value" in said.refusal


def test_the_key_of_a_tag_may_be_stated_with_spaces(world: World, check: Check):
    denied_under(world, {"StringEquals": {"aws:ResourceTag/Cost Center": "frozen"}})
    assert "--context 'aws:ResourceTag/Cost Center=VALUE'" in answer_to("key policy", check())
    assert check("--context", "aws:ResourceTag/Cost Center=42").code == 0


@pytest.mark.parametrize(
    ("condition", "stated"),
    [
        ({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}, "aws:SourceVpce=vpce-1"),
        ({"StringNotEquals": {"aws:PrincipalArn": ADMIN}}, f"aws:PrincipalArn={ADMIN}"),
        ({"Bool": {"aws:ViaAWSService": "true"}}, "aws:ViaAWSService="),
        ({"StringNotEquals": {"aws:PrincipalTag/team": "security"}}, "aws:PrincipalTag/team=security"),
    ],
    ids=json.dumps,
)
def test_a_key_that_check_knows_is_not_changed_by_what_the_user_states(
    world: World, check: Check, condition: dict[str, Any], stated: str
):
    denied_under(world, condition)
    said = check("--context", stated)
    assert said.code == 1
    assert answer_to("key policy", said).startswith("problem ")


def test_the_unknown_part_of_a_key_can_be_stated(world: World, check: Check):
    denied_under(world, {"StringLike": {"aws:userid": "*:me"}})
    assert check("--context", "aws:userid=AROAEXAMPLE:you").code == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [("aws:CurrentTime", "2199-01-01T00:00:00Z"), ("aws:EpochTime", "7226582400")],
)
def test_an_answer_that_holds_at_the_time_of_the_check_says_so(
    world: World, check: Check, key: str, value: str
):
    denied_under(world, {"DateGreaterThan": {key: value}})
    said = check()
    assert said.code == 0
    assert answer_to("key policy", said) == (
        f"ok       key policy: leaves it to the account's IAM policies, at this time: depends on {key}\n"
    )
    assert check("--context", f"{key}=2200-01-01T00:00:00Z").code == 1


def test_a_denial_that_holds_at_the_time_of_the_check_says_so(world: World, check: Check):
    denied_under(world, {"DateGreaterThan": {"aws:EpochTime": "1577836800"}})
    assert answer_to("key policy", check()).startswith(
        "problem  key policy: the key policy denies kms:Decrypt to the role (Lock), at this time: "
        "depends on aws:EpochTime\n"
    )


def test_a_problem_counts_more_than_what_cannot_be_told(world: World, check: Check):
    denied_under(world, {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
    world.kms.disable_key(KeyId=KEY_ID)
    assert check().code == 1


@pytest.mark.parametrize("text", ["aws:SourceVpc", "=vpc-1", "SourceVpc=vpc-1", "aws: x=1"])
def test_what_is_not_a_condition_key_with_a_value_is_refused(
    capsys: pytest.CaptureFixture[str], text: str
):
    with pytest.raises(SystemExit) as stopped:
        main(["check", "--stack", "dev", "--context", text])
    assert stopped.value.code == 2
    assert f"{text!r} is not a condition key with a value: expected KEY=VALUE" in capsys.readouterr().err


def test_the_account_s_organization_is_asked_for_if_a_key_policy_depends_on_it(
    world: World, check: Check
):
    key_policy(world, allow_key(ROOT, Condition=OF_ORGANIZATION))
    organization = {"Id": "o-a1b2c3d4e5"}
    world.server.answers["organizations:DescribeOrganization"] = {"Organization": organization}
    assert check().code == 0
    organization["Id"] = "o-another123"
    assert answer_to("key policy", check()).startswith("problem ")
    world.server.refusals[OPTIONAL] = (400, "AccessDeniedException")
    said = check()
    assert said.code == 3
    assert "depends on aws:PrincipalOrgID (Statement)\n" in answer_to("key policy", said)


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE_NAME}/session"},
        {"AWS": "AROAEXAMPLEOFAROLETHATIS"},
        {"Service": "qbusiness.amazonaws.com"},
    ],
)
def test_a_key_policy_that_names_something_else_than_the_role_is_not_ok(
    world: World, check: Check, principal: dict[str, str]
):
    key_policy(world, allow_key(principal))
    assert not answer_to("key policy", check()).startswith("ok ")


@pytest.mark.parametrize(
    ("spared", "state"),
    [
        ([ROLE_ARN, f"arn:aws:iam::{ACCOUNT}:root"], "ok "),
        ([ROLE_ARN], "cannot tell "),
        ([ADMIN], "problem "),
    ],
)
def test_a_denial_to_all_but_some_principals_is_read(
    world: World, check: Check, spared: list[str], state: str
):
    denial = allow_key(None, Effect="Deny", NotPrincipal={"AWS": spared})
    del denial["Principal"]
    document = {"Version": "2012-10-17", "Statement": [allow_key(ROOT), denial]}
    world.server.answers["kms:GetKeyPolicy"] = {"Policy": json.dumps(document)}  # moto refuses it
    assert answer_to("key policy", check()).startswith(state)


def test_the_policy_of_a_key_in_another_account_is_left_to_that_account(world: World, check: Check):
    arn = KEY_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    world.set(kmsKeyId=arn)
    key_metadata(world, Arn=arn)
    world.put_policy(golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT).replace(KEY_ARN, arn))
    world.server.answers["secretsmanager:DescribeSecret"] = {
        "ARN": SECRET_ARN,
        "KmsKeyId": arn,
        "VersionIdsToStages": {"a" * 32: ["AWSCURRENT"]},
    }
    said = check()
    assert f"only account {OTHER_ACCOUNT}, which has the key, can read" in answer_to("key policy", said)
    assert said.code == 0


def test_a_key_that_the_secret_has_by_its_alias_is_resolved(world: World, check: Check):
    world.kms.create_alias(AliasName="alias/own", TargetKeyId=KEY_ID)
    world.secrets.update_secret(SecretId=SECRET_ARN, KmsKeyId="alias/own")
    assert answer_to("encryption", check()).startswith("ok ")


def test_only_an_alias_that_begins_with_aws_is_of_a_key_that_aws_manages(world: World, check: Check):
    world.server.answers["secretsmanager:DescribeSecret"] = {
        "ARN": SECRET_ARN,
        "KmsKeyId": "alias/team/alias/aws/x",
        "VersionIdsToStages": {"a" * 32: ["AWSCURRENT"]},
    }
    key_metadata(world)
    assert answer_to("encryption", check()) == (
        f"ok       encryption: the secret is encrypted with {KEY_ARN}\n"
    )


BUCKET_BREAKS: list[Break] = [
    Break(
        lambda world: world.set(bucketName="nothing"),
        "bucket",
        "there is no bucket nothing",
        set_up("bucketName", "BUCKET_NAME"),
    ),
    Break(
        lambda world: world.server.answers.update(
            {"s3:GetBucketLocation": {"LocationConstraint": "eu-west-1"}}
        ),
        "bucket",
        f"bucket documents is in eu-west-1, and the index in {REGION}",
        "copy the documents to a bucket of that Region",
    ),
    Break(
        lambda world: world.set(kmsKeyId=None),
        "encryption",
        f"bucket documents is encrypted with {KEY_ARN}, and kmsKeyId is not set",
        set_up("kmsKeyId", KEY_ARN),
    ),
]


@pytest.mark.parametrize("broken", BUCKET_BREAKS, ids=lambda broken: broken.text[:60])
def test_what_is_wrong_with_the_bucket_is_printed_with_the_command_that_fixes_it(
    world: World, check: Check, broken: Break
):
    s3_source(world)
    broken.apply(world)
    answer = answer_to(broken.question, check())
    assert answer.startswith(f"problem  {broken.question}: {broken.text}")
    assert f"fix: {broken.fix}" in answer


def test_a_bucket_of_another_account_than_the_policy_names_is_a_problem(world: World, check: Check):
    s3_source(world)
    world.server.bucket_owner = OTHER_ACCOUNT
    answer = answer_to("bucket", check())
    assert f"bucket documents does not belong to account {ACCOUNT}, which the policy" in answer
    assert f"fix: {set_up('bucketAccountId', 'ACCOUNT_ID')}\n" in answer
    world.set(bucketAccountId=OTHER_ACCOUNT)
    assert answer_to("bucket", check()).startswith("ok ")


def test_a_bucket_that_only_its_owner_can_see_leaves_the_exit_code_as_it_is(world: World, check: Check):
    s3_source(world)
    world.set(bucketAccountId=OTHER_ACCOUNT)
    policy = golden("s3-v2-role-policy").replace("qbusiness-documents", "documents")
    document = json.loads(policy.replace(ACCOUNT, OTHER_ACCOUNT))
    world.put_policy(json.dumps(document))
    world.server.bucket_owner = OTHER_ACCOUNT
    for action in NEEDED_FOR_A_BUCKET:
        world.server.refusals[action] = (403, "AccessDenied")
    said = check()
    for question, asked in (
        ("bucket", "s3:GetBucketLocation"),
        ("encryption", "s3:GetEncryptionConfiguration"),
    ):
        assert answer_to(question, said) == (
            f"skipped  {question}: only account {OTHER_ACCOUNT}, which has the bucket, can see this: "
            f"its bucket policy has to allow s3:GetObject and s3:ListBucket to {ROLE_ARN}, and {asked} "
            f"to {USER_ARN}, which asks\n"
        )
    assert f"only account {OTHER_ACCOUNT}, which has the bucket" in answer_to("bucket policy", said)
    assert "s3:GetBucketPolicy" not in world.server.calls
    assert "not every question" not in said.err


# The resource policies.

ROLE_ID: Final = "AROADBQP57FF2AEXAMPLE"


def put_secret_policy(world: World, *principals: dict[str, Any]) -> None:
    statements = [
        {"Effect": "Allow", "Principal": each, "Action": "secretsmanager:*", "Resource": "*"}
        for each in principals
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    world.secrets.put_resource_policy(SecretId=SECRET_ARN, ResourcePolicy=json.dumps(document))


def put_bucket_policy(world: World, *principals: dict[str, Any]) -> None:
    s3_source(world)
    statements = [
        {
            "Effect": "Deny",
            "NotPrincipal": each,
            "Action": "s3:*",
            "Resource": "arn:aws:s3:::documents/*",
        }
        for each in principals
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    world.s3.put_bucket_policy(Bucket="documents", Policy=json.dumps(document))


def put_key_policy(world: World, *principals: dict[str, Any]) -> None:
    key_policy(world, allow_key(ROOT), *map(allow_key, principals))


class ResourcePolicy(NamedTuple):
    """A policy that can name the role, and the command that puts it."""

    question: str
    what: str
    put: Callable[..., None]
    command: str


RESOURCE_POLICIES: list[ResourcePolicy] = [
    ResourcePolicy(
        "secret policy",
        "secret",
        put_secret_policy,
        f"aws secretsmanager put-resource-policy --secret-id {SECRET_ARN} --resource-policy",
    ),
    ResourcePolicy(
        "key principals",
        "key",
        put_key_policy,
        f"aws kms put-key-policy --key-id {KEY_ID} --policy-name default --policy",
    ),
    ResourcePolicy(
        "bucket policy",
        "bucket",
        put_bucket_policy,
        "aws s3api put-bucket-policy --bucket documents --policy",
    ),
]


@pytest.mark.parametrize("policy", RESOURCE_POLICIES, ids=lambda policy: policy.what)
def test_a_resource_policy_that_names_a_deleted_role_is_a_problem(
    world: World, check: Check, policy: ResourcePolicy
):
    policy.put(world, {"AWS": [ROLE_ID, f"arn:aws:iam::{ACCOUNT}:role/admin"]})
    said = check()
    assert said.code == 1
    assert answer_to(policy.question, said) == (
        f"problem  {policy.question}: the policy of the {policy.what} names {ROLE_ID}, the ID of a role "
        "that was deleted: a role that is created again is another principal, even under the same ARN\n"
        f"         fix: if it was this role, {policy.command} file://POLICY_FILE, with {ROLE_ARN} in "
        f"place of {ROLE_ID}; otherwise, without {ROLE_ID}\n"
    )


@pytest.mark.parametrize("policy", RESOURCE_POLICIES, ids=lambda policy: policy.what)
def test_a_resource_policy_that_names_the_role_itself_is_well(
    world: World, check: Check, policy: ResourcePolicy
):
    policy.put(world, {"AWS": [ROLE_ID, ROLE_ARN, ACCOUNT]})
    answer = answer_to(policy.question, check())
    assert answer.startswith(f"ok       {policy.question}: ")
    assert answer.endswith("names no role that was deleted\n")


def deny_secret(world: World, denial: dict[str, Any]) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    world.server.answers["secretsmanager:GetResourcePolicy"] = {
        "ARN": SECRET_ARN,
        "ResourcePolicy": policy,
    }


def deny_bucket(world: World, denial: dict[str, Any]) -> None:
    s3_source(world)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    world.server.answers["s3:GetBucketPolicy"] = {"Policy": policy}


@pytest.mark.parametrize(
    ("question", "deny", "action"),
    [
        ("secret policy", deny_secret, "secretsmanager:GetSecretValue"),
        ("bucket policy", deny_bucket, "s3:GetObject"),
    ],
)
def test_a_resource_policy_that_denies_the_role_is_a_problem(
    world: World, check: Check, question: str, deny: Callable[..., None], action: str
):
    denial = allow_key("*", Effect="Deny", Action=action, Sid="Lock")
    deny(world, denial)
    said = check()
    assert said.code == 1
    answer = answer_to(question, said)
    assert f" denies {action} to the role (Lock)\n" in answer
    assert "policy file://POLICY_FILE, without that statement\n" in answer
    deny(world, {**denial, "Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}})
    assert answer_to(question, check()).startswith(f"cannot tell {question}: ")
    assert answer_to(question, check("--context", "aws:SourceIp=192.0.2.1")).startswith(
        f"ok       {question}: denies the role nothing, and names no role that was deleted\n"
    )


def test_the_policy_of_a_secret_in_another_account_is_left_to_that_account(world: World, check: Check):
    world.set(secretId=SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT), kmsKeyId=KEY_ARN)
    arn = SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    world.server.answers["secretsmanager:DescribeSecret"] = {"ARN": arn, "KmsKeyId": KEY_ARN}
    world.server.refusals["secretsmanager:GetResourcePolicy"] = (400, "AccessDeniedException")
    assert answer_to("secret policy", check()).startswith(
        f"skipped  secret policy: only account {OTHER_ACCOUNT}, which has the secret, can read its "
    )


def test_a_secret_that_is_to_be_deleted_has_no_policy_to_read(world: World, check: Check):
    world.secrets.delete_secret(SecretId=SECRET_ARN)
    said = check()
    assert answer_to("secret policy", said) == (
        "skipped  secret policy: the secret is scheduled for deletion\n"
    )
    assert "secretsmanager:GetResourcePolicy" not in world.server.calls


# What is wrong with the role.


def attach(world: World) -> str:
    arn = world.iam.create_policy(PolicyName="wide", PolicyDocument=WIDE)["Policy"]["Arn"]
    world.iam.attach_role_policy(RoleName=ROLE_NAME, PolicyArn=arn)
    return arn


def delete_role(world: World) -> None:
    world.iam.delete_role_policy(RoleName=ROLE_NAME, PolicyName=POLICY)
    world.iam.delete_role(RoleName=ROLE_NAME)


def test_before_the_first_deployment_there_is_no_role(world: World, check: Check):
    world.outputs = {}
    said = check()
    assert said.code == 1
    assert answer_to("role", said) == (
        "problem  role: the stack has no role yet\n         fix: pulumi up --stack dev\n"
    )
    assert answers_in("skipped", said) == [
        f"{question}: there is no role"
        for question in (
            *("trust policy", "application ARN", "role policy"),
            *("other policies", "permissions boundary"),
            *("requests allowed", "requests denied", "iam:PassRole"),
        )
    ]
    assert answer_to("policy validation", said).startswith("ok ")


def test_a_role_that_somebody_deleted_is_a_problem(world: World, check: Check):
    delete_role(world)
    said = check()
    assert answer_to("role", said).startswith(f"problem  role: there is no role {ROLE_ARN}\n")
    assert answer_to("role policy", said) == "skipped  role policy: there is no role\n"


def test_a_role_under_another_path_than_the_stack_s_is_another_role(world: World, check: Check):
    world.outputs["roleArn"] = f"arn:aws:iam::{ACCOUNT}:role/q/{ROLE_NAME}"
    said = check()
    assert f"there is no role arn:aws:iam::{ACCOUNT}:role/q/" in answer_to("role", said)
    for question in ("trust policy", "role policy", "other policies", "requests allowed"):
        assert answer_to(question, said) == f"skipped  {question}: there is no role\n"


def test_drift_of_the_policies_names_the_statements(world: World, check: Check):
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    world.iam.update_assume_role_policy(
        RoleName=ROLE_NAME, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    world.put_policy(golden("minimal-role-policy"))
    said = check()
    assert answer_to("trust policy", said) == (
        "problem  trust policy: differs from what the program renders\n"
        "           AllowsAmazonQServicePrincipal: missing\n"
        "           statement 1: excess\n"
        "         fix: pulumi up --stack dev\n"
    ).replace("           AllowsAmazonQServicePrincipal: missing\n", "")
    answer = answer_to("role policy", said)
    assert "AllowsAmazonQToDecryptSecret: missing\n" in answer
    assert "AllowsAmazonQToGetSecret" not in answer


def test_a_trust_policy_for_another_arn_than_the_application_s_is_a_problem(world: World, check: Check):
    # IAM compares the ARN with case, and an API may not.
    actual = APPLICATION_ARN.upper().replace(
        "ARN:AWS:QBUSINESS:US-EAST-1", "arn:aws:qbusiness:us-east-1"
    )
    actual = actual.replace("APPLICATION", "application")
    resource(world, APPLICATION_ID, applicationArn=actual)
    said = check()
    assert answer_to("trust policy", said).startswith("ok ")
    assert answer_to("application ARN", said) == (
        f"problem  application ARN: the trust policy does not admit {actual}, the ARN of the "
        f"application in AWS\n         fix: {set_up('applicationId', actual)}\n"
    )


def test_a_trust_policy_that_denies_under_a_condition_is_not_said_to_admit_the_application(
    world: World, check: Check
):
    document = json.loads(golden("trust-policy"))
    (statement,) = document["Statement"]
    condition = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    document["Statement"].append({**statement, "Sid": "No", "Effect": "Deny", "Condition": condition})
    world.iam.update_assume_role_policy(RoleName=ROLE_NAME, PolicyDocument=json.dumps(document))
    said = check()
    assert "No: denies\n" in answer_to("trust policy", said)
    assert answer_to("application ARN", said).startswith("skipped ")


def test_a_trust_policy_that_does_not_name_the_application_is_deployed_again(world: World, check: Check):
    document = golden("trust-policy").replace(APPLICATION_ID, OTHER_ID)
    world.iam.update_assume_role_policy(RoleName=ROLE_NAME, PolicyDocument=document)
    answer = answer_to("application ARN", check())
    assert f"does not admit {APPLICATION_ARN}, the ARN" in answer
    assert answer.endswith("fix: pulumi up --stack dev\n")


def test_policies_that_differ_in_form_only_mean_the_same(world: World, check: Check):
    document = json.loads(golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT))
    document["Statement"].reverse()
    for statement in document["Statement"]:
        del statement["Sid"]
    world.put_policy(json.dumps(document))
    assert answer_to("role policy", check()).startswith("ok ")


def test_policies_in_addition_are_a_problem(world: World, check: Check):
    arn = attach(world)
    world.put_policy(WIDE, "by-hand")
    answer = answer_to("other policies", check())
    assert f"the role has by-hand, {arn} in addition\n" in answer
    assert answer.endswith(
        f"fix: aws iam delete-role-policy --role-name {ROLE_NAME} --policy-name by-hand && "
        f"aws iam detach-role-policy --role-name {ROLE_NAME} --policy-arn {arn}\n"
    )
    world.set(exclusivePolicies=True)
    assert "fix: pulumi up --stack dev\n" in answer_to("other policies", check())


def test_names_that_a_shell_would_expand_are_quoted_in_the_commands(world: World, check: Check):
    arn = f"arn:aws:iam::{ACCOUNT}:policy/$(id)/wide"
    world.iam.create_policy(PolicyName="wide", Path="/$(id)/", PolicyDocument=WIDE)
    world.iam.attach_role_policy(RoleName=ROLE_NAME, PolicyArn=arn)
    for name in ("=ls", "-x"):
        world.put_policy(WIDE, name)
    fix = answer_to("other policies", check()).partition("fix: ")[2]
    assert sorted(fix.strip().split(" && ")) == [
        f"aws iam delete-role-policy --role-name {ROLE_NAME} --policy-name '=ls'",
        f"aws iam delete-role-policy --role-name {ROLE_NAME} --policy-name='-x'",
        f"aws iam detach-role-policy --role-name {ROLE_NAME} --policy-arn '{arn}'",
    ]


def boundary(world: World, document: str) -> str:
    arn = world.iam.create_policy(PolicyName="boundary", PolicyDocument=document)["Policy"]["Arn"]
    world.iam.put_role_permissions_boundary(RoleName=ROLE_NAME, PermissionsBoundary=arn)
    return arn


def test_a_boundary_that_the_settings_do_not_have_is_a_problem(world: World, check: Check):
    arn = boundary(world, WIDE)
    answer = answer_to("permissions boundary", check())
    assert answer.startswith(f"problem  permissions boundary: the role has {arn}, and the settings none")
    world.set(permissionsBoundaryArn=arn)
    assert answer_to("permissions boundary", check()) == (
        f"ok       permissions boundary: {arn} lets every request through\n"
    )


def test_what_a_boundary_does_not_let_through_is_named(world: World, check: Check):
    document = {"Effect": "Allow", "NotAction": ["kms:*", "ec2:*"], "Resource": "*"}
    arn = boundary(world, json.dumps({"Version": "2012-10-17", "Statement": document}))
    world.set(permissionsBoundaryArn=arn)
    answer = answer_to("permissions boundary", check())
    assert f"{arn} does not let everything through\n" in answer
    assert f"  kms:Decrypt on {KEY_ARN}\n" in answer
    assert "  ec2:DescribeNetworkInterfaces on *\n" in answer
    assert "secretsmanager:GetSecretValue" not in answer


def bounded(world: World, *statements: dict[str, Any]) -> None:
    """Give the role a boundary that allows everything, with more statements."""
    document = {"Version": "2012-10-17", "Statement": [json.loads(WIDE)["Statement"], *statements]}
    world.set(permissionsBoundaryArn=boundary(world, json.dumps(document)))


def deny_under(condition: dict[str, Any], action: str = "*") -> dict[str, Any]:
    return {"Sid": "Lock", "Effect": "Deny", "Action": action, "Resource": "*", "Condition": condition}


@pytest.mark.parametrize(
    "condition",
    [
        {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}},
        {"StringEquals": {"aws:RequestedRegion": REGION}},
        {"StringNotLike": {"aws:PrincipalArn": ADMIN}},
        {"ArnNotLike": {"aws:PrincipalArn": ADMIN}},
        {"Null": {"aws:PrincipalTag/team": "true"}},
        {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
    ],
    ids=json.dumps,
)
def test_a_boundary_that_denies_under_a_condition_that_is_met_is_a_problem(
    world: World, check: Check, condition: dict[str, Any]
):
    bounded(world, deny_under(condition))
    answer = answer_to("permissions boundary", check())
    assert answer.startswith("problem  ")
    assert f"  secretsmanager:GetSecretValue on {SECRET_ARN}: denied by Lock\n" in answer


@pytest.mark.parametrize(
    "condition",
    [
        {"StringNotEquals": {"aws:RequestedRegion": [REGION, "us-west-2"]}},
        {"StringNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/aem-*"}},
        {"Bool": {"aws:SecureTransport": "false"}},
    ],
    ids=json.dumps,
)
def test_a_boundary_that_denies_under_a_condition_that_is_not_met_lets_everything_through(
    world: World, check: Check, condition: dict[str, Any]
):
    bounded(world, deny_under(condition))
    said = check()
    assert said.code == 0
    assert answer_to("permissions boundary", said).startswith("ok ")


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:RequestedRegion": REGION}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}},
    ],
    ids=json.dumps,
)
def test_a_boundary_that_allows_under_a_condition_that_holds_is_ok(
    world: World, check: Check, condition: dict[str, Any]
):
    document = json.loads(WIDE)
    document["Statement"]["Condition"] = condition
    world.set(permissionsBoundaryArn=boundary(world, json.dumps(document)))
    assert check().code == 0


def test_a_boundary_may_depend_on_a_tag_of_the_secret_without_a_value(world: World, check: Check):
    world.secrets.tag_resource(SecretId=SECRET_ARN, Tags=[{"Key": "temporary", "Value": ""}])
    bounded(world, deny_under({"StringEquals": {"aws:ResourceTag/temporary": ""}}))
    answer = answer_to("permissions boundary", check())
    assert f"  secretsmanager:GetSecretValue on {SECRET_ARN}: denied by Lock\n" in answer


def test_a_boundary_under_a_condition_that_nobody_can_read_is_neither_ok_nor_a_problem(
    world: World, check: Check
):
    bounded(world, deny_under({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}, "secretsmanager:*"))
    said = check()
    assert said.code == 3
    answer = answer_to("permissions boundary", said)
    request = f"secretsmanager:GetSecretValue on {SECRET_ARN}"
    assert f"\n           {request} depends on aws:SourceVpc (Lock)\n" in answer
    assert (
        "find out: repeat with --context 'aws:SourceVpc=VALUE', or ask "
        "`aws iam simulate-principal-policy`" in answer
    )
    assert check("--context", "aws:SourceVpc=vpc-1").code == 0


def test_a_boundary_that_asks_for_no_tag_of_the_secret_needs_no_permission_to_read_it(
    world: World, check: Check
):
    bounded(world)
    world.server.refusals["secretsmanager:DescribeSecret"] = (400, "AccessDeniedException")
    assert answer_to("permissions boundary", check()).startswith("ok ")


@pytest.mark.parametrize("gone", [True, False])
def test_tags_of_a_secret_that_cannot_be_read_are_not_known(world: World, check: Check, gone: bool):
    bounded(world, deny_under({"StringNotEquals": {"aws:ResourceTag/team": "web"}}, "secretsmanager:*"))
    if gone:
        world.secrets.delete_secret(SecretId=SECRET_ARN, ForceDeleteWithoutRecovery=True)
    else:
        world.server.refusals["secretsmanager:DescribeSecret"] = (400, "AccessDeniedException")
    answer = answer_to("permissions boundary", check())
    assert answer.startswith("cannot tell ")
    assert "depends on aws:ResourceTag/team (Lock)\n" in answer


def test_a_boundary_for_one_interface_alone_is_not_ok(world: World, check: Check):
    interfaces = f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/eni-0a*"
    bounded(world, {**deny_under({}, "ec2:*"), "Resource": interfaces})
    assert "(Lock)" in answer_to("permissions boundary", check())


# What AWS decides.


def test_the_policies_of_the_program_pass_the_simulation(world: World, check: Check):
    with policy_simulator() as world.server.decide:
        world.iam.create_user(UserName="deployer")
        world.iam.put_user_policy(UserName="deployer", PolicyName="wide", PolicyDocument=WIDE)
        said = check()
    assert said.code == 0
    assert "IAM allows all 28 that the connector makes" in answer_to("requests allowed", said)


def test_the_policies_of_a_connector_for_a_bucket_pass_the_simulation(world: World, check: Check):
    s3_source(world)
    with policy_simulator() as world.server.decide:
        world.iam.create_user(UserName="deployer")
        world.iam.put_user_policy(UserName="deployer", PolicyName="wide", PolicyDocument=WIDE)
        said = check()
    assert said.code == 0


def passing_policy(resource: str) -> dict[str, Any]:
    """Return the policy of a stack for a bucket that is the data source, which passes other roles."""
    policy = json.loads(golden("s3-v2-role-policy").replace("qbusiness-documents", "documents"))
    (statement,) = (each for each in policy["Statement"] if "Pass" in each["Sid"])
    statement["Resource"] = [f"arn:aws:iam::{ACCOUNT}:role/{resource}"]
    return policy


@pytest.mark.parametrize("resource", ["QBusiness-DataSource-*", "*"])
def test_a_role_that_may_pass_other_roles_is_found(world: World, check: Check, resource: str):
    s3_source(world)
    world.put_policy(json.dumps(passing_policy(resource)))
    with policy_simulator() as world.server.decide:
        world.iam.create_user(UserName="deployer")
        said = check()
    answer = answer_to("requests denied", said)
    assert answer.startswith("problem  requests denied: the role may reach")
    assert f":role/QBusiness-DataSource-another: allowed by {POLICY}\n" in answer
    assert "AllowsAmazonQToPassCustomerRole: excess\n" in answer_to("role policy", said)


def test_a_role_that_passes_another_role_lacks_the_permission_to_pass_itself(world: World, check: Check):
    s3_source(world)
    world.put_policy(json.dumps(passing_policy("qbusiness-other")))
    with policy_simulator() as world.server.decide:
        world.iam.create_user(UserName="deployer")
        said = check()
    assert "AllowsAmazonQToPassCustomerRole: missing\n" in answer_to("role policy", said)
    denied = f"iam:PassRole on {ROLE_ARN}: no policy of the role allows it\n"
    assert denied in answer_to("requests allowed", said)


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ({"StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}}, "ok "),
        ({"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}, "problem "),
        ({"StringEquals": {"aws:RequestedRegion": REGION}}, "cannot tell "),
    ],
    ids=json.dumps,
)
def test_a_boundary_has_to_let_a_role_pass_itself(
    world: World, check: Check, condition: dict[str, Any], state: str
):
    s3_source(world)
    statements = [
        {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE_ARN, "Condition": condition},
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    world.set(permissionsBoundaryArn=boundary(world, json.dumps(document)))
    answer = answer_to("permissions boundary", check())
    assert answer.startswith(state)
    assert (f"iam:PassRole on {ROLE_ARN}" in answer) == (state != "ok ")


def test_before_the_first_deployment_the_policy_has_a_name_that_the_role_may_get(
    world: World, check: Check, monkeypatch: pytest.MonkeyPatch
):
    s3_source(world)
    world.outputs = {}
    validated: list[str] = []

    def validate(_: Account, document: str, *_more: str, **_types: str) -> list[dict[str, Any]]:
        validated.append(document)
        return []

    monkeypatch.setattr(Account, "policy_findings", validate)
    check()
    assert ':role/aem-connector-qbusiness-role"' in validated[0]
    world.set(roleName="qbusiness-files", rolePath="/connectors/")
    check()
    assert ':role/connectors/qbusiness-files"' in validated[2]


def test_the_older_ingest_scope_does_not_pass_the_simulation(world: World, check: Check):
    world.set(ingestScope="index")
    document = json.loads(golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT))
    for statement in document["Statement"]:
        if statement["Sid"] == "AllowsAmazonQToIngestDocuments":
            statement["Resource"] = statement["Resource"][1]
    world.put_policy(json.dumps(document))
    with policy_simulator() as world.server.decide:
        world.iam.create_user(UserName="deployer")
        said = check()
    assert answer_to("role policy", said).startswith("ok ")
    answer = answer_to("requests allowed", said)
    assert answer.startswith("problem  requests allowed: IAM denies 2 of the 28 requests")
    assert f"qbusiness:BatchPutDocument on {APPLICATION_ARN}: no policy of the role allows it" in answer


def test_a_boundary_and_a_policy_that_is_too_wide_are_found_by_the_simulation(
    world: World, check: Check
):
    document = {"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}
    boundary(world, json.dumps({"Version": "2012-10-17", "Statement": document}))
    world.put_policy(WIDE, "by-hand")
    with policy_simulator() as world.server.decide:
        world.iam.create_user(UserName="deployer")
        said = check()
    assert f"kms:Decrypt on {KEY_ARN}: not allowed by the permissions boundary\n" in answer_to(
        "requests allowed", said
    )
    assert ":secret:another-secret-AbCdEf: allowed by by-hand\n" in answer_to("requests denied", said)


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        (DENIED, "no policy of the role allows it"),
        (
            {
                "EvalDecision": "explicitDeny",
                "MatchedStatements": [{"SourcePolicyId": "guard"}, {"SourcePolicyId": "guard"}],
            },
            "denied by guard",
        ),
        (
            {
                "EvalDecision": "implicitDeny",
                "OrganizationsDecisionDetail": {"AllowedByOrganizations": False},
            },
            "denied by a service control policy of the organization",
        ),
    ],
)
def test_the_reason_of_a_denial_is_told(
    world: World, check: Check, decision: dict[str, Any], reason: str
):
    world.server.decide = lambda simulation: (
        {"secretsmanager:GetSecretValue": decision}
        if simulation.resource == SECRET_ARN
        else world.deny_others(simulation)
    )
    answer = answer_to("requests allowed", check())
    assert "IAM denies 1 of the 28 requests that the connector makes\n" in answer
    assert f"secretsmanager:GetSecretValue on {SECRET_ARN}: {reason}\n" in answer


@pytest.mark.parametrize("in_resource", [False, True])
def test_a_denial_for_want_of_a_condition_key_is_neither_ok_nor_a_problem(
    world: World, check: Check, in_resource: bool
):
    # IAM names the keys of other statements too.
    missing = {"MissingContextValues": ["aws:SourceIp", "KMS:viaservice"]}
    of_resource = {"EvalResourceName": SECRET_ARN, "EvalResourceDecision": "explicitDeny", **missing}
    decision = {
        "EvalDecision": "explicitDeny",
        **({"ResourceSpecificResults": [of_resource]} if in_resource else missing),
    }
    world.server.decide = lambda simulation: (
        {"secretsmanager:GetSecretValue": decision}
        if simulation.resource == SECRET_ARN
        else world.deny_others(simulation)
    )
    said = check()
    assert said.code == 3
    answer = answer_to("requests allowed", said)
    assert answer.startswith("cannot tell requests allowed: IAM may deny 1 of the 28 requests")
    assert f"secretsmanager:GetSecretValue on {SECRET_ARN} depends on aws:SourceIp\n" in answer


@pytest.mark.parametrize(
    "decision",
    [
        {"MissingContextValues": ["kms:ViaService"]},
        {
            "MissingContextValues": ["aws:SourceIp"],
            "OrganizationsDecisionDetail": {"AllowedByOrganizations": False},
        },
    ],
    ids=["statement for another request", "organization"],
)
def test_a_denial_that_no_missing_key_explains_is_a_problem(
    world: World, check: Check, decision: dict[str, Any]
):
    world.server.decide = lambda simulation: (
        {"secretsmanager:GetSecretValue": {**DENIED, **decision}}
        if simulation.resource == SECRET_ARN
        else world.deny_others(simulation)
    )
    assert answer_to("requests allowed", check()).startswith("problem ")


def test_a_boundary_for_the_region_passes_the_simulation(world: World, check: Check):
    document = json.loads(WIDE)
    document["Statement"]["Condition"] = {"StringEquals": {"aws:RequestedRegion": REGION}}
    world.set(permissionsBoundaryArn=boundary(world, json.dumps(document)))
    with policy_simulator() as world.server.decide:
        world.iam.create_user(UserName="deployer")
        said = check()
    assert answer_to("requests allowed", said).startswith("ok ")


def test_findings_of_access_analyzer_are_problems_if_they_are_serious(world: World, check: Check):
    finding = {
        "issueCode": "PASS_ROLE_WITH_STAR_IN_RESOURCE",
        "findingDetails": "Details.",
        "learnMoreLink": "https://docs.aws.amazon.com/x",
        "locations": [],
    }
    suggestion = {**finding, "findingType": "SUGGESTION"}
    world.server.answers["access-analyzer:ValidatePolicy"] = {"findings": [suggestion]}
    answer = answer_to("policy validation", check())
    assert answer.endswith("no error and no security warning, 2 warnings or suggestions\n")
    serious = {**finding, "findingType": "SECURITY_WARNING"}
    world.server.answers["access-analyzer:ValidatePolicy"] = {"findings": [suggestion, serious]}
    answer = answer_to("policy validation", check())
    assert "finds 2 errors or security warnings\n" in answer
    assert "trust policy, PASS_ROLE_WITH_STAR_IN_RESOURCE: Details. https://docs.aws" in answer


def caller(world: World, arn: str) -> None:
    world.server.answers["sts:GetCallerIdentity"] = {"UserId": "A", "Account": ACCOUNT, "Arn": arn}


def deny_passing(world: World) -> None:
    world.server.decide = lambda simulation: (
        {"iam:PassRole": DENIED}
        if "iam:PassRole" in simulation.actions
        else world.deny_others(simulation)
    )


def test_a_session_s_role_is_simulated_with_its_path(world: World, check: Check):
    world.iam.create_role(RoleName="admin", Path="/team/", AssumeRolePolicyDocument=WIDE)
    caller(world, f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/me")
    principals: list[str] = []

    def decide(simulation: Simulation) -> Any:
        principals.append(simulation.principal)
        if simulation.actions == ["iam:PassRole"] and simulation.principal != ROLE_ARN:
            assert (simulation.resource, simulation.context) == (
                ROLE_ARN,
                {"iam:PassedToService": "qbusiness.amazonaws.com"},
            )
        return world.deny_others(simulation)

    world.server.decide = decide
    admin = f"arn:aws:iam::{ACCOUNT}:role/team/admin"
    assert answer_to("iam:PassRole", check()) == (
        f"ok       iam:PassRole: {admin} may pass the role to qbusiness.amazonaws.com\n"
    )
    assert set(principals) == {ROLE_ARN, admin}


def test_the_root_user_may_pass_every_role(world: World, check: Check):
    caller(world, f"arn:aws:iam::{ACCOUNT}:root")
    assert "the account's root user may do everything" in answer_to("iam:PassRole", check())


def test_a_caller_that_iam_cannot_simulate_is_skipped(world: World, check: Check):
    caller(world, f"arn:aws:sts::{ACCOUNT}:federated-user/me")
    said = check()
    assert answer_to("iam:PassRole", said).startswith("skipped  iam:PassRole: IAM does not simulate")
    assert said.code == 0


def test_who_may_not_pass_the_role_cannot_create_the_data_source(world: World, check: Check):
    deny_passing(world)
    answer = answer_to("iam:PassRole", check())
    assert f"problem  iam:PassRole: {USER_ARN} may not pass the role to qbusiness" in answer
    assert "docs/faq.md#not-authorized-to-perform-iampassrole\n" in answer


def test_a_role_that_a_data_source_has_already_needs_not_be_passed(world: World, check: Check):
    deny_passing(world)
    world.add_data_source()
    said = check()
    assert "may not pass the role, which a data source has already" in answer_to("iam:PassRole", said)
    assert said.code == 0


# The data sources.


def test_data_sources_under_other_roles_are_none_of_this_stack_s(world: World, check: Check):
    world.add_data_source(roleArn=f"{ROLE_ARN}-2", configuration={"type": "S3"})
    world.server.add(OTHER_ID, "CUSTOM", configuration={"type": "CUSTOM"})
    assert (
        answer_to("data source", check())
        == "ok       data source: none of the index runs under the role yet\n"
    )


OTHER_ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME[:-7]}7654321"


def update_data_source(role_arn: str) -> str:
    return (
        f"aws qbusiness update-data-source --application-id {APPLICATION_ID} --index-id {INDEX_ID} "
        f"--data-source-id {DATA_SOURCE_ID} --role-arn {role_arn}"
    )


@pytest.mark.parametrize(
    "uses",
    [
        {"secretArn": SECRET_ARN},
        {"secretArn": SECRET_NAME},
        {"connectionConfiguration": {"secretArn": SECRET_ID}},
    ],
)
def test_a_data_source_that_still_names_a_deleted_role_is_a_problem(
    world: World, check: Check, uses: dict[str, Any]
):
    world.add_data_source(roleArn=OTHER_ROLE_ARN, configuration={"type": "AEM", **uses})
    said = check()
    assert said.code == 1
    assert (
        answer_to("data source", said)
        == "ok       data source: none of the index runs under the role yet\n"
    )
    assert answer_to("other data source", said) == (
        f"problem  other data source {DATA_SOURCE_ID}: Pages has the stack's secret, and runs under "
        f"{OTHER_ROLE_ARN}, a role that does not exist\n"
        f"         fix: {update_data_source(ROLE_ARN)}\n"
    )


def test_a_data_source_left_behind_is_updated_after_the_role_is_deployed(world: World, check: Check):
    world.add_data_source(roleArn=OTHER_ROLE_ARN)
    world.outputs = {}
    answer = answer_to("other data source", check())
    assert answer.endswith(f"fix: pulumi up --stack dev, then {update_data_source('ROLE_ARN')}\n")


def test_a_data_source_of_the_bucket_that_names_a_deleted_role_is_a_problem(world: World, check: Check):
    s3_source(world)
    world.add_data_source(
        roleArn=OTHER_ROLE_ARN,
        configuration={
            "type": "S3V2",
            "connectionConfiguration": {
                "repositoryEndpointMetadata": {"BucketName": "documents"},
            },
        },
    )
    answer = answer_to("other data source", check())
    assert f"Pages has the stack's bucket, and runs under {OTHER_ROLE_ARN}, a role that" in answer


def test_a_role_of_the_same_name_under_another_path_is_not_the_data_source_s(world: World, check: Check):
    world.add_data_source(roleArn=ROLE_ARN.replace("role/", "role/old/"))
    assert "role/old/" in answer_to("other data source", check())
    assert answer_to("other data source", check()).startswith("problem ")


def test_two_data_sources_may_share_the_secret_under_two_roles(world: World, check: Check):
    name = OTHER_ROLE_ARN.rpartition("/")[2]
    world.iam.create_role(RoleName=name, AssumeRolePolicyDocument=golden("trust-policy"))
    world.add_data_source()
    for number in range(5):
        world.add_data_source(f"{OTHER_ID[:-1]}{number}", roleArn=OTHER_ROLE_ARN)
    said = check()
    assert said.code == 0
    assert answer_to("other data source", said) == "".join(
        f"ok       other data source {OTHER_ID[:-1]}{number}: Pages has the stack's secret, and runs "
        f"under another role, {OTHER_ROLE_ARN}\n"
        for number in range(5)
    )
    # One call for each role.
    assert world.server.calls.count("iam:GetRole") == 2
    assert world.server.calls.count("qbusiness:GetDataSource") == 6


def test_a_role_that_may_not_be_read_is_not_said_to_be_deleted(world: World, check: Check):
    world.add_data_source(roleArn=OTHER_ROLE_ARN)
    world.server.refusals["iam:GetRole"] = (403, "AccessDenied")
    said = check()
    assert said.code == 2
    assert answer_to("other data source", said) == (
        f"skipped  other data source {DATA_SOURCE_ID}: iam:GetRole is not allowed for these "
        "credentials\n"
    )


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            {"configuration": {"type": "AEM", "secretArn": f"{SECRET_ARN[:-6]}ffffff"}},
            f"its secret is {SECRET_ARN[:-6]}ffffff, but secretId is {SECRET_ARN}",
        ),
        (
            {"configuration": {"type": "AEM"}},
            f"its secret is none, but secretId is {SECRET_ARN}",
        ),
        (
            {"configuration": {"type": "BOX", "secretArn": SECRET_ARN}},
            "its type is BOX, and the connector aem-cloud is of type AEM",
        ),
        (
            {"configuration": {"type": "AEM", "secretArn": SECRET_ARN, "bucketName": "files"}},
            "its bucket is files, but bucketName is not set",
        ),
        (
            {"vpcConfiguration": None},
            f"its VPC has nothing, but vpcConfiguration has {SECURITY_GROUP_ID}, {SUBNET_ID}",
        ),
    ],
)
def test_what_a_data_source_uses_beside_the_settings_is_a_problem(
    world: World, check: Check, more: dict[str, Any], text: str
):
    data_source = world.add_data_source()
    data_source.update(more)
    if data_source["vpcConfiguration"] is None:
        del data_source["vpcConfiguration"]
    said = check()
    assert said.code == 1
    answer = answer_to(f"data source {DATA_SOURCE_ID}", said)
    assert answer.startswith(
        f"problem  data source {DATA_SOURCE_ID}: Pages does not match the settings\n"
    )
    assert text in answer
    assert f"ok       data source {DATA_SOURCE_ID}: Pages is ACTIVE" in answer


@pytest.mark.parametrize("name", [SECRET_ID, SECRET_NAME])
def test_a_data_source_may_name_its_secret_without_the_arn(world: World, check: Check, name: str):
    world.add_data_source(configuration={"type": "AEM", "secretArn": name})
    assert check().code == 0


@pytest.mark.parametrize(
    ("message", "about"),
    [
        ("Access denied: kms:Decrypt", "the key: see KMS key and key policy"),
        ("The secret could not be read", "the secret: see secret and role policy"),
        ("Cannot create a network interface", "the VPC: see subnets, security groups and role policy"),
        ("Access Denied to the S3 object", "the bucket: see bucket and role policy"),
        ("Amazon Q cannot assume the role", "the trust policy: see trust policy"),
        (
            "User is not authorized to perform: qbusiness:BatchPutDocument",
            "the role: see role policy and requests allowed",
        ),
    ],
)
@pytest.mark.parametrize("status", ["FAILED", "INCOMPLETE"])
def test_a_sync_that_failed_is_explained_if_it_is_about_the_role(
    world: World, check: Check, message: str, about: str, status: str
):
    world.add_data_source()
    world.add_sync("SUCCEEDED")
    world.add_sync(status, error={"errorMessage": message, "errorCode": "InvalidRequest"})
    answer = answer_to(f"data source {DATA_SOURCE_ID}", check())
    assert answer == (
        f"problem  data source {DATA_SOURCE_ID}: Pages is ACTIVE, its last sync of 2026-11-02 12:30 "
        f"{status}: {message}\n"
        f"           this is about {about}\n"
        "         fix: when it is fixed, aws qbusiness start-data-source-sync-job --application-id "
        f"{APPLICATION_ID} --index-id {INDEX_ID} --data-source-id {DATA_SOURCE_ID}\n"
    )


def test_a_sync_that_failed_for_another_reason_is_a_problem_without_explanation(
    world: World, check: Check
):
    world.add_data_source()
    world.add_sync("FAILED", error={"errorMessage": "Too slow"}, dataSourceErrorCode="AEM-1")
    answer = answer_to(f"data source {DATA_SOURCE_ID}", check())
    assert answer.splitlines()[0].endswith("FAILED: Too slow, code AEM-1")
    assert "this is about" not in answer


@pytest.mark.parametrize("status", ["SYNCING", "SYNCING_INDEXING", "INCOMPLETE"])
def test_other_ends_of_a_sync_are_told(world: World, check: Check, status: str):
    world.add_data_source()
    world.add_sync(status, error={"errorMessage": "3 pages were too large"})
    said = check()
    assert said.code == 0
    assert f"12:30 {status}: 3 pages were too large\n" in answer_to("data source", said)


@pytest.mark.parametrize("status", ["STOPPING", "ABORTED"])
def test_a_sync_that_was_stopped_is_a_problem(world: World, check: Check, status: str):
    world.add_data_source()
    world.add_sync("SUCCEEDED")
    world.add_sync(status)
    answer = answer_to(f"data source {DATA_SOURCE_ID}", check())
    assert answer.startswith(
        f"problem  data source {DATA_SOURCE_ID}: Pages is ACTIVE, its last sync of "
    )
    assert (
        f" {status}\n         fix: when it is fixed, aws qbusiness start-data-source-sync-job " in answer
    )


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        ("PENDING_CREATION", "wait until it is ACTIVE"),
        ("CREATING", "wait until it is ACTIVE"),
        ("DELETING", "create the data source again, unless it is no longer needed"),
    ],
)
def test_a_data_source_that_cannot_synchronize_is_a_problem(
    world: World, check: Check, status: str, fix: str
):
    world.add_data_source(status=status)
    assert answer_to("data source", check()) == (
        f"problem  data source {DATA_SOURCE_ID}: Pages is {status}\n         fix: {fix}\n"
    )


def test_every_status_that_aws_documents_is_known_and_no_other_is_well(world: World, check: Check):
    source = world.add_data_source()
    model: Any = get_service_model("qbusiness")
    for status in model.shape_for("DataSourceStatus").enum:
        source["status"] = status
        assert "does not know" not in answer_to("data source", check())
    source["status"] = "PAUSED"
    said = check()
    assert said.code == 2
    assert answer_to("data source", said).startswith(
        f"skipped  data source {DATA_SOURCE_ID}: an answer of qbusiness:GetDataSource has the status "
        "'PAUSED', which this version of boto3 does not know"
    )
    source["status"] = "UPDATING"
    for status in model.shape_for("DataSourceSyncJobStatus").enum:
        world.add_sync(status)
        assert "does not know" not in answer_to("data source", check())
    world.add_sync("THROTTLED")
    said = check()
    assert said.code == 2
    assert answer_to("data source", said).startswith(
        f"skipped  data source {DATA_SOURCE_ID}: an answer of qbusiness:ListDataSourceSyncJobs has the "
        "status 'THROTTLED', which this version of boto3 does not know"
    )


def test_an_error_of_a_sync_looks_like_no_other_line(world: World, check: Check):
    world.add_data_source()
    forged = "Too slow\r\nok       role policy: FORGED\x1b[2K\u202e\u2028\x9b"
    world.add_sync("FAILED", error={"errorMessage": forged})
    said = check()
    assert said.out.replace("\n", "").isascii()
    assert said.out.replace("\n", "").isprintable()
    assert "ok       role policy: FORGED" not in said.out.splitlines()
    shown = r"FAILED: Too slow\r\nok       role policy: FORGED\x1b[2K\u202e\u2028\x9b"
    assert f"{shown}\n" in answer_to(f"data source {DATA_SOURCE_ID}", said)
    texts = [answer["text"] for answer in check("--json").json["answers"]]
    assert any(text.endswith(forged) for text in texts)


def test_a_data_source_that_failed_is_a_problem(world: World, check: Check):
    world.add_data_source(status="FAILED", error={"errorMessage": "cannot assume the role"})
    answer = answer_to(f"data source {DATA_SOURCE_ID}", check())
    assert "Pages is FAILED: cannot assume the role\n" in answer
    assert "this is about the trust policy" in answer


def test_500_data_sources_are_read_with_progress(world: World, check: Check):
    for number in range(500):
        configuration = {"type": "AEM", "secretArn": f"{SECRET_ARN[:-6]}Others"}
        world.server.add(
            f"{number:04}{OTHER_ID[4:]}", roleArn=f"{ROLE_ARN}-2", configuration=configuration
        )
    world.add_data_source()
    said = check()
    assert said.code == 0
    assert f"ok       data source {DATA_SOURCE_ID}: Pages is ACTIVE" in said.out
    assert "check: data sources: 500 of 501\n" in said.err


# What goes wrong.

NEEDED_FOR_A_BUCKET: Final = (
    "s3:GetBucketLocation",
    "s3:GetBucketPolicy",
    "s3:GetEncryptionConfiguration",
)
OPTIONAL: Final = "organizations:DescribeOrganization"
CODES: Final = {"ec2": "UnauthorizedOperation", "iam": "AccessDenied", "s3": "AccessDenied"}


@pytest.mark.parametrize("action", sorted({*ACTIONS["check"]} - {OPTIONAL}))
def test_without_a_permission_its_questions_are_skipped_with_one_line_each(
    world: World, check: Check, action: str
):
    if action in NEEDED_FOR_A_BUCKET:
        s3_source(world)
    else:
        world.add_data_source()
    if action in ("iam:GetPolicy", "iam:GetPolicyVersion"):
        world.set(permissionsBoundaryArn=boundary(world, WIDE))
    code = CODES.get(action.partition(":")[0], "AccessDeniedException")
    world.server.refusals[action] = (403, code)
    said = check()
    assert said.code == 2
    if action == "sts:GetCallerIdentity":
        assert said.out == ""
        assert said.err.startswith("check: sts:GetCallerIdentity is not allowed")
        return
    skipped = answers_in("skipped", said)
    assert skipped
    assert all(line.endswith(f": {action} is not allowed for these credentials") for line in skipped)
    assert answers_in("problem", said) == []
    assert said.err.splitlines()[-1] == (
        "check: not every question was answered: docs/check.md has the policy with all permissions"
    )


def test_what_aws_throttles_is_repeated_and_then_skipped(
    world: World, check: Check, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    monkeypatch.setattr("botocore.endpoint.time.sleep", str)
    world.server.refusals["iam:GetRole"] = (400, "Throttling")
    said = check()
    assert said.code == 2
    assert "AWS throttles iam:GetRole: wait a minute" in answer_to("role policy", said)
    # Not again for each question about the role.
    assert world.server.calls.count("iam:GetRole") == 5


def test_a_problem_counts_more_than_a_question_that_was_skipped(world: World, check: Check):
    world.kms.disable_key(KeyId=KEY_ID)
    world.server.refusals["qbusiness:GetIndex"] = (403, "AccessDeniedException")
    assert check().code == 1


@pytest.mark.parametrize(
    "action", ["sts:GetCallerIdentity", "qbusiness:GetApplication", "iam:SimulatePrincipalPolicy"]
)
def test_credentials_that_aws_does_not_accept_end_everything(world: World, check: Check, action: str):
    world.server.refusals[action] = (403, "ExpiredToken")
    said = check()
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("check: AWS does not accept the credentials (Expired")


def test_without_credentials_there_is_one_line(check: Check, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    said = check()
    assert said.code == 2
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("check: there are no AWS credentials")


def test_a_stack_that_does_not_exist_is_one_line(world: World, check: Check):
    said = check("--stack", "nope")
    assert said.code == 2
    (line,) = said.err.splitlines()
    assert line.startswith(
        "check: `pulumi config` failed (no stack named 'nope' found): `pulumi stack ls`"
    )
    assert world.server.calls == []


@pytest.mark.parametrize("name", [f"acme/{PROJECT_NAME}/dev", "acme/dev"])
def test_every_command_names_the_stack_as_it_was_given(world: World, check: Check, name: str):
    recreate_secret(world)
    world.iam.delete_role_policy(RoleName=ROLE_NAME, PolicyName=POLICY)
    said = check("--stack", name)
    assert said.code == 1
    named = re.findall(r"--stack (\S+)", said.out)
    assert len(named) > 2
    assert set(named) == {name}


def test_a_stack_of_another_project_is_one_line(world: World, check: Check):
    line = check("--stack", "acme/website/dev").refusal
    assert line == (
        "check: stack acme/website/dev is of another project, website, and Pulumi.yaml in this "
        f"directory is of {PROJECT_NAME}: run the command in the directory of that project, or name a "
        "stack of this one; `pulumi stack ls` lists them"
    )
    world.settings = {"aws:region": REGION, "website:domain": "example.com"}
    line = check().refusal
    assert line.startswith(
        "check: stack dev seems to be of another project: its settings are of website, and "
        f"Pulumi.yaml in this directory is of {PROJECT_NAME}: run the command in"
    )
    assert world.server.calls == []


def test_outside_a_project_there_is_one_line(world: World, check: Check):
    (world.directory / "Pulumi.yaml").unlink()
    assert "go to the project's directory" in check().err


def test_without_pulumi_there_is_one_line(check: Check, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    said = check()
    assert said.code == 2
    assert said.err.startswith("check: pulumi is not on PATH: install it")


ANOTHER_ACCOUNT: list[Callable[[World], object]] = [
    lambda world: world.outputs.update(roleArn=ROLE_ARN.replace(ACCOUNT, OTHER_ACCOUNT)),
    lambda world: world.set(applicationId=APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)),
    lambda world: world.set(accountId=OTHER_ACCOUNT),
]


@pytest.mark.parametrize("apply", ANOTHER_ACCOUNT, ids=["role", "application", "setting"])
def test_credentials_of_another_account_are_one_line(
    world: World, check: Check, apply: Callable[[World], object]
):
    apply(world)
    said = check()
    assert said.code == 2
    (line,) = said.err.splitlines()
    assert line.startswith(
        f"check: stack dev is in account {OTHER_ACCOUNT}, and the credentials are for account {ACCOUNT}"
    )
    assert world.server.calls == ["sts:GetCallerIdentity"]


def test_another_region_than_the_application_s_is_a_problem(world: World, check: Check):
    world.settings["aws:region"] = "us-west-2"
    world.server.answers["sts:GetCallerIdentity"] = {"Account": ACCOUNT, "Arn": USER_ARN}
    world.server.refusals["qbusiness:GetApplication"] = (404, "ResourceNotFoundException")
    answer = answer_to("application", check())
    assert f"there is no application {APPLICATION_ID} in us-west-2: `aws qbusiness list-app" in answer
    assert "--region us-west-2` lists them" in answer
    assert "in another Region, pulumi config set --stack dev --plaintext -- aws:region REGION" in answer


def test_settings_that_the_program_refuses_are_printed_as_the_program_does(world: World, check: Check):
    del world.settings["aws:region"]
    world.set(indexId="short")
    said = check()
    assert said.code == 2
    assert "aws:region: is required and not set" in said.err
    assert 'indexId: "short" is not an index ID' in said.err
    assert "fix: pulumi config set --stack dev --plaintext -- indexId INDEX_ID" in said.err
    assert world.server.calls == []


def test_the_values_of_secret_settings_are_not_shown(world: World, check: Check):
    world.secret_keys = {f"{PROJECT_NAME}:{key}" for key in ("secretId", "vpcConfiguration")}
    recreate_secret(world)
    subnet(world, AvailabilityZoneId="use1-az6")
    world.add_data_source()
    said = check()
    assert said.code == 1
    for value in (SECRET_NAME, SUBNET_ID, SECOND_SUBNET_ID, SECURITY_GROUP_ID):
        assert value not in said.out + said.err
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:[secret]"
    answer = answer_to("secret", said)
    assert f"there is no secret {arn}, but {arn}: it was created again" in answer
    assert "fix: pulumi config set --stack dev --secret -- secretId SECRET_ARN && pulumi up" in answer
    assert "subnets: [secret] is in use1-az6, and Amazon Q Business supports use1-az1" in said.out


BOUNDARY_NAME: Final = "confidential-boundary"


def make_all_secret(world: World) -> list[str]:
    """Make every setting secret, as ARNs where that is possible; return what must not be shown."""
    boundary_arn = world.iam.create_policy(PolicyName=BOUNDARY_NAME, PolicyDocument=WIDE)["Policy"][
        "Arn"
    ]
    world.iam.put_role_permissions_boundary(RoleName=ROLE_NAME, PermissionsBoundary=boundary_arn)
    of_ec2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
    world.set(
        applicationId=APPLICATION_ARN,
        accountId=ACCOUNT,
        roleName=ROLE_NAME,
        rolePath="/confidential-path/",
        roleDescription="e",
        permissionsBoundaryArn=boundary_arn,
        tags={"e": "confidential-tag"},
    )
    if f"{PROJECT_NAME}:secretId" in world.settings:
        world.set(
            secretId=SECRET_ARN,
            kmsKeyId=KEY_ARN,
            vpcConfiguration={
                "subnetIds": [f"{of_ec2}:subnet/{SUBNET_ID}", f"{of_ec2}:subnet/{SECOND_SUBNET_ID}"],
                "securityGroupIds": [SECURITY_GROUP_ID],
            },
        )
    else:
        world.set(kmsKeyId=KEY_ARN, bucketAccountId=ACCOUNT)
    world.secret_keys = {*world.settings}
    world.secret_outputs = {*world.outputs}
    return [
        *(APPLICATION_ID, INDEX_ID, SECRET_NAME, KEY_ID, OTHER_KEY_ARN.rpartition("/")[2]),
        *("bucket documents", ":documents"),
        *(SUBNET_ID, SECOND_SUBNET_ID, SECURITY_GROUP_ID, "vpc-", ACCOUNT, OTHER_ACCOUNT, REGION),
        *(ROLE_NAME, BOUNDARY_NAME, "confidential", "eu-west-1", "use1-"),
    ]


def assert_hidden(hidden: list[str], check: Check) -> Output:
    said = check()
    for output in (said, check("--json")):
        shown = [value for value in hidden if value in output.out + output.err]
        assert shown == [], output
    return said


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.text[:60])
def test_nothing_of_a_secret_setting_is_shown_whatever_is_wrong(
    world: World, check: Check, broken: Break
):
    hidden = make_all_secret(world)
    world.add_data_source()
    world.add_sync("FAILED", error={"errorMessage": f"no {SECRET_ARN}", "errorCode": "InvalidRequest"})
    world.add_data_source(OTHER_ID, roleArn=f"{ROLE_ARN}-2")
    broken.apply(world)
    world.secret_keys = {*world.settings}
    if f"{PROJECT_NAME}:kmsKeyId" not in world.settings:
        hidden.remove(KEY_ID)  # which no setting has then
    assert f"problem  {broken.question}: " in assert_hidden(hidden, check).out


@pytest.mark.parametrize("broken", BUCKET_BREAKS, ids=lambda broken: broken.text[:60])
def test_nothing_of_a_secret_bucket_is_shown_whatever_is_wrong(
    world: World, check: Check, broken: Break
):
    s3_source(world)
    hidden = make_all_secret(world)
    broken.apply(world)
    world.secret_keys = {*world.settings}
    if f"{PROJECT_NAME}:kmsKeyId" not in world.settings:
        hidden.remove(KEY_ID)  # which no setting has then
    assert f"problem  {broken.question}: " in assert_hidden([*hidden, "bucket nothing"], check).out


def break_the_role(world: World) -> None:
    attach(world)
    world.put_policy(golden("minimal-role-policy"))
    world.add_data_source(configuration={"type": "BOX", "secretArn": f"{SECRET_NAME}-2"})
    world.add_data_source(OTHER_ID, roleArn=f"{ROLE_ARN}-2")
    world.put_policy(WIDE, "by-hand")
    boundary = {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}
    arn = world.iam.create_policy(
        PolicyName=f"{BOUNDARY_NAME}-2",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": boundary}),
    )["Policy"]["Arn"]
    world.iam.put_role_permissions_boundary(RoleName=ROLE_NAME, PermissionsBoundary=arn)
    world.set(permissionsBoundaryArn=arn)
    finding = {
        "issueCode": "X",
        "findingType": "ERROR",
        "findingDetails": f"{SECRET_ARN} is wrong",
        "learnMoreLink": "https://docs.aws.amazon.com/x",
        "locations": [],
    }
    world.server.answers["access-analyzer:ValidatePolicy"] = {"findings": [finding]}
    source = {"SourcePolicyId": f"role_{ROLE_NAME}_by-hand"}
    world.server.decide = lambda simulation: {
        action: {"EvalDecision": "explicitDeny", "MatchedStatements": [source]}
        for action in simulation.actions
    }


MORE_BREAKS: list[Callable[[World], object]] = [
    break_the_role,
    delete_role,
    lambda world: world.outputs.update(roleArn=ROLE_ARN.replace(ACCOUNT, OTHER_ACCOUNT)),
    lambda world: world.set(accountId=OTHER_ACCOUNT),
    lambda world: world.set(indexId="confidential"),
    lambda world: world.server.qbusiness.resources[APPLICATION_ID,].update(
        status="FAILED", error={"errorMessage": f"no {INDEX_ID}"}
    ),
    lambda world: world.server.refusals.update(
        {
            "iam:GetRole": (400, "ValidationError"),
            "ec2:DescribeSubnets": (400, "InvalidRequest"),
            "kms:DescribeKey": (503, "503"),
        }
    ),
    lambda world: world.server.refusals.update({"sts:GetCallerIdentity": (403, "AccessDenied")}),
    lambda world: world.server.pages.update({"kms:GetKeyPolicy": 200}),
    lambda world: caller(world, f"arn:aws:sts::{ACCOUNT}:federated-user/me"),
    deny_passing,
    lambda world: put_secret_policy(world, {"AWS": ROLE_ID}),
    lambda world: put_key_policy(world, {"AWS": ROLE_ID}),
]


@pytest.mark.parametrize("apply", MORE_BREAKS)
def test_nothing_of_a_secret_setting_is_shown_when_the_role_or_aws_is_wrong(
    world: World, check: Check, apply: Callable[[World], object]
):
    hidden = make_all_secret(world)
    world.server.said = f"by {APPLICATION_ARN}, {SECRET_ARN}, {KEY_ARN} and {SUBNET_ID}"
    apply(world)
    world.secret_keys = {*world.settings}
    assert_hidden(hidden, check)


def test_the_code_of_a_hidden_message_is_shown(world: World, check: Check):
    world.secret_keys = {f"{PROJECT_NAME}:secretId"}
    world.server.refusals["ec2:DescribeSubnets"] = (400, "InvalidRequest")
    assert answer_to("subnets", check()) == (
        "skipped  subnets: ec2:DescribeSubnets failed (InvalidRequest: its message is hidden, since "
        "settings are secret): repeat the command\n"
    )


def test_a_secret_of_one_letter_changes_no_other_text(world: World, check: Check):
    world.iam.create_role(RoleName="e", AssumeRolePolicyDocument=golden("trust-policy"))
    policy = golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT)
    world.iam.put_role_policy(RoleName="e", PolicyName=POLICY, PolicyDocument=policy)
    world.iam.put_role_policy(RoleName="e", PolicyName="by-hand", PolicyDocument=WIDE)
    world.outputs = {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/e", "roleName": "e"}
    world.set(roleName="e", roleDescription="e", tags={"e": "e"})
    plain = check().out
    world.secret_keys = {f"{PROJECT_NAME}:{key}" for key in ("roleName", "roleDescription", "tags")}
    expected = plain.replace(":role/e", ":role/[secret]").replace(
        "--role-name e", "--role-name ROLE_NAME"
    )
    assert check().out == expected
    assert "--role-name ROLE_NAME --policy-name by-hand" in expected


def test_a_role_arn_that_is_secret_in_the_stack_is_not_shown(world: World, check: Check):
    world.secret_outputs = {"roleArn"}
    said = check()
    assert f"role: arn:aws:iam::{ACCOUNT}:role/[secret]\n" in said.out
    assert ROLE_NAME not in said.out


@pytest.mark.parametrize("code", ["InvalidAction", "UnknownOperationException"])
def test_what_the_sandbox_does_not_have_is_skipped(world: World, check: Check, code: str):
    world.server.refusals["iam:SimulatePrincipalPolicy"] = (400, code)
    world.server.pages["access-analyzer:ValidatePolicy"] = 501
    said = check()
    assert answers_in("skipped", said) == [
        f"{question}: the sandbox does not answer this: ask it on AWS"
        for question in ("requests allowed", "requests denied", "policy validation", "iam:PassRole")
    ]
    assert said.code == 0


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "InternalFailure"), (503, "ServiceUnavailable"), (400, "Throttling"), (503, "")],
)
def test_an_outage_of_the_sandbox_is_not_taken_for_what_it_does_not_have(
    world: World, check: Check, status: int, code: str
):
    for action in ("iam:SimulatePrincipalPolicy", "kms:GetKeyPolicy"):
        if code:
            world.server.refusals[action] = (status, code)
        else:
            world.server.pages[action] = status
    said = check()
    assert said.code == 2
    assert answer_to("key policy", said).startswith("skipped ")
    assert "the sandbox does not answer this" not in said.out


@pytest.mark.parametrize("endpoint", ["AWS_ENDPOINT_URL", ""])
def test_a_page_in_place_of_aws_is_one_line(
    world: World, check: Check, monkeypatch: pytest.MonkeyPatch, endpoint: str
):
    world.server.pages["iam:SimulatePrincipalPolicy"] = 200
    if not endpoint:
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        for service in ("QBUSINESS", "IAM", "SECRETS_MANAGER", "STS", "EC2", "KMS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", world.server.url)
    said = check()
    assert said.code == 2
    assert answers_in("problem", said) == []
    reason = (
        f"by {endpoint}={world.server.url}: unset it" if endpoint else "as by a proxy, an outage, or"
    )
    assert f"SimulatePrincipalPolicy was answered with an HTML page, {reason}" in (
        answer_to("requests allowed", said)
    )


def test_secret_settings_of_a_stack_are_read_through_pulumi_and_not_shown(new_stack: NewStack):
    stack = new_stack({**SETTINGS, f"{PROJECT_NAME}:tags": {"Environment": "dev"}})
    for package in ("evidence", "guardrails", "roles"):
        (stack.directory / package).symlink_to(PROJECT / package)
    stack.run("config", "set", "--secret", "secretId", SECRET_ID)
    stack.run("config", "set", "--secret", "--path", "tags.Owner", "somebody")
    stack.run("config", "set", "--secret", "roleName", "confidential-qbusiness-role")
    stack.up()
    # The output stays secret until the next deployment.
    stack.run("config", "set", "--plaintext", "roleName", "confidential-qbusiness-role")
    command = ("venv/bin/python", "-m", "roles", "check", "--stack", stack.name)
    said = stack.execute(*command).stdout
    assert "secret: arn:aws:secretsmanager:us-east-1:123456789012:secret:[secret] exists, and" in said
    assert "role policy: means what the program renders\n" in said
    assert said.endswith("21 ok, 0 problems, 4 skipped\n")
    assert "role: arn:aws:iam::123456789012:role/[secret]\n" in said
    assert SECRET_ID not in said
    assert "confidential" not in said


# The page.


def test_the_policy_of_the_page_is_what_is_called(world: World, check: Check):
    (policy,) = blocks("json", PAGE.read_text())
    (statement,) = json.loads(policy)["Statement"]
    assert statement["Action"] == [*ACTIONS["check"]]
    world.set(permissionsBoundaryArn=boundary(world, WIDE))
    key_policy(world, allow_key(ROOT, Condition=OF_ORGANIZATION))
    world.add_data_source()
    check()
    called = {*world.server.calls}
    s3_source(world)
    check()
    assert called | {*world.server.calls} == {*ACTIONS["check"]}


def test_the_page_has_every_option(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    listed = re.findall(r"^\| `(--[a-z-]+)[` ]", PAGE.read_text(), flags=re.MULTILINE)
    assert sorted(options) == sorted(listed)


def test_the_page_has_every_question(check: Check):
    questions = {answer["question"] for answer in check("--json").json["answers"]}
    section = prose("Read what it prints", PAGE)
    listed = re.findall(r"^\| ([\w:, ]+) \| ", section, flags=re.MULTILINE)
    assert {name for names in listed[1:] for name in names.split(", ")} == questions - {"credentials"}
