"""Install the packages for the commands of the Makefile, which runs this script.

`sandbox` installs the packages for `make up` and builds the engine at the same time. `development`
installs all packages in requirements-dev.txt.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

VENV = Path("venv")
UNFINISHED = VENV / "unfinished"
PINS = "requirements-dev.txt"
REQUIREMENTS = {"sandbox": "sandbox/requirements.txt", "development": PINS}


def main(purpose: str) -> None:
    """Install unless venv/ is up to date; a second process waits for the first."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback after Ctrl-C
    os.chdir(Path(__file__).parent)
    with Path(PINS).open() as pins:
        fcntl.flock(pins, fcntl.LOCK_EX)
        if not _is_current(purpose):
            _install(purpose)


def _installed(purpose: str) -> Path:
    return VENV / f"{purpose}-installed"


def _is_current(purpose: str) -> bool:
    installed = _installed(purpose)
    return installed.exists() and all(
        installed.stat().st_mtime >= Path(file).stat().st_mtime for file in (REQUIREMENTS[purpose], PINS)
    )


def _install(purpose: str) -> None:
    print(f"installing the Python packages for {purpose} into venv/, once", flush=True)
    if UNFINISHED.exists():
        shutil.rmtree(VENV)  # an interrupted installation can leave half a package
    build = subprocess.Popen([sys.executable, "-m", "sandbox.engine"]) if purpose == "sandbox" else None
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    if not (VENV / "bin" / "python").exists():
        _run(sys.executable, "-m", "venv", str(VENV))
    pip = (str(VENV / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    # Python compiles modules at their first import; most modules of pulumi_aws are never imported.
    _run(*pip, "install", "--no-compile", "--requirement", REQUIREMENTS[purpose], "--constraint", PINS)
    UNFINISHED.replace(_installed(purpose))
    if build and build.wait():
        sys.exit(build.returncode)


def _run(*command: str) -> None:
    exit_code = subprocess.run(command, check=False).returncode
    if exit_code:
        sys.exit(exit_code)


if __name__ == "__main__":
    main(sys.argv[1])
