"""Serve HTTP on loopback within a context, and forward requests to another server."""

from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.helpers.support import TIMEOUT


class Handler(BaseHTTPRequestHandler):
    """A request handler that logs nothing."""

    def forward(self, upstream: str, body: bytes) -> tuple[int, bytes]:
        """Forward the request to another server as a POST; return the status and the response's body.

        The status is 200 for every successful response.
        """
        call = Request(upstream + self.path, body, dict(self.headers))  # noqa: S310 an address on loopback
        try:
            with urlopen(call, timeout=TIMEOUT) as answer:  # noqa: S310 an address on loopback
                return 200, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    def relay(self, upstream: str, body: bytes) -> None:
        """Forward the request to another server with its method and headers, and send the response.

        The response keeps its headers, except those about the connection, the date, and the server.
        """
        url, headers = upstream + self.path, dict(self.headers)
        call = Request(url, body or None, headers, method=self.command)  # noqa: S310 on loopback
        try:
            answer: Any = urlopen(call, timeout=TIMEOUT)  # noqa: S310 an address on loopback
        except HTTPError as error:
            answer = error
        with answer:
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(content)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 the name in the base class


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Generator[str]:
    """Serve in a thread until the context ends; return the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
