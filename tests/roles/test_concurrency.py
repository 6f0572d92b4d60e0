"""Tests `roles/concurrency.py`, which reads several items at the same time."""

import os
import signal
import subprocess
import sys
from _thread import interrupt_main
from threading import Barrier, Event

import pytest
from werkzeug.wrappers import Request, Response

from roles.concurrency import THREADS, read_each
from roles.output import Notes
from sandbox.environment import PROJECT
from tests.helpers.support import TIMEOUT
from tests.helpers.world import World

QUIET = Notes("test")


def test_concurrent_results_keep_order_of_items():
    together = Barrier(THREADS, timeout=TIMEOUT)

    def read(item: int) -> int:
        if item < THREADS:
            together.wait()
        return -item

    items = range(3 * THREADS)
    assert read_each(read, items, QUIET, "items") == [-item for item in items]
    assert read_each(read, [], QUIET, "items") == []


def test_error_from_first_item_is_raised_and_reading_stops():
    seen: list[int] = []
    others_failed = Event()

    def read(item: int) -> None:
        seen.append(item)
        if item == 0:
            others_failed.wait(TIMEOUT)
        elif item == 1:
            others_failed.set()
        raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        read_each(read, range(1_000), QUIET, "items")
    assert len(seen) <= 2 * THREADS


def test_interruption_just_before_wait_does_not_wait_for_pending_calls():
    answered = Event()
    answers: list[bool] = []

    def read(item: int) -> None:
        if item == 0:
            interrupt_main()  # sets the signal's flag, and ends no system call
        answers.append(answered.wait(TIMEOUT))

    try:
        with pytest.raises(KeyboardInterrupt):
            read_each(read, range(2), QUIET, "items")
        assert answers == []
    finally:
        answered.set()


@pytest.mark.slow
def test_interruption_does_not_wait_for_pending_calls(world: World):
    for number in range(2):  # the main thread would read a single data source itself
        world.add_own(name=f"Pages-{number}")
    begun, answered = Event(), Event()
    answer = world.server.qbusiness.answer

    def wait(request: Request) -> Response:
        if "/datasources/" in request.path:
            begun.set()
            answered.wait(TIMEOUT)
        return answer(request)

    world.patch.setattr(world.server.qbusiness, "answer", wait)
    with subprocess.Popen(
        [sys.executable, "-m", "roles", "audit"],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert begun.wait(TIMEOUT)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=TIMEOUT / 2)
        answered.set()
    assert (process.returncode, said) == (130, ("", "audit: interrupted\n"))
