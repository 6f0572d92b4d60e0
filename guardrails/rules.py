"""Rules for a role that Amazon Q Business assumes.

Each rule is a function of a role that returns its findings. The AWS page behind them:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/iam-roles-ds.html
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from connector_grants import Excess, application_of, excess_of
from declared_roles import (
    DEMANDING,
    SERVICE,
    Policy,
    Remainder,
    Role,
    demanded_values,
    trusting_statements,
)
from policy_documents import Statement

MAXIMUM_INLINE_SIZE: Final = 10_240
MAXIMUM_TRUST_SIZE: Final = 2_048
"""Without a quota increase. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_TEMPLATE_TEXT: Final = re.compile(
    r"\[\[|\]\]|\{\{|\}\}|<|>|\byour[-_]"
    r"|:(?:account_id|source_account|region):|:secret:secret_id\b"
    r"|key/key_id|application/application_id|index/index_id|subnet/subnet_ids?|security-group/security_group",
    re.IGNORECASE,
)
_AWS_MANAGED: Final = re.compile(r"arn:[^:]+:iam::aws:policy/")


class Finding(NamedTuple):
    """One thing that a rule objects to."""

    urn: str
    message: str
    remediation: str


class Rule(NamedTuple):
    """A rule of the pack; an `advisory` one warns and does not stop the operation."""

    name: str
    description: str
    check: Callable[[Role], Iterator[Finding]]
    advisory: bool = False


def readable(role: Role) -> Iterator[Finding]:
    """Find documents that IAM refuses: what cannot be read cannot be checked."""
    for policy in (role.trust, *role.policies):
        if policy.document.problem:
            yield Finding(
                policy.urn,
                f"a policy of the role is not a policy document: {policy.document.problem}",
                "write it as JSON that follows IAM's policy grammar",
            )


def trust_account(role: Role) -> Iterator[Finding]:
    """Find roles that are not bound to one account."""
    accounts: set[str] = set()
    for statement in trusting_statements(role.trust.document):
        given = demanded_values(statement, "aws:SourceAccount")
        accounts.update(given)
        if not given or not all(map(_ACCOUNT.fullmatch, given)):
            shown = f"aws:SourceAccount {', '.join(given)}" if given else "no aws:SourceAccount"
            yield Finding(
                role.urn,
                f"the trust policy lets Amazon Q Business assume the role with {shown}",
                'add the condition "StringEquals": {"aws:SourceAccount": "ACCOUNT"}, with 12 digits',
            )
    if len(accounts) > 1:
        yield Finding(
            role.urn,
            f"the trust policy names several accounts: {', '.join(sorted(accounts))}",
            "declare one role for each account, in that account",
        )


def trust_application(role: Role) -> Iterator[Finding]:
    """Find roles that are not bound to one application of the account."""
    applications: set[str] = set()
    for statement in trusting_statements(role.trust.document):
        sources = demanded_values(statement, "aws:SourceArn")
        applications.update(sources)
        named = [application_of(source) for source in sources]
        accounts = {application.account for application in named if application}
        pinned = {*demanded_values(statement, "aws:SourceAccount")}
        if not sources or not all(named) or (pinned and accounts - pinned):
            given = ", ".join(sources) or "no aws:SourceArn"
            yield Finding(
                role.urn,
                f"the trust policy does not name one application of its account: {given}",
                'add the condition "ArnEquals": {"aws:SourceArn": '
                '"arn:aws:qbusiness:REGION:ACCOUNT:application/ID"}, without a wildcard',
            )
    if len(applications) > 1:
        yield Finding(
            role.urn,
            f"the trust policy names several applications: {', '.join(sorted(applications))}",
            "declare one role for each application",
        )


def trust_service_alone(role: Role) -> Iterator[Finding]:
    """Find other principals than the service, and other actions than assuming the role."""
    for statement in role.trust.document.statements:
        if not statement.allows:
            continue
        others = sorted({*statement.principals} - {f"Service:{SERVICE}"})
        if others:
            shown = ", ".join("everybody" if one == "*" else one for one in others)
            yield Finding(
                role.urn,
                f"the trust policy allows other principals than the service: {shown}",
                'allow only the principal {"Service": "qbusiness.amazonaws.com"}',
            )
        actions = [one for one in statement.actions if one.lower() != "sts:assumerole"]
        if actions:
            yield Finding(
                role.urn,
                f"the trust policy allows {', '.join(actions)}",
                "allow only sts:AssumeRole",
            )


def secret(role: Role) -> Iterator[Finding]:
    """Find secrets that are not named to their last six characters."""
    yield from _on_resources(
        role, "secret", "name the secret's ARN to its last six characters, in the application's Region"
    )


def key(role: Role) -> Iterator[Finding]:
    """Find keys that are not named by their ARNs."""
    yield from _on_resources(
        role, "key", "name the key's ARN (an alias covers no key), in the application's Region"
    )


def application(role: Role) -> Iterator[Finding]:
    """Find actions on anything but the trust policy's application and its indexes and data sources."""
    yield from _on_resources(
        role,
        "application",
        "name the ARNs of the application that the trust policy names, and of its index",
    )


def decrypt_through_secrets_manager(role: Role) -> Iterator[Finding]:
    """Find keys that decrypt for others than Secrets Manager."""
    for policy, _, found in _excess(role):
        if any(_rule_for(one) == "decrypt-through-secrets-manager" for one in found):
            yield Finding(
                policy.urn,
                "kms:Decrypt is allowed for requests that do not come through Secrets Manager",
                'add the condition "StringLike": {"kms:ViaService": ["secretsmanager.*.amazonaws.com"]}',
            )


def excess(role: Role) -> Iterator[Finding]:
    """Find other permissions that the connector's role does not need."""
    for attachment in role.attachments:
        if _AWS_MANAGED.match(attachment.arn):
            yield Finding(
                attachment.urn,
                f"{attachment.arn} is attached to a role that Amazon Q Business assumes",
                "detach it, and allow only the connector's actions: no AWS managed policy fits the role",
            )
    for policy, statement, found in _excess(role):
        actions: dict[tuple[str | None, str | None], list[str]] = defaultdict(list)
        for one in found:
            if _rule_for(one) == "excess":
                actions[one.resource, one.condition].append(one.action)
        for (resource, condition), allowed in actions.items():
            message = f"{statement.name} allows {', '.join(allowed)}"
            if resource is None:
                yield Finding(
                    policy.urn,
                    f"{message}: no connector needs that",
                    "allow only the connector's actions",
                )
            elif condition is None:
                yield Finding(
                    policy.urn,
                    f"{message} on {resource}: no connector needs that",
                    "name the resources of this connector, without a wildcard",
                )
            else:
                yield Finding(
                    policy.urn,
                    f"{message} on {resource} without the condition of a connector",
                    f"add the condition {condition}",
                )


def unseen(role: Role) -> Iterator[Finding]:
    """Find attached policies that the stack does not declare."""
    for attachment in role.attachments:
        if not _AWS_MANAGED.match(attachment.arn):
            yield Finding(
                attachment.urn,
                f"{attachment.arn} is attached, but not declared in this stack: no rule has checked it",
                "declare the policy in this stack",
            )


def remainders(role: Role) -> Iterator[Finding]:
    """Find policies that the role still has, and that the stack does not declare."""
    for one in role.remainders:
        kind = "inline policy" if one.inline else "managed policy"
        yield Finding(
            role.urn,
            f"the role still has the {kind} {one.name}, which this stack does not declare",
            _removal(role, one),
        )


def _removal(role: Role, remainder: Remainder) -> str:
    name = role.name or "ROLE"
    if remainder.inline:
        resource = "RolePoliciesExclusive"
        command = f"aws iam delete-role-policy --role-name {name} --policy-name {remainder.name}"
    else:
        resource = "RolePolicyAttachmentsExclusive"
        command = f"aws iam detach-role-policy --role-name {name} --policy-arn {remainder.name}"
    if remainder.removed:
        return f"nothing to do: the stack's {resource} removes it; `pulumi refresh` shows that"
    return f"declare {resource} for the role, or run `{command}`, then `pulumi refresh`"


def ingest(role: Role) -> Iterator[Finding]:
    """Find indexes without their application: the actions require both."""
    resources: dict[str, str] = {}
    for policy, statement in _allowing(role, "qbusiness:batchputdocument"):
        resources |= dict.fromkeys(statement.resources, policy.urn)
    applications = {resource for resource in resources if "/index/" not in resource}
    for resource, urn in resources.items():
        if "/index/" in resource and resource.partition("/index/")[0] not in applications:
            yield Finding(
                urn,
                f"documents may be put into {resource}, but not into its application",
                "add the application's ARN: qbusiness:BatchPutDocument requires both",
            )


def subnets(role: Role) -> Iterator[Finding]:
    """Find conditions under which no network interface can be created in a subnet."""
    for policy, statement in _allowing(role, "ec2:createnetworkinterface"):
        on_tags = any(
            condition.key.lower().startswith("aws:requesttag/")
            and condition.operator.removeprefix("ForAnyValue:") in DEMANDING
            for condition in statement.conditions
        )
        if on_tags and any(":subnet/" in resource for resource in statement.resources):
            yield Finding(
                policy.urn,
                "a condition on aws:RequestTag covers subnets, which never meet it",
                "allow subnets and security groups in a statement without this condition",
            )


def placeholders(role: Role) -> Iterator[Finding]:
    """Find placeholders of a template."""
    for policy in (role.trust, *role.policies):
        for statement in policy.document.statements:
            values = [value for condition in statement.conditions for value in condition.values]
            for text in (*statement.resources, *statement.not_resources, *values):
                if _TEMPLATE_TEXT.search(text):
                    yield Finding(
                        policy.urn, f"{text} is a placeholder", "replace it with the real value"
                    )


def listed_name(role: Role) -> Iterator[Finding]:
    """Find names under which the console does not list the role."""
    if role.name and not ("qbusiness" in role.name or "QBusiness" in role.name):
        yield Finding(
            role.urn,
            f"the Amazon Q Business console does not list {role.name}",
            "use a role name that contains qbusiness",
        )


def quotas(role: Role) -> Iterator[Finding]:
    """Find documents that are longer than IAM allows."""
    inline = sum(policy.document.size for policy in role.policies if policy.inline)
    for what, size, maximum in (
        ("inline policies have", inline, MAXIMUM_INLINE_SIZE),
        ("trust policy has", role.trust.document.size, MAXIMUM_TRUST_SIZE),
    ):
        if size > maximum:
            yield Finding(
                role.urn,
                f"the role's {what} {size:,} characters without white space; IAM allows {maximum:,}",
                "name fewer resources, or use a managed policy",
            )


RULES: Final = (
    Rule("readable", "Every policy is a policy document.", readable),
    Rule("trust-account", "The trust policy names one account.", trust_account),
    Rule("trust-application", "The trust policy names one application.", trust_application),
    Rule("trust-service-alone", "Only the service may assume the role.", trust_service_alone),
    Rule("secret", "The policies name each secret that the role can read.", secret),
    Rule("key", "The policies name each key that the role can use.", key),
    Rule(
        "decrypt-through-secrets-manager",
        "The role uses keys only through Secrets Manager.",
        decrypt_through_secrets_manager,
    ),
    Rule("application", "The role can act only on the application of its trust policy.", application),
    Rule("excess", "The role has only permissions that a connector needs.", excess),
    Rule("subnets", "Subnets have no condition that they never meet.", subnets),
    Rule("placeholders", "No placeholder of a template remains.", placeholders),
    Rule("quotas", "The documents are within IAM's quotas.", quotas),
    Rule("ingest", "The ingest actions cover the application and the index.", ingest, advisory=True),
    Rule("unseen", "The stack declares every attached policy.", unseen, advisory=True),
    Rule(
        "remainders",
        "The role has no policy that the stack does not declare.",
        remainders,
        advisory=True,
    ),
    Rule("listed-name", "The console lists the role.", listed_name, advisory=True),
)


def _statements(role: Role) -> Iterator[tuple[Policy, Statement]]:
    for policy in role.policies:
        for statement in policy.document.statements:
            yield policy, statement


def _excess(role: Role) -> Iterator[tuple[Policy, Statement, tuple[Excess, ...]]]:
    application = role.application
    for policy, statement in _statements(role):
        yield policy, statement, excess_of(statement, application)


def _rule_for(found: Excess) -> str:
    """Return the rule that reports it: `excess`, unless another has a more specific message."""
    action = found.action.lower()
    if found.resource is None:
        return "excess"
    if action == "secretsmanager:getsecretvalue":
        return "secret"
    if action == "kms:decrypt":
        return "decrypt-through-secrets-manager" if found.condition else "key"
    return "application" if action.startswith("qbusiness:") else "excess"


def _on_resources(role: Role, rule: str, remediation: str) -> Iterator[Finding]:
    for policy, _, found in _excess(role):
        actions: dict[str, list[str]] = defaultdict(list)
        for one in found:
            if one.resource and _rule_for(one) == rule:
                actions[one.resource].append(one.action)
        for resource, allowed in actions.items():
            verb = "is" if len(allowed) == 1 else "are"
            yield Finding(policy.urn, f"{', '.join(allowed)} {verb} allowed on {resource}", remediation)


def _allowing(role: Role, action: str) -> Iterator[tuple[Policy, Statement]]:
    """Return the statements that allow an action by its name."""
    for policy, statement in _statements(role):
        if statement.allows and action in map(str.lower, statement.actions):
            yield policy, statement
