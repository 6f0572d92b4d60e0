"""Import, compare and check roles of data sources from a shell.

python -m roles adopt --stack STACK    prepare the import of a data source's role into a stack
python -m roles audit                  compare the role of every data source with the program's
python -m roles check --stack STACK    ask AWS whether the sync under a stack's role will work

Every verb reads AWS and changes nothing there. The exit code is 0 if all is well, 1 if there are
problems, 2 if the answer could not be found, and 130 after an interruption.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from yaml import YAMLError

from components.errors import SettingsError
from roles.adopt import command as adopt
from roles.audit import command as audit
from roles.check import command as check
from roles.errors import COULD_NOT_LOOK, InputError, explain
from roles.notes import Notes

_VERBS: Final = {"adopt": adopt, "audit": audit, "check": check}
"""Modules with `HELP`, `add_options(parser)` and `run(options, notes)`, which returns the exit code."""
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    options = _parser().parse_args(arguments)
    notes = Notes(options.verb)
    details: object = {}
    try:
        return _VERBS[options.verb].run(options, notes)
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        text = explain(error, options.verb)
    except InputError as error:
        text, details = str(error), error.details
    except (SettingsError, OSError, YAMLError) as error:
        text = str(error)
    except ValueError as error:
        # The SDK's exception for its own settings.
        text = f"the SDK does not accept its settings (AWS_…): {error}"
    except (KeyboardInterrupt, EOFError):
        notes("interrupted")
        return _INTERRUPTED
    notes(text)
    if options.json:
        print(json.dumps({"error": text, **details}, indent=2))
    return COULD_NOT_LOOK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m roles",
        description="Read the roles of Amazon Q Business data sources. Nothing in AWS is changed.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar=" | ".join(_VERBS))
    for name, verb in _VERBS.items():
        own = verbs.add_parser(
            name,
            help=verb.HELP,
            description=f"{verb.HELP[0].upper()}{verb.HELP[1:]}.",
            epilog=f"Credentials are the SDK's: AWS_PROFILE and the rest. docs/{name}.md describes all.",
        )
        verb.add_options(own)
        own.add_argument("--json", action="store_true", help="print one JSON document, ask nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
