"""Tests `sandbox/provider/native.py`: a data source behaves as it does with pulumi-aws-native.

Comments cite the real functions, whose files are in `provider/pkg` in
https://github.com/pulumi/pulumi-aws-native. The resource's properties and ID follow AWS's schema for
`AWS::QBusiness::DataSource`.
"""

import datetime as dt
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from pages.examples import APPLICATION_ID, INDEX_ID, REGION, SECURITY_GROUP_ID, SUBNET_ID
from sandbox.provider import native
from sandbox.provider.configuration import SECRET, UNKNOWN, Configuration
from sandbox.provider.native import DataSourceLifecycle

INDEX = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}
VPC = {
    "subnetIds": [SUBNET_ID, "subnet-0b2c3d4e5f6071829"],
    "securityGroupIds": [SECURITY_GROUP_ID],
}
TURNED = {**VPC, "subnetIds": VPC["subnetIds"][::-1]}
INPUTS: dict[str, Any] = {**INDEX, "displayName": "Pages", "configuration": {"type": "AEM"}}
THIS = {**INDEX, "dataSourceId": "source"}
ID = f"{APPLICATION_ID}|source|{INDEX_ID}"
ACTUAL: dict[str, Any] = {**INPUTS, **THIS, "dataSourceArn": "arn", "status": "ACTIVE"}
"""A data source's properties in the state, without the inputs and timestamps."""
TIME = dt.datetime(2026, 5, 31, tzinfo=dt.UTC)
TIMES = dict.fromkeys(("createdAt", "updatedAt"), TIME)
PAGES = DataSourceLifecycle(Configuration(REGION))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Return a mock client for an account with the data source ACTUAL."""
    api = Mock()
    api.create_data_source.return_value = {"dataSourceId": "source"}
    api.get_data_source.return_value = {**ACTUAL, **TIMES, "error": {}}
    monkeypatch.setattr(native, "get_client", Mock(return_value=api))
    return api


def test_state_of_created_data_source_contains_secret_inputs(api: Mock):
    # See Create in provider/provider.go, primaryIdentifier in AWS's schema, and CheckpointObject in
    # resources/checkpoint.go.
    times = dict.fromkeys(TIMES, "2026-05-31T00:00:00+00:00")
    state = {**ACTUAL, **times, "__inputs": {**SECRET, "value": INPUTS}}
    assert PAGES.create(INPUTS) == (ID, state)
    api.create_data_source.assert_called_once_with(**INPUTS)
    api.get_data_source.assert_called_once_with(**THIS)


def test_import_reads_all_settable_properties(api: Mock):
    # See ProjectWritableOutputState in resources/path_classifier.go.
    api.get_data_source.return_value |= {"vpcConfiguration": VPC}
    found = PAGES.read(ID, {}, {})
    assert found is not None
    assert found[0] == {**INPUTS, "vpcConfiguration": VPC}


def test_delete_and_read_accept_manually_deleted_data_source(api: Mock):
    # See Read in client/client.go, and Delete, for which a missing resource counts as deleted.
    missing = ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetDataSource")
    api.get_data_source.side_effect = api.delete_data_source.side_effect = missing
    PAGES.delete(ID, {})
    api.delete_data_source.assert_called_once_with(**THIS)
    assert PAGES.read(ID, {}, {}) is None


# Drift.


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
    ],
)
def test_only_inputs_set_before_or_now_are_compared_with_actual_values(
    actual: dict[str, Any], before: dict[str, Any], now: dict[str, Any], same: bool
):
    # See ActualInputBaselineFromOutputs and suppressUnorderedCollectionDiffs in resources.
    state = {**ACTUAL, **actual, "__inputs": {**INPUTS, **before}}
    found = PAGES.diff(state, {**INPUTS, **now}, ())
    # If the changes are None, the engine compares the inputs itself.
    assert (found.changes, found.delete_before_replace) == ({} if same else None, not same)


def test_update_keeps_properties_that_program_never_set(api: Mock):
    # See CalcPatch in resources.
    before = {**INPUTS, "description": "AEM"}
    state = {**ACTUAL, **before, "roleArn": "by hand", "__inputs": before}
    PAGES.update(ID, state, {**INPUTS, "displayName": "New"}, ())
    changed = {"displayName": "New", "configuration": {"type": "AEM"}, "roleArn": "by hand"}
    api.update_data_source.assert_called_once_with(**THIS, **changed)


# Inputs.


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
    # See filterNullProperties in provider/provider.go.
    inputs, _ = PAGES.check({}, {"configuration": given}, "")
    assert inputs.get("configuration", ...) == kept


def test_missing_and_unsupported_properties_are_rejected():
    # See ValidateResource in resources/validate.go.
    optional = dict.fromkeys(("description", "roleArn", "syncSchedule"), "x")
    assert PAGES.check({}, {**INPUTS, **optional, "vpcConfiguration": VPC}, "")[1] == []
    missing, unsupported = PAGES.check({}, {**INPUTS, "displayName": None, "tags": []}, "")[1][::-1]
    assert missing == ("displayName", "missing required property displayName")
    assert unsupported[1].startswith(
        "the sandbox's aws-native:qbusiness:DataSource has no tags; it has "
    )
