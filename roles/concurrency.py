"""Read several AWS resources at the same time."""

from collections.abc import Callable, Sequence
from contextvars import copy_context
from itertools import count
from queue import SimpleQueue
from threading import Event, Thread, current_thread, main_thread
from typing import Final, TypeVar

from roles.output import Notes

THREADS: Final = 24
"""The maximum number of simultaneous calls.

AWS publishes no limits for reading from IAM and Amazon Q Business. Each API has a bucket of tokens that
AWS refills every second, and calls without a token are throttled. `Account`'s clients then slow down:
https://docs.aws.amazon.com/boto3/latest/guide/retries.html
https://aws.amazon.com/blogs/security/how-to-monitor-and-query-iam-resources-at-scale-part-2/"""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def read_each(
    read: Callable[[_Item], _Result], items: Sequence[_Item], notes: Notes, name: str
) -> list[_Result]:
    """Read up to THREADS items at a time, show the progress, and return the results in order.

    After an error, no other reads begin, and the error is raised once the running reads end. If several
    reads fail, the error of the item that comes first is raised. A single item is read in the calling
    thread, without progress. Outside the main thread, for example inside another `read_each`, so are
    several items, one after another.
    """
    if len(items) == 1 or current_thread() is not main_thread():
        return [read(item) for item in items]
    results: dict[int, _Result] = {}
    errors: dict[int, BaseException] = {}
    finished: SimpleQueue[bool] = SimpleQueue()
    stop, numbers = Event(), count()

    def work() -> None:
        while not stop.is_set() and (number := next(numbers)) < len(items):
            try:
                results[number] = read(items[number])
            except BaseException as error:  # noqa: BLE001 raised in the main thread
                errors[number] = error
                stop.set()
            finished.put(True)  # noqa: FBT003
        finished.put(False)  # noqa: FBT003

    done = threads = 0
    try:
        while threads < min(THREADS, len(items)):
            # A daemon, so that an interrupted command does not wait for AWS's responses.
            # The context is copied, because Pulumi keeps its configuration in context variables.
            Thread(target=copy_context().run, args=[work], daemon=True).start()
            threads += 1
        while threads:
            if not finished.get():
                threads -= 1
            elif not errors:
                done += 1
                notes.progress(name, done, len(items))
    finally:
        stop.set()
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(items))]
