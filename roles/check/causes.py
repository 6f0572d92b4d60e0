"""Report the decisions about a role's requests, grouped by the policy that causes them.

A policy that denies a request, or lacks a required Allow, is a problem, even if another policy also
denies the request. If the effect of a policy depends on unknown values, the answer is `cannot tell`. The
answer to `requests allowed` is about all policies together.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from components.connector_role import POLICY_NAME
from guardrails.iam.decisions import Cause, Decision, Kind, Policy, decide
from guardrails.iam.documents import Statement
from guardrails.iam.evaluation import applies
from guardrails.iam.patterns import matches
from guardrails.iam.truth import Truth
from roles.check.answers import (
    NO_BUCKET,
    NO_KEY,
    NO_ROLE,
    NO_SECRET,
    about_each,
    attempt,
    needed,
)
from roles.check.case import Case, evidence, is_disputed, with_boundary
from roles.check.context import keys_in
from roles.check.requests import RequestGroup, connector_requests
from roles.check.simulation import Simulated, simulate_decided
from roles.check.subject import Subject
from roles.commands import quote_argument
from roles.difference import statements
from roles.findings import Finding, State, cannot_tell, note, ok, problem, skipped
from roles.ingestion import DISPUTED
from roles.policies import Policies, digest
from roles.project import project_name

_VIA_SERVICE: Final = "kms:ViaService"
_ROLE_ID: Final = re.compile(r"AWS:(AROA[A-Z0-9]+)")
_WITHOUT: Final[Mapping[Kind, Finding]] = {
    Kind.KEY: NO_KEY,
    Kind.SECRET: NO_SECRET,
    Kind.BUCKET: NO_BUCKET,
}
"""The answers if the role needs no resource whose policy has this kind."""
_EVENTS: Final = {"s3:ListBucket": "ListObjects"}
"""The names of CloudTrail events that differ from the IAM actions:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html"""
_NOT_CHECKED: Final = "resource control policies and VPC endpoint policies were not checked"


class _Block(NamedTuple):
    """A decision about a request, and a cause of it in the policy that an answer is about."""

    decision: Decision
    cause: Cause


def _blocks(case: Case, policy: Policy, truth: Truth) -> list[_Block]:
    """Return the requests that a policy blocks or, if `truth` is CANNOT_TELL, might block."""
    return [
        _Block(decision, cause)
        for decision in case.decisions
        for cause in decision.causes
        if cause.policy is policy and cause.truth is truth
    ]


# The role's own policies.


def judge_own_policy(case: Case, policy: Policy) -> Iterator[Finding]:
    """Yield the answers about requests that one of the role's own policies denies or might deny.

    Requests that it does not allow are left out, because another policy may allow them.
    """
    denied, unclear = (
        [each for each in _blocks(case, policy, truth) if each.cause.statements]
        for truth in (Truth.NO, Truth.CANNOT_TELL)
    )
    if denied:
        yield problem(
            f"the policy {policy.name} denies {_count(case, denied)}",
            policy.edited(_exclude(policy, denied)),
            *_list_denied(denied),
        )
    if unclear:
        block = "not allow" if all(each.allows for each in _statements(unclear)) else "deny"
        text = f"the policy {policy.name} might {block} {_count(case, unclear)}"
        yield _depends(text, unclear, "review the policy")


def judge_trust_policy(case: Case) -> Finding:
    """Return the answer about the request with which Amazon Q Business assumes the role."""
    (policy,) = case.trust.policies.role
    if policy.unread:
        return policy.unread
    found = [_Block(case.trust, cause) for cause in case.trust.causes]
    now = _for_now([case.trust], policy)
    if denied := [each for each in found if each.cause.truth is Truth.NO]:
        if denying := [each for each in denied if not each.cause.lacks_allow]:
            edit = _exclude(policy, denying)
            text = f"denies Amazon Q Business the role, in {_name_statements(_statements(denying))}"
        else:
            policies = case.subject.policies
            edit = _allow_in_trust_policy(policies, policy)
            text = f"does not let Amazon Q Business assume the role for {policies.application_arn}"
        return problem(f"the trust policy {text}{now}", policy.edited(edit))
    if found:
        text = "cannot determine whether the trust policy lets Amazon Q Business assume the role"
        options = _options(_unknown_keys(found))
        details = dict.fromkeys(_dependence(cause) for _, cause in found)
        return cannot_tell(text, f"{options or 'review the policy'}, or start a sync", *details)
    return ok(f"lets Amazon Q Business assume the role for the application{now}")


def _allow_in_trust_policy(policies: Policies, policy: Policy) -> str:
    """Return the edit that lets Amazon Q Business assume the role, and keeps the access of others."""
    (statement,) = json.loads(policies.trust_policy)["Statement"]
    if any(each.name == statement["Sid"] for each in policy.statements):  # for another application
        statement["Sid"] += digest(policies.application_arn)
    return _write_statement(policy, statement)


def _write_statement(policy: Policy, statement: Mapping[str, Any]) -> str:
    """Return the edit that adds a statement, or replaces the one with its Sid."""
    sid = statement["Sid"]
    is_there = any(each.name == sid for each in policy.statements)
    place = f"replace the statement {sid} with" if is_there else 'add to "Statement":'
    return f"{place} {json.dumps(statement)}"


def _depends(text: str, unclear: Sequence[_Block], review: str) -> Finding:
    """Return the answer about requests that depend on unknown keys or, without any, need a review."""
    return cannot_tell(
        text,
        f"{_options(_unknown_keys(unclear)) or review}, or start a sync",
        *dict.fromkeys(f"{_title(decision)} {_dependence(cause)}" for decision, cause in unclear),
    )


# The boundary.


def permissions_boundary(case: Case) -> Iterator[Finding]:
    """Ask whether the role's boundary is the one in the settings, and allows every connector request."""
    subject = case.subject
    wanted = subject.settings.get("permissions_boundary_arn") or ""
    role = subject.find_role()
    cut_off = (
        _cut_off(case, wanted) if wanted and not (role and role.permissions_boundary == wanted) else None
    )
    if cut_off and not role:
        yield cut_off
        return
    actual = subject.role.permissions_boundary
    none = "no permissions boundary"
    found = _judge_boundary(case, case.boundary) if case.boundary else ok(f"the role has {none}")
    if actual != wanted:
        text = f"the role has {actual or none}, but the settings have {wanted or none}"
        if cut_off and cut_off.state is State.PROBLEM:
            yield cut_off._replace(text=f"{text}; {cut_off.text}")
        else:
            yield problem(text, subject.up_command)
            yield from filter(None, [cut_off])
    if actual == wanted or found.state is not State.OK:
        yield found


def _cut_off(case: Case, wanted: str) -> Finding | None:
    """Return the answer about the boundary that `pulumi up` will set, unless it allows all requests."""
    after = with_boundary(case, wanted)
    found = after.boundary and _judge_boundary(after, after.boundary)
    return None if found and found.state is State.OK else found


def _judge_boundary(case: Case, policy: Policy) -> Finding:
    if policy.unread:
        return policy.unread
    lost = _blocks(case, policy, Truth.NO)
    disputed = [each for each in lost if is_disputed(case, each.decision)]
    if blocked := [each for each in lost if each not in disputed]:
        denied = [each for each in blocked if not each.cause.lacks_allow]
        lacking = [decision for decision, cause in blocked if cause.lacks_allow]
        edits = [_exclude(policy, denied)] if denied else []
        edits += [_allow_in_boundary(case, lacking)] if lacking else []
        return problem(
            f"{policy.name} does not allow all connector requests",
            policy.edited(", and ".join(edits)),
            *_list_denied(blocked),
        )
    if disputed:
        text = f"{policy.name} might block {_count(case, disputed)}"
        return cannot_tell(text, 'see "requests allowed"', *_list_denied(disputed))
    if unclear := _blocks(case, policy, Truth.CANNOT_TELL):
        text = f"{policy.name} might block {_count(case, unclear)}"
        return _depends(text, unclear, "review the boundary and the resource's policy")
    return ok(f"{policy.name} allows every connector request{_for_now(case.decisions, policy)}")


def _allow_in_boundary(case: Case, lacking: Sequence[Decision]) -> str:
    """Return the edit of a boundary that allows these requests.

    It adds the statements that the role needs, limited to these requests because many roles may share a
    boundary.
    """
    policies = case.subject.needed_policies
    documents = [policies.role_policy, *(each.document for each in policies.separate)]
    written = [each for document in documents for each in json.loads(document)["Statement"]]
    read = [each for document in documents for each in statements(POLICY_NAME, document)]
    added: list[dict[str, Any]] = []
    for given, statement in zip(written, read, strict=True):
        requests = [each.request for each in lacking if applies(statement, each.request) is Truth.YES]
        if requests:
            resources = [
                pattern
                for pattern in statement.resources.values
                if any(matches(pattern, each.resource) is Truth.YES for each in requests)
            ]
            actions = [*dict.fromkeys(request.action for request in requests)]
            condition = {"Condition": given["Condition"]} if "Condition" in given else {}
            added.append({"Effect": "Allow", "Action": actions, "Resource": resources, **condition})
    return f'add to "Statement": {", ".join(map(json.dumps, added))}'


# The policies of resources.


def resource_policies(kind: Kind, case: Case) -> list[Finding]:
    """Ask whether the policies of one kind of resource let the role make its requests."""
    subject = case.subject
    questions = (
        (each.resource, partial(_about_resource, case, each))
        for each in case.resources
        if each.kind is kind
    )
    own = (subject.key_arn, subject.secret_arn, f"arn:{subject.partition}:s3:::{subject.bucket}")
    return about_each(questions, _WITHOUT[kind], *own)


def _about_resource(case: Case, policy: Policy) -> Finding:
    """Return the most serious answer about a resource's policy."""
    return policy.unread or next(_judge_resource_policy(case, policy))


def _judge_resource_policy(case: Case, policy: Policy) -> Iterator[Finding]:
    """Yield the answers about a policy, the most serious first."""
    kind, failing = policy.kind, _blocks(case, policy, Truth.NO)
    none = "" if policy.statements else f"the {kind.removesuffix(' policy')} has no policy"
    if denied := [each for each in failing if not each.cause.lacks_allow]:
        yield problem(
            f"the {kind} denies {', '.join(_actions(denied))} to the role, in "
            f"{_name_statements(_statements(denied))}{_for_now(_decisions(denied), policy)}",
            policy.edited(_exclude(policy, denied)),
        )
    yield from _about_lost_roles(case, policy)
    if lacking := [each for each in failing if each.cause.lacks_allow]:
        grants = f"grants {', '.join(_actions(lacking))} to the role"
        text = f"the {kind} neither {grants} nor delegates to IAM policies"
        if none:
            text = f"{none} that {grants}"
        yield problem(
            f"{text}{_for_now(_decisions(lacking), policy)}",
            _for_roles(case, policy, _allow_in_resource(case, policy)),
        )
    if unclear := _blocks(case, policy, Truth.CANNOT_TELL):
        yield cannot_tell(
            f"cannot determine whether the {kind} lets the role perform "
            f"{' and '.join(_actions(unclear))}",
            f"{_options(_unknown_keys(unclear)) or 'review the policy'}, or start a sync and look for "
            f"{_describe_events(kind, unclear)}",
            *dict.fromkeys(_dependence(cause) for _, cause in unclear),
        )
    if deleted := ", ".join(_deleted_roles(policy.statements, case.subject.settings.role_arn)):
        yield note(
            f"the {kind} contains IDs of deleted roles ({deleted}), but only in statements that "
            "the current role does not need"
        )
    fine = "neither denies the role access nor names a deleted role in its place"
    if kind is Kind.KEY:
        fine = "grants kms:Decrypt to the role or delegates to IAM policies"
        if any(each.policies.grant is Truth.YES for each in _decided_by(case, policy)):
            fine = "a KMS grant lets the role decrypt with the key"
    yield ok(f"{none or fine}{_for_now(_decided_by(case, policy), policy)}")


def _describe_events(kind: Kind, found: Sequence[_Block]) -> str:
    """Return where CloudTrail shows whether AWS allowed the requests of a sync."""
    events = (_EVENTS.get(each, each.partition(":")[2]) for each in _actions(found))
    # CloudTrail logs requests for a bucket's objects only as data events.
    log = "CloudTrail data events" if kind is Kind.BUCKET else "CloudTrail"
    return f"{' and '.join(events)} in {log}"


def _decided_by(case: Case, policy: Policy) -> list[Decision]:
    """Return the decisions about the requests to which a resource's policy applies."""
    return [each for each in case.decisions if each.policies.resource is policy]


def _allow_in_resource(case: Case, policy: Policy) -> str:
    """Return the edit that allows the requests of all the stack's roles that use a policy's resource.

    If the statement named only one role, the fix for each role would overwrite the fix for the previous
    one. Other stacks have statements of their own, because they may need other actions or services.
    """
    subject, users = case.subject, _users(case, policy)
    stack = subject.settings.stack.rpartition("/")[2]
    # Clones of a project have stacks of the same name, for applications in different accounts.
    owner = (project_name(), stack, subject.policies.application_arn) if stack else (*users,)
    sid = f"AllowsConnectorRoles{digest(*owner)}"
    previous = [each for each in policy.statements if each.name == sid]
    arns = (name.removeprefix("AWS:") for each in previous for name in each.principals.values)
    roles = dict.fromkeys([*users, *(arn for arn in arns if arn.startswith("arn:"))])
    groups = [group for groups in users.values() for group in groups]
    actions = [action for group in groups for action in group.actions]
    services = {str(group.context[_VIA_SERVICE]) for group in groups if _VIA_SERVICE in group.context}
    if len(roles) > len(users):  # roles that the stack had before keep their access
        actions += [action for each in previous for action in each.actions.values]
        services.update(
            value
            for each in previous
            for condition in each.conditions
            if condition.is_on(_VIA_SERVICE)
            for value in condition.values
        )
    condition = {"Condition": {"StringEquals": {_VIA_SERVICE: sorted(services)}}} if services else {}
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": [*roles]},
        "Action": [*dict.fromkeys(actions)],
        "Resource": "*",
        **condition,
    }
    if not policy.statements:
        return f"write {json.dumps({'Version': '2012-10-17', 'Statement': [statement]})}"
    return _write_statement(policy, statement)


def _users(case: Case, policy: Policy) -> dict[str, list[RequestGroup]]:
    """Return the requests for a policy's resource, by the ARN of each existing role that makes them."""
    resources = {each.request.resource for each in _decided_by(case, policy)}
    users: dict[str, list[RequestGroup]] = {}
    for entry in case.entries:
        asked = connector_requests(entry, entry.needs)
        groups = [each for each in asked if each.resource in resources]
        if groups and _exists(entry):
            users[str(entry.settings.role_arn)] = groups
    return users


def _exists(entry: Subject) -> bool:
    """Return whether the role exists; if it cannot be read, assume that it does."""
    return attempt(entry.find_role) is not None


def _exclude(policy: Policy, denied: Sequence[_Block]) -> str:
    """Return the edit that stops a policy's statements from denying the role's requests."""
    denying = _statements(denied)
    statements = _name_statements(denying)
    if not policy.is_shared or policy.kind is Kind.TRUST:
        return f"narrow or remove {statements}"
    if any(each.principals.negated for each in denying):
        named = (name for each in denying for name in each.principals.values)
        services = [name.removeprefix("Service:") for name in named if name.startswith("Service:")]
        # Only requests by services have this key, so other requests meet the condition.
        condition = f'"StringNotEquals": {{"aws:PrincipalServiceName": {json.dumps(services)}}}'
        return (
            f'in {statements}, replace NotPrincipal with "Principal": "*" and the condition '
            '"ArnNotEquals": {"aws:PrincipalArn": [...]}, which lists this role and the roles and users '
            f"that NotPrincipal lists{f', and the condition {condition}' if services else ''}"
        )
    return f"exclude the role from {statements}, which also applies to others"


def _for_roles(case: Case, policy: Policy, edit: str) -> tuple[str, ...]:
    """Return the steps for an edit that may name roles in a policy.

    A policy can name only roles that exist, so if the role does not exist, return the step to deploy it
    and repeat `check`.
    """
    if _exists(case.subject):
        return policy.edited(edit)
    reason = "because a policy cannot name a role that does not exist"
    return (f"{case.subject.up_command}, then repeat `check`, {reason}",)


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


def _about_lost_roles(case: Case, policy: Policy) -> Iterator[Finding]:
    """Yield a problem if requests are denied because roles that the policy names were deleted."""
    denied = [each for each in _decided_by(case, policy) if each.allowed is Truth.NO]
    lost = [
        role_id
        for role_id in _deleted_roles(policy.statements, case.subject.settings.role_arn)
        if any(_is_allowed_as(case, role_id, each) for each in denied)
    ]
    if lost:
        yield problem(
            f"the {policy.kind} contains IDs of deleted roles ({', '.join(lost)}), and a recreated role "
            "is a different principal, even with the same ARN",
            _for_roles(
                case,
                policy,
                f"replace the ID that a role had before it was recreated ({' or '.join(lost)}) with the "
                f"role's ARN ({' or '.join(_users(case, policy))}), and remove the IDs of other deleted "
                "roles",
            ),
        )


def _is_allowed_as(case: Case, role_id: str, decision: Decision) -> bool:
    """Return whether AWS would allow a request if the role had this ID."""
    principal = case.facts.principal._replace(role_id=role_id)
    request = decision.request._replace(principal=principal)
    return decide(request, decision.policies, case.facts.now()).allowed is Truth.YES


# The total.


class _Conclusion(NamedTuple):
    """The answer about one request, according to the policies and IAM's simulation."""

    decision: Decision
    state: State
    reason: str = ""
    is_elsewhere: bool = False
    """Whether the reason only refers to other answers."""
    fixes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    """The condition keys on which the answer depends and whose values are unknown."""
    is_simulated: bool = False
    """Whether IAM's simulation says so, and not the policies."""


def requests_allowed(case: Case) -> Iterator[Finding]:
    """Report whether AWS allows all connector requests, from the decisions and IAM's simulation."""
    needed(case.subject.find_role(), NO_ROLE)
    simulated = attempt(lambda: simulate_decided(case))
    if isinstance(simulated, Finding):
        answer = _total(case, [_explain(case, each) for each in case.decisions])
        yield from [simulated] if answer.state is State.OK else [answer, simulated]
        return
    ours = {key.lower() for key in keys_in(case.subject.needed_policies.needed)}
    yield _total(case, [_conclude(case, each, its, ours) for each, its in simulated])


def _total(case: Case, concluded: Sequence[_Conclusion]) -> Finding:
    """Return the answer about the requests with the most serious conclusion."""
    state = min((each.state for each in concluded), key=lambda state: state.rank)
    found = [each for each in concluded if each.state is state]
    number, total = len(found), f"of the {len(concluded)} connector requests"
    if state is State.PROBLEM:
        fixes = dict.fromkeys(fix for each in found for fix in each.fixes)
        fix = "; ".join(fixes) or "narrow or remove the statements named above"
        says = {True: "IAM's simulation does", False: "these policies do"}
        who = " or ".join(dict.fromkeys(says[each.is_simulated] for each in found))
        return problem(f"{who} not allow {number} {total}", fix, *_list(found))
    if state is State.CANNOT_TELL:
        options = _options(dict.fromkeys(key for each in found for key in each.keys))
        ways = [*dict.fromkeys(fix for each in found for fix in each.fixes), *filter(None, [options])]
        how = "; ".join(ways) or "review the policies that these answers name"
        text = f"cannot determine whether AWS allows {number} {total}"
        return cannot_tell(text, f"{how}, or start a sync", *_list(found))
    if state is State.SKIPPED:
        text = f"{number} {total} could not be decided"
        return skipped(text)._replace(details=tuple(_list(found)))
    now = _for_now(case.decisions)
    text = f"the policies and IAM's simulation allow all {number} connector requests{now}"
    return ok(f"{text}; {_NOT_CHECKED}")


def _list(found: Sequence[_Conclusion]) -> Iterator[str]:
    """Yield a line for each request, or one line for all requests that refer to the same answers."""
    yield from (f"{_title(each.decision)}: {each.reason}" for each in found if not each.is_elsewhere)
    elsewhere = Counter(each.reason for each in found if each.is_elsewhere)
    for reason, number in elsewhere.items():
        yield f"{number} request{'s' * (number > 1)}: {reason}"


def _conclude(
    case: Case, decision: Decision, simulated: Simulated, ours: Collection[str]
) -> _Conclusion:
    """Return the conclusion about one request.

    `ours` has the lowercase condition keys in the policies that the role needs, whose values are known.
    IAM simulates resource policies only for users, so for a role, it ignores an Allow in such a policy.
    If only the resource's policy allows the request, only an explicit denial contradicts the decision.
    """
    context = decision.request.context
    unknown = tuple(
        key for key in simulated.missing_keys if context.get(key) is None and key.lower() not in ours
    )
    contradicts = (
        decision.allowed is Truth.YES
        and not simulated.allowed
        and (simulated.explicit or not decision.by_resource_policy)
    )
    # The simulation may lack the values of keys in service control policies, and does not name them.
    if simulated.by_organization and decision.allowed is not Truth.NO:
        fixes = (simulated.fix,)
        return _Conclusion(decision, State.CANNOT_TELL, simulated.reason, fixes=fixes, is_simulated=True)
    if contradicts and unknown:
        reason = f"depends on {', '.join(unknown)}"
        return _Conclusion(decision, State.CANNOT_TELL, reason, keys=unknown)
    if contradicts:
        fixes = (simulated.fix,)
        return _Conclusion(decision, State.PROBLEM, simulated.reason, fixes=fixes, is_simulated=True)
    found = _explain(case, decision)
    return found._replace(keys=(*found.keys, *unknown))


def _explain(case: Case, decision: Decision) -> _Conclusion:
    """Return the conclusion about a request according to the policies alone."""
    if decision.allowed is Truth.YES:
        return _Conclusion(decision, State.OK)
    if is_disputed(case, decision):
        reason = f"{DISPUTED}: {evidence(case).text}"
        return _Conclusion(decision, State.CANNOT_TELL, reason)
    elsewhere = [cause for cause in decision.deciding if _names_requests(case, cause)]
    here = [cause for cause in decision.deciding if cause not in elsewhere]
    questions = dict.fromkeys(f'"{cause.policy.kind}"' for cause in elsewhere)
    see = [f"see {' and '.join(questions)}"] if elsewhere else []
    reason = "; ".join(dict.fromkeys([*map(_reason, here), *see]))
    if decision.allowed is Truth.CANNOT_TELL:
        state = State.SKIPPED if decision.unread else State.CANNOT_TELL
        keys = tuple(key for cause in decision.deciding for key in cause.keys)
        return _Conclusion(decision, state, reason, not here, keys=keys)
    fixes = ["apply the fixes in the answers named above"] if elsewhere else []
    if any(cause.lacks_allow for cause in here):
        separate = "or, if it is as expected, allow the requests in a separate policy"
        fixes.append(f"if this remains after the other fixes, correct the role policy {separate}")
    # The other answers say whether they hold only at this time.
    now = _for_now([decision]) if here else ""
    return _Conclusion(decision, State.PROBLEM, f"{reason}{now}", not here, tuple(fixes))


def _names_requests(case: Case, cause: Cause) -> bool:
    """Return whether the answers about a cause's policy name the requests.

    The question "role policy" compares policies. Outside a stack, it also names the denied requests.
    """
    if cause.policy.kind is not Kind.ROLE or cause.policy.unread:
        return True
    return bool(cause.statements) and not case.subject.settings.stack


def _reason(cause: Cause) -> str:
    if cause.truth is Truth.CANNOT_TELL:
        return _dependence(cause)
    if cause.statements:
        return f"denied by {cause.policy.name} in {_name_statements(cause.statements)}"
    return "none of the role's policies allows it"


# Words for requests, statements, and condition keys.


def _title(decision: Decision) -> str:
    return f"{decision.request.action} on {decision.request.resource}"


def _count(case: Case, found: Sequence[_Block]) -> str:
    return f"{len(found)} of the {len(case.decisions)} connector requests"


def _decisions(found: Sequence[_Block]) -> list[Decision]:
    return [decision for decision, _ in found]


def _actions(found: Sequence[_Block]) -> list[str]:
    return [*dict.fromkeys(each.request.action for each in _decisions(found))]


def _statements(found: Sequence[_Block]) -> list[Statement]:
    return [*dict.fromkeys(each for _, cause in found for each in cause.statements)]


def _unknown_keys(found: Sequence[_Block]) -> list[str]:
    return [*dict.fromkeys(key for _, cause in found for key in cause.keys)]


def _list_denied(found: Sequence[_Block]) -> Iterator[str]:
    """Yield a line for each denied request."""
    for decision, cause in found:
        by = f": denied by {_name_statements(cause.statements)}" if cause.statements else ""
        yield f"{_title(decision)}{by}{_for_now([decision], cause.policy)}"


def _name_statements(named: Iterable[Statement]) -> str:
    """Return a phrase that names statements; empty if there are none."""
    return " and ".join(dict.fromkeys(map(_name, named)))


def _name(statement: Statement) -> str:
    if not statement.has_sid:
        return statement.name
    # KMS allows other characters in a Sid than letters and digits.
    sid = statement.name if statement.name.isalnum() else f'"{statement.name}"'
    return f"the statement {sid}"


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
    if cause.defers:
        return f"is not allowed by {cause.policy.name}, so the resource's policy decides"
    statements = _name_statements(cause.statements)
    keys = " and ".join((*cause.keys, *cause.unclear))
    return f"depends on {keys}{f' in {statements}' if statements else ''}"


def _options(keys: Iterable[str]) -> str:
    """Return the advice to pass unknown keys with `--context`; empty if there are none."""
    options = " ".join(f"--context {quote_argument(f'{key}=VALUE')}" for key in keys)
    return f"repeat the check with {options}" if options else ""
