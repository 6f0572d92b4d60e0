"""Ask whether a role can read a data source's second secret, which no setting contains.

The program's role policy does not allow this access, so another policy of the role or the secret's
resource policy must.
"""

from collections.abc import Iterator

from components.connector_role import POLICY_NAME
from guardrails.iam.truth import Truth
from roles.check.case import Case
from roles.check.decisions import Decision, Policy
from roles.check.evaluation import applies
from roles.check.requests import ENCRYPTED_SECRET
from roles.check.subject import Subject
from roles.findings import Finding, note, ok, problem


def second_secret(case: Case) -> Iterator[Finding]:
    """Report each of `other_secrets` that none of the role's policies lets the role read.

    In a stack, also report each secret that only the program's policy lets the role read, because the
    next `pulumi up` rewrites this policy.
    """
    decisions = _decisions(case)
    own = next(each for each in case.collected.role if each.name == POLICY_NAME)
    others = [each for each in case.collected.role if each.name != POLICY_NAME]
    role_name, in_stack = case.subject.role.name, bool(case.subject.settings.stack)
    for policy in case.subject.needed_policies.separate:
        requests = [
            decision
            for decision in decisions
            if any(applies(each, decision.request) is Truth.YES for each in policy.statements)
        ]
        steps = (*_keep_other_policies(case.subject), policy.put(role_name))
        missing = [each for each in requests if _lacks_allow(each)]
        if missing:
            yield problem(
                "no policy lets the role read the data source's second secret: add a separate policy",
                steps,
                *(f"{each.request.action} on {each.request.resource}" for each in missing),
            )
        elif in_stack and any(
            _allows(own, each) and not any(_allows(other, each) for other in others) for each in requests
        ):
            yield note(
                f"only {POLICY_NAME} lets the role read the data source's second secret, and the next "
                "`pulumi up` rewrites this policy: add a separate policy",
                steps,
            )


def is_for_second_secret(case: Case, name: str) -> bool:
    """Return whether the role's policy with this name may allow a request for `other_secrets`."""
    policies = [each for each in case.collected.role if each.name == name]
    return any(_allows(policy, decision) for policy in policies for decision in _decisions(case))


def about_needed_policy(case: Case, name: str) -> Finding:
    """Return the finding about a policy that is only for `other_secrets`."""
    text = f"{name} is for the data source's second secret"
    if steps := _keep_other_policies(case.subject):
        return note(f"{text}, but exclusivePolicies makes the next `pulumi up` remove it", steps)
    return ok(text)


def _keep_other_policies(subject: Subject) -> tuple[str, ...]:
    """Return the step that keeps `pulumi up` from removing other policies; empty if it removes none."""
    exclusive = subject.settings.get("exclusive_policies")
    return (subject.edit("exclusive_policies", "false"),) if exclusive else ()


def _decisions(case: Case) -> list[Decision]:
    """Return the decisions about the requests for `other_secrets`."""
    arns = [secret.arn for secret in case.subject.other_secrets]
    return [
        decision
        for group, decisions in case.by_group
        if group.resource.known in arns or group.context.get(ENCRYPTED_SECRET) in arns
        for decision in decisions
    ]


def _lacks_allow(decision: Decision) -> bool:
    """Return whether AWS denies a request because no policy of the role allows it."""
    return any(
        cause.truth is Truth.NO and not cause.statements and cause.policy in decision.policies.role
        for cause in decision.causes
    )


def _allows(policy: Policy, decision: Decision) -> bool:
    return any(
        each.allows and applies(each, decision.request) is not Truth.NO for each in policy.statements
    )
