"""Set up the sandbox, and the environment for commands that run in it.

The real engine comes first on PATH. The environment has its own Pulumi home, file backend, and
passphrase, and a server on loopback in place of AWS. The engine attaches to the providers in that
server, because starting them for each command would be slower. By default, all of the sandbox's files
are in `.sandbox`. The environment does not contain the user's credentials or settings for AWS, Pulumi,
or proxies, except two Pulumi variables that change only a command's output.
"""

import fcntl
import hashlib
import importlib.metadata
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from sandbox import engine, plugin

PROJECT: Final = Path(__file__).resolve().parent.parent
DIRECTORY: Final = PROJECT / ".sandbox"
PASSPHRASE: Final = "sandbox"
"""The passphrase is public, because the sandbox has no real secrets. `Pulumi.dev.yaml` has its salt."""
STACK: Final = "dev"
REGION: Final = "us-east-1"
"""The Region of the stack `dev` and of commands in the sandbox."""
EXAMPLE_STACK: Final = "example"
"""The name of both stacks that `make example` deploys: one with roles, and one with data sources."""
EXAMPLE: Final = PROJECT / "examples" / "data-source"
EXAMPLE_NAME: Final = "qbusiness-data-sources"
AWS_CLI: Final = PROJECT / "sandbox" / "bin"
"""The directory with an `aws` command for machines without the AWS CLI."""
PACKAGES: Final = ("aws", "aws-native")
PROJECT_NAME: Final = "qbusiness-aem-connector"

_RESET: Final = "`make down` resets the sandbox."
_START_TIMEOUT: Final = 120.0
"""Seconds to wait for the server to start; on an idle machine, it takes about one second."""
_END_TIMEOUT: Final = 5.0
"""Seconds to wait for the server to stop; after that, the server is ignored."""
# The user's variables that change only a command's output.
_HARMLESS: Final = ("PULUMI_ERROR_OUTPUT_STRING", "PULUMI_OPTION_COLOR")
# With the first two variables, Python does not find venv/ or the program. With the others, a shell runs
# the user's startup files, which may set the variables that are removed here.
_HARMFUL: Final = ("PYTHONHOME", "PYTHONSAFEPATH", "BASH_ENV", "ENV")


class SandboxError(Exception):
    """Raised when the sandbox cannot be set up; the message contains the next step."""


class Sandbox:
    """A sandbox, with its Pulumi state and AWS server in one directory."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        """Use a directory for the sandbox's files."""
        self.directory = directory
        self.aws = directory / "aws"
        self.state = directory / "state"

    @property
    def home(self) -> Path:
        """Pulumi's home directory.

        If a plugin is selected, this is a separate directory, so that the plugin stays in effect in an
        open shell even if another command uses the provider's stand-in.
        """
        return self.directory / ("home-with-plugin" if plugin.is_selected() else "home")

    def prepare(self) -> dict[str, str]:
        """Create or repair the sandbox, and return the environment for a command.

        Raises NoEngineError, NoPluginError, or SandboxError if that fails.
        """
        with self._lock():
            binaries = engine.prepare_engine()
            self._install_providers(binaries)
            server = self._serve()
        self.state.mkdir(exist_ok=True)
        return self._environment(binaries, server)

    def has_stack(self, project_name: str, stack: str) -> bool:
        """Return whether a project has a stack with this name."""
        stacks = self.state / ".pulumi" / "stacks" / project_name
        return any((stacks / f"{stack}.{ending}").exists() for ending in ("json", "json.gz"))

    def prepare_stack(self, environment: Mapping[str, str]) -> None:
        """Create and select the stack `dev`; if it exists, select it only if no stack is selected.

        Also remove the locks of killed updates. Raises SandboxError if Pulumi fails.
        """
        with self._lock():
            self._remove_stale_locks()
            if not self.has_stack(PROJECT_NAME, STACK):
                self._use_stack("init", environment)
            elif not [*(self.home / "workspaces").glob(f"{PROJECT_NAME}-*-workspace.json")]:
                self._use_stack("select", environment)

    def _remove_stale_locks(self) -> None:
        """Remove the locks of processes that are not running on this machine, such as killed updates."""
        for lock in (self.state / ".pulumi" / "locks").rglob("*.json"):
            with suppress(
                OSError, KeyError, TypeError, ValueError
            ):  # the lock was deleted, or is not one of Pulumi's locks
                if not _runs(json.loads(lock.read_text())["pid"]):
                    lock.unlink()

    def _use_stack(self, operation: str, environment: Mapping[str, str]) -> None:
        done = subprocess.run(
            ["pulumi", "stack", operation, STACK, "--non-interactive"],
            cwd=PROJECT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SandboxError(
                f"`pulumi stack {operation} {STACK}` failed:\n{done.stderr.strip()}\n{_RESET}"
            )

    def stop(self) -> None:
        """Stop the server, and delete its files, the backend, and the records of selected stacks.

        Built engines and plugins are kept.
        """
        with self._lock():
            self._end_server()
            for place in (self.aws, self.state, *self.directory.glob("home*/workspaces")):
                shutil.rmtree(place, ignore_errors=True)

    def _end_server(self) -> None:
        """Delete the server's lock, which stops the server, and wait a few seconds for it to stop.

        No signal is sent, because the process ID may be from another container or may have been reused.
        """
        self.aws.mkdir(exist_ok=True)
        path = self.aws / "server.lock"
        with path.open("a") as lock:
            path.unlink()
            deadline = time.monotonic() + _END_TIMEOUT
            while not _take(lock) and time.monotonic() < deadline:
                time.sleep(0.02)

    @contextmanager
    def _lock(self) -> Generator[None]:
        """Prevent two processes from setting up this sandbox at the same time."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _install_providers(self, binaries: Path) -> None:
        """Install each provider's stand-in, or a link to its selected plugin, under the SDK's version.

        The installed stand-ins are for engines that do not attach to the server.
        """
        for package in PACKAGES:
            try:
                version = importlib.metadata.version(f"pulumi-{package}")
            except importlib.metadata.PackageNotFoundError:
                continue  # `make example` installs pulumi-aws-native
            name = f"resource-{package}"
            installed = self.home / "plugins" / f"{name}-v{version}" / f"pulumi-{name}"
            installed.parent.mkdir(parents=True, exist_ok=True)
            if package == "aws" and plugin.is_selected():
                found = plugin.find(engine.CACHE / "plugins", version, binaries / "pulumi")
                installed.unlink(missing_ok=True)
                installed.symlink_to(found)
                continue
            script = (
                "#!/bin/sh\n"
                f"PYTHONPATH={shlex.quote(str(PROJECT))} exec {shlex.quote(sys.executable)} "
                f'-m sandbox.provider {package} "$@"\n'
            )
            installed.write_text(script)
            installed.chmod(0o755)

    def _serve(self) -> dict[str, Any]:
        """Return the contents of `server.json`; start the server if necessary.

        A server whose source files have changed is replaced. Raises SandboxError if the server does not
        start.
        """
        self.aws.mkdir(exist_ok=True)
        state = self.aws / "server.json"
        log = self.aws / "server.log"
        sources = _digest_sources()
        if self._serving() and _read(state).get("sources") != sources:
            self._end_server()
        if not self._serving():
            state.unlink(missing_ok=True)
            with log.open("w") as output:
                subprocess.run(
                    # With -E, Python ignores the user's PYTHON* variables, such as PYTHONPATH.
                    [sys.executable, "-E", "-m", "sandbox.aws_server", str(self.aws), sources],
                    cwd=PROJECT,
                    env=_kept_variables(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    check=False,  # the log contains the error
                )
        deadline = time.monotonic() + _START_TIMEOUT
        while not state.exists():
            if not self._serving() or time.monotonic() > deadline:
                last_line = (log.read_text().strip().splitlines() or ["its log is empty"])[-1]
                raise SandboxError(
                    f"The sandbox's AWS server did not start: {last_line}\nIts log is {log}\n{_RESET}"
                )
            time.sleep(0.02)
        return _read(state)

    def _serving(self) -> bool:
        """Return whether a server is running; a running server holds the lock."""
        with (self.aws / "server.lock").open("a") as lock:
            return not _take(lock)

    def _environment(self, binaries: Path, server: Mapping[str, Any]) -> dict[str, str]:
        providers = ",".join(
            f"{package}:{port}"
            for package, port in server["providers"].items()
            if not (package == "aws" and plugin.is_selected())
        )
        return {
            **_kept_variables(),
            "PATH": os.pathsep.join((str(binaries), os.environ.get("PATH", os.defpath), str(AWS_CLI))),
            "PULUMI_HOME": str(self.home),
            # Write no `.attrs` files, because a crash can leave one empty, and Pulumi then cannot read
            # the stack.
            "PULUMI_BACKEND_URL": f"{self.state.as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_DEBUG_PROVIDERS": providers,
            # The engine runs for about a second, so less garbage collection makes it faster.
            "GOGC": "400",
            # Do not access the network.
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            **aws_variables(server["port"]),
        }


def aws_variables(port: int) -> dict[str, str]:
    """Return the variables with which AWS SDKs call the server on the given port."""
    return {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,  # version 1 of the AWS CLI reads only this name
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        # The server accepts any credentials. These variables keep an SDK from using the user's
        # credentials.
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def _digest_sources() -> str:
    """Return a digest of the source and requirements files; if it changes, the server is replaced."""
    files = [*Path(__file__).parent.rglob("[!.]*.py"), *PROJECT.glob("requirements*.txt")]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in sorted(files))).hexdigest()


def _read(state: Path) -> dict[str, Any]:
    """Return the contents of `server.json`; empty if the file is damaged or missing."""
    try:
        return json.loads(state.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def _kept_variables() -> dict[str, str]:
    """Return the user's variables, except `_HARMFUL` ones and those for AWS, moto, Pulumi, and proxies.

    `_HARMLESS` variables are kept.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name in _HARMLESS
        or not (
            name in _HARMFUL
            or name.startswith(("AWS_", "MOTO_", "PULUMI_"))
            or name.lower().endswith("_proxy")
        )
    }


def _runs(process: int) -> bool:
    """Return whether a process is running; zombies, which some containers never reap, do not count."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{process}/stat")  # only on Linux; the state follows the name in parentheses
    return not status.exists() or status.read_text().rpartition(") ")[2][:1] != "Z"


def _take(lock: IO[str]) -> bool:
    """Try to acquire a lock; return False if another process holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
