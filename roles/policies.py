"""Represent the policies that a role needs: the program's, and one for secrets without a setting."""

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from components.connector_role import POLICY_NAME
from guardrails.iam.documents import Statement, listed
from roles.account import Role
from roles.aws_cli import aws_command
from roles.difference import TRUST_POLICY, Difference, compare, role_statements, statements

OTHER_SECRETS: Final = "qbusiness-other-secrets"
"""The name of a policy of the user's own, for a data source's secrets that no setting contains."""


class Policies(NamedTuple):
    """The policies that a role needs, as JSON."""

    trust_policy: str
    role_policy: str
    of_other_secrets: str = ""
    """A policy of the user's own, which the program does not write; empty if none is needed."""

    @property
    def written(self) -> list[Statement]:
        """The statements that the program writes."""
        trusted = statements(TRUST_POLICY, self.trust_policy)
        return [*trusted, *statements(POLICY_NAME, self.role_policy)]

    @property
    def for_other_secrets(self) -> tuple[Statement, ...]:
        """The statements that the user adds."""
        return statements(OTHER_SECRETS, self.of_other_secrets) if self.of_other_secrets else ()

    def compare(self, role: Role) -> Difference:
        """Compare the statements that the role needs with those that it has."""
        return compare([*self.written, *self.for_other_secrets], role_statements(role))

    def is_granted_by(self, role: Role, policy: str) -> bool:
        """Return whether one of the role's policies lets the role read any of the other secrets."""
        own = [each for each in role_statements(role) if each.policy == policy]
        found = compare(self.for_other_secrets, own).program
        return any(verdict.verdict == "covered" for verdict in found)

    def put_for_other_secrets(self, role_name: str) -> str:
        """Return the command that lets a role read the other secrets."""
        return aws_command(
            "iam put-role-policy",
            role_name=role_name,
            policy_name=OTHER_SECRETS,
            policy_document=self.of_other_secrets,
        )

    def resources(self, action: str) -> list[str]:
        """Return the resources of the role policy's first statement for an action; empty if none."""
        for statement in json.loads(self.role_policy)["Statement"]:
            if action in listed(statement["Action"]):
                return listed(statement["Resource"])
        return []

    def resource(self, action: str) -> str | None:
        """Return the first resource for an action; None if no statement allows it."""
        return next(iter(self.resources(action)), None)

    @property
    def application_arn(self) -> str:
        """ARN of the application."""
        (statement,) = json.loads(self.trust_policy)["Statement"]
        return statement["Condition"]["ArnEquals"]["aws:SourceArn"]


def policy_of_other_secrets(role_policy: str, for_others: Iterable[str]) -> str:
    """Return the policy of the user's own for other secrets; empty if there are none.

    `for_others` are the role policies that the program would write for the other secrets. The result has
    their statements that the role policy itself lacks.
    """
    known = json.loads(role_policy)["Statement"]
    added: list[dict[str, Any]] = []
    for number, policy in enumerate(for_others, start=1):
        for statement in json.loads(policy)["Statement"]:
            if statement not in known:
                known.append(statement)
                sid = f"{statement['Sid']}{number if number > 1 else ''}"
                added.append({**statement, "Sid": sid})
    return json.dumps({"Version": "2012-10-17", "Statement": added}) if added else ""
