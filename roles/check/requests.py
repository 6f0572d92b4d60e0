"""List the requests of a connector, and decide on them by the policies that AWS has no simulation for.

AWS checks one call of an API by one request for each resource that the call needs:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from components.errors import quote_argument
from guardrails.iam.conditions import Context
from guardrails.iam.documents import Statement
from guardrails.iam.patterns import Text
from guardrails.iam.requests import Decision, RolePrincipal, decide
from guardrails.iam.requests import Request as SingleRequest
from guardrails.iam.truth import Truth
from roles.check.subject import Subject

_ORGANIZATION: Final = "aws:PrincipalOrgID"
_ABSENT: Final = (
    "aws:username",
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:federatedprovider",
)
"""Keys that no session of a role has that a service assumes."""
_LISTS: Final = ("aws:TagKeys",)
"""Keys that hold several values."""


class Request(NamedTuple):
    """Actions on one resource, on which IAM decides in one go."""

    actions: Sequence[str]
    resource: Text
    context: Mapping[str, str | Text]
    """The condition keys of these actions; a service adds the global ones."""

    def simulated_context(self) -> dict[str, str | list[str]]:
        """Return the context as IAM's simulation takes it, with examples for what is not known."""
        return {
            key: [str(value)] if key in _LISTS else str(value) for key, value in self.context.items()
        }


def connector_requests(subject: Subject) -> Iterator[Request]:
    """Return the requests that the connector makes."""
    policies, stack = subject.policies, subject.stack
    if (secret_arn := policies.resource("secretsmanager:GetSecretValue")) is not None:
        yield Request(("secretsmanager:GetSecretValue",), Text(secret_arn), {})
    yield from decryption(subject)
    if bucket := stack.get("bucket_name"):
        arn = f"arn:{subject.partition}:s3:::{bucket}"
        owner = {"aws:ResourceAccount": stack.get("bucket_account_id") or subject.account_id}
        yield Request(("s3:GetObject",), Text(f"{arn}/", "document"), owner)
        if stack.connector.bucket_is_source:
            yield Request(("s3:ListBucket",), Text(arn), owner)
    both = (
        *("qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"),
        *("qbusiness:PutGroup", "qbusiness:DeleteGroup", "qbusiness:ListGroups"),
    )
    application_only = ("qbusiness:CreateUser", "qbusiness:UpdateUser")
    yield Request((*both, *application_only), Text(policies.application_arn), {})
    yield Request(both, Text(f"{policies.application_arn}/index/{subject.index_id}"), {})
    yield from _network_requests(subject)


def decryption(subject: Subject) -> Iterator[Request]:
    """Return the request to decrypt, which a service makes for the role; none without a key.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    """
    key_arn = subject.policies.resource("kms:Decrypt")
    if key_arn is None:
        return
    secret_arn = subject.policies.resource("secretsmanager:GetSecretValue")
    context = {
        "kms:ViaService": f"{'secretsmanager' if secret_arn else 's3'}.{subject.region}.amazonaws.com"
    }
    if secret_arn:
        context["kms:EncryptionContext:SecretARN"] = secret_arn
    yield Request(("kms:Decrypt",), Text(key_arn), context)


def _network_requests(subject: Subject) -> Iterator[Request]:
    network_arns = subject.policies.resources("ec2:CreateNetworkInterface")
    if not network_arns:
        return
    for arn in network_arns:
        yield Request(("ec2:CreateNetworkInterface",), Text(arn), {})
    place = f"arn:{subject.partition}:ec2:{subject.region}:{subject.account_id}"
    interface = Text(f"{place}:network-interface/", "eni-00000000000000000")
    tag = Text(f"qbusiness_{subject.account_id}_{subject.application_id}_", "1")
    created = {"aws:RequestTag/AMAZON_Q": tag, "aws:TagKeys": "AMAZON_Q"}
    tagged = {"aws:ResourceTag/AMAZON_Q": tag}
    yield Request(("ec2:CreateNetworkInterface",), interface, created)
    yield Request(
        ("ec2:CreateTags",), interface, {**created, "ec2:CreateAction": "CreateNetworkInterface"}
    )
    yield Request(("ec2:CreateNetworkInterfacePermission",), interface, tagged)
    if subject.stack.get("allow_network_interface_deletion"):
        yield Request(("ec2:DeleteNetworkInterface",), interface, tagged)
    yield Request(
        (
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeNetworkInterfaceAttribute",
            "ec2:DescribeVpcs",
            "ec2:DescribeRegions",
            "ec2:DescribeNetworkInterfacePermissions",
            "ec2:DescribeSubnets",
        ),
        Text("*"),
        {},
    )


def foreign_requests(subject: Subject) -> Iterator[Request]:
    """Return two requests that no connector's role may make."""
    place = f"{subject.region}:{subject.account_id}"
    secret_arn = f"arn:{subject.partition}:secretsmanager:{place}:secret:another-secret-AbCdEf"
    yield Request(("secretsmanager:GetSecretValue",), Text(secret_arn), {})
    other = "00000000-0000-0000-0000-000000000000"
    application_arn = f"arn:{subject.partition}:qbusiness:{place}:application/{other}"
    yield Request(("qbusiness:BatchPutDocument",), Text(application_arn), {})


def decisions(
    subject: Subject, statements: Sequence[Statement], requests: Iterable[Request]
) -> Iterator[tuple[SingleRequest, Decision]]:
    """Return whether statements allow each action of the requests of the role."""
    for request in requests:
        for action in request.actions:
            single = _single(subject, request, action)
            decision = decide(statements, single)
            if decision.allowed is Truth.CANNOT_TELL and _ORGANIZATION in decision.depends_on:
                values = {**single.context.values, **_organization(subject, single)}
                single = single._replace(context=single.context._replace(values=values))
                decision = decide(statements, single)
            yield single, decision


def unclear(decision: Decision) -> str:
    """Return the statements on which a decision depends, and what is not known of the request."""
    names = ", ".join(statement.name for statement in decision.statements)
    return f"depends on {', '.join(decision.depends_on)} ({names})"


def statement_of_context(*found: Decision) -> str:
    """Return what to do about the keys that are not known."""
    keys = dict.fromkeys(key for decision in found for key in decision.depends_on if ":" in key)
    options = " ".join(f"--context {quote_argument(f'{key}=VALUE')}" for key in keys)
    return f"repeat with {options}" if options else "compare the statement by hand"


def _single(subject: Subject, request: Request, action: str) -> SingleRequest:
    """Return the request for one action, with all that is known of it."""
    role = subject.role
    unnamed = f"arn:{subject.partition}:iam::{subject.account_id}:role/"
    principal = RolePrincipal(role.arn, role.id) if role else RolePrincipal(unnamed, "")
    return SingleRequest(
        action,
        request.resource,
        Context(
            {
                **_of_principal(subject),
                **_of_request(subject, request, action),
                **subject.stated_context,
            },
            (*(("aws:principaltag/",) if role else ()), *_tag_prefixes(request)),
        ),
        principal,
    )


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
    _, _, service, region, account, *_ = (*str(request.resource).split(":"), "", "", "", "", "")
    service = service or action.partition(":")[0]
    values = {"aws:securetransport": "true"}
    # The Region of a bucket may be another one.
    if service != "s3" or subject.stack.connector.bucket_is_source:
        values["aws:requestedregion"] = region or subject.region
    if account:
        values["aws:resourceaccount"] = account
    if service == "kms":
        values |= {"kms:calleraccount": subject.account_id, "aws:viaawsservice": "true"}
    if service == "secretsmanager":
        tags = {tag["Key"]: tag["Value"] for tag in (subject.secret or {}).get("Tags", [])}
        for prefix in _tag_prefixes(request):
            values |= {f"{prefix}{key.lower()}": value for key, value in tags.items()}
    known: dict[str, tuple[Text, ...]] = {key: (Text(value),) for key, value in values.items()}
    if service == "kms" and "kms:EncryptionContext:SecretARN" not in request.context:
        known["kms:encryptioncontext:secretarn"] = ()
    own = {
        key.lower(): (Text(value) if isinstance(value, str) else value,)
        for key, value in request.context.items()
    }
    return {**known, **own}


def _tag_prefixes(request: Request) -> tuple[str, ...]:
    """Return the prefixes of the keys for the tags of a secret, which are all known."""
    is_secret = ":secretsmanager:" in request.resource.known
    return ("aws:resourcetag/", "secretsmanager:resourcetag/") if is_secret else ()


def _organization(subject: Subject, request: SingleRequest) -> dict[str, tuple[Text, ...]]:
    """Return the keys for the organization, if the caller may read it; none if the account has none."""
    found = subject.organization
    if found is None:
        return {}
    value = (Text(found),) if found else ()
    own = request.context.values.get("aws:resourceaccount") == (Text(subject.account_id),)
    return {"aws:principalorgid": value, **({"aws:resourceorgid": value} if own else {})}
