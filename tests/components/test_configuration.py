"""Test that stack configuration has the same effect as arguments, and that errors mention its keys."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from components.connector_role import ConnectorRole
from components.report import SettingsError
from components.settings import SETTINGS
from components.stack_config import KEYS, config_key
from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    APPLICATION_ID,
    INDEX_ID,
    OTHER_ACCOUNT,
    REGION,
    SECRET_ID,
)
from tests.helpers.mocked import Deployment
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
VPC_CONFIGURATION = json.dumps(
    {"subnetIds": VPC["subnet_ids"], "securityGroupIds": VPC["security_group_ids"]}
)
BLANK = {"string": "", "boolean": "false", "object": "{}", "array": "[]"}
BLANKS = {
    KEYS[name]: BLANK[str(setting.kind.declaration["type"])]
    for name, setting in SETTINGS.items()
    if name in KEYS and KEYS[name] not in MINIMAL
}
"""The blank defaults that the engine sets for optional keys."""


def deploy(
    monkeypatch: pytest.MonkeyPatch,
    settings: Mapping[str, str],
    namespace: str = PROJECT_NAME,
    **options: Any,
) -> Deployment:
    config = {key if ":" in key else f"{namespace}:{key}": value for key, value in settings.items()}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))

    def program() -> None:
        config = None if namespace == PROJECT_NAME else pulumi.Config(namespace)
        ConnectorRole.from_config("aem", config, **options)

    return Deployment(program)


def message(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str], **how: Any) -> str:
    deployment = deploy(monkeypatch, settings, **how)
    assert isinstance(deployment.error, SettingsError)
    assert deployment.registrations == []
    return str(deployment.error)


def test_every_key_except_bucket_settings_takes_effect(monkeypatch: pytest.MonkeyPatch):
    given = {config_key(name): value for name, value in EXAMPLES.items() if "bucket" not in name}
    given["vpcConfiguration"] = json.loads(VPC_CONFIGURATION)
    assert {*given, *S3_SETTINGS} == {"aws:region", *KEYS.values()}
    deployment = deploy(
        monkeypatch,
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()},
    )
    assert deployment.error is None
    assert len(deployment.registrations) == 5
    assert indented(deployment.role_policy["policy"]) == golden("default-role-policy")
    assert {key: value for key, value in deployment.role.items() if key != "assumeRolePolicy"} == {
        **ROLE_INPUTS,
        "forceDetachPolicies": True,
    }


def test_bucket_settings_reach_the_policy(monkeypatch: pytest.MonkeyPatch):
    deployment = deploy(monkeypatch, S3_SETTINGS)
    assert deployment.error is None
    expected = of_role(golden("s3-v2-role-policy"), "aem-qbusiness-role-1234567")
    assert indented(deployment.role_policy["policy"]) == expected
    other = deploy(monkeypatch, {**S3_SETTINGS, "bucketAccountId": OTHER_ACCOUNT})
    assert indented(other.role_policy["policy"]) == expected.replace(
        f'"aws:ResourceAccount": "{ACCOUNT}"', f'"aws:ResourceAccount": "{OTHER_ACCOUNT}"'
    )


def test_blank_setting_counts_as_unset(monkeypatch: pytest.MonkeyPatch):
    deployment = deploy(monkeypatch, {**BLANKS, **MINIMAL})
    assert deployment.error is None
    assert len(deployment.registrations) == 3
    assert indented(deployment.role_policy["policy"]) == golden("minimal-role-policy")
    assert set(deployment.role) == {"assumeRolePolicy", "forceDetachPolicies"}


def test_unsupported_setting_may_be_blank(monkeypatch: pytest.MonkeyPatch):
    deployment = deploy(monkeypatch, {**BLANKS, **S3_SETTINGS, "secretId": ""})
    assert deployment.error is None
    assert deployment.role_policy == deploy(monkeypatch, S3_SETTINGS).role_policy


@pytest.mark.parametrize("key", MINIMAL)
@pytest.mark.parametrize("blank", [True, False], ids=["blank", "missing"])
def test_blank_or_missing_required_setting_is_reported(
    monkeypatch: pytest.MonkeyPatch, key: str, blank: bool
):
    settings = {name: value for name, value in MINIMAL.items() if name != key}
    text = message(monkeypatch, {**settings, key: ""} if blank else settings)
    assert re.search(rf"  {key}: is (required but )?not set", text)
    assert f"fix: pulumi config set --stack test --plaintext -- {key} " in text


@pytest.mark.parametrize(
    ("key", "value", "command"),
    [
        ("applicationId", "x", "set --stack test --plaintext -- applicationId APPLICATION_ID"),
        (
            "aws:region",
            "us-west-2",
            "pulumi config set --stack test --plaintext -- aws:region us-east-1",
        ),
        (
            "roleDescription",
            "\x00",
            "--plaintext -- roleDescription ROLE_DESCRIPTION",
        ),
        (
            "vpcConfiguration",
            '{"subnetIds": ["x"], "securityGroupIds": ["sg-01234567"]}',
            "--path --type string -- 'vpcConfiguration.subnetIds[0]' SUBNET_ID",
        ),
        (
            "tags",
            '{"cost.center": 7}',
            "--path --type string -- 'tags[\"cost.center\"]' TAG_VALUE",
        ),
        ("tags", '{"aws:x": "v"}', "pulumi config rm --stack test --path -- 'tags[\"aws:x\"]'"),
        (
            "allowNetworkInterfaceDeletion",
            "true",
            "pulumi config rm --stack test -- allowNetworkInterfaceDeletion",
        ),
        ("exclusivePolicies", "no", "--type bool -- exclusivePolicies false"),
        ("exclusivePolicies", "0", "--type bool -- exclusivePolicies false"),
        ("connector", "asana", "set --stack test --plaintext -- connector CONNECTOR"),
        ("connector", "s3-v2", "rm --stack test -- secretId"),
        ("connector", "s3-v2", "set --stack test --plaintext -- bucketName BUCKET_NAME"),
        ("bucketName", "qbusiness-documents", "rm --stack test -- bucketName"),
        ("bucketAccountId", "1402433619", "--plaintext -- bucketAccountId ACCOUNT_ID"),
        ("bucketAccountId", OTHER_ACCOUNT, "rm --stack test -- bucketAccountId"),
    ],
)
def test_problem_message_includes_fix_command(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str, command: str
):
    assert command in message(monkeypatch, {**MINIMAL, key: value})


@pytest.mark.parametrize(
    ("organization", "stack"),
    [("acme", "acme/test"), ("organization", "test"), ("", "test")],  # the second is a DIY backend
)
def test_command_names_organization_in_pulumi_cloud(
    monkeypatch: pytest.MonkeyPatch, organization: str, stack: str
):
    monkeypatch.setattr(pulumi, "get_organization", lambda: organization)
    text = message(monkeypatch, {**MINIMAL, "indexId": "x"})
    assert f"fix: pulumi config set --stack {stack} --plaintext -- indexId " in text


@pytest.mark.parametrize(
    ("misspelled", "nearest"),
    [
        ("kmsKeyID", "kmsKeyId"),
        ("kms_key_id", "kmsKeyId"),
        ("vpcConfig", "vpcConfiguration"),
        ("bucket", "bucketName or bucketAccountId"),
        ("bucketname", "bucketName"),
        ("bucketAccount", "bucketAccountId"),
        ("Connector", "connector"),
        ("tagsOfTheRole", "tags"),
    ],
)
def test_reject_unknown_keys_suggests_correct_spelling(
    monkeypatch: pytest.MonkeyPatch, misspelled: str, nearest: str
):
    text = message(monkeypatch, {**MINIMAL, misspelled: "x"}, reject_unknown_keys=True)
    assert f"  {misspelled}: is not a setting; did you mean {nearest}?\n" in text
    # Removing the key would lose its value.
    assert "fix: edit Pulumi.test.yaml" in text


@pytest.mark.parametrize(
    ("misspelled", "nearest"),
    [
        ("kmsKeyArn", "; did you mean search:kmsKeyId?"),
        ("region", "; did you mean aws:region?"),
        ("zebra", ""),
    ],
)
def test_namespace_is_ignored_when_suggesting_similar_keys(
    monkeypatch: pytest.MonkeyPatch, misspelled: str, nearest: str
):
    settings = {**MINIMAL, misspelled: "x"}
    text = message(monkeypatch, settings, namespace="search", reject_unknown_keys=True)
    assert f"  search:{misspelled}: is not a setting{nearest}\n" in text
    keys = [*KEYS.values(), "protect", "dataSources"]
    every = f"    expected: one of {', '.join(['aws:region', *(f'search:{key}' for key in keys)])}\n"
    assert (every in text) == (not nearest)


def test_unknown_keys_are_ignored_by_default(monkeypatch: pytest.MonkeyPatch):
    assert deploy(monkeypatch, {**MINIMAL, "somethingElse": "x"}).error is None


def test_keys_of_other_namespaces_are_ignored(monkeypatch: pytest.MonkeyPatch):
    settings = {**MINIMAL, "aws:profile": "x", "other:kmsKeyID": "y"}
    assert deploy(monkeypatch, settings, reject_unknown_keys=True).error is None


def test_messages_and_commands_name_custom_namespace(monkeypatch: pytest.MonkeyPatch):
    text = message(monkeypatch, {**MINIMAL, "indexId": "x"}, namespace="search")
    assert '  search:indexId: "x" is not an index ID\n' in text
    assert "pulumi config set --stack test --plaintext -- search:indexId " in text


def test_json_like_description_stays_text(monkeypatch: pytest.MonkeyPatch):
    deployment = deploy(monkeypatch, {**MINIMAL, "roleDescription": '{"a": true}'})
    assert deployment.role["description"] == '{"a": true}'


def test_tag_message_names_the_tag_key(monkeypatch: pytest.MonkeyPatch):
    tags = json.dumps({"role_name": 1, "subnet_ids": 2, "0": 3})
    text = message(monkeypatch, {**MINIMAL, "tags": tags})
    assert re.findall(r"^  (tags\S+):", text, re.MULTILINE) == [
        "tags.role_name",
        "tags.subnet_ids",
        'tags["0"]',
    ]


DEEP = 1_200


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vpcConfiguration", '{"subnetIds": ' + "[" * 500 + "]" * 500 + ', "securityGroupIds": []}'),
        ("vpcConfiguration", "[" * DEEP + "]" * DEEP),
        ("tags", '{"a":' * DEEP + "1" + "}" * DEEP),
        ("tags", '{"a":' + "1" * 5_000 + "}"),
        ("exclusivePolicies", "1" * 5_000),
    ],
    ids=["deep", "deeper", "deeper object", "long number", "long boolean"],
)
def test_deep_json_or_long_number_is_rejected_with_message(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str
):
    assert f"  {key}" in message(monkeypatch, {**MINIMAL, key: value})


def test_key_cannot_forge_a_message_line(monkeypatch: pytest.MonkeyPatch):
    forged = "x\n  indexId\x1b\u202e"
    settings = {**MINIMAL, forged: "x", "tags": json.dumps({forged: 5})}
    text = message(monkeypatch, settings, reject_unknown_keys=True)
    assert text.replace("\n", "").isprintable()
    assert "  x\\n  indexId\\x1b\\u202e: is not a setting" in text
    assert '  tags["x\\n  indexId\\x1b\\u202e"]: "x' in text
    assert text.count("fix: edit Pulumi.test.yaml") == 3


ACCOUNTS = "aws:allowedAccountIds"
OF_THE_PROGRAM: dict[str, Any] = {"reject_unknown_keys": True}


@pytest.mark.parametrize(
    "accounts",
    [
        f'["{ACCOUNT}"]',
        f"[{ACCOUNT}]",  # as `pulumi config set --path` without --type string writes it
        f' ["{OTHER_ACCOUNT}", {ACCOUNT}]',
    ],
)
def test_allowed_application_account_is_accepted(monkeypatch: pytest.MonkeyPatch, accounts: str):
    deployment = deploy(monkeypatch, {**MINIMAL, ACCOUNTS: accounts}, **OF_THE_PROGRAM)
    assert deployment.error is None
    assert deployment.warnings == []
    # Without the application's account, any list is valid: the provider compares it with the
    # credentials.
    settings = {**MINIMAL, "applicationId": APPLICATION_ID, ACCOUNTS: f'["{OTHER_ACCOUNT}"]'}
    assert deploy(monkeypatch, settings, **OF_THE_PROGRAM).error is None


@pytest.mark.parametrize("missing", [None, "", "[]", "null"])
@pytest.mark.parametrize(
    ("application", "account"), [(APPLICATION_ARN, ACCOUNT), (APPLICATION_ID, "ACCOUNT_ID")]
)
def test_program_warns_without_allowed_accounts(
    monkeypatch: pytest.MonkeyPatch, missing: str | None, application: str, account: str
):
    settings = {**MINIMAL, "applicationId": application}
    if missing is not None:
        settings[ACCOUNTS] = missing
    deployment = deploy(monkeypatch, settings, **OF_THE_PROGRAM)
    assert deployment.error is None
    (warning,) = deployment.warnings
    assert warning.startswith(
        f"{ACCOUNTS} is not set or is empty: with credentials for another account, "
    )
    command = f"pulumi config set --stack test --path --type string -- '{ACCOUNTS}[0]' {account}"
    assert f"`{command}`" in warning


def test_warning_advises_removing_forbidden_accounts(
    monkeypatch: pytest.MonkeyPatch,
):
    settings = {**MINIMAL, "aws:forbiddenAccountIds": f'["{OTHER_ACCOUNT}"]'}
    (warning,) = deploy(monkeypatch, settings, **OF_THE_PROGRAM).warnings
    assert "`pulumi config rm --stack test -- aws:forbiddenAccountIds`" in warning


def test_allowed_accounts_are_compared_with_account_id(monkeypatch: pytest.MonkeyPatch):
    settings = {**MINIMAL, "applicationId": APPLICATION_ID, "accountId": ACCOUNT}
    settings[ACCOUNTS] = f'["{OTHER_ACCOUNT}"]'
    text = message(monkeypatch, {**settings, "indexId": "x"}, **OF_THE_PROGRAM)
    assert re.findall(r"^  ([\w:]+): ", text, re.MULTILINE) == [ACCOUNTS, "indexId"]


@pytest.mark.parametrize(
    ("key", "hidden"),
    [
        (f"{PROJECT_NAME}:applicationId", ACCOUNT),
        (f"{PROJECT_NAME}:accountId", ACCOUNT),
        (ACCOUNTS, "44445555"),
    ],
)
def test_account_list_messages_hide_secret_accounts(
    monkeypatch: pytest.MonkeyPatch, key: str, hidden: str
):
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", [key].__contains__)
    settings = {**MINIMAL, "accountId": ACCOUNT}
    for accounts in (f'["{OTHER_ACCOUNT}"]', OTHER_ACCOUNT, '["44445555"]'):
        assert hidden not in message(monkeypatch, {**settings, ACCOUNTS: accounts}, **OF_THE_PROGRAM)
    (warning,) = deploy(monkeypatch, settings, **OF_THE_PROGRAM).warnings
    assert hidden not in warning


def test_secret_tags_that_clash_with_default_tags_are_hidden(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", [f"{PROJECT_NAME}:tags"].__contains__)
    settings = {**MINIMAL, **default_tags(Hunter2="x"), "tags": '{"hunter2": "x"}'}
    text = message(monkeypatch, settings, **OF_THE_PROGRAM)
    assert "  tags: has a key that differs only in case from one in aws:defaultTags\n" in text
    assert "hunter2" not in text.lower()


@pytest.mark.parametrize("settings", [{}, {ACCOUNTS: "x"}, {ACCOUNTS: f'["{OTHER_ACCOUNT}"]'}])
def test_allowed_accounts_count_only_with_reject_unknown_keys(
    monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str]
):
    deployment = deploy(monkeypatch, {**MINIMAL, **settings})
    assert deployment.error is None
    assert deployment.warnings == []


def default_tags(**tags: str) -> dict[str, str]:
    return {ACCOUNTS: f'["{ACCOUNT}"]', "aws:defaultTags": json.dumps({"tags": tags})}


def test_tag_with_same_key_as_default_tag_is_accepted(monkeypatch: pytest.MonkeyPatch):
    settings = {**MINIMAL, **default_tags(Team="search", Owner="me"), "tags": '{"Team": "aem"}'}
    assert deploy(monkeypatch, settings, **OF_THE_PROGRAM).role["tags"] == {"Team": "aem"}
    for empty in ("", "{}", '{"tags": null}', '{"tags": {}}'):
        settings = {**settings, "aws:defaultTags": empty}
        assert deploy(monkeypatch, settings, **OF_THE_PROGRAM).error is None


def test_message_hides_a_secret_region(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", ["aws:region"].__contains__)
    text = message(monkeypatch, {**MINIMAL, "aws:region": "Hunter2"})
    assert "  aws:region: [secret] is not a Region" in text
    assert "Hunter2" not in text


def test_fix_does_not_contain_location_of_secret_application(monkeypatch: pytest.MonkeyPatch):
    secret = [f"{PROJECT_NAME}:applicationId"]
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", secret.__contains__)
    text = message(monkeypatch, {**MINIMAL, "aws:region": "us-west-2", "accountId": OTHER_ACCOUNT})
    assert re.findall("expected: (.*)", text) == ["the Region [secret]", "the account [secret]"]
    assert re.findall("-- (.*)", text) == ["aws:region VALUE", "accountId VALUE"]


def test_encrypted_secret_id_makes_role_policy_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", [f"{PROJECT_NAME}:secretId"].__contains__)
    deployment = deploy(monkeypatch, MINIMAL)
    assert deployment.secret_documents == {"role policy"}
    (role,) = deployment.of_type("aws:iam/role:Role")
    assert [*role.request.additionalSecretOutputs] == ["inlinePolicies", "tagsAll"]


@pytest.mark.parametrize("key", ["bucketName", "bucketAccountId"])
def test_secret_bucket_is_hidden_in_policy_and_messages(monkeypatch: pytest.MonkeyPatch, key: str):
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", [f"{PROJECT_NAME}:{key}"].__contains__)
    deployment = deploy(monkeypatch, S3_SETTINGS)
    assert deployment.secret_documents == {"role policy"}
    (role,) = deployment.of_type("aws:iam/role:Role")
    assert [*role.request.additionalSecretOutputs] == ["inlinePolicies", "tagsAll"]
    text = message(monkeypatch, {**S3_SETTINGS, key: "Hunter2"})
    assert f"  {key}: [secret] is not " in text
    assert f"fix: pulumi config set --stack test --secret -- {key} " in text
    assert "Hunter2" not in text


def test_secret_connector_or_protect_value_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", [f"{PROJECT_NAME}:connector"].__contains__)
    deployment = deploy(monkeypatch, S3_SETTINGS)
    assert deployment.secret_documents == set()
    text = message(monkeypatch, {**S3_SETTINGS, "connector": "s3"})
    assert "  connector: [secret] is not a connector\n" in text
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", [f"{PROJECT_NAME}:protect"].__contains__)
    assert "  protect: expected a boolean, got [secret]\n" in message(
        monkeypatch, {**S3_SETTINGS, "protect": "Hunter2"}
    )


def test_resource_options_reach_every_resource(monkeypatch: pytest.MonkeyPatch):
    deployment = deploy(monkeypatch, MINIMAL, opts=pulumi.ResourceOptions(protect=True))
    assert [registration.request.protect for registration in deployment.registrations] == [True] * 3


def test_wrong_credentials_do_not_hide_account_warning(
    monkeypatch: pytest.MonkeyPatch,
):
    deploy(monkeypatch, MINIMAL, **OF_THE_PROGRAM)  # sets the configuration
    deployment = Deployment(
        lambda: ConnectorRole.from_config("aem", reject_unknown_keys=True), account=OTHER_ACCOUNT
    )
    assert isinstance(deployment.error, SettingsError)
    assert [warning.partition(":")[0] for warning in deployment.warnings] == ["aws"]


def test_region_is_known_key_in_provider_namespace(monkeypatch: pytest.MonkeyPatch):
    deployment = deploy(monkeypatch, MINIMAL, namespace="aws", **OF_THE_PROGRAM)
    assert deployment.error is None
