"""Decide whether one statement applies to a request, parts of which may be unknown.

This AWS page has the rules:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from functools import cache
from typing import NamedTuple

from .conditions import Context, find_variables, literal, meets, resolve
from .documents import Statement
from .patterns import ARN_PARTS, VARIABLE, Patterns, Text, matches, split_text
from .truth import Truth, every, some


class RolePrincipal(NamedTuple):
    """The role whose session makes a request."""

    arn: str
    role_id: str
    """For example `AROAEXAMPLE`; empty if it is unknown."""
    bounded: bool = False
    """Whether the role has a permissions boundary."""

    @property
    def account(self) -> str:
        """The role's account."""
        return self.arn.split(":")[4]


class ServicePrincipal(NamedTuple):
    """An AWS service that makes a request without a role."""

    name: str
    """For example `qbusiness.amazonaws.com`."""
    bounded: bool = False
    """Always False, because a service has no permissions boundary."""


Principal = RolePrincipal | ServicePrincipal


class Request(NamedTuple):
    """A request for one resource."""

    action: str
    resource: Text
    context: Context
    principal: Principal


def applies(statement: Statement, request: Request) -> Truth:
    """Return whether a statement applies to a request."""
    # Compare the actions first, because most statements have other actions.
    fits = _fits_action(statement.actions, request.action)
    return fits if fits is Truth.NO else every(part.fits for part in _parts(statement, request))


def unknown_parts(
    statements: Iterable[Statement], request: Request
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the reasons that the applicability of statements is unknown.

    The result contains the condition keys whose values are unknown, and the elements and operators that
    cannot be evaluated.
    """
    parts = [part for each in statements for part in _parts(each, request)]
    parts = [part for part in parts if part.fits is Truth.CANNOT_TELL]
    keys = dict.fromkeys(key for part in parts for key in part.unknown_keys(request.context))
    others = dict.fromkeys(part.name for part in parts if not part.unknown_keys(request.context))
    return tuple(keys), tuple(others)


class Grantee(Enum):
    """A kind of principal through which a statement of a resource policy can include a role."""

    ROLE = auto()
    """The role; for a request by a service, the service."""
    EVERYBODY = auto()
    """Everybody, or everybody except some principals."""
    ACCOUNT = auto()
    """The role's account."""
    SESSION = auto()
    """A session of the role."""


def grantees(statement: Statement, principal: Principal) -> set[Grantee | None]:
    """Return the kinds of principals through which a resource policy's statement includes a role.

    NotPrincipal counts as EVERYBODY, even if it lists the role; `applies` considers its values. None
    stands for principals that do not include the role.
    """
    if statement.principals.negated:
        return {Grantee.EVERYBODY}
    return {_grantee(value, principal) for value in statement.principals.values}


def _grantee(principal: str, role: Principal) -> Grantee | None:
    if isinstance(role, ServicePrincipal):
        return {"*": Grantee.EVERYBODY, f"Service:{role.name}": Grantee.ROLE}.get(principal)
    partition, name = role.arn.partition(":iam:")[0], role.arn.rpartition("/")[2]
    if principal.startswith(f"AWS:{partition}:sts::{role.account}:assumed-role/{name}/"):
        return Grantee.SESSION
    kinds = {
        "*": Grantee.EVERYBODY,
        f"AWS:{role.account}": Grantee.ACCOUNT,
        f"AWS:{role.arn.partition(':role/')[0]}:root": Grantee.ACCOUNT,
        f"AWS:{role.arn}": Grantee.ROLE,
        f"AWS:{role.role_id}": Grantee.ROLE,
    }
    return kinds.get(principal)


class _Part(NamedTuple):
    """An element or a condition in a statement."""

    name: str
    fits: Truth
    """Whether the request matches."""
    keys: tuple[str, ...] = ()
    """The condition keys that the match depends on."""

    def unknown_keys(self, context: Context) -> list[str]:
        """Return the keys whose values are unknown or partly unknown."""
        values = {key: context.get(key) for key in self.keys}
        return [
            key for key, found in values.items() if found is None or any(each.example for each in found)
        ]


def _parts(statement: Statement, request: Request) -> Iterator[_Part]:
    """Yield a statement's elements and conditions, each with the result of matching the request."""
    yield _Part("Action", _fits_action(statement.actions, request.action))
    if statement.resources.values:
        values = [each for each in statement.resources.values if not _has_early_variable(each)]
        patterns = resolve(values, request.context) if statement.variables else literal(values)
        resources = [_matches_resource(pattern, statement, request) for pattern in patterns]
        # IAM does not document whether a variable without a value excludes anything.
        if statement.resources.negated and len(patterns) < len(values):
            resources.append(Truth.CANNOT_TELL)
        fits = some(resources)
        fits = fits.opposite if statement.resources.negated else fits
        yield _Part("Resource", fits, find_variables(values))
    if statement.principals.values:
        yield _Part("Principal", _fits_principal(statement, request.principal))
    for condition in statement.conditions:
        fits = meets(condition, request.context, variables=statement.variables)
        name = f"{condition.operator} on {condition.key}"
        yield _Part(name, fits, (condition.key, *find_variables(condition.values)))


@cache
def _fits_action(actions: Patterns, action: str) -> Truth:
    # This is cached because each request is compared with every statement.
    fits = some(matches(value, Text(action), ignore_case=True) for value in actions.values)
    return fits.opposite if actions.negated else fits


def _has_early_variable(pattern: str) -> bool:
    """Return whether an ARN matches nothing because it has a variable before its fifth colon.

    IAM does not replace variables before the fifth colon:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    parts = VARIABLE.sub("$", pattern).split(":")
    return parts[0] == "arn" and any("$" in part for part in parts[: ARN_PARTS - 1])


def _matches_resource(pattern: str | None, statement: Statement, request: Request) -> Truth:
    """Return whether a pattern matches the resource; `pattern` is None if a variable in it is unknown.

    In an identity policy, IAM completes an ARN that has fewer than six parts. AWS documents neither
    whether IAM also does so in other policies, nor whether an asterisk in such an ARN can match several
    parts. The answer is CANNOT_TELL if it depends on this:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
    """
    if pattern is None:
        return Truth.CANNOT_TELL
    resource = request.resource
    as_text, resource_parts = matches(pattern, resource), split_text(resource)
    if resource_parts is None and resource.example:
        return Truth.YES if pattern == "*" else Truth.CANNOT_TELL
    if pattern == "*" or resource_parts is None:
        return as_text
    parts = pattern.split(":", ARN_PARTS - 1)
    missing = ARN_PARTS - len(parts)
    *first_parts, last_part = resource.known.split(":")
    segments = [*map(Text, first_parts), Text(last_part, resource.example)]
    as_arn = _matches_segments([*parts, *["*"] * missing], segments)
    if missing:
        is_identity_policy = not statement.principals.values  # only resource policies have principals
        is_certain = is_identity_policy and as_text is Truth.NO
    else:
        # Of the resources whose ends are unknown, only an S3 object can have more colons.
        is_certain = not resource.example or resource_parts[2].known != "s3"
    return as_arn if is_certain or as_text is as_arn else Truth.CANNOT_TELL


def _matches_segments(patterns: Sequence[str], segments: Sequence[Text]) -> Truth:
    """Return whether the segments of an ARN match patterns; there are at least as many segments.

    An asterisk at the end of a pattern can match several segments; other wildcards cannot. The last
    pattern matches all remaining segments:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    pattern, *other_patterns = patterns
    if not other_patterns:
        rest = ":".join(segment.known for segment in segments)
        return matches(pattern, Text(rest, segments[-1].example))
    longest = len(segments) - len(other_patterns) if pattern.endswith("*") else 1
    lengths = range(1, longest + 1)
    others = (_matches_segments(other_patterns, segments[length:]) for length in lengths)
    return every([matches(pattern, segments[0]), some(others)])


def _fits_principal(statement: Statement, role: Principal) -> Truth:
    answers = [_is_principal(value, role) for value in statement.principals.values]
    if not statement.principals.negated:
        return some(answers)
    # A Deny with NotPrincipal always denies a role that has a permissions boundary (see the page below).
    if some(answers) is Truth.NO or (role.bounded and not statement.allows):
        return Truth.YES
    if isinstance(role, ServicePrincipal):
        return Truth.NO
    # AWS may compare the list with the account, the role, and the session, whose name is unknown:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    return Truth.CANNOT_TELL


def _is_principal(value: str, role: Principal) -> Truth:
    grantee = _grantee(value, role)
    # A canonical user ID identifies an account, but does not contain its account ID.
    is_clear = value.startswith(("*", "AWS:", "Service:", "Federated:"))
    if grantee is Grantee.SESSION or not is_clear:  # the session's name is unknown
        return Truth.CANNOT_TELL
    return Truth.of(grantee is not None)
