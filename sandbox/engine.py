"""Find or build the Pulumi engine.

The first option is the `pulumi` on PATH, if it can run Python programs. The second option, if Go is
installed, is a build of the CLI's published Go module and of a language host for Python, which the
module does not contain. The last option is the official installer.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

VERSION: Final = "3.276.0"
"""The release to build or install; the same as in `engine/go.mod`."""

CACHE: Final = Path(__file__).resolve().parent.parent / ".sandbox" / "engine"
"""The directory for engines that were built or installed."""
_SOURCE: Final = Path(__file__).parent / "engine"
_SDK_MODULE: Final = "github.com/pulumi/pulumi/sdk/v3"
_PACKAGES: Final = (
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
    "./pulumi-language-python",
)
"""The CLI, the language host for YAML programs, and the sandbox's language host for Python programs."""
_PROGRESS_INTERVAL: Final = 5.0
"""The minimum time between progress lines, in seconds."""
_INSTALLER_PATIENCE: Final = 5
"""The timeout for the installer's site, in seconds."""
_ADVICE: Final = (
    "Install the Pulumi CLI (https://www.pulumi.com/docs/install/) or a Go toolchain "
    "(https://go.dev/doc/install) of at least the version in sandbox/engine/go.mod. Then run the "
    "command again."
)


class NoEngineError(Exception):
    """Raised when there is no engine; the message contains the reason and the next step."""


def directory() -> Path:
    """Return the directory that contains `pulumi`; build or install the engine if necessary.

    Raises NoEngineError if that fails.
    """
    if own := _on_path():
        return own
    return make_once(CACHE / _digest(), _make)


def make_once(target: Path, make: Callable[[Path], Path]) -> Path:
    """Return the directory `target`; if it does not exist, create it atomically.

    `make` receives an empty directory, and returns a directory in it, which becomes `target`.
    """
    if target.exists():
        return target
    cache = target.parent
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # sandboxes share the cache, so only one may make `target`
        if target.exists():
            return target
        for killed in cache.glob("unfinished-*"):
            shutil.rmtree(killed)
        with tempfile.TemporaryDirectory(dir=cache, prefix="unfinished-") as unfinished:
            make(Path(unfinished)).rename(target)
    return target


def _on_path() -> Path | None:
    """Return the directory of the user's Pulumi CLI; None if it is missing or cannot run Python."""
    found = shutil.which("pulumi")
    if found is None:
        return None
    own = Path(found).resolve().parent
    places = f"{own}:{os.environ.get('PATH', os.defpath)}"
    return own if shutil.which("pulumi-language-python", path=places) else None


def _digest() -> str:
    """Return a digest of the files in `engine/`; if it changes, a new engine is built or installed."""
    sources = sorted(path for path in _SOURCE.rglob("*") if path.is_file())
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def _make(unfinished: Path) -> Path:
    target = unfinished / "bin"
    target.mkdir()
    if shutil.which("go"):
        _build(target)
    else:
        _install(target)
    return target


def _build(target: Path) -> None:
    say(f"building the Pulumi engine v{VERSION} from its Go module; this takes minutes, but only once")
    needed = _go("downloads", "list", "-deps", *_PACKAGES)
    _go(
        f"of {len(needed)} packages compiled",
        *("build", "-v", "-trimpath", "-tags", "osusergo,grpcnotrace"),
        # The linker drops debug information anyway, so the compiler does not need to write it.
        *("-gcflags=all=-dwarf=false", "-ldflags"),
        f"-s -w -X {_SDK_MODULE}/go/common/version.Version=v{VERSION}",
        *("-o", f"{target}{os.sep}", *_PACKAGES),
    )
    # The executor comes from Pulumi's SDK. Its path in the module is undocumented and may change in a
    # newer release.
    module = Path(_go("downloads for Pulumi's SDK", "list", "-m", "-f", "{{.Dir}}", _SDK_MODULE)[0])
    executor = module / "python" / "cmd" / "pulumi-language-python-exec"
    shutil.copyfile(executor, target / executor.name)


def _go(step: str, *arguments: str) -> list[str]:
    """Run Go and return its standard output as lines; show how many lines it writes to standard error.

    Raises NoEngineError if Go fails.
    """
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen(
            ["go", *arguments],
            cwd=_SOURCE,
            env={**os.environ, "GOWORK": "off"},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None  # noqa: S101 a type guard
            last_lines = _show_progress(process.stderr, step)
        if process.returncode:
            raise NoEngineError(f"The engine could not be built:\n{last_lines}\n{_ADVICE}")
        output.seek(0)
        return output.read().splitlines()


def _show_progress(lines: IO[str], step: str) -> str:
    """Show the number of lines that a step has printed; return the last lines for an error message."""
    start = shown = time.monotonic()
    last: deque[str] = deque(maxlen=12)
    for count, line in enumerate(lines, start=1):
        last.append(line.rstrip())
        if time.monotonic() - shown > _PROGRESS_INTERVAL:
            shown = time.monotonic()
            say(f"{shown - start:.0f} s, {count} {step}")
    return "\n".join(last)


def _install(target: Path) -> None:
    """Run the official installer through Pulumi's SDK; fail fast if its site is unreachable.

    Raises NoEngineError if the installer fails.
    """
    say("found no Go toolchain; trying Pulumi's official installer")
    program = (
        "import socket, sys, semver; socket.setdefaulttimeout(float(sys.argv[3]))\n"
        "from pulumi.automation import PulumiCommand\n"
        "PulumiCommand.install(root=sys.argv[1], version=semver.VersionInfo.parse(sys.argv[2]))"
    )
    arguments = [str(target), VERSION, str(_INSTALLER_PATIENCE)]
    install = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=False, capture_output=True, text=True
    )
    if install.returncode:
        cause = (install.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NoEngineError(f"The official installer failed: {cause}\n{_ADVICE}")
    for installed in (target / "bin").iterdir():
        installed.rename(target / installed.name)


def say(text: str) -> None:
    """Print a line about the sandbox itself."""
    print(f"sandbox: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Find or build the engine if Go is installed, and otherwise do nothing. Return the exit code."""
    if not shutil.which("go"):
        return 0
    try:
        directory()
    except NoEngineError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
