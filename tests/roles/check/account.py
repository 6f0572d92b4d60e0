"""Stand in for AWS and Pulumi with a healthy account, which each row in rows_*.py changes.

An account maps IDs, ARNs, and names to resources. It also maps an operation, or an operation on one
resource, to a response. Only the resources of the stack `dev` exist, unless a row adds others.
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
    SECOND_SUBNET_ID,
    SECRET_ARN,
    SETTINGS,
    USER_ARN,
    Output,
)
from tests.roles.check.policy_text import Policy, document, statements

Account = dict[str, Any]
"""Resources and responses, or changes to them, in which None removes an entry."""

OTHER_INDEX: Final = f"{INDEX_ID[:-1]}3"
PERIMETER: Final = f"arn:aws:iam::{ACCOUNT}:policy/perimeter"
BOUND: Final = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
STACK: Final = ("--stack", "dev")
DELETION: Final = "allowNetworkInterfaceDeletion"


def identifier(number: int) -> str:
    """Return the ID of the data source with this number; numbers start at 0."""
    return f"{number:08}-7890-12ab-cdef-333333333333"


ALONE: Final = ("--application", APPLICATION_ID, "--data-source-id", identifier(0))


class Rejected(NamedTuple):
    """An error response to a call, or to all calls about a resource."""

    code: str


# Changes.


def at(name: str, /, **changes: Any) -> Account:
    """Return changes to a resource that is otherwise healthy."""
    return {name: changes}


def gone(*names: str) -> Account:
    return dict.fromkeys(names)


def rejected(*calls: str, code: str = "AccessDenied") -> Account:
    return dict.fromkeys(calls, Rejected(code))


def data_sources(*changes: Mapping[str, Any]) -> Account:
    return {identifier(number): dict(each) for number, each in enumerate(changes)}


def in_other_index(*sources: Mapping[str, Any]) -> Account:
    """Return data sources, the last of which is in another index."""
    *others, last = sources
    return at(OTHER_INDEX) | data_sources(*others, {"indexId": OTHER_INDEX, **last})


def aem(**entries: Any) -> Account:
    """Return changes to a data source's configuration."""
    return {"configuration": entries}


def failed(message: str, status: str = "FAILED", **more: Any) -> Account:
    """Return changes that make a data source's last sync fail."""
    return {"sync": {"status": status, "error": {"errorMessage": message}, **more}}


def synced(status: str, **metrics: str) -> Account:
    """Return changes that set the status of a data source's last sync."""
    return {"sync": {"status": status, "metrics": metrics}}


def of_bucket(**connection: str) -> Account:
    """Return changes that make a data source read the bucket `documents`."""
    named = {"bucketName": "documents", **connection}
    configuration = {"type": "S3V2", "secretArn": None, "connectionConfiguration": named}
    return {"type": "S3V2", "configuration": configuration, "vpcConfiguration": None}


def role_of(entry: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{entry}-qbusiness-role-1234567"


def merged(base: Any, change: Any) -> Any:
    """Return the value with changes at any depth; None removes an entry."""
    if not (isinstance(base, dict) and isinstance(change, dict)):
        return change
    both = base | {name: merged(base.get(name), it) for name, it in change.items()}
    return {name: it for name, it in both.items() if it is not None}


# An account and a stack.


def healthy(name: str) -> dict[str, Any]:
    """Return a healthy resource with this ID, ARN, or name.

    `Client` makes responses from entries that resources in AWS do not have, such as `policy` and `sync`.
    """
    if "_" in name:  # an operation
        return {}
    last = name.rpartition("/")[2]
    in_network = {"OwnerId": ACCOUNT, "VpcId": "vpc-1"}
    kinds: dict[str, dict[str, Any]] = {
        APPLICATION_ID[-12:-1]: {
            "applicationArn": APPLICATION_ARN,
            "applicationId": name,
            "displayName": "Docs",
            "status": "ACTIVE",
        },
        INDEX_ID[-12:-1]: {
            "indexArn": f"{APPLICATION_ARN}/index/{name}",
            "indexId": name,
            "displayName": "Main",
            "status": "ACTIVE",
        },
        identifier(0)[-12:]: {
            "dataSourceId": name,
            "dataSourceArn": f"{APPLICATION_ARN}/index/{INDEX_ID}/data-source/{name}",
            "indexId": INDEX_ID,
            "displayName": "Pages",
            "status": "ACTIVE",
            "type": "AEM",
            "configuration": {"type": "AEM", "secretArn": SECRET_ARN},
            "roleArn": ROLE_ARN,
            "vpcConfiguration": SETTINGS[f"{PROJECT_NAME}:vpcConfiguration"],
            "sync": {"startTime": datetime(2026, 11, 2, 12, 30, tzinfo=UTC)},
        },
        ":secretsmanager:": {
            "ARN": name,
            "KmsKeyId": KEY_ARN,
            "VersionIdsToStages": {"version": ["AWSCURRENT"]},
            "keys": [],
            "policy": "",
        },
        ":kms:": {
            "Arn": name,
            "KeyId": last,
            "KeyManager": "CUSTOMER",
            "KeyState": "Enabled",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "KeyUsage": "ENCRYPT_DECRYPT",
            "policy": "delegation",
            "grants": [],
            "tags": {},
        },
        "subnet-": {
            **in_network,
            "SubnetId": name,
            "SubnetArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{name}",
            "State": "available",
            "AvailabilityZoneId": "use1-az1",
            "AvailableIpAddressCount": 251,
        },
        "sg-": {
            **in_network,
            "GroupId": name,
            "SecurityGroupArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{name}",
        },
        ":role/": {
            "Arn": name,
            "RoleName": last,
            "RoleId": "AROAEXAMPLE0000000001" if name == ROLE_ARN else "AROAEXAMPLEOTHER0001",
            "Path": "/",
            "trust": "trust",
            "policies": {OWN: "own"},
            "attached": [],
        },
        ":policy/": {"DefaultVersionId": "v2", "policy": ""},
        "": {  # a bucket
            "owner": ACCOUNT,
            "region": REGION,
            "policy": "",
            "abac": "Disabled",
            "tags": {},
        },
    }
    return next(each for kind, each in kinds.items() if kind in name)


class World(NamedTuple):
    """The differences from a healthy account."""

    guard: Policy = ""
    """An inline policy of the role, in addition to the program's."""
    attached: Policy = ""
    own: Policy = "own"
    """The role policy."""
    boundary: Policy = ""
    key: Policy = "delegation"
    secret: Policy = ""
    bucket: Policy | None = None
    """The policy of a bucket that is the data source; None for a data source with a secret."""
    settings: Mapping[str, Any] = {}
    """Changes to the stack's settings."""
    entries: Mapping[str, Mapping[str, Any] | None] = {}
    """The settings of the stack's entries, if it has any; None for an entry that is not deployed."""
    secret_tags: Mapping[str, str] = {}
    changes: Sequence[Account] = ()

    @property
    def bucket_owner(self) -> str:
        """The bucket's account; empty if the data source is not a bucket."""
        return "" if self.bucket is None else self.settings.get("bucketAccountId", ACCOUNT)

    @property
    def has_data_source(self) -> bool:
        return any(identifier(0) in each for each in self.changes)

    def account(self, *, alone: bool) -> Account:
        """Return the account with the stack or, if `alone`, with a data source that has the role."""
        arn = self.settings.get("secretId") or SECRET_ARN
        arn = arn if arn.startswith("arn:") else SECRET_ARN
        tags = [{"Key": name, "Value": it} for name, it in self.secret_tags.items()]
        # A data source does not contain the setting that adds this statement.
        unknown = "AllowsAmazonQToDeleteTaggedNI" if alone else ""
        own = statements(self.own, self.bucket_owner)
        changes: list[Account] = [
            {"get_caller_identity": {"Account": ACCOUNT, "Arn": USER_ARN, "UserId": "AIDA"}},
            {"describe_organization": {"Organization": {"Id": "o-a1b2c3d4e5"}}},
            *map(at, (APPLICATION_ID, INDEX_ID, SECRET_ARN, SUBNET_ID, SECOND_SUBNET_ID)),
            at(SECURITY_GROUP_ID),
            at(arn, Tags=tags, policy=self.secret),
            at(KEY_ARN, policy=self.key),
            at(
                ROLE_ARN,
                policies={
                    OWN: [each for each in own if each.get("Sid", "-") != unknown],
                    "guard": self.guard or None,
                },
                attached=[PERIMETER] if self.attached else [],
                PermissionsBoundary={"PermissionsBoundaryArn": BOUND} if self.boundary else None,
            ),
            at(PERIMETER, policy=self.attached),
            at(BOUND, policy=self.boundary),
            *(at(role_of(name)) for name, it in self.entries.items() if it is not None),
        ]
        if owner := self.bucket_owner:
            default = KEY_ARN if owner == ACCOUNT else Rejected("AccessDenied")
            changes.append(at("documents", owner=owner, default=default, policy=self.bucket))
        if alone and not self.has_data_source:
            changes.append(data_sources(aem(secretArn=arn) if self.bucket is None else of_bucket()))
        account: Account = {}
        for change in (*changes, *self.changes):
            new = {name: healthy(name) for name in change if name not in account}
            account = merged(account | new, change)
        return account


# Responses.

_RESOURCES: Final = (
    *("dataSourceId", "indexId", "applicationId", "SecretId", "KeyId", "Bucket"),
    *("PolicyArn", "RoleName"),
)
"""The parameters that identify a resource, the most specific first."""
_NOT_FOUND: Final = {"iam": "NoSuchEntity", "kms": "NotFoundException", "s3": "NoSuchBucket"}


def _encryption(default: Any) -> Any:
    """Return a bucket's encryption with a key; an empty string stands for the AWS managed key."""
    if isinstance(default, Rejected):
        return default
    rule = {"SSEAlgorithm": "AES256" if default is None else "aws:kms"}
    rule |= {"KMSMasterKeyID": default} if default else {}
    rules = [{"ApplyServerSideEncryptionByDefault": rule}]
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


_ABOUT: Final[dict[str, Callable[[Any], Any]]] = {
    "list_data_source_sync_jobs": lambda it: {"history": [it["sync"]] if "status" in it["sync"] else []},
    "list_secret_version_ids": lambda it: {
        "Versions": [
            {"VersionStages": ["AWSPREVIOUS"], "KmsKeyIds": [OTHER_KEY_ARN]},
            {"VersionStages": ["AWSCURRENT"], "KmsKeyIds": it["keys"]},
            {"VersionStages": ["AWSPENDING"], "KmsKeyIds": [OTHER_KEY_ARN]},
        ]
    },
    "get_resource_policy": lambda it: {
        "ARN": it["ARN"],
        **({"ResourcePolicy": document(it["policy"])} if it["policy"] else {}),
    },
    "describe_key": lambda it: {"KeyMetadata": it},
    "get_key_policy": lambda it: {"Policy": document(it["policy"])},
    "list_resource_tags": lambda it: {
        "Tags": [{"TagKey": key, "TagValue": value} for key, value in it["tags"].items()]
    },
    "get_bucket_abac": lambda it: {"AbacStatus": {"Status": it["abac"]}},
    "get_bucket_tagging": lambda it: (
        {"TagSet": [{"Key": key, "Value": value} for key, value in it["tags"].items()]}
        if it["tags"]
        else Rejected("NoSuchTagSet")
    ),
    "get_bucket_location": lambda it: {"LocationConstraint": it.get("region")},
    "get_bucket_encryption": lambda it: _encryption(it.get("default")),
    "get_bucket_policy": lambda it: (
        {"Policy": document(it["policy"])} if it["policy"] else Rejected("NoSuchBucketPolicy")
    ),
    "get_role": lambda it: {"Role": {"AssumeRolePolicyDocument": document(it["trust"]), **it}},
    "list_role_policies": lambda it: {"PolicyNames": [*it["policies"]]},
    "list_attached_role_policies": lambda it: {
        "AttachedPolicies": [
            {"PolicyArn": arn, "PolicyName": arn.rpartition("/")[2]} for arn in it["attached"]
        ]
    },
    "get_policy": lambda it: {"Policy": it},
    "get_policy_version": lambda it: {"PolicyVersion": {"Document": document(it["policy"])}},
}
"""The responses of the operations that do not return the resource itself."""


class Client:
    """A client for one service; its method `_OPERATION`, if any, makes the operation's response."""

    def __init__(self, account: Account, service: str, region: str, calls: list[Any]) -> None:
        self.account, self.service, self.calls = account, service, calls
        self.meta = SimpleNamespace(region_name=region)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return partial(self.respond, operation)

    def get_paginator(self, operation: str) -> Any:
        def paginate(**given: Any) -> list[Any]:
            return [self.respond(operation, **given)]

        return SimpleNamespace(paginate=paginate)

    def respond(self, operation: str, **given: Any) -> Any:
        """Return the response to a call; raise ClientError if the response is an error."""
        self.calls.append((operation, given))
        name = self._name(next((given[each] for each in _RESOURCES if each in given), ""))
        names = [name, *(it for each in given.get("Filters", ()) for it in each["Values"])]
        resource = self.account.get(name)
        of_call = (
            self.account.get(each) for each in (operation, *(f"{operation} {it}" for it in names))
        )
        response = resource if isinstance(resource, Rejected) else next(filter(None, of_call), None)
        if response is None:
            response = self._response(operation, resource, given)
        if isinstance(response, Rejected):
            code = response.code or _NOT_FOUND.get(self.service, "ResourceNotFoundException")
            error = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(error, "".join(map(str.title, operation.split("_"))))
        return response

    def _response(self, operation: str, resource: Any, given: Mapping[str, Any]) -> Any:
        if make := vars(Client).get(f"_{operation}"):
            return make(self, given)
        if resource is None:
            return Rejected("")
        if given.get("ExpectedBucketOwner", resource.get("owner")) != resource.get("owner"):
            return Rejected("AccessDenied")
        return _ABOUT.get(operation, dict)(resource)

    def _name(self, given: str) -> str:
        """Return the ARN of a role or secret, given its name or a part of the ARN."""
        form = rf"(?:.*:role/|.*:{ACCOUNT}:secret:)?{re.escape(given)}(?:-\w{{6}})?"
        named = [each for each in self.account if re.fullmatch(form, each)]
        return given if given in self.account or not named else named[0]

    def _every(self, entry: str, *values: Any) -> list[Any]:
        """Return the resources that have the entry; if values are passed, it must have one of them."""
        every = [each for each in self.account.values() if isinstance(each, dict) and entry in each]
        return [each for each in every if not values or each[entry] in values]

    def _list_indices(self, _: Mapping[str, Any]) -> Any:
        return {"indices": [{**each} for each in self._every("indexArn")]}

    def _list_data_sources(self, given: Mapping[str, Any]) -> Any:
        found = [each for each in self._every("indexId", given["indexId"]) if "dataSourceId" in each]
        listed = ("dataSourceId", "displayName", "type", "status")
        return {"dataSources": [{name: each[name] for name in listed} for each in found]}

    def _list_grants(self, given: Mapping[str, Any]) -> Any:
        every, grantee = self.account[given["KeyId"]]["grants"], given["GranteePrincipal"]
        return {"Grants": [each for each in every if each.get("GranteePrincipal", ROLE_ARN) == grantee]}

    def _describe_subnets(self, given: Mapping[str, Any]) -> Any:
        return {"Subnets": self._every("SubnetId", *given["Filters"][0]["Values"])}

    def _describe_security_groups(self, given: Mapping[str, Any]) -> Any:
        return {"SecurityGroups": self._every("GroupId", *given["Filters"][0]["Values"])}

    def _get_role_policy(self, given: Mapping[str, Any]) -> Any:
        policies = self.account[self._name(given["RoleName"])]["policies"]
        return {"PolicyDocument": document(policies[given["PolicyName"]])}

    def _simulate_principal_policy(self, given: Mapping[str, Any]) -> Any:
        found = [
            {"EvalActionName": action, "EvalResourceName": each, "EvalDecision": "allowed"}
            | self.account.get(
                f"simulate_principal_policy {given['PolicySourceArn']} {action} {each}", {}
            )
            for action in given["ActionNames"]
            for each in given["ResourceArns"]
        ]
        return {"EvaluationResults": found}


@contextmanager
def replaced(account: Account, printed: Mapping[str, Any]) -> Generator[list[tuple[str, Any]]]:
    """Replace AWS and the Pulumi CLI; yield the calls to AWS with their parameters."""
    calls: list[tuple[str, Any]] = []

    def ignore(*_: object) -> None: ...

    class Session:
        events = SimpleNamespace(register=ignore, unregister=ignore)

        def __init__(self, region_name: str | None = None, **_: object) -> None:
            self.region_name = region_name or REGION

        def get_partition_for_region(self, region: str) -> str:
            return {"us-gov-west-1": "aws-us-gov"}.get(region, "aws")

        def client(self, service: str, **_: object) -> Client:
            return Client(account, service, self.region_name, calls)

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
    """Run `check` on the account of this world."""
    with replaced(world.account(alone=options[0] == ALONE[0]), printed(world)):
        return run(options)


def printed(world: World) -> dict[str, Any]:
    """Return Pulumi's output about the stack, by command."""
    of_bucket = {"connector": "s3-v2", "bucketName": "documents", "vpcConfiguration": None}
    own = {name: SETTINGS[f"{PROJECT_NAME}:{name}"] for name in ("secretId", "kmsKeyId")}
    sources = {name: {**own, **(it or {})} for name, it in world.entries.items()}
    given = {
        **({} if world.bucket is None else {**of_bucket, "secretId": None, DELETION: None}),
        **({"permissionsBoundaryArn": BOUND} if world.boundary else {}),
        **({**dict.fromkeys((*own, DELETION)), "dataSources": sources} if sources else {}),
        **world.settings,
    }
    config = {
        name: {"value": it if isinstance(it, str) else json.dumps(it), "secret": False}
        for name, it in (SETTINGS | {f"{PROJECT_NAME}:{name}": it for name, it in given.items()}).items()
        if it is not None
    }
    arns = {name: role_of(name) for name, it in world.entries.items() if it is not None}
    return {"stack": state.deployed(config, {"roleArns": arns} if sources else {"roleArn": ROLE_ARN})}


def run(options: Sequence[str]) -> Output:
    """Run `check` in this process."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = copy_context().run(main, ["check", *options])
    return Output(code, out.getvalue(), err.getvalue())
