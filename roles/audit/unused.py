"""Find roles that only Amazon Q Business can assume, but that no data source uses."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from botocore.exceptions import ClientError

from components.formats import SERVICE
from guardrails.iam.containment import certain_values
from guardrails.iam.documents import Kind, read_document
from roles.account import Account, Reply

_TRACKED: Final = timedelta(days=400)
"""How long IAM tracks the use of a role.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html"""


class UnusedRole(NamedTuple):
    """A role that no audited data source uses."""

    arn: str
    last_used: str
    """The day of the last use; `none` if IAM reports no use; empty if the day is unknown."""
    created: datetime
    entry: str = ""
    """The component of the specified stack that declares the role; empty if there is none."""

    @property
    def text(self) -> str:
        """The last use in a few words."""
        is_old = datetime.now(UTC) - self.created > _TRACKED
        not_yet = f"created on {day(self.created)}, not used yet"
        none = f"not used in the last {_TRACKED.days} days" if is_old else not_yet
        use = {"none": none, "": "last use unknown"}
        return use.get(self.last_used, f"last used {self.last_used}")


def find_unused(
    account: Account, applications: Collection[str], used: Collection[str]
) -> Iterator[UnusedRole]:
    """Yield the roles that only Amazon Q Business can assume, and only for these applications.

    The roles in `used` are left out. `applications` and `used` contain ARNs. Raises ClientError if IAM
    does not list the roles, and OddAnswerError for an unusable response.
    """
    for role in account.roles():
        if role["Arn"] not in used and _is_only_for(applications, role):
            try:
                last_used = day(account.last_used(role["RoleName"]))
            except ClientError:
                last_used = ""
            yield UnusedRole(role["Arn"], last_used, role["CreateDate"])


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
