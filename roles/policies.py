"""Represent the policies that a role needs.

These are the policies that the program writes, and one for each secret that no setting contains.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from components.connector_role import POLICY_NAME
from components.policies import key_statement, secret_statement
from guardrails.iam.documents import Statement
from roles.account import Role
from roles.arns import Arn
from roles.difference import TRUST_POLICY, Difference, compare, role_statements, statements

_MAXIMUM_NAME: Final = 128
"""The maximum length of a policy's name:
https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html"""
_DIGITS: Final = 16
"""The length of a digest."""


def digest(*parts: str) -> str:
    """Return letters and digits for these texts, which are different for other texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGITS]


class Secret(NamedTuple):
    """A secret that a role must read."""

    arn: str
    key_arn: str | None
    """The ARN of the secret's customer managed key; None if there is none, or it is unknown."""
    is_deleted: bool = False
    """Whether the secret is scheduled for deletion, so that its policy cannot be read."""


class SeparatePolicy(NamedTuple):
    """A policy that lets a role use one secret or key. The user adds it to the role."""

    name: str
    document: str
    """JSON."""

    @classmethod
    def of(cls, arn: str, statements: Sequence[Mapping[str, Any]]) -> "SeparatePolicy":
        """Return the policy for a secret or key; the policy for another ARN has another name."""
        name = Arn.of(arn).resource.replace(":", "-").replace("/", "-")
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        return cls(f"{name[: _MAXIMUM_NAME - _DIGITS - 1]}-{digest(arn)}", document)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The policy's statements."""
        return statements(self.name, self.document)

    @staticmethod
    def for_key(arn: str, service: str) -> "SeparatePolicy":
        """Return a policy that lets a role decrypt with a key through a service, such as `s3`."""
        return SeparatePolicy.of(arn, [key_statement(arn, service)])


class Policies(NamedTuple):
    """The policies that a role needs."""

    trust_policy: str
    """JSON, like the role policy."""
    role_policy: str
    other_secrets: tuple[Secret, ...] = ()
    """Secrets that no setting contains."""

    @property
    def of_role(self) -> tuple[Statement, ...]:
        """The statements of the role policy."""
        return statements(POLICY_NAME, self.role_policy)

    @property
    def separate(self) -> list[SeparatePolicy]:
        """A separate policy for each of `other_secrets`, because the program writes none for them.

        Each has a name of its own, so that adding one does not replace another. Statements that the role
        policy contains are left out.
        """
        written = json.loads(self.role_policy)["Statement"]
        found: list[SeparatePolicy] = []
        for secret in self.other_secrets:
            needed = [secret_statement(secret.arn)]
            if secret.key_arn:
                needed.append(key_statement(secret.key_arn, "secretsmanager"))
            added = [each for each in needed if each not in written]
            found += [SeparatePolicy.of(secret.arn, added)] if added else []
        return found

    @property
    def written(self) -> list[Statement]:
        """The statements of both policies that the program writes."""
        trusted = statements(TRUST_POLICY, self.trust_policy)
        return [*trusted, *self.of_role]

    @property
    def needed(self) -> list[Statement]:
        """The statements that the role needs."""
        return [*self.written, *(each for policy in self.separate for each in policy.statements)]

    def compare(self, role: Role) -> Difference:
        """Compare the statements that the role needs with those that it has."""
        return compare(self.needed, role_statements(role))

    def allow_other_secrets(self, role: Role, names: Collection[str]) -> list[bool]:
        """Return, for each statement of `separate`, whether the role's policies in `names` allow it."""
        own = [each for each in role_statements(role) if each.policy in names]
        wanted = [each for policy in self.separate for each in policy.statements]
        return [each.verdict == "covered" for each in compare(wanted, own).program]
