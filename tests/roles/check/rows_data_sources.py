"""Rows about data sources, their syncs, and the entries of a stack. table.py explains the form."""

from typing import Any, Final

from pages.examples import ACCOUNT, INDEX_ID, OTHER_ACCOUNT, REGION, SECURITY_GROUP_ID, SUBNET_ID
from tests.helpers.world import FOREIGN_KEY_ARN, OWN, ROLE_ARN, SECOND_SUBNET_ID, SECRET_ARN
from tests.roles.check.account import (
    APPLICATION_ARN,
    DELETION,
    OTHER_INDEX,
    Account,
    aem,
    at,
    data_sources,
    failed,
    gone,
    identifier,
    in_other_index,
    of_bucket,
    rejected,
    role_of,
    synced,
)
from tests.roles.check.policy_text import NAMES
from tests.roles.check.table import row

PROXY: Final = NAMES["PROXY"]
OTHER_ROLE: Final = NAMES["OTHER_ROLE"]
FOREIGN_SECRET: Final = NAMES["FOREIGN_SECRET"]
READS_PROXY: Final = "allow READ on PROXY"
EXCLUSIVE: Final = {"exclusivePolicies": "true"}
NO_VPC: Final = {"vpcConfiguration": None, DELETION: None}
SHARED: Final = f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:subnet/{SUBNET_ID}"
OTHER_SECRET: Final = aem(secretArn=PROXY)
IN_OTHER_VPC: Final = {
    "vpcConfiguration": {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}
}
THIRD_ID: Final = "subnet-0c3d4e5f607182930"
NEW_SUBNET: Final = {"vpcConfiguration": {"subnetIds": [SECOND_SUBNET_ID, THIRD_ID]}}
THIRD: Final = at(THIRD_ID)
TO_INDEX: Final = {"ingestScope": "index"}
INDEX_ONLY: Final = "own-IngestDocuments + allow INGEST on INDEX"
ALMOST: Final = "own-DeleteTaggedNI"
CRAWLER: Final = {"connector": "webcrawler"}


def crawler(**configuration: Any) -> dict[str, Any]:
    """Return changes that turn a data source into a web crawler."""
    its = {"type": "WEBCRAWLERV2", "secretArn": None, **configuration}
    return {"type": "WEBCRAWLERV2", "configuration": its}


WITH_PROXY: Final = crawler(secretArn=SECRET_ARN, additionalProperties={"proxy": {"secretArn": PROXY}})
WITHOUT_SECRET: Final = {"connector": "webcrawler", "secretId": None, "kmsKeyId": None}
TWO: Final[dict[str, Any]] = {"wiki": {}, "tickets": {}}
FOR_TICKETS: Final = {"roleArn": role_of("tickets")}
FOR_WIKI: Final = {"roleArn": role_of("wiki")}
STATUSES: Final = ("ACTIVE", "UPDATING", "PENDING_CREATION", "CREATING", "FAILED", "DELETING")
SYNC_STATUSES: Final = (
    *("SUCCEEDED", "SYNCING", "SYNCING_INDEXING"),
    *("FAILED", "INCOMPLETE", "STOPPING", "ABORTED"),
)
SPEAKING: Final = f"arn:aws:iam::{ACCOUNT}:role/qbusiness-s3-secret-vpc"
ERRORS: Final = {
    f"Failed to create log group. {SPEAKING} is not authorized": "the application's role",
    "cannot write to CloudWatch with KMS": "the application's role",
    "not allowed: logs:PutLogEvents": "the application's role",
    "Access denied: kms:Decrypt of the secret": "the key",
    "cannot decrypt": "the key",
    "The secret could not be read in the VPC": "the secret",
    "Cannot create a network interface, or read S3": "the VPC",
    "no such subnet in the bucket": "the VPC",
    "no such security group": "the VPC",
    "no ENI": "the VPC",
    "Access Denied to the S3 object": "the bucket",
    "cannot assume it to read the bucket": "the bucket",
    f"Cannot assume {SPEAKING}: access denied": "the trust policy",
    "the trust was lost: not authorized": "the trust policy",
    f"Access denied to {SPEAKING}": "the role",
    "Unauthorised": "the role",
    "no permission": "the role",
    "the role is too slow": "the role",
    "the controller is too slow": "",
    "the catalog is too large": "",
    "too slow": "",
}
"""Sync errors, each with its likely cause."""
FAILURES: Final = {"FAILED": {"error": {"errorMessage": "KMS"}}}
ONE_OF_EACH: Final = [*{about: error for error, about in ERRORS.items()}.values()]


def other_role(policy: str = "", more: Any = None) -> Account:
    """Return a data source that matches the settings but has another role."""
    return data_sources({"roleArn": OTHER_ROLE, **(more or {})}) | at(OTHER_ROLE, policies={OWN: policy})


# fmt: off
ROWS: Final = (
    # A secret that differs from the settings.
    row('problem: role policy "proxy"', data_sources(OTHER_SECRET), at(PROXY)),
    row('cannot tell: other policies "proxy"', data_sources(OTHER_SECRET), at(PROXY),
        guard="allow READ on PROXY if IpAddress aws:SourceIp=ELSEWHERE"),
    row('problem: role policy "proxy" "00000001"', data_sources({}, OTHER_SECRET), at(PROXY)),
    row('problem: data source "00000001"', data_sources({}, aem(secretArn=None))),
    row('problem: secret "proxy"', data_sources(OTHER_SECRET)),
    row('problem: role policy; skipped: secret "proxy"', data_sources(OTHER_SECRET),
        at(PROXY), rejected(f"describe_secret {PROXY}")),
    row('skipped: data source "00000000"',
        data_sources(aem(secretArn=["a"]), {})),
    # Two secrets.
    row('problem: other policies "proxy", role policy "proxy"', data_sources(WITH_PROXY),
        at(PROXY), guard="deny READ on PROXY", settings=CRAWLER),
    row('problem: role policy "proxy"', data_sources(WITH_PROXY), at(PROXY), settings=CRAWLER),
    row('problem: role policy "proxy"', data_sources(WITH_PROXY),
        at(PROXY), settings=CRAWLER | EXCLUSIVE),
    row(None, data_sources(WITH_PROXY), at(PROXY), alone='problem: role policy "proxy"'),
    row('note: other policies "second"', data_sources(WITH_PROXY), at(PROXY),
        at(ROLE_ARN, policies={"second": f"{READS_PROXY} + allow sqs:*"}), settings=CRAWLER),
    row('problem: role policy "proxy", update', data_sources(WITH_PROXY), at(PROXY), settings=CRAWLER |
        {"secretId": f"{PROXY.replace('proxy', 'old')}"}),
    # A VPC configuration that differs from the settings.
    row('problem: role policy "00000001"', data_sources({}, NEW_SUBNET), THIRD),
    row('problem: role policy "add to a policy other than"', data_sources(NEW_SUBNET), THIRD),
    row('problem: subnets "subnet-0c", role policy', data_sources(NEW_SUBNET)),
    row('problem: subnets "subnet-0c", role policy, update; note: role policy',
        data_sources(NEW_SUBNET), settings=NO_VPC),
    row('problem: subnets "subnet-0b"', data_sources({"vpcConfiguration": {"subnetIds":
        [SECOND_SUBNET_ID]}}), gone(SECOND_SUBNET_ID)),
    row("problem: role policy, data source; skipped: subnets",
        data_sources(NEW_SUBNET | failed(ONE_OF_EACH[0])), rejected(f"describe_subnets {THIRD_ID}")),
    row('problem: security groups "sg-00000000", role policy',
        data_sources({"vpcConfiguration": {"securityGroupIds": ["sg-00000000"]}})),
    # A connector or bucket that differs from the settings.
    row('problem: role policy "maps"',
        data_sources(crawler(secretArn=SECRET_ARN, s3SeedUrl="s3://maps/a.txt")), at("seeds"),
        at("maps"), settings=CRAWLER | {"bucketName": "seeds"}),
    row("problem: role policy; cannot tell: bucket policy",
        data_sources(of_bucket(bucketOwnerAccountId=OTHER_ACCOUNT)), at("documents",
        owner=OTHER_ACCOUNT), bucket=""),
    # Another role.
    row("cannot tell: other data source; note: other data source", data_sources({"roleArn": None})),
    row("cannot tell: other data source; note: other data source", data_sources({**of_bucket(),
        "roleArn": OTHER_ROLE}), bucket=""),
    row("skipped: KMS key, other data source; note: other data source",
        other_role(ALMOST), rejected("describe_key")),
    row("note: other data source", other_role(ALMOST)),
    row("skipped: other data source; note: other data source", other_role(more=IN_OTHER_VPC)),
    row("problem: encryption, role policy, secret policy; cannot tell: other data source; "
        "note: other data source", other_role("allow *", aem(secretArn=FOREIGN_SECRET)),
        at(FOREIGN_SECRET, KmsKeyId=None),
        settings={"secretId": FOREIGN_SECRET, "kmsKeyId": FOREIGN_KEY_ARN}),
    row("note: role policy, other data source", data_sources(crawler() | {"roleArn": None} | NEW_SUBNET),
        settings=WITHOUT_SECRET),
    # Another index.
    row("problem: role policy", in_other_index({})),
    row('problem: role policy "proxy" "00000001"', in_other_index({}, OTHER_SECRET), at(PROXY)),
    row("problem: role policy; note: role policy", in_other_index(FOR_WIKI), entry="wiki", entries=TWO),
    # Entries.
    row("skipped: deployment", entries={"later": None}),
    row("skipped: role policy; cannot tell: other data source; note: other data source",
        at(role_of("wiki"), policies={OWN: ""}), at(role_of("tickets"), policies={OWN: ""}),
        data_sources({"roleArn": None}), entries=TWO),
    row("note: role policy, other data source", other_role("allow *"), entries=TWO),
    row("cannot tell: other data source; note: role policy, other data source",
        data_sources(IN_OTHER_VPC | {"roleArn": OTHER_ROLE}), entries=TWO | {"tickets": IN_OTHER_VPC}),
    row('problem: role policy "aem-cloud"; note: other data source', at(role_of("wiki"), policies={OWN:
        "allow sqs:*"}), at(role_of("tickets"), policies={OWN: "allow *"}), data_sources(FOR_TICKETS |
        OTHER_SECRET), at(PROXY), entry="wiki", entries=TWO),
    row("problem: key policy of wiki, key policy of tickets; skipped: deployment of later; "
        "note: role policy of wiki, role policy of tickets",
        key="allow kms:Put* for ROOT", entries=TWO | {"later": None}),
    # The statuses of data sources and syncs.
    row('note: data source "00000000"', data_sources({}, {}),
        rejected(f"get_data_source {identifier(0)}", code="")),
    row(None, data_sources({}), rejected(f"get_data_source {identifier(0)}", code=""),
        alone='rejected "was deleted after it was listed"'),
    row(None, data_sources(aem(type="FOO")), alone='rejected "has the type FOO"'),
    row(None, data_sources({"indexId": OTHER_INDEX}), alone='rejected "its data sources: none"'),
    row(None, data_sources({}, {"displayName": "Second"}, {"roleArn": OTHER_ROLE}),
        alone='note: data source "00000001"'),
    row('problem: data source "00000002" "00000003" "00000004" "00000005"; '
        'skipped: data source "00000006"',
        data_sources(*({"status": each} | FAILURES.get(each, {}) for each in (*STATUSES, "PAUSED")))),
    row('problem: data source "00000003"; skipped: data source "00000007"; '
        'note: data source "00000004" "00000005" "00000006"',
        data_sources(*map(synced, (*SYNC_STATUSES, "PAUSED")))),
    row('note: data source "00000001" "00000002"',
        data_sources(synced("SUCCEEDED", documentsScanned="40", documentsFailed="0"),
        synced("SUCCEEDED", documentsScanned="40", documentsFailed="2"),
        synced("SUCCEEDED", documentsScanned="0", documentsFailed="0"),
        synced("SUCCEEDED", documentsFailed="-"),
        synced("SYNCING", documentsScanned="0", documentsFailed="2"))),
    row('problem: data source "00000008" "00000010" "00000011"; note: data source "00000009"',
        data_sources(*map(failed, ONE_OF_EACH), failed("decrypt", "INCOMPLETE"),
        failed("3 pages were too large", "INCOMPLETE"),
        failed("too slow", dataSourceErrorCode="KMS-1"), failed("too slow", startTime=None))),
    # Access that AWS's pages describe in two different ways.
    row(None, own=INDEX_ONLY, alone="cannot tell: role policy"),
    row("problem: role policy; cannot tell: role policy",
        own="own-IngestDocuments + allow qbusiness:BatchPutDocument on INDEX", settings=TO_INDEX),
    row("cannot tell: role policy",
        data_sources(synced("SUCCEEDED", documentsAdded="0", documentsModified="3"),
        synced("SUCCEEDED", documentsAdded="12")), own=INDEX_ONLY, settings=TO_INDEX),
    row('problem: role policy, data source "00000001"',
        data_sources(synced("SUCCEEDED", documentsAdded="12"),
        failed("not authorized to perform: qbusiness:BatchPutDocument")), own=INDEX_ONLY,
        settings=TO_INDEX),
    row("problem: data source; cannot tell: role policy",
        data_sources(
        failed(f"not authorized: qbusiness:BatchPutDocument on {APPLICATION_ARN}/index/{INDEX_ID}")),
        own=INDEX_ONLY, settings=TO_INDEX),
)
