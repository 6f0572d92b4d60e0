"""Find the roles that Amazon Q Business can assume, and the policies that a stack declares for them.

Pulumi's stack policies receive resource outputs, not inputs. For an existing role, the provider
reports all of the role's policies, including policies that other tools created. Only the policies that
the program sets count as declared.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from connector_grants import Application, Known, application_of
from iam.containment import certain_values
from iam.documents import UNKNOWN, Document, Kind, Statement, listed, read_document
from iam.patterns import is_pattern
from pulumi_policy import PolicyResource
from pulumi_policy.proxy import UnknownValueError

SERVICE: Final = "qbusiness.amazonaws.com"
_ASSUME: Final = "sts:AssumeRole"
_SERVICE_PRINCIPAL: Final = f"Service:{SERVICE}"
_ACCOUNT: Final = re.compile(r"\b[0-9]{12}\b")
_ROLE_ARN: Final = re.compile(r"arn:[^:]+:iam::([0-9]{12}):role/.+")

_ROLE_TYPE: Final = "aws:iam/role:Role"
_ROLE_POLICY_TYPE: Final = "aws:iam/rolePolicy:RolePolicy"
_MANAGED_POLICY_TYPE: Final = "aws:iam/policy:Policy"
_ATTACHMENT_TYPE: Final = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
_ATTACHMENT_TO_SEVERAL_TYPE: Final = "aws:iam/policyAttachment:PolicyAttachment"
_EXCLUSIVE_POLICIES_TYPE: Final = "aws:iam/rolePoliciesExclusive:RolePoliciesExclusive"
_EXCLUSIVE_ATTACHMENTS_TYPE: Final = (
    "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive"
)
_ROLE_PROPERTIES: Final = {
    _ROLE_POLICY_TYPE: "role",
    _ATTACHMENT_TYPE: "role",
    _ATTACHMENT_TO_SEVERAL_TYPE: "roles",
    _EXCLUSIVE_POLICIES_TYPE: "roleName",
    _EXCLUSIVE_ATTACHMENTS_TYPE: "roleName",
}
_POLICY_PROPERTIES: Final = {
    _ROLE_TYPE: "managedPolicyArns",
    _ATTACHMENT_TYPE: "policyArn",
    _ATTACHMENT_TO_SEVERAL_TYPE: "policyArn",
    _EXCLUSIVE_ATTACHMENTS_TYPE: "policyArns",
}


class Policy(NamedTuple):
    """One of a role's policies, and the URN of the resource that declares the policy."""

    urn: str
    document: Document
    inline: bool = True


class Attachment(NamedTuple):
    """A managed policy that the stack attaches but does not declare."""

    urn: str
    """The resource that attaches the policy."""
    arn: str


class UndeclaredPolicy(NamedTuple):
    """One of a role's policies that the stack neither declares nor attaches."""

    name: str
    """An inline policy's name, or a managed policy's ARN."""
    inline: bool
    removed: bool
    """Whether an exclusive resource in the stack, such as RolePoliciesExclusive, removes the policy."""
    listed: bool = False
    """Whether the stack's RolePoliciesExclusive lists the policy and therefore keeps it."""
    size: int = 0
    """The number of characters in an inline policy, as IAM counts them; 0 for a managed policy."""


class UnlistedPolicy(NamedTuple):
    """One of a role's policies that one resource declares or attaches and another resource removes.

    An update that creates or changes a RolePoliciesExclusive removes every inline policy that this
    resource itself does not list, even if another such resource lists the policy. A
    RolePolicyAttachmentsExclusive does the same with attached policies.
    """

    urn: str
    """The resource that declares or attaches the policy."""
    name: str
    """An inline policy's name, or a managed policy's ARN; the policy's URN while its ARN is unknown."""
    inline: bool


class Role(NamedTuple):
    """A role that the stack declares, and the role's policies."""

    urn: str
    name: str | None
    """None while unknown."""
    path: str | None
    account: str
    """Empty while unknown."""
    trust: Policy
    policies: tuple[Policy, ...]
    attachments: tuple[Attachment, ...]
    undeclared: tuple[UndeclaredPolicy, ...]
    unlisted: tuple[UnlistedPolicy, ...]

    @property
    def application(self) -> Application | None:
        """The application in the trust policy; None unless the policy has exactly one application."""
        arns = {
            arn
            for statement in trusting_statements(self.trust.document)
            for arn in required_values(statement, "aws:SourceArn")
        }
        return application_of(*arns) if len(arns) == 1 else None

    @property
    def known(self) -> Known:
        """The placeholder values that the role's name, path, and trust policy determine."""
        named = self.name is not None and self.path is not None
        return Known(self.application, f"{self.path}{self.name}".removeprefix("/") if named else None)


class _Declaration(NamedTuple):
    """A resource in the stack, without the SDK's proxies."""

    urn: str
    type: str
    properties: Mapping[str, Any]
    references: Mapping[str, Sequence[str]]
    """The URNs of the resources on which each property's value depends, by property name."""
    set_by_program: Collection[str]
    """The properties that the program sets; `properties` also has properties from the provider."""
    provider: str
    """The provider's URN; empty if the resource has no provider."""
    accounts: Sequence[str]
    """The accounts that the provider allows; empty if it allows every account."""

    def values(self, name: str) -> list[Any]:
        """Return the known values of a property, which may be a list, a single value, or absent."""
        return [value for value in listed(self.properties.get(name)) if value is not UNKNOWN]

    def text(self, name: str) -> str | None:
        """Return a property if it is a string; otherwise, return None."""
        value = self.properties.get(name)
        return value if isinstance(value, str) else None


def find_roles(
    resources: Iterable[PolicyResource], set_by_program: Mapping[str, Collection[str]]
) -> Iterator[Role]:
    """Yield the roles that trust Amazon Q Business.

    The trust policy of such a role lets Amazon Q Business assume the role, or lists the service in an
    Allow statement for other actions.

    `set_by_program` contains the properties that the program sets, by resource URN. If it is empty,
    because nothing was recorded, every property counts as set by the program.

    A role whose trust policy is malformed, or unknown at least in part, is included if the trust policy
    mentions "qbusiness" or the role's policies contain an action of Amazon Q Business.
    """
    types = {_ROLE_TYPE, _MANAGED_POLICY_TYPE, *_ROLE_PROPERTIES}
    declarations = [
        _declaration(
            resource, set_by_program.get(resource.urn, ()) if set_by_program else [*resource.props]
        )
        for resource in resources
        if resource.resource_type in types
    ]
    roles = _of_type(declarations, _ROLE_TYPE)
    managed = _Managed(_of_type(declarations, _MANAGED_POLICY_TYPE))
    belonging = _group_by_role(roles, declarations)
    for declaration in roles:
        role = _role(declaration, belonging[declaration.urn], managed)
        if _is_for_service(role, declaration):
            yield role


def trusting_statements(trust: Document) -> Iterator[Statement]:
    """Yield a trust policy's statements that let Amazon Q Business assume the role."""
    for statement in trust.statements:
        if (
            statement.allows
            and statement.actions.meets(_ASSUME)
            and statement.principals.covers(_SERVICE_PRINCIPAL)
        ):
            yield statement


def required_values(statement: Statement, key: str) -> tuple[str, ...]:
    """Return the values to which a statement's conditions restrict a key.

    The result is empty if the key may be absent or have other values. A request must meet all conditions
    on a key, so the narrowest condition is decisive.
    """
    required = certain_values(statement.conditions, key)
    return min(required, key=lambda values: (any(map(is_pattern, values)), len(values)), default=())


def _is_for_service(role: Role, declaration: _Declaration) -> bool:
    trust = role.trust.document
    if any(trusting_statements(trust)) or any(
        each.allows and _SERVICE_PRINCIPAL in each.principals.listed() for each in trust.statements
    ):
        return True
    if trust.known and not trust.problem:
        return False
    return "qbusiness" in str(declaration.properties.get("assumeRolePolicy")).lower() or any(
        action.lower().startswith("qbusiness:")
        for policy in role.policies
        for statement in policy.document.statements
        for action in statement.actions.values
    )


def _of_type(declarations: Iterable[_Declaration], type_: str) -> list[_Declaration]:
    return [declaration for declaration in declarations if declaration.type == type_]


def _declaration(resource: PolicyResource, set_by_program: Collection[str]) -> _Declaration:
    provider = resource.provider
    # The engine passes the list of accounts as JSON.
    allowed = _plain(provider.props).get("allowedAccountIds") if provider else None
    return _Declaration(
        resource.urn,
        resource.resource_type,
        _plain(resource.props),
        {
            name: [dependency.urn for dependency in dependencies]
            for name, dependencies in resource.property_dependencies.items()
        },
        set_by_program,
        provider.urn if provider else "",
        _ACCOUNT.findall(str(allowed)),
    )


def _plain(value: Any) -> Any:
    """Return a value without the SDK's proxies, with UNKNOWN where they would raise an exception."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        return {key: _read_entry(mapping, key) for key in mapping}
    if isinstance(value, Sequence) and not isinstance(value, str):
        sequence = cast("Sequence[Any]", value)
        return [_read_entry(sequence, index) for index in range(len(sequence))]
    return value


def _read_entry(container: Any, key: Any) -> Any:
    try:
        return _plain(container[key])
    except UnknownValueError:
        return UNKNOWN


class _Managed:
    """The managed policies that the stack declares."""

    def __init__(self, declarations: Iterable[_Declaration]) -> None:
        self.by_urn = {policy.urn: policy for policy in declarations}
        self.by_arn = {arn: policy for policy in self.by_urn.values() if (arn := policy.text("arn"))}

    def attached_by(self, declaration: _Declaration) -> tuple[list[_Declaration], list[str]]:
        """Return the policies that a resource attaches: the declared ones, and the ARNs of the rest."""
        name = _POLICY_PROPERTIES[declaration.type]
        arns = declaration.values(name)
        attached = {
            urn: self.by_urn[urn] for urn in declaration.references.get(name, ()) if urn in self.by_urn
        }
        attached |= {self.by_arn[arn].urn: self.by_arn[arn] for arn in arns if arn in self.by_arn}
        return [*attached.values()], [arn for arn in arns if arn not in self.by_arn]


def _group_by_role(
    roles: Iterable[_Declaration], declarations: Iterable[_Declaration]
) -> Mapping[str, list[_Declaration]]:
    """Return, by role URN, the declarations that refer to the role.

    A declaration refers to a role by name or, if a name is unknown, through a dependency. If a stack
    declares roles with the same name in different accounts, the name refers to the roles with the
    declaration's provider or, if there are none, to all roles with the name.

    Role names are not case-sensitive:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    names = {role.urn: (role.text("name") or "").lower() for role in roles}
    providers = {role.urn: role.provider for role in roles}
    by_name: dict[str, list[str]] = defaultdict(list)
    for urn, name in names.items():
        by_name[name].append(urn)
    belonging: dict[str, list[_Declaration]] = defaultdict(list)
    for declaration in declarations:
        property_name = _ROLE_PROPERTIES.get(declaration.type)
        if property_name is None:
            continue
        given = listed(declaration.properties.get(property_name))
        given_names = [value.lower() for value in given if isinstance(value, str) and value]
        urns = [urn for urn in declaration.references.get(property_name, ()) if urn in names]
        if given and UNKNOWN not in given:
            # Known names are more precise than dependencies.
            urns = [urn for urn in urns if names[urn] in ("", *given_names)]
        referenced = {names[urn] for urn in urns}
        for name in (name for name in given_names if name not in referenced):
            namesakes = by_name.get(name, [])
            own = [urn for urn in namesakes if providers[urn] == declaration.provider]
            urns += own or namesakes
        for urn in dict.fromkeys(urns):
            belonging[urn].append(declaration)
    return belonging


def _role(role: _Declaration, belonging: Sequence[_Declaration], managed: _Managed) -> Role:
    inline, undeclared = _inline_policies(role, belonging)
    attached, attachments, undeclared_managed = _managed_policies(role, belonging, managed)
    return Role(
        role.urn,
        role.text("name"),
        role.text("path") if role.properties.get("path") else "/",
        _account(role),
        Policy(role.urn, _document(role.properties, "assumeRolePolicy", Kind.TRUST)),
        (*inline, *attached),
        tuple(attachments),
        (*undeclared, *undeclared_managed),
        (*_unlisted_inline(belonging), *_unlisted_managed(belonging, managed)),
    )


def _account(role: _Declaration) -> str:
    """Return a role's account from its ARN or, without an ARN, from its provider; empty if unknown."""
    if found := _ROLE_ARN.fullmatch(role.text("arn") or ""):
        return found[1]
    return role.accounts[0] if len(role.accounts) == 1 else ""


def _inline_policies(
    role: _Declaration, belonging: Iterable[_Declaration]
) -> tuple[list[Policy], list[UndeclaredPolicy]]:
    """Return the inline policies that the stack declares, and the role's other inline policies."""
    resources = _of_type(belonging, _ROLE_POLICY_TYPE)
    policies = [Policy(resource.urn, _document(resource.properties, "policy")) for resource in resources]
    inline = [
        (entry.get("name"), _document(entry, "policy"))
        for entry in cast("list[dict[str, Any]]", role.values("inlinePolicies"))
        if isinstance(entry, dict)  # pyright: ignore[reportUnnecessaryIsInstance] a program's value
    ]
    names = [resource.text("name") for resource in resources]
    if "inlinePolicies" in role.set_by_program:
        # After an update, this property also contains the policies of RolePolicy resources.
        declared = [*zip(names, (policy.document for policy in policies), strict=True)]
        policies += [Policy(role.urn, entry[1]) for entry in inline if entry not in declared]
        return policies, []
    kept = _kept_names(belonging)
    return policies, [
        UndeclaredPolicy(
            str(name),
            inline=True,
            removed=any(name not in each for each in kept),
            listed=bool(kept) and all(name in each for each in kept),
            size=document.size,
        )
        for name, document in inline
        if name not in names
    ]


def _kept_names(belonging: Iterable[_Declaration]) -> list[list[Any]]:
    """Return the policy names in each RolePoliciesExclusive; leave out lists with unknown names."""
    lists = [
        listed(each.properties.get("policyNames"))
        for each in _of_type(belonging, _EXCLUSIVE_POLICIES_TYPE)
    ]
    return [names for names in lists if UNKNOWN not in names]


def _managed_policies(
    role: _Declaration, belonging: Iterable[_Declaration], managed: _Managed
) -> tuple[list[Policy], list[Attachment], list[UndeclaredPolicy]]:
    """Return the role's managed policies in three groups: declared, only attached, and all others."""
    attaching = [declaration for declaration in belonging if declaration.type in _POLICY_PROPERTIES]
    if "managedPolicyArns" in role.set_by_program:
        attaching.insert(0, role)
    attached: dict[str, Policy] = {}
    attachments: dict[str, Attachment] = {}
    attached_arns: set[str] = set()
    for declaration in attaching:
        policies, arns = managed.attached_by(declaration)
        for policy in policies:
            document = _document(policy.properties, "policy")
            attached[policy.urn] = Policy(policy.urn, document, inline=False)
        for arn in arns:
            attachments[arn] = Attachment(declaration.urn, arn)
        attached_arns.update(declaration.values(_POLICY_PROPERTIES[declaration.type]))
    removed = bool(_of_type(belonging, _EXCLUSIVE_ATTACHMENTS_TYPE))
    undeclared = [
        UndeclaredPolicy(arn, inline=False, removed=removed)
        for arn in role.values("managedPolicyArns")
        if arn not in attached_arns
    ]
    return [*attached.values()], [*attachments.values()], undeclared


def _unlisted_inline(belonging: Iterable[_Declaration]) -> Iterator[UnlistedPolicy]:
    """Yield the RolePolicy resources' policies that a RolePoliciesExclusive does not list."""
    kept = _kept_names(belonging)
    for resource in _of_type(belonging, _ROLE_POLICY_TYPE):
        name = resource.text("name")
        if name and any(name not in each for each in kept):
            yield UnlistedPolicy(resource.urn, name, inline=True)


def _unlisted_managed(belonging: Iterable[_Declaration], managed: _Managed) -> Iterator[UnlistedPolicy]:
    """Yield the attached policies that a RolePolicyAttachmentsExclusive does not list."""
    lists: list[set[str]] = []
    for each in _of_type(belonging, _EXCLUSIVE_ATTACHMENTS_TYPE):
        policies, arns = managed.attached_by(each)
        # Each unknown ARN must belong to a policy to which the list refers. Otherwise, skip the list.
        unknown = listed(each.properties.get("policyArns")).count(UNKNOWN)
        if unknown <= sum(policy.text("arn") is None for policy in policies):
            lists.append({*arns, *(policy.urn for policy in policies)})
    for attachment in belonging:
        if attachment.type in (_ATTACHMENT_TYPE, _ATTACHMENT_TO_SEVERAL_TYPE):
            policies, arns = managed.attached_by(attachment)
            names = {policy.urn: policy.text("arn") or policy.urn for policy in policies}
            for identifier, name in (names | {arn: arn for arn in arns}).items():
                if any(identifier not in kept for kept in lists):
                    yield UnlistedPolicy(attachment.urn, name, inline=False)


def _document(properties: Mapping[str, Any], name: str, kind: Kind = Kind.IDENTITY) -> Document:
    """Return a property's document; the document is unknown until the provider reports the property."""
    given = properties.get(name)
    return read_document(UNKNOWN if given is None else given, kind)
