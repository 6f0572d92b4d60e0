"""Do to the account what a run does beside Pulumi: look, change by hand, ask, and remove."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from components.formats import SUPPORTED_REGIONS
from live.names import Names
from pages.connector_calls import Context, Request
from roles.errors import is_denied

CALL_ERRORS: Final = (BotoCoreError, ClientError, ResponseParserError)
"""What a call of AWS raises."""
_TIMEOUT: Final = 10
"""Seconds to connect, and to wait for an answer."""
_ATTEMPTS: Final = 5
"""For each call."""
_PATIENCE: Final = 30.0
"""Seconds that IAM may take until a change is seen everywhere."""
_PAUSE: Final = 1.0
"""Seconds between two looks."""
_REMOVALS: Final = 3
"""Attempts to remove everything: IAM may not see yet that a role has lost its policy."""
DENY_ALL: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
)
"""What is put by hand grants nothing."""


class RegionError(Exception):
    """Raised for a Region without Amazon Q Business."""


class Role(NamedTuple):
    """A role as IAM has it."""

    arn: str
    id: str
    """Unique: another role of the same name has another."""
    description: str
    boundary: str
    tags: Mapping[str, str]
    trust_policy: Mapping[str, Any]
    inline_policies: Mapping[str, Mapping[str, Any]]
    """Documents by name."""


class Account:
    """The account and Region of the credentials."""

    def __init__(self, region: str | None) -> None:
        """Take a Region, or None for the one of the environment or profile, and ask who the caller is.

        Raises RegionError, and CALL_ERRORS without credentials that AWS accepts.
        """
        # The SDK itself looks at AWS_DEFAULT_REGION alone, and Pulumi's provider at both.
        session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
        if session.region_name not in SUPPORTED_REGIONS:
            raise RegionError(
                f"Amazon Q Business is not in {session.region_name}"
                if session.region_name
                else "no Region is set"
            )
        self.region: str = session.region_name
        options = Config(
            connect_timeout=_TIMEOUT,
            read_timeout=_TIMEOUT,
            # This mode waits and repeats what was throttled.
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        )
        self._iam: Any = session.client("iam", config=options)
        self._analyzer: Any = session.client("accessanalyzer", config=options)
        caller = session.client("sts", config=options).get_caller_identity()
        self.id: str = caller["Account"]
        self.caller_arn: str = caller["Arn"]
        self.endpoint: str = self._iam.meta.endpoint_url
        credentials: Any = session.get_credentials()
        self.credentials = tuple(filter(None, credentials.get_frozen_credentials()[:3]))

    # Look.

    def role(self, name: str) -> Role | None:
        """Return a role, or None if there is none of this name."""
        return _ignore_missing(self._read_role, name)

    def _read_role(self, name: str) -> Role:
        role = self._iam.get_role(RoleName=name)["Role"]
        return Role(
            role["Arn"],
            role["RoleId"],
            role.get("Description", ""),
            role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])},
            role["AssumeRolePolicyDocument"],
            {
                policy: self._iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                for policy in self._inline_policies(name)
            },
        )

    def boundary_arn(self, names: Names) -> str:
        """Return the ARN of the permissions boundary, which need not exist."""
        return f"arn:aws:iam::{self.id}:policy/{names.boundary}"

    # Change by hand.

    def put_policy(self, role: str, name: str, document: str) -> None:
        """Write an inline policy."""
        self._iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)

    def tag(self, role: str, key: str, value: str) -> None:
        """Set a tag."""
        self._iam.tag_role(RoleName=role, Tags=[{"Key": key, "Value": value}])

    def create_role(self, name: str, trust_policy: str) -> None:
        """Create a role, and wait until it is seen."""
        self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy)
        self._iam.get_waiter("role_exists").wait(RoleName=name)

    def create_boundary(self, names: Names) -> None:
        """Create the permissions boundary, and wait until it is seen."""
        self._iam.create_policy(PolicyName=names.boundary, PolicyDocument=DENY_ALL)
        self._iam.get_waiter("policy_exists").wait(PolicyArn=self.boundary_arn(names))

    # Ask.

    def decisions(self, role_arn: str, requests: Iterable[Request]) -> Iterator[tuple[Request, str]]:
        """Return IAM's decision on each request of a role, by its permissions policies."""
        # One call takes any number of actions on one resource in one context.
        groups: dict[str, list[Request]] = {}
        for request in requests:
            groups.setdefault(json.dumps([request.resource, dict(request.context)]), []).append(request)
        for group in groups.values():
            pages = self._iam.get_paginator("simulate_principal_policy").paginate(
                PolicySourceArn=role_arn,
                ActionNames=[request.action for request in group],
                ResourceArns=[group[0].resource],
                ContextEntries=_context_entries(group[0].context),
            )
            results = [result for page in pages for result in page["EvaluationResults"]]
            decisions = {result["EvalActionName"]: result["EvalDecision"] for result in results}
            for request in group:
                yield request, decisions[request.action]

    def findings(self, document: Mapping[str, Any], **kind: str) -> list[tuple[str, str]]:
        """Return type and text of what Access Analyzer finds in a policy."""
        pages = self._analyzer.get_paginator("validate_policy").paginate(
            policyDocument=json.dumps(document), **kind
        )
        return [
            (finding["findingType"], f"{finding['issueCode']}: {finding['findingDetails']}")
            for page in pages
            for finding in page["findings"]
        ]

    # Remove.

    def remove(self, names: Names) -> tuple[list[str], list[str]]:
        """Remove everything of a run; return what was there, and what is still there and why."""
        entities = [(f"role {name}", partial(self._remove_role, name)) for name in names.roles]
        # The role with this boundary comes first.
        entities.append((f"policy {names.boundary}", partial(self._remove_boundary, names)))
        removed: list[str] = []
        left: list[str] = []
        for attempt in range(_REMOVALS):
            if attempt:
                time.sleep(_PAUSE)
            left.clear()
            for entity, remove in entities:
                try:
                    if remove():
                        removed.append(entity)
                except CALL_ERRORS as error:
                    left.append(f"{entity} ({error})")
            if not left:
                break
        return removed, left

    def _remove_role(self, name: str) -> bool:
        """Remove a role with its policies; return whether it was there."""
        if not _ignore_missing(self._iam.get_role, RoleName=name):
            return False
        for policy in self._inline_policies(name):
            _ignore_missing(self._iam.delete_role_policy, RoleName=name, PolicyName=policy)
        return bool(_ignore_missing(self._iam.delete_role, RoleName=name))

    def _remove_boundary(self, names: Names) -> bool:
        """Remove the permissions boundary; return whether it was there."""
        return bool(_ignore_missing(self._iam.delete_policy, PolicyArn=self.boundary_arn(names)))

    def _inline_policies(self, role: str) -> list[str]:
        pages = self._iam.get_paginator("list_role_policies").paginate(RoleName=role)
        return [name for page in pages for name in page["PolicyNames"]]


def unanswered(error: Exception) -> str | None:
    """Say why a question has no answer; None if the error is about the question itself."""
    if isinstance(error, ClientError):
        if is_denied(error):
            return f"not allowed: {error.response['Error'].get('Message', '')}"
        # The HTTP status, in place of the code that every error of AWS has.
        if not error.response["Error"]["Code"].isdigit():
            return None
    elif not isinstance(error, ResponseParserError):
        return None
    return "the endpoint does not have it: what it answers is not in AWS's format"


def wait_until(holds: Callable[[], bool]) -> bool:
    """Wait until a change is seen everywhere; return whether it is."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _context_entries(context: Context) -> list[dict[str, object]]:
    return [
        {
            "ContextKeyName": key,
            "ContextKeyType": "string" if isinstance(value, str) else "stringList",
            "ContextKeyValues": [value] if isinstance(value, str) else value,
        }
        for key, value in context.items()
    ]


def _ignore_missing(call: Callable[..., Any], *arguments: str, **parameters: str) -> Any:
    """Return the answer of a call, or None if what it is about does not exist."""
    try:
        return call(*arguments, **parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return None
