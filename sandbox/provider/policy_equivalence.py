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
_SETS: Final = ("Action", "NotAction", "Resource", "NotResource")
_PRINCIPALS: Final = ("Principal", "NotPrincipal")


def normalize(document: str) -> str:
    """Return the document as the provider sends and stores it: compact, with sorted keys."""
    return json.dumps(json.loads(document), separators=(",", ":"), sort_keys=True)


def are_equivalent(one: str, other: str) -> bool:
    """Return whether two documents differ only in ways that the provider ignores.

    The provider ignores the order of statements and values, a list around a single value, repeated
    condition values, quotation marks around a Boolean or a number, the case of `Effect`, elements that
    are not in IAM's grammar, and whether a principal specifies an account by its ID or its root ARN. It
    compares Sid, Version, Id, condition operators, and condition keys exactly, except that an empty Sid,
    Version, or Id equals a missing one. JSON that is not an object is not equivalent to anything. Raises
    ValueError for text that is not JSON.
    """
    try:
        return _document(one) == _document(other)
    except AttributeError:
        return False


def _document(text: str) -> object:
    document = json.loads(text)
    statements = {
        json.dumps(_statement(statement), sort_keys=True)
        for statement in _as_list(document.get("Statement"))
    }
    count = len(_as_list(document.get("Statement")))
    return document.get("Version", ""), document.get("Id", ""), statements, count


def _statement(statement: dict[str, Any]) -> dict[str, object]:
    conditions = statement.get("Condition")
    return {
        "Sid": statement.get("Sid", ""),
        "Effect": statement.get("Effect", "").casefold(),
        **{name: sorted(_strings(statement.get(name))) for name in _SETS},
        **{name: _principal(statement.get(name)) for name in _PRINCIPALS},
        # An empty condition is not equivalent to a missing one (`conditionsBlock.Equals`).
        "Condition": conditions
        and {
            operator: {key: sorted(set(_strings(values))) for key, values in keys.items()}
            for operator, keys in conditions.items()
        },
    }


def _principal(principal: Any) -> object:
    if isinstance(principal, dict):
        return {kind: sorted(map(_account, _strings(values))) for kind, values in principal.items()}
    return None if principal is None else _account(str(principal))


def _account(principal: str) -> str:
    root = _ACCOUNT_ROOT.fullmatch(principal)
    return root.group(1) if root else principal


def _strings(values: Any) -> Iterable[str]:
    return [value if isinstance(value, str) else json.dumps(value) for value in _as_list(values)]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
