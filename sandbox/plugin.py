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

PROVIDER_VARIABLE: Final = "SANDBOX_AWS_PROVIDER"
EXECUTABLE_NAME: Final = "pulumi-resource-aws"


class NoPluginError(Exception):
    """Raised when the plugin is missing or cannot be installed.

    The message is one line with the reason and the next step.
    """


def is_selected() -> bool:
    """Return whether the sandbox uses a plugin of the real provider in place of its stand-in."""
    return bool(os.environ.get(PROVIDER_VARIABLE))


def prepare_plugin(cache: Path, version: str, pulumi: Path) -> Path:
    """Return the selected plugin's executable; install the published plugin in `cache` if necessary.

    `is_selected` must be true. `version` is the provider's, and `pulumi` is the CLI that installs it.
    Raises NoPluginError if there is no executable or the installation fails.
    """
    selection = os.environ[PROVIDER_VARIABLE]
    if selection == "real":
        return _install_published(cache, version, pulumi)
    executable = Path(selection).absolute() / EXECUTABLE_NAME
    if not (executable.is_file() and os.access(executable, os.X_OK)):
        raise NoPluginError(
            f"{PROVIDER_VARIABLE}: there is no executable {executable}; expected `real`, or the "
            f"directory that contains {EXECUTABLE_NAME}; unset {PROVIDER_VARIABLE} to use the stand-in"
        )
    return executable


def _install_published(cache: Path, version: str, pulumi: Path) -> Path:
    """Return the published plugin's executable; download the plugin unless `cache` contains it."""

    def install(unfinished: Path) -> Path:
        engine.say(f"downloading the AWS provider {version} (only once)")
        installation = subprocess.run(
            [pulumi, "plugin", "install", "resource", "aws", version],
            env={**os.environ, "PULUMI_HOME": str(unfinished), "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        plugin_directory = unfinished / "plugins" / f"resource-aws-v{version}"
        if installation.returncode or not (plugin_directory / EXECUTABLE_NAME).exists():
            reason = _find_failure_reason(installation.stderr)
            raise NoPluginError(
                f"the AWS provider {version} could not be installed: {reason}; set {PROVIDER_VARIABLE} "
                f"to a directory that contains {EXECUTABLE_NAME}, or unset it to use the stand-in"
            )
        return plugin_directory

    return engine.make_once(cache / f"aws-v{version}", install) / EXECUTABLE_NAME


def _find_failure_reason(error_output: str) -> str:
    """Return the last failed download's reason, or the last line if no download failed."""
    lines = error_output.strip().splitlines() or ["no reason given"]
    failed_downloads = [line for line in lines if "Error downloading plugin: " in line]
    last_line = (failed_downloads or lines)[-1]
    return re.sub(r"^(?:error|.*Error downloading plugin): ", "", last_line)
