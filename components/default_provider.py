"""Check the default AWS provider's configuration against the role's settings.

Without `aws:allowedAccountIds`, credentials for the wrong account can damage the state, because a
refresh removes a role from the state if the account does not have it. The program cannot
prevent this, because `pulumi up --refresh` refreshes before the program runs and because, by default,
`pulumi refresh` and `pulumi destroy` do not run the program at all.
"""

import re
from collections.abc import Mapping
from typing import Final, cast

import pulumi

from .arguments import Arguments
from .commands import escape, quote, switch_credentials
from .fields import HIDDEN, Field, as_mapping
from .formats import ACCOUNT_ID
from .report import Report
from .role import Location, Role, read_role

ALLOWED_ACCOUNTS: Final = "aws:allowedAccountIds"
FORBIDDEN_ACCOUNTS: Final = "aws:forbiddenAccountIds"
DEFAULT_TAGS: Final = "aws:defaultTags"


def check(fields: Mapping[str, Field], report: Report) -> None:
    """Check the allowed accounts and the default tags."""
    _check_accounts(fields, report)
    check_tags(fields["tags"], report)


def _check_accounts(fields: Mapping[str, Field], report: Report) -> None:
    """Warn if there is no list of allowed accounts; reject an invalid or incomplete list."""
    given = Field.of_config(ALLOWED_ACCOUNTS)
    # Only for the application's account: the role's own validation reports its problems.
    role = read_role("", Arguments(fields), Location(), Report())
    account = role.shown.account
    set_first = given.entry(0).set(ACCOUNT_ID.placeholder if account in ("", HIDDEN) else account)
    if given.value in (None, "", []):
        _warn_of_missing_list(set_first, report)
    elif not isinstance(given.value, list):
        _reject_other_type(given, set_first, report)
    else:
        _check_list(given, role, set_first, report)


def _warn_of_missing_list(set_first: str, report: Report) -> None:
    conflict = ""
    forbidden = Field.of_config(FORBIDDEN_ACCOUNTS)
    if forbidden.value:
        removal = forbidden.remove()
        conflict = f"First run `{removal}`, because {FORBIDDEN_ACCOUNTS} conflicts with the list. "
    report.warnings.append(
        f"{ALLOWED_ACCOUNTS} is not set or is empty: with credentials for another account, a refresh "
        "can drop roles from the stack's state, and a destroy can remove them from the state without "
        "deleting them. "
        f"{conflict}Set the list to the application's account (`{set_first}`), make sure that `aws sts "
        "get-caller-identity` shows this account, and run `pulumi up`"
    )


def _reject_other_type(given: Field, set_first: str, report: Report) -> None:
    # Pulumi cannot set a list entry in an object. For a secret, `set_first` says to edit the file.
    is_object = isinstance(given.value, dict) and not given.secret
    fix = f"{given.remove()} && {set_first}" if is_object else set_first
    report.reject_type(given, "a list", "a list of 12-digit account IDs", fix)


def _check_list(given: Field, role: Role, set_first: str, report: Report) -> None:
    """Reject entries that are not account IDs, and a list that lacks the application's account."""
    accounts = cast("list[object]", given.value)
    # With several accounts, a command for one could lose the others, because it replaces a list that is
    # stored as JSON text.
    fix = set_first if len(accounts) == 1 else given.edit()
    # Pulumi may have written an account ID as a number.
    invalid = [
        given.part(index, each) for index, each in enumerate(accounts) if not ACCOUNT_ID.parse(str(each))
    ]
    for entry in invalid:
        message = f"{entry.quote(entry.value)} is not {ACCOUNT_ID.name}"
        report.reject(entry, message, ACCOUNT_ID.expected, fix)
    if not invalid and role.location.account and role.location.account not in map(str, accounts):
        report.reject(
            given,
            f"the list does not include the application's account, {role.shown.account}",
            f"a list that includes {role.shown.account}",
            fix,
        )


def check_tags(tags: Field, report: Report) -> None:
    """Reject `aws:defaultTags` without `tags`, and tags whose keys match default keys except for case.

    The provider's merge is case-sensitive (`DefaultConfig.MergeTags` in internal/tags in
    terraform-provider-aws), but IAM ignores the case of keys and rejects the result:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
    """
    default_tags = Field.of_config(DEFAULT_TAGS)
    given = as_mapping(default_tags.value)
    if given and "tags" not in given:
        report.reject(
            default_tags,
            f"{default_tags.quote(given)} does not have the key `tags`",
            "an object with the tags under the key `tags`",
        )
    defaults = as_mapping(given.get("tags"))
    regardless_of_case = {key.lower(): key for key in defaults}
    clashes = [
        (key, regardless_of_case[key.lower()])
        for key in as_mapping(tags.value)
        if key not in defaults and key.lower() in regardless_of_case
    ]
    hidden = default_tags.secret or tags.secret
    for key, default in (
        clashes[:1] if hidden else clashes
    ):  # with hidden keys, all messages are the same
        tag = tags if hidden else tags.entry(key)
        report.reject(
            tag,
            f"has a key that differs only in case from one in {DEFAULT_TAGS}"
            if hidden
            else f"{quote(key)} differs only in case from {quote(default)} in {DEFAULT_TAGS}",
            "keys that are unique regardless of case, including the default tags' keys, because IAM "
            "ignores the case of tag keys",
            tag.edit() if hidden else tag.remove(),
        )


def explain_failed_lookup(error: str, provider: pulumi.ProviderResource | None) -> str:
    """Return the message for a failed lookup of a provider's account or Region.

    `error` is the SDK's message, which ends with the provider's. The message says how to use other
    credentials only if the provider rejected them. `provider` is None for the default provider.

    If the provider can't even be configured with the credentials, the engine ends the program and shows
    what the provider said (docs/troubleshooting.md).
    """
    said = " ".join(error.rpartition("returned an error: ")[2].split())
    owner = (
        f"AWS provider {quote(provider.pulumi_resource_name)}" if provider else "default AWS provider"
    )
    lines = [
        f"the {owner} cannot look up its account or Region; its roles were not created or changed",
        "",
        f"  {owner}: {escape(said.removeprefix('1 error occurred: * '))}",
    ]
    if re.search("not allowed|credential|token", said, re.IGNORECASE):
        lines += [
            "    expected: valid credentials for the application's account",
            f"    fix: {switch_credentials('this account')}",
        ]
    return "\n".join(lines)
