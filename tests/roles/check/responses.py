"""Build the policies and AWS's responses in worlds and situations.

Most functions return responses by call, which replace those in recording.json.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    BUCKET_NAME,
    INDEX_ID,
    OTHER_ACCOUNT,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from tests.helpers.support import PROJECT_NAME, golden, of_role
from tests.helpers.world import (
    FOREIGN_KEY_ARN,
    KEY_ARN,
    OTHER_KEY_ARN,
    OWN,
    ROLE_ARN,
    ROLE_NAME,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    TRUST,
)
from tests.roles.check.recording import BASE

Document = Sequence[dict[str, Any]]
ROOT: Final = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def allow(action: object = "*", resource: object = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: object = "*", condition: Mapping[str, Any] | None = None, **more: Any) -> Document:
    """Return the statement Lock, which denies an action."""
    given = {"Condition": condition} if condition else {}
    resource = {} if "NotResource" in more else {"Resource": "*"}
    return [{"Sid": "Lock", "Effect": "Deny", "Action": action, **resource, **given, **more}]


def document(statements: Document) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def policy(statements: Document) -> str:
    return json.dumps(document(statements))


OWN_OF_SECRET: Final = golden("default-role-policy").replace(OTHER_ACCOUNT, ACCOUNT)
OWN_OF_BUCKET: Final = of_role(golden("s3-v2-role-policy"), ROLE_NAME).replace(BUCKET_NAME, "documents")


def without(*sids: str, bucket_owner: str = "") -> Document:
    """Return the statements of the role policy, of a bucket if it has an owner, except some."""
    document = json.loads(OWN_OF_BUCKET if bucket_owner else OWN_OF_SECRET)
    for statement in document["Statement"]:
        if "aws:ResourceAccount" in json.dumps(statement.get("Condition")):
            statement["Condition"] = {"StringEquals": {"aws:ResourceAccount": bucket_owner}}
    return [each for each in document["Statement"] if each["Sid"] not in sids]


def passing(role: str) -> Document:
    """Return the statements of the role policy of a bucket, but with another role to pass."""
    return json.loads(
        json.dumps(without(bucket_owner=ACCOUNT)).replace(
            ROLE_ARN, f"{ROLE_ARN.partition('/')[0]}/{role}"
        )
    )


DELEGATION: Final = allow("kms:*", Principal=ROOT)
EVERYTHING: Final = [allow()]
CALLS: Final[Mapping[str, Any]] = BASE["calls"]
OTHER_INDEX: Final = f"{INDEX_ID[:-1]}3"
OTHER_APPLICATION: Final = f"{APPLICATION_ARN[:-1]}2"
FOREIGN_SECRET: Final = SECRET_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
FILES: Final = "sharepoint-server-subscription"
THIRD_ID: Final = "subnet-0c3d4e5f607182930"
SUBNETS: Final = [SUBNET_ID, SECOND_SUBNET_ID]
VPC: Final = {"subnetIds": SUBNETS, "securityGroupIds": [SECURITY_GROUP_ID]}


def asked(operation: str, **parameters: Any) -> str:
    """Return the name of a recorded call."""
    return f"{operation} {json.dumps(parameters, sort_keys=True)}"


APPLICATION: Final = asked("qbusiness.get_application", applicationId=APPLICATION_ID)
INDEX: Final = asked("qbusiness.get_index", applicationId=APPLICATION_ID, indexId=INDEX_ID)
DESCRIBED_KEY: Final = asked("kms.describe_key", KeyId=KEY_ARN)
KEY_POLICY: Final = asked("kms.get_key_policy", KeyId=KEY_ARN, PolicyName="default")
DESCRIBED_SECRET: Final = asked("secretsmanager.describe_secret", SecretId=SECRET_ARN)
SECRET_POLICY: Final = asked("secretsmanager.get_resource_policy", SecretId=SECRET_ARN)
GOT_ROLE: Final = asked("iam.get_role", RoleName=ROLE_NAME)
NAMES: Final = ("describe_subnets", "describe_security_groups")
LISTED_SUBNETS, LISTED_GROUPS = (next(call for call in CALLS if name in call) for name in NAMES)


def but(call: str, **entries: Any) -> dict[str, Any]:
    """Return the response to a call with some changes."""
    return {call: CALLS[call] | entries}


def rejected(*calls: str, code: str = "AccessDenied") -> dict[str, Any]:
    """Return an error as the response to each call."""
    error = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    operations = (call.partition(".")[2].partition(" ")[0] for call in calls)
    names = ("".join(map(str.title, operation.split("_"))) for operation in operations)
    return {call: {"$client": [error, name]} for call, name in zip(calls, names, strict=True)}


def key(arn: str = KEY_ARN, **entries: Any) -> dict[str, Any]:
    """Return the response about a key."""
    metadata = CALLS[DESCRIBED_KEY]["KeyMetadata"] | {"Arn": arn, "KeyId": arn.rpartition("/")[2]}
    return {asked("kms.describe_key", KeyId=arn): {"KeyMetadata": metadata | entries}}


def secret(arn: str = SECRET_ARN, *, names: Any = (), version: Any = (), **more: Any) -> dict[str, Any]:
    """Return the responses about a secret; `names` are other names for it.

    `version` has the keys of its current version; earlier and later versions have other keys.
    """
    others = [
        {"VersionStages": stages, "KmsKeyIds": [OTHER_KEY_ARN]} for stages in (["AWSPREVIOUS"], [])
    ]
    pending = {"VersionStages": ["AWSPENDING"], "KmsKeyIds": [OTHER_KEY_ARN]}
    current = {"VersionStages": ["AWSCURRENT"], "KmsKeyIds": [*version]}
    described = CALLS[DESCRIBED_SECRET] | {"ARN": arn} | more
    listed = asked("secretsmanager.list_secret_version_ids", MaxResults=100, SecretId=arn)
    of_names = {asked("secretsmanager.describe_secret", SecretId=each): described for each in names}
    return {
        **of_names,
        asked("secretsmanager.describe_secret", SecretId=arn): described,
        asked("secretsmanager.get_resource_policy", SecretId=arn): {"ARN": arn},
        listed: {"Versions": [*others, current, pending] if version else []},
    }


def gone(call: str) -> dict[str, Any]:
    """Return the response to a call about something that does not exist."""
    return rejected(call, code=f"{'' if call.startswith('kms.') else 'Resource'}NotFoundException")


def gone_secret(name: str) -> dict[str, Any]:
    return gone(asked("secretsmanager.describe_secret", SecretId=name))


def subnets(*changes: dict[str, Any], ids: Any = SUBNETS) -> dict[str, Any]:
    """Return the response about two subnets, with a change for each; an empty one removes a subnet."""
    found = [
        subnet | change for subnet, change in zip(CALLS[LISTED_SUBNETS], changes, strict=True) if change
    ]
    return {LISTED_SUBNETS.replace(json.dumps(SUBNETS), json.dumps(ids)): found}


def groups(*changes: dict[str, Any]) -> dict[str, Any]:
    """Return the response about security groups."""
    (group,) = CALLS[LISTED_GROUPS]
    text = json.dumps(group)
    ids = [f"sg-{number:08}" for number, _ in enumerate(changes)]
    found = [
        json.loads(text.replace(SECURITY_GROUP_ID, name)) | change
        for name, change in zip(ids, changes, strict=True)
    ]
    return {LISTED_GROUPS.replace(json.dumps([SECURITY_GROUP_ID]), json.dumps(ids)): found}


def bucket(
    region: str | None = None,
    default: Mapping[str, str] | None = None,
    owner: str = ACCOUNT,
    name: str = "documents",
) -> dict[str, Any]:
    """Return the response about a bucket without a policy."""
    named = {"Bucket": name}
    owned = {**named, "ExpectedBucketOwner": owner}
    rules = [{"ApplyServerSideEncryptionByDefault": default or {"SSEAlgorithm": "AES256"}}]
    encryption = {"ServerSideEncryptionConfiguration": {"Rules": rules}}
    return {
        asked("s3.get_bucket_location", **named): {"LocationConstraint": region},
        asked("s3.get_bucket_location", **owned): {"LocationConstraint": region},
        asked("s3.get_bucket_encryption", **owned): encryption,
        **rejected(asked("s3.get_bucket_policy", **named), code="NoSuchBucketPolicy"),
    }


def kms(key_id: str = "", algorithm: str = "aws:kms") -> dict[str, str]:
    """Return the default encryption of a bucket."""
    return {"SSEAlgorithm": algorithm} | ({"KMSMasterKeyID": key_id} if key_id else {})


def files(**settings: Any) -> dict[str, Any]:
    """Return the settings of a connector that reads files in a bucket."""
    return {"connector": FILES, "bucketName": "documents", **settings}


def role(arn: str, *statements: dict[str, Any], trust: str = TRUST, **more: Any) -> dict[str, Any]:
    """Return the response about a role with one inline policy."""
    name = arn.rpartition("/")[2]
    found = CALLS[GOT_ROLE]["Role"] | {"Arn": arn, "RoleName": name, "RoleId": "AROAEXAMPLEOTHER0001"}
    found |= {"AssumeRolePolicyDocument": trust, **more}
    document = {"PolicyDocument": policy(statements)}
    return {
        asked("iam.get_role", RoleName=name): {"Role": found},
        asked("iam.list_role_policies", RoleName=name): [OWN],
        asked("iam.get_role_policy", PolicyName=OWN, RoleName=name): document,
        asked("iam.list_attached_role_policies", RoleName=name): [],
    }


def own_role(**entries: Any) -> dict[str, Any]:
    """Return the response about the stack's role."""
    return but(GOT_ROLE, Role=CALLS[GOT_ROLE]["Role"] | entries)


def trusting(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return the response about the stack's role with this trust policy; only one application exists."""
    other = gone(asked("qbusiness.get_application", applicationId=OTHER_APPLICATION[-36:]))
    return own_role(AssumeRolePolicyDocument=policy(statements)) | other


def managed(arn: str, *statements: dict[str, Any]) -> dict[str, Any]:
    """Return the response about a managed policy."""
    return {
        asked("iam.get_policy", PolicyArn=arn): {"Policy": {"DefaultVersionId": "v2"}},
        asked("iam.get_policy_version", PolicyArn=arn, VersionId="v2"): {
            "PolicyVersion": {"Document": policy(statements)}
        },
    }


def identifier(number: int) -> str:
    return f"{number:08}-7890-12ab-cdef-333333333333"


def data_sources(*sources: dict[str, Any]) -> dict[str, Any]:
    """Return the responses about data sources that match the settings, except as given.

    `sync` has the last sync, of 2 November, and `index` the index's ID.
    """
    found: dict[str, Any] = {}
    for number, given in enumerate(sources):
        source: dict[str, Any] = {
            "displayName": "Pages",
            "status": "ACTIVE",
            "type": "AEM",
            "configuration": {"type": "AEM", "secretArn": SECRET_ARN},
            "roleArn": ROLE_ARN,
            "vpcConfiguration": VPC,
            **given,
        }
        index: str = source.pop("index", INDEX_ID)
        sync: dict[str, Any] | None = source.pop("sync", None)
        source = {name: value for name, value in source.items() if value is not None}
        place = {"applicationId": APPLICATION_ID, "indexId": index}
        ids = {**place, "dataSourceId": identifier(number)}
        arn = f"{APPLICATION_ARN}/index/{index}/data-source/{identifier(number)}"
        more = {"dataSourceId": identifier(number), "dataSourceArn": arn, **source}
        listed = found.setdefault(asked("qbusiness.list_data_sources", **place), [])
        listed.append({key: more[key] for key in ("dataSourceId", "displayName", "type", "status")})
        found[asked("qbusiness.get_data_source", **ids)] = more
        started = datetime(2026, 11, 2, 12, 30, tzinfo=UTC)
        history = [{"startTime": started, **sync}] if sync else []
        found[asked("qbusiness.list_data_source_sync_jobs", **ids)] = {"history": history}
    return found


def aem(**entries: Any) -> dict[str, Any]:
    """Return a changed configuration of a data source."""
    return {"configuration": {"type": "AEM", "secretArn": SECRET_ARN, **entries}}


def failed(message: str, status: str = "FAILED", **more: Any) -> dict[str, Any]:
    """Return a data source whose last sync failed."""
    return {"sync": {"status": status, "error": {"errorMessage": message}, **more}}


def synced(status: str, **metrics: str) -> dict[str, Any]:
    """Return a data source whose last sync ended or is running."""
    return {"sync": {"status": status, "metrics": metrics}}


def entries(**more: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a stack with entries, which have the settings of the stack `dev`."""
    names = ("secretId", "kmsKeyId")
    config = BASE["config"]
    own = {name: config[f"{PROJECT_NAME}:{name}"]["value"] for name in names}
    every = {name: json.dumps({each: own | it for each, it in more.items()}) for name in ["dataSources"]}
    return {**dict.fromkeys((*names, "allowNetworkInterfaceDeletion")), **every}


def role_of(entry: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{entry}-qbusiness-role-1234567"


def roles_of(*names: str) -> dict[str, Any]:
    """Return the outputs of a stack with entries."""
    return {"roleArns": {name: role_of(name) for name in names}, "roleNames": {}}


EXPECTED: Final[dict[str, Any]] = json.loads(TRUST)["Statement"][0]


def resource(status: str, call: str = APPLICATION) -> dict[str, Any]:
    """Return the response about the application or the index with a status."""
    return but(call, status=status)


def deployed(arn: str, *statements: Any) -> dict[str, Any]:
    """Return the response about the stack's role with a boundary."""
    limit = {"PermissionsBoundaryArn": arn}
    return own_role(PermissionsBoundary=limit) | managed(arn, *statements)


def vpc_of(subnet_ids: Any = SUBNETS, group_ids: Any = (SECURITY_GROUP_ID,)) -> dict[str, str]:
    """Return the setting for the VPC."""
    return {"vpcConfiguration": json.dumps({"subnetIds": subnet_ids, "securityGroupIds": [*group_ids]})}


VERSIONS: Final = asked("secretsmanager.list_secret_version_ids", MaxResults=100, SecretId=SECRET_ARN)
LISTED_SOURCES: Final = asked(
    "qbusiness.list_data_sources", applicationId=APPLICATION_ID, indexId=INDEX_ID
)
THIRD: Final = json.loads(json.dumps(CALLS[LISTED_SUBNETS][0]).replace(SUBNET_ID, THIRD_ID))


def secret_policy_of(arn: str) -> dict[str, Any]:
    return {asked("secretsmanager.get_resource_policy", SecretId=arn): {"ARN": arn}}


def to_foreign(statements: Any) -> Any:
    """Return statements for the secret and the key of another account."""
    text = json.dumps(statements).replace(SECRET_ARN, FOREIGN_SECRET)
    return json.loads(text.replace(KEY_ARN, FOREIGN_KEY_ARN))


def alias(name: str) -> dict[str, Any]:
    """Return the response about the alias of the stack's key."""
    arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:{name}"
    return {asked("kms.describe_key", KeyId=arn): CALLS[DESCRIBED_KEY]}


def delegating(arn: str) -> dict[str, Any]:
    """Return the policy of a key, which delegates to the account."""
    document = policy([DELEGATION])
    return {asked("kms.get_key_policy", KeyId=arn, PolicyName="default"): {"Policy": document}}


def unseen(owner: str, code: str = "AccessDenied") -> dict[str, Any]:
    """Return errors as the response about a bucket."""
    owned = {"Bucket": "documents", "ExpectedBucketOwner": owner}
    calls = (
        asked("s3.get_bucket_location", Bucket="documents"),
        asked("s3.get_bucket_location", **owned),
        asked("s3.get_bucket_encryption", **owned),
        asked("s3.get_bucket_policy", Bucket="documents"),
    )
    return rejected(*calls, code=code)


def three_subnets(*vpcs: str) -> dict[str, Any]:
    """Return the response about three subnets in these VPCs."""
    ids = [*SUBNETS, THIRD_ID]
    found = [
        each | {"VpcId": vpc} for each, vpc in zip([*CALLS[LISTED_SUBNETS], THIRD], vpcs, strict=True)
    ]
    return {LISTED_SUBNETS.replace(json.dumps(SUBNETS), json.dumps(ids)): found}


def shared_group() -> dict[str, Any]:
    """Return the response about a security group of another account; another one does not exist."""
    ids = ["sg-00000000", SECURITY_GROUP_ID]
    arn = f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:security-group/sg-00000000"
    (found,) = groups({"SecurityGroupArn": arn, "OwnerId": OTHER_ACCOUNT}).values()
    return {LISTED_GROUPS.replace(json.dumps([SECURITY_GROUP_ID]), json.dumps(ids)): found}


def calling(arn: str) -> dict[str, Any]:
    return {"sts.get_caller_identity {}": {"Account": ACCOUNT, "Arn": arn, "UserId": "AIDA"}}


def denial(action: str = "sts:AssumeRole", **condition: Any) -> dict[str, Any]:
    (statement,) = deny(action, condition, Principal="*")
    return {name: value for name, value in statement.items() if name != "Resource"}


def later(year: int = 2199) -> dict[str, Any]:
    return {"DateGreaterThan": {"aws:CurrentTime": f"{year}-01-01T00:00:00Z"}}


def trust_under(**operators: Any) -> dict[str, Any]:
    """Return the expected trust statement with other conditions; None removes one."""
    conditions = {**EXPECTED["Condition"], **operators}
    return EXPECTED | {"Condition": {name: its for name, its in conditions.items() if its}}


S3_SOURCE: Final = {
    "type": "S3V2",
    "configuration": {"type": "S3V2", "connectionConfiguration": {"bucketName": "documents"}},
    "vpcConfiguration": None,
}


def inline(name: str, *statements: dict[str, Any]) -> dict[str, Any]:
    """Return the response about another inline policy of the stack's role."""
    return {
        asked("iam.list_role_policies", RoleName=ROLE_NAME): [OWN, name],
        asked("iam.get_role_policy", PolicyName=name, RoleName=ROLE_NAME): {
            "PolicyDocument": policy(statements)
        },
    }


def in_other_index(*sources: dict[str, Any]) -> dict[str, Any]:
    """Return the response about data sources, of which the last one is in another index."""
    *others, last = sources
    indices = [{"indexId": INDEX_ID}, {"indexId": OTHER_INDEX}]
    return {
        LISTED_SOURCES: [],
        asked("qbusiness.list_indices", applicationId=APPLICATION_ID): indices,
        **data_sources(*others, {"index": OTHER_INDEX, **last}),
    }


def owned_by(account: str) -> dict[str, Any]:
    """Return a data source whose configuration names its bucket's account."""
    connection = {"bucketName": "documents", "bucketOwnerAccountId": account}
    return S3_SOURCE | {"configuration": {"type": "S3V2", "connectionConfiguration": connection}}


def simulated(
    action: str, resource: str, response: Mapping[str, Any], principal: str = ROLE_ARN
) -> dict[str, Any]:
    """Return the response to one simulation."""
    names = {"EvalActionName": action, "EvalResourceName": resource}
    return {f"simulate {principal} {action} {resource}": names | dict(response)}


def lacking(*keys: str) -> dict[str, Any]:
    """Return the part of a response that says which keys the simulation lacked."""
    return {"MissingContextValues": [*keys]}
