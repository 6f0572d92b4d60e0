"""Append the commit to the version in pyproject.toml, unless the commit has the tag of the version.

pip compares only versions: of two commits with the same version, it keeps the installed one.
"""

import re
import subprocess
from pathlib import Path

from setuptools import setup

ARCHIVED = "$Format:%H$"  # In an archive, Git writes the commit here: .gitattributes.


def commit() -> str:
    """Return the commit of an archive or a clone, or an empty string for the tag or without Git.

    From a source distribution, which has no commit here, setuptools reads it in setup.cfg.
    """
    if not ARCHIVED.startswith("$"):
        return ARCHIVED
    # Not tomllib: Python 3.10 lacks it, where pip has to report that the package requires 3.11.
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
