"""sandbox/provider/native, server: a data source behaves as with pulumi-aws-native.

Comments mention the real functions. Their files are in `provider/pkg` in
https://github.com/pulumi/pulumi-aws-native. The properties of the resource and its ID follow AWS's
schema for `AWS::QBusiness::DataSource`.
"""

import datetime as dt
import json
from typing import Any
from unittest.mock import Mock

import pytest
from pulumi.runtime.proto import provider_pb2

from pages.examples import APPLICATION_ID, INDEX_ID, REGION, SECURITY_GROUP_ID, SUBNET_ID
from sandbox.provider import configuration, native
from sandbox.provider.calls import ProviderError
from sandbox.provider.configuration import SECRET, UNKNOWN, Configuration
from sandbox.provider.native import TOKEN, DataSource
from tests.helpers.stacks import Aws
from tests.sandbox.provider_client import Provider, Resource

INDEX = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}
VPC = {
    "subnetIds": [SUBNET_ID, "subnet-0b2c3d4e5f6071829"],
    "securityGroupIds": [SECURITY_GROUP_ID],
}
TURNED = {**VPC, "subnetIds": VPC["subnetIds"][::-1]}
INPUTS: dict[str, Any] = {
    **INDEX,
    "displayName": "Pages",
    "configuration": {"type": "AEM", "syncMode": "FULL_CRAWL", "empty": {}, "none": None},
}
UNCHANGED = provider_pb2.DiffResponse.DIFF_NONE
UNKNOWN_CHANGES = provider_pb2.DiffResponse.DIFF_UNKNOWN
"""In this case, the engine compares the inputs itself."""


@pytest.fixture
def pages(environment: dict[str, str]) -> Resource:
    """Return a data source that does not exist yet."""
    return Resource(Provider(environment, "aws-native", region=REGION), TOKEN)


class Console:
    """Amazon Q Business in the console."""

    def __init__(self, aws: Aws) -> None:
        self.qbusiness = aws.client("qbusiness")

    def sources(self) -> list[dict[str, Any]]:
        found = self.qbusiness.list_data_sources(**INDEX)["dataSources"]
        return [
            self.qbusiness.get_data_source(**INDEX, dataSourceId=source["dataSourceId"])
            for source in found
        ]

    def edit(self, **changed: object) -> None:
        (source,) = self.sources()
        this = {**INDEX, "dataSourceId": source["dataSourceId"]}
        self.qbusiness.update_data_source(**this, **changed)


@pytest.fixture
def console(aws: Aws) -> Console:
    return Console(aws)


# Operations.


def test_data_source_is_created_updated_and_deleted(pages: Resource, console: Console):
    # Create, Update and Delete in provider/provider.go; primaryIdentifier in AWS's schema.
    pages.up(**INPUTS)
    (source,) = console.sources()
    assert source["displayName"] == "Pages"
    assert pages.id == f"{APPLICATION_ID}|{source['dataSourceId']}|{INDEX_ID}"
    assert pages.outputs["dataSourceArn"] == source["dataSourceArn"]
    # CheckpointObject in resources/checkpoint.go: the state also contains the inputs, as a secret.
    assert pages.outputs["__inputs"] == {**SECRET, "value": pages.inputs}
    assert pages.diff(**INPUTS).changes == UNCHANGED
    pages.up(**INPUTS | {"displayName": "Assets", "vpcConfiguration": VPC})
    (changed,) = console.sources()
    assert (changed["displayName"], changed["vpcConfiguration"]) == ("Assets", VPC)
    assert changed["dataSourceId"] == source["dataSourceId"]
    pages.delete()
    assert console.sources() == []


# Drift.


TIME = dt.datetime(2026, 5, 31, tzinfo=dt.UTC)
ACTUAL: dict[str, Any] = {
    **INDEX,
    "displayName": "Pages",
    "configuration": {"type": "AEM"},
    "dataSourceArn": "arn",
    "dataSourceId": "id",
    "status": "ACTIVE",
}
"""A data source's properties in the state, without the inputs."""


@pytest.mark.parametrize(
    ("actual", "before", "now", "same"),
    [
        ({}, {}, {}, True),
        ({"displayName": "Edited"}, {}, {}, False),
        ({"status": "FAILED"}, {}, {}, True),
        ({"description": "by hand"}, {}, {}, True),
        ({"description": "by hand"}, {"description": "AEM"}, {}, False),
        ({"description": "by hand"}, {}, {"description": "by hand"}, True),
        ({"description": "by hand"}, {}, {"description": "AEM"}, False),
        ({"description": "AEM"}, {"description": "AEM"}, {}, False),
        ({}, {"description": "AEM"}, {"description": "AEM"}, False),
        ({"vpcConfiguration": TURNED}, {}, {"vpcConfiguration": VPC}, True),
        ({"vpcConfiguration": VPC}, {}, {"vpcConfiguration": UNKNOWN}, False),
        ({"vpcConfiguration": VPC}, {}, {"vpcConfiguration": {**VPC, "subnetIds": UNKNOWN}}, False),
        ({"vpcConfiguration": VPC}, {}, {"vpcConfiguration": {**VPC, "subnetIds": []}}, False),
        ({"vpcConfiguration": VPC}, {}, {"vpcConfiguration": {**VPC, "subnetIds": 5}}, False),
    ],
)
def test_inputs_set_before_or_now_are_compared_with_actual_values(
    actual: dict[str, Any], before: dict[str, Any], now: dict[str, Any], same: bool
):
    # ActualInputBaselineFromOutputs and suppressUnorderedCollectionDiffs in resources.
    required = {name: ACTUAL[name] for name in (*INDEX, "displayName", "configuration")}
    state = {**ACTUAL, **actual, "__inputs": {**required, **before}}
    found = DataSource(Configuration()).diff(state, {**required, **now}, ())
    assert (found.changes, found.delete_before_replace) == ({} if same else None, not same)


def test_update_sends_what_program_never_set_but_not_what_it_removed(monkeypatch: pytest.MonkeyPatch):
    # CalcPatch in resources.
    api = Mock()
    api.get_data_source.return_value = {**ACTUAL, **dict.fromkeys(("createdAt", "updatedAt"), TIME)}
    monkeypatch.setattr(native, "client", Mock(return_value=api))
    inputs = {name: ACTUAL[name] for name in (*INDEX, "displayName", "configuration")}
    before = {**inputs, "description": "AEM"}
    state = {**ACTUAL, **before, "roleArn": "by hand", "__inputs": before}
    made = DataSource(Configuration(REGION)).update("a|d|i", state, {**inputs, "displayName": "New"}, ())
    api.update_data_source.assert_called_once_with(
        applicationId="a",
        dataSourceId="d",
        indexId="i",
        displayName="New",
        configuration={"type": "AEM"},
        roleArn="by hand",
    )
    assert made["createdAt"] == "2026-05-31T00:00:00+00:00"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"a": None, "b": {"c": None}}, ...),
        ({"a": {}, "b": []}, {"a": {}, "b": []}),
        ({"a": {"b": {"c": None}}, "d": ""}, {"d": ""}),
        ([{"a": None}, None, {"a": None, "b": 0}], [{"b": 0}]),
        ([None], []),
    ],
)
def test_nulls_are_removed_at_every_depth(given: object, kept: object):
    # filterNullProperties in provider/provider.go.
    inputs, _ = DataSource(Configuration()).check({}, {"configuration": given}, "")
    assert inputs.get("configuration", ...) == kept
    assert DataSource(Configuration()).check({}, {"x": None}, "")[0] == {}


def test_manually_deleted_data_source_counts_as_deleted(pages: Resource, console: Console):
    # Read in client/client.go; Delete: a missing resource counts as deleted.
    pages.up(**INPUTS)
    (source,) = console.sources()
    console.qbusiness.delete_data_source(**INDEX, dataSourceId=source["dataSourceId"])
    pages.delete()
    pages.read()
    assert pages.id == ""


def test_import_reads_all_settable_properties(pages: Resource, console: Console):
    # ProjectWritableOutputState in resources/path_classifier.go.
    pages.up(**INPUTS, vpcConfiguration=VPC)
    imported = Resource(pages.provider, TOKEN)
    imported.read(pages.id)
    (source,) = console.sources()
    assert imported.inputs == {
        **INDEX,
        "displayName": "Pages",
        "configuration": source["configuration"],
        "vpcConfiguration": VPC,
    }


# Errors.


def check(**changed: object) -> list[str]:
    """Return the reasons why inputs are rejected."""
    given = {name: value for name, value in (INPUTS | changed).items() if value is not ...}
    _, failures = DataSource(Configuration()).check({}, given, "")
    return [reason for _, reason in failures]


def test_missing_and_unsupported_properties_are_rejected():
    # ValidateResource in resources/validate.go.
    assert check() == []
    assert check(displayName=..., indexId=...) == [
        "missing required property displayName",
        "missing required property indexId",
    ]
    assert check(displayName=None) == ["missing required property displayName"]
    optional = ("description", "roleArn", "syncSchedule")
    assert check(**dict.fromkeys(optional, "x"), vpcConfiguration=VPC) == []
    (reason,) = check(tags=[])
    assert reason.startswith("the sandbox's aws-native:qbusiness:DataSource has no tags; it has app")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"allowedAccountIds": ["444455556666"]}, "account ID not allowed"),
        ({"forbiddenAccountIds": ["123456789012"]}, "forbidden account ID"),
        (
            {"allowedAccountIds": ["123456789012"], "forbiddenAccountIds": ["123456789012"]},
            "forbidden account ID",
        ),
    ],
)
def test_an_account_that_is_not_allowed_is_rejected(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, list[str]], reason: str
):
    # validateAccountId in provider/provider.go.
    monkeypatch.setattr(configuration, "caller", Mock(return_value={"Account": "123456789012"}))
    lists = {name: json.dumps(accounts) for name, accounts in settings.items()}
    with pytest.raises(ProviderError, match=rf"^{reason} \(123456789012\)$"):
        configuration.configure("aws-native", {"region": REGION, **lists})
