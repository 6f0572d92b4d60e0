"""Read the account of a run as `roles` does, change it as somebody does by hand, and clean it up."""

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
"""What a call of AWS raises."""
DENY_ALL: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
)
"""What is put by hand grants nothing."""
_PATIENCE: Final = 30.0
"""Seconds that IAM may take until a change is seen everywhere."""
_PAUSE: Final = 1.0
"""Seconds between two looks."""
_REMOVALS: Final = 3
"""Attempts to remove everything: IAM may not see yet that a role has lost its policy."""


class Account(account.Account):
    """The account and Region of the credentials."""

    def __init__(self, region: str | None) -> None:
        """Take a Region, or None for the one of the environment or profile."""
        super().__init__(region, Notes("live"))

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """Whose credentials these are: `Account` and `Arn`."""
        return self.caller()

    @property
    def credentials(self) -> Sequence[str]:
        """The access key, the secret key, and the token if there is one."""
        credentials: Any = self._session.get_credentials()
        return [text for text in credentials.get_frozen_credentials()[:3] if text]

    @property
    def endpoint(self) -> str:
        """The address at which IAM is called."""
        return str(self._client("iam").meta.endpoint_url)

    # Look.

    def role_id(self, name: str) -> str | None:
        """Return the ID of a role, which no other role ever has; None if there is none of this name."""
        found = _ignore_missing(self._client("iam").get_role, RoleName=name)
        return found and found["Role"]["RoleId"]

    def role_if_any(self, name: str) -> account.Role | None:
        """Return a role with its policies as it is now, or None if there is none of this name."""
        self.answers.clear()  # the run changes the role
        return _ignore_missing(self.role, name)

    def boundary_arn(self, names: Names) -> str:
        """Return the ARN of the permissions boundary, which need not exist."""
        return f"arn:aws:iam::{self.identity['Account']}:policy/{names.boundary}"

    def decisions(
        self, role_arn: str, requests: Iterable[Request]
    ) -> Iterator[tuple[Request, dict[str, Any]]]:
        """Return how IAM decides on each request of a role, by its permissions policies."""
        # One call takes any number of actions on one resource in one context.
        groups: dict[str, list[Request]] = {}
        for request in requests:
            groups.setdefault(json.dumps([request.resource, dict(request.context)]), []).append(request)
        for group in groups.values():
            actions = [request.action for request in group]
            results = self.simulate(role_arn, actions, group[0].resource, group[0].context)
            by_action = {result["EvalActionName"]: result for result in results}
            for request in group:
                yield request, by_action[request.action]

    # Change by hand.

    def put_policy(self, role: str, name: str, document: str) -> None:
        """Write an inline policy."""
        self._client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)

    def tag(self, role: str, key: str, value: str) -> None:
        """Set a tag."""
        self._client("iam").tag_role(RoleName=role, Tags=[{"Key": key, "Value": value}])

    def create_role(self, name: str, trust_policy: str) -> None:
        """Create a role, and wait until it is seen."""
        iam = self._client("iam")
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy)
        iam.get_waiter("role_exists").wait(RoleName=name)

    def create_boundary(self, names: Names) -> None:
        """Create the permissions boundary, and wait until it is seen."""
        iam = self._client("iam")
        iam.create_policy(PolicyName=names.boundary, PolicyDocument=DENY_ALL)
        iam.get_waiter("policy_exists").wait(PolicyArn=self.boundary_arn(names))

    # Clean up.

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
                except (OSError, *CALL_ERRORS) as error:  # the first: a program that gives credentials
                    left.append(f"{entity} ({error})")
            if not left:
                break
        return removed, left

    def _remove_role(self, name: str) -> bool:
        """Remove a role with its policies; return whether it was there."""
        if not self.role_id(name):
            return False
        iam = self._client("iam")
        for policy in self._list("iam", "list_role_policies", "PolicyNames", RoleName=name):
            _ignore_missing(iam.delete_role_policy, RoleName=name, PolicyName=policy)
        return bool(_ignore_missing(iam.delete_role, RoleName=name))

    def _remove_boundary(self, names: Names) -> bool:
        """Remove the permissions boundary; return whether it was there."""
        arn = self.boundary_arn(names)
        return bool(_ignore_missing(self._client("iam").delete_policy, PolicyArn=arn))


def wait_until(holds: Callable[[], bool]) -> bool:
    """Wait until a change is seen everywhere; return whether it is."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _ignore_missing(call: Callable[..., Any], *arguments: str, **parameters: str) -> Any:
    """Return the answer of a call, or None if what it is about does not exist."""
    try:
        return call(*arguments, **parameters)
    except ClientError as error:
        if not is_gone(error):
            raise
        return None
