"""Represent the policies that a role needs.

These are the policies that the program writes, and statements for secrets that no setting specifies.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from components.connector_role import POLICY_NAME
from components.policies import key_statement, secret_statement
from guardrails.iam.documents import Statement
from roles.account import Role
from roles.difference import TRUST_POLICY, Difference, compare, role_statements, statements


def read(given: Sequence[Mapping[str, Any]]) -> tuple[Statement, ...]:
    """Parse statements that are not in a policy yet, as if they were in a policy of a role."""
    return statements("other", {"Version": "2012-10-17", "Statement": given}) if given else ()


class Secret(NamedTuple):
    """A secret that a role must read."""

    arn: str
    key_arn: str | None
    """The ARN of the secret's customer managed key; None if there is no such key or it is unknown."""
    is_deleted: bool = False
    """Whether the secret is scheduled for deletion, in which case its policy cannot be read."""


class Policies(NamedTuple):
    """The policies that a role needs."""

    trust_policy: str
    """The trust policy in JSON; `role_policy` is also in JSON."""
    role_policy: str
    other_secrets: tuple[Secret, ...] = ()
    """The secrets that no setting specifies."""

    @property
    def of_role(self) -> tuple[Statement, ...]:
        """The statements of the role policy."""
        return statements(POLICY_NAME, self.role_policy)

    @property
    def others(self) -> list[Mapping[str, Any]]:
        """The statements, without Sids, that `other_secrets` require and the role policy lacks."""
        written = json.loads(self.role_policy)["Statement"]
        found: list[Mapping[str, Any]] = []
        for secret in self.other_secrets:
            needed: list[Mapping[str, Any]] = [secret_statement(secret.arn)]
            if secret.key_arn:
                needed.append(key_statement(secret.key_arn, "secretsmanager"))
            added = [each for each in needed if each not in written]
            found += [{key: value for key, value in each.items() if key != "Sid"} for each in added]
        return found

    @property
    def written(self) -> list[Statement]:
        """The statements of both policies that the program writes."""
        trusted = statements(TRUST_POLICY, self.trust_policy)
        return [*trusted, *self.of_role]

    @property
    def needed(self) -> list[Statement]:
        """The statements that the role needs."""
        return [*self.written, *read(self.others)]

    def compare(self, role: Role) -> Difference:
        """Compare the statements that the role needs with those that it has."""
        return compare(self.needed, role_statements(role))

    def lacks_others(self, role: Role, names: Collection[str]) -> bool:
        """Return whether the role's policies in `names` leave any statement in `others` uncovered."""
        own = [each for each in role_statements(role) if each.policy in names]
        return any(each.verdict != "covered" for each in compare(read(self.others), own).program)
