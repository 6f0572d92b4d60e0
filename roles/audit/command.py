"""Compare the roles of data sources with the roles that the program would create.

The result is text, the same text in a Markdown code block, CSV for a spreadsheet, or a JSON document.
docs/audit.md describes the results.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from components.formats import SUPPORTED_REGIONS
from roles.account import Account, DataSource
from roles.audit import accounts
from roles.audit.accepted import Acceptance, read_acceptances, without_effect
from roles.audit.records import RESULTS, Record
from roles.audit.report import Report, Result
from roles.audit.survey import Survey, survey
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
        help="the applications' Region; default: from the environment or the profile; repeatable",
    )
    accounts.add_options(parser)
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
    now = datetime.now(UTC)
    acceptances = read_acceptances(options.accept) if options.accept else {}
    regions = [*dict.fromkeys(options.region or [None])]
    available = [each for each in regions if each is None or each in SUPPORTED_REGIONS] or regions
    own = [Account(region, output) for region in available]
    surveys = survey(accounts.open_accounts(options, own, output), output)
    found = [record for each in surveys for record in each.records]
    found += [
        Record("not compared", "", text=f"Amazon Q Business is not available in {each}")
        for each in regions
        if each not in available
    ]
    report = _report(own, surveys, _accept(found, acceptances, now.date()), now)
    is_complete = all(each.kind != "not compared" for each in found)
    if is_complete and not (report.results or options.allow_empty):
        raise InputError(
            f"there is no Amazon Q Business data source in {report.head['place']}: pass the "
            "applications' Region with --region, or set AWS_PROFILE to a profile for their account; if "
            "there should be none, pass --allow-empty"
        )
    if options.json:
        output.json(report.document())
    elif options.csv:
        output.csv(report.rows())
    else:
        output.show(*(report.markdown() if options.markdown else report.parts()))
    for note in without_effect(acceptances, {each.id for each in found}, now.date()):
        output(note)
    if not is_complete:
        output(f"not everything could be read: {PERMISSIONS_PAGE} lists the required permissions")
    if note := legacy_note(each.document()["connector"] for each in report.results):
        output(note)
    states = {each.state for each in report.results}
    if states.intersection(RESULTS[:4]):
        return PROBLEMS
    unknown = CANNOT_TELL if "unknown connector" in states else FINE
    return unknown if is_complete else COULD_NOT_LOOK


def _accept(
    records: Sequence[Record], acceptances: Mapping[str, Acceptance], today: date
) -> list[Record]:
    """Return the records, the most severe first; those that are accepted say until when, and why."""
    accepted = {name: each for name, each in acceptances.items() if each.until >= today}
    found = [
        each._replace(until=str(its.until), reason=its.reason)
        if (its := accepted.get(each.id))
        else each
        for each in records
    ]
    return sorted(found, key=lambda each: each.severity)


def _report(
    own: Sequence[Account], surveys: Sequence[Survey], records: Sequence[Record], now: datetime
) -> Report:
    first, *others = surveys
    place = f"{len(surveys)} accounts" if others else f"account {first.id}"
    head = {
        "date": f"{now:%Y-%m-%d %H:%M} UTC",
        "caller": str(own[0].caller()["Arn"]),
        "version": version(),
        "place": f"{', '.join(each.region for each in own)}, {place}",
    }
    of_source = defaultdict[DataSource, list[Record]](list)
    for record in records:
        for each in record.sources:
            of_source[each].append(record)
    results = [Result(each, of_source[each.data_source]) for its in surveys for each in its.readings]
    return Report(head, sorted(results, key=lambda each: each.severity), records)
