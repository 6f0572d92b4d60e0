"""Write the policies of the roles that CI assumes."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pulumi
from settings import Environment, Settings

Statement = dict[str, Any]

ISSUER: Final = "token.actions.githubusercontent.com"
AUDIENCE: Final = "sts.amazonaws.com"

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
POLICY_SIZE: Final = 6_144
"""The maximum number of characters in a managed policy."""
ATTACHED_POLICIES: Final = 10
"""The maximum number of managed policies attached to a role, unless the account has a higher quota."""

READ_ROLE: Final = (
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
)
WRITE_ROLE: Final = (
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:ListInstanceProfilesForRole",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:UpdateRole",
    "iam:UpdateRoleDescription",
)
GIVE_PERMISSIONS: Final = (
    "iam:CreateRole",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:UpdateAssumeRolePolicy",
)
"""Actions that can grant a role, or the caller, any permission, unless the role has a boundary."""
CREATE_TAGS: Final = "ec2:CreateTags"
ACTIONS: Final[Mapping[str, Sequence[str]]] = json.loads(
    Path(__file__).with_name("actions.json").read_text()
)
"""The actions that connectors' roles need, by service, and the actions that `audit` and `check` need.

`python -m pages` writes the file, because this program may be copied elsewhere.
"""
AUDIT_ROLE: Final = "security/qbusiness-audit"
"""The path and name of the role that `audit` assumes in other accounts, as in examples/audit-role/."""


def subjects(repository: str, environment: str) -> Mapping[str, Sequence[str]]:
    """Return, for each of an environment's roles, the GitHub token subjects that can assume it.

    If a job has a GitHub environment, its token's subject contains the environment, not the branch.
    https://docs.github.com/en/actions/reference/security/oidc
    """
    main = f"repo:{repository}:ref:refs/heads/main"
    return {
        "deploy": [f"repo:{repository}:environment:{environment}"],
        "preview": [f"repo:{repository}:pull_request", main],
        # A pull request must not assume this role, which can read the policies of the whole account.
        "audit": [main],
    }


def trust(provider_arn: str, allowed: Sequence[str]) -> dict[str, Any]:
    """Return the trust policy for these GitHub token subjects."""
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": allowed}},
    }
    return document([statement])


def document(statements: Sequence[Statement]) -> dict[str, Any]:
    """Return a policy with these statements."""
    return {"Version": "2012-10-17", "Statement": statements}


class Permissions(NamedTuple):
    """The permissions of a role."""

    inline: list[Statement]
    managed: list[list[Statement]]
    """The statements about roles with other paths, as one list for each managed policy."""


def permissions(settings: Settings, environment: Environment) -> Mapping[str, Permissions]:
    """Return the permissions of an environment's roles; raise pulumi.RunError if they exceed a quota."""
    boundary, partition = environment.boundary, environment.roles.split(":")[1]
    condition = {"StringEquals": {"iam:PermissionsBoundary": boundary}} if boundary else None
    # If there is a boundary, do not allow its removal, which the condition does not prevent.
    unbounded = () if boundary else ("iam:DeleteRolePermissionsBoundary",)

    # Do not allow iam:RemoveRoleFromInstanceProfile, which the provider calls to delete a role in an
    # instance profile. IAM cannot limit the action to one role, so CI could remove any instance's role.
    def of_stack(*, write: bool) -> Permissions:
        def statements(roles: Sequence[str]) -> list[Statement]:
            actions = (*READ_ROLE, *WRITE_ROLE, *unbounded) if write else READ_ROLE
            return [
                _allow("ConnectorRole", actions, roles),
                _allow("MissingConnectorRole", READ_ROLE, _without_path(roles)),
                *([_allow("RolePermissions", GIVE_PERMISSIONS, roles, condition)] if write else []),
            ]

        state = _state(settings, environment.name, write=write)
        return Permissions([*statements([environment.roles]), *state], _split(statements, environment))

    # `audit` must be able to read any role.
    audit = [
        *_state(settings, environment.name, write=False),
        _allow("AuditAndCheck", ACTIONS["auditAndCheck"], ["*"]),
        # The role in the other account must also trust this role.
        _allow("AuditAccounts", ["sts:AssumeRole"], [f"arn:{partition}:iam::*:role/{AUDIT_ROLE}"]),
    ]
    return {
        "deploy": of_stack(write=True),
        "preview": of_stack(write=False),
        "audit": Permissions(audit, []),
    }


def _split(
    statements: Callable[[Sequence[str]], list[Statement]], environment: Environment
) -> list[list[Statement]]:
    """Return the statements about an environment's other roles; fill each policy up to IAM's quota."""
    parts: list[list[str]] = []
    for arn in environment.other_roles:
        if not parts or _size(document(statements([*parts[-1], arn]))) > POLICY_SIZE:
            parts.append([])
        parts[-1].append(arn)
    if len(parts) > ATTACHED_POLICIES:
        raise pulumi.RunError(
            f"environments.{environment.name}.roleArns: {len(environment.other_roles)} ARNs need "
            f"{len(parts)} policies, but a role can have at most {ATTACHED_POLICIES}; nothing "
            "was created or changed\n  fix: divide the data sources between two stacks, each with its "
            "own environment"
        )
    return [statements(part) for part in parts]


def _size(policy: Mapping[str, Any]) -> int:
    """Return a policy's size in characters, excluding whitespace, which IAM does not count."""
    return len(json.dumps(policy, separators=(",", ":")))


def boundary(environment: Environment) -> dict[str, Any]:
    """Return the boundary of an environment's roles; raise pulumi.RunError if it exceeds IAM's quota.

    The boundary lets the roles read only the resources in the settings, and use keys only through
    Secrets Manager and Amazon S3.
    """
    _, partition, _, _, account, _ = environment.boundary.split(":")
    reads = environment.reads
    secrets = [
        arn for name in reads.get("secrets", ()) for arn in _secret_arns(name, partition, account)
    ]
    buckets = [f"arn:{partition}:s3:::{name}" for name in reads.get("buckets", ())]
    keys = [key for key in reads.get("keys", ()) if key.startswith("arn:")]
    aliases = [key for key in reads.get("keys", ()) if not key.startswith("arn:")]
    services = {"kms:ViaService": ["secretsmanager.*.amazonaws.com", "s3.*.amazonaws.com"]}
    statements = [
        _allow("ReadSecrets", ACTIONS["secretsmanager"], secrets),
        _allow("ReadObjects", ["s3:GetObject"], [f"{bucket}/*" for bucket in buckets]),
        _allow("ListObjects", ["s3:ListBucket"], buckets),
        _allow("UseKeys", ACTIONS["kms"], keys, {"StringLike": services}),
        _allow(
            "UseKeysWithAliases",
            ACTIONS["kms"],
            [f"arn:{partition}:kms:*:{account}:key/*"] if aliases else [],
            {"StringLike": services, "ForAnyValue:StringEquals": {"kms:ResourceAliases": aliases}},
        ),
        _allow(
            "FillIndexes", ACTIONS["qbusiness"], [f"arn:{partition}:qbusiness:*:{account}:application/*"]
        ),
        _allow(
            "PassRolesToAmazonQBusiness",
            ACTIONS["iam"],
            [f"arn:{partition}:iam::{account}:role/*"],
            {"StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}},
        ),
        _allow("UseNetwork", [each for each in ACTIONS["ec2"] if each != CREATE_TAGS], ["*"]),
        _allow(
            "TagNewNetworkInterfaces",
            [CREATE_TAGS],
            ["*"],
            {"StringEquals": {"ec2:CreateAction": "CreateNetworkInterface"}},
        ),
    ]
    policy = document([each for each in statements if each["Resource"]])
    if _size(policy) > POLICY_SIZE:
        raise pulumi.RunError(
            f"environments.{environment.name}: the boundary has {_size(policy)} characters, but IAM "
            f"allows {POLICY_SIZE}; nothing was created or changed\n  fix: replace names of secrets "
            "with patterns, such as qbusiness/prod/*, and ARNs of keys with aliases; or divide the data "
            "sources between two stacks"
        )
    return policy


def _secret_arns(name: str, partition: str, account: str) -> list[str]:
    """Return the ARN patterns for a secret's name, pattern, or ARN.

    Secrets Manager adds a hyphen and six characters to a name. If the given name ends with a hyphen and
    six characters, these may be the suffix.
    """
    arn = (
        name if name.startswith("arn:") else f"arn:{partition}:secretsmanager:*:{account}:secret:{name}"
    )
    complete = name.endswith("*") or re.search(r"-\w{6}\Z", name, re.ASCII)
    return [*([arn] if complete else []), *([] if name.endswith("*") else [f"{arn}-??????"])]


def _without_path(roles: Sequence[str]) -> list[str]:
    """Return the ARNs, without paths, that IAM checks if an environment's roles do not exist.

    Without these ARNs, IAM would return AccessDenied instead of NoSuchEntity for a deleted role, and CI
    could not recreate it. This is inferred from error messages, which refer to the role as `role NAME`.
    """
    account = roles[0].partition("/")[0]
    names = [arn.rpartition("/")[2] for arn in roles]
    # A name of `*` stands for all automatic names. Their pattern's first wildcard also matches a path.
    return [f"{account}/{'*-qbusiness-role-*' if name == '*' else name}" for name in names]


def _state(settings: Settings, stack: str, *, write: bool) -> list[Statement]:
    """Return the permissions for a stack's state, and for the key that encrypts its secrets.

    In https://github.com/pulumi/pulumi, pkg/backend/diy uses these objects: `ensurePulumiMeta`
    reads meta.yaml and creates it only in an empty bucket; `loadStackTags` reads .pulumi-tags;
    `getCheckpoint` reads, and `saveCheckpoint` writes, files that end with .json, .gz, .zst, or .bak;
    `Lock`, `addToHistory`, and `backupStack` write to the other directories. A period or a slash follows
    each stack name, which contains neither, so no pattern matches another environment's stack.
    """
    statements: list[Statement] = []
    if settings.bucket_arn:
        state, of_stack = f"{settings.bucket_arn}/.pulumi", f"{settings.project}/{stack}"
        checkpoint = f"{state}/stacks/{of_stack}.json*"
        written = [
            checkpoint,
            f"{state}/backups/{of_stack}/*",
            f"{state}/history/{of_stack}/*",
            f"{state}/locks/organization/{of_stack}/*",
        ]
        read = [f"{state}/meta.yaml", f"{state}/stacks/{of_stack}.pulumi-tags"]
        statements = [
            # There is no condition on the prefix. If an object is missing, as .pulumi-tags usually is,
            # S3 returns NoSuchKey only if the caller can list the bucket. Otherwise, S3 returns
            # AccessDenied, and the update fails.
            _allow("StateList", ["s3:ListBucket"], [settings.bucket_arn]),
            _allow("StateRead", ["s3:GetObject"], read if write else [checkpoint, *read]),
        ]
        if write:
            actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
            statements.append(_allow("StateWrite", actions, written))
    if settings.key_arn:
        actions = ["kms:Decrypt", "kms:Encrypt"] if write else ["kms:Decrypt"]
        statements.append(_allow("StateKey", actions, [settings.key_arn]))
    return statements


def _allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    statement = {"Sid": sid, "Effect": "Allow", "Action": [*actions], "Resource": [*resources]}
    return {**statement, "Condition": condition} if condition else statement


def grants(service: str, statements: Sequence[Statement], role_arn: str) -> list[Statement]:
    """Convert statements about a bucket or key to statements for the bucket's or key's policy.

    The principal is the account, with a condition on the role, so the policy remains valid if the role
    is recreated, and can be written before the role exists.
    """
    account = ":".join(role_arn.split(":")[:5])
    return [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"{account}:root"},
            "Action": statement["Action"],
            # In a key policy, * means the key that has the policy.
            "Resource": "*" if service == "kms" else statement["Resource"],
            "Condition": {"ArnEquals": {"aws:PrincipalArn": role_arn}},
        }
        for statement in statements
        if statement["Sid"].startswith("State") and statement["Action"][0].startswith(f"{service}:")
    ]
