"""Find the real AWS provider's plugin, which `SANDBOX_AWS_PROVIDER` selects.

If the variable is unset or empty, the sandbox uses its stand-in instead. `real` selects the plugin that
Pulumi publishes, in the version of the installed package pulumi-aws. Any other value is the directory
that contains your own `pulumi-resource-aws`.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

from sandbox import engine

VARIABLE: Final = "SANDBOX_AWS_PROVIDER"
NAME: Final = "pulumi-resource-aws"


class NoPluginError(Exception):
    """Raised when the plugin is missing or cannot be installed.

    The message is one line with the reason and the next step.
    """


def is_selected() -> bool:
    """Return whether the sandbox uses a plugin of the real provider in place of its stand-in."""
    return bool(os.environ.get(VARIABLE))


def find(cache: Path, version: str, pulumi: Path) -> Path:
    """Return the selected plugin's executable; install the published plugin in `cache` if necessary.

    `is_selected` must be true. Raises NoPluginError if there is no executable or the installation fails.
    """
    selected = os.environ[VARIABLE]
    if selected == "real":
        return _installed(cache, version, pulumi)
    executable = Path(selected).absolute() / NAME
    if not (executable.is_file() and os.access(executable, os.X_OK)):
        raise NoPluginError(
            f"{VARIABLE}: there is no executable {executable}; expected `real`, or the directory that "
            f"contains {NAME}; unset {VARIABLE} to use the stand-in"
        )
    return executable


def _installed(cache: Path, version: str, pulumi: Path) -> Path:
    def install(unfinished: Path) -> Path:
        engine.say(f"downloading the AWS provider {version} (only once)")
        done = subprocess.run(
            [pulumi, "plugin", "install", "resource", "aws", version],
            env={**os.environ, "PULUMI_HOME": str(unfinished), "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        found = unfinished / "plugins" / f"resource-aws-v{version}"
        if done.returncode or not (found / NAME).exists():
            raise NoPluginError(
                f"the AWS provider {version} could not be installed: {_reason(done.stderr)}; set "
                f"{VARIABLE} to a directory that contains {NAME}, or unset it to use the stand-in"
            )
        return found

    return engine.make_once(cache / f"aws-v{version}", install) / NAME


def _reason(errors: str) -> str:
    """Return the last failed download's reason, or the last line of `errors` if no download failed."""
    lines = errors.strip().splitlines() or ["no reason given"]
    attempts = [line for line in lines if "Error downloading plugin: " in line]
    return re.sub(r"^(?:error|.*Error downloading plugin): ", "", (attempts or lines)[-1])
