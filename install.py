"""Install the packages of requirements-dev.txt into venv/; `make` runs this."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path("requirements-dev.txt")
VENV = Path("venv")
INSTALLED = VENV / "installed"
UNFINISHED = VENV / "unfinished"


def main() -> None:
    """Install unless venv/ is up to date; a second process waits for the first."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback after Ctrl-C
    os.chdir(Path(__file__).parent)
    with REQUIREMENTS.open() as requirements:
        fcntl.flock(requirements, fcntl.LOCK_EX)
        if not _is_current():
            _install()


def _is_current() -> bool:
    return INSTALLED.exists() and INSTALLED.stat().st_mtime >= REQUIREMENTS.stat().st_mtime


def _install() -> None:
    print("installing Python packages into venv/, once; about a minute", flush=True)
    if UNFINISHED.exists():
        shutil.rmtree(VENV)  # an interrupted installation can leave half a package
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    _run(sys.executable, "-m", "venv", str(VENV))
    pip = (str(VENV / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    _run(*pip, "install", "-r", str(REQUIREMENTS))
    UNFINISHED.replace(INSTALLED)


def _run(*command: str) -> None:
    exit_code = subprocess.run(command, check=False).returncode
    if exit_code:
        sys.exit(exit_code)


if __name__ == "__main__":
    main()
