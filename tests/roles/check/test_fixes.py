"""The printed fixes work, and take nothing from another role that uses the same resource.

Each test breaks something, carries out the printed steps as a user would, and asks again. A second role
with a data source of its own uses the same key, secret, bucket, policy, or application, and keeps every
answer.
"""

import ast
import json
import re
import shlex
from collections.abc import Callable, Mapping
from contextvars import copy_context
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from components.formats import Location
from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    KEY_ID,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from roles import stack
from roles.check import command
from tests.helpers.qbusiness_server import DATA_SOURCE_ID
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import (
    KEY_ARN,
    OTHER_ID,
    OWN,
    ROLE_ARN,
    ROLE_NAME,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    SETTINGS,
    THROUGH_SECRETS_MANAGER,
    TRUST,
    WIDE,
    World,
    allow,
    allow_key,
    deny,
    own_policy,
    policy,
    s3_policy,
)
from tests.roles.adopt.help import sh

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("deployed", "aws_cli")]

OTHER_NAME: Final = "qbusiness-Other"
OTHER_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/{OTHER_NAME}"
OTHER_APPLICATION: Final = APPLICATION_ARN.replace(APPLICATION_ID, OTHER_ID)
DECRYPT: Final = allow("kms:Decrypt", KEY_ARN, Condition=THROUGH_SECRETS_MANAGER)
AS_STACK: Final = ("--stack", "dev")
ALONE: Final = ("--application", APPLICATION_ARN, "--data-source-id", DATA_SOURCE_ID)
EDITS: Final = re.compile(r"in (?P<file>\S+\.json), (?P<edit>.*)")
SETTING: Final = re.compile(
    r"in Pulumi\.dev\.yaml, set (?P<name>\w+) to (?P<value>.*), then pulumi up .*"
)


class Fix(NamedTuple):
    """A kind of fix."""

    commands: tuple[str, ...]
    """The commands that change something, in the order in which the steps contain them."""
    question: str
    """The question that must have the same or no such answer afterward."""
    spoil: Callable[[World], object]
    """Create the fault; the second user exists before."""
    options: tuple[str, ...] = AS_STACK
    by_hand: Mapping[str, tuple[str, ...]] = {}
    """The commands that a user takes from a step in prose, by the step's first words."""


# The second user.


def add_other(world: World, document: str = "", **more: Any) -> None:
    """Add a role outside the stack, with a data source and a secret under the same key."""
    secret = world.secret("other", KmsKeyId=KEY_ARN)
    world.role(OTHER_NAME, document or own_policy(secret, DECRYPT))
    configuration = {"type": "AEM", "secretArn": secret}
    given = {"configuration": configuration, "roleArn": OTHER_ARN, "displayName": "Other", **more}
    world.create_data_source(identifier=OTHER_ID, **given)


def add_other_with_bucket(world: World) -> None:
    world.use_bucket()
    configuration = {"type": "S3V2", "connectionConfiguration": {"bucketName": "documents"}}
    add_other(world, s3_policy(OTHER_NAME, key=True), configuration=configuration)


def answers_of_other(world: World) -> Any:
    """Return the answers about the second user's role."""
    of = ("--application", APPLICATION_ARN, "--data-source-id", OTHER_ID, "--json")
    return world.run("check", *of).json["answers"]


# Carrying out a fix.


def deploy(world: World) -> None:
    """Do what an update of the stack does to the role's policies."""

    def write() -> None:
        for role in stack.read_stack("dev", show_secrets=True).roles:
            policies = stack.render(role, Location("aws", REGION, ACCOUNT))
            name = str(role.role_arn).rpartition("/")[2]
            world.put_policy(policies.role_policy, OWN, name)
            world.iam.update_assume_role_policy(RoleName=name, PolicyDocument=policies.trust_policy)

    world.check(only=["credentials"])  # writes the stack's files
    # Pulumi keeps its configuration in context variables, which must not affect other tests.
    copy_context().run(write)


def set_in_stack(world: World, words: list[str]) -> None:
    """Run `pulumi config set` or `rm` for a setting at the top level."""
    key, *value = words[words.index("--") + 1 :]
    world.set(**{key: value[0] if words[2] == "set" else None})


def edit(world: World, file: str, change: str) -> None:
    """Edit a policy in a file as a step says."""
    path = world.path(file)
    document = json.loads(path.read_text()) if path.exists() else {}
    if change.startswith("write "):
        document = json.loads(change.removeprefix("write "))
    elif added := re.fullmatch(r'add to "Statement": (.*)', change):
        document["Statement"] += json.loads(f"[{added[1]}]")
    elif replaced := re.fullmatch(r"replace the statement (\w+) with (.*)", change):
        kept = (each for each in document["Statement"] if each.get("Sid") != replaced[1])
        document["Statement"] = [*kept, json.loads(replaced[2])]
    elif excluded := re.fullmatch(r"exclude the role from the statement (\w+), which .*", change):
        (statement,) = (each for each in document["Statement"] if each["Sid"] == excluded[1])
        statement.setdefault("Condition", {})["ArnNotEquals"] = {"aws:PrincipalArn": [ROLE_ARN]}
    elif change.startswith("replace the ID "):
        text, arns = path.read_text(), re.findall(r"\(([^)]*)\)", change)
        document = json.loads(text.replace(arns[0], arns[1]))
    else:
        raise AssertionError(change)
    path.write_text(json.dumps(document))


def carry_out(world: World, fix: Fix, steps: list[str]) -> list[str]:
    """Carry out the steps, and return the commands in them that change something."""
    ran: list[str] = []
    new_key = world.kms.create_key()["KeyMetadata"]["Arn"]
    chosen = {"SYMMETRIC_KEY_ARN": new_key, '"SUBNET_ID"': f'"{SUBNET_ID}"', "POLICY_ARN": WIDEST}
    for printed in steps:
        step = printed
        for placeholder, value in chosen.items():
            step = step.replace(placeholder, value)
        by_hand = [commands for words, commands in fix.by_hand.items() if step.startswith(words)]
        if by_hand:
            ran += by_hand[0]
        elif edited := EDITS.fullmatch(step):
            edit(world, edited["file"], edited["edit"])
        elif given := SETTING.fullmatch(step):
            world.set(**{given["name"]: json.loads(given["value"])})
            deploy(world)
            ran.append("pulumi up")
        elif step.startswith("qbusiness-roles assign "):
            ran.append("qbusiness-roles assign")
            assert world.run("assign", *shlex.split(step)[2:]).code == 0
            assert sh(world, "sh assign-dev-1.sh").returncode == 0
        else:
            ran += run(world, step.rpartition("; or use another boundary: ")[2])
    return ran


def run(world: World, step: str) -> list[str]:
    """Run the commands in a step, and return those that change something."""
    ran: list[str] = []
    for each in step.split(" && "):
        words = shlex.split(each)
        if words[:2] == ["pulumi", "up"]:
            deploy(world)
            ran.append("pulumi up")
        elif words[:2] == ["pulumi", "config"]:
            set_in_stack(world, words)
            ran.append(" ".join(words[:3]))
        else:
            done = sh(world, each)
            assert (done.returncode, done.stderr) == (0, ""), each
            ran += [] if re.match("aws \\w+ get-", each) else [" ".join(words[1:3])]
            if "update-secret" in words:  # AWS encrypts the current version again, unlike moto
                world.secrets.put_secret_value(SecretId=SECRET_ARN, SecretString="{}")
    return ran


def ask(world: World, fix: Fix) -> list[dict[str, Any]]:
    """Return the answers to the fix's question."""
    if fix.options == AS_STACK:
        said = world.check("--json", only=[fix.question])
    else:
        said = world.run("check", *fix.options, "--json")
    return [each for each in said.json["answers"] if each["question"] == fix.question]


# The kinds of fixes.


def delete_statement(world: World) -> None:
    """Leave only another stack's statement in the key policy."""
    through = {"StringEquals": {"kms:ViaService": [f"secretsmanager.{REGION}.amazonaws.com"]}}
    theirs = allow_key(
        {"AWS": [OTHER_ARN]}, Sid="AllowsConnectorRoles01", Action=["kms:Decrypt"], Condition=through
    )
    administration = allow_key({"AWS": f"arn:aws:iam::{ACCOUNT}:user/admin"}, Action="kms:Put*")
    world.key_policy(administration, theirs)


def recreate_role(world: World) -> None:
    """Name the role by the ID that it had before it was recreated, beside the other role."""
    names = ["AROADBQP57FF2AEXAMPLE", OTHER_ARN]
    world.key_policy(allow_key({"AWS": names}, Action=["kms:Decrypt", "kms:DescribeKey"]))


def deny_in_secret(world: World) -> None:
    others = deny("secretsmanager:Get*", "*", Sid="Guard", Principal="*")
    others["Condition"] = {"ArnNotEquals": {"aws:PrincipalArn": [OTHER_ARN]}}
    world.secrets.put_resource_policy(SecretId=SECRET_ARN, ResourcePolicy=policy(others))


def deny_in_bucket(world: World) -> None:
    others = deny("s3:GetObject", "arn:aws:s3:::documents/*", Sid="Guard", Principal="*")
    others["Condition"] = {"ArnLike": {"aws:PrincipalArn": f"{ROLE_ARN}*"}}
    world.s3.put_bucket_policy(Bucket="documents", Policy=policy(others))


def add_second_secret(world: World) -> None:
    world.set(connector="webcrawler")
    entries = {"proxy": {"secretArn": world.secret("proxy")}}
    configuration = {"type": "WEBCRAWLERV2", "secretArn": SECRET_ARN, "additionalProperties": entries}
    world.add_data_source(configuration=configuration)


def attach_to_both(world: World) -> None:
    arn = world.attach(ROLE_NAME, "shared", policy(allow("sqs:*", "*", Sid="Queues")))
    world.iam.attach_role_policy(RoleName=OTHER_NAME, PolicyArn=arn)


def trust_other_application(world: World) -> None:
    """Let the role be assumed for another application only, by a statement with the usual Sid."""
    document = TRUST.replace(APPLICATION_ARN, OTHER_APPLICATION)
    world.iam.update_assume_role_policy(RoleName=ROLE_NAME, PolicyDocument=document)
    world.add_data_source()


def limit(world: World) -> None:
    """Give both roles a boundary that does not allow the connector's requests."""
    world.managed("widest")
    arn = world.managed("boundary", policy(allow("sqs:*", "*")))
    for name in (ROLE_NAME, OTHER_NAME):
        world.iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=arn)
    world.add_data_source()


def encrypt(world: World, key_arn: str) -> None:
    """Encrypt the stack's secret, and its current version, with a key."""
    world.secrets.update_secret(SecretId=SECRET_ARN, KmsKeyId=key_arn)
    world.secrets.put_secret_value(SecretId=SECRET_ARN, SecretString="{}")


def change_key(world: World) -> None:
    """Encrypt the stack's secret with another key; another data source's secret keeps the key."""
    encrypt(world, world.kms.create_key()["KeyMetadata"]["Arn"])
    world.add_data_source()
    second = world.secret("second", KmsKeyId=KEY_ARN)
    world.put_policy(own_policy(second), "second")
    vpc = SETTINGS[f"{PROJECT_NAME}:vpcConfiguration"]
    world.add("Second", ROLE_ARN, second, vpcConfiguration=vpc)


def change_key_of_next_version(world: World) -> None:
    later = world.kms.create_key()["KeyMetadata"]["Arn"]
    world.secrets.update_secret(SecretId=SECRET_ARN, KmsKeyId=later)
    world.path("SECRET_FILE").write_text("{}")


def disable_key(world: World) -> None:
    world.kms.disable_key(KeyId=KEY_ID)


def delete_key(world: World) -> None:
    world.kms.schedule_key_deletion(KeyId=KEY_ID)


def delete_secret(world: World) -> None:
    world.secrets.delete_secret(SecretId=SECRET_ARN)


def add_wide_policy(world: World) -> None:
    world.put_policy(WIDE, "by-hand")


def replace_policy(world: World) -> None:
    world.put_policy(policy(allow("sqs:*", "*")))


def use_asymmetric_key(world: World) -> None:
    made = world.kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    world.set(kmsKeyId=made["KeyMetadata"]["Arn"])
    encrypt(world, made["KeyMetadata"]["Arn"])


def lose_subnet(world: World) -> None:
    world.add_data_source(description="Kept", syncSchedule="cron(0 12 * * ? *)")
    world.set(vpcConfiguration={"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]})
    world.ec2.delete_subnet(SubnetId=SECOND_SUBNET_ID)


def recreate_secret(world: World) -> None:
    world.add_data_source(description="Kept", syncSchedule="cron(0 12 * * ? *)")
    world.recreate_secret()


def add_without_role(world: World) -> None:
    del world.add_data_source(description="Kept")["roleArn"]


def use_wide_bucket(world: World) -> None:
    world.set(connector="webcrawler", bucketName="documents", vpcConfiguration=None)
    world.set(allowNetworkInterfaceDeletion=None)
    world.bucket(KEY_ARN)


WIDEST: Final = f"arn:aws:iam::{ACCOUNT}:policy/widest"
KEY: Final = ("kms put-key-policy",)
UPDATE: Final = ("qbusiness update-data-source",)
FIXES: Final[Mapping[str, Fix]] = {
    "a statement in a key policy": Fix(KEY, "key policy", delete_statement),
    "the ARN of a recreated role in a key policy": Fix(KEY, "key policy", recreate_role),
    "an exception in a secret policy": Fix(
        ("secretsmanager put-resource-policy",), "secret policy", deny_in_secret
    ),
    "an exception in a bucket policy": Fix(
        ("s3api put-bucket-policy",), "bucket policy", deny_in_bucket
    ),
    "a separate policy for a second secret": Fix(
        ("iam put-role-policy",), "other policies", add_second_secret
    ),
    "the removal of a policy": Fix(("iam delete-role-policy",), "other policies", add_wide_policy),
    "the removal of an attached policy": Fix(
        ("iam detach-role-policy",), "other policies", attach_to_both
    ),
    "a statement in a trust policy": Fix(
        ("iam update-assume-role-policy",), "trust policy", trust_other_application, ALONE
    ),
    "another boundary": Fix(
        ("iam put-role-permissions-boundary",),
        "permissions boundary",
        limit,
        ALONE,
    ),
    "a key for one of two secrets": Fix(("iam put-role-policy",), "encryption", change_key),
    "a key for the next version of a secret": Fix(
        (
            "iam put-role-policy",
            "secretsmanager put-secret-value",
            "pulumi config set",
            "pulumi up",
            "iam delete-role-policy",
        ),
        "encryption",
        change_key_of_next_version,
    ),
    "a symmetric key": Fix(
        ("secretsmanager update-secret", "pulumi config set", "pulumi up"),
        "KMS key",
        use_asymmetric_key,
        by_hand={"let everybody else": ()},
    ),
    "an enabled key": Fix(("kms enable-key",), "KMS key", disable_key),
    "a key that is not deleted": Fix(
        ("kms cancel-key-deletion", "kms enable-key"),
        "KMS key",
        delete_key,
    ),
    "a restored secret": Fix(
        ("secretsmanager restore-secret",),
        "secret",
        delete_secret,
    ),
    "a subnet that exists": Fix(UPDATE, "subnets", lose_subnet),
    "a recreated secret": Fix(("pulumi config set", "pulumi up", *UPDATE), "secret", recreate_secret),
    "a role for a data source": Fix(
        ("qbusiness-roles assign",),
        "other data source",
        add_without_role,
        by_hand={"or, if the settings": ()},
    ),
    "the encryption of a bucket": Fix(
        ("s3api put-bucket-encryption",),
        "encryption",
        use_wide_bucket,
        by_hand={"upload the objects again": ()},
    ),
    "an update of the stack": Fix(("pulumi up",), "role policy", replace_policy),
}


@pytest.mark.parametrize("fix", FIXES.values(), ids=[*FIXES])
def test_fix_works_and_takes_nothing_from_others(world: World, fix: Fix):
    world.server.qbusiness.keeps_omitted = False
    if "bucket" in fix.question:
        add_other_with_bucket(world)
    else:
        add_other(world)
    healthy = answers_of_other(world)
    fix.spoil(world)
    before = answers_of_other(world)
    found = next(each for each in ask(world, fix) if each.get("fix"))
    assert carry_out(world, fix, found["fix"].splitlines()) == [*fix.commands]
    states = {each["state"] for each in ask(world, fix)} - {"ok"}
    assert states <= {"note"}
    assert answers_of_other(world) in (healthy, before)


READING: Final = re.compile(r"\w+ (?:get|list|head|describe)-.*")
NOT_SHARED: Final = {"qbusiness start-data-source-sync-job"}
OF_ADOPT: Final = {
    "iam attach-role-policy",
    "iam create-policy",
    "iam delete-policy",
    "iam delete-role",
}
"""The commands that only `adopt` prints; tests of adoption carry them out."""


def test_every_printed_command_is_carried_out():
    printed: set[str] = set()
    for path in Path(command.__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = re.fullmatch(
                    r"(?:iam|kms|secretsmanager|s3api|qbusiness|ec2) [a-z-]+", node.value
                )
                printed |= {node.value} if named else set()
    carried_out = {each for fix in FIXES.values() for each in fix.commands}
    changes = {each for each in printed if not READING.fullmatch(each)}
    assert changes - OF_ADOPT - NOT_SHARED <= carried_out


# Updates of the stack.


@pytest.mark.parametrize("region", [REGION, "eu-west-1"])
def test_update_is_withheld_if_it_cuts_off_another_application(world: World, region: str):
    application = OTHER_APPLICATION.replace(REGION, region)
    both = f'["{APPLICATION_ARN}", "{application}"]'
    world.trust(TRUST.replace(f'"{APPLICATION_ARN}"', both))
    replace_policy(world)
    world.server.elsewhere(region).add(OTHER_ID, displayName="Other")
    said = world.check()
    assert said.code == 1
    assert f"give the data sources of {application} roles other than {ROLE_ARN}, because" in said.out
    assert "pulumi up" not in said.out
    assert "delete-role-policy" not in said.out
