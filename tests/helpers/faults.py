"""Use proxies in front of IAM to make calls fail or wait."""

from collections.abc import Generator
from contextlib import contextmanager
from select import select
from threading import Event, Lock, Semaphore
from typing import NamedTuple
from urllib.parse import parse_qsl

from tests.helpers.loopback import Handler, serving
from tests.helpers.support import TIMEOUT


class Failure(NamedTuple):
    """A call that fails once."""

    role: str
    """The beginning of the role's name."""
    call: str
    fault: str
    """`Throttling`, `connection-reset`, or, if IAM executes the call, `reply-lost`."""


class Proxy(NamedTuple):
    """A proxy that forwards calls and makes the calls in `failures` fail."""

    url: str
    failures: list[Failure]


@contextmanager
def proxy(upstream: str) -> Generator[Proxy]:
    failures: list[Failure] = []
    lock = Lock()

    class FailingHandler(Handler):
        def do_POST(self) -> None:  # noqa: N802 http.server calls it
            body = self.body()
            call = dict(parse_qsl(body.decode()))
            role = call.get("RoleName", "")
            fault = ""
            with lock:
                for failure in failures:
                    if failure.call == call["Action"] and role.startswith(failure.role):
                        fault = failure.fault
                        failures.remove(failure)
                        break
            if fault == "Throttling":
                error = f"<Error><Code>{fault}</Code><Message>Rate exceeded</Message></Error>"
                self.answer(400, f"<ErrorResponse>{error}</ErrorResponse>".encode())
            elif fault == "reply-lost":
                self.forward(upstream, body)
                self.answer(200, b"9\r\n<", {"Transfer-Encoding": "chunked"})
            elif not fault:
                self.answer(*self.forward(upstream, body))

    with serving(FailingHandler) as url:
        yield Proxy(url, failures)


class Stop(NamedTuple):
    """The IAM calls that wait at a gate."""

    action: str
    executed: bool = False
    """Whether IAM executes a call before the call waits."""
    role: str = ""
    """The beginning of the role's name; empty for calls with any role or none."""


class Gate:
    """A gate in front of IAM, where calls wait until a test opens the gate."""

    def __init__(self) -> None:
        self.url = ""
        self.arrived = Semaphore(0)
        self.settled = Event()
        self.opened = False

    def wait_for_call(self) -> None:
        """Wait until one more call has arrived at the gate; fail after the timeout."""
        assert self.arrived.acquire(timeout=TIMEOUT), "no further call arrived at the gate"

    def open(self) -> None:
        """Release the waiting calls whose callers are still connected, and let all later calls pass."""
        self.opened = True
        self.settled.set()


@contextmanager
def gate(upstream: str, *stops: Stop) -> Generator[Gate]:
    """Run a gate in front of IAM; calls that are waiting when the context ends get no response."""
    closed = Gate()

    class GateHandler(Handler):
        def do_POST(self) -> None:  # noqa: N802 http.server calls it
            body = self.body()
            call = dict(parse_qsl(body.decode()))
            executed = [
                stop.executed
                for stop in stops
                if stop.action == call["Action"] and call.get("RoleName", "").startswith(stop.role)
            ]
            if False in executed and not self.passes():
                return
            answer = self.forward(upstream, body)
            if True in executed and not self.passes():
                return
            self.answer(*answer)

        def passes(self) -> bool:
            closed.arrived.release()
            closed.settled.wait()
            # A caller that waits sends nothing; a caller that retries has closed its connection.
            disconnected = select([self.connection], [], [], 0)[0]
            return closed.opened and not disconnected

    with serving(GateHandler) as closed.url:
        try:
            yield closed
        finally:
            closed.settled.set()
