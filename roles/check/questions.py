"""Define questions about a role: each is a function that returns findings about a `View`.

A finding specifies the role, the requests, the resource, and the policy with its statements. Each cause
has one finding. A remedy has at most one line, and does not remove access from other users.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from shlex import quote
from typing import Final

from components.connector_role import POLICY_NAME
from guardrails.iam.decisions import Cause, Decision, Kind, Policy
from guardrails.iam.documents import Statement
from guardrails.iam.evaluation import applies
from guardrails.iam.truth import Truth
from roles.account import Reply, Role
from roles.applications import UNIQUE_ID
from roles.arns import Arn
from roles.check.context import keys_in
from roles.check.remedies import name_of, remedy_for
from roles.check.simulation import simulate_decided
from roles.danger import with_dangers
from roles.detection import Uses
from roles.difference import (
    TRUST_POLICY,
    Verdict,
    compare,
    role_statements,
    simplify,
    statements,
)
from roles.errors import PERMISSIONS_PAGE, unknown_status
from roles.findings import Finding, State, attempt, attempt_or, cannot_tell, note, problem, unread
from roles.sources import Source
from roles.syncs import hint, judge, last_sync
from roles.view import View, depends_on_tags, fits, may_fit, view_of_data_source

Findings = Iterable[Finding]
_Block = tuple[Decision, Cause]
"""A decision about a request, and a cause of the decision."""
_ACTIVE: Final = ("ACTIVE", "UPDATING")
_STATUSES: Final = ("PENDING_CREATION", "CREATING", "FAILED", "DELETING")
_DIFFERENCES: Final = {"missing": "missing", "excess": "added", "denies": "added, and denies access"}
"""The descriptions of statements that differ, by verdict."""
_FEW: Final = 3
"""The maximum number of actions or resources that a line lists."""
_OWNER: Final = ("aws:resourceaccount", "s3:resourceaccount")
"""The condition keys whose values are unknown only if a bucket's owner is unknown."""


# The application, the index, and the resources.


def application(view: View) -> Findings:
    """Check whether the application and its indexes exist and are active."""
    arn, account = Arn.of(view.application_arn), view.account
    gone = problem(f"there is no application {arn.name} in {account.region}")
    found = attempt(lambda: account.get("qbusiness:GetApplication", arn.name), gone)
    if isinstance(found, Finding):
        yield found
        return
    if (actual := found.get("applicationArn", arn.text)) != arn.text:  # IAM is case-sensitive
        text = f"the application's ARN is {actual}, but the trust policy specifies {arn.text}"
        yield problem(text, f"set applicationId to {actual}")
    yield from _active("application", arn.name, found)
    for each in dict.fromkeys(needs.index_id for _, needs in view.users):
        gone = problem(f"there is no index {each} in the application {arn.name}")
        its = attempt(lambda: account.get("qbusiness:GetIndex", arn.name, each), gone)  # noqa: B023 it is called at once
        for finding in [its] if isinstance(its, Finding) else _active("index", each, its):
            yield finding._replace(question="index")


def _active(kind: str, identifier: str, found: Reply) -> Findings:
    status, error = found["status"], found.get("error", {}).get("errorMessage", "")
    if status in ("CREATING", "DELETING", "FAILED"):
        yield problem(f"the {kind} {identifier} is {status}{': ' * bool(error)}{error}")
    elif status not in _ACTIVE:
        yield unread(unknown_status(f"qbusiness:Get{kind.title()}", status))


def resources(view: View) -> Findings:
    """Check whether the secrets, keys, buckets, subnets, and security groups can be used."""
    faults = [
        fault._replace(subject=source.data_source.id)
        if source and fault.question == "data source"
        else fault
        for source, needs in view.users
        for fault in needs.faults
    ]
    return dict.fromkeys(faults)


# The role and its policies.


def role(view: View) -> Findings:
    """Check whether the role exists."""
    if isinstance(view.role, Finding):
        yield view.role
    elif view.role_arn and Arn.of(view.role_arn).account != Arn.of(view.application_arn).account:
        yield problem(f"{view.role_arn} is in another account, whose roles the application cannot use")
    elif view.role is None and view.role_arn:
        yield problem(f"there is no role {view.role_arn}", _preview(view))
    elif view.role is None:
        yield problem(f"data source {view.name} has no role")


def _preview(view: View) -> str:
    """Return a sentence with the command that shows the changes; empty if no stack declares the role."""
    if not view.declared:
        return ""
    command = f"pulumi preview --stack {quote(view.declared.stack)}"
    return f"`{command}` shows the update's changes"


def unread_policies(view: View) -> Findings:
    """Check whether every policy could be read."""
    told = [view.role, *(fault for _, needs in view.users for fault in needs.faults)]
    for policy in view.policies:
        if policy.unread and policy.unread not in told:
            question = policy.unread.question or policy.kind
            yield policy.unread._replace(question=question, subject=policy.resource)


def drift(view: View) -> Findings:
    """Check whether the policies that the program writes match the last deployment."""
    if not (view.declared and isinstance(view.role, Role)):
        return
    has, wants = view.role, view.declared.policies
    for name, kind, wanted, actual in (
        (TRUST_POLICY, Kind.TRUST, wants.trust_policy, has.trust_policy),
        (POLICY_NAME, Kind.ROLE, wants.role_policy, has.inline_policies.get(POLICY_NAME)),
    ):
        verdicts = attempt_or([], lambda: _differing(name, wanted, actual))  # noqa: B023 called at once
        lost = [*dict.fromkeys(_title(each) for each in _lost(view, kind))]
        is_missing = lost or any(each.verdict == "missing" for each in verdicts)
        if verdicts:
            differs = "does not exist" if actual is None else "differs from the one the stack deployed"
            text = f"{_cannot(view, lost)}: the {kind}" if lost else f"the {kind} of {has.name}"
            lines = (*(f"{each.statement}: {_words(each)}" for each in verdicts), *lost[1:])
            yield Finding(
                State.PROBLEM if is_missing else State.NOTE,
                f"{text} {differs}",
                _preview(view),
                () if actual is None else lines,
                question=kind,
            )


def _differing(name: str, wanted: str, actual: object) -> list[Verdict]:
    difference = compare(
        statements(name, wanted), statements(name, actual) if actual is not None else ()
    )
    return [each for each in (*difference.program, *difference.role) if each.verdict in _DIFFERENCES]


def _words(verdict: Verdict) -> str:
    conditions = [each for access in verdict.access for each in access.conditions]
    return ", ".join(dict.fromkeys(conditions)) or _DIFFERENCES[verdict.verdict]


def _lost(view: View, kind: Kind) -> list[Decision]:
    """Return the denied requests that a policy would allow if it matched the last deployment."""
    return [
        each
        for each in ([view.trust] if kind is Kind.TRUST else view.decisions)
        for cause in each.causes
        if cause.policy.kind is kind and cause.truth is Truth.NO and _is_drift(view, each, cause)
    ]


def _is_drift(view: View, decision: Decision, cause: Cause) -> bool:
    """Return whether a policy that the program wrote denies a request only because of a later change."""
    if not view.declared or not isinstance(view.role, Role) or cause.truth is not Truth.NO:
        return False
    if cause.policy.kind is Kind.TRUST:
        return True
    wanted = cause.policy.kind is Kind.ROLE and view.declared.policies.of_role
    return any(applies(each, decision.request) is Truth.YES for each in wanted or ())


def denied(view: View) -> Findings:
    """Check whether the policies allow all of the connector's requests."""
    return (finding for _, finding in explained(view))


def explained(view: View) -> Iterator[tuple[Sequence[_Block], Finding]]:
    """Yield each group of decisions that have the same cause, and the finding about the group."""
    if view.role is None and not view.declared:
        return  # another finding reports that the role does not exist
    by_cause: dict[tuple[Policy, Truth, tuple[Statement, ...]], list[_Block]] = defaultdict(list)
    for decision, cause in _blocks(view):
        by_cause[cause.policy, cause.truth, cause.statements].append((decision, cause))
    for (policy, truth, found), blocked in by_cause.items():
        titles = [*dict.fromkeys(_title(decision) for decision, _ in blocked)]
        explain = _unknown if truth is Truth.CANNOT_TELL else _denying if found else _lacking
        finding = explain(view, policy, blocked, titles)
        details = (*titles[1:], *finding.details)
        yield blocked, finding._replace(question=policy.kind, subject=policy.resource, details=details)


def _blocks(view: View) -> Iterator[_Block]:
    """Yield each decision with each of its causes, except the causes that other findings report."""
    for decision in [view.trust, *view.decisions]:
        for cause in decision.causes:
            is_told = cause.defers or cause.policy.unread or _is_drift(view, decision, cause)
            is_told = is_told or (cause.lacks_allow and view.is_disputed(decision))
            is_of_owner = cause.keys and {each.lower() for each in cause.keys} <= {*_OWNER}
            if not (is_told or is_of_owner):
                yield decision, cause


def _title(decision: Decision) -> str:
    return f"{decision.request.action} on {decision.request.resource}"


def _cannot(view: View, titles: Sequence[str], verb: str = "cannot") -> str:
    """Return a clause with the role, the verb, and the first request."""
    first, *others = titles
    who = Arn.of(view.role_arn).name or "the role"
    if first.startswith("sts:AssumeRole"):
        return f"Amazon Q Business {verb} assume {who} for {view.application_arn}"
    more = f", and {len(others)} other{'s' * (len(others) > 1)}" if others else ""
    return f"{who} {verb} perform {first}{more}"


def _unknown(view: View, policy: Policy, blocked: Sequence[_Block], titles: Sequence[str]) -> Finding:
    keys = [*dict.fromkeys(key for _, cause in blocked for key in cause.keys)]
    parts = dict.fromkeys(each for _, cause in blocked for each in (*cause.keys, *cause.unclear))
    named = _statements(blocked)
    place = f" in {named}" if named else ""
    options = " ".join(f"--context {quote(f'{key}=VALUE')}" for key in keys)
    return cannot_tell(
        f"{_cannot(view, titles, 'might not')}: {name_of(policy)} depends on "
        f"{' and '.join(parts)}{place}",
        f"repeat the check with {options}, or start a sync" if options else "start a sync",
        *dict.fromkeys(_explain_unread_tags(view, blocked)),
    )


def _explain_unread_tags(view: View, blocked: Sequence[_Block]) -> Iterator[str]:
    """Yield the reasons why tags that policies' effects depend on could not be read."""
    for decision, cause in blocked:
        tags = view.read_tags(decision) if depends_on_tags(cause) else None
        if isinstance(tags, Finding):
            yield (
                f"to decide this, allow {tags.denied} ({PERMISSIONS_PAGE})" if tags.denied else tags.text
            )


def _statements(blocked: Sequence[_Block]) -> str:
    """Return the names of the statements that deny a request or that may deny or allow it."""
    named = dict.fromkeys(each for _, cause in blocked for each in cause.statements)
    return " and ".join(f"{'the statement ' * each.has_sid}{each.name}" for each in named)


def _denying(view: View, policy: Policy, blocked: Sequence[_Block], titles: Sequence[str]) -> Finding:
    who = f"{name_of(policy)} denies it in {_statements(blocked)}"
    return problem(f"{_cannot(view, titles)}: {who}", "ask the author of this statement")


def _lacking(view: View, policy: Policy, blocked: Sequence[_Block], titles: Sequence[str]) -> Finding:
    deleted = [
        name.removeprefix("AWS:")
        for each in policy.statements
        for name in each.principals.values
        if UNIQUE_ID.fullmatch(name.removeprefix("AWS:"))
    ]
    names = ", ".join(dict.fromkeys(deleted))
    ids = "the policy lists IDs of deleted principals (recreated principals have new IDs)"
    details = [f"{ids}: {names}"] if names else []
    found = remedy_for(view, policy, [decision for decision, _ in blocked])
    return problem(f"{_cannot(view, titles)}: {_lacks(policy)}", found, *details)


def _lacks(policy: Policy) -> str:
    is_any = policy.kind is Kind.ROLE
    return "no policy of the role allows it" if is_any else f"{name_of(policy)} does not allow it"


def disputed(view: View) -> Findings:
    """Check whether the role can ingest documents; AWS's pages disagree on the required permissions."""
    found = [each for each in view.decisions if each.lacks_allow and view.is_disputed(each)]
    if found:
        policy, titles = found[0].causes[0].policy, [*map(_title, found)]
        text = f"{_lacks(policy)}, but only some AWS pages require it"
        text = f"{_cannot(view, titles, 'might not')}: {text}"
        yield cannot_tell(text, "start a sync", *titles[1:], view.evidence.text)._replace(
            question=policy.kind
        )


def update(view: View) -> Findings:
    """Check whether requests stay allowed when the next update rewrites the program's policies."""
    if not (view.declared and isinstance(view.role, Role)):
        return
    kept = [] if view.declared.is_exclusive else [each for each in view.own if each.kind is Kind.OTHER]
    own = Policy(Kind.ROLE, POLICY_NAME, view.declared.policies.of_role)
    after = [own, *(each for each in view.own if each.name in view.declared.others), *kept]
    lost = [
        _title(decision)
        for group, now in view.by_group
        for decision, before in zip(view.decide(group, after), now, strict=True)
        if decision.allowed is not Truth.YES and before.allowed is Truth.YES
    ]
    if lost:
        text = f"{_cannot(view, lost)} after the next update, which rewrites {POLICY_NAME}"
        yield problem(text, _preview(view), *lost[1:])


# IAM's simulation, and access that the role does not need.


def simulation(view: View) -> Findings:
    """Check whether IAM's simulation, which includes organization policies, allows the requests, too."""
    if not isinstance(view.role, Role):
        return
    decided = attempt(lambda: simulate_decided(view))
    if isinstance(decided, Finding):
        yield decided
        return
    own = {key.lower() for key in keys_in(view.required or ())}
    found: dict[tuple[State, str], list[str]] = defaultdict(list)
    for decision, its in decided:
        contradicts = not its.allowed and (its.explicit or not decision.by_resource_policy)
        if decision.allowed is Truth.YES and (contradicts or its.by_organization):
            context = decision.request.context
            unknown = [
                key for key in its.missing_keys if context.get(key) is None and key.lower() not in own
            ]
            state = State.CANNOT_TELL if its.by_organization or unknown else State.PROBLEM
            without = f" without {', '.join(unknown)}" if unknown else ""
            found[state, f"IAM's simulation{without}, {its.reason}"].append(_title(decision))
    for (state, reason), titles in found.items():
        verb, remedy = "cannot", ""
        if state is State.CANNOT_TELL:
            verb, remedy = "might not", "ask the organization's administrator, or start a sync"
        text = f"{_cannot(view, titles, verb)}: according to {reason}"
        yield Finding(state, text, remedy, (*titles[1:],))


def excess(view: View) -> Findings:
    """Check whether the role's policies allow excess access; yield at most one finding per policy."""
    if not isinstance(view.role, Role):
        return
    found = defaultdict[str, list[Verdict]](list)
    for verdict in verdicts(view.role, (*(view.required or ()), *view.optional)):
        if verdict.verdict == "excess":
            found[verdict.policy].append(verdict)
    declared, who = view.declared, view.role.name
    told = {cause.policy.name for each in view.decisions for cause in each.causes}
    for name in (TRUST_POLICY, *view.role.inline_policies, *view.role.attached_policies):
        label = name if name == TRUST_POLICY else f"policy {name}"
        question = Kind.TRUST if name == TRUST_POLICY else Kind.OTHER if declared else Kind.ROLE
        dangers = [f"{each.danger}, in {each.statement}" for each in found[name] if each.danger]
        lines = tuple(f"{each.statement}: {_accesses(each)}" for each in found[name])
        if dangers:
            text = f"the {label} of {who} is dangerous: {'; '.join(dict.fromkeys(dangers))}"
            yield Finding(State.PROBLEM, text, "", lines, question=question)
        elif declared and name not in (TRUST_POLICY, POLICY_NAME, *declared.others, *told):
            yield Finding(State.NOTE, f"{who} also has the {label}", "", lines, question=question)
        elif not declared and view.required and lines and name != TRUST_POLICY:
            text = f"the {label} of {who} allows more than the data source needs"
            yield Finding(State.NOTE, text, "", lines, question=question)


def _accesses(verdict: Verdict) -> str:
    return "; ".join(
        f"{_few(each.actions)} {verdict.preposition} {_few(each.targets)}" for each in verdict.access
    )


def _few(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _FEW} more" if len(texts) > _FEW else ""
    return f"{', '.join(texts[:_FEW])}{more}"


def verdicts(role: Role, needed: Iterable[Statement]) -> list[Verdict]:
    """Compare a role's statements with the needed statements, and add each excess statement's danger."""
    found = [*map(simplify, attempt_or([], lambda: role_statements(role)))]
    return [*with_dangers(compare([*dict.fromkeys(needed)], found).role, found, role)]


# The data sources.


def data_sources(view: View) -> Findings:
    """Check whether data sources that use the role are active, and whether their last syncs worked."""
    if isinstance(view.everyone, Finding):
        yield view.everyone
        return
    others: list[str] = []
    for each in view.everyone:
        is_user = bool(each.role_arn) and each.role_arn == view.role_arn
        is_own = each.data_source.id == view.name
        if isinstance(each.uses, Finding) and (is_own or view.declared):
            yield each.uses._replace(subject=each.data_source.id)
        if each.details and (is_own or (is_user and view.declared)):
            yield from _status(view, each)
        elif is_user and not view.declared:
            others.append(each.data_source.label)
    if others:
        yield note(f"the role's other data sources were not checked: {', '.join(others)}")


def _status(view: View, source: Source) -> Findings:
    name, subject = source.data_source.name, source.data_source.id
    if source.fault and isinstance(source.uses, Uses):
        yield note(f"{source.fault}: requests that the role policy allows were checked")
    status, error = source.details["status"], source.details.get("error", {}).get("errorMessage", "")
    if status not in (*_ACTIVE, *_STATUSES):
        yield unread(unknown_status("qbusiness:GetDataSource", status))._replace(subject=subject)
    elif status in _STATUSES:
        text = f"{name} is {status}{': ' * bool(error)}{error}"
        yield problem(text, "", *hint(error))._replace(subject=subject)
    else:
        sync = attempt(lambda: last_sync(view.account, source.data_source))
        found = sync if isinstance(sync, Finding) else judge(f"{name} is {status}", sync)
        yield found._replace(subject=subject)


def unused(view: View) -> Findings:
    """Check whether an unused role fits a data source that does not have one of the stack's roles."""
    declared, everyone = view.declared, view.everyone
    if isinstance(everyone, Finding) or not declared:
        return
    if view.role_arn in [each.role_arn for each in everyone]:
        return
    name, readable = Arn.of(view.role_arn).name, all(each.details for each in everyone)
    which = "no data source" if readable else "no data source that could be read"
    yield note(f"{which} uses {name}: requests that its policy allows were checked")
    for source in everyone:
        if source.role_arn not in declared.siblings and may_fit(declared, source):
            other = view_of_data_source(view.account, everyone, source, view.stated)
            if fits(declared, other):
                yield _of_other(view, other, source)


def _of_other(view: View, other: View, source: Source) -> Finding:
    """Return a finding about the current role of a data source that fits an unused role."""
    found = [*role(other), *resources(other), *unread_policies(other), *denied(other), *disputed(other)]
    worst = min((each.state for each in found), key=lambda each: each.rank, default=State.NOTE)
    has = "it has no role"
    if source.role_arn:
        works = "does not exist" if other.role is None else "may not work" if found else "works"
        has = f"its role, {source.role_arn}, {works}"
    state = State.CANNOT_TELL if worst is State.PROBLEM else worst
    text = f"{source.data_source.label} fits {view.name}, but {has}"
    return Finding(state, text, "see docs/assign.md", subject=source.data_source.id)


QUESTIONS: Final[Sequence[tuple[str, Callable[[View], Findings]]]] = (
    ("application", application),
    ("resources", resources),
    ("role", role),
    ("policies", unread_policies),
    ("drift", drift),
    ("requests", denied),
    ("ingestion", disputed),
    ("simulation", simulation),
    ("update", update),
    ("other policies", excess),
    ("data source", data_sources),
    ("other data source", unused),
)
