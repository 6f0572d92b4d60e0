"""Check the configuration of the default AWS provider against the settings of the role.

Without `aws:allowedAccountIds`, nothing keeps credentials of another account from the state: a refresh
runs before the program and drops a role that the account does not have, and a destroy runs no program.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Final, NamedTuple, cast

import pulumi

from .errors import NOT_SET, Naming, Problem, quote
from .formats import ACCOUNT_ID, APPLICATION

ALLOWED_ACCOUNTS: Final = "aws:allowedAccountIds"
DEFAULT_TAGS: Final = "aws:defaultTags"
_WAY_OUT: Final = "`pulumi refresh --run-program`, then `pulumi up`"
"""Both take the list from the configuration. Other commands take it from the state, whose list may be
wrong: `EnsureProvider` in pkg/resource/deploy of Pulumi's engine."""


class Findings(NamedTuple):
    """What is wrong with the provider's configuration, or missing."""

    problems: list[Problem]
    warnings: list[str]


def check(args: Mapping[str, object], naming: Naming, secret_names: Collection[str]) -> Findings:
    """Check the allowed accounts and the default tags; `args` has the settings by their names."""
    findings = Findings([*_clashing_tags(args, naming, secret_names)], [])
    account, shown = _application_account(args, naming, secret_names)
    path = (ALLOWED_ACCOUNTS, 0)
    placeholder = ACCOUNT_ID.placeholder if shown in (None, "[secret]") else shown
    fix = naming.command(path, placeholder) if naming.command else ""
    given = _read(ALLOWED_ACCOUNTS)
    if given in (None, "", []):
        findings.warnings.append(
            f"{ALLOWED_ACCOUNTS} is not set: with credentials of another account, a refresh drops the "
            "role from the stack's state, and a destroy forgets it. Set it to the application's account "
            f"(`{fix}`), make sure that `aws sts get-caller-identity` shows this account, and run "
            f"`pulumi up`. If the list was wrong, correct it, and run {_WAY_OUT}"
        )
        return findings

    secret = pulumi.runtime.is_config_secret(ALLOWED_ACCOUNTS)
    expected = "a list of account IDs, each of 12 digits"
    if not isinstance(given, list):
        got = "[secret]" if secret else quote(given)
        message = f"expected a list, got {got}"
        findings.problems.append(Problem((ALLOWED_ACCOUNTS,), message, expected, fix))
        return findings
    accounts = cast("list[object]", given)
    for index, each in enumerate(accounts):
        if not _is_account(each):
            got = "[secret]" if secret else quote(each)
            member = (ALLOWED_ACCOUNTS, index)
            command = naming.command(member, placeholder) if naming.command else None
            message = f"{got} is not {ACCOUNT_ID.name}"
            findings.problems.append(Problem(member, message, ACCOUNT_ID.expected, command))
    if account and not findings.problems and account not in map(str, accounts):
        message = f"the list does not have the application's account, {shown}"
        fix = f"{fix}; if a wrong list was deployed before, also run {_WAY_OUT}"
        findings.problems.append(Problem((ALLOWED_ACCOUNTS,), message, f"a list with {shown}", fix))
    return findings


def _is_account(value: object) -> bool:
    """Return whether a member of the list is an account; Pulumi may have written it as a number."""
    return type(value) in (str, int) and bool(ACCOUNT_ID.pattern.fullmatch(str(value)))


def _application_account(
    args: Mapping[str, object], naming: Naming, secret_names: Collection[str]
) -> tuple[str | None, str | None]:
    """Return the account of the application, if a setting has it, and how a message shows it."""
    for name, form in (("application_id", APPLICATION), ("account_id", ACCOUNT_ID)):
        key = naming.name(name)
        match = form.pattern.fullmatch(str(args[key] or ""))
        if match and match["account"]:
            return match["account"], "[secret]" if key in secret_names else match["account"]
    return None, None


def _clashing_tags(
    args: Mapping[str, object], naming: Naming, secret_names: Collection[str]
) -> Iterator[Problem]:
    """Refuse tags whose keys differ from those of default tags only in case.

    The provider merges both with case (`DefaultConfig.MergeTags` in internal/tags of
    terraform-provider-aws), and IAM refuses the result, since it ignores the case:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
    """
    name, default = naming.name("tags"), _read(DEFAULT_TAGS)
    if isinstance(default, Mapping):
        default = cast("Mapping[str, object]", default).get("tags")
    tags = args[name]
    if not isinstance(tags, Mapping) or not isinstance(default, Mapping):
        return
    default_keys = {key.lower(): key for key in cast("Mapping[str, object]", default)}
    secret = name in secret_names or pulumi.runtime.is_config_secret(DEFAULT_TAGS)
    for key in cast("Mapping[str, object]", tags):
        other = default_keys.get(key.lower(), key)
        if other == key:
            continue
        path = (name,) if secret else (name, key)
        shown, other = ("[secret]", "[secret]") if secret else (quote(key), quote(other))
        yield Problem(
            path,
            f"{shown} and {other} of {DEFAULT_TAGS} differ only in case",
            "keys that are unique regardless of case, with those of the default tags: IAM ignores the "
            "case of tag keys",
            naming.command((name, "KEY" if secret else key), NOT_SET) if naming.command else None,
        )


def _read(key: str) -> object:
    """Return the value of a key, which the engine hands over as text: JSON, unless it is a string."""
    space, _, name = key.partition(":")
    text = pulumi.Config(space).get(name)
    with suppress(ValueError, RecursionError):
        return json.loads(text) if text else None
    return text
