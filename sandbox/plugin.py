"""Find the plugin of the real AWS provider, which `SANDBOX_AWS_PROVIDER` selects.

Unset or empty: the sandbox's stand-in. `real`: the plugin that Pulumi publishes, of the version that the
packages pin. Otherwise: the directory that contains your own `pulumi-resource-aws`.
"""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

VARIABLE: Final = "SANDBOX_AWS_PROVIDER"
NAME: Final = "pulumi-resource-aws"
"""The name of the plugin's executable."""


class NoPluginError(Exception):
    """Raised when there is no plugin; the message has one line, with the reason and the next step."""


def is_selected() -> bool:
    """Return whether the sandbox uses a plugin in place of its stand-in."""
    return bool(os.environ.get(VARIABLE))


def find(cache: Path, version: str, pulumi: Path) -> Path:
    """Return the selected executable; install the published one in `cache` if necessary.

    Raises NoPluginError.
    """
    selected = os.environ[VARIABLE]
    if selected == "real":
        return _installed(cache / f"aws-v{version}", version, pulumi)
    executable = Path(selected).absolute() / NAME
    if not (executable.is_file() and os.access(executable, os.X_OK)):
        raise NoPluginError(
            f"{VARIABLE}: there is no executable {executable}; expected `real`, or the directory that "
            f"contains {NAME}; unset {VARIABLE} to use the stand-in"
        )
    return executable


def _installed(directory: Path, version: str, pulumi: Path) -> Path:
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix="unfinished-") as unfinished:
            done = subprocess.run(
                [pulumi, "plugin", "install", "resource", "aws", version],
                env={**os.environ, "PULUMI_HOME": unfinished},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            found = Path(unfinished) / "plugins" / f"resource-aws-v{version}"
            if done.returncode or not (found / NAME).exists():
                reason = (
                    [*filter(None, map(str.strip, done.stderr.splitlines()))] or ["no reason given"]
                )[-1]
                raise NoPluginError(
                    f"the AWS provider {version} could not be installed: {reason}; set {VARIABLE} to a "
                    f"directory that contains {NAME}, or unset it to use the stand-in"
                )
            if not directory.exists():  # another sandbox may have installed it in the meantime
                found.rename(directory)
    return directory / NAME
