"""Import the role of a data source from a shell.

python -m adopt --stack STACK    find the data source; write Pulumi.STACK.yaml and import.json; compare
                                 its role with what the program will write

docs/adopt.md describes the steps before and after. Nothing in AWS is changed.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from yaml import YAMLError

from adopt import writing
from adopt.difference import TRUST_POLICY, Difference, Statement, Verdict, compare, statements
from adopt.reading import Account, Connection, DataSource, InputError, Role
from adopt.refusals import explain
from adopt.room import MAXIMUM_ATTACHED, Room
from adopt.writing import Plan
from components.connector_role import POLICY_NAME
from components.errors import SettingsError
from components.formats import MAXIMUM_INLINE_SIZE

_TYPE: Final = "AEM"
_INTERRUPTED: Final = 130


class _AmbiguousError(InputError):
    """Raised when there are several data sources and nobody to ask."""

    def __init__(self, choices: Sequence[DataSource]) -> None:
        super().__init__(
            "\n".join(["which data source? Give one of", *(f"  {_named(choice)}" for choice in choices)])
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
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        return _fail(explain(error), (), options)
    except ValueError as error:
        # The SDK's exception for its own settings.
        return _fail(f"the SDK does not accept its settings (AWS_…): {error}", (), options)
    except (KeyboardInterrupt, EOFError):
        _note("interrupted")
        return _INTERRUPTED
    print(json.dumps(_document(result), indent=2) if options.json else "\n".join(_report(result)))
    return 0


def _fail(text: str, choices: Sequence[DataSource], options: argparse.Namespace) -> int:
    _note(text)
    if options.json:
        print(json.dumps({"error": text, "choices": [_ids(choice) for choice in choices]}, indent=2))
    return 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m adopt",
        description="Write the stack configuration and import file for the role of a data source.",
        epilog="Credentials are the SDK's: AWS_PROFILE and the rest. docs/adopt.md describes all steps.",
    )
    parser.add_argument("--stack", required=True, help="the stack that is to own the role")
    parser.add_argument("--region", help="Region of the application; default: that of the profile")
    parser.add_argument("--application", metavar="ID", help="look in this application only")
    parser.add_argument("--data-source", metavar="ID", help="take this data source")
    parser.add_argument("--any", action="store_true", help="offer connectors other than AEM too")
    parser.add_argument("--dry-run", action="store_true", help="write no file")
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
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
    account.warn_of_others(connection.role, (other for other in found if other.id != data_source.id))
    plan = writing.plan(connection, project)
    for warning in plan.warnings:
        _note(f"warning: {warning}")
    if plan.room.excess:
        _note(
            f"warning: the role's inline policies leave no room for the role policy, by "
            f"{plan.room.excess:,} characters: `pulumi up` would fail with LimitExceeded"
        )
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
    """Return the only data source that matches the options, or the one that the user chooses."""
    of_type = [source for source in found if options.any or source.type.casefold() == _TYPE.casefold()]
    choices = [source for source in of_type if options.data_source in (None, source.id)]
    if not choices:
        what = f"no data source {options.data_source}" if options.data_source else "no data source"
        kind = "" if options.any else f" of type {_TYPE}"
        types = ", ".join(sorted({source.type for source in found})) or "none"
        advice = "" if options.any else "; --any takes a connector of another type"
        raise InputError(
            f"there is {what}{kind} (there are {len(found)}, of these types: {types}): check "
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


def _named(source: DataSource) -> str:
    application = f"{source.application_name} {source.application_id}".strip()
    kind = f"{source.type}, {source.status}"
    return f"--data-source {source.id}  {source.name} ({kind}) of application {application}"


def _report(result: _Result) -> Iterator[str]:
    """Say how the role compares, and what comes next."""
    role, difference = result.connection.role, result.difference
    yield f"role: {role.arn}"
    yield ""
    yield "Statements that the program will write, and whether the role has them:"
    yield from _lines(difference.program)
    yield ""
    yield "Statements that the role has, compared with the program's:"
    yield from _lines(difference.role)
    yield ""
    if difference.equivalent and role.complete:
        yield "The role and the program's policies are equivalent."
    if kept := _kept(role):
        yield f"These policies stay until exclusivePolicies is true: {', '.join(kept)}."
    if result.plan.room.excess:
        yield ""
        yield from _room(result.plan.room, written=bool(result.files))
        yield ""
    if result.files:
        yield f"Written: {', '.join(result.files)}. Next steps: docs/adopt.md."
    else:
        yield "Nothing was written."


def _lines(verdicts: Iterable[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        yield f"  {verdict.policy}, {verdict.statement}: {verdict.verdict}"
        preposition = "by" if verdict.policy == TRUST_POLICY else "on"
        for access in verdict.access:
            condition = ", under another condition" if access.condition else ""
            yield f"      {', '.join(access.actions)}{condition}"
            yield from (f"        {preposition} {target}" for target in access.targets)


def _room(room: Room, *, written: bool) -> Iterator[str]:
    """Say which inline policies do not fit, and how to move them without a gap."""
    yield (
        f"No room for the role policy: the inline policies of a role may have {MAXIMUM_INLINE_SIZE:,} "
        "characters together, white space not counted."
    )
    for name, size in room.kept.items():
        yield f"  {size:6,}  {name}, stays"
    yield f"  {room.role_policy:6,}  {POLICY_NAME}, which `pulumi up` puts"
    yield f"  {room.excess:6,}  too many"
    yield "Before `pulumi up`, which would fail after it has updated the trust policy,"
    if room.remaining_excess:
        yield (
            f"shorten the policies that stay, by {room.remaining_excess:,} characters: they have "
            "statements too large for a managed policy."
        )
        if not room.copies:
            return
        yield "Then"
    moved = ", ".join(room.moved)
    yield f"create managed policies from {moved}. The role keeps every permission meanwhile."
    attached = len(room.role.attached_policies) + len(room.copies)
    if attached > MAXIMUM_ATTACHED:
        yield (
            f"That makes {attached} managed policies: request an increase of IAM's quota, by default "
            f"{MAXIMUM_ATTACHED} per role."
        )
    if not written:
        yield "Without --dry-run, adopt writes the documents and prints the commands."
        return
    yield ""
    yield "1. Copy and attach:"
    yield ""
    yield room.copy_commands()
    yield ""
    yield "2. Wait a minute, until the copies take effect everywhere. Then delete the originals:"
    yield ""
    yield room.delete_commands()


def _kept(role: Role) -> list[str]:
    return [name for name in (*role.inline_policies, *role.attached_policies) if name != POLICY_NAME]


def _document(result: _Result) -> dict[str, object]:
    room = result.plan.room
    return {
        "dataSource": _ids(result.data_source),
        "role": result.connection.role.arn,
        "config": result.plan.config,
        "import": result.plan.import_file,
        "difference": {
            "equivalent": result.difference.equivalent,
            "complete": result.connection.role.complete,
            "program": [_plain(verdict) for verdict in result.difference.program],
            "role": [_plain(verdict) for verdict in result.difference.role],
        },
        "keptPolicies": _kept(result.connection.role),
        "inlinePolicies": {
            "maximum": MAXIMUM_INLINE_SIZE,
            "kept": room.kept,
            "rolePolicy": room.role_policy,
            "excess": room.excess,
            "copies": [copy._asdict() for copy in room.copies],
            "copy": room.copy_commands(),
            "delete": room.delete_commands(),
        },
        "files": result.files,
    }


def _ids(source: DataSource) -> dict[str, str]:
    return {
        "applicationId": source.application_id,
        "indexId": source.index_id,
        "dataSourceId": source.id,
        "displayName": source.name,
        "type": source.type,
        "status": source.status,
    }


def _plain(verdict: Verdict) -> dict[str, object]:
    return {**verdict._asdict(), "access": [access._asdict() for access in verdict.access]}


def _note(text: str) -> None:
    print(f"adopt: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
