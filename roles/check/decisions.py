"""Decide whether AWS lets a role make a request, from all policies that apply to the request.

The rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html, and
https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html. Nothing here calls AWS.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from guardrails.iam.conditions import Context
from guardrails.iam.documents import Statement
from guardrails.iam.truth import Truth, every, some
from roles.check.evaluation import Grantee, Request, applies, grantees, unknown_parts
from roles.findings import Finding

_OF_TIME: Final = ("aws:currenttime", "aws:epochtime")


class Policy(NamedTuple):
    """A policy, as far as it could be read."""

    question: str
    """The question of `check` that reports on this policy, such as `key policy`."""
    name: str
    statements: tuple[Statement, ...] = ()
    unread: Finding | None = None
    """The answer to the question if the policy could not be read."""


class Owner(Enum):
    """Who owns a request's resource, which determines how the policies combine."""

    ACCOUNT = auto()
    """The role's account: a policy of the role or of the resource must allow the request."""
    ACCOUNT_KEY = auto()
    """The role's account, for a KMS key: the key policy must allow or delegate the request."""
    ANOTHER_ACCOUNT = auto()
    """Policies of the role and of the resource must both allow the request."""


class Applicable(NamedTuple):
    """The policies that apply to a request."""

    role: Sequence[Policy]
    """The role's own policies, inline and attached; at least one."""
    boundary: Policy | None = None
    """None if the role has no permissions boundary."""
    resource: Policy | None = None
    """None if the resource's type has no policies."""
    owner: Owner = Owner.ACCOUNT

    def every(self) -> Iterator[Policy]:
        """Return all policies."""
        yield from self.role
        yield from filter(None, (self.boundary, self.resource))


class Cause(NamedTuple):
    """Why a policy denies a request, or may deny it."""

    policy: Policy
    statements: tuple[Statement, ...] = ()
    """The statements that deny the request, or that may deny or allow it.

    Empty if no statement of the policy allows the request, or if the policy could not be read.
    """
    keys: tuple[str, ...] = ()
    """The condition keys that decide and whose values are unknown."""
    unclear: tuple[str, ...] = ()
    """The elements and operators that decide and that cannot be evaluated."""


class Decision(NamedTuple):
    """Whether AWS allows a request, and why not."""

    request: Request
    allowed: Truth
    causes: tuple[Cause, ...] = ()
    """Empty if the request is allowed."""
    by_resource_policy: bool = False
    """Whether only the resource's policy allows the request."""
    only_now: tuple[str, ...] = ()
    """The condition keys for the time, if another time could change the decision."""

    def causes_in(self, question: str) -> list[Cause]:
        """Return the causes in the policies on which a question reports."""
        return [cause for cause in self.causes if cause.policy.question == question]

    @property
    def unread(self) -> bool:
        """Whether the decision is unknown because a policy could not be read."""
        return any(cause.policy.unread for cause in self.causes)


class _Answer(NamedTuple):
    truth: Truth
    causes: tuple[Cause, ...] = ()
    """Why the answer is no or unknown."""


def decide(request: Request, policies: Applicable, now: Context) -> Decision:
    """Return whether the policies, taken together, allow a request.

    `now` has the condition keys for the time.
    """
    decision = _decide(request, policies)
    keys = dict.fromkeys(key for cause in decision.causes for key in cause.keys)
    time_keys = tuple(key for key in keys if key.lower() in _OF_TIME)
    if not time_keys:
        return decision
    at_this_time = Context({**request.context.values, **now.values}, request.context.complete)
    decision_now = _decide(request._replace(context=at_this_time), policies)
    if decision_now.allowed is Truth.CANNOT_TELL:
        return decision
    return decision_now._replace(only_now=time_keys)


def _decide(request: Request, policies: Applicable) -> Decision:
    if denials := (*_denials(request, policies, Truth.YES),):
        return Decision(request, Truth.NO, denials)
    role = _allowed(request, policies.role)
    granted = _granted(request, policies, role)
    # Unread policies may deny, too.
    undenied = _answer(
        Truth.CANNOT_TELL, *_denials(request, policies, Truth.CANNOT_TELL), *_unread(policies)
    )
    answer = _all(granted, undenied)
    by_resource_policy = answer.truth is Truth.YES and role.truth is not Truth.YES
    return Decision(request, answer.truth, answer.causes, by_resource_policy)


def _granted(request: Request, policies: Applicable, role: _Answer) -> _Answer:
    """Return whether policies allow a request that none denies; `role` is the answer of the role's."""
    boundary = _allowed(request, [policies.boundary]) if policies.boundary else _Answer(Truth.YES)
    resource = policies.resource
    if resource is None:
        return _all(role, boundary)

    def to(*wanted: Grantee) -> _Answer:
        """Return whether the resource's policy allows the request to some kinds of principals."""
        return _allowed(
            request, [resource], lambda each: not grantees(each, request.principal).isdisjoint(wanted)
        )

    match policies.owner:
        case Owner.ANOTHER_ACCOUNT:
            return _all(role, to(*Grantee), boundary)
        case Owner.ACCOUNT_KEY:
            granted = _any(to(Grantee.ROLE, Grantee.EVERYBODY), _all(to(Grantee.ACCOUNT), role))
        case Owner.ACCOUNT:
            granted = _any(to(Grantee.ROLE, Grantee.EVERYBODY), role)
    # A boundary limits an Allow for the role, but not for a session, whose name nobody knows. AWS does
    # not say whether it limits an Allow for everybody:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    unlimited = to(Grantee.SESSION, Grantee.EVERYBODY)
    if unlimited.truth is Truth.YES:
        unlimited = _Answer(Truth.CANNOT_TELL, (Cause(resource, unclear=("Principal",)),))
    return _any(unlimited, _all(granted, boundary))


def _allowed(
    request: Request,
    policies: Sequence[Policy],
    is_relevant: Callable[[Statement], bool] = lambda _: True,
) -> _Answer:
    """Return whether a relevant statement of one of these policies allows a request."""
    possible: list[Cause] = []
    for policy in policies:
        statements = [each for each in policy.statements if each.allows and is_relevant(each)]
        by_truth = {truth: [*_that(statements, request, truth)] for truth in Truth}
        if by_truth[Truth.YES]:
            return _Answer(Truth.YES)
        if policy.unread:
            possible.append(Cause(policy))
        elif found := by_truth[Truth.CANNOT_TELL]:
            possible.append(_cause(policy, found, request))
    if possible:
        return _Answer(Truth.CANNOT_TELL, tuple(possible))
    return _Answer(Truth.NO, (Cause(policies[0]),))


def _denials(request: Request, policies: Applicable, truth: Truth) -> Iterator[Cause]:
    """Return the policies that deny a request (YES) or may deny it (CANNOT_TELL)."""
    for policy in policies.every():
        denying = (each for each in policy.statements if not each.allows)
        if found := [*_that(denying, request, truth)]:
            yield _cause(policy, found, request)


def _unread(policies: Applicable) -> Iterator[Cause]:
    return (Cause(policy) for policy in policies.every() if policy.unread)


def _that(statements: Iterable[Statement], request: Request, truth: Truth) -> Iterator[Statement]:
    return (each for each in statements if applies(each, request) is truth)


def _cause(policy: Policy, statements: Sequence[Statement], request: Request) -> Cause:
    return Cause(policy, tuple(statements), *unknown_parts(statements, request))


def _answer(truth: Truth, *causes: Cause) -> _Answer:
    return _Answer(truth, causes) if causes else _Answer(Truth.YES)


def _all(*answers: _Answer) -> _Answer:
    """Return whether all answers are yes; the causes are those of the answers that decide."""
    truth = every(answer.truth for answer in answers)
    if truth is Truth.YES:
        return _Answer(truth)
    causes = [cause for answer in answers if answer.truth is truth for cause in answer.causes]
    return _Answer(truth, tuple(dict.fromkeys(causes)))


def _any(*answers: _Answer) -> _Answer:
    """Return whether any answer is yes; if all are no, the causes are those of the last answer."""
    truth = some(answer.truth for answer in answers)
    if truth is Truth.YES:
        return _Answer(truth)
    if truth is Truth.NO:
        return _Answer(truth, answers[-1].causes)
    causes = [cause for answer in answers if answer.truth is truth for cause in answer.causes]
    return _Answer(truth, tuple(dict.fromkeys(causes)))
