"""Serve moto's IAM and STS, behind IAM's rules, on loopback.

`python -m sandbox.iam_server DIRECTORY` starts a server in the background. In that directory,
`server.json` contains its process and port, and `iam.pickle` the contents of IAM, so that nothing is
lost if the server is killed. A lock on `server.lock` shows that the server runs; deleting that file
stops it. The server outlives the command that started it, unless there is a file `owner.lock` next to
the directory. The server then stops when no process has a lock on that file: the system releases the
lock of a process that ends.
"""

import fcntl
import io
import json
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import parse_qsl, urlencode

from moto.iam.models import IAMBackend, iam_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from sandbox.iam_rules import IamError, Role, validate_request

ACCOUNT: Final = "123456789012"
"""The account of the sandbox: moto's."""
_LOCK_CHECK: Final = 0.1
"""Seconds between two checks of the lock, while no request comes."""
_READING: Final = ("Get", "List", "Simulate")
# A namespace, not an address: the SDKs look for it in error documents.
_NAMESPACE: Final = "https://iam.amazonaws.com/doc/2010-05-08/"

Start = Callable[..., Any]


class StrictIam:
    """A WSGI application: IAM's rules first, then moto; keeps the contents on disk."""

    def __init__(self, application: Any, contents: Path) -> None:
        """Load the contents that an earlier server saved."""
        self.application = application
        self.contents = contents
        # One call at a time: nothing may change between the check of a call and moto's answer.
        self.lock = threading.Lock()
        if contents.exists():
            for (account, partition), kept in pickle.loads(contents.read_bytes()).items():  # noqa: S301 our own file
                vars(iam_backends[account][partition]).update(kept)

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Answer one request."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        parameters = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        action = parameters.get("Action", "")
        with self.lock:
            try:
                validate_request(action, parameters, _roles(), _managed_policies())
            except IamError as refusal:
                return _refuse(refusal, start_response)
            except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
                # The rules assume that a call has the right shape.
                malformed = IamError(400, "ValidationError", f"malformed call: {error!r}")
                return _refuse(malformed, start_response)
            if action == "UpdateRole":
                body = _complete(parameters)
                environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
            answer: Iterable[bytes] = list(self.application(environ, start_response))
            if not action.startswith(_READING):
                self._keep()
            return answer

    def _keep(self) -> None:
        kept = {(backend.account_id, backend.partition): vars(backend) for backend in _backends()}
        unfinished = self.contents.with_suffix(".unfinished")
        unfinished.write_bytes(pickle.dumps(kept))
        unfinished.replace(self.contents)


def _backends() -> list[IAMBackend]:
    return [backend for account in iam_backends.values() for backend in account.values()]


def _roles() -> dict[str, Role]:
    return {
        role.name: Role(role.name, role.policies, tuple(tag["Key"] for tag in role.tags))
        for backend in _backends()
        for role in backend.roles.values()
    }


def _managed_policies() -> list[str]:
    return [arn for backend in _backends() for arn in backend.managed_policies]


def _complete(parameters: dict[str, str]) -> bytes:
    """Add what a call of UpdateRole omits: moto would remove it, but AWS keeps it."""
    for role in (role for backend in _backends() for role in backend.roles.values()):
        if role.name == parameters.get("RoleName"):
            kept = {"Description": role.description, "MaxSessionDuration": role.max_session_duration}
            parameters = {name: str(value) for name, value in kept.items() if value} | parameters
    return urlencode(parameters).encode()


def _refuse(refusal: IamError, start_response: Start) -> Iterable[bytes]:
    document = (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{refusal.code}</Code>'
        f"<Message>{escape(refusal.message)}</Message></Error><RequestId>sandbox</RequestId>"
        "</ErrorResponse>"
    )
    start_response(f"{refusal.status} {refusal.code}", [("Content-Type", "text/xml")])
    return [document.encode()]


def _end_with_the_holder_of(owner: Path) -> None:
    with owner.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
    os._exit(0)


def main(directory: Path) -> None:
    """Serve in a process of its own, until its lock is deleted from the directory."""
    path = directory / "server.lock"
    lock = path.open("a")
    # Acquired before the fork, so that it is locked when the parent ends.
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fork():
        os._exit(0)  # the child keeps the lock
    owner = directory.parent / "owner.lock"
    if owner.exists():
        threading.Thread(target=_end_with_the_holder_of, args=(owner,), daemon=True).start()
    with lock:
        application = StrictIam(
            DomainDispatcherApplication(create_backend_app), directory / "iam.pickle"
        )
        server = make_server(
            "127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler
        )
        # A process that waits for the file must find it complete.
        unfinished = directory / "server.json.unfinished"
        unfinished.write_text(json.dumps({"process": os.getpid(), "port": server.server_port}))
        unfinished.replace(directory / "server.json")
        server.timeout = _LOCK_CHECK
        while _is_at(path, lock):
            server.handle_request()


def _is_at(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    main(Path(sys.argv[1]))
