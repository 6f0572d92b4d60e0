"""Check the roles that Amazon Q Business assumes.

Each rule has a function that returns a role's violations of the rule. The rules follow this AWS page:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/iam-roles-ds.html
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from shlex import quote
from typing import Any, Final, NamedTuple

from connector_grants import ExcessPermission, find_excess, match_application_arn
from declared_roles import (
    SERVICE,
    DeclaredPolicy,
    QBusinessRole,
    UndeclaredPolicy,
    find_trusting_statements,
    get_required_values,
)
from iam.containment import is_never_met
from iam.documents import Document, Statement
from iam.operators import parse_operator
from iam.patterns import Patterns

# Quotas for characters (except whitespace) and attached policies. The last two quotas can be increased:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAXIMUM_INLINE_SIZE: Final = 10_240
MAXIMUM_MANAGED_SIZE: Final = 6_144
MAXIMUM_TRUST_SIZE: Final = 2_048
MAXIMUM_ATTACHED: Final = 20
LISTED_NAMES: Final = ("qbusiness", "QBusiness")
"""The Amazon Q Business console lists only roles whose names contain one of these strings."""

_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}")
_ACCOUNT_ID_PLACEHOLDER: Final = "ACCOUNT_ID"
"""A placeholder for the role's account while the account is unknown."""
_AWS_MANAGED_POLICY: Final = re.compile(r"arn:[^:]+:iam::aws:policy/")
_PLACEHOLDER: Final = re.compile(
    r"\[\[.+?\]\]|\{\{.+?\}\}|<.+?>"
    # Some browsers and pages omit the brackets. The placeholder is then an entire part of an ARN.
    r"|:(?:(?:your-)?(?:region|account[_-]id)|source_account):"
    r"|:(?:secret:secret[_-]id|key/key[_-]id|subnet/subnet_ids?|security-group/security_group"
    r"|application/application[_-]id|application/[^/]+/index/index[_-]id"
    r"|::input_bucket_name|::amzn-s3-demo-[^/]+)(?:/|\Z)",
    re.IGNORECASE,
)
"""The placeholders on AWS's pages."""


class Violation(NamedTuple):
    """A violation of a rule."""

    urn: str
    message: str
    """A description of the violation."""
    expected: str
    remediation: str

    @property
    def report(self) -> str:
        """The text to report, escaped so that a policy cannot forge additional lines."""
        lines = (self.message, f"expected: {self.expected}", f"fix: {self.remediation}")
        return "\n".join(map(_escape_characters, lines))


def _escape_characters(line: str) -> str:
    """Escape all characters except printable ASCII."""
    return re.sub(r"[^ -~]", lambda match: match[0].encode("unicode_escape").decode(), line)


class Rule(NamedTuple):
    """A rule in the policy pack; an `advisory` rule warns but does not stop the operation."""

    name: str
    description: str
    check: Callable[..., Iterator[Violation]]
    """The function takes a role, and the values of the rule's options as keyword arguments."""
    advisory: bool = False
    option_schemas: Mapping[str, Any] = {}
    """The JSON schema of each additional property in the rule's configuration."""


def check_documents(role: QBusinessRole) -> Iterator[Violation]:
    """Find malformed documents, which no other rule can check, and unknown condition operators."""
    for policy in (role.trust_policy, *role.policies):
        problem = policy.document.problem or _find_unknown_operator(policy.document)
        if problem:
            policy_label = "the trust policy" if policy is role.trust_policy else "a policy of the role"
            yield Violation(
                policy.urn,
                f"{policy_label} is not a valid policy document: {problem}",
                "JSON that follows IAM's policy grammar",
                "correct the document; see "
                "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
            )


def _find_unknown_operator(document: Document) -> str | None:
    for statement in document.statements:
        for condition in statement.conditions:
            if not parse_operator(condition.operator):
                return f"{_format_title(statement)} has an unknown operator: {condition.operator}"
    return None


def check_trusted_account(role: QBusinessRole) -> Iterator[Violation]:
    """Find trust policies that are not restricted to the role's account."""
    account_ids: set[str] = set()
    for statement in find_trusting_statements(role.trust_policy.document):
        source_accounts = get_required_values(statement, "aws:SourceAccount")
        account_ids.update(filter(_ACCOUNT_ID.fullmatch, source_accounts))
        other_accounts = {*source_accounts} - {role.account_id} if role.account_id else set[str]()
        has_only_ids = all(map(_ACCOUNT_ID.fullmatch, source_accounts))
        if not source_accounts or other_accounts or not has_only_ids:
            account_id = role.account_id or _ACCOUNT_ID_PLACEHOLDER
            yield Violation(
                role.urn,
                _format_trust(statement, "aws:SourceAccount", source_accounts),
                f"the role's account, {account_id}" if role.account_id else "one 12-digit account ID",
                f'set the condition "StringEquals": {{"aws:SourceAccount": "{account_id}"}}',
            )
    if len(account_ids) > 1:
        yield Violation(
            role.urn,
            f"the trust policy allows several accounts: {', '.join(sorted(account_ids))}",
            "one account",
            "declare one role for each account, in that account",
        )


def check_trusted_application(role: QBusinessRole) -> Iterator[Violation]:
    """Find trust policies that are not restricted to one application in the role's account."""
    application_arns: set[str] = set()
    for statement in find_trusting_statements(role.trust_policy.document):
        source_arns = get_required_values(statement, "aws:SourceArn")
        application_arns.update(filter(match_application_arn, source_arns))
        applications = [match_application_arn(arn) for arn in source_arns]
        application_accounts = {application.account for application in applications if application}
        source_accounts = get_required_values(statement, "aws:SourceAccount")
        allowed_accounts = {*filter(_ACCOUNT_ID.fullmatch, source_accounts)}
        if role.account_id:
            allowed_accounts = {role.account_id}
        other_accounts = application_accounts - allowed_accounts if allowed_accounts else set[str]()
        if not source_arns or not all(applications) or other_accounts:
            account_id = role.account_id or _ACCOUNT_ID_PLACEHOLDER
            yield Violation(
                role.urn,
                _format_trust(statement, "aws:SourceArn", source_arns),
                "the ARN of one application, without a wildcard, in the role's account",
                'set the condition "ArnEquals": {"aws:SourceArn": '
                f'"arn:aws:qbusiness:REGION:{account_id}:application/APPLICATION_ID"}}',
            )
    if len(application_arns) > 1:
        yield Violation(
            role.urn,
            f"the trust policy allows several applications: {', '.join(sorted(application_arns))}",
            "one application",
            "declare one role for each application",
        )


def _format_trust(statement: Statement, condition_key: str, allowed_values: Sequence[str]) -> str:
    subject = f"{_format_title(statement)} of the trust policy"
    if allowed_values:
        return f"{subject} allows {condition_key} {', '.join(allowed_values)}"
    for condition in statement.conditions:
        if condition.is_on(condition_key) and is_never_met(condition):
            return (
                f"{subject} never applies, because {condition.operator} compares {condition_key} with "
                f"{', '.join(condition.values)}, which is not an ARN"
            )
    return f"{subject} does not require {condition_key}"


def check_trusted_service(role: QBusinessRole) -> Iterator[Violation]:
    """Find trust policies with principals other than the service, or actions other than AssumeRole."""
    for statement in role.trust_policy.document.statements:
        if not statement.allows:
            continue
        subject = f"{_format_title(statement)} of the trust policy"
        other_principals = sorted({*statement.principals.listed()} - {f"Service:{SERVICE}"})
        if other_principals:
            principals_label = _format_patterns(statement.principals, other_principals, "everybody")
            replacement = _format_replacement(statement.principals, "Principal")
            yield Violation(
                role.urn,
                f"{subject} allows other principals: {principals_label}",
                f'only the principal {{"Service": "{SERVICE}"}}',
                f'{replacement} {{"Service": "{SERVICE}"}}, or remove the statement',
            )
        other_actions = [
            action for action in statement.actions.listed() if action.lower() != "sts:assumerole"
        ]
        if other_actions:
            actions_label = _format_patterns(statement.actions, other_actions, "every action")
            replacement = _format_replacement(statement.actions, "Action")
            yield Violation(
                role.urn,
                f"{subject} allows other actions: {actions_label}",
                "only sts:AssumeRole",
                f'{replacement} "sts:AssumeRole", or remove the statement',
            )


_REMEDIATION_BY_RULE: Final = {
    "secret": "specify a secret in the application's Region by its full ARN, including the suffix",
    "key": "specify a key in the application's Region by its key ARN; an alias ARN does not match a key",
    "bucket": "specify the bucket by name, without wildcards or policy variables",
    "application": "specify the trust policy's application and its index",
    "excess": "specify only the expected resources, by their ARNs",
}
_RULE_BY_SERVICE: Final = {
    "secretsmanager": "secret",
    "kms": "key",
    "s3": "bucket",
    "qbusiness": "application",
}


def check_permissions(rule_name: str, role: QBusinessRole) -> Iterator[Violation]:
    """Find the permissions that no connector needs and that the rule `rule_name` reports."""
    for policy, statement in _list_statements(role):
        actions_by_permission: dict[ExcessPermission, list[str]] = defaultdict(list)
        for permission in find_excess(statement, role.known_arn_parts):
            if _get_responsible_rule(permission) == rule_name:
                actions_by_permission[permission._replace(action="")].append(permission.action)
        for permission, actions in actions_by_permission.items():
            message = f"{_format_title(statement)} allows {', '.join(actions)}"
            if not permission.resource:
                expected = "only actions that a connector needs"
                remediation = _format_action_remediation(statement)
            elif permission.expected_resources:
                message += f" on {permission.resource}"
                expected = permission.expected_resources
                remediation = _REMEDIATION_BY_RULE[rule_name]
            else:
                message += f" on {permission.resource} without the required condition"
                expected = permission.expected_condition
                remediation = "allow this only in a statement with an expected condition"
            yield Violation(policy.urn, message, expected, remediation)


def _get_responsible_rule(permission: ExcessPermission) -> str:
    """Return the name of the rule that reports a permission.

    `excess` reports actions that no connector needs, and actions of services without a rule.
    """
    service = permission.action.partition(":")[0].lower()
    return _RULE_BY_SERVICE.get(service, "excess") if permission.resource else "excess"


def _format_action_remediation(statement: Statement) -> str:
    if statement.actions.negated:
        return 'replace "NotAction" with "Action", and list the actions that the connector needs'
    return "remove the actions that no connector needs; list the other actions without a wildcard"


def check_excess(role: QBusinessRole) -> Iterator[Violation]:
    """Find AWS managed policies, and unneeded permissions that no other rule reports."""
    for attachment in role.attachments:
        if _AWS_MANAGED_POLICY.match(attachment.policy_arn):
            yield Violation(
                attachment.urn,
                f"the AWS managed policy {attachment.policy_arn} is attached to the role",
                "only actions that a connector needs; AWS managed policies usually allow other actions",
                "detach the policy",
            )
    yield from check_permissions("excess", role)


def check_attachments(role: QBusinessRole) -> Iterator[Violation]:
    """Find customer managed policies that the stack attaches but does not declare."""
    for attachment in role.attachments:
        if not _AWS_MANAGED_POLICY.match(attachment.policy_arn):
            yield Violation(
                attachment.urn,
                f"{attachment.policy_arn} is attached to the role, but no rule has checked this policy",
                "only policies that this stack declares",
                "declare the policy in this stack",
            )


def check_undeclared_policies(role: QBusinessRole) -> Iterator[Violation]:
    """Find the role's policies that the stack neither declares nor attaches."""
    for policy in role.undeclared_policies:
        policy_kind = "inline policy" if policy.is_inline else "managed policy"
        yield Violation(
            role.urn,
            f"the role has the {policy_kind} {policy.name_or_arn}, which this stack does not declare",
            "only policies that this stack declares",
            _format_removal(role, policy),
        )


def check_exclusive_lists(role: QBusinessRole) -> Iterator[Violation]:
    """Find the policies that one resource of the stack adds to the role and another resource removes."""
    for policy in role.unlisted_policies:
        policy_kind = "inline policy" if policy.is_inline else "policy"
        resource_type = _get_exclusive_type(is_inline=policy.is_inline)
        property_name = "policyNames" if policy.is_inline else "policyArns"
        yield Violation(
            policy.urn,
            f"the stack adds the {policy_kind} {policy.display_name} to the role, but a {resource_type} "
            "removes the policy",
            f"the policy in {property_name} of each {resource_type} for the role",
            f"add the policy to {property_name}. If a ConnectorRole declares the {resource_type}, set "
            f"the ConnectorRole's exclusivePolicies to false and declare one {resource_type} in the "
            "program",
        )


def _get_exclusive_type(*, is_inline: bool) -> str:
    return "RolePoliciesExclusive" if is_inline else "RolePolicyAttachmentsExclusive"


def _format_removal(role: QBusinessRole, policy: UndeclaredPolicy) -> str:
    resource_type = _get_exclusive_type(is_inline=policy.is_inline)
    if policy.is_removed:
        return (
            f"leave the program unchanged: `pulumi up` removes the policy, because the stack has a "
            f"{resource_type}; a later `pulumi refresh` shows that the policy is gone"
        )
    if policy.is_listed:
        return f"declare the policy, or remove it from the policyNames of the stack's {resource_type}"
    is_aws_managed = _AWS_MANAGED_POLICY.match(policy.name_or_arn)
    remedy = "remove the policy" if is_aws_managed else "declare the policy, or remove it"
    subcommand = "delete-role-policy" if policy.is_inline else "detach-role-policy"
    policy_option = "--policy-name" if policy.is_inline else "--policy-arn"
    return (
        f"{remedy}: run `aws iam {subcommand} --role-name {quote(role.name or 'ROLE')} "
        f"{policy_option} {quote(policy.name_or_arn)}`, then `pulumi refresh`. To remove every "
        f"undeclared policy of this kind, declare a {resource_type} for the role"
    )


def check_ingest_resources(role: QBusinessRole) -> Iterator[Violation]:
    """Find indexes that are listed for BatchPutDocument without their applications."""
    policy_urn_by_resource: dict[str, str] = {}
    for policy, statement in _select_allow_statements(role, "qbusiness:batchputdocument"):
        policy_urn_by_resource |= dict.fromkeys(statement.resources.listed(), policy.urn)
    for resource, policy_urn in policy_urn_by_resource.items():
        # This is the resource itself if the resource is not an index.
        application_arn = resource.partition("/index/")[0]
        if application_arn not in policy_urn_by_resource:
            yield Violation(
                policy_urn,
                f"qbusiness:BatchPutDocument is listed for {resource}, but not for its application",
                "both resources, because the action requires the application and the index",
                f"add {application_arn} to the statement that lists the index",
            )


def check_subnet_conditions(role: QBusinessRole) -> Iterator[Violation]:
    """Find aws:RequestTag conditions that prevent the creation of network interfaces in subnets."""
    policies_and_statements = [*_select_allow_statements(role, "ec2:createnetworkinterface")]
    unconditional_resources = [
        statement.resources for _, statement in policies_and_statements if not statement.conditions
    ]
    for policy, statement in policies_and_statements:
        requires_tag = any(
            condition.requires_key and condition.key.lower().startswith("aws:requesttag/")
            for condition in statement.conditions
        )
        if requires_tag and any(
            ":subnet/" in resource
            and not any(resources.covers(resource) for resources in unconditional_resources)
            for resource in statement.resources.listed()
        ):
            yield Violation(
                policy.urn,
                f"{_format_title(statement)} requires aws:RequestTag for subnets, but EC2 never sets "
                "this key for subnets",
                "no aws:RequestTag condition for subnets or security groups",
                "allow subnets and security groups in a separate statement",
            )


def check_placeholders(role: QBusinessRole) -> Iterator[Violation]:
    """Find placeholders from AWS's pages."""
    for policy in (role.trust_policy, *role.policies):
        for statement in policy.document.statements:
            condition_values = (
                value for condition in statement.conditions for value in condition.values
            )
            for value in (*statement.resources.values, *condition_values):
                if _PLACEHOLDER.search(value):
                    yield Violation(
                        policy.urn,
                        f"{_format_title(statement)} has a placeholder: {value}",
                        "the actual value",
                        "replace the placeholder",
                    )


def check_role_name(role: QBusinessRole) -> Iterator[Violation]:
    """Find roles that the console does not list because of their names."""
    if role.name and not any(part in role.name for part in LISTED_NAMES):
        yield Violation(
            role.urn,
            f"the Amazon Q Business console does not list the role {role.name}",
            f"a name that contains {' or '.join(LISTED_NAMES)}",
            "rename the role; if the role already exists, renaming replaces it with a new role, "
            "so set the new ARN in the data source",
        )


def check_quotas(role: QBusinessRole, attachedPolicies: float = MAXIMUM_ATTACHED) -> Iterator[Violation]:  # noqa: N803 an option
    """Find policies that exceed an IAM quota for their size or number."""
    remaining_policies = [policy for policy in role.undeclared_policies if not policy.is_removed]
    managed_policies = [policy for policy in role.policies if not policy.is_inline]
    inline_size = sum(policy.document.size for policy in role.policies if policy.is_inline)
    inline_size += sum(policy.size for policy in remaining_policies)
    attached_count = len(managed_policies) + len(role.attachments)
    attached_count += sum(not policy.is_inline for policy in remaining_policies)
    remedy = "list fewer resources in the policy statements"
    yield from _check_maximum(
        role.urn,
        inline_size,
        "the role has {} characters in inline policies",
        MAXIMUM_INLINE_SIZE,
        f"{remedy}, or remove a policy",
    )
    for policy in managed_policies:
        yield from _check_maximum(
            policy.urn,
            policy.document.size,
            "the managed policy has {} characters",
            MAXIMUM_MANAGED_SIZE,
            f"{remedy}, or split the policy",
        )
    yield from _check_maximum(
        role.urn,
        role.trust_policy.document.size,
        "the trust policy has {} characters, not counting whitespace",
        MAXIMUM_TRUST_SIZE,
        "shorten the trust policy, or increase the quota and exempt the role from this rule",
    )
    yield from _check_maximum(
        role.urn,
        attached_count,
        "the role has {} attached policies",
        int(attachedPolicies),  # the engine passes numbers as floats
        "detach policies, or increase the quota and set attachedPolicies for this rule",
    )


def _check_maximum(
    urn: str, number: int, message_template: str, maximum: int, remediation: str
) -> Iterator[Violation]:
    if number > maximum:
        message = message_template.format(f"{number:,}")
        yield Violation(urn, message, f"at most {maximum:,}, IAM's quota", remediation)


RULES: Final = (
    Rule("readable", "Every policy is a valid policy document.", check_documents),
    Rule("trust-account", "The trust policy specifies the role's account.", check_trusted_account),
    Rule("trust-application", "The trust policy specifies one application.", check_trusted_application),
    Rule("trust-service-alone", "Only Amazon Q Business can assume the role.", check_trusted_service),
    Rule(
        "secret",
        "The policies specify each secret that the role can read.",
        partial(check_permissions, "secret"),
    ),
    Rule(
        "key",
        "The policies specify each key and restrict its use to Secrets Manager or Amazon S3.",
        partial(check_permissions, "key"),
    ),
    Rule(
        "bucket",
        "The policies specify each bucket that the role can read, and its account.",
        partial(check_permissions, "bucket"),
    ),
    Rule(
        "application",
        "The role can act only on the application in its trust policy.",
        partial(check_permissions, "application"),
    ),
    Rule("excess", "The role has only permissions that a connector needs.", check_excess),
    Rule(
        "subnets",
        "No condition prevents the creation of network interfaces in subnets.",
        check_subnet_conditions,
    ),
    Rule("placeholders", "The policies contain no placeholders.", check_placeholders),
    Rule(
        "quotas",
        "The policies are within IAM's quotas.",
        check_quotas,
        option_schemas={
            "attachedPolicies": {
                "type": "integer",
                "minimum": 0,
                "default": MAXIMUM_ATTACHED,
                "description": "The quota for managed policies attached to a role",
            }
        },
    ),
    Rule(
        "ingest",
        "The ingest actions cover the application and the index.",
        check_ingest_resources,
        advisory=True,
    ),
    Rule(
        "unchecked",
        "The stack declares every policy that it attaches.",
        check_attachments,
        advisory=True,
    ),
    Rule(
        "undeclared",
        "The role has only policies that the stack declares.",
        check_undeclared_policies,
        advisory=True,
    ),
    Rule(
        "exclusive",
        "The stack keeps every policy that it declares.",
        check_exclusive_lists,
        advisory=True,
    ),
    Rule("listed-name", "The Amazon Q Business console lists the role.", check_role_name, advisory=True),
)
"""The rules, in the same order as in docs/guardrails.md."""


def _format_replacement(patterns: Patterns, element_name: str) -> str:
    if patterns.negated:
        return f'replace "Not{element_name}" with "{element_name}":'
    return f'set "{element_name}" to'


def _format_patterns(patterns: Patterns, selected_patterns: Sequence[str], wildcard_label: str) -> str:
    """Return a statement's principals or actions as text; `wildcard_label` stands for `*`."""
    if patterns.negated:
        return f"{wildcard_label} except {', '.join(patterns.values)}"
    return ", ".join(wildcard_label if pattern == "*" else pattern for pattern in selected_patterns)


def _format_title(statement: Statement) -> str:
    return f"statement {statement.name}" if statement.has_sid else statement.name


def _list_statements(role: QBusinessRole) -> Iterator[tuple[DeclaredPolicy, Statement]]:
    for policy in role.policies:
        for statement in policy.document.statements:
            yield policy, statement


def _select_allow_statements(
    role: QBusinessRole, action: str
) -> Iterator[tuple[DeclaredPolicy, Statement]]:
    """Yield each Allow statement that lists `action`, which is lowercase, and the statement's policy."""
    for policy, statement in _list_statements(role):
        if statement.allows and action in map(str.lower, statement.actions.listed()):
            yield policy, statement
