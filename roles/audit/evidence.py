"""Decide which requests of data sources AWS allows, before a difference of their role counts.

A missing statement is no fault if AWS allows the requests that need it, for example by a key policy or a
KMS grant. A sync shows whether the access was needed.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from components.formats import SERVICE
from components.problems import SettingsError
from guardrails.iam.conditions import Condition
from guardrails.iam.containment import certain_values
from guardrails.iam.decisions import Decision
from guardrails.iam.documents import Statement
from guardrails.iam.patterns import Text, matches
from guardrails.iam.truth import Truth, every
from roles import ingestion
from roles.account import Account, DataSource, Role
from roles.check.answers import attempt_or
from roles.check.case import Case, evidence, is_disputed
from roles.check.subject import Source, Subject
from roles.detection import find_uses
from roles.difference import TRUST_POLICY, Access, Verdict, compare, role_statements
from roles.policies import SeparatePolicy
from roles.policy_settings import Requirements
from roles.project import COMPONENT
from roles.stack import RoleSettings

_NAMES_OF_CONSOLE: Final = re.compile(
    r"arn:[\w-]+:iam::\d+:role/(?:service-role/)?QBusiness-DataSource-\*"
)
"""Matches the roles that the pages for Amazon S3 let a role pass:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/s3-v2-iam-role.html"""
_DECRYPT: Final = "kms:Decrypt"
_OTHER_KEY: Final = (
    "the secret's current version is encrypted with another key, but the next version needs this access"
)


class Judgment(NamedTuple):
    """AWS's other answers about a difference."""

    counts: Truth
    """NO if the difference is only a remark; CANNOT_TELL if AWS does not say."""
    remark: str = ""


_COUNTS: Final = Judgment(Truth.YES)


def simplify(statement: Statement) -> Statement:
    """Leave out a condition that every request meets, and give a condition key its usual name."""
    always = Condition("Bool", "aws:SecureTransport", ("true",))
    conditions = (
        each._replace(key="aws:ResourceAccount") if each.is_on("s3:ResourceAccount") else each
        for each in statement.conditions
        if each != always or not statement.allows
    )
    return statement._replace(conditions=tuple(conditions))


def subject_of(account: Account, data_source: DataSource, needs: Requirements) -> Subject | None:
    """Return a role with one of its data sources; None if the program rejects the settings."""
    is_known = needs.bucket_account_is_known
    settings = RoleSettings(
        "",
        COMPONENT,
        needs.settings(),
        needs.role.arn,
        data_source.id,
        bucket_account_is_known=is_known,
    )
    details = account.data_source(data_source)
    try:
        return Subject(settings, account, [Source(data_source, details, find_uses(details))])
    except SettingsError:
        return None


def judge(
    role: Role,
    verdict: Verdict,
    subjects: Sequence[Subject | None],
    read_case: Callable[[Subject], Case],
) -> Judgment:
    """Return whether a difference counts, given the role with each data source that it concerns.

    `read_case` is called only for missing access.
    """
    name = f"{verdict.policy}, {verdict.statement}"
    known = [*filter(None, subjects)]
    if verdict.verdict == "excess":
        reason = _reason_for_excess(role, verdict, known)
        return Judgment(Truth.NO, f"not counted: {name}: {reason}") if reason else _COUNTS
    if verdict.verdict != "missing" or len(known) < len(subjects):
        return _COUNTS
    by_case = [(case, _concerned(case, verdict)) for case in map(read_case, known)]
    if any(decisions is None for _, decisions in by_case):
        return _COUNTS
    found = [(case, decision) for case, decisions in by_case for decision in decisions or ()]
    allowed = every(
        Truth.YES if is_disputed(case, decision) else decision.allowed for case, decision in found
    )
    reasons = "; ".join(
        dict.fromkeys(each for case, decision in found for each in _reasons(case, decision, verdict))
    )
    if not found and all(access.actions == (_DECRYPT,) for access in verdict.access):
        reasons = _OTHER_KEY  # it needs no decryption
    if allowed is Truth.YES and reasons:
        return Judgment(Truth.NO, f"not counted: {name}: {reasons}")
    if allowed is Truth.CANNOT_TELL and reasons:
        return Judgment(Truth.CANNOT_TELL, f"{name}: {reasons}")
    of_ingestion = (case for case, each in found if each.request.action in ingestion.ACTIONS)
    denial = next((each.text for each in map(evidence, of_ingestion) if each.is_denied), "")
    return Judgment(Truth.YES, f"{name}: {denial}" if denial else "")


def _reason_for_excess(role: Role, verdict: Verdict, subjects: Sequence[Subject]) -> str:
    """Return why an excess statement is only a remark; empty if it counts."""
    actions = {action for access in verdict.access for action in access.actions}
    targets = [target for access in verdict.access for target in access.targets]
    own = [
        each
        for each in role_statements(role)
        if (each.policy, each.name) == (verdict.policy, verdict.statement)
    ]
    if actions == {_DECRYPT} and not any(access.condition for access in verdict.access):
        used = {
            key for subject in subjects for key in attempt_or((), partial(getattr, subject, "key_arns"))
        }
        needed = [
            each for key in used for each in SeparatePolicy.for_key(key, "secretsmanager").statements
        ]
        is_needed = all(each.verdict != "excess" for each in compare(needed, own).role)
        text = f"a secret's current version is encrypted with {', '.join(targets)}"
        return text if is_needed else ""
    passes_roles = actions == {"iam:PassRole"} and all(map(_NAMES_OF_CONSOLE.fullmatch, targets))
    if passes_roles and all(
        certain_values(each.conditions, "iam:PassedToService") == [(SERVICE,)] for each in own
    ):
        return "passes roles that the console names, as AWS's page does"
    return ""


def _concerned(case: Case, verdict: Verdict) -> list[Decision] | None:
    """Return the decisions about access that a role lacks; None if no request needs a part of it."""
    if verdict.policy == TRUST_POLICY:
        return [case.trust]
    found: list[Decision] = []
    for access in verdict.access:
        for action in access.actions:
            decisions = [each for each in case.decisions if each.request.action == action]
            on_targets = [each for each in decisions if _is_on(each.request.resource, access)]
            # AWS's pages grant some access that no request needs. Without it, a difference counts.
            if not (on_targets or access.condition or action == _DECRYPT):
                return None
            # A secret's current version may be encrypted with a key other than the secret's.
            found += on_targets or decisions
    return found


def _is_on(resource: Text, access: Access) -> bool:
    return any(matches(target, resource) is not Truth.NO for target in access.targets)


def _reasons(case: Case, decision: Decision, verdict: Verdict) -> Iterator[str]:
    """Yield why AWS allows, or may allow, a request that needs access that the role lacks.

    If this depends on a condition in the role's own policies, the difference itself shows that.
    """
    policies, request = decision.policies, decision.request
    is_allowed = decision.allowed is Truth.YES
    resource = request.resource.known
    lets = "lets" if is_allowed else "may let"
    if verdict.policy == TRUST_POLICY:
        yield f"differs, but {lets} Amazon Q Business assume the role"
    elif is_disputed(case, decision):
        yield f"{ingestion.DISPUTED}: {evidence(case).text}"
    elif policies.grant is not Truth.NO:
        yield f"a KMS grant {lets} the role decrypt with {resource}"
    elif decision.by_resource_policy and policies.resource:
        yield f"the {policies.resource.kind} of {policies.resource.resource} lets the role do this"
    elif is_allowed:
        is_of_version = request.action == _DECRYPT and not any(
            _is_on(request.resource, access) for access in verdict.access
        )
        yield _OTHER_KEY if is_of_version else "the role's requests meet its conditions"
    else:
        for cause in decision.deciding:
            policy, unread = cause.policy, cause.policy.unread
            # Nothing is unknown about the policy of a resource that was deleted.
            if policy.resource and (not unread or unread.action):
                reason = unread.text if unread else f"this depends on {', '.join(cause.keys)}"
                yield f"the {policy.kind} of {policy.resource} may let the role do this: {reason}"


class LastSync(NamedTuple):
    """The last sync of a data source whose role lacks access."""

    text: str
    failed: bool


def last_sync(account: Account, source: DataSource) -> LastSync | None:
    """Return the last sync of a data source; None if there is none, or it cannot be read."""
    sync = attempt_or(None, lambda: account.last_sync(source))
    if sync is None:
        return None
    error = sync.get("error", {}).get("errorMessage")
    day = ingestion.day_of(sync)
    text = f"the last sync{day} has the status {sync['status']}{f': {error}' if error else ''}"
    return LastSync(text, sync["status"] == "FAILED")
