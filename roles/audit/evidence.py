"""Ask AWS further before a difference between a role and the program's policies counts.

AWS's pages disagree with each other, a KMS grant can replace a missing Allow, and a sync shows whether
the access that a role lacks was needed.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Final, NamedTuple, TypeVar

from botocore.exceptions import ClientError

from components.formats import SERVICE
from guardrails.iam.conditions import Condition
from guardrails.iam.containment import certain_values
from guardrails.iam.documents import Statement
from guardrails.iam.truth import Truth, every
from roles import ingestion
from roles.account import Account, DataSource, Role
from roles.arns import Arn
from roles.check.context import Facts, assume_request
from roles.check.decisions import Applicable, Kind, Policy, decide
from roles.check.evaluation import RolePrincipal
from roles.difference import TRUST_POLICY, Verdict, role_statements, statements
from roles.errors import concerns_every_call
from roles.grants import may_decrypt

_NAMES_OF_CONSOLE: Final = re.compile(
    r"arn:[\w-]+:iam::\d+:role/(?:service-role/)?QBusiness-DataSource-\*"
)
"""Matches the roles that the pages for Amazon S3 let a role pass:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/s3-v2-iam-role.html"""


_T = TypeVar("_T")


class Judgment(NamedTuple):
    """AWS's other answers about a difference."""

    counts: Truth
    """NO if the difference is only a remark; CANNOT_TELL if AWS does not say."""
    remark: str = ""


_COUNTS: Final = Judgment(Truth.YES)


def judge(account: Account, role: Role, verdict: Verdict, sources: Sequence[DataSource]) -> Judgment:
    """Return whether a difference counts, given the data sources that it concerns."""
    name = f"{verdict.policy}, {verdict.statement}"
    if _passes_roles_of_console(role, verdict):
        return Judgment(
            Truth.NO, f"not counted: {name}: passes roles that the console names, as AWS's page does"
        )
    if verdict.verdict != "missing":
        return _COUNTS
    if verdict.policy == TRUST_POLICY:
        return _by_trust_policy(account, role, name, sources)
    if all(access.actions == ("kms:Decrypt",) for access in verdict.access):
        return _by_grants(account, role, name, verdict)
    if ingestion.is_disputed(verdict) and not _is_denied(role, verdict):
        return _by_sync(account, name, sources)
    return _COUNTS


def _passes_roles_of_console(role: Role, verdict: Verdict) -> bool:
    """Return whether a statement in excess only passes the console's roles to Amazon Q Business."""
    if verdict.verdict != "excess" or any(each.actions != ("iam:PassRole",) for each in verdict.access):
        return False
    targets = [target for access in verdict.access for target in access.targets]
    own = [
        each
        for each in role_statements(role)
        if (each.policy, each.name) == (verdict.policy, verdict.statement)
    ]
    return all(map(_NAMES_OF_CONSOLE.fullmatch, targets)) and all(
        certain_values(each.conditions, "iam:PassedToService") == [(SERVICE,)] for each in own
    )


def _is_denied(role: Role, verdict: Verdict) -> bool:
    """Return whether a policy always denies access; one with conditions is a difference of its own."""
    denials = [each for each in role_statements(role) if not (each.allows or each.conditions)]
    return any(
        each.actions.meets(action) and each.targets.meets(target)
        for each in denials
        for access in verdict.access
        for action, target in product(access.actions, access.targets)
    )


def as_requested(statement: Statement) -> Statement:
    """Return a program's statement with more conditions that the connector's requests always meet."""
    if statement.policy == TRUST_POLICY:
        return statement
    met = [Condition("Bool", "aws:SecureTransport", ("true",))]
    service = statement.actions.values[0].partition(":")[0]
    places = {(arn.region, arn.account) for arn in map(Arn.of, statement.targets.values)}
    if service in ("secretsmanager", "kms", "qbusiness") and len(places) == 1:
        ((region, account),) = places
        met.append(Condition("StringEquals", "aws:RequestedRegion", (region,)))
        met.append(Condition("StringEquals", "aws:ResourceAccount", (account,)))
        through = (each for each in statement.conditions if each.is_on("kms:ViaService"))
        values = [value.replace("*", region) for each in through for value in each.values]
        met += [Condition("StringEquals", "kms:ViaService", (each,)) for each in values]
    if service == "s3":
        owner = [each for each in statement.conditions if each.is_on("aws:ResourceAccount")]
        met += [each._replace(key="s3:ResourceAccount") for each in owner]
    return statement._replace(conditions=(*statement.conditions, *met))


def _by_trust_policy(account: Account, role: Role, name: str, sources: Sequence[DataSource]) -> Judgment:
    """Decide whether Amazon Q Business can assume the role, whose conditions differ."""
    principal = RolePrincipal(role.arn, role.id, bool(role.permissions_boundary))
    facts = Facts(Arn.of(role.arn).account, role, principal, {}, None, datetime.now(UTC), {})
    policy = Policy(Kind.TRUST, Kind.TRUST, statements(TRUST_POLICY, role.trust_policy))
    arns = {account.data_source(each)["dataSourceArn"].partition("/index/")[0] for each in sources}
    requests = (assume_request(facts, role.arn, arn) for arn in arns)
    allowed = every(decide(each, Applicable([policy]), facts.now()).allowed for each in requests)
    if allowed is Truth.NO:
        return _COUNTS
    if allowed is Truth.YES:
        text = f"not counted: {name}: differs, but lets Amazon Q Business assume the role"
        return Judgment(Truth.NO, text)
    return Judgment(Truth.CANNOT_TELL, f"{name}: differs, but may let Amazon Q Business assume the role")


def _by_grants(account: Account, role: Role, name: str, verdict: Verdict) -> Judgment:
    keys = sorted({target for access in verdict.access for target in access.targets})
    granted = _ask(lambda: every(may_decrypt(account, key, role.arn) for key in keys), Truth.CANNOT_TELL)
    # AWS does not say whether a boundary limits a grant.
    if granted is Truth.YES and not role.permissions_boundary:
        return Judgment(
            Truth.NO, f"not counted: {name}: a KMS grant lets the role decrypt with {', '.join(keys)}"
        )
    if granted is not Truth.NO:
        return Judgment(Truth.CANNOT_TELL, f"{name}: a KMS grant may let the role decrypt")
    return _COUNTS


def _by_sync(account: Account, name: str, sources: Sequence[DataSource]) -> Judgment:
    unread = ingestion.Evidence("the last sync could not be read")
    found = _ask(lambda: ingestion.read_evidence(account, sources), unread)
    if found.is_denied:
        return Judgment(Truth.YES, f"{name}: {found.text}")
    return Judgment(Truth.NO, f"not counted: {name}: {ingestion.DISPUTED}: {found.text}")


class LastSync(NamedTuple):
    """The last sync of a data source whose role lacks access."""

    text: str
    failed: bool


def last_sync(account: Account, source: DataSource) -> LastSync | None:
    """Return the last sync of a data source; None if there is none, or it cannot be read."""
    sync = _ask(lambda: account.last_sync(source), None)
    if sync is None:
        return None
    error = sync.get("error", {}).get("errorMessage")
    day = ingestion.day_of(sync)
    text = f"the last sync{day} has the status {sync['status']}{f': {error}' if error else ''}"
    return LastSync(text, sync["status"] == "FAILED")


def _ask(read: Callable[[], _T], otherwise: _T) -> _T:
    """Return the result of a call; if it fails, `otherwise`. Raises errors that concern every call."""
    try:
        return read()
    except ClientError as error:
        if concerns_every_call(error):
            raise
        return otherwise
