"""Write one-line remedies for requests that a policy does not allow.

A remedy does not remove access: it adds a statement, or replaces a value that no data source needs.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.connector_role import POLICY_NAME
from guardrails.iam.decisions import Decision, Kind, Policy
from guardrails.iam.evaluation import applies
from guardrails.iam.patterns import Text
from guardrails.iam.truth import Truth
from roles.arns import Arn
from roles.check.requests import connector_requests
from roles.declared import Declared
from roles.view import View

_OPERATORS: Mapping[type, str] = {
    str: "StringEquals",
    Text: "StringLike",
    list: "ForAllValues:StringEquals",
}
"""The condition operators, by the type of a value in a request's context."""


def remedy_for(view: View, policy: Policy, decisions: Sequence[Decision]) -> str:
    """Return the remedy for requests that lack an Allow in a policy; empty if there is none.

    In a stack, only settings can change the role policy, because the program rewrites it. A policy that
    belongs to AWS or another account has no remedy, because only its owner can change it.
    """
    if policy.kind is Kind.TRUST:
        return _trust(view, policy)
    if policy.kind is Kind.ROLE and view.declared:
        return _settings(view, view.declared, decisions)
    owner = Arn.of(policy.resource or policy.name).account
    if owner not in ("", view.facts.account):
        return ""
    place = "a policy of the role" if policy.kind is Kind.ROLE else name_of(policy)
    return f"add to {place}: {_statements(view, policy, decisions)}"


def name_of(policy: Policy) -> str:
    """Return a phrase with a policy's name or, if the policy has no name of its own, with its kind."""
    is_named = policy.kind in (Kind.ROLE, Kind.OTHER, Kind.BOUNDARY) and policy.name != policy.kind
    return f"the policy {policy.name}" if is_named else f"the {policy.kind}"


def _trust(view: View, policy: Policy) -> str:
    if view.declared or not view.expected:
        return ""
    (statement,) = json.loads(view.expected.trust_policy)["Statement"]
    return f"add to the trust policy: {json.dumps({**statement, 'Sid': _sid(view, policy, 0)})}"


def _settings(view: View, declared: Declared, decisions: Sequence[Decision]) -> str:
    """Return a remedy: set the entry's settings or, if one must not change, add an entry or statement.

    A setting has only one value. If a data source needs the current value, the setting must not change.
    """
    wanted = dict(pair for each in decisions for pair in _setting(declared, each))
    values: dict[str, set[str]] = defaultdict(set)
    for each in view.decisions:
        allowed = [applies(known, each.request) for known in declared.policies.of_role]
        for name, value in _setting(declared, each):
            values[name].add("" if Truth.YES in allowed else value)  # "" means the current value
    if any(values[name] != {value} for name, value in wanted.items()):
        users = [source.data_source.id for source, _ in _users_of(view, decisions) if source]
        if len(view.users) > 1:
            return f"add a separate entry for {' and '.join(users)}"
        own = Policy(Kind.OTHER, "")
        given = " that the program gives the role," if declared.is_exclusive else ""
        return f"add to a policy{given} other than {POLICY_NAME}: {_statements(view, own, decisions)}"
    if not wanted or not all(needs.is_complete for _, needs in view.users):
        return ""
    return f"set {', '.join(f'{name} of {declared.name} to {value}' for name, value in wanted.items())}"


def _setting(declared: Declared, decision: Decision) -> Iterator[tuple[str, str]]:
    """Yield the name and value of the setting that lets a role make a request."""
    arn = Arn.of(decision.request.resource.known)
    bucket = arn.resource.partition("/")[0]
    owner = decision.request.context.get("aws:ResourceAccount") or (Text(""),)
    match arn.service:
        case "secretsmanager":
            yield "secretId", arn.text
        case "kms":
            yield "kmsKeyId", arn.text
        case "qbusiness" if "/index/" in arn.resource:
            yield "indexId", arn.name
        case "s3" if bucket in declared.known.bucket_accounts:
            yield "bucketAccountId", str(owner[0])
        case "s3":
            yield "bucketName", bucket
        case "ec2":
            yield "vpcConfiguration", "that of its data source"
        case _:
            return


def _users_of(view: View, decisions: Sequence[Decision]) -> list[tuple[Any, Any]]:
    """Return the data sources that make any of the requests."""
    made = {(each.request.action, each.request.resource) for each in decisions}
    return [
        user
        for user in view.users
        if any(
            (action, group.resource) in made
            for group in connector_requests([user[1]], view.role_arn)
            for action in group.actions
        )
    ]


def _statements(view: View, policy: Policy, decisions: Sequence[Decision]) -> str:
    """Return the statements that allow only these requests, one for each context."""
    by_context: dict[str, tuple[Mapping[str, object], list[Decision]]] = {}
    for group, found in view.by_group:
        own = [each for each in found if any(each is other for other in decisions)]
        if own:
            by_context.setdefault(json.dumps(group.context, default=str), (group.context, []))[1].extend(
                own
            )
    return ", ".join(
        json.dumps(_statement(view, policy, _sid(view, policy, number), context, own))
        for number, (context, own) in enumerate(by_context.values())
    )


def _statement(
    view: View, policy: Policy, sid: str, context: Mapping[str, object], decisions: Sequence[Decision]
) -> dict[str, object]:
    is_of_resource = policy.kind in (Kind.KEY, Kind.SECRET, Kind.BUCKET)
    conditions: dict[str, dict[str, object]] = defaultdict(dict)
    for key, value in context.items():
        conditions[_OPERATORS[type(value)]][key] = value.pattern if isinstance(value, Text) else value
    resources = dict.fromkeys(each.request.resource.pattern for each in decisions)
    return {
        "Sid": sid,
        "Effect": "Allow",
        **({"Principal": {"AWS": view.role_arn}} if is_of_resource else {}),
        "Action": [*dict.fromkeys(each.request.action for each in decisions)],
        "Resource": "*" if policy.kind in (Kind.KEY, Kind.SECRET) else [*resources],
        **({"Condition": conditions} if conditions else {}),
    }


def _sid(view: View, policy: Policy, number: int) -> str:
    """Return a Sid that is not in the policy and that is different for each number."""
    name = f"Allows{''.join(filter(str.isalnum, Arn.of(view.role_arn).name))}"
    taken = {each.name for each in policy.statements}
    free = (
        sid for count in range(len(taken) + number + 1) if (sid := f"{name}{count or ''}") not in taken
    )
    return [*free][number]
