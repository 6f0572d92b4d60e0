"""Compare the roles of data sources with the roles that the program would create.

The result is text (a table, and the statements that differ), Markdown for a job summary or an issue, CSV
for a spreadsheet, or a JSON document. docs/audit.md describes the results.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from components.formats import SUPPORTED_REGIONS
from roles.account import Account
from roles.arns import Arn
from roles.audit import accounts, markdown, spreadsheet, table
from roles.audit.accepted import Acceptance, acceptance_for, acceptance_of_invalid, read_acceptances
from roles.audit.report import Report, find_unmatched
from roles.audit.survey import DataSourceResult, Outcome, survey
from roles.audit.unused import day
from roles.credentials import check_account
from roles.declared import read_stack
from roles.detection import legacy_note
from roles.difference import Verdict
from roles.errors import CANNOT_TELL, COULD_NOT_LOOK, FINE, PERMISSIONS_PAGE, PROBLEMS, InputError
from roles.output import Output
from roles.project import stack_name

HELP: Final = "compare every data source's role with the role that the program would create"


_VERSION: Final = 1
"""The version of the JSON document's format; a change that can break a reader increases it."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "--region",
        action="append",
        help="the applications' Region; default: from the stack, the environment, or the profile; "
        "repeatable",
    )
    accounts.add_options(parser)
    parser.add_argument(
        "--stack", type=stack_name, help="show the dataSources entry for each of this stack's roles"
    )
    parser.add_argument(
        "--accept",
        metavar="FILE",
        type=Path,
        help="accept the findings in this YAML file until they expire",
    )
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument(
        "--markdown", action="store_true", help="print Markdown, for a job summary or an issue"
    )
    formats.add_argument("--csv", action="store_true", help="print CSV, for a spreadsheet or a query")
    parser.add_argument(
        "--allow-empty", action="store_true", help="do not fail if there are no data sources"
    )


def run(options: argparse.Namespace, output: Output) -> int:
    """Compare the roles, print the results, and return the exit code.

    Raises InputError if it finds no data source and skips nothing, unless `--allow-empty` is given.
    """
    acceptances = read_acceptances(options.accept) if options.accept else []
    stack = read_stack(options.stack, show_secrets=True) if options.stack else None
    of_stack = [Arn.of(each.application_arn).region for each in stack.roles] if stack else [None]
    regions = [*dict.fromkeys(options.region or of_stack)]
    unavailable = [each for each in regions if each and each not in SUPPORTED_REGIONS]
    unavailable = unavailable if len(unavailable) < len(regions) else []
    own = [Account(region, output) for region in regions if region not in unavailable]
    opened, failed = accounts.open_accounts(options, own, output)
    caller, now = own[0].caller(), datetime.now(UTC)
    if stack:
        known = {*opened, *(each.account for each in failed)}
        of_roles = {Arn.of(each.role_arn).account for each in stack.roles}
        check_account(f"stack {stack.name}", sorted(of_roles - known), own[0])
    surveys = survey(opened, output, stack, acceptances, failed)
    found = Report(
        tuple(surveys),
        tuple(account.region for account in own),
        caller["Arn"],
        now,
        tuple(find_unmatched(acceptances, surveys)),
        stack.name if stack else "",
        tuple(unavailable),
    )
    if not (found.data_sources or found.skipped or options.allow_empty):
        raise InputError(
            f"there is no Amazon Q Business data source in {found.place}: pass the applications' "
            "Region with --region, or set AWS_PROFILE to a profile for their account; if there should "
            "be none, pass --allow-empty",
            details=_place(found),
        )
    if options.json:
        output.json(_document(found))
    elif options.csv:
        output.csv(spreadsheet.rows(found))
    elif options.markdown:
        output.show(*markdown.render(found).splitlines())
    else:
        output.show(*table.parts(found))
    for note in _notes(found):
        output(note)
    return _exit_code(found)


def _notes(found: Report) -> Iterator[str]:
    """Yield notes about gaps in the result, and about accepted findings that were not found."""
    for region in found.regions:
        if len(found.regions) > 1 and all(result.region != region for result in found.data_sources):
            yield f"found no data source in {region}"
    for acceptance in found.unmatched:
        yield f"accepted finding not found in {found.place}: {acceptance.label}"
    for skipped in found.skipped:
        yield f"skipped: {skipped}"
    for unlisted in found.unlisted:
        yield f"did not look for roles that no data source uses: {unlisted}"
    if note := legacy_note(result.connector for result in found.data_sources):
        yield note
    for denied in found.denied:
        yield (
            f"{denied} is not allowed on at least some resources: {PERMISSIONS_PAGE} lists the required "
            "permissions"
        )


def _exit_code(found: Report) -> int:
    states = {result.state for result in found.data_sources}
    if states & {Outcome.DANGEROUS, Outcome.INVALID, Outcome.LACKING, Outcome.DIFFERENT}:
        return PROBLEMS
    if Outcome.SKIPPED in states or found.skipped or found.denied:
        return COULD_NOT_LOOK
    return CANNOT_TELL if Outcome.UNKNOWN in states else FINE


def _place(found: Report) -> dict[str, object]:
    """Return the only account and Region (None if there are several), and all Regions."""
    first, *more = found.surveys
    region, *others = found.regions
    return {
        "account": None if more else first.account,
        "region": None if others else region,
        "regions": found.regions,
    }


def _document(found: Report) -> dict[str, object]:
    users = found.users()
    return {
        "version": _VERSION,
        **_place(found),
        "accounts": [
            {
                "account": each.account,
                "error": each.failure or None,
                "skipped": each.skipped,
                "denied": each.denied,
                "unlisted": each.unlisted or None,
            }
            for each in found.surveys
        ],
        "unavailable": found.unavailable,
        "caller": found.caller,
        "date": f"{found.date:%Y-%m-%dT%H:%M:%SZ}",
        **({"stack": found.stack} if found.stack else {}),
        "states": found.counts(),
        "dataSources": [
            {
                **result.data_source.document(),
                "account": result.account,
                "region": result.region,
                "applicationName": result.data_source.application_name,
                "indexName": result.data_source.index_name,
                "connector": result.connector or None,
                "role": result.role_arn or None,
                "state": result.state,
                "result": result.text,
                "remarks": result.remarks,
                **_fault(result),
            }
            for result in found.data_sources
        ],
        "roles": [
            {
                "account": role.account,
                "role": role.arn,
                **({"entry": role.entry or None} if found.stack else {}),
                "state": role.state,
                "result": role.text,
                "dataSources": [user.data_source.id for user in users[role.account, role.arn]],
                "lastUsed": role.last_used or None,
                "findings": [
                    _plain(role.account, verdict, acceptance_for(role.arn, verdict))
                    for verdict in role.differences
                ],
                "accepted": [_plain(role.account, *accepted) for accepted in role.accepted],
                "remarks": role.remarks,
            }
            for role in found.roles
        ],
        "unused": [
            {
                "account": Arn.of(role.arn).account,
                "role": role.arn,
                **({"entry": role.entry or None} if found.stack else {}),
                "lastUsed": role.last_used or None,
                "created": day(role.created),
            }
            for role in found.unused
        ],
        "unmatched": [acceptance.document() for acceptance in found.unmatched],
    }


def _fault(result: DataSourceResult) -> dict[str, object]:
    """Return the entry that accepts an invalid data source; nothing for other data sources."""
    if not result.fault:
        return {}
    entry = result.acceptance or acceptance_of_invalid(result.data_source.id)
    return {"fault": result.fault, "accept": entry.document()}


def _plain(account: str, verdict: Verdict, acceptance: Acceptance) -> dict[str, object]:
    return {
        "account": account,
        "finding": verdict.verdict,
        "danger": verdict.danger or None,
        "policy": verdict.policy,
        "statement": verdict.statement,
        "access": [access._asdict() for access in verdict.access],
        "dataSources": [data_source.id for data_source in verdict.data_sources],
        "accept": acceptance.document(),
    }
