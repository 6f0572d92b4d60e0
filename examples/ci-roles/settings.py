"""Read and validate the program's settings before any resource is registered."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple, cast

import pulumi


class Format(NamedTuple):
    """The format of a value; it excludes policy variables and, except for secrets, wildcards."""

    pattern: str
    expected: str
    placeholder: str = ""
    """The text for the value in the command that sets it; empty if the user edits the file instead."""

    def fits(self, value: object) -> bool:
        """Return whether a value has this format."""
        return isinstance(value, str) and re.fullmatch(self.pattern, value, re.ASCII) is not None


_ARN_PART: Final = r"[\w.+=,@-]+"
STRING_FORMATS: Final[Mapping[str, Format]] = {
    "repository": Format(
        r"[\w-]{1,39}/[\w.-]{1,100}|[\w-]{1,39}@\d+/[\w.-]{1,100}@\d+",
        "ORG/REPO, or ORG@ORG_ID/REPO@REPO_ID for immutable subject claims, as `gh api "
        "repos/ORG/REPO/actions/oidc/customization/sub --jq .sub_claim_prefix` shows after `repo:`",
        "REPOSITORY",
    ),
    "permissionsBoundaryArn": Format(
        rf"arn:[\w-]+:iam::\d{{12}}:policy/(?:{_ARN_PART}/)*{_ARN_PART}",
        "arn:PARTITION:iam::ACCOUNT:policy/NAME in this account, not an AWS managed policy. It must not "
        "allow IAM actions that the roles do not need, because a role that can use IAM can create an "
        "administrator",
        "POLICY_ARN",
    ),
    "project": Format(r"[\w.-]{1,100}", "the `name` in the connector roles' Pulumi.yaml", "PROJECT"),
    "stateBucket": Format(
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of an S3 bucket, without s3://", "BUCKET_NAME"
    ),
    "kmsKeyArn": Format(
        r"arn:[\w-]+:kms:[a-z0-9-]+:\d{12}:key/[\w-]+",
        "arn:PARTITION:kms:REGION:ACCOUNT:key/ID, not an alias: "
        "`aws kms describe-key --key-id ALIAS --query KeyMetadata.Arn` shows the ARN",
        "KEY_ARN",
    ),
}
ENVIRONMENT_NAME_FORMAT: Final = Format(
    # A period is invalid, because .json follows the stack's name in the state's file name. A role's name
    # has at most 64 characters, 21 of which are `connector-ci-preview-`.
    r"[\w-]{1,43}",
    "the NAME of a Pulumi.NAME.yaml: 1 to 43 letters, digits, hyphens, and underscores",
)
ROLE_PATH_FORMAT: Final = Format(
    rf"(?!/aws-service-role/|/service-role/)(?=.{{3,512}}\Z)/(?:{_ARN_PART}/)+",
    "the environment's own path, such as /connectors/prod/, as in `rolePath` in Pulumi.NAME.yaml",
)
LIST_FORMATS: Final[Mapping[str, Format]] = {
    "roleArns": Format(
        rf"arn:[\w-]+:iam::\d{{12}}:role/(?:{_ARN_PART}/)*{_ARN_PART}",
        "arn:PARTITION:iam::ACCOUNT:role/PATH/NAME in this account, without wildcards",
    ),
    # These lists limit the access of an environment's roles. Each value contains part of a name or an
    # ID, so no value matches all resources.
    "secrets": Format(
        r"(?:arn:[\w-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:)?[\w/+=.@-]+[\w/+=.@*?-]*",
        "the names of secrets in this account, patterns such as qbusiness/prod/*, or the ARNs of "
        "another account's secrets",
    ),
    "buckets": Format(
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the names of S3 buckets, without s3:// or wildcards"
    ),
    "keys": Format(
        r"arn:[\w-]+:kms:[a-z0-9-]+:\d{12}:key/[\w-]+|alias/(?!aws/)[\w/-]+",
        "the ARNs of KMS keys, or alias/NAME for the key in this account that has the alias",
    ),
}
"""The formats of the entries in an environment's lists."""


class Environment(NamedTuple):
    """A stack with connector roles, and the GitHub environment of the same name."""

    name: str
    role_arn_pattern: str
    """The ARN, with a wildcard, of all connector roles that have the environment's path."""
    other_role_arns: Sequence[str]
    """The ARNs of the environment's connector roles with other paths."""
    readable_resources: Mapping[str, Sequence[str]]
    """The resources, by setting, for the environment's own boundary; empty without such a boundary."""
    boundary_arn: str
    """The ARN of the roles' permissions boundary; empty if they have no boundary."""


class Settings(NamedTuple):
    """The valid settings."""

    repository: str
    environments: Sequence[Environment]
    create_oidc_provider: bool
    project: str
    bucket_arn: str
    """The ARN of the state's bucket; empty if the state is not in S3."""
    key_arn: str
    """The ARN of the AWS KMS key that encrypts the state's secrets; empty if there is none."""


class _Problems:
    """The problems with all settings."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def add(self, setting: str, reason: str, expected: str, placeholder: str = "") -> None:
        stack = pulumi.get_stack()
        fix = f"edit Pulumi.{stack.rpartition('/')[2]}.yaml"
        if placeholder:
            fix = f"pulumi config set --stack {stack} {setting} {placeholder}"
        self.messages.append(f"\n  {setting}: {reason}\n    expected: {expected}\n    fix: {fix}")

    def check_format(
        self, setting: str, value: object, value_format: Format, *, account_id: str = ""
    ) -> None:
        """Report a value that has the wrong format, or an ARN in another account."""
        reason = ""
        if not value_format.fits(value):
            reason = f"{_format_value(value)} has the wrong format" if value else "is not set"
        elif account_id and str(value).split(":")[4] != account_id:
            reason = f"{_format_value(value)} is not in {account_id}, the credentials' account"
        if reason:
            self.add(setting, reason, value_format.expected, value_format.placeholder)

    def reject_unknown(
        self, configured: Collection[str], settings: Collection[str], prefix: str = ""
    ) -> None:
        """Report the configured names that are not settings; messages show them with `prefix`."""
        expected = ", ".join(f"{prefix}{setting}" for setting in settings)
        for unknown_name in sorted(set(configured) - set(settings)):
            self.add(f"{prefix}{unknown_name}", "is not a setting", expected)

    def raise_any(self) -> None:
        if self.messages:
            plural_ending = "s" if len(self.messages) > 1 else ""
            count = f"{len(self.messages)} error{plural_ending}"
            heading = f"invalid configuration: {count}; nothing was created or changed"
            raise pulumi.RunError("\n".join([heading, *self.messages]))


def _format_value(value: object) -> str:
    return json.dumps(value)[:120]


def read_settings(partition: str, account_id: str) -> Settings:
    """Return the settings for an account; if any is invalid, raise pulumi.RunError with all problems."""
    config = pulumi.Config()
    problems = _Problems()
    strings = {setting: config.get(setting) or "" for setting in STRING_FORMATS}
    settings_by_environment = config.require_object("environments")
    requires_boundary = config.require_bool("requirePermissionsBoundary")
    other_settings = ("environments", "requirePermissionsBoundary", "createOidcProvider")
    namespace = f"{config.name}:"
    keys = [key for key in pulumi.runtime.get_config_env() if key.startswith(namespace)]
    configured = [key.removeprefix(namespace) for key in keys]
    problems.reject_unknown(configured, (*STRING_FORMATS, *other_settings))
    for setting, string_format in STRING_FORMATS.items():
        if strings[setting] or setting in ("repository", "project"):
            required_account = account_id if setting == "permissionsBoundaryArn" else ""
            problems.check_format(setting, strings[setting], string_format, account_id=required_account)
    boundary_arn = strings["permissionsBoundaryArn"]
    environments = _read_environments(
        settings_by_environment, f"arn:{partition}:iam::{account_id}", boundary_arn, problems
    )
    for environment in environments:
        place = f"environments.{environment.name}"
        if requires_boundary and not environment.boundary_arn:
            problems.add(
                f"{place}.secrets",
                f"is not set, and neither is {place}.buckets",
                "the resources that the roles may read, because without a boundary, anyone who deploys "
                "can grant any permission. If others own the boundary, set permissionsBoundaryArn. To "
                "accept roles without a boundary, set requirePermissionsBoundary: false",
            )
        if boundary_arn and environment.readable_resources:
            problems.add(
                f"{place}.{next(iter(environment.readable_resources))}",
                "has no effect with permissionsBoundaryArn",
                "either permissionsBoundaryArn, or a boundary that this program creates",
            )
    problems.raise_any()
    bucket_name = strings["stateBucket"]
    return Settings(
        repository=strings["repository"],
        environments=environments,
        create_oidc_provider=config.require_bool("createOidcProvider"),
        project=strings["project"],
        bucket_arn=f"arn:{partition}:s3:::{bucket_name}" if bucket_name else "",
        key_arn=strings["kmsKeyArn"],
    )


def _read_environments(
    settings_by_name: Mapping[str, Any], iam_prefix: str, boundary_arn: str, problems: _Problems
) -> list[Environment]:
    """Return the environments, and report all problems with them; `iam_prefix` begins IAM ARNs."""
    environments: list[Environment] = []
    if not settings_by_name:
        problems.add("environments", "is empty", "the rolePath of each environment in this account")
    lowercase_names = [name.lower() for name in settings_by_name]
    # Anyone who can change a role can gain its permissions.
    owners_and_patterns = [("CI", f"{iam_prefix}:role/connector-ci-*")]
    for environment_name, settings_object in settings_by_name.items():
        place = f"environments.{environment_name}"
        if lowercase_names.count(environment_name.lower()) > 1:
            quoted_name = _format_value(environment_name)
            reason = f"{quoted_name} differs from another environment's name only in case"
            problems.add(
                place, reason, "a name that is unique regardless of case, because IAM ignores case"
            )
        settings = cast("dict[str, Any]", settings_object if isinstance(settings_object, dict) else {})
        problems.check_format(place, environment_name, ENVIRONMENT_NAME_FORMAT)
        problems.reject_unknown(settings, ("rolePath", *LIST_FORMATS), f"{place}.")
        role_path = settings.get("rolePath", "")
        problems.check_format(f"{place}.rolePath", role_path, ROLE_PATH_FORMAT)
        lists = {setting: _read_list(settings, setting) for setting in LIST_FORMATS}
        for setting, values in lists.items():
            account_id = iam_prefix.rpartition(":")[2] if setting == "roleArns" else ""
            for index, value in enumerate(values):
                value_place = f"{place}.{setting}[{index}]"
                problems.check_format(value_place, value, LIST_FORMATS[setting], account_id=account_id)
        role_arn_pattern = f"{iam_prefix}:role{role_path}*"
        role_arn_by_place = {
            f"{place}.roleArns[{index}]": role_arn
            for index, role_arn in enumerate(lists.pop("roleArns"))
            if LIST_FORMATS["roleArns"].fits(role_arn)
        }
        has_role_path = ROLE_PATH_FORMAT.fits(role_path)
        pattern_by_place = {f"{place}.rolePath": role_arn_pattern} if has_role_path else {}
        pattern_by_place |= role_arn_by_place
        for pattern_place, pattern in pattern_by_place.items():
            for owner, owned_pattern in owners_and_patterns:
                if fnmatchcase(pattern, owned_pattern) or fnmatchcase(owned_pattern, pattern):
                    overlap = f"{_format_value(pattern)} overlaps with {_format_value(owned_pattern)}"
                    reason = f"{overlap}, which belongs to {owner}"
                    problems.add(pattern_place, reason, "roles that belong only to this environment")
        owners_and_patterns += [(environment_name, pattern) for pattern in pattern_by_place.values()]
        readable_resources = {setting: values for setting, values in lists.items() if values}
        boundary_to_create = f"{iam_prefix}:policy/connector-boundary-{environment_name}"
        environments.append(
            Environment(
                name=environment_name,
                role_arn_pattern=role_arn_pattern,
                other_role_arns=[*role_arn_by_place.values()],
                readable_resources=readable_resources,
                boundary_arn=boundary_arn or (boundary_to_create if readable_resources else ""),
            )
        )
    return environments


def _read_list(settings: Mapping[str, Any], setting: str) -> list[Any]:
    """Return the values of a list setting; the user may specify a single value without a list."""
    values = settings.get(setting, [])
    return cast("list[Any]", values if isinstance(values, list) else [values])
