"""Give data sources the roles of a stack, or restore their earlier roles.

Unless `--yes` is set, nothing changes before the user confirms the plan. If `--stack` is set without
pairs, list the data sources of the stack's applications and the entries that fit them.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Final, NamedTuple

from guardrails.iam.truth import Truth
from roles import changes
from roles.account import Account, Role
from roles.adopt.report import access_lines
from roles.applications import accepts_application
from roles.arns import Arn
from roles.changes import (
    GONE,
    Change,
    DataSourceChange,
    Plan,
    application_in,
    read_plan,
    read_properties,
    role_id,
    trust_policy_of,
)
from roles.check.questions import denied, unread_policies
from roles.credentials import open_accounts
from roles.declared import Declared, Stack, read_stack
from roles.difference import TRUST_POLICY, compare, role_statements
from roles.errors import FINE, PROBLEMS, InputError
from roles.findings import Finding, State, attempt, problem
from roles.output import Line, Output, Part, Table
from roles.project import launcher, stack_name
from roles.sources import Source, read_sources
from roles.view import View, find_role, fits, may_fit, view_of_data_source

HELP: Final = "give data sources the roles of a stack"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--stack", type=stack_name, help="the deployed stack that owns the roles")
    either.add_argument(
        "--undo",
        metavar="FILE",
        type=Path,
        help="give data sources their earlier roles, from the file that an earlier run wrote",
    )
    parser.add_argument(
        "pairs",
        metavar="ENTRY=ID",
        nargs="*",
        type=_pair,
        help="with --stack: an entry, and the ID of the data source that gets the entry's role; if "
        "omitted, list the data sources and the entries that fit",
    )
    parser.add_argument(
        "--anyway", action="store_true", help="assign a role even if it does not allow all requests"
    )
    changes.add_options(parser, either)


def _pair(text: str) -> tuple[str, str]:
    """Parse ENTRY=ID for argparse; raise ArgumentTypeError for other text."""
    entry, _, identifier = text.partition("=")
    if not (entry and identifier):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not ENTRY=ID: expected the name of an entry and the ID of a data source, such "
            "as wiki=c3d4e5f6-7890-12ab-cdef-333333333333"
        )
    return entry, identifier


class _Entry(NamedTuple):
    """A role of the stack, the role's account, and the data sources of the role's application."""

    declared: Declared
    account: Account
    sources: Sequence[Source]

    def view(self, source: Source) -> View | None:
        """Return the view of a data source as if it had this role; None if its requests are unknown."""
        with_role = source._replace(details={**source.details, "roleArn": self.declared.role_arn})
        if source.fault:
            return None
        return view_of_data_source(self.account, self.sources, with_role, {}, closely=False)


def run(options: argparse.Namespace, output: Output) -> int:
    """Plan the changes, apply them if the user confirms the plan, and return the exit code.

    Raises InputError for a pair that cannot be assigned, and for credentials of another account.
    """
    if options.pairs and not options.stack:
        raise InputError("ENTRY=ID needs --stack: pass the stack that has the entry")
    with changes.locked():
        if options.apply:
            return changes.apply_file(options, output)
        if options.undo:
            return changes.carry_out(_plan_undo(options.undo, output), options, output)
        left_out = changes.check_unfinished(options.stack, output)
        # Secret documents are allowed, because the command does not show them.
        stack = read_stack(options.stack, show_secrets=True)
        entries = _read_entries(stack, output)
        if not options.pairs:
            return _list(stack, entries, [*left_out, *stack.left_out.values()], options, output)
        made, lines, is_denied = list[Change](), list[Part](), False
        for entry, source in _pairs(options, stack, entries):
            before = read_properties(entry.account, source.data_source)
            if not before:
                raise InputError(f"{source.data_source.label} no longer exists, or is being deleted")
            earlier = role_id(entry.account, str(before.get("roleArn", "")))
            change = DataSourceChange(source.data_source, before, entry.declared.role_arn, earlier)
            if change.earlier == entry.declared.role_arn:
                lines.append(f"{change.label} already has the role of {entry.declared.name}")
                continue
            view = entry.view(source)
            found = [*denied(view), *unread_policies(view)] if view else []
            made.append(change)
            is_denied = is_denied or any(each.state is State.PROBLEM for each in found)
            lines += _lines(entry, source, found, _users(options, entries, change.earlier))
        plan = Plan("assign", stack.name, entries[0].account, made, lines, left_out)
        if is_denied and not options.anyway:
            plan = plan._replace(blocked="requests are denied: to assign the roles, pass --anyway")
        return changes.carry_out(plan, options, output)


def _read_entries(stack: Stack, output: Output) -> list[_Entry]:
    """Return the stack's roles with their applications' data sources.

    Raises InputError if no role is deployed, or if an application does not exist.
    """
    if not stack.roles:
        raise InputError(next(iter(stack.left_out.values())))
    accounts = open_accounts(stack.roles, output)
    sources: dict[str, Sequence[Source]] = {}
    for arn in dict.fromkeys(Arn.of(each.application_arn) for each in stack.roles):
        account, gone = accounts[arn.region], problem("")
        if attempt(lambda: account.get("qbusiness:GetApplication", arn.name), gone) is gone:  # noqa: B023 it is called at once
            raise InputError(
                f"the application {arn.text} of stack {stack.name} does not exist: update the stack"
            )
        sources[arn.text] = read_sources(account, arn.name)
    return [
        _Entry(each, accounts[Arn.of(each.application_arn).region], sources[each.application_arn])
        for each in stack.roles
    ]


def _pairs(
    options: argparse.Namespace, stack: Stack, entries: Sequence[_Entry]
) -> Iterator[tuple[_Entry, Source]]:
    """Yield the entries and data sources in the arguments; raise InputError for an unsuitable pair."""
    named = {entry.declared.name: entry for entry in entries}
    counts = Counter(identifier for _, identifier in options.pairs)
    for name, identifier in options.pairs:
        if name in stack.left_out:
            raise InputError(stack.left_out[name])
        if name not in named:
            raise InputError(f"stack {stack.name} has no entry {name!r}: pass one of {', '.join(named)}")
        entry = named[name]
        found = {each.data_source.id: each for each in entry.sources}
        if identifier not in found:
            raise InputError(
                f"data source {identifier} is not in the application of {name}: pass the ID of one of "
                "its data sources ("
                f"{', '.join(each.data_source.label for each in entry.sources) or 'none'})"
            )
        if counts[identifier] > 1:
            raise InputError(f"data source {identifier} is in several pairs: choose one entry for it")
        source = found[identifier]
        if isinstance(source.uses, Finding):
            raise InputError(f"data source {identifier} cannot be read: {source.uses.text}")
        if not role_id(entry.account, entry.declared.role_arn):
            raise InputError(
                f"{name} has no role, because {entry.declared.role_arn} does not exist: run "
                f"`pulumi up --stack {quote(stack.name)}`, and repeat the command"
            )
        yield entry, source


def _lines(entry: _Entry, source: Source, found: Sequence[Finding], users: str) -> Iterator[Part]:
    """Yield the plan's lines about a data source; `users` lists the earlier role's other users."""
    role, declared = source.role_arn, entry.declared
    yield Line(f"{declared.name}: {source.data_source.label} gets {declared.role_arn}", 2)
    old, new = (find_role(entry.account, arn) for arn in (role, declared.role_arn))
    undo = "so `--undo` cannot restore"
    missing = f"{role} does not exist, {undo} it" if role else f"it has no role now, {undo} one"
    kept = f"in place of {role}, which does not change; in the application, {users} will use it"
    yield Line(f"  {missing if old is None else kept}", 4)
    if source.fault:
        yield Line(f"  {source.fault}, so its requests are unknown", 4)
    for each in found:
        state = "denied" if each.state is State.PROBLEM else each.state
        yield from (Line(f"  {state}: {text}", 4) for text in (each.text, *each.details))
    if isinstance(old, Role) and isinstance(new, Role):
        before, after = ([s for s in role_statements(r) if s.policy != TRUST_POLICY] for r in (old, new))
        lost = [each for each in compare(after, before).role if each.verdict == "excess"]
        yield from ["  it loses:"] if lost else []
        yield from (line for each in lost for line in access_lines(each))


def _users(options: argparse.Namespace, entries: Sequence[_Entry], role: str) -> str:
    """Return the labels of the data sources that will use a data source's earlier role."""
    given = {
        identifier: entry.declared.role_arn
        for entry in entries
        for name, identifier in options.pairs
        if name == entry.declared.name
    }
    every = {each.data_source: each.role_arn for entry in entries for each in entry.sources}
    users = [each.label for each, has in every.items() if given.get(each.id, has) == role]
    return ", ".join(users) or "no data source"


# Undo an assignment, and list the data sources.


def _plan_undo(path: Path, output: Output) -> Plan:
    """Plan to give the data sources in a file their earlier roles, and keep their other properties."""
    journal = read_plan(path, output)
    account, unfinished = journal.account, changes.check_unfinished(journal.stack, output)
    plan = Plan("assign", journal.stack, account, [], [], unfinished)
    for each in [its for its in journal.changes if isinstance(its, DataSourceChange)]:
        earlier, now = each.earlier, read_properties(account, each.data_source)
        if not now:
            plan.lines.append(f"{each.label} no longer exists")
        elif now.get("roleArn") != each.role:
            plan.lines.append(f"{each.label} does not have {each.role}, so it stays unchanged")
        elif not each.earlier_id or role_id(account, earlier) != each.earlier_id:
            gone = f"{earlier} {GONE}" if earlier else "it had no role"
            plan.left_out.append(f"{each.label}: {gone}")
        elif not accepts_application(trust_policy_of(account, earlier), earlier, application_in(now)):
            plan.left_out.append(f"{each.label}: {earlier} does not accept {application_in(now)}")
        else:
            change = DataSourceChange(each.data_source, now, earlier, role_id(account, each.role))
            plan.changes.append(change)
            others = [name for name in {**now, **each.after} if now.get(name) != each.after.get(name)]
            stays = [f"  keeps later changes to {', '.join(others)}"] if others else []
            plan.lines.extend(Line(text, 4) for text in (*change.plan, *stays))
    return plan


def _list(
    stack: Stack,
    entries: Sequence[_Entry],
    left_out: Sequence[str],
    options: argparse.Namespace,
    output: Output,
) -> int:
    """List the data sources and the entries that fit, with a command to assign unambiguous pairs."""
    sources = {
        source.data_source.id: source
        for entry in entries
        for source in entry.sources
        if not source.data_source.is_deleting
    }
    owned = {entry.declared.role_arn: entry.declared.name for entry in entries}
    fitting = {name: [each for each in entries if _fits(each, its)] for name, its in sources.items()}
    wanted = Counter(its[0].declared.name for its in fitting.values() if len(its) == 1)
    pairs: list[str] = []
    said: dict[str, str] = {}
    for name, source in sources.items():
        names = [entry.declared.name for entry in fitting[name]]
        has = owned.get(source.role_arn, "")
        if isinstance(source.uses, Finding):
            said[name] = source.uses.text
        elif has in names or (has and not names):
            said[name] = f"has the role of {has}"
        elif len(names) == 1 and wanted[names[0]] == 1:
            said[name] = f"fits {names[0]}"
            pairs.append(f"{names[0]}={name}")
        else:
            said[name] = f"fits {', '.join(names)}: choose with ENTRY=ID" if names else "fits no entry"
    rows = [
        (each.data_source.label, each.role_arn or "none", said[name]) for name, each in sources.items()
    ]
    command = f"{launcher()} assign --stack {quote(stack.name)} {' '.join(pairs)}"
    if options.json:
        output.json({"stack": stack.name, "dataSources": said, "pairs": pairs, "leftOut": [*left_out]})
    else:
        output.show(
            Table(
                ("ENTRY", "ROLE"),
                [("", [(each.declared.name, each.declared.role_arn) for each in entries])],
            ),
            "",
            Table(("DATA SOURCE", "ROLE", "ENTRY"), [("", rows)]),
            *([""] if left_out else []),
            *(Line(text, 2) for text in left_out),
            *(
                ["", "To give these data sources the roles of their entries, run:", "", command]
                if pairs
                else []
            ),
        )
    is_unread = any(
        isinstance(each.uses, Finding) and each.uses.state is not State.NOTE for each in sources.values()
    )
    return PROBLEMS if left_out or is_unread else FINE


def _fits(entry: _Entry, source: Source) -> bool:
    """Return whether an entry allows a data source's requests and no policy in AWS prevents them."""
    view = entry.view(source) if may_fit(entry.declared, source) else None
    return (
        view is not None
        and fits(entry.declared, view)
        and all(each.allowed is not Truth.NO for each in (view.trust, *view.decisions))
    )
