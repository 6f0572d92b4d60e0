"""Install the packages for the Makefile's commands; the Makefile runs this script.

With the argument `sandbox`, the script installs the packages for `make up`, and at the same time
downloads or builds the engine if necessary. With `roles`, it installs the packages for
`qbusiness-roles` and for CI, and requires the hashes in requirements-locked.txt. With `development`, it
installs all packages in requirements-dev.txt. With any of these arguments, it also creates
`venv/bin/qbusiness-roles`.

If uv is on PATH, uv installs the packages, because it is several times as fast as pip. uv's settings,
such as a company's package index, apply. If uv is not on PATH or fails, pip installs the packages with
pip's settings.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

VENV = Path("venv")
PYTHON = str(VENV / "bin" / "python")
UNFINISHED = VENV / "unfinished"
PINS = "requirements-dev.txt"
REQUIREMENTS = {
    "sandbox": "sandbox/requirements.txt",
    "roles": "requirements-locked.txt",
    "development": PINS,
}
FILES = (*REQUIREMENTS.values(), "requirements.txt")  # a file can include other files
COMMAND = VENV / "bin" / "qbusiness-roles"
COMMAND_TEXT = """\
#!/bin/sh
"exec" "${0%/*}/python" "$0" "$@"
# For the shell, the line above runs this file with the Python next to it. For Python, it's a string.
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))
from roles.__main__ import start

sys.exit(start("make roles"))
"""


def main(purpose: str) -> None:
    """Install the packages unless venv/ is up to date; first wait for any other installation."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback after Ctrl-C
    os.chdir(Path(__file__).parent)
    with Path(PINS).open() as pins:
        fcntl.flock(pins, fcntl.LOCK_EX)
        installed = VENV / f"{purpose}-installed"
        changed = max(Path(file).stat().st_mtime for file in FILES)
        if not installed.exists() or installed.stat().st_mtime < changed:
            _install(purpose, installed)


def _install(purpose: str, installed: Path) -> None:
    print(f"installing the Python packages for {purpose} into venv/", flush=True)
    engine = subprocess.Popen([sys.executable, "-m", "sandbox.engine"]) if purpose == "sandbox" else None
    packages = ["--requirement", REQUIREMENTS[purpose]]
    if purpose == "roles":
        packages += ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    if purpose == "sandbox":
        packages += ["pip", "--constraint", PINS]  # Pulumi lists the packages with pip
    is_new = _create_venv()
    if not _with_uv(packages):
        if is_new:
            _create_venv()  # uv can leave a partly installed package
        _with_pip(packages, upgrade=purpose != "roles")
    COMMAND.write_text(COMMAND_TEXT)
    COMMAND.chmod(0o755)
    UNFINISHED.replace(installed)
    if engine and engine.wait():
        sys.exit(engine.returncode)


def _create_venv() -> bool:
    """Delete venv/ if it is unusable, and create it without pip if it is missing.

    The directory is unusable if its Python is missing, or if an installation was interrupted, because
    it may then contain a partly installed package. Return whether venv/ was created.
    """
    if VENV.exists() and (UNFINISHED.exists() or not Path(PYTHON).exists()):
        shutil.rmtree(VENV)
    is_new = not VENV.exists()
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    if is_new:
        _run(sys.executable, "-m", "venv", "--without-pip", str(VENV))
    return is_new


def _with_uv(packages: list[str]) -> bool:
    """Install the packages with uv; return False if uv is not on PATH or fails."""
    uv = shutil.which("uv")
    if uv is None:
        return False
    command = (uv, "pip", "install", "--quiet", "--no-python-downloads", "--python", PYTHON, *packages)
    exit_code = subprocess.run(command, check=False).returncode
    if exit_code:
        print(f"{uv} failed with exit code {exit_code}; installing with pip", flush=True)
    return not exit_code


def _with_pip(packages: list[str], *, upgrade: bool) -> None:
    if find_spec("pip"):
        pip = (sys.executable, "-m", "pip", "--python", PYTHON)
    else:
        _run(
            *(PYTHON, "-m", "ensurepip"),
            advice=f"{sys.executable} has no working pip: install it (on Debian and Ubuntu: "
            "`apt install python3-venv`), or install uv, and run the command again",
        )
        pip = (PYTHON, "-m", "pip")
    options = ("--quiet", "--disable-pip-version-check", "--no-compile")
    if upgrade:
        # First install the pinned pip, which needs half as much CPU time as the pip of Python 3.11.
        _run(*pip, "install", *options, "pip", "--constraint", PINS)
        pip = (PYTHON, "-m", "pip")
    # Python compiles modules on their first import, and most pulumi_aws modules are never imported.
    _run(*pip, "install", *options, *packages)


def _run(*command: str, advice: str | None = None) -> None:
    exit_code = subprocess.run(command, check=False).returncode
    if exit_code:
        sys.exit(advice or exit_code)


if __name__ == "__main__":
    main(sys.argv[1])
