"""Read the configuration of a provider, and get the account from STS first."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sandbox.provider.calls import ProviderError, call, client

Properties = dict[str, Any]

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The protocol's marker of a value that is not known yet."""


class Configuration(NamedTuple):
    """The configuration of a provider."""

    region: str = ""
    default_tags: Mapping[str, str] = {}


def configure(package: str, arguments: Properties) -> Configuration:
    """Return the configuration for a package.

    Raises ProviderError for a missing Region, refused credentials, and an account that is not allowed.
    """
    settings = {name: _parsed(value) for name, value in arguments.items()}
    region = settings.get("region")
    if not region:
        raise ProviderError(
            f"{package}:region is not set; `pulumi config set {package}:region us-east-1` sets it. (The "
            "sandbox does not read the Region from your environment.)"
        )
    configuration = Configuration(region, (settings.get("defaultTags") or {}).get("tags") or {})
    account = caller(configuration)["Account"]
    allowed = settings.get("allowedAccountIds")
    if allowed and account not in map(str, allowed):
        raise ProviderError(f"AWS account ID not allowed: {account}; expected one of {allowed}")
    return configuration


def caller(configuration: Configuration) -> dict[str, str]:
    """Return the caller identity of the credentials."""
    return call("ask STS", client("sts", configuration.region).get_caller_identity)


def _parsed(value: Any) -> Any:
    """Return the value of a JSON text, and any other value unchanged."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value
