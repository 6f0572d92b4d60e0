"""Reject calls that IAM rejects but moto accepts.

The rules for roles and their inline policies come from https://docs.aws.amazon.com/IAM/latest/APIReference/
and https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html. This module shares
no code with the program, so that it can reveal the program's mistakes.
"""

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple


class IamError(Exception):
    """Raised when IAM would reject a call."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Store the HTTP status and the contents of the error document."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Role(NamedTuple):
    """The attributes of an existing role that the rules need."""

    name: str
    inline_policies: Mapping[str, str]
    tag_keys: tuple[str, ...] = ()


_MAXIMUM_INLINE: Final = 10_240
_MAXIMUM_TRUST: Final = 2_048
_MAXIMUM_TAGS: Final = 50

_PARAMETERS: Final = {
    "RoleName": re.compile(r"[\w+=,.@-]{1,64}", re.ASCII),
    "PolicyName": re.compile(r"[\w+=,.@-]{1,128}", re.ASCII),
    "Path": re.compile(r"(?=.{1,512}\Z)/(?:[!-~]+/)?"),
    "Description": re.compile(r"[\t\n\r\x20-\x7e\xa1-\xff]{0,1000}"),
    "PermissionsBoundary": re.compile(r"(?=.{,2048}\Z)arn:aws[a-z-]*:iam::(?:\d{12}|aws):policy/[!-~]+"),
    "MaxSessionDuration": re.compile(r"3[6-9]\d\d|[4-9]\d{3}|[1-3]\d{4}|4[0-2]\d{3}|43[01]\d\d|43200"),
}
_DOCUMENT: Final = re.compile(r"[\t\n\r\x20-\xff]+")
_SID: Final = re.compile(r"[A-Za-z0-9]*")
_ACTION: Final = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_RESOURCE: Final = re.compile(r"\*|arn:(?:aws[a-z-]*|\*):[a-z0-9*-]+:[^:\s]*:[^:\s]*:[ -~]+")
_SERVICE: Final = re.compile(r"\*|[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?")
_CONDITION: Final = re.compile(
    r"(?:(?:ForAllValues|ForAnyValue):)?"
    r"(?:String(?:Not)?(?:Equals|EqualsIgnoreCase|Like)|Arn(?:Not)?(?:Equals|Like)|Bool|Null"
    r"|(?:Numeric|Date)(?:(?:Not)?Equals|(?:Less|Greater)Than(?:Equals)?)|(?:Not)?IpAddress|BinaryEquals)"
    r"(?:IfExists)?"
)
_CONDITION_KEY: Final = re.compile(r"[A-Za-z0-9._/-]+:[\w.:/=+@ -]+")
_IDENTITY_ELEMENTS: Final = frozenset(
    ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")
)
_TRUST_ELEMENTS: Final = frozenset(
    ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition")
)


def validate_request(
    action: str,
    parameters: Mapping[str, str],
    roles: Mapping[str, Role],
    managed_policies: Collection[str] = (),
) -> None:
    """Raise IamError if IAM would reject the call according to this module's rules.

    `roles` contains the existing roles by name, and `managed_policies` contains the ARNs of the existing
    managed policies. The rules assume a well-formed call; any other call can cause an unrelated error.
    """
    for name, pattern in _PARAMETERS.items():
        if name in parameters and not pattern.fullmatch(parameters[name]):
            raise _invalid(name, parameters[name])
    boundary = parameters.get("PermissionsBoundary")
    if boundary and boundary not in managed_policies:
        message = f"Scope ARN: {boundary} does not exist or is not attachable."
        raise IamError(404, "NoSuchEntity", message)
    match action:
        case "CreateRole":
            _check_trust(parameters["AssumeRolePolicyDocument"])
            _check_tags(parameters, ())
            taken = {name.casefold() for name in roles}
            if parameters["RoleName"].casefold() in taken:
                message = f"Role with name {parameters['RoleName']} already exists."
                raise IamError(409, "EntityAlreadyExists", message)
        case "UpdateAssumeRolePolicy":
            _check_trust(parameters["PolicyDocument"])
        case "PutRolePolicy":
            _check_inline(parameters, roles)
        case "TagRole":
            role = roles.get(parameters["RoleName"])
            _check_tags(parameters, role.tag_keys if role else ())
        case _:
            pass


def _check_trust(document: str) -> None:
    _check_document(document, _TRUST_ELEMENTS)
    if len(document) > _MAXIMUM_TRUST:
        message = f"Cannot exceed quota for ACLSizePerRole: {_MAXIMUM_TRUST}"
        raise IamError(409, "LimitExceeded", message)


def _check_inline(parameters: Mapping[str, str], roles: Mapping[str, Role]) -> None:
    _check_document(parameters["PolicyDocument"], _IDENTITY_ELEMENTS)
    role = roles.get(parameters["RoleName"])
    others = dict(role.inline_policies) if role else {}
    others[parameters["PolicyName"]] = parameters["PolicyDocument"]
    if sum(len("".join(document.split())) for document in others.values()) > _MAXIMUM_INLINE:
        name = parameters["RoleName"]
        message = f"Maximum policy size of {_MAXIMUM_INLINE} bytes exceeded for role {name}"
        raise IamError(409, "LimitExceeded", message)


def _check_tags(parameters: Mapping[str, str], present: Iterable[str]) -> None:
    """Reject reserved keys, invalid characters in values, and a total of more than 50 tags.

    `present` contains the keys of the tags that the role already has.
    """
    tags = {name.removesuffix(".Key"): key for name, key in parameters.items() if name.endswith(".Key")}
    if len({*tags.values(), *present}) > _MAXIMUM_TAGS:
        raise IamError(400, "ValidationError", f"more than {_MAXIMUM_TAGS} tags")
    for entry, key in tags.items():
        value = parameters.get(f"{entry}.Value", "")
        characters = all(unicodedata.category(c)[0] in "LNZ" or c in "_.:/=+-@" for c in value)
        if not characters or key.lower().startswith("aws:"):
            raise _invalid("tags", f"{key}={value}")


def _check_document(text: str, elements: frozenset[str]) -> None:
    if not _DOCUMENT.fullmatch(text):
        raise _invalid("policyDocument", text)
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed("This policy contains invalid Json") from None
    if not isinstance(document, dict) or set(document) - {"Version", "Id", "Statement"}:
        raise _malformed("Syntax errors in policy.")
    if document.get("Version", "2008-10-17") not in ("2012-10-17", "2008-10-17"):
        raise _malformed("The policy must contain a valid version string")
    statements = listed(document.get("Statement"))
    if not statements:
        raise _malformed("Syntax errors in policy.")
    sids = [statement["Sid"] for statement in statements if "Sid" in statement]
    if len(set(sids)) < len(sids):
        raise _malformed("Statement IDs (SID) in a single policy must be unique.")
    for statement in statements:
        _check_statement(statement, elements)


def _check_statement(statement: dict[str, Any], elements: frozenset[str]) -> None:
    if prohibited := set(statement) - elements:
        raise _malformed(f"Has prohibited field {min(prohibited)}")
    if not _SID.fullmatch(statement.get("Sid", "")):
        raise _malformed("Statement IDs (SID) must be alpha-numeric.")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("Syntax errors in policy.")
    for name in ("Action", "Resource", "Principal"):
        if name in elements and (name in statement) == (f"Not{name}" in statement):
            raise _malformed(f"Policy statement must contain {name.lower()}s.")
    principal = statement.get("Principal", {})
    services = principal.get("Service", ["*"]) if isinstance(principal, dict) else principal
    if "Principal" in statement and not listed(services):
        raise _malformed("Invalid principal in policy")
    for element, values, pattern in (
        ("Action", statement.get("Action", statement.get("NotAction")), _ACTION),
        ("Resource", statement.get("Resource", statement.get("NotResource")), _RESOURCE),
        ("Principal", services, _SERVICE),
    ):
        for text in listed(values):
            if not isinstance(text, str) or not pattern.fullmatch(text):
                raise _malformed(f"{element} {text} does not match the policy grammar.")
    _check_condition(statement.get("Condition", {}))


def _check_condition(condition: dict[str, Any]) -> None:
    for operator, keys in condition.items():
        if not _CONDITION.fullmatch(operator) or not isinstance(keys, dict):
            raise _malformed(f"Invalid Condition type : {operator}.")
        for key in keys:
            if not _CONDITION_KEY.fullmatch(key):
                raise _malformed(f"Condition key {key} is not valid.")


def listed(value: Any) -> list[Any]:
    """Return a list unchanged, None as an empty list, and any other value in a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _malformed(message: str) -> IamError:
    return IamError(400, "MalformedPolicyDocument", message)


def _invalid(name: str, value: str) -> IamError:
    name = name[0].lower() + name[1:]
    message = f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint"
    return IamError(400, "ValidationError", message)
