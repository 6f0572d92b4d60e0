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
EXAMPLE_DIRECTORY: Final = PROJECT / "examples" / "data-source"
EXAMPLE_PROJECT_NAME: Final = "qbusiness-data-sources"
AWS_CLI: Final = PROJECT / "sandbox" / "bin"
"""The directory with an `aws` command for machines without the AWS CLI."""
PROVIDER_PACKAGES: Final = ("aws", "aws-native")
PROJECT_NAME: Final = "qbusiness-aem-connector"

_RESET_ADVICE: Final = "`make down` resets the sandbox."
_START_TIMEOUT: Final = 120.0
"""Seconds to wait for the server to start; on an idle machine, it takes about one second."""
_END_TIMEOUT: Final = 5.0
"""Seconds to wait for the server to stop; after that, the server is ignored."""
# The user's variables that change only a command's output.
_HARMLESS_VARIABLES: Final = ("PULUMI_ERROR_OUTPUT_STRING", "PULUMI_OPTION_COLOR")
# With the first two variables, Python does not find venv/ or the program. With the others, a shell runs
# the user's startup files, which may set the variables that are removed here.
_HARMFUL_VARIABLES: Final = ("PYTHONHOME", "PYTHONSAFEPATH", "BASH_ENV", "ENV")


class SandboxError(Exception):
    """Raised when the sandbox cannot be set up; the message contains the next step."""


class Sandbox:
    """A sandbox, with its Pulumi state and AWS server in one directory."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        """Use a directory for the sandbox's files."""
        self.directory = directory
        self.aws_directory = directory / "aws"
        self.state_directory = directory / "state"

    @property
    def pulumi_home(self) -> Path:
        """Pulumi's home directory.

        If a plugin is selected, this is a separate directory, so that the plugin stays in effect in an
        open shell even if another command uses the provider's stand-in.
        """
        return self.directory / ("home-with-plugin" if plugin.is_selected() else "home")

    def prepare(self) -> dict[str, str]:
        """Create or repair the sandbox, and return the environment for a command.

        Raises NoEngineError, NoPluginError, or SandboxError if that fails.
        """
        with self._hold_setup_lock():
            binaries = engine.prepare_engine()
            self._install_providers(binaries)
            server_state = self._prepare_server()
        self.state_directory.mkdir(exist_ok=True)
        return self._build_environment(binaries, server_state)

    def has_stack(self, project_name: str, stack: str) -> bool:
        """Return whether a project has a stack with this name."""
        stack_files = self.state_directory / ".pulumi" / "stacks" / project_name
        return any((stack_files / f"{stack}.{ending}").exists() for ending in ("json", "json.gz"))

    def prepare_stack(self, environment: Mapping[str, str]) -> None:
        """Create and select the stack `dev`; if it exists, select it only if no stack is selected.

        Also remove the locks of killed updates. Raises SandboxError if Pulumi fails.
        """
        with self._hold_setup_lock():
            self._remove_stale_locks()
            if not self.has_stack(PROJECT_NAME, STACK):
                self._use_stack("init", environment)
            elif not [*(self.pulumi_home / "workspaces").glob(f"{PROJECT_NAME}-*-workspace.json")]:
                self._use_stack("select", environment)

    def _remove_stale_locks(self) -> None:
        """Remove the locks of processes that are not running on this machine, such as killed updates."""
        for lock_file in (self.state_directory / ".pulumi" / "locks").rglob("*.json"):
            # The lock was deleted, or is not one of Pulumi's locks.
            with suppress(OSError, KeyError, TypeError, ValueError):
                process_id = json.loads(lock_file.read_text())["pid"]
                if not _is_running(process_id):
                    lock_file.unlink()

    def _use_stack(self, operation: str, environment: Mapping[str, str]) -> None:
        process = subprocess.run(
            ["pulumi", "stack", operation, STACK, "--non-interactive"],
            cwd=PROJECT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if process.returncode:
            raise SandboxError(
                f"`pulumi stack {operation} {STACK}` failed:\n{process.stderr.strip()}\n{_RESET_ADVICE}"
            )

    def stop(self) -> None:
        """Stop the server, and delete its files, the backend, and the records of selected stacks.

        Built engines and plugins are kept.
        """
        with self._hold_setup_lock():
            self._end_server()
            workspaces = self.directory.glob("home*/workspaces")
            for directory in (self.aws_directory, self.state_directory, *workspaces):
                shutil.rmtree(directory, ignore_errors=True)

    def _end_server(self) -> None:
        """Delete the server's lock, which stops the server, and wait a few seconds for it to stop.

        No signal is sent, because the process ID may be from another container or may have been reused.
        """
        self.aws_directory.mkdir(exist_ok=True)
        lock_file = self.aws_directory / "server.lock"
        with lock_file.open("a") as lock:
            lock_file.unlink()
            deadline = time.monotonic() + _END_TIMEOUT
            while not _acquire_lock(lock) and time.monotonic() < deadline:
                time.sleep(0.02)

    @contextmanager
    def _hold_setup_lock(self) -> Generator[None]:
        """Prevent two processes from setting up this sandbox at the same time."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _install_providers(self, binaries: Path) -> None:
        """Install each provider's stand-in, or a link to its selected plugin, under the SDK's version.

        The installed stand-ins are for engines that do not attach to the server.
        """
        for package in PROVIDER_PACKAGES:
            try:
                version = importlib.metadata.version(f"pulumi-{package}")
            except importlib.metadata.PackageNotFoundError:
                continue  # `make example` installs pulumi-aws-native
            plugin_name = f"resource-{package}"
            plugin_directory = self.pulumi_home / "plugins" / f"{plugin_name}-v{version}"
            plugin_directory.mkdir(parents=True, exist_ok=True)
            executable = plugin_directory / f"pulumi-{plugin_name}"
            if package == "aws" and plugin.is_selected():
                cache = engine.CACHE / "plugins"
                selected_executable = plugin.prepare_plugin(cache, version, binaries / "pulumi")
                executable.unlink(missing_ok=True)
                executable.symlink_to(selected_executable)
                continue
            script = (
                "#!/bin/sh\n"
                f"PYTHONPATH={shlex.quote(str(PROJECT))} exec {shlex.quote(sys.executable)} "
                f'-m sandbox.provider {package} "$@"\n'
            )
            executable.write_text(script)
            executable.chmod(0o755)

    def _prepare_server(self) -> dict[str, Any]:
        """Return the contents of `server.json`; start the server if necessary.

        A server whose source files have changed is replaced. Raises SandboxError if the server does not
        start.
        """
        self.aws_directory.mkdir(exist_ok=True)
        state_file = self.aws_directory / "server.json"
        log_file = self.aws_directory / "server.log"
        sources_digest = _digest_sources()
        if self._is_serving() and _read_server_state(state_file).get("sources") != sources_digest:
            self._end_server()
        if not self._is_serving():
            state_file.unlink(missing_ok=True)
            self._start_server(sources_digest, log_file)
        deadline = time.monotonic() + _START_TIMEOUT
        while not state_file.exists():
            if not self._is_serving() or time.monotonic() > deadline:
                log_lines = log_file.read_text().strip().splitlines() or ["its log is empty"]
                raise SandboxError(
                    f"The sandbox's AWS server did not start: {log_lines[-1]}\n"
                    f"Its log is {log_file}\n{_RESET_ADVICE}"
                )
            time.sleep(0.02)
        return _read_server_state(state_file)

    def _start_server(self, sources_digest: str, log_file: Path) -> None:
        """Start the server in the background; if it fails, the log contains the error."""
        # With -E, Python ignores the user's PYTHON* variables, such as PYTHONPATH.
        command = [sys.executable, "-E", "-m", "sandbox.aws_server"]
        with log_file.open("w") as log:
            subprocess.run(
                [*command, str(self.aws_directory), sources_digest],
                cwd=PROJECT,
                env=_select_user_variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                check=False,
            )

    def _is_serving(self) -> bool:
        """Return whether a server is running; a running server holds the lock."""
        with (self.aws_directory / "server.lock").open("a") as lock:
            return not _acquire_lock(lock)

    def _build_environment(self, binaries: Path, server_state: Mapping[str, Any]) -> dict[str, str]:
        attached_providers = ",".join(
            f"{package}:{port}"
            for package, port in server_state["providers"].items()
            if not (package == "aws" and plugin.is_selected())
        )
        return {
            **_select_user_variables(),
            "PATH": os.pathsep.join((str(binaries), os.environ.get("PATH", os.defpath), str(AWS_CLI))),
            "PULUMI_HOME": str(self.pulumi_home),
            # Write no `.attrs` files, because a crash can leave one empty, and Pulumi then cannot read
            # the stack.
            "PULUMI_BACKEND_URL": f"{self.state_directory.as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_DEBUG_PROVIDERS": attached_providers,
            # The engine runs for about a second, so less garbage collection makes it faster.
            "GOGC": "400",
            # Do not access the network.
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            **aws_variables(server_state["port"]),
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


def _read_server_state(state_file: Path) -> dict[str, Any]:
    """Return the contents of `server.json`; empty if the file is damaged or missing."""
    try:
        return json.loads(state_file.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def _select_user_variables() -> dict[str, str]:
    """Return the user's variables, except those that would change the sandbox."""
    return {
        variable: setting for variable, setting in os.environ.items() if not _changes_sandbox(variable)
    }


def _changes_sandbox(variable: str) -> bool:
    """Return whether a variable is harmful, or is for AWS, moto, Pulumi, or proxies and not harmless."""
    if variable in _HARMLESS_VARIABLES:
        return False
    return (
        variable in _HARMFUL_VARIABLES
        or variable.startswith(("AWS_", "MOTO_", "PULUMI_"))
        or variable.lower().endswith("_proxy")
    )


def _is_running(process_id: int) -> bool:
    """Return whether a process is running; zombies, which some containers never reap, do not count."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # This file exists only on Linux. The process's state follows the name in parentheses.
    status_file = Path(f"/proc/{process_id}/stat")
    return not status_file.exists() or status_file.read_text().rpartition(") ")[2][:1] != "Z"


def _acquire_lock(lock: IO[str]) -> bool:
    """Try to acquire a lock; return False if another process holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
