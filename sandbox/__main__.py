"""Run commands in the sandbox, or reset it; `python -m sandbox --help` lists the subcommands."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.engine import NoEngineError
from sandbox.environment import (
    EXAMPLE_DIRECTORY,
    EXAMPLE_PROJECT_NAME,
    EXAMPLE_STACK,
    PROJECT,
    PROJECT_NAME,
    STACK,
    Sandbox,
    SandboxError,
)
from sandbox.plugin import NoPluginError


def main() -> int:
    """Parse the command line, run its command, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="Run the program without AWS."
    )
    subcommands = parser.add_subparsers(dest="verb", required=True)
    run_parser = subcommands.add_parser(
        "run", help="run a command in the sandbox, such as run -- pulumi preview"
    )
    run_parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND…")
    subcommands.add_parser("shell", help="open a shell in the sandbox")
    subcommands.add_parser(
        "console-data-source",
        help="create a data source and its role, as in the AWS console",
    )
    subcommands.add_parser(
        "down",
        help=f"destroy the stack {STACK} and the example's stacks, then reset the sandbox: this also "
        "deletes the stacks and roles that you created in it",
    )
    subcommands.add_parser("stop", help="stop the server and delete all stacks and roles")
    arguments = parser.parse_args()
    sandbox = Sandbox()
    match arguments.verb:
        case "run":
            has_separator = arguments.command[:1] == ["--"]
            command = arguments.command[1:] if has_separator else arguments.command
            if not command:
                run_parser.error("expected a command, as in `python -m sandbox run -- pulumi preview`")
            return _run_command(sandbox, command, {})
        case "shell":
            # Skip the user's startup files, which can select another AWS account or `pulumi` command.
            shell = ["bash", "--norc"] if shutil.which("bash") else ["sh"]
            return _run_command(sandbox, shell, {"PS1": "(sandbox) ${PWD##*/} $ "})
        case "console-data-source":
            return _run_command(sandbox, [sys.executable, "-m", "sandbox.console"], {})
        case "down":
            return _destroy_all(sandbox)
        case _:
            sandbox.stop()
            return 0


def _run_command(sandbox: Sandbox, command: list[str], variables: Mapping[str, str]) -> int:
    """Replace this process with a command, which then receives signals and controls the terminal.

    Return an exit code if the sandbox cannot be prepared or the command cannot be started.
    """
    try:
        environment = sandbox.prepare()
        sandbox.prepare_stack(environment)
    except (NoEngineError, NoPluginError, SandboxError, OSError) as error:
        return _print_error(error)
    try:
        os.execvpe(command[0], command, {**environment, **variables})  # noqa: S606 no shell is needed
    except OSError as error:
        _print_error(f"{command[0]}: {error.strerror}")
        return 127


def _destroy_all(sandbox: Sandbox) -> int:
    """Destroy the stack `dev` and both stacks named `example`; reset the sandbox even if that fails.

    Return the exit code of the last `pulumi destroy` that failed, or 0 if none failed. Neither a failure
    in a stack whose state cannot be read nor a failure to prepare the sandbox counts.
    """
    # Let Pulumi handle Ctrl-C, because it also receives the signal and shuts down the update properly.
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    exit_code = 0
    try:
        environment = sandbox.prepare()
        # Unlock all stacks, as `pulumi cancel` does for one stack, even during an update.
        shutil.rmtree(sandbox.state_directory / ".pulumi" / "locks", ignore_errors=True)
        # The data sources use the roles, so destroy the data sources first.
        for project_directory, project_name in (
            (EXAMPLE_DIRECTORY, EXAMPLE_PROJECT_NAME),
            (PROJECT, PROJECT_NAME),
        ):
            if sandbox.has_stack(project_name, EXAMPLE_STACK):
                exit_code = _destroy_stack(project_directory, EXAMPLE_STACK, environment) or exit_code
        sandbox.prepare_stack(environment)
        exit_code = _destroy_stack(PROJECT, STACK, environment) or exit_code
    except (NoEngineError, NoPluginError, SandboxError, OSError) as error:
        _print_error(error)
    sandbox.stop()
    print("The sandbox is empty: no stack, role, or data source is left. To start again, run `make up`.")
    return exit_code


def _destroy_stack(project_directory: Path, stack: str, environment: Mapping[str, str]) -> int:
    """Destroy a stack and return the exit code; 0 if its state cannot be read."""

    def run_pulumi(*arguments: str, output: int | None = None) -> int:
        return subprocess.run(
            ["pulumi", *arguments, "--stack", stack],
            cwd=project_directory,
            env=environment,
            stdout=output,
            stderr=output,
            check=False,
        ).returncode

    exit_code = run_pulumi("destroy", "--yes", "--skip-preview")
    if exit_code:
        _print_error("the stack could not be destroyed; the sandbox is reset anyway")
        if run_pulumi("stack", "export", output=subprocess.DEVNULL):
            return 0
    return exit_code


def _print_error(message: object) -> int:
    """Print a message to standard error, and return the exit code 1."""
    print(f"sandbox: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # the exit code that shells report after Ctrl-C
