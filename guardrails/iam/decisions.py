"""Decide whether AWS lets a role make a request.

The role's policies, its permissions boundary, and the resource's policy determine the decision. Other
policies, such as those of an organization, are left to IAM's simulation.

The rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html, and
https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html. This module does not call AWS.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from .conditions import Context
from .documents import Statement
from .evaluation import Grantee, Request, applies, grantees, unknown_parts
from .truth import Truth, every, some


class Kind(StrEnum):
    """A kind of policy."""

    ROLE = "role policy"
    """The role policy that the program writes; for a role outside any stack, each policy of the role."""
    OTHER = "other policies"
    """Another policy of the role."""
    TRUST = "trust policy"
    BOUNDARY = "permissions boundary"
    KEY = "key policy"
    SECRET = "secret policy"
    BUCKET = "bucket policy"


class Policy(NamedTuple):
    """One of the policies that may apply to a request."""

    kind: Kind
    name: str
    statements: tuple[Statement, ...] = ()
    """Empty if the policy was not read or does not exist."""
    unread: Any = None
    """The caller's finding if the policy was not read; otherwise, None."""
    resource: str = ""
    """The ARN of the key, secret, or bucket that has the policy; empty for other policies."""


class Applicable(NamedTuple):
    """The policies that apply to a request."""

    role: Sequence[Policy]
    """The role's own policies, inline and attached; at least one."""
    boundary: Policy | None = None
    """None if the role has no permissions boundary."""
    resource: Policy | None = None
    """None if no resource policy applies."""
    is_foreign: bool = False
    """Whether another account owns the resource.

    If so, a policy of the role and the resource's policy must both allow the request. In the same
    account, one of them suffices, except that a key policy must allow the request or delegate the
    decision.
    """
    grant: Truth = Truth.NO
    """Whether a KMS grant allows the request. A grant replaces an Allow, but a Deny still applies."""
    resource_context: Context | None = None
    """The request's condition keys in the resource's policy; None if they are the same as in others."""

    def every(self) -> Iterator[Policy]:
        """Yield all of these policies."""
        yield from self.role
        yield from filter(None, (self.boundary, self.resource))

    def adapt(self, request: Request, policy: Policy) -> Request:
        """Return the request with its condition keys in one of these policies."""
        if policy is not self.resource or self.resource_context is None:
            return request
        return request._replace(context=self.resource_context)


class Cause(NamedTuple):
    """The reason that a policy certainly or possibly prevents a request."""

    policy: Policy
    truth: Truth
    """NO if the policy denies the request or lacks an Allow.

    CANNOT_TELL if this is unknown, or if it is unknown whether another policy provides the Allow.
    """
    statements: tuple[Statement, ...] = ()
    """The statements that deny the request, or may deny or allow it.

    Empty if `lacks_allow` or `defers`, if the policy was not read, or if only the effect of a boundary
    is unclear.
    """
    keys: tuple[str, ...] = ()
    """The condition keys that determine the policy's effect and have unknown values."""
    unclear: tuple[str, ...] = ()
    """The elements and operators that determine the policy's effect but cannot be evaluated."""

    @property
    def lacks_allow(self) -> bool:
        """Whether the policy lacks a required Allow, rather than denying the request."""
        return self.truth is Truth.NO and not self.statements

    @property
    def defers(self) -> bool:
        """Whether the policy lacks an Allow, but the resource's policy may allow the request."""
        is_unknown = self.keys or self.unclear or self.policy.unread
        return self.truth is Truth.CANNOT_TELL and not is_unknown


class Decision(NamedTuple):
    """A decision on a request, with the causes unless the request is allowed."""

    request: Request
    policies: Applicable
    allowed: Truth
    causes: tuple[Cause, ...] = ()
    """All causes, even if one suffices to deny the request; empty if the request is allowed."""
    by_resource_policy: bool = False
    """True unless the role's own policies certainly allow the request."""

    @property
    def lacks_allow(self) -> bool:
        """Whether the request is denied only because policies lack a required Allow."""
        certain = [cause for cause in self.causes if cause.truth is Truth.NO]
        return self.allowed is Truth.NO and all(cause.lacks_allow for cause in certain)


class _Result(NamedTuple):
    truth: Truth
    causes: tuple[Cause, ...] = ()
    """The reasons that the answer is no or unknown."""


_YES: Final = _Result(Truth.YES)


def decide(request: Request, policies: Applicable) -> Decision:
    """Return the decision on a request, based on all applicable policies."""
    role = _allowed(request, policies.role)
    undenied = (_undenied(policies.adapt(request, policy), policy) for policy in policies.every())
    result = _all(*undenied, _granted(request, policies, role))
    return Decision(request, policies, result.truth, result.causes, role.truth is not Truth.YES)


def _undenied(request: Request, policy: Policy) -> _Result:
    """Return whether a policy does not deny a request."""
    found = _by_truth(request, (each for each in policy.statements if not each.allows))
    if denying := found[Truth.YES]:
        return _result(policy, Truth.NO, request, denying)
    if policy.unread or found[Truth.CANNOT_TELL]:
        return _result(policy, Truth.CANNOT_TELL, request, found[Truth.CANNOT_TELL])
    return _YES


def _granted(request: Request, policies: Applicable, role: _Result) -> _Result:
    """Return whether the policies allow a request, assuming that none of them denies it.

    `role` is the result for the role's own policies.
    """
    boundary = _allowed(request, [policies.boundary]) if policies.boundary else _YES
    resource = policies.resource
    if resource is None:
        return _all(role, boundary)

    def to(*wanted: Grantee) -> _Result:
        """Return whether the resource's policy allows the request for one of these kinds of grantees."""
        return _allowed(
            policies.adapt(request, resource),
            [resource],
            lambda statement: not grantees(statement, request.principal).isdisjoint(wanted),
        )

    if policies.is_foreign:
        return _all(role, to(*Grantee), boundary)
    by_role = _all(to(Grantee.ACCOUNT), role) if resource.kind is Kind.KEY else role
    granted = _any(to(Grantee.ROLE, Grantee.EVERYBODY), by_role)
    # A boundary limits an Allow for the role, but not an Allow for a session, whose name is unknown. AWS
    # does not document whether a boundary limits an Allow for everybody:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    unlimited = to(Grantee.SESSION, Grantee.EVERYBODY)
    if unlimited.truth is Truth.YES:
        cause = Cause(resource, Truth.CANNOT_TELL, unclear=("Principal",))
        unlimited = _Result(Truth.CANNOT_TELL, (cause,))
    by_policies = _any(unlimited, _all(granted, boundary))
    if policies.grant is Truth.NO:
        return by_policies
    # AWS does not document whether a boundary limits a KMS grant.
    if policies.grant is Truth.YES and not policies.boundary:
        return _YES
    by_grant = _Result(Truth.CANNOT_TELL, (Cause(resource, Truth.CANNOT_TELL, unclear=("KMS grants",)),))
    return _any(by_grant, by_policies)


def _allowed(
    request: Request,
    policies: Sequence[Policy],
    is_relevant: Callable[[Statement], bool] = lambda _: True,
) -> _Result:
    """Return whether a relevant statement of one of these policies allows a request.

    If no statement does, the cause is the first policy. If the answer is unknown, the causes are all
    policies that may allow the request.
    """
    possible: list[Cause] = []
    for policy in policies:
        relevant = (each for each in policy.statements if each.allows and is_relevant(each))
        found = _by_truth(request, relevant)
        if found[Truth.YES]:
            return _YES
        if policy.unread or found[Truth.CANNOT_TELL]:
            possible += _result(policy, Truth.CANNOT_TELL, request, found[Truth.CANNOT_TELL]).causes
    if possible:
        return _Result(Truth.CANNOT_TELL, tuple(possible))
    return _result(policies[0], Truth.NO, request)


def _by_truth(request: Request, statements: Iterable[Statement]) -> Mapping[Truth, Sequence[Statement]]:
    """Group statements by their applicability to a request."""
    found: dict[Truth, list[Statement]] = {truth: [] for truth in Truth}
    for statement in statements:
        found[applies(statement, request)].append(statement)
    return found


def _result(
    policy: Policy, truth: Truth, request: Request, statements: Sequence[Statement] = ()
) -> _Result:
    unknown = unknown_parts(statements, request) if truth is Truth.CANNOT_TELL else ((), ())
    return _Result(truth, (Cause(policy, truth, tuple(statements), *unknown),))


def _all(*results: _Result) -> _Result:
    """Return whether all results are yes, with the causes of all results."""
    causes = dict.fromkeys(cause for result in results for cause in result.causes)
    return _Result(every(result.truth for result in results), tuple(causes))


def _any(*results: _Result) -> _Result:
    """Return whether any result is yes; if not, keep the causes of the unknown and last results."""
    truth = some(result.truth for result in results)
    if truth is Truth.YES:
        return _YES
    if truth is Truth.NO:
        return _Result(truth, results[-1].causes)
    # The last result is about the usual way to get access. If another result is unknown, even certain
    # causes of the last result might not matter.
    unknown = [result for result in results[:-1] if result.truth is truth]
    causes = (
        cause._replace(truth=truth) for result in (*unknown, results[-1]) for cause in result.causes
    )
    by_policy: dict[Policy, Cause] = {}
    for cause in causes:
        known = by_policy.get(cause.policy, cause)
        by_policy[cause.policy] = known._replace(
            statements=(*dict.fromkeys((*known.statements, *cause.statements)),),
            keys=(*dict.fromkeys((*known.keys, *cause.keys)),),
            unclear=(*dict.fromkeys((*known.unclear, *cause.unclear)),),
        )
    return _Result(truth, tuple(by_policy.values()))
