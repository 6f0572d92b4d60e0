"""Respond as AWS does to calls to which moto's response is incomplete or always positive."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from moto.iam.models import iam_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sts.models import sts_backends

from sandbox.iam_rules import listed

_GRANTS: Final = 2
"""The maximum number of grants in one response. KMS, too, may return fewer than `Limit`."""


class Caller(NamedTuple):
    """The signature of a call."""

    account: str
    region: str
    access_key: str


def remember_keys(caller: Caller) -> None:
    """Note the key of each new version of a secret, because moto stores only the secret's key.

    A version keeps its key if the secret's key changes, as if Secrets Manager may not re-encrypt it.
    """
    secrets: Any = secretsmanager_backends[caller.account][caller.region].secrets
    for secret in secrets.values():
        for version in secret.versions.values():
            version.setdefault("key", secret.kms_key_id)


def has_secret(caller: Caller, asked: bytes) -> bool:
    """Return whether moto has the secret in a request; moto ends with an error if it lists versions."""
    secrets: Any = secretsmanager_backends[caller.account][caller.region].secrets
    return json.loads(asked)["SecretId"] in secrets


def _list_grants(_: Caller, asked: Any, answer: dict[str, Any]) -> dict[str, Any]:
    """Return a page of the grants, and only those for the given grantee."""
    grantee, first = asked.get("GranteePrincipal"), int(asked.get("Marker", 0))
    grants = [each for each in answer["Grants"] if grantee in (None, each["GranteePrincipal"])]
    end = first + _GRANTS
    more = {"NextMarker": str(end)} if end < len(grants) else {}
    return {"Grants": grants[first:end], "Truncated": bool(more), **more}


def _list_secret_version_ids(caller: Caller, asked: Any, answer: dict[str, Any]) -> dict[str, Any]:
    """Add the key of each version; `DefaultEncryptionKey` is the key that AWS manages.

    https://github.com/mondoohq/mql/pull/8927 shows this name, from an account.
    """
    secret = secretsmanager_backends[caller.account][caller.region].secrets[asked["SecretId"]]
    for version in answer["Versions"]:
        key = secret.versions[version["VersionId"]]["key"]
        managed = key in (None, "alias/aws/secretsmanager")
        version["KmsKeyIds"] = ["DefaultEncryptionKey" if managed else key]
    return answer


COMPLETED: Final[Mapping[str, Callable[[Caller, Any, dict[str, Any]], dict[str, Any]]]] = {
    "kms:ListGrants": _list_grants,
    "secretsmanager:ListSecretVersionIds": _list_secret_version_ids,
}
"""Functions that complete moto's response to a call with these parameters, by action."""


def reason_not_to_assume(caller: Caller, role_arn: str, external_id: str | None) -> str:
    """Return the message if the role does not exist or does not trust the caller; empty if it does.

    A condition counts as met only if it is `StringEquals` with the external ID, or `ArnEquals` with the
    caller's ARN.
    """
    sts = sts_backends[caller.account]["aws"]
    _, arn, account = sts.get_caller_identity(caller.access_key, caller.region)
    role_of_session = re.sub(r":sts::(\d+):assumed-role/([^/]+)/.*", r":iam::\1:role/\2", arn)
    trusted = {"*", account, f"arn:aws:iam::{account}:root", role_of_session}
    known = {
        ("StringEquals", "sts:ExternalId"): external_id,
        ("ArnEquals", "aws:PrincipalArn"): role_of_session,
    }
    effects = {
        statement["Effect"]
        for role in iam_backends[role_arn.split(":")[4]]["aws"].roles.values()
        if role.arn == role_arn
        for statement in listed(json.loads(role.assume_role_policy_document)["Statement"])
        if trusted & {*_principals(statement["Principal"])}
        and all(
            known.get((operator, key), key) in listed(values)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    }
    if effects == {"Allow"}:
        return ""
    return f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"


def _principals(principal: Any) -> list[str]:
    return ["*"] if principal == "*" else listed(principal.get("AWS"))
