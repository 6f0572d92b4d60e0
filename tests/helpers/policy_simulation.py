"""Decide on iam:SimulatePrincipalPolicy by the policy simulator, with the policies in moto's IAM."""

import json
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from moto.iam.models import iam_backends

from evidence.examples import ACCOUNT
from tests.authorization import simulator
from tests.helpers.qbusiness_server import Decide, Simulation

PROGRAM = Path(simulator.__file__).with_name("simulator.mjs")


@contextmanager
def policy_simulator() -> Generator[Decide]:
    """Run one process of the simulator for all decisions; without Node.js, the test is skipped."""
    simulator.ask([])
    with subprocess.Popen(
        ["node", str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        written, read = process.stdin, process.stdout

        def decide_by(policy: Any, simulation: Simulation) -> dict[str, str]:
            requests = [
                {"action": action, "resource": simulation.resource, "context": simulation.context}
                for action in simulation.actions
            ]
            written.write(json.dumps({"policy": policy, "requests": requests}) + "\n")
            written.flush()
            return dict(zip(simulation.actions, json.loads(read.readline())["decisions"], strict=True))

        def decide(simulation: Simulation) -> Mapping[str, Mapping[str, Any]]:
            policies, boundary = _policies(simulation.principal)
            decisions = {name: decide_by(policy, simulation) for name, policy in policies.items()}
            bounded = decide_by(boundary, simulation) if boundary else {}
            return {action: _result(action, decisions, bounded) for action in simulation.actions}

        yield decide
        written.close()


def _policies(principal: str) -> tuple[dict[str, Any], Any]:
    """Return the identity policies of a role or user, and its boundary."""
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
    """Combine the decisions of all policies as IAM does."""
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
