"""Compare policy documents as the real AWS provider does.

The provider ignores differences between equivalent documents. The rules come from
`PoliciesAreEquivalent`:
https://github.com/hashicorp/awspolicyequivalence/blob/main/aws_policy_equivalence.go
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

_ACCOUNT_ROOT: Final = re.compile(r"arn:[a-z-]+:iam::(\d{12}):root")
_LIST_ELEMENTS: Final = ("Action", "NotAction", "Resource", "NotResource")
_PRINCIPAL_ELEMENTS: Final = ("Principal", "NotPrincipal")


def normalize_policy(document: str) -> str:
    """Return the document as the provider sends and stores it: compact, with sorted keys."""
    return json.dumps(json.loads(document), separators=(",", ":"), sort_keys=True)


def are_equivalent(first_document: str, second_document: str) -> bool:
    """Return whether two documents differ only in ways that the provider ignores.

    The provider ignores the order of statements and values, a list around a single value, repeated
    condition values, quotation marks around a Boolean or a number, the case of `Effect`, elements that
    are not in IAM's grammar, and whether a principal specifies an account by its ID or its root ARN. It
    compares Sid, Version, Id, condition operators, and condition keys exactly, except that an empty Sid,
    Version, or Id equals a missing one. JSON that is not an object is not equivalent to anything. Raises
    ValueError for text that is not JSON.
    """
    try:
        return _build_comparable(first_document) == _build_comparable(second_document)
    except AttributeError:
        return False


def _build_comparable(document_text: str) -> object:
    """Return the compared parts of a document; equivalent documents have equal parts."""
    document = json.loads(document_text)
    statements = _as_list(document.get("Statement"))
    comparable_statements = {
        json.dumps(_normalize_statement(statement), sort_keys=True) for statement in statements
    }
    version, policy_id = document.get("Version", ""), document.get("Id", "")
    return version, policy_id, comparable_statements, len(statements)


def _normalize_statement(statement: dict[str, Any]) -> dict[str, object]:
    condition = statement.get("Condition")
    return {
        "Sid": statement.get("Sid", ""),
        "Effect": statement.get("Effect", "").casefold(),
        **{key: sorted(_convert_to_strings(statement.get(key))) for key in _LIST_ELEMENTS},
        **{key: _normalize_principal(statement.get(key)) for key in _PRINCIPAL_ELEMENTS},
        # An empty condition is not equivalent to a missing one (`conditionsBlock.Equals`).
        "Condition": condition and _normalize_condition(condition),
    }


def _normalize_condition(condition: Any) -> dict[str, dict[str, list[str]]]:
    return {
        operator: {
            condition_key: sorted(set(_convert_to_strings(condition_values)))
            for condition_key, condition_values in condition_keys.items()
        }
        for operator, condition_keys in condition.items()
    }


def _normalize_principal(principal: Any) -> object:
    if principal is None:
        return None
    if isinstance(principal, dict):
        return {
            principal_type: sorted(map(_shorten_account_root, _convert_to_strings(principals)))
            for principal_type, principals in principal.items()
        }
    return _shorten_account_root(str(principal))


def _shorten_account_root(principal: str) -> str:
    """Return the account's ID if a principal is an account's root ARN; otherwise, the principal."""
    root_match = _ACCOUNT_ROOT.fullmatch(principal)
    return root_match.group(1) if root_match else principal


def _convert_to_strings(json_values: Any) -> Iterable[str]:
    return [
        json_value if isinstance(json_value, str) else json.dumps(json_value)
        for json_value in _as_list(json_values)
    ]


def _as_list(json_value: Any) -> list[Any]:
    if json_value is None:
        return []
    return json_value if isinstance(json_value, list) else [json_value]
