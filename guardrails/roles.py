"""Which roles does Amazon Q Business assume, and which policies do they have?

A stack's resources become roles with their policies, whoever declared them. What is not known yet,
in a preview, is left out, and examined once the update knows it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

from pulumi_policy.proxy import UnknownValueError

SERVICE = "qbusiness.amazonaws.com"

Statement = Mapping[str, Any]


class Resource(Protocol):
    """What this module needs of a resource in a stack; Pulumi's `PolicyResource` has it."""

    @property
    def resource_type(self) -> str: ...
    @property
    def urn(self) -> str: ...
    @property
    def props(self) -> Mapping[str, Any]: ...
    @property
    def property_dependencies(self) -> Mapping[str, Sequence[Any]]: ...


class Policy(NamedTuple):
    """A policy of a role, and the resource that declares it."""

    urn: str
    statements: tuple[Statement, ...] = ()
    size: int = 0
    """Characters without white space, as IAM counts them."""
    inline: bool = True
    known: bool = True
    readable: bool = True


class Attachment(NamedTuple):
    """A managed policy attached by its ARN, and the resource that attaches it."""

    urn: str
    arn: str


class Role(NamedTuple):
    """A role that Amazon Q Business may assume."""

    urn: str
    name: str | None
    """None while it is not known."""
    trust: Policy
    policies: tuple[Policy, ...]
    attachments: tuple[Attachment, ...]


def roles_of(resources: Iterable[Resource]) -> Iterator[Role]:
    """Return the roles of a stack that Amazon Q Business may assume.

    While a trust policy is not known, a role counts if its policies name actions of the service.
    """
    resources = list(resources)
    for resource in resources:
        if resource.resource_type == "aws:iam/role:Role":
            trust = _policy(resource.urn, _known(resource, "assumeRolePolicy"))
            policies, attachments = _policies_of(resource, resources)
            if any(map(trusts_service, trust.statements)) or (
                not trust.known and any(_is_of_service(policy) for policy in policies)
            ):
                name = _known(resource, "name")
                yield Role(resource.urn, name, trust, tuple(policies), tuple(attachments))


def trusts_service(statement: Statement) -> bool:
    """Tell whether a statement of a trust policy lets Amazon Q Business in."""
    principal = statement.get("Principal")
    services = [principal, *listed(members(principal).get("Service"))]
    return statement.get("Effect") == "Allow" and ("*" in services or SERVICE in services)


def _is_of_service(policy: Policy) -> bool:
    return any(
        str(action).lower().startswith("qbusiness:")
        for statement in policy.statements
        for action in listed(statement.get("Action"))
    )


def listed(value: Any) -> list[Any]:
    """Return what may be one value or several as a list."""
    if isinstance(value, (list, tuple)):
        return [*cast("Sequence[Any]", value)]
    return [] if value is None else [value]


def members(value: Any) -> Mapping[str, Any]:
    """Return what may be an object as one; what is none has no members."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _policies_of(role: Resource, resources: Sequence[Resource]) -> tuple[list[Policy], list[Attachment]]:
    inline = [members(it) for it in listed(_known(role, "inlinePolicies"))]
    policies = [_policy(role.urn, it.get("policy")) for it in inline]
    attachments: list[Attachment] = []
    _attach(role, "managedPolicyArns", resources, policies, attachments)
    for other in resources:
        match other.resource_type:
            case "aws:iam/rolePolicy:RolePolicy" if _belongs(other, "role", role):
                policies.append(_policy(other.urn, _known(other, "policy")))
            case "aws:iam/rolePolicyAttachment:RolePolicyAttachment" if _belongs(other, "role", role):
                _attach(other, "policyArn", resources, policies, attachments)
            case "aws:iam/policyAttachment:PolicyAttachment" if _belongs(other, "roles", role):
                _attach(other, "policyArn", resources, policies, attachments)
            case "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive" if _belongs(
                other, "roleName", role
            ):
                _attach(other, "policyArns", resources, policies, attachments)
            case _:
                pass
    return policies, attachments


def _belongs(resource: Resource, property_name: str, role: Resource) -> bool:
    """Tell whether a property names the role: by a reference to it, or by its name."""
    if any(it.urn == role.urn for it in resource.property_dependencies.get(property_name, [])):
        return True
    name = _known(role, "name")
    return name is not None and name in listed(_known(resource, property_name))


def _attach(
    resource: Resource,
    property_name: str,
    resources: Sequence[Resource],
    policies: list[Policy],
    attachments: list[Attachment],
) -> None:
    """Add managed policies: with their text where the stack declares it, else by their ARNs."""
    referred = [it.urn for it in resource.property_dependencies.get(property_name, [])]
    arns = [it for it in listed(_known(resource, property_name)) if isinstance(it, str)]
    policies += [
        _policy(other.urn, _known(other, "policy"))._replace(inline=False)
        for other in resources
        if other.resource_type == "aws:iam/policy:Policy"
        and (other.urn in referred or _known(other, "arn") in arns)
    ]
    attachments += [Attachment(resource.urn, arn) for arn in arns]


def _known(resource: Resource, name: str) -> Any:
    """Return a property, None if it is not there or not known yet, even in part."""
    try:
        value = resource.props.get(name)
        return [*map(_plain, listed(value))] if isinstance(value, list) else _plain(value)
    except UnknownValueError:
        return None


def _plain(value: Any) -> Any:
    return {**members(value)} if isinstance(value, Mapping) else value


def _policy(urn: str, given: Any) -> Policy:
    """Read a document, as text or as an object."""
    if given is None:
        return Policy(urn, known=False)
    text = json.dumps(given) if isinstance(given, dict) else str(given)
    try:
        document = json.loads(text)
        statements = [_statement(it) for it in listed(document["Statement"])]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return Policy(urn, readable=False)
    return Policy(urn, tuple(statements), len("".join(text.split())))


def _statement(given: Any) -> Statement:
    """Return a statement if its members have the shapes that IAM takes; raises TypeError."""
    conditions = [*given.get("Condition", {}).values()]
    actions, resources = listed(given.get("Action")), listed(given.get("Resource"))
    principal = given.get("Principal", "*")
    if not all(isinstance(it, str) for it in (*actions, *resources)):
        raise TypeError
    if not all(isinstance(it, dict) for it in conditions) or not isinstance(principal, (str, dict)):
        raise TypeError
    return given
