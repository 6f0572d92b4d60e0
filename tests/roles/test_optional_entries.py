"""Tests `roles/account.py` and `syncs.py` with responses that lack an optional entry."""

from collections.abc import Callable, Iterator
from contextvars import copy_context
from copy import deepcopy
from typing import Any, Final
from unittest.mock import patch

import pytest
from botocore import xform_name
from moto.core.utils import get_service_model

from pages.examples import APPLICATION_ID
from roles.cli import main
from tests.helpers.world import KEY_ARN, ROLE_ARN, ROLE_NAME, TRUST
from tests.roles.check import account
from tests.roles.check.account import World, at, data_sources, of_bucket, printed

COMMANDS: Final = (("check", "--stack", "dev"), ("audit",))
Path = tuple[str, ...]
"""The service, the operation, and the keys of an entry; `*` stands for every item of a list."""


def world() -> World:
    """Return an account in which each operation has a response."""
    role = {"Arn": f"{ROLE_ARN}-2", "RoleName": ROLE_NAME, "CreateDate": account.datetime(2026, 1, 1)}
    found = {
        "list_applications": {
            "applications": [{"applicationId": APPLICATION_ID, "displayName": "Docs"}]
        },
        "list_roles": {"Roles": [{**role, "AssumeRolePolicyDocument": TRUST}]},
        **data_sources(
            account.failed("Access denied") | {"error": {"errorMessage": "x"}},
            of_bucket(),
        ),
        **at("documents", default=KEY_ARN),
        **at(KEY_ARN, grants=[{"Operations": ["Decrypt"], "GranteePrincipal": ROLE_ARN}]),
    }
    return World(
        boundary="allow *", attached="allow s3:*", key="deny kms:* if Bool a=b", changes=[found]
    )


def optional(shape: Any, value: Any, path: Path) -> Iterator[Path]:
    """Yield the paths of a response's entries that are optional in the service's model."""
    if shape.type_name == "structure":
        for name, its in value.items():
            if name in shape.members:
                if name not in shape.required_members:
                    yield (*path, name)
                yield from optional(shape.members[name], its, (*path, name))
    elif shape.type_name == "list":
        for each in value:
            yield from optional(shape.member, each, (*path, "*"))


def without(value: Any, path: Path) -> Any:
    """Return the response without the entry at this path."""
    key, *rest = path
    if key == "*":
        return [without(each, (*rest,)) for each in value]
    if not rest:
        return {name: it for name, it in value.items() if name != key}
    return {**value, key: without(value[key], (*rest,))} if key in value else value


def run(command: tuple[str, ...], change: Callable[[str, str, Any], Any]) -> int:
    """Run a command with changed responses, and return its exit code."""
    its, client = world(), account.Client
    respond = client.respond

    def changed(self: Any, operation: str, **given: Any) -> Any:
        return change(self.service, operation, deepcopy(respond(self, operation, **given)))

    with (
        patch.object(client, "respond", changed),
        account.replaced(its.account(alone=False), printed(its)),
    ):
        return copy_context().run(main, [*command])


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=[name for name, *_ in COMMANDS])
def test_missing_optional_entry_causes_no_traceback(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
):
    paths: dict[Path, None] = {}

    def remember(service: str, operation: str, response: Any) -> Any:
        model: Any = get_service_model(service)
        shape = next(
            model.operation_model(name).output_shape
            for name in model.operation_names
            if xform_name(name) == operation
        )
        paths.update(dict.fromkeys(optional(shape, response, (service, operation))))
        return response

    assert run(command, remember) in (1, 2)
    assert len(paths) > 50
    for service, operation, *keys in paths:

        def remove(its: str, asked: str, response: Any) -> Any:
            same = (its, asked) == (service, operation)  # noqa: B023 it is called at once
            return without(response, (*keys,)) if same else response  # noqa: B023

        assert run(command, remove) in (0, 1, 2, 3)
        said = "".join(capsys.readouterr())
        assert "bug in this program" not in said, (service, operation, keys, said)
        assert "Traceback" not in said
