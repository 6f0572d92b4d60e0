"""A new setting of the role policy is not forgotten in `adopt`, `audit`, `check`, or the proofs."""

from collections.abc import Mapping
from typing import Any, Final, cast

import pytest

from components.connectors import CONNECTORS
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
from roles.account import Account, Role
from roles.check.requests import RequestGroup, connector_requests
from roles.check.subject import Subject
from roles.output import Notes
from roles.policy_settings import POLICY_SETTINGS, Requirements
from roles.project import COMPONENT
from roles.stack import RoleSettings

OTHER_REGION: Final = "us-west-2"
VPC: Final = {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]}
FILES: Final[Mapping[str, Any]] = {"connector": CONNECTORS["webcrawler"], "bucket": BUCKET_NAME}
CHANGES: Final[Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]] = {
    "region": (
        {},
        {
            "region": OTHER_REGION,
            "application_arn": APPLICATION_ARN.replace(REGION, OTHER_REGION),
            "secret_arn": SECRET_ARN.replace(REGION, OTHER_REGION),
        },
    ),
    "application_id": ({}, {"application_arn": f"{APPLICATION_ARN[:-1]}0"}),
    "index_id": ({}, {"index_id": f"{INDEX_ID[:-1]}0"}),
    "connector": ({}, {"connector": CONNECTORS["s3-v2"], "secret_arn": None, "bucket": BUCKET_NAME}),
    "secret_id": ({}, {"secret_arn": f"{SECRET_ARN[:-1]}0"}),
    "bucket_name": (FILES, {"bucket": f"{BUCKET_NAME}-2"}),
    "bucket_account_id": (FILES, {"bucket_account": OTHER_ACCOUNT}),
    "kms_key_id": ({}, {"key_arn": KEY_ARN}),
    "vpc_configuration": ({}, {"vpc_configuration": VPC}),
    "allow_network_interface_deletion": (
        {"vpc_configuration": VPC},
        {"allow_network_interface_deletion": True},
    ),
}
"""For each setting: what a data source needs, and then a change that the setting expresses."""
EXEMPT: Final[Mapping[str, str]] = {
    "account_id": "the application's ARN contains it",
    "ingest_scope": "no data source determines it, and connectors may need the wider scope",
}
"""Settings of the role policy that no data source changes, with the reason."""
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
NEEDS: Final = Requirements(
    application_arn=APPLICATION_ARN,
    region=REGION,
    index_id=INDEX_ID,
    connector=CONNECTORS["aem-cloud"],
    secret_arn=SECRET_ARN,
    bucket=None,
    bucket_account=None,
    key_arn=None,
    vpc_configuration={},
    role=ROLE,
)


def requests(needs: Requirements) -> list[RequestGroup]:
    """Return the requests about which `check` asks for a data source with these needs."""

    class NoApplication:
        """An account that check cannot look into."""

        region = needs.region

        def caller(self) -> Mapping[str, str]:
            return {"Arn": f"arn:aws:iam::{ACCOUNT}:user/deployer"}

        def application(self, _: str) -> None: ...

    settings = RoleSettings("", COMPONENT, needs.arguments(), ROLE.arn)
    return connector_requests(Subject(settings, cast("Account", NoApplication()), Notes("check")))


def test_table_has_every_setting_of_role_policy():
    of_policy = {name for name, setting in SETTINGS.items() if setting.in_role_policy}
    rows = [each.name for each in POLICY_SETTINGS]
    assert {*rows} == of_policy - {"account_id"} | {"connector"}
    assert {*CHANGES, *EXEMPT} == {*rows, "account_id"}


@pytest.mark.parametrize("name", CHANGES)
def test_policy_setting_changes_adopted_setting_and_request(name: str):
    base, change = CHANGES[name]
    before = NEEDS._replace(**base)
    after = before._replace(**change)
    assert after.settings().get(name) != before.settings().get(name)
    assert requests(after) != requests(before)


def test_every_policy_setting_is_in_combination_of_proofs():
    used = {name for options in COMBINATIONS for name, value in options.arguments.items() if value}
    assert {each.name for each in POLICY_SETTINGS} - {"region"} <= used
