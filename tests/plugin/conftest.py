"""Build one package for all tests in this directory."""

import fcntl
import os
from pathlib import Path

import pytest

from tests.helpers.installing import build_wheel, install, share_packages, tagged_repository


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository that tests must not change; its parent directory contains the wheel.

    All workers of a test run share the repository.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "package.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        link = shared / "package"
        if not link.exists():
            directory = tmp_path_factory.mktemp("package")
            repository = tagged_repository(directory)
            share_packages(repository / "plugin")
            install(build_wheel(repository, directory), repository / "plugin")
            link.symlink_to(repository)
        return link.resolve()


@pytest.fixture(scope="session")
def package(repository: Path) -> Path:
    """Return the plugin's directory, where the package is installed."""
    return repository / "plugin"
