"""Check that the credentials are for the account of the roles, before any other call."""

from collections.abc import Iterable

from roles.account import Account
from roles.arns import Arn
from roles.declared import Declared
from roles.errors import InputError
from roles.output import Output


def open_accounts(roles: Iterable[Declared], output: Output) -> dict[str, Account]:
    """Return the account of a stack's roles in each Region.

    Raises InputError unless it is the account of the credentials.
    """
    accounts: dict[str, Account] = {}
    for each in roles:
        arn = Arn.of(each.application_arn)
        if arn.region not in accounts:
            accounts[arn.region] = Account(arn.region, output)
        wanted = [arn.account, Arn.of(each.role_arn).account]
        # In this thread, a profile with MFA can ask for a code.
        check_account(f"stack {each.stack}", wanted, accounts[arn.region])
    return accounts


def check_account(of: str, wanted: Iterable[str], account: Account) -> None:
    """Raise InputError if a wanted account is known and the credentials are for another one."""
    caller = account.caller()["Account"]
    for each in filter(None, wanted):
        if each != caller:
            raise InputError(
                f"{of} is in account {each}, but the credentials are for account {caller}: set "
                f"AWS_PROFILE to a profile for account {each}; `aws sts get-caller-identity` shows who "
                "you are"
            )
