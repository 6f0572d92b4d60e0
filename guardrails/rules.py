"""Check the roles that Amazon Q Business assumes.

Each rule has a function that returns the rule's findings about a role. The rules follow this AWS page:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/iam-roles-ds.html
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from shlex import quote
from typing import Any, Final, NamedTuple

from connector_grants import Excess, application_of, find_excess
from declared_roles import (
    SERVICE,
    Policy,
    Role,
    UndeclaredPolicy,
    required_values,
    trusting_statements,
)
from iam.containment import is_never_met
from iam.documents import Statement
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

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_ANY: Final = "ACCOUNT_ID"
"""A placeholder for the role's account while the account is unknown."""
_AWS_MANAGED: Final = re.compile(r"arn:[^:]+:iam::aws:policy/")
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


class Finding(NamedTuple):
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
        return "\n".join(map(_escape, lines))


def _escape(text: str) -> str:
    """Escape all characters except printable ASCII."""
    return re.sub(r"[^ -~]", lambda match: match[0].encode("unicode_escape").decode(), text)


class Rule(NamedTuple):
    """A rule in the policy pack; an `advisory` rule warns but does not stop the operation."""

    name: str
    description: str
    check: Callable[..., Iterator[Finding]]
    """The function takes a role, and the values of `options` as keyword arguments."""
    advisory: bool = False
    options: Mapping[str, Any] = {}
    """The JSON schema of each additional property in the rule's configuration."""


def readable(role: Role) -> Iterator[Finding]:
    """Find malformed documents, which no other rule can check, and unknown condition operators."""
    for policy in (role.trust, *role.policies):
        unknown_operators = (
            f"{_title(statement)} has an unknown operator: {condition.operator}"
            for statement in policy.document.statements
            for condition in statement.conditions
            if not parse_operator(condition.operator)
        )
        if problem := policy.document.problem or next(unknown_operators, None):
            kind = "the trust policy" if policy is role.trust else "a policy of the role"
            yield Finding(
                policy.urn,
                f"{kind} is not a valid policy document: {problem}",
                "JSON that follows IAM's policy grammar",
                "correct the document; see "
                "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
            )


def trust_account(role: Role) -> Iterator[Finding]:
    """Find trust policies that are not restricted to the role's account."""
    accounts: set[str] = set()
    for statement in trusting_statements(role.trust.document):
        given = required_values(statement, "aws:SourceAccount")
        accounts.update(filter(_ACCOUNT.fullmatch, given))
        others = role.account and {*given} - {role.account}
        if not given or others or not all(map(_ACCOUNT.fullmatch, given)):
            yield Finding(
                role.urn,
                _trusted(statement, "aws:SourceAccount", given),
                f"the role's account, {role.account}" if role.account else "one 12-digit account ID",
                f'set the condition "StringEquals": {{"aws:SourceAccount": "{role.account or _ANY}"}}',
            )
    if len(accounts) > 1:
        yield Finding(
            role.urn,
            f"the trust policy allows several accounts: {', '.join(sorted(accounts))}",
            "one account",
            "declare one role for each account, in that account",
        )


def trust_application(role: Role) -> Iterator[Finding]:
    """Find trust policies that are not restricted to one application in the role's account."""
    applications: set[str] = set()
    for statement in trusting_statements(role.trust.document):
        given = required_values(statement, "aws:SourceArn")
        applications.update(filter(application_of, given))
        named = [application_of(arn) for arn in given]
        accounts = {application.account for application in named if application}
        allowed = {*filter(_ACCOUNT.fullmatch, required_values(statement, "aws:SourceAccount"))}
        allowed = {role.account} if role.account else allowed
        if not given or not all(named) or (allowed and accounts - allowed):
            yield Finding(
                role.urn,
                _trusted(statement, "aws:SourceArn", given),
                "the ARN of one application, without a wildcard, in the role's account",
                'set the condition "ArnEquals": {"aws:SourceArn": '
                f'"arn:aws:qbusiness:REGION:{role.account or _ANY}:application/APPLICATION_ID"}}',
            )
    if len(applications) > 1:
        yield Finding(
            role.urn,
            f"the trust policy allows several applications: {', '.join(sorted(applications))}",
            "one application",
            "declare one role for each application",
        )


def _trusted(statement: Statement, key: str, values: Sequence[str]) -> str:
    if values:
        return f"{_title(statement)} of the trust policy allows {key} {', '.join(values)}"
    for condition in statement.conditions:
        if condition.is_on(key) and is_never_met(condition):
            return (
                f"{_title(statement)} of the trust policy never applies, because {condition.operator} "
                f"compares {key} with {', '.join(condition.values)}, which is not an ARN"
            )
    return f"{_title(statement)} of the trust policy does not require {key}"


def trust_service_alone(role: Role) -> Iterator[Finding]:
    """Find trust policies with principals other than the service, or actions other than AssumeRole."""
    for statement in role.trust.document.statements:
        if not statement.allows:
            continue
        others = sorted({*statement.principals.listed()} - {f"Service:{SERVICE}"})
        if others:
            shown = _shown(statement.principals, others, "everybody")
            yield Finding(
                role.urn,
                f"{_title(statement)} of the trust policy allows other principals: {shown}",
                f'only the principal {{"Service": "{SERVICE}"}}',
                f'{_replace(statement.principals, "Principal")} {{"Service": "{SERVICE}"}}, or remove '
                "the statement",
            )
        actions = [action for action in statement.actions.listed() if action.lower() != "sts:assumerole"]
        if actions:
            yield Finding(
                role.urn,
                f"{_title(statement)} of the trust policy allows other actions: "
                f"{_shown(statement.actions, actions, 'every action')}",
                "only sts:AssumeRole",
                f'{_replace(statement.actions, "Action")} "sts:AssumeRole", or remove the statement',
            )


_REMEDIATIONS: Final = {
    "secret": "specify a secret in the application's Region by its full ARN, including the suffix",
    "key": "specify a key in the application's Region by its key ARN; an alias ARN does not match a key",
    "bucket": "specify the bucket by name, without wildcards or policy variables",
    "application": "specify the trust policy's application and its index",
    "excess": "specify only the expected resources, by their ARNs",
}
_RULES_BY_SERVICE: Final = {
    "secretsmanager": "secret",
    "kms": "key",
    "s3": "bucket",
    "qbusiness": "application",
}


def permissions(rule: str, role: Role) -> Iterator[Finding]:
    """Find the permissions that no connector needs and that the rule `rule` reports."""
    known = role.known
    for policy, statement in _statements(role):
        actions: dict[Excess, list[str]] = defaultdict(list)
        for found in find_excess(statement, known):
            service = found.action.partition(":")[0].lower()
            # `excess` reports actions that no connector needs, and actions of services without a rule.
            responsible = _RULES_BY_SERVICE.get(service, "excess") if found.resource else "excess"
            if responsible == rule:
                actions[found._replace(action="")].append(found.action)
        for found, names in actions.items():
            message = f"{_title(statement)} allows {', '.join(names)}"
            if not found.resource:
                expected = "only actions that a connector needs"
                remediation = (
                    'replace "NotAction" with "Action", and list the actions that the connector needs'
                    if statement.actions.negated
                    else "remove the actions that no connector needs; list the other actions without a "
                    "wildcard"
                )
            elif found.expected_resources:
                message += f" on {found.resource}"
                expected, remediation = found.expected_resources, _REMEDIATIONS[rule]
            else:
                message += f" on {found.resource} without the required condition"
                expected = found.expected_condition
                remediation = "allow this only in a statement with an expected condition"
            yield Finding(policy.urn, message, expected, remediation)


def excess(role: Role) -> Iterator[Finding]:
    """Find AWS managed policies, and unneeded permissions that no other rule reports."""
    for attachment in role.attachments:
        if _AWS_MANAGED.match(attachment.arn):
            yield Finding(
                attachment.urn,
                f"the AWS managed policy {attachment.arn} is attached to the role",
                "only actions that a connector needs; AWS managed policies usually allow other actions",
                "detach the policy",
            )
    yield from permissions("excess", role)


def unchecked(role: Role) -> Iterator[Finding]:
    """Find customer managed policies that the stack attaches but does not declare."""
    for attachment in role.attachments:
        if not _AWS_MANAGED.match(attachment.arn):
            yield Finding(
                attachment.urn,
                f"{attachment.arn} is attached to the role, but no rule has checked this policy",
                "only policies that this stack declares",
                "declare the policy in this stack",
            )


def undeclared(role: Role) -> Iterator[Finding]:
    """Find the role's policies that the stack neither declares nor attaches."""
    for policy in role.undeclared:
        kind = "inline policy" if policy.inline else "managed policy"
        yield Finding(
            role.urn,
            f"the role has the {kind} {policy.name}, which this stack does not declare",
            "only policies that this stack declares",
            _removal(role, policy),
        )


def exclusive(role: Role) -> Iterator[Finding]:
    """Find the policies that one resource of the stack adds to the role and another resource removes."""
    for policy in role.unlisted:
        if policy.inline:
            kind, owner, property_name = "inline policy", "RolePoliciesExclusive", "policyNames"
        else:
            kind, owner, property_name = "policy", "RolePolicyAttachmentsExclusive", "policyArns"
        yield Finding(
            policy.urn,
            f"the stack adds the {kind} {policy.name} to the role, but a {owner} removes the policy",
            f"the policy in {property_name} of each {owner} for the role",
            f"add the policy to {property_name}. If a ConnectorRole declares the {owner}, set the "
            f"ConnectorRole's exclusivePolicies to false and declare one {owner} in the program",
        )


def _removal(role: Role, policy: UndeclaredPolicy) -> str:
    name, policy_name = quote(role.name or "ROLE"), quote(policy.name)
    if policy.inline:
        resource = "RolePoliciesExclusive"
        command = f"aws iam delete-role-policy --role-name {name} --policy-name {policy_name}"
    else:
        resource = "RolePolicyAttachmentsExclusive"
        command = f"aws iam detach-role-policy --role-name {name} --policy-arn {policy_name}"
    if policy.removed:
        return (
            f"leave the program unchanged: `pulumi up` removes the policy, because the stack has a "
            f"{resource}; a later `pulumi refresh` shows that the policy is gone"
        )
    if policy.listed:
        return f"declare the policy, or remove it from the policyNames of the stack's {resource}"
    remove = (
        "remove the policy" if _AWS_MANAGED.match(policy.name) else "declare the policy, or remove it"
    )
    return (
        f"{remove}: run `{command}`, then `pulumi refresh`. To remove every "
        f"undeclared policy of this kind, declare a {resource} for the role"
    )


def ingest(role: Role) -> Iterator[Finding]:
    """Find indexes that are listed for BatchPutDocument without their applications."""
    resources: dict[str, str] = {}
    for policy, statement in _allowing(role, "qbusiness:batchputdocument"):
        resources |= dict.fromkeys(statement.resources.listed(), policy.urn)
    for resource, urn in resources.items():
        application, _, _ = resource.partition("/index/")  # the resource itself, if it is not an index
        if application not in resources:
            yield Finding(
                urn,
                f"qbusiness:BatchPutDocument is listed for {resource}, but not for its application",
                "both resources, because the action requires the application and the index",
                f"add {application} to the statement that lists the index",
            )


def subnets(role: Role) -> Iterator[Finding]:
    """Find aws:RequestTag conditions that prevent the creation of network interfaces in subnets."""
    creating = [*_allowing(role, "ec2:createnetworkinterface")]
    without_tag = [statement.resources for _, statement in creating if not statement.conditions]
    for policy, statement in creating:
        requires_tag = any(
            condition.requires_key and condition.key.lower().startswith("aws:requesttag/")
            for condition in statement.conditions
        )
        if requires_tag and any(
            ":subnet/" in resource and not any(allowed.covers(resource) for allowed in without_tag)
            for resource in statement.resources.listed()
        ):
            yield Finding(
                policy.urn,
                f"{_title(statement)} requires aws:RequestTag for subnets, but EC2 never sets this key "
                "for subnets",
                "no aws:RequestTag condition for subnets or security groups",
                "allow subnets and security groups in a separate statement",
            )


def placeholders(role: Role) -> Iterator[Finding]:
    """Find placeholders from AWS's pages."""
    for policy in (role.trust, *role.policies):
        for statement in policy.document.statements:
            values = [value for condition in statement.conditions for value in condition.values]
            for text in (*statement.resources.values, *values):
                if _PLACEHOLDER.search(text):
                    yield Finding(
                        policy.urn,
                        f"{_title(statement)} has a placeholder: {text}",
                        "the actual value",
                        "replace the placeholder",
                    )


def listed_name(role: Role) -> Iterator[Finding]:
    """Find roles that the console does not list because of their names."""
    if role.name and not any(part in role.name for part in LISTED_NAMES):
        yield Finding(
            role.urn,
            f"the Amazon Q Business console does not list the role {role.name}",
            f"a name that contains {' or '.join(LISTED_NAMES)}",
            "rename the role; if the role already exists, renaming replaces it with a new role, "
            "so set the new ARN in the data source",
        )


def quotas(role: Role, attachedPolicies: float = MAXIMUM_ATTACHED) -> Iterator[Finding]:  # noqa: N803 an option
    """Find policies that exceed an IAM quota for their size or number."""
    staying = [policy for policy in role.undeclared if not policy.removed]
    managed = [policy for policy in role.policies if not policy.inline]
    inline_size = sum(policy.document.size for policy in role.policies if policy.inline)
    inline_size += sum(policy.size for policy in staying)
    attached = len(managed) + len(role.attachments) + sum(not policy.inline for policy in staying)
    fewer = "list fewer resources in the policy statements"
    increase = "or increase the quota and exempt the role from this rule"
    yield from _above(
        role.urn,
        inline_size,
        "the role has {} characters in inline policies",
        MAXIMUM_INLINE_SIZE,
        f"{fewer}, or remove a policy",
    )
    for policy in managed:
        yield from _above(
            policy.urn,
            policy.document.size,
            "the managed policy has {} characters",
            MAXIMUM_MANAGED_SIZE,
            f"{fewer}, or split the policy",
        )
    size = role.trust.document.size
    yield from _above(
        role.urn,
        size,
        "the trust policy has {} characters, not counting whitespace",
        MAXIMUM_TRUST_SIZE,
        f"shorten the trust policy, {increase}",
    )
    yield from _above(
        role.urn,
        attached,
        "the role has {} attached policies",
        int(attachedPolicies),  # the engine passes numbers as floats
        "detach policies, or increase the quota and set attachedPolicies for this rule",
    )


def _above(urn: str, number: int, message: str, maximum: int, remediation: str) -> Iterator[Finding]:
    if number > maximum:
        message = message.format(f"{number:,}")
        yield Finding(urn, message, f"at most {maximum:,}, IAM's quota", remediation)


RULES: Final = (
    Rule("readable", "Every policy is a valid policy document.", readable),
    Rule("trust-account", "The trust policy specifies the role's account.", trust_account),
    Rule("trust-application", "The trust policy specifies one application.", trust_application),
    Rule("trust-service-alone", "Only Amazon Q Business can assume the role.", trust_service_alone),
    Rule(
        "secret",
        "The policies specify each secret that the role can read.",
        partial(permissions, "secret"),
    ),
    Rule(
        "key",
        "The policies specify each key and restrict its use to Secrets Manager or Amazon S3.",
        partial(permissions, "key"),
    ),
    Rule(
        "bucket",
        "The policies specify each bucket that the role can read, and its account.",
        partial(permissions, "bucket"),
    ),
    Rule(
        "application",
        "The role can act only on the application in its trust policy.",
        partial(permissions, "application"),
    ),
    Rule("excess", "The role has only permissions that a connector needs.", excess),
    Rule("subnets", "No condition prevents the creation of network interfaces in subnets.", subnets),
    Rule("placeholders", "The policies contain no placeholders.", placeholders),
    Rule(
        "quotas",
        "The policies are within IAM's quotas.",
        quotas,
        options={
            "attachedPolicies": {
                "type": "integer",
                "minimum": 0,
                "default": MAXIMUM_ATTACHED,
                "description": "The quota for managed policies attached to a role",
            }
        },
    ),
    Rule("ingest", "The ingest actions cover the application and the index.", ingest, advisory=True),
    Rule("unchecked", "The stack declares every policy that it attaches.", unchecked, advisory=True),
    Rule("undeclared", "The role has only policies that the stack declares.", undeclared, advisory=True),
    Rule("exclusive", "The stack keeps every policy that it declares.", exclusive, advisory=True),
    Rule("listed-name", "The Amazon Q Business console lists the role.", listed_name, advisory=True),
)
"""The rules, in the same order as in docs/guardrails.md."""


def _replace(patterns: Patterns, element: str) -> str:
    return f'replace "Not{element}" with "{element}":' if patterns.negated else f'set "{element}" to'


def _shown(patterns: Patterns, listed: Sequence[str], everything: str) -> str:
    """Return a statement's principals or actions as text; `everything` stands for `*`."""
    if patterns.negated:
        return f"{everything} except {', '.join(patterns.values)}"
    return ", ".join(everything if each == "*" else each for each in listed)


def _title(statement: Statement) -> str:
    return f"statement {statement.name}" if statement.has_sid else statement.name


def _statements(role: Role) -> Iterator[tuple[Policy, Statement]]:
    for policy in role.policies:
        for statement in policy.document.statements:
            yield policy, statement


def _allowing(role: Role, action: str) -> Iterator[tuple[Policy, Statement]]:
    """Yield each Allow statement that lists `action`, which is lowercase, and the statement's policy."""
    for policy, statement in _statements(role):
        if statement.allows and action in map(str.lower, statement.actions.listed()):
            yield policy, statement
