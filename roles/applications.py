"""Find the applications and the other principals in a role's trust policy."""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Final

from components.formats import APPLICATION, SERVICE
from guardrails.iam.containment import certain_values
from guardrails.iam.decisions import Applicable, Policy, decide
from guardrails.iam.decisions import Kind as PolicyKind
from guardrails.iam.documents import Kind, read_document
from guardrails.iam.evaluation import RolePrincipal
from guardrails.iam.patterns import Patterns
from guardrails.iam.truth import Truth
from roles.account import Account, Role, plain_json
from roles.arns import Arn
from roles.check.context import Facts, assume_request
from roles.difference import TRUST_POLICY, role_statements, statements
from roles.findings import attempt, note

UNIQUE_ID: Final = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,}")
"""Matches the unique ID that IAM shows in place of the ARN of a deleted user or role.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids"""


def accepted_applications(role: Role) -> Iterator[str]:
    """Yield the ARNs, or ARN patterns, of the applications for which a role can be assumed.

    For a statement without a condition on the application, yield `*`.
    """
    for statement in statements(TRUST_POLICY, role.trust_policy):
        if statement.allows and {f"Service:{SERVICE}", "*"}.intersection(statement.principals.values):
            conditions = [each for each in statement.conditions if each.is_on("aws:SourceArn")]
            yield from (value for each in conditions for value in each.values)
            if not conditions:
                yield "*"


def accepts_application(trust_policy: object, role_arn: str, application_arn: str) -> bool:
    """Return whether a trust policy lets Amazon Q Business assume a role for an application.

    True also if the answer is unknown, such as for a condition on the application's organization. Raises
    OddAnswerError for a trust policy that cannot be read.
    """
    facts = Facts(
        account=Arn.of(role_arn).account,
        role=None,
        principal=RolePrincipal(role_arn, ""),
        resource_tags={},
        organization=None,
        time=datetime.now(UTC),
        stated={},
    )
    policy = Policy(PolicyKind.TRUST, TRUST_POLICY, statements(TRUST_POLICY, trust_policy))
    request = assume_request(facts, role_arn, application_arn)
    return decide(request, Applicable([policy])).allowed is not Truth.NO


def other_applications(account: Account, role: Role, own: str) -> list[str]:
    """Return the ARNs of the existing applications in a role's trust policy, except `own`.

    An application that cannot be read counts as existing.
    """
    named = dict.fromkeys(filter(APPLICATION.parse, accepted_applications(role)))
    gone = note("")

    def read(arn: Arn) -> object:
        return account.in_region(arn.region).get("qbusiness:GetApplication", arn.name)

    others = [arn for arn in named if arn != own]
    return [arn for arn in others if attempt(partial(read, Arn.of(arn)), gone) is not gone]


def other_principals(role: Role) -> list[str]:
    """Return the principals that may assume a role, except Amazon Q Business and the role itself.

    The IDs of deleted principals are left out. `*` means everybody, with or without exceptions. If a
    statement for everybody has conditions on keys other than `aws:SourceAccount` and `aws:SourceArn`,
    the result contains a description with these keys in place of `*`.
    """
    names: dict[str, None] = {}
    for statement in role_statements(role):
        if statement.policy == TRUST_POLICY and statement.allows:
            values = ("*",) if statement.principals.negated else statement.principals.values
            keys = [each.key for each in statement.conditions if not each.is_on("aws:SourceAccount")]
            others = ", ".join(key for key in keys if key.lower() != "aws:sourcearn")
            for value in values:
                name = value.partition(":")[2] or value
                everybody = f"everybody under a condition on {others}" if others else "*"
                names[everybody if name == "*" else name] = None
    nobody = (SERVICE, role.arn)
    return [name for name in names if name not in nobody and not UNIQUE_ID.fullmatch(name)]


def trusts_only(applications: Collection[str], trust_policy: str) -> bool:
    """Return whether a trust policy trusts only Amazon Q Business, and only for these applications.

    `applications` contains ARNs. The trust policy is in JSON, which may be URL-encoded.
    """
    if SERVICE not in trust_policy:
        return False  # this avoids parsing the trust policies of all roles in the account
    found = read_document(plain_json(trust_policy), Kind.TRUST, TRUST_POLICY).statements
    allowing = [each for each in found if each.allows]
    return bool(allowing) and all(
        each.principals == Patterns((f"Service:{SERVICE}",))
        and any(
            {*values} <= {*applications} for values in certain_values(each.conditions, "aws:SourceArn")
        )
        for each in allowing
    )
