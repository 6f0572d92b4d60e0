"""Write the script that gives data sources the roles of a stack.

Match the data sources of the stack's application with its entries, or use the pairs in the arguments.
docs/assign.md describes the script.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from roles.account import Account
from roles.arns import Arn
from roles.commands import quote_argument
from roles.credentials import open_accounts
from roles.declared import Declared, Stack, read_stack
from roles.errors import FINE, PROBLEMS, InputError
from roles.findings import Finding, State, attempt, problem
from roles.fitting import may_fit
from roles.output import Line, Output, Part
from roles.project import launcher, stack_name
from roles.role_changes import RoleChange, functions, setup
from roles.sources import Source, read_sources
from roles.writing import locked_directory, next_path, write

HELP: Final = "write the script that gives data sources the roles of a stack"
_SCRIPT: Final = """\
#!/bin/sh
# Give data sources the roles of the stack {stack}. `qbusiness-roles assign` wrote this script.
set -u
{setup}{functions}
code=0
{commands}
exit $code
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "--stack", type=stack_name, required=True, help="the deployed stack that owns the roles"
    )
    parser.add_argument(
        "pairs",
        metavar="ENTRY=ID",
        nargs="*",
        type=_pair,
        help="an entry of dataSources, and the ID of the data source that gets its role, even if the "
        "data source has another role; default: every data source that has no role, a deleted role, or "
        "another entry's role, if only one entry matches it",
    )


def _pair(text: str) -> tuple[str, str]:
    """Parse ENTRY=ID; for use as an argparse `type`."""
    entry, _, identifier = text.partition("=")
    if not (entry and identifier):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not ENTRY=ID: expected the name of an entry and the ID of a data source, such "
            "as wiki=c3d4e5f6-7890-12ab-cdef-333333333333"
        )
    return entry, identifier


class _Entry(NamedTuple):
    """A role of the stack, and the account that it is in."""

    declared: Declared
    account: Account

    @property
    def name(self) -> str:
        """The entry's name."""
        return self.declared.name


class _Assignment(NamedTuple):
    """An entry, and a data source that gets the entry's role."""

    entry: _Entry
    source: Source
    instead: str
    """The earlier role, and who else uses it, in words."""
    is_deleted: bool
    """Whether the earlier role does not exist."""

    @property
    def change(self) -> RoleChange:
        """The change of the data source."""
        data_source = self.source.data_source
        return RoleChange(
            data_source,
            f"{self.entry.name} ({data_source.label})",
            self.entry.declared.role_arn,
            self.source.role_arn,
            self.is_deleted,
        )


class _Plan(NamedTuple):
    pairs: list[tuple[_Entry, Source]]
    """The entries, each with the data source that gets its role."""
    kept: list[str]
    """The data sources that match an entry, but have a role outside the stack."""
    left_out: list[str]
    """The data sources that need a role, but do not get one, with the reasons."""


def run(options: argparse.Namespace, output: Output) -> int:
    """Write the script, print the planned changes, and return the exit code.

    The exit code is PROBLEMS if a data source that needs a role is left out, else FINE. Raises
    InputError for a pair that cannot be assigned, and for credentials of another account.
    """
    # The command shows no document, so it may be secret.
    stack = read_stack(options.stack, show_secrets=True)
    accounts = open_accounts(stack.roles, output)
    entries = [_Entry(each, accounts[Arn.of(each.application_arn).region]) for each in stack.roles]
    sources = _read_sources(entries)
    if options.pairs:
        plan = _of_pairs(options, stack, entries, sources, output)
    else:
        plan = _by_match(entries, sources)
        plan.left_out.extend(stack.left_out.values())
    assignments = _assignments(plan.pairs, sources)
    files = [str(_write(options.stack, assignments))] if assignments else []
    if options.json:
        output.json(_document(options.stack, assignments, plan, files))
    else:
        output.show(*_lines(assignments, plan, files))
    return PROBLEMS if plan.left_out else FINE


def _read_sources(entries: Sequence[_Entry]) -> list[Source]:
    """Return the data sources of the entries' applications.

    Raises InputError if an application does not exist.
    """
    found: list[Source] = []
    for arn, account in {each.declared.application_arn: each.account for each in entries}.items():
        name, gone = Arn.of(arn).name, problem("")
        if attempt(lambda: account.application(name), gone) is gone:  # noqa: B023 it is called at once
            stack = entries[0].declared.stack
            raise InputError(f"the application {arn} of stack {stack} does not exist: update the stack")
        found += read_sources(account, name)
    return found


def _of_pairs(
    options: argparse.Namespace,
    stack: Stack,
    entries: Sequence[_Entry],
    sources: Sequence[Source],
    output: Output,
) -> _Plan:
    """Plan the pairs in the arguments, and warn about data sources that do not fit."""
    named = {entry.name: entry for entry in entries}
    found = {each.data_source.id: each for each in sources}
    identifiers = [identifier for _, identifier in options.pairs]
    plan = _Plan([], [], [])
    for name, identifier in options.pairs:
        if name in stack.left_out:
            raise InputError(stack.left_out[name])
        if name not in named:
            raise InputError(
                f"stack {options.stack} has no entry {name!r}: pass one of {', '.join(named)}"
            )
        entry, source = named[name], found.get(identifier)
        if source is None:
            has = ", ".join(each.data_source.label for each in sources) or "none"
            raise InputError(
                f"data source {identifier} is not in the application of stack {options.stack}: pass the "
                f"ID of one of its data sources ({has})"
            )
        if identifiers.count(identifier) > 1:
            raise InputError(f"data source {identifier} is given twice: choose one entry for it")
        if isinstance(source.uses, Finding):
            raise InputError(f"data source {identifier} cannot be read: {source.uses.text}")
        if missing := _find_problem(entry):
            raise InputError(missing)
        if source.role_arn == entry.declared.role_arn:
            output(f"{source.data_source.label} already has the role of {name}")
            continue
        if not may_fit(entry.declared, source):
            output.warn(
                f"{source.data_source.label} differs from {name}: before its next sync, run "
                f"`{launcher()} check --stack {options.stack}`"
            )
        plan.pairs.append((entry, source))
    return plan


def _by_match(entries: Sequence[_Entry], sources: Sequence[Source]) -> _Plan:
    """Plan the data sources that have no role, a deleted role, or the role of another entry.

    Each must match only one entry, and be the only data source for this entry.
    """
    plan = _Plan([], [], [])
    wanted: dict[str, list[Source]] = {}
    for source in sources:
        label, fitting = source.data_source.label, _fitting(entries, source)
        names = ", ".join(entry.name for entry in fitting)
        if isinstance(source.uses, Finding):
            plan.left_out.extend(
                [] if source.uses.state is State.NOTE else [f"{label}: {source.uses.text}"]
            )
        elif role := _kept_role(entries, source, fitting):
            if fitting and role not in [entry.declared.role_arn for entry in entries]:
                plan.kept.append(
                    f"{label} matches {names}, but has {role}: to replace it, pass ENTRY=ID"
                )
        elif len(fitting) == 1:
            wanted.setdefault(names, []).append(source)
        else:
            matched = f"several entries ({names}): pass ENTRY=ID" if fitting else "no entry"
            plan.left_out.append(f"{label} matches {matched}")
    for entry in entries:
        if found := wanted.get(entry.name):
            _add(plan, entry, found, sources)
    return plan


def _kept_role(entries: Sequence[_Entry], source: Source, fitting: Sequence[_Entry]) -> str:
    """Return the role that a data source keeps unless its ID is given; empty if it can get another."""
    role = source.role_arn
    owner = next((entry for entry in entries if role and entry.declared.role_arn == role), None)
    if owner:
        return role if owner in fitting or not fitting else ""
    return role if role and _exists(entries[0].account, role) else ""


def _add(plan: _Plan, entry: _Entry, found: Sequence[Source], sources: Sequence[Source]) -> None:
    """Add the data sources that match only this entry to the plan."""
    name, labels = entry.name, _labels(found)
    users = [each for each in sources if each.role_arn == entry.declared.role_arn]
    if missing := _find_problem(entry):
        plan.left_out.append(f"{labels}: {missing}")
    elif users:
        plan.left_out.append(f"{labels}: {_labels(users)} already has the role of {name}: pass ENTRY=ID")
    elif len(found) > 1:
        plan.left_out.append(f"{labels} match the same entry, {name}: pass ENTRY=ID")
    else:
        plan.pairs.append((entry, found[0]))


def _fitting(entries: Sequence[_Entry], source: Source) -> list[_Entry]:
    return [each for each in entries if may_fit(each.declared, source)]


def _find_problem(entry: _Entry) -> str:
    """Return why an entry's role cannot be used, and the command that fixes it; empty if it exists."""
    arn, up = entry.declared.role_arn, f"pulumi up --stack {quote_argument(entry.declared.stack)}"
    if _exists(entry.account, arn):
        return ""
    return f"{entry.name} has no role, because {arn} does not exist: run `{up}`, and repeat the command"


def _assignments(pairs: Sequence[tuple[_Entry, Source]], sources: Sequence[Source]) -> list[_Assignment]:
    """Return the assignments, each with the effect on the earlier role."""
    later = {each.data_source.id: each.role_arn for each in sources}
    later |= {source.data_source.id: entry.declared.role_arn for entry, source in pairs}

    def assignment(entry: _Entry, source: Source) -> _Assignment:
        role = source.role_arn
        if not role:
            return _Assignment(entry, source, "it has no role", is_deleted=False)
        if not _exists(entry.account, role):
            return _Assignment(entry, source, f"{role} does not exist", is_deleted=True)
        users = [each for each in sources if later[each.data_source.id] == role]
        use = f"{_labels(users) or 'no data source of this application'} will use it"
        text = f"in place of {role}, which does not change; {use}"
        return _Assignment(entry, source, text, is_deleted=False)

    return [assignment(*each) for each in pairs]


def _exists(account: Account, role_arn: str) -> bool:
    # IAM looks up roles without their path, so the ARN must match, too.
    gone = problem("")
    found = attempt(lambda: account.role_arn(Arn.of(role_arn).name), gone)
    if isinstance(found, Finding) and found is not gone:
        raise InputError(f"{role_arn} cannot be read: {found.text}")
    return found == role_arn


def _labels(sources: Sequence[Source]) -> str:
    return ", ".join(each.data_source.label for each in sources)


def _write(stack: str, assignments: Sequence[_Assignment]) -> Path:
    """Write the script with a new name, because an earlier script may have to complete its changes."""
    commands = "\n".join(f"{each.change.command} || code=1" for each in assignments)
    text = _SCRIPT.format(stack=stack, setup=setup(), functions=functions(), commands=commands)
    with locked_directory():
        path = next_path("assign", stack)
        write({path: text})
    return path


def _lines(assignments: Sequence[_Assignment], plan: _Plan, files: Sequence[str]) -> Iterator[Part]:
    for each in assignments:
        label = each.source.data_source.label
        yield Line(f"{each.entry.name}: {label} gets {each.change.new}", 2)
        yield Line(f"  {each.instead}", 4)
    if plan.kept:
        yield "Data sources that keep their role:"
        yield from (Line(f"  {text}", 4) for text in plan.kept)
    if plan.left_out:
        yield "Left out:"
        yield from (Line(f"  {text}", 4) for text in plan.left_out)
    if not files:
        yield "Nothing to assign, and nothing was written."
        return
    yield ""
    yield f"Written: {', '.join(files)}. Nothing has changed in AWS yet. To assign the roles, run:"
    yield ""
    yield from (f"sh {quote_argument(each)}" for each in files)


def _document(
    stack: str, assignments: Sequence[_Assignment], plan: _Plan, files: Sequence[str]
) -> dict[str, object]:
    """Return the document for `--json`."""
    return {
        "stack": stack,
        "assignments": [
            {
                "entry": each.entry.name,
                "dataSource": each.source.data_source.document(),
                "role": each.change.new,
                "earlierRole": each.change.current or None,
            }
            for each in assignments
        ],
        "kept": plan.kept,
        "leftOut": plan.left_out,
        "files": files,
    }
