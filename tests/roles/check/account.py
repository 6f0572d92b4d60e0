"""Stand in for AWS and Pulumi: an account in which nothing is wrong, and what a row changes in it.

A response has an operation and the resource that it is about as its key. An operation without a response
gets AWS's answer about a resource that does not exist, or an empty list.
"""

import json
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from types import SimpleNamespace
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from botocore.exceptions import ClientError
from moto.core.utils import get_service_model

from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from roles.cli import main
from tests.helpers import state
from tests.helpers.support import PROJECT_NAME
from tests.helpers.world import (
    KEY_ARN,
    OTHER_KEY_ARN,
    OWN,
    ROLE_ARN,
    ROLE_NAME,
    SECOND_SUBNET_ID,
    SECRET_ARN,
    SETTINGS,
    USER_ARN,
    Output,
)
from tests.roles.check.policy_text import NAMES, Policy, document, statements

Responses = dict[str, Any]
"""AWS's responses by operation and resource."""

OTHER_INDEX: Final = f"{INDEX_ID[:-1]}3"
THIRD_ID: Final = "subnet-0c3d4e5f607182930"
SUBNETS: Final = [SUBNET_ID, SECOND_SUBNET_ID]
VPC: Final = {"subnetIds": SUBNETS, "securityGroupIds": [SECURITY_GROUP_ID]}
PERIMETER: Final = f"arn:aws:iam::{ACCOUNT}:policy/perimeter"
BOUND: Final = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
STACK: Final = ("--stack", "dev")


def identifier(number: int) -> str:
    """Return the ID of the data source with this number, counted from 0."""
    return f"{number:08}-7890-12ab-cdef-333333333333"


ALONE: Final = ("--application", APPLICATION_ID, "--data-source-id", identifier(0))


class Rejected(NamedTuple):
    """An error as a response."""

    code: str


def rejected(*calls: str, code: str = "AccessDenied") -> Responses:
    """Return an error as the response to operations; `get_role` means about any role."""
    return dict.fromkeys(calls, Rejected(code))


gone: Final = partial(rejected, code="")


# Applications, indexes, and data sources.


def application(**entries: Any) -> Responses:
    found = {"applicationArn": APPLICATION_ARN, "applicationId": APPLICATION_ID, "displayName": "Docs"}
    return {f"get_application {APPLICATION_ID}": {**found, "status": "ACTIVE", **entries}}


def index(status: str = "ACTIVE", index_id: str = INDEX_ID) -> Responses:
    arn = f"{APPLICATION_ARN}/index/{index_id}"
    found = {"indexArn": arn, "indexId": index_id, "displayName": "Main", "status": status}
    return {f"get_index {index_id}": {"applicationId": APPLICATION_ID, **found}}


_LISTED: Final = ("dataSourceId", "displayName", "type", "status")


def data_sources(*sources: Mapping[str, Any]) -> Responses:
    """Return data sources that match the settings, except as given; None removes an entry.

    `sync` has the last sync, of 2 November, and `index` the index's ID.
    """
    found: Responses = {}
    for number, given in enumerate(sources):
        name, place = identifier(number), given.get("index", INDEX_ID)
        source: dict[str, Any] = {
            "dataSourceId": name,
            "dataSourceArn": f"{APPLICATION_ARN}/index/{place}/data-source/{name}",
            "indexId": place,
            "displayName": "Pages",
            "status": "ACTIVE",
            "type": "AEM",
            "configuration": {"type": "AEM", "secretArn": SECRET_ARN},
            "roleArn": ROLE_ARN,
            "vpcConfiguration": VPC,
            **given,
        }
        job: dict[str, Any] | None = source.pop("sync", None)
        source.pop("index", None)
        found[f"data_source {name}"] = {key: source[key] for key in (*_LISTED, "indexId")}
        found[f"get_data_source {name}"] = {key: it for key, it in source.items() if it is not None}
        started = datetime(2026, 11, 2, 12, 30, tzinfo=UTC)
        jobs = [{"startTime": started, **job}] if job else []
        found[f"list_data_source_sync_jobs {name}"] = {"history": jobs}
    return found


def aem(**entries: Any) -> dict[str, Any]:
    """Return a data source with a changed configuration."""
    return {"configuration": {"type": "AEM", "secretArn": SECRET_ARN, **entries}}


def failed(message: str, status: str = "FAILED", **more: Any) -> dict[str, Any]:
    """Return a data source whose last sync failed."""
    return {"sync": {"status": status, "error": {"errorMessage": message}, **more}}


def synced(status: str, **metrics: str) -> dict[str, Any]:
    """Return a data source whose last sync ended or is running."""
    return {"sync": {"status": status, "metrics": metrics}}


def of_bucket(name: str = "documents", **connection: str) -> dict[str, Any]:
    """Return a data source that reads a bucket."""
    named = {"bucketName": name, **connection}
    configuration = {"type": "S3V2", "connectionConfiguration": named}
    return {"type": "S3V2", "configuration": configuration, "vpcConfiguration": None}


def in_other_index(*sources: Mapping[str, Any]) -> Responses:
    """Return data sources, of which the last one is in another index."""
    *others, last = sources
    return index(index_id=OTHER_INDEX) | data_sources(*others, {"index": OTHER_INDEX, **last})


# Secrets and keys.


def secret(arn: str = SECRET_ARN, *, version: Sequence[str] = (), **more: Any) -> Responses:
    """Return a secret; `version` has the keys of its current version, and others have other keys."""
    found = {"ARN": arn, "KmsKeyId": KEY_ARN, "VersionIdsToStages": {"version-1": ["AWSCURRENT"]}}
    others = [["AWSPREVIOUS"], [], ["AWSPENDING"]]
    versions = [{"VersionStages": each, "KmsKeyIds": [OTHER_KEY_ARN]} for each in others]
    versions.insert(2, {"VersionStages": ["AWSCURRENT"], "KmsKeyIds": [*version]})
    return {
        f"describe_secret {arn}": found | more,
        f"list_secret_version_ids {arn}": {"Versions": versions if version else []},
    }


def key(arn: str = KEY_ARN, policy: Policy | None = "delegation", **entries: Any) -> Responses:
    """Return a key and its policy; without a policy, only the description."""
    metadata = {
        "Arn": arn,
        "KeyId": arn.rpartition("/")[2],
        "KeyManager": "CUSTOMER",
        "KeyState": "Enabled",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyUsage": "ENCRYPT_DECRYPT",
    }
    described = {f"describe_key {arn}": {"KeyMetadata": metadata | entries}}
    return described | ({} if policy is None else key_policy(policy, arn))


def key_policy(policy: Policy, arn: str = KEY_ARN, **more: Any) -> Responses:
    return {f"get_key_policy {arn}": {"Policy": document(policy, **more)}}


def grants(*grants: Mapping[str, Any]) -> Responses:
    return {f"list_grants {KEY_ARN}/{ROLE_ARN}": {"Grants": [*grants]}}


# Subnets.


def subnets(*changes: Mapping[str, Any] | None, ids: Sequence[str] = SUBNETS) -> Responses:
    """Return subnets, with a change for each; None removes a subnet."""
    return {
        f"describe_subnets {name}": change
        if change is None
        else {
            "SubnetId": name,
            "SubnetArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{name}",
            "OwnerId": ACCOUNT,
            "State": "available",
            "AvailabilityZoneId": zone,
            "AvailableIpAddressCount": 251,
            "VpcId": "vpc-1",
            **change,
        }
        for name, change, zone in zip(ids, changes, ("use1-az1", "use1-az2"), strict=False)
    }


# Buckets.


def bucket(
    name: str = "documents",
    *,
    owner: str = ACCOUNT,
    region: str | None = None,
    default: str | None = None,
    policy: Policy = "",
) -> Responses:
    """Return a bucket; `default` is its key, or empty for the key that AWS manages."""
    rule = {"SSEAlgorithm": "AES256" if default is None else "aws:kms"}
    rule |= {"KMSMasterKeyID": default} if default else {}
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]}
    return {
        f"bucket {name}": owner,
        f"get_bucket_location {name}": {"LocationConstraint": region},
        f"get_bucket_encryption {name}": {"ServerSideEncryptionConfiguration": encryption},
        f"get_bucket_policy {name}": {"Policy": document(policy)}
        if policy
        else Rejected("NoSuchBucketPolicy"),
    }


def unseen(code: str = "AccessDenied") -> Responses:
    """Return errors about a bucket."""
    return rejected("bucket documents", code=code)


# Roles and policies.


def role(arn: str, policy: Policy = "", trust: Policy | str = "trust", **entries: Any) -> Responses:
    """Return a role with one inline policy."""
    name = arn.rpartition("/")[2]
    found = {
        "Arn": arn,
        "RoleName": name,
        "RoleId": "AROAEXAMPLE0000000001" if arn == ROLE_ARN else "AROAEXAMPLEOTHER0001",
        "Path": "/",
        "MaxSessionDuration": 3600,
        "AssumeRolePolicyDocument": trust if trust == "{" else document(trust),
        **entries,
    }
    return {f"get_role {name}": {"Role": found}, **inline(OWN, policy, name)}


def own_role(**entries: Any) -> Responses:
    """Return the stack's role, without its policies."""
    (name, found), *_ = role(ROLE_ARN, **entries).items()
    return {name: found}


def inline(name: str, policy: Policy, role_name: str = ROLE_NAME) -> Responses:
    return {f"get_role_policy {role_name}/{name}": {"PolicyDocument": document(policy)}}


def attached(*arns: str) -> Responses:
    found = [{"PolicyArn": arn, "PolicyName": arn.rpartition("/")[2]} for arn in arns]
    return {f"list_attached_role_policies {ROLE_NAME}": {"AttachedPolicies": found}}


def managed(arn: str, policy: Policy) -> Responses:
    return {
        f"get_policy {arn}": {"Policy": {"DefaultVersionId": "v2"}},
        f"get_policy_version {arn}": {"PolicyVersion": {"Document": document(policy)}},
    }


def deployed(arn: str, policy: Policy, **entries: Any) -> Responses:
    """Return the stack's role with a boundary."""
    bound = {"PermissionsBoundaryArn": arn}
    return own_role(PermissionsBoundary=bound, **entries) | managed(arn, policy)


def simulated(action: str, resource: str, decision: Any) -> Responses:
    """Return the response to one simulation."""
    named = {"EvalActionName": action, "EvalResourceName": resource}
    return {f"simulate_principal_policy {ROLE_ARN} {action} {resource}": named | decision}


# The stack.


def entries(**more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a stack with entries, which have the settings of the stack `dev`."""
    own = {name: SETTINGS[f"{PROJECT_NAME}:{name}"] for name in ("secretId", "kmsKeyId")}
    top = dict.fromkeys((*own, "allowNetworkInterfaceDeletion"))
    return {**top, "dataSources": {name: own | dict(it) for name, it in more.items()}}


def role_of(entry: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{entry}-qbusiness-role-1234567"


def roles_of(*names: str) -> dict[str, Any]:
    """Return the outputs of a stack with entries."""
    return {"roleArns": {name: role_of(name) for name in names}, "roleNames": {}}


def vpc_of(subnet_ids: Sequence[str]) -> Any:
    """Return the setting for the VPC."""
    return {"vpcConfiguration": VPC | {"subnetIds": [*subnet_ids]}}


# An account and a stack.


class World(NamedTuple):
    """Differences from an account in which nothing is wrong."""

    guard: Policy = ""
    """An inline policy of the role, besides the program's."""
    attached: Policy = ""
    own: Policy = "own"
    """The role policy."""
    boundary: Policy = ""
    key: Policy = "delegation"
    secret: Policy = ""
    bucket: Policy | None = None
    """The policy of a bucket that is the data source; None for a data source with a secret."""
    settings: Mapping[str, Any] = {}
    """None for a setting that the stack lacks."""
    outputs: Mapping[str, Any] = {}
    secret_tags: Mapping[str, str] = {}
    role_tags: Mapping[str, str] = {}
    responses: Mapping[str, Any] = {}

    @property
    def bucket_owner(self) -> str:
        """The bucket's account; empty if the data source is not a bucket."""
        return "" if self.bucket is None else self.settings.get("bucketAccountId", ACCOUNT)

    def calls(self, *, alone: bool) -> Responses:
        """Return AWS's responses, with or without the stack; without it, a data source has the role."""
        owner, arn = self.bucket_owner, self.settings.get("secretId") or SECRET_ARN
        arn = arn if arn.startswith("arn:") else SECRET_ARN
        tags = [{"Key": name, "Value": it} for name, it in self.secret_tags.items()]
        # A data source does not contain the option for this statement.
        unknown = "AllowsAmazonQToDeleteTaggedNI" if alone else ""
        own = [each for each in statements(self.own, owner) if each.get("Sid", "-") != unknown]
        role_tags = [{"Key": name, "Value": it} for name, it in self.role_tags.items()]
        found: Responses = {
            "get_caller_identity": {"Account": ACCOUNT, "Arn": USER_ARN, "UserId": "AIDA"},
            "describe_organization": {"Organization": {"Id": NAMES["ORG"]}},
            **application(),
            **index(),
            **secret(SECRET_ARN, Tags=tags),
            **secret(arn, Tags=tags),
            **key(policy=self.key),
            **subnets({}, {}),
            f"describe_security_groups {SECURITY_GROUP_ID}": {
                "GroupId": SECURITY_GROUP_ID,
                "SecurityGroupArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{SECURITY_GROUP_ID}",
                "OwnerId": ACCOUNT,
                "VpcId": "vpc-1",
            },
            **role(ROLE_ARN, own, Tags=role_tags),
            **managed(PERIMETER, self.attached),
        }
        if self.secret:
            found[f"get_resource_policy {arn}"] = {"ARN": arn, "ResourcePolicy": document(self.secret)}
        if self.guard:
            found |= inline("guard", self.guard)
        if self.attached:
            found |= attached(PERIMETER)
        if self.boundary:
            found |= deployed(BOUND, self.boundary, Tags=role_tags)
        if self.bucket is not None:
            found |= bucket(owner=owner, default=KEY_ARN, policy=self.bucket)
            found |= rejected("get_bucket_encryption documents") if owner != ACCOUNT else {}
        if alone and not any("data_source" in name for name in self.responses):
            found |= data_sources(aem(secretArn=arn) if self.bucket is None else of_bucket())
        return found | dict(self.responses)


# Asking.

_RESOURCES: Final = (
    *("dataSourceId", "indexId", "applicationId"),
    *("SecretId", "KeyId", "Bucket", "PolicyArn", "RoleName"),
)
"""The parameters that name a resource, the most specific first."""
_PARTS: Final = {"get_role_policy": "PolicyName", "list_grants": "GranteePrincipal"}
_NOT_FOUND: Final = {"iam": "NoSuchEntity", "kms": "NotFoundException", "s3": "NoSuchBucket"}


class _Client:
    """Calls of one service."""

    def __init__(self, responses: Responses, service: str, region: str, calls: list[Any]) -> None:
        self.responses, self.service, self.calls = responses, service, calls
        self.meta = SimpleNamespace(region_name=region)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return partial(self.respond, operation)

    def get_paginator(self, operation: str) -> Any:
        def paginate(**given: Any) -> list[Any]:
            return [self.respond(operation, **given)]

        return SimpleNamespace(paginate=paginate)

    def respond(self, operation: str, **given: Any) -> Any:
        """Return the response to a call, or raise the error that is the response."""
        self.calls.append((operation, given))
        name = next((given[each] for each in _RESOURCES if each in given), "")
        name += f"/{given[_PARTS[operation]]}" if operation in _PARTS else ""
        if self.service == "secretsmanager":  # by ARN, ARN without its suffix, or name
            every = [(arn, arn[:-7]) for arn in self._named("describe_secret")]
            own = f":{ACCOUNT}:secret:{name}"
            name = next((its[0] for its in every if name in its or its[1].endswith(own)), name)
        call = f"{operation} {name}".strip()
        owner = self._found(operation, f"bucket {name}")
        self._found(operation, operation)
        if "Bucket" in given and owner is None:
            raise self._error(operation)
        if given.get("ExpectedBucketOwner", owner) != owner:
            raise self._error(operation, "AccessDenied")
        found = self._found(operation, call) or self._several(operation, name, given)
        if found is None:
            raise self._error(operation)
        return found

    def _several(self, operation: str, name: str, given: Mapping[str, Any]) -> Any:
        """Return a response that has several entries, or may be empty; None for other operations."""
        found: Any = None
        match operation:
            case "get_resource_policy" if f"describe_secret {name}" in self.responses:
                found = {"ARN": name}
            case "list_indices":
                names = self._named("get_index")
                found = {"indices": [{"indexId": each, "displayName": "Main"} for each in names]}
            case "list_data_sources":
                every = self._named("data_source").values()
                its = [each for each in every if each["indexId"] == given["indexId"]]
                found = {"dataSources": [{name: each[name] for name in _LISTED} for each in its]}
            case "list_role_policies":
                every = [each.split("/") for each in self._named("get_role_policy")]
                found = {"PolicyNames": [policy for role, policy in every if role == name]}
            case "list_attached_role_policies" | "list_grants":
                found = {}
            case "describe_subnets" | "describe_security_groups":
                names = dict.fromkeys(each for its in given["Filters"] for each in its["Values"])
                every = [self._found(operation, f"{operation} {each}") for each in names]
                kind = "Subnets" if operation == "describe_subnets" else "SecurityGroups"
                found = {kind: [each for each in every if each]}
            case "simulate_principal_policy":
                found = {
                    "EvaluationResults": [
                        self.responses.get(
                            f"{operation} {given['PolicySourceArn']} {action} {each}",
                            {
                                "EvalActionName": action,
                                "EvalResourceName": each,
                                "EvalDecision": "allowed",
                            },
                        )
                        for action in given["ActionNames"]
                        for each in given["ResourceArns"]
                    ]
                }
            case _:
                pass
        return found

    def _found(self, operation: str, call: str) -> Any:
        """Return the response to a call, if any, unless it is an error."""
        found = self.responses.get(call)
        if isinstance(found, Rejected):
            raise self._error(operation, found.code)
        return found

    def _error(self, operation: str, code: str = "") -> ClientError:
        code = code or _NOT_FOUND.get(self.service, "ResourceNotFoundException")
        error = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        return ClientError(error, "".join(map(str.title, operation.split("_"))))

    def _named(self, operation: str) -> dict[str, Any]:
        """Return all responses to an operation by resource."""
        every = {name.partition(" ")[::2]: it for name, it in self.responses.items()}
        return {
            name: it
            for (each, name), it in every.items()
            if each == operation and not isinstance(it, Rejected)
        }


@contextmanager
def replaced(responses: Responses, printed: Mapping[str, Any]) -> Generator[list[tuple[str, Any]]]:
    """Replace AWS and the Pulumi CLI; yield the calls of AWS, with their parameters."""
    calls: list[tuple[str, Any]] = []

    def ignore(*_: object) -> None: ...

    class Session:
        events = SimpleNamespace(register=ignore, unregister=ignore)

        def __init__(self, region_name: str | None = None, **_: object) -> None:
            self.region_name = region_name or REGION

        def get_partition_for_region(self, region: str) -> str:
            return {"us-gov-west-1": "aws-us-gov"}.get(region, "aws")

        def client(self, service: str, **_: object) -> _Client:
            return _Client(responses, service, self.region_name, calls)

    def run_pulumi(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, json.dumps(printed[command[0]]), "")

    core = SimpleNamespace(
        get_config_variable=ignore, register_component=ignore, get_service_model=get_service_model
    )
    with (
        patch("boto3.Session", Session),
        patch("botocore.session.get_session", lambda: core),
        patch("roles.project.run_pulumi", run_pulumi),
        patch.dict("os.environ", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}),
    ):
        yield calls


def ask(world: World, options: Sequence[str]) -> Output:
    """Run `check` in a world."""
    calls = world.calls(alone=options[0] == ALONE[0])
    with replaced(calls, printed(world)):
        return run(options)


def printed(world: World) -> dict[str, Any]:
    """Return what Pulumi prints about the stack: its state, by command."""
    of_bucket = {"connector": "s3-v2", "bucketName": "documents"} | dict.fromkeys(
        ("secretId", "vpcConfiguration", "allowNetworkInterfaceDeletion")
    )
    given = {
        **({} if world.bucket is None else of_bucket),
        **({"permissionsBoundaryArn": BOUND} if world.boundary else {}),
        **world.settings,
    }
    config = {
        name: {"value": it if isinstance(it, str) else json.dumps(it), "secret": False}
        for name, it in (SETTINGS | {f"{PROJECT_NAME}:{name}": it for name, it in given.items()}).items()
        if it is not None
    }
    outputs = {"roleArn": ROLE_ARN, "roleName": ROLE_NAME}
    return {"stack": state.deployed(config, outputs | dict(world.outputs))}


def run(options: Sequence[str]) -> Output:
    """Run `check` in this process."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = copy_context().run(main, ["check", *options])
    return Output(code, out.getvalue(), err.getvalue())
