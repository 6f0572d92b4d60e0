"""Read several AWS resources at the same time."""

from collections.abc import Callable, Sequence
from contextvars import copy_context
from multiprocessing import TimeoutError as ResultTimeoutError
from multiprocessing.pool import ThreadPool
from threading import current_thread, main_thread
from typing import Final, TypeVar, cast

from roles.output import Notes

THREADS: Final = 24
"""The maximum number of simultaneous calls.

AWS publishes no rate limits for reading from IAM and Amazon Q Business. AWS throttles calls to an API if
its token bucket, which is refilled every second, is empty. `Account`'s clients slow down if throttled:
https://docs.aws.amazon.com/boto3/latest/guide/retries.html
https://aws.amazon.com/blogs/security/how-to-monitor-and-query-iam-resources-at-scale-part-2/"""
_LONGEST_WAIT: Final = 1.0
"""The maximum number of seconds before the main thread handles an interruption.

Python handles a signal in the main thread, between two instructions. If the signal comes just before a
lock is awaited, the system call does not end early, so the main thread must not wait without a limit:
https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers"""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def read_each(
    read: Callable[[_Item], _Result], items: Sequence[_Item], notes: Notes, name: str
) -> list[_Result]:
    """Read up to THREADS items at a time, show the progress, and return the results in order.

    After an error, no other reads begin, and the error is raised once the running reads end. If several
    reads fail, the error of the item that comes first is raised. If there is only one item, the calling
    thread reads it. Outside the main thread, for example inside another `read_each`, the calling thread
    reads all items, one after another. In both cases, no progress is shown.
    """
    if len(items) == 1 or current_thread() is not main_thread():
        return [read(item) for item in items]
    errors: dict[int, BaseException] = {}
    parent_context = copy_context()  # Pulumi keeps its configuration in context variables

    def read_item(numbered_item: tuple[int, _Item]) -> _Result | None:
        number, item = numbered_item
        try:
            return None if errors else parent_context.copy().run(read, item)
        except BaseException as error:  # noqa: BLE001 if uncaught, it would hang the pool
            errors[number] = error
            return None

    results: list[_Result] = []
    # The pool's threads are daemons, so an interrupted command does not wait for AWS's responses.
    with ThreadPool(min(THREADS, len(items)) or 1) as pool:
        pending_results = pool.imap(read_item, enumerate(items))
        while len(results) < len(items):
            try:
                result = pending_results.next(_LONGEST_WAIT)
            except ResultTimeoutError:
                continue
            results.append(cast("_Result", result))
            if not errors:
                notes.progress(name, len(results), len(items))
    if errors:
        raise errors[min(errors)]
    return results
