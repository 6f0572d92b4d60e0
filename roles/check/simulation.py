"""Ask IAM to simulate requests, because only IAM knows an organization's service control policies."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from roles.account import Reply
from roles.check.case import Case
from roles.check.context import keys_in
from roles.check.decisions import Decision
from roles.check.requests import RequestGroup
from roles.check.subject import Subject
from roles.concurrency import read_each

_UNNAMED: Final = "a policy that IAM does not name"


class Simulated(NamedTuple):
    """IAM's decision about a request."""

    allowed: bool
    explicit: bool
    """Whether a Deny statement denies the request."""
    missing_keys: tuple[str, ...]
    """The condition keys in the principal's policies for which the simulation had no values."""
    by_organization: bool
    """Whether service control policies deny the request; this does not depend on missing keys."""
    by_boundary: bool
    """Whether the permissions boundary does not allow the request."""
    sources: str
    """The policies whose statements determine the decision."""

    @property
    def fix(self) -> str:
        """The advice for requests of the role that IAM denies."""
        if self.by_organization:
            return "only your organization can change service control policies"
        if self.explicit:
            return "change the policies that deny the requests in IAM's simulation"
        return "see the output of `aws iam simulate-principal-policy`"

    @property
    def reason(self) -> str:
        """The reason that IAM denies the request."""
        if self.by_organization:
            return "denied by the organization's service control policies"
        if self.by_boundary:
            return "not allowed by the permissions boundary"
        return (
            f"denied by {self.sources}"
            if self.explicit
            else "no policy allows it, according to IAM's simulation"
        )


def simulate_decided(case: Case) -> list[tuple[Decision, Simulated]]:
    """Ask IAM to simulate requests of the role; return each request's decision with IAM's answer."""
    subject, policies = case.subject, [*case.role, *filter(None, [case.boundary])]
    keys = keys_in(statement for policy in policies for statement in policy.statements)

    def ask(
        group_and_decisions: tuple[RequestGroup, Sequence[Decision]],
    ) -> list[tuple[Decision, Simulated]]:
        group, decisions = group_and_decisions
        context = _context(group, decisions, keys)
        results = simulate(subject, subject.role.arn, group, context)
        return [(each, results[each.request.action]) for each in decisions]

    answers = read_each(ask, case.by_group, subject.notes, "simulations")
    return [answer for found in answers for answer in found]


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
    answers = [*specific, reply]
    of_organization = reply.get("OrganizationsDecisionDetail", {})
    boundaries = [each.get("PermissionsBoundaryDecisionDetail", {}) for each in answers]
    keys = dict.fromkeys(key for each in answers for key in each.get("MissingContextValues", ()))
    matched = answers[0].get("MatchedStatements", ())
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

    The context has the keys of `group` and, if known, the Region, which IAM does not add by itself.
    Of the other known keys, the context has those in `keys`, with the spelling from the policies:
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """
    context = {
        key: value if isinstance(value, list) else str(value) for key, value in group.context.items()
    }
    if group.region:
        context["aws:RequestedRegion"] = group.region
    given = {key.lower() for key in context}
    for key in keys:
        # Only requests that depend on the time contain the keys for the time.
        known = (decision.request.context.get(key) for decision in decisions)
        values = next(filter(None, known), None)
        if values and key.lower() not in given:
            context[key] = str(values[0]) if len(values) == 1 else [*map(str, values)]
    return context
