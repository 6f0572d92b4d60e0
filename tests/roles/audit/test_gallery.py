"""roles/rendering, roles/audit/survey: the complete report about data sources of every kind."""

import json
import re
from collections.abc import Callable, Mapping
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
from tests.roles.audit.help import add_files, create_key, shared_role

ROLES: Final = f"arn:aws:iam::{ACCOUNT}:role/"
SERVICE: Final = '"qbusiness.amazonaws.com"'
GET: Final = "secretsmanager:GetSecretValue"
INDEX_ALONE: Final = allow(INGEST, INDEX_ARN, Sid="Ingest")
INGESTION: Final = "AllowsAmazonQToIngestDocuments"
GET_SECRET: Final = "AllowsAmazonQToGetSecret"
TO_SERVICE: Final = {"StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}}
CONSOLE: Final = [f"{ROLES}{path}QBusiness-DataSource-*" for path in ("", "service-role/")]
LOGS: Final = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/qbusiness/*"


def trust(**condition: Any) -> str:
    """Return the program's trust policy with more conditions."""
    document = json.loads(TRUST)
    document["Statement"][0]["Condition"] |= condition
    return json.dumps(document)


OWN: Final[Mapping[str, tuple[str, list[dict[str, Any]], dict[str, Any]]]] = {
    "Equivalent": ("equivalent", [], {}),
    "Excess": ("1 in excess", [allow("sqs:*", "*")], {}),
    "Lacking": ("1 missing", [], {"without": GET_SECRET}),
    "Dangerous": (
        "1 dangerous, 1 in excess",
        [allow("*", "*", Sid="All"), allow("sqs:*", "*", Sid="Queues")],
        {},
    ),
    "Every-secret": ("1 dangerous", [allow(GET, "*", Sid="Every")], {}),
    # A Deny is a problem only if it denies a request.
    "Denied": ("1 denying", [deny("qbusiness:*", "*", Sid="Never")], {}),
    "Guarded": ("equivalent", [deny("s3:*", "*")], {}),
    "Revoked": (
        "equivalent",
        [deny("*", "*", Condition={"DateLessThan": {"aws:TokenIssueTime": "2020-01-01T00:00:00Z"}})],
        {},
    ),
    # AWS's pages disagree, or give a role more than the program does.
    "Index-alone": ("equivalent", [INDEX_ALONE], {"without": INGESTION}),
    "Index-denied": (
        "1 missing, 1 denying",
        [INDEX_ALONE, deny(INGEST, "*", Sid="No")],
        {"without": INGESTION},
    ),
    "Console": ("equivalent", [allow("iam:PassRole", CONSOLE, Condition=TO_SERVICE)], {}),
    "Console-any-service": ("1 in excess", [allow("iam:PassRole", CONSOLE)], {}),
    "Application": (
        "equivalent",
        [
            allow("logs:DescribeLogGroups", "*"),
            allow("logs:PutLogEvents", f"{LOGS}:log-stream:*"),
            allow("logs:CreateLogGroup", LOGS),
        ],
        {},
    ),
    "Other-logs": ("1 in excess", [allow("logs:PutLogEvents", "*")], {}),
    # Trust policies.
    "Others": (
        "1 in excess",
        [],
        {"trust": TRUST.replace(SERVICE, f'[{SERVICE}, "ec2.amazonaws.com"]')},
    ),
    "Elsewhere": (
        "1 missing, 1 in excess",
        [],
        {"trust": re.sub(r'(application/[0-9a-f-]+)[0-9a-f]"', r'\g<1>9"', TRUST)},
    ),
    "Since-2020": (
        "equivalent",
        [],
        {"trust": trust(DateGreaterThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"})},
    ),
    "Until-2020": (
        "1 missing",
        [],
        {"trust": trust(DateLessThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"})},
    ),
    "Organization": (
        "not completely compared",
        [],
        {"trust": trust(StringLike={"aws:SourceOrgID": "o-a1b2c3d4e5"})},
    ),
}
"""For data sources with roles of their own: the result, the role's other statements, and more."""


def add_own(world: World) -> dict[str, str]:
    for name, (_, more, given) in OWN.items():
        world.add_own(*more, name=name, **given)
    world.add("Twin", f"{ROLES}qbusiness-Equivalent", world.secret("twin"))
    own = {name: result for name, (result, *_) in OWN.items()}
    return own | {"Equivalent": "1 shared", "Twin": "1 missing"}


def add_others(world: World) -> dict[str, str]:
    """Add data sources with a VPC, a bucket, attached policies, or another's role."""
    key = create_key(world)
    secret_arn = world.secret("full", KmsKeyId=key)
    document = re.sub(r"arn:aws:kms:[^\"]*", key, golden("default-role-policy"))
    document = document.replace(SECRET_ARN, secret_arn)
    world.add("Full", world.role("qbusiness-full", document), secret_arn, vpcConfiguration=VPC)
    subnet = f"arn:aws:ec2:us-east-1:{OTHER_ACCOUNT}:subnet/{SECOND_SUBNET_ID}"
    document, removed = re.subn(rf'"{subnet}",\s*', "", document)
    assert removed == 1
    world.add("Exact", world.role("qbusiness-exact", document), secret_arn, vpcConfiguration=VPC)
    kept = [each for each in json.loads(document)["Statement"] if "DeleteTagged" not in each["Sid"]]
    role_arn = world.role("qbusiness-without-deletion", policy(*kept))
    world.add("Without-deletion", role_arn, secret_arn, vpcConfiguration=VPC)
    add_files(world)
    files = {"type": "S3V2", "connectionConfiguration": {"bucketName": "documents"}}
    document = s3_policy("connectors/qbusiness-path")
    role_arn = world.role("qbusiness-path", document, Path="/connectors/")
    world.add("In-a-path", role_arn, kind="S3V2", configuration=files)
    document = s3_policy("qbusiness-foreign").replace(f'"{ACCOUNT}"', f'"{OTHER_ACCOUNT}"')
    foreign = {"bucketName": "foreign", "bucketOwnerAccountId": OTHER_ACCOUNT}
    role_arn = world.role("qbusiness-foreign", document.replace(":::documents", ":::foreign"))
    files = {**files, "connectionConfiguration": foreign}
    world.add("Foreign-bucket", role_arn, kind="S3V2", configuration=files)
    world.add("Queue-of-Excess", f"{ROLES}qbusiness-Excess", kind="CUSTOM")
    world.add_own(name="Attached")
    world.attach("qbusiness-Attached", "wide", WIDE)
    shared_role(world, "jira", "wiki")
    world.add_own(allow("lambda:InvokeFunction", "*"), name="Hooked")
    hook = {"preExtractionHookConfiguration": {"roleArn": world.role_arn}}
    world.add("Hooks", world.role_arn, world.secret_arn, documentEnrichmentConfiguration=hook)
    return {
        "Full": "1 in excess",
        "Exact": "equivalent",
        "Without-deletion": "equivalent",
        "Files": "equivalent",
        "In-a-path": "equivalent",
        "Foreign-bucket": "not completely compared",
        "Queue-of-Excess": "unknown connector",
        "Attached": "1 dangerous",
        "jira": "1 shared",
        "wiki": "1 shared",
        "Hooked": "equivalent",
        "Hooks": "equivalent",
    }


def add_broken(world: World) -> dict[str, str]:
    """Add data sources that cannot work, or that cannot be compared."""
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
    world.add_own(name="Deleted", without=GET_SECRET)
    world.secrets.delete_secret(SecretId=world.secret_arn, RecoveryWindowInDays=7)
    key = create_key(world)
    decrypt = allow("kms:Decrypt", key, Condition=THROUGH_SECRETS_MANAGER)
    world.add_own(decrypt, name="Key-disabled", secret={"KmsKeyId": key})
    world.client("kms").disable_key(KeyId=key.rpartition("/")[2])
    secret_arn = world.secret("roles")
    world.add("Without-role", None, secret_arn)
    world.add("Role-gone", f"{ROLES}gone", secret_arn)
    world.add("Role-moved", f"{ROLES}service-role/qbusiness-Equivalent", secret_arn)
    world.add("Role-elsewhere", f"arn:aws:iam::{OTHER_ACCOUNT}:role/x", secret_arn)
    world.add("No-secret-in-it", world.role("qbusiness-empty", own_policy(SECRET_ARN)))
    gone = {"type": "S3", "bucketName": "gone"}
    world.add("Bucket-gone", world.role("qbusiness-bucket"), kind="S3", configuration=gone)
    # botocore rejects such a name before it sends the call.
    invalid = {"type": "S3", "bucketName": "no bucket"}
    world.add("No-bucket-name", world.role("qbusiness-no-bucket"), kind="S3", configuration=invalid)
    drive = {"type": "ONEDRIVEV3", "secretArn": secret_arn}
    role_arn = world.role("qbusiness-drive", own_policy(secret_arn))
    more: dict[str, Any] = {"configuration": drive, "vpcConfiguration": VPC}
    world.add("No-VPC", role_arn, kind="ONEDRIVEV3", **more)
    world.add("Queue", None, kind="CUSTOM")
    world.add("Queue-with-a-role", world.role("qbusiness-queue", WIDE), kind="CUSTOM")
    world.add("Unknown-with-Role-gone", f"{ROLES}gone", kind="UNHEARD_OF")
    world.add("Unknown", world.role("qbusiness-unknown", own_policy(SECRET_ARN)), kind="UNHEARD_OF")
    world.role("qbusiness-unused", own_policy(SECRET_ARN))
    return {
        "Secret-gone": "1 invalid, 1 missing, 1 in excess",
        "Deleted": "1 invalid, 1 missing",
        "Key-disabled": "1 invalid",
        "Without-role": "1 invalid",
        "Role-gone": "1 invalid",
        "Role-moved": "1 invalid",
        "Role-elsewhere": "1 invalid",
        "No-secret-in-it": "2 invalid",
        "Bucket-gone": "1 invalid, 1 missing",
        "No-bucket-name": "1 invalid, 1 missing, not completely compared",
        "No-VPC": "1 invalid, 1 missing",
        "Queue": "without a role",
        "Queue-with-a-role": "1 dangerous",
        "Unknown-with-Role-gone": "unknown connector",
        "Unknown": "unknown connector",
    }


def test_every_kind_of_data_source_is_reported(world: World, assert_golden: Callable[[Path, str], None]):
    expected = add_own(world) | add_others(world) | add_broken(world)
    text = world.audit()
    assert text.code == 1
    *_, table = text.out.split("\n\n")
    rows = [re.split(" {2,}", line) for line in table.splitlines()[2:]]
    assert {each[0]: each[-1] for each in rows} == expected
    # AWS chooses the ends of secrets' ARNs, the IDs of keys, and the days.
    fixed = re.sub(r"(:secret:[\w/-]+)-\w{6}\b", r"\1-SUFFIX", text.out)
    fixed = re.sub(r"\b[0-9a-f-]{36}(?= cannot|$)|(?<=:key/)[0-9a-f-]{36}", "KEY", fixed)
    fixed = re.sub(r"\b2\d{3}-\d\d-\d\d( \d\d:\d\d)?", "DATE", fixed)
    fixed = re.sub(r"^  [a-p]{10} ", "  ID ", fixed, flags=re.MULTILINE)
    assert_golden(
        Path(__file__).with_name("gallery.txt"), re.sub(r"roles \d+\.\S+", "roles VERSION", fixed)
    )
