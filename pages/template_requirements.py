"""Generate the template's two requirements files from requirements-locked.txt.

`pulumi install` reads requirements.txt, which has the package and the tested versions of its dependencies.
CI also reads requirements-locked.txt, which has these versions with hashes. The package isn't in this file,
because pip rejects a Git repository if other requirements have hashes.
"""

import re
from typing import Final

from pages import PROJECT
from pages.version import with_version

_LOCKED: Final = PROJECT / "requirements-locked.txt"
_REQUIREMENTS: Final = PROJECT / "template" / "requirements.txt"
_PIN: Final = re.compile(r"^[\w.-]+==\S+", re.MULTILINE)
_LOCKED_HEADER: Final = """\
# CI installs the versions in requirements.txt, with hashes. docs/own-project.md describes how to upgrade them.
"""


def locked() -> str:
    """Return the pins with hashes, after the template's header."""
    return _LOCKED_HEADER + re.sub(r"^#.*\n", "", _LOCKED.read_text(), flags=re.MULTILINE)


def requirements() -> str:
    """Return the pins without hashes, after the header and the package's line in the current file.

    The package's publisher replaces the placeholder in this line with the repository's URL.
    """
    text = with_version(_REQUIREMENTS)
    pinned = "".join(f"{pin}\n" for pin in _PIN.findall(_LOCKED.read_text()))
    return "".join(line for line in text.splitlines(keepends=True) if not _PIN.match(line)) + pinned
