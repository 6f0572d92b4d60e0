"""Drive a headless Chromium through the pipes of its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.helpers.support import NPM_PACKAGES, TIMEOUT

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS: Final = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # which no container lets it have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--hide-scrollbars",
)
# Chromium reads commands from file descriptor 3 and writes answers to 4.
_START: Final = """\
import fcntl, os, sys
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 5) for number in sys.argv[1:3]]
for place, number in enumerate(high):
    os.dup2(number, 3 + place)
    os.close(number)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """Return the path of Chromium, if it is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """A page in the browser."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._received = b""
        self._numbers = itertools.count(1)
        self._session = ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self._call("Page.enable")

    def open(self, path: Path) -> None:
        """Load a file."""
        self._call("Page.navigate", url=path.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def emulate(self, *, width: int, media: str = "screen", scheme: str = "light") -> None:
        """Set the width in pixels, the medium (`screen` or `print`), and the color scheme."""
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", media=media, features=features)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, or that of its promise."""
        options = {"returnByValue": True, "awaitPromise": True}
        result = self._call("Runtime.evaluate", expression=expression, **options)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def screenshot(self) -> bytes:
        """Return the whole page as PNG."""
        shot = self._call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        """Return the printed page as PDF."""
        printed = self._call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        return base64.b64decode(printed["data"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        command: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            assert select.select([self._answers], [], [], TIMEOUT)[0], "Chromium does not answer"
            received = os.read(self._answers, 1 << 20)
            assert received, "Chromium has ended"
            self._received += received
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)


_AXE: Final = NPM_PACKAGES / "axe-core" / "axe.min.js"
# Colors must not change while axe reads them, and the page must have been drawn.
_CHECK: Final = """
(async () => {
  const still = document.createElement("style");
  still.textContent = "* { transition: none !important }";
  document.head.append(still);
  await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  const { violations } = await axe.run({ resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html}`));
})()
"""


def violations(tab: Tab) -> list[str]:
    """Return the rules of axe that the page violates, each with the element."""
    if not _AXE.exists():
        pytest.skip("axe-core is not installed: it needs npm, then make test")
    if not tab.evaluate("'axe' in window"):
        tab.evaluate(f"{_AXE.read_text()}; 0")
    return tab.evaluate(_CHECK)


@contextmanager
def opened(chromium: str, directory: Path) -> Generator[Tab]:
    """Run Chromium until the context ends, with its files in a directory."""
    (commands, to_chromium), (from_chromium, answers) = os.pipe(), os.pipe()
    options = (*_OPTIONS, f"--user-data-dir={directory}")
    process = subprocess.Popen(
        [sys.executable, "-c", _START, str(commands), str(answers), chromium, *options],
        pass_fds=(commands, answers),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(directory)},
    )
    os.close(commands)
    os.close(answers)
    try:
        yield Tab(to_chromium, from_chromium)
    finally:
        # At the end of its commands, Chromium ends by itself.
        os.close(to_chromium)
        os.close(from_chromium)
        try:
            process.wait(TIMEOUT / 4)
        finally:
            process.kill()
            process.wait()
