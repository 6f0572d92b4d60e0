"""How does one use the sandbox from a shell?

python -m sandbox run -- COMMAND…    run any command in the sandbox; its exit code is passed on
python -m sandbox stop               end the server and forget all stacks and roles
"""

import argparse
import os
import sys

from sandbox.engine import NoEngineError
from sandbox.environment import Sandbox, SandboxError


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Practise without AWS.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="run a command in the sandbox: run -- pulumi preview")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND…")
    verbs.add_parser("stop", help="end the server and forget all stacks and roles")
    arguments = parser.parse_args()
    sandbox = Sandbox()
    try:
        if arguments.verb == "stop":
            sandbox.stop()
            return 0
        command = arguments.command[arguments.command[:1] == ["--"] :]
        if not command:
            run.error("name a command: python -m sandbox run -- pulumi preview")
        environment = sandbox.prepare()
        sandbox.prepare_stack(environment)
    except (NoEngineError, SandboxError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    try:
        # Takes this process's place, so that signals and the terminal are the command's own.
        os.execvpe(command[0], command, environment)  # noqa: S606 no shell is wanted
    except OSError as error:
        print(f"sandbox: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main())
