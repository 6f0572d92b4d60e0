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
MAXIMUM_POLICY_SIZE: Final = 6_144
"""The maximum number of characters in a managed policy."""
MAXIMUM_ATTACHED_POLICIES: Final = 10
"""The maximum number of managed policies attached to a role, unless the account has a higher quota."""

READ_ROLE_ACTIONS: Final = (
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
)
WRITE_ROLE_ACTIONS: Final = (
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:ListInstanceProfilesForRole",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:UpdateRole",
    "iam:UpdateRoleDescription",
)
GRANTING_ACTIONS: Final = (
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


def get_subjects(repository: str, environment_name: str) -> Mapping[str, Sequence[str]]:
    """Return, for each of an environment's roles, the GitHub token subjects that can assume it.

    If a job has a GitHub environment, its token's subject contains the environment, not the branch.
    https://docs.github.com/en/actions/reference/security/oidc
    """
    main_branch = f"repo:{repository}:ref:refs/heads/main"
    return {
        "deploy": [f"repo:{repository}:environment:{environment_name}"],
        "preview": [f"repo:{repository}:pull_request", main_branch],
        # A pull request must not assume this role, which can read the policies of the whole account.
        "audit": [main_branch],
    }


def render_trust_policy(provider_arn: str, subjects: Sequence[str]) -> dict[str, Any]:
    """Return the trust policy for these GitHub token subjects."""
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": subjects}},
    }
    return render_policy([statement])


def render_policy(statements: Sequence[Statement]) -> dict[str, Any]:
    """Return a policy with these statements."""
    return {"Version": "2012-10-17", "Statement": statements}


class Permissions(NamedTuple):
    """The permissions of a role."""

    inline: list[Statement]
    managed: list[list[Statement]]
    """The statements about roles with other paths, as one list for each managed policy."""


def build_permissions(settings: Settings, environment: Environment) -> Mapping[str, Permissions]:
    """Return the permissions of an environment's roles; raise pulumi.RunError if they exceed a quota."""
    partition = environment.role_arn_pattern.split(":")[1]
    # `audit` must be able to read any role.
    audit_statements = [
        *_build_state_statements(settings, environment.name, can_write=False),
        _allow_actions("AuditAndCheck", ACTIONS["auditAndCheck"], ["*"]),
        # The role in the other account must also trust this role.
        _allow_actions(
            "AuditAccounts", ["sts:AssumeRole"], [f"arn:{partition}:iam::*:role/{AUDIT_ROLE}"]
        ),
    ]
    return {
        "deploy": _build_stack_permissions(settings, environment, can_write=True),
        "preview": _build_stack_permissions(settings, environment, can_write=False),
        "audit": Permissions(audit_statements, []),
    }


def _build_stack_permissions(
    settings: Settings, environment: Environment, *, can_write: bool
) -> Permissions:
    """Return the permissions to preview a stack or, if `can_write` is True, to deploy it."""
    boundary_arn = environment.boundary_arn
    condition = {"StringEquals": {"iam:PermissionsBoundary": boundary_arn}} if boundary_arn else None
    # If there is a boundary, do not allow its removal, which the condition does not prevent.
    unbounded_actions = () if boundary_arn else ("iam:DeleteRolePermissionsBoundary",)
    write_actions = (*READ_ROLE_ACTIONS, *WRITE_ROLE_ACTIONS, *unbounded_actions)

    # Do not allow iam:RemoveRoleFromInstanceProfile, which the provider calls to delete a role in an
    # instance profile. IAM cannot limit the action to one role, so CI could remove any instance's role.
    def build_role_statements(role_arns: Sequence[str]) -> list[Statement]:
        statements = [
            _allow_actions(
                "ConnectorRole", write_actions if can_write else READ_ROLE_ACTIONS, role_arns
            ),
            _allow_actions("MissingConnectorRole", READ_ROLE_ACTIONS, _remove_paths(role_arns)),
        ]
        if can_write:
            statements.append(_allow_actions("RolePermissions", GRANTING_ACTIONS, role_arns, condition))
        return statements

    state_statements = _build_state_statements(settings, environment.name, can_write=can_write)
    return Permissions(
        inline=[*build_role_statements([environment.role_arn_pattern]), *state_statements],
        managed=_divide_statements(build_role_statements, environment),
    )


def _divide_statements(
    build_role_statements: Callable[[Sequence[str]], list[Statement]], environment: Environment
) -> list[list[Statement]]:
    """Return the statements about an environment's other roles; fill each policy up to IAM's quota."""
    arn_groups: list[list[str]] = []
    for role_arn in environment.other_role_arns:
        last_group = arn_groups[-1] if arn_groups else []
        extended_policy = render_policy(build_role_statements([*last_group, role_arn]))
        if not arn_groups or _measure_policy(extended_policy) > MAXIMUM_POLICY_SIZE:
            arn_groups.append([])
        arn_groups[-1].append(role_arn)
    if len(arn_groups) > MAXIMUM_ATTACHED_POLICIES:
        raise pulumi.RunError(
            f"environments.{environment.name}.roleArns: {len(environment.other_role_arns)} ARNs need "
            f"{len(arn_groups)} policies, but a role can have at most {MAXIMUM_ATTACHED_POLICIES}; "
            "nothing was created or changed\n  fix: divide the data sources between two stacks, each "
            "with its own environment"
        )
    return [build_role_statements(role_arns) for role_arns in arn_groups]


def _measure_policy(policy: Mapping[str, Any]) -> int:
    """Return a policy's size in characters, excluding whitespace, which IAM does not count."""
    return len(json.dumps(policy, separators=(",", ":")))


def render_boundary(environment: Environment) -> dict[str, Any]:
    """Return the boundary of an environment's roles; raise pulumi.RunError if it exceeds IAM's quota.

    The boundary lets the roles read only the resources in the settings, and use keys only through
    Secrets Manager and Amazon S3.
    """
    _, partition, _, _, account_id, _ = environment.boundary_arn.split(":")
    readable_resources = environment.readable_resources
    secret_arns = [
        secret_arn
        for secret in readable_resources.get("secrets", ())
        for secret_arn in _build_secret_arns(secret, partition, account_id)
    ]
    bucket_arns = [f"arn:{partition}:s3:::{bucket}" for bucket in readable_resources.get("buckets", ())]
    key_arns = [key for key in readable_resources.get("keys", ()) if key.startswith("arn:")]
    key_aliases = [key for key in readable_resources.get("keys", ()) if key not in key_arns]
    through_services = {"kms:ViaService": ["secretsmanager.*.amazonaws.com", "s3.*.amazonaws.com"]}
    application_arns = [f"arn:{partition}:qbusiness:*:{account_id}:application/*"]
    statements = [
        _allow_actions("ReadSecrets", ACTIONS["secretsmanager"], secret_arns),
        _allow_actions("ReadObjects", ["s3:GetObject"], [f"{bucket}/*" for bucket in bucket_arns]),
        _allow_actions("ListObjects", ["s3:ListBucket"], bucket_arns),
        _allow_actions("UseKeys", ACTIONS["kms"], key_arns, {"StringLike": through_services}),
        _allow_actions(
            "UseKeysWithAliases",
            ACTIONS["kms"],
            [f"arn:{partition}:kms:*:{account_id}:key/*"] if key_aliases else [],
            {
                "StringLike": through_services,
                "ForAnyValue:StringEquals": {"kms:ResourceAliases": key_aliases},
            },
        ),
        _allow_actions("FillIndexes", ACTIONS["qbusiness"], application_arns),
        _allow_actions(
            "PassRolesToAmazonQBusiness",
            ACTIONS["iam"],
            [f"arn:{partition}:iam::{account_id}:role/*"],
            {"StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}},
        ),
        _allow_actions(
            "UseNetwork", [action for action in ACTIONS["ec2"] if action != CREATE_TAGS], ["*"]
        ),
        _allow_actions(
            "TagNewNetworkInterfaces",
            [CREATE_TAGS],
            ["*"],
            {"StringEquals": {"ec2:CreateAction": "CreateNetworkInterface"}},
        ),
    ]
    policy = render_policy([statement for statement in statements if statement["Resource"]])
    policy_size = _measure_policy(policy)
    if policy_size > MAXIMUM_POLICY_SIZE:
        raise pulumi.RunError(
            f"environments.{environment.name}: the boundary has {policy_size} characters, but IAM "
            f"allows {MAXIMUM_POLICY_SIZE}; nothing was created or changed\n  fix: replace names of "
            "secrets with patterns, such as qbusiness/prod/*, and ARNs of keys with aliases; or divide "
            "the data sources between two stacks"
        )
    return policy


def _build_secret_arns(secret: str, partition: str, account_id: str) -> list[str]:
    """Return the ARN patterns for a secret's name, pattern, or ARN.

    Secrets Manager adds a hyphen and six characters to a name. If the given name ends with a hyphen and
    six characters, these may be the suffix.
    """
    prefix = f"arn:{partition}:secretsmanager:*:{account_id}:secret:"
    arn = secret if secret.startswith("arn:") else f"{prefix}{secret}"
    if secret.endswith("*"):
        return [arn]
    with_suffix = f"{arn}-??????"
    may_have_suffix = re.search(r"-\w{6}\Z", secret, re.ASCII)
    return [arn, with_suffix] if may_have_suffix else [with_suffix]


def _remove_paths(role_arns: Sequence[str]) -> list[str]:
    """Return the ARNs, without paths, that IAM checks if an environment's roles do not exist.

    Without these ARNs, IAM would return AccessDenied instead of NoSuchEntity for a deleted role, and CI
    could not recreate it. This is inferred from error messages, which refer to the role as `role NAME`.
    """
    prefix = role_arns[0].partition("/")[0]
    role_names = [role_arn.rpartition("/")[2] for role_arn in role_arns]
    # A name of `*` stands for all automatic names. Their pattern's first wildcard also matches a path.
    name_patterns = ["*-qbusiness-role-*" if name == "*" else name for name in role_names]
    return [f"{prefix}/{name_pattern}" for name_pattern in name_patterns]


def _build_state_statements(settings: Settings, stack: str, *, can_write: bool) -> list[Statement]:
    """Return the permissions for a stack's state, and for the key that encrypts its secrets.

    In https://github.com/pulumi/pulumi, pkg/backend/diy uses these objects: `ensurePulumiMeta`
    reads meta.yaml and creates it only in an empty bucket; `loadStackTags` reads .pulumi-tags;
    `getCheckpoint` reads, and `saveCheckpoint` writes, files that end with .json, .gz, .zst, or .bak;
    `Lock`, `addToHistory`, and `backupStack` write to the other directories. A period or a slash follows
    each stack name, which contains neither, so no pattern matches another environment's stack.
    """
    statements: list[Statement] = []
    if settings.bucket_arn:
        state_directory = f"{settings.bucket_arn}/.pulumi"
        stack_path = f"{settings.project}/{stack}"
        checkpoints = f"{state_directory}/stacks/{stack_path}.json*"
        writable_objects = [
            checkpoints,
            f"{state_directory}/backups/{stack_path}/*",
            f"{state_directory}/history/{stack_path}/*",
            f"{state_directory}/locks/organization/{stack_path}/*",
        ]
        metadata = [f"{state_directory}/meta.yaml", f"{state_directory}/stacks/{stack_path}.pulumi-tags"]
        readable_objects = metadata if can_write else [checkpoints, *metadata]
        statements = [
            # There is no condition on the prefix. If an object is missing, as .pulumi-tags usually is,
            # S3 returns NoSuchKey only if the caller can list the bucket. Otherwise, S3 returns
            # AccessDenied, and the update fails.
            _allow_actions("StateList", ["s3:ListBucket"], [settings.bucket_arn]),
            _allow_actions("StateRead", ["s3:GetObject"], readable_objects),
        ]
        if can_write:
            actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
            statements.append(_allow_actions("StateWrite", actions, writable_objects))
    if settings.key_arn:
        actions = ["kms:Decrypt", "kms:Encrypt"] if can_write else ["kms:Decrypt"]
        statements.append(_allow_actions("StateKey", actions, [settings.key_arn]))
    return statements


def _allow_actions(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    statement = {"Sid": sid, "Effect": "Allow", "Action": [*actions], "Resource": [*resources]}
    return {**statement, "Condition": condition} if condition else statement


def convert_statements(service: str, statements: Sequence[Statement], role_arn: str) -> list[Statement]:
    """Convert statements about a bucket or key to statements for the bucket's or key's policy.

    The principal is the account, with a condition on the role, so the policy remains valid if the role
    is recreated, and can be written before the role exists.
    """
    iam_prefix = ":".join(role_arn.split(":")[:5])
    return [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"{iam_prefix}:root"},
            "Action": statement["Action"],
            # In a key policy, * means the key that has the policy.
            "Resource": "*" if service == "kms" else statement["Resource"],
            "Condition": {"ArnEquals": {"aws:PrincipalArn": role_arn}},
        }
        for statement in statements
        if statement["Sid"].startswith("State") and statement["Action"][0].startswith(f"{service}:")
    ]
