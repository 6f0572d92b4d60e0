"""Answer iam:SimulatePrincipalPolicy with the policy simulator and the policies in moto's IAM."""

import json
from collections.abc import Mapping
from typing import Any

from moto.iam.models import iam_backends

from pages.examples import ACCOUNT
from tests.authorization.simulator import ask
from tests.helpers.qbusiness_server import Simulation


def decide(simulation: Simulation) -> Mapping[str, Mapping[str, Any]]:
    """Return the simulation's result for each action."""
    policies, boundary = _policies(simulation.principal)
    decisions = {name: _decisions(policy, simulation) for name, policy in policies.items()}
    bounded = _decisions(boundary, simulation) if boundary else {}
    return {action: _result(action, decisions, bounded) for action in simulation.actions}


def _decisions(policy: Any, simulation: Simulation) -> dict[str, str]:
    requests = [
        {"action": action, "resource": simulation.resource, "context": simulation.context}
        for action in simulation.actions
    ]
    (answer,) = ask([{"policy": policy, "requests": requests}])
    return dict(zip(simulation.actions, answer["decisions"], strict=True))


def _policies(principal: str) -> tuple[dict[str, Any], Any]:
    """Return a role's or user's identity policies, by name or ARN, and its boundary or None."""
    iam: Any = iam_backends[ACCOUNT]["aws"]
    name = principal.rpartition("/")[2]
    entity = iam.get_role(name) if ":role/" in principal else iam.users[name]
    inline = entity.policies.items()
    policies = {name: json.loads(document) for name, document in inline}
    policies |= {arn: _document(policy) for arn, policy in entity.managed_policies.items()}
    boundary = getattr(entity, "permissions_boundary_arn", None)
    return policies, boundary and _document(iam.get_policy(boundary))


def _document(policy: Any) -> Any:
    return next(json.loads(version.document) for version in policy.versions if version.is_default)


def _result(
    action: str, decisions: Mapping[str, Mapping[str, str]], bounded: Mapping[str, str]
) -> dict[str, Any]:
    """Combine the decisions of all policies and the permissions boundary as IAM does."""
    by_policy = {name: of_policy[action] for name, of_policy in decisions.items()}
    bound = bounded.get(action, "Allowed")
    if "ExplicitlyDenied" in (*by_policy.values(), bound):
        decision = "explicitDeny"
    elif "Allowed" in by_policy.values() and bound == "Allowed":
        decision = "allowed"
    else:
        decision = "implicitDeny"
    matching = "ExplicitlyDenied" if decision == "explicitDeny" else "Allowed"
    return {
        "EvalDecision": decision,
        "MatchedStatements": [
            {"SourcePolicyId": name} for name, of_policy in by_policy.items() if of_policy == matching
        ],
        **(
            {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": bound == "Allowed"}}
            if bounded
            else {}
        ),
    }
