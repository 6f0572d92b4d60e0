"""Prepare the import of data sources' roles into a stack.

Select one data source, or the data sources of an application. Compare their roles with the policies that
the program will write. Unless `--dry-run` is set, write `Pulumi.STACK.yaml`, `import-STACK.json`, and,
if policies or roles will change, a script that undoes the changes. docs/adopt.md describes the steps
before and after.
"""

import argparse
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from components.connectors import Connector
from components.formats import ENTRY_NAME
from components.problems import camel_case
from roles.account import Account, DataSource, Role
from roles.adopt import configuration, entries, existing, files, report, restoration, selection
from roles.adopt.access import is_within
from roles.adopt.entries import Entry
from roles.adopt.existing import Existing
from roles.adopt.owners import Owners, find_owners
from roles.adopt.selection import Users
from roles.applications import other_applications, other_principals
from roles.arns import application
from roles.commands import quote_argument
from roles.detection import connector_named
from roles.difference import statements
from roles.errors import FINE, PROBLEMS, InputError, is_denied, reason
from roles.findings import Finding, skipped
from roles.output import Output
from roles.project import COMPONENT, launcher, project_name, stack_name

_STACKS: Final = 50
HELP: Final = "write the stack configuration and import file for a data source's role"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "--stack", type=stack_name, required=True, help="the stack that will own the role"
    )
    parser.add_argument(
        "--region",
        help="the application's Region; default: from its ARN, the stack's file, the environment, or "
        "the profile",
    )
    parser.add_argument(
        "--application",
        metavar="ID",
        type=application,
        help="consider only data sources of this application; default: the one in the stack's "
        "configuration, if any",
    )
    parser.add_argument("--data-source", metavar="ID", help="adopt the role of this data source")
    parser.add_argument(
        "--connector",
        metavar="NAME",
        type=_connector,
        action="append",
        default=[],
        help="without --data-source, consider only data sources of this connector's type; write the "
        "role for this connector. With --all: consider only this connector's data sources; can be "
        "repeated",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="adopt the roles of all data sources in one application, as entries of dataSources",
    )
    parser.add_argument(
        "--name",
        metavar="ID=NAME",
        type=_name,
        action="append",
        default=[],
        help="with --all: the name of the entry for a data source; default: from the current entry or "
        "from the display name; can be repeated",
    )
    parser.add_argument(
        "--take",
        metavar="ID",
        action="append",
        default=[],
        help="adopt this data source's role even if another stack owns the role, or a policy that the "
        "update writes or replaces, or if others use the role and can lose access; can be repeated",
    )
    parser.add_argument(
        "--exclude",
        metavar="ID|@FILE",
        action="append",
        default=[],
        help="leave out this data source, or those in a file with one ID per line, which may no longer "
        "exist; can be repeated",
    )
    parser.add_argument(
        "--stacks",
        metavar="NUMBER",
        type=_number,
        default=_STACKS,
        help="look for owners in at most this many stacks in the backend; default: %(default)s",
    )
    parser.add_argument(
        "--replace-policies",
        action="store_true",
        help="replace a role's only inline policy, and its only attached policy if it is customer "
        "managed and only this role uses it, even if the role's access changes",
    )
    parser.add_argument("--dry-run", action="store_true", help="write no files")
    parser.add_argument("--force", action="store_true", help="overwrite the stack's configuration")


def run(options: argparse.Namespace, output: Output) -> int:
    """Write the files, unless `--dry-run` is set, print the report, and return the exit code.

    The exit code is PROBLEMS if a data source is left out, else FINE. Raises InputError if, for
    example, no role can be adopted.
    """
    project = project_name()
    options.exclude, options.kept = selection.read_excluded(options.exclude)
    before = existing.read(options.stack, project)
    account_id = _set_application(options, before, output)
    if not options.dry_run:
        files.check(options.stack, overwrite=options.force)
    if not options.all:
        existing.reject_entries(before)
    account = _open_account(options, account_id, output)
    left_out: dict[DataSource, Finding] = {}
    if options.all:
        found, left_out, users = _plan_every(account, before, options, output)
    else:
        entry, users = _plan_one(account, before, options, output)
        found = [entry]
    owners = find_owners(found, options.stack, project, options.stacks, output)
    found = _without_owners(found, left_out, owners, options)
    reasons = report.reasons(left_out)
    if not found:
        raise InputError("no role can be adopted:", *(f"  {reason}" for reason in reasons))
    if options.all:
        named = dict(zip(entries.names(found, options.name, before), found, strict=True))
        before.check_kept(_roles_and_settings(named), [f"  left out: {reason}" for reason in reasons])
        configure = partial(configuration.configure_several, before=before, project=project)
        configuration.check_limits(named, configure)
        config = configure(named)
    else:
        for warning in found[0].warnings:
            output.warn(warning)
        named, config = {COMPONENT: found[0]}, configuration.configure_one(found[0], before, project)
        before.check_kept(_roles_and_settings(named), [])
    settings = {name: own for name, (_, own) in _roles_and_settings(named).items()}
    replaced = [name for name, entry in named.items() if entry.change.inline]
    for warning in before.warnings(settings, replaced):
        output.warn(warning)
    for warning in _about_boundary(account, named, before):
        output.warn(warning)
    contents = config, files.import_document(options.stack, [*_imports(named)])
    written = [] if options.dry_run else _write(options, found, owners, *contents)
    unused = [*_find_unused(account, found, users, owners)]
    result = report.Result(options.stack, named, left_out, *contents, written, unused, owners.by_role)
    if options.json:
        output.json(report.document_of_all(result) if options.all else report.document(result))
    else:
        output.show(*(report.lines_of_all(result) if options.all else report.lines(result)))
    return PROBLEMS if left_out else FINE


def _about_boundary(account: Account, named: Mapping[str, Entry], before: Existing) -> Iterator[str]:
    """Yield a warning that names the entries that the boundary in the stack's file might cut off."""
    arn = before.boundary
    others = {
        name: each
        for name, each in named.items()
        if each.requirements.settings().get("permissions_boundary_arn") != arn
    }
    if not (arn and others):
        return
    try:
        boundary = statements(arn, account.managed_policy(arn))
    except ClientError as error:
        effect = f"It could not be read: {reason(error)}"
    else:
        cut = [name for name, each in others.items() if not is_within(boundary, each.policies)]
        effect = f"It might cut off {', '.join(cut)}" if cut else "It allows all that these roles need"
    check = f"{launcher()} check --stack {quote_argument(before.stack)}"
    yield (
        f"permissionsBoundaryArn {arn} is dropped from {files.config_file(before.stack)}, because an "
        f"import keeps each role's boundary. {effect}. If you set it again, run `{check}` before "
        "`pulumi up`"
    )


def _roles_and_settings(named: Mapping[str, Entry]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return, for each entry, the role's name (empty for a new role), and the settings by key."""
    return {
        name: (
            entry.role.name,
            {camel_case(key): value for key, value in entry.requirements.settings().items()},
        )
        for name, entry in named.items()
    }


def _imports(named: Mapping[str, Entry]) -> Iterator[dict[str, object]]:
    """Yield the resources for the import file; new roles are not imported."""
    for name, entry in named.items():
        if not entry.replaced:
            yield from files.import_entries(name, entry.role, entry.change)


def _write(
    options: argparse.Namespace,
    found: Sequence[Entry],
    owners: Owners,
    config: Mapping[str, object],
    import_file: Mapping[str, object],
) -> list[str]:
    """Write the files, with a script if policies or roles will change, and return the files' names."""
    changed = [entry for entry in found if entry.change.text or entry.replaced]
    script = restoration.script(options.stack, changed, owners.by_role) if changed else ""
    return files.write(options.stack, config, import_file, script, overwrite=options.force)


def _set_application(options: argparse.Namespace, before: Existing, output: Output) -> str:
    """Set `options.application` to the application's ID, and `options.region` to its Region if known.

    Return the application's account; empty if it is not known.
    If neither `--application` nor `--data-source` is set, the application is the one in the stack's
    configuration, if any. Raises InputError for an invalid combination of options.
    """
    origin = "--application"
    if before.application and not (options.application or options.data_source):
        options.application, origin = (
            before.application,
            f"applicationId in {files.config_file(options.stack)}",
        )
        output(f"the application is from {files.config_file(options.stack)}: {before.application.text}")
    _check(options, origin)
    if options.application:
        options.region = options.region or options.application.region or before.region
        account_id, options.application = options.application.account, options.application.id
        return account_id
    return ""


def _open_account(options: argparse.Namespace, account_id: str, output: Output) -> Account:
    """Return the credentials' account; raise InputError if it is known not to be the application's."""
    account = Account(options.region, output)
    own = account.caller()["Account"] if account_id else ""
    if own != account_id:
        raise InputError(
            f"the application is in account {account_id}, but the credentials are for account {own}: "
            "set AWS_PROFILE to a profile for the application's account"
        )
    return account


def _check(options: argparse.Namespace, origin: str) -> None:
    """Raise InputError for an invalid combination of options."""
    region = options.application and options.application.region
    if region and options.region not in (None, region):
        raise InputError(f"{origin} is in {region}, but --region is {options.region}: omit --region")
    if options.all and options.data_source:
        raise InputError(
            "--data-source selects one data source, and --all selects several: omit one of the options"
        )
    if options.name and not options.all:
        raise InputError("--name requires --all: pass --all as well")
    if len(options.connector) > 1 and not options.all:
        raise InputError(
            "several --connector options require --all: pass --all as well, or only one --connector"
        )


def _plan_one(
    account: Account, before: Existing, options: argparse.Namespace, output: Output
) -> tuple[Entry, Users]:
    """Select one data source, plan its entry, and find the data sources that use each role.

    Raises InputError or SettingsError if this is impossible. If listing is allowed only for the
    application in the options, warns that data sources of other applications may use the role.
    """
    complete = True
    try:
        everything = [*account.data_sources()]
    except ClientError as error:
        if not (options.application and is_denied(error)):
            raise
        output.warn(
            "other applications' data sources may use the role, but they could not be listed: "
            f"{reason(error)}"
        )
        everything = [*account.data_sources(options.application)]
        complete = False
    found = [each for each in everything if options.application in (None, each.application_id)]
    remaining = selection.without_excluded(found, everything, options, output)
    source = selection.choose(remaining, options, output)
    connector = next(iter(options.connector), None)
    planned = entries.plan(account, source, output, connector, replace=options.replace_policies)
    users = selection.find_users(account, everything, output)
    entry = _with_role(account, planned, users, before, options)
    if isinstance(entry, Finding):
        raise InputError(entry.text)
    return entry, users._replace(complete=users.complete and complete)


def _plan_every(
    account: Account, before: Existing, options: argparse.Namespace, output: Output
) -> tuple[list[Entry], dict[DataSource, Finding], Users]:
    """Plan each selected data source's entry, or find why the data source is left out.

    Also find the data sources that use each role. Raises InputError if the options select no data source
    or select data sources of several applications, or if `--take` selects several data sources that use
    the same role.
    """
    everything = [*account.data_sources()]
    of_application = selection.of_one_application(everything, options)
    users = selection.find_users(account, everything, output)
    remaining = selection.without_excluded(of_application, everything, options, output)
    sources = selection.of_connectors(account, remaining, options.connector)
    planned, left_out = entries.plan_all(account, sources, output, replace=options.replace_policies)
    found: list[Entry] = []
    for each in planned:
        entry = _with_role(account, each, users, before, options)
        if isinstance(entry, Finding):
            left_out[each.data_source] = entry
        else:
            found.append(entry)
    taken = Counter(entry.role.arn for entry in found if not entry.replaced)
    if twice := [arn for arn, count in taken.items() if count > 1]:
        raise InputError(f"--take selects several data sources that use {twice[0]}: select only one")
    return found, left_out, users


def _with_role(
    account: Account, entry: Entry, users: Users, before: Existing, options: argparse.Namespace
) -> Entry | Finding:
    """Return the entry with its role or, if `serves_others` finds other uses of the role, a new one.

    If `--take` selects the entry's data source, the entry keeps such a role. Return a finding if the
    stack's file declares such a role, but `--take` selects none of the role's data sources, because the
    update would delete the role.
    """
    because = entries.serves_others(account, entry, users)
    identifier = entry.data_source.id
    if not because:
        return entry
    if identifier in options.take:
        warning = (
            f"{entry.role.arn} {because}: with --take, the update can remove access that these uses need"
        )
        return entry._replace(warnings=(warning, *entry.warnings))
    taken = any(each.id in options.take for each in users.by_role[entry.role.arn])
    if before.name_of(entry.role.name) and not taken:
        return skipped(
            f"{entry.role.arn} {because}, and {files.config_file(options.stack)} declares it: pass "
            f"--take with the data source that keeps it, such as --take {identifier}; the others get "
            "new roles"
        )
    return entries.plan_new_role(entry, because)


def _without_owners(
    found: Sequence[Entry],
    left_out: dict[DataSource, Finding],
    owners: Owners,
    options: argparse.Namespace,
) -> list[Entry]:
    """Return the entries that have a new role, that --take selects, or whose role has no known owner.

    Add the data sources of the remaining entries to `left_out`.
    """
    kept: list[Entry] = []
    for entry in found:
        source = entry.data_source
        owner = None if entry.replaced else owners.by_role.get(entry.role.arn)
        if not owner:
            kept.append(entry)
        elif source.id in options.take:
            warning = f"{owner} {entry.role.name}, but --take adopts the role anyway"
            kept.append(entry._replace(warnings=(*entry.warnings, warning)))
        else:
            left_out[source] = skipped(
                f"{owner} {entry.role.name}: if two stacks own a role or policy, either can delete it, "
                "so first release it there (docs/adopt-details.md); to adopt the role anyway, pass "
                f"--take {source.id}"
            )
    return kept


def _find_unused(
    account: Account, found: Sequence[Entry], users: Users, owners: Owners
) -> Iterator[Role]:
    """Yield the replaced roles that are unused after the report's steps, as far as AWS and Pulumi show.

    No data source uses such a role, no stack owns it, and only this application can assume it, because
    the data sources of another may have to get it back. Yields none if some data sources or stacks were
    not read, and leaves out roles with unread policies.
    """
    if not (users.complete and owners.complete):
        return
    moved = {entry.data_source.id for entry in found if entry.replaced}
    own = found[0].requirements.application_arn
    for role in {entry.replaced.arn: entry.replaced for entry in found if entry.replaced}.values():
        is_used = any(each.id not in moved for each in users.by_role[role.arn])
        has_owner = role.arn in owners.by_role or role.arn in users.hooks
        others = other_principals(role) or other_applications(account, role, own)
        if role.complete and not (is_used or has_owner or others):
            yield role


def _connector(text: str) -> Connector:
    """Return the connector with this name; for use as an argparse `type`."""
    try:
        return connector_named(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _number(text: str) -> int:
    """Parse a number of stacks; for use as an argparse `type`."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a number of stacks: expected 0 or more")
    return int(text)


def _name(text: str) -> tuple[str, str]:
    """Parse a data source's ID and its entry's name; for use as an argparse `type`."""
    identifier, _, name = text.partition("=")
    if not identifier or not ENTRY_NAME.parse(name):
        raise ArgumentTypeError(
            f"{text!r} is not ID=NAME: expected the ID of a data source and the name of its entry, "
            f"which is {ENTRY_NAME.expected}"
        )
    return identifier, name
