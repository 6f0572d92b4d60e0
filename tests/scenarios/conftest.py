"""Give the scenarios their world: the sandbox, or the account of `python -m tests.scenarios`."""

import fnmatch
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sandbox.environment import PROJECT
from tests.helpers.page import blocks
from tests.helpers.recorder import Recorder, recorder
from tests.helpers.stacks import Aws, running_provider
from tests.helpers.warm import COLD
from tests.scenarios.world import World, new_run


@pytest.fixture(scope="session")
def recorded(
    prepared_sandbox: tuple[object, dict[str, str]],
) -> Iterator[tuple[Recorder, dict[str, str]]]:
    """Record calls to the sandbox; return the variables for programs whose calls are recorded."""
    with recorder(prepared_sandbox[1]["AWS_ENDPOINT_URL"]) as calls:
        variables = {"AWS_ENDPOINT_URL": calls.url}
        with running_provider({**prepared_sandbox[1], **variables}) as provider:
            yield calls, {**variables, **provider}


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    real: World | None = getattr(request.config, "world", None)
    if real:
        yield real
        if real.creates and real.roles():  # of a question, or a scenario that failed
            real.remove()
        return
    environment: dict[str, str] = request.getfixturevalue("environment")
    calls, variables = request.getfixturevalue("recorded")
    calls.calls.clear()
    # Programs start as they do for a user.
    own = {**environment, **variables, **COLD}
    yield World(new_run(), Aws(own).client, own, request.getfixturevalue("tmp_path"))
    page = (PROJECT / "CONTRIBUTING.md").read_text()
    permissions = json.loads(blocks("json", page)[0])["Statement"]
    needed = {each for call in calls.calls if (each := requested(*call))}
    lacking = {each for each in needed if not any(allows(statement, *each) for statement in permissions)}
    assert lacking == set(), "CONTRIBUTING.md lacks permissions of a run"


def requested(operation: str, parameters: Mapping[str, str]) -> tuple[str, str] | None:
    """Return an IAM call's action and resource, or None for other calls."""
    if operation.startswith(("GET ", "POST ")) or operation == "GetCallerIdentity":
        return None
    if "RoleName" in parameters:
        return f"iam:{operation}", f"arn:aws:iam::111122223333:role/{parameters['RoleName']}"
    if "PolicyName" in parameters or "PolicyArn" in parameters:
        name = parameters.get("PolicyName") or parameters["PolicyArn"].rpartition("/")[2]
        return f"iam:{operation}", f"arn:aws:iam::111122223333:policy/{name}"
    return f"iam:{operation}", "*"


def allows(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    return action in statement["Action"] and fnmatch.fnmatchcase(resource, statement["Resource"])
