"""Report the decisions about a role's requests, grouped by the policy that causes them.

A policy that denies a request, or lacks a required Allow, is a problem, even if another policy also
denies the request. If the effect of a policy depends on unknown values, the answer is `cannot tell`. The
answer to `requests allowed` is about all policies together.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from components.commands import quote_argument
from components.connector_role import POLICY_NAME
from guardrails.iam.documents import Statement, listed
from guardrails.iam.patterns import matches
from guardrails.iam.truth import Truth
from roles.arns import Arn
from roles.aws_commands import aws_command, remove_policy
from roles.check.case import Case
from roles.check.collection import (
    BOUNDARY,
    BUCKET_POLICY,
    FAILURES,
    KEY_POLICY,
    OTHER_POLICIES,
    ROLE_POLICY,
    SECRET_POLICY,
    ResourcePolicy,
    answer_of,
)
from roles.check.context import keys_in
from roles.check.decisions import Cause, Decision, Policy, decide
from roles.check.evaluation import applies
from roles.check.other_secrets import about_needed_policy, is_for_second_secret, second_secret
from roles.check.requests import RequestGroup, connector_requests
from roles.check.simulation import Simulated, simulate_decided
from roles.check.subject import NO_ROLE, Subject, needed
from roles.danger import find_danger
from roles.difference import Verdict, statements
from roles.findings import Finding, State, cannot_tell, not_allowed, note, ok, problem, skipped

_NUMBERED: Final = re.compile(r"statement \d+")
"""Matches the name of a statement without a Sid."""
_VIA_SERVICE: Final = "kms:ViaService"
_SID: Final = "AllowsTheConnectorRoles"
_ROLE_ID: Final = re.compile(r"AWS:(AROA[A-Z0-9]+)")
_SEE: Final = "see "
_NONE_ALLOWS: Final = "none of the role's policies allows it"
_EVENTS: Final = {"s3:ListBucket": "ListObjects"}
"""The names of CloudTrail events that differ from the IAM actions:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html"""
_NOT_CHECKED: Final = (
    "KMS grants, resource control policies, service control policies with conditions, and VPC endpoint "
    "policies were not checked"
)


# The policies of the key, the secret, and the bucket.


def key_policy(case: Case) -> Iterator[Finding]:
    """Ask whether the policies of the keys let the role decrypt."""
    return _ask_about(case, KEY_POLICY)


def secret_policy(case: Case) -> Iterator[Finding]:
    """Ask whether the resource policies of the secrets let the role read them."""
    return _ask_about(case, SECRET_POLICY)


def bucket_policy(case: Case) -> Iterator[Finding]:
    """Ask whether the bucket policy lets the role read the bucket."""
    return _ask_about(case, BUCKET_POLICY)


def _ask_about(case: Case, question: str) -> Iterator[Finding]:
    """Ask about each policy that a question covers; set `subject` for every policy except the first."""
    found = [each for each in case.collected.resources if each.policy.question == question]
    for number, each in enumerate(found):
        for answer in _ask(case, each):
            yield answer._replace(subject=each.resource if number else "")


def _ask(case: Case, found: ResourcePolicy) -> Iterator[Finding]:
    policy, question, kind = found.policy, found.policy.question, found.kind
    decisions = [one for group, own in case.by_group if found.applies(group) for one in own]
    failing = causes_in(decisions, question, Truth.NO)
    denying = [each for each in failing if each[1].statements]
    if policy.unread:
        yield policy.unread
    elif denying:
        actions, statements = _actions(denying), _name_statements(cause for _, cause in denying)
        yield problem(
            f"the {question} denies {actions} to the role, in {statements}"
            f"{_for_now((one for one, _ in denying), policy)}",
            found.edited(_describe_exclusion([cause for _, cause in denying])),
        )
    elif lost := [*_lost_with(case, policy, decisions)]:
        yield problem(
            f"the {question} contains IDs of deleted roles ({', '.join(lost)}), and a recreated role is "
            "a different principal, even with the same ARN",
            _for_roles(
                case,
                found,
                f"replace the ID that a role had before it was recreated ({' or '.join(lost)}) with the "
                f"role's ARN ({' or '.join(_users(case, found))}), and remove the IDs of other deleted "
                "roles",
            ),
        )
    elif failing:
        lacks = (
            f"the {question} neither grants {_actions(failing)} to the role nor delegates to IAM "
            "policies"
            if found.exists
            else f"the {kind} has no policy that grants {_actions(failing)} to the role"
        )
        yield problem(
            f"{lacks}{_for_now((one for one, _ in failing), policy)}",
            _for_roles(case, found, _describe_grant(case, found)),
        )
    elif depending := causes_in(decisions, question, Truth.CANNOT_TELL):
        # CloudTrail logs requests for a bucket's objects only as data events.
        trail = "CloudTrail data events" if kind == "bucket" else "CloudTrail"
        actions = dict.fromkeys(decision.request.action for decision, _ in depending)
        events = " and ".join(_EVENTS.get(each, each.partition(":")[2]) for each in actions)
        yield cannot_tell(
            f"cannot determine whether the {question} lets the role perform {' and '.join(actions)}",
            f"{_context_advice(depending)}, or start a sync and look for {events} in {trail}",
            *dict.fromkeys(_dependence(cause) for _, cause in depending),
        )
    elif deleted := ", ".join(_deleted_roles(policy.statements, case.subject.settings.role_arn)):
        yield note(
            f"the {question} contains IDs of deleted roles ({deleted}), but only in statements that "
            "the current role does not need"
        )
    elif not found.exists:
        yield ok(f"the {kind} has no policy")
    else:
        good = (
            "grants kms:Decrypt to the role or delegates to IAM policies"
            if kind == "key"
            else "neither denies the role access nor names a deleted role in its place"
        )
        yield ok(f"{good}{_for_now(decisions, policy)}")


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


def _lost_with(case: Case, policy: Policy, decisions: Iterable[Decision]) -> Iterator[str]:
    """Yield the IDs of the deleted roles whose deletion is the reason why a request is denied."""
    role_arn = case.subject.settings.role_arn
    for deleted in _deleted_roles(policy.statements, role_arn):
        named = {f"AWS:{deleted}": f"AWS:{role_arn}"}
        restored = policy._replace(
            statements=tuple(_with_principals(each, named) for each in policy.statements)
        )
        if any(
            decide(
                decision.request,
                decision.policies._replace(resource=restored),
                case.collected.facts.now(),
            ).allowed
            is Truth.YES
            for decision in decisions
            if decision.allowed is Truth.NO
        ):
            yield deleted


def _with_principals(statement: Statement, names: Mapping[str, str]) -> Statement:
    """Return a statement with principals replaced; `names` maps old principals to new ones."""
    values = tuple(names.get(value, value) for value in statement.principals.values)
    return statement._replace(principals=statement.principals._replace(values=values))


def _for_roles(case: Case, found: ResourcePolicy, edit: str) -> tuple[str, ...]:
    """Return the steps for an edit that names roles in a policy.

    A policy can name only roles that exist, so if the role does not exist, return the step to deploy it
    and repeat `check`.
    """
    if _exists(case.subject):
        return found.edited(edit)
    reason = "because a policy cannot name a role that does not exist"
    return (f"{case.subject.up_command}, then repeat `check`, {reason}",)


def _exists(entry: Subject) -> bool:
    """Return whether the role exists; if it cannot be read, assume that it does."""
    try:
        return entry.find_role() is not None
    except FAILURES:
        return True


def _users(case: Case, found: ResourcePolicy) -> dict[str, list[RequestGroup]]:
    """Return the requests for a policy's resource, by the ARN of each existing role that makes them."""
    resources = {group.resource for group, _ in case.by_group if found.applies(group)}
    users: dict[str, list[RequestGroup]] = {}
    for entry in case.entries:
        groups = [each for each in connector_requests(entry) if each.resource in resources]
        if groups and _exists(entry):
            users[entry.role_arn] = groups
    return users


def _describe_grant(case: Case, found: ResourcePolicy) -> str:
    """Return the edit that allows the requests of all the stack's roles that use a policy's resource.

    If the statement named only one role, the fix for each role would overwrite the fix for the previous
    one.
    """
    users = _users(case, found)
    previous = [each for each in found.policy.statements if each.name == _SID]
    arns = (name.removeprefix("AWS:") for each in previous for name in each.principals.values)
    # The statement may also name the roles of other stacks.
    roles = dict.fromkeys([*users, *(arn for arn in arns if arn.startswith("arn:"))])
    statement = _statement([*roles], [group for groups in users.values() for group in groups])
    if not found.exists:
        return f'write {{"Version": "2012-10-17", "Statement": [{statement}]}}'
    place = f"replace the statement {_SID} with" if previous else 'add to "Statement":'
    return f"{place} {statement}"


def _statement(roles: Sequence[str], groups: Sequence[RequestGroup]) -> str:
    services = {str(group.context[_VIA_SERVICE]) for group in groups if _VIA_SERVICE in group.context}
    statement: dict[str, object] = {
        "Sid": _SID,
        "Effect": "Allow",
        "Principal": {"AWS": roles},
        "Action": [*dict.fromkeys(action for group in groups for action in group.actions)],
        "Resource": "*",
    }
    if services:
        statement["Condition"] = {"StringEquals": {_VIA_SERVICE: sorted(services)}}
    return json.dumps(statement)


# The permissions boundary.


def permissions_boundary(case: Case) -> Iterator[Finding]:
    """Ask whether the role's boundary is the one in the settings, and allows every connector request."""
    subject, policy = case.subject, case.collected.boundary
    actual = subject.role.permissions_boundary
    wanted = subject.settings.get("permissions_boundary_arn") or ""
    decisions = case.decisions
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
    elif denied := causes_in(decisions, BOUNDARY, Truth.NO):
        yield problem(
            f"{actual} does not allow all connector requests",
            _change_boundary(case, denied) if actual == wanted else subject.up_command,
            *_denied(denied),
        )
    elif depending := causes_in(decisions, BOUNDARY, Truth.CANNOT_TELL):
        of_boundary = "the boundary and the resource's policy"
        yield cannot_tell(
            f"{actual} might block {len(depending)} of the {len(decisions)} connector requests",
            f"{_context_advice(depending, of_boundary)}, or start a sync",
            *(f"{_title(decision)} {_dependence(cause)}" for decision, cause in depending),
        )
    elif actual == wanted:
        yield ok(f"{actual} allows every connector request{_for_now(decisions, policy)}")


def _change_boundary(case: Case, denied: Sequence[tuple[Decision, Cause]]) -> str:
    """Return how to change a boundary; an AWS managed policy can only be replaced."""
    subject = case.subject
    another = (
        subject.edit("permissions_boundary_arn", "POLICY_ARN")
        if subject.settings.stack
        else aws_command(
            "iam put-role-permissions-boundary",
            role_name=subject.role.name,
            permissions_boundary="POLICY_ARN",
        )
    )
    if Arn.of(subject.role.permissions_boundary).account == "aws":
        return another
    edits: list[str] = []
    if any(cause.statements for _, cause in denied):
        edits.append(_describe_exclusion([cause for _, cause in denied]))
    if lacking := [decision for decision, cause in denied if not cause.statements]:
        edits.append(f'add to "Statement": {", ".join(map(json.dumps, _allowing(case, lacking)))}')
    return f"in this policy, {', and '.join(edits)}; or use another boundary: {another}"


def _allowing(case: Case, lacking: Sequence[Decision]) -> Iterator[dict[str, Any]]:
    """Yield the statements that allow these requests.

    They are the statements that the role needs, limited to these requests because many roles may share a
    boundary.
    """
    policies = case.subject.needed_policies
    for document in (policies.role_policy, *(each.document for each in policies.separate)):
        for given, statement in zip(
            json.loads(document)["Statement"], statements(POLICY_NAME, document), strict=True
        ):
            requests = [
                each.request for each in lacking if applies(statement, each.request) is Truth.YES
            ]
            if requests:
                yield {
                    "Effect": "Allow",
                    "Action": [*dict.fromkeys(request.action for request in requests)],
                    "Resource": [
                        pattern
                        for pattern in listed(given["Resource"])
                        if any(matches(pattern, each.resource) is Truth.YES for each in requests)
                    ],
                    **({"Condition": given["Condition"]} if "Condition" in given else {}),
                }


# The role's policies.


def denials_in_role_policy(case: Case) -> Iterator[Finding]:
    """Report the requests that the policies under the question `role policy` deny or might block."""
    yield from (answer for _, answer in _denials(case, ROLE_POLICY))


def other_policies(case: Case) -> Iterator[Finding]:
    """Report the role's policies other than the role policy that the program writes.

    The answers are about requests that these policies deny or might block; a missing policy for the data
    source's second secret; and each policy that has access in excess or no answer yet. Raises
    MissingError if the role does not exist or is outside any stack.
    """
    subject = case.subject
    role = subject.role
    needed(subject.settings.stack, skipped('this question needs --stack: see "role policy"'))
    denials = [*_denials(case, OTHER_POLICIES)]
    yield from (answer for _, answer in denials)
    lacking = [*second_secret(case)]
    yield from lacking
    inline = [name for name in role.inline_policies if name != POLICY_NAME]
    attached = role.attached or ()
    others = [*inline, *attached]
    if role.denied:
        yield not_allowed(role.denied)
    elif not (others or lacking):
        yield ok("the role has no other policies")
    exclusive, policies = bool(subject.settings.get("exclusive_policies")), subject.needed_policies
    reported = [name for name, _ in denials]
    found = [(name, _excess(case, name)) for name in others]
    found = [(name, excess) for name, excess in found if excess or name not in reported]
    for name, excess in sorted(found, key=lambda each: not any(danger for danger, _ in each[1])):
        is_needed = is_for_second_secret(case, name)
        if is_needed and not excess:
            yield about_needed_policy(case, name)
            continue
        dangers = [*dict.fromkeys(danger for danger, _ in excess if danger)]
        if dangers:
            text = f"the policy {name} grants dangerous access: {', '.join(dangers)}"
        elif excess:
            text = f"the policy {name} allows more than the role policy"
        else:
            text = f"the role also has the policy {name}"
        details = (line for _, line in sorted(excess, key=lambda each: not each[0]))
        removal = subject.up_command if exclusive else remove_policy(role.name, name)
        # Removing this policy would break the sync unless the separate policies exist.
        first = [each.put(role.name) for each in policies.separate] if is_needed else []
        replaced = any(each.name == name for each in policies.separate) and is_needed
        yield note(text, (*first, *([] if replaced else [removal])), *details)


def _excess(case: Case, policy: str) -> list[tuple[str, str]]:
    """For each of a policy's statements in excess, return the danger, if any, and a line of text."""
    subject = case.subject
    difference = subject.needed_policies.compare(subject.role)
    found = next((each.statements for each in case.collected.role if each.name == policy), ())
    by_name = {statement.name: statement for statement in found}
    return [
        (find_danger(by_name[verdict.statement], Arn.of(subject.role.arn)), _shown(verdict))
        for verdict in difference.role
        if verdict.policy == policy and verdict.verdict == "excess"
    ]


def _shown(verdict: Verdict) -> str:
    access = "; ".join(
        f"{', '.join(each.actions)} on {', '.join(each.targets)}" for each in verdict.access
    )
    return f"{verdict.statement}: {access}"


def _denials(case: Case, question: str) -> Iterator[tuple[str, Finding]]:
    """Yield the policies that a question covers and that deny or might block requests, with answers."""
    total = f"of the {len(case.decisions)} connector requests"
    failing = [each for each in causes_in(case.decisions, question, Truth.NO) if each[1].statements]
    for policy, found in _by_policy(failing).items():
        answer = problem(
            f"the policy {policy} denies {len(found)} {total}",
            _remove_denial(case, policy, found),
            *_denied(found),
        )
        yield policy, answer
    depending = [
        each for each in causes_in(case.decisions, question, Truth.CANNOT_TELL) if each[1].statements
    ]
    for policy, found in _by_policy(depending).items():
        denies = any(not statement.allows for _, cause in found for statement in cause.statements)
        answer = cannot_tell(
            f"the policy {policy} might {'deny' if denies else 'not allow'} {len(found)} {total}",
            f"{_context_advice(found)}, or start a sync",
            *(f"{_title(decision)} {_dependence(cause)}" for decision, cause in found),
        )
        yield policy, answer


def _remove_denial(case: Case, policy: str, found: Sequence[tuple[Decision, Cause]]) -> str:
    """Return how to stop a policy of the role from denying requests.

    An AWS managed policy cannot be edited, so the fix is the command that detaches it.
    """
    causes = [cause for _, cause in found]
    if not policy.startswith("arn:"):  # an inline policy, which is only for this role
        return f"in the policy {policy}, narrow or remove {_name_statements(causes)}"
    if Arn.of(policy).account == "aws":
        return remove_policy(case.subject.role.name, policy)
    return f"in the policy {policy}, {_describe_exclusion(causes)}"


def _by_policy(
    found: Iterable[tuple[Decision, Cause]],
) -> dict[str, list[tuple[Decision, Cause]]]:
    by_policy: dict[str, list[tuple[Decision, Cause]]] = {}
    for decision, cause in found:
        by_policy.setdefault(cause.policy.name, []).append((decision, cause))
    return by_policy


# The total.


def requests_allowed(case: Case) -> Iterator[Finding]:
    """Report whether AWS allows all connector requests, from the decisions and IAM's simulation."""
    needed(case.subject.find_role(), NO_ROLE)
    ours = {key.lower() for key in keys_in(case.subject.needed_policies.needed)}
    simulated, failure = _simulate(case)
    found: dict[State, list[tuple[Decision, str]]] = {state: [] for state in State}
    keys: dict[str, None] = {}
    for decision in case.decisions:
        answer = simulated.get(id(decision))
        unknown = [key for key in _unknown_keys(decision, answer) if key.lower() not in ours]
        state, why = _conclude(case, decision, answer, unknown)
        found[state].append((decision, why))
        if state is State.CANNOT_TELL:
            of_causes = (key for cause in decision.deciding for key in cause.keys)
            keys |= dict.fromkeys([*of_causes, *unknown])
    total = f"of the {len(case.decisions)} connector requests"
    if denied := found[State.PROBLEM]:
        fix = _describe_fixes((each, why, simulated.get(id(each))) for each, why in denied)
        yield problem(f"AWS denies {len(denied)} {total}", fix, *_list(denied))
    elif depending := found[State.CANNOT_TELL]:
        how = f"{_options(keys) or 'review the policies that these answers name'}, or start a sync"
        yield cannot_tell(f"AWS might deny {len(depending)} {total}", how, *_list(depending))
    elif undecided := found[State.SKIPPED]:
        text = f"{len(undecided)} {total} could not be decided"
        yield skipped(text)._replace(details=(*_list(undecided),))
    elif not failure:
        now = _for_now(case.decisions)
        yield ok(f"AWS allows all {len(case.decisions)} connector requests{now}; {_NOT_CHECKED}")
    if failure:
        yield failure


def _describe_fixes(denied: Iterable[tuple[Decision, str, Simulated | None]]) -> str:
    """Return how to allow denied requests, each with the reason and IAM's answer, if any."""
    fixes: dict[str, None] = {}
    for decision, why, answer in denied:
        if _SEE in why:
            fixes["apply the fixes in the answers named above"] = None
        if _NONE_ALLOWS in why:
            separate = "or, if it is as expected, allow the requests in a separate policy"
            fixes[f"correct the role policy {separate}"] = None
        if decision.allowed is not Truth.NO and answer and not answer.by_organization:
            fixes[
                "change the policies that deny the requests in IAM's simulation"
                if answer.explicit
                else "see the output of `aws iam simulate-principal-policy`"
            ] = None
        if answer and answer.by_organization:
            fixes["only your organization can change service control policies"] = None
    return "; ".join(fixes) or "narrow or remove the statements named above"


def _simulate(case: Case) -> tuple[dict[int, Simulated], Finding | None]:
    """Return IAM's answers by the decision's `id()`, and a finding if the simulation failed."""
    try:
        return {id(one): answer for one, answer in simulate_decided(case)}, None
    except FAILURES as error:
        return {}, answer_of(error)


def _list(found: Iterable[tuple[Decision, str]]) -> Iterator[str]:
    """Yield a line for each request, or one line for all requests that refer to the same answers."""
    elsewhere: dict[str, int] = {}
    for decision, why in found:
        if why.startswith(_SEE):
            elsewhere[why] = elsewhere.get(why, 0) + 1
        else:
            yield f"{_title(decision)}: {why}"
    for why, number in elsewhere.items():
        yield f"{number} request{'s' * (number > 1)}: {why}"


def _conclude(
    case: Case, decision: Decision, answer: Simulated | None, unknown: Sequence[str]
) -> tuple[State, str]:
    """Return a request's state according to the policies and IAM, and the reason unless it is OK.

    `unknown` has the keys for which the simulation had no values because the values are unknown.
    """
    if decision.allowed is Truth.NO:
        why = _why(case, decision)
        # The other answers say whether they hold only at this time.
        return State.PROBLEM, why if why.startswith(_SEE) else f"{why}{_for_now([decision])}"
    contradicts = answer is not None and _contradicts(decision, answer)
    if answer and (answer.by_organization or (contradicts and not unknown)):
        return State.PROBLEM, answer.reason
    if decision.unread:
        return State.SKIPPED, _why(case, decision)
    if decision.allowed is Truth.CANNOT_TELL:
        return State.CANNOT_TELL, _why(case, decision)
    if contradicts:
        return State.CANNOT_TELL, f"depends on {', '.join(unknown)}"
    return State.OK, ""


def _unknown_keys(decision: Decision, answer: Simulated | None) -> list[str]:
    missing = answer.missing_keys if answer else ()
    return [key for key in missing if decision.request.context.get(key) is None]


def _contradicts(decision: Decision, answer: Simulated) -> bool:
    """Return whether IAM denies a request that the policies allow.

    IAM simulates resource policies only for users, so for a role, it ignores an Allow in such a policy.
    If only the resource's policy allows the request, only an explicit denial contradicts the decision.
    """
    if decision.allowed is not Truth.YES or answer.allowed:
        return False
    return answer.explicit or not decision.by_resource_policy


def _why(case: Case, decision: Decision) -> str:
    """Return why a request is denied or undecided, or refer to the answers that explain it."""
    here: list[str] = []
    elsewhere: list[str] = []
    for cause in decision.deciding:
        question = cause.policy.question
        denies = bool(cause.statements)
        # The question "role policy" compares policies, but does not name the requests.
        is_here = question == ROLE_POLICY and not cause.policy.unread
        if not is_here or (denies and not case.subject.settings.stack):
            elsewhere.append(f'"{question}"')
        elif cause.truth is Truth.CANNOT_TELL:
            here.append(_dependence(cause))
        else:
            denied = f"denied by {cause.policy.name} in {_name_statements([cause])}"
            here.append(denied if denies else _NONE_ALLOWS)
    if elsewhere:
        here.append(f"{_SEE}{' and '.join(dict.fromkeys(elsewhere))}")
    return "; ".join(dict.fromkeys(here))


# Explanations.


def causes_in(
    decisions: Iterable[Decision], question: str, truth: Truth
) -> list[tuple[Decision, Cause]]:
    """Return the causes with this truth in the policies that a question covers, with their decisions."""
    return [
        (decision, cause)
        for decision in decisions
        for cause in decision.causes
        if cause.truth is truth and cause.policy.question == question
    ]


def _title(decision: Decision) -> str:
    return f"{decision.request.action} on {decision.request.resource}"


def _actions(found: Iterable[tuple[Decision, Cause]]) -> str:
    return ", ".join(dict.fromkeys(decision.request.action for decision, _ in found))


def _name_statements(causes: Iterable[Cause]) -> str:
    """Return a phrase that names the deciding statements; empty if there are none."""
    names = dict.fromkeys(each.name for cause in causes for each in cause.statements)
    return " and ".join(
        name if _NUMBERED.fullmatch(name) else f"the statement {_sid(name)}" for name in names
    )


def _sid(name: str) -> str:
    """Return a Sid, in quotes unless it is alphanumeric, because KMS allows other characters."""
    return name if name.isalnum() else f'"{name}"'


def _describe_exclusion(causes: Sequence[Cause]) -> str:
    """Return the edit that stops a policy's statements from denying the role's requests."""
    statements = _name_statements(causes)
    denying = {each for cause in causes for each in cause.statements}
    them = "these statements" if len(denying) > 1 else "this statement"
    if any(each.principals.negated for each in denying):
        return (
            f'in {statements}, replace NotPrincipal with "Principal": "*" and the condition '
            '"ArnNotEquals": {"aws:PrincipalArn": [...]}, which lists this role and the principals that '
            f"NotPrincipal lists; or remove {them}"
        )
    return f"exclude the role from {statements}, or remove {them}"


def _denied(found: Iterable[tuple[Decision, Cause]]) -> Iterator[str]:
    """Yield a line for each denied request."""
    for decision, cause in found:
        by = f": denied by {_name_statements([cause])}" if cause.statements else ""
        yield f"{_title(decision)}{by}{_for_now([decision], cause.policy)}"


def _for_now(decisions: Iterable[Decision], policy: Policy | None = None) -> str:
    """Return text to add to an answer that holds only at this time; empty if it always holds.

    The answer is about `policy` or, if that is None, about all policies.
    """
    ours = {key.lower() for key in keys_in(policy.statements)} if policy else None
    keys = dict.fromkeys(
        key for decision in decisions for key in decision.only_now if ours is None or key.lower() in ours
    )
    return f" at this time (depends on {', '.join(keys)})" if keys else ""


def _dependence(cause: Cause) -> str:
    """Describe the unknown keys and elements, or the resource's policy, on which a decision depends."""
    if not (cause.keys or cause.unclear):
        return f"is not allowed by {cause.policy.name}, so the resource's policy decides"
    statements = _name_statements([cause])
    keys = " and ".join((*cause.keys, *cause.unclear))
    return f"depends on {keys}{f' in {statements}' if statements else ''}"


def _context_advice(found: Iterable[tuple[Decision, Cause]], policies: str = "the policy") -> str:
    """Return advice to pass unknown keys with `--context` or, if there are none, to review policies."""
    keys = dict.fromkeys(key for _, cause in found for key in cause.keys)
    return _options(keys) or f"review {policies}"


def _options(keys: Iterable[str]) -> str:
    """Return the advice to pass unknown keys with `--context`; empty if there are none."""
    options = " ".join(f"--context {quote_argument(f'{key}=VALUE')}" for key in keys)
    return f"repeat the check with {options}" if options else ""
