"""List the Regions of Amazon Q Business."""

from collections.abc import Mapping, Sequence
from typing import Final

ZONES: Final[Mapping[str, Sequence[str]]] = {
    "us-east-1": ("use1-az1", "use1-az2", "use1-az4"),
    "us-west-2": ("usw2-az1", "usw2-az2", "usw2-az3"),
    "eu-west-1": ("euw1-az1", "euw1-az2", "euw1-az3"),
    "ap-southeast-2": ("apse2-az1", "apse2-az2", "apse2-az3"),
}
"""IDs of the Availability Zones in which Amazon Q Business creates network interfaces, by Region.
https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/connector-vpc.html"""
