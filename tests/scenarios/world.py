"""The account in which the scenarios run: the sandbox's account, or a real one."""

import json
import re
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from pages.examples import ACCOUNT, REGION
from tests.helpers.page import commands, run_section
from tests.helpers.stacks import Stack, Update
from tests.helpers.support import golden, of_role

PREFIX: Final = "qbusiness-live-"
DENY_ALL: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
)
"""The policy for manual changes, which grants nothing."""
_PATIENCE: Final = 60.0
"""Timeout in seconds for a change in IAM to become visible everywhere."""
_PAUSE: Final = 2.0
"""Seconds between checks of IAM."""
_SETTLED: Final = 15.0
"""Seconds after which IAM's replicas usually have a change."""
_RACES: Final = (
    "PutRolePolicy, https response error StatusCode: 404",
    "couldn't find resource",
    "missing required field, PutRolePolicyInput.PolicyDocument",
)
"""The provider's errors right after a change that some of IAM's replicas do not have yet."""
_ERRORS: Final = (BotoCoreError, ClientError)
_REMOVALS: Final = 4
"""The maximum number of attempts to remove everything; the last one should find nothing."""


def new_run() -> str:
    """Return a random prefix for the names of everything that a run creates."""
    return f"{PREFIX}{secrets.token_hex(4)}"


class World:
    """An account with the stacks of one run."""

    account, region = ACCOUNT, REGION
    """The examples' account and Region, unless the account is a real one."""
    creates = True
    """Whether the run creates anything that must be removed."""
    index: tuple[str, str] | None = None
    """The IDs of an application and its index, in which the run may create a data source."""

    def __init__(
        self,
        run: str,
        client: Callable[[str], Any],
        environment: Mapping[str, str],
        directory: Path,
        *,
        real: bool = False,
    ) -> None:
        """Use the run's name, clients by service, and the stacks' variables and directory."""
        self.run, self.client, self.environment = run, client, environment
        self.iam = client("iam")
        self._directory, self._real = directory, real

    @property
    def is_aws(self) -> bool:
        """Whether calls reach AWS."""
        return "AWS_ENDPOINT_URL" not in self.environment

    def name(self, end: str) -> str:
        """Return a name for a role, a policy, or an entry."""
        return f"{self.run}-{end}"

    # Documents and settings.

    def moved(self, text: str) -> str:
        """Move the examples' ARNs to this account and Region."""
        # Some requests that IAM must deny are for another Region: swap the two Regions.
        moved = {ACCOUNT: self.account, REGION: self.region, self.region: REGION}
        return re.sub("|".join(map(re.escape, moved)), lambda found: moved[found[0]], text)

    def document(self, name: str, role: str = "") -> Any:
        """Return an expected document; `role` replaces the name in its role ARN."""
        return json.loads(self.moved(of_role(golden(name), role)))

    # Stacks.

    def new_stack(self, settings: Mapping[str, Any]) -> Stack:
        """Create a stack with this program."""
        stack = Stack(self._directory, self.environment)
        self.configure(stack, settings)
        return stack

    def configure(self, stack: Stack, settings: Mapping[str, Any]) -> None:
        """Write the examples' settings, which allow only this account's credentials."""
        own = {**settings, "aws:allowedAccountIds": [ACCOUNT]}
        stack.configure(json.loads(self.moved(json.dumps(own))))

    def up(self, stack: Stack, *options: str, check: bool = True) -> Update:
        """Update a stack; repeat the update once if one of IAM's replicas was behind."""
        done = stack.up(*options, check=False)
        if done.exit_code and self._real and any(race in done.text for race in _RACES):
            time.sleep(_PATIENCE)
            done = stack.up(*options, "--refresh", check=False)
        self.settle()
        assert not (check and done.exit_code), "the update failed, see the output"
        return done

    def section(self, stack: Stack, heading: str, *, check: bool = True) -> str:
        """Run the commands in a page's section and return the output."""
        if not self._real:
            return run_section(stack, heading, check=check, STACK=stack.name).stdout
        script = commands(heading)
        variables = {"PULUMI_RUN_PROGRAM": "true", "PULUMI_OPTION_YES": "true", "STACK": stack.name}
        return stack.execute("sh", "-euc", script, check=check, **variables).stdout

    # The account.

    def roles(self) -> list[str]:
        """Return the names of this run's roles."""
        pages = self.iam.get_paginator("list_roles").paginate()
        names = (role["RoleName"] for page in pages for role in page["Roles"])
        return sorted(name for name in names if name.startswith(f"{self.run}-"))

    def role(self, name: str) -> dict[str, Any]:
        """Return IAM's data about a role, except values that differ for each new role."""
        role = self.iam.get_role(RoleName=name)["Role"]
        names = self.iam.list_role_policies(RoleName=name)["PolicyNames"]
        attached = self.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        return {
            "arn": role["Arn"],
            "trust policy": role["AssumeRolePolicyDocument"],
            "description": role.get("Description", ""),
            "duration": role["MaxSessionDuration"],
            "boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])},
            "policies": {
                policy: self.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                for policy in names
            },
            "attached": [policy["PolicyArn"] for policy in attached],
        }

    def new_policy(self, end: str) -> str:
        """Create a managed policy that grants nothing and return its ARN."""
        created = self.iam.create_policy(PolicyName=self.name(end), PolicyDocument=DENY_ALL)
        self.iam.get_waiter("policy_exists").wait(PolicyArn=created["Policy"]["Arn"])
        return created["Policy"]["Arn"]

    def settle(self) -> None:
        """On AWS, wait until changes are usually visible to all readers of a role."""
        time.sleep(_SETTLED * self.is_aws)

    def expect(self, read: Callable[[], object], expected: object) -> None:
        """Check IAM's response; in a real account, wait for the expected one."""
        deadline = time.monotonic() + _PATIENCE * self._real
        while (found := _if_any(read)) != expected and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        assert found == expected

    def remove(self) -> tuple[list[str], list[str]]:
        """Remove all that this run created; return the removed resources and the remaining ones."""
        removed: dict[str, None] = {}
        left: list[str] = []
        for _ in range(_REMOVALS):
            self.settle()  # IAM might omit a new role or still list a deleted role
            left.clear()
            found = False
            # Remove policies after the roles that have them.
            for kind, listed, remove in (
                ("data source", self.data_sources, self._remove_data_source),
                ("role", self.roles, self._remove_role),
                ("policy", self.policies, self._remove_policy),
            ):
                try:
                    names = listed()
                except _ERRORS as error:
                    left.append(f"perhaps a {kind} {self.name('...')}, since AWS lists none ({error})")
                    continue
                for name in names:
                    found = True
                    try:
                        _if_any(partial(remove, name))
                        removed[f"{kind} {name}"] = None
                    except _ERRORS as error:
                        left.append(f"{kind} {name} ({error})")
            if not found and not left:
                break
        return [*removed], left

    def policies(self) -> Collection[str]:
        """Return the ARNs of this run's managed policies."""
        pages = self.iam.get_paginator("list_policies").paginate(Scope="Local")
        policies = (policy for page in pages for policy in page["Policies"])
        return [each["Arn"] for each in policies if each["PolicyName"].startswith(f"{self.run}-")]

    def data_sources(self) -> Collection[str]:
        """Return the IDs of this run's data sources."""
        if self.index is None:
            return []
        pages = self.client("qbusiness").get_paginator("list_data_sources").paginate(**self._index)
        found = (each for page in pages for each in page["dataSources"] if each["status"] != "DELETING")
        return [each["dataSourceId"] for each in found if each["displayName"].startswith(f"{self.run}-")]

    def _remove_data_source(self, identifier: str) -> None:
        self.client("qbusiness").delete_data_source(**self._index, dataSourceId=identifier)

    @property
    def _index(self) -> dict[str, str]:
        return dict(zip(("applicationId", "indexId"), self.index or (), strict=True))

    def _remove_role(self, name: str) -> None:
        role = self.role(name)
        for policy in role["policies"]:
            self.iam.delete_role_policy(RoleName=name, PolicyName=policy)
        for arn in role["attached"]:
            self.iam.detach_role_policy(RoleName=name, PolicyArn=arn)
        self.iam.delete_role(RoleName=name)

    def _remove_policy(self, arn: str) -> None:
        self.iam.delete_policy(PolicyArn=arn)


def _if_any(read: Callable[[], object]) -> object:
    """Return None for a role or policy that IAM does not have, or does not have yet."""
    try:
        return read()
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return None
