"""Simulate a role's requests with IAM, which also evaluates service control policies."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from guardrails.iam.decisions import Decision
from roles.account import Reply
from roles.check.context import OF_TIME, keys_in
from roles.check.requests import RequestGroup
from roles.concurrency import read_each
from roles.view import View

_UNNAMED: Final = "an unnamed policy"


class Simulated(NamedTuple):
    """IAM's decision about a request."""

    allowed: bool
    explicit: bool
    """Whether a Deny statement denies the request."""
    missing_keys: tuple[str, ...]
    """The condition keys in the principal's policies for which the simulation had no values."""
    by_organization: bool
    """Whether service control policies deny the request, based on the given condition key values."""
    reason: str


def simulate_decided(view: View) -> list[tuple[Decision, Simulated]]:
    """Return each of the view's decisions, with the simulation's decision about the same request."""
    policies = [*view.own, *filter(None, [view.boundary])]
    keys = keys_in(statement for policy in policies for statement in policy.statements)

    def ask(decided: tuple[RequestGroup, Sequence[Decision]]) -> list[tuple[Decision, Simulated]]:
        group, decisions = decided
        resource, context = str(group.resource), _context(group, decisions, keys)
        replies = view.account.simulate(view.facts.principal.arn, group.actions, resource, context)
        results = {reply["EvalActionName"]: _simulated(reply, resource) for reply in replies}
        return [(each, results[each.request.action]) for each in decisions]

    found = read_each(ask, view.by_group, view.account.notes, "simulations")
    return [decided for group in found for decided in group]


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
    keys = dict.fromkeys(key for each in replies for key in each.get("MissingContextValues", ()))
    matched = replies[0].get("MatchedStatements", ())
    names = dict.fromkeys(each.get("SourcePolicyId", _UNNAMED) for each in matched)
    by_organization = not of_organization.get("AllowedByOrganizations", True)
    bounds = [each.get("PermissionsBoundaryDecisionDetail", {}) for each in replies]
    reason = "no policy allows it"
    if by_organization:
        reason = "the organization does not allow it"
    elif not all(each.get("AllowedByPermissionsBoundary", True) for each in bounds):
        reason = "the permissions boundary does not allow it"
    elif decision == "explicitDeny":
        reason = f"{' and '.join(names) or _UNNAMED} {'deny' if len(names) > 1 else 'denies'} it"
    return Simulated(
        decision == "allowed",
        decision == "explicitDeny",
        tuple(keys),
        by_organization,
        reason,
    )


def _context(
    group: RequestGroup, decisions: Iterable[Decision], keys: Iterable[str]
) -> dict[str, str | list[str]]:
    """Return the context for the simulation, with examples in place of unknown text.

    Because the simulation also evaluates service control policies, which may use any key, the context
    has all known keys except the time keys. Keys in `keys` are spelled as in the role's policies:
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
        if values and key not in (*given, *OF_TIME)
    }
    for key, values in known.items():
        context[spelled.get(key, key)] = str(values[0]) if len(values) == 1 else [*map(str, values)]
    return context
