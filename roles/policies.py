"""Represent the policies that a role needs: the program's, and one for secrets without a setting."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from components.connector_role import POLICY_NAME
from components.policies import key_statement, secret_statement
from guardrails.iam.documents import Statement, listed
from roles.account import Role
from roles.aws_cli import aws_command
from roles.difference import TRUST_POLICY, Difference, compare, role_statements, statements

OTHER_SECRETS: Final = "qbusiness-other-secrets"
"""The name of the separate policy for a data source's secrets that no setting contains."""


class Secret(NamedTuple):
    """A secret that a role must read."""

    arn: str
    key_arn: str | None
    """The ARN of the customer managed key; None if there is none, or it is unknown."""


class Policies(NamedTuple):
    """The policies that a role needs."""

    trust_policy: str
    """JSON, like the role policy."""
    role_policy: str
    other_secrets: tuple[Secret, ...] = ()
    """Secrets that no setting contains. A separate policy, which the user adds, must allow them."""

    @property
    def of_other_secrets(self) -> str:
        """The separate policy, as JSON; empty if it needs no statement."""
        known = json.loads(self.role_policy)["Statement"]
        added: list[Mapping[str, Any]] = []
        for number, (arn, key_arn) in enumerate(self.other_secrets, start=1):
            needed = [secret_statement(arn)]
            if key_arn:
                needed.append(key_statement(key_arn, "secretsmanager"))
            for statement in (each.json for each in needed if each.json not in known):
                known.append(statement)
                sid = f"{statement['Sid']}{number if number > 1 else ''}"
                added.append({**statement, "Sid": sid})
        return json.dumps({"Version": "2012-10-17", "Statement": added}) if added else ""

    @property
    def written(self) -> list[Statement]:
        """The statements that the program writes, of both policies."""
        trusted = statements(TRUST_POLICY, self.trust_policy)
        return [*trusted, *statements(POLICY_NAME, self.role_policy)]

    @property
    def for_other_secrets(self) -> tuple[Statement, ...]:
        """The statements of the separate policy."""
        return statements(OTHER_SECRETS, self.of_other_secrets) if self.of_other_secrets else ()

    def compare(self, role: Role) -> Difference:
        """Compare the statements that the role needs with those that it has."""
        return compare([*self.written, *self.for_other_secrets], role_statements(role))

    def allowed_for_other_secrets(self, role: Role, policies: Collection[str]) -> list[bool]:
        """Return whether the role's policies with these names allow each of `for_other_secrets`."""
        own = [each for each in role_statements(role) if each.policy in policies]
        return [each.verdict == "covered" for each in compare(self.for_other_secrets, own).program]

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
