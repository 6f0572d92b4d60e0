"""Recover a stack whose update was interrupted: `python -m recovery --help`.

The exit code is 0 if the stack was recovered or nothing was interrupted; 1 if you did not confirm, the
stack changed in the meantime, or the recovery failed; 2 if the options are invalid, the stack could not
be read or previewed, or a role was not found (nothing was changed); and 130 after an interruption.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

from .plan import is_interrupted, missing_role, plan, with_orphans

_RECOVERED: Final = 0
_NOT_RECOVERED: Final = 1
_COULD_NOT_LOOK: Final = 2
_INTERRUPTED: Final = 130


class _Error(Exception):
    """Raised if a stack cannot be read or previewed, or lacks a role; the message is for the user."""


def main(arguments: Sequence[str] | None = None, program: str | None = None) -> int:
    """Run the command and return the exit code; `program` is its name in the help."""
    parser = argparse.ArgumentParser(
        program,
        description="Recover a stack whose update was interrupted: unlock it, delete the roles "
        "with automatic names that Pulumi began to create but did not record, and finish the update. "
        "See docs/operations.md.",
    )
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    options = parser.parse_args(arguments)
    try:
        return _recover(options.stack, yes=options.yes)
    except _Error as error:
        _say(str(error))
        return _COULD_NOT_LOOK
    except FileNotFoundError:
        _say("pulumi is not on PATH: install it (https://www.pulumi.com/docs/install/)")
        return _COULD_NOT_LOOK
    except KeyboardInterrupt:
        _say("interrupted")
        return _INTERRUPTED


def _recover(stack: str, *, yes: bool) -> int:
    exported = _read("stack", "export", "--show-secrets", "--stack", stack)
    if not is_interrupted(exported["deployment"]):
        up, cancel = _text("up", "--stack", stack), _text("cancel", "--stack", stack)
        print(f"The state contains no interrupted operation. To deploy changes, run `{up}`.")
        print(f"If the stack is locked and no other command is using it, first run `{cancel}`.")
        return _RECOVERED
    preview = _read("preview", "--json", "--refresh", "--run-program", "--stack", stack)
    if role := missing_role(exported["deployment"], preview):
        raise _Error(
            f"the stack's role {role} was not found with these credentials: use credentials for "
            "its account, or wait a minute if the role is new; if somebody deleted it, run "
            f"`{_text('cancel', '--stack', stack)}` and then "
            f"`{_text('up', '--refresh', '--stack', stack)}`"
        )
    unfinished, orphans, changes = plan(exported["deployment"], preview)
    if unfinished:
        print("Interrupted:", *unfinished, sep="\n  ")
    deletions = [f"delete    role {orphan['id']}, if it was created" for orphan in orphans]
    print(f"The recovery unlocks stack {stack} and runs `pulumi up`:", *deletions, *changes, sep="\n  ")
    if not yes and not _confirmed():
        return _NOT_RECOVERED
    _run("cancel", "--yes", "--stack", stack)  # fails in Pulumi Cloud if the stack is not locked
    try:
        unchanged = _read("stack", "export", "--show-secrets", "--stack", stack) == exported
    except _Error as error:
        _say(f"{error}: the stack was not recovered; run the recovery again")
        return _NOT_RECOVERED
    if not unchanged:
        _say("the stack has since changed: run the recovery again")
        return _NOT_RECOVERED
    recovered = _run(
        "stack", "import", "--stack", stack, given=json.dumps(with_orphans(exported, orphans))
    ) and _run("up", "--yes", "--skip-preview", "--refresh", "--run-program", "--stack", stack)
    return _RECOVERED if recovered else _NOT_RECOVERED


def _confirmed() -> bool:
    try:
        answer = input("Make sure that no other command is using the stack. Continue? [y/N] ")
    except EOFError:
        _say("there was no answer: pass --yes to continue without confirmation")
        return False
    return answer.lower() in ("y", "yes")


def _read(*arguments: str) -> dict[str, Any]:
    """Run a read-only Pulumi command and return the JSON document that it prints."""
    done = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # If this variable is true, a preview prints several documents.
        env={**os.environ, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "false"},
        text=True,
        check=False,
    )
    if done.returncode:
        # A preview reports its errors in the document.
        document: dict[str, Any] = json.loads(done.stdout) if done.stdout.startswith("{") else {}
        diagnostics: list[dict[str, str]] = document.get("diagnostics") or []
        problems = [each["message"].strip() for each in diagnostics]
        raise _Error("\n".join([*problems, f"`{_text(*arguments)}` failed"]))
    return json.loads(done.stdout)


def _run(*arguments: str, given: str = "") -> bool:
    """Run a Pulumi command with the given input and return whether it succeeded.

    After Ctrl-C, which Pulumi also receives, wait until Pulumi exits, then raise KeyboardInterrupt.
    """
    sys.stdout.flush()
    command = ["pulumi", *arguments, "--non-interactive"]
    interruptions: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interruptions.append(number))
    try:
        done = subprocess.run(command, input=given, text=True, check=False)
    finally:
        signal.signal(signal.SIGINT, before)
    if interruptions:
        raise KeyboardInterrupt
    return not done.returncode


def _text(*arguments: str) -> str:
    return shlex.join(["pulumi", *arguments])


def _say(text: str) -> None:
    print(f"recover: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(program="python -m recovery"))
