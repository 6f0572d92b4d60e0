"""How do tests make IAM fail? By microburst, a proxy that knows AWS's protocols, in front of it."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

_PATIENCE = 15.0
"""Seconds for the proxy to start; it takes about one."""


class Proxy:
    """A proxy that lets everything through until it is told otherwise."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def set_rules(self, *rules: dict[str, Any]) -> None:
        """Replace the rules: each names an operation of IAM and what shall become of it."""
        self._call("POST", "rules", [{"service": "iam", **rule} for rule in rules])
        self._call("DELETE", "fired")

    def fired(self) -> list[str]:
        """Return which rules have fired, as operation and action."""
        return [f"{it['operation']} {it['action']}" for it in self._call("GET", "fired")]

    def _call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 our own address
            f"{self.url}/_microburst/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 our own address
            return json.loads(answer.read() or b"null")


@contextmanager
def proxy(upstream: str) -> Generator[Proxy]:
    """Run a proxy on a free port for as long as the context lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "microburst", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--upstream", upstream], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        started = Proxy(port)
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                started.fired()
                break
            except urllib.error.URLError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield started
    finally:
        process.kill()  # a polite end would wait for the connections that it holds open
        process.wait()
