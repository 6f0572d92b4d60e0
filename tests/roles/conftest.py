"""Share one server among the tests of `python -m roles`; each test gets a new account."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.qbusiness_server import Server, listening
from tests.helpers.world import World


@pytest.fixture(scope="session")
def new_server() -> Iterator[Callable[[], Server]]:
    with listening() as new_server:
        yield new_server


@pytest.fixture
def server(new_server: Callable[[], Server]) -> Iterator[Server]:
    """Serve a new account; fail if the server recorded a mismatch with the API's model."""
    server = new_server()
    yield server
    assert not server.misfits


@pytest.fixture
def world(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> World:
    return World(server, tmp_path, monkeypatch, capsys)


@pytest.fixture
def project(world: World) -> None:
    """Turn the directory into a Pulumi project."""
    world.write_project()


@pytest.fixture
def deployed(world: World) -> None:
    """Add a healthy stack `dev` to the account."""
    world.deploy()


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply plans without waiting for AWS."""
    monkeypatch.setattr("roles.changes.time.sleep", int)
