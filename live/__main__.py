"""Run the program once on a real AWS account: `python -m live --help`.

The exit code is 0 if no step failed and nothing is left, 1 otherwise, 2 if nothing was done, and 130
after an interruption.
"""

import argparse
import importlib.metadata
import io
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from components.formats import SUPPORTED_REGIONS
from live.account import CALL_ERRORS, Account
from live.interruption import Interruption
from live.names import Names
from live.run import run
from live.stack import PROJECT
from live.transcript import FAILED, INTERRUPTED, Mask, Transcript
from roles.errors import explain

_NO_FAILURE: Final = 0
_FAILURE: Final = 1
_NOTHING_DONE: Final = 2
_INTERRUPTED: Final = 130


class NotStartedError(Exception):
    """Raised when the run does not start; the message contains the reason."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not if it is closed
            # An error of AWS may contain a character that the terminal does not support.
            stream.reconfigure(errors="backslashreplace")
    try:
        account = _account(options.region)
        return _remove(account, options.remove) if options.remove else _run(account, agreed=options.yes)
    except CALL_ERRORS as error:
        text = explain(error, page="live")
    except NotStartedError as error:
        text = str(error)
    except OSError as error:  # before the first step, because the steps handle it
        text = f"{error}; nothing was done"
    except (KeyboardInterrupt, EOFError):
        print(file=sys.stderr)
        text = "nothing was done"
    print(f"live: {text}", file=sys.stderr)
    return _NOTHING_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m live",
        description="Run the program once on a real AWS account, and leave nothing there.",
        epilog="Credentials come from the SDK's usual sources, such as AWS_PROFILE. See docs/live.md.",
    )
    parser.add_argument("--region", help="Region; default: the Region of the environment or profile")
    parser.add_argument("--yes", action="store_true", help="skip the confirmation")
    parser.add_argument(
        "--remove",
        metavar="NAME",
        type=Names.of,
        help="only remove the remaining resources of a run with this name",
    )
    return parser


def _account(region: str | None) -> Account:
    account = Account(region)
    if account.region not in SUPPORTED_REGIONS:
        raise NotStartedError(
            f"Amazon Q Business is not in {account.region}: pass --region, one of "
            f"{', '.join(SUPPORTED_REGIONS)}"
        )
    return account


def _run(account: Account, *, agreed: bool) -> int:
    if not shutil.which("pulumi"):
        raise NotStartedError(
            "there is no `pulumi` on PATH: install the CLI, https://www.pulumi.com/docs/install/"
        )
    names = Names.random()
    path = Path.cwd() / f"{names.run}.md"
    print(_plan(account, names, path), flush=True)
    if not agreed:
        _ask()
    interruption = Interruption()
    interruption.listen()
    mask = Mask(account.identity, account.credentials)
    try:
        transcript = Transcript(path, _facts(account, names), mask)
    except OSError as error:
        raise NotStartedError(
            f"the transcript cannot be written to {path}: {error.strerror}; nothing was done"
        ) from error
    run(account, names, transcript, interruption)
    transcript.say_end()
    interruption.stop()
    if transcript.count(FAILED):
        return _FAILURE
    return _INTERRUPTED if transcript.count(INTERRUPTED) else _NO_FAILURE


def _plan(account: Account, names: Names, transcript: Path) -> str:
    """Describe the run and its target."""
    return f"""\
This creates IAM roles in an AWS account and deletes them again. The run takes about two minutes
and costs nothing. Nobody can assume the roles, since their application does not exist. The run uses no
other stack.

  account     {account.identity["Account"]}
  caller      {account.identity["Arn"]}
  Region      {account.region}
  IAM         {account.endpoint}
  roles       {", ".join(names.roles)}
  policy      {names.boundary}
  transcript  {transcript.name}
"""


def _ask() -> None:
    if not (sys.stdin and sys.stdin.isatty()):
        raise NotStartedError("not a terminal: pass --yes to confirm; nothing was done")
    if input("Type yes to continue: ").strip().lower() != "yes":
        raise NotStartedError("nothing was done")


def _facts(account: Account, names: Names) -> dict[str, str]:
    """Return the versions and the endpoint for the transcript."""
    packages = {f"package {name}": importlib.metadata.version(name) for name in ("pulumi", "pulumi-aws")}
    return {
        "run": names.run,
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "endpoint of IAM": account.endpoint,
        "Region": account.region,
        "program": _output("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"),
        "Pulumi CLI": _output("pulumi", "version"),
        **packages,
        "Python": platform.python_version(),
        "system": platform.platform(),
    }


def _output(*command: str) -> str:
    """Return the output of a command, or `unknown`."""
    done = subprocess.run(
        command, cwd=PROJECT, check=False, capture_output=True, encoding="utf-8", errors="replace"
    )
    return done.stdout.strip() or "unknown"


def _remove(account: Account, names: Names) -> int:
    removed, left = account.remove(names)
    for entity in removed:
        print(f"removed {entity}")
    for entity in left:
        print(f"live: still there: {entity}", file=sys.stderr)
    if not removed and not left:
        print(f"nothing of {names.run} is in the account")
    return _FAILURE if left else _NO_FAILURE


if __name__ == "__main__":
    sys.exit(main())
