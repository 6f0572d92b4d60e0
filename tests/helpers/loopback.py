"""Serve HTTP on loopback within a context, and forward requests to another server."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.helpers.support import TIMEOUT


class Handler(BaseHTTPRequestHandler):
    """A request handler that logs nothing."""

    def forward(self, upstream: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Forward the request to another server; return the response's status, body, and headers.

        The headers exclude those of the connection and those that `answer` sends itself.
        """
        # The other server rejects this server's host.
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        url = upstream + self.path
        call = Request(url, body or None, headers, method=self.command)  # noqa: S310 on loopback
        try:
            answer: Any = urlopen(call, timeout=TIMEOUT)  # noqa: S310 an address on loopback
        except HTTPError as error:
            answer = error
        own = ("connection", "transfer-encoding", "date", "server")
        with answer:
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in own}
            return answer.status, answer.read(), headers

    def answer(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 the name in the base class


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Generator[str]:
    """Serve in a thread until the context ends; yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
