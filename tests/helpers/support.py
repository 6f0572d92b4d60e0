"""Provide example settings and the expected documents."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pages import examples
from pages.example_calls import ROLE_NAME
from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    BUCKET_NAME,
    INDEX_ID,
    KEY_ID,
    REGION,
    SECRET_ID,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)

GOLDEN: Final = Path(__file__).parents[1] / "golden"

TIMEOUT: Final = 120.0
"""The timeout in seconds for each wait in a test, long enough for a busy machine."""

MINIMAL: Final[Mapping[str, Any]] = {
    "application_id": APPLICATION_ARN,
    "index_id": INDEX_ID,
    "secret_id": examples.SECRET_ID,
}
"""Only the arguments that the default connector requires."""
VPC: Final[Mapping[str, Any]] = {
    "subnet_ids": [examples.SUBNET_ID, examples.SHARED_SUBNET_ARN],
    "security_group_ids": [examples.SECURITY_GROUP_ID],
}
REQUIRED: Final[Mapping[str, Any]] = {"aws:region": REGION, **examples.REQUIRED_INPUTS}
"""The settings that the default connector requires, as stack configuration."""
S3: Final[Mapping[str, Any]] = {
    "application_id": APPLICATION_ARN,
    "index_id": INDEX_ID,
    "connector": "s3-v2",
    "bucket_name": BUCKET_NAME,
    "kms_key_id": KEY_ID,
}
"""The arguments for `golden/s3-v2-role-policy.json`."""

PROJECT_NAME: Final = "qbusiness-aem-connector"

ROLE: Final = "aem-connector-qbusiness-role"
"""The name of the role in the program."""
POLICY: Final = "aem-connector-qbusiness-policy"
"""The name of the role policy in the program."""


def indented(text: str) -> str:
    """Return a JSON document with one value on each line, so that a failure shows the differences."""
    return json.dumps(json.loads(text), indent=2)


def size(document: str | None) -> int:
    """Return the number of a document's characters that count toward IAM's quotas."""
    assert document
    return len("".join(document.split()))


_PLACEHOLDERS: Final = {
    "{{region}}": REGION,
    "{{account_id}}": ACCOUNT,
    "{{source_account}}": ACCOUNT,
    "{{application_id}}": APPLICATION_ID,
    "{{index_id}}": INDEX_ID,
    "[[secret_id]]": SECRET_ID,
    "[[key_id]]": KEY_ID,
    "[[subnet_ids]]": SUBNET_ID,
    "[[security_group]]": SECURITY_GROUP_ID,
}
"""Values for the placeholders on AWS's page."""


_COMPOSED: Final = {
    "confluence-server-role-policy": ("files", "no-vpc", "vpc"),
    "default-role-policy": ("no-vpc", "vpc", "own"),
    "s3-v1-role-policy": ("s3-v2", "vpc"),
}
"""Role policies that consist of other role policies' statements."""


def golden(name: str) -> str:
    """Return golden/NAME.json, indented, with values in place of AWS's placeholders."""
    if parts := _COMPOSED.get(name):
        documents = [json.loads(golden(f"{part}-role-policy")) for part in parts]
        found = [each for document in documents for each in document["Statement"]]
        return json.dumps({"Version": "2012-10-17", "Statement": found}, indent=2)
    text = (GOLDEN / f"{name}.json").read_text()
    for placeholder, value in _PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    return indented(text)


def of_role(document: str, role: str) -> str:
    """Return an expected role policy whose ARNs contain the given role, `NAME` or `PATH/NAME`."""
    return document.replace(f":role/{ROLE_NAME}", f":role/{role}")


def as_pulumi_config(settings: Mapping[str, Any]) -> str:
    """Return stack configuration as the engine passes it to a program, in PULUMI_CONFIG."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in settings.items()
    }
    return json.dumps(texts, ensure_ascii=False)
