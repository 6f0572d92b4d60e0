"""Tests the consistency of `Pulumi.yaml` with the project's other files."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.configuration import KEYS
from components.connector_role import ConnectorRole, ConnectorRoleArgs, VpcConfiguration
from components.settings import SETTINGS, Vpc
from pages.examples import REGION, REQUIRED_INPUTS
from sandbox.engine import VERSION
from sandbox.environment import PROJECT
from tests.helpers.mocked import Deployment
from tests.helpers.support import PROJECT_NAME, as_pulumi_config

DECLARED: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]


def test_pulumi_yaml_declares_every_setting():
    assert list(DECLARED) == [*KEYS.values(), "protect", "dataSources"]


@pytest.mark.parametrize("directory", [".", "template", "examples/ci-roles"])
def test_every_update_of_roles_refreshes_first(directory: str):
    project = yaml.safe_load((PROJECT / directory / "Pulumi.yaml").read_text())
    assert project["options"] == {"refresh": "always"}


def test_declared_defaults_count_as_not_set(monkeypatch: pytest.MonkeyPatch):
    given = {key: each["default"] for key, each in DECLARED.items() if "default" in each}
    defaults = {key: given[key] for key in KEYS.values() if key in given}
    registrations: list[Any] = []
    for inputs in (REQUIRED_INPUTS, {**defaults, **REQUIRED_INPUTS}):
        of_project = {f"{PROJECT_NAME}:{key}": value for key, value in inputs.items()}
        settings = {"aws:region": REGION, **of_project}
        monkeypatch.setenv("PULUMI_CONFIG", as_pulumi_config(settings))
        deployment = Deployment(lambda: ConnectorRole.from_config("aem"))
        assert deployment.error is None
        registrations.append(deployment.registrations)
    assert registrations[0] == registrations[1]


def test_arguments_are_settings_in_snake_case():
    assert set(ConnectorRoleArgs.__annotations__) == set(SETTINGS), "components/connector_role.py"
    assert set(VpcConfiguration.__annotations__) == set(Vpc.lists)
    assert ConnectorRoleArgs.__required_keys__ == {
        name for name, setting in SETTINGS.items() if setting.required
    }


def test_example_configuration_with_kms_key_and_vpc_is_valid(monkeypatch: pytest.MonkeyPatch):
    example = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())["config"]
    monkeypatch.setenv("PULUMI_CONFIG", as_pulumi_config(example))
    deployment = Deployment(lambda: ConnectorRole.from_config("aem", reject_unknown_keys=True))
    assert (deployment.error, deployment.warnings) == (None, [])
    for sid in ("AllowsAmazonQToDecryptSecret", "AllowsAmazonQToCreateAndDeleteNI"):
        assert sid in deployment.role_policy["policy"]


def named_by(path: Path) -> set[str]:
    """Return the modules that the first line of a test module lists.

    A module without a folder is in the folder of the module before it.
    """
    line = path.read_text().splitlines()[0].strip('"')
    folder, found = "", set[str]()
    for word in re.findall(r"[\w./-]+", line.partition(":")[0]):
        before, slash, name = word.rpartition("/")
        folder = f"{before}/" if slash else folder
        found.add(folder + name.removesuffix(".").removesuffix(".py"))
    return found


@pytest.mark.parametrize("place", ["components", "guardrails", "pages", "plugin", "roles", "sandbox"])
def test_first_lines_of_tests_list_every_module(place: str):
    named = set[str]().union(*map(named_by, (PROJECT / "tests").rglob("test_*.py")))
    assert [
        path
        for path in (PROJECT / place).rglob("*.py")
        if not {"__init__.py", "venv"} & {*path.parts}
        and path.relative_to(PROJECT).with_suffix("").as_posix() not in named
    ] == []


def test_required_pulumi_and_go_versions_are_tested_versions():
    module = (PROJECT / "sandbox/engine/go.mod").read_text()
    assert f"github.com/pulumi/pulumi/pkg/v3 v{VERSION}\n" in module
    assert f"v{VERSION}" in (PROJECT / "docs" / "evidence.md").read_text()
    for page in ("README.md", "docs/index.md", "docs/own-project.md"):
        assert f"{VERSION} or newer" in (PROJECT / page).read_text()
    (go,) = re.findall(r"^go (.+)$", module, re.MULTILINE)
    assert f"Go ({go} or newer)" in (PROJECT / "README.md").read_text()
    own = ("Pulumi.yaml", "template/Pulumi.yaml")
    for file in (*own, "plugin/PulumiPlugin.yaml", "guardrails/PulumiPolicy.yaml"):
        project = yaml.safe_load((PROJECT / file).read_text())
        assert project["requiredPulumiVersion"] == f">={VERSION}"
