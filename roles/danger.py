"""Recognize dangerous statements in a role's policies."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from components.formats import SUPPORTED_REGIONS
from guardrails.iam.containment import certain_values
from guardrails.iam.documents import Statement
from guardrails.iam.patterns import VARIABLE, Text, covers, is_pattern, matches
from guardrails.iam.truth import Truth
from roles.account import Role
from roles.arns import Arn
from roles.difference import TRUST_POLICY, Verdict

_ADMINISTRATOR: Final = "administrator access"
ESCALATIONS: Final[Mapping[str, str]] = {
    "iam:AddUserToGroup": "group",
    "iam:AttachGroupPolicy": "group",
    "iam:AttachRolePolicy": "",
    "iam:AttachUserPolicy": "user",
    "iam:CreateAccessKey": "user",
    "iam:CreateLoginProfile": "user",
    "iam:CreatePolicyVersion": "policy",
    "iam:PutGroupPolicy": "group",
    "iam:PutRolePolicy": "",
    "iam:PutUserPolicy": "user",
    "iam:SetDefaultPolicyVersion": "policy",
    "iam:UpdateAssumeRolePolicy": "role",
    "iam:UpdateLoginProfile": "user",
}
"""The IAM actions with which a principal can make itself or another principal an administrator.

Each value is a type of resource. The action is dangerous if it is allowed on a pattern that matches
resources of this type. If the type is `policy`, an attached policy also counts; if the type is empty,
only the role itself counts. These are the IAM actions in Rhino Security Labs' list of escalations,
except iam:PassRole, which is dangerous only together with an action of another service:
https://rhinosecuritylabs.com/aws/aws-privilege-escalation-methods-mitigation/"""
_OWN_ACCOUNT_SERVICES: Final[Mapping[str, str]] = {
    "ec2.amazonaws.com": "https://docs.aws.amazon.com/IAM/latest/UserGuide/"
    "id_roles_use_switch-role-ec2_instance-profiles.html",
    "lambda.amazonaws.com": "https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html",
}
"""Services that accept a role only for resources in the role's account, with their AWS pages."""
_OWNERS: Final[Mapping[str, tuple[str, str]]] = {
    "token.actions.githubusercontent.com:sub": ("repo:", "/"),
    "gitlab.com:sub": ("project_path:", "/"),
    "app.terraform.io:sub": ("organization:", ":"),
}
"""For each identity provider's subject: the text before the owner, and the character after the owner.

Anybody can register an owner's name that is still free, so patterns must contain the owner's full name:
https://docs.github.com/en/actions/reference/openid-connect-reference,
https://docs.gitlab.com/ci/secrets/id_token_authentication/, and
https://developer.hashicorp.com/terraform/cloud-docs/workspaces/dynamic-provider-credentials/workload-identity-tokens"""
_ORGANIZATION_ID: Final = re.compile(r"o-[a-z0-9]{10,32}")
"""https://docs.aws.amazon.com/organizations/latest/APIReference/API_Organization.html"""
_MADE_UP_NAMES: Final = ("x", "another/path/name-1")
"""Made-up names. A pattern that matches both of them matches nearly every role or secret."""


def with_dangers(
    verdicts: Iterable[Verdict], statements: Sequence[Statement], role: Role
) -> Iterator[Verdict]:
    """Yield the verdicts on a role's statements; add the danger of each excess statement."""
    arn, attached = Arn.of(role.arn), role.attached or ()
    for statement, verdict in zip(statements, verdicts, strict=True):
        is_excess = verdict.verdict == "excess"
        yield verdict._replace(danger=find_danger(statement, arn, attached)) if is_excess else verdict


def find_danger(statement: Statement, role: Arn, attached: Iterable[str] = ()) -> str:
    """Return an excess statement's danger, such as `trusts everybody`; empty if there is none.

    `attached` contains the ARNs of the role's managed policies.
    """
    trust = statement.policy == TRUST_POLICY
    found = _open_to(statement, role.account) if trust else _power(statement, role, attached)
    return f"{found} under a condition" if found and statement.conditions else found


def _power(statement: Statement, role: Arn, attached: Iterable[str]) -> str:
    actions, resources = statement.actions, statement.resources
    for action, kind in ESCALATIONS.items():
        own = attached if kind == "policy" else () if kind else (role.text,)
        if actions.covers(action) and (
            any(map(resources.covers, own)) or (kind and _has_pattern(statement, role, kind))
        ):
            return _ADMINISTRATOR
    every = [f"arn:{role.partition}:iam::{role.account}:role/{name}" for name in _MADE_UP_NAMES]
    if actions.covers("sts:AssumeRole") and all(map(resources.covers, every)):
        return "permission to assume every role in the account"
    by_tag = any("/" in each.key for each in statement.conditions)
    if (
        actions.covers("secretsmanager:GetSecretValue")
        and not by_tag
        and _covers_secrets(statement, role)
    ):
        return "permission to read every secret in a Region"
    return ""


def _covers_secrets(statement: Statement, role: Arn) -> bool:
    """Return whether a statement covers all of the account's secrets in at least one Region."""
    places = [f"arn:{role.partition}:secretsmanager:{each}:{role.account}" for each in SUPPORTED_REGIONS]
    return any(
        all(statement.resources.covers(f"{place}:secret:{name}") for name in _MADE_UP_NAMES)
        for place in places
    )


def _has_pattern(statement: Statement, role: Arn, kind: str) -> bool:
    """Return whether one of a statement's resources is a pattern that matches resources of a type.

    A pattern has a wildcard in the ARN's last part. `NotResource` counts as a pattern that matches,
    unless it excludes all resources of the type.
    """
    prefix = f"arn:{role.partition}:iam::{role.account}:{kind}/"
    if statement.resources.negated:
        return not statement.resources._replace(negated=False).covers(f"{prefix}*")
    return any(
        is_pattern(VARIABLE.sub("", value.split(":", 5)[-1]))
        and matches(value, Text(prefix, "x")) is not Truth.NO
        for value in statement.resources.values
    )


def _open_to(statement: Statement, account: str) -> str:
    if statement.principals.negated or "*" in statement.principals.values:
        return "trusts everybody"
    principals = [value.partition(":")[::2] for value in statement.principals.values]
    accounts = {Arn.of(name).account or name for kind, name in principals if kind == "AWS"}
    if any(each.isdigit() and each != account for each in accounts):
        return "trusts another account"
    kinds = {kind for kind, _ in principals}
    if "Federated" in kinds and not _requires_subject(statement):
        return "trusts every user of an identity provider"
    services = {name for kind, name in principals if kind == "Service"}
    if services.difference(_OWN_ACCOUNT_SERVICES) and not _limits_sources(statement, account):
        return "trusts a service in other accounts"
    return ""


def _requires_subject(statement: Statement) -> bool:
    """Return whether conditions limit which users of an identity provider can use a role."""
    # A SAML provider lists each user's roles. With a web identity, only the subject identifies a user.
    providers = [value for value in statement.principals.values if value.startswith("Federated:")]
    if all(":saml-provider/" in provider for provider in providers):
        return bool(statement.conditions)
    subjects = {key for each in statement.conditions if (key := each.key.lower()).endswith(":sub")}
    return any(
        not any(_is_anybody(key, value) for value in values)
        for key in subjects
        for values in certain_values(statement.conditions, key)
    )


def _is_anybody(key: str, subject: str) -> bool:
    """Return whether anybody can obtain a subject that matches a pattern."""
    start, *others = re.split(r"[*?]", subject, maxsplit=1)
    prefix, end = _OWNERS.get(key, ("", ""))
    of_any_owner = bool(prefix and others) and (start.startswith(prefix) or prefix.startswith(start))
    return covers(subject, "*") or (of_any_owner and end not in start.removeprefix(prefix))


def _limits_sources(statement: Statement, account: str) -> bool:
    """Return whether a service can use a role only for this account, or only for one organization.

    AWS recommends conditions on either. Whether the organization is the account's own is not known here:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    conditions = statement.conditions
    accounts = [{*values} for values in certain_values(conditions, "aws:SourceAccount")]
    accounts += [
        {Arn.of(arn).account for arn in arns} for arns in certain_values(conditions, "aws:SourceArn")
    ]
    organizations = [{*values} for values in certain_values(conditions, "aws:SourceOrgID")]
    organizations += [
        {path.partition("/")[0] for path in paths}
        for paths in certain_values(conditions, "aws:SourceOrgPaths")
    ]
    return {account} in accounts or any(
        len(ids) == 1 and all(map(_ORGANIZATION_ID.fullmatch, ids)) for ids in organizations
    )
