"""Read a data source's role, and the resources that the role must be able to access."""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from components.connectors import DEFAULT
from components.formats import ACCOUNT_ID
from roles.account import Account, DataSource, Role
from roles.arns import Arn
from roles.detection import find_connector, find_uses
from roles.difference import compare, role_statements
from roles.errors import PERMISSIONS_PAGE, InputError
from roles.findings import Finding, State
from roles.needs import Needs, read_needs
from roles.policies import Policies
from roles.rendering import Rendering, render, settings_for
from roles.view import find_role

_LISTED: Final = f"{PERMISSIONS_PAGE} lists the required permissions"
ROLE_PROPERTIES: Final[Mapping[str, str]] = {
    "role_name": "name",
    "role_path": "path",
    "role_description": "description",
    "permissions_boundary_arn": "permissions_boundary",
    "tags": "tags",
}
"""The settings that are role properties, with the corresponding fields of `account.Role`."""


class Requirements(NamedTuple):
    """A data source's role, and the resources that the role must be able to access."""

    needs: Needs
    role: Role

    def settings(self) -> dict[str, Any]:
        """Return the program's settings for this role.

        Empty values, defaults, and tags that only AWS can set are left out.
        """
        tags = {key: tag for key, tag in self.role.tags.items() if not is_reserved(key)}
        role = self.role._replace(tags=tags)
        settings = settings_for(self.needs)
        settings["connector"] = (
            None if self.needs.connector.name == DEFAULT else self.needs.connector.name
        )
        settings |= {name: getattr(role, field) for name, field in ROLE_PROPERTIES.items()}
        if role.path == "/":  # IAM's default
            del settings["role_path"]
        return {name: value for name, value in settings.items() if value}

    def render(self) -> Rendering:
        """Return the policies that the program would write, and its warnings.

        Raises SettingsError for invalid settings.
        """
        return render(self.settings(), self.role.name)

    def policies(self) -> Policies:
        """Return the policies that the role needs; raise the same errors as `render`."""
        trust_policy, role_policy, _ = self.render()
        return Policies(trust_policy, role_policy, self.needs.secrets[1:])

    def with_values_of_role(self, names: Collection[str]) -> "tuple[Requirements, list[str]]":
        """Add values from the role's policies with these names; return the requirements and warnings.

        Only an import may use these values, because it keeps the access that the role already has.
        """
        buckets, warnings = [*self.needs.buckets], list[str]()
        default = Arn.of(self.needs.application_arn).account
        for number, bucket in enumerate(self.needs.buckets):
            named = bucket_accounts(self.role, bucket.arn)
            if bucket.owner is None and len(named) == 1 and ACCOUNT_ID.parse(named[0]):
                buckets[number] = bucket._replace(owner=named[0])
                if named[0] != default:
                    warnings.append(f"bucketAccountId is {named[0]}, the account in the role's policies")
            elif bucket.owner is None:
                warnings.append(
                    f"if an account other than {default} owns the bucket, set bucketAccountId before "
                    "`pulumi up`; otherwise, the role loses access to the bucket"
                )
        found = self._replace(needs=self.needs._replace(buckets=tuple(buckets)))
        own = [each for each in role_statements(self.role) if each.policy in names]
        deleting = found._replace(needs=found.needs._replace(deletes=bool(found.needs.network)))
        added = [each for each in deleting.policies().written if each not in found.policies().written]
        is_allowed = all(each.verdict == "covered" for each in compare(added, own).program)
        return deleting if is_allowed else found, warnings


def is_reserved(tag_key: str) -> bool:
    """Return whether only AWS can set a tag with this key."""
    return tag_key.lower().startswith("aws:")


def bucket_accounts(role: Role, bucket: str) -> list[str]:
    """Return the accounts that a role's Allow statements require as the owner of a bucket's objects."""
    found = [
        value
        for statement in role_statements(role)
        if statement.allows and any(f"{bucket}/" in each for each in statement.resources.values)
        for condition in statement.conditions
        if condition.is_on("aws:ResourceAccount") and condition.operator == "StringEquals"
        for value in condition.values
    ]
    return [*dict.fromkeys(found)]


def read_requirements(account: Account, source: DataSource) -> Requirements:
    """Read a data source, and return its requirements.

    Raises errors of GetDataSource, and InputError with all findings that prevent an import.
    """
    details = account.data_source(source)
    uses, role_arn = find_uses(details), str(details.get("roleArn") or "")
    arn = details["dataSourceArn"].partition("/index/")[0]
    needs = Needs(arn, source.index_id, find_connector(uses))
    needs = read_needs(account, needs, uses, closely=False)
    wrong = [
        each.text if each.state is State.PROBLEM else f"{each.text}: {_LISTED}"
        for each in needs.faults
        if each.state is State.PROBLEM or each.question == "secret"
    ]
    role = find_role(account, role_arn)
    if isinstance(role, Finding):
        wrong.append(f"{role.text}: {_LISTED}")
    elif role is None:
        none = "has no role: add an entry for it to a stack, then run `assign`"
        gone = f"has the role {role_arn}, which does not exist in this account"
        wrong.append(f"data source {source.id} ({source.type}) {gone if role_arn else none}")
    if wrong or not isinstance(role, Role):
        raise InputError("; ".join(wrong))
    return Requirements(needs, role)
