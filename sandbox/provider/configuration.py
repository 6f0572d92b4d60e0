"""Validate a provider's configuration, and look up the account of its credentials."""

import functools
import importlib.metadata
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from sandbox.provider.calls import ProviderError, call_aws, get_client

Properties = dict[str, Any]

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The protocol's marker for a value that is not known yet."""

SECRET: Final = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
"""The protocol's marker for a secret; the object with this marker also contains the value."""


_REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
_KEY: Final = re.compile(r"__config__\.get\w*\('(\w+)'\)")


class Configuration(NamedTuple):
    """A provider's configuration."""

    region: str = ""
    default_tags: Mapping[str, str] = {}
    attempts: int = 0
    """The maximum number of times that a call to IAM is tried; 0 for the default."""


def check(package: str, settings: Properties) -> tuple[Properties, list[str]]:
    """Return a provider's settings with defaults for missing ones, and the problems with the settings.

    For aws-native, return the settings unchanged, and no problems. In the real aws provider,
    `CheckConfigWithContext` in pf/tfbridge adds the defaults; in tfbridge, `validateProviderConfig`
    finds unknown keys. The problems are worded as for default providers, even for explicit ones.
    """
    if package != "aws":
        return settings, []
    known = {*_KEY.findall(_declarations()), "version", "pluginDownloadURL"}
    problems = [
        f"`aws:{key}` is not a valid configuration key for the aws provider. If the referenced key is "
        "not intended for the provider, please choose a different namespace from `aws:`."
        for key in settings
        if key not in known
    ]
    defaults = {"skipCredentialsValidation": "false", "skipRegionValidation": "true"}
    if region := _region_of_environment():
        defaults["region"] = region
    return {**defaults, **settings}, problems


def check_credentials() -> list[str]:
    """Return the reasons why the aws provider cannot use the credentials; empty if it can.

    In pulumi-aws, `preConfigureCallback` makes this check when the engine checks the configuration, and
    `credentialsFailureReason` returns the text.
    """
    try:
        caller(Configuration(_region_of_environment()))
    except ProviderError as error:
        if "Unable to locate credentials" in str(error):
            return ["No valid credential sources found."]
        if "The security token included in the request is" in str(error):
            return ["The configured AWS credentials are invalid or have expired."]
        return [f"unable to validate AWS credentials.\nDetails: {error}\n"]
    return []


@functools.cache
def _declarations() -> str:
    """Return the source of the SDK module that declares the keys; importing it would take a second."""
    package = importlib.metadata.distribution("pulumi-aws")
    return Path(str(package.locate_file("pulumi_aws/config/vars.py"))).read_text()


def _region_of_environment() -> str:
    return next(filter(None, map(os.environ.get, _REGIONS)), "")


def configure(package: str, arguments: Properties) -> Configuration:
    """Return the configuration of a package's provider.

    Raises ProviderError if the Region is missing, a setting is invalid, GetCallerIdentity fails, or the
    account is not allowed.
    """
    settings = {name: _parsed(value) for name, value in arguments.items()}
    # `applyDefaults` in tfbridge (aws) and `varsOrEnv` in provider (aws-native) find the Region.
    # The sandbox sets both variables in `_REGIONS` for its commands and its server, so the error below
    # appears only outside the sandbox. A real provider also reads the variables that a command sets
    # itself; a provider in the sandbox's server does not.
    region = settings.get("region") or _region_of_environment()
    if not region:
        raise ProviderError(
            f"{package}:region is not set; `pulumi config set {package}:region us-east-1` sets it. "
            f"{' and '.join(_REGIONS)} are not set either."
        )
    tags = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in ((settings.get("defaultTags") or {}).get("tags") or {}).items()
    }
    configuration = Configuration(region, tags, _attempts(package, settings.get("maxRetries")))
    _check_account(package, settings, caller(configuration)["Account"])
    return configuration


def _attempts(package: str, value: Any) -> int:
    if value in (None, ""):
        return 0
    if type(value) is not int or value < 0:
        raise ProviderError(
            "CheckConfig failed because of malformed resource inputs: "
            f"{package}:maxRetries: expected a whole number, 0 or more, got {value}"
        )
    return value


def _check_account(package: str, settings: Properties, account: str) -> None:
    """Raise ProviderError if the settings do not allow the account, or contain an invalid list.

    The real functions are `VerifyAccountIDAllowed` in aws-sdk-go-base (aws) and `validateAccountId` in
    pulumi-aws-native. An operation that does not run the program, such as a destroy, gets the settings
    from the state.
    """
    forbidden = _account_ids(package, "forbiddenAccountIds", settings)
    allowed = _account_ids(package, "allowedAccountIds", settings)
    if account in forbidden or (allowed and account not in allowed):
        if package == "aws-native":
            reason = "forbidden account ID" if account in forbidden else "account ID not allowed"
            raise ProviderError(f"{reason} ({account})")
        # The bridge converts Terraform's diagnostics to the format of `multierror.Error`.
        raise ProviderError(f"1 error occurred:\n\t* AWS account ID not allowed: {account}\n\n")


def _account_ids(package: str, name: str, settings: Properties) -> list[str]:
    found = settings.get(name) or []
    if not isinstance(found, list):
        raise ProviderError(f"{package}:{name}: expected a list of account IDs, got {found}")
    return [*map(str, found)]


def caller(configuration: Configuration) -> dict[str, str]:
    """Return the response to GetCallerIdentity; raise ProviderError if the call fails.

    Like `validateCredentials` in pulumi-aws, ignore `maxRetries`.
    """
    sts = get_client("sts", configuration.region)
    return call_aws("get the caller identity", sts.get_caller_identity)


def _parsed(value: Any) -> Any:
    """Return a value without secret markers, and parse it if it is JSON text."""
    value = _unmarked(value)
    try:
        return _unmarked(json.loads(value))
    except (RecursionError, TypeError, ValueError):
        return value


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() >= SECRET.keys():
            return _unmarked(value["value"])
        return {key: _unmarked(entry) for key, entry in value.items()}
    return [*map(_unmarked, value)] if isinstance(value, list) else value
