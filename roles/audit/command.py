"""Compare the roles of data sources with the roles that the program would create.

The result is text, the same text in a Markdown code block, CSV for a spreadsheet, or a JSON document.
docs/audit.md describes the results.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from components.formats import SUPPORTED_REGIONS
from roles.account import Account
from roles.audit import accounts, report
from roles.audit.records import (
    RESULTS,
    apply_acceptance,
    explain_ineffective_acceptances,
    read_acceptances,
)
from roles.audit.survey import survey
from roles.detection import legacy_note
from roles.errors import CANNOT_TELL, COULD_NOT_LOOK, FINE, PERMISSIONS_PAGE, PROBLEMS, InputError
from roles.output import Output
from roles.version import version

HELP: Final = "compare every data source's role with the role that the program would create"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "--region",
        action="append",
        choices=SUPPORTED_REGIONS,
        help="the applications' Region; default: from the environment or the profile; repeatable",
    )
    accounts.add_options(parser)
    parser.add_argument(
        "--accept",
        metavar="FILE",
        type=Path,
        help="accept each finding in this YAML file until its date",
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

    Raises InputError if all reads succeed but find no data source, unless `--allow-empty` is set.
    """
    now = datetime.now(UTC)
    acceptances = read_acceptances(options.accept) if options.accept else {}
    own = [Account(region, output) for region in dict.fromkeys(options.region or [None])]
    surveys = survey(accounts.open_accounts(options, own, output), output)
    today = str(now.date())
    records = sorted(
        (
            apply_acceptance(record, acceptances, today)
            for account_survey in surveys
            for record in account_survey.records
        ),
        key=lambda record: record.severity,
    )
    head = {
        "date": f"{now:%Y-%m-%d %H:%M} UTC",
        "caller": str(own[0].caller()["Arn"]),
        "version": version(),
        "place": f"{', '.join(each.region for each in own)}, "
        + (f"account {surveys[0].id}" if len(surveys) == 1 else f"{len(surveys)} accounts"),
    }
    results = report.results_of(surveys, records)
    is_complete = all(each.kind != "not compared" for each in records)
    if is_complete and not (results or options.allow_empty):
        raise InputError(
            f"there is no Amazon Q Business data source in {head['place']}: pass the applications' "
            "Region with --region, or set AWS_PROFILE to a profile for their account; if there should "
            "be none, pass --allow-empty"
        )
    if options.json:
        output.json(report.document(head, results, records))
    elif options.csv:
        output.csv(report.rows(head, records))
    else:
        start, end = (["~~~text"], ["~~~"]) if options.markdown else ([], [])
        output.show(*start, *report.parts(head, results, records), *end)
    for note in explain_ineffective_acceptances(acceptances, records, today):
        output(note)
    if not is_complete:
        output(f"not everything could be read: {PERMISSIONS_PAGE} lists the required permissions")
    if note := legacy_note(each["connector"] for each in results):
        output(note)
    states = {each["state"] for each in results}
    if states.intersection(RESULTS[:4]):
        return PROBLEMS
    unknown = CANNOT_TELL if "unknown connector" in states else FINE
    return unknown if is_complete else COULD_NOT_LOOK
