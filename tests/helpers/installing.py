"""Build and install the project's Python package without a network."""

import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from sandbox.environment import PROJECT
from tests.helpers.support import PROJECT_NAME

VERSION: Final[str] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
RUNTIME: Final = {"name": "python", "options": {"toolchain": "pip", "virtualenv": "venv"}}
SITE_PACKAGES: Final = sysconfig.get_path("purelib")
_FILES: Final = (
    ".gitattributes",
    ".gitignore",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "requirements.txt",
    "setup.py",
)
_PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def copy_repository(directory: Path) -> None:
    """Copy the repository files that the package and the plugin need."""
    for place in (".github", "components", "guardrails", "plugin", "roles"):
        ignored = shutil.ignore_patterns("venv", "__pycache__")
        shutil.copytree(PROJECT / place, directory / place, ignore=ignored)
    for name in _FILES:
        shutil.copy(PROJECT / name, directory)


def git(directory: Path, *arguments: str | Path) -> str:
    """Run Git as a test user, without signing commits; return the output."""
    settings = ("user.name=test", "user.email=test@example.com", "commit.gpgsign=false")
    options = [option for setting in settings for option in ("-c", setting)]
    command = ["git", *options, *arguments]
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout


def commit(repository: Path) -> str:
    """Initialize a repository if necessary, commit its files, and return the commit's hash."""
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "Change")
    return git(repository, "rev-parse", "HEAD").strip()


def tagged_repository(directory: Path) -> Path:
    """Create a repository that contains the package, with a tag for the version; return the path."""
    repository = directory / "repository"
    repository.mkdir()
    copy_repository(repository)
    commit(repository)
    git(repository, "tag", f"v{VERSION}")
    return repository


def share_packages(directory: Path) -> None:
    """Create a virtual environment, DIRECTORY/venv, that uses the packages in the project's venv/."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory / "venv"], check=True)
    paths = {"base": str(directory / "venv"), "platbase": str(directory / "venv")}
    own = sysconfig.get_path("purelib", vars=paths)
    (Path(own) / "shared.pth").write_text(SITE_PACKAGES)


def make_separate(directory: Path, project: Mapping[str, object]) -> None:
    """Turn a stack's directory into a separate project, without this project's components/ and venv/."""
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump({"name": PROJECT_NAME, **project}))
    for name in ("components", "venv"):
        (directory / name).unlink()


def build_wheel(repository: Path, directory: Path) -> Path:
    """Build a repository's wheel in a directory and return the wheel's path."""
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", directory)
    subprocess.run([*_PIP, "--quiet", "wheel", *options, repository], check=True)
    (wheel,) = directory.glob("*.whl")
    return wheel


def install(package: Path | str, directory: Path, *more: str) -> str:
    """Install a wheel, a repository, or a requirement into a directory's venv/, without dependencies.

    Pass `more` to pip as additional options, and return pip's output.
    """
    python = ("--python", directory / "venv/bin/python")
    options = ("--no-deps", "--no-index", "--no-build-isolation", *more)
    command = [*_PIP, *python, "install", *options, package]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def offline(directory: Path) -> Mapping[str, str]:
    """Return variables that make Pulumi's virtual environments use the packages in the project's venv/.

    The variables refer to files that this function writes to the directory: an empty package named
    `wheel`, which Pulumi installs although nothing needs it, and a script in place of Python. The script
    does not install pip in virtual environments, because pip's installation would take ten seconds.
    """
    with zipfile.ZipFile(directory / "wheel-1-py3-none-any.whl", "w") as empty:
        for name, text in {
            "METADATA": "Metadata-Version: 2.1\nName: wheel\nVersion: 1\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }.items():
            empty.writestr(f"wheel-1.dist-info/{name}", text)
    python = directory / "python"
    python.write_text(
        "#!/bin/sh\n# python -m venv DIRECTORY\n"
        f'{shlex.quote(sys.executable)} "$@" --without-pip && cd "$3"/lib/python3*/site-packages &&\n'
        f"echo {shlex.quote(SITE_PACKAGES)} >shared.pth\n"
    )
    python.chmod(0o755)
    python.with_name("python3").symlink_to(python)
    return {
        "PIP_FIND_LINKS": str(directory),
        "PIP_NO_BUILD_ISOLATION": "0",  # 0 disables isolation: https://github.com/pypa/pip/issues/5735
        "PIP_NO_INDEX": "1",
        "PULUMI_PYTHON_CMD": str(python),
    }
