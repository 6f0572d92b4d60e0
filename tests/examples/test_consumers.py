"""Test that the stack of the data source receives the role's ARN, even after a replacement."""

import json
import runpy
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest
import yaml

from sandbox.environment import PROJECT
from tests.helpers.mocked import Deployment
from tests.helpers.stacks import Aws, NewStack
from tests.helpers.support import PROJECT_NAME, REQUIRED, as_pulumi_config

# Pulumi's SDK causes this warning, for a property of type Any.
pytestmark = pytest.mark.filterwarnings("ignore:NotImplemented should not be used:DeprecationWarning")

EXAMPLE = PROJECT / "examples" / "data-source"
SETTINGS: dict[str, Any] = yaml.safe_load((EXAMPLE / "Pulumi.dev.yaml").read_text())["config"]
ROLE_SETTINGS: dict[str, Any] = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())["config"]
ARN = "arn:aws:iam::123456789012:role/aem-connector-qbusiness-role-1234567"


def setting(name: str, settings: dict[str, Any] = SETTINGS) -> Any:
    return next(value for key, value in settings.items() if key.partition(":")[2] == name)


class Consumer(Deployment):
    """Run the example with the outputs of the referenced stack."""

    def __init__(self, outputs: Mapping[str, str], *, preview: bool = False) -> None:
        self.role_outputs = outputs
        super().__init__(lambda: runpy.run_path(str(EXAMPLE / "__main__.py")), preview=preview)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            state = {"outputs": self.role_outputs, "secretOutputNames": []}
            return args.name, {"name": args.name, **state}
        return super().new_resource(args)


def configure(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    settings = {key.partition(":")[2]: value for key, value in SETTINGS.items()} | changed
    config = {f"{PROJECT_NAME}:{name}": value for name, value in settings.items()}
    monkeypatch.setenv("PULUMI_CONFIG", as_pulumi_config(config))


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("vpc", [setting("vpcConfiguration"), {}], ids=["VPC", "no VPC"])
def test_the_data_source_runs_under_the_role_of_the_other_stack(
    monkeypatch: pytest.MonkeyPatch, vpc: dict[str, list[str]], preview: bool
):
    configure(monkeypatch, vpcConfiguration=vpc)
    consumer = Consumer({"roleArn": ARN, "roleName": "unused"}, preview=preview)
    assert consumer.error is None
    (data_source,) = consumer.of_type("aws-native:qbusiness:DataSource")
    assert data_source.inputs == {
        "applicationId": setting("applicationId"),
        "configuration": {**setting("aem"), "type": "AEM", "secretArn": setting("secretArn")},
        "displayName": "AEM",
        "indexId": setting("indexId"),
        "roleArn": ARN,
        **({"vpcConfiguration": vpc} if vpc else {}),
    }


def test_a_stack_without_the_output_is_an_error_and_not_a_data_source_without_a_role(
    monkeypatch: pytest.MonkeyPatch,
):
    configure(monkeypatch)
    consumer = Consumer({"roleName": "no ARN yet"})
    assert consumer.of_type("aws-native:qbusiness:DataSource") == []
    assert "roleArn" in str(consumer.error)


def test_the_example_uses_the_resources_that_the_role_of_dev_may_use(new_stack: NewStack, aws: Aws):
    role = new_stack(ROLE_SETTINGS)
    role.up()
    policy = json.loads(aws.role_policies(role.outputs()["roleName"])["qbusiness-aem-connector"])
    resources: dict[str, Any] = {
        statement["Sid"]: statement["Resource"] for statement in policy["Statement"]
    }
    assert resources["AllowsAmazonQToGetSecret"] == [setting("secretArn")]
    application = f"application/{setting('applicationId')}"
    ingest = resources["AllowsAmazonQToIngestDocuments"]
    assert [arn.partition(":123456789012:")[2] for arn in ingest] == [
        application,
        f"{application}/index/{setting('indexId')}",
    ]
    assert setting("vpcConfiguration") == setting("vpcConfiguration", ROLE_SETTINGS)


def test_the_consumer_receives_the_new_arn_of_a_recreated_role(new_stack: NewStack, aws: Aws):
    role = new_stack(REQUIRED)
    consumer = new_stack({}, (EXAMPLE / "__main__.py").read_text())
    project = yaml.safe_load((EXAMPLE / "Pulumi.yaml").read_text())
    (consumer.directory / "Pulumi.yaml").write_text(
        yaml.safe_dump({**project, "name": "qbusiness-aem-connector"})
    )
    settings = {
        key.partition(":")[2] if key.startswith("qbusiness") else key: value
        for key, value in SETTINGS.items()
    }
    consumer.configure({**settings, "roleStack": f"organization/qbusiness-aem-connector/{role.name}"})
    missing = consumer.up(check=False)
    assert missing.exit_code != 0
    assert "KeyError: 'roleArn'" in missing.text  # Pulumi's message
    role.up()
    consumer.up()

    def data_source() -> dict[str, Any]:
        index = {"applicationId": setting("applicationId"), "indexId": setting("indexId")}
        qbusiness = aws.client("qbusiness")
        (source,) = qbusiness.list_data_sources(**index)["dataSources"]
        return qbusiness.get_data_source(**index, dataSourceId=source["dataSourceId"])

    first = data_source()
    assert first["roleArn"] == role.outputs()["roleArn"]
    assert first["vpcConfiguration"] == setting("vpcConfiguration")
    assert consumer.outputs() == {"dataSourceArn": first["dataSourceArn"]}
    role.configure({**REQUIRED, "rolePath": "/connectors/"})
    role.up()
    arn = role.outputs()["roleArn"]
    assert arn != first["roleArn"]
    # A preview reads the other stack again.
    assert consumer.preview("--diff").text.count(arn) >= 1
    consumer.up()
    second = data_source()
    assert (second["roleArn"], second["dataSourceArn"]) == (arn, first["dataSourceArn"])
    role.configure({**REQUIRED, "rolePath": "/connectors/", "tags": {"Team": "search"}})
    role.up()
    assert consumer.up("--expect-no-changes").exit_code == 0
