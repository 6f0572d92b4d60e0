"""Every message of a refused setting stands in golden/messages.txt, word for word."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

import pulumi
import pytest

from components import documents
from components.configuration import StackConfiguration
from components.examination import LATER, Place, examine
from components.settings import NAMES, Arguments, SettingsError, Source
from tests.support import (
    ACCOUNT,
    APPLICATION_ARN,
    FULL,
    GOLDEN,
    INDEX_ID,
    MINIMAL,
    OTHER_ACCOUNT,
    REGION,
    SECRET_ID,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)

KNOWN = Place("aws", REGION, ACCOUNT)
NETWORK: Final[Mapping[str, Any]] = MappingProxyType(
    {"subnet_ids": [SUBNET_ID], "security_group_ids": [SECURITY_GROUP_ID]}
)
RIGHT: Final[Mapping[str, Any]] = MappingProxyType({"region": REGION, **MINIMAL})
WRONG: Mapping[str, Mapping[str, Any]] = {
    "nothing given": dict.fromkeys(("region", *MINIMAL)),
    "forms": {
        "application_id": "docs",
        "index_id": "x" * 200,
        "secret_id": "aem",
        "region": "us",
        "account_id": "12",
        "kms_key_id": "key",
        "ingest_scope": "all",
        "role_name": "my role",
        "role_path": "x",
        "role_description": "\u20ac",
        "permissions_boundary_arn": "boundary",
    },
    "types": {
        "application_id": 12,
        "index_id": None,
        "secret_id": ["a"],
        "kms_key_id": 1.5,
        "vpc_configuration": "vpc",
        "account_id": True,
        "allow_network_interface_deletion": "yes",
        "exclusive_policies": 1,
        "role_name": {"a": 1},
        "role_path": ("a",),
        "role_description": object,
        "tags": ["a"],
    },
    "names that Python does not take": {
        "a b": "x",
        "\u00e9": "x",
        "back\\slash": "x",
        "line\nfeed": "x",
    },
    "quotes in names": {"vpc_configuration": {**NETWORK, 'a"b': [], "c.d": []}},
    "unknown names": {"kms": "x", "vpc": {}, "secret": "x", "zzz": "x"},
    "members": {
        "vpc_configuration": {
            "subnets": [],
            "subnet_ids": ["subnet-1", 3, None],
            "security_group_ids": ["sg", SECURITY_GROUP_ID],
        }
    },
    "empty lists": {"vpc_configuration": {"subnet_ids": [], "security_group_ids": []}},
    "missing lists": {"vpc_configuration": {"zzz": []}},
    "lists that are none": {
        "vpc_configuration": {"subnet_ids": SUBNET_ID, "security_group_ids": {"a": "b"}}
    },
    "too many groups": {
        "vpc_configuration": {**NETWORK, "security_group_ids": [f"sg-{i:08x}" for i in range(11)]}
    },
    "another place": {
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
    "another place than the Region alone": {
        "application_id": "docs",
        "secret_id": f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:{SECRET_ID}",
    },
    "a secret of another account": {
        "secret_id": f"arn:aws:secretsmanager:{REGION}:{OTHER_ACCOUNT}:secret:{SECRET_ID}",
    },
    "deletion without a VPC": {"allow_network_interface_deletion": True},
    "an Output where it cannot be": {"exclusive_policies": LATER},
    "tags": {
        "tags": {
            "Team": 5,
            "Bad*Key": "a",
            "team": "b",
            "aws:x": "c",
            "Text": "a\nb",
            "Null": None,
            "": "empty key",
            7: "number",
        }
    },
    "too many tags": {"tags": {f"t{i}": "" for i in range(51)}},
}
TOO_LONG: Mapping[str, Any] = {
    **RIGHT,
    **FULL,
    "vpc_configuration": {**NETWORK, "subnet_ids": [f"subnet-{i:017x}" for i in range(140)]},
}


class Refused:
    """The messages that a source of settings leads to, one section each."""

    def __init__(self, source: Source, hidden: Collection[str] = ()) -> None:
        self.source = source
        self.hidden = hidden
        self.sections: list[str] = []

    def add(
        self,
        title: str,
        given: Mapping[str, Any],
        component: str = "aem",
        provider: Place = KNOWN,
    ) -> None:
        with pytest.raises(SettingsError) as caught:
            examine(component, {**RIGHT, **given}, self.source, provider, self.hidden)
        self.sections.append(f"== {type(self.source).__name__}: {title} ==\n{caught.value}\n")


def collect(source: Source, hidden: Collection[str] = ()) -> str:
    refused = Refused(source, hidden)
    for title, given in WRONG.items():
        refused.add(title, given)
    refused.add("credentials of another account", {}, provider=KNOWN._replace(account=OTHER_ACCOUNT))
    refused.add("the component's name is too long", {}, "a" * 42)
    refused.add("the component's name is none for a role", {}, "a b")
    settings, _, _ = examine("aem", TOO_LONG, source, KNOWN)
    assert settings
    problem = documents.excess(documents.write(settings).role_policy, settings)
    assert problem
    refused.sections.append(
        f"== {type(source).__name__}: too long ==\n{SettingsError([problem], source)}\n"
    )
    return "\n".join(refused.sections)


def test_messages_stand_as_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pulumi, "get_stack", lambda: "prod")
    monkeypatch.setattr(pulumi, "get_project", lambda: "qbusiness-aem-connector")
    config = StackConfiguration(pulumi.Config("qbusiness-aem-connector"), refuse_unknown_keys=True)
    text = "\n".join([collect(Arguments()), collect(config)])
    assert text == (GOLDEN / "messages.txt").read_text()


def test_a_secret_is_set_as_a_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pulumi, "get_stack", lambda: "prod")
    secret = ("aem:secretId", "aem:tags", "aem:exclusivePolicies")
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", secret.__contains__)
    config = StackConfiguration(pulumi.Config("aem"), refuse_unknown_keys=False)
    assert config.secrets == ["secret_id", "tags"]
    given = {**RIGHT, "secret_id": "x", "tags": {"Team": 5}, "index_id": "y"}
    with pytest.raises(SettingsError) as caught:
        examine("aem", given, config, KNOWN)
    index, secret_id, tag = (config.command(problem) for problem in caught.value.problems)
    example = "arn:aws:secretsmanager:us-east-1:111122223333:secret:NAME-a1B2c3"
    begin = "pulumi config set --stack prod"
    assert index == f"{begin} --plaintext -- aem:indexId b2c3d4e5-6789-01ab-cdef-222222222222"
    assert secret_id == f"{begin} --secret -- aem:secretId {example}"
    assert tag == f"{begin} --path --secret -- aem:tags.Team VALUE"


def test_a_secret_is_never_shown():
    assert "[secret]" in (shown := collect(Arguments(), hidden=NAMES))
    given = (APPLICATION_ARN, "alias/aem", "boundary", "my role", "us-west-2", SECRET_ID, "vpc", "x")
    members = ("subnet-1", "sg", SUBNET_ID, "yes", "a\\nb", "number")
    assert [it for it in (*given, *members) if f'"{it}"' in shown] == []
    for given_too in ("5 is a number", '["a"]', "arn:aws:ec2", "140 is"):
        assert given_too not in shown
    warned = examine("aem", {**RIGHT, "role_name": "connector"}, Arguments(), KNOWN, ["role_name"])
    assert "connector" not in warned.warnings[0]


def test_warnings_stand_as_written():
    given = {
        **MINIMAL,
        "application_id": APPLICATION_ARN.replace("us-east-1", "eu-north-1"),
        "index_id": INDEX_ID,
        "secret_id": "aem-prod-secret",
        "role_name": "connector",
        "vpc_configuration": {**NETWORK, "subnet_ids": [f"subnet-{i:017x}" for i in range(7)]},
    }
    region, secret, subnets, name = examine("aem", given, Arguments(), KNOWN).warnings
    supported = "us-east-1, us-west-2, eu-west-1, ap-southeast-2"
    assert region == f"Amazon Q Business is not offered in eu-north-1: {supported}"
    assert secret == (
        "secret_id: the value ends in six lower-case letters, which looks like part of the secret's "
        "name and not like the six characters that Secrets Manager adds. The full ARN stands in `aws "
        "secretsmanager describe-secret --secret-id NAME --query ARN`"
    )
    assert subnets == (
        'vpc_configuration["subnet_ids"] has 7 subnets; the Amazon Q Business console takes at most 6'
    )
    assert name == (
        "role_name: the Amazon Q Business console lists only roles whose name contains qbusiness or "
        'QBusiness, so not "connector"'
    )
