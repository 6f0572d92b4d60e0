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


_REGION_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
_KEY_PATTERN: Final = re.compile(r"__config__\.get\w*\('(\w+)'\)")


class Configuration(NamedTuple):
    """A provider's configuration."""

    region: str = ""
    default_tags: Mapping[str, str] = {}
    maximum_attempts: int = 0
    """The maximum number of times that a call to IAM is tried; 0 for the default."""


def check_settings(package: str, settings: Properties) -> tuple[Properties, list[str]]:
    """Return a provider's settings with defaults for missing ones, and the problems with the settings.

    For aws-native, return the settings unchanged, and no problems. In the real aws provider,
    `CheckConfigWithContext` in pf/tfbridge adds the defaults; in tfbridge, `validateProviderConfig`
    finds unknown keys. The problems are worded as for default providers, even for explicit ones.
    """
    if package != "aws":
        return settings, []
    declared_keys = _KEY_PATTERN.findall(_read_sdk_declarations())
    valid_keys = {*declared_keys, "version", "pluginDownloadURL"}
    problems = [
        f"`aws:{key}` is not a valid configuration key for the aws provider. If the referenced key is "
        "not intended for the provider, please choose a different namespace from `aws:`."
        for key in settings
        if key not in valid_keys
    ]
    defaults = {"skipCredentialsValidation": "false", "skipRegionValidation": "true"}
    if region := _find_region_in_environment():
        defaults["region"] = region
    return {**defaults, **settings}, problems


def check_credentials() -> list[str]:
    """Return the reasons why the aws provider cannot use the credentials; empty if it can.

    In pulumi-aws, `preConfigureCallback` makes this check when the engine checks the configuration, and
    `credentialsFailureReason` returns the text.
    """
    try:
        read_caller_identity(Configuration(_find_region_in_environment()))
    except ProviderError as error:
        if "Unable to locate credentials" in str(error):
            return ["No valid credential sources found."]
        if "The security token included in the request is" in str(error):
            return ["The configured AWS credentials are invalid or have expired."]
        return [f"unable to validate AWS credentials.\nDetails: {error}\n"]
    return []


@functools.cache
def _read_sdk_declarations() -> str:
    """Return the source of the SDK module that declares the keys; importing it would take a second."""
    distribution = importlib.metadata.distribution("pulumi-aws")
    module = Path(str(distribution.locate_file("pulumi_aws/config/vars.py")))
    return module.read_text()


def _find_region_in_environment() -> str:
    """Return the Region in the first environment variable that is set; empty if none is set."""
    return next(filter(None, map(os.environ.get, _REGION_VARIABLES)), "")


def configure_provider(package: str, arguments: Properties) -> Configuration:
    """Return the configuration of a package's provider.

    `arguments` are the settings as the engine sends them: JSON text, and possibly marked as secret.
    Raises ProviderError if the Region is missing, a setting is invalid, GetCallerIdentity fails, or the
    account is not allowed.
    """
    settings = {key: _parse_setting(argument) for key, argument in arguments.items()}
    # `applyDefaults` in tfbridge (aws) and `varsOrEnv` in provider (aws-native) find the Region.
    # The sandbox sets both variables in `_REGION_VARIABLES` for its commands and its server, so the
    # error below appears only outside the sandbox. A real provider also reads the variables that a
    # command sets itself; a provider in the sandbox's server does not.
    region = settings.get("region") or _find_region_in_environment()
    if not region:
        raise ProviderError(
            f"{package}:region is not set; `pulumi config set {package}:region us-east-1` sets it. "
            f"{' and '.join(_REGION_VARIABLES)} are not set either."
        )
    default_tags = {
        tag_key: tag_value if isinstance(tag_value, str) else json.dumps(tag_value)
        for tag_key, tag_value in ((settings.get("defaultTags") or {}).get("tags") or {}).items()
    }
    maximum_attempts = _parse_maximum_attempts(package, settings.get("maxRetries"))
    configuration = Configuration(region, default_tags, maximum_attempts)
    account_id = read_caller_identity(configuration)["Account"]
    _check_account(package, settings, account_id)
    return configuration


def _parse_maximum_attempts(package: str, max_retries: Any) -> int:
    if max_retries in (None, ""):
        return 0
    if type(max_retries) is not int or max_retries < 0:
        raise ProviderError(
            "CheckConfig failed because of malformed resource inputs: "
            f"{package}:maxRetries: expected a whole number, 0 or more, got {max_retries}"
        )
    return max_retries


def _check_account(package: str, settings: Properties, account_id: str) -> None:
    """Raise ProviderError if the settings do not allow the account, or contain an invalid list.

    The real functions are `VerifyAccountIDAllowed` in aws-sdk-go-base (aws) and `validateAccountId` in
    pulumi-aws-native. An operation that does not run the program, such as a destroy, gets the settings
    from the state.
    """
    forbidden_ids = _get_account_ids(package, "forbiddenAccountIds", settings)
    allowed_ids = _get_account_ids(package, "allowedAccountIds", settings)
    is_forbidden = account_id in forbidden_ids
    is_not_allowed = bool(allowed_ids) and account_id not in allowed_ids
    if not (is_forbidden or is_not_allowed):
        return
    if package == "aws-native":
        reason = "forbidden account ID" if is_forbidden else "account ID not allowed"
        raise ProviderError(f"{reason} ({account_id})")
    # The bridge converts Terraform's diagnostics to the format of `multierror.Error`.
    raise ProviderError(f"1 error occurred:\n\t* AWS account ID not allowed: {account_id}\n\n")


def _get_account_ids(package: str, key: str, settings: Properties) -> list[str]:
    """Return the account IDs in a setting; raise ProviderError if the setting is not a list."""
    account_ids = settings.get(key) or []
    if not isinstance(account_ids, list):
        raise ProviderError(f"{package}:{key}: expected a list of account IDs, got {account_ids}")
    return [*map(str, account_ids)]


def read_caller_identity(configuration: Configuration) -> dict[str, str]:
    """Return the response to GetCallerIdentity; raise ProviderError if the call fails.

    Like `validateCredentials` in pulumi-aws, ignore `maxRetries`.
    """
    sts = get_client("sts", configuration.region)
    return call_aws("get the caller identity", sts.get_caller_identity)


def _parse_setting(argument: Any) -> Any:
    """Return a setting without secret markers, and parse it if it is JSON text."""
    plain_argument = _remove_secret_markers(argument)
    try:
        return _remove_secret_markers(json.loads(plain_argument))
    except (RecursionError, TypeError, ValueError):
        return plain_argument


def _remove_secret_markers(json_value: Any) -> Any:
    if isinstance(json_value, dict):
        if json_value.keys() >= SECRET.keys():
            return _remove_secret_markers(json_value["value"])
        return {key: _remove_secret_markers(content) for key, content in json_value.items()}
    if isinstance(json_value, list):
        return [*map(_remove_secret_markers, json_value)]
    return json_value
