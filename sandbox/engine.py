"""Find or build the Pulumi engine.

In this order: the `pulumi` on PATH; a build of the CLI's published Go module, with a language host for
Python, which the module does not contain; the official installer, if it can be reached.
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
from pathlib import Path
from typing import IO, Final

VERSION: Final = "3.259.0"
"""The release to build or install; the same as in `engine/go.mod`."""

_SOURCE: Final = Path(__file__).parent / "engine"
_SDK_MODULE: Final = "github.com/pulumi/pulumi/sdk/v3"
_CLI_PACKAGES: Final = (
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
)
"""The CLI, and the language host for YAML programs, which the official CLI includes."""
_OWN_PACKAGES: Final = ("./pulumi-language-python", "./generate-python-package")
"""The language host for Python programs, and the program that it calls."""
_PROGRESS_INTERVAL: Final = 15.0
"""Seconds between two lines of progress without a terminal."""
_INSTALLER_PATIENCE: Final = 5
"""Timeout for the installer's site in seconds."""
_ADVICE: Final = (
    "Install the Pulumi CLI (https://www.pulumi.com/docs/install/), or a Go toolchain of at least the "
    "version in sandbox/engine/go.mod (https://go.dev/doc/install), and repeat the command."
)


class NoEngineError(Exception):
    """Raised when there is no engine; the message lists the attempts and what to install."""


def directory(cache: Path) -> Path:
    """Return the directory that contains `pulumi`; build it in `cache` if necessary.

    Raises NoEngineError.
    """
    if own := _on_path():
        return own
    built = cache / _digest()
    if built.exists():
        return built
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # sandboxes share the cache; only one of them builds
        if built.exists():
            return built
        with tempfile.TemporaryDirectory(dir=cache, prefix="unfinished-") as unfinished:
            target = Path(unfinished) / "bin"
            target.mkdir()
            _make(target)
            target.rename(built)
    return built


def _on_path() -> Path | None:
    """Return the directory of the user's own CLI, if it can run Python programs."""
    found = shutil.which("pulumi")
    if found is None:
        return None
    own = Path(found).resolve().parent
    return (
        own
        if shutil.which("pulumi-language-python", path=f"{own}:{os.environ.get('PATH', os.defpath)}")
        else None
    )


def _digest() -> str:
    """Return a digest of the sources; a change causes a new build."""
    sources = sorted(path for path in _SOURCE.rglob("*") if path.is_file())
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def _make(target: Path) -> None:
    if shutil.which("go"):
        _build(target)
    else:
        _install(target)


def _build(target: Path) -> None:
    _say(f"building the Pulumi engine v{VERSION} from its Go module, once; about three minutes")
    command = [
        *("go", "build", "-v", "-trimpath", "-tags", "osusergo,grpcnotrace", "-ldflags"),
        f"-s -w -X {_SDK_MODULE}/go/common/version.Version=v{VERSION}",
        *("-o", f"{target}{os.sep}", *_CLI_PACKAGES, *_OWN_PACKAGES),
    ]
    environment = {**os.environ, "GOWORK": "off"}
    with subprocess.Popen(
        command, cwd=_SOURCE, env=environment, stderr=subprocess.PIPE, text=True
    ) as build:
        assert build.stderr is not None  # noqa: S101 a type guard
        last_lines = _show_progress(build.stderr)
    if build.returncode:
        raise NoEngineError(f"The engine did not build:\n{last_lines}\n{_ADVICE}")
    module = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", _SDK_MODULE],
        cwd=_SOURCE,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    # The executor is Pulumi's own file. Its path in the module is undocumented: a newer release may
    # need another path here.
    executor = Path(module.stdout.strip()) / "python" / "cmd" / "pulumi-language-python-exec"
    shutil.copyfile(executor, target / executor.name)


def _show_progress(lines: IO[str]) -> str:
    """Show how many lines the compiler has printed; return the last ones, in case it fails."""
    start = shown = time.monotonic()
    last: deque[str] = deque(maxlen=12)
    for count, line in enumerate(lines, start=1):
        last.append(line.rstrip())
        now = time.monotonic()
        if sys.stderr.isatty():
            sys.stderr.write(f"\r  {now - start:4.0f} s  {count} downloads and packages ")
            sys.stderr.flush()
        elif now - shown > _PROGRESS_INTERVAL:
            shown = now
            _say(f"{now - start:.0f} s, {count} downloads and packages")
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    return "\n".join(last)


def _install(target: Path) -> None:
    """Run the official installer through Pulumi's SDK; an unreachable site fails in seconds."""
    _say("there is no Go toolchain; trying Pulumi's official installer")
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
        raise NoEngineError(f"The official installer could not be reached: {cause}\n{_ADVICE}")
    for installed in (target / "bin").iterdir():
        installed.rename(target / installed.name)


def _say(text: str) -> None:
    print(f"sandbox: {text}", file=sys.stderr, flush=True)
