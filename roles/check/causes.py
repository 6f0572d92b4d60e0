"""Report the decisions about a role's requests by cause: one answer for each policy that decides.

A policy that denies a request, or lacks an Allow, is a problem; a policy of which nobody can know is
`cannot tell`. `requests allowed` has the total.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from components.commands import quote_argument
from components.connector_role import POLICY_NAME
from guardrails.iam.documents import Statement
from guardrails.iam.truth import Truth
from roles.arns import Arn
from roles.audit.danger import find_danger
from roles.aws_cli import aws_command
from roles.check.case import Case
from roles.check.collection import (
    BOUNDARY,
    OTHER_POLICIES,
    ROLE_POLICY,
    ResourcePolicy,
    answer_of,
)
from roles.check.context import keys_in
from roles.check.decisions import Cause, Decision, Policy, decide
from roles.check.evaluation import applies
from roles.check.requests import RequestGroup, connector_requests
from roles.check.simulation import Simulated, simulate_decided
from roles.check.subject import Subject, needed
from roles.difference import Verdict, compare_role, statements
from roles.findings import Finding, State, cannot_tell, not_allowed, note, ok, problem, skipped

_SERVICE: Final = "kms:ViaService"
_SID: Final = "AllowsTheConnectorRoles"
_ROLE_ID: Final = re.compile(r"AWS:(AROA[A-Z0-9]+)")
_LIMITS: Final = ("iam:PassedToService", _SERVICE)
"""The condition keys with which the program limits an action to one service."""
_SEE: Final = "see "
_NOT_CHECKED: Final = (
    "KMS grants, resource control policies, service control policies with conditions, and VPC endpoint "
    "policies were not checked"
)


# The policies of the key, the secret, and the bucket.


def key_policy(case: Case) -> Iterator[Finding]:
    """Ask whether the key policy lets the role decrypt."""
    return _resource_policy(case, "kms:")


def secret_policy(case: Case) -> Iterator[Finding]:
    """Ask whether the secret's resource policy lets the role read the secret."""
    return _resource_policy(case, "secretsmanager:")


def bucket_policy(case: Case) -> Iterator[Finding]:
    """Ask whether the bucket policy lets the role read the bucket."""
    return _resource_policy(case, "s3:")


def _resource_policy(case: Case, prefix: str) -> Iterator[Finding]:
    found = case.collected.resources[prefix]
    policy, question, kind = found.policy, found.policy.question, found.kind
    decisions = [each for each in case.connector_decisions if each.request.action.startswith(prefix)]
    if policy.unread:
        yield policy.unread
    elif denying := _that(decisions, question, Truth.NO, with_statements=True):
        actions, names = _actions(denying), _names(cause for _, cause in denying)
        yield problem(
            f"the {question} denies {actions} to the role ({names}){_for_now(denying)}",
            found.edited(f"exclude the role from the statement {names}, or remove the statement"),
        )
    elif lost := _lost_with(case, policy, [one for one in decisions if one.allowed is Truth.NO]):
        yield problem(
            f"the {question} names a deleted role by its ID ({lost}): a recreated role is a "
            "different principal, even with the same ARN",
            _for_roles(
                case,
                found,
                f"replace {lost} with {' or '.join(_roles(case, prefix))} if it was this role, or "
                "remove it",
            ),
        )
    elif lacking := _that(decisions, question, Truth.NO, with_statements=False):
        is_there = any(statement.name == _SID for statement in policy.statements)
        place = f"replace the statement {_SID} with" if is_there else 'add to "Statement":'
        yield problem(
            f"the {question} neither grants {_actions(lacking)} to the role nor delegates to IAM "
            f"policies{_for_now(lacking)}",
            _for_roles(case, found, f"{place} {_statement(case, prefix)}"),
        )
    elif depending := _that(decisions, question, Truth.CANNOT_TELL):
        actions = _actions(depending)
        # CloudTrail logs requests for a bucket's objects only as data events.
        trail = "CloudTrail data events" if kind == "bucket" else "CloudTrail"
        yield cannot_tell(
            f"cannot determine whether the {question} lets the role perform {actions}",
            f"{_context_advice(depending)}, or start a sync and look for {actions} in {trail}",
            *dict.fromkeys(_dependence(cause) for _, cause in depending),
        )
    elif deleted := ", ".join(_deleted_roles(policy.statements, case.subject.settings.role_arn)):
        yield note(
            f"the {question} names a deleted role by its ID ({deleted}), but no request of this role "
            "needs that statement"
        )
    elif not found.exists:
        yield ok(f"the {kind} has no policy")
    else:
        more = _for_now([(decision, None) for decision in decisions])
        yield ok(f"{_by_whom(case, policy, decisions) if kind == 'key' else _nothing_wrong()}{more}")


def _nothing_wrong() -> str:
    return "neither denies the role access nor names a deleted role in its place"


def _by_whom(case: Case, policy: Policy, decisions: Sequence[Decision]) -> str:
    """Return how a key policy lets the role decrypt."""
    allowing = (
        statement
        for decision in decisions
        for statement in policy.statements
        if statement.allows and applies(statement, decision.request) is Truth.YES
    )
    named = {name for statement in allowing for name in statement.principals.listed()}
    if f"AWS:{case.subject.settings.role_arn}" in named:
        return "names the role"
    if "*" in named:
        return "allows every principal that meets its conditions to decrypt, including the role"
    return "delegates to the account's IAM policies"


def _deleted_roles(statements: Iterable[Statement], role_arn: str | None) -> list[str]:
    """Return the IDs of deleted roles in statements that do not also name the current role.

    A policy stores the unique ID of each role that it names, and AWS shows the role's ARN in its place.
    After the role is deleted, AWS shows the ID. A role that is recreated with the same ARN has a
    different ID:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    """
    found = (
        match[1]
        for statement in statements
        if f"AWS:{role_arn}" not in statement.principals.values
        for name in statement.principals.values
        if (match := _ROLE_ID.fullmatch(name))
    )
    return [*dict.fromkeys(found)]


def _lost_with(case: Case, policy: Policy, denied: Iterable[Decision]) -> str:
    """Return the deleted roles without whose deletion a denied request would be allowed."""
    role_arn = case.subject.settings.role_arn
    deleted = _deleted_roles(policy.statements, role_arn)
    named = {f"AWS:{each}": f"AWS:{role_arn}" for each in deleted}
    restored = policy._replace(
        statements=tuple(
            each._replace(
                principals=each.principals._replace(
                    values=tuple(named.get(value, value) for value in each.principals.values)
                )
            )
            for each in policy.statements
        )
    )
    now = case.collected.facts.now()
    for decision in denied:
        group = next(
            group for group, decisions in case.decisions if any(each is decision for each in decisions)
        )
        applicable = case.collected.applicable(group)._replace(resource=restored)
        if deleted and decide(decision.request, applicable, now).allowed is Truth.YES:
            return ", ".join(deleted)
    return ""


def _for_roles(case: Case, found: ResourcePolicy, edit: str) -> tuple[str, ...]:
    """Return the steps that name roles in a policy.

    A policy can name only roles that exist, so if the role does not exist, first deploy it.
    """
    if case.subject.find_role():
        return found.edited(edit)
    reason = "because a policy cannot name a role that does not exist"
    return (f"{case.subject.up_command}, then repeat `check`, {reason}",)


def _requests(entry: Subject, prefix: str) -> list[RequestGroup]:
    """Return an entry's requests whose actions have a prefix."""
    return [each for each in connector_requests(entry) if each.actions[0].startswith(prefix)]


def _users(case: Case, prefix: str) -> list[Subject]:
    """Return the stack's entries that use the same key, secret, or bucket and whose roles exist."""
    resources = {group.resource for group in _requests(case.subject, prefix)}
    return [
        entry
        for entry in case.entries
        if any(group.resource in resources for group in _requests(entry, prefix)) and entry.find_role()
    ]


def _roles(case: Case, prefix: str) -> list[str]:
    return [entry.role_arn for entry in _users(case, prefix)]


def _statement(case: Case, prefix: str) -> str:
    """Return one statement that allows the requests for all the stack's roles that use the resource.

    If it named only one role, each entry's fix would overwrite the previous entry's statement.
    """
    groups = [group for entry in _users(case, prefix) for group in _requests(entry, prefix)]
    services = {str(group.context[_SERVICE]) for group in groups if _SERVICE in group.context}
    statement: dict[str, object] = {
        "Sid": _SID,
        "Effect": "Allow",
        "Principal": {"AWS": _roles(case, prefix)},
        "Action": [*dict.fromkeys(action for group in groups for action in group.actions)],
        "Resource": "*",
    }
    if services:
        statement["Condition"] = {"StringEquals": {_SERVICE: sorted(services)}}
    return json.dumps(statement)


# The permissions boundary.


def permissions_boundary(case: Case) -> Iterator[Finding]:
    """Ask whether the role has the boundary in the settings, and whether it allows all requests."""
    subject, policy = case.subject, case.collected.boundary
    actual = subject.role.permissions_boundary_arn
    wanted = subject.settings.get("permissions_boundary_arn") or ""
    decisions = case.connector_decisions
    named = actual or "no permissions boundary"
    if actual != wanted:
        yield problem(
            f"the role has {named}, but the settings have {wanted or 'no permissions boundary'}",
            subject.up_command,
        )
    if policy is None:
        if actual == wanted:
            yield ok("the role has no permissions boundary")
    elif policy.unread:
        yield policy.unread
    elif denied := _that(decisions, BOUNDARY, Truth.NO):
        yield problem(
            f"{actual} does not allow all connector requests",
            _change_boundary(case, denied),
            *_denied(denied),
        )
    elif depending := _that(decisions, BOUNDARY, Truth.CANNOT_TELL):
        yield cannot_tell(
            f"{actual} may deny up to {len(depending)} of the {len(decisions)} connector requests",
            f"{_context_advice(depending)}, or use `aws iam simulate-principal-policy` with the "
            "requests' keys in --context-entries",
            *(f"{_title(decision)} {_dependence(cause)}" for decision, cause in depending),
        )
    elif actual == wanted:
        more = _for_now([(decision, None) for decision in decisions])
        yield ok(f"{actual} allows every connector request{more}")


def _change_boundary(case: Case, denied: Sequence[tuple[Decision, Cause]]) -> str:
    """Return how to change a boundary: never more than the denied requests, and no policy of AWS."""
    subject = case.subject
    edits: list[str] = []
    if names := _names(cause for _, cause in denied):
        edits.append(f"exclude the role from the statement {names}, or remove the statement")
    if lacking := [decision for decision, cause in denied if not cause.statements]:
        edits.append(f'add to "Statement": {", ".join(map(json.dumps, _allowing(case, lacking)))}')
    another = subject.set_command("permissions_boundary_arn", "POLICY_ARN")
    if Arn.of(subject.role.permissions_boundary_arn).account == "aws":
        return another
    return f"in this policy, {', and '.join(edits)}; or {another}"


def _allowing(case: Case, lacking: Sequence[Decision]) -> list[dict[str, Any]]:
    """Return statements that allow these requests, but no others; many roles may share a boundary."""
    actions: dict[tuple[str, str], list[str]] = {}
    for group, decisions in case.decisions:
        limits = json.dumps({key: str(group.context[key]) for key in _LIMITS if key in group.context})
        wanted = [each.request.action for each in decisions if any(each is one for one in lacking)]
        if wanted:
            actions.setdefault((group.resource.pattern, limits), []).extend(wanted)
    resources: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for (resource, limits), names in actions.items():
        resources.setdefault((tuple(dict.fromkeys(names)), limits), []).append(resource)
    statements: list[dict[str, Any]] = []
    for (names, limits), on in resources.items():
        condition = json.loads(limits)
        statement: dict[str, Any] = {"Effect": "Allow", "Action": [*names], "Resource": on}
        statements.append(statement | ({"Condition": {"StringEquals": condition}} if condition else {}))
    return statements


# The role's policies.


def denials_in_role_policy(case: Case) -> Iterator[Finding]:
    """Report the requests that the policies under the question `role policy` deny."""
    yield from (answer for _, answer in _denials(case, ROLE_POLICY))


def other_policies(case: Case) -> Iterator[Finding]:
    """Ask whether the role's other policies deny requests, and what more they allow."""
    subject = case.subject
    role = subject.role
    needed(subject.settings.stack, skipped('this question needs --stack: see "role policy"'))
    denials = [*_denials(case, OTHER_POLICIES)]
    yield from (answer for _, answer in denials)
    inline = [name for name in role.inline_policies if name != POLICY_NAME]
    attached = [arn for arn in role.attached or () if arn]
    removal = {
        **{
            name: aws_command("iam delete-role-policy", role_name=role.name, policy_name=name)
            for name in inline
        },
        **{
            arn: aws_command("iam detach-role-policy", role_name=role.name, policy_arn=arn)
            for arn in attached
        },
    }
    if role.denied:
        yield not_allowed(role.denied)
    elif not removal:
        yield ok("the role has no other policies")
    exclusive = bool(subject.settings.get("exclusive_policies"))
    reported = [name for name, _ in denials]
    found = [(name, _excess(case, name)) for name in removal]
    found = [(name, excess) for name, excess in found if excess or name not in reported]
    for name, excess in sorted(found, key=lambda each: not any(danger for danger, _ in each[1])):
        dangers = [*dict.fromkeys(danger for danger, _ in excess if danger)]
        if dangers:
            text = f"{name} is dangerous: {', '.join(dangers)}"
        elif excess:
            text = f"{name} allows more than the role policy"
        else:
            text = f"the role also has {name}"
        details = (line for _, line in sorted(excess, key=lambda each: not each[0]))
        yield note(text, subject.up_command if exclusive else removal[name], *details)


def _excess(case: Case, policy: str) -> list[tuple[str, str]]:
    """Return a policy's access in excess, as text, each with the reason why it is dangerous, if any."""
    subject = case.subject
    difference = compare_role(subject.role, subject.policies.trust_policy, subject.policies.role_policy)
    found = {
        each.name: each
        for each in next((one.statements for one in case.collected.role if one.name == policy), ())
    }
    return [
        (find_danger(found[verdict.statement], Arn.of(subject.role.arn)), _shown(verdict))
        for verdict in difference.role
        if verdict.policy == policy and verdict.verdict == "excess" and verdict.statement in found
    ]


def _shown(verdict: Verdict) -> str:
    access = "; ".join(
        f"{', '.join(each.actions)} on {', '.join(each.targets)}" for each in verdict.access
    )
    return f"{verdict.statement}: {access}"


def _denials(case: Case, question: str) -> Iterator[tuple[str, Finding]]:
    """Return the policies under a question that deny requests, or may deny them, with the answers."""
    decisions = case.connector_decisions
    denying = _by_policy(_that(decisions, question, Truth.NO, with_statements=True))
    for policy, found in denying.items():
        names = _names(cause for _, cause in found)
        answer = problem(
            f"{policy} denies {len(found)} of the {len(decisions)} connector requests",
            f"in {policy}, exclude the role from the statement {names}, or remove the statement",
            *_denied(found),
        )
        yield policy, answer
    depending = _by_policy(
        [each for each in _that(decisions, question, Truth.CANNOT_TELL) if not each[1].policy.unread]
    )
    for policy, found in depending.items():
        denies = any(not statement.allows for _, cause in found for statement in cause.statements)
        answer = cannot_tell(
            f"{policy} may {'deny' if denies else 'not allow'} {len(found)} of the {len(decisions)} "
            "connector requests",
            f"{_context_advice(found)}, or start a sync",
            *(f"{_title(decision)} {_dependence(cause)}" for decision, cause in found),
        )
        yield policy, answer


def _by_policy(
    found: Iterable[tuple[Decision, Cause]],
) -> dict[str, list[tuple[Decision, Cause]]]:
    by_policy: dict[str, list[tuple[Decision, Cause]]] = {}
    for decision, cause in found:
        by_policy.setdefault(cause.policy.name, []).append((decision, cause))
    return by_policy


# The total.


def requests_allowed(case: Case) -> Iterator[Finding]:
    """Report how many of the connector's requests AWS allows, and ask IAM to simulate them."""
    needed(case.subject.find_role(), skipped("the role was not found"))
    expected = statements(POLICY_NAME, case.subject.policies.role_policy)
    ours = {key.lower() for key in keys_in(expected)}
    simulated: dict[int, Simulated] = {}
    failure: Finding | None = None
    try:
        simulated = {id(one): answer for one, answer in simulate_decided(case, case.decisions)}
    except Exception as error:  # noqa: BLE001 answer_of raises all that it cannot explain
        failure = answer_of(error)
    decisions = case.connector_decisions
    found: dict[State, list[tuple[Decision, str]]] = {state: [] for state in State}
    for decision in decisions:
        state, why = _conclude(case, decision, simulated.get(id(decision)), ours)
        found[state].append((decision, why))
    total = f"of the {len(decisions)} connector requests"
    if denied := found[State.PROBLEM]:
        yield problem(
            f"AWS denies {len(denied)} {total}",
            "remove these causes; only your organization can change service control policies",
            *_list(denied),
        )
    elif depending := found[State.CANNOT_TELL]:
        keys = (key for decision in decisions for cause in decision.causes for key in cause.keys)
        options = _options(dict.fromkeys(keys))
        yield cannot_tell(
            f"AWS may deny {len(depending)} {total}", f"{options}, or start a sync", *_list(depending)
        )
    elif undecided := found[State.SKIPPED]:
        text = f"{len(undecided)} {total} could not be decided"
        yield skipped(text)._replace(details=(*_list(undecided),))
    elif not failure:
        yield ok(f"AWS allows all {len(decisions)} connector requests; {_NOT_CHECKED}")
    if failure:
        yield failure


def _list(found: Iterable[tuple[Decision, str]]) -> Iterator[str]:
    """Return a line for each request, or for all requests that another answer is about."""
    elsewhere: dict[str, int] = {}
    for decision, why in found:
        if why.startswith(_SEE):
            elsewhere[why] = elsewhere.get(why, 0) + 1
        else:
            yield f"{_title(decision)}: {why}"
    for why, number in elsewhere.items():
        yield f"{number} request{'s' * (number > 1)}: {why}"


def _conclude(
    case: Case, decision: Decision, answer: Simulated | None, ours: Collection[str]
) -> tuple[State, str]:
    """Return whether a request is allowed according to the policies and to IAM, and why not.

    `ours` has the keys in the program's policies, in lowercase: every request contains those that it
    needs.
    """
    if decision.allowed is Truth.NO:
        return State.PROBLEM, f"{_why(case, decision)}{_for_now([(decision, None)])}"
    contradicts = answer is not None and _contradicts(decision, answer)
    missing = answer.missing_keys if answer else ()
    unknown = [
        key for key in missing if key.lower() not in ours and decision.request.context.get(key) is None
    ]
    if answer and (answer.by_organization or (contradicts and not unknown)):
        return State.PROBLEM, answer.reason
    if decision.unread:
        return State.SKIPPED, _why(case, decision)
    if decision.allowed is Truth.CANNOT_TELL:
        return State.CANNOT_TELL, _why(case, decision)
    if contradicts:
        return State.CANNOT_TELL, f"depends on {', '.join(unknown)}"
    return State.OK, ""


def _contradicts(decision: Decision, answer: Simulated) -> bool:
    """Return whether IAM denies a request that the policies allow.

    IAM simulates resource policies only for users, so it does not know an Allow of such a policy.
    """
    if decision.allowed is not Truth.YES or answer.allowed:
        return False
    return answer.explicit or not decision.by_resource_policy


def _why(case: Case, decision: Decision) -> str:
    """Return why a request is denied or undecided."""
    return ", ".join(dict.fromkeys(_because(case, cause) for cause in decision.causes))


def _because(case: Case, cause: Cause) -> str:
    question = cause.policy.question
    in_stack = bool(case.subject.settings.stack)
    if question == ROLE_POLICY and not cause.policy.unread and (in_stack or not cause.statements):
        # "role policy" compares the policy, but does not name the requests.
        names = _names([cause])
        return f"denied by {cause.policy.name} ({names})" if names else "no policy allows it"
    return f'{_SEE}"{question}"'


def unwanted_requests(case: Case) -> Finding:
    """Ask whether the role may make requests that no connector's role should be allowed to make."""
    needed(case.subject.find_role(), skipped("the role was not found"))
    allowed: list[str] = []
    for decision, answer in simulate_decided(case, case.foreign_decisions):
        granting = [
            (policy, statement)
            for policy in case.collected.role
            for statement in policy.statements
            if statement.allows and applies(statement, decision.request) is not Truth.NO
        ]
        names = ", ".join(dict.fromkeys(policy.name for policy, _ in granting))
        if decision.allowed is Truth.YES:
            allowed.append(f"{_title(decision)}: allowed by {names}")
        elif answer.allowed:
            allowed.append(f"{_title(decision)}: allowed by {answer.sources}")
        elif decision.allowed is Truth.CANNOT_TELL and not decision.unread:
            why = ", ".join(map(_dependence, decision.causes))
            allowed.append(f"{_title(decision)}: may be allowed by {names}; {why}")
    if allowed:
        return note(
            "the role can reach another secret or another application, or pass another role",
            'remove this access from the policies: see "role policy" and "other policies"',
            *allowed,
        )
    return ok("AWS denies sample requests for another secret, application, and role")


# Explanations.


def _that(
    decisions: Iterable[Decision], question: str, allowed: Truth, *, with_statements: bool | None = None
) -> list[tuple[Decision, Cause]]:
    """Return the decisions with an answer, and their causes in the policies of a question.

    `with_statements` selects causes with statements, which deny, or without, which lack an Allow.
    """
    return [
        (decision, cause)
        for decision in decisions
        if decision.allowed is allowed
        for cause in decision.causes_in(question)
        if with_statements in (None, bool(cause.statements))
    ]


def _title(decision: Decision) -> str:
    return f"{decision.request.action} on {decision.request.resource}"


def _actions(found: Iterable[tuple[Decision, Cause]]) -> str:
    return ", ".join(dict.fromkeys(decision.request.action for decision, _ in found))


def _names(causes: Iterable[Cause]) -> str:
    """Return the names of the statements that decided."""
    return ", ".join(dict.fromkeys(each.name for cause in causes for each in cause.statements))


def _denied(found: Iterable[tuple[Decision, Cause]]) -> Iterator[str]:
    """Return a line for each denied request."""
    for decision, cause in found:
        by = f": denied by {_names([cause])}" if cause.statements else ""
        yield f"{_title(decision)}{by}{_for_now([(decision, cause)])}"


def _for_now(found: Iterable[tuple[Decision, Cause | None]]) -> str:
    """Return text to add to an answer that holds only at this time; empty if it always holds."""
    keys = dict.fromkeys(key for decision, _ in found for key in decision.only_now)
    return f" at this time (depends on {', '.join(keys)})" if keys else ""


def _dependence(cause: Cause) -> str:
    """Describe the unknown keys and the statements on which a decision depends."""
    names = _names([cause])
    return f"depends on {', '.join((*cause.keys, *cause.unclear))}{f' ({names})' if names else ''}"


def _context_advice(found: Iterable[tuple[Decision, Cause]]) -> str:
    """Return the advice to pass unknown keys with `--context`, or else to review the statement."""
    return _options(dict.fromkeys(key for _, cause in found for key in cause.keys))


def _options(keys: Iterable[str]) -> str:
    options = " ".join(f"--context {quote_argument(f'{key}=VALUE')}" for key in keys)
    return f"repeat the check with {options}" if options else "review the statement yourself"
