"""What must hold for a role that Amazon Q Business assumes?

Each rule is a function of a role that returns what it objects to. The AWS page behind them:
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/iam-roles-ds.html
"""

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from roles import SERVICE, Policy, Role, Statement, listed, members, trusts_service

MAXIMUM_INLINE_SIZE = 10_240
MAXIMUM_TRUST_SIZE = 2_048
"""Without a quota increase. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

_ACCOUNT = re.compile(r"[0-9]{12}")
_APPLICATION = re.compile(
    r"arn:aws(?:-[a-z]+)*:qbusiness:[a-z0-9-]+:(?P<account>[0-9]{12}):application/[a-zA-Z0-9-]{36}"
)
_SECRET = re.compile(r"arn:[^:*?$]+:secretsmanager:[^:*?$]+:[0-9]{12}:secret:[^*?$]+-[A-Za-z0-9]{6}")
_KEY = re.compile(r"arn:[^:*?$]+:kms:[^:*?$]+:[0-9]{12}:key/[^*?$]+")
_PLACEHOLDER = re.compile(
    r"\[\[|\]\]|\{\{|\}\}|<|>|\byour[-_]"
    r"|:(?:account_id|source_account|region):|:secret:secret_id\b"
    r"|key/key_id|application/application_id|index/index_id|subnet/subnet_ids?|security-group/security_group",
    re.IGNORECASE,
)
_FOR_ADMINISTRATORS = ("iam:", "sts:", "organizations:", "account:", "sso:")
_AWS_MANAGED = re.compile(r"arn:[^:]+:iam::aws:policy/")


class Finding(NamedTuple):
    """One thing that a rule objects to."""

    urn: str
    what: str
    mend: str


class Rule(NamedTuple):
    """A rule of the pack; `advisory` ones warn and stop nothing."""

    name: str
    description: str
    check: Callable[[Role], Iterator[Finding]]
    advisory: bool = False


def trust_account(role: Role) -> Iterator[Finding]:
    """Pin the trust to one account."""
    for statement in filter(trusts_service, role.trust.statements):
        accounts = _condition(statement, "aws:sourceaccount")
        if not accounts or not all(map(_ACCOUNT.fullmatch, accounts)):
            given = f"aws:SourceAccount {', '.join(accounts)}" if accounts else "no aws:SourceAccount"
            yield Finding(
                role.urn,
                f"the trust policy lets Amazon Q Business assume the role with {given}",
                'add the condition "StringEquals": {"aws:SourceAccount": "ACCOUNT"}, with 12 digits',
            )


def trust_application(role: Role) -> Iterator[Finding]:
    """Pin the trust to one application, which lies in that account."""
    for statement in filter(trusts_service, role.trust.statements):
        sources = _condition(statement, "aws:sourcearn")
        matches = [_APPLICATION.fullmatch(source) for source in sources]
        accounts = {match["account"] for match in matches if match}
        pinned = set(_condition(statement, "aws:sourceaccount"))
        if len(sources) != 1 or not all(matches) or (pinned and accounts != pinned):
            given = ", ".join(sources) or "no aws:SourceArn"
            yield Finding(
                role.urn,
                f"the trust policy does not name one application of its account: {given}",
                'add the condition "ArnEquals": {"aws:SourceArn": '
                '"arn:aws:qbusiness:REGION:ACCOUNT:application/ID"}, without a wildcard',
            )


def trust_service_alone(role: Role) -> Iterator[Finding]:
    """Let in the service to assume the role, and nobody else, and for nothing else."""
    for statement in role.trust.statements:
        if statement.get("Effect") != "Allow":
            continue
        principal = statement.get("Principal")
        if {name: listed(it) for name, it in members(principal).items()} != {"Service": [SERVICE]}:
            yield Finding(
                role.urn,
                f"the trust policy lets in more than the service: {principal or 'NotPrincipal'}",
                'name the principal {"Service": "qbusiness.amazonaws.com"} alone',
            )
        actions = listed(statement.get("Action"))
        if [it.lower() for it in actions] != ["sts:assumerole"]:
            yield Finding(
                role.urn,
                f"the trust policy allows {', '.join(actions) or 'NotAction'}",
                "allow sts:AssumeRole alone",
            )


def readable(role: Role) -> Iterator[Finding]:
    """Be a policy document: what cannot be read cannot be judged."""
    for policy in (role.trust, *role.policies):
        if not policy.readable:
            yield Finding(
                policy.urn,
                "a policy of the role is no policy document",
                "write it as IAM's grammar says, as JSON",
            )


def secret(role: Role) -> Iterator[Finding]:
    """Read secrets that are named to their last six characters."""
    yield from _wide(
        role,
        "secretsmanager:GetSecretValue",
        _SECRET,
        "name the secret's ARN to its last six characters",
    )


def key(role: Role) -> Iterator[Finding]:
    """Decrypt with keys that are named by their ARNs."""
    yield from _wide(role, "kms:Decrypt", _KEY, "name the key's ARN (an alias covers no key)")


def decrypt_through_secrets_manager(role: Role) -> Iterator[Finding]:
    """Decrypt what Secrets Manager asks for, and nothing else."""
    for policy, statement in _allowing(role, "kms:Decrypt"):
        through = _condition(statement, "kms:viaservice")
        if not through or not all(it.startswith("secretsmanager.") for it in through):
            yield Finding(
                policy.urn,
                "kms:Decrypt is allowed without Secrets Manager in between",
                'add the condition "StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}',
            )


def application(role: Role) -> Iterator[Finding]:
    """Act on the application of the trust policy, and on its indexes; data sources may be a wildcard."""
    trusted = [
        source
        for statement in filter(trusts_service, role.trust.statements)
        for source in _condition(statement, "aws:sourcearn")
        if _APPLICATION.fullmatch(source)
    ]
    ours = "|".join(map(re.escape, trusted)) or _APPLICATION.pattern
    narrow = re.compile(rf"(?:{ours})(?:/index/[a-zA-Z0-9-]+(?:/data-source/[a-zA-Z0-9*-]+)?)?")
    for policy, statement in _allow_statements(role):
        if any(action.lower().startswith("qbusiness:") for action in listed(statement.get("Action"))):
            for resource in _resources(statement):
                if not narrow.fullmatch(resource):
                    yield Finding(
                        policy.urn,
                        f"actions of qbusiness are allowed on {resource}",
                        "name the ARNs of the application that the trust policy names, and of its index",
                    )


def ingest(role: Role) -> Iterator[Finding]:
    """Ingest into the application and the index: the actions need both."""
    resources: dict[str, str] = {}
    for policy, statement in _allowing(role, "qbusiness:BatchPutDocument"):
        resources |= dict.fromkeys(map(str, listed(statement.get("Resource"))), policy.urn)
    applications = [it for it in resources if "/index/" not in it]
    for resource, urn in resources.items():
        if "/index/" in resource and resource.partition("/index/")[0] not in applications:
            yield Finding(
                urn,
                f"documents may be put into {resource}, but not into its application",
                "add the application's ARN: qbusiness:BatchPutDocument needs both",
            )


def subnets(role: Role) -> Iterator[Finding]:
    """Let network interfaces be made in subnets, which carry no tags of the request."""
    for policy, statement in _allowing(role, "ec2:CreateNetworkInterface"):
        tags = any(
            name.lower().startswith("aws:requesttag/")
            for operator, keys in statement.get("Condition", {}).items()
            if operator.lower() != "null"
            for name in keys
        )
        if tags and any(":subnet/" in it for it in listed(statement.get("Resource"))):
            yield Finding(
                policy.urn,
                "a condition on aws:RequestTag covers subnets, which never meet it",
                "allow subnets and security groups in a statement without this condition",
            )


def placeholders(role: Role) -> Iterator[Finding]:
    """Fill in what a template left open."""
    for policy in (role.trust, *role.policies):
        for statement in policy.statements:
            for text in _texts(statement):
                if _PLACEHOLDER.search(text):
                    yield Finding(policy.urn, f"{text} is a placeholder", "put the real value there")


def administrator(role: Role) -> Iterator[Finding]:
    """Grant what the connector needs, and no more."""
    for attachment in role.attachments:
        if _AWS_MANAGED.match(attachment.arn):
            yield Finding(
                attachment.urn,
                f"{attachment.arn} is attached to a role that Amazon Q Business assumes",
                "detach it, and grant the connector's actions alone: no policy of AWS's is made for it",
            )
    for policy, statement in _allow_statements(role):
        actions = [action.lower() for action in listed(statement.get("Action"))] or ["notaction"]
        wide = [
            action
            for action in actions
            if action in ("*", "notaction")
            or action.endswith(":*")
            or action.startswith(_FOR_ADMINISTRATORS)
        ]
        if wide:
            yield Finding(
                policy.urn,
                f"a statement allows what no connector needs: {', '.join(wide)}",
                "name the connector's actions",
            )


def listed_name(role: Role) -> Iterator[Finding]:
    """Have a name under which the console lists the role."""
    if role.name and not ("qbusiness" in role.name or "QBusiness" in role.name):
        yield Finding(
            role.urn,
            f"the Amazon Q Business console does not list {role.name}",
            "have the role's name contain qbusiness",
        )


def quotas(role: Role) -> Iterator[Finding]:
    """Stay within what IAM takes."""
    inline = sum(policy.size for policy in role.policies if policy.inline)
    for what, size, maximum in (
        ("inline policies have", inline, MAXIMUM_INLINE_SIZE),
        ("trust policy has", role.trust.size, MAXIMUM_TRUST_SIZE),
    ):
        if size > maximum:
            yield Finding(
                role.urn,
                f"the role's {what} {size:,} characters without white space; IAM takes {maximum:,}",
                "name fewer resources, or use a managed policy",
            )


RULES = (
    Rule("readable", "Every policy is a policy document.", readable),
    Rule("trust-account", "The trust policy names one account.", trust_account),
    Rule("trust-application", "The trust policy names one application.", trust_application),
    Rule("trust-service-alone", "Only the service may assume the role.", trust_service_alone),
    Rule("secret", "Secrets that may be read are named.", secret),
    Rule("key", "Keys that may be used are named.", key),
    Rule(
        "decrypt-through-secrets-manager",
        "Keys are used through Secrets Manager alone.",
        decrypt_through_secrets_manager,
    ),
    Rule("application", "The application of the trust policy may be acted on alone.", application),
    Rule("ingest", "The application is covered, as well as the index.", ingest, advisory=True),
    Rule("subnets", "Subnets are not under a condition that they never meet.", subnets),
    Rule("placeholders", "No placeholder of a template is left.", placeholders),
    Rule("administrator", "Nothing is allowed that no connector needs.", administrator),
    Rule("listed-name", "The console lists the role.", listed_name, advisory=True),
    Rule("quotas", "The documents are within IAM's quotas.", quotas),
)


def _allow_statements(role: Role) -> Iterator[tuple[Policy, Statement]]:
    for policy in role.policies:
        for statement in policy.statements:
            if statement.get("Effect") == "Allow":
                yield policy, statement


def _allowing(role: Role, action: str) -> Iterator[tuple[Policy, Statement]]:
    """Return the statements that allow an action, whatever else they allow."""
    for policy, statement in _allow_statements(role):
        patterns = [str(it).lower() for it in listed(statement.get("Action"))]
        if any(fnmatchcase(action.lower(), pattern) for pattern in patterns):
            yield policy, statement


def _resources(statement: Statement) -> list[str]:
    return listed(statement.get("Resource")) or ["what NotResource leaves"]


def _wide(role: Role, action: str, narrow: re.Pattern[str], mend: str) -> Iterator[Finding]:
    for policy, statement in _allowing(role, action):
        for resource in _resources(statement):
            if not narrow.fullmatch(resource):
                yield Finding(policy.urn, f"{action} is allowed on {resource}", mend)


def _has_wildcard(text: str) -> bool:
    return "*" in text or "?" in text or "${" in text


_DEMANDING = ("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike")


def _condition(statement: Statement, key: str) -> list[str]:
    """Return the values that a condition demands of a key; where the key may be absent, none.

    Of two operators on one key both must hold, so that the narrower one counts.
    """
    demanded: list[list[str]] = []
    for operator, keys in statement.get("Condition", {}).items():
        if operator.lower().removeprefix("foranyvalue:") in _DEMANDING:
            for name, values in keys.items():
                if name.lower() == key:
                    demanded.append([*map(str, listed(values))])
    if not demanded:
        return []
    return min(demanded, key=lambda values: (any(map(_has_wildcard, values)), len(values)))


def _texts(statement: Statement) -> Iterator[str]:
    """Return every resource and every value of a condition."""
    yield from map(str, listed(statement.get("Resource")))
    for keys in statement.get("Condition", {}).values():
        for values in keys.values():
            yield from map(str, listed(values))
