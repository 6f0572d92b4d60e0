"""Select the accounts to audit, and assume a role in each account except the credentials' account."""

import argparse
import re
from collections.abc import Callable, Sequence
from functools import partial

from roles.account import Account
from roles.concurrency import read_each
from roles.errors import PERMISSIONS_PAGE, InputError
from roles.findings import Finding, attempt
from roles.output import Notes


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that select accounts."""
    accounts = parser.add_mutually_exclusive_group()
    accounts.add_argument(
        "--account",
        metavar="ID",
        action="append",
        type=_text("[0-9]{12}", "12 digits"),
        help="audit this account; default: the credentials' account; repeatable",
    )
    accounts.add_argument(
        "--organization", action="store_true", help="audit every active account of the organization"
    )
    parser.add_argument(
        "--assume-role",
        metavar="PATH/NAME",
        type=_text(r"(?!arn:)([!-.0-~]+/)*[\w+=,.@-]{1,64}", "text such as security/audit, not an ARN"),
        help="assume this role in each account except the credentials' account",
    )
    parser.add_argument(
        "--external-id",
        metavar="ID",
        # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
        type=_text("[A-Za-z0-9_+=,.@:/-]{2,1224}", "2 to 1,224 letters, digits, and _+=,.@:/-"),
        help="the external ID that the roles' trust policies require",
    )


def _text(pattern: str, expected: str) -> Callable[[str], str]:
    """Return a function that argparse can use as a `type` to validate text."""

    def parse(text: str) -> str:
        if re.fullmatch(pattern, text, re.ASCII):
            return text
        raise argparse.ArgumentTypeError(f"expected {expected}")

    return parse


def open_accounts(
    options: argparse.Namespace, own: Sequence[Account], notes: Notes
) -> dict[str, Sequence[Account] | str]:
    """Return the selected accounts by ID, in the form that `survey` requires.

    `own` is the credentials' account in each Region; it needs no role. Raises InputError if the options
    contradict each other or specify no role for other accounts. Also raises errors of ListAccounts.
    """
    caller = own[0].caller()
    if not (options.account or options.organization):
        if options.assume_role or options.external_id:
            raise InputError("--assume-role and --external-id are only for --account or --organization")
        return {caller["Account"]: own}
    # Use a separate object, because ListAccounts and AssumeRole are not part of the accounts' audits.
    asking = Account(own[0].region, notes)
    chosen = options.account or [
        each["Id"] for each in asking.items("organizations:ListAccounts") if each["State"] == "ACTIVE"
    ]
    others = [each for each in dict.fromkeys(chosen) if each != caller["Account"]]
    if others and not options.assume_role:
        raise InputError(
            f"account {others[0]} is not the credentials' account, {caller['Account']}: pass the path "
            f"and name of its role with --assume-role; {PERMISSIONS_PAGE} has the role's policies"
        )

    def open_account(account_id: str) -> Sequence[Account] | str:
        role_arn = f"arn:{own[0].partition}:iam::{account_id}:role/{options.assume_role}"
        assumed = attempt(partial(asking.get, "sts:AssumeRole", role_arn, options.external_id))
        if isinstance(assumed, Finding):
            external_id = "with the given" if options.external_id else "without an"
            return (
                f"{role_arn} cannot be assumed ({assumed.text}): the role must exist, its trust policy "
                f"must allow {caller['Arn']} to call sts:AssumeRole {external_id} external ID, and the "
                f"caller's policies must also allow this call: {PERMISSIONS_PAGE} lists the policies"
            )
        return [Account(each.region, notes, assumed) for each in own]

    opened = dict(zip(others, read_each(open_account, others, notes, "accounts"), strict=True))
    return {each: opened.get(each, own) for each in chosen}
