"""Find the roles that Amazon Q Business can assume, and the policies that a stack declares for them.

Pulumi's stack policies receive resource outputs, not inputs. For an existing role, the provider
reports all of the role's policies, including policies that other tools created. Only the policies that
the program sets count as declared.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from connector_grants import Application, KnownArnParts, match_application_arn
from iam.containment import certain_values
from iam.documents import UNKNOWN, Document, Kind, Statement, listed, read_document
from iam.patterns import is_pattern
from pulumi_policy import PolicyResource
from pulumi_policy.proxy import UnknownValueError

SERVICE: Final = "qbusiness.amazonaws.com"
_ASSUME_ROLE: Final = "sts:AssumeRole"
_SERVICE_PRINCIPAL: Final = f"Service:{SERVICE}"
_ACCOUNT_ID: Final = re.compile(r"\b[0-9]{12}\b")
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
_ROLE_PROPERTY_BY_TYPE: Final = {
    _ROLE_POLICY_TYPE: "role",
    _ATTACHMENT_TYPE: "role",
    _ATTACHMENT_TO_SEVERAL_TYPE: "roles",
    _EXCLUSIVE_POLICIES_TYPE: "roleName",
    _EXCLUSIVE_ATTACHMENTS_TYPE: "roleName",
}
_POLICY_PROPERTY_BY_TYPE: Final = {
    _ROLE_TYPE: "managedPolicyArns",
    _ATTACHMENT_TYPE: "policyArn",
    _ATTACHMENT_TO_SEVERAL_TYPE: "policyArn",
    _EXCLUSIVE_ATTACHMENTS_TYPE: "policyArns",
}
_RELEVANT_TYPES: Final = {_ROLE_TYPE, _MANAGED_POLICY_TYPE, *_ROLE_PROPERTY_BY_TYPE}


class DeclaredPolicy(NamedTuple):
    """One of a role's policies, and the URN of the resource that declares the policy."""

    urn: str
    document: Document
    is_inline: bool = True


class Attachment(NamedTuple):
    """A managed policy that the stack attaches but does not declare."""

    urn: str
    """The resource that attaches the policy."""
    policy_arn: str


class UndeclaredPolicy(NamedTuple):
    """One of a role's policies that the stack neither declares nor attaches."""

    name_or_arn: str
    """An inline policy's name, or a managed policy's ARN."""
    is_inline: bool
    is_removed: bool
    """Whether an exclusive resource in the stack, such as RolePoliciesExclusive, removes the policy."""
    is_listed: bool = False
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
    display_name: str
    """An inline policy's name, or a managed policy's ARN; the policy's URN while its ARN is unknown."""
    is_inline: bool


class QBusinessRole(NamedTuple):
    """A role that the stack declares for Amazon Q Business, and the role's policies."""

    urn: str
    name: str | None
    """None while unknown."""
    path: str | None
    account_id: str
    """Empty while unknown."""
    trust_policy: DeclaredPolicy
    policies: tuple[DeclaredPolicy, ...]
    attachments: tuple[Attachment, ...]
    undeclared_policies: tuple[UndeclaredPolicy, ...]
    unlisted_policies: tuple[UnlistedPolicy, ...]

    @property
    def application(self) -> Application | None:
        """The application in the trust policy; None unless the policy has exactly one application."""
        application_arns = {
            application_arn
            for statement in find_trusting_statements(self.trust_policy.document)
            for application_arn in get_required_values(statement, "aws:SourceArn")
        }
        return match_application_arn(*application_arns) if len(application_arns) == 1 else None

    @property
    def known_arn_parts(self) -> KnownArnParts:
        """The parts of ARNs that the role's name, path, and trust policy determine."""
        if self.name is None or self.path is None:
            return KnownArnParts(self.application)
        return KnownArnParts(self.application, f"{self.path}{self.name}".removeprefix("/"))


class _DeclaredResource(NamedTuple):
    """A resource in the stack, without the SDK's proxies."""

    urn: str
    type: str
    properties: Mapping[str, Any]
    references: Mapping[str, Sequence[str]]
    """The URNs of the resources on which each property's value depends, by property name."""
    program_properties: Collection[str]
    """The properties that the program sets; `properties` also has properties from the provider."""
    provider_urn: str
    """Empty if the resource has no provider."""
    allowed_account_ids: Sequence[str]
    """The accounts that the provider allows; empty if it allows every account."""

    def get_known_values(self, property_name: str) -> list[Any]:
        """Return the known values of a property, which may be a list, a single value, or absent."""
        return [value for value in listed(self.properties.get(property_name)) if value is not UNKNOWN]

    def get_string(self, property_name: str) -> str | None:
        """Return a property if it is a string; otherwise, return None."""
        property_value = self.properties.get(property_name)
        return property_value if isinstance(property_value, str) else None


def find_roles(
    policy_resources: Iterable[PolicyResource], program_properties_by_urn: Mapping[str, Collection[str]]
) -> Iterator[QBusinessRole]:
    """Yield the roles that trust Amazon Q Business.

    The trust policy of such a role lets Amazon Q Business assume the role, or lists the service in an
    Allow statement for other actions.

    `program_properties_by_urn` contains the properties that the program sets, by resource URN. If it is
    empty, because nothing was recorded, every property counts as set by the program.

    A role whose trust policy is malformed, or unknown at least in part, is included if the trust policy
    mentions "qbusiness" or the role's policies contain an action of Amazon Q Business.
    """
    resources = [
        _convert_resource(policy_resource, program_properties_by_urn)
        for policy_resource in policy_resources
        if policy_resource.resource_type in _RELEVANT_TYPES
    ]
    role_resources = _select_type(resources, _ROLE_TYPE)
    managed_policies = _ManagedPolicies(_select_type(resources, _MANAGED_POLICY_TYPE))
    resources_by_role_urn = _group_by_role(role_resources, resources)
    for role_resource in role_resources:
        role = _build_role(role_resource, resources_by_role_urn[role_resource.urn], managed_policies)
        if _may_trust_service(role, role_resource):
            yield role


def find_trusting_statements(trust_policy: Document) -> Iterator[Statement]:
    """Yield a trust policy's statements that let Amazon Q Business assume the role."""
    for statement in trust_policy.statements:
        if (
            statement.allows
            and statement.actions.meets(_ASSUME_ROLE)
            and statement.principals.covers(_SERVICE_PRINCIPAL)
        ):
            yield statement


def get_required_values(statement: Statement, condition_key: str) -> tuple[str, ...]:
    """Return the values to which a statement's conditions restrict a key.

    The result is empty if the key may be absent or have other values. A request must meet all conditions
    on a key, so the narrowest condition is decisive.
    """
    restrictions = certain_values(statement.conditions, condition_key)
    return min(restrictions, key=lambda values: (any(map(is_pattern, values)), len(values)), default=())


def _may_trust_service(role: QBusinessRole, role_resource: _DeclaredResource) -> bool:
    trust_policy = role.trust_policy.document
    if any(find_trusting_statements(trust_policy)) or any(
        statement.allows and _SERVICE_PRINCIPAL in statement.principals.listed()
        for statement in trust_policy.statements
    ):
        return True
    if trust_policy.known and not trust_policy.problem:
        return False
    trust_property = role_resource.properties.get("assumeRolePolicy")
    return "qbusiness" in str(trust_property).lower() or any(
        action.lower().startswith("qbusiness:")
        for policy in role.policies
        for statement in policy.document.statements
        for action in statement.actions.values
    )


def _select_type(resources: Iterable[_DeclaredResource], resource_type: str) -> list[_DeclaredResource]:
    return [resource for resource in resources if resource.type == resource_type]


def _convert_resource(
    policy_resource: PolicyResource, program_properties_by_urn: Mapping[str, Collection[str]]
) -> _DeclaredResource:
    program_properties = program_properties_by_urn.get(policy_resource.urn, ())
    provider = policy_resource.provider
    # The engine passes the list of accounts as JSON.
    allowed_accounts = _replace_proxies(provider.props).get("allowedAccountIds") if provider else None
    return _DeclaredResource(
        policy_resource.urn,
        policy_resource.resource_type,
        _replace_proxies(policy_resource.props),
        {
            property_name: [dependency.urn for dependency in dependencies]
            for property_name, dependencies in policy_resource.property_dependencies.items()
        },
        program_properties if program_properties_by_urn else [*policy_resource.props],
        provider.urn if provider else "",
        _ACCOUNT_ID.findall(str(allowed_accounts)),
    )


def _replace_proxies(value: Any) -> Any:
    """Return a value without the SDK's proxies, with UNKNOWN where they would raise an exception."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        return {key: _read_entry(mapping, key) for key in mapping}
    if isinstance(value, Sequence) and not isinstance(value, str):
        sequence = cast("Sequence[Any]", value)
        return [_read_entry(sequence, index) for index in range(len(sequence))]
    return value


def _read_entry(proxy: Any, key_or_index: Any) -> Any:
    try:
        return _replace_proxies(proxy[key_or_index])
    except UnknownValueError:
        return UNKNOWN


class _ManagedPolicies:
    """The managed policies that the stack declares."""

    def __init__(self, resources: Iterable[_DeclaredResource]) -> None:
        self.by_urn = {resource.urn: resource for resource in resources}
        self.by_arn = {
            policy_arn: resource
            for resource in self.by_urn.values()
            if (policy_arn := resource.get_string("arn"))
        }

    def find_attached_by(self, resource: _DeclaredResource) -> tuple[list[_DeclaredResource], list[str]]:
        """Return the policies that a resource attaches: the declared ones, and the ARNs of the rest."""
        property_name = _POLICY_PROPERTY_BY_TYPE[resource.type]
        policy_arns = resource.get_known_values(property_name)
        referenced_urns = resource.references.get(property_name, ())
        attached_by_urn = {urn: self.by_urn[urn] for urn in referenced_urns if urn in self.by_urn}
        attached_by_urn |= {
            self.by_arn[arn].urn: self.by_arn[arn] for arn in policy_arns if arn in self.by_arn
        }
        return [*attached_by_urn.values()], [arn for arn in policy_arns if arn not in self.by_arn]


def _group_by_role(
    role_resources: Iterable[_DeclaredResource], resources: Iterable[_DeclaredResource]
) -> Mapping[str, list[_DeclaredResource]]:
    """Return, by role URN, the resources that refer to the role.

    A resource refers to a role by name or, if a name is unknown, through a dependency. If a stack
    declares roles with the same name in different accounts, the name refers to the roles with the
    resource's provider or, if there are none, to all roles with the name.

    Role names are not case-sensitive:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    name_by_urn = {role.urn: (role.get_string("name") or "").lower() for role in role_resources}
    roles_by_name: dict[str, list[_DeclaredResource]] = defaultdict(list)
    for role in role_resources:
        roles_by_name[name_by_urn[role.urn]].append(role)
    resources_by_role_urn: dict[str, list[_DeclaredResource]] = defaultdict(list)
    for resource in resources:
        property_name = _ROLE_PROPERTY_BY_TYPE.get(resource.type)
        if property_name is None:
            continue
        references = listed(resource.properties.get(property_name))
        referenced_names = [name.lower() for name in references if isinstance(name, str) and name]
        role_urns = [urn for urn in resource.references.get(property_name, ()) if urn in name_by_urn]
        if references and UNKNOWN not in references:
            # Known names are more precise than dependencies.
            role_urns = [urn for urn in role_urns if name_by_urn[urn] in ("", *referenced_names)]
        names_of_dependencies = {name_by_urn[urn] for urn in role_urns}
        for role_name in referenced_names:
            if role_name not in names_of_dependencies:
                namesakes = roles_by_name.get(role_name, [])
                same_provider_namesakes = [
                    role for role in namesakes if role.provider_urn == resource.provider_urn
                ]
                role_urns += [role.urn for role in same_provider_namesakes or namesakes]
        for role_urn in dict.fromkeys(role_urns):
            resources_by_role_urn[role_urn].append(resource)
    return resources_by_role_urn


def _build_role(
    role_resource: _DeclaredResource,
    related_resources: Sequence[_DeclaredResource],
    managed_policies: _ManagedPolicies,
) -> QBusinessRole:
    inline_policies, undeclared_inline_policies = _group_inline_policies(
        role_resource, related_resources
    )
    attached_policies, attachments, undeclared_managed_policies = _group_managed_policies(
        role_resource, related_resources, managed_policies
    )
    trust_document = _read_document(role_resource.properties, "assumeRolePolicy", Kind.TRUST)
    return QBusinessRole(
        urn=role_resource.urn,
        name=role_resource.get_string("name"),
        path=role_resource.get_string("path") if role_resource.properties.get("path") else "/",
        account_id=_find_account_id(role_resource),
        trust_policy=DeclaredPolicy(role_resource.urn, trust_document),
        policies=(*inline_policies, *attached_policies),
        attachments=tuple(attachments),
        undeclared_policies=(*undeclared_inline_policies, *undeclared_managed_policies),
        unlisted_policies=(
            *_find_unlisted_inline_policies(related_resources),
            *_find_unlisted_managed_policies(related_resources, managed_policies),
        ),
    )


def _find_account_id(role_resource: _DeclaredResource) -> str:
    """Return a role's account from its ARN or, without an ARN, from its provider; empty if unknown."""
    if arn_match := _ROLE_ARN.fullmatch(role_resource.get_string("arn") or ""):
        return arn_match[1]
    allowed_account_ids = role_resource.allowed_account_ids
    return allowed_account_ids[0] if len(allowed_account_ids) == 1 else ""


def _group_inline_policies(
    role_resource: _DeclaredResource, related_resources: Iterable[_DeclaredResource]
) -> tuple[list[DeclaredPolicy], list[UndeclaredPolicy]]:
    """Return the inline policies that the stack declares, and the role's other inline policies."""
    policy_resources = _select_type(related_resources, _ROLE_POLICY_TYPE)
    declared_policies = [
        DeclaredPolicy(resource.urn, _read_document(resource.properties, "policy"))
        for resource in policy_resources
    ]
    reported_policies = [
        (entry.get("name"), _read_document(entry, "policy"))
        for entry in cast("list[dict[str, Any]]", role_resource.get_known_values("inlinePolicies"))
        if isinstance(entry, dict)  # pyright: ignore[reportUnnecessaryIsInstance] a program's value
    ]
    declared_names = [resource.get_string("name") for resource in policy_resources]
    if "inlinePolicies" in role_resource.program_properties:
        # After an update, this property also contains the policies of RolePolicy resources.
        declared_documents = [policy.document for policy in declared_policies]
        declared_names_and_documents = [*zip(declared_names, declared_documents, strict=True)]
        declared_policies += [
            DeclaredPolicy(role_resource.urn, document)
            for policy_name, document in reported_policies
            if (policy_name, document) not in declared_names_and_documents
        ]
        return declared_policies, []
    name_lists = _read_exclusive_names(related_resources)
    return declared_policies, [
        UndeclaredPolicy(
            str(policy_name),
            is_inline=True,
            is_removed=any(policy_name not in name_list for name_list in name_lists),
            is_listed=bool(name_lists) and all(policy_name in name_list for name_list in name_lists),
            size=document.size,
        )
        for policy_name, document in reported_policies
        if policy_name not in declared_names
    ]


def _read_exclusive_names(related_resources: Iterable[_DeclaredResource]) -> list[list[Any]]:
    """Return the policy names in each RolePoliciesExclusive; leave out lists with unknown names."""
    exclusive_resources = _select_type(related_resources, _EXCLUSIVE_POLICIES_TYPE)
    name_lists = [listed(resource.properties.get("policyNames")) for resource in exclusive_resources]
    return [name_list for name_list in name_lists if UNKNOWN not in name_list]


def _group_managed_policies(
    role_resource: _DeclaredResource,
    related_resources: Iterable[_DeclaredResource],
    managed_policies: _ManagedPolicies,
) -> tuple[list[DeclaredPolicy], list[Attachment], list[UndeclaredPolicy]]:
    """Return the role's managed policies in three groups: declared, only attached, and all others."""
    attaching_resources = [
        resource for resource in related_resources if resource.type in _POLICY_PROPERTY_BY_TYPE
    ]
    if "managedPolicyArns" in role_resource.program_properties:
        attaching_resources.insert(0, role_resource)
    policy_by_urn: dict[str, DeclaredPolicy] = {}
    attachment_by_arn: dict[str, Attachment] = {}
    attached_arns: set[str] = set()
    for attaching_resource in attaching_resources:
        policy_resources, undeclared_arns = managed_policies.find_attached_by(attaching_resource)
        for policy_resource in policy_resources:
            document = _read_document(policy_resource.properties, "policy")
            policy_urn = policy_resource.urn
            policy_by_urn[policy_urn] = DeclaredPolicy(policy_urn, document, is_inline=False)
        for policy_arn in undeclared_arns:
            attachment_by_arn[policy_arn] = Attachment(attaching_resource.urn, policy_arn)
        property_name = _POLICY_PROPERTY_BY_TYPE[attaching_resource.type]
        attached_arns.update(attaching_resource.get_known_values(property_name))
    is_removed = bool(_select_type(related_resources, _EXCLUSIVE_ATTACHMENTS_TYPE))
    undeclared_policies = [
        UndeclaredPolicy(policy_arn, is_inline=False, is_removed=is_removed)
        for policy_arn in role_resource.get_known_values("managedPolicyArns")
        if policy_arn not in attached_arns
    ]
    return [*policy_by_urn.values()], [*attachment_by_arn.values()], undeclared_policies


def _find_unlisted_inline_policies(
    related_resources: Iterable[_DeclaredResource],
) -> Iterator[UnlistedPolicy]:
    """Yield the RolePolicy resources' policies that a RolePoliciesExclusive does not list."""
    name_lists = _read_exclusive_names(related_resources)
    for resource in _select_type(related_resources, _ROLE_POLICY_TYPE):
        policy_name = resource.get_string("name")
        if policy_name and any(policy_name not in name_list for name_list in name_lists):
            yield UnlistedPolicy(resource.urn, policy_name, is_inline=True)


def _find_unlisted_managed_policies(
    related_resources: Iterable[_DeclaredResource], managed_policies: _ManagedPolicies
) -> Iterator[UnlistedPolicy]:
    """Yield the attached policies that a RolePolicyAttachmentsExclusive does not list."""
    exclusive_lists: list[set[str]] = []
    for exclusive_resource in _select_type(related_resources, _EXCLUSIVE_ATTACHMENTS_TYPE):
        policy_resources, undeclared_arns = managed_policies.find_attached_by(exclusive_resource)
        # Each unknown ARN must belong to a policy to which the list refers. Otherwise, skip the list.
        unknown_count = listed(exclusive_resource.properties.get("policyArns")).count(UNKNOWN)
        if unknown_count <= sum(policy.get_string("arn") is None for policy in policy_resources):
            exclusive_lists.append({*undeclared_arns, *(policy.urn for policy in policy_resources)})
    for attachment in related_resources:
        if attachment.type in (_ATTACHMENT_TYPE, _ATTACHMENT_TO_SEVERAL_TYPE):
            policy_resources, undeclared_arns = managed_policies.find_attached_by(attachment)
            name_by_identifier = {
                policy.urn: policy.get_string("arn") or policy.urn for policy in policy_resources
            }
            name_by_identifier |= {policy_arn: policy_arn for policy_arn in undeclared_arns}
            for identifier, display_name in name_by_identifier.items():
                if any(identifier not in exclusive_list for exclusive_list in exclusive_lists):
                    yield UnlistedPolicy(attachment.urn, display_name, is_inline=False)


def _read_document(
    properties: Mapping[str, Any], property_name: str, kind: Kind = Kind.IDENTITY
) -> Document:
    """Return a property's document; the document is unknown until the provider reports the property."""
    property_value = properties.get(property_name)
    return read_document(UNKNOWN if property_value is None else property_value, kind)
