"""Share the parts of botocore's clients that take longer to create than most calls take."""

from functools import cache, lru_cache
from typing import Any, Final

import botocore.client
import botocore.hooks
import botocore.loaders
import botocore.session
from botocore.client import ClientCreator
from botocore.hooks import EventAliaser


class _ClientCreator(ClientCreator):
    """A client creator that creates each service's model and client class only once."""

    _models: Final[dict[str, Any]] = {}
    _classes: Final[dict[str, Any]] = {}

    def _load_service_model(self, service_name: str, api_version: str | None = None) -> Any:
        if service_name not in self._models:
            self._models[service_name] = super()._load_service_model(service_name, api_version)
        return self._models[service_name]

    def _create_client_class(self, service_name: str, service_model: Any) -> Any:
        if service_name not in self._classes:
            self._classes[service_name] = super()._create_client_class(service_name, service_model)
        return self._classes[service_name]


class _EventAliaser(EventAliaser):
    """An event aliaser that finds each event's alias only once."""

    _aliases: Final[dict[str, str]] = {}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._alias_name_cache = self._aliases


def install() -> None:
    """Replace the slow parts of botocore for the clients that are created later."""
    botocore.session.create_loader = cache(botocore.loaders.create_loader)
    botocore.hooks.accepts_kwargs = lru_cache(1000)(botocore.hooks.accepts_kwargs)
    botocore.client.ClientCreator = _ClientCreator
    botocore.session.EventAliaser = _EventAliaser
