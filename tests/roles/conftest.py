"""Share one server among the tests of `python -m roles`; each test gets a new account."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.qbusiness_server import Front, Server, listening
from tests.helpers.world import World


@pytest.fixture(scope="session")
def front() -> Iterator[Front]:
    with listening() as front:
        yield front


@pytest.fixture
def server(front: Front) -> Iterator[Server]:
    """Serve a new account; fail if the server recorded a mismatch with the API's model."""
    server = front.new_server()
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
    """Add the stack `dev` to the account, with nothing wrong."""
    world.deploy()


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let plans be applied without waiting for AWS."""
    monkeypatch.setattr("roles.changes.time.sleep", int)
