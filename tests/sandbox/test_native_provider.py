"""Test that the sandbox's data source behaves like pulumi-aws-native; tests name the real functions.

The files are in `provider/pkg` of https://github.com/pulumi/pulumi-aws-native. The properties of the
resource and its ID follow AWS's schema of `AWS::QBusiness::DataSource`.
"""

import json
from typing import Any
from unittest.mock import Mock

import pytest

from evidence.examples import APPLICATION_ID, INDEX_ID, REGION, SECURITY_GROUP_ID, SUBNET_ID
from sandbox.provider import configuration
from sandbox.provider.calls import ProviderError
from sandbox.provider.configuration import UNKNOWN, Configuration
from sandbox.provider.lifecycle import AutomaticName
from sandbox.provider.native import DataSource
from tests.helpers.stacks import ATTACHED, Aws, NewStack, Stack
from tests.helpers.support import golden

TOKEN = "aws-native:qbusiness:DataSource"
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
NAMES = {"applicationId": "application_id", "indexId": "index_id", "displayName": "display_name"} | {
    "roleArn": "role_arn",
    "vpcConfiguration": "vpc_configuration",
}


def program(*, secret: bool = False, **changed: object) -> str:
    """Return a program with one data source."""
    given = {NAMES.get(name, name): value for name, value in (INPUTS | changed).items() if value}
    configuration = (
        "pulumi.Output.secret(given['configuration'])" if secret else "given['configuration']"
    )
    return (
        "import pulumi\n"
        "import pulumi_aws_native as aws_native\n"
        f"given = {given}\n"
        f"given['configuration'] = {configuration}\n"
        "pages = aws_native.qbusiness.DataSource('pages', **given)\n"
        "pulumi.export('arn', pages.data_source_arn)\n"
    )


@pytest.fixture
def new_program(new_stack: NewStack) -> NewStack:
    """Create stacks without `refresh: always`."""

    def create(text: str = "", region: str | None = REGION) -> Stack:
        stack = new_stack({"aws-native:region": region}, text or program())
        project = stack.directory / "Pulumi.yaml"
        project.write_text(project.read_text().partition("\noptions:\n")[0])
        return stack

    return create


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


def changes(stack: Stack, *options: str) -> list[tuple[str, str, tuple[str, ...]]]:
    return [step for step in stack.preview(*options).steps if step[0] != "same"]


# Operations.


def test_a_data_source_is_created_updated_and_deleted(new_program: NewStack, console: Console):
    # Create, Update and Delete in provider/provider.go; primaryIdentifier in AWS's schema.
    stack = new_program()
    assert stack.up().changes == {"create": 2}
    (source,) = console.sources()
    assert source["displayName"] == "Pages"
    assert stack.resource(TOKEN)["id"] == f"{APPLICATION_ID}|{source['dataSourceId']}|{INDEX_ID}"
    assert stack.outputs()["arn"] == source["dataSourceArn"]
    assert stack.up("--expect-no-changes").changes == {"same": 2}
    stack.write_program(program(displayName="Assets", vpcConfiguration=VPC))
    assert stack.up().changes == {"same": 1, "update": 1}
    (changed,) = console.sources()
    assert (changed["displayName"], changed["vpcConfiguration"]) == ("Assets", VPC)
    assert changed["dataSourceId"] == source["dataSourceId"]
    stack.destroy()
    assert console.sources() == []


def test_nulls_are_removed_at_any_depth_and_empty_objects_are_kept(
    new_program: NewStack, console: Console
):
    # filterNullProperties in provider/provider.go.
    new_program().up()
    (source,) = console.sources()
    assert source["configuration"] == {"type": "AEM", "syncMode": "FULL_CRAWL", "empty": {}}


def test_another_index_replaces_the_data_source_and_deletes_the_old_one_first(new_program: NewStack):
    # createOnlyProperties in AWS's schema; Diff in provider/provider.go.
    stack = new_program()
    stack.up()
    stack.write_program(program(indexId=f"d{INDEX_ID[1:]}"))
    steps = [operation for operation, _, _ in changes(stack)]
    assert steps == ["delete-replaced", "replace", "create-replacement"]


def test_in_a_preview_the_arn_is_known_for_an_update_and_unknown_for_a_creation():
    # isStableOutput in outputs/previewOutputs.go.
    lifecycle = DataSource(Configuration())
    state = {**INPUTS, "dataSourceArn": "arn", "dataSourceId": "id", "status": "ACTIVE"}
    preview = lifecycle.preview(state, INPUTS, ())
    assert (preview["dataSourceArn"], preview["status"]) == ("arn", UNKNOWN)
    assert lifecycle.preview({}, INPUTS, ())["dataSourceArn"] == UNKNOWN


def test_secret_inputs_are_secret_in_the_state(new_program: NewStack):
    # CheckpointObject in resources/checkpoint.go.
    stack = new_program(program(secret=True))
    stack.up()
    assert "FULL_CRAWL" not in json.dumps(stack.state())
    assert stack.up("--expect-no-changes").changes == {"same": 2}


# Drift.


def test_a_manual_change_is_detected_and_corrected(new_program: NewStack, console: Console):
    # ActualInputBaselineFromOutputs in resources/path_classifier.go.
    stack = new_program()
    stack.up()
    console.edit(displayName="Edited", configuration={**INPUTS["configuration"], "syncMode": "NEW"})
    assert stack.drift().exit_code != 0
    stack.up("--refresh")
    (source,) = console.sources()
    assert (source["displayName"], source["configuration"]["syncMode"]) == ("Pages", "FULL_CRAWL")
    assert stack.drift().exit_code == 0


def test_a_property_that_the_program_never_set_is_kept_and_is_not_drift(
    new_program: NewStack, console: Console
):
    # pruneUnownedComputed in resources/path_classifier.go.
    stack = new_program()
    stack.up()
    console.edit(vpcConfiguration=VPC, description="By hand")
    stack.operate("refresh", "--yes")
    assert "vpcConfiguration" not in stack.resource(TOKEN)["inputs"]
    assert stack.resource(TOKEN)["outputs"]["vpcConfiguration"] == VPC
    assert changes(stack) == []
    stack.write_program(program(displayName="Assets"))
    stack.up()
    (source,) = console.sources()
    assert (source["vpcConfiguration"], source["description"]) == (VPC, "By hand")


def test_the_order_of_subnets_is_not_a_difference(new_program: NewStack, console: Console):
    # suppressUnorderedCollectionDiffs in resources/unordered_collections.go.
    stack = new_program(program(vpcConfiguration=VPC))
    stack.up()
    console.edit(vpcConfiguration=TURNED)
    stack.operate("refresh", "--yes")
    assert stack.resource(TOKEN)["inputs"]["vpcConfiguration"] == VPC
    assert changes(stack) == []


def test_a_manually_deleted_data_source_is_created_again(new_program: NewStack, console: Console):
    # Read in client/client.go.
    stack = new_program()
    stack.up()
    (source,) = console.sources()
    console.qbusiness.delete_data_source(**INDEX, dataSourceId=source["dataSourceId"])
    assert stack.up("--refresh").changes["create"] == 1
    (again,) = console.sources()
    assert again["dataSourceId"] != source["dataSourceId"]
    console.qbusiness.delete_data_source(**INDEX, dataSourceId=again["dataSourceId"])
    stack.destroy()  # Delete in client/client.go: a missing resource counts as deleted


def test_a_data_source_is_imported_with_all_properties_that_a_program_can_set(
    new_program: NewStack, console: Console
):
    # ProjectWritableOutputState in resources/path_classifier.go.
    stack = new_program(program(vpcConfiguration=VPC))
    stack.up()
    other = new_program(program(vpcConfiguration=VPC))
    imported = ("--yes", "--protect=false", "--generate-code=false")
    other.operate("import", TOKEN, "pages", stack.resource(TOKEN)["id"], *imported)
    (source,) = console.sources()
    assert other.resource(TOKEN)["inputs"] == {
        **INDEX,
        "displayName": "Pages",
        "configuration": source["configuration"],
        "vpcConfiguration": VPC,
    }


# Errors.


def check(**changed: object) -> list[str]:
    """Return the reasons why inputs are refused."""
    given = {name: value for name, value in (INPUTS | changed).items() if value is not ...}
    _, failures = DataSource(Configuration()).check({}, given, AutomaticName("pages", b""))
    return [reason for _, reason in failures]


def test_missing_and_unknown_properties_are_refused():
    # ValidateResource in resources/validate.go.
    assert check() == []
    assert check(displayName=..., indexId=...) == [
        "missing required property displayName",
        "missing required property indexId",
    ]
    (reason,) = check(tags=[])
    assert reason.startswith("the sandbox's aws-native:qbusiness:DataSource has no tags; it has app")


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("arn:aws:iam::123456789012:role/no-such-role", "ValidationException"),
        ("arn:aws:iam::444455556666:role/console", "AccessDeniedException"),
    ],
)
def test_a_role_that_cannot_be_passed_is_an_error_at_creation_and_update(
    new_program: NewStack, aws: Aws, arn: str, code: str
):
    console = Console(aws)
    stack = new_program(program(roleArn=arn))
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    assert f"creating resource: An error occurred ({code})" in failed.text
    assert console.sources() == []
    aws.iam.create_role(RoleName="console", AssumeRolePolicyDocument=golden("trust-policy"))
    valid_arn = "arn:aws:iam::123456789012:role/console"
    stack.write_program(program(roleArn=valid_arn))
    stack.up()
    stack.write_program(program(roleArn=arn))
    failed = stack.up(check=False)
    assert failed.exit_code != 0
    assert f"updating resource: An error occurred ({code})" in failed.text
    (source,) = console.sources()
    assert source["roleArn"] == valid_arn
    # Update in provider/provider.go: a failed update keeps the old state.
    assert [step for step in changes(stack) if step[0] == "update"]


@pytest.mark.parametrize(
    ("name", "account", "reason"),
    [
        ("allowedAccountIds", "444455556666", "account ID not allowed"),
        ("forbiddenAccountIds", "123456789012", "forbidden account ID"),
    ],
)
def test_an_account_that_is_not_allowed_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, account: str, reason: str
):
    # validateAccountId in provider/provider.go.
    monkeypatch.setattr(configuration, "caller", Mock(return_value={"Account": "123456789012"}))
    with pytest.raises(ProviderError, match=rf"^{reason} \(123456789012\)$"):
        configuration.configure("aws-native", {"region": REGION, name: json.dumps([account])})


def test_the_environment_provides_a_region_that_is_not_configured(monkeypatch: pytest.MonkeyPatch):
    # varsOrEnv in provider/provider.go.
    monkeypatch.setattr(configuration, "caller", Mock(return_value={"Account": "123456789012"}))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert configuration.configure("aws-native", {}).region == "us-west-2"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert configuration.configure("aws-native", {}).region == "eu-west-1"
    assert configuration.configure("aws-native", {"region": REGION}).region == REGION


def test_the_region_is_required(new_program: NewStack):
    # Configure in provider/provider.go.
    stack = new_program(region=None)
    for variable in (ATTACHED, "AWS_REGION", "AWS_DEFAULT_REGION"):
        del stack.environment[variable]
    preview = stack.preview(check=False)
    assert preview.exit_code != 0
    assert (
        "aws-native:region is not set; `pulumi config set aws-native:region us-east-1`" in preview.text
    )


def test_an_unsupported_resource_is_refused_by_name(new_program: NewStack):
    other = "import pulumi_aws_native\npulumi_aws_native.s3.Bucket('bucket')\n"
    preview = new_program(other).preview(check=False)
    assert preview.exit_code != 0
    assert (
        f"the sandbox does not support the resource aws-native:s3:Bucket; it supports {TOKEN}"
        in preview.text
    )
