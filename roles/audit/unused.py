"""Find roles that only Amazon Q Business can assume, but that no data source uses."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from components.formats import SERVICE
from guardrails.iam.containment import certain_values
from guardrails.iam.documents import Kind, read_document
from roles.account import Account, Reply
from roles.findings import Finding, attempt

_TRACKED: Final = timedelta(days=400)
"""How long IAM tracks the use of a role.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html"""


def find_unused(
    account: Account, applications: Collection[str], used: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield the roles that only Amazon Q Business can assume, and only for these applications.

    Each has its ARN, and its last use in a few words. The roles in `used` are left out. `applications`
    and `used` contain ARNs. Raises ClientError if IAM does not list the roles, and OddAnswerError for an
    unusable response.
    """
    for role in account.roles():
        if role["Arn"] not in used and _is_only_for(applications, role):
            yield role["Arn"], last_use(attempt(partial(account.last_used, role["RoleName"])), role)


def last_use(found: datetime | Finding | None, role: Reply) -> str:
    """Return the last use of a role in a few words; None stands for no use since IAM tracks it."""
    if isinstance(found, Finding):
        return "last use unknown"
    if found:
        return f"last used {day(found)}"
    is_old = datetime.now(UTC) - role["CreateDate"] > _TRACKED
    not_yet = f"created on {day(role['CreateDate'])}, not used yet"
    return f"not used in the last {_TRACKED.days} days" if is_old else not_yet


def day(time: datetime | None) -> str:
    """Return a time's day; `none` without a time, such as if IAM reports no use of a role."""
    return f"{time:%Y-%m-%d}" if time else "none"


def _is_only_for(applications: Collection[str], role: Reply) -> bool:
    """Return whether a role trusts only Amazon Q Business, and only for these applications."""
    trust = role["AssumeRolePolicyDocument"]
    if SERVICE not in trust:
        return False  # without parsing the policies of all the account's roles
    allowing = [each for each in read_document(trust, Kind.TRUST).statements if each.allows]
    return bool(allowing) and all(
        each.principals.values == (f"Service:{SERVICE}",)
        and not each.principals.negated
        and any(
            {*values} <= {*applications} for values in certain_values(each.conditions, "aws:SourceArn")
        )
        for each in allowing
    )
