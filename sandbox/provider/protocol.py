"""Import only the provider protocol's messages from Pulumi's SDK.

Importing a package runs its `__init__`, which here would import the whole SDK and take a fifth of a
second each time the provider starts. Empty packages replace `pulumi` and `pulumi.runtime`.
"""

import importlib.util
import sys
from types import ModuleType


def _replace_package(name: str) -> None:
    if name not in sys.modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.submodule_search_locations is None:
            raise ModuleNotFoundError(name)
        package = ModuleType(name)
        package.__path__ = spec.submodule_search_locations
        sys.modules[name] = package


_replace_package("pulumi")
_replace_package("pulumi.runtime")

from pulumi.runtime.proto import (  # noqa: E402 after the replacement
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

__all__ = ["plugin_pb2", "provider_pb2", "provider_pb2_grpc", "status_pb2"]
