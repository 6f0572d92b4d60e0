"""Ask whether the role has the expected policies, and whether IAM allows the connector's requests."""

import json
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any, Final

from components import policies
from components.connector_role import POLICY_NAME
from components.policies import Application
from evidence.calls import SERVICE
from guardrails.iam.requests import Decision
from guardrails.iam.truth import Truth
from roles.account import Reply
from roles.arns import Arn
from roles.aws_cli import aws_command
from roles.check.decisions import context_advice, decisions, dependence, for_now
from roles.check.requests import (
    RequestGroup,
    connector_requests,
    foreign_requests,
    pass_request,
    simulated_context,
)
from roles.check.subject import Subject, needed
from roles.difference import TRUST_POLICY, compare, compare_role, statements
from roles.errors import OddAnswerError
from roles.findings import Finding, cannot_tell, not_allowed, note, ok, problem, skipped
from roles.reading import read_each

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


def application_arn(subject: Subject) -> Finding:
    """Ask whether the role's trust policy admits the application's actual ARN."""
    role = subject.role
    arn: str = subject.application["applicationArn"]
    named = Arn.of(arn)
    expected = policies.trust_policy(
        Application(named.partition, named.region, named.account, named.name)
    )
    difference = compare(statements(TRUST_POLICY, expected), statements(TRUST_POLICY, role.trust_policy))
    if any(verdict.verdict == "missing" for verdict in difference.program):
        return problem(
            f"the trust policy does not allow {arn}, the application's ARN in AWS",
            subject.up_command
            if arn == subject.policies.application_arn
            else subject.set_command("application_id", arn),
        )
    if any(verdict.verdict == "denies" for verdict in difference.role):
        return skipped('the trust policy has a Deny statement: see "trust policy"')
    return ok(f"the trust policy allows {arn}")


def role_policy(subject: Subject) -> Finding:
    """Ask whether the role policy matches the expected one; outside a stack, whether all policies do."""
    if not subject.settings.stack:
        return _all_policies(subject)
    actual = subject.role.inline_policies.get(POLICY_NAME)
    return _same(subject, POLICY_NAME, subject.policies.role_policy, actual)


def _all_policies(subject: Subject) -> Finding:
    """Ask whether the role's policies together grant the access in the expected policy.

    `requests_allowed` asks IAM whether these policies deny a request that the expected policy allows.
    """
    role = subject.role
    if not role.complete:
        return not_allowed(str(role.denied))
    difference = compare_role(role, subject.policies.trust_policy, subject.policies.role_policy)
    both = (*difference.program, *difference.role)
    verdicts = [verdict for verdict in both if verdict.policy != TRUST_POLICY]
    if missing := [each for each in verdicts if each.verdict == "missing"]:
        found = [(each.statement, access) for each in missing for access in each.access]
        if all(access.condition for _, access in found):
            return cannot_tell(
                "the role's policies allow required access only under another condition",
                'see "requests allowed", or start a sync',
                *(f"{name}: {', '.join(access.conditions)}" for name, access in found),
            )
        details = [f"{each.statement}: missing" for each in missing]
        text = "the role's policies do not allow all required access"
        return problem(text, subject.up_command, *details)
    if excess := [each for each in verdicts if each.verdict == "excess"]:
        return note(
            "the role's policies allow more than the expected policy",
            "remove this access, unless another data source needs it",
            *(f"{each.policy}, {each.statement}: excess" for each in excess),
        )
    return ok("the role's Allow statements grant exactly the access in the expected policy")


def _same(subject: Subject, name: str, expected: str, actual: Mapping[str, Any] | None) -> Finding:
    has = statements(name, actual) if actual is not None else ()
    difference = compare(statements(name, expected), has)
    if difference.equivalent:
        return ok("is equivalent to the expected policy")
    different = [
        verdict
        for verdict in (*difference.program, *difference.role)
        if verdict.verdict in ("missing", "excess", "denies")
    ]
    details = [f"{verdict.statement}: {verdict.verdict}" for verdict in different]
    if all(verdict.verdict == "excess" for verdict in different):
        return note("allows more than the expected policy", subject.up_command, *details)
    return problem("differs from the expected policy", subject.up_command, *details)


def other_policies(subject: Subject) -> Iterator[Finding]:
    """Ask whether the role has policies other than the role policy."""
    role = subject.role
    needed(subject.settings.stack, skipped('this question needs --stack: see "role policy"'))
    inline = [name for name in role.inline_policies if name != POLICY_NAME]
    attached = role.attached or ()
    if inline or attached:
        name = role.name
        commands = [
            *(
                aws_command("iam delete-role-policy", role_name=name, policy_name=each)
                for each in inline
            ),
            *(aws_command("iam detach-role-policy", role_name=name, policy_arn=arn) for arn in attached),
        ]
        exclusive = bool(subject.settings.get("exclusive_policies"))
        yield note(
            f"the role also has {', '.join((*inline, *attached))}",
            subject.up_command if exclusive else " && ".join(commands),
        )
    if role.attached is None:
        yield not_allowed(str(role.denied))
    elif not (inline or attached):
        yield ok("the role has no other policies")


def permissions_boundary(subject: Subject) -> Finding:
    """Ask whether the role has the boundary in the settings, and whether it allows all requests."""
    actual = subject.role.permissions_boundary_arn
    wanted = subject.settings.get("permissions_boundary_arn") or ""
    if actual != wanted:
        return problem(
            f"the role has {_boundary(actual)}, but the settings have {_boundary(wanted)}",
            subject.up_command,
        )
    if not actual:
        return ok("the role has no permissions boundary")
    policy = statements(actual, subject.account.managed_policy(actual))
    found = [*decisions(subject, policy, connector_requests(subject))]
    if denied := [each for each in found if each[1].allowed is Truth.NO]:
        actions = [*dict.fromkeys(request.action for request, _ in denied)]
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        return problem(
            f"{_boundary(actual)} does not allow all connector requests",
            f'in this policy, add to "Statement": {json.dumps(statement)}, and remove statements '
            "that deny these requests; or "
            f"{subject.set_command('permissions_boundary_arn', 'POLICY_ARN')}",
            *(
                f"{request.action} on {request.resource}{_denied_by(decision)}{for_now(decision)}"
                for request, decision in denied
            ),
        )
    if depending := [each for each in found if each[1].allowed is Truth.CANNOT_TELL]:
        return cannot_tell(
            f"{_boundary(actual)} may deny up to {len(depending)} of the {len(found)} "
            "connector requests",
            f"{context_advice(*(decision for _, decision in depending))}, or use "
            "`aws iam simulate-principal-policy` with the requests' keys in --context-entries",
            *(
                f"{request.action} on {request.resource} {dependence(decision)}"
                for request, decision in depending
            ),
        )
    more = for_now(*(decision for _, decision in found))
    return ok(f"{_boundary(actual)} allows every connector request{more}")


def _denied_by(decision: Decision) -> str:
    names = ", ".join(statement.name for statement in decision.statements)
    return f": denied by {names}" if names else ""


def _boundary(arn: str) -> str:
    return arn or "no permissions boundary"


# Decisions that IAM and IAM Access Analyzer make.


def requests_allowed(subject: Subject) -> Finding:
    """Ask IAM whether it allows all connector requests."""
    simulate = partial(_simulate, subject, subject.role.arn)
    requests = connector_requests(subject)
    simulations = read_each(simulate, requests, subject.notes, "simulations")
    results = [result for simulation in simulations for result in simulation]
    expected = statements(POLICY_NAME, subject.policies.role_policy)
    ours = {condition.key.lower() for statement in expected for condition in statement.conditions}
    denied: list[str] = []
    depending: list[str] = []
    for result in results:
        if result["EvalDecision"] == "allowed":
            continue
        if keys := _missing_keys(result, ours):
            depending.append(f"{_named(result)} depends on {', '.join(keys)}")
        else:
            denied.append(f"{_named(result)}: {_reason(result)}")
    if denied:
        return problem(
            f"IAM denies {len(denied)} of the {len(results)} connector requests",
            "fix these causes; only your organization can change service control policies",
            *denied,
        )
    if depending:
        return cannot_tell(
            f"IAM may deny {len(depending)} of the {len(results)} connector requests: its "
            "simulation lacks condition keys",
            "use `aws iam simulate-principal-policy` with these keys in --context-entries, or start a "
            "sync",
            *depending,
        )
    return ok(f"IAM allows all {len(results)} connector requests")


def _missing_keys(result: Reply, ours: Collection[str] = ()) -> list[str]:
    """Return the condition keys whose absence may have made IAM deny a request, except `ours`.

    IAM lists the keys in all of the principal's statements, even statements about other requests, but no
    keys in service control policies: https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
    """
    if _is_denied_by_organization(result):
        return []
    found = [result, *result.get("ResourceSpecificResults", ())]
    keys = dict.fromkeys(key for each in found for key in each.get("MissingContextValues", ()))
    return [key for key in keys if key.lower() not in ours]


def _is_denied_by_organization(result: Mapping[str, Any]) -> bool:
    return not result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)


def unwanted_requests(subject: Subject) -> Finding:
    """Ask IAM whether it denies requests that no connector's role should be allowed to make."""
    allowed = [
        f"{_named(result)}: allowed by {_sources(result)}"
        for request in foreign_requests(subject)
        for result in _simulate(subject, subject.role.arn, request)
        if result["EvalDecision"] == "allowed"
    ]
    if allowed:
        return note(
            "the role can reach another secret or another application, or pass another role",
            'remove this access from the policies: see "role policy" and "other policies"',
            *allowed,
        )
    return ok("IAM denies sample requests for another secret, application, and role")


def _simulate(subject: Subject, principal: str, request: RequestGroup) -> list[Reply]:
    return subject.account.simulate(
        principal, request.actions, str(request.resource), simulated_context(subject, request)
    )


def _named(result: Mapping[str, Any]) -> str:
    return f"{result['EvalActionName']} on {result.get('EvalResourceName', '*')}"


def _reason(result: Mapping[str, Any]) -> str:
    """Return why a request was denied."""
    if _is_denied_by_organization(result):
        return "denied by the organization's service control policies"
    boundary = result.get("PermissionsBoundaryDecisionDetail", {})
    if not boundary.get("AllowedByPermissionsBoundary", True):
        return "not allowed by the permissions boundary"
    if result["EvalDecision"] == "explicitDeny":
        return f"denied by {_sources(result)}"
    return "no policy allows it"


def _sources(result: Mapping[str, Any]) -> str:
    matched = [
        # The IDs that IAM gives to policies contain the names of the role and of the policy.
        found.get("SourcePolicyId", "a policy")
        for found in result.get("MatchedStatements", [])
    ]
    return ", ".join(dict.fromkeys(matched)) or "a policy"


def policy_findings(subject: Subject) -> Finding:
    """Ask IAM Access Analyzer to validate the expected trust policy and role policy."""
    role_findings = subject.account.policy_findings(subject.policies.role_policy, "IDENTITY_POLICY")
    trust_findings = subject.account.policy_findings(
        subject.policies.trust_policy,
        "RESOURCE_POLICY",
        validatePolicyResourceType="AWS::IAM::AssumeRolePolicyDocument",
    )
    findings = [(POLICY_NAME, each) for each in role_findings]
    findings += [(TRUST_POLICY, each) for each in trust_findings]
    serious = [
        f"{name}, {finding['issueCode']}: {finding['findingDetails']} {finding['learnMoreLink']}"
        for name, finding in findings
        if finding["findingType"] not in ("WARNING", "SUGGESTION")
    ]
    if serious:
        return problem(
            f"IAM Access Analyzer finds errors or security warnings: {len(serious)}",
            "follow the links; an error in these policies is a bug in the program",
            *serious,
        )
    others = f"; other warnings and suggestions: {len(findings)}" if findings else ""
    return ok(
        "IAM Access Analyzer finds no error and no security warning in the expected policies" + others
    )


def passing(subject: Subject) -> Finding:
    """Ask whether the caller can pass the role to Amazon Q Business."""
    arn, principal = subject.role_arn, _principal(subject)
    if principal is None:
        return skipped(f"IAM does not simulate requests by {subject.caller.text}")
    if principal.endswith(":root"):
        return ok("no IAM policy limits the account's root user")
    (result,) = _simulate(subject, principal, pass_request(arn))
    if result["EvalDecision"] == "allowed":
        return ok(f"{principal} can pass the role to {SERVICE}")
    sources = subject.data_sources if subject.find_application() else []
    unread = [found for _, found in sources if isinstance(found, OddAnswerError)]
    if len(unread) < len(sources):  # at least one of them is known to use the role
        return ok(
            f"IAM's simulation does not let {principal} pass the role, but a data source already uses "
            "the role"
        )
    if unread:
        raise unread[0]
    if keys := ", ".join(_missing_keys(result)):
        return cannot_tell(
            f"IAM might not let {principal} pass the role to {SERVICE}: its simulation lacks {keys}",
            "use `aws iam simulate-principal-policy` with these keys in --context-entries, or create "
            "the data source",
        )
    return problem(
        f"{principal} cannot pass the role to {SERVICE}: {_reason(result)}",
        "fix this cause; if no policy allows the request, add this statement to a policy of the "
        f"principal that creates the data source: {json.dumps(_PASS_ROLE | {'Resource': arn})}",
    )


def _principal(subject: Subject) -> str | None:
    """Return the ARN of the caller's user, root user, or role; None for other callers.

    A session's ARN lacks its role's path, so look up the role's ARN.
    """
    kind, _, name = subject.caller.resource.partition("/")
    if kind == "assumed-role":
        return subject.account.role_arn(name.partition("/")[0])
    return subject.caller.text if kind in ("user", "root") else None
