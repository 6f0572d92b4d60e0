"""Copy the version in pyproject.toml to the other files that need it."""

import re
import tomllib
from pathlib import Path

from pages import PROJECT


def with_version(path: Path) -> str:
    """Return a file's text with the package's version in place of its only version number."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return re.sub(r"\d+\.\d+\.\d+", project["version"], path.read_text(encoding="utf-8"))
