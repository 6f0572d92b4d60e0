"""Append the commit to the version in pyproject.toml, except in a clone at the version's tag.

pip compares only versions, so it would not replace a commit with another commit of the same version.
"""

import re
import subprocess
from pathlib import Path

from setuptools import setup

ARCHIVED = "$Format:%H$"  # In an archive, Git writes the commit here (export-subst in .gitattributes).


def commit() -> str:
    """Return the commit of an archive or clone; empty in a clone at the version's tag, or without Git.

    In a source distribution, this function finds no commit, but setuptools reads it from setup.cfg.
    """
    if not ARCHIVED.startswith("$"):
        return ARCHIVED
    # Python 3.10 has no tomllib, but pip must be able to report that the package requires Python 3.11.
    project = Path("pyproject.toml").read_text("utf-8")
    (version,) = re.findall('^version = "(.+)"$', project, re.MULTILINE)
    tag = f"v{version}"
    git = ("git", "--git-dir=.git", "describe", "--tags", "--always", "--abbrev=40", "--match", tag)
    try:
        described = subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
    return "" if described == tag else described.rpartition("-g")[2]


COMMIT = commit()
setup(options={"egg_info": {"tag_build": f"+g{COMMIT}"}} if COMMIT else {})
