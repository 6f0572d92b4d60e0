"""Read one AWS account and Region.

This module makes all of the commands' calls to AWS. Only `Account.change` makes calls that change
resources. `roles/actions.py` lists the calls. The calls raise botocore's exceptions; `explain` in
`roles/errors.py` converts them to messages.
"""

import functools
import json
import operator
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from functools import partial
from threading import Lock
from typing import Any, Final, NamedTuple, cast
from urllib.parse import unquote

import boto3
import botocore.loaders
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import json_decode_policies

from guardrails.iam.documents import MalformedError, parse
from roles.actions import READS, SESSION, action
from roles.arns import Arn
from roles.concurrency import THREADS
from roles.errors import InputError, OddAnswerError, code, is_denied, is_gone, unknown_status
from roles.output import Notes
from roles.version import version

_CONNECT_TIMEOUT: Final = 5
"""The connection timeout of each attempt, in seconds."""
_ATTEMPTS: Final = 10
"""The maximum number of attempts per call, unless the environment or the profile specifies a maximum."""
_DEFAULT_KEY: Final = "DefaultEncryptionKey"
"""The key ID that stands for aws/secretsmanager in a secret's versions."""
_LOWEST_ERROR_STATUS: Final = 300
"""The lowest HTTP status for which botocore raises an error."""
_HTML_START: Final = re.compile(rb"\s*<(?:!doctype )?html", re.IGNORECASE)

_DECISIONS: Final = ("allowed", "explicitDeny", "implicitDeny")
"""https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html"""

_loader: Final = functools.cache(botocore.loaders.create_loader)
"""Returns a loader for the SDK's service models (20 MB), which all accounts share."""

Reply = Mapping[str, Any]
"""An AWS response, or a structure in one, as parsed by botocore."""


class _Structure(dict[str, Any]):
    """A structure in a response; reading an entry that AWS left out raises OddAnswerError."""

    def __init__(self, operation: str, entries: Mapping[str, Any]) -> None:
        super().__init__({name: _complete(operation, value) for name, value in entries.items()})
        self._operation = operation

    def __missing__(self, name: str) -> Any:
        operation = self._operation.title().replace("_", "")
        raise OddAnswerError(operation=action(operation), reason=f"has no {name}")


def _complete(operation: str, value: Any) -> Any:
    """Convert a response or a part of one, so that reading a missing entry raises OddAnswerError."""
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
    def label(self) -> str:
        """The name, if there is one, and the ID."""
        return f"{self.name} {self.id}".strip()

    @property
    def is_deleting(self) -> bool:
        """Whether AWS was deleting the data source when it was listed."""
        return self.status == "DELETING"

    @property
    def deleted(self) -> str:
        """The note that the data source was deleted after it was listed."""
        return f"data source {self.label} was deleted after it was listed"

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


class Role(NamedTuple):
    """A role and its policies in IAM.

    The fields in `ROLE_PROPERTIES` (roles/adopt) have the same names as arguments of `aws.iam.Role`.
    """

    arn: str
    id: str
    """The unique ID; a role that is recreated with the same name has a different ID."""
    name: str
    path: str
    description: str
    permissions_boundary: str
    """The ARN of the boundary policy; empty if there is none."""
    max_session_duration: int
    """In seconds."""
    tags: Mapping[str, str]
    trust_policy: Mapping[str, Any]
    inline_policies: Mapping[str, Mapping[str, Any]]
    """The policy documents, by policy name."""
    attached: tuple[str, ...] | None
    """The ARNs of the attached policies; None if they could not be listed."""
    attached_policies: Mapping[str, Mapping[str, Any]]
    """The policy documents that could be read, by policy ARN."""
    denied: str | None
    """The denied action that prevented reading an attached policy; None if all were read."""
    last_used: datetime | None
    """None if IAM reports no use in the last 400 days."""

    @property
    def complete(self) -> bool:
        """Whether every policy could be read."""
        return self.denied is None


class Account:
    """Access to the account that the credentials belong to, in one Region."""

    def __init__(self, region: str | None, notes: Notes, assumed: Reply | None = None) -> None:
        """Create a session; if `region` is None, use the Region in the environment or the profile.

        `assumed` is a response from AssumeRole; without it, use the SDK's default credential chain.
        """
        core = botocore.session.get_session()
        core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
        # Unlike Pulumi's provider, the SDK reads only AWS_DEFAULT_REGION, not AWS_REGION.
        self._session = boto3.Session(
            region_name=region or os.environ.get("AWS_REGION"), botocore_session=core
        )
        if assumed:
            names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
            core.set_credentials(*(assumed["Credentials"][name] for name in names))
        self._assumed = assumed
        # If botocore parses a policy, it keeps only the last of several entries with the same key.
        self._session.events.unregister("after-call.iam", json_decode_policies)
        self._session.events.register("before-parse", _reject_html)
        self._session.events.register("before-parse.qbusiness.GetDataSource", self._note_unknown)
        self.unknown: dict[str, list[str]] = {}
        """The properties that this version of the SDK drops from responses, by data source ID."""
        self._session.events.register("after-call-error", _name_operation)
        self._core = core
        self._clients: dict[str, Any] = {}
        self.notes = notes
        self.answers: dict[tuple[str, str], Future[Any]] = {}
        """The results and errors of earlier calls, by method and arguments."""
        self._elsewhere: dict[str, Account] = {}
        self._lock = Lock()
        self.region = str(self._client("qbusiness").meta.region_name)

    @property
    def partition(self) -> str:
        """The Region's partition, such as `aws`."""
        return str(self._session.get_partition_for_region(self.region))

    def in_region(self, region: str) -> "Account":
        """Return the same account in a Region; each Region has separate cached answers."""
        if region == self.region:
            return self
        with self._lock:
            if region not in self._elsewhere:
                self._elsewhere[region] = Account(region, self.notes, self._assumed)
            return self._elsewhere[region]

    # Reading. `READS` lists the actions and their arguments.

    def get(self, name: str, *values: Any) -> Any:
        """Return the result of the call for an action in `READS`; an empty string if there is none."""
        return self._once(self._get, name, *values)

    def items(self, name: str, *values: Any) -> list[Any]:
        """Return all items of the list that the call for an action returns."""
        return self._once(self._get_list, name, *values)

    def policy(self, name: str, *values: str) -> Any | None:
        """Return the policy that the call for an action returns; None if there is none."""
        found = self.get(name, *values)
        # For a secret without a policy, the response has only the secret's name and ARN.
        text = found if isinstance(found, str) else found["ARN"] and found.get("ResourcePolicy")
        return _document(name, text) if text else None

    def applications(self) -> dict[str, str]:
        """Return the names of all applications by ID; raise InputError if there are none."""
        found = self.items("qbusiness:ListApplications")
        if not found:
            raise InputError(
                f"there is no Amazon Q Business application in {self.region} for these credentials: "
                "pass the application's Region with --region, or set AWS_PROFILE to a profile for its "
                "account"
            )
        return {
            application["applicationId"]: application.get("displayName", "") for application in found
        }

    def data_sources(self, application_id: str | None = None) -> Iterator[DataSource]:
        """Yield the data sources of one application, or of all applications.

        If `application_id` is given, the application's name is empty. If it is not given and there are
        no applications, raises InputError.
        """
        names = {application_id: ""} if application_id else self.applications()
        for application, name in names.items():
            for index in self.items("qbusiness:ListIndices", application):
                for source in self.items("qbusiness:ListDataSources", application, index["indexId"]):
                    yield DataSource(
                        application,
                        name,
                        index["indexId"],
                        index.get("displayName", ""),
                        source["dataSourceId"],
                        source.get("displayName", ""),
                        source.get("type", ""),
                        source.get("status", ""),
                        self.region,
                    )

    def data_source(self, data_source: DataSource) -> Reply:
        """Return the details of a data source, such as its role, configuration, and VPC."""
        return self.get("qbusiness:GetDataSource", *data_source.ids.values())

    def secret(self, secret_id: str) -> Reply:
        """Return a secret's metadata; `KmsKeyId`, if present, is the ARN of a key or an alias."""
        found: Reply = self.get("secretsmanager:DescribeSecret", secret_id)
        if key_id := found.get("KmsKeyId"):
            return {**found, "KmsKeyId": _key_arn(key_id, Arn.of(found["ARN"]))}
        return found

    def secret_versions(self, arn: str) -> list[Reply]:
        """Return a secret's versions with staging labels; `KmsKeyIds` has ARNs of keys or aliases."""
        return [
            {
                **version,
                "KmsKeyIds": [
                    _key_arn("alias/aws/secretsmanager" if key == _DEFAULT_KEY else key, Arn.of(arn))
                    for key in version.get("KmsKeyIds", ())
                ],
            }
            for version in self.get("secretsmanager:ListSecretVersionIds", arn)
        ]

    def bucket_region(self, bucket: str, owner: str | None = None) -> str:
        """Return a bucket's Region; if `owner` is set and does not own the bucket, AWS denies access."""
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
        region = str(self.get("s3:GetBucketLocation", bucket, owner) or "us-east-1")
        return "eu-west-1" if region == "EU" else region

    def bucket_key(self, bucket: str, owner: str) -> str | None:
        """Return the ARN of the key or alias with which S3 encrypts a bucket's objects by default.

        None stands for Amazon S3 managed keys. AWS denies access if `owner` does not own the bucket.
        """
        rules: list[Reply] = self.get("s3:GetEncryptionConfiguration", bucket, owner)
        default: Reply = rules[0]["ApplyServerSideEncryptionByDefault"] if rules else {}
        if not rules or default["SSEAlgorithm"] == "AES256":
            return None
        home = Arn.of(f"arn:{self.partition}:s3:{self.region}:{owner}:{bucket}")
        return _key_arn(default.get("KMSMasterKeyID", "alias/aws/s3"), home)

    def tags(self, arn: str, owner: str) -> list[tuple[str, str]]:
        """Return the tag keys and values that conditions on requests for a key or bucket refer to.

        A bucket's tags count only if attribute-based access control (ABAC) is enabled for the bucket:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/buckets-tagging.html
        `arn` can also belong to an object. AWS denies access if `owner` does not own the bucket.
        """
        if Arn.of(arn).service == "kms":
            tags = self.items("kms:ListResourceTags", arn)
            return [(tag["TagKey"], tag["TagValue"]) for tag in tags]
        bucket = Arn.of(arn).resource.partition("/")[0]
        status = self.get("s3:GetBucketAbac", bucket, owner)
        if status not in ("Enabled", "Disabled"):
            raise unknown_status("s3:GetBucketAbac", status)
        tags = self.get("s3:GetBucketTagging", bucket, owner) if status == "Enabled" else ()
        return [(tag["Key"], tag["Value"]) for tag in tags]

    def role(self, name: str) -> Role:
        """Read a role, its inline policies, and, as far as permissions allow, its attached policies."""
        return self._once(self._read_role, name)

    def managed_policy(self, arn: str) -> Any:
        """Return the document of a managed policy's default version."""
        version = self.get("iam:GetPolicy", arn)["DefaultVersionId"]
        return self.policy("iam:GetPolicyVersion", arn, version)

    def caller(self) -> Reply:
        """Return the account and ARN of the principal to which the credentials belong."""
        if self._assumed:
            arn: str = self._assumed["AssumedRoleUser"]["Arn"]
            return {"Account": Arn.of(arn).account, "Arn": arn}
        return self.get("sts:GetCallerIdentity")

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
        found = self.items("iam:SimulatePrincipalPolicy", principal, [*actions], [resource], entries)
        decided = sorted(
            result["EvalActionName"] for result in found if result["EvalDecision"] in _DECISIONS
        )
        if decided != sorted(actions):
            raise OddAnswerError(
                operation="iam:SimulatePrincipalPolicy",
                reason=f"has decisions for {', '.join(decided) or 'no action'}, but the request was for "
                f"{', '.join(actions)}",
            )
        return found

    def _read_role(self, name: str) -> Role:
        role: Reply = self.get("iam:GetRole", name)
        own = role["RoleName"]
        inline = self.items("iam:ListRolePolicies", own)
        inline_policies = dict(self._policies(inline, partial(self.policy, "iam:GetRolePolicy", own)))
        attached: tuple[str, ...] | None = None
        attached_policies: dict[str, Any] = {}
        denied: str | None = None
        try:
            attached = tuple(
                policy["PolicyArn"] for policy in self.items("iam:ListAttachedRolePolicies", own)
            )
            attached_policies.update(self._policies(attached, self.managed_policy))
        except ClientError as error:
            if not is_denied(error):
                raise
            denied = action(error.operation_name)
        boundary: Reply | None = role.get("PermissionsBoundary")
        return Role(
            role["Arn"],
            role["RoleId"],
            own,
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

    def _policies(self, names: Iterable[str], read: Callable[[str], Any]) -> Iterator[tuple[str, Any]]:
        """Yield each policy's name or ARN, and its document; skip policies that no longer exist."""
        for name in names:
            try:
                yield name, read(name)
            except ClientError as error:
                if not is_gone(error):
                    raise
                self.notes(f"the policy {name} was deleted after it was listed")

    # Changes.

    def change(self, service: str, operation: str, **parameters: Any) -> None:
        """Make a call that changes AWS resources, and discard all cached answers."""
        try:
            self._call(service, operation, **parameters)
        finally:
            self.answers.clear()

    def parameters(self, service: str, operation: str) -> Collection[str]:
        """Return the parameter names of an operation, such as `UpdateDataSource`."""
        return self._client(service).meta.service_model.operation_model(operation).input_shape.members

    # Calls to AWS.

    def _once(self, read: Callable[..., Any], *question: Any) -> Any:
        """Return the result of `read`, which is called only for arguments that are not in `answers`.

        Until `answers` is cleared, later calls from any thread return the same result or raise the same
        error. This saves calls because data sources can share a role or secret.
        """
        mine: Future[Any] = Future()
        answer = self.answers.setdefault((read.__name__, repr(question)), mine)
        if answer is mine:
            try:
                mine.set_result(read(*question))
            except BaseException as error:  # noqa: BLE001 raised in every calling thread
                mine.set_exception(error)
        return answer.result()

    def _get(self, name: str, *values: Any) -> Any:
        try:
            found = self._call(*_operation(name), **_parameters(name, values))
        except ClientError as error:
            if code(error) != READS[name].absent:
                raise
            return ""
        return functools.reduce(operator.getitem, READS[name].result, found)

    def _get_list(self, name: str, *values: Any) -> list[Any]:
        """Return the items on all pages of a list."""
        service, operation = _operation(name)
        pages = self._client(service).get_paginator(operation).paginate(**_parameters(name, values))
        (key,) = READS[name].result
        return [item for page in pages for item in _complete(operation, page).get(key, [])]

    def close(self) -> None:
        """Close the connections to this Region; later calls open new ones."""
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
                user_agent_extra=f"{SESSION}/{version()}",  # CloudTrail records it
                connect_timeout=_CONNECT_TIMEOUT,
                max_pool_connections=THREADS,
                # Adaptive mode retries throttled calls and slows down the client's later calls.
                retries={"mode": "adaptive", "total_max_attempts": attempts},
            )
            return self._session.client(service, config=options)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownMemberType, reportUnknownVariableType]
        except BotoCoreError:
            raise  # some of these errors are also ValueErrors
        except ValueError as error:
            raise InputError(
                f"the AWS SDK rejects a setting in the environment or the profile: {error}"
            ) from None

    def _call(self, service: str, operation: str, **parameters: Any) -> Reply:
        return _complete(operation, getattr(self._client(service), operation)(**parameters))

    def _note_unknown(self, operation_model: Any, response_dict: Mapping[str, Any], **_: object) -> None:
        with suppress(ValueError, AttributeError):  # botocore reports a body that is not an object
            body = json.loads(response_dict["body"])
            self.unknown[body.get("dataSourceId")] = [*_unknown(operation_model.output_shape, body)]


def _operation(name: str) -> tuple[str, str]:
    """Return the service and the SDK's method for an action."""
    service, _, operation = name.partition(":")
    return service, xform_name(READS[name].operation or operation)


def _parameters(name: str, values: Iterable[Any]) -> dict[str, Any]:
    """Return the arguments of the call for an action, except those that are None."""
    given = zip(READS[name].arguments, values, strict=True)
    return {**READS[name].fixed, **{key: value for key, value in given if value is not None}}


def is_aws_alias(key_id: str) -> bool:
    """Return whether a key ID is the alias or the alias ARN of an AWS managed key."""
    return key_id.rpartition(":")[2].startswith("alias/aws/")


def _key_arn(key_id: str, home: Arn) -> str:
    """Return the ARN of a key or alias; an ID or alias belongs to the Region and account of `home`."""
    if key_id.startswith("arn:"):
        return key_id
    resource = key_id if key_id.startswith("alias/") else f"key/{key_id}"
    return f"arn:{home.partition}:kms:{home.region}:{home.account}:{resource}"


def _document(operation: str, text: str) -> Any:
    """Parse a policy's JSON, even if it is URL-encoded; raise OddAnswerError if it is not valid."""
    try:
        return parse(plain_json(text))
    except MalformedError as error:
        reason = f"has a policy that cannot be read: {error}"
        raise OddAnswerError(operation=operation, reason=reason) from None


def plain_json(text: str) -> str:
    """Return a policy's JSON, decoded if it is URL-encoded, as in IAM's responses."""
    return unquote(text) if text.startswith("%") else text


def _name_operation(exception: Exception, event_name: str, **_: object) -> None:
    """Store the operation's name in a connection error's `kwargs`, as OddAnswerError does."""
    if isinstance(exception, BotoCoreError):
        exception.kwargs.setdefault("operation", event_name.rpartition(".")[2])


def _unknown(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of a response's properties that are not in the service's model."""
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
    """Raise OddAnswerError for an HTML page that botocore would otherwise read as an empty response."""
    if response_dict["status_code"] < _LOWEST_ERROR_STATUS and _HTML_START.match(response_dict["body"]):
        raise OddAnswerError(operation=action(operation_model.name), reason="is an HTML page")
