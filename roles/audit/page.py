"""Write the result of an audit as one self-contained HTML page."""

import importlib.metadata
import platform
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from components.errors import escape
from roles.audit.survey import LABELS, State, Survey
from roles.difference import TRUST_POLICY

_TEMPLATE: Final = Path(__file__).with_name("page.html")
_PROJECT: Final = Path(__file__).parents[2]


def render(found: Survey) -> str:
    """Return the page; the template engine escapes every value."""
    environment = Environment(
        autoescape=True,
        finalize=_show,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    users = found.users()
    roles = [role for role in found.roles if role.has_details or len(users[role.arn]) > 1]
    return template.render(
        found=found,
        roles=roles,
        users=users,
        members=found.members(),
        numbers={role.arn: number for number, role in enumerate(roles, start=1)},
        labels=LABELS,
        State=State,
        trust_policy=TRUST_POLICY,
        versions=_versions(),
    )


def _show(value: object) -> object:
    """Escape unprintable characters, such as those that change the direction of text."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value  # not text, or markup of the template
    return "".join(character if character.isprintable() else escape(character) for character in value)


def _breakable(text: str) -> Markup:
    """Return a name, an ARN, or an action with places where a line may break, not copied."""
    return Markup("<wbr>").join(re.split(r"(?<=[:/_-])|(?<=[a-z])(?=[A-Z])", str(_show(text))))


def _versions() -> dict[str, str]:
    """Return the versions that the comparison depends on."""
    return {
        "program": _version(),
        "Python": platform.python_version(),
        "boto3": importlib.metadata.version("boto3"),
    }


def _version() -> str:
    """Return the version of the program, with its commit if this is a clone."""
    file = _PROJECT / "pyproject.toml"
    if not file.exists():
        return importlib.metadata.version("qbusiness-connector")
    version = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["version"]
    command = ("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    try:
        done = subprocess.run(command, cwd=_PROJECT, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return version
    return f"{version}, commit {done.stdout.strip()}" if done.returncode == 0 else version
