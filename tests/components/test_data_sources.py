"""Tests `components/configuration.py` and `formats.py` with several data sources in a stack."""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from components.configuration import KEYS, config_key
from components.settings import SETTINGS
from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    BUCKET_NAME,
    INDEX_ID,
    KEY_ID,
    REGION,
    SECRET_ID,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from tests.helpers import configured
from tests.helpers.gallery import gallery
from tests.helpers.mocked import Deployment
from tests.helpers.samples import EXAMPLES
from tests.helpers.support import GOLDEN, golden, indented, of_role

ACCOUNTS: Final = "aws:allowedAccountIds"
ROLE: Final = "aws:iam/role:Role"
TAGS: Final = "aws:defaultTags"
TOP: Final[Mapping[str, Any]] = {
    "aws:region": REGION,
    ACCOUNTS: [ACCOUNT],
    "applicationId": APPLICATION_ARN,
    "indexId": INDEX_ID,
}
AEM: Final[Mapping[str, Any]] = {"secretId": SECRET_ID}
FILES: Final[Mapping[str, Any]] = {"connector": "s3-v2", "bucketName": BUCKET_NAME, "kmsKeyId": KEY_ID}
VPC: Final[Mapping[str, Any]] = {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}


def deploy(
    entries: object, /, secrets: Collection[str] = (), *, preview: bool = False, **top: Any
) -> Deployment:
    settings = {**TOP, **top, "dataSources": entries}
    return configured.deploy(settings, None, secrets=secrets, preview=preview, reject_unknown_keys=True)


def rejection(entries: object, /, secrets: Collection[str] = (), **top: Any) -> str:
    settings = {**TOP, **top, "dataSources": entries}
    return configured.rejection(settings, None, secrets=secrets, reject_unknown_keys=True)


def rejected(entries: object, /, **top: Any) -> list[str]:
    """Return the path of the setting in each problem that the message lists."""
    return re.findall(r"^  ([^ :]+): ", rejection(entries, **top), re.MULTILINE)


def inputs(deployment: Deployment, kind: str) -> dict[str, Mapping[str, Any]]:
    assert deployment.error is None, deployment.error
    return {each.name.partition("-qbusiness-")[0]: each.inputs for each in deployment.of_type(kind)}


def policies(deployment: Deployment) -> dict[str, str]:
    found = inputs(deployment, "aws:iam/rolePolicy:RolePolicy")
    return {name: indented(each["policy"]) for name, each in found.items()}


def test_each_entry_gets_its_own_role_with_shared_lookups():
    deployment = deploy({"aem-connector": AEM, "files": FILES})
    assert policies(deployment) == {
        "aem-connector": golden("minimal-role-policy"),
        "files": of_role(golden("s3-v2-role-policy"), "files-qbusiness-role-1234567"),
    }
    assert {indented(role["assumeRolePolicy"]) for role in inputs(deployment, ROLE).values()} == {
        golden("trust-policy")
    }
    # One lookup returns the account, and the other lookup returns the Region.
    assert len(deployment.invokes) == 2
    assert deployment.warnings == []


def test_entry_inherits_defaults_for_omitted_settings():
    other = "c3d4e5f6-7890-12ab-cdef-333333333333"
    entries = {
        "one": AEM,
        "two": {**AEM, "indexId": other, "rolePath": "/two/", "tags": {"Team": "two", "Cost": "2"}},
        "three": {**AEM, "rolePath": "", "tags": {}, "exclusivePolicies": False},
    }
    tags = {"Team": "all", "Stage": "prod"}
    deployment = deploy(entries, rolePath="/all/", tags=tags, exclusivePolicies=True)
    found = inputs(deployment, ROLE)
    assert {name: role.get("path") for name, role in found.items()} == {
        "one": "/all/",
        "two": "/two/",
        "three": None,
    }
    assert {name: role.get("tags") for name, role in found.items()} == {
        "one": tags,
        "two": {"Team": "two", "Stage": "prod", "Cost": "2"},
        "three": None,
    }
    documents = policies(deployment)
    assert {name for name, document in documents.items() if other in document} == {"two"}
    assert {name for name, document in documents.items() if INDEX_ID in document} == {"one", "three"}
    exclusive = inputs(deployment, "aws:iam/rolePoliciesExclusive:RolePoliciesExclusive")
    assert exclusive.keys() == {"one", "two"}


def test_top_level_vpc_applies_only_to_connectors_that_support_it():
    mail = {"connector": "gmail", "secretId": SECRET_ID}
    entries = {"aem": AEM, "files": FILES, "mail": mail, "off": {**AEM, "vpcConfiguration": {}}}
    entries["mail-off"] = {**mail, "vpcConfiguration": {}}
    deployment = deploy(entries, vpcConfiguration=VPC)
    with_vpc = {name for name, document in policies(deployment).items() if "subnet/" in document}
    assert with_vpc == {"aem"}
    unused, default = deploy(entries, vpcConfiguration=VPC, preview=True).infos
    assert unused == (
        "\nfiles, mail: vpcConfiguration does not apply, because the current versions of their "
        "connectors do not support a VPC"
    )
    assert default.startswith("\naem, off: connector is not set; ")
    every = {"aem": {**AEM, "connector": "aem-cloud"}, "wiki": {**AEM, "connector": "confluence-cloud"}}
    assert deploy(every, vpcConfiguration=VPC, preview=True).infos == []


def test_subnet_warning_ignores_roles_without_the_top_level_vpc():
    vpc = {**VPC, "subnetIds": [f"subnet-{number:017x}" for number in range(7)]}
    without = {"connector": "s3-v2", "bucketName": "documents"}
    (warning,) = deploy({"one": AEM, "two": without}, vpcConfiguration=vpc).warnings
    assert warning.startswith("vpcConfiguration.subnetIds has 7 subnets; ")


def test_protect_applies_to_all_entries_or_one_entry():
    def protected(entries: object, **top: Any) -> set[str]:
        deployment = deploy(entries, **top)
        assert deployment.error is None
        return {each.name for each in deployment.registrations if each.request.protect}

    of_one = {"one", "one-qbusiness-role", "one-qbusiness-policy"}
    assert protected({"one": {**AEM, "protect": True}, "two": AEM}) == of_one
    for off in (False, ""):
        assert protected({"one": AEM, "two": {**AEM, "protect": off}}, protect=True) == of_one


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ({**AEM, "vpcConfiguration": None, "allowNetworkInterfaceDeletion": True}, "vpcConfiguration"),
        ({"connector": None, "bucketName": "documents"}, "connector"),
        ({"connector": "webcrawler", "secretId": None, "kmsKeyId": KEY_ID}, "secretId"),
        ({"secretId": None}, "secretId"),
    ],
)
def test_a_null_setting_causes_no_additional_problem(entry: dict[str, Any], key: str):
    assert rejected({"one": entry}) == [f"dataSources.one.{key}"]


@pytest.mark.parametrize(
    ("entry", "default", "place"),
    [
        ({}, {"indexId": "x"}, "indexId"),
        ({"rolePath": "/x/"}, {"rolePath": "x"}, "rolePath"),
        ({"vpcConfiguration": ""}, {"vpcConfiguration": "x"}, "vpcConfiguration"),
        ({"tags": {"Team": "x"}}, {"tags": {"k!": "v"}}, 'tags["k!"]'),
    ],
)
def test_invalid_default_is_reported_once_even_if_unused(
    entry: dict[str, Any], default: dict[str, Any], place: str
):
    entries = {"one": {**AEM, **entry}, "two": {**AEM, **entry}}
    assert rejected({**entries, "three": AEM}, **default) == [place]


def test_false_or_blank_top_level_setting_counts_as_unset():
    top: dict[str, Any] = {"allowNetworkInterfaceDeletion": False, "secretId": "", "protect": False}
    assert deploy({"one": AEM}, **top).error is None


def test_each_setting_is_accepted_only_at_its_level():
    of_stack = ["applicationId", "accountId"]
    of_entry = [key for name, key in KEYS.items() if SETTINGS[name].scope == "entry"]
    assert {"secretId", "connector", "kmsKeyId", "roleName"} < {*of_entry}
    every = {key: EXAMPLES[name] for name, key in KEYS.items()} | {"vpcConfiguration": VPC}
    entry = {**every, "connector": "webcrawler"}
    misplaced = [*of_entry, *(f"dataSources.one.{key}" for key in of_stack)]
    assert rejected({"one": entry}, **every) == misplaced


@pytest.mark.parametrize("name", ["Wiki", "wikI", "a_b", "1a", "", "a" * 42, "secure", "a.b", "-a"])
def test_an_invalid_data_source_name_is_rejected(name: str):
    text = rejection({name: AEM, "a" * 41: AEM, "secure-wiki-2": AEM})
    assert text.count("is not a valid data source name") == 1


def test_secret_default_is_hidden_and_remains_secret_in_entries():
    secrets = ["tags", "rolePath"]
    entry = {**AEM, "tags": {"hunter2": "x"}}
    text = rejection({"one": entry}, secrets=secrets, tags={"Hunter2": "y"}, rolePath="/x/")
    assert "  dataSources.one.tags: [secret] and [secret] differ only in case\n" in text
    assert "hunter2" not in text.lower()
    deployment = deploy({"one": entry}, secrets=secrets, tags={"Team": "y"}, rolePath="/x/")
    (role,) = deployment.of_type(ROLE)
    inputs = role.request.object.fields
    # The program sends a secret as an object that contains the value.
    sent = {name: inputs[name].struct_value.fields["value"] for name in ("path", "tags")}
    assert sent["path"].string_value == "/x/"
    assert sent["tags"].struct_value.fields.keys() == {"Team", "hunter2"}


def test_number_of_entries_is_limited():
    names = [f"d{number}" for number in range(101)]
    assert rejected(dict.fromkeys(names, AEM)) == ["dataSources"]
    assert rejected(dict.fromkeys(names[:100], AEM), indexId="x") == ["indexId"]


def test_configuration_size_is_limited_in_bytes():
    long = {f"d{number}": {**AEM, "roleDescription": 990 * "ü"} for number in range(49)}

    def problems(length: int) -> str:
        last = {**AEM, "roleDescription": length * "d"}
        return rejection({**long, "last": last}, indexId="x")

    shortest = {**TOP, "indexId": "x", "dataSources": {**long, "last": {**AEM, "roleDescription": "d"}}}
    room = 102_400 - len(configured.pulumi_config(shortest).encode())
    assert "bytes" not in problems(1 + room)
    assert "  dataSources: the configuration is 102,401 bytes\n" in problems(2 + room)


# Messages about stacks with several data sources.

STACKS: Final[Mapping[str, tuple[object, Mapping[str, Any]]]] = {
    "invalid, misplaced, unknown, and null settings": (
        {
            "wiki": {
                "connector": "confluence-cloud",
                "secretid": SECRET_ID,
                "accountId": ACCOUNT,
                "rolePath": "x",
            },
            "files": {**FILES, "bucketName": "No Bucket", "protect": "yes", "roleDescription": None},
            "aem": {**AEM, "exclusivePolicies": "no", "tags": {"aws:x": "y"}, "zebra": "x"},
        },
        {"kmsKeyId": "alias/x", "allowNetworkInterfaceDeletion": True, "roleName": "a b\n"},
    ),
    "unknown keys": ({"aem": AEM}, {"zebra": "x", "kmsKey": "x"}),
    "invalid defaults": ({"aem": AEM}, {"indexId": "x", "rolePath": "x", "tags": "x"}),
    "no entries": ({}, {}),
    "a string": ("x", {"dataSources": "x"}),
    "invalid names and entries": ({"Wiki": AEM, "secure": AEM, "a": None, "b": "x"}, {}),
    "one role name three times": (
        {
            "one": {**AEM, "roleName": "qbusiness-a"},
            "none": {**AEM, "roleName": ""},
            "two": {**AEM, "roleName": "QBusiness-A"},
            "a": {**AEM, "roleName": "qbusiness-a"},
            "b": {**AEM, "roleName": ""},
            "c": {**AEM, "roleName": 5},
        },
        {},
    ),
    "accounts in a string": ({"aem": AEM}, {ACCOUNTS: f"{ACCOUNT}, 444455556666"}),
    "numbers": ({"aem": AEM}, {ACCOUNTS: [12345670123, 123456789012.0]}),
    "several accounts, two of them invalid": ({"aem": AEM}, {ACCOUNTS: [ACCOUNT, "12", True]}),
    "several other accounts": ({"aem": AEM}, {ACCOUNTS: ["444455556666", 555566667777]}),
    "default tags without the key tags": ({"aem": {**AEM, "tags": {"a": "b"}}}, {TAGS: {"Team": "x"}}),
    "a tag that clashes with a default tag": (
        {"aem": {**AEM, "tags": {"team": "x"}}},
        {TAGS: {"tags": {"Team": "x"}}},
    ),
    "tags that clash with default tags": (
        {"aem": {**AEM, "tags": {"team": "x", "Stage": "y"}}},
        {TAGS: {"tags": {"Team": "x", "STAGE": "y"}}, "tags": {"TEAM": "z", "a!": ""}},
    ),
}

WITH_SECRETS: Final = {
    *("invalid defaults", "a string", "numbers", "several other accounts"),
    *("default tags without the key tags", "a tag that clashes with a default tag"),
}
"""The stacks whose messages contain values that can be secret."""


def stack_messages() -> str:
    """Return each stack's message and, for stacks in WITH_SECRETS, the message that hides the values."""
    of_entry = [config_key(name) for name in SETTINGS if SETTINGS[name].scope != "stack"]
    found: dict[str, str] = {}
    for name, (entries, top) in STACKS.items():
        found[name] = rejection(entries, **top)
        if top and name in WITH_SECRETS:
            found[f"{name}, secret"] = rejection(entries, secrets=[*top], **top)
    text = gallery(found, fix="edit {} in Pulumi.test.yaml")
    # Without these placeholders, each new setting would change the messages.
    text = text.replace(", ".join(["aws:region", *KEYS.values()]), "(every setting)")
    return text.replace(", ".join(of_entry), "(every setting of an entry)")


def test_stack_messages_match_golden_file(assert_golden: Callable[[Path, str], None]):
    assert_golden(GOLDEN / "stacks.txt", stack_messages())
