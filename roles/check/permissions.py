"""Ask whether the role has the expected policies, and whether the caller can pass the role."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from components.connector_role import POLICY_NAME
from components.formats import SERVICE
from guardrails.iam.truth import Truth
from roles.check.case import Case
from roles.check.causes import causes_in, denials_in_role_policy
from roles.check.collection import ROLE_POLICY
from roles.check.evaluation import applies
from roles.check.other_secrets import second_secret
from roles.check.requests import pass_request
from roles.check.simulation import simulate
from roles.check.subject import Subject
from roles.difference import TRUST_POLICY, Verdict, compare, statements
from roles.errors import OddAnswerError
from roles.findings import Finding, cannot_tell, not_allowed, note, ok, problem, skipped

_ROLE_TAGS: Final = ("aws:ResourceTag/", "iam:ResourceTag/")
"""Prefixes of the condition keys for the tags of a role that is passed."""
_DIFFERENCES: Final[Mapping[str, str]] = {
    "missing": "missing",
    "excess": "in excess",
    "denies": "denies access",
}
"""The verdicts that `check` shows, with the words for them."""
_PASS_ROLE: Final = {
    "Effect": "Allow",
    "Action": "iam:PassRole",
    "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}},
}


def role(subject: Subject) -> Finding:
    """Ask whether the role exists."""
    arn = subject.settings.role_arn
    if arn is None:
        return problem("the stack's outputs contain no ARN for the role yet", subject.up_command)
    if subject.find_role() is None:
        return problem(f"there is no role {arn}", subject.up_command)
    return ok(arn)


def trust_policy(subject: Subject) -> Finding:
    """Ask whether the role's trust policy is equivalent to the expected policy."""
    return _same(subject, TRUST_POLICY, subject.policies.trust_policy, subject.role.trust_policy)


def role_policy(case: Case) -> Iterator[Finding]:
    """Ask whether the role policy is as expected; outside a stack, ask about all policies together."""
    subject = case.subject
    if subject.settings.stack:
        actual = subject.role.inline_policies.get(POLICY_NAME)
        yield _same(subject, POLICY_NAME, subject.policies.role_policy, actual)
    else:
        decided = [*denials_in_role_policy(case), *second_secret(case)]
        yield from _all_policies(case, is_decided=bool(decided))
        yield from decided


def _all_policies(case: Case, *, is_decided: bool) -> Iterator[Finding]:
    """Ask whether the role's policies together grant exactly the access that the role needs.

    `is_decided` is True if other answers already report requests that these policies do not, or may not,
    allow. If so, omit the answers that say that the policies allow every request.
    """
    subject, role = case.subject, case.subject.role
    if not role.complete:
        yield not_allowed(str(role.denied))
        return
    policies = subject.needed_policies
    difference = policies.compare(role)
    both = (*difference.program, *difference.role)
    verdicts = [verdict for verdict in both if verdict.policy != TRUST_POLICY]
    if subject.bucket_name and not subject.bucket_owner:  # the access may be right or in excess
        verdicts = [each for each in verdicts if not _is_on_bucket(each, subject.bucket_name)]
    missing = [each for each in verdicts if each.verdict == "missing"]
    denied = [
        decision.request
        for decision, cause in causes_in(case.decisions, ROLE_POLICY, Truth.NO)
        if not cause.statements
    ]
    needed_for = {
        (statement.policy, statement.name)
        for statement in policies.written
        if any(applies(statement, request) is Truth.YES for request in denied)
    }
    if lacking := [each for each in missing if (each.policy, each.statement) in needed_for]:
        text = "the role's policies do not allow all required access"
        yield problem(text, subject.up_command, *map(_shown, lacking))
    elif missing and not is_decided:
        text = "the role's policies lack some expected access"
        if all(decision.allowed is Truth.YES for decision in case.decisions):
            text += ", but allow every connector request"
        if any(decision.by_resource_policy for decision in case.decisions):
            text = "the role's policies lack access that the policy of the secret, key, or bucket grants"
        yield note(text, subject.up_command, *map(_shown, missing))
    elif excess := [each for each in verdicts if each.verdict == "excess"]:
        yield note(
            "the role's policies allow more than the expected policy",
            "remove this access, unless another data source needs it",
            *(f"{each.policy}, {each.statement}: {_DIFFERENCES[each.verdict]}" for each in excess),
        )
    elif not is_decided:
        yield ok("the role's Allow statements grant exactly the access in the expected policy")


def _is_on_bucket(verdict: Verdict, bucket: str) -> bool:
    targets = (target for access in verdict.access for target in access.targets)
    return all(target.partition(":s3:::")[2].partition("/")[0] == bucket for target in targets)


def _shown(missing: Verdict, otherwise: str = "missing") -> str:
    """Return a line about a missing statement: differences in conditions or, if none, `otherwise`."""
    conditions = (condition for access in missing.access for condition in access.conditions)
    return f"{missing.statement}: {', '.join(dict.fromkeys(conditions)) or otherwise}"


def _same(subject: Subject, name: str, expected: str, actual: Mapping[str, Any] | None) -> Finding:
    has = statements(name, actual) if actual is not None else ()
    difference = compare(statements(name, expected), has)
    if difference.equivalent:
        return ok("is equivalent to the expected policy")
    different = [
        verdict for verdict in (*difference.program, *difference.role) if verdict.verdict in _DIFFERENCES
    ]
    # A denial can be the reason why the role lacks a statement's access.
    denied = any(verdict.verdict == "denies" for verdict in different)
    details = [
        _shown(verdict, "denied or missing" if denied else "missing")
        if verdict.verdict == "missing"
        else f"{verdict.statement}: {_DIFFERENCES[verdict.verdict]}"
        for verdict in different
    ]
    if all(verdict.verdict == "excess" for verdict in different):
        return note("allows more than the expected policy", subject.up_command, *details)
    return problem("differs from the expected policy", subject.up_command, *details)


# The caller.


def passing(case: Case) -> Finding:
    """Ask whether the caller can pass the role to Amazon Q Business."""
    subject = case.subject
    arn, principal = subject.role_arn, _principal(subject)
    if principal is None:
        return skipped(f"IAM does not simulate requests by {subject.caller.text}")
    if principal.endswith(":root"):
        return ok("no IAM policy limits the account's root user")
    group = pass_request(arn)
    context: dict[str, str | list[str]] = {key: str(value) for key, value in group.context.items()}
    role = case.collected.facts.role  # also None if the role cannot be read
    for key, value in role.tags.items() if role else ():
        context |= {f"{prefix}{key}": value for prefix in _ROLE_TAGS}
    (answer,) = simulate(case, principal, group, context).values()
    keys = ", ".join(answer.missing_keys)
    if answer.allowed:
        more = f", according to IAM's simulation, which lacks {keys}" if keys else ""
        return ok(f"{principal} can pass the role to {SERVICE}{more}")
    sources = subject.data_sources if subject.find_application() else []
    unread = [found for _, found in sources if isinstance(found, OddAnswerError)]
    if len(unread) < len(sources):  # at least one of them is known to use the role
        return ok(
            f"IAM's simulation does not let {principal} pass the role, but a data source already uses "
            "the role"
        )
    if unread:
        raise unread[0]
    if keys and not answer.by_organization:
        return cannot_tell(
            f"IAM might not let {principal} pass the role to {SERVICE}: its simulation lacks {keys}",
            "use `aws iam simulate-principal-policy` with these keys in --context-entries, or create "
            "the data source",
        )
    if answer.by_organization:
        fix = "only your organization can change service control policies"
    elif answer.explicit:
        fix = "change the policy that denies the request"
    else:
        place = "the permissions boundary" if answer.by_boundary else "a policy"
        statement = json.dumps(_PASS_ROLE | {"Resource": arn})
        fix = f"add this statement to {place} of the principal that creates the data source: {statement}"
    return problem(f"{principal} cannot pass the role to {SERVICE}: {answer.reason}", fix)


def _principal(subject: Subject) -> str | None:
    """Return the ARN of the caller's user, root user, or role; None for other callers.

    A session's ARN lacks its role's path, so look up the role's ARN.
    """
    kind, _, name = subject.caller.resource.partition("/")
    if kind == "assumed-role":
        return subject.account.role_arn(name.partition("/")[0])
    return subject.caller.text if kind in ("user", "root") else None
