"""Without an engine, run programs that declare the roles in a stack's configuration."""

from collections.abc import Collection, Mapping
from typing import Any
from unittest import mock

import pulumi

from components.connector_role import ConnectorRole
from components.problems import SettingsError
from tests.helpers.mocked import Deployment
from tests.helpers.support import PROJECT_NAME, as_pulumi_config


def pulumi_config(settings: Mapping[str, Any], namespace: str = PROJECT_NAME) -> str:
    """Return a stack's configuration as the engine passes it, without keys whose value is None."""
    given = {key: value for key, value in settings.items() if value is not None}
    return as_pulumi_config({_full(key, namespace): value for key, value in given.items()})


def _full(key: str, namespace: str) -> str:
    return key if ":" in key else f"{namespace}:{key}"


def deploy(
    settings: Mapping[str, Any],
    /,
    name: str | None = "aem",
    *,
    namespace: str = PROJECT_NAME,
    secrets: Collection[str] = (),
    **options: Any,
) -> Deployment:
    """Run a program that declares the role `name` or, without a name, a role for each entry.

    Keys without a namespace get `namespace`; the keys in `secrets` are secret. The options `account`
    and `preview` are Deployment's, and the others are ConnectorRole's.
    """
    how = {option: options.pop(option) for option in ("account", "preview") if option in options}
    config = pulumi_config(settings, namespace)
    is_secret = {_full(key, namespace) for key in secrets}.__contains__

    def program() -> None:
        of_namespace = None if namespace == PROJECT_NAME else pulumi.Config(namespace)
        if name is None:
            ConnectorRole.all_from_config(of_namespace, **options)
        else:
            ConnectorRole.from_config(name, of_namespace, **options)

    with (
        mock.patch.dict("os.environ", PULUMI_CONFIG=config),
        mock.patch("pulumi.runtime.is_config_secret", is_secret),
    ):
        return Deployment(program, **how)


def rejection(settings: Mapping[str, Any], /, name: str | None = "aem", **how: Any) -> str:
    """Return the message about invalid settings; fail if a resource is registered."""
    deployment = deploy(settings, name, **how)
    assert isinstance(deployment.error, SettingsError), deployment.error
    assert deployment.registrations == []
    return str(deployment.error)
