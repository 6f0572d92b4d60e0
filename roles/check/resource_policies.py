"""Ask whether resource policies deny or fail to grant the role access, or name a deleted role.

A policy stores the unique ID of each role that it names, and AWS shows the role's ARN in its place.
After the role is deleted, AWS shows the ID. A role that is recreated with the same ARN has a
different ID:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from guardrails.iam.documents import Kind, Statement
from guardrails.iam.patterns import Patterns
from guardrails.iam.requests import Decision
from guardrails.iam.truth import Truth
from roles.arns import Arn
from roles.aws_cli import aws_command
from roles.check.decisions import context_advice, decisions, dependence, for_now
from roles.check.requests import RequestGroup, connector_requests
from roles.check.subject import Subject
from roles.difference import readable
from roles.errors import code, is_denied
from roles.findings import Finding, cannot_tell, ok, problem, skipped

_SERVICE: Final = "kms:ViaService"
_NOTHING_WRONG: Final = "neither denies the role access nor names a deleted role in its place"
_SID: Final = "AllowsTheConnectorRoles"
_ROLE_ID: Final = re.compile(r"AWS:(AROA[A-Z0-9]+)")
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
"""Stands in for the role policy.

Within an account, it is enough that the role policy allows a request, and that no policy denies it. Only
a key policy must also allow the request.
"""


class _Policy(NamedTuple):
    """The policy of a key, secret, or bucket."""

    kind: str
    document: Any
    action: str
    """The action that reads the policy."""
    prefix: str
    """The prefix of the actions on the resource, such as `kms:`."""
    get: str
    """The command that prints the policy."""
    put: str
    """The command that replaces the policy, without `put_option`, the option for the file."""
    put_option: str

    def edited(self, edit: str) -> tuple[str, ...]:
        """Return the steps that change the policy."""
        file = f"{self.kind}-policy.json"
        return (
            f"{self.get} > {file}",
            f"in {file}, {edit}",
            f"{self.put} --{self.put_option} file://{file}",
        )


def key_policy(subject: Subject) -> Finding:
    """Ask whether the key policy lets the role decrypt and names no deleted role."""
    key = subject.key
    owner = Arn.of(key["Arn"]).account
    if owner != subject.account_id:
        return _left_to(subject, owner, "key", "kms:")
    options = {"key_id": key["KeyId"], "policy_name": "default"}
    return _answer(
        subject,
        _Policy(
            "key",
            subject.account.key_policy(key["Arn"]),
            "kms:GetKeyPolicy",
            "kms:",
            aws_command("kms get-key-policy", **options, query="Policy", output="text"),
            aws_command("kms put-key-policy", **options),
            "policy",
        ),
    )


def secret_policy(subject: Subject) -> Finding:
    """Ask whether the secret's resource policy denies the role access or names a deleted role.

    The policy of a secret in another account must also grant the access.
    """
    arn = subject.secret_arn
    if arn is None:
        return ok("the settings have no secret")
    if "DeletedDate" in subject.secret:
        return skipped("the secret is scheduled for deletion")
    owner = Arn.of(arn).account
    try:
        document = subject.account.secret_policy(arn)
    except ClientError as error:
        if is_denied(error) and owner != subject.account_id:
            return _left_to(subject, owner, "secret", "secretsmanager:")
        raise
    get = "secretsmanager get-resource-policy"
    return _answer(
        subject,
        _Policy(
            "secret",
            document,
            "secretsmanager:GetResourcePolicy",
            "secretsmanager:",
            aws_command(get, secret_id=arn, query="ResourcePolicy", output="text"),
            aws_command("secretsmanager put-resource-policy", secret_id=arn),
            "resource-policy",
        ),
    )


def bucket_policy(subject: Subject) -> Finding:
    """Ask whether the bucket policy denies the role access or names a deleted role."""
    name, owner = subject.bucket, subject.bucket_owner
    if owner != subject.account_id:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html
        return _left_to(subject, owner, "bucket", "s3:")
    try:
        document = subject.account.bucket_policy(name)
    except ClientError as error:
        if code(error) == "NoSuchBucket":
            return skipped("the bucket was not found")
        raise
    return _answer(
        subject,
        _Policy(
            "bucket",
            document,
            "s3:GetBucketPolicy",
            "s3:",
            aws_command("s3api get-bucket-policy", bucket=name, query="Policy", output="text"),
            aws_command("s3api put-bucket-policy", bucket=name),
            "policy",
        ),
    )


def _left_to(subject: Subject, owner: str, kind: str, prefix: str) -> Finding:
    """Return the answer for a policy that these credentials cannot read, with the actions to grant."""
    actions = dict.fromkeys(name for each in _requests(subject, prefix) for name in each.actions)
    return cannot_tell(
        f"the {kind} policy in account {owner} must grant {', '.join(actions)} to "
        f"{subject.settings.role_arn or 'the role'}, but these credentials cannot read the policy",
        "read the policy in that account; if the role was recreated, save the policy again with the "
        "role's ARN",
    )


def _answer(subject: Subject, policy: _Policy) -> Finding:
    """Ask whether a policy names a deleted role, and whether it allows the connector requests."""
    if policy.document is None:
        return ok(f"the {policy.kind} has no policy")
    statements = readable(policy.document, Kind.RESOURCE, f"{policy.kind} policy", policy.action)
    role_arn = subject.settings.role_arn
    if deleted := ", ".join(dict.fromkeys(_deleted_roles(statements, role_arn))):
        return problem(
            f"the {policy.kind} policy names a deleted role by its ID ({deleted}): a recreated role is "
            "a different principal, even with the same ARN",
            _edited(
                subject,
                policy,
                f"replace {deleted} with {' or '.join(_roles(subject, policy))} if it was this role, or "
                "remove it",
            ),
        )
    groups = _requests(subject, policy.prefix)
    # A key policy, or the policy of another account's resource, must itself allow the request.
    is_foreign = any(_account(subject, each) != subject.account_id for each in groups)
    deciding = statements if is_foreign or policy.kind == "key" else (*statements, _ROLE_POLICY)
    found = [*decisions(subject, deciding, groups)]
    for request, decision in found:
        if decision.allowed is not Truth.NO:
            continue
        if names := ", ".join(statement.name for statement in decision.statements):
            return problem(
                f"the {policy.kind} policy denies {request.action} to the role "
                f"({names}){for_now(decision)}",
                policy.edited(f"exclude the role from the statement {names}, or remove the statement"),
            )
        is_there = any(statement.name == _SID for statement in statements)
        place = f"replace the statement {_SID} with" if is_there else 'add to "Statement":'
        return problem(
            f"the {policy.kind} policy neither grants {request.action} to the role nor delegates to IAM "
            f"policies{for_now(decision)}",
            _edited(subject, policy, f"{place} {_statement(subject, policy)}"),
        )
    if depending := [each for each in found if each[1].allowed is Truth.CANNOT_TELL]:
        actions = ", ".join(request.action for request, _ in depending)
        advice = context_advice(*(decision for _, decision in depending))
        # CloudTrail logs requests for a bucket's objects only as data events.
        trail = "CloudTrail data events" if policy.kind == "bucket" else "CloudTrail"
        return cannot_tell(
            f"cannot determine whether the {policy.kind} policy lets the role perform {actions}",
            f"{advice}, or start a sync and look for {actions} in {trail}",
            *dict.fromkeys(dependence(decision) for _, decision in depending),
        )
    by = [decision for _, decision in found]
    return ok(f"{_by_whom(by, role_arn) if policy.kind == 'key' else _NOTHING_WRONG}{for_now(*by)}")


def _by_whom(found: Sequence[Decision], role_arn: str | None) -> str:
    """Return how a key policy lets the role decrypt."""
    statements = [statement for decision in found for statement in decision.statements]
    named = {name for statement in statements for name in statement.principals.listed()}
    if f"AWS:{role_arn}" in named:
        return "names the role"
    if "*" in named:
        return "allows every principal that meets its conditions to decrypt, including the role"
    return "delegates to the account's IAM policies"


def _requests(subject: Subject, prefix: str) -> list[RequestGroup]:
    """Return the connector requests whose actions have a prefix."""
    return [each for each in connector_requests(subject) if each.actions[0].startswith(prefix)]


def _users(subject: Subject, policy: _Policy) -> list[Subject]:
    """Return the stack's entries that use the policy's resource and whose roles exist."""
    resources = {group.resource for group in _requests(subject, policy.prefix)}
    return [
        entry
        for entry in subject.entries
        if any(group.resource in resources for group in _requests(entry, policy.prefix))
        and entry.find_role()
    ]


def _roles(subject: Subject, policy: _Policy) -> list[str]:
    return [entry.role_arn for entry in _users(subject, policy)]


def _edited(subject: Subject, policy: _Policy, edit: str) -> tuple[str, ...]:
    """Return the steps that add the role to a policy.

    A policy can name only roles that exist, so if the role does not exist, first deploy it.
    """
    if subject.find_role():
        return policy.edited(edit)
    reason = "because a policy cannot name a role that does not exist"
    return (f"{subject.up_command}, then repeat `check`, {reason}",)


def _statement(subject: Subject, policy: _Policy) -> str:
    """Return one statement that allows the requests for all the stack's roles that use the resource.

    If it named only one role, each entry's fix would overwrite the previous entry's statement.
    """
    groups = [group for entry in _users(subject, policy) for group in _requests(entry, policy.prefix)]
    services = {str(group.context[_SERVICE]) for group in groups if _SERVICE in group.context}
    statement: dict[str, object] = {
        "Sid": _SID,
        "Effect": "Allow",
        "Principal": {"AWS": _roles(subject, policy)},
        "Action": [*dict.fromkeys(action for group in groups for action in group.actions)],
        "Resource": "*",
    }
    if services:
        statement["Condition"] = {"StringEquals": {_SERVICE: sorted(services)}}
    return json.dumps(statement)


def _account(subject: Subject, group: RequestGroup) -> str:
    """Return the account in a resource's ARN; this account for a bucket, whose ARN contains none."""
    return Arn.of(group.resource.known).account or subject.account_id


def _deleted_roles(statements: Sequence[Statement], role_arn: str | None) -> Iterator[str]:
    """Return the IDs of deleted roles in statements that do not also name the current role."""
    for statement in statements:
        names = statement.principals.values
        if f"AWS:{role_arn}" not in names:
            yield from (found[1] for name in names if (found := _ROLE_ID.fullmatch(name)))
