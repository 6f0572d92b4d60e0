"""Ask IAM to simulate requests of the role and, to pass the role, of the caller.

Only IAM knows an organization's service control policies.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from components.formats import SERVICE
from guardrails.iam.decisions import Decision
from roles.account import Reply
from roles.check.answers import NO_ROLE, needed
from roles.check.case import Case
from roles.check.context import keys_in
from roles.check.requests import RequestGroup, pass_request
from roles.check.subject import Subject
from roles.concurrency import read_each
from roles.findings import Finding, cannot_tell, ok, problem, skipped

_ROLE_TAGS: Final = ("aws:ResourceTag/", "iam:ResourceTag/")
"""Prefixes of the condition keys for the tags of a role that is passed."""
_PASS_ROLE: Final = {
    "Effect": "Allow",
    "Action": "iam:PassRole",
    "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}},
}
_UNNAMED: Final = "a policy that IAM does not name"


class Simulated(NamedTuple):
    """IAM's decision about a request."""

    allowed: bool
    explicit: bool
    """Whether a Deny statement denies the request."""
    missing_keys: tuple[str, ...]
    """The condition keys in the principal's policies for which the simulation had no values."""
    by_organization: bool
    """Whether service control policies deny the request, with the given values of condition keys."""
    by_boundary: bool
    """Whether the permissions boundary does not allow the request."""
    sources: str
    """The policies whose statements determine the decision."""

    @property
    def fix(self) -> str:
        """The advice for requests of the role that IAM denies."""
        if self.by_organization:
            return "ask your organization's administrators whether a service control policy denies it"
        if self.explicit:
            return "change the policies that deny the requests in IAM's simulation"
        return "see the output of `aws iam simulate-principal-policy`"

    @property
    def reason(self) -> str:
        """The reason that IAM denies the request."""
        if self.by_organization:
            return "in IAM's simulation, the organization does not allow it (AllowedByOrganizations)"
        if self.by_boundary:
            return "not allowed by the permissions boundary"
        return (
            f"denied by {self.sources}"
            if self.explicit
            else "no policy allows it, according to IAM's simulation"
        )


def simulate_decided(case: Case) -> list[tuple[Decision, Simulated]]:
    """Ask IAM to simulate requests of the role; return each decision with IAM's decision."""
    subject, policies = case.subject, [*case.policies, *filter(None, [case.boundary])]
    keys = keys_in(statement for policy in policies for statement in policy.statements)

    def ask(decided: tuple[RequestGroup, Sequence[Decision]]) -> list[tuple[Decision, Simulated]]:
        group, decisions = decided
        results = simulate(subject, subject.role.arn, group, _context(group, decisions, keys))
        return [(each, results[each.request.action]) for each in decisions]

    found = read_each(ask, case.by_group, subject.account.notes, "simulations")
    return [decided for group in found for decided in group]


def simulate(
    subject: Subject, principal: str, group: RequestGroup, context: Mapping[str, str | list[str]]
) -> dict[str, Simulated]:
    """Return IAM's decisions about a principal's requests, by action."""
    resource = str(group.resource)
    found = subject.account.simulate(principal, group.actions, resource, context)
    return {reply["EvalActionName"]: _simulated(reply, resource) for reply in found}


def _simulated(reply: Reply, resource: str) -> Simulated:
    """Return IAM's decision about the resource or, if there is none, its decision about the action."""
    specific = [
        each
        for each in reply.get("ResourceSpecificResults", ())
        if each.get("EvalResourceName") == resource
    ]
    decision = specific[0]["EvalResourceDecision"] if specific else reply["EvalDecision"]
    replies = [*specific, reply]
    of_organization = reply.get("OrganizationsDecisionDetail", {})
    boundaries = [each.get("PermissionsBoundaryDecisionDetail", {}) for each in replies]
    keys = dict.fromkeys(key for each in replies for key in each.get("MissingContextValues", ()))
    matched = replies[0].get("MatchedStatements", ())
    names = dict.fromkeys(each.get("SourcePolicyId", _UNNAMED) for each in matched)
    return Simulated(
        decision == "allowed",
        decision == "explicitDeny",
        tuple(keys),
        not of_organization.get("AllowedByOrganizations", True),
        not all(each.get("AllowedByPermissionsBoundary", True) for each in boundaries),
        ", ".join(names) or _UNNAMED,
    )


def _context(
    group: RequestGroup, decisions: Iterable[Decision], keys: Iterable[str]
) -> dict[str, str | list[str]]:
    """Return the context for the simulation, with examples in place of unknown text.

    The context has every known key, because nobody knows the keys in service control policies, which
    the simulation evaluates. Keys in the role's policies have the spelling of these policies, `keys`:
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """
    context = {
        key: value if isinstance(value, list) else str(value) for key, value in group.context.items()
    }
    if group.region:
        context["aws:RequestedRegion"] = group.region
    given = {key.lower() for key in context}
    spelled = {key.lower(): key for key in keys}
    known = {
        key: values
        for decision in decisions
        for key, values in decision.request.context.values.items()
        if values and key not in given
    }
    for key, values in known.items():
        context[spelled.get(key, key)] = str(values[0]) if len(values) == 1 else [*map(str, values)]
    return context


# The caller.


def passing(case: Case) -> Finding:
    """Ask whether the caller can pass the role to Amazon Q Business."""
    subject = case.subject
    arn, principal = needed(subject.settings.role_arn, NO_ROLE), _principal(subject)
    if principal is None:
        return skipped(f"IAM does not simulate requests by {subject.caller.text}")
    if principal.endswith(":root"):
        return ok("no IAM policy limits the account's root user")
    group = pass_request(arn)
    tags = case.facts.role.tags if case.facts.role else {}  # None also if the role cannot be read
    context = {key: str(value) for key, value in group.context.items()}
    context |= {f"{prefix}{key}": value for key, value in tags.items() for prefix in _ROLE_TAGS}
    (simulated,) = simulate(subject, principal, group, context).values()
    keys = ", ".join(simulated.missing_keys)
    if simulated.allowed:
        more = f", according to IAM's simulation, which lacks {keys}" if keys else ""
        return ok(f"{principal} can pass the role to {SERVICE}{more}")
    return _in_use(subject, principal) or _not_passing(principal, arn, simulated)


def _not_passing(principal: str, role_arn: str, simulated: Simulated) -> Finding:
    """Return the answer if IAM's simulation does not let the caller pass the role."""
    might_not = f"IAM might not let {principal} pass the role to {SERVICE}"
    if simulated.by_organization:
        return cannot_tell(f"{might_not}: {simulated.reason}", simulated.fix)
    if simulated.missing_keys:
        fix = "use `aws iam simulate-principal-policy` with these keys in --context-entries"
        lacks = f"its simulation lacks {', '.join(simulated.missing_keys)}"
        return cannot_tell(f"{might_not}: {lacks}", f"{fix}, or create the data source")
    if simulated.explicit:
        fix = "change the policy that denies the request"
    else:
        place = "the permissions boundary" if simulated.by_boundary else "a policy"
        statement = json.dumps(_PASS_ROLE | {"Resource": role_arn})
        fix = f"add this statement to {place} of the principal that creates the data source: {statement}"
    return problem(f"{principal} cannot pass the role to {SERVICE}: {simulated.reason}", fix)


def _in_use(subject: Subject, principal: str) -> Finding | None:
    """Return the answer if a data source already uses the role, or if it is unknown whether one does."""
    sources = subject.data_sources if subject.find_application() else []
    if any(source.details for source in sources):
        return ok(
            f"IAM's simulation does not let {principal} pass the role, but a data source already uses "
            "the role"
        )
    return next((each.uses for each in sources if isinstance(each.uses, Finding)), None)


def _principal(subject: Subject) -> str | None:
    """Return the ARN of the caller's user, root user, or role; None for other callers.

    A session's ARN lacks its role's path, so look up the role's ARN.
    """
    kind, _, name = subject.caller.resource.partition("/")
    if kind == "assumed-role":
        return subject.account.role_arn(name.partition("/")[0])
    return subject.caller.text if kind in ("user", "root") else None
