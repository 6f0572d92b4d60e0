"""Decide whether resource policies and permissions boundaries allow connector requests."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from components.commands import quote_argument
from guardrails.iam.conditions import Context
from guardrails.iam.documents import Statement
from guardrails.iam.patterns import Text
from guardrails.iam.requests import Decision, Request, RolePrincipal, decide
from guardrails.iam.truth import Truth
from roles.arns import Arn
from roles.check.requests import ENCRYPTED_SECRET, RequestGroup, region_of
from roles.check.subject import Subject

_ABSENT: Final = (
    "aws:username",
    # MFA protects the call to AssumeRole. Requests by the role's sessions do not contain these keys.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
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
)
"""Keys that are absent from requests by a role that a service assumes. Availability of each key:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""
_ABSENT_FROM_DIRECT_CALL: Final = ("aws:calledvia", "aws:calledviafirst", "aws:calledvialast")
"""Keys that are present only if a service calls another one on its caller's behalf (same page)."""
_ABSENT_FROM_DECRYPTION: Final = (
    # Forward access sessions do not pass on the caller's VPC endpoint:
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
"""Keys that are absent from a request to decrypt, because Secrets Manager or Amazon S3 makes it."""
_SECRET_CONTEXT: Final = ("SecretARN", "SecretVersionId")
"""The keys in a secret's encryption context:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"""
_ENCRYPTION_CONTEXT: Final = "kms:encryptioncontext:"
_OF_ORGANIZATION: Final = (
    *("aws:principalorgid", "aws:principalorgpaths"),
    *("aws:resourceorgid", "aws:resourceorgpaths"),
)
_OF_TAGS: Final = ("aws:resourcetag/", "secretsmanager:resourcetag/")
"""Prefixes of the condition keys for a secret's tags."""
_OF_TIME: Final = ("aws:currenttime", "aws:epochtime")


def decisions(
    subject: Subject, statements: Sequence[Statement], groups: Iterable[RequestGroup]
) -> Iterator[tuple[Request, Decision]]:
    """Return each request in the groups, and whether the statements allow it."""
    for group in groups:
        for action in group.actions:
            yield _decision(subject, statements, _request(subject, group, action))


def _decision(
    subject: Subject, statements: Sequence[Statement], request: Request
) -> tuple[Request, Decision]:
    """Decide a request; read tags and the organization only if the decision depends on them."""
    decision = decide(statements, request)
    for keys, read in ((_OF_TAGS, _tags), (_OF_ORGANIZATION, _organization)):
        if _depends_on(decision, keys):
            request = _with(request, read(subject, request))
            decision = decide(statements, request)
    if not _depends_on(decision, _OF_TIME):
        return request, decision
    now = decide(statements, _with(request, Context(_time(subject))))
    if now.allowed is Truth.CANNOT_TELL:
        return request, decision
    # Keep the time keys, so that `for_now` reports that the decision holds only at this time.
    time_keys = tuple(key for key in decision.unknown_keys if key.lower() in _OF_TIME)
    return request, now._replace(unknown_keys=time_keys)


def _depends_on(decision: Decision, keys: tuple[str, ...]) -> bool:
    """Return whether a decision depends on an unknown key with one of these lowercase prefixes."""
    return any(key.lower().startswith(keys) for key in decision.unknown_keys)


def _with(request: Request, more: Context) -> Request:
    """Add context to a request; values in the request take precedence."""
    context = request.context
    values = {**more.values, **context.values}
    return request._replace(context=Context(values, (*context.complete, *more.complete)))


def for_now(*found: Decision) -> str:
    """Return text to add to an answer that holds only at this time; empty if it always holds.

    A certain decision has no unknown keys, except for keys that depend on the time.
    """
    keys = dict.fromkeys(key for decision in found for key in decision.unknown_keys)
    return f" at this time (depends on {', '.join(keys)})" if keys else ""


def dependence(decision: Decision) -> str:
    """Describe the statements and unknown keys on which a decision depends."""
    names = ", ".join(statement.name for statement in decision.statements)
    return f"depends on {', '.join((*decision.unknown_keys, *decision.unclear))} ({names})"


def context_advice(*found: Decision) -> str:
    """Return the advice to pass unknown keys with `--context`, or else to review the statement."""
    keys = dict.fromkeys(key for decision in found for key in decision.unknown_keys)
    options = " ".join(f"--context {quote_argument(f'{key}=VALUE')}" for key in keys)
    return f"repeat the check with {options}" if options else "review the statement yourself"


def _request(subject: Subject, group: RequestGroup, action: str) -> Request:
    """Return the request for one action, with its known condition keys."""
    role = subject.find_role()
    unnamed = f"arn:{subject.partition}:iam::{subject.account_id}:role/"
    principal = RolePrincipal(role.arn, role.id) if role else RolePrincipal(unnamed, "")
    values = {**_of_principal(subject), **_of_request(subject, group, action)}
    known = Context(values, _complete(subject, group))
    # A key in --context applies to all requests. Certain values of this request take precedence.
    stated = {
        key: given
        for key, given in subject.stated_context.items()
        if (texts := known.get(key)) is None or any(text.example for text in texts)
    }
    context = known._replace(values={**values, **stated})
    return Request(action, group.resource, context, principal)


def _of_principal(subject: Subject) -> dict[str, tuple[Text, ...]]:
    """Return the condition keys that are the same for all requests by the role.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    known: dict[str, tuple[Text, ...]] = {
        **dict.fromkeys(_ABSENT, ()),
        "aws:principalaccount": (Text(subject.account_id),),
        "aws:principaltype": (Text("AssumedRole"),),
        "aws:principalisawsservice": (Text("false"),),
    }
    if role := subject.find_role():
        known["aws:principalarn"] = (Text(role.arn),)  # a session has its role's ARN
        known["aws:userid"] = (Text(f"{role.id}:", "session"),)
        known |= {f"aws:principaltag/{key.lower()}": (Text(value),) for key, value in role.tags.items()}
    return known


def _of_request(subject: Subject, group: RequestGroup, action: str) -> dict[str, tuple[Text, ...]]:
    """Return a request's condition keys: global keys, its service's keys, and `group.context`."""
    account = Arn.of(str(group.resource)).account
    service = action.partition(":")[0]
    # Only KMS is called through another service, with the role session's credentials.
    via_service = service == "kms"
    values = {"aws:securetransport": "true", "aws:viaawsservice": str(via_service).lower()}
    if region := region_of(subject, group, service):
        values["aws:requestedregion"] = region
    if account:
        values["aws:resourceaccount"] = account
    if service == "kms":
        values["kms:calleraccount"] = subject.account_id
    known: dict[str, tuple[Text, ...]] = dict.fromkeys(
        _ABSENT_FROM_DECRYPTION if via_service else _ABSENT_FROM_DIRECT_CALL, ()
    )
    known |= {key: (Text(value),) for key, value in values.items()}
    if _is_of_secret(group):
        known["kms:encryptioncontextkeys"] = (*map(Text, _SECRET_CONTEXT),)
        known[f"{_ENCRYPTION_CONTEXT}secretversionid"] = (Text("", "version"),)
    elif service == "kms":
        known[f"{_ENCRYPTION_CONTEXT}secretarn"] = ()
    own = {key.lower(): (*_texts(value),) for key, value in group.context.items()}
    return {**known, **own}


def _texts(value: str | Text | list[str]) -> Iterable[Text]:
    """Return each value of a condition key."""
    match value:
        case Text():
            yield value
        case str():
            yield Text(value)
        case _:
            yield from map(Text, value)


def _complete(subject: Subject, group: RequestGroup) -> tuple[str, ...]:
    """Return the prefixes of keys that are absent unless they are known."""
    of_role = ("aws:principaltag/",) if subject.find_role() else ()
    created = ("aws:requesttag/",) if "aws:TagKeys" in group.context else ()
    of_secret = (_ENCRYPTION_CONTEXT,) if _is_of_secret(group) else ()
    return (*of_role, *created, *of_secret)


def _is_of_secret(group: RequestGroup) -> bool:
    """Return whether the request decrypts a secret."""
    return ENCRYPTED_SECRET in group.context


def _tags(subject: Subject, request: Request) -> Context:
    """Return the condition keys for the secret's tags; none if they cannot be read or do not apply.

    If tag keys differ only in case, IAM does not document which of their values it compares.
    """
    tags = subject.secret_tags
    if tags is None or ":secretsmanager:" not in request.resource.known:
        return Context({})
    values: dict[str, set[str]] = {}
    for key, value in tags:
        values.setdefault(key.lower(), set()).add(value)
    known = {
        f"{prefix}{key}": (Text("", "value") if others else Text(value),)
        for key, (value, *others) in values.items()
        for prefix in _OF_TAGS
    }
    return Context(known, _OF_TAGS)


def _organization(subject: Subject, request: Request) -> Context:
    """Return the condition keys for the organization; an empty context if it cannot be read."""
    found = subject.organization
    if found is None:
        return Context({})
    # A path begins with the organization. Most accounts cannot read the rest.
    keys = {
        "orgid": (Text(found),) if found else (),
        "orgpaths": (Text(f"{found}/", "r-root/ou-unit/"),) if found else (),
    }
    own = request.context.values.get("aws:resourceaccount") == (Text(subject.account_id),)
    sides = ("principal", "resource") if own else ("principal",)
    return Context({f"aws:{side}{key}": value for side in sides for key, value in keys.items()})


def _time(subject: Subject) -> dict[str, tuple[Text, ...]]:
    """Return the condition keys for the time of the check."""
    return {
        "aws:currenttime": (Text(subject.time.isoformat()),),
        "aws:epochtime": (Text(str(int(subject.time.timestamp()))),),
    }
