"""Give each test of `adopt` a project directory and a stand-in for Pulumi."""

import pytest

from tests.roles.adopt.help import Backend


@pytest.fixture(autouse=True)
def _in_a_project(project: None) -> None:  # pyright: ignore[reportUnusedFunction]
    """Use the project in every test in this directory."""


@pytest.fixture(autouse=True)
def backend(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Put a stand-in for Pulumi on PATH; the stand-in's backend has no stacks."""
    directory = tmp_path_factory.mktemp("pulumi")
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return Backend(directory)
