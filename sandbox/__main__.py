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
    EXAMPLE,
    EXAMPLE_NAME,
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
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="run a command in the sandbox, such as run -- pulumi preview")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND…")
    verbs.add_parser("shell", help="open a shell in the sandbox")
    verbs.add_parser(
        "console-data-source",
        help="create a data source and its role, as in the AWS console",
    )
    verbs.add_parser(
        "down",
        help=f"destroy the stack {STACK} and the example's stacks, then reset the sandbox: this also "
        "deletes the stacks and roles that you created in it",
    )
    verbs.add_parser("stop", help="stop the server and delete all stacks and roles")
    arguments = parser.parse_args()
    sandbox = Sandbox()
    match arguments.verb:
        case "run":
            command = arguments.command[arguments.command[:1] == ["--"] :]
            if not command:
                run.error("expected a command, as in `python -m sandbox run -- pulumi preview`")
            return _run(sandbox, command, {})
        case "shell":
            # Skip the user's startup files, which can select another AWS account or `pulumi` command.
            shell = ["bash", "--norc"] if shutil.which("bash") else ["sh"]
            return _run(sandbox, shell, {"PS1": "(sandbox) ${PWD##*/} $ "})
        case "console-data-source":
            return _run(sandbox, [sys.executable, "-m", "sandbox.console"], {})
        case "down":
            return _down(sandbox)
        case _:
            sandbox.stop()
            return 0


def _run(sandbox: Sandbox, command: list[str], variables: Mapping[str, str]) -> int:
    """Replace this process with a command, which then receives signals and controls the terminal.

    Return an exit code if the sandbox cannot be prepared or the command cannot be started.
    """
    try:
        environment = sandbox.prepare()
        sandbox.prepare_stack(environment)
    except (NoEngineError, NoPluginError, SandboxError, OSError) as error:
        return _fail(error)
    try:
        os.execvpe(command[0], command, {**environment, **variables})  # noqa: S606 no shell is needed
    except OSError as error:
        _fail(f"{command[0]}: {error.strerror}")
        return 127


def _down(sandbox: Sandbox) -> int:
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
        shutil.rmtree(sandbox.state / ".pulumi" / "locks", ignore_errors=True)
        # The data sources use the roles, so destroy the data sources first.
        for project, name in ((EXAMPLE, EXAMPLE_NAME), (PROJECT, PROJECT_NAME)):
            if sandbox.has_stack(name, EXAMPLE_STACK):
                exit_code = _destroy(project, EXAMPLE_STACK, environment) or exit_code
        sandbox.prepare_stack(environment)
        exit_code = _destroy(PROJECT, STACK, environment) or exit_code
    except (NoEngineError, NoPluginError, SandboxError, OSError) as error:
        _fail(error)
    sandbox.stop()
    print("The sandbox is empty: no stack, role, or data source is left. To start again, run `make up`.")
    return exit_code


def _destroy(project: Path, stack: str, environment: Mapping[str, str]) -> int:
    def pulumi(*command: str, output: int | None = None) -> int:
        arguments = ["pulumi", *command, "--stack", stack]
        return subprocess.run(
            arguments, cwd=project, env=environment, stdout=output, stderr=output, check=False
        ).returncode

    exit_code = pulumi("destroy", "--yes", "--skip-preview")
    if exit_code:
        _fail("the stack could not be destroyed; the sandbox is reset anyway")
        if pulumi("stack", "export", output=subprocess.DEVNULL):
            return 0
    return exit_code


def _fail(message: object) -> int:
    print(f"sandbox: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # the exit code that shells report after Ctrl-C
