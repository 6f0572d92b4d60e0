"""List the condition keys of a role's requests, as far as they are known.

Each key has a value, is absent, or is unknown. This page documents which requests contain each key:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from components.formats import SERVICE
from guardrails.iam.conditions import Context, find_variables
from guardrails.iam.documents import Statement
from guardrails.iam.evaluation import Request, RolePrincipal, ServicePrincipal
from guardrails.iam.patterns import Text
from roles.account import Role
from roles.check.requests import ENCRYPTED_SECRET, RequestGroup

_ABSENT: Final = (
    "aws:username",
    # MFA protects the call to AssumeRole. Requests by the role's sessions do not contain these keys:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
    # AWS's Landing Zone Accelerator relies on their absence: its boundary for roles that EC2 assumes
    # denies requests in which aws:MultiFactorAuthPresent is false.
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:federatedprovider",
    # The program's trust policy does not allow sts:SetSourceIdentity:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html
    "aws:sourceidentity",
    # Only direct calls by a service principal have these keys.
    "aws:principalservicename",
    "aws:principalservicenameslist",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    # Only requests with credentials from AssumeRoot have this key.
    "aws:assumedroot",
    # Only requests with the credentials of an EC2 instance have these keys.
    "ec2:roledelivery",
    "ec2:sourceinstancearn",
)
"""Keys that are absent from requests by a role that a service assumes, according to this page:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""
_ABSENT_FROM_DIRECT_CALL: Final = ("aws:calledvia", "aws:calledviafirst", "aws:calledvialast")
"""Keys that are present only if a service calls another service for its caller (see the page above)."""
_ABSENT_FROM_DECRYPTION: Final = (
    # Requests through forward access sessions do not contain the caller's VPC endpoint:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:vpcsourceip",
    # Decrypt does not support these keys:
    # https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
    "kms:grantisforawsresource",
    "kms:grantconstrainttype",
    "kms:granteeprincipal",
    "kms:grantoperations",
    "kms:retiringprincipal",
)
"""Keys that are absent from a Decrypt request that Secrets Manager or Amazon S3 makes."""
_SECRET_CONTEXT: Final = ("SecretARN", "SecretVersionId")
"""The keys in a secret's encryption context:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"""
_ENCRYPTION_CONTEXT: Final = "kms:encryptioncontext:"
_SERVICES: Final = ("ec2", "iam", "kms", "qbusiness", "s3", "secretsmanager")
"""The services that connectors call. Only requests to a service contain keys with its prefix."""
OF_ORGANIZATION: Final = (
    *("aws:principalorgid", "aws:principalorgpaths"),
    *("aws:resourceorgid", "aws:resourceorgpaths"),
)
"""The lowercase condition keys for the organization of the principal or the resource."""
OF_TIME: Final = ("aws:currenttime", "aws:tokenissuetime", "aws:epochtime")
"""The condition keys for the time. Their values are uncertain, because the next sync gets new
credentials, and policies and `--context` can refer to other times. IAM's simulation sets the keys."""
_TAG_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "kms": ("aws:resourcetag/",),
    "s3": ("aws:resourcetag/", "s3:buckettag/"),
    "secretsmanager": ("aws:resourcetag/", "secretsmanager:resourcetag/"),
}
"""The lowercase prefixes of the condition keys for a resource's tags, by service. An object has its
bucket's tags: https://docs.aws.amazon.com/AmazonS3/latest/userguide/buckets-tagging.html"""

Values = dict[str, tuple[Text, ...]]
"""The values of condition keys, by lowercase key; empty for an absent key."""


class Facts(NamedTuple):
    """Known facts about a role's requests, in addition to the requests themselves."""

    account: str
    role: Role | None
    """None if the role does not exist or cannot be read."""
    principal: RolePrincipal
    """The role; if `role` is None, a principal with no ID and, if the role is not deployed, no name."""
    resource_tags: Mapping[str, Sequence[tuple[str, str]]]
    """The tag keys and values of each resource whose tags were read, by the resource in the request."""
    organization: str | None
    """The ID of the account's organization; empty if there is none; None if unknown or not needed."""
    time: datetime
    stated: Mapping[str, tuple[Text, ...]]
    """The values from `--context`, by lowercase key; empty for an absent key."""


def keys_in(statements: Iterable[Statement]) -> list[str]:
    """Return statements' condition keys and variables; if keys differ only in case, keep the last."""
    keys = (
        key
        for statement in statements
        for key in (
            *(condition.key for condition in statement.conditions),
            *find_variables(value for each in statement.conditions for value in each.values),
            *find_variables(statement.resources.values),
        )
    )
    return [*{key.lower(): key for key in keys}.values()]


def with_context(facts: Facts, group: RequestGroup, action: str) -> Request:
    """Return the request for one action, with its known condition keys."""
    values = {
        **_of_organization(facts, group),
        **_of_tags(facts, group),
        **_of_principal(facts),
        **_of_request(facts, group, action),
    }
    known = Context(values, _complete(facts, group))
    # A key in --context applies to all requests. Completely known values take precedence, except for
    # times, which can differ, and keys in _ABSENT, whose absence is known only from AWS's documentation.
    stated = {
        key: given
        for key, given in facts.stated.items()
        if (texts := known.get(key)) is None
        or key in (*_ABSENT, *OF_TIME)
        or any(text.example for text in texts)
    }
    context = known._replace(values={**values, **stated})
    return Request(action, group.resource, context, facts.principal)


def assume_request(facts: Facts, role_arn: str, application_arn: str) -> Request:
    """Return the request with which Amazon Q Business assumes a role for an application.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    values = {
        "aws:sourceaccount": facts.account,
        "aws:sourcearn": application_arn,
        "aws:principalservicename": SERVICE,
        "aws:principalisawsservice": "true",
        "aws:securetransport": "true",
    }
    known: Values = {key: (Text(value),) for key, value in values.items()}
    # Amazon Q Business cannot pass an external ID, because CreateDataSource does not accept one.
    absent = ("aws:multifactorauthpresent", "aws:multifactorauthage", "aws:username", "sts:externalid")
    # A service does not belong to an organization, so --context cannot set these keys.
    never = ("aws:principalorgid", "aws:principalorgpaths")
    context = Context(
        {
            **dict.fromkeys(absent, ()),
            **_of_time(facts),
            **facts.stated,
            **dict.fromkeys(never, ()),
            **known,
        }
    )
    return Request("sts:AssumeRole", Text(role_arn), context, ServicePrincipal(SERVICE))


def _resource_account(facts: Facts, group: RequestGroup) -> str:
    """Return the value of aws:ResourceAccount; empty if it is unknown.

    Of the services that connectors call, only EC2 has actions that do not support this key; connectors
    use none of these. A request without a resource is for the caller's account (not tested on AWS).
    """
    if isinstance(group.context.get("aws:ResourceAccount"), Text):
        return ""
    return group.account or facts.account


def _of_principal(facts: Facts) -> Values:
    """Return the condition keys that are the same for all requests by the role."""
    known: Values = {
        **dict.fromkeys(_ABSENT, ()),
        "aws:principalaccount": (Text(facts.account),),
        "aws:principaltype": (Text("AssumedRole"),),
        "aws:principalisawsservice": (Text("false"),),
        **_of_time(facts),
    }
    if role := facts.role:
        known["aws:principalarn"] = (Text(role.arn),)  # a session's requests contain the role's ARN
        known["aws:userid"] = (Text(f"{role.id}:", "session"),)
        known |= {f"aws:principaltag/{key.lower()}": (Text(value),) for key, value in role.tags.items()}
    return known


def _of_time(facts: Facts) -> Values:
    iso, epoch = Text(facts.time.isoformat()), Text(str(int(facts.time.timestamp())))
    return dict(zip(OF_TIME, ((iso,), (iso,), (epoch,)), strict=True))


def _of_request(facts: Facts, group: RequestGroup, action: str) -> Values:
    """Return a request's condition keys: global keys, its service's keys, and `group.context`."""
    # Only calls to KMS go through another service, which uses the role session's credentials.
    via_service = action.startswith("kms:")
    owner = _resource_account(facts, group)
    values = {  # empty for a key that is unknown or not in this service's requests
        "aws:securetransport": "true",
        "aws:viaawsservice": str(via_service).lower(),
        "aws:resourceaccount": owner,
        "s3:resourceaccount": owner if action.startswith("s3:") else "",
        "aws:requestedregion": group.region,
        # All EC2 actions that connectors call support this key.
        "ec2:region": group.region if action.startswith("ec2:") else "",
        "kms:calleraccount": facts.account if via_service else "",
    }
    # Only requests that create or tag a network interface have tags, which `group.context` contains.
    absent = _ABSENT_FROM_DECRYPTION if via_service else _ABSENT_FROM_DIRECT_CALL
    known: Values = dict.fromkeys((*absent, "aws:tagkeys"), ())
    known |= {key: (Text(value),) for key, value in values.items() if value}
    if ENCRYPTED_SECRET in group.context:
        known["kms:encryptioncontextkeys"] = (*map(Text, _SECRET_CONTEXT),)
        known[f"{_ENCRYPTION_CONTEXT}secretversionid"] = (Text("", "version"),)
    elif via_service:
        known[f"{_ENCRYPTION_CONTEXT}secretarn"] = ()
    return known | {key.lower(): _texts(value) for key, value in group.context.items()}


def _texts(value: str | Text | list[str]) -> tuple[Text, ...]:
    if isinstance(value, Text):
        return (value,)
    return tuple(map(Text, [value] if isinstance(value, str) else value))


def _complete(facts: Facts, group: RequestGroup) -> tuple[str, ...]:
    """Return the prefixes of keys that are absent unless their values are known."""
    of_role = ("aws:principaltag/",) if facts.role else ()
    of_key = (_ENCRYPTION_CONTEXT,) if ENCRYPTED_SECRET in group.context else ()
    of_tags = _TAG_PREFIXES[group.service] if group.resource.known in facts.resource_tags else ()
    of_others = (f"{other}:" for other in _SERVICES if other != group.service)
    return ("aws:requesttag/", *of_role, *of_key, *of_tags, *of_others)


def _of_tags(facts: Facts, group: RequestGroup) -> Values:
    """Return the condition keys for a resource's tags, as far as the tags were read.

    A role's tags are unknown, because they do not reliably control who can pass the role:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    If tag keys differ only in case and have different values, AWS does not document which value IAM
    compares, so the value is unknown.
    """
    values_by_key: dict[str, set[str]] = {}
    for key, value in facts.resource_tags.get(group.resource.known, ()):
        values_by_key.setdefault(key.lower(), set()).add(value)
    return {
        f"{prefix}{key}": (Text("", "value") if others else Text(value),)
        for key, (value, *others) in values_by_key.items()
        for prefix in _TAG_PREFIXES[group.service]
    }


def is_tag_key(key: str) -> bool:
    """Return whether a condition key is for a tag of a key, bucket, or secret."""
    return any(key.lower().startswith(prefixes) for prefixes in _TAG_PREFIXES.values())


def _of_organization(facts: Facts, group: RequestGroup) -> Values:
    """Return the condition keys for the organization, to which the account's resources also belong."""
    found = facts.organization
    if found is None:
        return {}
    # A path begins with the organization's ID. Most accounts cannot read the other parts.
    keys = {
        "orgid": (Text(found),) if found else (),
        "orgpaths": (Text(f"{found}/", "r-root/ou-unit/"),) if found else (),
    }
    is_own = _resource_account(facts, group) == facts.account
    sides = ("principal", "resource") if is_own else ("principal",)
    return {f"aws:{side}{key}": value for side in sides for key, value in keys.items()}
