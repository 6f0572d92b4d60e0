"""Read one AWS account and Region.

This module makes all of the commands' calls to AWS, and only `Account.change` makes calls that change
anything. `roles/actions.py` lists their actions by command. AWS errors are botocore exceptions, which
`roles/errors.py` explains.
"""

import functools
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from functools import partial
from threading import Lock, current_thread, main_thread
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, TypeVar, cast
from urllib.parse import unquote

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import json_decode_policies

from guardrails.iam.documents import MalformedError, parse
from roles.actions import action
from roles.arns import Arn
from roles.concurrency import THREADS
from roles.errors import InputError, OddAnswerError, PageError, code, is_denied, is_gone
from roles.output import Notes
from roles.version import version

_CONNECT_TIMEOUT: Final = 5
"""Seconds that each attempt waits for a connection."""
_ATTEMPTS: Final = 10
"""The maximum number of attempts per call, unless the environment or the profile specifies another."""
_SESSION: Final = "qbusiness-roles"
"""The name of role sessions, which CloudTrail records with each call."""
_DEFAULT_KEY: Final = "DefaultEncryptionKey"
"""The key ID that stands for aws/secretsmanager in a secret's versions."""
_ROLES_PER_PAGE: Final = 1000
"""The maximum in https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html"""
_LOWEST_ERROR_STATUS: Final = 300
"""The lowest HTTP status that botocore raises as an error."""
_HTML_START: Final = re.compile(rb"\s*<(?:!doctype )?html", re.IGNORECASE)

_DECISIONS: Final = ("allowed", "explicitDeny", "implicitDeny")
"""https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html"""

S3_KEYS_ALGORITHM: Final = "AES256"
"""The encryption algorithm of a bucket that uses Amazon S3 managed keys."""

_loader: Final = functools.cache(botocore.loaders.create_loader)
"""Returns the SDK's descriptions of services, which all accounts share because they take 20 MB."""

Reply = Mapping[str, Any]
"""An AWS response, or a structure in one, as parsed by botocore."""

_Question = ParamSpec("_Question")
_Answer = TypeVar("_Answer")


class _Structure(dict[str, Any]):
    """A structure in a response, in which AWS may leave out an entry that this program needs."""

    def __init__(self, operation: str, entries: Mapping[str, Any]) -> None:
        super().__init__({name: _complete(operation, value) for name, value in entries.items()})
        self._operation = operation

    def __missing__(self, name: str) -> Any:
        operation = self._operation.title().replace("_", "")
        raise OddAnswerError(operation=action(operation), reason=f"has no {name}")


def _complete(operation: str, value: Any) -> Any:
    """Return a response, or a part of it, whose missing entries are errors about the response."""
    if isinstance(value, dict):
        return _Structure(operation, cast("dict[str, Any]", value))
    if isinstance(value, list):
        return [_complete(operation, each) for each in cast("list[Any]", value)]
    return value


class DataSource(NamedTuple):
    """A data source with its index and application."""

    application_id: str
    application_name: str
    index_id: str
    index_name: str
    id: str
    name: str
    type: str
    """The type of connector, such as AEM or S3."""
    status: str
    region: str

    @property
    def ids(self) -> dict[str, str]:
        """The IDs that identify the data source in the API."""
        return {
            "applicationId": self.application_id,
            "indexId": self.index_id,
            "dataSourceId": self.id,
        }

    @property
    def options(self) -> dict[str, str]:
        """The options that identify the data source in a CLI command, as `aws_command` takes them."""
        return {
            "region": self.region,
            "application_id": self.application_id,
            "index_id": self.index_id,
            "data_source_id": self.id,
        }

    @property
    def label(self) -> str:
        """The name, if there is one, and the ID."""
        return f"{self.name} {self.id}".strip()

    @property
    def deleted(self) -> str:
        """The note about a data source that was deleted after it was listed."""
        return f"data source {self.label} was deleted in the meantime"

    @property
    def application_label(self) -> str:
        """The application's name, if it is known, and its ID."""
        return f"{self.application_name} {self.application_id}".strip()

    @property
    def index_label(self) -> str:
        """The index's name, if it is known, and its ID."""
        return f"{self.index_name} {self.index_id}".strip()

    def document(self) -> dict[str, str]:
        """Return the entries that `--json` shows for the data source."""
        return {
            **self.ids,
            "displayName": self.name,
            "type": self.type,
            "status": self.status,
        }


class Encryption(NamedTuple):
    """A bucket's default encryption."""

    algorithm: str
    """The name in the API, such as `aws:kms`."""
    key_id: str | None
    """The ARN of a key or alias; None if none is set, as for Amazon S3 managed keys."""


class Role(NamedTuple):
    """A role and its policies in IAM.

    Fields in `ROLE_PROPERTIES` of `policy_settings` are named like the arguments of `aws.iam.Role`.
    """

    arn: str
    id: str
    """The unique ID; even a later role with the same name has a different ID."""
    name: str
    path: str
    description: str
    permissions_boundary: str
    """The ARN of the policy; empty if the role has no boundary."""
    max_session_duration: int
    """In seconds."""
    tags: Mapping[str, str]
    trust_policy: Mapping[str, Any]
    inline_policies: Mapping[str, Mapping[str, Any]]
    """Documents by name."""
    attached: tuple[str, ...] | None
    """ARNs of the attached policies; None if they could not be listed."""
    attached_policies: Mapping[str, Mapping[str, Any]]
    """The documents that could be read, by ARN."""
    denied: str | None
    """The action that was not allowed when reading attached policies; None if all were read."""
    last_used: datetime | None
    """None if IAM reports no use in the last 400 days."""

    @property
    def complete(self) -> bool:
        """Whether every policy could be read."""
        return self.denied is None


def _once(
    read: Callable[Concatenate["Account", _Question], _Answer],
) -> Callable[Concatenate["Account", _Question], _Answer]:
    """Decorate a method so that it runs only once with the same arguments, even in several threads.

    Later calls return the same result or raise the same error. Data sources may share a role or secret.
    """

    @functools.wraps(read)
    def read_once(account: "Account", *question: _Question.args, **named: _Question.kwargs) -> _Answer:
        key = (read.__name__, *question, *named.items())
        mine: Future[_Answer] = Future()
        answer = account.answers.setdefault(key, mine)
        if answer is mine:
            try:
                result = read(account, *question, **named)
            except BaseException as error:  # noqa: BLE001 raised in every calling thread
                mine.set_exception(error)
            else:
                mine.set_result(result)
        return answer.result()

    return read_once


class Account:
    """Access to the credentials' account in one Region."""

    def __init__(self, region: str | None, notes: Notes, assumed: Reply | None = None) -> None:
        """Set the Region; None means the Region in the environment or the profile.

        `assumed` is from `assume_role`; the default is credentials from the SDK's usual sources.
        """
        core = botocore.session.get_session()
        core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
        # Unlike Pulumi's provider, the SDK does not read AWS_REGION, only AWS_DEFAULT_REGION.
        self._session = boto3.Session(
            region_name=region or os.environ.get("AWS_REGION"), botocore_session=core
        )
        if assumed:
            names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
            core.set_credentials(*(assumed["Credentials"][name] for name in names))
        self._assumed = assumed
        # Otherwise, botocore parses policies and keeps only the last of two entries with the same key.
        self._session.events.unregister("after-call.iam", json_decode_policies)
        self._session.events.register("before-parse", _reject_html)
        self._session.events.register("before-parse.qbusiness.GetDataSource", self._note_unknown)
        self.unknown: dict[str, list[str]] = {}
        """The properties that this version of the SDK drops from responses, by the data source's ID."""
        self._session.events.register("after-call-error", _name_operation)
        self._core = core
        self._clients: dict[str, Any] = {}
        self.notes = notes
        self.answers: dict[tuple[object, ...], Future[Any]] = {}
        """The results and errors, by method and arguments."""
        self._elsewhere: dict[str, Account] = {}
        self._lock = Lock()
        self.region = str(self._client("qbusiness").meta.region_name)

    @property
    def partition(self) -> str:
        """The Region's partition, such as `aws`."""
        return str(self._session.get_partition_for_region(self.region))

    def in_region(self, region: str) -> "Account":
        """Return the same account in another Region, with its own answers."""
        if region == self.region:
            return self
        with self._lock:
            if region not in self._elsewhere:
                self._elsewhere[region] = Account(region, self.notes, self._assumed)
            return self._elsewhere[region]

    # Amazon Q Business.

    def applications(self) -> dict[str, str]:
        """Return the names of all applications by ID; raise InputError if there are none."""
        found = self._list("qbusiness", "list_applications", "applications")
        if not found:
            raise InputError(
                f"there is no Amazon Q Business application in {self.region} for these credentials: "
                "pass the application's Region with --region, or set AWS_PROFILE to a profile for its "
                "account"
            )
        if len(found) > 1:
            self._note(f"looking through {len(found)} applications")
        return {
            application["applicationId"]: application.get("displayName", "") for application in found
        }

    def data_sources(self, application_id: str | None = None) -> Iterator[DataSource]:
        """Yield the data sources of one application, or of all applications.

        With `application_id`, the application's name is left empty. Without it, raises InputError if
        there are no applications.
        """
        names = {application_id: ""} if application_id else self.applications()
        for application, name in names.items():
            for index in self.indices(application):
                index_name = index.get("displayName", "")
                for source in self.data_sources_of(application, index["indexId"]):
                    yield source._replace(application_name=name, index_name=index_name)

    @_once
    def indices(self, application_id: str) -> list[Reply]:
        """Return an application's indexes."""
        return self._list("qbusiness", "list_indices", "indices", applicationId=application_id)

    @_once
    def data_sources_of(self, application_id: str, index_id: str) -> list[DataSource]:
        """Return an index's data sources, without the names of the index and application."""
        found = self._list(
            "qbusiness",
            "list_data_sources",
            "dataSources",
            applicationId=application_id,
            indexId=index_id,
        )
        return [
            DataSource(
                application_id,
                "",
                index_id,
                "",
                source["dataSourceId"],
                source.get("displayName", ""),
                source.get("type", ""),
                source.get("status", ""),
                self.region,
            )
            for source in found
        ]

    @_once
    def data_source(self, data_source: DataSource) -> Reply:
        """Return the details of a data source, such as its role, configuration, and VPC."""
        return self._call("qbusiness", "get_data_source", **data_source.ids)

    @_once
    def application(self, application_id: str) -> Reply:
        """Return the details of an application."""
        return self._call("qbusiness", "get_application", applicationId=application_id)

    @_once
    def index(self, application_id: str, index_id: str) -> Reply:
        """Return the details of an index."""
        return self._call("qbusiness", "get_index", applicationId=application_id, indexId=index_id)

    @_once
    def syncs(self, data_source: DataSource) -> list[Reply]:
        """Return the sync jobs of a data source."""
        return self._list("qbusiness", "list_data_source_sync_jobs", "history", **data_source.ids)

    # Secrets and keys.

    @_once
    def secret(self, secret_id: str) -> Reply:
        """Return a secret's metadata, with any key as a key or alias ARN. No method reads the value."""
        found = self._call("secretsmanager", "describe_secret", SecretId=secret_id)
        if key_id := found.get("KmsKeyId"):
            return {**found, "KmsKeyId": _key_arn(key_id, Arn.of(found["ARN"]))}
        return found

    @_once
    def secret_versions(self, arn: str) -> list[Reply]:
        """Return a secret's versions that have staging labels, with their keys' ARNs or alias ARNs."""
        # A secret has at most 20 staging labels, so one page contains all versions that have a label.
        found = self._call("secretsmanager", "list_secret_version_ids", SecretId=arn, MaxResults=100)
        return [
            {
                **version,
                "KmsKeyIds": [
                    _key_arn("alias/aws/secretsmanager" if key == _DEFAULT_KEY else key, Arn.of(arn))
                    for key in version.get("KmsKeyIds", ())
                ],
            }
            for version in found["Versions"]
        ]

    @_once
    def secret_policy(self, secret_id: str) -> Any | None:
        """Return a secret's resource policy; None if it has none."""
        found = self._call("secretsmanager", "get_resource_policy", SecretId=secret_id)
        operation = "secretsmanager:GetResourcePolicy"
        if "ARN" not in found:  # a response has it even if there is no policy
            raise OddAnswerError(operation=operation, reason="has no ARN")
        policy = found.get("ResourcePolicy")
        return _document(operation, policy) if policy else None

    @_once
    def key(self, key_id: str) -> Reply:
        """Return a key's metadata; `key_id` can be an ID, ARN, or alias."""
        return self._call("kms", "describe_key", KeyId=key_id)["KeyMetadata"]

    @_once
    def key_policy(self, key_id: str) -> Any:
        """Return the policy of a key in this account."""
        found = self._call("kms", "get_key_policy", KeyId=key_id, PolicyName="default")
        return _document("kms:GetKeyPolicy", found["Policy"])

    @_once
    def grants(self, key_id: str, grantee: str) -> list[Reply]:
        """Return the grants on a key whose grantee is this principal."""
        return self._list("kms", "list_grants", "Grants", KeyId=key_id, GranteePrincipal=grantee)

    # VPCs.

    def subnets(self, subnet_ids: Sequence[str]) -> list[Reply]:
        """Return the existing subnets with these IDs."""
        wanted = [{"Name": "subnet-id", "Values": [*subnet_ids]}]
        return self._list("ec2", "describe_subnets", "Subnets", Filters=wanted)

    def security_groups(self, group_ids: Sequence[str]) -> list[Reply]:
        """Return the existing security groups with these IDs."""
        wanted = [{"Name": "group-id", "Values": [*group_ids]}]
        return self._list("ec2", "describe_security_groups", "SecurityGroups", Filters=wanted)

    # Buckets.

    def bucket_region(self, bucket: str, owner: str | None = None) -> str:
        """Return a bucket's Region; if `owner` is set and does not own the bucket, AWS denies access."""
        expected = {"ExpectedBucketOwner": owner} if owner else {}
        found = self._call("s3", "get_bucket_location", Bucket=bucket, **expected)
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
        region = str(found["LocationConstraint"] or "us-east-1")
        return "eu-west-1" if region == "EU" else region

    @_once
    def bucket_encryption(self, bucket: str, owner: str) -> Encryption:
        """Return the default encryption of a bucket; AWS denies access if `owner` does not own it."""
        expected = {"Bucket": bucket, "ExpectedBucketOwner": owner}
        try:
            found = self._call("s3", "get_bucket_encryption", **expected)
        except ClientError as error:
            if code(error) == "ServerSideEncryptionConfigurationNotFoundError":
                return Encryption(S3_KEYS_ALGORITHM, None)
            raise
        rules: list[Reply] = found["ServerSideEncryptionConfiguration"]["Rules"]
        default: Reply = rules[0]["ApplyServerSideEncryptionByDefault"]
        key_id = default.get("KMSMasterKeyID")
        home = Arn.of(f"arn:{self.partition}:s3:{self.region}:{owner}:{bucket}")
        return Encryption(default["SSEAlgorithm"], key_id and _key_arn(key_id, home))

    @_once
    def bucket_policy(self, bucket: str) -> Any | None:
        """Return the policy of a bucket in this account; None if it has none."""
        try:
            found = self._call("s3", "get_bucket_policy", Bucket=bucket)
        except ClientError as error:
            if code(error) == "NoSuchBucketPolicy":
                return None
            raise
        return _document("s3:GetBucketPolicy", found["Policy"])

    # Roles.

    @_once
    def role(self, name: str) -> Role:
        """Read a role, its inline policies, and, as far as permissions allow, its attached policies."""
        role = self._role(name)
        inline_policies = self.inline_policies(role["RoleName"])
        attached, attached_policies, denied = self._attached_policies(role["RoleName"])
        boundary: Reply | None = role.get("PermissionsBoundary")
        return Role(
            role["Arn"],
            role["RoleId"],
            role["RoleName"],
            role["Path"],
            role.get("Description", ""),
            boundary["PermissionsBoundaryArn"] if boundary else "",
            role.get("MaxSessionDuration", 3600),
            {tag["Key"]: tag.get("Value", "") for tag in role.get("Tags", [])},
            _document("iam:GetRole", role["AssumeRolePolicyDocument"]),
            inline_policies,
            attached,
            attached_policies,
            denied,
            role.get("RoleLastUsed", {}).get("LastUsedDate"),
        )

    def roles(self) -> list[Reply]:
        """Return the account's roles, with their trust policies as JSON.

        Their last use is missing, because ListRoles omits it.
        """
        found = self._list("iam", "list_roles", "Roles", PaginationConfig={"PageSize": _ROLES_PER_PAGE})
        trust = "AssumeRolePolicyDocument"
        return [{**role, trust: _json(role[trust])} for role in found]

    def last_used(self, name: str) -> datetime | None:
        """Return when a role was last used; None if IAM reports no use."""
        used: datetime | None = self._role(name).get("RoleLastUsed", {}).get("LastUsedDate")
        return used

    @_once
    def role_reply(self, name: str) -> Reply:
        """Return a role's properties, without its policies, such as its ARN and unique ID."""
        return self._role(name)

    def inline_policies(self, role: str) -> dict[str, Mapping[str, Any]]:
        """Return the documents of a role's inline policies by name."""
        names = self._list("iam", "list_role_policies", "PolicyNames", RoleName=role)
        read = self._inline_policy
        found = {name: self._unless_gone(name, partial(read, role, name)) for name in names}
        return {name: document for name, document in found.items() if document}

    def _inline_policy(self, role: str, name: str) -> Any:
        found = self._call("iam", "get_role_policy", RoleName=role, PolicyName=name)
        return _document("iam:GetRolePolicy", found["PolicyDocument"])

    def attached_policies(self, role: str) -> list[str]:
        """Return the ARNs of the policies that are attached to a role."""
        operation = "list_attached_role_policies"
        found = self._list("iam", operation, "AttachedPolicies", RoleName=role)
        return [policy["PolicyArn"] for policy in found]

    @_once
    def policy(self, arn: str) -> Reply:
        """Return the properties of a managed policy, without its document."""
        found: Reply = self._call("iam", "get_policy", PolicyArn=arn)["Policy"]
        return found

    @_once
    def managed_policy(self, arn: str) -> Mapping[str, Any]:
        """Return the document of a managed policy's default version."""
        version = self.policy(arn)["DefaultVersionId"]
        found = self._call("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
        return _document("iam:GetPolicyVersion", found["PolicyVersion"]["Document"])

    # AWS's decisions.

    @_once
    def caller(self) -> Reply:
        """Return the account and ARN to which the credentials belong."""
        if self._assumed:
            arn: str = self._assumed["AssumedRoleUser"]["Arn"]
            return {"Account": Arn.of(arn).account, "Arn": arn}
        return self._call("sts", "get_caller_identity")

    @_once
    def organization(self) -> str:
        """Return the ID of the account's organization; empty if the account is not in one."""
        try:
            return self._call("organizations", "describe_organization")["Organization"]["Id"]
        except ClientError as error:
            if code(error) == "AWSOrganizationsNotInUseException":
                return ""
            raise

    def active_accounts(self) -> list[str]:
        """Return the IDs of the organization's active accounts; only some accounts are allowed to."""
        found = self._list("organizations", "list_accounts", "Accounts")
        return [account["Id"] for account in found if account["State"] == "ACTIVE"]

    def assume_role(self, role_arn: str, external_id: str | None) -> Reply:
        """Return the response of AssumeRole, with credentials that expire after an hour."""
        condition = {"ExternalId": external_id} if external_id else {}
        session = {"RoleArn": role_arn, "RoleSessionName": _SESSION, **condition}
        return self._call("sts", "assume_role", **session)

    def simulate(
        self, principal: str, actions: Sequence[str], resource: str, context: Mapping[str, Any]
    ) -> list[Reply]:
        """Return IAM's decisions on a principal's actions on a resource.

        The values in `context` are strings or lists of strings. Raises OddAnswerError unless there is
        exactly one known decision for each action.
        """
        entries = [
            {
                "ContextKeyName": key,
                "ContextKeyValues": [value] if isinstance(value, str) else value,
                "ContextKeyType": "string" if isinstance(value, str) else "stringList",
            }
            for key, value in context.items()
        ]
        operation = "simulate_principal_policy"
        found = self._list(
            "iam",
            operation,
            "EvaluationResults",
            PolicySourceArn=principal,
            ActionNames=[*actions],
            ResourceArns=[resource],
            ContextEntries=entries,
        )
        decided = sorted(
            result["EvalActionName"] for result in found if result["EvalDecision"] in _DECISIONS
        )
        if decided != sorted(actions):
            raise OddAnswerError(
                operation=action("SimulatePrincipalPolicy"),
                reason=f"has decisions for {', '.join(decided) or 'no action'}, not for "
                f"{', '.join(actions)}",
            )
        return found

    def _role(self, name: str) -> Reply:
        return self._call("iam", "get_role", RoleName=name)["Role"]

    def _attached_policies(
        self, role: str
    ) -> tuple[tuple[str, ...] | None, dict[str, Mapping[str, Any]], str | None]:
        """Return the ARNs and documents of attached policies, and any action that was not allowed.

        After such an action, no more policies are read. The ARNs are None if they could not be listed.
        """
        attached: tuple[str, ...] | None = None
        documents: dict[str, Mapping[str, Any]] = {}
        try:
            attached = tuple(self.attached_policies(role))
            for arn in attached:
                document = self._unless_gone(arn, partial(self.managed_policy, arn))
                documents |= {arn: document} if document else {}
        except ClientError as error:
            if not is_denied(error):
                raise
            return attached, documents, action(error.operation_name)
        return attached, documents, None

    def _unless_gone(self, policy: str, read: Callable[[], Any]) -> Any | None:
        """Return what `read` returns; None, with a note, if the policy has been deleted since."""
        try:
            return read()
        except ClientError as error:
            if not is_gone(error):
                raise
            self.notes(f"the policy {policy} was deleted in the meantime")
            return None

    # Changes.

    def change(self, service: str, operation: str, **parameters: Any) -> None:
        """Make a call that changes AWS, and forget all answers."""
        try:
            self._call(service, operation, **parameters)
        finally:
            self.answers.clear()

    def parameters(self, service: str, operation: str) -> Collection[str]:
        """Return the names of the parameters of an operation, such as `UpdateDataSource`."""
        return self._client(service).meta.service_model.operation_model(operation).input_shape.members

    # Calls to AWS.

    def close(self) -> None:
        """Close all connections; a later call opens a new one."""
        for client in self._clients.values():
            client.close()

    def _client(self, service: str) -> Any:
        with self._lock:  # threads can share clients, but not the session that creates them
            if service not in self._clients:
                self._clients[service] = self._new_client(service)
            return self._clients[service]

    def _new_client(self, service: str) -> Any:
        try:
            attempts: Any = self._core.get_config_variable("max_attempts") or _ATTEMPTS
            options = Config(
                user_agent_extra=f"{_SESSION}/{version()}",  # CloudTrail records it
                connect_timeout=_CONNECT_TIMEOUT,
                max_pool_connections=THREADS,
                # Adaptive mode retries throttled calls and slows down the client's later calls.
                retries={"mode": "adaptive", "total_max_attempts": attempts},
            )
            return self._session.client(service, config=options)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownMemberType, reportUnknownVariableType]
        except BotoCoreError:
            raise  # some are also a ValueError
        except ValueError as error:
            raise InputError(
                f"the AWS SDK rejects a setting in the environment or the profile: {error}"
            ) from None

    def _call(self, service: str, operation: str, **parameters: Any) -> Reply:
        return _complete(operation, getattr(self._client(service), operation)(**parameters))

    def _list(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
        """Return the items on all pages of a list, and report progress from the second page on."""
        client = self._client(service)
        items: list[Any] = []
        for page in client.get_paginator(operation).paginate(**parameters):
            if items:
                items_read = operation.partition("_")[2].replace("_", " ")
                self._note(f"reading {items_read}: {len(items)} so far")
            items += _complete(operation, page).get(key, [])
        return items

    def _note(self, text: str) -> None:
        """Write a note about the progress; in other threads, `read_each` already shows it."""
        if current_thread() is main_thread():
            self.notes(text)

    def _note_unknown(self, operation_model: Any, response_dict: Mapping[str, Any], **_: object) -> None:
        with suppress(ValueError, AttributeError):  # the parser reports a body that is not an object
            body = json.loads(response_dict["body"])
            self.unknown[body.get("dataSourceId")] = [*_unknown(operation_model.output_shape, body)]


def is_alias(key_id: str) -> bool:
    """Return whether a key ID is an alias or the ARN of an alias."""
    return _resource(key_id).startswith("alias/")


def is_aws_alias(key_id: str) -> bool:
    """Return whether a key ID is the alias of a key that AWS manages, or the alias's ARN."""
    return _resource(key_id).startswith("alias/aws/")


def _key_arn(key_id: str, home: Arn) -> str:
    """Return the ARN of a key or alias; a plain ID or name is in the Region and account of `home`."""
    if key_id.startswith("arn:"):
        return key_id
    resource = key_id if is_alias(key_id) else f"key/{key_id}"
    return f"arn:{home.partition}:kms:{home.region}:{home.account}:{resource}"


def _resource(key_id: str) -> str:
    """Return `key/ID` or `alias/NAME` from an ARN, and other text unchanged."""
    return key_id.rpartition(":")[2]


def _document(operation: str, text: str) -> Any:
    """Parse a policy's JSON, even if URL-encoded; raise OddAnswerError if it is not valid."""
    try:
        return parse(_json(text))
    except MalformedError as error:
        reason = f"has a policy that cannot be read: {error}"
        raise OddAnswerError(operation=operation, reason=reason) from None


def _json(text: str) -> str:
    """Return a policy's JSON, decoded if it is URL-encoded, as in IAM's responses."""
    return unquote(text) if text.startswith("%") else text


def _name_operation(exception: Exception, event_name: str, **_: object) -> None:
    """Store the operation's name in a connection error's `kwargs`, as OddAnswerError does."""
    if isinstance(exception, BotoCoreError):
        exception.kwargs.setdefault("operation", event_name.rpartition(".")[2])


def _unknown(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of the properties in a response that are not in the service's model."""
    if shape.type_name == "list" and isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from _unknown(shape.member, each, path)
    elif shape.type_name == "structure" and not shape.is_document_type and isinstance(value, dict):
        for name, its in cast("dict[str, Any]", value).items():
            if name in shape.members:
                yield from _unknown(shape.members[name], its, f"{path}{name}.")
            else:
                yield f"{path}{name}"


def _reject_html(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
    """Raise PageError for an HTML page that botocore would otherwise read as an empty response."""
    if response_dict["status_code"] < _LOWEST_ERROR_STATUS and _HTML_START.match(response_dict["body"]):
        raise PageError(operation=operation_model.name)
