"""Write every generated page: `make pages`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pages import configuration, other_languages, permissions
from sandbox.environment import PROJECT

PAGES: Final[Mapping[Path, Callable[[], str]]] = {
    PROJECT / "docs" / "configuration.md": configuration.page,
    PROJECT / "docs" / "other-languages.md": other_languages.page,
    PROJECT / "docs" / "permissions.md": permissions.page,
}
"""Each generated page, and the function that returns its text."""

if __name__ == "__main__":
    for path, page in PAGES.items():
        path.write_text(page())
