"""Ask whether resource policies deny the role access, or name a deleted role.

A policy stores the unique ID of each role that it names, and AWS shows the role's ARN in its place.
After the role is deleted, AWS shows the ID. A role that is created again with the same ARN has another
ID:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from guardrails.iam.documents import Kind, Statement
from guardrails.iam.patterns import Patterns
from guardrails.iam.truth import Truth
from roles.account import Reply
from roles.arns import Arn
from roles.aws_cli import aws_command
from roles.check.decisions import context_advice, decisions, dependence, for_now
from roles.check.requests import RequestGroup, connector_requests, decryption
from roles.check.subject import Subject
from roles.difference import readable
from roles.errors import code, is_denied
from roles.findings import Finding, cannot_tell, ok, problem, skipped

_ROLE_ID: Final = re.compile(r"AWS:(AROA[A-Z0-9]+)")
_NO_TRACE: Final = "does not name a deleted role"
_PREFIXES: Final[Mapping[str, str]] = {"secret": "secretsmanager:", "bucket": "s3:"}
"""Prefixes of the actions that a policy may deny; "key policy" asks about the key."""
_EVERYTHING: Final = Patterns(("*",))
_ROLE_POLICY: Final = Statement(
    policy="",
    name="role policy",
    allows=True,
    actions=_EVERYTHING,
    resources=_EVERYTHING,
    principals=_EVERYTHING,
    conditions=(),
    variables=False,
)
"""Within an account, the role policy suffices to allow a request that no policy denies."""


def secret_policy(subject: Subject) -> Finding:
    """Ask whether the secret's resource policy denies the role access, or names a deleted role."""
    arn = subject.secret_arn
    if arn is None:
        return ok("the settings have no secret")
    if "DeletedDate" in subject.secret:
        return skipped("the secret is scheduled for deletion")
    owner = Arn.of(arn).account
    try:
        policy = subject.account.secret_policy(arn)
    except ClientError as error:
        if is_denied(error) and owner != subject.account_id:
            return _left_to(subject, owner, "secret")
        raise
    put = aws_command(
        "secretsmanager put-resource-policy",
        secret_id=arn,
        resource_policy="file://POLICY_FILE",
    )
    return _answer(subject, "secret", policy, put, "secretsmanager:GetResourcePolicy")


def key_policy(subject: Subject) -> Finding:
    """Ask whether the policy of the key allows the role to decrypt, directly or through IAM."""
    key = subject.key
    owner = Arn.of(key["Arn"]).account
    if owner != subject.account_id:
        return skipped(
            f"only account {subject.show(owner, 'kms_key_id')}, which has the key, can read its policy: "
            f"it must allow {subject.settings.role_arn or 'the role'} to use kms:Decrypt"
        )
    command = _put_key_policy(subject, key)
    document = subject.account.key_policy(key["Arn"])
    policy = readable(document, Kind.RESOURCE, "of the key", "kms:GetKeyPolicy")
    ((_, decision),) = decisions(subject, policy, decryption(subject))
    names = ", ".join(statement.name for statement in decision.statements)
    if decision.allowed is Truth.CANNOT_TELL:
        return cannot_tell(
            "the key policy may let the role decrypt, or not",
            f"{context_advice(decision)}, or start a sync and look for kms:Decrypt in CloudTrail: "
            "IAM simulates key policies only for users",
            dependence(decision),
        )
    if decision.allowed is Truth.NO:
        if names:
            return problem(
                f"the key policy denies kms:Decrypt to the role ({names}){for_now(decision)}",
                f"{command}, without that statement",
            )
        return problem(
            "the key policy neither allows the role to decrypt nor delegates to IAM policies"
            f"{for_now(decision)}",
            f"{command}, with the statement of docs/faq.md#access-denied-to-the-kms-key",
        )
    named = {name for statement in decision.statements for name in statement.principals.listed()}
    if f"AWS:{subject.settings.role_arn}" in named:
        text = "names the role"
    elif "*" in named:
        text = "allows every principal that meets its conditions to decrypt, including the role"
    else:
        text = "delegates to the account's IAM policies"
    return ok(f"{text}{for_now(decision)}")


def _put_key_policy(subject: Subject, key: Reply) -> str:
    """Return the command that replaces the policy of a key."""
    return aws_command(
        "kms put-key-policy",
        key_id=subject.argument(key["KeyId"], "KEY_ID", "kms_key_id"),
        policy_name="default",
        policy="file://POLICY_FILE",
    )


def key_principals(subject: Subject) -> Finding:
    """Ask whether the key policy names a deleted role."""
    key = subject.key
    owner = Arn.of(key["Arn"]).account
    if owner != subject.account_id:
        return _left_to(subject, owner, "key")
    policy = subject.account.key_policy(key["Arn"])
    put = _put_key_policy(subject, key)
    return _answer(subject, "key", policy, put, "kms:GetKeyPolicy")


def bucket_policy(subject: Subject) -> Finding:
    """Ask whether the bucket policy denies the role access, or names a deleted role."""
    name = subject.bucket
    owner = subject.bucket_owner
    if owner != subject.account_id:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html
        return _left_to(subject, owner, "bucket")
    try:
        policy = subject.account.bucket_policy(name)
    except ClientError as error:
        if code(error) == "NoSuchBucket":
            return skipped("there is no bucket")
        raise
    put = aws_command(
        "s3api put-bucket-policy",
        bucket=subject.argument(name, "BUCKET_NAME", "bucket_name"),
        policy="file://POLICY_FILE",
    )
    return _answer(subject, "bucket", policy, put, "s3:GetBucketPolicy")


def _left_to(subject: Subject, owner: str, kind: str) -> Finding:
    return skipped(
        f"only account {owner}, which has the {kind}, can read its policy: it must name "
        f"{subject.settings.role_arn or 'the role'} by its ARN again if the role was deleted "
        "and created again"
    )


def _answer(
    subject: Subject, kind: str, policy: Mapping[str, Any] | None, put: str, operation: str
) -> Finding:
    if policy is None:
        return ok(f"the {kind} has none")
    role_arn = subject.settings.role_arn
    statements = readable(policy, Kind.RESOURCE, f"of the {kind}", operation)
    deleted = [*dict.fromkeys(_deleted_roles(statements, role_arn))]
    if not deleted:
        return _denials(subject, kind, statements, put)
    names = ", ".join(deleted)
    return problem(
        f"the policy of the {kind} names {names}, the ID of a role that was deleted: a role that is "
        "created again is another principal, even under the same ARN",
        f"if it was this role, {put}, with {role_arn or 'ROLE_ARN'} in "
        f"place of {names}; otherwise, without {names}",
    )


def _denials(subject: Subject, kind: str, statements: Sequence[Statement], put: str) -> Finding:
    """Ask whether a policy denies the requests of the connector."""
    if kind not in _PREFIXES:
        return ok(_NO_TRACE)
    requests = [
        request
        for request in connector_requests(subject)
        if request.actions[0].startswith(_PREFIXES[kind])
    ]
    own = all(_account(subject, request) == subject.account_id for request in requests)
    found = [*decisions(subject, (*statements, _ROLE_POLICY) if own else statements, requests)]
    for request, decision in found:
        if decision.allowed is Truth.NO:
            names = ", ".join(statement.name for statement in decision.statements)
            refuses = f"denies {request.action} to the role ({names})"
            change = "without that statement"
            if not names:
                refuses = f"does not allow {request.action} to the role"
                change = "with a statement that allows it"
            text = f"the policy of the {kind} {refuses}{for_now(decision)}"
            return problem(text, f"{put}, {change}")
    depending = [decision for _, decision in found if decision.allowed is Truth.CANNOT_TELL]
    if depending:
        return cannot_tell(
            f"the policy of the {kind} may deny the role",
            f"{context_advice(*depending)}, or start a sync",
            *dict.fromkeys(map(dependence, depending)),
        )
    more = for_now(*(decision for _, decision in found))
    return ok(f"does not deny the role anything, and {_NO_TRACE}{more}")


def _account(subject: Subject, request: RequestGroup) -> str:
    """Return the account of a request's resource; a bucket is of this account, and its ARN has none."""
    return Arn.of(request.resource.known).account or subject.account_id


def _deleted_roles(statements: Sequence[Statement], role_arn: str | None) -> Iterator[str]:
    """Return the IDs of deleted roles in statements that do not also name the current role."""
    for statement in statements:
        names = statement.principals.values
        if f"AWS:{role_arn}" not in names:
            yield from (found[1] for name in names if (found := _ROLE_ID.fullmatch(name)))
