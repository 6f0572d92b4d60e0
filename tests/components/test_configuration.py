"""Tests `components/configuration.py` and `settings.py` with a stack's configuration."""

import re
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from components.configuration import KEYS, config_key
from components.settings import SETTINGS
from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    OTHER_ACCOUNT,
    REGION,
    SECRET_ID,
)
from tests.helpers.configured import deploy, rejection
from tests.helpers.expected import FULL_ROLE_POLICY
from tests.helpers.samples import EXAMPLES, ROLE_INPUTS
from tests.helpers.support import PROJECT_NAME, S3, VPC, golden, indented, of_role

MINIMAL: dict[str, str] = {
    "aws:region": REGION,
    "applicationId": APPLICATION_ARN,
    "indexId": INDEX_ID,
    "secretId": SECRET_ID,
}
S3_SETTINGS: dict[str, str] = {
    "aws:region": REGION,
    "bucketAccountId": ACCOUNT,
    **{config_key(name): value for name, value in S3.items()},
}
VPC_CONFIGURATION = {"subnetIds": VPC["subnet_ids"], "securityGroupIds": VPC["security_group_ids"]}
BLANKS = {key: SETTINGS[name].kind.blank for name, key in KEYS.items() if key not in MINIMAL}
"""The blank defaults that the engine sets for optional keys."""


def test_keys_except_bucket_keys_reach_role_and_policy():
    given = {config_key(name): value for name, value in EXAMPLES.items() if "bucket" not in name}
    given["vpcConfiguration"] = VPC_CONFIGURATION
    assert {*given, *S3_SETTINGS} == {"aws:region", *KEYS.values()}
    deployment = deploy(given)
    assert deployment.error is None
    assert len(deployment.registrations) == 5
    assert indented(deployment.role_policy["policy"]) == FULL_ROLE_POLICY
    assert {key: value for key, value in deployment.role.items() if key != "assumeRolePolicy"} == {
        **ROLE_INPUTS,
        "forceDetachPolicies": True,
    }


def test_bucket_settings_reach_the_policy():
    deployment = deploy(S3_SETTINGS)
    assert deployment.error is None
    expected = of_role(golden("s3-v2-role-policy"), "aem-qbusiness-role-1234567")
    assert indented(deployment.role_policy["policy"]) == expected
    other = deploy({**S3_SETTINGS, "bucketAccountId": OTHER_ACCOUNT})
    assert indented(other.role_policy["policy"]) == expected.replace(
        f'"aws:ResourceAccount": "{ACCOUNT}"', f'"aws:ResourceAccount": "{OTHER_ACCOUNT}"'
    )


def test_blank_setting_counts_as_unset():
    deployment = deploy({**BLANKS, **MINIMAL})
    assert deployment.error is None
    assert len(deployment.registrations) == 3
    assert indented(deployment.role_policy["policy"]) == golden("minimal-role-policy")
    assert set(deployment.role) == {"assumeRolePolicy", "forceDetachPolicies"}
    unsupported = deploy({**BLANKS, **S3_SETTINGS, "secretId": ""})
    assert unsupported.role_policy == deploy(S3_SETTINGS).role_policy


@pytest.mark.parametrize("key", MINIMAL)
def test_blank_or_missing_required_setting_is_reported(key: str):
    for blank in ("", None):
        text = rejection({**MINIMAL, key: blank})
        assert re.findall(r"^  ([\w:]+): is (?:required but )?not set", text, re.MULTILINE) == [key]


@pytest.mark.parametrize(
    ("organization", "stack"),
    [("acme", "acme/test"), ("organization", "test"), ("", "test")],
    ids=["Pulumi Cloud", "DIY backend", "no organization"],
)
def test_command_includes_organization_only_in_pulumi_cloud(
    monkeypatch: pytest.MonkeyPatch, organization: str, stack: str
):
    monkeypatch.setattr(pulumi, "get_organization", lambda: organization)
    text = rejection({**MINIMAL, "indexId": "x"})
    assert f"fix: pulumi config set --stack {stack} --plaintext -- indexId " in text


def test_similar_keys_are_suggested_regardless_of_namespace_and_case():
    for namespace, misspelled, nearest in (
        (PROJECT_NAME, "kms_key_id", "kmsKeyId"),
        (PROJECT_NAME, "bucket", "bucketName or bucketAccountId"),
        (PROJECT_NAME, "Connector", "connector"),
        (PROJECT_NAME, "tagsOfTheRole", "tags"),
        ("search", "kmsKeyArn", "search:kmsKeyId"),
        ("search", "region", "aws:region"),
    ):
        text = rejection({**MINIMAL, misspelled: "x"}, namespace=namespace, reject_unknown_keys=True)
        assert f"{misspelled}: is not a setting; did you mean {nearest}?\n" in text
    text = rejection({**MINIMAL, "indexId": "x"}, namespace="search")
    assert "pulumi config set --stack test --plaintext -- search:indexId " in text


def test_keys_of_other_namespaces_are_ignored():
    settings = {**MINIMAL, "aws:profile": "x", "other:kmsKeyID": "y"}
    assert deploy(settings, reject_unknown_keys=True).error is None


def test_json_like_description_remains_a_string():
    deployment = deploy({**MINIMAL, "roleDescription": '{"a": true}'})
    assert deployment.role["description"] == '{"a": true}'


def test_key_cannot_forge_a_message_line():
    forged = "x\n  indexId\x1b\u202e"
    settings = {**MINIMAL, forged: "x", "tags": {forged: 5}, "roleName": forged}
    text = rejection(settings, reject_unknown_keys=True)
    assert text.replace("\n", "").isprintable()
    assert "  x\\n  indexId\\x1b\\u202e: is not a setting" in text
    assert '  roleName: "x\\n  indexId\\u001b\\u202e" is not a valid role name' in text
    assert '  tags["x\\n  indexId\\u001b\\u202e"]: "x' in text
    assert text.count("fix: edit ") == text.count(" in Pulumi.test.yaml") == 3


ACCOUNTS = "aws:allowedAccountIds"
OF_THE_PROGRAM: dict[str, Any] = {"reject_unknown_keys": True}


@pytest.mark.parametrize(
    "accounts",
    [
        f'["{ACCOUNT}"]',
        f"[{ACCOUNT}]",  # written by `pulumi config set --path` without --type string
        f' ["{OTHER_ACCOUNT}", {ACCOUNT}]',
    ],
)
def test_account_list_with_application_account_is_accepted(accounts: str):
    deployment = deploy({**MINIMAL, ACCOUNTS: accounts}, **OF_THE_PROGRAM)
    assert deployment.error is None
    assert deployment.warnings == []
    # If the application's account is not set, any list is accepted; the provider checks the credentials.
    settings = {**MINIMAL, "applicationId": APPLICATION_ID, ACCOUNTS: f'["{OTHER_ACCOUNT}"]'}
    assert deploy(settings, **OF_THE_PROGRAM).error is None


@pytest.mark.parametrize("missing", [None, "", "[]", "null"])
@pytest.mark.parametrize(
    ("application", "account"), [(APPLICATION_ARN, ACCOUNT), (APPLICATION_ID, "ACCOUNT_ID")]
)
def test_program_warns_without_allowed_accounts(missing: str | None, application: str, account: str):
    settings = {**MINIMAL, "applicationId": application}
    if missing is not None:
        settings[ACCOUNTS] = missing
    deployment = deploy(settings, **OF_THE_PROGRAM)
    assert deployment.error is None
    (warning,) = deployment.warnings
    assert warning.startswith(
        f"{ACCOUNTS} is not set or is empty: with credentials for another account, "
    )
    command = f"pulumi config set --stack test --path --type string -- '{ACCOUNTS}[0]' {account}"
    assert f"`{command}`" in warning
    assert "If the stack sets aws:forbiddenAccountIds, remove it" in warning


def test_allowed_accounts_are_compared_with_account_id():
    settings = {**MINIMAL, "applicationId": APPLICATION_ID, "accountId": ACCOUNT}
    settings[ACCOUNTS] = f'["{OTHER_ACCOUNT}"]'
    text = rejection({**settings, "indexId": "x"}, **OF_THE_PROGRAM)
    assert re.findall(r"^  ([\w:]+): ", text, re.MULTILINE) == [ACCOUNTS, "indexId"]


@pytest.mark.parametrize(
    ("key", "hidden"),
    [
        ("applicationId", ACCOUNT),
        ("accountId", ACCOUNT),
        (ACCOUNTS, "44445555"),
    ],
)
def test_messages_about_allowed_accounts_hide_secret_accounts(key: str, hidden: str):
    settings = {**MINIMAL, "accountId": ACCOUNT}
    how: dict[str, Any] = {**OF_THE_PROGRAM, "secrets": [key]}
    for accounts in ([OTHER_ACCOUNT], OTHER_ACCOUNT, ["44445555"]):
        assert hidden not in rejection({**settings, ACCOUNTS: accounts}, **how)
    (warning,) = deploy(settings, **how).warnings
    assert hidden not in warning


@pytest.mark.parametrize("settings", [{}, {ACCOUNTS: "x"}, {ACCOUNTS: f'["{OTHER_ACCOUNT}"]'}])
def test_unknown_keys_and_allowed_accounts_are_checked_only_on_request(settings: Mapping[str, str]):
    deployment = deploy({**MINIMAL, **settings, "zebra": "x"})
    assert deployment.error is None
    assert deployment.warnings == []


def default_tags(**tags: str) -> dict[str, Any]:
    return {ACCOUNTS: [ACCOUNT], "aws:defaultTags": {"tags": tags}}


def test_tag_with_same_key_as_default_tag_is_accepted():
    settings = {**MINIMAL, **default_tags(Team="search", Owner="me"), "tags": {"Team": "aem"}}
    assert deploy(settings, **OF_THE_PROGRAM).role["tags"] == {"Team": "aem"}
    for empty in ("", "{}", '{"tags": null}', '{"tags": {}}'):
        settings = {**settings, "aws:defaultTags": empty}
        assert deploy(settings, **OF_THE_PROGRAM).error is None


@pytest.mark.parametrize("secret", ["tags", "aws:defaultTags"])
def test_message_about_clash_with_default_tag_hides_secret_tags(secret: str):
    settings = {**MINIMAL, **default_tags(Hunter2="x"), "tags": {"hunter2": "y"}}
    text = rejection(settings, **OF_THE_PROGRAM, secrets=[secret])
    assert "  tags: [secret] differs only in case from [secret] in aws:defaultTags\n" in text
    assert "unter2" not in text


def test_secret_connector_or_protect_value_is_not_shown():
    secret = ["connector", "protect"]
    assert deploy(S3_SETTINGS, secrets=secret).secret_documents == set()
    text = rejection({**S3_SETTINGS, "connector": "s3", "protect": "Hunter2"}, secrets=secret)
    assert "  connector: [secret] is not a connector\n" in text
    assert "  protect: expected a boolean, got [secret]\n" in text


def test_resource_options_reach_every_resource():
    deployment = deploy(MINIMAL, opts=pulumi.ResourceOptions(protect=True))
    assert [registration.request.protect for registration in deployment.registrations] == [True] * 3


def test_missing_connector_causes_note_only_in_preview():
    note = (
        "\naem: connector is not set; the default is aem-cloud. AWS supported it until May 31, 2026, "
        "only for existing customers: docs/after-q-business.md lists the successors"
    )
    for settings in (MINIMAL, {**MINIMAL, "connector": ""}):
        assert deploy(settings, preview=True).infos == [note]
        assert deploy(settings).infos == []
    assert deploy({**MINIMAL, "connector": "aem-cloud"}, preview=True).infos == []


@pytest.mark.parametrize("entries", [{"aem": "x"}, {"aem": {"tags": "x"}}, ["aem"]])
def test_program_with_a_single_role_rejects_data_sources_key(entries: object):
    text = rejection({**MINIMAL, "dataSources": entries}, reject_unknown_keys=True)
    assert "  dataSources: is set, but ConnectorRole.from_config reads a single role" in text
