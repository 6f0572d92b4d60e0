"""Decide on a connector's requests by policies that IAM does not simulate."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from components.errors import quote_argument
from guardrails.iam.conditions import Context
from guardrails.iam.documents import Statement
from guardrails.iam.patterns import Text
from guardrails.iam.requests import Decision, RolePrincipal, decide
from guardrails.iam.requests import Request as SingleRequest
from guardrails.iam.truth import Truth
from roles.arns import Arn
from roles.check.requests import ENCRYPTED_SECRET, Request, region_of
from roles.check.subject import Subject

_ABSENT: Final = (
    "aws:username",
    # No session of AssumeRole has them: MFA protects the call of AssumeRole alone.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:federatedprovider",
    # The role's trust policy does not allow sts:SetSourceIdentity:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html
    "aws:sourceidentity",
    # Only calls of a service principal have them, which is none that uses a role.
    "aws:principalservicename",
    "aws:principalservicenameslist",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
)
"""Keys that no session of a role has that a service assumes, by the availability of each key:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""
_ABSENT_WITH_SERVICE_ROLE: Final = ("aws:calledvia", "aws:calledviafirst", "aws:calledvialast")
"""Keys that a call of a service has only if it uses the credentials of another caller (same page)."""
_ABSENT_FOR_KEY: Final = (
    # A service that calls for a caller does not pass on the caller's VPC endpoint:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:vpcsourceip",
    # Decrypt is none of the operations that have them:
    # https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
    "kms:grantisforawsresource",
    "kms:grantconstrainttype",
    "kms:granteeprincipal",
    "kms:grantoperations",
    "kms:retiringprincipal",
)
"""Keys that the request to decrypt does not have, which another service makes."""
_SECRET_CONTEXT: Final = ("SecretARN", "SecretVersionId")
"""The keys of the encryption context of a secret:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"""
_ENCRYPTION_CONTEXT: Final = "kms:encryptioncontext:"
_OF_ORGANIZATION: Final = (
    *("aws:principalorgid", "aws:principalorgpaths"),
    *("aws:resourceorgid", "aws:resourceorgpaths"),
)
_OF_TAGS: Final = ("aws:resourcetag/", "secretsmanager:resourcetag/")
"""Prefixes of the keys for the tags of a secret."""
_OF_TIME: Final = ("aws:currenttime", "aws:epochtime")


def decisions(
    subject: Subject, statements: Sequence[Statement], requests: Iterable[Request]
) -> Iterator[tuple[SingleRequest, Decision]]:
    """Return whether statements allow each action of the requests of the role."""
    for request in requests:
        for action in request.actions:
            yield _decision(subject, statements, _single(subject, request, action))


def _decision(
    subject: Subject, statements: Sequence[Statement], request: SingleRequest
) -> tuple[SingleRequest, Decision]:
    """Return whether statements allow a request; what takes a call is asked for where it matters."""
    decision = decide(statements, request)
    for keys, read in ((_OF_TAGS, _tags), (_OF_ORGANIZATION, _organization)):
        if _depends_on(decision, keys):
            request = _with(request, read(subject, request))
            decision = decide(statements, request)
    if _depends_on(decision, _OF_TIME):
        time_keys = tuple(key for key in decision.unknown_keys if key.lower() in _OF_TIME)
        now = decide(statements, _with(request, Context(_time(subject))))
        if now.allowed is not Truth.CANNOT_TELL:
            # Kept, so that the answer says that it holds at this time.
            return request, now._replace(unknown_keys=time_keys)
    return request, decision


def _depends_on(decision: Decision, keys: tuple[str, ...]) -> bool:
    """Return whether a decision depends on keys, given in lower case or as prefixes."""
    return any(key.lower().startswith(keys) for key in decision.unknown_keys)


def _with(request: SingleRequest, more: Context) -> SingleRequest:
    """Return the request with more that is known of it, unless the user states it."""
    context = request.context
    values = {**more.values, **context.values}
    return request._replace(context=Context(values, (*context.complete, *more.complete)))


def for_now(*found: Decision) -> str:
    """Return what is added to an answer that holds at this time, and may not later."""
    keys = dict.fromkeys(key for decision in found for key in decision.unknown_keys)
    return f", at this time: depends on {', '.join(keys)}" if keys else ""


def dependence(decision: Decision) -> str:
    """Return the statements on which a decision depends, and what is not known of the request."""
    names = ", ".join(statement.name for statement in decision.statements)
    return f"depends on {', '.join((*decision.unknown_keys, *decision.unclear))} ({names})"


def context_advice(*found: Decision) -> str:
    """Return what to do about the keys that are not known."""
    keys = dict.fromkeys(key for decision in found for key in decision.unknown_keys)
    options = " ".join(f"--context {quote_argument(f'{key}=VALUE')}" for key in keys)
    return f"repeat with {options}" if options else "compare the statement by hand"


def _single(subject: Subject, request: Request, action: str) -> SingleRequest:
    """Return the request for one action, with all that is known of it."""
    role = subject.role
    unnamed = f"arn:{subject.partition}:iam::{subject.account_id}:role/"
    principal = RolePrincipal(role.arn, role.id) if role else RolePrincipal(unnamed, "")
    known = {**_of_principal(subject), **_of_request(subject, request, action)}
    complete = _complete(subject, request)
    # The user states a key for all requests, and it may be known of some of them.
    stated = {
        key: values
        for key, values in subject.stated_context.items()
        if (any(text.example for text in known[key]) if key in known else not key.startswith(complete))
    }
    return SingleRequest(action, request.resource, Context({**known, **stated}, complete), principal)


def _of_principal(subject: Subject) -> dict[str, tuple[Text, ...]]:
    """Return the keys that every session of the role has, and those that none has.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    known: dict[str, tuple[Text, ...]] = {
        **dict.fromkeys(_ABSENT, ()),
        "aws:principalaccount": (Text(subject.account_id),),
        "aws:principaltype": (Text("AssumedRole"),),
        "aws:principalisawsservice": (Text("false"),),
    }
    if role := subject.role:
        known["aws:principalarn"] = (Text(role.arn),)  # of a session, the role
        known["aws:userid"] = (Text(f"{role.id}:", "session"),)
        known |= {f"aws:principaltag/{key.lower()}": (Text(value),) for key, value in role.tags.items()}
    return known


def _of_request(subject: Subject, request: Request, action: str) -> dict[str, tuple[Text, ...]]:
    """Return the keys of one request: where it is made, what it is about, and its own."""
    account = Arn.of(str(request.resource)).account
    service = action.partition(":")[0]
    # Only KMS is called by another service, with the credentials of the session.
    via_service = service == "kms"
    values = {"aws:securetransport": "true", "aws:viaawsservice": str(via_service).lower()}
    if region := region_of(subject, request, service):
        values["aws:requestedregion"] = region
    if account:
        values["aws:resourceaccount"] = account
    if service == "kms":
        values["kms:calleraccount"] = subject.account_id
    known: dict[str, tuple[Text, ...]] = dict.fromkeys(
        _ABSENT_FOR_KEY if via_service else _ABSENT_WITH_SERVICE_ROLE, ()
    )
    known |= {key: (Text(value),) for key, value in values.items()}
    if _is_of_secret(request):
        known["kms:encryptioncontextkeys"] = (*map(Text, _SECRET_CONTEXT),)
        known[f"{_ENCRYPTION_CONTEXT}secretversionid"] = (Text("", "version"),)
    elif service == "kms":
        known[f"{_ENCRYPTION_CONTEXT}secretarn"] = ()
    own = {key.lower(): (*_texts(value),) for key, value in request.context.items()}
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


def _complete(subject: Subject, request: Request) -> tuple[str, ...]:
    """Return the prefixes of the keys that are absent if they are not known."""
    of_role = ("aws:principaltag/",) if subject.role else ()
    created = ("aws:requesttag/",) if "aws:TagKeys" in request.context else ()
    of_secret = (_ENCRYPTION_CONTEXT,) if _is_of_secret(request) else ()
    return (*of_role, *created, *of_secret)


def _is_of_secret(request: Request) -> bool:
    """Return whether the request decrypts a secret."""
    return ENCRYPTED_SECRET in request.context


def _tags(subject: Subject, request: SingleRequest) -> Context:
    """Return the keys for the tags of the secret that a request reads, if they can be read.

    Keys of tags may differ only in case. IAM does not say which of them it then compares.
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


def _organization(subject: Subject, request: SingleRequest) -> Context:
    """Return the keys for the organization, if the caller may read it; none if the account has none."""
    found = subject.organization
    if found is None:
        return Context({})
    # A path begins with the organization; only its management account can read the rest.
    keys = {
        "orgid": (Text(found),) if found else (),
        "orgpaths": (Text(f"{found}/", "r-root/ou-unit/"),) if found else (),
    }
    own = request.context.values.get("aws:resourceaccount") == (Text(subject.account_id),)
    sides = ("principal", "resource") if own else ("principal",)
    return Context({f"aws:{side}{key}": value for side in sides for key, value in keys.items()})


def _time(subject: Subject) -> dict[str, tuple[Text, ...]]:
    """Return the keys for the time of the check."""
    return {
        "aws:currenttime": (Text(subject.time.isoformat()),),
        "aws:epochtime": (Text(str(int(subject.time.timestamp()))),),
    }
