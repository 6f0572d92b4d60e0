"""Find the applications that a role's trust policy names."""

from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from components.formats import APPLICATION, SERVICE
from roles.account import Account, Role
from roles.arns import Arn
from roles.difference import TRUST_POLICY, statements
from roles.errors import is_bad_credentials, is_gone


def accepted_applications(role: Role) -> Iterator[str]:
    """Yield the ARNs of the applications for which a role can be assumed; they may be patterns.

    `*` stands for a statement without a condition on the application.
    """
    for statement in statements(TRUST_POLICY, role.trust_policy):
        if statement.allows and {f"Service:{SERVICE}", "*"}.intersection(statement.principals.values):
            conditions = [each for each in statement.conditions if each.is_on("aws:SourceArn")]
            yield from (value for each in conditions for value in each.values)
            if not conditions:
                yield "*"


def other_applications(account: Account, role: Role, own: str) -> list[str]:
    """Return the ARNs of the applications, except `own`, that exist and that a trust policy names."""
    named = dict.fromkeys(filter(APPLICATION.parse, accepted_applications(role)))
    return [arn for arn in named if arn != own and _exists(account, Arn.of(arn))]


def _exists(account: Account, application: Arn) -> bool:
    """Return whether an application exists; if it cannot be read, assume that it does."""
    try:
        account.in_region(application.region).application(application.name)
    except ClientError as error:
        if is_bad_credentials(error):
            raise
        return not is_gone(error)
    except BotoCoreError:
        return True
    return True
