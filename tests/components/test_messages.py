"""Tests the messages of `components/problems.py`, `rules.py`, and `settings.py`."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pulumi
import pytest

from components.configuration import KEYS
from components.formats import Format, Location
from components.problems import SettingsError, Source, camel_case
from components.rules import render
from components.settings import SETTINGS, Vpc
from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    INDEX_ID,
    KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    SECRET_ID,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from tests.helpers import configured
from tests.helpers.gallery import gallery
from tests.helpers.samples import FULL, SAMPLES
from tests.helpers.support import GOLDEN, MINIMAL, S3

CREDENTIALS = Location("aws", REGION, ACCOUNT)
NETWORK: Final[Mapping[str, Any]] = MappingProxyType(
    {"subnet_ids": [SUBNET_ID], "security_group_ids": [SECURITY_GROUP_ID]}
)
RIGHT: Final[Mapping[str, Any]] = MappingProxyType({"region": REGION, **MINIMAL})
OF_EVERY_SETTING: Final[Mapping[str, Any]] = {"connector": "webcrawler"}
"""The connector that supports every setting; messages about connectors have their own sections."""
WRONG: Mapping[str, Mapping[str, Any]] = {
    "missing settings": dict.fromkeys(("region", *MINIMAL)),
    "formats": {**{name: each.malformed for name, each in SAMPLES.items()}, **OF_EVERY_SETTING},
    "types": {**{name: each.mistyped for name, each in SAMPLES.items()}, **OF_EVERY_SETTING},
    "unknown names": {"kms": "x", "vpc": {}, "secret": "x", "zzz": "x"},
    "entries": {
        "vpc_configuration": {
            "subnets": [],
            "subnet_ids": ["subnet-1", 3, None],
            "security_group_ids": ["sg", SECURITY_GROUP_ID],
        }
    },
    "values that are not lists": {
        "vpc_configuration": {"subnet_ids": SUBNET_ID, "security_group_ids": {"a": "b"}}
    },
    "too many groups": {
        "vpc_configuration": {**NETWORK, "security_group_ids": [f"sg-{i:08x}" for i in range(11)]}
    },
    "another location": {
        "application_id": APPLICATION_ARN,
        "region": "us-west-2",
        "account_id": OTHER_ACCOUNT,
        "secret_id": f"arn:aws-cn:secretsmanager:us-west-2:{ACCOUNT}:secret:{SECRET_ID}",
        "kms_key_id": "alias/aem",
        "permissions_boundary_arn": f"arn:aws-cn:iam::{OTHER_ACCOUNT}:policy/boundary",
        "vpc_configuration": {
            **NETWORK,
            "subnet_ids": [f"arn:aws:ec2:eu-west-1:{ACCOUNT}:subnet/{SUBNET_ID}"],
        },
    },
    "a secret of another account": {
        "secret_id": f"arn:aws:secretsmanager:{REGION}:{OTHER_ACCOUNT}:secret:{SECRET_ID}",
    },
    "an Output for exclusive_policies": {"exclusive_policies": pulumi.UNKNOWN},
    "tags": {
        "tags": {
            "Team": 5,
            "Bad*Key": "a",
            "team": "b",
            "aws:x": "c",
            "Größe": "a\nb",
            "Null": None,
            "": "empty key",
            7: "number",
        }
    },
    "too many subnets": {
        **FULL,
        "vpc_configuration": {**NETWORK, "subnet_ids": [f"subnet-{i:017x}" for i in range(140)]},
    },
    "an unknown connector": {"connector": "Confluence", "secret_id": None},
    "a bucket's account for a connector without buckets": {"bucket_account_id": OTHER_ACCOUNT},
    # An unknown connector might use the key without a secret.
    "an unknown connector beside other problems": {
        "connector": "x",
        "secret_id": None,
        "kms_key_id": KEY_ID,
        "bucket_account_id": OTHER_ACCOUNT,
        "allow_network_interface_deletion": True,
    },
    "a connector without a secret and a VPC": {
        "connector": "s3-v2",
        "vpc_configuration": NETWORK,
        "allow_network_interface_deletion": True,
    },
    "settings that need others": {
        "connector": "webcrawler",
        "secret_id": None,
        "kms_key_id": KEY_ID,
        "bucket_account_id": ACCOUNT,
    },
    "too many tags": {"tags": {f"t{i}": "" for i in range(51)}},
}


WARNED: Final[Sequence[Mapping[str, Any]]] = (
    {"vpc_configuration": {**NETWORK, "subnet_ids": [f"subnet-{i:017x}" for i in range(7)]}},
    {"region": "", "application_id": APPLICATION_ARN.replace("us-east-1", "eu-north-1")},
    {"secret_id": "aem-prod-secret"},
    {"role_name": "connector"},
    {
        "kms_key_id": KEY_ID,
        "secret_id": f"arn:aws:secretsmanager:{REGION}:{OTHER_ACCOUNT}:secret:aem-a1B2c3",
    },
    {**S3, "secret_id": None, "bucket_account_id": OTHER_ACCOUNT},
)


def rejected(
    given: Mapping[str, Any], name: str = "aem", caller: Location = CREDENTIALS
) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        render(name, {**RIGHT, **given}, "", caller)
    return caught.value


def messages() -> str:
    """Return messages about arguments, then warnings, then commands that fix a stack's settings."""
    found = {title: str(rejected(given)) for title, given in WRONG.items()}
    for title, caller in (
        ("credentials for another account", CREDENTIALS._replace(account=OTHER_ACCOUNT)),
        ("credentials for another partition", Location("aws-cn", REGION, OTHER_ACCOUNT)),
    ):
        found[title] = str(rejected({}, caller=caller))
    found["the component's name is too long"] = str(rejected({}, "a" * 42))
    warnings = [warning for given in WARNED for warning in render("aem", {**RIGHT, **given}, "")[2]]
    # Without this placeholder, each new setting would change every message that lists settings.
    text = gallery(found).replace(", ".join(SETTINGS), "(every setting)")
    fixes: list[str] = []
    for given in WRONG.values():
        if pulumi.UNKNOWN not in given.values():
            message = of_stack(given)
            pairs = re.findall(PROBLEM, message)
            assert len(pairs) == message.count("    expected: ")
            fixes += [
                f"{name}: {fix}" for name, fix in pairs if fix != f"edit {name} in Pulumi.test.yaml"
            ]
    text += "\n".join(["\nwarnings:", *warnings, ""])
    return f"{text}\nfixes in a stack's configuration:\n" + "\n".join(dict.fromkeys(fixes)) + "\n"


PROBLEM: Final = r"(?m)^  (\S.*?): .*\n    expected: .*\n    fix: (.*)"


def of_stack(given: Mapping[str, Any], **how: Any) -> str:
    """Return the message about these settings in a stack's configuration."""
    settings = {**RIGHT, **given}
    if isinstance(vpc := settings.get("vpc_configuration"), Mapping):
        settings["vpc_configuration"] = {camel_case(key): lists for key, lists in vpc.items()}
    keys = {name: "aws:region" if name == "region" else camel_case(name) for name in SETTINGS}
    # A stack's configuration contains only JSON.
    config: dict[str, Any] = json.loads(json.dumps(settings, default=repr))
    return configured.rejection(
        {keys.get(name, name): value for name, value in config.items()}, reject_unknown_keys=True, **how
    )


def test_messages_match_golden_file(assert_golden: Callable[[Path, str], None]):
    assert_golden(GOLDEN / "messages.txt", messages())


def test_messages_of_the_package_use_camel_case_for_settings():
    vpc = {"subnets": [], "subnetIds": [1], "securityGroupIds": []}
    given = {"applicationId": APPLICATION_ARN, "secretid": SECRET_ID, "vpcConfiguration": vpc}
    with pytest.raises(SettingsError) as caught:
        render("aem", given, "", CREDENTIALS, Source.PACKAGE)
    assert [(problem.place.name, problem.fix) for problem in caught.value.problems] == [
        ("secretid", ""),
        ("indexId", ""),
        ("secretId", ""),
        ("vpcConfiguration.subnets", ""),
        ("vpcConfiguration.subnetIds[0]", ""),
        ("vpcConfiguration.securityGroupIds", ""),
    ]
    assert caught.value.problems[0][1:3] == ("is not a setting; did you mean secretId?", "secretId")


def test_command_placeholder_is_rejected_as_value():
    bucket = {"connector": "webcrawler", "bucket_name": "aem-files"}
    for name, setting in SETTINGS.items():
        if isinstance(setting.kind, Format):
            message = of_stack({**bucket, name: setting.kind.placeholder})
            assert f"{setting.kind.placeholder} is a placeholder" in message
            assert message.endswith(f" {setting.kind.placeholder}")
    entries = [
        (kind.placeholder, {**NETWORK, name: [kind.placeholder]}) for name, kind in Vpc.lists.items()
    ]
    for placeholder, vpc in entries:
        assert f"{placeholder} is a placeholder" in of_stack({"vpc_configuration": vpc})
    assert "TAG_VALUE is a placeholder" in of_stack({"tags": {"Team": "TAG_VALUE"}})


def test_message_hides_keys_of_secret_setting():
    secret = ["secretId", "tags", "vpcConfiguration", "exclusivePolicies", "connector"]
    vpc = {"subnet_ids_hunter2": [], "subnet_ids": ["subnet-hunter2"], "security_group_ids": []}
    wrong = {"secret_id": "hunter2", "tags": {"hunter2": 5}, "index_id": "y", "vpc_configuration": vpc}
    message = of_stack(wrong, secrets=secret)
    assert "hunter2" not in message.lower()
    assert re.findall(PROBLEM, message) == [
        ("indexId", "pulumi config set --stack test --plaintext -- indexId INDEX_ID"),
        ("secretId", "pulumi config set --stack test --secret -- secretId SECRET_ARN"),
        ("vpcConfiguration", "edit vpcConfiguration in Pulumi.test.yaml"),
        *(
            (f"vpcConfiguration.{key}", f"edit vpcConfiguration.{key} in Pulumi.test.yaml")
            for key in ("subnetIds", "securityGroupIds")
        ),
        ("tags", "edit tags in Pulumi.test.yaml"),
    ]
    assert "  secretId: [secret] is not a secret" in message
    unknown = "vpcConfiguration: has an entry that is not a setting\n    expected: one of "
    assert f"  {unknown}subnetIds, securityGroupIds\n" in message
    assert "  vpcConfiguration.subnetIds: [secret] is not a subnet ID" in message
    # The fix removes the entire setting, because the connector does not support it.
    message = of_stack({"connector": "onedrive-new", "vpc_configuration": vpc}, secrets=secret)
    assert message.endswith("    fix: pulumi config rm --stack test -- vpcConfiguration")


EVERY_KEY: Final = ["aws:region", *KEYS.values()]


def test_a_secret_is_never_shown():
    # Each turn gives every setting one of its invalid values.
    invalid = {name: each.every_rejected for name, each in SAMPLES.items()}
    turns = [
        {name: values[turn % len(values)] for name, values in invalid.items()}
        for turn in range(max(map(len, invalid.values())))
    ]
    for given in (*(each for each in WRONG.values() if each.keys() <= SETTINGS.keys()), *turns):
        if pulumi.UNKNOWN in given.values():
            continue
        message = of_stack(given, secrets=EVERY_KEY)
        for name, problem in re.findall(r"(?m)^  (\S.*?): (.*)", message):
            assert name.removeprefix("vpcConfiguration.") in (
                *EVERY_KEY,
                "subnetIds",
                "securityGroupIds",
            )
            # A problem can show the connector's name.
            assert not re.search(r'"|\b\d', re.sub(r"the \S+ connector.*", "", problem)), problem
        for value in ("aem-files", ACCOUNT, OTHER_ACCOUNT, "us-west-2"):
            assert value not in message


def test_warnings_hide_secret_values():
    subnets = [f"subnet-{i:017x}" for i in range(7)]
    settings = {
        "aws:region": "eu-north-1",
        "applicationId": APPLICATION_ARN.replace("us-east-1", "eu-north-1"),
        "indexId": INDEX_ID,
        "secretId": f"arn:aws:secretsmanager:eu-north-1:{OTHER_ACCOUNT}:secret:aem-secret",
        "kmsKeyId": KEY_ID,
        "roleName": "my-role",
        "vpcConfiguration": {"subnetIds": subnets, "securityGroupIds": [SECURITY_GROUP_ID]},
    }
    warnings = " ".join(configured.deploy(settings, secrets=settings).warnings)
    assert "my-role" not in warnings
    assert "six lowercase letters" not in warnings
    assert "key in account [secret], but the secret is in account [secret]; if" in warnings
    assert "Amazon Q Business is not available in [secret]; it is" in warnings
    assert "has [secret] subnets" in warnings
