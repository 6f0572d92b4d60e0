"""Ask whether the role has the expected policies, and what its other policies allow."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from components.connector_role import POLICY_NAME
from guardrails.iam.decisions import Decision, Kind, Policy, decide
from guardrails.iam.evaluation import applies
from guardrails.iam.truth import Truth
from roles.arns import Arn
from roles.aws_commands import remove_policy
from roles.check.answers import needed
from roles.check.case import Case, expected_policy, is_disputed
from roles.check.causes import judge_own_policy, judge_trust_policy
from roles.check.subject import Subject
from roles.danger import find_danger
from roles.difference import TRUST_POLICY, Verdict, compare, statements
from roles.findings import Finding, State, not_allowed, note, ok, problem, skipped
from roles.policies import SeparatePolicy

_DIFFERENCES: Final[Mapping[str, str]] = {
    "missing": "missing",
    "excess": "in excess",
    "denies": "denies access",
}
"""The verdicts that `check` shows, with the words for them."""


def role(case: Case) -> Finding:
    """Ask whether the role exists."""
    subject, arn = case.subject, case.subject.settings.role_arn
    if arn is None:
        return problem("the stack's outputs contain no ARN for the role yet", subject.up_command)
    if subject.find_role() is None:
        return problem(f"there is no role {arn}", subject.up_command)
    return ok(arn)


def trust_policy(case: Case) -> Finding:
    """Ask whether Amazon Q Business can assume the role, and whether the trust policy is as expected.

    In a stack, a missing statement or condition is drift, so it is a problem even if Amazon Q Business
    can assume the role. A Deny statement that does not apply is a note.
    """
    subject = case.subject
    actual, expected = subject.role.trust_policy, subject.policies.trust_policy
    decided = judge_trust_policy(case)
    if decided.state is not State.OK:
        return decided
    same = _same(subject, TRUST_POLICY, expected, actual, harmless=("excess", "denies"))
    ends = ("it stops letting Amazon Q Business do so later",) if _ends(case) else ()
    details = (*same.details, *ends)
    if same.state is State.PROBLEM and not subject.settings.stack:
        return note(f"{same.text}, but {decided.text}", same.fix, *details)
    return same._replace(details=details)


def _ends(case: Case) -> bool:
    """Return whether a date in the trust policy will keep Amazon Q Business from assuming the role."""
    if not case.trust.only_now:
        return False
    last = case.facts._replace(time=datetime.max.replace(tzinfo=UTC)).now()
    context = case.trust.request.context
    then = context._replace(values={**context.values, **last.values})
    request = case.trust.request._replace(context=then)
    return decide(request, case.trust.policies, last).allowed is Truth.NO


# The role policy.


def role_policy(case: Case) -> Iterator[Finding]:
    """Ask whether the role policy is as expected; outside a stack, ask about all policies together."""
    subject = case.subject
    if subject.settings.stack:
        actual = subject.role.inline_policies.get(POLICY_NAME)
        yield _same(subject, POLICY_NAME, subject.policies.role_policy, actual)
        return
    decided = [*(answer for _, answer in _denials(case, Kind.ROLE)), *_second_secret(case)]
    yield from _all_policies(case, is_decided=bool(decided))
    yield from decided


def _same(
    subject: Subject,
    name: str,
    expected: str,
    actual: Mapping[str, Any] | None,
    harmless: Collection[str] = ("excess",),
) -> Finding:
    """Compare a policy with the expected one; only `harmless` verdicts make the answer a note."""
    has = statements(name, actual) if actual is not None else ()
    difference = compare(statements(name, expected), has)
    verdicts = (*difference.program, *difference.role)
    different = [each for each in verdicts if each.verdict in _DIFFERENCES]
    if not different:
        return ok("is equivalent to the expected policy")
    # A denial can be the reason why the role lacks a statement's access.
    denied = any(verdict.verdict == "denies" for verdict in different)
    details = [
        _shown(verdict, "denied or missing" if denied else "missing")
        if verdict.verdict == "missing"
        else f"{verdict.statement}: {_DIFFERENCES[verdict.verdict]}"
        for verdict in different
    ]
    if all(verdict.verdict in harmless for verdict in different):
        text = (
            "allows more than" if all(each.verdict == "excess" for each in different) else "differs from"
        )
        return note(f"{text} the expected policy", subject.up_command, *details)
    return problem("differs from the expected policy", subject.up_command, *details)


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
    if (bucket := subject.bucket) and not subject.bucket_owner:  # the access may be right or in excess
        verdicts = [each for each in verdicts if not _is_on_bucket(each, bucket)]
    missing = [each for each in verdicts if each.verdict == "missing"]
    denied = [
        each.request
        for each in case.decisions
        if _lacks_allow(case, each) and not is_disputed(case, each)
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
        if any(decision.by_resource_policy for decision in case.decisions):
            text = "the role's policies lack access that another policy or a KMS grant allows"
        elif all(decision.allowed is Truth.YES for decision in case.decisions):
            text += ", but allow every connector request"
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


def _denials(case: Case, kind: Kind) -> list[tuple[str, Finding]]:
    """Return policies of this kind that deny or may deny requests, with the answers about them."""
    found = [
        (policy.name, answer)
        for policy in case.policies
        if policy.kind is kind and not policy.unread
        for answer in judge_own_policy(case, policy)
    ]
    return sorted(found, key=lambda each: each[1].state is not State.PROBLEM)


# The other policies.


def other_policies(case: Case) -> Iterator[Finding]:
    """Report the role's policies other than the role policy that the program writes.

    The answers are about requests that these policies deny or might block; a missing policy for the data
    source's second secret; and each policy that has access in excess or no answer yet. Raises
    MissingError if the role does not exist or is outside any stack.
    """
    subject, role = case.subject, case.subject.role
    needed(subject.settings.stack, skipped('this question needs --stack: see "role policy"'))
    denials = _denials(case, Kind.OTHER)
    yield from (answer for _, answer in denials)
    lacking = [*_second_secret(case)]
    yield from lacking
    unread = {
        each.name: each.unread for each in case.policies if each.kind is Kind.OTHER and each.unread
    }
    yield from unread.values()
    others = [*(name for name in role.inline_policies if name != POLICY_NAME), *(role.attached or ())]
    if not (others or lacking or unread):
        yield ok("the role has no other policies")
    reported = {*unread, *(name for name, _ in denials)}
    excess = {name: _excess(case, name) for name in others}
    for name in sorted(others, key=lambda name: not any(danger for danger, _ in excess[name])):
        if excess[name] or name not in reported:
            yield _about(case, name, excess[name])


def _is_needed(case: Case, policy: str) -> bool:
    """Return whether a connector request depends on this policy once `pulumi up` writes its own."""
    own = expected_policy(case.subject)
    others = [each for each in case.policies if each.name not in (POLICY_NAME, policy)]
    without = (
        (each, each.policies._replace(role=[own, *others]))
        for each in case.decisions
        if each.allowed is not Truth.NO
    )
    now = case.facts.now()
    return any(decide(each.request, left, now).allowed is not each.allowed for each, left in without)


def _excess(case: Case, policy: str) -> list[tuple[str, str]]:
    """For each of a policy's excess statements, return the danger, if any, and a line of text."""
    found = [statement for each in case.policies if each.name == policy for statement in each.statements]
    verdicts = compare(case.subject.needed_policies.needed, found).role
    role = Arn.of(case.subject.role.arn)
    return [
        (find_danger(statement, role), f"{verdict.statement}: {_access(verdict)}")
        for statement, verdict in zip(found, verdicts, strict=True)
        if verdict.verdict == "excess"
    ]


def _access(verdict: Verdict) -> str:
    return "; ".join(
        f"{', '.join(each.actions)} on {', '.join(each.targets)}" for each in verdict.access
    )


def _about(case: Case, name: str, excess: Sequence[tuple[str, str]]) -> Finding:
    """Return the answer about a policy that denies nothing, or has access in excess."""
    subject, role_name = case.subject, case.subject.role.name
    policies = [each for each in case.policies if each.name == name]
    separate = subject.needed_policies.separate
    reads_secret = any(
        _allows(policy, decision)
        for policy in policies
        for each in separate
        for decision in _decided_for(case, each)
    )
    if reads_secret and not excess:
        text = f"{name} is for the data source's second secret"
        if steps := subject.keep_other_policies:
            return note(f"{text}, but exclusivePolicies makes the next `pulumi up` remove it", steps)
        return ok(text)
    dangers = [*dict.fromkeys(danger for danger, _ in excess if danger)]
    if dangers:
        text = f"the policy {name} grants dangerous access: {', '.join(dangers)}"
    elif excess:
        text = f"the policy {name} allows more than the role policy"
    else:
        text = f"the role also has the policy {name}{'' if policies else ', which was not read'}"
    exclusive = subject.settings.get("exclusive_policies")
    steps = [subject.up_command if exclusive else remove_policy(role_name, name)]
    if reads_secret:  # removing this policy would break the sync unless the separate policies exist
        is_replaced = any(each.name == name for each in separate)
        steps = [*(each.put(role_name) for each in separate), *([] if is_replaced else steps)]
    elif _is_needed(case, name):
        text, steps = f"{text}, but a data source needs it, at least in part", []
    elif not subject.users_are_known:
        text, steps = f"{text}, but data sources that could not be read may need it", []
    elif others := [*subject.other_applications, *subject.other_principals]:
        text, steps = f"{text}, but {' and '.join(others)} may use the role and need it", []
    elif not policies:
        steps = []
    lines = (line for _, line in sorted(excess, key=lambda each: not each[0]))
    return note(text, tuple(steps), *lines)


# The data source's second secret, which no setting contains. The program's role policy does not allow
# reading it, so another policy of the role or the secret's policy must.


def _second_secret(case: Case) -> Iterator[Finding]:
    """Report each of `other_secrets` that none of the role's policies lets the role read.

    In a stack, also report each secret that only the program's policy lets the role read, because the
    next `pulumi up` rewrites this policy.
    """
    subject = case.subject
    own, *others = case.policies
    for policy in subject.needed_policies.separate:
        decided = _decided_for(case, policy)
        steps = (policy.put(subject.role.name), *subject.keep_other_policies)
        missing = [each.request for each in decided if _lacks_allow(case, each)]
        if missing:
            yield problem(
                "no policy lets the role read the data source's second secret: add a separate policy",
                steps,
                *(f"{request.action} on {request.resource}" for request in missing),
            )
        elif subject.settings.stack and any(
            _allows(own, each) and not any(_allows(other, each) for other in others) for each in decided
        ):
            yield note(
                f"only {POLICY_NAME} lets the role read the data source's second secret, and the next "
                "`pulumi up` rewrites this policy: add a separate policy",
                steps,
            )


def _decided_for(case: Case, policy: SeparatePolicy) -> list[Decision]:
    """Return the decisions about the requests that a separate policy allows."""
    return [
        decision
        for decision in case.decisions
        if any(applies(each, decision.request) is Truth.YES for each in policy.statements)
    ]


def _lacks_allow(case: Case, decision: Decision) -> bool:
    """Return whether AWS denies a request because no policy of the role allows it."""
    return any(cause.lacks_allow and cause.policy in case.policies for cause in decision.causes)


def _allows(policy: Policy, decision: Decision) -> bool:
    return any(
        each.allows and applies(each, decision.request) is not Truth.NO for each in policy.statements
    )
