"""Check the default AWS provider's configuration against the role's settings.

Without `aws:allowedAccountIds`, credentials for the wrong account can damage the state, because a
refresh removes a role from the state if the account does not have it. The program cannot
prevent this, because `pulumi up --refresh` refreshes before the program runs and because, by default,
`pulumi refresh` and `pulumi destroy` do not run the program at all.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, cast

import pulumi

from .arguments import HIDDEN, Arguments, as_mapping
from .commands import escape, quote, switch_credentials
from .formats import ACCOUNT_ID, APPLICATION

ALLOWED_ACCOUNTS: Final = "aws:allowedAccountIds"
FORBIDDEN_ACCOUNTS: Final = "aws:forbiddenAccountIds"
DEFAULT_TAGS: Final = "aws:defaultTags"


def check(arguments: Arguments) -> None:
    """Check the allowed accounts and the default tags."""
    _check_accounts(arguments)
    check_tags(as_mapping(arguments["tags"]), arguments)


def _check_accounts(arguments: Arguments) -> None:
    """Reject a list of allowed accounts that is invalid or lacks the application's account.

    Warn if there is no list.
    """
    given, secret = _read(ALLOWED_ACCOUNTS), pulumi.runtime.is_config_secret(ALLOWED_ACCOUNTS)
    at = arguments.at_key(ALLOWED_ACCOUNTS, secret=secret)
    account = _application_account(arguments)
    shown = account and arguments.show(account, "application_id", "account_id")
    shown_or_placeholder = ACCOUNT_ID.placeholder if shown in (None, HIDDEN) else shown

    def set_first() -> str:
        return at.entry(0).set(shown_or_placeholder)

    if given in (None, "", []):
        arguments.warnings.append(_missing_list(set_first(), arguments))
        return
    if not isinstance(given, list):
        # Pulumi cannot set a list entry in an object. For a secret, `set_first` says to edit the file.
        remove = f"{at.remove()} && " if isinstance(given, dict) and not secret else ""
        at.reject(
            f"expected a list, got {at.quote(cast('object', given))}",
            "a list of 12-digit account IDs",
            fix=f"{remove}{set_first()}",
        )
        return
    accounts = cast("list[object]", given)
    invalid = [index for index, each in enumerate(accounts) if not _is_account(each)]
    if not invalid and (account is None or account in map(str, accounts)):
        return
    # With several accounts, a command for one could lose the others, because it replaces a list that is
    # stored as JSON text.
    fix = set_first() if len(accounts) == 1 else at.edit()
    for index in invalid:
        message = f"{at.quote(accounts[index])} is not {ACCOUNT_ID.name}"
        entry = arguments.at_key(ALLOWED_ACCOUNTS, index, secret=secret)  # shows the index
        entry.reject(message, ACCOUNT_ID.expected, fix=fix)
    if not invalid:
        at.reject(
            f"the list does not include the application's account, {shown}",
            f"a list that includes {shown}",
            fix=fix,
        )


def _missing_list(command: str, arguments: Arguments) -> str:
    """Return the warning about a missing list of allowed accounts."""
    conflict = ""
    if _read(FORBIDDEN_ACCOUNTS):
        removal = arguments.at_key(FORBIDDEN_ACCOUNTS).remove()
        conflict = f"First run `{removal}`, because {FORBIDDEN_ACCOUNTS} conflicts with the list. "
    return (
        f"{ALLOWED_ACCOUNTS} is not set or is empty: with credentials for another account, a refresh "
        "can drop roles from the stack's state, and a destroy can remove them from the state without "
        "deleting them. "
        f"{conflict}Set the list to the application's account (`{command}`), make sure that `aws sts "
        "get-caller-identity` shows this account, and run `pulumi up`"
    )


def _is_account(value: object) -> bool:
    """Return whether a list entry is an account ID; Pulumi may have written it as a number."""
    return type(value) in (str, int) and ACCOUNT_ID.parse(str(value)) is not None


def _application_account(arguments: Arguments) -> str | None:
    """Return the application's account, if a setting specifies it."""
    for name, form in (("application_id", APPLICATION), ("account_id", ACCOUNT_ID)):
        text = form.parse(str(arguments[name] or ""))
        if text and text.account:
            return text.account
    return None


def check_tags(tags: Mapping[str, object], arguments: Arguments) -> None:
    """Reject `aws:defaultTags` without `tags`, and tags whose keys match default keys except for case.

    The provider's merge is case-sensitive (`DefaultConfig.MergeTags` in internal/tags in
    terraform-provider-aws), but IAM ignores the case of keys and rejects the result:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
    """
    given, secret = as_mapping(_read(DEFAULT_TAGS)), pulumi.runtime.is_config_secret(DEFAULT_TAGS)
    if given and "tags" not in given:
        at = arguments.at_key(DEFAULT_TAGS, secret=secret)
        at.reject(
            f"{at.quote(given)} does not have the key `tags`",
            "an object with the tags under the key `tags`",
        )
    defaults = as_mapping(given.get("tags"))
    regardless_of_case = {key.lower(): key for key in defaults}
    clashes = [
        (key, regardless_of_case[key.lower()])
        for key in tags
        if key not in defaults and key.lower() in regardless_of_case
    ]
    all_tags = arguments.at("tags")
    hidden = secret or all_tags.secret
    for key, default in clashes[:1] if hidden else clashes:  # hidden keys make all messages the same
        at = all_tags if hidden else all_tags.entry(key)
        at.reject(
            f"has a key that differs only in case from one in {DEFAULT_TAGS}"
            if hidden
            else f"{quote(key)} differs only in case from {quote(default)} in {DEFAULT_TAGS}",
            "keys that are unique regardless of case, including the default tags' keys, because IAM "
            "ignores the case of tag keys",
            at.edit() if hidden else at.remove(),
        )


def explain_failed_lookup(error: str, provider: pulumi.ProviderResource | None) -> str:
    """Return the message for a failed lookup of a provider's account or Region.

    `error` is the SDK's message, which ends with the provider's. Only for credentials that the provider
    rejects does the message say how to use others. `provider` is None for the default provider.

    If the provider can't even be configured with the credentials, the engine ends the program, and shows
    what the provider said (docs/troubleshooting.md).
    """
    said = " ".join(error.rpartition("returned an error: ")[2].split())
    owner = (
        f"AWS provider {quote(provider.pulumi_resource_name)}" if provider else "default AWS provider"
    )
    lines = [
        f"the {owner} cannot look up its account; its roles were not created or changed",
        "",
        f"  {owner}: {escape(said.removeprefix('1 error occurred: * '))}",
    ]
    if re.search("not allowed|credential|token", said, re.IGNORECASE):
        lines += [
            "    expected: valid credentials for the application's account",
            f"    fix: {switch_credentials('this account')}",
        ]
    return "\n".join(lines)


def parse_json(text: str | None) -> object:
    """Parse a configuration value, which the engine passes as JSON unless it is a string.

    Return None, or text that is not JSON, unchanged.
    """
    # Python cannot parse numbers with too many digits or values with too many levels.
    with suppress(ValueError, RecursionError):
        return json.loads(text) if text else text
    return text


def _read(key: str) -> object:
    namespace, _, name = key.partition(":")
    return parse_json(pulumi.Config(namespace).get(name))
