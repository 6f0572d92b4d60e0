"""Find the roles that Amazon Q Business may assume, with the policies that a stack declares for them.

A stack policy sees the outputs of resources, not what the program declares. For an existing role, the
provider reports every policy that the role has, including those that other tools created. Only what the
program sets counts.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, cast

from connector_grants import Application, application_of
from policy_documents import UNKNOWN, Document, Statement, listed, read_document
from pulumi_policy.proxy import UnknownValueError

SERVICE: Final = "qbusiness.amazonaws.com"

_ROLE: Final = "aws:iam/role:Role"
_ROLE_POLICY: Final = "aws:iam/rolePolicy:RolePolicy"
_MANAGED_POLICY: Final = "aws:iam/policy:Policy"
_ATTACHMENT: Final = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
_ATTACHMENT_TO_SEVERAL: Final = "aws:iam/policyAttachment:PolicyAttachment"
_EXCLUSIVE_POLICIES: Final = "aws:iam/rolePoliciesExclusive:RolePoliciesExclusive"
_EXCLUSIVE_ATTACHMENTS: Final = "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive"
_NAMES_ITS_ROLE_IN: Final = {
    _ROLE_POLICY: "role",
    _ATTACHMENT: "role",
    _ATTACHMENT_TO_SEVERAL: "roles",
    _EXCLUSIVE_POLICIES: "roleName",
    _EXCLUSIVE_ATTACHMENTS: "roleName",
}
_ATTACHES_IN: Final = {
    _ROLE: "managedPolicyArns",
    _ATTACHMENT: "policyArn",
    _ATTACHMENT_TO_SEVERAL: "policyArn",
    _EXCLUSIVE_ATTACHMENTS: "policyArns",
}


class Resource(Protocol):
    """A resource in a stack, as this module uses it; Pulumi's `PolicyResource` is one."""

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
    document: Document
    inline: bool = True


class Attachment(NamedTuple):
    """A managed policy that the stack attaches by its ARN and does not declare."""

    urn: str
    arn: str


class Remainder(NamedTuple):
    """A policy that a role has, and that the stack does not declare."""

    name: str
    """The name of an inline policy, or the ARN of a managed one."""
    inline: bool
    removed: bool
    """Whether the stack declares that the role has no other policies than its own."""


class Role(NamedTuple):
    """A role that Amazon Q Business may assume."""

    urn: str
    name: str | None
    """None while it is not known."""
    trust: Policy
    policies: tuple[Policy, ...]
    attachments: tuple[Attachment, ...]
    remainders: tuple[Remainder, ...]

    @property
    def application(self) -> Application | None:
        """The application that the trust policy names; None if it does not name exactly one."""
        arns = {
            arn
            for statement in trusting_statements(self.trust.document)
            for arn in demanded_values(statement, "aws:SourceArn")
        }
        return application_of(*arns) if len(arns) == 1 else None


class _Declaration(NamedTuple):
    """A resource of the stack, without the SDK's proxies."""

    urn: str
    type: str
    properties: Mapping[str, Any]
    references: Mapping[str, Sequence[str]]
    """The resources that the value of a property comes from."""
    set_by_program: Collection[str]
    """The properties that the program sets; the provider reports others."""

    def values(self, name: str) -> list[Any]:
        """Return the known values of a property that has one or several."""
        return [value for value in listed(self.properties.get(name)) if value is not UNKNOWN]

    def text(self, name: str) -> str | None:
        """Return a property that is a string; None while it is not known."""
        value = self.properties.get(name)
        return value if isinstance(value, str) else None


def roles_of(
    resources: Iterable[Resource], set_by_program: Mapping[str, Collection[str]]
) -> Iterator[Role]:
    """Return the roles of a stack that Amazon Q Business may assume.

    `set_by_program` has the names of the properties that the program sets, by the URNs of the resources.
    If it is empty, which is so if nothing was recorded, every property counts as set by the program.

    While a trust policy is not known, or if it cannot be read, a role counts if its policies name
    actions of the service.
    """
    types = {_ROLE, _MANAGED_POLICY, *_NAMES_ITS_ROLE_IN}
    declarations = [
        _declaration(one, set_by_program.get(one.urn, ()) if set_by_program else [*one.props])
        for one in resources
        if one.resource_type in types
    ]
    roles = [one for one in declarations if one.type == _ROLE]
    managed = _Managed([one for one in declarations if one.type == _MANAGED_POLICY])
    belonging = _belonging(roles, declarations)
    for declaration in roles:
        role = _role(declaration, belonging[declaration.urn], managed)
        if _is_assumed_by_service(role, declaration):
            yield role


def trusting_statements(trust: Document) -> Iterator[Statement]:
    """Return the statements of a trust policy that let Amazon Q Business assume the role."""
    for statement in trust.statements:
        if statement.allows and {"*", f"Service:{SERVICE}"}.intersection(statement.principals):
            yield statement


def demanded_values(statement: Statement, key: str) -> tuple[str, ...]:
    """Return the values that a condition demands of a key; none if the key may be absent.

    A request has to meet both of two operators on one key, so that the narrower one counts.
    """
    demanded = [
        condition.values
        for condition in statement.conditions
        if condition.is_on(key) and condition.operator.removeprefix("ForAnyValue:") in DEMANDING
    ]
    return min(demanded, key=lambda values: (any(map(_is_pattern, values)), len(values)), default=())


DEMANDING: Final = ("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike")
"""Operators that no request meets without the key."""


def _is_pattern(text: str) -> bool:
    return "*" in text or "?" in text or "${" in text


def _is_assumed_by_service(role: Role, declaration: _Declaration) -> bool:
    trust = role.trust.document
    if any(trusting_statements(trust)):
        return True
    if trust.known and not trust.problem:
        return False
    return "qbusiness" in str(declaration.properties.get("assumeRolePolicy")).lower() or any(
        action.lower().startswith("qbusiness:")
        for policy in role.policies
        for statement in policy.document.statements
        for action in statement.actions
    )


def _declaration(resource: Resource, set_by_program: Collection[str]) -> _Declaration:
    return _Declaration(
        resource.urn,
        resource.resource_type,
        _plain(resource.props),
        {
            name: [one.urn for one in dependencies]
            for name, dependencies in resource.property_dependencies.items()
        },
        set_by_program,
    )


def _plain(value: Any) -> Any:
    """Return a value without the SDK's proxies, which raise where something is not known yet."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        return {key: _member(mapping, key) for key in mapping}
    if isinstance(value, Sequence) and not isinstance(value, str):
        sequence = cast("Sequence[Any]", value)
        return [_member(sequence, index) for index in range(len(sequence))]
    return value


def _member(container: Any, key: Any) -> Any:
    try:
        return _plain(container[key])
    except UnknownValueError:
        return UNKNOWN


class _Managed:
    """The managed policies that the stack declares."""

    def __init__(self, declarations: Iterable[_Declaration]) -> None:
        self.by_urn = {one.urn: one for one in declarations}
        self.by_arn = {arn: one for one in self.by_urn.values() if (arn := one.text("arn"))}

    def attached_by(self, declaration: _Declaration) -> tuple[list[_Declaration], list[str]]:
        """Return the policies that a resource attaches, and the ARNs of those not in the stack."""
        name = _ATTACHES_IN[declaration.type]
        arns = declaration.values(name)
        attached = {
            urn: self.by_urn[urn] for urn in declaration.references.get(name, ()) if urn in self.by_urn
        }
        attached |= {self.by_arn[arn].urn: self.by_arn[arn] for arn in arns if arn in self.by_arn}
        return [*attached.values()], [arn for arn in arns if arn not in self.by_arn]


def _belonging(
    roles: Iterable[_Declaration], declarations: Iterable[_Declaration]
) -> Mapping[str, list[_Declaration]]:
    """Return the declarations that name each role, by a reference to it or by its name."""
    names = {role.urn: role.text("name") for role in roles}
    by_name: dict[str, list[str]] = defaultdict(list)
    for urn, name in names.items():
        if name:
            by_name[name].append(urn)
    belonging: dict[str, list[_Declaration]] = defaultdict(list)
    for declaration in declarations:
        name = _NAMES_ITS_ROLE_IN.get(declaration.type)
        if name is None:
            continue
        given = listed(declaration.properties.get(name))
        referred = [urn for urn in declaration.references.get(name, ()) if urn in names]
        if given and UNKNOWN not in given:
            # The names are known, and say more than where they come from.
            referred = [urn for urn in referred if names[urn] in (None, *given)]
        named = [urn for one in given if isinstance(one, str) for urn in by_name.get(one, ())]
        for urn in dict.fromkeys(referred + named):
            belonging[urn].append(declaration)
    return belonging


def _role(role: _Declaration, belonging: Sequence[_Declaration], managed: _Managed) -> Role:
    inline, undeclared = _inline_policies(role, belonging)
    attached, attachments, undeclared_arns = _managed_policies(role, belonging, managed)
    types = {one.type for one in belonging}
    return Role(
        role.urn,
        role.text("name"),
        Policy(role.urn, _document(role.properties, "assumeRolePolicy", trust=True)),
        (*inline, *attached),
        tuple(attachments),
        tuple(Remainder(name, inline=True, removed=_EXCLUSIVE_POLICIES in types) for name in undeclared)
        + tuple(
            Remainder(arn, inline=False, removed=_EXCLUSIVE_ATTACHMENTS in types)
            for arn in undeclared_arns
        ),
    )


def _inline_policies(
    role: _Declaration, belonging: Iterable[_Declaration]
) -> tuple[list[Policy], list[str]]:
    """Return the inline policies that the stack declares, and the names of the role's others."""
    resources = [one for one in belonging if one.type == _ROLE_POLICY]
    policies = [Policy(one.urn, _document(one.properties, "policy")) for one in resources]
    inline = [
        (one.get("name"), _document(one, "policy"))
        for one in cast("list[dict[str, Any]]", role.values("inlinePolicies"))
        if isinstance(one, dict)  # pyright: ignore[reportUnnecessaryIsInstance] the program's
    ]
    if "inlinePolicies" in role.set_by_program:
        # After an update these contain the policies of the resources, too.
        declared = [
            (one.text("name"), policy.document) for one, policy in zip(resources, policies, strict=True)
        ]
        policies += [Policy(role.urn, one[1]) for one in inline if one not in declared]
        return policies, []
    names = {one.text("name") for one in resources}
    return policies, [str(name) for name, _ in inline if name not in names]


def _managed_policies(
    role: _Declaration, belonging: Iterable[_Declaration], managed: _Managed
) -> tuple[list[Policy], list[Attachment], list[str]]:
    """Return the attached policies that the stack declares, the others, and the role's other ARNs."""
    declares = "managedPolicyArns" in role.set_by_program
    attached: dict[str, _Declaration] = {}
    attachments: dict[str, Attachment] = {}
    declared: set[str] = set()
    for one in ([role] if declares else []) + [one for one in belonging if one.type in _ATTACHES_IN]:
        policies, arns = managed.attached_by(one)
        attached |= {policy.urn: policy for policy in policies}
        attachments = {arn: Attachment(one.urn, arn) for arn in arns} | attachments
        declared.update(one.values(_ATTACHES_IN[one.type]))
    others = [arn for arn in role.values("managedPolicyArns") if arn not in declared]
    return (
        [
            Policy(one.urn, _document(one.properties, "policy"), inline=False)
            for one in attached.values()
        ],
        [*attachments.values()],
        others,
    )


def _document(properties: Mapping[str, Any], name: str, *, trust: bool = False) -> Document:
    """Read a document; one that the provider has not reported yet is not known yet."""
    given = properties.get(name)
    return read_document(UNKNOWN if given is None else given, trust=trust)
