"""Recognize deleted principals in a trust policy."""

from collections.abc import Iterator, Mapping
from typing import Any

from guardrails.iam.documents import listed
from roles.applications import UNIQUE_ID


def without_deleted(document: Mapping[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
    """Return a trust policy without deleted principals, which IAM rejects, and their IDs.

    A statement without any other principal is left out. The policy is None if there is no statement
    left. https://repost.aws/knowledge-center/iam-trust-policy-error
    """
    deleted: list[str] = []
    kept = [*_kept(document, deleted)]
    return ({**document, "Statement": kept} if kept else None), [*dict.fromkeys(deleted)]


def _kept(document: Mapping[str, Any], deleted: list[str]) -> Iterator[Mapping[str, Any]]:
    for statement in listed(document["Statement"]):
        element = "Principal" if "Principal" in statement else "NotPrincipal"
        principal = statement[element]
        if not isinstance(principal, Mapping) or "AWS" not in principal:
            yield statement
            continue
        names: list[str] = listed(principal["AWS"])
        found = [name for name in names if UNIQUE_ID.fullmatch(name)]
        deleted += found
        others = [name for name in names if name not in found]
        rest = {kind: its for kind, its in principal.items() if kind != "AWS"}
        if not found:
            yield statement
        elif others or rest:
            yield {**statement, element: {**({"AWS": others} if others else {}), **rest}}
