"""Read the Pulumi project in the current directory and run Pulumi."""

import json
import re
import shutil
import subprocess
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from shlex import quote
from typing import Any, Final, cast

import yaml

from roles.errors import InputError

COMPONENT: Final = "aem-connector"
"""The component's name in `__main__.py`."""
_PROJECT_FILE: Final = "Pulumi.yaml"
_STACK_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-]+/(?:[A-Za-z0-9_.-]+/)?)?[A-Za-z0-9_.-]{1,100}")
"""https://www.pulumi.com/docs/iac/concepts/stacks/"""


def launcher() -> str:
    """Return the command that starts this program, quoted for the shell; a path if it is not on PATH."""
    name, given = "qbusiness-roles", Path(sys.argv[0])
    return name if given.name != name or shutil.which(name) else quote(str(given))


def run_pulumi(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a read-only Pulumi command; raise FileNotFoundError if Pulumi is not on PATH."""
    return subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def project_name() -> str:
    """Return the name of the project in the current directory; raise InputError if there is none."""
    name = read_mapping(Path(_PROJECT_FILE)).get("name")
    if not isinstance(name, str):
        raise InputError(
            f"this directory has no {_PROJECT_FILE} with a name: change to the project's directory"
        )
    return name


def read_mapping(path: Path, expected: str = "a Pulumi project or configuration file") -> dict[str, Any]:
    """Return the mapping in a YAML file; empty if the file is empty or does not exist.

    Raises InputError if the file is not valid YAML or does not contain a mapping.
    """
    if not path.exists():
        return {}
    try:
        # Reading from a named pipe could block forever.
        content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else "no file"
    except UnicodeDecodeError:
        content = "not UTF-8"
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML ({said}): fix it or move it") from None
    if not isinstance(content, dict | None):
        raise InputError(f"{path} is not {expected}: fix it or move it")
    return cast("dict[str, Any]", content or {})


def stack_name(text: str) -> str:
    """Return a valid stack name for argparse; raise ArgumentTypeError if the name is invalid."""
    if not _STACK_NAME.fullmatch(text) or text.startswith("-"):
        raise ArgumentTypeError(
            f"{text!r} is not a valid stack name: expected STACK, ORGANIZATION/STACK, or "
            "ORGANIZATION/PROJECT/STACK, with only letters, digits, hyphens, underscores, and periods "
            "(no periods in ORGANIZATION), no hyphen at the beginning, and at most 100 characters in "
            "STACK; `pulumi stack ls` lists the project's stacks"
        )
    return text


def file_name(kind: str, stack: str, ending: str = "json") -> Path:
    """Return the path of a stack's file; hyphens replace the slashes in the stack's name."""
    return Path(f"{kind}-{stack.replace('/', '-')}.{ending}")


def query_pulumi(stack: str, *command: str, show_secrets: bool) -> Any:
    """Run a read-only Pulumi command about a stack, and return the parsed JSON that it prints.

    Raises InputError if Pulumi is not on PATH or the command fails.
    """
    options = ["--show-secrets"] if show_secrets else []
    try:
        done = run_pulumi(*command, "--stack", stack, *options)
    except FileNotFoundError:
        raise InputError(
            "pulumi is not on PATH: install it (https://www.pulumi.com/docs/install/), or, in a "
            "clone of the program, run the command in the sandbox: "
            "venv/bin/python -m sandbox run -- COMMAND"
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.replace("error: ", "").split())
        raise InputError(
            f"`pulumi {' '.join(command)}` failed ({said}): `pulumi stack ls` lists this project's "
            "stacks, and `pulumi whoami -v` shows the backend"
        )
    return json.loads(done.stdout or "{}")
