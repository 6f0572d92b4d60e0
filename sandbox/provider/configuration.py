"""Validate a provider's configuration and look up the account for its credentials."""

import json
import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sandbox.provider.calls import ProviderError, call, client

Properties = dict[str, Any]

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The protocol's marker for a value that is not known yet."""

SECRET: Final = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
"""The protocol's marker for a secret; the object with this marker also contains the value."""


class Configuration(NamedTuple):
    """A provider's configuration."""

    region: str = ""
    default_tags: Mapping[str, str] = {}


def configure(package: str, arguments: Properties) -> Configuration:
    """Return the configuration for a package.

    Raises ProviderError if the Region is missing, AWS rejects the credentials, or the account is not
    allowed.
    """
    settings = {name: _parsed(value) for name, value in arguments.items()}
    # The real functions: for aws, `applyDefaults` in tfbridge; for aws-native, `varsOrEnv` in provider.
    # The sandbox sets both variables for its commands and its server, so this error appears only outside
    # it. A real provider also reads the command's variables; a provider in the sandbox's server does
    # not.
    names = ("AWS_REGION", "AWS_DEFAULT_REGION")
    region = settings.get("region") or next(filter(None, map(os.environ.get, names)), "")
    if not region:
        raise ProviderError(
            f"{package}:region is not set; `pulumi config set {package}:region us-east-1` sets it. "
            f"{' and '.join(names)} are not set either."
        )
    configuration = Configuration(region, (settings.get("defaultTags") or {}).get("tags") or {})
    _check_account(package, settings, caller(configuration)["Account"])
    return configuration


def _check_account(package: str, settings: Properties, account: str) -> None:
    """Raise ProviderError if the settings do not allow the account.

    The real providers' functions: for aws, `ConflictsWith` in `NewProvider` in terraform-provider-aws,
    and `VerifyAccountIDAllowed` in aws-sdk-go-base; for aws-native, `validateAccountId` in provider. An
    operation that does not run the program, such as a destroy, gets the settings from the state.
    """
    forbidden = _account_ids(package, "forbiddenAccountIds", settings)
    allowed = _account_ids(package, "allowedAccountIds", settings)
    if package == "aws" and {"allowedAccountIds", "forbiddenAccountIds"} <= settings.keys():
        raise ProviderError(
            "could not validate provider configuration: Conflicting configuration arguments: "
            '"allowed_account_ids": conflicts with forbidden_account_ids'
        )
    if account in forbidden or (allowed and account not in allowed):
        if package == "aws-native":
            reason = "forbidden account ID" if account in forbidden else "account ID not allowed"
            raise ProviderError(f"{reason} ({account})")
        # The format of `multierror.Error`, into which the bridge converts Terraform's diagnostics.
        raise ProviderError(f"1 error occurred:\n\t* AWS account ID not allowed: {account}\n\n")


def _account_ids(package: str, name: str, settings: Properties) -> list[str]:
    found = settings.get(name) or []
    if not isinstance(found, list):
        raise ProviderError(f"{package}:{name}: expected a list of account IDs, got {found}")
    return [*map(str, found)]


def caller(configuration: Configuration) -> dict[str, str]:
    """Return STS's response to GetCallerIdentity."""
    return call("get the caller identity", client("sts", configuration.region).get_caller_identity)


def _parsed(value: Any) -> Any:
    """Return a value without secret markers; JSON text is parsed."""
    value = _unmarked(value)
    try:
        return _unmarked(json.loads(value))
    except (RecursionError, TypeError, ValueError):
        return value


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() >= SECRET.keys():
            return _unmarked(value["value"])
        return {key: _unmarked(member) for key, member in value.items()}
    return [*map(_unmarked, value)] if isinstance(value, list) else value
