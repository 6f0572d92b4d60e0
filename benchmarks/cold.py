"""Measure the first `make up` of a fresh clone, which downloads, installs, and builds everything."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.measuring import Command, measure
from benchmarks.table import table
from sandbox import engine
from sandbox.environment import PROJECT

_BASE: Final = "the build of the Pulumi CLI alone, with `go build`"
_CLI: Final = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"


def section() -> str:
    """Measure `make up` in clones of the last commit, and return the section."""
    binaries = engine.directory(engine.CACHE)
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        runs = measure(
            {
                _BASE: _build(here / "build"),
                "`make up`, with Go": _make_up(here / "go", os.environ["PATH"]),
                "`make up`, with `pulumi` on PATH": _make_up(
                    here / "cli", f"{binaries}{os.pathsep}{os.environ['PATH']}"
                ),
            },
            rounds=1,
            warm=False,
        )
    return (
        "## The first `make up`\n\n"
        "In a fresh clone, with empty caches of Go and pip; the time also depends on the network:\n\n"
        f"{table(runs, _BASE)}"
    )


def _build(clone: Path) -> Command:
    """Return the command that builds the CLI as its publisher does, without debug information."""
    arguments = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", os.devnull, _CLI]
    return _in_clone(clone, arguments, os.environ["PATH"])._replace(
        directory=clone / "sandbox" / "engine"
    )


def _make_up(clone: Path, path: str) -> Command:
    return _in_clone(clone, ["make", "up"], path)


def _in_clone(clone: Path, arguments: list[str], path: str) -> Command:
    """Return a command in a new clone, with empty caches."""

    def prepare() -> None:
        subprocess.run(["git", "clone", "--quiet", PROJECT, clone], check=True)

    environment = {
        **os.environ,
        "PATH": path,
        "PIP_NO_CACHE_DIR": "1",
        "UV_NO_CACHE": "1",
        "GOCACHE": str(clone / ".sandbox" / "go-build"),
        "GOMODCACHE": str(clone / ".sandbox" / "go-modules"),
        "GOFLAGS": "-modcacherw",  # a directory that cannot be written cannot be deleted
        "GOWORK": "off",
    }
    return Command(arguments, clone, environment, prepare)
