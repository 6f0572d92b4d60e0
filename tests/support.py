"""Example settings, and the documents expected for them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pages.examples import (
    APPLICATION_ARN,
    INDEX_ID,
    KEY_ID,
    REGION,
    REQUIRED_INPUTS,
    SECRET_ID,
    SECURITY_GROUP_ID,
    SHARED_SUBNET_ARN,
    SUBNET_ID,
)

GOLDEN: Final = Path(__file__).parent / "golden"

PATIENCE: Final = 120.0
"""Seconds after which a test gives up on what it waits for, on a machine with much else to do."""

MINIMAL: Final[Mapping[str, Any]] = {
    "application_id": APPLICATION_ARN,
    "index_id": INDEX_ID,
    "secret_id": SECRET_ID,
}
"""The arguments that have to be given, and no other."""
VPC: Final[Mapping[str, Any]] = {
    "subnet_ids": [SUBNET_ID, SHARED_SUBNET_ARN],
    "security_group_ids": [SECURITY_GROUP_ID],
}
REQUIRED: Final[Mapping[str, Any]] = {"aws:region": REGION, **REQUIRED_INPUTS}
"""The same as a stack's configuration."""
FULL: Final[Mapping[str, Any]] = {
    **MINIMAL,
    "kms_key_id": KEY_ID,
    "vpc_configuration": VPC,
    "allow_network_interface_deletion": True,
}
"""The arguments behind `golden/default-role-policy.json`."""

ROLE: Final = "aem-connector-qbusiness-role"
"""How the program's resources are called."""
POLICY: Final = "aem-connector-qbusiness-policy"
INLINE_POLICIES: Final = "aem-connector-qbusiness-policies-exclusive"
ATTACHED_POLICIES: Final = "aem-connector-qbusiness-policy-attachments-exclusive"


def in_one_line(text: str) -> str:
    """Return a JSON document without its layout; the order of its members stays."""
    return json.dumps(json.loads(text))


def golden(name: str, placeholders: Mapping[str, str] | None = None) -> str:
    """Return an expected document in one line, with AWS's placeholders filled in."""
    text = (GOLDEN / f"{name}.json").read_text()
    for placeholder, value in (placeholders or {}).items():
        text = text.replace(placeholder, value)
    return in_one_line(text)
