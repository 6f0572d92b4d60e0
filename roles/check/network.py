"""Ask whether the subnets and security groups in the settings exist, and whether they fit together."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from botocore.exceptions import ClientError

from components.commands import camel_case
from roles.account import Account, DataSource, Reply
from roles.arns import Arn
from roles.aws_commands import aws_command
from roles.check.subject import NO_VPC, Subject, needed
from roles.errors import is_denied
from roles.findings import Finding, ok, problem, skipped

_ZONES: Final[Mapping[str, Sequence[str]]] = {
    "us-east-1": ("use1-az1", "use1-az2", "use1-az4"),
    "us-west-2": ("usw2-az1", "usw2-az2", "usw2-az3"),
    "eu-west-1": ("euw1-az1", "euw1-az2", "euw1-az3"),
    "ap-southeast-2": ("apse2-az1", "apse2-az2", "apse2-az3"),
}
"""IDs of the Availability Zones in which Amazon Q Business creates network interfaces, by Region.
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/connector-vpc-steps.html"""
_SUBNET, _GROUP = PLACEHOLDERS = "SUBNET_ID", "SECURITY_GROUP_ID"
"""Placeholders for a subnet and a security group that the user has to choose."""


class _Wrong(NamedTuple):
    """A subnet or security group whose ARN or ID in the settings must be replaced."""

    arn: str
    """The ARN in the policy."""
    text: str
    value: str
    """The value that replaces the ARN or ID in the setting, or a placeholder."""


def subnets(subject: Subject) -> Finding:
    """Ask whether the subnets are available in one VPC and in supported zones, with free addresses."""
    wanted = needed(_network_arns(subject, "subnet/"), NO_VPC)
    found = _subnets(subject, wanted)
    each_wrong = (_wrong_subnet(subject, arn, found.get(Arn.of(arn).name)) for arn in wanted)
    wrong = [*filter(None, each_wrong)]
    vpcs = Counter(subnet["VpcId"] for subnet in found.values())
    if len(vpcs) > 1:
        places = (f"{identifier} in {subnet['VpcId']}" for identifier, subnet in found.items())
        text = f"the subnets are in {len(vpcs)} VPCs: {', '.join(places)}"
        rarest = min(vpcs, key=lambda vpc: vpcs[vpc])
        in_it = [name for name, subnet in found.items() if subnet["VpcId"] == rarest]
        arn = next(arn for arn in wanted if Arn.of(arn).name in in_it)
        wrong.append(_Wrong(arn, text, _SUBNET))
    if wrong:
        return _problem(subject, "subnet_ids", wrong)
    free = sum(subnet["AvailableIpAddressCount"] for subnet in found.values())
    zones = sorted({subnet["AvailabilityZoneId"] for subnet in found.values()})
    places = f"{', '.join(vpcs)}, {', '.join(zones)}"
    return ok(f"{_number(found, 'subnet')} in {places}, with {free:,} free addresses")


def _wrong_subnet(subject: Subject, arn: str, subnet: Reply | None) -> _Wrong | None:
    identifier, region = Arn.of(arn).name, subject.region
    if subnet is None:
        return _Wrong(arn, f"there is no subnet {identifier} in {region}", _SUBNET)
    if subnet["SubnetArn"] != arn:
        text = f"{identifier} belongs to account {subnet['OwnerId']}: use the subnet's ARN"
        return _Wrong(arn, text, subnet["SubnetArn"])
    if subnet["State"] != "available":
        return _Wrong(arn, f"{identifier} is {subnet['State']}, not available", _SUBNET)
    zone, supported = subnet["AvailabilityZoneId"], _ZONES.get(region, ())
    if supported and zone not in supported:
        text = f"{identifier} is in {zone}, but Amazon Q Business supports only {', '.join(supported)}"
        return _Wrong(arn, text, _SUBNET)
    if subnet["AvailableIpAddressCount"] == 0:
        return _Wrong(arn, f"{identifier} has no free address", _SUBNET)
    return None


def security_groups(subject: Subject) -> Finding:
    """Ask whether the security groups exist in the role's account and in the subnets' VPC."""
    wanted = needed(_network_arns(subject, "security-group/"), NO_VPC)
    listed = subject.account.security_groups([Arn.of(arn).name for arn in wanted])
    found = {group["GroupId"]: group for group in listed}
    subnets = _subnets(subject, _network_arns(subject, "subnet/"))
    vpcs = sorted({subnet["VpcId"] for subnet in subnets.values()})
    groups = (_wrong_group(subject, arn, found.get(Arn.of(arn).name), vpcs) for arn in wanted)
    if wrong := [*filter(None, groups)]:
        return _problem(subject, "security_group_ids", wrong)
    if not vpcs:
        return skipped("none of the subnets exists")
    return ok(f"{_number(wanted, 'security group')} in the subnets' VPC")


def _wrong_group(
    subject: Subject, arn: str, group: Reply | None, vpcs: Collection[str]
) -> _Wrong | None:
    identifier = Arn.of(arn).name
    if group is None:
        return _Wrong(arn, f"there is no security group {identifier} in {subject.region}", _GROUP)
    if group["SecurityGroupArn"] != arn:
        owner, own = group["OwnerId"], subject.account_id
        text = f"{identifier} belongs to account {owner}, but the role can use only groups of {own}"
        return _Wrong(arn, text, _GROUP)
    if vpcs and group["VpcId"] not in vpcs:
        text = f"{identifier} is in {group['VpcId']}, but the subnets are in {', '.join(vpcs)}"
        return _Wrong(arn, text, _GROUP)
    return None


def _problem(subject: Subject, name: str, wrong: Sequence[_Wrong]) -> Finding:
    """Combine several problems into one; if they have the same fix, list it only once."""
    fixes = [_set_in_vpc(subject, name, each.arn, each.value) for each in wrong]
    # A shared subnet's ARN is only in the settings. The data source contains its ID.
    new = {Arn.of(each.arn).name: each.value for each in wrong if not each.value.startswith("arn:")}
    fixes += _replace_in_data_sources(subject, new)
    text, *details = (each.text for each in wrong)
    return problem(text, tuple(dict.fromkeys(fixes)), *details)


def _set_in_vpc(subject: Subject, name: str, arn: str, value: str) -> str:
    """Return the steps that replace a subnet or security group, which the settings list by ARN or ID."""
    given = subject.settings.get("vpc_configuration")[camel_case(name)]
    position = given.index(arn if arn in given else Arn.of(arn).name)
    return subject.set_command("vpc_configuration", value, name, position)


def _replace_in_data_sources(subject: Subject, new: Mapping[str, str]) -> Iterator[str]:
    """Yield the commands that replace subnets and security groups in the data sources.

    For a role outside any stack, there are none, because `_set_in_vpc` also covers the data source.
    """
    for source, uses in subject.used_by_data_sources if subject.settings.stack else ():
        if uses.network.intersection(new):
            yield update_vpc(source, replace_in_vpc(uses.vpc, new))


def replace_in_vpc(vpc: Mapping[str, Sequence[str]], new: Mapping[str, str]) -> dict[str, list[str]]:
    """Return a VPC configuration in which each ID that is a key of `new` is replaced by its value."""
    return {name: [new.get(each, each) for each in its] for name, its in vpc.items()}


def update_vpc(source: DataSource, vpc: Mapping[str, Sequence[str]]) -> str:
    """Return the command that changes a data source's VPC configuration."""
    update = "qbusiness update-data-source"
    return aws_command(update, **source.options, vpc_configuration=json.dumps(vpc))


def values_in_settings(
    account: Account, account_id: str, vpc: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Return the value that the settings need for each subnet and security group of a data source.

    The key is the ID. The value is the same ID, the ARN if another account owns the subnet, or one of
    PLACEHOLDERS if the resource does not exist. If reading either kind is denied, all values are IDs.
    """
    if not vpc:
        return {}
    subnets, groups = vpc.get("subnetIds", ()), vpc.get("securityGroupIds", ())
    values = {**dict.fromkeys(subnets, _SUBNET), **dict.fromkeys(groups, _GROUP)}
    try:
        for subnet in account.subnets(subnets):
            is_shared = subnet["OwnerId"] != account_id
            values[subnet["SubnetId"]] = subnet["SubnetArn" if is_shared else "SubnetId"]
        for group in account.security_groups(groups):
            values[group["GroupId"]] = group["GroupId"]
    except ClientError as error:
        if not is_denied(error):
            raise
        return {each: each for each in values}  # "subnets" and "security groups" report the denial
    return values


def _number(items: Collection[object], noun: str) -> str:
    return f"{len(items)} {noun}{'s' * (len(items) != 1)}"


def _network_arns(subject: Subject, kind: str) -> list[str]:
    """Return the role policy's ARNs of one kind, `subnet/` or `security-group/`."""
    arns = subject.policies.resources("ec2:CreateNetworkInterface")
    return [arn for arn in arns if Arn.of(arn).resource.startswith(kind)]


def _subnets(subject: Subject, arns: Iterable[str]) -> dict[str, Reply]:
    """Return the subnets that exist, by ID."""
    identifiers = [Arn.of(arn).name for arn in arns]
    return {subnet["SubnetId"]: subnet for subnet in subject.account.subnets(identifiers)}
