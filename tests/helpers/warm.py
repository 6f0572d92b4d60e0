"""Run the programs of the tests' stacks in processes that have already imported modules.

Starting Python and importing Pulumi's SDK would take half of an operation's time. A stack's
`venv/bin/python` is a script that passes its arguments, environment, directory, and descriptors to a
server, which forks; Pulumi's language host starts the script as if it were Python. With COLD_PROGRAMS=1,
Python starts as it does for a user.
"""

import ast
import gc
import importlib
import io
import os
import runpy
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from typing import Final

from sandbox.environment import PROJECT
from tests.helpers.support import TIMEOUT

COLD: Final = {"COLD_PROGRAMS": "1"}
"""Variables that make programs start as they do for a user.

Interrupted operations need them, because a killed language host must not leave a forked process.
"""
_PYTHON: Final = PROJECT / "venv" / "bin" / "python"


@contextmanager
def warm_programs(directory: Path) -> Generator[Path]:
    """Start the server, and yield the directory of a virtual environment whose Python uses the server.

    The server needs Linux; on other systems, programs start as they do for a user.
    """
    if sys.platform != "linux":
        yield PROJECT / "venv"
        return
    virtual_environment = directory / "venv"
    script = virtual_environment / "bin" / "python"
    script.parent.mkdir(parents=True)
    for name in ("lib", "pyvenv.cfg", "bin/qbusiness-roles"):
        (virtual_environment / name).symlink_to(PROJECT / "venv" / name)
    name = f"programs-{uuid.uuid4()}"
    script.write_text(f"""\
#!{_PYTHON} -IS
import os, signal, socket, sys
if os.environ.get("COLD_PROGRAMS") or not "".join(sys.argv[2:3]).endswith("-python-exec"):
    os.execv({str(_PYTHON)!r}, [{str(_PYTHON)!r}, *sys.argv[1:]])
signal.signal(signal.SIGINT, signal.SIG_IGN)  # the fork ends with its caller
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    server.connect({_address(name)!r})
    request = repr((sys.argv[2:], dict(os.environ), os.getcwd())).encode()
    socket.send_fds(server, [request], [0, 1, 2])
    sys.exit(int(server.recv(16) or b"1"))
""")
    script.chmod(0o755)
    command = [sys.executable, "-m", "tests.helpers.warm", name]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.read(1), "the server of programs did not start"
        try:
            yield virtual_environment
        finally:
            server.stdin.close()
            server.wait(TIMEOUT)


def _address(name: str) -> str:
    """Return an address that needs no file, because a file's path could be too long."""
    return f"\0{name}"


def serve(name: str) -> Callable[[], object] | None:
    """Import modules, then fork for each request; in a fork, return a function that runs the program.

    In the server, return None when standard input ends. An intermediate process kills the program if the
    requesting process ends; otherwise, it sends the program's exit code to the requesting process.
    """
    for module in ("pulumi.runtime", "pulumi.dynamic", "pulumi_aws.iam", "grpc.aio"):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(_address(name))
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing waits for the intermediate processes
    os.write(1, b"1")
    while sys.stdin not in select([listener, sys.stdin], [], [])[0]:
        client, _ = listener.accept()
        if os.fork():
            client.close()
            continue
        listener.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        request, descriptors, *_ = socket.recv_fds(client, 1 << 20, 3)
        process = os.fork()
        if not process:
            client.close()
            return lambda: _become(request, descriptors)
        if client in select([client, os.pidfd_open(process)], [], [])[0]:
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        with suppress(OSError):
            client.send(str(os.waitstatus_to_exitcode(status)).encode())
        return None
    return None


def _become(request: bytes, descriptors: list[int]) -> None:
    """Take the place of the requesting process and run its script."""
    arguments, environment, directory = ast.literal_eval(request.decode())
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).parent)
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, io.TextIOWrapper)
        stream.reconfigure(line_buffering=True, write_through=True)  # as with python -u
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    if program := serve(sys.argv[1]):
        program()
