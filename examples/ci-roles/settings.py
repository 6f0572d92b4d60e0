"""Read and validate the program's settings before it registers anything."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple, cast

import pulumi


class Format(NamedTuple):
    """The format of a value. No format allows a wildcard or a policy variable."""

    pattern: str
    expected: str
    placeholder: str = ""
    """Shown in the command that sets the value; empty if the user edits the file instead."""

    def fits(self, value: object) -> bool:
        """Return whether a value has this format."""
        return isinstance(value, str) and re.fullmatch(self.pattern, value, re.ASCII) is not None


_PART: Final = r"[\w.+=,@-]+"
TEXTS: Final[Mapping[str, Format]] = {
    "repository": Format(
        r"[\w-]{1,39}/[\w.-]{1,100}|[\w-]{1,39}@\d+/[\w.-]{1,100}@\d+",
        "ORG/REPO, or ORG@ORG_ID/REPO@REPO_ID for immutable subject claims: `gh api "
        "repos/ORG/REPO/actions/oidc/customization/sub --jq .sub_claim_prefix` shows it after `repo:`",
        "REPOSITORY",
    ),
    "permissionsBoundaryArn": Format(
        rf"arn:[\w-]+:iam::\d{{12}}:policy/(?:{_PART}/)*{_PART}",
        "arn:PARTITION:iam::ACCOUNT:policy/NAME in this account, not an AWS managed policy. It must not "
        "allow more of IAM than the roles need, because a role that can use IAM can create an "
        "administrator. Without a boundary, whoever deploys can give a role any permission; to accept "
        "that, set requirePermissionsBoundary: false",
        "POLICY_ARN",
    ),
    "project": Format(r"[\w.-]{1,100}", "the `name` in that project's Pulumi.yaml", "PROJECT"),
    "stateBucket": Format(
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of an S3 bucket, without s3://", "BUCKET_NAME"
    ),
    "kmsKeyArn": Format(
        r"arn:[\w-]+:kms:[a-z0-9-]+:\d{12}:key/[\w-]+",
        "arn:PARTITION:kms:REGION:ACCOUNT:key/ID, not an alias: "
        "`aws kms describe-key --key-id ALIAS --query KeyMetadata.Arn` shows it",
        "KEY_ARN",
    ),
}
ENVIRONMENT: Final = Format(
    # No periods, because .json follows the stack's name in its state's file name. A role's name has at
    # most 64 characters, 21 of which are `connector-ci-preview-`.
    r"[\w-]{1,43}",
    "the NAME of a Pulumi.NAME.yaml: 1 to 43 letters, digits, hyphens, and underscores",
)
ROLE_PATH: Final = Format(
    rf"(?!/aws-service-role/|/service-role/)(?=.{{3,512}}\Z)/(?:{_PART}/)+",
    "its own path, such as /connectors/prod/, as in `rolePath` in Pulumi.NAME.yaml",
)
ROLE_ARN: Final = Format(
    rf"arn:[\w-]+:iam::\d{{12}}:role/(?:{_PART}/)*{_PART}",
    "arn:PARTITION:iam::ACCOUNT:role/PATH/NAME in this account, without wildcards",
)
ENVIRONMENT_KEYS: Final = ("rolePath", "roleArns")


class Environment(NamedTuple):
    """An environment with connector roles: a stack and a GitHub environment."""

    name: str
    roles: Sequence[str]
    """The ARNs of its connector roles. An ARN with a wildcard matches all roles with that path."""


class Settings(NamedTuple):
    """The valid settings."""

    repository: str
    environments: Sequence[Environment]
    boundary: str
    """The ARN of the connector roles' permissions boundary; empty if it is not set."""
    create_oidc_provider: bool
    project: str
    bucket_arn: str
    """Empty if the state is not in S3."""
    key_arn: str
    """Empty if no AWS KMS key encrypts the state's secrets."""


class _Problems:
    """The problems with all settings."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, name: str, message: str, expected: str, placeholder: str = "") -> None:
        stack = pulumi.get_stack()
        fix = f"edit Pulumi.{stack.rpartition('/')[2]}.yaml"
        if placeholder:
            fix = f"pulumi config set --stack {stack} {name} {placeholder}"
        self.found.append(f"\n  {name}: {message}\n    expected: {expected}\n    fix: {fix}")

    def check(self, name: str, value: object, form: Format, *, account: str = "") -> None:
        """Report a value that has the wrong format, or an ARN in another account."""
        if not form.fits(value):
            message = f"{_quote(value)} has the wrong format" if value else "is not set"
            self.add(name, message, form.expected, form.placeholder)
        elif account and str(value).split(":")[4] != account:
            message = f"{_quote(value)} is not in {account}, the credentials' account"
            self.add(name, message, form.expected, form.placeholder)

    def reject_unknown(self, names: Collection[str], known: Collection[str], prefix: str = "") -> None:
        for name in sorted(set(names) - set(known)):
            self.add(
                f"{prefix}{name}", "is not a setting", ", ".join(f"{prefix}{each}" for each in known)
            )

    def raise_any(self) -> None:
        if self.found:
            count = f"{len(self.found)} error{'s' * (len(self.found) > 1)}"
            first = f"invalid configuration: {count}; nothing was created or changed"
            raise pulumi.RunError("\n".join([first, *self.found]))


def _quote(value: object) -> str:
    return json.dumps(value)[:120]


def read(partition: str, account: str) -> Settings:
    """Return the settings for an account; raise pulumi.RunError with every problem."""
    config, problems = pulumi.Config(), _Problems()
    texts = {name: config.get(name) or "" for name in TEXTS}
    environments = config.require_object("environments")
    needs_boundary = config.require_bool("requirePermissionsBoundary")
    others = ("environments", "requirePermissionsBoundary", "createOidcProvider")
    keys = [key.partition(":") for key in pulumi.runtime.get_config_env()]
    names = [name for namespace, _, name in keys if namespace == config.name]
    problems.reject_unknown(names, (*TEXTS, *others))
    required = {"repository", "project", *(["permissionsBoundaryArn"] if needs_boundary else [])}
    for name, form in TEXTS.items():
        if texts[name] or name in required:
            in_account = account if name == "permissionsBoundaryArn" else ""
            problems.check(name, texts[name], form, account=in_account)
    roles = f"arn:{partition}:iam::{account}:role"
    read_environments = _environments(environments, roles, account, problems)
    problems.raise_any()
    bucket = texts["stateBucket"]
    return Settings(
        repository=texts["repository"],
        environments=read_environments,
        boundary=texts["permissionsBoundaryArn"],
        create_oidc_provider=config.require_bool("createOidcProvider"),
        project=texts["project"],
        bucket_arn=f"arn:{partition}:s3:::{bucket}" if bucket else "",
        key_arn=texts["kmsKeyArn"],
    )


def _environments(
    given: Mapping[str, Any], roles: str, account: str, problems: _Problems
) -> list[Environment]:
    """Return the environments, and report all problems with them."""
    found: list[Environment] = []
    if not given:
        problems.add("environments", "is empty", "the rolePath of each environment in this account")
    # Whoever can change a role can get its permissions.
    taken = [("CI", f"{roles}/connector-ci-*")]
    names = [name.lower() for name in given]
    for name, value in given.items():
        place = f"environments.{name}"
        if names.count(name.lower()) > 1:
            message = f"{_quote(name)} differs from another environment's name only in case"
            problems.add(
                place, message, "a name that differs in more than case, as IAM requires of roles"
            )
        entries = cast("dict[str, Any]", value if isinstance(value, dict) else {})
        problems.check(place, name, ENVIRONMENT)
        problems.reject_unknown(entries, ENVIRONMENT_KEYS, f"{place}.")
        path = entries.get("rolePath", "")
        problems.check(f"{place}.rolePath", path, ROLE_PATH)
        arns = entries.get("roleArns", [])
        arns = cast("list[Any]", arns if isinstance(arns, list) else [arns])
        for number, arn in enumerate(arns):
            problems.check(f"{place}.roleArns[{number}]", arn, ROLE_ARN, account=account)
        own = {f"{place}.rolePath": f"{roles}{path}*"} if ROLE_PATH.fits(path) else {}
        own |= {
            f"{place}.roleArns[{number}]": arn for number, arn in enumerate(arns) if ROLE_ARN.fits(arn)
        }
        for entry, pattern in own.items():
            for owner, its in taken:
                if fnmatchcase(pattern, its) or fnmatchcase(its, pattern):
                    message = f"{_quote(pattern)} overlaps with {_quote(its)}, which belongs to {owner}"
                    problems.add(entry, message, "roles that belong only to this environment")
        taken += [(name, pattern) for pattern in own.values()]
        found.append(Environment(name, list(own.values())))
    return found
