"""Run the Pulumi CLI on a stack with its own project directory, state, and passphrase."""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from live.interruption import Interruption

PROJECT: Final = Path(__file__).resolve().parent.parent
_GUARD: Final = Path(__file__).with_name("guard.py")
"""Runs a command, and ends it when this process ends for any reason."""
_LIMIT: Final = 600.0
"""Timeout of a command in seconds; the first command may have to download the provider."""
_GLANCE: Final = 0.2
"""Seconds between two checks for an interruption."""
_END_PATIENCE: Final = 60.0
"""Seconds for an interrupted command to finish its calls in progress."""
_GENERAL: Final = ("update failed", "preview failed", "an unhandled error occurred")
"""Errors of Pulumi that only announce another error."""


class StepError(Exception):
    """Raised when a step fails; the message contains the reason."""


class Output(NamedTuple):
    """The result of a command."""

    exit_code: int
    text: str


class Stack:
    """A stack of the program, separate from all stacks of the user."""

    def __init__(
        self, directory: Path, name: str, record: Callable[[str], None], interruption: Interruption
    ) -> None:
        """Use an empty directory, a name, a function that records commands, and an interruption."""
        self.name = name
        self._directory = directory
        self._record = record
        self._interruption = interruption
        for file in ("Pulumi.yaml", "__main__.py"):
            shutil.copy(PROJECT / file, directory)
        (directory / "components").symlink_to(PROJECT / "components")
        (directory / "venv").symlink_to(sys.prefix)
        state = directory / "state"
        state.mkdir()
        # These variables add options to every command.
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PULUMI_OPTION_")
        }
        self._environment = {
            **inherited,
            "PULUMI_BACKEND_URL": state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(),
        }

    def create(self, settings: Mapping[str, Any]) -> None:
        """Create the stack with its configuration."""
        configuration = self._directory / f"Pulumi.{self.name}.yaml"
        configuration.write_text(json.dumps({"config": settings}))  # JSON is YAML
        self._succeed("stack", "init", self.name, "--no-select", "--secrets-provider", "passphrase")

    def run(self, *arguments: str) -> str:
        """Run a command and return its output; raises StepError if it fails."""
        return self._succeed(*arguments, "--stack", self.name)

    def destroy(self) -> None:
        """Delete all resources of the stack; raises StepError if that fails."""
        self.run("destroy", "--yes", "--skip-preview", "--suppress-progress")

    def try_to(self, *arguments: str) -> Output:
        """Run a command that may fail; return its exit code and output."""
        return self._pulumi(*arguments, "--stack", self.name)

    def write(self, file: str, document: object) -> None:
        """Write a JSON file for a command."""
        (self._directory / file).write_text(json.dumps(document, indent=2))

    def _succeed(self, *arguments: str) -> str:
        output = self._pulumi(*arguments)
        if output.exit_code:
            raise StepError(f"pulumi {arguments[0]}: {_error(output)}")
        return output.text

    def _pulumi(self, *arguments: str) -> Output:
        command = ["pulumi", *arguments, "--non-interactive", "--color", "never"]
        said = self._directory / "output"
        end = "interrupted"
        try:
            with said.open("w") as file:
                exit_code = self._wait(command, file.fileno())
            end = f"exit code {exit_code}"
        finally:
            text = said.read_text(encoding="utf-8", errors="replace")
            self._record(f"$ {shlex.join(command)}\n{text}({end})")
        return Output(exit_code, text)

    def _wait(self, command: list[str], output: int) -> int:
        """Return the exit code of a command; interrupt it after a signal or the timeout."""
        with subprocess.Popen(
            [sys.executable, "-I", str(_GUARD), str(_END_PATIENCE), *command],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            # Ctrl-C reaches only this process, which passes it on.
            start_new_session=True,
        ) as process:
            deadline = time.monotonic() + _LIMIT
            exit_code = None
            while exit_code is None and not self._interruption.received and time.monotonic() < deadline:
                with suppress(subprocess.TimeoutExpired):
                    exit_code = process.wait(_GLANCE)
            # The end of this block closes the pipe, which ends the command, and waits for the guard.
        self._interruption.check()
        if exit_code is None:
            raise StepError(f"pulumi {command[1]} did not end in {_LIMIT:.0f} seconds")
        return exit_code


def _error(output: Output) -> str:
    """Return the first specific error."""
    lines = [line.strip() for line in output.text.splitlines()]
    errors = [line.removeprefix("error:").strip() for line in lines if line.startswith("error:")]
    specific = [error for error in errors if not error.startswith(_GENERAL)]
    return next(iter(specific or errors), f"exit code {output.exit_code}")
