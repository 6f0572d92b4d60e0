"""Read the account of a run, change its roles like a person in the console, and clean it up."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from evidence.connector_calls import Request
from live.names import Names
from roles import account
from roles.errors import is_gone
from roles.notes import Notes

CALL_ERRORS: Final = (BotoCoreError, ClientError, ResponseParserError)
"""The exceptions that a call to AWS raises."""
DENY_ALL: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
)
"""The policy of manual changes, which grants nothing."""
_PATIENCE: Final = 30.0
"""Timeout in seconds for a change of IAM to be visible everywhere."""
_PAUSE: Final = 1.0
"""Seconds between two checks."""
_REMOVALS: Final = 3
"""Attempts to remove everything: IAM may still report the deleted policy of a role."""


class Account:
    """The account and Region of the credentials."""

    def __init__(self, region: str | None) -> None:
        """Use a Region, or None for that of the environment or profile."""
        self.reader = account.Account(region, Notes("live"))
        """Reads like the commands of `roles`; only this class changes something."""
        self.region = self.reader.region
        # One session, so that a profile with MFA asks for one code.
        self._session: Any = self.reader._session  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._iam = self._session.client("iam")

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """The caller identity of the credentials: `Account`, `Arn`, and `UserId`."""
        return self.reader.caller()

    @property
    def credentials(self) -> Sequence[str]:
        """The access key, the secret key, and the session token if there is one."""
        credentials = self._session.get_credentials()
        return [text for text in credentials.get_frozen_credentials()[:3] if text]

    @property
    def endpoint(self) -> str:
        """The endpoint of IAM."""
        return str(self._iam.meta.endpoint_url)

    # Read.

    def role_id(self, name: str) -> str | None:
        """Return the ID of a role, which IAM never reuses; None if the role does not exist."""
        found = _ignore_missing(self._iam.get_role, RoleName=name)
        return found and found["Role"]["RoleId"]

    def role_if_any(self, name: str) -> account.Role | None:
        """Return the current role with its policies; None if it does not exist."""
        self.reader.answers.clear()  # the run changes the role
        return _ignore_missing(self.reader.role, name)

    def boundary_arn(self, names: Names) -> str:
        """Return the ARN of the permissions boundary, whether it exists or not."""
        return f"arn:aws:iam::{self.identity['Account']}:policy/{names.boundary}"

    def decisions(
        self, role_arn: str, requests: Iterable[Request]
    ) -> Iterator[tuple[Request, dict[str, Any]]]:
        """Return IAM's decision on each request of a role, by its permissions policies."""
        # One call accepts any number of actions on one resource in one context.
        groups: dict[str, list[Request]] = {}
        for request in requests:
            groups.setdefault(json.dumps([request.resource, dict(request.context)]), []).append(request)
        for group in groups.values():
            actions = [request.action for request in group]
            results = self.reader.simulate(role_arn, actions, group[0].resource, group[0].context)
            by_action = {result["EvalActionName"]: result for result in results}
            for request in group:
                yield request, by_action[request.action]

    # Change manually.

    def put_policy(self, role: str, name: str, document: str) -> None:
        """Write an inline policy."""
        self._iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)

    def tag(self, role: str, key: str, value: str) -> None:
        """Set a tag."""
        self._iam.tag_role(RoleName=role, Tags=[{"Key": key, "Value": value}])

    def create_role(self, name: str, trust_policy: str) -> None:
        """Create a role, and wait until it is visible."""
        self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy)
        self._iam.get_waiter("role_exists").wait(RoleName=name)

    def create_boundary(self, names: Names) -> None:
        """Create the permissions boundary, and wait until it is visible."""
        self._iam.create_policy(PolicyName=names.boundary, PolicyDocument=DENY_ALL)
        self._iam.get_waiter("policy_exists").wait(PolicyArn=self.boundary_arn(names))

    # Clean up.

    def remove(self, names: Names) -> tuple[list[str], list[str]]:
        """Remove everything that a run created; return the removed and the remaining entities."""
        entities = [(f"role {name}", partial(self._remove_role, name)) for name in names.roles]
        # After the role that has this boundary.
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
                except (OSError, *CALL_ERRORS) as error:  # OSError: from a credential process
                    left.append(f"{entity} ({error})")
            if not left:
                break
        return removed, left

    def _remove_role(self, name: str) -> bool:
        """Remove a role with its policies; return whether it existed."""
        if not self.role_id(name):
            return False
        for page in self._iam.get_paginator("list_role_policies").paginate(RoleName=name):
            for policy in page["PolicyNames"]:
                _ignore_missing(self._iam.delete_role_policy, RoleName=name, PolicyName=policy)
        return bool(_ignore_missing(self._iam.delete_role, RoleName=name))

    def _remove_boundary(self, names: Names) -> bool:
        """Remove the permissions boundary; return whether it existed."""
        arn = self.boundary_arn(names)
        return bool(_ignore_missing(self._iam.delete_policy, PolicyArn=arn))


def wait_until(holds: Callable[[], bool]) -> bool:
    """Wait until a condition holds; return False after the timeout."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _ignore_missing(call: Callable[..., Any], *arguments: str, **parameters: str) -> Any:
    """Return the result of a call, None if the entity does not exist."""
    try:
        return call(*arguments, **parameters)
    except ClientError as error:
        if not is_gone(error):
            raise
        return None
