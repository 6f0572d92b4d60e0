"""Serve Git repositories over HTTPS, like an internet host.

The engine downloads packages only from HTTPS addresses. A port in an address would become part of a
directory's name, and Python does not create virtual environments in a directory whose path contains a
colon. The server is therefore a proxy that responds for every host.
"""

import datetime as dt
import os
import ssl
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.helpers.loopback import Handler, serving

HOST: Final = "git.example.com"


@contextmanager
def git_server(repositories: Path, directory: Path) -> Generator[dict[str, str]]:
    """Serve bare repositories; return the environment variables with which Git and Go find them at HOST.

    `directory` receives the server's certificate.
    """
    certificate = directory / "git-server.pem"
    _write_certificate(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class GitHandler(_Handler):
        tls = context
        root = repositories

    with serving(GitHandler, _Server) as address:
        yield {
            "HTTPS_PROXY": address,
            "GIT_SSL_CAINFO": str(certificate),
            "SSL_CERT_FILE": str(certificate),
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for every connection


class _Handler(Handler):
    protocol_version = "HTTP/1.1"
    tls: ssl.SSLContext
    root: Path

    def do_CONNECT(self) -> None:  # noqa: N802 http.server calls it
        self.send_response(200)
        self.end_headers()
        self.rfile.close()
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)

    def do_GET(self) -> None:  # noqa: N802 http.server calls it
        """Respond with git http-backend, a CGI program."""
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length", 0))
        done = subprocess.run(
            ["git", "http-backend"],
            input=self.rfile.read(length),
            env={
                **os.environ,
                "GIT_PROJECT_ROOT": str(self.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_LENGTH": str(length),
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            },
            stdout=subprocess.PIPE,
            check=True,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").partition(" ")[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def finish(self) -> None:
        super().finish()
        self.connection.close()


def _write_certificate(path: Path) -> None:
    """Write a key and a self-signed certificate for HOST."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(pem))
