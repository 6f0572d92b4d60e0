"""Copy the version in pyproject.toml, and the number of connectors, to the other files that need them."""

import re
import tomllib
from pathlib import Path

from components.connectors import CONNECTORS
from pages import PROJECT


def with_version(path: Path) -> str:
    """Return a file's text with its version replaced by the package's version."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = path.read_text(encoding="utf-8")
    return re.sub(
        r"(@v|^version: )\d+\.\d+\.\d+\S*", rf"\g<1>{project['version']}", text, flags=re.MULTILINE
    )


def with_number(path: Path) -> str:
    """Return a file's text with its number of connectors replaced by the current number."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"\d+(?=\s+connectors\b)", str(len(CONNECTORS)), text)
