"""Find this program's version."""

import functools
import importlib.metadata
import tomllib
from pathlib import Path


@functools.cache
def version() -> str:
    """Return the version in a clone's pyproject.toml, or the version of the installed package."""
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    if project.exists():
        return tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    return importlib.metadata.version("qbusiness-connector")
