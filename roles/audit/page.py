"""Write the result of an audit as one self-contained HTML page."""

import importlib.metadata
import platform
import subprocess
import tomllib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from jinja2 import Environment, StrictUndefined

from roles.audit.survey import LABELS, State, Survey
from roles.difference import TRUST_POLICY
from roles.errors import InputError

_TEMPLATE: Final = Path(__file__).with_name("page.html")
_PROJECT: Final = Path(__file__).parents[2]


def check_writable(path: Path) -> None:
    """Raise InputError if a page cannot be written there, before AWS is read."""
    if path.is_dir():
        raise InputError(f"{path} is a directory: give --html the name of a file in it")
    if (path.exists() or path.is_symlink()) and not path.is_file():
        raise InputError(f"{path} is no regular file: give --html another name")
    with _unfinished(path) as unfinished:
        unfinished.touch()


def write(found: Survey, path: Path) -> None:
    """Write the page completely, or leave what is there; raises InputError if it cannot be written."""
    with _unfinished(path) as unfinished:
        unfinished.write_text(render(found), encoding="utf-8")
        unfinished.replace(path.resolve())  # a symbolic link stays one


@contextmanager
def _unfinished(path: Path) -> Generator[Path]:
    """Return where a page is written before it replaces another one."""
    unfinished = path.resolve().with_name(f"{path.name}.unfinished")
    try:
        yield unfinished
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            unfinished.unlink()


def render(found: Survey) -> str:
    """Return the page. Every value is escaped, because the template's environment does it."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    users = found.users()
    roles = [role for role in found.roles if role.has_details or len(users[role.arn]) > 1]
    return template.render(
        found=found,
        roles=roles,
        users=users,
        numbers={role.arn: number for number, role in enumerate(roles, start=1)},
        labels=LABELS,
        State=State,
        trust_policy=TRUST_POLICY,
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    """Return what the comparison depends on."""
    project = tomllib.loads((_PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "program": f"{project['version']}{_commit()}",
        "Python": platform.python_version(),
        "boto3": importlib.metadata.version("boto3"),
    }


def _commit() -> str:
    """Return the commit of the program; nothing if it is no clone, or without Git."""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    try:
        done = subprocess.run(command, cwd=_PROJECT, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return f", commit {done.stdout.strip()}" if done.returncode == 0 else ""
