"""Report the decisions about a role's requests, grouped by the policy that causes them.

A policy that denies a request, or lacks a required Allow, is a problem, even if another policy also
denies the request. If the effect of a policy depends on unknown values, the answer is `cannot tell`. The
answer to `requests allowed` is about all policies together.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from components.commands import quote_argument
from components.connector_role import POLICY_NAME
from guardrails.iam.documents import Statement, listed
from guardrails.iam.patterns import matches
from guardrails.iam.truth import Truth
from roles.check.case import Case
from roles.check.context import keys_in
from roles.check.decisions import Cause, Decision, Kind, Policy, decide
from roles.check.evaluation import applies
from roles.check.requests import RequestGroup, connector_requests
from roles.check.simulation import Simulated, simulate_decided
from roles.check.subject import NO_ROLE, Subject, attempt, needed
from roles.difference import statements
from roles.findings import Finding, State, cannot_tell, note, ok, problem, skipped

_NUMBERED: Final = re.compile(r"statement \d+")
"""Matches the name of a statement without a Sid."""
_VIA_SERVICE: Final = "kms:ViaService"
_SID: Final = "AllowsTheConnectorRoles"
_ROLE_ID: Final = re.compile(r"AWS:(AROA[A-Z0-9]+)")
_EVENTS: Final = {"s3:ListBucket": "ListObjects"}
"""The names of CloudTrail events that differ from the IAM actions:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html"""
_NOT_CHECKED: Final = (
    "KMS grants, resource control policies, service control policies with conditions, and VPC endpoint "
    "policies were not checked"
)
_WORST_FIRST: Final = (State.PROBLEM, State.CANNOT_TELL, State.SKIPPED, State.OK)
_Caused = Sequence[tuple[Decision, Cause]]
"""Decisions, each with a cause in the same policy."""


# Edits that allow requests.


def _allow_in_boundary(case: Case, _: Policy, lacking: Sequence[Decision]) -> str:
    """Return the edit of a boundary that allows these requests.

    It adds the statements that the role needs, limited to these requests because many roles may share a
    boundary.
    """
    added: list[dict[str, Any]] = []
    policies = case.subject.needed_policies
    for document in (policies.role_policy, *(each.document for each in policies.separate)):
        for given, statement in zip(
            json.loads(document)["Statement"], statements(POLICY_NAME, document), strict=True
        ):
            requests = [
                each.request for each in lacking if applies(statement, each.request) is Truth.YES
            ]
            if requests:
                resources = [
                    pattern
                    for pattern in listed(given["Resource"])
                    if any(matches(pattern, each.resource) is Truth.YES for each in requests)
                ]
                actions = [*dict.fromkeys(request.action for request in requests)]
                condition = {name: given[name] for name in ("Condition",) if name in given}
                added.append({"Effect": "Allow", "Action": actions, "Resource": resources, **condition})
    return f'add to "Statement": {", ".join(map(json.dumps, added))}'


def _allow_in_resource(case: Case, policy: Policy, _: Sequence[Decision]) -> str:
    """Return the edit that allows the requests of all the stack's roles that use a policy's resource.

    If the statement named only one role, the fix for each role would overwrite the fix for the previous
    one.
    """
    users = _users(case, policy)
    previous = [each for each in policy.statements if each.name == _SID]
    arns = (name.removeprefix("AWS:") for each in previous for name in each.principals.values)
    # The statement may also name the roles of other stacks.
    roles = dict.fromkeys([*users, *(arn for arn in arns if arn.startswith("arn:"))])
    groups = [group for groups in users.values() for group in groups]
    services = {str(group.context[_VIA_SERVICE]) for group in groups if _VIA_SERVICE in group.context}
    condition = {"Condition": {"StringEquals": {_VIA_SERVICE: sorted(services)}}} if services else {}
    statement = {
        "Sid": _SID,
        "Effect": "Allow",
        "Principal": {"AWS": [*roles]},
        "Action": [*dict.fromkeys(action for group in groups for action in group.actions)],
        "Resource": "*",
        **condition,
    }
    if not policy.statements:
        return f"write {json.dumps({'Version': '2012-10-17', 'Statement': [statement]})}"
    place = f"replace the statement {_SID} with" if previous else 'add to "Statement":'
    return f"{place} {json.dumps(statement)}"


def _users(case: Case, policy: Policy) -> dict[str, list[RequestGroup]]:
    """Return the requests for a policy's resource, by the ARN of each existing role that makes them."""
    resources = {each.request.resource for each in case.decisions if each.policies.resource is policy}
    users: dict[str, list[RequestGroup]] = {}
    for entry in case.entries:
        groups = [each for each in connector_requests(entry) if each.resource in resources]
        if groups and _exists(entry):
            users[str(entry.settings.role_arn)] = groups
    return users


def _exists(entry: Subject) -> bool:
    """Return whether the role exists; if it cannot be read, assume that it does."""
    return attempt(entry.find_role) is not None


# One policy.


class _Words(NamedTuple):
    """The words for the answers about one kind of policy; `_say` fills in the names in braces."""

    denies: str
    lacks: str
    """The same as `denies` if one answer reports both; empty if another question reports it."""
    depends: str
    fine: str
    allow: Callable[[Case, Policy, Sequence[Decision]], str] = _allow_in_resource
    """Return the edit that allows requests."""
    absent: str = ""
    """Says that there is no policy; empty if there always is one."""
    review: str = "review the policy"
    """How to find out whether the policy allows a request if no condition key is unknown."""
    trail: str = ""
    """Where CloudTrail shows whether it does; empty if the details list the requests."""


_OF_ROLE: Final = _Words(
    denies="the policy {name} denies {number} {total}",
    lacks="",
    depends="the policy {name} might {block} {number} {total}",
    fine="",
)
_OF_RESOURCE: Final = _Words(
    denies="the {kind} denies {actions} to the role, in {statements}{now}",
    lacks="the {kind} neither grants {actions} to the role nor delegates to IAM policies{now}",
    depends="cannot determine whether the {kind} lets the role perform {both}",
    fine="neither denies the role access nor names a deleted role in its place",
    trail="CloudTrail",
)
_BLOCKED: Final = "{name} does not allow all connector requests"
_WORDS: Final[Mapping[Kind, _Words]] = {
    Kind.ROLE: _OF_ROLE,
    Kind.OTHER: _OF_ROLE,
    Kind.BOUNDARY: _Words(
        denies=_BLOCKED,
        lacks=_BLOCKED,
        depends="{name} might block {number} {total}",
        fine="{name} allows every connector request",
        allow=_allow_in_boundary,
        review="review the boundary and the resource's policy",
    ),
    Kind.KEY: _OF_RESOURCE._replace(fine="grants kms:Decrypt to the role or delegates to IAM policies"),
    Kind.SECRET: _OF_RESOURCE._replace(absent="the secret has no policy"),
    # CloudTrail logs requests for a bucket's objects only as data events.
    Kind.BUCKET: _OF_RESOURCE._replace(
        absent="the bucket has no policy", trail="CloudTrail data events"
    ),
}


def _words(policy: Policy) -> _Words:
    words = _WORDS[policy.kind]
    if policy.statements or not words.absent:
        return words
    return words._replace(
        lacks=f"{words.absent} that grants {{actions}} to the role{{now}}", fine=words.absent
    )


def judge(case: Case, policy: Policy) -> Iterator[Finding]:
    """Yield the answers about a policy, the most serious first.

    Each answer about the policy of a resource or a boundary stands for the less serious ones, too. There
    is no answer about a policy of the role that denies nothing.
    """
    if policy.unread:
        yield policy.unread
        return
    words = _words(policy)
    decisions = [each for each in case.decisions if policy in each.policies.every()]
    caused = [
        (decision, cause)
        for decision in decisions
        for cause in decision.causes
        if cause.policy is policy and (cause.statements or words.lacks)
    ]
    failing = [each for each in caused if each[1].truth is Truth.NO]
    denying = [each for each in failing if each[1].statements or words.lacks == words.denies]
    lacking = [each for each in failing if each not in denying]
    depending = [each for each in caused if each[1].truth is Truth.CANNOT_TELL]
    if denying:
        yield _wrong(case, policy, words.denies, denying)
    yield from _about_lost_roles(case, policy, decisions)
    if lacking:
        yield _wrong(case, policy, words.lacks, lacking)
    if depending:
        yield _unclear(case, policy, depending)
    if deleted := ", ".join(_deleted_roles(policy.statements, case.subject.settings.role_arn)):
        yield note(
            f"the {policy.kind} contains IDs of deleted roles ({deleted}), but only in statements that "
            "the current role does not need"
        )
    if words.fine:
        yield ok(f"{words.fine.format(name=policy.name)}{_for_now(decisions, policy)}")


def _say(case: Case, policy: Policy, text: str, found: _Caused) -> str:
    """Fill in the names in braces."""
    actions = [*dict.fromkeys(decision.request.action for decision, _ in found)]
    statements = [each for _, cause in found for each in cause.statements]
    return text.format(
        kind=policy.kind,
        name=policy.name,
        actions=", ".join(actions),
        both=" and ".join(actions),
        statements=_name_statements(cause for _, cause in found),
        block="not allow" if all(each.allows for each in statements) else "deny",
        number=len(found),
        total=f"of the {len(case.decisions)} connector requests",
        now=_for_now((decision for decision, _ in found), policy),
    )


def _wrong(case: Case, policy: Policy, text: str, failing: _Caused) -> Finding:
    """Return the problem that a policy denies requests or does not allow them."""
    words = _words(policy)
    causes = [cause for _, cause in failing if cause.statements]
    lacking = [decision for decision, cause in failing if not cause.statements]
    edits = [_describe_exclusion(policy, causes)] if causes else []
    if lacking:
        edits.append(words.allow(case, policy, lacking))
    edit = ", and ".join(edits)
    steps = _for_roles(case, policy, edit) if lacking else policy.edited(edit)
    return problem(_say(case, policy, text, failing), steps, *(() if words.trail else _denied(failing)))


def _unclear(case: Case, policy: Policy, depending: _Caused) -> Finding:
    """Return the answer about requests that a policy may deny or allow."""
    words = _words(policy)
    keys = dict.fromkeys(key for _, cause in depending for key in cause.keys)
    actions = dict.fromkeys(decision.request.action for decision, _ in depending)
    events = " and ".join(_EVENTS.get(each, each.partition(":")[2]) for each in actions)
    look = f" and look for {events} in {words.trail}" if words.trail else ""
    details = (
        f"{'' if words.trail else f'{_title(decision)} '}{_dependence(cause)}"
        for decision, cause in depending
    )
    how = f"{_options(keys) or words.review}, or start a sync{look}"
    return cannot_tell(_say(case, policy, words.depends, depending), how, *dict.fromkeys(details))


def _describe_exclusion(policy: Policy, causes: Sequence[Cause]) -> str:
    """Return the edit that stops a policy's statements from denying the role's requests."""
    statements = _name_statements(causes)
    denying = {each for cause in causes for each in cause.statements}
    them = "these statements" if len(denying) > 1 else "this statement"
    if not policy.is_shared:
        return f"narrow or remove {statements}"
    if any(each.principals.negated for each in denying):
        return (
            f'in {statements}, replace NotPrincipal with "Principal": "*" and the condition '
            '"ArnNotEquals": {"aws:PrincipalArn": [...]}, which lists this role and the principals that '
            f"NotPrincipal lists; or remove {them}"
        )
    return f"exclude the role from {statements}, or remove {them}"


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


def _about_lost_roles(case: Case, policy: Policy, decisions: Iterable[Decision]) -> Iterator[Finding]:
    """Yield a problem if requests are denied because roles that the policy names were deleted."""
    denied = [each for each in decisions if each.allowed is Truth.NO]
    role_arn = case.subject.settings.role_arn
    lost: list[str] = []
    for deleted in _deleted_roles(policy.statements, role_arn):
        named = {f"AWS:{deleted}": f"AWS:{role_arn}"}
        restored = policy._replace(
            statements=tuple(_with_principals(each, named) for each in policy.statements)
        )
        again = (
            decide(each.request, each.policies._replace(resource=restored), case.facts.now())
            for each in denied
        )
        if any(each.allowed is Truth.YES for each in again):
            lost.append(deleted)
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


def _with_principals(statement: Statement, names: Mapping[str, str]) -> Statement:
    """Return a statement with principals replaced; `names` maps old principals to new ones."""
    values = tuple(names.get(value, value) for value in statement.principals.values)
    return statement._replace(principals=statement.principals._replace(values=values))


# The policies of resources, and the boundary.


def resource_policies(kind: Kind, case: Case) -> Iterator[Finding]:
    """Ask whether the policies of one kind of resource let the role make its requests.

    The answer's subject is the resource, except in the answer about the first one.
    """
    found = [each for each in case.resources if each.kind is kind]
    for number, policy in enumerate(found):
        yield next(judge(case, policy))._replace(subject=policy.resource if number else "")


def permissions_boundary(case: Case) -> Iterator[Finding]:
    """Ask whether the role's boundary is the one in the settings, and allows every connector request."""
    subject = case.subject
    actual = subject.role.permissions_boundary
    wanted = subject.settings.get("permissions_boundary_arn") or ""
    none = "no permissions boundary"
    found = next(judge(case, case.boundary)) if case.boundary else ok(f"the role has {none}")
    if actual != wanted:
        text = f"the role has {actual or none}, but the settings have {wanted or none}"
        yield problem(text, subject.up_command)
    if actual == wanted or found.state is not State.OK:
        yield found


# The total.


class _Conclusion(NamedTuple):
    """The answer about one request, according to the policies and IAM's simulation."""

    state: State
    reason: str = ""
    is_elsewhere: bool = False
    """Whether the reason only refers to other answers."""
    fixes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    """The condition keys on which the answer depends and whose values are unknown."""


def requests_allowed(case: Case) -> Iterator[Finding]:
    """Report whether AWS allows all connector requests, from the decisions and IAM's simulation."""
    needed(case.subject.find_role(), NO_ROLE)
    simulated = attempt(lambda: simulate_decided(case))
    failed = isinstance(simulated, Finding)
    ours = {key.lower() for key in keys_in(case.subject.needed_policies.needed)}
    concluded = [
        (decision, _conclude(case, decision, answer, ours))
        for decision, answer in ([(each, None) for each in case.decisions] if failed else simulated)
    ]
    state = min((each.state for _, each in concluded), key=_WORST_FIRST.index)
    found = [each for each in concluded if each[1].state is state]
    fixes = dict.fromkeys(fix for _, each in found for fix in each.fixes)
    keys = dict.fromkeys(key for _, each in found for key in each.keys)
    number, total = len(found), f"of the {len(concluded)} connector requests"
    answers = {
        State.PROBLEM: problem(
            f"AWS denies {number} {total}",
            "; ".join(fixes) or "narrow or remove the statements named above",
        ),
        State.CANNOT_TELL: cannot_tell(
            f"AWS might deny {number} {total}",
            f"{_options(keys) or 'review the policies that these answers name'}, or start a sync",
        ),
        State.SKIPPED: skipped(f"{number} {total} could not be decided"),
        State.OK: ok(
            f"AWS allows all {number} connector requests{_for_now(case.decisions)}; {_NOT_CHECKED}"
        ),
    }
    if state is not State.OK:
        yield answers[state]._replace(details=tuple(_list(found)))
    elif not failed:
        yield answers[state]
    if failed:
        yield simulated


def _list(found: Sequence[tuple[Decision, _Conclusion]]) -> Iterator[str]:
    """Yield a line for each request, or one line for all requests that refer to the same answers."""
    yield from (f"{_title(one)}: {each.reason}" for one, each in found if not each.is_elsewhere)
    elsewhere = Counter(each.reason for _, each in found if each.is_elsewhere)
    for reason, number in elsewhere.items():
        yield f"{number} request{'s' * (number > 1)}: {reason}"


def _conclude(
    case: Case, decision: Decision, answer: Simulated | None, ours: Collection[str]
) -> _Conclusion:
    """Return the conclusion about one request.

    `ours` has the lowercase condition keys in the policies that the role needs, whose values are known.
    IAM simulates resource policies only for users, so for a role, it ignores an Allow in such a policy.
    If only the resource's policy allows the request, only an explicit denial contradicts the decision.
    """
    if answer is None:
        return _explain(case, decision)
    context = decision.request.context
    unknown = tuple(
        key for key in answer.missing_keys if context.get(key) is None and key.lower() not in ours
    )
    contradicts = (
        decision.allowed is Truth.YES
        and not answer.allowed
        and (answer.explicit or not decision.by_resource_policy)
    )
    if decision.allowed is not Truth.NO and (answer.by_organization or (contradicts and not unknown)):
        return _Conclusion(State.PROBLEM, answer.reason, fixes=(answer.fix,))
    if contradicts:
        return _Conclusion(State.CANNOT_TELL, f"depends on {', '.join(unknown)}", keys=unknown)
    found = _explain(case, decision)
    fixes = (*found.fixes, *([answer.fix] if answer.by_organization else []))
    return found._replace(fixes=fixes, keys=(*found.keys, *unknown))


def _explain(case: Case, decision: Decision) -> _Conclusion:
    """Return the conclusion about a request according to the policies alone."""
    if decision.allowed is Truth.YES:
        return _Conclusion(State.OK)
    elsewhere = [cause for cause in decision.deciding if _names_requests(case, cause)]
    here = [cause for cause in decision.deciding if cause not in elsewhere]
    questions = dict.fromkeys(f'"{cause.policy.kind}"' for cause in elsewhere)
    see = [f"see {' and '.join(questions)}"] if elsewhere else []
    reasons = dict.fromkeys([*map(_reason, here), *see])
    keys = tuple(key for cause in decision.deciding for key in cause.keys)
    if decision.allowed is Truth.CANNOT_TELL:
        state = State.SKIPPED if decision.unread else State.CANNOT_TELL
        return _Conclusion(state, "; ".join(reasons), not here, keys=keys)
    fixes = ["apply the fixes in the answers named above"] if elsewhere else []
    if any(not cause.statements for cause in here):
        separate = "or, if it is as expected, allow the requests in a separate policy"
        fixes.append(f"correct the role policy {separate}")
    # The other answers say whether they hold only at this time.
    now = _for_now([decision]) if here else ""
    return _Conclusion(State.PROBLEM, f"{'; '.join(reasons)}{now}", not here, tuple(fixes), keys)


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
        return f"denied by {cause.policy.name} in {_name_statements([cause])}"
    return "none of the role's policies allows it"


# Explanations.


def _title(decision: Decision) -> str:
    return f"{decision.request.action} on {decision.request.resource}"


def _name_statements(causes: Iterable[Cause]) -> str:
    """Return a phrase that names the deciding statements; empty if there are none."""
    names = dict.fromkeys(each.name for cause in causes for each in cause.statements)
    return " and ".join(
        name if _NUMBERED.fullmatch(name) else f"the statement {_sid(name)}" for name in names
    )


def _sid(name: str) -> str:
    """Return a Sid, in quotes unless it is alphanumeric, because KMS allows other characters."""
    return name if name.isalnum() else f'"{name}"'


def _denied(found: _Caused) -> Iterator[str]:
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


def _options(keys: Iterable[str]) -> str:
    """Return the advice to pass unknown keys with `--context`; empty if there are none."""
    options = " ".join(f"--context {quote_argument(f'{key}=VALUE')}" for key in keys)
    return f"repeat the check with {options}" if options else ""
