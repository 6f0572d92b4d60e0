"""Prepare the import of a data source's role into a stack.

Find the data source, write `Pulumi.STACK.yaml` and `import.json`, and compare the role with the policies
that the program will write. docs/adopt.md describes the steps before and after.
"""

import argparse
from argparse import ArgumentTypeError
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from components.connector_role import POLICY_NAME
from components.connectors import Connector
from roles.account import Account, DataSource, Role
from roles.adopt import every, existing, files, report
from roles.adopt.files import Plan
from roles.adopt.room import policy_names
from roles.arns import application_id
from roles.detection import connector_named, connectors_of
from roles.difference import TRUST_POLICY, Difference, Verdict, compare_role
from roles.errors import FINE, InputError
from roles.findings import State
from roles.output import Notes, Output
from roles.project import project_name, stack_name
from roles.reading import read_each
from roles.requirements import Requirements, read_requirements

HELP: Final = "write the stack configuration and import file for the role of a data source"


class _Result(NamedTuple):
    data_source: DataSource
    requirements: Requirements
    plan: Plan
    difference: Difference
    files: list[str]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        "--stack", type=stack_name, required=True, help="the stack that will own the role"
    )
    parser.add_argument("--region", help="Region of the application; default: that of the profile")
    parser.add_argument(
        "--application", metavar="ID", type=application_id, help="look only in this application"
    )
    parser.add_argument("--data-source", metavar="ID", help="adopt the role of this data source")
    parser.add_argument(
        "--connector",
        metavar="NAME",
        type=_connector,
        action="append",
        default=[],
        help="consider only data sources of this connector; with --all, can be repeated",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="adopt the roles of all data sources of one application, as members of dataSources",
    )
    parser.add_argument(
        "--name",
        metavar="ID=NAME",
        type=every.member_name,
        action="append",
        default=[],
        help="with --all: the name of the member for a data source; default: from its display name; "
        "can be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="write no files")
    parser.add_argument("--force", action="store_true", help="overwrite existing files")


def run(options: argparse.Namespace, output: Output) -> int:
    """Write the files, print the comparison, and return the exit code."""
    if options.all:
        return every.run(options, output)
    if options.name:
        raise InputError("--name is for --all: pass --all as well")
    if len(options.connector) > 1:
        raise InputError("several --connector are for --all: pass --all as well, or one connector")
    options.connector = next(iter(options.connector), None)
    result = _adopt(options, output)
    if options.json:
        output.json(_document(result))
    else:
        output.show(*_report(result, options.stack))
    return FINE


def _adopt(options: argparse.Namespace, output: Output) -> _Result:
    project = project_name()
    before = existing.read(options.stack, project)
    if not options.dry_run:
        files.check(options.stack, overwrite=options.force)
        existing.refuse_members(before)
    account = Account(options.region, output)
    found = list(account.data_sources(options.application))
    data_source = _choose(found, options, output)
    requirements = _requirements(account, data_source, output, options.connector)
    _warn_of_others(
        account, requirements.role, [source for source in found if source.id != data_source.id], output
    )
    plan = files.plan(requirements, project, partial(policy_names, account, requirements.role, output))
    plan = plan._replace(config={**plan.config, **files.spelled(before.protect, project)})
    for warning in (*existing.warnings(before, [requirements.role]), *plan.warnings):
        output.warn(warning)
    difference = compare_role(requirements.role, *plan.documents)
    written: list[str] = []
    if not options.dry_run:
        contents = (plan.config, plan.import_file, plan.room.copies)
        written = files.write(options.stack, *contents, overwrite=options.force)
    return _Result(data_source, requirements, plan, difference, written)


def _requirements(
    account: Account, data_source: DataSource, notes: Notes, connector: Connector | None
) -> Requirements:
    """Read the requirements of the role; raises InputError with all reasons not to import it."""
    requirements, findings = read_requirements(account, data_source, connector)
    for note in findings:
        if note.state is State.NOTE:
            notes.warn(note.text)
    reasons = [line for finding in findings for line in finding.details]
    if requirements and not reasons:
        return requirements
    if len(reasons) == 1:
        raise InputError(*reasons)
    raise InputError(
        f"the role of data source {data_source.id} cannot be imported, for {len(reasons)} reasons:",
        *(f"  {reason}" for reason in reasons),
    )


def _warn_of_others(account: Account, role: Role, others: Sequence[DataSource], notes: Notes) -> None:
    """Warn of other data sources that run under the role, and would lose access."""
    readings = read_each(account.data_source, others, notes, "other data sources")
    for other, found in zip(others, readings, strict=True):
        if found.get("roleArn") == role.arn:
            notes.warn(
                f"data source {other.id} of index {other.index_id} and application "
                f"{other.application_id} runs under the same role, which will be for this one "
                "only: first give the other its own role"
            )


def _connector(text: str) -> Connector:
    """Return a connector by its name; for argparse, which shows the error for other text."""
    try:
        return connector_named(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _is_offered(source: DataSource, options: argparse.Namespace) -> bool:
    """Return whether the options select a data source; of an unknown type, only --data-source does."""
    if options.data_source:
        return source.id == options.data_source
    if options.connector:
        return source.type.upper() in options.connector.types.split()
    return bool(connectors_of(source.type))


def _choose(found: Sequence[DataSource], options: argparse.Namespace, output: Output) -> DataSource:
    """Return the only data source that matches the options, or the one that the user chooses."""
    choices = [source for source in found if _is_offered(source, options)]
    if not choices:
        missing = f"no data source {options.data_source}" if options.data_source else "no data source"
        kind = f" of the connector {options.connector.name}" if options.connector else ""
        types = ", ".join(sorted({source.type for source in found})) or "none"
        raise InputError(
            f"there is {missing}{kind} (there are {len(found)}, of these types: {types}): check "
            "--application, --region and --connector, or pass --data-source"
        )
    if len(choices) == 1:
        if not options.data_source:
            output(f"the only choice: {_named(choices[0])}")
        return choices[0]
    if options.json or not output.can_ask:
        raise InputError(
            "which data source? Pass one of",
            *(f"  {_named(choice)}" for choice in choices),
            details={"choices": [choice.document() for choice in choices]},
        )
    menu = [f"{number:3}  {_named(choice)}" for number, choice in enumerate(choices, start=1)]
    while True:
        answer = output.ask(f"Which data source, 1 to {len(choices)}? ", *menu)
        if answer.isdecimal() and 1 <= int(answer) <= len(choices):
            return choices[int(answer) - 1]
        menu = []


def _named(source: DataSource) -> str:
    kind = f"{source.type}, {source.status}"
    return f"--data-source {source.id}  {source.name} ({kind}) of application {source.application_label}"


def _report(result: _Result, stack: str) -> Iterator[str]:
    """Report how the role compares, and the next steps."""
    role, difference = result.requirements.role, result.difference
    yield f"role: {role.arn}"
    yield f"connector: {result.requirements.connector.name}"
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
        yield f"These policies are kept until exclusivePolicies is true: {', '.join(kept)}."
    if result.plan.room.excess:
        yield ""
        yield from report.make_room(result.plan.room, written=bool(result.files))
        yield ""
    yield from report.next_steps(stack, result.files, [result.plan.room])


def _lines(verdicts: Iterable[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        yield f"  {verdict.policy}, {verdict.statement}: {verdict.verdict}"
        preposition = "by" if verdict.policy == TRUST_POLICY else "on"
        for access in verdict.access:
            condition = ", under another condition" if access.condition else ""
            yield f"      {', '.join(access.actions)}{condition}"
            yield from (f"        {preposition} {target}" for target in access.targets)


def _kept(role: Role) -> list[str]:
    return [name for name in (*role.inline_policies, *(role.attached or ())) if name != POLICY_NAME]


def _document(result: _Result) -> dict[str, object]:
    return {
        "dataSource": result.data_source.document(),
        "connector": result.requirements.connector.name,
        "role": result.requirements.role.arn,
        "config": result.plan.config,
        "import": result.plan.import_file,
        "difference": {
            "equivalent": result.difference.equivalent,
            "complete": result.requirements.role.complete,
            "program": [verdict.document() for verdict in result.difference.program],
            "role": [verdict.document() for verdict in result.difference.role],
        },
        "keptPolicies": _kept(result.requirements.role),
        "inlinePolicies": report.room_document(result.plan.room),
        "files": result.files,
    }
