"""Call AWS with botocore; only functions import botocore, so that importing this module is fast."""

import functools
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

_RESPONSE_TIMEOUT: Final = 30
"""Timeout for a connection and for a response, in seconds."""
_CONFLICT_RETRY_TIMEOUT: Final = 2
"""Retry timeout after DeleteConflict, in seconds; 120 in the real provider (`propagationTimeout`)."""
MAXIMUM_CONCURRENT_CALLS: Final = 16
"""Maximum number of concurrent engine requests, and of each client's connections to AWS."""
_SESSION_LOCK: Final = threading.Lock()
"""The lock for the session, which, unlike a client, is not thread-safe."""


class ProviderError(Exception):
    """Raised when an operation fails; the message is for the user."""


@functools.cache
def _get_session() -> Any:
    # Import botocore late, so that a provider can first send its port to the engine.
    import botocore.session

    return botocore.session.get_session()


def look_up_partition(region: str) -> tuple[str, str]:
    """Return a Region's partition and the DNS suffix of that partition.

    Raises botocore's UnknownRegionError if no partition can contain the Region.
    """
    with _SESSION_LOCK:
        partition = _get_session().get_partition_for_region(region)
        endpoint_resolver = _get_session().get_component("endpoint_resolver")
        return partition, endpoint_resolver.get_partition_dns_suffix(partition)


def get_client(service: str, region: str, maximum_attempts: int = 0) -> Any:
    """Return the thread-safe client for a service; raise ProviderError outside the sandbox.

    `maximum_attempts` is the maximum number of times that a call is tried; 0 means three times, unless
    AWS_MAX_ATTEMPTS is set.
    """
    with _SESSION_LOCK:
        return _create_client(service, region, maximum_attempts)


@functools.cache
def _create_client(service: str, region: str, maximum_attempts: int) -> Any:
    from botocore.config import Config

    if "AWS_ENDPOINT_URL" not in os.environ:
        raise ProviderError("this works only in the sandbox: `python -m sandbox run -- COMMAND`")
    config = Config(
        connect_timeout=_RESPONSE_TIMEOUT,
        read_timeout=_RESPONSE_TIMEOUT,
        max_pool_connections=MAXIMUM_CONCURRENT_CALLS,
        retries={"total_max_attempts": maximum_attempts} if maximum_attempts else {"mode": "standard"},
    )
    client = _get_session().create_client(service, region_name=region, config=config)
    client.meta.events.register_first("needs-retry", _reject_cut_reply)
    return client


def _reject_cut_reply(caught_exception: Exception | None, **_: object) -> None:
    """Raise ProviderError if a response ends too early; the real provider does not retry such a call.

    AWS may have executed the call. The AWS SDK for Go returns a DeserializationError (for example, in
    `awsAwsquery_deserializeOpCreateRole`), which `DefaultRetryables` does not contain.
    """
    cause = str(getattr(caught_exception, "kwargs", {}).get("error"))
    if "IncompleteRead" in cause or "ended prematurely" in cause:  # urllib3's messages
        message = "deserialization failed, failed to decode response body, unexpected EOF"
        raise ProviderError(message) from caught_exception


def call_aws(operation: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function that calls AWS, and return its result; raise ProviderError if a call fails.

    The error's message begins with the operation. A call that gets no response also fails.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return function(*arguments)
    except (BotoCoreError, ClientError, ProviderError) as error:
        raise ProviderError(f"{operation}: {error}") from error


def ignore_not_found(operation: Callable[..., Any], **parameters: str) -> Any:
    """Call AWS and return the response; None if the entity does not exist."""
    from botocore.exceptions import ClientError

    try:
        return operation(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchEntity", "ResourceNotFoundException"):
            return None
        raise


def delete_after_conflicts(operation: Callable[..., Any], **parameters: str) -> None:
    """Delete an entity if it exists, and retry after DeleteConflict until `_CONFLICT_RETRY_TIMEOUT`.

    In the real provider, `deleteRole` does this.
    """
    from botocore.exceptions import ClientError

    deadline = time.monotonic() + _CONFLICT_RETRY_TIMEOUT
    while True:
        try:
            ignore_not_found(operation, **parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] != "DeleteConflict" or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
