"""Compare messages about invalid settings with golden/messages.txt."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pulumi
import pytest

from components import stack_config
from components.arguments import Arguments
from components.commands import camel_case, quote, quote_argument
from components.fields import Field
from components.kinds import Flag, Format
from components.report import Report, SettingsError
from components.role import Location
from components.settings import SETTINGS, VPC_LISTS
from components.validation import validate
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
from tests.helpers.samples import SAMPLES
from tests.helpers.support import FULL, GOLDEN, MINIMAL

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
    "names that are not Python identifiers": {
        "a b": "x",
        "\u00e9": "x",
        "back\\slash": "x",
        "line\nfeed": "x",
    },
    "quotes in names": {"vpc_configuration": {**NETWORK, 'a"b': [], "c.d": [], "": []}},
    "unknown names": {"kms": "x", "vpc": {}, "secret": "x", "zzz": "x"},
    "entries": {
        "vpc_configuration": {
            "subnets": [],
            "subnet_ids": ["subnet-1", 3, None],
            "security_group_ids": ["sg", SECURITY_GROUP_ID],
        }
    },
    "empty lists": {"vpc_configuration": {"subnet_ids": [], "security_group_ids": []}},
    "missing lists": {"vpc_configuration": {"zzz": []}},
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
    "another Region": {
        "application_id": "docs",
        "secret_id": f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:{SECRET_ID}",
    },
    "a secret of another account": {
        "secret_id": f"arn:aws:secretsmanager:{REGION}:{OTHER_ACCOUNT}:secret:{SECRET_ID}",
    },
    "deletion without a VPC": {"allow_network_interface_deletion": True},
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
    "an unknown connector without a near name": {"connector": "JDBC"},
    "a connector that is not a string": {"connector": 5},
    "a connector that is an Output": {"connector": pulumi.UNKNOWN},
    "a connector that needs a secret": {"connector": "confluence-cloud", "secret_id": ""},
    "a bucket that the connector does not use": {
        "bucket_name": "aem-files",
        "bucket_account_id": OTHER_ACCOUNT,
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


PYTHON: Final = Arguments.of({})


def spelled(given: Mapping[str, Any], source: Arguments) -> Arguments:
    """Return settings as arguments that use the source's names, also in messages."""
    at = source.fields["vpc_configuration"]
    vpc = given.get("vpc_configuration")
    if isinstance(vpc, Mapping):
        spell = {name: at.spell(name) for name in VPC_LISTS}
        given = {**given, "vpc_configuration": {spell.get(name, name): vpc[name] for name in vpc}}
    if not at.in_stack:
        return Arguments.of(given)
    report = Report()
    unknown = {name: value for name, value in given.items() if name not in SETTINGS}
    keys = [field.name for field in source.fields.values()]
    report.check_keys(Field(unknown, (), (), in_stack=True), keys)
    return source.resolved(given, {})._replace(problems=report.problems)


def rejection(
    given: Mapping[str, Any],
    source: Arguments,
    component: str = "aem",
    credentials: Location = CREDENTIALS,
    secrets: Collection[str] = (),
) -> str:
    arguments = spelled({**RIGHT, **given}, source).resolved({}, dict.fromkeys(secrets, True))
    with pytest.raises(SettingsError) as caught:
        validate(component, arguments, credentials)
    return str(caught.value)


def collect(name: str, source: Arguments, secrets: Collection[str] = ()) -> str:
    """Return a source's messages, each in its own section."""
    found = {title: rejection(given, source, secrets=secrets) for title, given in WRONG.items()}
    elsewhere = CREDENTIALS._replace(account=OTHER_ACCOUNT)
    found["credentials for another account"] = rejection({}, source, "aem", elsewhere, secrets)
    for title, component in (("is too long", "a" * 42), ("does not fit a role", "a b")):
        found[f"the component's name {title}"] = rejection({}, source, component)
    text = "\n".join(f"== {name}: {title} ==\n{message}\n" for title, message in found.items())
    # With the names themselves, each new setting would change every message that lists them.
    return text.replace(listed(source), "(every setting)")


def listed(source: Arguments) -> str:
    """Return the list of all settings in a message about an unknown name."""
    return ", ".join(field.name for field in source.fields.values())


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi, "get_stack", lambda: "prod")
    monkeypatch.setattr(pulumi, "get_project", lambda: "qbusiness-aem-connector")


def messages() -> str:
    config = stack_config.read(pulumi.Config("qbusiness-aem-connector"), reject_unknown_keys=True)
    sources = {"Arguments": PYTHON, "Stack configuration": config}
    return "\n".join(collect(name, source) for name, source in sources.items())


@pytest.mark.usefixtures("stack")
def test_messages_match_golden_file(assert_golden: Callable[[Path, str], None]):
    assert_golden(GOLDEN / "messages.txt", messages())


def test_messages_of_a_package_name_settings_in_camel_case():
    vpc = {"subnets": [], "subnetIds": [1], "securityGroupIds": []}
    given = {"applicationId": APPLICATION_ARN, "secretid": SECRET_ID, "vpcConfiguration": vpc}
    with pytest.raises(SettingsError) as caught:
        validate("aem", Arguments.of(given, camel_case), CREDENTIALS)
    assert [(problem.name, problem.fix) for problem in caught.value.problems] == [
        ("secretid", ""),
        ("indexId", ""),
        ("secretId", ""),
        ("vpcConfiguration.subnets", ""),
        ("vpcConfiguration.subnetIds[0]", ""),
        ("vpcConfiguration.securityGroupIds", ""),
    ]
    assert caught.value.problems[0].message == "is not a setting; did you mean secretId?"


@pytest.mark.usefixtures("stack")
def test_command_placeholder_is_rejected_as_value():
    config = stack_config.read(pulumi.Config("qbusiness-aem-connector"), reject_unknown_keys=True)
    for name, setting in SETTINGS.items():
        kind = setting.kind
        if isinstance(kind, Format):
            # A connector that uses a bucket.
            given = {"connector": "webcrawler", "bucket_name": "aem-files", name: kind.placeholder}
            message = rejection(given, config)
            assert f"{kind.placeholder} is a placeholder" in message
            assert message.endswith(f" {kind.placeholder}")
    for entry, kind in VPC_LISTS.items():
        message = rejection({"vpc_configuration": {**NETWORK, entry: [kind.form.placeholder]}}, config)
        assert f"{kind.form.placeholder} is a placeholder" in message
    assert "TAG_VALUE is a placeholder" in rejection({"tags": {"Team": "TAG_VALUE"}}, config)


@pytest.mark.usefixtures("stack")
def test_message_hides_keys_of_secret_setting(
    monkeypatch: pytest.MonkeyPatch,
):
    secret = (
        "aem:secretId",
        "aem:tags",
        "aem:vpcConfiguration",
        "aem:exclusivePolicies",
        "aem:connector",
    )
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", secret.__contains__)
    config = stack_config.read(pulumi.Config("aem"), reject_unknown_keys=False)
    assert {name for name, field in config.fields.items() if field.secret} == {
        *("secret_id", "vpc_configuration", "tags", "exclusive_policies", "connector")
    }
    vpc = {"vpc_configuration": {**NETWORK, "hunter2": []}}
    wrong = {"secret_id": "x", "tags": {"hunter2": 5}, "index_id": "y", **vpc}
    message = rejection(wrong, config)
    assert "hunter2" not in message
    named = [line for line in message.splitlines() if line.startswith("  aem:")]
    assert [line.partition(": ")[0].strip() for line in named] == [
        "aem:indexId",
        "aem:secretId",
        "aem:vpcConfiguration",
        "aem:tags",
    ]
    assert named[1].partition(": ")[2].startswith("[secret] is not a secret")
    assert named[2].partition(": ")[2] == "has an entry that is not a setting"
    lists = "aem:vpcConfiguration.subnetIds, aem:vpcConfiguration.securityGroupIds"
    assert f"{named[2]}\n    expected: one of {lists}\n" in message
    begin = "    fix: pulumi config set --stack prod"
    assert [line for line in message.splitlines() if line.startswith("    fix: ")] == [
        f"{begin} --plaintext -- aem:indexId INDEX_ID",
        f"{begin} --secret -- aem:secretId SECRET_ARN",
        *2 * ["    fix: edit Pulumi.prod.yaml"],
    ]
    message = rejection({"vpc_configuration": "hunter2"}, config)
    assert "aem:vpcConfiguration: expected an object, got [secret]\n" in message
    assert f"    expected: an object with {lists.replace(', ', ' and ')}\n" in message
    # A setting that the connector does not support is removed entirely.
    without_vpc = {"connector": "onedrive-new", "vpc_configuration": NETWORK}
    message = rejection(without_vpc, config)
    assert message.endswith("    fix: pulumi config rm --stack prod -- aem:vpcConfiguration")


def test_argument_with_a_character_that_a_shell_interprets_is_quoted():
    assert quote_argument("aZ09_./:@%+,-") == "aZ09_./:@%+,-"
    for argument in ("", "-a", *(f"a{special}" for special in ' \n~=^#*?!$&;|<>(){}[]`"\\')):
        assert quote_argument(argument) == f"'{argument}'"
    assert quote_argument("it's") == "'it'\\''s'"


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("values", "fix"),
    [
        (["true", "Yes", "on", 1, 1.0], "pulumi config set --stack prod --type bool -- protect true"),
        (["FALSE", "no", "off", 0, 0.0], "pulumi config set --stack prod --type bool -- protect false"),
        (["maybe", 2], "edit Pulumi.prod.yaml"),
    ],
)
def test_fix_for_boolean_keeps_meaning_of_value_that_is_not_secret(values: Sequence[object], fix: str):
    for value in values:
        field, report = Field(value, ("protect",), ("protect",), in_stack=True), Report()
        Flag().read(field, report)
        Flag().read(field._replace(secret=True), report)
        assert [problem.fix for problem in report.problems] == [fix, "edit Pulumi.prod.yaml"], value


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("groups", "problem"),
    [(None, "is required but not set"), ([], "is empty")],
)
def test_invalid_list_in_secret_vpc_is_fixed_in_stack_file(
    monkeypatch: pytest.MonkeyPatch, groups: object, problem: str
):
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", ["aem:vpcConfiguration"].__contains__)
    config = stack_config.read(pulumi.Config("aem"), reject_unknown_keys=False)
    vpc = {"subnet_ids": ["subnet-hunter2"], "security_group_ids": groups}
    message = rejection({"vpc_configuration": vpc}, config)
    assert (
        message
        == f"""\
invalid configuration: 2 errors; no role was created or changed

  aem:vpcConfiguration.subnetIds: [secret] is not a subnet ID or ARN
    expected: {VPC_LISTS["subnet_ids"].form.expected}
    fix: edit Pulumi.prod.yaml

  aem:vpcConfiguration.securityGroupIds: {problem}
    expected: {VPC_LISTS["security_group_ids"].expected}
    fix: edit Pulumi.prod.yaml"""
    )


def test_a_secret_is_never_shown():
    shown = collect("Arguments", PYTHON, secrets=SETTINGS)
    assert "[secret]" in shown
    for name, each in SAMPLES.items():
        problems = re.findall(rf"^  {name}: (?!(?:requires|is not supported) )(.*)", shown, re.MULTILINE)
        assert problems
        for value in (each.mistyped, each.malformed):
            assert [problem for problem in problems if quote(value) in problem] == []
    given = (APPLICATION_ARN, "alias/aem", "us-west-2", SECRET_ID, "x", "JDBC", "aem-files")
    entries = (
        "subnet-1",
        "sg",
        SUBNET_ID,
        "yes",
        "a\\nb",
        "number",
        "Bad*Key",
        "team",
        "Team",
        "subnets",
        "c.d",
    )
    assert [value for value in (*given, *entries) if f'"{value}"' in shown or f".{value}" in shown] == []
    for given_too in ("(5)", '["a"]', "arn:aws:ec2", "has 11", "role 51", ACCOUNT, "us-west-2"):
        assert given_too not in shown
    for given_too in (
        "aem-files",
        "1402433619",
        "confluence-cloud or",
        f"is in account {OTHER_ACCOUNT}",
    ):
        assert given_too not in shown
    assert "vpc_configuration.subnet_ids: the role policy has [secret] characters" in shown
    args = {**RIGHT, "role_name": "connector", "kms_key_id": KEY_ID}
    args |= {"secret_id": f"arn:aws:secretsmanager:eu-north-1:{OTHER_ACCOUNT}:secret:aem-secret"}
    args |= {"application_id": APPLICATION_ARN.replace("us-east-1", "eu-north-1"), "region": None}
    args |= {"vpc_configuration": {**NETWORK, "subnet_ids": [f"subnet-{i:017x}" for i in range(7)]}}
    warnings = " ".join(
        validate("aem", Arguments.of(args).resolved({}, dict.fromkeys(SETTINGS, True))).warnings
    )
    assert "connector" not in warnings
    assert "six lowercase letters" not in warnings
    assert "key in account [secret], but the secret is in account [secret]; if" in warnings
    assert "Amazon Q Business is not available in [secret]; it is" in warnings
    assert "has [secret] subnets" in warnings


def test_rejected_secret_value_is_never_shown():
    for name, each in SAMPLES.items():
        for value in filter(None, each.every_rejected):
            given = {**RIGHT, **each.others, name: value}
            with pytest.raises(SettingsError) as rejected:
                validate("aem", Arguments.of(given).resolved({}, {name: True}), CREDENTIALS)
            shown = [each.message for each in rejected.value.problems if each.setting == name]
            # For a number, also look for it without the rest of its text.
            text = str(value) if isinstance(value, int) else quote(value)
            assert [message for message in shown if text in message] == []


def test_warnings_have_expected_texts():
    given = {
        **MINIMAL,
        "application_id": APPLICATION_ARN.replace("us-east-1", "eu-north-1"),
        "index_id": INDEX_ID,
        "secret_id": "aem-prod-secret",
        "role_name": "connector",
        "vpc_configuration": {**NETWORK, "subnet_ids": [f"subnet-{i:017x}" for i in range(7)]},
    }
    subnets, region, secret, name = validate("aem", given).warnings
    supported = "us-east-1, us-west-2, eu-west-1, ap-southeast-2"
    assert region == f"Amazon Q Business is not available in eu-north-1; it is available in {supported}"
    assert secret == (
        "secret_id: the value ends in six lowercase letters, which look like part of the secret's "
        "name, not the suffix that Secrets Manager adds. `aws "
        "secretsmanager describe-secret --secret-id NAME --query ARN` shows the full ARN"
    )
    assert subnets == (
        "vpc_configuration.subnet_ids has 7 subnets; the Amazon Q Business console accepts at most 6"
    )
    assert name == (
        "role_name: the Amazon Q Business console lists only roles whose name contains qbusiness or "
        'QBusiness, so it does not list "connector"'
    )
