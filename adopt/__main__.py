"""How does one take over a data source's role from a shell?

python -m adopt --stack STACK    find the data source; write Pulumi.STACK.yaml and import.json; show
                                 what its role has too much or too little

docs/adopt.md tells what comes before and after. Nothing in AWS is changed.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from yaml import YAMLError

from adopt import writing
from adopt.difference import TRUST_POLICY, Difference, Statement, Verdict, compare, statements
from adopt.reading import Account, Connection, DataSource, InputError, Role
from adopt.refusals import explain
from adopt.writing import Plan
from components.connector_role import POLICY_NAME
from components.errors import SettingsError

_TYPE: Final = "AEM"
_INTERRUPTED: Final = 130


class _AmbiguousError(InputError):
    """Raised when there are several data sources and nobody to ask."""

    def __init__(self, choices: Sequence[DataSource]) -> None:
        super().__init__(
            "\n".join(["which data source? Give one of", *(f"  {_named(it)}" for it in choices)])
        )
        self.choices = choices


class _Result(NamedTuple):
    data_source: DataSource
    connection: Connection
    plan: Plan
    difference: Difference
    files: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    options = _options().parse_args(arguments)
    try:
        result = _adopt(options)
    except (InputError, SettingsError, OSError, YAMLError) as error:
        return _fail(str(error), error.choices if isinstance(error, _AmbiguousError) else (), options)
    except (BotoCoreError, ClientError) as error:
        return _fail(explain(error), (), options)
    except ValueError as error:
        # The SDK's way to refuse its own settings.
        return _fail(f"the SDK does not take its settings (AWS_…): {error}", (), options)
    except (KeyboardInterrupt, EOFError):
        _note("interrupted")
        return _INTERRUPTED
    print(json.dumps(_document(result), indent=2) if options.json else "\n".join(_report(result)))
    return 0


def _fail(text: str, choices: Sequence[DataSource], options: argparse.Namespace) -> int:
    _note(text)
    if options.json:
        print(json.dumps({"error": text, "choices": [_ids(it) for it in choices]}, indent=2))
    return 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m adopt",
        description="Write the stack configuration and import file for the role of a data source.",
        epilog="Credentials are the SDK's: AWS_PROFILE and the rest. docs/adopt.md tells more.",
    )
    parser.add_argument("--stack", required=True, help="the stack that is to own the role")
    parser.add_argument("--region", help="Region of the application; default: that of the profile")
    parser.add_argument("--application", metavar="ID", help="look in this application alone")
    parser.add_argument("--data-source", metavar="ID", help="take this data source")
    parser.add_argument("--any", action="store_true", help="offer connectors other than AEM too")
    parser.add_argument("--dry-run", action="store_true", help="write no file")
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")
    parser.add_argument("--json", action="store_true", help="print one JSON document, ask nothing")
    return parser


def _adopt(options: argparse.Namespace) -> _Result:
    project = writing.project_name()
    if not (options.dry_run or options.force):
        writing.check_absent(options.stack)
    account = Account(options.region, _note, lambda text: _note(f"warning: {text}"))
    found = list(account.data_sources(options.application))
    data_source = _choose(found, options)
    connection = account.connection(data_source)
    account.warn_of_others(connection.role, (it for it in found if it.id != data_source.id))
    plan = writing.plan(connection, project)
    for warning in plan.warnings:
        _note(f"warning: {warning}")
    difference = compare(
        [
            *statements(TRUST_POLICY, json.loads(plan.documents.trust_policy)),
            *statements(POLICY_NAME, json.loads(plan.documents.role_policy)),
        ],
        list(_present(connection.role)),
    )
    files = [] if options.dry_run else writing.write(plan, options.stack)
    return _Result(data_source, connection, plan, difference, files)


def _present(role: Role) -> Iterator[Statement]:
    yield from statements(TRUST_POLICY, role.trust_policy)
    for name, document in {**role.inline_policies, **role.attached_policies}.items():
        yield from statements(name, document)


def _choose(found: Sequence[DataSource], options: argparse.Namespace) -> DataSource:
    """Return the data source that the options leave, or that the user picks."""
    of_type = [it for it in found if options.any or it.type.casefold() == _TYPE.casefold()]
    choices = [it for it in of_type if options.data_source in (None, it.id)]
    if not choices:
        what = f"no data source {options.data_source}" if options.data_source else "no data source"
        kind = "" if options.any else f" of type {_TYPE}"
        types = ", ".join(sorted({it.type for it in found})) or "none at all"
        advice = "" if options.any else "; --any takes a connector of another type"
        raise InputError(
            f"there is {what}{kind} (there are {len(found)}, of these types: {types}): look at "
            f"--application and --region{advice}"
        )
    if len(choices) == 1:
        _note(f"the only choice: {_named(choices[0])}")
        return choices[0]
    if options.json or not sys.stdin.isatty():
        raise _AmbiguousError(choices)
    for number, choice in enumerate(choices, start=1):
        print(f"{number:3}  {_named(choice)}")
    while True:
        answer = input(f"Which data source, 1 to {len(choices)}? ")
        if answer.isdecimal() and 1 <= int(answer) <= len(choices):
            return choices[int(answer) - 1]


def _named(it: DataSource) -> str:
    application = f"{it.application_name} {it.application_id}".strip()
    return f"--data-source {it.id}  {it.name} ({it.type}, {it.status}) of application {application}"


def _report(result: _Result) -> Iterator[str]:
    """Say what the role has and what comes next."""
    role, difference = result.connection.role, result.difference
    yield f"role: {role.arn}"
    yield ""
    yield "What the program will write, and whether the role has it:"
    yield from _lines(difference.program)
    yield ""
    yield "What the role has, and whether the program will write it:"
    yield from _lines(difference.role)
    yield ""
    if difference.nothing and role.complete:
        yield "Nothing too much, nothing too little."
    if kept := _kept(role):
        yield f"These policies stay until exclusivePolicies is true: {', '.join(kept)}."
    if result.files:
        yield f"Written: {', '.join(result.files)}. docs/adopt.md tells how to go on."
    else:
        yield "Nothing was written."


def _lines(verdicts: Iterable[Verdict]) -> Iterator[str]:
    for it in verdicts:
        yield f"  {it.policy}, {it.statement}: {it.verdict}"
        preposition = "by" if it.policy == TRUST_POLICY else "on"
        for excess in it.what:
            condition = ", under another condition" if excess.condition else ""
            yield f"      {', '.join(excess.actions)}{condition}"
            yield from (f"        {preposition} {target}" for target in excess.targets)


def _kept(role: Role) -> list[str]:
    return [name for name in (*role.inline_policies, *role.attached_policies) if name != POLICY_NAME]


def _document(result: _Result) -> dict[str, object]:
    return {
        "dataSource": _ids(result.data_source),
        "role": result.connection.role.arn,
        "config": result.plan.config,
        "import": result.plan.import_file,
        "difference": {
            "nothing": result.difference.nothing,
            "complete": result.connection.role.complete,
            "program": [_plain(it) for it in result.difference.program],
            "role": [_plain(it) for it in result.difference.role],
        },
        "keptPolicies": _kept(result.connection.role),
        "files": result.files,
    }


def _ids(it: DataSource) -> dict[str, str]:
    return {
        "applicationId": it.application_id,
        "indexId": it.index_id,
        "dataSourceId": it.id,
        "displayName": it.name,
        "type": it.type,
        "status": it.status,
    }


def _plain(verdict: Verdict) -> dict[str, object]:
    return {**verdict._asdict(), "what": [it._asdict() for it in verdict.what]}


def _note(text: str) -> None:
    print(f"adopt: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
