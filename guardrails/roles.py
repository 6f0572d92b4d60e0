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
    statements: tuple[Statement, ...]
    size: int = 0
    """Characters without white space, as IAM counts them."""
    inline: bool = True


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
    """Return the roles of a stack that Amazon Q Business may assume."""
    resources = list(resources)
    for resource in resources:
        if resource.resource_type == "aws:iam/role:Role":
            trust = _policy(resource.urn, _known(resource, "assumeRolePolicy"))
            if any(trusts_service(statement) for statement in trust.statements):
                policies, attachments = _policies_of(resource, resources)
                yield Role(
                    resource.urn, _known(resource, "name"), trust, tuple(policies), tuple(attachments)
                )


def trusts_service(statement: Statement) -> bool:
    """Tell whether a statement of a trust policy lets Amazon Q Business in."""
    principal = statement.get("Principal", {})
    services = principal if isinstance(principal, str) else principal.get("Service", [])
    return statement.get("Effect") == "Allow" and bool({"*", SERVICE} & set(listed(services)))


def listed(value: Any) -> list[Any]:
    """Return what may be one value or several as a list."""
    if isinstance(value, (list, tuple)):
        return [*cast("Sequence[Any]", value)]
    return [] if value is None else [value]


def _policies_of(role: Resource, resources: Iterable[Resource]) -> tuple[list[Policy], list[Attachment]]:
    inline = listed(_known(role, "inlinePolicies"))
    policies = [_policy(role.urn, it.get("policy")) for it in inline if it]
    arns = listed(_known(role, "managedPolicyArns"))
    attachments = [Attachment(role.urn, arn) for arn in arns if isinstance(arn, str)]
    for other in resources:
        match other.resource_type:
            case "aws:iam/rolePolicy:RolePolicy" if _belongs(other, "role", role):
                policies.append(_policy(other.urn, _known(other, "policy")))
            case "aws:iam/rolePolicyAttachment:RolePolicyAttachment" if _belongs(other, "role", role):
                _attach(other, "policyArn", policies, attachments)
            case "aws:iam/policyAttachment:PolicyAttachment" if _belongs(other, "roles", role):
                _attach(other, "policyArn", policies, attachments)
            case "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive" if _belongs(
                other, "roleName", role
            ):
                _attach(other, "policyArns", policies, attachments)
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
    resource: Resource, property_name: str, policies: list[Policy], attachments: list[Attachment]
) -> None:
    """Add managed policies: with their text where the stack declares it, else by their ARNs."""
    declared = resource.property_dependencies.get(property_name, [])
    policies += [
        _policy(it.urn, _known(it, "policy"))._replace(inline=False)
        for it in declared
        if it.resource_type == "aws:iam/policy:Policy"
    ]
    arns = listed(_known(resource, property_name))
    attachments += [Attachment(resource.urn, arn) for arn in arns if isinstance(arn, str)]


def _known(resource: Resource, name: str) -> Any:
    """Return a property, None if it is not there or not known yet, even in part."""
    try:
        value = resource.props.get(name)
        return [*map(_plain, listed(value))] if isinstance(value, list) else _plain(value)
    except UnknownValueError:
        return None


def _plain(value: Any) -> Any:
    return {**cast("Mapping[str, Any]", value)} if isinstance(value, Mapping) else value


def _policy(urn: str, text: Any) -> Policy:
    """Read a document; text that is none has no statements, and IAM refuses it."""
    try:
        document = json.loads(text)
        statements: list[Statement] = [
            cast("Statement", it) for it in listed(document["Statement"]) if isinstance(it, dict)
        ]
    except (KeyError, TypeError, ValueError):
        return Policy(urn, ())
    return Policy(urn, tuple(statements), len("".join(text.split())))
