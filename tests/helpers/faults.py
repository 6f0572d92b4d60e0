"""Use proxies in front of IAM to make it fail or wait.

The proxy microburst, which supports AWS's protocols, makes calls fail; a gate delays calls until a
test opens it.
"""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from select import select
from threading import Event, Semaphore, Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from urllib.request import Request, urlopen

from aiohttp import web
from microburst.app import make_app
from microburst.core.pipeline import Microburst

from tests.helpers.loopback import Handler, serving
from tests.helpers.support import TIMEOUT


class Proxy:
    """A proxy that forwards every call unless a rule matches."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def set_rules(self, *rules: dict[str, Any]) -> None:
        """Replace the rules, each of which specifies an IAM operation and an effect; clear `fired`."""
        self._call("POST", "rules", [{"service": "iam", **rule} for rule in rules])
        self._call("DELETE", "fired")

    def fired(self) -> list[str]:
        """Return the operation and the proxy's action for each use of a rule since `set_rules`."""
        return [f"{fault['operation']} {fault['action']}" for fault in self._call("GET", "fired")]

    def _call(self, method: str, path: str, body: object = None) -> Any:
        request = Request(  # noqa: S310 the proxy's own address
            f"{self.url}/_microburst/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 the proxy's own address
            return json.loads(answer.read() or b"null")


async def _started(upstream: str) -> web.AppRunner:
    # By default, the shutdown would wait for open connections.
    runner = web.AppRunner(make_app(Microburst(upstream)), access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


@contextmanager
def proxy(upstream: str) -> Generator[Proxy]:
    """Run a proxy in a thread that ends with the context or the tests' process."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(_started(upstream), loop).result()
    try:
        yield Proxy(runner.addresses[0][1])
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Stop(NamedTuple):
    """The IAM calls that wait at a gate."""

    action: str
    executed: bool = False
    """Whether IAM executes a call before the call waits."""
    role: str = ""
    """The beginning of the role's name; empty for calls with any role or none."""


class Gate:
    """IAM behind a gate, where calls wait until a test opens it."""

    def __init__(self) -> None:
        self.url = ""
        self.arrived = Semaphore(0)
        self.settled = Event()
        self.opened = False

    def wait_for_call(self) -> None:
        """Wait until one more call has arrived at the gate; fail after the timeout."""
        assert self.arrived.acquire(timeout=TIMEOUT), "no further call arrived at the gate"

    def open(self) -> None:
        """Let all later calls pass, and the waiting ones whose callers are still connected."""
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
