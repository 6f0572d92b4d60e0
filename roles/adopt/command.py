"""Prepare the import of data sources' roles into a stack, or restore the roles after an import.

Compare the roles of an application's data sources with the policies that the program will write. Unless
`--dry-run` is set, write the stack's entries, `import-STACK.json`, and `adopted-STACK.json`, from which
`--restore` later restores the roles. Only `--restore` and `--apply` change resources in AWS; the changes
need confirmation unless `--yes` is set.
"""

import argparse
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from botocore.exceptions import ClientError

from components.configuration import KEYS
from components.formats import ENTRY_NAME
from roles import changes
from roles.account import Account, DataSource
from roles.adopt import entries, files, report, restoration, selection
from roles.adopt.entries import Entry
from roles.adopt.owners import OWN, find_owners
from roles.arns import application
from roles.credentials import check_account
from roles.difference import compare, statements
from roles.errors import FINE, PROBLEMS, InputError, reason
from roles.findings import Finding, State, note, skipped
from roles.output import Output
from roles.project import project_name, stack_name

HELP: Final = "write the entries and the import file for data sources' roles, or restore the roles"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--stack", type=stack_name, help="the stack that will own the roles")
    either.add_argument(
        "--restore",
        metavar="FILE",
        type=Path,
        help="restore overwritten policies and data sources' earlier roles, from adopted-STACK.json",
    )
    parser.add_argument(
        "--application",
        metavar="ID",
        type=application,
        help="with --stack: the ID or ARN of the data sources' application",
    )
    parser.add_argument(
        "--region",
        help="the application's Region; default: from its ARN, the environment, or the profile",
    )
    parser.add_argument(
        "--data-source",
        metavar="ID",
        action="append",
        default=[],
        help="adopt or restore only this data source's role; default: all; repeatable",
    )
    parser.add_argument(
        "--exclude",
        metavar="ID|@FILE",
        action="append",
        default=[],
        help="leave out this data source, or the data sources that a file lists, one ID per line; the "
        "file may also list deleted data sources; repeatable",
    )
    parser.add_argument(
        "--name",
        metavar="ID=NAME",
        type=_name,
        action="append",
        default=[],
        help="the name of the entry for a data source; default: from the display name; repeatable",
    )
    parser.add_argument(
        "--take",
        metavar="ID",
        action="append",
        default=[],
        help="adopt this data source's role even if another stack owns the role or the policy that the "
        "update overwrites, or if other users of the role could lose access; repeatable",
    )
    parser.add_argument("--dry-run", action="store_true", help="write no files")
    parser.add_argument(
        "--cut-off",
        metavar="ROLE",
        action="append",
        default=[],
        help="with --restore: restore this role's trust policy even if somebody has changed it; "
        "repeatable",
    )
    changes.add_options(parser, either)


def _name(text: str) -> tuple[str, str]:
    """Parse ID=NAME for argparse; raise ArgumentTypeError for other text."""
    identifier, _, name = text.partition("=")
    if not identifier or not ENTRY_NAME.parse(name):
        raise ArgumentTypeError(
            f"{text!r} is not ID=NAME: expected the ID of a data source and the name of its entry, "
            f"which is {ENTRY_NAME.expected}"
        )
    return identifier, name


def run(options: argparse.Namespace, output: Output) -> int:
    """Write the files and print the report, or apply a plan; return the exit code."""
    of_stack = (options.dry_run, options.exclude, options.name, options.take, options.application)
    if any(
        (options.save, options.cut_off)
        if options.stack
        else (*of_stack, options.apply and options.data_source)
    ):
        raise InputError(
            "omit the option that would have no effect: --dry-run, --exclude, --name, --take, and "
            "--application need --stack; --save and --cut-off need --restore; --apply does not support "
            "--data-source"
        )
    if options.stack:
        return _adopt(options, output)
    with changes.locked():
        if options.apply:
            return changes.apply_file(options, output)
        return changes.carry_out(restoration.plan(options, output), options, output)


def _adopt(options: argparse.Namespace, output: Output) -> int:
    """Write the files unless `--dry-run` is set, print the report, and return the exit code."""
    if not options.application:
        raise InputError("no application: pass --application with its ID or ARN")
    if options.region not in (None, options.application.region or options.region):
        raise InputError(
            f"--application is in {options.application.region}, but --region is {options.region}: omit "
            "--region"
        )
    account = Account(options.region or options.application.region, output)
    check_account("--application", [options.application.account], account)
    project, identifier = project_name(), options.application.id
    existing = files.read_settings(options.stack, project, identifier, account.region)
    paths = {} if options.dry_run else files.new_paths(options.stack, has_settings=bool(existing))
    everything = [*account.data_sources()]
    own = [each for each in everything if each.application_id == identifier and not each.is_deleting]
    sources = selection.select(own, options, output)
    users = selection.find_users(account, everything, output)
    planned = dict(entries.plan_all(account, sources, output))
    roles = [each.role for each in planned.values() if isinstance(each, Entry)]
    owners = find_owners(roles, options.stack, project, output)
    present = files.entries_in(existing)
    declared = files.role_names_in(existing)
    found: list[Entry] = []
    left_out: dict[DataSource, Finding] = {}
    for source, each in planned.items():
        entry = each
        if isinstance(entry, Entry):
            because = entries.serves_others(account, entry, users)
            entry = _with_role(entry, because, owners.get(entry.role.arn, ""), declared, options)
        if isinstance(entry, Entry):
            boundary = _about_boundary(account, entry, existing.get(KEYS["permissions_boundary_arn"]))
            found.append(entry._replace(warnings=(*entry.warnings, *boundary)))
        else:
            left_out[source] = entry
    taken = Counter(entry.role.arn for entry in found if not entry.replaced)
    if twice := [arn for arn, count in taken.items() if count > 1]:
        raise InputError(f"--take selects several data sources that use {twice[0]}: select only one")
    named = dict(zip(entries.names(found, options.name, present), found, strict=True))
    config = files.configure(named, existing, project) if named else {}
    import_file = {"resources": [*files.imports(named)]}
    if named and paths:
        saved = files.snapshot(options.stack, account, named)
        files.write(paths, {"adopted": saved, "import": import_file}, config)
    result = report.Result(options.stack, named, left_out, config, import_file, paths if named else {})
    if options.json:
        output.json(report.document(result))
    else:
        output.show(*report.lines(result))
    return PROBLEMS if any(each.state is not State.NOTE for each in left_out.values()) else FINE


def _with_role(
    entry: Entry, because: str, owner: str, declared: Collection[str], options: argparse.Namespace
) -> Entry | Finding:
    """Return the entry, possibly with a new role, or the reason to leave the data source out.

    `because` describes the role's other uses, `owner` describes the stack that owns the role, and
    `declared` contains the role names in the stack's settings.
    """
    identifier, role = entry.data_source.id, entry.role
    if owner == OWN or role.name in declared:
        return note(f"stack {options.stack} already has the role {role.name}")
    if identifier in options.take:
        used = f"{role.arn} {because}: with --take, the update can remove access that these uses need"
        owned = f"{owner} {role.name}, but --take adopts the role anyway"
        warnings = [text for text, is_so in ((used, because), (owned, owner)) if is_so]
        return entry._replace(warnings=(*warnings, *entry.warnings))
    if because:
        return entries.plan_new_role(entry, because)
    if owner:
        return skipped(
            f"{owner} {role.name}: if two stacks own a role or policy, either can delete it, so first "
            "release it from the other stack (docs/adopt.md); to adopt the role anyway, pass "
            f"--take {identifier}"
        )
    return entry


def _about_boundary(account: Account, entry: Entry, arn: object) -> Iterator[str]:
    """Yield a warning if the boundary in the stack's settings does not apply to an entry's role."""
    if not (arn and isinstance(arn, str)) or arn == entry.role.permissions_boundary:
        return
    try:
        allowed = statements(arn, account.managed_policy(arn))
    except ClientError as error:
        effect = f"could not be read: {reason(error)}"
    else:
        verdicts = compare(entry.requirements.policies().of_role, allowed).program
        exceeds = any(each.access for each in verdicts)
        effect = f"{'might not allow' if exceeds else 'allows'} all access that the role needs"
    yield (
        f"permissionsBoundaryArn {arn} of the stack does not apply, because an import keeps the role's "
        f"boundary; the stack's boundary {effect}"
    )
