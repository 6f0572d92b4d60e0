"""`roles adopt` runs in the directory of a project."""

import pytest


@pytest.fixture(autouse=True)
def _in_a_project(project: None) -> None:  # pyright: ignore[reportUnusedFunction]
    """Use the project in every test of this directory."""
