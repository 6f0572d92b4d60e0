"""Serve Git repositories over HTTPS, like an internet host.

The engine downloads packages only from HTTPS addresses. A port in an address would become part of a
directory's name, and Python does not create virtual environments in a directory whose path contains a
colon. The server is therefore a proxy that responds for every host.
"""

import os
import ssl
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.helpers.loopback import Handler, serving

HOST: Final = "git.example.com"


@contextmanager
def git_server(repositories: Path, directory: Path) -> Generator[dict[str, str]]:
    """Serve bare repositories; yield the environment variables with which Git and Go find them at HOST.

    `directory` receives the server's key and certificate.
    """
    certificate = str(directory / "certificate.pem")
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", f"{certificate}.key"]
    subject = ["-subj", "/CN=tests", "-addext", f"subjectAltName=DNS:{HOST}", "-out", certificate]
    subprocess.run(["openssl", "req", "-x509", *key, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, f"{certificate}.key")

    class GitHandler(Handler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:  # noqa: N802 http.server calls it
            self.send_response(200)
            self.end_headers()
            self.rfile.close()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)

        def do_GET(self) -> None:  # noqa: N802 http.server calls it
            """Respond with git http-backend, a CGI program."""
            path, _, query = self.path.partition("?")
            content = self.body()
            variables = {
                "GIT_PROJECT_ROOT": str(repositories),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_LENGTH": str(len(content)),
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }
            command = ["git", "http-backend"]
            output = subprocess.check_output(command, input=content, env={**os.environ, **variables})
            head, _, body = output.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            status = int(headers.pop("Status", "200").partition(" ")[0])
            self.answer(status, body, {**headers, "Content-Length": str(len(body))})

        do_POST = do_GET  # noqa: N815

        def finish(self) -> None:
            super().finish()
            self.connection.close()

    with serving(GitHandler) as address:
        yield {
            "HTTPS_PROXY": address,
            "GIT_SSL_CAINFO": certificate,
            "SSL_CERT_FILE": certificate,
        }
