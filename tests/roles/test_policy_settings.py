"""A new setting of the role policy is not forgotten in `adopt`, `audit`, `check`, or the proofs."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

import pytest

from components.connector_role import POLICY_NAME
from components.settings import SETTINGS
from pages.example_calls import COMBINATIONS, KEY_ARN, SECRET_ARN
from pages.examples import (
    ACCOUNT,
    APPLICATION_ARN,
    BUCKET_NAME,
    INDEX_ID,
    OTHER_ACCOUNT,
    REGION,
    SECURITY_GROUP_ID,
    SUBNET_ID,
)
from roles.account import Account, DataSource, Encryption, Role
from roles.arns import Arn
from roles.check.requests import RequestGroup, connector_requests
from roles.check.subject import Subject
from roles.detection import find_uses
from roles.needed_resources import read_requirements
from roles.policy_settings import POLICY_SETTINGS, Requirements, differences
from roles.project import COMPONENT
from roles.stack import RoleSettings


class Source(NamedTuple):
    """A data source, as AWS describes it."""

    configuration: Mapping[str, Any]
    vpc: Mapping[str, Any] | None = None
    index_arn: str = f"{APPLICATION_ARN}/index/{INDEX_ID}"
    key: str | None = None
    """The key of its secret."""

    @property
    def response(self) -> dict[str, Any]:
        """GetDataSource's response."""
        return {
            "dataSourceArn": f"{self.index_arn}/data-source/a1b2c3d4-5678-90ab-cdef-444444444444",
            "type": self.configuration["type"],
            "configuration": self.configuration,
            "vpcConfiguration": self.vpc,
            "roleArn": ROLE.arn,
        }


def aem(secret_arn: str = SECRET_ARN, deployment: str = "CLOUD") -> dict[str, Any]:
    """Return the configuration of a data source in AEM."""
    endpoint = {"repositoryEndpointMetadata": {"deploymentType": deployment}}
    return {"type": "AEM", "secretArn": secret_arn, "connectionConfiguration": endpoint}


def crawler(**connection: str) -> dict[str, Any]:
    """Return the configuration of a data source that reads files in a bucket."""
    return {"type": "WEBCRAWLERV2", "connectionConfiguration": {"bucketName": BUCKET_NAME, **connection}}


AEM: Final = Source(aem())
FILES: Final = Source(crawler())
IN_VPC: Final = Source(aem(), {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]})
OTHER_REGION: Final = "us-west-2"
CHANGES: Final[Mapping[str, tuple[Source, Source]]] = {
    "region": (
        AEM,
        Source(
            aem(SECRET_ARN.replace(REGION, OTHER_REGION)),
            index_arn=AEM.index_arn.replace(REGION, OTHER_REGION),
        ),
    ),
    "application_id": (
        AEM,
        AEM._replace(index_arn=AEM.index_arn.replace(APPLICATION_ARN, f"{APPLICATION_ARN[:-1]}0")),
    ),
    "index_id": (AEM, AEM._replace(index_arn=f"{AEM.index_arn[:-1]}0")),
    "connector": (AEM, Source({**crawler(), "type": "S3V2"})),
    "secret_id": (AEM, Source(aem(f"{SECRET_ARN[:-1]}0"))),
    "bucket_name": (FILES, Source(crawler(bucketName=f"{BUCKET_NAME}-2"))),
    "bucket_account_id": (FILES, Source(crawler(bucketOwnerAccountId=OTHER_ACCOUNT))),
    "kms_key_id": (AEM, AEM._replace(key=KEY_ARN)),
    "vpc_configuration": (AEM, IN_VPC),
}
"""For each setting: two data sources that need different values."""
EXEMPT: Final[Mapping[str, str]] = {
    "account_id": "the application's ARN contains it",
    "ingest_scope": "no data source determines it, and connectors may need the wider scope",
    "allow_network_interface_deletion": "only the role's policies determine it",
}
"""Settings of the role policy that no data source changes, with the reason."""
NOT_COMPARED: Final[Mapping[str, str]] = {
    "region": "`check` reads only data sources of the application in the settings",
    "application_id": "`check` reads only data sources of the application in the settings",
    "index_id": "the question `data source` compares it",
    "kms_key_id": "no data source contains it; the question `encryption` compares it",
}
"""Settings in CHANGES that `differences` leaves out, with the reason."""
WITHOUT_VALUES: Final = ("connector", "vpc_configuration")
"""Settings whose steps in `check` do not come from `Difference.values`."""
KEPT: Final[Mapping[str, tuple[Source, Mapping[str, Any]]]] = {
    "bucket_account_id": (FILES, {"bucket_account": OTHER_ACCOUNT}),
    "allow_network_interface_deletion": (IN_VPC, {"allow_network_interface_deletion": True}),
}
"""For each setting that an import reads from the role's own policies: a data source, and the value."""
NOT_KEPT: Final[Mapping[str, str]] = {
    "kms_key_id": "the secret or bucket says which key encrypts it",
    "vpc_configuration": "the data source contains the IDs",
    "ingest_scope": "connectors may need the wider scope",
}
"""Settings that are not always determined, but that no role's policies determine, with the reason."""
ROLE: Final = Role(
    arn=f"arn:aws:iam::{ACCOUNT}:role/qbusiness-role",
    id="AROAEXAMPLE",
    name="qbusiness-role",
    path="/",
    description="",
    permissions_boundary="",
    max_session_duration=3600,
    tags={},
    trust_policy={},
    inline_policies={},
    attached=(),
    attached_policies={},
    denied=None,
    last_used=None,
)


class _Account:
    """An account that has one data source, and that `check` cannot look into."""

    def __init__(self, source: Source) -> None:
        self.source, self.region = source, Arn.of(source.index_arn).region

    def caller(self) -> Mapping[str, str]:
        return {"Arn": f"arn:aws:iam::{ACCOUNT}:user/deployer"}

    def application(self, _: str) -> None: ...

    def data_source(self, _: DataSource) -> dict[str, Any]:
        return self.source.response

    def secret(self, arn: str) -> dict[str, Any]:
        return {"ARN": arn, "KmsKeyId": self.source.key}

    def secret_versions(self, _: str) -> list[dict[str, Any]]:
        return []

    def customer_managed_key(self, key: str | None) -> str | None:
        return key

    def bucket_encryption(self, *_: str) -> Encryption:
        return Encryption("AES256", None)

    def role(self, _: str) -> Role:
        return ROLE


def read(source: Source) -> Requirements:
    """Return what a data source needs, according to `adopt` and `audit`."""
    arn = Arn.of(source.index_arn)
    listed = DataSource("", "", arn.name, "", "a1b2", "", source.configuration["type"], "ACTIVE", "")
    requirements, _ = read_requirements(cast("Account", _Account(source)), listed)
    assert requirements
    return requirements


def subject(needs: Requirements, source: Source) -> Subject:
    """Return what `check` knows about a role for these needs."""
    settings = RoleSettings("", COMPONENT, needs.settings(), ROLE.arn)
    return Subject(settings, cast("Account", _Account(source)))


def requests(of: Subject) -> list[RequestGroup]:
    return connector_requests(of, of.needs)


def test_table_has_every_setting_of_role_policy():
    of_policy = {name for name, it in SETTINGS.items() if not (it.structural or it.of_role)}
    rows = [each.name for each in POLICY_SETTINGS]
    assert {*rows} == of_policy - {"account_id"} | {"connector"}
    assert {*CHANGES, *EXEMPT} == {*rows, "account_id"}
    assert {*KEPT, *NOT_KEPT} == {each.name for each in POLICY_SETTINGS if not each.is_determined}


@pytest.mark.parametrize("name", CHANGES)
def test_data_source_changes_setting_and_request_and_differs(name: str):
    before, after = CHANGES[name]
    old, new = read(before), read(after)
    assert new.settings().get(name) != old.settings().get(name)
    ours = subject(old, before)
    assert requests(subject(new, after)) != requests(ours)
    found = {each.setting: each for each in differences(ours.uses, find_uses(after.response), ACCOUNT)}
    assert (name in found) is (name not in NOT_COMPARED)
    if name in found and name not in WITHOUT_VALUES:
        assert [*found[name].values] == [new.settings()[name]]


@pytest.mark.parametrize("name", KEPT)
def test_import_keeps_setting_of_own_policy_and_check_asks_about_it(name: str):
    source, value = KEPT[name]
    needs = read(source)._replace(bucket_account_is_known=False)
    given = needs._replace(**value)
    assert requests(subject(given, source)) != requests(subject(needs, source))
    policies = given.policies()
    role = ROLE._replace(
        trust_policy=json.loads(policies.trust_policy),
        inline_policies={POLICY_NAME: json.loads(policies.role_policy)},
    )
    needs = needs._replace(role=role)
    (setting,) = (each for each in POLICY_SETTINGS if each.name == name)
    kept, _ = setting.keep(needs, [POLICY_NAME])
    assert kept.settings()[name] == given.settings()[name] != needs.settings().get(name)


@pytest.mark.parametrize(
    ("accounts", "known", "account", "warning"),
    [
        (
            [OTHER_ACCOUNT],
            False,
            OTHER_ACCOUNT,
            f"bucketAccountId is {OTHER_ACCOUNT}, the account in the",
        ),
        ([OTHER_ACCOUNT], True, None, ""),
        ([ACCOUNT], False, None, ""),
        ([], False, None, f"if an account other than {ACCOUNT} owns the bucket, set bucketAccountId"),
        ([OTHER_ACCOUNT, ACCOUNT], False, None, f"if an account other than {ACCOUNT} owns the bucket, "),
        (["1234"], False, None, f"if an account other than {ACCOUNT} owns the bucket, set bucketAcco"),
    ],
)
def test_account_in_policies_of_the_role_is_kept_only_if_it_is_certain(
    accounts: list[str], known: bool, account: str | None, warning: str
):
    of_bucket = {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET_NAME}/*",
    }
    others = {"StringEquals": {"aws:ResourceAccount": "999988887777"}}
    written = [
        *({**of_bucket, "Condition": {"StringEquals": {"AWS:resourceaccount": it}}} for it in accounts),
        # These say nothing about the owner of this bucket.
        {**of_bucket, "Effect": "Deny", "Condition": others},
        {**of_bucket, "Resource": f"arn:aws:s3:::{BUCKET_NAME}2/*", "Condition": others},
        {**of_bucket, "Condition": {"StringNotEquals": others["StringEquals"]}},
    ]
    needs = read(FILES)
    role = ROLE._replace(
        trust_policy=json.loads(needs.policies().trust_policy),
        inline_policies={"p": {"Version": "2012-10-17", "Statement": written}},
    )
    needs = needs._replace(bucket_account_is_known=known, role=role)
    (setting,) = (each for each in POLICY_SETTINGS if each.name == "bucket_account_id")
    kept, said = setting.keep(needs, ["p"])
    assert kept.bucket_account == account
    assert said.startswith(warning)
    assert bool(said) is bool(warning)


def test_every_policy_setting_is_in_combination_of_proofs():
    used = {name for options in COMBINATIONS for name, value in options.arguments.items() if value}
    assert {each.name for each in POLICY_SETTINGS} - {"region"} <= used
