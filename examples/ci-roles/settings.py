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


_PART: Final = r"[\w.+=,@-]+"
TEXTS: Final[Mapping[str, Format]] = {
    "repository": Format(
        r"[\w-]{1,39}/[\w.-]{1,100}|[\w-]{1,39}@\d+/[\w.-]{1,100}@\d+",
        "ORG/REPO, or ORG@ORG_ID/REPO@REPO_ID for immutable subject claims, as `gh api "
        "repos/ORG/REPO/actions/oidc/customization/sub --jq .sub_claim_prefix` shows after `repo:`",
        "REPOSITORY",
    ),
    "permissionsBoundaryArn": Format(
        rf"arn:[\w-]+:iam::\d{{12}}:policy/(?:{_PART}/)*{_PART}",
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
ENVIRONMENT: Final = Format(
    # A period is invalid, because .json follows the stack's name in the state's file name. A role's name
    # has at most 64 characters, 21 of which are `connector-ci-preview-`.
    r"[\w-]{1,43}",
    "the NAME of a Pulumi.NAME.yaml: 1 to 43 letters, digits, hyphens, and underscores",
)
ROLE_PATH: Final = Format(
    rf"(?!/aws-service-role/|/service-role/)(?=.{{3,512}}\Z)/(?:{_PART}/)+",
    "the environment's own path, such as /connectors/prod/, as in `rolePath` in Pulumi.NAME.yaml",
)
LISTS: Final[Mapping[str, Format]] = {
    "roleArns": Format(
        rf"arn:[\w-]+:iam::\d{{12}}:role/(?:{_PART}/)*{_PART}",
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
    roles: str
    """The ARN, with a wildcard, of all connector roles that have the environment's path."""
    other_roles: Sequence[str]
    """The ARNs of the environment's connector roles with other paths."""
    reads: Mapping[str, Sequence[str]]
    """The resources, by setting, for the environment's own boundary; empty without such a boundary."""
    boundary: str
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
    """Return the settings for an account; if any is invalid, raise pulumi.RunError with all problems."""
    config, problems = pulumi.Config(), _Problems()
    texts = {name: config.get(name) or "" for name in TEXTS}
    environments = config.require_object("environments")
    needs_boundary = config.require_bool("requirePermissionsBoundary")
    others = ("environments", "requirePermissionsBoundary", "createOidcProvider")
    keys = [key.partition(":") for key in pulumi.runtime.get_config_env()]
    names = [name for namespace, _, name in keys if namespace == config.name]
    problems.reject_unknown(names, (*TEXTS, *others))
    for name, form in TEXTS.items():
        if texts[name] or name in ("repository", "project"):
            in_account = account if name == "permissionsBoundaryArn" else ""
            problems.check(name, texts[name], form, account=in_account)
    boundary = texts["permissionsBoundaryArn"]
    read_environments = _environments(
        environments, f"arn:{partition}:iam::{account}", boundary, problems
    )
    for each in read_environments:
        if needs_boundary and not each.boundary:
            problems.add(
                f"environments.{each.name}.secrets",
                f"is not set, and neither is environments.{each.name}.buckets",
                "the resources that the roles may read, because without a boundary, anyone who deploys "
                "can grant any permission. If others own the boundary, set permissionsBoundaryArn. To "
                "accept roles without a boundary, set requirePermissionsBoundary: false",
            )
        if boundary and each.reads:
            problems.add(
                f"environments.{each.name}.{next(iter(each.reads))}",
                "has no effect with permissionsBoundaryArn",
                "either permissionsBoundaryArn, or a boundary that this program creates",
            )
    problems.raise_any()
    bucket = texts["stateBucket"]
    return Settings(
        repository=texts["repository"],
        environments=read_environments,
        create_oidc_provider=config.require_bool("createOidcProvider"),
        project=texts["project"],
        bucket_arn=f"arn:{partition}:s3:::{bucket}" if bucket else "",
        key_arn=texts["kmsKeyArn"],
    )


def _environments(
    given: Mapping[str, Any], iam: str, boundary: str, problems: _Problems
) -> list[Environment]:
    """Return the environments, and report all problems with them; `iam` is the prefix of IAM ARNs."""
    roles, account = f"{iam}:role", iam.rpartition(":")[2]
    found: list[Environment] = []
    if not given:
        problems.add("environments", "is empty", "the rolePath of each environment in this account")
    # Anyone who can change a role can gain its permissions.
    taken = [("CI", f"{roles}/connector-ci-*")]
    names = [name.lower() for name in given]
    for name, value in given.items():
        place = f"environments.{name}"
        if names.count(name.lower()) > 1:
            message = f"{_quote(name)} differs from another environment's name only in case"
            problems.add(
                place, message, "a name that is unique regardless of case, because IAM ignores case"
            )
        entries = cast("dict[str, Any]", value if isinstance(value, dict) else {})
        problems.check(place, name, ENVIRONMENT)
        problems.reject_unknown(entries, ("rolePath", *LISTS), f"{place}.")
        path = entries.get("rolePath", "")
        problems.check(f"{place}.rolePath", path, ROLE_PATH)
        lists = {key: _texts(entries, key) for key in LISTS}
        for key, values in lists.items():
            in_account = account if key == "roleArns" else ""
            for number, entry in enumerate(values):
                problems.check(f"{place}.{key}[{number}]", entry, LISTS[key], account=in_account)
        arns = {f"{place}.roleArns[{n}]": arn for n, arn in enumerate(lists.pop("roleArns"))}
        arns = {entry: arn for entry, arn in arns.items() if LISTS["roleArns"].fits(arn)}
        reads = {key: values for key, values in lists.items() if values}
        own = ({f"{place}.rolePath": f"{roles}{path}*"} if ROLE_PATH.fits(path) else {}) | arns
        for entry, pattern in own.items():
            for owner, its in taken:
                if fnmatchcase(pattern, its) or fnmatchcase(its, pattern):
                    message = f"{_quote(pattern)} overlaps with {_quote(its)}, which belongs to {owner}"
                    problems.add(entry, message, "roles that belong only to this environment")
        taken += [(name, pattern) for pattern in own.values()]
        limit = boundary or (f"{iam}:policy/connector-boundary-{name}" if reads else "")
        found.append(Environment(name, f"{roles}{path}*", [*arns.values()], reads, limit))
    return found


def _texts(entries: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list of texts; the user may specify a single text without a list."""
    values = entries.get(key, [])
    return cast("list[Any]", values if isinstance(values, list) else [values])
