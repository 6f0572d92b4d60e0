"""`roles audit` of an account with a data source of every kind, as text and as Markdown."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pages.examples import ACCOUNT, OTHER_ACCOUNT
from tests.helpers.support import golden
from tests.helpers.world import (
    KEY_ARN,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    THROUGH_SECRETS_MANAGER,
    TRUST,
    VPC,
    WIDE,
    World,
    allow,
    deny,
    own_policy,
    policy,
)
from tests.roles.audit.help import add_files, set_age, shared_role


def add_compared(world: World) -> None:
    """Add data sources whose roles are equivalent, different, lack access, or are dangerous."""
    world.describe_key()
    secret_arn = world.secret("full", KmsKeyId=KEY_ARN)
    document = golden("default-role-policy").replace(SECRET_ARN, secret_arn)
    world.add("Full", world.role("qbusiness-full", document), secret_arn, vpcConfiguration=VPC)
    subnet = f"arn:aws:ec2:us-east-1:{OTHER_ACCOUNT}:subnet/{SECOND_SUBNET_ID}"
    document, removed = re.subn(rf'"{subnet}",\s*', "", document)
    assert removed == 1
    world.add("Exact", world.role("qbusiness-exact", document), secret_arn, vpcConfiguration=VPC)
    # The setting allowNetworkInterfaceDeletion is not a property of a data source.
    kept = [each for each in json.loads(document)["Statement"] if "DeleteTagged" not in each["Sid"]]
    role_arn = world.role("qbusiness-without-deletion", policy(*kept))
    world.add("Without-deletion", role_arn, secret_arn, vpcConfiguration=VPC)
    add_files(world)
    world.add_own(name="Equivalent")
    world.add("Twin", world.role_arn, world.secret_arn)
    world.add_own(allow("sqs:*", "*"), deny("iam:*", "*"), name="Excess")
    world.add("Queue-of-Excess", world.role_arn, kind="CUSTOM")
    world.add_own(name="Lacking", without="AllowsAmazonQToGetSecret")
    world.add_own(name="Shares")
    world.add("Lacks-its-secret", world.role_arn, world.secret("lacks"))
    world.add_own(allow("*", "*", Sid="All"), allow("sqs:*", "*", Sid="Queues"), name="Dangerous")
    world.add_own(name="Attached")
    world.attach("qbusiness-Attached", "wide", WIDE)
    world.attach("qbusiness-Attached", "never", policy(deny("s3:*", "*")))
    # Trust policies: others, and another application.
    trust = json.loads(TRUST)
    trust["Statement"][0]["Principal"]["Service"] = ["qbusiness.amazonaws.com", "ec2.amazonaws.com"]
    secret_arn = world.secret("others")
    world.add(
        "Others",
        world.role("qbusiness-others", own_policy(secret_arn), trust=json.dumps(trust)),
        secret_arn,
    )
    elsewhere = re.sub(r'(application/[0-9a-f-]+)[0-9a-f]"', r'\g<1>9"', TRUST)
    secret_arn = world.secret("elsewhere")
    world.add(
        "Elsewhere",
        world.role("qbusiness-elsewhere", own_policy(secret_arn), trust=elsewhere),
        secret_arn,
    )
    shared_role(world, "jira", "wiki")


def add_broken(world: World) -> None:
    """Add data sources that cannot work, or that cannot be compared."""
    secret_arn = world.secret("gone/secret", KmsKeyId=KEY_ARN)
    # The role may read the secret, a recreated one, and use its key; another secret, all secrets, and
    # kms:* are in excess.
    read = "secretsmanager:GetSecretValue"
    document = own_policy(
        secret_arn,
        allow(read, f"{secret_arn[:-6]}AbCdE9", Sid="Again"),
        allow(read, secret_arn.replace("gone/secret-", "gone/other-"), Sid="Other"),
        allow(read, "*", Sid="Every"),
        allow("kms:Decrypt", KEY_ARN, Condition=THROUGH_SECRETS_MANAGER, Sid="Key"),
        allow("kms:*", KEY_ARN, Sid="Everything"),
        without="AllowsAmazonQToIngestDocuments",
    )
    role_arn = world.role("qbusiness-without-secret", document)
    world.add("Secret-gone-by-name", role_arn, "gone/secret")
    role_arn = world.role("qbusiness-without-secret-too", document)
    world.add("Secret-gone-by-ARN", role_arn, secret_arn)
    world.delete_secret(secret_arn)
    world.add_own(name="Deleted", without="AllowsAmazonQToGetSecret")
    world.secrets.delete_secret(SecretId=world.secret_arn, RecoveryWindowInDays=7)
    boundary = world.managed("boundary", Path="/a*/")
    world.add_own(allow("sqs:*", "*"), name="Bounded", PermissionsBoundary=boundary)
    secret_arn = world.secret("roles")
    here = f"arn:aws:iam::{ACCOUNT}:role"
    world.add("Without-role", None, secret_arn)
    world.add("Role-gone", f"{here}/gone", secret_arn)
    world.add("Role-moved", f"{here}/service-role/qbusiness-Equivalent", secret_arn)
    world.add("Role-elsewhere", f"arn:aws:iam::{OTHER_ACCOUNT}:role/x", secret_arn)
    world.add("No-secret-in-it", world.role("qbusiness-empty", own_policy(SECRET_ARN)))
    world.add(
        "Bucket-gone",
        world.role("qbusiness-bucket"),
        kind="S3",
        configuration={"type": "S3", "bucketName": "gone"},
    )
    # botocore rejects such a name before it sends the call.
    world.add(
        "No-bucket-name",
        world.role("qbusiness-no-bucket"),
        kind="S3",
        configuration={"type": "S3", "bucketName": "no bucket"},
    )
    drive = {"type": "ONEDRIVEV3", "secretArn": secret_arn}
    world.add(
        "No-VPC",
        world.role("qbusiness-drive", own_policy(secret_arn)),
        kind="ONEDRIVEV3",
        configuration=drive,
        vpcConfiguration=VPC,
    )
    world.add("Queue", None, kind="CUSTOM")
    world.add("Queue-with-a-role", world.role("qbusiness-queue", WIDE), kind="CUSTOM")
    world.add("Unknown-with-Role-gone", f"{here}/gone", kind="UNHEARD_OF")
    world.add("Unknown", world.role("qbusiness-unknown", own_policy(SECRET_ARN)), kind="UNHEARD_OF")
    world.add("Secret-and-role-gone", f"{here}/gone-too", "gone/secret")
    world.role("qbusiness-unused", own_policy(SECRET_ARN))
    set_age(world, timedelta(days=500))


@pytest.mark.slow
def test_every_kind_of_data_source_is_reported(world: World, assert_golden: Callable[[Path, str], None]):
    add_compared(world)
    add_broken(world)
    text, markdown, document = world.audit(), world.audit("--markdown"), world.audit("--json")
    assert (text.code, markdown.code, document.code) == (1, 1, 1)
    # Only the JSON document has the states of roles.
    states = (f"{role['role']}: {role['state']} ({role['result']})\n" for role in document.json["roles"])
    for name, out in (("gallery.txt", f"{text.out}\n{''.join(states)}"), ("gallery.md", markdown.out)):
        # Secrets Manager chooses the ends of the ARNs.
        fixed = re.sub(r"(:secret:[\w/-]+)-\w{6}\b", r"\1-SUFFIX", out)
        fixed = re.sub(r"Read on [\d-]+ [\d:]+ UTC", "Read on DATE", fixed)
        assert_golden(Path(__file__).with_name(name), fixed)
