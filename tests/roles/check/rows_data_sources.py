"""Rows about data sources, their syncs, and the entries of a stack. table.py explains the form."""

from datetime import UTC, datetime
from typing import Any, Final

from pages.examples import ACCOUNT, INDEX_ID, OTHER_ACCOUNT, REGION, SUBNET_ID
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    ROLE_ARN,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    SECRET_NAME,
)
from tests.roles.check.account import (
    APPLICATION_ARN,
    OTHER_INDEX,
    THIRD_ID,
    VPC,
    Responses,
    aem,
    bucket,
    data_sources,
    entries,
    failed,
    gone,
    identifier,
    in_other_index,
    inline,
    of_bucket,
    rejected,
    role,
    role_of,
    roles_of,
    secret,
    subnets,
    synced,
)
from tests.roles.check.policy_text import NAMES
from tests.roles.check.table import row

PROXY: Final = NAMES["PROXY"]
OTHER_ROLE: Final = NAMES["OTHER_ROLE"]
FOREIGN_SECRET: Final = NAMES["FOREIGN_SECRET"]
READS_PROXY: Final = "allow READ on PROXY"
GRANT: Final[dict[str, Any]] = {"Operations": ["GenerateDataKey", "Decrypt"]}
EXCLUSIVE: Final = {"exclusivePolicies": "true"}
NO_VPC: Final = {"vpcConfiguration": None, "allowNetworkInterfaceDeletion": None}
SHARED: Final = f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:subnet/{SUBNET_ID}"
OTHER_SECRET: Final = aem(secretArn=PROXY)
ONE_SUBNET: Final = {**VPC, "subnetIds": [SUBNET_ID]}
IN_OTHER_VPC: Final = {"vpcConfiguration": ONE_SUBNET}
NEW_SUBNET: Final = {"vpcConfiguration": {**VPC, "subnetIds": [SECOND_SUBNET_ID, THIRD_ID]}}
THIRD: Final = subnets({}, ids=[THIRD_ID])
TO_INDEX: Final = {"ingestScope": "index"}
INDEX_ONLY: Final = "own-IngestDocuments + allow INGEST on INDEX"
ALMOST: Final = "own-DeleteTaggedNI"
CRAWLER: Final = {"connector": "webcrawler"}


def crawler(**configuration: Any) -> dict[str, Any]:
    """Return a data source that is a web crawler."""
    return {"type": "WEBCRAWLERV2", "configuration": {"type": "WEBCRAWLERV2", **configuration}}


WITH_PROXY: Final = crawler(secretArn=SECRET_ARN, additionalProperties={"proxy": {"secretArn": PROXY}})
SHAREPOINT: Final = {"connector": "sharepoint-cloud"}
WITHOUT_SECRET: Final = {"connector": "webcrawler", "secretId": None, "kmsKeyId": None}
BOTH: Final = roles_of("wiki", "tickets")
TWO: Final[dict[str, Any]] = {
    "settings": entries(wiki={}, tickets={}),
    "outputs": roles_of("wiki", "tickets"),
}
OTHER_VPC: Final = entries(wiki={}, tickets={"vpcConfiguration": ONE_SUBNET})
ON_JIRA: Final = entries(wiki={}, tickets={"connector": "jira"})
OWN_ROLES: Final = role(role_of("wiki"), "own") | role(role_of("tickets"), "own")
"""The roles of two entries, each with the program's policy."""
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
"""Errors of syncs, and what each may be about."""
STARTED: Final = datetime(2026, 11, 2, tzinfo=UTC)
FAILURES: Final = {"FAILED": {"error": {"errorMessage": "KMS"}}}
ONE_OF_EACH: Final = [*{about: error for error, about in ERRORS.items()}.values()]


def other_role(policy: str = "", more: Any = None, **entries: Any) -> Responses:
    """Return a data source that matches the settings but has another role."""
    source = data_sources({"roleArn": OTHER_ROLE, **(more or {})})
    return source | role(OTHER_ROLE, policy, **entries)


# fmt: off
ROWS: Final = (
    # A secret of its own.
    row('problem: role policy "proxy"', data_sources(OTHER_SECRET), secret(PROXY)),
    row("note: other policies", data_sources(OTHER_SECRET), secret(PROXY),
        guard=READS_PROXY),
    row("problem: update; note: other policies", data_sources(OTHER_SECRET), secret(PROXY),
        guard=READS_PROXY, settings=EXCLUSIVE),
    row('cannot tell: other policies "proxy"', data_sources(OTHER_SECRET), secret(PROXY),
        guard="allow READ on PROXY if IpAddress aws:SourceIp=ELSEWHERE"),
    row("problem: update; note: role policy", data_sources(OTHER_SECRET), secret(PROXY),
        own="own-GetSecret + allow READ on SECRET|PROXY"),
    row('problem: role policy "proxy" "00000001"',
        data_sources({}, OTHER_SECRET), secret(PROXY)),
    row("note: other policies", data_sources({}, OTHER_SECRET), secret(PROXY),
        guard=READS_PROXY),
    row('problem: data source "00000001"', data_sources({}, aem(secretArn=None))),
    row("problem: data source", data_sources(aem(secretArn=None))),
    row("", data_sources(aem(secretArn=SECRET_NAME))),
    row("problem: role policy", data_sources(aem(secretArn=SECRET_ARN.rpartition(":")[2])),
        secret(f"{SECRET_ARN}-Ab1Cd2")),
    row("problem: secret", data_sources(aem(secretArn="gone")),
        alone="problem: secret; note: role policy"),
    row('problem: secret "proxy"', data_sources(OTHER_SECRET)),
    row('problem: role policy; skipped: secret "proxy"', data_sources(OTHER_SECRET),
        rejected(f"describe_secret {PROXY}")),
    row("problem: role policy, update", data_sources(aem(secretArn=SECRET_NAME)),
        secret(FOREIGN_SECRET), settings={"secretId": FOREIGN_SECRET}),
    row('skipped: data source "00000000"',
        data_sources(aem(secretArn=["a"]), {})),
    # Two secrets.
    row('problem: other policies "proxy", role policy "proxy"', data_sources(WITH_PROXY),
        secret(PROXY), guard="deny READ on PROXY", settings=CRAWLER),
    row('problem: role policy "proxy"', data_sources(WITH_PROXY),
        secret(PROXY), settings=CRAWLER),
    row('problem: role policy "proxy"', data_sources(WITH_PROXY),
        secret(PROXY), settings=CRAWLER | EXCLUSIVE),
    row("problem: update; note: role policy", data_sources(WITH_PROXY), secret(PROXY),
        own=f"own + {READS_PROXY}", settings=CRAWLER),
    row("note: other policies", data_sources(WITH_PROXY), secret(PROXY), guard=READS_PROXY,
        settings=CRAWLER),
    row("problem: update; note: other policies", data_sources(WITH_PROXY), secret(PROXY),
        guard=READS_PROXY,
        settings=CRAWLER | EXCLUSIVE),
    row("note: role policy, other policies", data_sources(WITH_PROXY), secret(PROXY),
        own=f"own + {READS_PROXY}",
        guard=READS_PROXY, settings=CRAWLER),
    row("note: other policies", data_sources(WITH_PROXY), secret(PROXY),
        guard=f"{READS_PROXY} + allow sqs:*", settings=CRAWLER),
    row(None, data_sources(WITH_PROXY), secret(PROXY),
        alone='problem: role policy "proxy"'),
    row('note: other policies "second"', data_sources(WITH_PROXY), secret(PROXY),
        inline("second", f"{READS_PROXY} + allow sqs:*"), settings=CRAWLER),
    row('problem: role policy "proxy", update',
        data_sources(WITH_PROXY), secret(), secret(PROXY),
        settings=CRAWLER | {"secretId": f"{PROXY.replace('proxy', 'old')}"}),
    # A VPC of its own.
    row('problem: role policy "00000001"', data_sources({}, NEW_SUBNET), THIRD),
    row('problem: role policy "add to a policy other than"', data_sources(NEW_SUBNET), THIRD),
    row("note: other policies",
        data_sources({"vpcConfiguration": {**VPC, "subnetIds": [*VPC["subnetIds"], THIRD_ID]}}), THIRD,
        guard="allow ec2:CreateNetworkInterface"),
    row('problem: subnets "subnet-0c", role policy', data_sources(NEW_SUBNET)),
    row('problem: subnets "subnet-0c", role policy, update; note: role policy',
        data_sources(NEW_SUBNET), settings=NO_VPC),
    row("problem: role policy", data_sources(NEW_SUBNET),
        subnets({"SubnetArn": SHARED.replace(SUBNET_ID, THIRD_ID)}, ids=[THIRD_ID])),
    row('problem: subnets "subnet-0b"',
        data_sources({"vpcConfiguration": {**VPC, "subnetIds": [SECOND_SUBNET_ID]}}),
        subnets(None, ids=[SECOND_SUBNET_ID])),
    row("problem: role policy, data source; skipped: subnets",
        data_sources(NEW_SUBNET | failed(ONE_OF_EACH[0])), rejected(f"describe_subnets {THIRD_ID}")),
    row('problem: security groups "sg-00000000", role policy',
        data_sources({"vpcConfiguration": {**VPC, "securityGroupIds": ["sg-00000000"]}})),
    row("", data_sources({"vpcConfiguration": None})),
    row("problem: update; note: role policy", data_sources(aem(type="SMARTSHEET")),
        settings={"connector": "smartsheet"} | NO_VPC),
    row("problem: role policy", data_sources(IN_OTHER_VPC),
        own="own-GetSecret"),
    # Another connector or bucket.
    row("", data_sources(aem(type="BOX"))),
    row("", data_sources(aem(bucketName="files")), alone=True),
    row('problem: role policy "maps"',
        data_sources(crawler(secretArn=SECRET_ARN, s3SeedUrl="s3://maps/a.txt")), bucket("seeds"),
        bucket("maps"), settings=CRAWLER | {"bucketName": "seeds"}),
    row("problem: role policy",
        data_sources({
        "configuration": crawler(secretArn=SECRET_ARN, s3SeedUrl="s3://seeds/a.txt",
        s3SiteMapUrl="s3://maps/b.xml")["configuration"]}),
        bucket("seeds"), bucket("maps"), settings=CRAWLER | {"bucketName": "seeds"}),
    row("problem: role policy; cannot tell: bucket policy",
        data_sources(of_bucket(bucketOwnerAccountId=OTHER_ACCOUNT)), bucket(owner=OTHER_ACCOUNT),
        bucket=""),
    row("problem: role policy of wiki; note: role policy of tickets, other data source of tickets",
        OWN_ROLES, bucket("files"), data_sources(FOR_WIKI | aem(type="SHAREPOINTV2")),
        settings=entries(wiki=SHAREPOINT | {"bucketName": "files"}, tickets=SHAREPOINT), outputs=BOTH),
    # Another role.
    row("cannot tell: other data source; note: other data source", data_sources({"roleArn": None})),
    row("", data_sources({"roleArn": None}, {})),
    row("problem: role; cannot tell: other data source; note: other data source",
        data_sources({"roleArn": f"{ROLE_ARN[:-7]}7654321"}),
        gone("get_role")),
    row("cannot tell: other data source; note: other data source",
        data_sources({"roleArn": f"arn:aws:iam::{ACCOUNT}:role/custom"}),
        settings={"roleName": "custom"}),
    row("cannot tell: other data source; note: other data source", data_sources({"roleArn": OTHER_ROLE}),
        settings={"roleName": "custom"}),
    row("cannot tell: other data source; note: other data source", data_sources({**of_bucket(),
        "roleArn": OTHER_ROLE}), bucket=""),
    row("", data_sources({}, {"roleArn": OTHER_ROLE}),
        role(OTHER_ROLE, ALMOST)),
    row("skipped: KMS key, other data source; note: other data source",
        other_role(ALMOST), rejected("describe_key")),
    row("note: other data source", other_role(ALMOST)),
    row("cannot tell: other data source; note: other data source", other_role(f"{ALMOST}-GetSecret")),
    row("cannot tell: other data source; note: other data source",
        other_role(f"{ALMOST}-GetSecret + allow READ on SECRET if IpAddress aws:SourceIp=ELSEWHERE")),
    row("cannot tell: other data source; note: other data source", other_role(ALMOST,
        trust="trust-OTHER")),
    row("cannot tell: other data source; note: other data source", other_role(INDEX_ONLY)),
    row("cannot tell: other data source; note: other data source",
        other_role(Arn=OTHER_ROLE.replace("role/", "role/old/"))),
    row("skipped: other data source; note: other data source", other_role(more=IN_OTHER_VPC)),
    row("skipped: other data source; note: other data source", other_role(), rejected("get_role other")),
    row("problem: encryption, role policy, secret policy; cannot tell: other data source; "
        "note: other data source", other_role("allow *", aem(secretArn=FOREIGN_SECRET)),
        secret(FOREIGN_SECRET, KmsKeyId=None),
        settings={"secretId": FOREIGN_SECRET, "kmsKeyId": FOREIGN_KEY_ARN}),
    row("cannot tell: other data source; note: role policy, other data source",
        data_sources(crawler() | {"roleArn": None}),
        settings=WITHOUT_SECRET),
    row("note: role policy, other data source", data_sources(crawler() | {"roleArn": None} | NEW_SUBNET),
        settings=WITHOUT_SECRET),
    row("note: role policy", data_sources(crawler() | {"roleArn": None}, crawler()),
        settings=WITHOUT_SECRET),
    # Another index.
    row("problem: role policy", in_other_index({})),
    row('problem: role policy "proxy" "00000001"',
        in_other_index({}, OTHER_SECRET), secret(PROXY)),
    row("problem: role policy; note: role policy", OWN_ROLES,
        in_other_index(FOR_WIKI), entry="wiki", **TWO),
    row("problem: role policy of wiki, role policy of tickets; note: role policy of wiki, "
        "other data source of tickets", OWN_ROLES, in_other_index(FOR_WIKI),
        settings=entries(wiki={}, tickets={"indexId": OTHER_INDEX}), outputs=BOTH),
    # Entries.
    row("skipped: deployment",
        outputs={"roleArn": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}),
    row("skipped: deployment", settings=entries(wiki={}),
        outputs={"roleArns": {"wiki": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}}),
    row("skipped: role policy; cannot tell: other data source; note: other data source",
        role(role_of("wiki")), role(role_of("tickets")), data_sources({"roleArn": None}), **TWO),
    row("cannot tell: other data source of wiki; note: role policy, other data source of wiki, "
        "other data source of tickets", OWN_ROLES,
        data_sources({"roleArn": None}), settings=OTHER_VPC, outputs=BOTH),
    row("note: role policy, other data source", OWN_ROLES, other_role("allow *"), **TWO),
    row("note: role policy, other data source of wiki", OWN_ROLES, data_sources(FOR_TICKETS), **TWO),
    row("note: role policy",
        OWN_ROLES, data_sources(FOR_TICKETS, FOR_WIKI), settings=ON_JIRA, outputs=BOTH),
    row("note: role policy, other data source of wiki", OWN_ROLES,
        data_sources(FOR_TICKETS), settings=ON_JIRA, outputs=BOTH),
    row("skipped: deployment of later; cannot tell: other data source of wiki, "
        "other data source of tickets; note: role policy of wiki, role policy of tickets, "
        "other data source of wiki, other data source of tickets", OWN_ROLES,
        data_sources(IN_OTHER_VPC | {"roleArn": OTHER_ROLE}),
        settings=entries(wiki={}, tickets={"connector": "jira"}, later={}), outputs=BOTH),
    row("cannot tell: other data source; note: role policy, other data source", OWN_ROLES,
        data_sources(IN_OTHER_VPC | {"roleArn": OTHER_ROLE}), settings=OTHER_VPC, outputs=BOTH),
    row('problem: role policy "aem-cloud"; note: other data source', role(role_of("wiki"),
        "allow sqs:*"),
        role(role_of("tickets"), "allow *"), data_sources(FOR_TICKETS | OTHER_SECRET), secret(PROXY),
        entry="wiki", **TWO),
    row("problem: key policy of wiki, key policy of tickets; skipped: deployment of later; "
        "note: role policy of wiki, role policy of tickets", OWN_ROLES,
        key="allow kms:Put* for ROOT", settings=entries(wiki={}, tickets={}, later={}), outputs=BOTH),
    # What AWS says about data sources and syncs.
    row('note: data source "00000000"', data_sources({}, {}), gone(f"get_data_source {identifier(0)}")),
    row(None, data_sources({}), gone(f"get_data_source {identifier(0)}"),
        alone='rejected "was deleted in the meantime"'),
    row(None, data_sources(aem(type="FOO")), alone='rejected "has the type FOO"'),
    row(None, data_sources({"index": OTHER_INDEX}), alone='rejected "its data sources: none"'),
    row(None, data_sources({}, {"displayName": "Second"}, {"roleArn": OTHER_ROLE}),
        alone='note: data source "00000001"'),
    row(None, own="allow sqs:*", alone="problem: role policy; note: role policy"),
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
    row("note: data source", data_sources({}), {f"list_data_source_sync_jobs {identifier(0)}": {
        "history": [{"status": "SUCCEEDED"}, {"startTime": STARTED, "status": "ABORTED"}]}}),
    # Access that AWS's pages describe in two ways.
    row("cannot tell: role policy", own=INDEX_ONLY, settings=TO_INDEX),
    row(None, own=INDEX_ONLY, alone="cannot tell: role policy"),
    row("problem: role policy", own="own-IngestDocuments", alone=True),
    row("problem: role policy; cannot tell: role policy",
        own="own-IngestDocuments + allow qbusiness:BatchPutDocument on INDEX", settings=TO_INDEX),
    row("cannot tell: role policy", data_sources(synced("SUCCEEDED", documentsAdded="0")),
        own=INDEX_ONLY, settings=TO_INDEX),
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
    row("problem: other policies; cannot tell: role policy", own=INDEX_ONLY,
        guard="deny qbusiness:BatchPutDocument on APPLICATION", settings=TO_INDEX),
)
