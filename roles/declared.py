"""Read the roles that a stack's program declares, from the state of the stack's last deployment.

The state contains the inputs of each `ConnectorRole`'s role and role policy, whatever the program's
language. A refresh that finds drift does not change the inputs. The Pulumi CLI reads the state, so every
backend and secrets provider works.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from shlex import quote
from typing import Any, Final, NamedTuple

from components.connector_role import POLICY_NAME, TOKEN
from components.connectors import ANY, CONNECTORS, Connector
from components.formats import APPLICATION
from guardrails.iam.documents import Statement
from roles.arns import Arn
from roles.detection import Uses
from roles.difference import TRUST_POLICY, statements
from roles.errors import InputError
from roles.needs import SECURITY_GROUPS, SUBNETS, Known
from roles.policies import Policies
from roles.project import file_name, query_pulumi

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
"""The key that marks an encrypted value in a state."""
_ROLE: Final = "aws:iam/role:Role"
_POLICY: Final = "aws:iam/rolePolicy:RolePolicy"
_OF_SOURCE: Final = "AllowsAmazonQToListS3Buckets"
"""The Sid of a statement that is only in role policies for connectors whose bucket is the source."""
_OF_DELETION: Final = "AllowsAmazonQToDeleteTaggedNI"

_Resource = Mapping[str, Any]


class Declared(NamedTuple):
    """A role that a stack's program declares, as of the stack's last deployment."""

    stack: str
    name: str
    """The component's name; in a stack with `dataSources`, also the name of the component's entry."""
    role_arn: str
    policies: Policies
    """The policies that the program writes."""
    others: frozenset[str] = frozenset()
    """The names and ARNs of the other policies that the program adds to the role."""
    siblings: frozenset[str] = frozenset()
    """The ARNs of all roles in the stack."""
    is_exclusive: bool = False
    """Whether an update removes all policies that the program does not add to the role."""

    @property
    def application_arn(self) -> str:
        """The ARN of the application for which Amazon Q Business can assume the role."""
        trusted = statements(TRUST_POLICY, self.policies.trust_policy)
        named = [value for each in trusted for value in _values(each, "aws:SourceArn")]
        if found := [*filter(APPLICATION.parse, named)]:
            return found[0]
        raise InputError(f"the trust policy of {self.name} in stack {self.stack} has no application ARN")

    @property
    def index_id(self) -> str:
        """The ID of the index; empty if the role policy does not contain an index."""
        found = self._resources("qbusiness:BatchPutDocument")
        return next((Arn.of(each).name for each in found if "/index/" in each), "")

    @property
    def connector(self) -> Connector:
        """A connector whose role policy has the same form; the policy does not name the connector."""
        return CONNECTORS["s3-v1"] if self._has(_OF_SOURCE) else ANY

    @property
    def deletes(self) -> bool:
        """Whether the role can delete network interfaces."""
        return self._has(_OF_DELETION)

    @property
    def uses(self) -> Uses:
        """The resources in the role policy."""
        network = [Arn.of(each) for each in self._resources("ec2:CreateNetworkInterface")]
        return Uses(
            "",
            (self.connector,),
            self._resources("secretsmanager:GetSecretValue"),
            [*self._bucket_accounts()],
            vpc={
                kind.setting: [each.name for each in network if each.resource.startswith(kind.prefix)]
                for kind in (SUBNETS, SECURITY_GROUPS)
            },
        )

    @property
    def known(self) -> Known:
        """The facts in the role policy about the resources in a data source's configuration."""
        keys = self._resources("kms:Decrypt")
        secrets = self._resources("secretsmanager:GetSecretValue")
        return Known(
            Arn.of(self.application_arn).account,
            self._bucket_accounts(),
            dict.fromkeys(secrets, next(iter(keys), None)),
            () if secrets else tuple(keys),
            tuple(self._resources("ec2:CreateNetworkInterface")),
        )

    def _bucket_accounts(self) -> dict[str, str]:
        """Return the accounts that own the buckets in the role policy, by bucket name."""
        return {
            Arn.of(arn).resource.partition("/")[0]: account
            for each in self.policies.of_role
            if each.actions.covers("s3:GetObject")
            for arn in each.resources.values
            for account in _values(each, "aws:ResourceAccount")
        }

    def _resources(self, action: str) -> list[str]:
        """Return the resources, except patterns, on which the role policy allows an action."""
        found = [each for each in self.policies.of_role if each.actions.covers(action)]
        return [value for each in found for value in each.resources.values if "*" not in value]

    def _has(self, sid: str) -> bool:
        return any(each.name == sid for each in self.policies.of_role)


class Stack(NamedTuple):
    """The roles of a stack, as of its last deployment."""

    name: str
    time: str
    """The time of the last deployment."""
    roles: tuple[Declared, ...]
    left_out: Mapping[str, str]
    """The reasons why other roles are not deployed or cannot be read, by name."""
    role_arns: frozenset[str] = frozenset()
    """The ARNs of all ConnectorRoles' roles in the state, even of those that are left out."""


def read_stack(name: str, *, show_secrets: bool) -> Stack:
    """Read a stack's state.

    Raises InputError if Pulumi cannot read the stack, or if the stack has no ConnectorRole.
    Unless `show_secrets` is true, roles whose policies are encrypted in the state are left out.
    """
    deployment = query_pulumi(name, "stack", "export", show_secrets=show_secrets)["deployment"] or {}
    resources = [each for each in deployment.get("resources") or () if not each.get("delete")]
    pending = [each["resource"].get("parent") for each in deployment.get("pending_operations") or ()]
    roles: list[Declared] = []
    left_out: dict[str, str] = {}
    for label, component in _components(resources):
        found = _read(name, label, component, resources)
        if component["urn"] in pending:
            found = f"an update of {label} was interrupted: first recover the stack (docs/operate.md)"
        if isinstance(found, Declared):
            roles.append(found)
        else:
            left_out[label] = found
    if not (roles or left_out):
        if resources:
            raise InputError(f"stack {name} has no ConnectorRole")
        step = "follow docs/adopt.md#import-the-roles" if _is_import_pending(name) else _up(name)
        raise InputError(f"stack {name} is not deployed: first {step}")
    arns = frozenset(each.role_arn for each in roles)
    components = {component["urn"] for _, component in _components(resources)}
    in_state = (
        _plain(resource.get("outputs", {}).get("arn"))
        for resource in resources
        if resource["type"] == _ROLE and resource.get("parent") in components
    )
    time = f"{deployment['manifest']['time'][:16].replace('T', ' ')} UTC"
    return Stack(
        name,
        time,
        tuple(each._replace(siblings=arns) for each in roles),
        left_out,
        frozenset(arn for arn in in_state if isinstance(arn, str)),
    )


def _is_import_pending(stack: str) -> bool:
    """Return whether the stack, which has no resources, still has to import those in its import file.

    The file can be left over from an import whose resources no longer belong to the stack.
    """
    path = file_name("import", stack)
    if not path.exists():
        return False
    written = int(path.stat().st_mtime)  # the times in the history have no fractions of a second
    updates = query_pulumi(stack, "stack", "history", "--json", show_secrets=False)
    return not any(
        update["result"] == "succeeded"
        and update["kind"] in ("destroy", "resource-import")
        and datetime.fromisoformat(update["endTime"]).timestamp() >= written
        for update in updates
    )


def _components(resources: Sequence[_Resource]) -> Iterator[tuple[str, _Resource]]:
    """Yield each component with its name or, if several components share the name, with its URN."""
    found = [each for each in resources if each["type"] == TOKEN]
    names = [each["urn"].rpartition("::")[2] for each in found]
    for name, each in zip(names, found, strict=True):
        yield (name if names.count(name) == 1 else each["urn"]), each


def _read(stack: str, name: str, component: _Resource, resources: Sequence[_Resource]) -> Declared | str:
    """Return the role that a component declares, or the reason why it is left out."""
    own = [each for each in resources if each.get("parent") == component["urn"]]
    role = next((each for each in own if each["type"] == _ROLE), None)
    policies = [each for each in own if each["type"] == _POLICY]
    policy = next((each for each in policies if each["inputs"].get("name") == POLICY_NAME), None)
    if role is None:
        return f"{name} is not deployed: first {_up(stack)}"
    if policy is None or "roleArn" not in component.get("outputs", {}):
        return f"{name} is not completely deployed (for example, after an import): first {_up(stack)}"
    values = (role["outputs"]["arn"], role["inputs"]["assumeRolePolicy"], policy["inputs"]["policy"])
    arn, *documents = map(_plain, values)
    if arn is None or None in documents:
        return f"{name} has secret policies; `check` shows them only with --show-secrets"
    given = [
        each["inputs"]
        for each in resources
        if each is not policy and _plain(each.get("inputs", {}).get("role")) == role["id"]
    ]
    return Declared(
        stack,
        name,
        arn,
        Policies(*documents),
        frozenset(str(_plain(each.get("policyArn") or each.get("name"))) for each in given),
        is_exclusive=any("Exclusive" in each["type"] for each in own),
    )


def _plain(value: Any) -> Any:
    """Return the plain form of a value in a state; None if the value is encrypted."""
    if isinstance(value, Mapping) and _SIGNATURE in value:
        return json.loads(value["plaintext"]) if "plaintext" in value else None  # the plaintext is JSON
    return value


def _up(stack: str) -> str:
    return f"run `pulumi up --stack {quote(stack)}`"


def _values(statement: Statement, key: str) -> list[str]:
    return [value for each in statement.conditions if each.is_on(key) for value in each.values]
