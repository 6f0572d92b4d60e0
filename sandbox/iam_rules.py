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


class ExistingRole(NamedTuple):
    """The attributes of an existing role that the rules need."""

    name: str
    inline_policies: Mapping[str, str]
    tag_keys: tuple[str, ...] = ()


_MAXIMUM_INLINE_SIZE: Final = 10_240
_MAXIMUM_TRUST_POLICY_SIZE: Final = 2_048
_MAXIMUM_TAG_COUNT: Final = 50

_PATTERN_BY_PARAMETER: Final = {
    "RoleName": re.compile(r"[\w+=,.@-]{1,64}", re.ASCII),
    "PolicyName": re.compile(r"[\w+=,.@-]{1,128}", re.ASCII),
    "Path": re.compile(r"(?=.{1,512}\Z)/(?:[!-~]+/)?"),
    "Description": re.compile(r"[\t\n\r\x20-\x7e\xa1-\xff]{0,1000}"),
    "PermissionsBoundary": re.compile(r"(?=.{,2048}\Z)arn:aws[a-z-]*:iam::(?:\d{12}|aws):policy/[!-~]+"),
    "MaxSessionDuration": re.compile(r"3[6-9]\d\d|[4-9]\d{3}|[1-3]\d{4}|4[0-2]\d{3}|43[01]\d\d|43200"),
}
_DOCUMENT_PATTERN: Final = re.compile(r"[\t\n\r\x20-\xff]+")
_SID_PATTERN: Final = re.compile(r"[A-Za-z0-9]*")
_ACTION_PATTERN: Final = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_RESOURCE_PATTERN: Final = re.compile(r"\*|arn:(?:aws[a-z-]*|\*):[a-z0-9*-]+:[^:\s]*:[^:\s]*:[ -~]+")
_SERVICE_PATTERN: Final = re.compile(r"\*|[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?")
_OPERATOR_PATTERN: Final = re.compile(
    r"(?:(?:ForAllValues|ForAnyValue):)?"
    r"(?:String(?:Not)?(?:Equals|EqualsIgnoreCase|Like)|Arn(?:Not)?(?:Equals|Like)|Bool|Null"
    r"|(?:Numeric|Date)(?:(?:Not)?Equals|(?:Less|Greater)Than(?:Equals)?)|(?:Not)?IpAddress|BinaryEquals)"
    r"(?:IfExists)?"
)
_CONDITION_KEY_PATTERN: Final = re.compile(r"[A-Za-z0-9._/-]+:[\w.:/=+@ -]+")
_IDENTITY_ELEMENTS: Final = frozenset(
    ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")
)
_TRUST_ELEMENTS: Final = frozenset(
    ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition")
)


def validate_request(
    action: str,
    parameters: Mapping[str, str],
    role_by_name: Mapping[str, ExistingRole],
    managed_policy_arns: Collection[str] = (),
) -> None:
    """Raise IamError if IAM would reject the call according to this module's rules.

    `role_by_name` contains the existing roles, and `managed_policy_arns` contains the ARNs of the
    existing managed policies. The rules assume a well-formed call; any other call can cause an unrelated
    error.
    """
    for parameter, pattern in _PATTERN_BY_PARAMETER.items():
        if parameter in parameters and not pattern.fullmatch(parameters[parameter]):
            raise _build_validation_error(parameter, parameters[parameter])
    boundary_arn = parameters.get("PermissionsBoundary")
    if boundary_arn and boundary_arn not in managed_policy_arns:
        message = f"Scope ARN: {boundary_arn} does not exist or is not attachable."
        raise IamError(404, "NoSuchEntity", message)
    match action:
        case "CreateRole":
            _check_trust_policy(parameters["AssumeRolePolicyDocument"])
            _check_tags(parameters, ())
            existing_names = {role_name.casefold() for role_name in role_by_name}
            if parameters["RoleName"].casefold() in existing_names:
                message = f"ExistingRole with name {parameters['RoleName']} already exists."
                raise IamError(409, "EntityAlreadyExists", message)
        case "UpdateAssumeRolePolicy":
            _check_trust_policy(parameters["PolicyDocument"])
        case "PutRolePolicy":
            _check_inline_policy(parameters, role_by_name)
        case "TagRole":
            role = role_by_name.get(parameters["RoleName"])
            _check_tags(parameters, role.tag_keys if role else ())
        case _:
            pass


def _check_trust_policy(document: str) -> None:
    _check_document(document, _TRUST_ELEMENTS)
    if len(document) > _MAXIMUM_TRUST_POLICY_SIZE:
        message = f"Cannot exceed quota for ACLSizePerRole: {_MAXIMUM_TRUST_POLICY_SIZE}"
        raise IamError(409, "LimitExceeded", message)


def _check_inline_policy(
    parameters: Mapping[str, str], role_by_name: Mapping[str, ExistingRole]
) -> None:
    """Check a new or changed inline policy, and the total size of the role's inline policies."""
    role_name, document = parameters["RoleName"], parameters["PolicyDocument"]
    _check_document(document, _IDENTITY_ELEMENTS)
    role = role_by_name.get(role_name)
    inline_policies = dict(role.inline_policies) if role else {}
    inline_policies[parameters["PolicyName"]] = document
    total_size = sum(len("".join(policy.split())) for policy in inline_policies.values())
    if total_size > _MAXIMUM_INLINE_SIZE:
        message = f"Maximum policy size of {_MAXIMUM_INLINE_SIZE} bytes exceeded for role {role_name}"
        raise IamError(409, "LimitExceeded", message)


def _check_tags(parameters: Mapping[str, str], role_tag_keys: Iterable[str]) -> None:
    """Reject reserved keys, invalid characters in values, and a total of more than 50 tags.

    `role_tag_keys` contains the keys of the tags that the role already has.
    """
    tag_key_by_prefix = {
        parameter.removesuffix(".Key"): tag_key
        for parameter, tag_key in parameters.items()
        if parameter.endswith(".Key")
    }
    if len({*tag_key_by_prefix.values(), *role_tag_keys}) > _MAXIMUM_TAG_COUNT:
        raise IamError(400, "ValidationError", f"more than {_MAXIMUM_TAG_COUNT} tags")
    for prefix, tag_key in tag_key_by_prefix.items():
        tag_value = parameters.get(f"{prefix}.Value", "")
        has_valid_characters = all(
            unicodedata.category(character)[0] in "LNZ" or character in "_.:/=+-@"
            for character in tag_value
        )
        if not has_valid_characters or tag_key.lower().startswith("aws:"):
            raise _build_validation_error("tags", f"{tag_key}={tag_value}")


def _check_document(document_text: str, allowed_elements: frozenset[str]) -> None:
    """Check a policy's syntax; `allowed_elements` are the elements that its statements can have."""
    if not _DOCUMENT_PATTERN.fullmatch(document_text):
        raise _build_validation_error("policyDocument", document_text)
    try:
        document: Any = json.loads(document_text)
    except (ValueError, RecursionError):
        raise _build_malformed_error("This policy contains invalid Json") from None
    if not isinstance(document, dict) or set(document) - {"Version", "Id", "Statement"}:
        raise _build_malformed_error("Syntax errors in policy.")
    if document.get("Version", "2008-10-17") not in ("2012-10-17", "2008-10-17"):
        raise _build_malformed_error("The policy must contain a valid version string")
    statements = as_list(document.get("Statement"))
    if not statements:
        raise _build_malformed_error("Syntax errors in policy.")
    sids = [statement["Sid"] for statement in statements if "Sid" in statement]
    if len(set(sids)) < len(sids):
        raise _build_malformed_error("Statement IDs (SID) in a single policy must be unique.")
    for statement in statements:
        _check_statement(statement, allowed_elements)


def _check_statement(statement: dict[str, Any], allowed_elements: frozenset[str]) -> None:
    if prohibited_elements := set(statement) - allowed_elements:
        raise _build_malformed_error(f"Has prohibited field {min(prohibited_elements)}")
    if not _SID_PATTERN.fullmatch(statement.get("Sid", "")):
        raise _build_malformed_error("Statement IDs (SID) must be alpha-numeric.")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _build_malformed_error("Syntax errors in policy.")
    for element_name in ("Action", "Resource", "Principal"):
        has_element = element_name in statement
        has_negation = f"Not{element_name}" in statement
        if element_name in allowed_elements and has_element == has_negation:
            raise _build_malformed_error(f"Policy statement must contain {element_name.lower()}s.")
    principal = statement.get("Principal", {})
    services = principal.get("Service", ["*"]) if isinstance(principal, dict) else principal
    if "Principal" in statement and not as_list(services):
        raise _build_malformed_error("Invalid principal in policy")
    actions = statement.get("Action", statement.get("NotAction"))
    resources = statement.get("Resource", statement.get("NotResource"))
    _check_grammar("Action", actions, _ACTION_PATTERN)
    _check_grammar("Resource", resources, _RESOURCE_PATTERN)
    _check_grammar("Principal", services, _SERVICE_PATTERN)
    _check_condition(statement.get("Condition", {}))


def _check_grammar(element_name: str, element_values: Any, pattern: re.Pattern[str]) -> None:
    for element_value in as_list(element_values):
        if not isinstance(element_value, str) or not pattern.fullmatch(element_value):
            message = f"{element_name} {element_value} does not match the policy grammar."
            raise _build_malformed_error(message)


def _check_condition(condition: dict[str, Any]) -> None:
    for operator, condition_keys in condition.items():
        if not _OPERATOR_PATTERN.fullmatch(operator) or not isinstance(condition_keys, dict):
            raise _build_malformed_error(f"Invalid Condition type : {operator}.")
        for condition_key in condition_keys:
            if not _CONDITION_KEY_PATTERN.fullmatch(condition_key):
                raise _build_malformed_error(f"Condition key {condition_key} is not valid.")


def as_list(json_value: Any) -> list[Any]:
    """Return a list unchanged, None as an empty list, and any other value in a list."""
    if json_value is None:
        return []
    return json_value if isinstance(json_value, list) else [json_value]


def _build_malformed_error(message: str) -> IamError:
    return IamError(400, "MalformedPolicyDocument", message)


def _build_validation_error(parameter: str, rejected: str) -> IamError:
    parameter_name = parameter[0].lower() + parameter[1:]
    message = (
        f"1 validation error detected: Value '{rejected}' at '{parameter_name}' failed to satisfy "
        "constraint"
    )
    return IamError(400, "ValidationError", message)
