"""Tests `examples/data-source/__main__.py`, whose data sources use another stack's roles."""

import gc
import runpy
from collections.abc import Mapping
from types import CoroutineType
from typing import Any, Final

import pulumi
import pytest
import yaml

from roles.detection import find_connector, find_uses
from sandbox.environment import PROJECT
from tests.helpers.mocked import Deployment
from tests.helpers.page import blocks
from tests.helpers.support import PROJECT_NAME, as_pulumi_config

EXAMPLE: Final = PROJECT / "examples" / "data-source"
DATA_SOURCE: Final = "aws-native:qbusiness:DataSource"
SECRETS: Final = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"


def read(text: str) -> dict[str, Any]:
    """Return the settings by key, without the project's namespace."""
    config: Mapping[str, Any] = yaml.safe_load(text)["config"]
    return {
        key.partition(":")[2] if key.startswith("qbusiness-") else key: value
        for key, value in config.items()
    }


SETTINGS: Final = read((EXAMPLE / "Pulumi.example.yaml").read_text())
SOURCES: Final[Mapping[str, dict[str, Any]]] = SETTINGS["dataSources"]
ROLES: Final = read((PROJECT / "Pulumi.example.yaml").read_text())
ENTRIES: Final[Mapping[str, dict[str, Any]]] = ROLES["dataSources"]
INDEX: Final = {name: SETTINGS[name] for name in ("applicationId", "indexId")}
ARNS: Final = {name: f"arn:aws:iam::123456789012:role/{name}-qbusiness-role-1234567" for name in SOURCES}


class Consumer(Deployment):
    """A run of the example with these outputs of the referenced stack."""

    def __init__(self, outputs: Mapping[str, Any], *, preview: bool = False) -> None:
        self.role_outputs = outputs
        super().__init__(lambda: runpy.run_path(str(EXAMPLE / "__main__.py")), preview=preview)
        # A failed program never awaits some coroutines of StackReference.require_output. Close them,
        # because Python otherwise reports each one on deletion, possibly during another test. Compare
        # types, because isinstance() raises ReferenceError for another test's proxy of a deleted object.
        for found in gc.get_objects() if self.error else []:
            if type(found) is CoroutineType and found.__qualname__.startswith("Output."):
                found.close()

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            state = {"outputs": self.role_outputs, "secretOutputNames": []}
            return args.name, {"name": args.name, **state}
        return super().new_resource(args)


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {f"{PROJECT_NAME}:{name}": value for name, value in SETTINGS.items() if ":" not in name}
    monkeypatch.setenv("PULUMI_CONFIG", as_pulumi_config(config))


# The two settings files.


def test_data_sources_page_shows_settings_of_example_roles():
    (shown,) = blocks("yaml", (PROJECT / "docs" / "data-sources.md").read_text())
    assert read(shown) == ROLES


def test_each_data_source_uses_the_resources_of_its_entry():
    assert SOURCES.keys() == ENTRIES.keys()
    assert ROLES["indexId"] == SETTINGS["indexId"]
    assert ROLES["applicationId"].endswith(f":application/{SETTINGS['applicationId']}")
    for name, source in SOURCES.items():
        uses, entry = find_uses(source), ENTRIES[name]
        assert find_connector(uses).name == entry.get("connector", "aem-cloud")
        assert [*uses.secret_ids] == ([SECRETS + entry["secretId"]] if "secretId" in entry else [])
        assert [*uses.buckets] == ([entry["bucketName"]] if "bucketName" in entry else [])
        assert uses.bucket_account == entry.get("bucketAccountId")
        default = ROLES["vpcConfiguration"] if name != "files" else {}
        assert source.get("vpcConfiguration", {}) == entry.get("vpcConfiguration", default)


# The program.


@pytest.mark.parametrize("preview", [False, True])
def test_each_data_source_uses_role_from_other_stack(preview: bool):
    consumer = Consumer({"roleArns": ARNS, "roleNames": {}}, preview=preview)
    assert consumer.error is None
    expected = {name: {**INDEX, **source, "roleArn": ARNS[name]} for name, source in SOURCES.items()}
    assert {made.name: made.inputs for made in consumer.of_type(DATA_SOURCE)} == expected


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"roleName": "no ARNs yet"}, "roleArns"),
        ({"roleArns": {**ARNS, "wiki": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}}, "has no role wiki"),
        ({"roleArns": {}}, "has no role"),
    ],
)
def test_data_source_without_a_role_is_rejected(outputs: Mapping[str, Any], message: str):
    consumer = Consumer(outputs)
    assert message in str(consumer.error)
    assert "wiki" not in [made.name for made in consumer.of_type(DATA_SOURCE)]
