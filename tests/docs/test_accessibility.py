"""The website can be read and used by everyone, on any screen, in light and dark."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.environment import PROJECT
from tests.helpers.chromium import Tab, violations

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tab: Tab, tmp_path: Path) -> list[Path]:
    """Return the files of the pages, without 404.html, which only a server shows with its style."""
    del tab  # skips the test before the build if there is no browser
    directory = tmp_path / "site"
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(directory)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    return sorted(directory.rglob("index.html"))


# The site keeps the scheme of the first visit, so that each scheme needs a browser of its own.
@pytest.mark.parametrize(("scheme", "name"), [("light", "default"), ("dark", "slate")])
def test_every_page_is_accessible_and_as_wide_as_the_screen(
    scheme: str, name: str, site: list[Path], tab: Tab
):
    found: list[str] = []
    for page in site:
        tab.emulate(width=1280, scheme=scheme)
        tab.open(page)
        assert tab.evaluate("document.body.dataset.mdColorScheme") == name
        for width in (1280, 768, 360):
            tab.emulate(width=width, scheme=scheme)
            if tab.evaluate("document.documentElement.scrollWidth") > width:
                found.append(f"{page.parent.name}, {width}: scrolls sideways")
            if width != 768:
                found += [f"{page.parent.name}, {width}: {each}" for each in violations(tab)]
    assert len(site) > 15
    assert found == []
