"""Situations of a stack's resources and data sources, and of the options of `check`.

They are `World`s without expected states, and differ mostly in AWS's responses. A group's key names the
questions that are asked and shown in situations.txt, which pytest's option `--rewrite` writes.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from pages.examples import (
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
from roles.check import command
from tests.helpers.gallery import gallery
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    KEY_ARN,
    OTHER_KEY_ARN,
    ROLE_ARN,
    ROLE_NAME,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    SECRET_NAME,
    policy_name,
)
from tests.roles.check.help import SID
from tests.roles.check.responses import (
    APPLICATION,
    CALLS,
    DELEGATION,
    DESCRIBED_KEY,
    DESCRIBED_SECRET,
    EVERYTHING,
    EXPECTED,
    FOREIGN_SECRET,
    GOT_ROLE,
    INDEX,
    LISTED_SOURCES,
    LISTED_SUBNETS,
    OTHER_APPLICATION,
    OTHER_INDEX,
    ROOT,
    S3_SOURCE,
    SECRET_POLICY,
    SUBNETS,
    THIRD,
    THIRD_ID,
    VERSIONS,
    VPC,
    aem,
    alias,
    allow,
    asked,
    bucket,
    but,
    calling,
    data_sources,
    delegating,
    denial,
    deny,
    deployed,
    entries,
    failed,
    files,
    gone,
    gone_secret,
    groups,
    identifier,
    in_other_index,
    inline,
    key,
    kms,
    lacking,
    later,
    managed,
    own_role,
    owned_by,
    passing,
    policy,
    rejected,
    resource,
    role,
    role_of,
    roles_of,
    secret,
    secret_policy_of,
    shared_group,
    simulated,
    subnets,
    synced,
    three_subnets,
    to_foreign,
    trust_under,
    trusting,
    unseen,
    vpc_of,
    without,
)
from tests.roles.check.worlds import (
    BY_ORGANIZATION,
    CALLER,
    DATA_SOURCE,
    FROM_ELSEWHERE,
    IMPLICIT,
    READ,
    STACK,
    World,
    answers_in,
    ask,
)

GOLDEN: Final = Path(__file__).with_name("situations.txt")
OTHER_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/other"
SECRETS: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
PROXY: Final = f"{SECRETS}proxy-a1B2c3"
INGEST: Final = ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"]
ONLY_HERE: Final = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
OWN_POLICY: Final = without()
OWN_ROLES: Final = role(role_of("wiki"), *OWN_POLICY) | role(role_of("tickets"), *OWN_POLICY)
"""The answers about the roles of two entries, each with the program's policy."""
WANTED: Final = f"arn:aws:iam::{ACCOUNT}:policy/wanted"
BOUND: Final = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
NOT_KMS: Final = {"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}
ON_INDEX: Final = json.loads(
    policy(OWN_POLICY).replace(
        f'"{APPLICATION_ARN}", "{APPLICATION_ARN}/index', f'"{APPLICATION_ARN}/index', 1
    )
)["Statement"]
MINE: Final = f"{SECRETS}qbusiness/my-secret"
SHARED: Final = f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:subnet/{SUBNET_ID}"
DATA_SOURCE_CALL: Final = asked(
    "qbusiness.get_data_source",
    applicationId=APPLICATION_ID,
    dataSourceId=identifier(0),
    indexId=INDEX_ID,
)
SYNCS: Final = DATA_SOURCE_CALL.replace("get_data_source", "list_data_source_sync_jobs")
WANTED_SETTING: Final = {"permissionsBoundaryArn": WANTED}
BOUND_SETTING: Final = {"permissionsBoundaryArn": BOUND}
GRANT: Final[dict[str, Any]] = {"Operations": ["GenerateDataKey", "Decrypt"]}
TO_ENCRYPT: Final[dict[str, Any]] = {"Operations": ["Encrypt"]}
NO_KEY_USE: Final = [allow("kms:Put*", Principal=ROOT)]
ADMIN: Final = f"arn:aws:iam::{ACCOUNT}:role/team/admin"
CALLERS: Final = (f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:sts::{ACCOUNT}:federated-user/me")
OTHER_TRUST: Final = {
    **EXPECTED,
    "Sid": "Other",
    "Condition": {"ArnEquals": {"aws:SourceArn": OTHER_APPLICATION}},
}
TRUST_POLICIES: Final[Mapping[str, list[dict[str, Any]]]] = {
    "another application": [OTHER_TRUST],
    "another application under the usual Sid": [OTHER_TRUST | {"Sid": EXPECTED["Sid"]}],
    "another account": [
        EXPECTED | {"Condition": {"StringEquals": {"aws:SourceAccount": OTHER_ACCOUNT}}}
    ],
    "another service": [EXPECTED | {"Principal": {"Service": "kendra.amazonaws.com"}}],
    "a denial": [EXPECTED, denial()],
    "a denial, and no allowance": [OTHER_TRUST, denial()],
    "a denial of all other services": [
        EXPECTED,
        {
            **{name: value for name, value in denial().items() if name != "Principal"},
            "NotPrincipal": EXPECTED["Principal"],
        },
    ],
    "a denial from a date to come": [EXPECTED, denial(**later())],
    "a denial from a date that has passed": [EXPECTED, denial(**later(year=2020))],
    "a denial until a date that has passed": [
        EXPECTED,
        denial(DateLessThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"}),
    ],
    "a denial of sessions with tags": [EXPECTED, denial("sts:TagSession")],
    "a denial outside the organization": [EXPECTED, denial(StringNotEquals={"aws:SourceOrgID": "o-1"})],
    "a denial of users without MFA": [
        EXPECTED,
        denial(BoolIfExists={"aws:MultiFactorAuthPresent": "false"}),
    ],
    "an allowance under an unknown condition": [trust_under(**ONLY_HERE)],
    "an allowance under a condition that is met": [trust_under(Bool={"aws:SecureTransport": "true"})],
    "an allowance until a date that has passed": [
        trust_under(DateLessThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"})
    ],
    "an allowance for a pattern of applications": [
        trust_under(ArnEquals=None, StringLike={"aws:SourceArn": f"{APPLICATION_ARN[:-36]}*"})
    ],
    "an allowance for the application, by another operator": [
        trust_under(ArnEquals=None, ArnLike={"aws:SourceArn": APPLICATION_ARN})
    ],
    "no condition": [{name: value for name, value in EXPECTED.items() if name != "Condition"}],
    "everybody": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}],
    "an administrator, too": [EXPECTED, EXPECTED | {"Sid": "Admin", "Principal": {"AWS": ADMIN}}],
}
OUTSIDE: Final = (
    *("another application", "another application under the usual Sid", "a denial"),
    *("an allowance under an unknown condition", "an allowance under a condition that is met"),
)
WITHOUT_STACK: Final = {STACK[0]: "", DATA_SOURCE[0]: ", without a stack"}
NEW_SID: Final = "AllowsAmazonQServicePrincipale139c96c84dbbb6d"
WITH_PROXY: Final = {"connector": "webcrawler"}
PROXY_SOURCE: Final = {
    "type": "WEBCRAWLERV2",
    "configuration": {
        "type": "WEBCRAWLERV2",
        "secretArn": SECRET_ARN,
        "additionalProperties": {"proxy": {"secretArn": PROXY}},
    },
}
READS_PROXY: Final = [allow(READ, PROXY)]
EXCLUSIVE: Final = {"exclusivePolicies": "true"}
PROXIES: Final[tuple[Any, ...]] = (
    ("which another policy denies", deny(READ, Resource=PROXY), [], {}, STACK),
    ("which no policy allows", (), [], {}, STACK),
    ("which no policy allows, and the stack removes others", (), [], EXCLUSIVE, STACK),
    ("which only the program's policy allows", (), READS_PROXY, {}, STACK),
    ("which another policy allows", READS_PROXY, [], {}, STACK),
    ("which another policy allows, and the stack removes it", READS_PROXY, [], EXCLUSIVE, STACK),
    ("which both policies allow", READS_PROXY, READS_PROXY, {}, STACK),
    ("which another policy allows, with more", [*READS_PROXY, allow("sqs:*")], [], {}, STACK),
    ("which no policy allows, outside any stack", (), [], {}, DATA_SOURCE),
)
NOT_PASSING: Final[Mapping[str, dict[str, Any]]] = {
    "no policy allows it": IMPLICIT,
    "a policy denies it": {
        "EvalDecision": "explicitDeny",
        "MatchedStatements": [{"SourcePolicyId": "guard"}],
    },
    "the organization does not allow it": IMPLICIT
    | {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
    "the boundary does not allow it": IMPLICIT
    | {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}},
    "the simulation lacks a key": IMPLICIT | lacking("aws:MultiFactorAuthPresent"),
    "the simulation lacks a key, and the organization does not allow it": IMPLICIT
    | lacking("aws:MultiFactorAuthPresent")
    | {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
    "the simulation allows it, but lacks a key": {"EvalDecision": "allowed"}
    | lacking("aws:MultiFactorAuthPresent"),
}
SPEAKING: Final = f"arn:aws:iam::{ACCOUNT}:role/qbusiness-s3-secret-vpc"
ERRORS: Final[Mapping[str, str]] = {
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
ONE_OF_EACH: Final = [*{about: error for error, about in ERRORS.items()}.values()]
NEW_SUBNET: Final = {"vpcConfiguration": {**VPC, "subnetIds": [SECOND_SUBNET_ID, THIRD_ID]}}
HAS_THIRD: Final = {
    LISTED_SUBNETS.replace(json.dumps(SUBNETS), json.dumps(each)): found
    for each, found in (
        ([THIRD_ID], [THIRD]),
        ([SECOND_SUBNET_ID, THIRD_ID], [CALLS[LISTED_SUBNETS][1], THIRD]),
    )
}
LACKS_THIRD: Final = {
    name: [each for each in found if each is not THIRD] for name, found in HAS_THIRD.items()
}
SHARES_THIRD: Final = {
    name: [
        each | {"SubnetArn": SHARED.replace(SUBNET_ID, THIRD_ID)} if each is THIRD else each
        for each in found
    ]
    for name, found in HAS_THIRD.items()
}
OTHER_SECRET: Final = aem(secretArn=PROXY)
TWO_BUCKETS: Final = {"s3SeedUrl": "s3://seeds/a.txt", "s3SiteMapUrl": "s3://maps/b.xml"}
NO_VPC: Final = {"vpcConfiguration": None, "allowNetworkInterfaceDeletion": None}
DIFFERENT: Final[tuple[Any, ...]] = (
    ("has another secret", [OTHER_SECRET], {}, secret(PROXY), ()),
    ("has another secret, which a policy allows", [OTHER_SECRET], {}, secret(PROXY), READS_PROXY),
    (
        "has another secret, which a policy that the stack removes allows",
        [OTHER_SECRET],
        EXCLUSIVE,
        secret(PROXY),
        READS_PROXY,
    ),
    (
        "has another secret, which a policy may allow",
        [OTHER_SECRET],
        {},
        secret(PROXY),
        [allow(READ, PROXY, Condition=ONLY_HERE)],
    ),
    ("shares the role and has another secret", [{}, OTHER_SECRET], {}, secret(PROXY), ()),
    ("shares the role and has other subnets", [{}, NEW_SUBNET], {}, HAS_THIRD, ()),
    ("shares the role and has no secret", [{}, aem(secretArn=None)], {}, {}, ()),
    ("has no secret", [aem(secretArn=None)], {}, {}, ()),
    ("has the secret's name", [aem(secretArn=SECRET_NAME)], {}, secret(names=[SECRET_NAME]), ()),
    (
        "has a secret's name that is like the suffix of the settings' secret",
        [aem(secretArn=SECRET_ARN.rpartition(":")[2])],
        {},
        secret(f"{SECRET_ARN}-Ab1Cd2", names=[SECRET_ARN.rpartition(":")[2]]) | secret(),
        (),
    ),
    ("has a secret that is gone", [aem(secretArn="gone")], {}, gone_secret("gone"), ()),
    ("has a gone secret's ARN", [aem(secretArn=PROXY)], {}, gone_secret(PROXY), ()),
    (
        "has a secret that cannot be read",
        [aem(secretArn=PROXY)],
        {},
        rejected(asked("secretsmanager.describe_secret", SecretId=PROXY)),
        (),
    ),
    ("has other subnets", [NEW_SUBNET], {}, HAS_THIRD, ()),
    ("has a missing subnet that the settings lack", [NEW_SUBNET], {}, LACKS_THIRD, ()),
    ("has a missing subnet, and the settings have no VPC", [NEW_SUBNET], NO_VPC, LACKS_THIRD, ()),
    ("has a shared subnet that the settings lack", [NEW_SUBNET], {}, SHARES_THIRD, ()),
    (
        "has a missing security group that the settings lack",
        [{"vpcConfiguration": {**VPC, "securityGroupIds": ["sg-00000000"]}}],
        {},
        {call: [] for call in groups({})},
        (),
    ),
    ("has no VPC", [{"vpcConfiguration": None}], {}, {}, ()),
    ("has another type", [aem(type="BOX")], {}, {}, ()),
    ("has a bucket that its connector does not support", [aem(bucketName="files")], {}, {}, ()),
    (
        "has another bucket",
        [aem(type="WEBCRAWLERV2", s3SeedUrl="s3://maps/a.txt") | {"type": "WEBCRAWLERV2"}],
        files(connector="webcrawler", bucketName="seeds"),
        bucket(name="seeds") | bucket(name="maps"),
        (),
    ),
    ("has no role", [{"roleArn": None}], {}, {}, ()),
    ("has no role and is being created", [{"roleArn": None, "status": "CREATING"}], {}, {}, ()),
    ("has no role beside one that has it", [{"roleArn": None}, {}], {}, {}, ()),
    (
        "has a deleted role of this stack, whose role was deleted, too",
        [{"roleArn": f"{ROLE_ARN[:-7]}7654321"}],
        {},
        rejected(GOT_ROLE, code="NoSuchEntity")
        | rejected(asked("iam.get_role", RoleName=f"{ROLE_NAME[:-7]}7654321"), code="NoSuchEntity"),
        (),
    ),
    (
        "shares the role and a policy allows its secret",
        [{}, OTHER_SECRET],
        {},
        secret(PROXY),
        READS_PROXY,
    ),
    (
        "has two buckets, of which the role can read one",
        [{"configuration": aem(type="WEBCRAWLERV2", **TWO_BUCKETS)["configuration"]}],
        files(connector="webcrawler", bucketName="seeds"),
        bucket(name="seeds") | bucket(name="maps"),
        (),
    ),
    (
        "has only the missing subnet of the settings",
        [{"vpcConfiguration": {**VPC, "subnetIds": [SECOND_SUBNET_ID]}}],
        {},
        subnets({}, {}, ids=[SECOND_SUBNET_ID]),
        (),
    ),
    (
        "has other subnets, which cannot be read, and a sync that failed",
        [NEW_SUBNET | failed(ONE_OF_EACH[0])],
        {},
        rejected(*HAS_THIRD),
        (),
    ),
)
STATUSES: Final = ("ACTIVE", "UPDATING", "PENDING_CREATION", "CREATING", "FAILED", "DELETING")
SYNC_STATUSES: Final = (
    *("SUCCEEDED", "SYNCING", "SYNCING_INDEXING"),
    *("FAILED", "INCOMPLETE", "STOPPING", "ABORTED"),
)
ONLY_FIRST: Final = {
    LISTED_SUBNETS.replace(json.dumps(SUBNETS), json.dumps([SUBNET_ID])): CALLS[LISTED_SUBNETS][:1]
}
ONE_SUBNET: Final = {**VPC, "subnetIds": [SUBNET_ID]}
IN_OTHER_VPC: Final = {"vpcConfiguration": ONE_SUBNET}
SHAREPOINT: Final = {"connector": "sharepoint-cloud"}
CRAWLER: Final[dict[str, Any]] = {
    "type": "WEBCRAWLERV2",
    "configuration": {"type": "WEBCRAWLERV2"},
    "vpcConfiguration": VPC,
}
ALMOST: Final = without("AllowsAmazonQToDeleteTaggedNI")
OUTSIDE_ROLES: Final[tuple[Any, ...]] = (
    (
        "whose key cannot be read",
        {"vpcConfiguration": VPC},
        role(OTHER_ROLE, *ALMOST) | rejected(DESCRIBED_KEY),
    ),
    ("which allows all requests", {}, role(OTHER_ROLE, *ALMOST)),
    ("which lacks access", {}, role(OTHER_ROLE, *ALMOST[1:])),
    (
        "which may lack access",
        {},
        role(OTHER_ROLE, *ALMOST[1:], allow(READ, SECRET_ARN, Condition=ONLY_HERE)),
    ),
    (
        "which nobody can assume, but has access",
        {},
        role(OTHER_ROLE, *ALMOST, trust=policy([OTHER_TRUST])),
    ),
    ("which lacks only disputed access", {}, role(OTHER_ROLE, *ON_INDEX)),
    ("of another path", {}, role(OTHER_ROLE, Arn=OTHER_ROLE.replace("role/", "role/old/"))),
    ("and other subnets", IN_OTHER_VPC, role(OTHER_ROLE)),
    ("which cannot be read", {}, rejected(asked("iam.get_role", RoleName="other"))),
)
CONTEXT: Final = "--context"
OPTIONS: Final = (
    (*STACK, CONTEXT, "aws:SourceIp=192.0.2.1"),
    (*STACK, CONTEXT, "AWS:sourceip=198.51.100.1", CONTEXT, "aws:SourceVpc=vpc-1"),
    (*STACK, CONTEXT, "aws:SourceIp="),
    (*STACK, CONTEXT, "aws:SourceIp=192.0.2.1", CONTEXT, "aws:sourceip=198.51.100.1"),
    (*STACK, CONTEXT, "aws:SourceIp=", CONTEXT, "aws:SOURCEIP=192.0.2.1"),
    (*STACK, CONTEXT, "aws:SourceIp=", CONTEXT, "aws:SourceIp="),
    (*STACK, CONTEXT, "aws:ResourceTag/Cost Center=42"),
    (*STACK, "--data-source", "wiki"),
    (*STACK, *DATA_SOURCE),
    DATA_SOURCE[:2],
    DATA_SOURCE[2:],
    (*DATA_SOURCE, "--data-source", "wiki"),
    (DATA_SOURCE[0], APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT), *DATA_SOURCE[2:]),
)
EARLIER: Final = allow(
    ["kms:DescribeKey"],
    Sid=SID,
    Principal={"AWS": [OTHER_ROLE, "AROAEXAMPLEDELETED001"]},
    Condition={"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}},
)
SITUATIONS: Mapping[tuple[str, ...], Sequence[World]] = {
    ("application", "index"): [
        World(
            "the index of a data source has failed",
            calls=in_other_index({})
            | {INDEX.replace(INDEX_ID, OTHER_INDEX): CALLS[INDEX] | {"status": "FAILED"}},
        ),
        World("neither the application nor the index exists", calls=gone(APPLICATION) | gone(INDEX)),
        World("the application exists, but not the index", calls=gone(INDEX)),
        World(
            "the application has failed, and the index is being updated",
            calls=but(APPLICATION, status="FAILED", error={"errorMessage": "No identity provider"})
            | resource("UPDATING", INDEX),
        ),
        World(
            "the application's ARN in AWS differs in case",
            calls=but(APPLICATION, applicationArn=APPLICATION_ARN[:-36] + APPLICATION_ID.upper()),
        ),
        World(
            "the application is being updated, and the index is being created",
            calls=resource("UPDATING") | resource("CREATING", INDEX),
        ),
        World(
            "the application is being deleted, and the index has failed",
            calls=resource("DELETING") | resource("FAILED", INDEX),
        ),
        World("the index has an unknown status", calls=resource("PAUSED", INDEX)),
    ],
    ("secret", "encryption", "KMS key", "key policy", "secret policy"): [
        World(
            "the secret's current version has a key that AWS manages",
            calls=secret(KmsKeyId=KEY_ARN, version=["DefaultEncryptionKey"]),
        ),
        World(
            "the secret has another key, and its versions cannot be listed",
            settings={"kmsKeyId": None},
            calls=rejected(VERSIONS),
        ),
        World(
            "the key of the data source's second secret is not symmetric",
            settings=WITH_PROXY,
            calls=data_sources(PROXY_SOURCE)
            | secret(PROXY, KmsKeyId=OTHER_KEY_ARN)
            | key(OTHER_KEY_ARN, KeySpec="RSA_2048")
            | delegating(OTHER_KEY_ARN),
        ),
        World(
            "both secrets of the data source have keys that cannot be used",
            settings=WITH_PROXY,
            calls=data_sources(PROXY_SOURCE)
            | secret(PROXY, KmsKeyId=OTHER_KEY_ARN)
            | key(OTHER_KEY_ARN, KeyState="Unavailable")
            | key(KeyState="Disabled")
            | delegating(OTHER_KEY_ARN),
        ),
        World(
            "there is no secret",
            calls=gone(DESCRIBED_SECRET)
            | gone_secret(SECRET_ARN[:-7])
            | gone_secret(SECRET_NAME)
            | gone_secret(SECRET_ARN.rpartition(":")[2]),
        ),
        World(
            "the secret is scheduled for deletion", calls=but(DESCRIBED_SECRET, DeletedDate="2026-11-01")
        ),
        World(
            "the settings have another key",
            settings={"kmsKeyId": OTHER_KEY_ARN},
            calls=key(OTHER_KEY_ARN),
        ),
        World(
            "the settings and the secret have a key that does not exist",
            settings={"kmsKeyId": OTHER_KEY_ARN},
            calls=secret(KmsKeyId=OTHER_KEY_ARN) | gone(asked("kms.describe_key", KeyId=OTHER_KEY_ARN)),
        ),
        World(
            "only the secret has a key, which does not exist",
            settings={"kmsKeyId": None},
            calls=secret(KmsKeyId=OTHER_KEY_ARN) | gone(asked("kms.describe_key", KeyId=OTHER_KEY_ARN)),
        ),
        *(
            World(f"the key is {state}", calls=key(KeyState=state))
            for state in ("Disabled", "PendingDeletion", "PendingImport")
        ),
        World(
            "the secret's ARN lacks the suffix",
            settings={"secretId": "qbusiness/my-secret", "kmsKeyId": None},
            calls=secret(f"{MINE}-twOEVA", names=[MINE, "qbusiness/my-secret"], KmsKeyId=None)
            | secret_policy_of(MINE),
        ),
        World(
            "the suffix of the secret's ARN is wrong, and the data source has it, too",
            calls=secret(f"{SECRET_ARN[:-6]}zzzzzz", names=[SECRET_NAME, SECRET_ARN[:-7]])
            | gone_secret(SECRET_ARN)
            | gone_secret(SECRET_ARN.rpartition(":")[2])
            | data_sources({}),
        ),
        World(
            "the secret has only a pending and an earlier version",
            calls=but(DESCRIBED_SECRET, VersionIdsToStages={"1": ["AWSPREVIOUS"], "2": ["AWSPENDING"]}),
        ),
        World(
            "another account's secret is deleted, and its key is not enabled",
            settings={"secretId": FOREIGN_SECRET, "kmsKeyId": FOREIGN_KEY_ARN},
            calls=secret(FOREIGN_SECRET, KmsKeyId=FOREIGN_KEY_ARN, DeletedDate="2026-11-01")
            | key(FOREIGN_KEY_ARN, KeyState="PendingDeletion"),
        ),
        World(
            "another account's secret has no value and is encrypted with a key that AWS manages",
            settings={"secretId": FOREIGN_SECRET, "kmsKeyId": FOREIGN_KEY_ARN},
            calls=secret(FOREIGN_SECRET, KmsKeyId="alias/aws/secretsmanager", VersionIdsToStages={}),
        ),
        World(
            "another account's secret has a version under a key that AWS manages",
            settings={"secretId": FOREIGN_SECRET, "kmsKeyId": FOREIGN_KEY_ARN},
            calls=secret(FOREIGN_SECRET, KmsKeyId=FOREIGN_KEY_ARN, version=["DefaultEncryptionKey"])
            | key(FOREIGN_KEY_ARN),
        ),
        World(
            "another account's secret, whose policy cannot be read",
            settings={"secretId": FOREIGN_SECRET, "kmsKeyId": FOREIGN_KEY_ARN},
            own=to_foreign(OWN_POLICY),
            calls=secret(FOREIGN_SECRET, KmsKeyId=KEY_ID)
            | key(FOREIGN_KEY_ARN)
            | rejected(asked("secretsmanager.get_resource_policy", SecretId=FOREIGN_SECRET)),
        ),
        World("the secret's policy cannot be read", calls=rejected(SECRET_POLICY)),
        World("the secret's policy denies reading", secret=deny(READ, Principal="*")),
        World(
            "the settings lack the key, but a grant lets the role use it",
            settings={"kmsKeyId": None},
            key=NO_KEY_USE,
            calls={"grants": [GRANT]},
        ),
        World(
            "the secret is encrypted with an alias of the key",
            calls=secret(KmsKeyId="alias/team/alias/aws/x") | alias("alias/team/alias/aws/x"),
        ),
        World(
            "the secret is encrypted with the ID of a key that AWS manages",
            calls=secret(KmsKeyId=OTHER_KEY_ARN) | key(OTHER_KEY_ARN, KeyManager="AWS"),
        ),
        World(
            "the secret's current version has an earlier key, which the role cannot use",
            calls=secret(version=[OTHER_KEY_ARN]) | key(OTHER_KEY_ARN) | delegating(OTHER_KEY_ARN),
        ),
        World(
            "the secret's current version has two keys, of which the role can use one",
            calls=secret(version=[OTHER_KEY_ARN, KEY_ID]) | key(OTHER_KEY_ARN),
        ),
        World(
            "the secret's next version has another key, and the stack removes other policies",
            settings={"exclusivePolicies": "true"},
            calls=secret(KmsKeyId=OTHER_KEY_ARN, version=[KEY_ARN]) | key(OTHER_KEY_ARN),
        ),
        World(
            "the secret's next version has another key, and a second secret has the earlier one",
            guard=READS_PROXY,
            calls=secret(KmsKeyId=OTHER_KEY_ARN, version=[KEY_ARN])
            | key(OTHER_KEY_ARN)
            | data_sources({}, OTHER_SECRET)
            | secret(PROXY, KmsKeyId=KEY_ARN),
        ),
        World(
            "the secret's next version has a key that AWS manages",
            calls=secret(KmsKeyId="alias/aws/secretsmanager", version=[KEY_ARN]),
        ),
        World(
            "the secret's current version has an earlier key, which some addresses may use",
            guard=[allow("kms:Decrypt", OTHER_KEY_ARN, Condition=ONLY_HERE)],
            calls=secret(version=[OTHER_KEY_ARN]) | key(OTHER_KEY_ARN) | delegating(OTHER_KEY_ARN),
        ),
        World(
            "the secret's current version has an earlier key, which another policy allows",
            guard=[allow("kms:Decrypt", OTHER_KEY_ARN)],
            calls=secret(version=[OTHER_KEY_ARN]) | key(OTHER_KEY_ARN) | delegating(OTHER_KEY_ARN),
        ),
        World("the secret's versions cannot be listed", calls=rejected(VERSIONS)),
        World(
            "the secret has another key, which another policy allows",
            guard=[allow("kms:Decrypt", OTHER_KEY_ARN)],
            calls=secret(KmsKeyId=OTHER_KEY_ARN) | key(OTHER_KEY_ARN) | delegating(OTHER_KEY_ARN),
        ),
        World(
            "the secret's key is for signatures, although its spec is symmetric",
            calls=key(KeyUsage="GENERATE_VERIFY_MAC"),
        ),
        World("the secret's key is being updated", calls=key(KeyState="Updating")),
        World(
            "the secret's key, of which only the old name of the spec is known, is not symmetric",
            calls=key(KeySpec=None, CustomerMasterKeySpec="RSA_2048"),
        ),
    ],
    ("bucket", "KMS key", "encryption", "bucket policy"): [
        World(
            "files under the role's own key",
            settings=files(vpcConfiguration=None, allowNetworkInterfaceDeletion=None),
            calls=bucket(default=kms(KEY_ARN)),
        ),
        World(
            "files in another Region under another Region's key, and a secret that cannot be read",
            settings=files(),
            calls=bucket("EU", kms(KEY_ARN.replace(REGION, "eu-west-1"))) | rejected(DESCRIBED_SECRET),
        ),
        World(
            "files of another account under its key",
            settings=files(bucketAccountId=OTHER_ACCOUNT),
            calls=bucket(owner=OTHER_ACCOUNT, default=kms(FOREIGN_KEY_ARN)),
        ),
        World(
            "files of another account under a key that AWS manages",
            settings=files(bucketAccountId=OTHER_ACCOUNT),
            calls=bucket(owner=OTHER_ACCOUNT, default=kms()),
        ),
        World(
            "files of another account under the alias of a key that AWS manages",
            settings=files(bucketAccountId=OTHER_ACCOUNT),
            calls=bucket(owner=OTHER_ACCOUNT, default=kms("alias/aws/s3", "aws:kms:dsse")),
        ),
        World(
            "files under the alias of a key that AWS manages",
            settings=files(),
            calls=bucket(default=kms("alias/aws/s3")),
        ),
        World(
            "seeds of a web crawler under Amazon S3's keys",
            settings=files(connector="webcrawler"),
            calls=bucket(),
        ),
        World(
            "seeds of a web crawler under a key that AWS manages",
            settings=files(connector="webcrawler"),
            calls=bucket(default=kms("", "aws:kms:dsse")),
        ),
        World(
            "a bucket whose account cannot see it", settings=files(), calls=bucket() | unseen(ACCOUNT)
        ),
        World(
            "another account's bucket that cannot be seen",
            settings=files(bucketAccountId=OTHER_ACCOUNT),
            calls=bucket(owner=OTHER_ACCOUNT) | unseen(OTHER_ACCOUNT),
        ),
        World(
            "a bucket of another account than in the settings",
            settings=files(),
            calls=bucket()
            | rejected(asked("s3.get_bucket_location", Bucket="documents", ExpectedBucketOwner=ACCOUNT)),
        ),
        World(
            "a bucket that does not exist",
            settings=files(),
            calls=bucket() | unseen(ACCOUNT, "NoSuchBucket"),
        ),
        World(
            "a bucket of documents in another Region", bucket=[], calls=bucket("eu-west-1", kms(KEY_ARN))
        ),
        World(
            "a bucket of documents without a key, although the stack has one", bucket=[], calls=bucket()
        ),
        World(
            "a bucket of documents with a key, although the stack has none",
            bucket=[],
            settings={"kmsKeyId": None},
        ),
        World(
            "the key of a bucket of documents is not symmetric", bucket=[], calls=key(KeySpec="RSA_2048")
        ),
        World(
            "a bucket of documents under another key than the stack's",
            bucket=[],
            calls=bucket(default=kms(OTHER_KEY_ARN)) | key(OTHER_KEY_ARN) | delegating(OTHER_KEY_ARN),
        ),
        World(
            "another account's bucket of documents under a key that AWS manages",
            bucket=[],
            settings={"bucketAccountId": OTHER_ACCOUNT, "kmsKeyId": None},
            calls=bucket(owner=OTHER_ACCOUNT, default=kms(KEY_ID))
            | key(FOREIGN_KEY_ARN, KeyManager="AWS"),
        ),
        World(
            "a bucket that does not exist, which only the data source names",
            bucket=[],
            calls=data_sources(
                S3_SOURCE
                | {"configuration": {"type": "S3V2", "connectionConfiguration": {"bucketName": "gone"}}}
            )
            | rejected(
                asked("s3.get_bucket_location", Bucket="gone"),
                asked("s3.get_bucket_encryption", Bucket="gone", ExpectedBucketOwner=ACCOUNT),
                asked("s3.get_bucket_location", Bucket="gone", ExpectedBucketOwner=ACCOUNT),
                asked("s3.get_bucket_policy", Bucket="gone"),
                code="NoSuchBucket",
            ),
        ),
        World(
            "a bucket of documents that is also a crawler's",
            bucket=[],
            calls=data_sources(
                S3_SOURCE,
                CRAWLER
                | {"configuration": CRAWLER["configuration"] | {"s3SeedUrl": "s3://documents/a.txt"}},
            ),
        ),
        World("the bucket's policy denies reading", bucket=deny("s3:GetObject", Principal="*")),
    ],
    ("subnets", "security groups"): [
        World(
            "the subnets are in two VPCs, of which the second one has the security group",
            settings=vpc_of(group_ids=["sg-00000000"]),
            calls=subnets({"VpcId": "vpc-2"}, {"VpcId": "vpc-1"}) | groups({"VpcId": "vpc-1"}),
        ),
        World(
            "a shared subnet is listed by its ARN, and again by its ID",
            settings=vpc_of([SHARED, SUBNET_ID]),
            calls=subnets({"SubnetArn": SHARED}, {}, ids=[SUBNET_ID, SUBNET_ID]),
        ),
        World(
            "the subnets are not available and have no address",
            calls=subnets(
                {"State": "pending", "AvailableIpAddressCount": 0}, {"AvailableIpAddressCount": 0}
            ),
        ),
        World(
            "one of the subnets is in a zone without support",
            calls=subnets({"AvailabilityZoneId": "use1-az4"}, {"AvailabilityZoneId": "use1-az6"}),
        ),
        World("none of the subnets exists", calls=subnets({}, {})),
        World(
            "the second of three subnets is in another VPC",
            settings=vpc_of([*SUBNETS, THIRD_ID]),
            calls=three_subnets("vpc-1", "vpc-2", "vpc-1"),
        ),
        World(
            "the last of three subnets, of which one is listed twice, is in another VPC",
            settings=vpc_of([SUBNET_ID, *SUBNETS, THIRD_ID]),
            calls=three_subnets("vpc-2", "vpc-2", "vpc-1"),
        ),
        World(
            "a subnet is missing, and the other has no free address and is in a zone without support",
            calls=subnets({}, {"AvailableIpAddressCount": 0, "AvailabilityZoneId": "use1-az3"}),
        ),
        World(
            "a subnet is missing, and the stack's update removes a policy that a data source needs",
            settings=EXCLUSIVE,
            guard=READS_PROXY,
            calls=subnets({"State": "available"}, {}) | data_sources({}, OTHER_SECRET) | secret(PROXY),
        ),
        World(
            "a shared subnet of the settings is in a zone without support",
            settings=vpc_of([SHARED, SECOND_SUBNET_ID]),
            calls=subnets(
                {"SubnetArn": SHARED, "AvailabilityZoneId": "use1-az3"}, {"State": "available"}
            ),
        ),
        World(
            "a shared subnet is pending",
            calls=subnets({"SubnetArn": SHARED, "State": "pending"}, {"AvailableIpAddressCount": 1}),
        ),
        World(
            "a missing subnet that the data source also names",
            calls=subnets({"VpcId": "vpc-2"}, {}) | data_sources({}),
        ),
        World(
            "two security groups are in other VPCs",
            settings=vpc_of(group_ids=["sg-00000000", "sg-00000001", "sg-00000002"]),
            calls=groups({"VpcId": "vpc-2"}, {}, {"VpcId": "vpc-3"}),
        ),
        World(
            "a security group of another account, and a missing one",
            settings=vpc_of(group_ids=["sg-00000000", SECURITY_GROUP_ID]),
            calls=shared_group(),
        ),
    ],
    ("trust policy",): [
        World(
            "the trust policy has the usual Sid and the one of the fix, without a stack",
            options=DATA_SOURCE,
            calls=data_sources({})
            | trusting(
                EXPECTED | {"Condition": {"StringEquals": {"aws:SourceAccount": OTHER_ACCOUNT}}},
                OTHER_TRUST | {"Sid": NEW_SID},
            ),
        ),
        *(
            World(
                f"the trust policy has {name}{WITHOUT_STACK[options[0]]}",
                calls=trusting(*given) | data_sources({}),
                options=options,
            )
            for name, given in TRUST_POLICIES.items()
            for options in ((STACK, DATA_SOURCE) if name in OUTSIDE else (STACK,))
        ),
        World(
            "the trust policy denies outside the organization of the role, which --context has",
            options=(*STACK, CONTEXT, "aws:PrincipalOrgID=o-1"),
            calls=trusting(EXPECTED, denial(StringNotEquals={"aws:PrincipalOrgID": "o-1"})),
        ),
        World("the trust policy cannot be parsed", calls=own_role(AssumeRolePolicyDocument="{")),
    ],
    ("permissions boundary", "requests allowed"): [
        World(
            "the role does not exist, and the boundary denies decryption",
            settings=WANTED_SETTING,
            calls=rejected(GOT_ROLE, code="NoSuchEntity") | managed(WANTED, *EVERYTHING, *deny("kms:*")),
        ),
        World(
            "the role cannot be read, and the boundary allows everything",
            settings=WANTED_SETTING,
            calls=rejected(GOT_ROLE) | managed(WANTED, *EVERYTHING),
        ),
        World(
            "the role lacks the boundary, which allows everything",
            settings=WANTED_SETTING,
            calls=managed(WANTED, *EVERYTHING),
        ),
        World(
            "the role lacks the boundary, which denies decryption",
            settings=WANTED_SETTING,
            calls=managed(WANTED, *EVERYTHING, *deny("kms:*")),
        ),
        World(
            "the role lacks the boundary, which might deny decryption",
            settings=WANTED_SETTING,
            calls=managed(WANTED, *EVERYTHING, *deny("kms:*", FROM_ELSEWHERE)),
        ),
        World(
            "the role has another boundary, which lacks decryption",
            settings=WANTED_SETTING,
            calls=deployed(BOUND, NOT_KMS) | managed(WANTED, *EVERYTHING),
        ),
        World("the role has a boundary that is not in the settings", calls=deployed(BOUND, *EVERYTHING)),
        World(
            "the boundary cannot be read",
            settings=BOUND_SETTING,
            calls=deployed(BOUND) | rejected(asked("iam.get_policy", PolicyArn=BOUND)),
        ),
        World(
            "the boundary lacks only ingestion into the application",
            settings=BOUND_SETTING,
            calls=deployed(
                BOUND,
                {"Effect": "Allow", "NotAction": INGEST, "Resource": "*"},
                allow(INGEST, f"{APPLICATION_ARN}/index/*"),
            ),
        ),
        World(
            "the boundary lacks decryption and denies reading the secret",
            settings=BOUND_SETTING,
            calls=deployed(BOUND, NOT_KMS, *deny(READ)),
        ),
        World(
            "a boundary beside a key policy that allows everybody in the account",
            boundary=[NOT_KMS],
            key=[
                DELEGATION,
                allow(
                    "kms:Decrypt",
                    Principal="*",
                    Condition={"StringEquals": {"kms:CallerAccount": ACCOUNT}},
                ),
            ],
        ),
    ],
    ("key policy", "requests allowed"): [
        World(
            "the key policy has the stack's statement, for another role and service",
            key=[*NO_KEY_USE, EARLIER],
        ),
        World(
            "the key policy has the stack's statement, for the same role and another service",
            key=[*NO_KEY_USE, EARLIER | {"Principal": {"AWS": ROLE_ARN}}],
        ),
        World(
            "the key policy allows the role under NotPrincipal",
            key=[allow("kms:*", NotPrincipal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/x"})],
        ),
        World(
            "the key policy allows, on a resource with an unknown variable",
            key=[allow("kms:*", "arn:aws:kms:*:*:key/${aws:SourceIp}", Principal=ROOT)],
        ),
        World(
            "the key policy denies everybody but another role and a service",
            key=[
                DELEGATION,
                *deny("kms:Decrypt", NotPrincipal={"AWS": OTHER_ROLE, "Service": "logs.amazonaws.com"}),
            ],
        ),
        World(
            "the second grant lets the role decrypt",
            key=NO_KEY_USE,
            calls={"grants": [TO_ENCRYPT, GRANT, TO_ENCRYPT]},
        ),
        World("a grant lets the role encrypt", key=NO_KEY_USE, calls={"grants": [TO_ENCRYPT]}),
        World(
            "a grant has constraints",
            key=NO_KEY_USE,
            calls={"grants": [GRANT | {"Constraints": {"a": "b"}}]},
        ),
        World(
            "a grant lets the role decrypt, and it has a boundary",
            key=NO_KEY_USE,
            boundary=EVERYTHING,
            calls={"grants": [GRANT]},
        ),
        World(
            "a grant lets the role decrypt, and a policy denies it",
            key=NO_KEY_USE,
            guard=deny("kms:*"),
            calls={"grants": [GRANT]},
        ),
    ],
    ("role policy", "requests allowed"): [
        World(
            "the role lacks deletion from the index, too",
            settings={"ingestScope": "index"},
            own=[
                each | {"Action": INGEST[:1]} if "IngestDocuments" in each["Sid"] else each
                for each in ON_INDEX
            ],
        ),
        World(
            "the role lacks ingestion into the application",
            own=ON_INDEX,
            settings={"ingestScope": "index"},
        ),
        World(
            "the role lacks ingestion into the application, and a sync put no documents",
            own=ON_INDEX,
            settings={"ingestScope": "index"},
            calls=data_sources(synced("SUCCEEDED", documentsAdded="0")),
        ),
        World(
            "a policy denies ingestion into the application, which the role lacks",
            own=ON_INDEX,
            settings={"ingestScope": "index"},
            guard=deny("qbusiness:BatchPutDocument", Resource=APPLICATION_ARN),
        ),
        *(
            World(f"the role may pass {name}", bucket=[], own=passing(name))
            for name in ("other", f"{ROLE_NAME[:3]}*", "*")
        ),
        World(
            "the role lacks ingestion into the application and the index",
            own=without("AllowsAmazonQToIngestDocuments"),
        ),
        World(
            "two syncs put documents without access to the application",
            own=ON_INDEX,
            settings={"ingestScope": "index"},
            calls=data_sources(
                synced("SUCCEEDED", documentsAdded="0", documentsModified="3"),
                synced("SUCCEEDED", documentsAdded="12"),
            ),
        ),
        World(
            "one of two syncs could not ingest into the application",
            own=ON_INDEX,
            settings={"ingestScope": "index"},
            calls=data_sources(
                synced("SUCCEEDED", documentsAdded="12"),
                failed("not authorized to perform: qbusiness:BatchPutDocument"),
            ),
        ),
        World(
            "a sync could not ingest into the index",
            own=ON_INDEX,
            settings={"ingestScope": "index"},
            calls=data_sources(
                failed(
                    f"not authorized: qbusiness:BatchPutDocument on {APPLICATION_ARN}/index/{INDEX_ID}"
                )
            ),
        ),
    ],
    ("role", "trust policy", "role policy", "permissions boundary", "iam:PassRole", "data source"): [
        World("the role cannot be read", calls=rejected(GOT_ROLE)),
        World(
            "the stack's outputs have no role",
            outputs={"roleArn": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"},
        ),
        World(
            "the stack's outputs have no role for an entry",
            settings=entries(wiki={}),
            outputs={"roleArns": {"wiki": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}},
        ),
        World("the role was deleted", calls=rejected(GOT_ROLE, code="NoSuchEntity")),
        World("the role has another path", calls=own_role(Arn=ROLE_ARN.replace("role/", "role/old/"))),
    ],
    ("role policy", "other policies"): [
        World(
            "a policy might deny a request, and the next one denies another",
            guard=deny(READ, FROM_ELSEWHERE),
            attached=deny("kms:*"),
        ),
        World(
            "the role policy has another order, and no Sids",
            own=[
                {name: value for name, value in each.items() if name != "Sid"}
                for each in reversed(OWN_POLICY)
            ],
        ),
        World(
            "the attached policies cannot be listed, and an inline one allows more",
            guard=[allow("sqs:*")],
            calls=rejected(asked("iam.list_attached_role_policies", RoleName=ROLE_NAME)),
        ),
        World(
            "an attached policy is more dangerous than an inline one",
            guard=[allow("sqs:*")],
            attached=[allow("iam:CreateAccessKey")],
        ),
        World(
            "a role outside any stack lacks only ingestion into the application",
            options=DATA_SOURCE,
            own=[each for each in ON_INDEX if each in ALMOST or "Ingest" in each["Sid"]],
            calls=data_sources({}),
        ),
        World(
            "a second policy is more dangerous than the first",
            guard=[
                allow("s3:GetObject"),
                allow("iam:PutRolePolicy", ROLE_ARN),
                allow("iam:CreateAccessKey"),
            ],
            attached=[allow("sqs:*")],
        ),
        World(
            "the role's policies are removed by the stack",
            guard=EVERYTHING,
            settings={"exclusivePolicies": "true"},
        ),
        World(
            "a data source needs another policy",
            guard=[allow("ec2:CreateNetworkInterface")],
            calls=data_sources({"vpcConfiguration": {**VPC, "subnetIds": [*SUBNETS, THIRD_ID]}})
            | {
                LISTED_SUBNETS.replace(json.dumps(SUBNETS), json.dumps(each)): [
                    *CALLS[LISTED_SUBNETS],
                    THIRD,
                ]
                if len(each) > 1
                else [THIRD]
                for each in ([*SUBNETS, THIRD_ID], [THIRD_ID])
            },
        ),
        World(
            "a data source has another secret, which the role can read only until the next update",
            own=[*without("AllowsAmazonQToGetSecret"), allow(READ, [SECRET_ARN, PROXY])],
            calls=data_sources(OTHER_SECRET) | secret(PROXY),
        ),
        World(
            "a data source cannot be read, and the role has another policy",
            guard=EVERYTHING,
            calls=data_sources({}) | rejected(DATA_SOURCE_CALL),
        ),
        World(
            "another service may use the role, which has another policy",
            guard=EVERYTHING,
            own=without("AllowsAmazonQToGetSecret"),
            calls=trusting(
                EXPECTED, EXPECTED | {"Sid": "Other", "Principal": {"Service": "lambda.amazonaws.com"}}
            ),
        ),
        World(
            "every application may use the role, which has another policy",
            guard=EVERYTHING,
            own=without("AllowsAmazonQToGetSecret"),
            calls=trusting(
                EXPECTED,
                trust_under(ArnEquals=None, ArnLike={"aws:SourceArn": f"{APPLICATION_ARN[:-36]}*"})
                | {"Sid": "Other"},
            ),
        ),
        World(
            "another application may use the role, which lacks access",
            own=without("AllowsAmazonQToGetSecret"),
            calls=trusting(EXPECTED, OTHER_TRUST)
            | {asked("qbusiness.get_application", applicationId=OTHER_APPLICATION[-36:]): {}},
        ),
        World(
            "a former application may use the role, which lacks access",
            own=without("AllowsAmazonQToGetSecret"),
            calls=trusting(EXPECTED, OTHER_TRUST),
        ),
    ],
    ("secret", "role policy", "other policies"): [
        World(
            "a proxy's secret, for which the separate policy allows more",
            settings=WITH_PROXY,
            calls=data_sources(PROXY_SOURCE)
            | secret(PROXY)
            | inline(policy_name(PROXY), *READS_PROXY, allow("sqs:*")),
        ),
        World(
            "a proxy's secret and one for sites, neither of which the settings have",
            settings=WITH_PROXY | {"secretId": f"{SECRETS}old-a1B2c3"},
            calls=data_sources(PROXY_SOURCE) | secret() | secret(PROXY),
        ),
        *(
            World(
                f"a proxy's secret, {name}",
                settings=WITH_PROXY | more,
                guard=guard,
                own=[*OWN_POLICY, *own],
                calls=data_sources(PROXY_SOURCE) | secret(PROXY),
                options=options,
            )
            for name, guard, own, more, options in PROXIES
        ),
    ],
    ("credentials", "requests allowed", "iam:PassRole"): [
        *(
            World(
                f"the caller cannot pass the role: {name}",
                calls=simulated("iam:PassRole", ROLE_ARN, answer, CALLER),
            )
            for name, answer in NOT_PASSING.items()
        ),
        World(
            "the caller cannot pass the role, but a data source already uses it",
            calls=simulated("iam:PassRole", ROLE_ARN, IMPLICIT, CALLER) | data_sources({}),
        ),
        World(
            "the caller cannot pass the role, and it is unknown whether a data source uses it",
            calls=simulated("iam:PassRole", ROLE_ARN, IMPLICIT, CALLER)
            | data_sources({})
            | rejected(DATA_SOURCE_CALL, code="ThrottlingException"),
        ),
        *(
            World(f"the caller is {arn.partition(':' + ACCOUNT + ':')[2]}", calls=calling(arn))
            for arn in CALLERS
        ),
        World(
            "the caller is a session of a role with a path that cannot pass the role",
            calls=calling(f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/me")
            | role(ADMIN)
            | simulated("iam:PassRole", ROLE_ARN, IMPLICIT, ADMIN),
        ),
        World(
            "IAM says that the boundary does not allow a request",
            calls=simulated(
                READ,
                SECRET_ARN,
                IMPLICIT
                | {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}},
            ),
        ),
        World(
            "IAM says that a boundary does not allow a request on the resource",
            calls=simulated(
                READ,
                SECRET_ARN,
                {
                    "EvalDecision": "allowed",
                    "ResourceSpecificResults": [
                        {"EvalResourceName": "other", "EvalResourceDecision": "explicitDeny"},
                        {
                            "EvalResourceName": SECRET_ARN,
                            "EvalResourceDecision": "implicitDeny",
                            "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False},
                        },
                    ],
                },
            ),
        ),
        World(
            "IAM denies a request on the resource, and lacks an unknown key and a known one",
            calls=simulated(
                READ,
                SECRET_ARN,
                {
                    "EvalDecision": "allowed",
                    "ResourceSpecificResults": [
                        {
                            "EvalResourceName": SECRET_ARN,
                            "EvalResourceDecision": "explicitDeny",
                            "MissingContextValues": ["aws:SourceIp", "KMS:viaservice"],
                        },
                    ],
                },
            ),
        ),
        World(
            "neither the policies nor the organization allow a request",
            own=without("AllowsAmazonQToGetSecret"),
            calls=simulated(READ, SECRET_ARN, IMPLICIT | BY_ORGANIZATION),
        ),
        World(
            "IAM names two policies that deny a request, one of them twice",
            calls=simulated(
                READ,
                SECRET_ARN,
                {
                    "EvalDecision": "explicitDeny",
                    "MatchedStatements": [{"SourcePolicyId": "guard"}, {}, {"SourcePolicyId": "guard"}],
                },
            ),
        ),
    ],
    ("secret", "data source", "other data source"): [
        World(
            "a data source needs less than the settings, and the role lacks what both need",
            own=without("AllowsAmazonQToGetSecret"),
            calls=data_sources(IN_OTHER_VPC) | ONLY_FIRST,
        ),
        World(
            "a data source has a VPC, which its connector does not support",
            settings={"connector": "smartsheet"} | NO_VPC,
            calls=data_sources(aem(type="SMARTSHEET")),
        ),
        World(
            "a data source shares the role, and is in another index with another secret",
            calls=in_other_index({}, OTHER_SECRET) | secret(PROXY),
        ),
        World("a data source is in another index", calls=in_other_index({})),
        World(
            "an entry's data source is in another index",
            options=("--stack", "dev", "--data-source", "wiki"),
            settings=entries(wiki={}, tickets={}),
            outputs=roles_of("wiki", "tickets"),
            calls=OWN_ROLES | in_other_index({"roleArn": role_of("wiki")}),
        ),
        World(
            "a data source of the same bucket has a deleted role",
            bucket=[],
            calls=data_sources({**S3_SOURCE, "roleArn": OTHER_ROLE})
            | rejected(asked("iam.get_role", RoleName="other"), code="NoSuchEntity"),
        ),
        World(
            "a data source's bucket belongs to another account than the settings'",
            bucket=[],
            calls=data_sources(owned_by(OTHER_ACCOUNT)) | bucket(owner=OTHER_ACCOUNT),
        ),
        World(
            "a data source with another role has a secret whose key the program rejects",
            settings={"secretId": FOREIGN_SECRET, "kmsKeyId": FOREIGN_KEY_ARN},
            calls=data_sources({"roleArn": OTHER_ROLE, **aem(secretArn=FOREIGN_SECRET)})
            | role(OTHER_ROLE, *EVERYTHING)
            | secret(FOREIGN_SECRET, KmsKeyId=None),
        ),
        World(
            "a data source without a stack has a bucket that its connector does not support",
            options=DATA_SOURCE,
            calls=data_sources(aem(bucketName="files")),
        ),
        World(
            "a data source has another role, and one has this role",
            calls=data_sources({}, {"roleArn": OTHER_ROLE}) | role(OTHER_ROLE, *ALMOST),
        ),
        *(
            World(
                f"a data source has the deleted role {name}",
                settings={"roleName": "custom"},
                calls=data_sources({"roleArn": f"arn:aws:iam::{ACCOUNT}:role/{name}"})
                | rejected(asked("iam.get_role", RoleName=name), code="NoSuchEntity"),
            )
            for name in ("custom", "aem-connector-qbusiness-role-7654321", "other")
        ),
        World(
            "a data source without a role fits two entries",
            settings=entries(wiki={}, tickets={}),
            outputs=roles_of("wiki", "tickets"),
            calls=role(role_of("wiki")) | role(role_of("tickets")) | data_sources({"roleArn": None}),
        ),
        World(
            "a data source without a role matches one of two entries, and fits the other",
            settings=entries(wiki={}, tickets={"vpcConfiguration": ONE_SUBNET}),
            outputs=roles_of("wiki", "tickets"),
            calls=OWN_ROLES | data_sources({"roleArn": None}) | ONLY_FIRST,
        ),
        World(
            "a data source that matches two entries has a role outside the stack",
            settings=entries(wiki={}, tickets={}),
            outputs=roles_of("wiki", "tickets"),
            calls=OWN_ROLES | role(OTHER_ROLE, *EVERYTHING) | data_sources({"roleArn": OTHER_ROLE}),
        ),
        World(
            "a data source that matches two entries has the role of one",
            settings=entries(wiki={}, tickets={}),
            outputs=roles_of("wiki", "tickets"),
            calls=OWN_ROLES | data_sources({"roleArn": role_of("tickets")}),
        ),
        World(
            "a data source has the role of another entry, and the entry that it matches has one, too",
            settings=entries(wiki={}, tickets={"connector": "jira"}),
            outputs=roles_of("wiki", "tickets"),
            calls=OWN_ROLES
            | data_sources({"roleArn": role_of("tickets")}, {"roleArn": role_of("wiki")}),
        ),
        World(
            "a data source has the role of an entry that is for another index",
            settings=entries(wiki={}, tickets={"indexId": OTHER_INDEX}),
            outputs=roles_of("wiki", "tickets"),
            calls=OWN_ROLES | in_other_index({"roleArn": role_of("wiki")}),
        ),
        World(
            "a data source lacks the optional bucket of its entry, and another entry has none",
            settings=entries(wiki=SHAREPOINT | {"bucketName": "files"}, tickets=SHAREPOINT),
            outputs=roles_of("wiki", "tickets"),
            calls=OWN_ROLES
            | bucket(name="files")
            | data_sources({"roleArn": role_of("wiki"), **aem(type="SHAREPOINTV2")}),
        ),
        World(
            "a data source that fits two of three entries has a deleted role",
            settings=entries(wiki={}, tickets={"connector": "jira"}, later={}),
            outputs=roles_of("wiki", "tickets"),
            calls=OWN_ROLES
            | data_sources(IN_OTHER_VPC | {"roleArn": OTHER_ROLE})
            | rejected(asked("iam.get_role", RoleName="other"), code="NoSuchEntity"),
        ),
        World(
            "a data source that matches one of two entries has a deleted role",
            settings=entries(wiki={}, tickets={"vpcConfiguration": ONE_SUBNET}),
            outputs=roles_of("wiki", "tickets"),
            calls=OWN_ROLES
            | data_sources(IN_OTHER_VPC | {"roleArn": OTHER_ROLE})
            | rejected(asked("iam.get_role", RoleName="other"), code="NoSuchEntity"),
        ),
        *(
            World(
                f"a crawler without a secret, and {name}",
                settings={"connector": "webcrawler", "secretId": None, "kmsKeyId": None},
                calls=data_sources(*({**CRAWLER, "roleArn": each, **more} for each in roles)),
            )
            for name, roles, more in (
                ("without a role", [None], {}),
                ("without a role in other subnets", [None], NEW_SUBNET),
                ("without a role beside one that has it", [None, ROLE_ARN], {}),
            )
        ),
        World(
            "a data source names a secret in its account like the settings' one in another account",
            settings={"secretId": FOREIGN_SECRET},
            calls=data_sources(aem(secretArn=SECRET_NAME))
            | secret(names=[SECRET_NAME])
            | secret(FOREIGN_SECRET),
        ),
        World(
            "a data source was deleted in the meantime",
            calls=data_sources({}, {}) | gone(DATA_SOURCE_CALL),
        ),
        World(
            "a data source's configuration cannot be read", calls=data_sources(aem(secretArn=["a"]), {})
        ),
        World(
            "every status of a data source",
            calls=data_sources(
                *(
                    {"status": each, "error": {"errorMessage": "KMS"} if each == "FAILED" else None}
                    for each in (*STATUSES, "PAUSED")
                )
            ),
        ),
        World(
            "every status of a sync",
            calls=data_sources(*map(synced, (*SYNC_STATUSES, "PAUSED"))),
        ),
        World(
            "syncs with documents",
            calls=data_sources(
                synced("SUCCEEDED", documentsScanned="40", documentsFailed="0"),
                synced("SUCCEEDED", documentsScanned="40", documentsFailed="2"),
                synced("SUCCEEDED", documentsScanned="0", documentsFailed="0"),
                synced("SUCCEEDED", documentsFailed="-"),
                synced("SYNCING", documentsScanned="0", documentsFailed="2"),
            ),
        ),
        World(
            "errors of syncs",
            calls=data_sources(
                *(failed(error) for error in ONE_OF_EACH),
                failed("decrypt", "INCOMPLETE"),
                failed("3 pages were too large", "INCOMPLETE"),
                failed("too slow", dataSourceErrorCode="KMS-1"),
                failed("too slow", startTime=None),
            ),
        ),
        World(
            "a sync without a start time counts as the oldest",
            calls=data_sources(failed("too slow"))
            | {
                SYNCS: {
                    "history": [
                        {"status": "SUCCEEDED"},
                        {"startTime": datetime(2026, 11, 2, tzinfo=UTC), "status": "ABORTED"},
                    ]
                }
            },
        ),
        *(
            World(
                f"a data source {name}", settings=more, calls=data_sources(*sources) | calls, guard=guard
            )
            for name, sources, more, calls, guard in DIFFERENT
        ),
    ],
    ("key policy", "role policy", "data source", "other data source"): [
        World(
            "an entry's role is used by a data source that fits another entry",
            settings=entries(wiki={}, tickets={"connector": "jira"}),
            outputs=roles_of("wiki", "tickets"),
            calls=OWN_ROLES | data_sources({"roleArn": role_of("tickets")}),
        ),
        World(
            "one of two entries loses a request by an update",
            options=("--stack", "dev", "--data-source", "wiki"),
            settings=entries(wiki={}, tickets={}),
            outputs=roles_of("wiki", "tickets"),
            calls=role(role_of("wiki"), allow("sqs:*"))
            | role(role_of("tickets"), *EVERYTHING)
            | data_sources({"roleArn": role_of("tickets"), **aem(secretArn=PROXY)})
            | secret(PROXY),
        ),
        World(
            "a key policy that two entries need",
            settings=entries(wiki={}, tickets={}, later={}),
            outputs=roles_of("wiki", "tickets"),
            key=NO_KEY_USE,
            calls=OWN_ROLES,
        ),
        *(
            World(
                f"a data source with another role, {name}",
                calls=data_sources({"roleArn": OTHER_ROLE, **more}) | calls,
            )
            for name, more, calls in OUTSIDE_ROLES
        ),
    ],
    ("key policy",): [
        *(
            World(
                f"check {' '.join(options)}",
                options=options,
                key=[DELEGATION, *deny("kms:*", FROM_ELSEWHERE, Principal="*")],
            )
            for options in OPTIONS
        )
    ],
    ("KMS key", "subnets", "encryption", "bucket", "bucket policy", "role policy", "data source"): [
        World(
            "Amazon S3 confirms the owner of the data source's bucket",
            options=DATA_SOURCE,
            own=without(bucket_owner=ACCOUNT),
            calls=data_sources(S3_SOURCE) | bucket(),
        ),
        World(
            "the data source names the owner of its bucket, which cannot be seen",
            options=DATA_SOURCE,
            own=without(bucket_owner=ACCOUNT),
            calls=data_sources(owned_by(ACCOUNT)) | bucket() | unseen(ACCOUNT),
        ),
        World(
            "the data source's bucket belongs to another account",
            options=DATA_SOURCE,
            own=without(bucket_owner=OTHER_ACCOUNT),
            calls=data_sources(owned_by(OTHER_ACCOUNT)) | bucket(owner=OTHER_ACCOUNT),
        ),
        World(
            "a subnet of the data source is shared, and the other one is pending",
            options=DATA_SOURCE,
            calls=data_sources({}) | subnets({"SubnetArn": SHARED}, {"State": "pending"}),
        ),
        World(
            "the data source's bucket is gone",
            options=DATA_SOURCE,
            own=without(bucket_owner=ACCOUNT),
            calls=data_sources(S3_SOURCE) | bucket() | unseen(ACCOUNT, "NoSuchBucket"),
        ),
        World(
            "the data source was deleted in the meantime",
            options=DATA_SOURCE,
            calls=data_sources({}) | gone(DATA_SOURCE_CALL),
        ),
        World(
            "the data source is unknown", options=(*DATA_SOURCE[:3], "other"), calls=data_sources({}, {})
        ),
        World("the application has no data source", options=DATA_SOURCE, calls={LISTED_SOURCES: []}),
        World(
            "the data source's connector is unknown",
            options=DATA_SOURCE,
            calls=data_sources(aem(type="FOO")),
        ),
        World(
            "the data source's secret is missing",
            options=DATA_SOURCE,
            calls=data_sources(aem(secretArn="gone")) | gone_secret("gone"),
        ),
        World(
            "the data source's role has no access",
            options=DATA_SOURCE,
            own=[allow("sqs:*")],
            calls=data_sources({}),
        ),
        World(
            "the key of the data source's secret is not symmetric",
            options=DATA_SOURCE,
            calls=data_sources({}) | key(KeySpec="RSA_2048"),
        ),
        World(
            "the data source's bucket has no known owner",
            options=DATA_SOURCE,
            own=without(bucket_owner=OTHER_ACCOUNT),
            calls=data_sources(S3_SOURCE) | bucket() | unseen(ACCOUNT),
        ),
        World(
            "the data source's role is used by two data sources",
            options=DATA_SOURCE,
            own=without("AllowsAmazonQToDeleteTaggedNI"),
            calls=data_sources({}, {"displayName": "Second"}, {"roleArn": OTHER_ROLE}),
        ),
    ],
}


def outputs() -> str:
    """Return the outputs in all situations, of only the questions that they are about."""
    rows: list[tuple[str, list[str]]] = []
    for names, worlds in SITUATIONS.items():
        questions = [each for each in command.QUESTIONS if each[0] in names]
        with patch.object(command, "QUESTIONS", questions):
            for world in worlds:
                said = ask(world, (*world.options, "--verbose"))
                assert "a bug" not in said.err
                shown = [each for each in answers_in(said) if not re.match(r"\d+ ok, ", each)]
                rows.append((f"{world.name}: exit code {said.code}", shown or [said.err]))
    return gallery(rows)
