"""Read the settings of a role outside any stack from the data source that uses the role."""

from botocore.exceptions import ClientError

from roles.account import Account
from roles.arns import Arn
from roles.check.network import replace_in_vpc, values_in_settings
from roles.detection import connectors_of, find_uses
from roles.errors import InputError, is_denied
from roles.findings import Finding, State
from roles.needed_resources import COMPONENT, Requirements, read_requirements
from roles.stack import RoleSettings


def read_settings(
    account: Account, application_id: str, data_source_id: str
) -> tuple[RoleSettings | None, list[Finding]]:
    """Return the settings that the data source implies, and the findings from reading them.

    The settings are None if any finding is more than a note, for example if the secret does not
    exist. Raises InputError if the data source does not exist or its connector is unknown.
    """
    listed = {source.id: source for source in account.data_sources(application_id)}
    source = listed.get(data_source_id)
    if source is None:
        has = ", ".join(listed) or "none"
        raise InputError(
            f"there is no data source {data_source_id} in this application; its data sources: {has}"
        )
    kind = find_uses(account.data_source(source)).type
    if not connectors_of(kind):
        raise InputError(
            f"data source {data_source_id} has the type {kind}, for which this program has no connector"
        )
    requirements, found = read_requirements(account, source)
    # Notes have no details. Other findings have a few words as text, and the full line as a detail.
    findings = [
        each._replace(text=each.details[0], details=()) if each.details else each for each in found
    ]
    if requirements is None or any(each.state is not State.NOTE for each in findings):
        return None, findings
    requirements = requirements._replace(vpc_configuration=_with_arns(account, requirements))
    args = requirements.arguments()
    role_arn = requirements.role.arn
    is_known = requirements.bucket_account_is_known or _owns_bucket(account, requirements)
    return RoleSettings("", COMPONENT, args, role_arn, data_source_id, is_known), findings


def _with_arns(account: Account, requirements: Requirements) -> dict[str, list[str]]:
    """Return the VPC configuration, with ARNs in place of the IDs of subnets that other accounts own.

    The data source contains only IDs. `adopt` and `audit` do not call EC2, and assume that the
    application's account owns the subnets.
    """
    vpc = requirements.vpc_configuration
    values = values_in_settings(account, Arn.of(requirements.application_arn).account, vpc)
    shared = {identifier: value for identifier, value in values.items() if value.startswith("arn:")}
    return replace_in_vpc(vpc, shared)


def _owns_bucket(account: Account, requirements: Requirements) -> bool:
    """Return whether GetBucketLocation confirms that the application's account owns the bucket."""
    owner = Arn.of(requirements.application_arn).account
    try:
        account.bucket_region(str(requirements.bucket), owner)
    except ClientError as error:
        if not is_denied(error):
            raise
        return False
    return True
