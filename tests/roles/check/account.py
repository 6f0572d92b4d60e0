"""Stand in for AWS and Pulumi: an account in which nothing is wrong, and what a row changes in it.

A response has an operation and the resource that it is about as its key. An operation without a response
gets AWS's answer about a resource that does not exist, or an empty list.
"""

import json
import re
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
from tests.roles.check.policy_text import Policy, document, statements

Responses = dict[str, Any]
"""AWS's responses by operation and resource."""

OTHER_INDEX: Final = f"{INDEX_ID[:-1]}3"
OTHER_APPLICATION: Final = f"{APPLICATION_ARN[:-1]}2"
THIRD_ID: Final = "subnet-0c3d4e5f607182930"
SUBNETS: Final = [SUBNET_ID, SECOND_SUBNET_ID]
VPC: Final = {"subnetIds": SUBNETS, "securityGroupIds": [SECURITY_GROUP_ID]}
ORGANIZATION: Final = "o-a1b2c3d4e5"
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


def gone(*calls: str) -> Responses:
    return rejected(*calls, code="")


# Applications, indexes, and data sources.

APPLICATION: Final = {
    "applicationArn": APPLICATION_ARN,
    "applicationId": APPLICATION_ID,
    "displayName": "Docs",
    "status": "ACTIVE",
}


def application(**entries: Any) -> Responses:
    return {f"get_application {APPLICATION_ID}": APPLICATION | entries}


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
    return {f"list_grants {KEY_ARN}": [*grants]}


# Subnets and security groups.


def subnets(*changes: Mapping[str, Any] | None, ids: Sequence[str] = SUBNETS) -> Responses:
    """Return subnets, with a change for each; None removes a subnet."""
    found: Responses = {}
    for number, (name, change) in enumerate(zip(ids, changes, strict=True)):
        arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{name}"
        found[f"describe_subnets {name}"] = (
            None
            if change is None
            else {
                "SubnetId": name,
                "SubnetArn": arn,
                "OwnerId": ACCOUNT,
                "State": "available",
                "AvailabilityZoneId": f"use1-az{(1, 2, 4)[number]}",
                "AvailableIpAddressCount": 251,
                "VpcId": "vpc-1",
                **change,
            }
        )
    return found


def groups(owner: str = ACCOUNT, **vpcs: str | None) -> Responses:
    """Return security groups by VPC; None removes a group."""
    return {
        f"describe_security_groups {name}": vpc
        and {
            "GroupId": name,
            "SecurityGroupArn": f"arn:aws:ec2:{REGION}:{owner}:security-group/{name}",
            "OwnerId": owner,
            "VpcId": vpc,
        }
        for name, vpc in ((name.replace("_", "-"), vpc) for name, vpc in vpcs.items())
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
    """Return a bucket; `default` is its key, if any, maybe after an algorithm and a space."""
    algorithm, _, key_id = (default or "").rpartition(" ")
    rule = {"SSEAlgorithm": "AES256" if default is None else algorithm or "aws:kms"}
    rule |= {"KMSMasterKeyID": key_id} if key_id else {}
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]}
    return {
        f"bucket {name}": owner,
        f"get_bucket_location {name}": {"LocationConstraint": region},
        f"get_bucket_encryption {name}": {"ServerSideEncryptionConfiguration": encryption},
        f"get_bucket_policy {name}": {"Policy": document(policy)}
        if policy
        else Rejected("NoSuchBucketPolicy"),
    }


def unseen(name: str = "documents", code: str = "AccessDenied") -> Responses:
    """Return errors about a bucket."""
    return {f"bucket {name}": Rejected(code)}


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
    return {f"list_attached_role_policies {ROLE_NAME}": found}


def managed(arn: str, policy: Policy) -> Responses:
    return {
        f"get_policy {arn}": {"Policy": {"DefaultVersionId": "v2"}},
        f"get_policy_version {arn}": {"PolicyVersion": {"Document": document(policy)}},
    }


def deployed(arn: str, policy: Policy) -> Responses:
    """Return the stack's role with a boundary."""
    return own_role(PermissionsBoundary={"PermissionsBoundaryArn": arn}) | managed(arn, policy)


def simulated(action: str, resource: str, decision: Any, principal: str = ROLE_ARN) -> Responses:
    """Return the response to one simulation."""
    named = {"EvalActionName": action, "EvalResourceName": resource}
    return {f"simulate_principal_policy {principal} {action} {resource}": named | decision}


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


def vpc_of(subnet_ids: Sequence[str] = SUBNETS, group_ids: Sequence[str] = (SECURITY_GROUP_ID,)) -> Any:
    """Return the setting for the VPC."""
    return {"vpcConfiguration": {"subnetIds": [*subnet_ids], "securityGroupIds": [*group_ids]}}


# An account and a stack.


class World(NamedTuple):
    """Differences from an account in which nothing is wrong."""

    guard: Policy = ""
    """An inline policy of the role, besides the program's."""
    attached: Policy = ""
    attached_arn: str = PERIMETER
    own: Policy = "own"
    """The role policy."""
    boundary: Policy = ""
    boundary_arn: str = BOUND
    key: Policy = "delegation"
    secret: Policy = ""
    bucket: Policy | None = None
    """The policy of a bucket that is the data source; None for a data source with a secret."""
    settings: Mapping[str, Any] = {}
    """None for a setting that the stack lacks."""
    outputs: Mapping[str, Any] = {}
    secret_tags: Mapping[str, str] = {}
    role_tags: Mapping[str, str] = {}
    organization: str = ORGANIZATION
    responses: Mapping[str, Any] = {}

    @property
    def bucket_owner(self) -> str:
        """The bucket's account; empty if the data source is not a bucket."""
        return "" if self.bucket is None else self.settings.get("bucketAccountId", ACCOUNT)

    @property
    def all_settings(self) -> dict[str, Any]:
        """The stack's settings by key, without those that it lacks."""
        of_bucket = {"connector": "s3-v2", "bucketName": "documents"} | dict.fromkeys(
            ("secretId", "vpcConfiguration", "allowNetworkInterfaceDeletion")
        )
        given = {
            **({} if self.bucket is None else of_bucket),
            **({"permissionsBoundaryArn": self.boundary_arn} if self.boundary else {}),
            **self.settings,
        }
        every = SETTINGS | {f"{PROJECT_NAME}:{name}": it for name, it in given.items()}
        return {name: it for name, it in every.items() if it is not None}

    def calls(self, *, alone: bool) -> Responses:
        """Return AWS's responses, with or without the stack; without it, a data source has the role."""
        settings, owner = self.settings, self.bucket_owner
        arn = settings.get("secretId") or SECRET_ARN
        arn = arn if arn.startswith("arn:") else SECRET_ARN
        tags = [{"Key": name, "Value": it} for name, it in self.secret_tags.items()]
        policy = {"ResourcePolicy": document(self.secret)} if self.secret else {}
        # A data source does not contain the option for this statement.
        own = statements(self.own, owner)
        own = [each for each in own if not alone or each.get("Sid") != "AllowsAmazonQToDeleteTaggedNI"]
        bound = {"PermissionsBoundary": {"PermissionsBoundaryArn": self.boundary_arn}}
        foreign = owner not in ("", ACCOUNT)
        found: Responses = {
            "get_caller_identity": {"Account": ACCOUNT, "Arn": USER_ARN, "UserId": "AIDA"},
            "describe_organization": {"Organization": {"Id": self.organization}}
            if self.organization
            else Rejected("AWSOrganizationsNotInUseException"),
            **application(),
            **index(),
            **secret(SECRET_ARN, Tags=tags),
            **secret(arn, Tags=tags),
            f"get_resource_policy {arn}": {"ARN": arn, **policy},
            **key(policy=self.key),
            **subnets({}, {}),
            **groups(**{SECURITY_GROUP_ID: "vpc-1"}),
            **own_role(
                Tags=[{"Key": name, "Value": it} for name, it in self.role_tags.items()],
                **(bound if self.boundary else {}),
            ),
            **inline(OWN, own),
            **(inline("guard", self.guard) if self.guard else {}),
            **(attached(self.attached_arn) if self.attached else {}),
            **managed(self.attached_arn, self.attached),
            **(managed(self.boundary_arn, self.boundary) if self.boundary else {}),
        }
        if self.bucket is not None:
            found |= bucket(owner=owner, default=KEY_ARN, policy=self.bucket)
            found |= rejected("get_bucket_encryption documents") if foreign else {}
        if alone and not any("data_source" in name for name in self.responses):
            found |= data_sources(aem(secretArn=arn) if self.bucket is None else of_bucket())
        return found | dict(self.responses)


# Asking.

_RESOURCES: Final = (
    "dataSourceId",
    "indexId",
    "applicationId",
    "SecretId",
    "KeyId",
    "Bucket",
    "PolicyArn",
)
"""The parameters that name a resource, the most specific first."""
_NOT_FOUND: Final = {"iam": "NoSuchEntity", "kms": "NotFoundException", "s3": "NoSuchBucket"}


class _Client:
    """Calls of one service; a method `_OPERATION` makes a response from several entries."""

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
        name = next((given[each] for each in _RESOURCES if each in given), given.get("RoleName", ""))
        name += f"/{given['PolicyName']}" if operation == "get_role_policy" else ""
        if self.service == "secretsmanager":
            name = self._secret_arn(name)
        call = f"{operation} {name}".strip()
        owner = self.responses.get(f"bucket {name}")
        for found in (self.responses.get(operation), owner, self.responses.get(call)):
            if isinstance(found, Rejected):
                raise self._error(operation, found.code)
        if "Bucket" in given and owner is None:
            raise self._error(operation)
        if given.get("ExpectedBucketOwner", owner) != owner:
            raise self._error(operation, "AccessDenied")
        if make := vars(_Client).get(f"_{operation}"):
            return make(self, given)
        if operation == "get_resource_policy" and f"describe_secret {name}" in self.responses:
            return {"ARN": name} | self.responses.get(call, {})
        if call not in self.responses:
            raise self._error(operation)
        return self.responses[call]

    def _error(self, operation: str, code: str = "") -> ClientError:
        code = code or _NOT_FOUND.get(self.service, "ResourceNotFoundException")
        error = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        return ClientError(error, "".join(map(str.title, operation.split("_"))))

    def _named(self, operation: str) -> dict[str, Any]:
        """Return all responses to an operation by resource."""
        found = {name.partition(" ")[::2]: it for name, it in self.responses.items()}
        found = {name: it for (each, name), it in found.items() if each == operation}
        return {name: it for name, it in found.items() if not isinstance(it, Rejected)}

    def _secret_arn(self, name: str) -> str:
        """Return the ARN of the secret with this ARN, ARN without its suffix, or name."""
        every = self._named("describe_secret")
        own = {each[:-7].rpartition(":")[2]: each for each in every if f":{ACCOUNT}:" in each}
        partial = {each[:-7]: each for each in every}
        return name if name in every else partial.get(name, own.get(name, name))

    # Applications and indexes.

    def _list_indices(self, _: Mapping[str, Any]) -> Any:
        names = self._named("get_index")
        return {"indices": [{"indexId": each, "displayName": "Main"} for each in names]}

    def _list_data_sources(self, given: Mapping[str, Any]) -> Any:
        every = self._named("data_source").values()
        found = [each for each in every if each["indexId"] == given["indexId"]]
        return {"dataSources": [{name: each[name] for name in _LISTED} for each in found]}

    # Keys.

    def _list_grants(self, given: Mapping[str, Any]) -> Any:
        every = self.responses.get(f"list_grants {given['KeyId']}", [])
        grantee = given["GranteePrincipal"]
        return {"Grants": [each for each in every if each.get("GranteePrincipal", ROLE_ARN) == grantee]}

    # The network.

    def _list(self, operation: str, filters: Any) -> list[Any]:
        names = dict.fromkeys(each for its in filters for each in its["Values"])
        found = [self.responses.get(f"{operation} {each}") for each in names]
        for each in found:
            if isinstance(each, Rejected):
                raise self._error(operation, each.code)
        return [*filter(None, found)]

    def _describe_subnets(self, given: Mapping[str, Any]) -> Any:
        return {"Subnets": self._list("describe_subnets", given["Filters"])}

    def _describe_security_groups(self, given: Mapping[str, Any]) -> Any:
        return {"SecurityGroups": self._list("describe_security_groups", given["Filters"])}

    # Roles.

    def _list_role_policies(self, given: Mapping[str, Any]) -> Any:
        every = [name.split("/") for name in self._named("get_role_policy")]
        return {"PolicyNames": [policy for role, policy in every if role == given["RoleName"]]}

    def _list_attached_role_policies(self, given: Mapping[str, Any]) -> Any:
        found = self.responses.get(f"list_attached_role_policies {given['RoleName']}", [])
        return {"AttachedPolicies": found}

    def _simulate_principal_policy(self, given: Mapping[str, Any]) -> Any:
        asked = [(action, each) for action in given["ActionNames"] for each in given["ResourceArns"]]
        found: list[Any] = []
        for action, each in asked:
            named = {"EvalActionName": action, "EvalResourceName": each, "EvalDecision": "allowed"}
            name = f"simulate_principal_policy {given['PolicySourceArn']} {action} {each}"
            found.append(self.responses.get(name, named))
        return {"EvaluationResults": found}


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
    config = {
        name: {"value": it if isinstance(it, str) else json.dumps(it), "secret": False}
        for name, it in world.all_settings.items()
    }
    outputs = {"roleArn": ROLE_ARN, "roleName": ROLE_NAME}
    return {"stack": state.deployed(config, outputs | dict(world.outputs))}


def run(options: Sequence[str]) -> Output:
    """Run `check` in this process."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = copy_context().run(main, ["check", *options])
    return Output(code, out.getvalue(), err.getvalue())


def answers_in(said: Output) -> list[str]:
    """Return the answers, and the line after them."""
    return re.findall(r"^\S.*\n(?: .*\n)*", said.out, re.MULTILINE)
