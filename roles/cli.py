"""Audit, check, and assign data sources' roles, and prepare their import, from the command line.

qbusiness-roles adopt --stack STACK --application ID   prepare the import of data sources' roles
qbusiness-roles adopt --restore FILE                   restore policies and data sources' earlier roles
qbusiness-roles assign --stack STACK ENTRY=ID          give data sources the roles of a stack
qbusiness-roles audit                  compare every data source's role with the program's policies
qbusiness-roles check --stack STACK    check whether a sync with a stack's role will work

Only `adopt --restore` and `assign` change AWS resources, after the user has confirmed their plan. The
exit code is 0 if all is well or a plan was saved; 1 if there are problems, a role or data source was
left out, or a change failed; 2 if the input is invalid, something could not be read or written, or the
program has a bug; 3 if `audit` or `check` cannot tell whether all is well; 4 if a plan was not
confirmed; and 130 after an interruption.
"""

import argparse
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from components.problems import SettingsError, escape
from roles.adopt import command as adopt
from roles.assign import command as assign
from roles.audit import command as audit
from roles.check import command as check
from roles.errors import COULD_NOT_LOOK, InputError, explain
from roles.output import Output, OutputError
from roles.version import version

_VERBS: Final = {"adopt": adopt, "assign": assign, "audit": audit, "check": check}
"""Modules with `HELP`, `add_options(parser)`, and `run(options, output)`, which returns an exit code."""
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None) -> int:
    """Run a command and return the exit code."""
    options = _PARSER.parse_args(arguments)
    output = Output(options.verb)
    details: Mapping[str, object] = {}
    exit_code = COULD_NOT_LOOK
    try:
        output.check_open()
        return _VERBS[options.verb].run(options, output)
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        lines = [explain(error)]
    except InputError as error:
        lines, details = [*error.lines], error.details
    except SettingsError as error:
        # The message escapes the values of settings, so its line breaks only separate problems.
        lines = str(error).split("\n")
    except OSError as error:
        lines = [f"{error.filename}: {error.strerror}" if error.filename else str(error)]
    except OutputError as error:
        lines = [str(error)]
    except (KeyboardInterrupt, EOFError):
        lines, exit_code = ["interrupted"], _INTERRUPTED
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        # The exception's message may contain the value of a secret setting.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"
        advice = (
            "repeat the command with PYTHONDEVMODE=1 and report the traceback without any secret "
            "values in it"
        )
        lines = [f"this is a bug in this program ({place}): {advice}"]
    output(*lines)
    if options.json:
        with suppress(OutputError):
            output.json({"error": "\n".join(lines), **details})
    return exit_code


class _Parser(argparse.ArgumentParser):
    """A parser that escapes its error messages, as the commands escape theirs."""

    def error(self, message: str) -> NoReturn:
        super().error(escape(message))


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="qbusiness-roles",
        description="Read the roles of Amazon Q Business data sources. Only `assign` and `adopt "
        "--restore` change AWS resources, after you have confirmed their plan.",
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {version()}", help="show the version and exit"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar=" | ".join(_VERBS))
    for name, verb in _VERBS.items():
        own = verbs.add_parser(
            name,
            help=verb.HELP,
            description=f"{verb.HELP[0].upper()}{verb.HELP[1:]}.",
            epilog="Credentials come from the AWS SDK's default credential chain, which includes the "
            f"profile in AWS_PROFILE. See docs/{name}.md.",
        )
        verb.add_options(own)
        own.add_argument("--json", action="store_true", help="print one JSON document and do not prompt")
    return parser


_PARSER: Final = _make_parser()
