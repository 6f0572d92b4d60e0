"""Choose the accounts of an audit, and assume a role in each of them."""

import argparse
import re
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from components.formats import ACCOUNT_ID, ROLE_NAME, ROLE_PATH
from roles.account import Account
from roles.concurrency import read_each
from roles.errors import PERMISSIONS_PAGE, InputError, explain, is_denied
from roles.output import Notes


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose accounts."""
    accounts = parser.add_mutually_exclusive_group()
    accounts.add_argument(
        "--account",
        metavar="ID",
        action="append",
        type=_account_id,
        help="audit this account; default: the credentials' account; repeatable",
    )
    accounts.add_argument(
        "--organization", action="store_true", help="audit every active account of the organization"
    )
    parser.add_argument(
        "--assume-role",
        metavar="PATH/NAME",
        type=_role,
        help="assume this role in each account, except in the credentials' account",
    )
    parser.add_argument(
        "--external-id",
        metavar="ID",
        type=_external_id,
        help="the external ID that the roles' trust policies require",
    )


def _account_id(text: str) -> str:
    if ACCOUNT_ID.parse(text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is not an account ID: expected 12 digits")


def _role(text: str) -> str:
    path, _, name = text.removeprefix("/").rpartition("/")
    is_path = ROLE_PATH.parse(f"/{path}/" if path else "/") and not text.startswith("arn:")
    if is_path and ROLE_NAME.parse(name):
        return f"{path}/{name}" if path else name
    raise argparse.ArgumentTypeError(
        f"{text!r} is not the path and name of a role: expected text such as security/audit, not an ARN"
    )


def _external_id(text: str) -> str:
    # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    if re.fullmatch(r"[A-Za-z0-9_+=,.@:/-]{2,1224}", text):
        return text
    raise argparse.ArgumentTypeError("expected 2 to 1,224 letters, digits, and _+=,.@:/-")


def open_accounts(
    options: argparse.Namespace, own: Sequence[Account], notes: Notes
) -> dict[str, Sequence[Account] | str]:
    """Return the chosen accounts by ID, as `survey` takes them.

    `own` is the credentials' account in each Region; it needs no role. Raises InputError if the options
    contradict each other, or the organization's accounts cannot be listed.
    """
    caller = own[0].caller()
    if not (options.account or options.organization):
        for name in ("assume_role", "external_id"):
            if getattr(options, name):
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"{option} is only for --account or --organization: pass one of them")
        return {caller["Account"]: own}
    # A separate object, because these calls are not part of the audit of the credentials' account.
    asking = Account(own[0].region, notes)
    chosen = [*dict.fromkeys(asking.active_accounts() if options.organization else options.account)]
    if not chosen:
        raise InputError("the organization has no active account: pass each account with --account")
    others = [each for each in chosen if each != caller["Account"]]
    if others and not options.assume_role:
        raise InputError(
            f"account {others[0]} is not the credentials' account, {caller['Account']}: pass the path "
            f"and name of a role there with --assume-role; {PERMISSIONS_PAGE} has the role's policies"
        )

    def open_account(account_id: str) -> Sequence[Account] | str:
        role_arn = f"arn:{own[0].partition}:iam::{account_id}:role/{options.assume_role}"
        try:
            assumed = asking.assume_role(role_arn, options.external_id)
        except (BotoCoreError, ClientError) as error:
            if not (isinstance(error, ClientError) and is_denied(error)):
                return explain(error)
            external_id = "with this" if options.external_id else "without an"
            return (
                f"{role_arn} cannot be assumed: the role must exist, its trust policy must allow "
                f"sts:AssumeRole to {caller['Arn']} {external_id} external ID, and the "
                f"caller's policies must allow it, too: {PERMISSIONS_PAGE} lists the policies"
            )
        return [Account(each.region, notes, assumed) for each in own]

    opened = dict(zip(others, read_each(open_account, others, notes, "accounts"), strict=True))
    return {each: opened.get(each, own) for each in chosen}
