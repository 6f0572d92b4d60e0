"""Run the project's commands in a checkout, as a user does."""

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Final

from tests.helpers.processes import run
from tests.helpers.stacks import Aws

EMPTY: Final = (
    "The sandbox is empty: no stack, role, or data source is left. To start again, run `make up`.\n"
)
"""The last line that `make down` prints."""


def execute(
    directory: Path, *command: str, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a directory and return its exit code and the output that a user sees.

    With `check`, fail the test if the command fails.
    """
    # Do not pass the variables of `make test` to the `make` under test.
    own = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    return run(directory, command, {**own, "PWD": str(directory), **variables}, check=check)


MAKE: Final = "make -o venv/development-installed -o venv/roles-installed -o venv/sandbox-installed"
"""The `make` command; it treats the packages, which checkouts share, as up to date."""


def make(
    directory: Path, target: str, *, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    return execute(directory, *MAKE.split(), target, check=check, **variables)


def in_sandbox(directory: Path, *command: str) -> str:
    return execute(directory, "venv/bin/python", "-m", "sandbox", "run", "--", *command).stdout


def aws(directory: Path) -> Aws:
    """Return the AWS account in the running sandbox of a checkout."""
    port = json.loads((directory / ".sandbox" / "aws" / "server.json").read_text())["port"]
    return Aws({"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})


def type_in_a_shell(checkout: Path, *lines: str, **variables: str) -> str:
    """Type commands into a sandbox shell, each at a prompt, and return the terminal's output."""
    keyboard, terminal = pty.openpty()
    with subprocess.Popen(
        ["venv/bin/python", "-m", "sandbox", "shell"],
        cwd=checkout,
        env={**os.environ, **variables},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as shell:
        os.close(terminal)
        seen = b""
        for line in (*lines, "exit"):
            while not seen.endswith(b" $ "):
                seen += os.read(keyboard, 4096)
            os.write(keyboard, f"{line.strip()}\n".encode())
            seen += os.read(keyboard, 1)
    os.close(keyboard)
    assert shell.returncode == 0, seen
    return seen.decode()
