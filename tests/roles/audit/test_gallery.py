"""Tests `roles/rendering.py` and `roles/audit/survey.py` with data sources of every kind."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pages.examples import ACCOUNT, OTHER_ACCOUNT, REGION
from tests.helpers.support import golden
from tests.helpers.world import (
    INDEX_ARN,
    INGEST,
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
    s3_policy,
)
from tests.roles.audit.help import create_key

ROLES: Final = f"arn:aws:iam::{ACCOUNT}:role/"
GET: Final = "secretsmanager:GetSecretValue"
INGESTION: Final = "AllowsAmazonQToIngestDocuments"
TO_SERVICE: Final = {"StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}}
CONSOLE: Final = [f"{ROLES}{path}QBusiness-DataSource-*" for path in ("", "service-role/")]


def trust(**condition: Any) -> str:
    """Return the program's trust policy with additional conditions."""
    document = json.loads(TRUST)
    document["Statement"][0]["Condition"] |= condition
    return json.dumps(document)


def add_own(world: World) -> None:
    """Add data sources with roles similar to the program's."""
    world.add_own(name="Equivalent")
    world.add("Twin", world.role_arn, world.secret("twin"))
    world.add_own(allow("sqs:*", "*"), name="Excess")
    world.add("Queue-of-Excess", world.role_arn, kind="CUSTOM")
    world.add_own(allow("*", "*", Sid="All"), allow("sqs:*", "*", Sid="Queues"), name="Dangerous")
    world.add_own(name="Attached")
    world.attach("qbusiness-Attached", "wide", WIDE)
    # A Deny statement is a problem only if it denies a request.
    world.add_own(deny("qbusiness:*", "*", Sid="Never"), name="Denied")
    world.add_own(deny("s3:*", "*"), name="Guarded")
    # For these roles, AWS's pages contradict each other or allow more than the program does.
    world.add_own(allow(INGEST, INDEX_ARN, Sid="Ingest"), name="Index-alone", without=INGESTION)
    world.add_own(allow("iam:PassRole", CONSOLE, Condition=TO_SERVICE), name="Console")
    logs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/qbusiness/*"
    create, put = allow("logs:CreateLogGroup", logs), allow("logs:PutLogEvents", f"{logs}:log-stream:*")
    world.add_own(allow("logs:DescribeLogGroups", "*"), create, put, name="Application")
    wider = allow("iam:PassRole", CONSOLE), allow("logs:PutLogEvents", "*")
    world.add_own(*wider, name="Wider-than-pages")
    # Trust policies.
    later = trust(DateGreaterThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"})
    world.add_own(name="Since-2020", trust=later)
    world.add_own(name="Organization", trust=trust(StringLike={"aws:SourceOrgID": "o-a1b2c3d4e5"}))
    # A role that is also used for document enrichment.
    world.add_own(allow("lambda:InvokeFunction", "*"), name="Hooked")
    hook = {"preExtractionHookConfiguration": {"roleArn": world.role_arn}}
    world.add("Hooks", world.role_arn, world.secret_arn, documentEnrichmentConfiguration=hook)


def add_others(world: World) -> None:
    """Add data sources with a VPC or a bucket."""
    key = create_key(world)
    secret_arn = world.secret("full", KmsKeyId=key)
    document = re.sub(r"arn:aws:kms:[^\"]*", key, golden("default-role-policy"))
    document = document.replace(SECRET_ARN, secret_arn)
    world.add("Full", world.role("qbusiness-full", document), secret_arn, vpcConfiguration=VPC)
    subnet = f"arn:aws:ec2:us-east-1:{OTHER_ACCOUNT}:subnet/{SECOND_SUBNET_ID}"
    document, removed = re.subn(rf'"{subnet}",\s*', "", document)
    assert removed == 1
    kept = [each for each in json.loads(document)["Statement"] if "DeleteTagged" not in each["Sid"]]
    role_arn = world.role("qbusiness-without-deletion", policy(*kept))
    world.add("Without-deletion", role_arn, secret_arn, vpcConfiguration=VPC)
    world.bucket()
    files = {"type": "S3V2", "connectionConfiguration": {"bucketName": "documents"}}
    role_arn = world.role("qbusiness-path", s3_policy("connectors/qbusiness-path"), Path="/connectors/")
    world.add("In-a-path", role_arn, kind="S3V2", configuration=files)
    document = s3_policy("qbusiness-foreign").replace(f'"{ACCOUNT}"', f'"{OTHER_ACCOUNT}"')
    role_arn = world.role("qbusiness-foreign", document.replace(":::documents", ":::foreign"))
    foreign = {"bucketName": "foreign", "bucketOwnerAccountId": OTHER_ACCOUNT}
    files = {**files, "connectionConfiguration": foreign}
    world.add("Foreign-bucket", role_arn, kind="S3V2", configuration=files)


def add_broken(world: World) -> None:
    """Add data sources that cannot work or cannot be compared."""
    key = create_key(world)
    secret_arn = world.secret("gone/secret", KmsKeyId=key)
    document = own_policy(
        secret_arn,
        allow(GET, f"{secret_arn[:-6]}AbCdE9", Sid="Again"),
        allow("kms:Decrypt", key, Condition=THROUGH_SECRETS_MANAGER, Sid="Key"),
        allow("kms:*", key, Sid="Everything"),
        without=INGESTION,
    )
    world.add("Secret-gone", world.role("qbusiness-without-secret", document), "gone/secret")
    world.delete_secret(secret_arn)
    secret_arn = world.secret("roles")
    world.add("Without-role", None, secret_arn)
    world.add("Role-gone", f"{ROLES}gone", secret_arn)
    world.add("Role-elsewhere", f"arn:aws:iam::{OTHER_ACCOUNT}:role/x", secret_arn)
    drive = {"type": "ONEDRIVEV3", "secretArn": secret_arn}
    role_arn = world.role("qbusiness-drive", own_policy(secret_arn))
    world.add("No-VPC", role_arn, kind="ONEDRIVEV3", configuration=drive, vpcConfiguration=VPC)
    world.add("Queue", None, kind="CUSTOM")
    world.add("Queue-with-a-role", world.role("qbusiness-queue", WIDE), kind="CUSTOM")
    world.add("Unknown", world.role("qbusiness-unknown", own_policy(SECRET_ARN)), kind="UNHEARD_OF")
    world.role("qbusiness-unused", own_policy(SECRET_ARN))


def test_every_kind_of_data_source_is_reported(world: World, assert_golden: Callable[[Path, str], None]):
    for add in (add_own, add_others, add_broken):
        add(world)
    text = world.audit()
    assert text.code == 1
    # The suffixes in secrets' ARNs, the key IDs, and the dates differ in each run.
    fixed = re.sub(r"(:secret:[\w/-]+)-\w{6}\b", r"\1-SUFFIX", text.out)
    fixed = re.sub(r"(?<=:key/)[0-9a-f-]{36}", "KEY", fixed)
    fixed = re.sub(r"\b2\d{3}-\d\d-\d\d( \d\d:\d\d)?", "DATE", fixed)
    fixed = re.sub(r"^  [a-p]{32} ", "  ID ", fixed, flags=re.MULTILINE)
    assert_golden(
        Path(__file__).with_name("gallery.txt"), re.sub(r"roles \d+\.\S+", "roles VERSION", fixed)
    )
