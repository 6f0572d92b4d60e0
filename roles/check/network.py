"""Ask whether the subnets and security groups that the role needs exist and fit together."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from components.problems import camel_case
from roles.account import Account, DataSource, Reply
from roles.arns import Arn
from roles.aws_commands import aws_command
from roles.check.answers import NO_VPC, about_each, ignore
from roles.check.case import Case
from roles.check.subject import Subject
from roles.errors import is_denied
from roles.findings import Finding, cannot_tell, ok, problem, skipped
from roles.role_changes import update_steps

_ZONES: Final[Mapping[str, Sequence[str]]] = {
    "us-east-1": ("use1-az1", "use1-az2", "use1-az4"),
    "us-west-2": ("usw2-az1", "usw2-az2", "usw2-az3"),
    "eu-west-1": ("euw1-az1", "euw1-az2", "euw1-az3"),
    "ap-southeast-2": ("apse2-az1", "apse2-az2", "apse2-az3"),
}
"""IDs of the Availability Zones in which Amazon Q Business creates network interfaces, by Region.
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/connector-vpc-steps.html"""


class _Kind(NamedTuple):
    """A kind of resource in a VPC configuration."""

    noun: str
    setting: str
    """The name of the list in the settings."""
    identifier: str
    """The name of the ID in EC2's responses."""
    placeholder: str
    """Stands for a resource that the user has to choose."""
    read: Callable[[Account, Sequence[str]], list[Reply]]


_SUBNETS: Final = _Kind("subnet", "subnet_ids", "SubnetId", "SUBNET_ID", Account.subnets)
_GROUPS: Final = _Kind(
    "security group", "security_group_ids", "GroupId", "SECURITY_GROUP_ID", Account.security_groups
)


class _Wrong(NamedTuple):
    """A subnet or security group whose ARN or ID in the settings must be replaced."""

    arn: str
    """The ARN in the policy."""
    text: str
    value: str
    """The value that replaces the ARN or ID in the setting, or a placeholder."""


def subnets(case: Case) -> list[Finding]:
    """Ask whether the subnets are available in one VPC and in supported zones, with free addresses."""
    return _about_each_vpc(case, _subnets)


def _about_each_vpc(case: Case, ask: Callable[[Subject, Sequence[str]], Finding]) -> list[Finding]:
    networks = dict.fromkeys(tuple(needs.network) for needs in case.subject.needs if needs.network)
    return about_each((("", partial(ask, case.subject, each)) for each in networks), NO_VPC)


def _subnets(subject: Subject, network: Sequence[str]) -> Finding:
    found = _find(subject, network, _SUBNETS)
    existing = {arn: subnet for arn, subnet in found.items() if subnet}
    wrong = [*_wrong(subject, _SUBNETS, found, _fault_of_subnet)]
    vpcs = Counter(subnet["VpcId"] for subnet in existing.values())
    if len(vpcs) > 1:
        places = (f"{subnet['SubnetId']} in {subnet['VpcId']}" for subnet in existing.values())
        text = f"the subnets are in {len(vpcs)} VPCs: {', '.join(places)}"
        rarest = min(vpcs, key=lambda vpc: vpcs[vpc])
        arn = next(arn for arn, subnet in existing.items() if subnet["VpcId"] == rarest)
        wrong.append(_Wrong(arn, text, _SUBNETS.placeholder))
    if wrong:
        return _problem(subject, _SUBNETS, wrong)
    free = sum(subnet["AvailableIpAddressCount"] for subnet in existing.values())
    zones = sorted({subnet["AvailabilityZoneId"] for subnet in existing.values()})
    places = f"{', '.join(vpcs)}, {', '.join(zones)}"
    return ok(f"{_number(existing, 'subnet')} in {places}, with {free:,} free addresses")


def security_groups(case: Case) -> list[Finding]:
    """Ask whether the security groups exist in the role's account and in the subnets' VPC."""
    return _about_each_vpc(case, _security_groups)


def _security_groups(subject: Subject, network: Sequence[str]) -> Finding:
    found = _find(subject, network, _GROUPS)
    in_subnets = filter(None, _find(subject, network, _SUBNETS).values())
    vpcs = sorted({subnet["VpcId"] for subnet in in_subnets})

    def fault(subject: Subject, arn: str, group: Reply) -> str:
        owner = Arn.of(group["SecurityGroupArn"]).account
        other = f"belongs to account {owner}, but the role can use only groups of {subject.account_id}"
        return other if group["SecurityGroupArn"] != arn else ""

    if wrong := [*_wrong(subject, _GROUPS, found, fault)]:
        return _problem(subject, _GROUPS, wrong)
    if not vpcs:
        return skipped("none of the subnets exists")
    if others := [group for group in found.values() if group and group["VpcId"] not in vpcs]:
        return _in_other_vpcs(subject, others, ", ".join(vpcs))
    return ok(f"{_number(found, 'security group')} in the subnets' VPC")


def _in_other_vpcs(subject: Subject, groups: Sequence[Reply], vpc: str) -> Finding:
    """Return the answer about groups that can be used in the subnets only if associated with their VPC.

    https://docs.aws.amazon.com/vpc/latest/userguide/security-group-assoc.html
    """
    text, *details = (
        f"{group['GroupId']} is in {group['VpcId']}, but the subnets are in {vpc}" for group in groups
    )
    filters = f"Name=group-id,Values={','.join(group['GroupId'] for group in groups)}"
    options = {"region": subject.region, "filters": filters}
    associations = aws_command("ec2 describe-security-group-vpc-associations", **options)
    how = f"`{associations}` shows {vpc} for a group that the subnets can use; replace the other groups"
    return cannot_tell(text, how, *details)


def _find(subject: Subject, network: Sequence[str], kind: _Kind) -> dict[str, Reply | None]:
    """Return the resources of one kind by their ARN; None for each that does not exist."""
    # In an ARN, a resource begins with its type, such as `security-group/`.
    type_ = f"{kind.noun.replace(' ', '-')}/"
    arns = [arn for arn in network if Arn.of(arn).resource.startswith(type_)]
    listed = kind.read(subject.account, [Arn.of(arn).name for arn in arns])
    found = {each[kind.identifier]: each for each in listed}
    return {arn: found.get(Arn.of(arn).name) for arn in arns}


def _wrong(
    subject: Subject,
    kind: _Kind,
    found: Mapping[str, Reply | None],
    fault: Callable[[Subject, str, Reply], str],
) -> Iterator[_Wrong]:
    """Yield the resources that do not exist, or for which `fault` returns text."""
    for arn, reply in found.items():
        identifier = Arn.of(arn).name
        if reply is None:
            text = f"there is no {kind.noun} {identifier} in {subject.region}"
            yield _Wrong(arn, text, kind.placeholder)
        elif text := fault(subject, arn, reply):
            is_shared = reply.get("SubnetArn", arn) != arn
            value = reply["SubnetArn"] if is_shared else kind.placeholder
            yield _Wrong(arn, f"{identifier} {text}", value)


def _fault_of_subnet(subject: Subject, arn: str, subnet: Reply) -> str:
    zone, supported = subnet["AvailabilityZoneId"], _ZONES.get(subject.region, ())
    return _first(
        (
            subnet["SubnetArn"] != arn,
            f"belongs to account {Arn.of(subnet['SubnetArn']).account}: use the subnet's ARN",
        ),
        (subnet["State"] != "available", f"is {subnet['State']}, not available"),
        (
            supported and zone not in supported,
            f"is in {zone}, but Amazon Q Business supports only {', '.join(supported)}",
        ),
        (subnet["AvailableIpAddressCount"] == 0, "has no free address"),
    )


def _first(*faults: tuple[object, str]) -> str:
    """Return the text of the first fault that is true; empty if none is."""
    return next((text for is_true, text in faults if is_true), "")


def _problem(subject: Subject, kind: _Kind, wrong: Sequence[_Wrong]) -> Finding:
    """Combine several problems into one; if they have the same fix, list it only once."""
    fixes = [fix for each in wrong for fix in _set_in_vpc(subject, kind.setting, each.arn, each.value)]
    # A shared subnet's ARN is only in the settings. The data source contains its ID.
    new = {Arn.of(each.arn).name: each.value for each in wrong if not each.value.startswith("arn:")}
    # For a role outside any stack, `_set_in_vpc` also covers the data source.
    for source, uses in subject.users if subject.settings.stack else ():
        if uses.network.intersection(new):
            fixes += update_vpc(source, replace_in_vpc(uses.vpc, new))
    text, *details = (each.text for each in wrong)
    return problem(text, tuple(dict.fromkeys(fixes)), *details)


def _set_in_vpc(subject: Subject, name: str, arn: str, value: str) -> list[str]:
    """Return the step that replaces a subnet or security group in the settings, if it is there."""
    given = (subject.settings.get("vpc_configuration") or {}).get(camel_case(name), [])
    found = [each for each in (arn, Arn.of(arn).name) if each in given]
    if not found:  # only a data source names it
        return []
    position = given.index(found[0])
    return [subject.set_command("vpc_configuration", value, name, position)]


def replace_in_vpc(vpc: Mapping[str, Sequence[str]], new: Mapping[str, str]) -> dict[str, list[str]]:
    """Return a VPC configuration in which each ID that is a key of `new` is replaced by its value."""
    return {name: [new.get(each, each) for each in its] for name, its in vpc.items()}


def update_vpc(source: DataSource, vpc: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the commands that change a data source's VPC configuration."""
    return update_steps(source, f".vpcConfiguration = {json.dumps(vpc)}")


def missing_in_vpc(account: Account, vpc: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return a placeholder for each subnet and security group that does not exist, by ID.

    If reading either kind is denied, none of that kind counts as missing.
    """
    missing: dict[str, str] = {}
    for kind in (_SUBNETS, _GROUPS):
        identifiers = vpc.get(camel_case(kind.setting), ())
        found = ignore(is_denied, partial(kind.read, account, identifiers)) if identifiers else None
        if found is not None:  # "subnets" and "security groups" report the denial
            existing = {each[kind.identifier] for each in found}
            missing |= {each: kind.placeholder for each in identifiers if each not in existing}
    return missing


def _number(items: Collection[object], noun: str) -> str:
    return f"{len(items)} {noun}{'s' * (len(items) != 1)}"
