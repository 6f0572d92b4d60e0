"""In which environment does a command of the sandbox run?

With the real engine first on PATH; a Pulumi home, a file backend and a passphrase of its own; the
stand-in as its AWS provider; and a server on loopback in place of AWS. Everything lies in one
directory. Credentials and settings of the user for AWS, for Pulumi and for proxies stay outside.
"""

import fcntl
import importlib.metadata
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sandbox import engine

PROJECT: Final = Path(__file__).resolve().parent.parent
DIRECTORY: Final = PROJECT / ".sandbox"
PASSPHRASE: Final = "sandbox"
"""No secret: nothing in the sandbox is one. The salt in `Pulumi.dev.yaml` belongs to it."""
STACK: Final = "dev"

_SERVER_PATIENCE: Final = 120.0
"""Seconds for the server to start; it takes about one, unless the machine has much else to do."""
# Variables of the user that change what a command shows and not what it reaches.
_HARMLESS: Final = ("PULUMI_ERROR_OUTPUT_STRING", "PULUMI_OPTION_COLOR")


class SandboxError(Exception):
    """Raised when the sandbox cannot be set up; the message says what to do."""


class Sandbox:
    """One set of state, IAM and engine below one directory."""

    def __init__(self, directory: Path = DIRECTORY, engines: Path = DIRECTORY / "engine") -> None:
        """Take a directory for the state and one in which built engines are kept."""
        self.directory = directory
        self.engines = engines
        self.aws = directory / "aws"
        self.home = directory / "home"
        self.state = directory / "state"

    def prepare(self) -> dict[str, str]:
        """Mend or make what is missing, and return the environment for a command.

        Raises NoEngineError and SandboxError.
        """
        with self._lock():
            binaries = engine.directory(self.engines)
            self._install_provider()
            port = self._serve()
        self.state.mkdir(exist_ok=True)
        return self._environment(binaries, port)

    def prepare_stack(self, environment: Mapping[str, str]) -> None:
        """Make the project's stack for practising, and select it, unless it is there.

        Raises SandboxError.
        """
        with self._lock():
            self._forget_locks_of_the_dead()
            stacks = self.state / ".pulumi" / "stacks" / "qbusiness-aem-connector"
            if not any((stacks / f"{STACK}.{ending}").exists() for ending in ("json", "json.gz")):
                self._make_stack(environment)

    def _forget_locks_of_the_dead(self) -> None:
        """Do what `pulumi cancel` does for a stack whose update was killed on this machine."""
        for lock in (self.state / ".pulumi" / "locks").rglob("*.json"):
            with suppress(FileNotFoundError, json.JSONDecodeError, KeyError, PermissionError):
                try:
                    os.kill(json.loads(lock.read_text())["pid"], 0)
                except ProcessLookupError:
                    lock.unlink()

    def _make_stack(self, environment: Mapping[str, str]) -> None:
        made = subprocess.run(
            ["pulumi", "stack", "init", STACK, "--non-interactive"],
            cwd=PROJECT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise SandboxError(f"The stack {STACK} could not be made:\n{made.stderr.strip()}")

    def stop(self) -> None:
        """End the server, and forget what it and the backend held; built engines stay."""
        with self._lock():
            self.aws.mkdir(exist_ok=True)
            if self._serving():
                os.kill(int((self.aws / "server.lock").read_text()), signal.SIGTERM)
            for place in (self.aws, self.state, self.home / "workspaces"):
                shutil.rmtree(place, ignore_errors=True)

    @contextmanager
    def _lock(self) -> Generator[None]:
        """Let one process at a time set up this sandbox."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _install_provider(self) -> None:
        """Put the stand-in where the engine looks for the version that the program asks for."""
        version = importlib.metadata.version("pulumi-aws")
        plugin = self.home / "plugins" / f"resource-aws-v{version}" / "pulumi-resource-aws"
        script = (
            "#!/bin/sh\n"
            f"PYTHONPATH={shlex.quote(str(PROJECT))} exec {shlex.quote(sys.executable)} "
            f'-m sandbox.provider {version} "$@"\n'
        )
        if plugin.exists() and plugin.read_text() == script:
            return
        plugin.parent.mkdir(parents=True, exist_ok=True)
        plugin.write_text(script)
        plugin.chmod(0o755)

    def _serve(self) -> int:
        """Return the port of the server, after starting it if it is not there."""
        self.aws.mkdir(exist_ok=True)
        state = self.aws / "server.json"
        log = self.aws / "server.log"
        if not self._serving():
            state.unlink(missing_ok=True)
            with log.open("w") as output:
                subprocess.run(
                    [sys.executable, "-m", "sandbox.iam_server", str(self.aws)],
                    cwd=PROJECT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    check=False,  # its log says why
                )
        deadline = time.monotonic() + _SERVER_PATIENCE
        while not state.exists():
            if not self._serving() or time.monotonic() > deadline:
                last_line = (log.read_text().strip().splitlines() or ["it said nothing"])[-1]
                raise SandboxError(
                    f"The stand-in for IAM did not start: {last_line}\n"
                    "`venv/bin/python -m sandbox stop` forgets what it held and lets the next command "
                    f"start afresh; its log is {log}"
                )
            time.sleep(0.02)
        return json.loads(state.read_text())["port"]

    def _serving(self) -> bool:
        """Tell whether a server lives: it holds a lock that ends with it, whatever its end."""
        with (self.aws / "server.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _environment(self, binaries: Path, port: int) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in _HARMLESS
            or not (name.startswith(("AWS_", "PULUMI_")) or name.lower().endswith("_proxy"))
        }
        return kept | {
            "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PULUMI_HOME": str(self.home),
            # No notes beside each file: one that a kill leaves empty keeps the stack from being read
            # (docs/operations.md, "If the stack cannot be read").
            "PULUMI_BACKEND_URL": f"{self.state.as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            # The engine lives for a second: most of its garbage need not be collected.
            "GOGC": "400",
            # Nothing is looked up or fetched from the network.
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            # The server takes any credentials; these keep an SDK from looking for the user's.
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
