"""Check the configuration of the default AWS provider against the settings of the role.

Without `aws:allowedAccountIds`, credentials for the wrong account can damage the state: a refresh runs
before the program and drops a role that the account does not have, and a destroy does not even run the
program.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, cast

import pulumi

from .errors import Path, Problem, quote
from .formats import ACCOUNT_ID, APPLICATION
from .report import EDIT, HIDDEN, REMOVE, Report

ALLOWED_ACCOUNTS: Final = "aws:allowedAccountIds"
FORBIDDEN_ACCOUNTS: Final = "aws:forbiddenAccountIds"
DEFAULT_TAGS: Final = "aws:defaultTags"
_RECOVERY: Final = "`pulumi refresh --run-program`, then `pulumi up`"
"""Both commands read the list from the configuration. A plain `pulumi refresh` reads it from the state,
where it may be wrong: `EnsureProvider` in pkg/resource/deploy of Pulumi's engine."""


def check(settings: Mapping[str, object], report: Report) -> None:
    """Check the allowed accounts and the default tags; settings have their names in the component."""
    _check_accounts(settings, report)
    check_tags(as_mapping(settings["tags"]), report)


def _check_accounts(settings: Mapping[str, object], report: Report) -> None:
    """Require a list of accounts that includes the application's; warn about a missing list."""
    given, secret = _read(ALLOWED_ACCOUNTS), pulumi.runtime.is_config_secret(ALLOWED_ACCOUNTS)
    account = _application_account(settings)
    shown = account and report.show(account, "application_id", "account_id")
    shown_or_placeholder = ACCOUNT_ID.placeholder if shown in (None, HIDDEN) else shown

    def set_command(index: int = 0) -> str:
        # Setting a member as plain text would replace the whole secret list.
        return _command(report, (ALLOWED_ACCOUNTS, index), EDIT if secret else shown_or_placeholder)

    if given in (None, "", []):
        report.warnings.append(_missing_list(set_command(), report))
        return
    if not isinstance(given, list):
        fix = set_command()
        if isinstance(given, dict) and not secret:  # Pulumi cannot set a list's member in an object
            fix = f"{_command(report, (ALLOWED_ACCOUNTS,), REMOVE)} && {fix}"
        got = _quote(cast("object", given), secret)
        _refuse(report, (ALLOWED_ACCOUNTS,), f"expected a list, got {got}", fix)
        return
    accounts = cast("list[object]", given)
    # If the list was written as JSON text, a command for one member would replace all of it.
    edit = _command(report, (ALLOWED_ACCOUNTS,), EDIT)
    invalid = [index for index, each in enumerate(accounts) if not _is_account(each)]
    for index in invalid:
        message = f"{_quote(accounts[index], secret)} is not {ACCOUNT_ID.name}"
        fix = set_command(index) if len(accounts) == 1 else edit
        _refuse(report, (ALLOWED_ACCOUNTS, index), message, fix, ACCOUNT_ID.expected)
    if account and not invalid and account not in map(str, accounts):
        # A single account is probably that of another environment.
        fix = set_command() if len(accounts) == 1 else edit
        _refuse(
            report,
            (ALLOWED_ACCOUNTS,),
            f"the list does not include the application's account, {shown}",
            f"{fix}; if a wrong list was deployed before, also run {_RECOVERY}",
            f"a list that includes {shown}",
        )


def _missing_list(command: str, report: Report) -> str:
    """Return the warning about a missing list."""
    conflict = ""
    if _read(FORBIDDEN_ACCOUNTS):
        removal = _command(report, (FORBIDDEN_ACCOUNTS,), REMOVE)
        conflict = f"First remove {FORBIDDEN_ACCOUNTS}, which conflicts with it (`{removal}`). "
    return (
        f"{ALLOWED_ACCOUNTS} is not set: with credentials of another account, a refresh drops the role "
        "from the stack's state, and a destroy removes it from the state without deleting it. "
        f"{conflict}Set it to the application's account (`{command}`), make sure that `aws sts "
        "get-caller-identity` shows this account, and run `pulumi up`. To correct a wrong list, change "
        f"it, and run {_RECOVERY}"
    )


def _is_account(value: object) -> bool:
    """Return whether a member of the list is an account; Pulumi may have written it as a number."""
    return type(value) in (str, int) and ACCOUNT_ID.parse(str(value)) is not None


def _application_account(settings: Mapping[str, object]) -> str | None:
    """Return the account of the application, if a setting specifies it."""
    for name, form in (("application_id", APPLICATION), ("account_id", ACCOUNT_ID)):
        text = form.parse(str(settings[name] or ""))
        if text and text.account:
            return text.account
    return None


def check_tags(tags: Mapping[str, object], report: Report) -> None:
    """Reject default tags without `tags`, and a tag that IAM would reject together with a default tag.

    The provider merges the two case-sensitively (`DefaultConfig.MergeTags` in internal/tags of
    terraform-provider-aws), but IAM ignores the case of keys, and rejects the result:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
    """
    given, secret = as_mapping(_read(DEFAULT_TAGS)), pulumi.runtime.is_config_secret(DEFAULT_TAGS)
    if given and "tags" not in given:
        message = f"expected an object of default tags, got {_quote(given, secret)}"
        removal = _command(report, (DEFAULT_TAGS,), REMOVE)
        fix = f"{removal} && {_command(report, (DEFAULT_TAGS, 'tags', 'KEY'), 'VALUE')}"
        if secret:
            fix = _command(report, (DEFAULT_TAGS,), EDIT)
        _refuse(report, (DEFAULT_TAGS,), message, fix, "an object with the tags under the key tags")
    defaults = as_mapping(given.get("tags"))
    regardless_of_case = {key.lower(): key for key in defaults}
    clashes = [
        (key, regardless_of_case[key.lower()])
        for key in tags
        if key not in defaults and key.lower() in regardless_of_case
    ]
    hidden = secret or report.is_secret("tags")
    for key, default in clashes[:1] if hidden else clashes:  # without keys, all would read the same
        shown, shown_default = (HIDDEN, HIDDEN) if hidden else (quote(key), quote(default))
        place = report.at("tags") if hidden else report.at("tags", key)
        place.refuse(
            f"{shown} and {shown_default} of {DEFAULT_TAGS} differ only in case",
            "keys that are unique regardless of case, including among the default tags: IAM ignores the "
            "case of tag keys",
            EDIT if hidden else REMOVE,
        )


def _refuse(
    report: Report,
    path: Path,
    message: str,
    fix: str,
    expected: str = "a list of account IDs, each of 12 digits",
) -> None:
    report.problems.append(Problem(path, message, expected, fix))


def _command(report: Report, path: Path, value: str | None) -> str:
    return report.source.command(path, value, secret=False) if report.source.command else ""


def _quote(value: object, secret: bool) -> str:  # noqa: FBT001 read at the call: _quote(given, secret)
    return HIDDEN if secret else quote(value)


def as_mapping(value: object) -> Mapping[str, object]:
    """Return a mapping, or an empty one for a value of another type."""
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _read(key: str) -> object:
    """Return the value of a key, parsed if it is JSON: the engine passes lists and objects as JSON."""
    namespace, _, name = key.partition(":")
    text = pulumi.Config(namespace).get(name)
    with suppress(ValueError, RecursionError):
        return json.loads(text) if text else None
    return text
