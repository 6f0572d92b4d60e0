"""Run the commands of the project in a checkout, as a person does."""

import os
import pty
import subprocess
from pathlib import Path
from typing import Final

EMPTY: Final = "The sandbox is empty: nothing is left to remove. `make up` starts again.\n"
"""The last line of `make down`."""


def execute(
    directory: Path, *command: str, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command, and return what a person would see."""
    # `make test` is a make too, whose settings are not for the make that is tested.
    own = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        command,
        cwd=directory,
        env={**own, "PWD": str(directory), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert not (check and done.returncode), done.stdout
    return done


def make(
    directory: Path, target: str, *, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run make, where the packages are installed and older than the list of them."""
    return execute(directory, "make", "-o", "venv/installed", target, check=check, **variables)


def in_sandbox(directory: Path, *command: str) -> str:
    return execute(directory, "venv/bin/python", "-m", "sandbox", "run", "--", *command).stdout


def type_in_a_shell(checkout: Path, *lines: str, **variables: str) -> str:
    """Return what a person sees who types commands in a shell of the sandbox, each at a prompt."""
    person, terminal = pty.openpty()
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
                seen += os.read(person, 4096)
            os.write(person, f"{line.strip()}\n".encode())
            seen += os.read(person, 1)
    os.close(person)
    assert shell.returncode == 0, seen
    return seen.decode()
