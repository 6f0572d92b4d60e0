"""Check that the credentials are for the roles' account, before any other call to AWS."""

from collections.abc import Iterable

from roles.account import Account
from roles.arns import Arn
from roles.declared import Declared
from roles.errors import InputError
from roles.output import Output


def open_accounts(roles: Iterable[Declared], output: Output) -> dict[str, Account]:
    """Return an `Account` for each Region that contains an application of a stack's roles.

    Raises InputError if the credentials are not for the account of the roles and applications.
    """
    accounts: dict[str, Account] = {}
    for each in roles:
        arn = Arn.of(each.application_arn)
        if arn.region not in accounts:
            accounts[arn.region] = Account(arn.region, output)
        wanted = [arn.account, Arn.of(each.role_arn).account]
        # The main thread makes this call, so that the SDK can prompt for a profile's MFA code.
        check_account(f"stack {each.stack}", wanted, accounts[arn.region])
    return accounts


def check_account(of: str, wanted: Iterable[str], account: Account) -> None:
    """Raise InputError if `wanted` contains an account ID other than that of the credentials."""
    caller = account.caller()["Account"]
    for each in filter(None, wanted):
        if each != caller:
            raise InputError(
                f"{of} is in account {each}, but the credentials are for account {caller}: set "
                f"AWS_PROFILE to a profile for account {each}; `aws sts get-caller-identity` shows who "
                "you are"
            )
